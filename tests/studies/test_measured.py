"""What was measured is kept beside the networks, and only what is the same is taken from there."""

import shutil
from dataclasses import asdict, replace

import numpy as np
import pytest
from safetensors.numpy import save

from schurkit.studies import Dynamics, levels_in_store, measured
from schurkit.tasks import FlipFlop
from schurkit.training import Store, StoreWarning

QUICK = Dynamics(rank=4, delays=2, starts=16, trials=8, others=((1, 4), (2, 60)))
OPTIONS = {"kernel_trials": 2, "test_trials": 8}


@pytest.fixture(scope="module")
def first(trained, tmp_path_factory):
    """A store in which something is measured, and what that is."""
    store = Store(tmp_path_factory.mktemp("first") / "runs")
    return store, kept(trained, store)


@pytest.fixture
def store(first, tmp_path):
    """A copy of that store."""
    return Store(shutil.copytree(first[0].folder, tmp_path / "runs"))


def files(store):
    return sorted((store.folder / "measured").glob("*.safetensors"))


def same(a, b):
    """Raise unless equal to the last bit, down to the arrays inside."""
    np.testing.assert_equal(asdict(a), asdict(b))
    assert str(a.dsa) == str(b.dsa)  # keys and kinds


def kept(trained, store, dynamics=QUICK, **options):
    return levels_in_store(trained, dynamics, store=store, **OPTIONS | options)


def measured_anew(monkeypatch):
    """Settings that are measured from here on."""
    calls, levels = [], measured.levels

    def watched(*given, **options):
        calls.append(given)
        return levels(*given, **options)

    monkeypatch.setattr(measured, "levels", watched)
    return calls


def test_a_second_time_nothing_is_measured_and_all_is_the_same(trained, first, monkeypatch):
    store, found = first
    calls = measured_anew(monkeypatch)
    again = kept(trained, store)
    assert not calls and len(files(store)) == 1 and found is not again
    same(found, again)
    assert set(again.dsa) == {(2, 4), (1, 4)} and set(again.lacking) == {(2, 60)}
    with pytest.raises(ValueError, match="read-only"):
        again.pif.raw[0, 1] = 0


DIFFERENT = {
    "weights": lambda t: replace(t, rnn=replace(t.rnn, W_rec=t.rnn.W_rec + 1e-6)),
    "seeds": lambda t: replace(t, rnn=replace(t.rnn, labels=(0, 1, 2, 4))),
    "task": lambda t: replace(t, task=FlipFlop(bits=1, steps=11)),
    "recipe": lambda t: replace(t, recipe=replace(t.recipe, l1=1e-9)),
}


@pytest.mark.parametrize("what", ["dynamics", "option", *DIFFERENT, "code", "version"])
def test_whatever_differs_is_measured(trained, store, monkeypatch, what):
    dynamics = replace(QUICK, starts=17) if what == "dynamics" else QUICK
    if what == "code":
        monkeypatch.setattr(measured, "MEASURES", measured.MEASURES + 1)
    if what == "version":
        monkeypatch.setattr(measured, "installed", lambda packages: dict.fromkeys(packages, "0"))
    calls = measured_anew(monkeypatch)
    other = DIFFERENT.get(what, lambda t: t)(trained)
    kept(other, store, dynamics, **{"threshold": 0.5} if what == "option" else {})
    assert len(calls) == 1 and len(files(store)) == 2


def test_a_damaged_file_is_set_aside_and_measured_again(trained, first, store, monkeypatch):
    (path,) = files(store)
    path.write_bytes(save({"0": np.zeros(3)}))  # sound, but not what was kept
    calls = measured_anew(monkeypatch)
    with pytest.warns(StoreWarning, match="damaged .*set aside and is measured again"):
        again = kept(trained, store)
    assert len(calls) == 1 and files(store) == [path]
    same(first[1], again)
    pair = (path.with_suffix(".json"), path)
    assert store.leftovers() == [one.with_name(one.name + ".damaged") for one in pair]


def test_too_few_networks_are_not_kept(trained, tmp_path):
    none, store = replace(trained, reached=np.zeros(4, bool)), Store(tmp_path / "runs")
    assert kept(none, store) is None and not files(store)
