"""The store: keys, checksums, damage, readers that cannot write."""

import json
import os
import pickle
import re
import warnings
from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np
import pytest
from helpers import refuses
from training.small import TASK, recipe

from schurkit.engine import ENGINES, choose
from schurkit.store import TRAINING, default_folder, record_of, store_command
from schurkit.tasks import Copy, FlipFlop
from schurkit.tasks.loading import TASKS
from schurkit.training import Store, StoreWarning, train

RECIPE = recipe(3, hidden_size=6)
SUFFIXES = (".json", ".safetensors")


def record(seed=0, task=TASK, recipe=RECIPE, engine="auto"):
    return record_of(task, recipe, seed, choose(engine))


@pytest.fixture
def store(tmp_path):
    store = Store(tmp_path / "runs")
    train(TASK, RECIPE, [0, 1], store=store)
    return store


def test_every_choice_changes_the_name_which_stays_inside_the_folder():
    other = {"recipe": recipe(4, hidden_size=6)}
    more = {"seed": 1}, {"task": Copy(2, 2, 5)}, other, {"engine": "torch"}
    names = [Store("unused").name(record(**change)) for change in ({}, *more)]
    assert len(set(names)) == len(names) and names[0] == Store("unused").name(record())
    assert names[0].startswith("copy-orthogonal-6-seed0-")
    for part, field in (("task", "name"), ("recipe", "construction"), ("recipe", "hidden_size")):
        evil = record()
        for lie in ("../../etc/passwd", None, ["/"]):
            evil[part] = evil[part] | {field: lie}
            assert not re.search(r"/|\.\.", Store("x").name(evil))
    assert not re.search(r"/|\.\.", Store("x").name(record() | {"seed": "/../../etc/passwd"}))
    of_task = lambda name: Store("x").name(record() | {"task": {"name": name}})  # noqa: E731
    assert of_task("a -- b" + 40 * "c").startswith(f"a-b{37 * 'c'}-orthogonal-6")  # as ever
    assert of_task(5).startswith("5-orthogonal-6")


@pytest.mark.parametrize("kind", TASKS.values())
@pytest.mark.parametrize("engine", ENGINES)
def test_no_source_and_no_place_of_a_file_is_in_the_key(kind, engine):
    """So a file of the engine that moves to another folder trains no network again."""
    key = record(task=kind(), engine=engine)
    state = {"training": TRAINING["training"], "engine": TRAINING[engine], "task": kind.version}
    assert key["code"] == state and all(isinstance(number, int) for number in state.values())
    assert not re.search(r"[0-9a-f]{16}|[./]py|/|schurkit", json.dumps(key | {"versions": 0}))


@pytest.mark.parametrize(
    "raised, anew",
    [
        ("training", [True, True, True]),
        ("numpy", [True, False, True]),
        ("task", [True, True, False]),
    ],
)
def test_one_number_makes_its_own_kind_anew(raised, anew, monkeypatch):
    def names():
        kinds = (TASK, "numpy"), (TASK, "torch"), (FlipFlop(), "numpy")
        return [Store("unused").name(record(task=task, engine=name)) for task, name in kinds]

    before = names()
    if raised == "task":
        monkeypatch.setattr(Copy, "version", 2)
    else:
        monkeypatch.setitem(TRAINING, raised, 2)
    assert [old != new for old, new in zip(before, names())] == anew


def test_every_byte_flip_is_noticed(store):
    rng = np.random.default_rng(0)
    paths = [store.folder / f"{store.name(record())}{suffix}" for suffix in SUFFIXES]
    for path in paths:
        sound = path.read_bytes()
        for position in rng.choice(len(sound), size=100, replace=False):
            broken = bytearray(sound)
            broken[position] ^= 1 << int(rng.integers(8))
            path.write_bytes(broken)
            with pytest.warns(StoreWarning, match="is damaged .* set aside and is trained again"):
                assert store.read(record()) is None
            for one in paths:
                os.replace(f"{one}.damaged", one)
            path.write_bytes(sound)
        assert store.read(record()) is not None


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("length", [0, 10, -1])
def test_truncation_is_noticed_and_the_network_trained_again(store, suffix, length):
    sound = train(TASK, RECIPE, [0], store=store).rnn.W_rec
    path = store.folder / f"{store.name(record())}{suffix}"
    path.write_bytes(path.read_bytes()[:length])
    with pytest.warns(StoreWarning, match="damaged"):
        again = train(TASK, RECIPE, [0, 1], store=store)
    assert again.stored.tolist() == [False, True] and np.array_equal(again.rnn.W_rec[:1], sound)
    assert train(TASK, RECIPE, [0, 1], store=store).stored.all()


def test_half_a_pair_counts_as_nothing(store):
    (store.folder / f"{store.name(record())}.json").unlink()
    assert store.read(record()) is None and not store.holds(record())
    assert len(store.entries()) == 1 and len(store.leftovers()) == 1


def test_a_store_that_cannot_be_written_costs_no_result(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    with pytest.warns(StoreWarning, match="cannot be written .* is used now but not kept"):
        assert len(train(TASK, RECIPE, [0], store=Store(tmp_path / "file" / "runs")).rnn) == 1

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.warns(StoreWarning, match="No space left on device"):
        train(TASK, RECIPE, [0], store=Store(tmp_path / "runs"))
    assert list((tmp_path / "runs").iterdir()) == []


def test_files_have_the_mode_of_the_umask(tmp_path):
    before = os.umask(0o027)
    try:
        train(TASK, RECIPE, [0], store=Store(tmp_path))
    finally:
        os.umask(before)
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o640}


def test_nothing_is_ever_unpickled(store, tmp_path):
    class Hostile:
        def __reduce__(self):
            return (open, (str(tmp_path / "ran"), "w"))

    path = store.folder / f"{store.name(record())}.safetensors"
    path.write_bytes(pickle.dumps(Hostile()))
    with pytest.warns(StoreWarning):
        assert store.read(record()) is None
    assert not (tmp_path / "ran").exists()


def test_command_lists_verifies_and_cleans(store, capsys):
    def command(action, folder=store.folder):
        code = store_command(SimpleNamespace(action=action, store=str(folder)))
        return code, capsys.readouterr().out

    code, text = command("list")
    assert code == 0 and "copy-orthogonal-6-seed0-" in text and "2 networks" in text
    (store.folder / f"{store.name(record())}.safetensors").write_bytes(b"x")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        code, text = command("verify")
    assert code == 1 and "1 of 2 networks are sound" in text
    code, text = command("clean")
    assert code == 0 and "removed 2 leftover" in text
    refuses("no store at 'nowhere'", command, "list", "nowhere")


def test_the_default_folder(tmp_path, monkeypatch):
    assert str(default_folder()) == os.environ["SCHURKIT_STORE"]
    monkeypatch.delenv("SCHURKIT_STORE")
    (tmp_path / "_toc.yml").write_text("")
    (tmp_path / "notebooks").mkdir()
    monkeypatch.chdir(tmp_path / "notebooks")
    assert default_folder() == tmp_path / "runs"


def test_a_task_with_fields_that_are_not_plain_is_refused():
    @dataclass(frozen=True)
    class Odd(Copy):
        thing: object = None

    refuses("must be plain numbers and words", record, task=Odd(thing=object()))
