"""The store: keys, checksums, damage, readers that cannot write."""

import json
import os
import re
import warnings

import numpy as np
import pytest

from schurkit import InputError, tasks
from schurkit.engine import ENGINES, choose
from schurkit.store import TRAINING, default_folder, record_of, store_command
from schurkit.tasks import Copy, FlipFlop
from schurkit.training import Phase, Recipe, Store, StoreWarning, train

TASK = Copy(2, 2, 4)
RECIPE = Recipe(hidden_size=6, phases=(Phase(3, 1e-3),), batch_size=4)


def record(seed=0, task=TASK, recipe=RECIPE):
    return record_of(task, recipe, seed, choose())


@pytest.fixture
def store(tmp_path):
    store = Store(tmp_path / "runs")
    train(TASK, RECIPE, [0, 1], store=store)
    return store


def test_every_choice_changes_the_name():
    store = Store("unused")
    records = [
        record(),
        record(seed=1),
        record(task=Copy(2, 2, 5)),
        record(recipe=Recipe(hidden_size=6, phases=(Phase(4, 1e-3),), batch_size=4)),
        record_of(TASK, RECIPE, 0, choose("torch")),
    ]
    assert len({store.name(r) for r in records}) == len(records)
    assert store.name(record()) == store.name(record())
    assert store.name(record()).startswith("copy-orthogonal-6-seed0-")


def test_names_stay_inside_the_folder():
    evil = record()
    evil["task"]["name"] = "../../etc/passwd"
    assert "/" not in Store("x").name(evil) and ".." not in Store("x").name(evil)


@pytest.mark.parametrize(
    "kind",
    [
        kind
        for kind in vars(tasks).values()
        if isinstance(kind, type) and hasattr(kind, "batch") and kind is not tasks.Task
    ],
)
@pytest.mark.parametrize("engine", ENGINES)
def test_no_source_and_no_place_of_a_file_is_in_the_key(kind, engine):
    """So a file of the engine that moves to another folder trains no network again."""
    key = record_of(kind(), RECIPE, 0, choose(engine))
    assert key["code"] == {
        "training": TRAINING["training"],
        "engine": TRAINING[engine],
        "task": kind.version,
    }
    assert all(isinstance(number, int) for number in key["code"].values())
    assert not re.search(r"[0-9a-f]{16}|[./]py|/|schurkit", json.dumps(key | {"versions": 0}))


@pytest.mark.parametrize("raised", ["training", "numpy", "task"])
def test_one_number_makes_its_own_kind_anew(raised, monkeypatch):
    def names():
        kinds = [(TASK, "numpy"), (TASK, "torch"), (FlipFlop(), "numpy")]
        return [
            Store("unused").name(record_of(task, RECIPE, 0, choose(engine)))
            for task, engine in kinds
        ]

    before = names()
    if raised == "task":
        monkeypatch.setattr(Copy, "version", 2)
    else:
        monkeypatch.setitem(TRAINING, raised, 2)
    moved = [old != new for old, new in zip(before, names())]
    assert (
        moved
        == {
            "training": [True, True, True],
            "numpy": [True, False, True],
            "task": [True, True, False],
        }[raised]
    )


def test_every_byte_flip_is_noticed(store):
    rng = np.random.default_rng(0)
    name = store.name(record())
    for suffix in (".json", ".safetensors"):
        path = store.folder / f"{name}{suffix}"
        sound = path.read_bytes()
        for position in rng.choice(len(sound), size=100, replace=False):
            broken = bytearray(sound)
            broken[position] ^= 1 << int(rng.integers(8))
            path.write_bytes(broken)
            with pytest.warns(StoreWarning, match="is damaged .* set aside and is trained again"):
                assert store.read(record()) is None
            for kind in (".json", ".safetensors"):
                aside = store.folder / f"{name}{kind}.damaged"
                os.replace(aside, store.folder / f"{name}{kind}")
            path.write_bytes(sound)
        assert store.read(record()) is not None


@pytest.mark.parametrize("suffix", [".json", ".safetensors"])
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


def test_a_store_that_cannot_be_written_costs_no_result(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.warns(StoreWarning, match="cannot be written .* is used now but not kept"):
        trained = train(TASK, RECIPE, [0], store=Store(tmp_path / "file" / "runs"))
    assert len(trained.rnn) == 1


def test_a_full_disk_leaves_no_part_behind(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    store = Store(tmp_path / "runs")
    with pytest.warns(StoreWarning, match="No space left on device"):
        train(TASK, RECIPE, [0], store=store)
    assert list(store.folder.iterdir()) == []


def test_nothing_is_ever_unpickled(store, tmp_path):
    import pickle

    marker = tmp_path / "ran"

    class Hostile:
        def __reduce__(self):
            return (open, (str(marker), "w"))

    path = store.folder / f"{store.name(record())}.safetensors"
    path.write_bytes(pickle.dumps(Hostile()))
    with pytest.warns(StoreWarning):
        assert store.read(record()) is None
    assert not marker.exists()


def test_command_lists_verifies_and_cleans(store, capsys):
    class Arguments:
        action, store = "list", None

    Arguments.store = str(store.folder)
    assert store_command(Arguments) == 0
    text = capsys.readouterr().out
    assert "copy-orthogonal-6-seed0-" in text and "2 networks" in text
    path = store.folder / f"{store.name(record())}.safetensors"
    path.write_bytes(b"x")
    Arguments.action = "verify"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert store_command(Arguments) == 1
    assert "1 of 2 networks are sound" in capsys.readouterr().out
    Arguments.action = "clean"
    assert store_command(Arguments) == 0 and "removed 2 leftover" in capsys.readouterr().out
    Arguments.store = "nowhere"
    with pytest.raises(InputError, match="no store at 'nowhere'"):
        store_command(Arguments)


def test_the_default_folder(tmp_path, monkeypatch):
    assert default_folder() == __import__("pathlib").Path(os.environ["SCHURKIT_STORE"])
    monkeypatch.delenv("SCHURKIT_STORE")
    (tmp_path / "_toc.yml").write_text("")
    (tmp_path / "notebooks").mkdir()
    monkeypatch.chdir(tmp_path / "notebooks")
    assert default_folder() == tmp_path / "runs"


def test_the_record_is_plain_json(store):
    meta = json.loads((store.folder / f"{store.name(record())}.json").read_text())
    assert meta["record"]["seed"] == 0 and meta["record"]["recipe"]["construction"] == "orthogonal"
    assert set(meta["found"]) == {"score", "stopped", "seconds", "final_loss", "steps", "reached"}


def test_a_task_with_fields_that_are_not_plain_is_refused():
    from dataclasses import dataclass

    @dataclass(frozen=True)
    class Odd(Copy):
        thing: object = None

    with pytest.raises(InputError, match="must be plain numbers and words"):
        record(task=Odd(thing=object()))
