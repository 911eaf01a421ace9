"""Contenders do what they say: the peers train as we do, step for step, and both Schur forms are of
the same matrix.
"""

import importlib.util
import re

import numpy as np
import pytest

from schurkit import random
from schurkit_press.bench import others, trainers
from schurkit_press.chapters import read_json

SMALL = {"hidden": 8, "batch": 4, "time": 6}
PEERS = [
    ("torch_loop", {}, "torch"),
    ("torch_vmap", {"networks": 2}, "torch"),
    ("schurkit_stack", {"networks": 3, "device": "cpu"}, "torch"),
    ("jax_loop", {}, "jax"),
]


@pytest.fixture(scope="module")
def ours():
    """Mean loss of the first 60 steps' last 20, by the NumPy engine."""
    return trainers.schurkit_fit(**SMALL, engine="numpy")[1]["loss"]


@pytest.mark.parametrize(("name", "case", "package"), PEERS, ids=[name for name, *_ in PEERS])
def test_a_peer_trains_as_we_do(name, case, package, ours):
    if importlib.util.find_spec(package) is None:
        pytest.skip(f"{package} is not installed")
    lap, facts = getattr(trainers, name)(**SMALL, **case)
    assert facts["loss"] == pytest.approx(ours, rel=1e-4)
    assert np.isfinite(lap(3)) and np.isfinite(lap(100))


def test_both_of_our_own_train_alike(ours):
    for stored in (True, False):
        more = {"networks": 2, "engine": "numpy", "stored": stored}
        lap, facts = trainers.schurkit_fit(**SMALL, **more)
        assert facts["loss"] == ours
        assert np.isfinite(lap(6)) and lap(6) == lap(6)


def test_both_rollouts_give_the_same_outputs(monkeypatch):
    case = {"hidden": 8, "trials": 5, "time": 6, "variants": 3}
    monkeypatch.setattr(others, "A_CALL", 2)
    lap, facts = others.schurkit_rollouts(**case)
    assert np.isfinite(lap(3))
    pytest.importorskip("torch")
    assert others.torch_rollouts(**case)[1]["loss"] == pytest.approx(facts["loss"], rel=1e-4)


def test_effects_are_of_one_network_and_the_estimate_is_near():
    case = {"task": "flip_flop", "hidden": 12, "steps": 200, "trials": 64}
    exact_lap, facts = others.effects(**case, engine="numpy")
    count, order, steps, _ = re.findall(r"[\d.]+", facts["note"])
    assert int(count) > 10 and float(order) > 0.9 and steps == "200"
    assert facts["note"].endswith("(not converged)")
    estimate, exact = sum(others.effects(**case)[0](1)).sum(), exact_lap(1).sum()
    assert estimate == pytest.approx(exact, rel=0.5)


@pytest.mark.parametrize("kind", ["random", "near-orthogonal"])
def test_forms_of_both_have_small_errors(kind):
    for plain in (False, True):
        lap, facts = others.schur_form(16, kind, plain)
        assert facts["error"] < 1e-13 and lap(1) is not None
    moduli = np.abs(np.linalg.eigvals(others.matrix(64, kind)))
    assert (moduli.min() > 0.7) == (kind == "near-orthogonal")


def test_products_are_those_of_the_states():
    lap, _ = others.products(8, 4, 6)
    states = random.normal(0, "bench states", 0, (24, 8)).astype(np.float32)
    W = random.normal(0, "bench weights", 0, (8, 8)).astype(np.float32)
    assert lap(2) == pytest.approx(states @ W)


def test_memory_is_told_in_gigabytes():
    _, facts = others.training_memory(**SMALL, networks=2, steps=2)
    assert 0.01 < float(facts["note"].split()[0]) <= facts["GB"] + 0.01 < 100


def test_an_analysis_says_how_many_networks_it_ran_and_what_their_floor_is(monkeypatch):
    monkeypatch.setattr(others, "product_seconds", lambda hidden: 2.0)
    kept = {}
    monkeypatch.setattr(others, "read_json", lambda path: kept.update(read_json(path)) or kept)
    _, facts = others.analysis(12, 512, 5, 2, ["matched"])
    removed = kept["networks"][0]["ablations"]
    held = {frozenset(one["removed"]) for one in removed if one["removed_mass"]}
    empty = {name for name in ("RR", "CR", "CC") if frozenset([name]) not in held}
    variants = 3 * len({one - empty for one in held})
    assert facts["floor"] == variants * 2 * 5 * 2.0
    assert facts["note"].startswith(f"{variants} networks, peak ")
    assert 0 < facts["GB"] < 10 and facts["s"] > 0
