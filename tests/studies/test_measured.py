"""What was measured is kept beside the networks, and only what is the same is taken from there."""

from dataclasses import fields, is_dataclass, replace

import numpy as np
import pytest

from schurkit.studies import Dynamics, levels_in_store, measured
from schurkit.tasks import FlipFlop
from schurkit.training import Phase, Recipe, Store, StoreWarning, Until, train

QUICK = Dynamics(rank=4, delays=2, starts=16, trials=8, others=((1, 4), (2, 60)))
OPTIONS = {"probes": 4, "test_trials": 8}


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    recipe = Recipe(
        hidden_size=12,
        phases=(Phase(400, 1e-2),),
        batch_size=16,
        until=Until(0.5, 1),
        epoch_steps=10,
    )
    return train(
        FlipFlop(bits=1, steps=10), recipe, range(4), store=Store(tmp_path_factory.mktemp("runs"))
    )


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "runs")


def files(store):
    return sorted((store.folder / "measured").glob("*.safetensors"))


def same(a, b):
    """Equal to the last bit, down to the arrays inside."""
    if isinstance(a, np.ndarray):
        return (
            isinstance(b, np.ndarray)
            and a.dtype == b.dtype
            and np.array_equal(a, b, equal_nan=a.dtype.kind == "f")
        )
    if is_dataclass(a):
        return type(a) is type(b) and all(
            same(getattr(a, f.name), getattr(b, f.name)) for f in fields(a)
        )
    if isinstance(a, dict):
        return list(a) == list(b) and all(same(a[key], b[key]) for key in a)
    if isinstance(a, tuple):
        return isinstance(b, tuple) and len(a) == len(b) and all(map(same, a, b))
    return type(a) is type(b) and a == b


def measured_anew(monkeypatch):
    """Settings that are measured from here on."""
    calls, levels = [], measured.levels
    monkeypatch.setattr(
        measured,
        "levels",
        lambda *given, **options: calls.append(given) or levels(*given, **options),
    )
    return calls


def test_a_second_time_nothing_is_measured_and_all_is_the_same(trained, store, monkeypatch):
    first = levels_in_store(trained, QUICK, store=store, **OPTIONS)
    calls = measured_anew(monkeypatch)
    again = levels_in_store(trained, QUICK, store=store, **OPTIONS)
    assert not calls and len(files(store)) == 1
    assert same(first, again) and first is not again
    assert set(again.dsa) == {(2, 4), (1, 4)} and set(again.lacking) == {(2, 60)}
    assert again.row() == first.row()
    with pytest.raises(ValueError, match="read-only"):
        again.pif.raw[0, 1] = 0


@pytest.mark.parametrize(
    "what", ["dynamics", "option", "weights", "seeds", "task", "recipe", "code", "version"]
)
def test_whatever_differs_is_measured(trained, store, monkeypatch, what):
    levels_in_store(trained, QUICK, store=store, **OPTIONS)
    other, dynamics, options = trained, QUICK, OPTIONS
    if what == "dynamics":
        dynamics = replace(QUICK, starts=17)
    if what == "option":
        options = OPTIONS | {"threshold": 0.5}
    if what == "weights":
        W_rec = trained.rnn.W_rec.copy()
        W_rec[1, 0, 0] += 1e-6
        other = replace(trained, rnn=replace(trained.rnn, W_rec=W_rec))
    if what == "seeds":
        other = replace(trained, rnn=replace(trained.rnn, labels=(0, 1, 2, 4)))
    if what == "task":
        other = replace(trained, task=FlipFlop(bits=1, steps=11))
    if what == "recipe":
        other = replace(trained, recipe=replace(trained.recipe, l1=1e-9))
    if what == "code":
        monkeypatch.setattr(measured, "MEASURES", measured.MEASURES + 1)
    if what == "version":
        monkeypatch.setattr(measured, "installed", lambda packages: dict.fromkeys(packages, "0"))
    calls = measured_anew(monkeypatch)
    levels_in_store(other, dynamics, store=store, **options)
    assert len(calls) == 1 and len(files(store)) == 2


@pytest.mark.parametrize("damage", ["cut", "turned", "empty", "foreign"])
def test_a_damaged_file_is_set_aside_and_measured_again(trained, store, monkeypatch, damage):
    first = levels_in_store(trained, QUICK, store=store, **OPTIONS)
    (path,) = files(store)
    data = bytearray(path.read_bytes())
    if damage == "turned":
        data[-5] ^= 1
    if damage == "foreign":
        from safetensors.numpy import save

        data = save({"0": np.zeros(3)})
    path.write_bytes({"cut": data[:-100], "empty": b""}.get(damage, data))
    calls = measured_anew(monkeypatch)
    with pytest.warns(StoreWarning, match="damaged .*set aside and is measured again"):
        again = levels_in_store(trained, QUICK, store=store, **OPTIONS)
    assert len(calls) == 1 and same(first, again)
    assert path.with_name(path.name + ".damaged").is_file() and files(store) == [path]
    pair = (path.with_suffix(".json"), path)
    assert store.leftovers() == [one.with_name(one.name + ".damaged") for one in pair]


def test_a_store_that_cannot_be_written_costs_no_result(trained, tmp_path):
    (tmp_path / "runs").write_text("a file where the folder should be")
    with pytest.warns(StoreWarning, match="cannot be written .* used now but not kept"):
        assert (
            levels_in_store(trained, QUICK, store=Store(tmp_path / "runs"), **OPTIONS) is not None
        )


def test_too_few_networks_are_not_kept(trained, store):
    none = replace(trained, reached=np.zeros(4, bool))
    assert levels_in_store(none, QUICK, store=store, **OPTIONS) is None and not files(store)
