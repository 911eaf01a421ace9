"""Contenders do what they say: the peers train as we do, step for step, and both Schur forms are of
the same matrix.
"""

import re

import numpy as np
import pytest

from schurkit_press.bench import others, trainers

SMALL = {"hidden": 8, "batch": 4, "time": 6}
OURS = {"networks": 2, "engine": "numpy"}
MAKERS = [
    ("torch_loop", {}, "torch"),
    ("torch_vmap", {"networks": 2}, "torch"),
    ("schurkit_stack", {"networks": 3, "device": "cpu"}, "torch"),
    ("jax_loop", {}, "jax"),
    ("schurkit_fit", OURS, "numpy"),
    ("schurkit_fit", OURS | {"stored": True}, "numpy"),
]


@pytest.fixture(scope="module")
def ours():
    """Mean loss of the first 60 steps' last 20, by the NumPy engine."""
    return trainers.schurkit_fit(**SMALL, engine="numpy")[1]["loss"]


@pytest.mark.parametrize(("name", "case", "package"), MAKERS)
def test_everyone_trains_alike(name, case, package, ours):
    pytest.importorskip(package)
    lap, facts = getattr(trainers, name)(**SMALL, **case)
    assert facts["loss"] == pytest.approx(ours, rel=0 if package == "numpy" else 1e-4)
    assert np.isfinite(lap(3)) and np.isfinite(lap(100))


def test_both_rollouts_give_the_same_outputs(monkeypatch):
    case = {"hidden": 8, "trials": 5, "time": 6, "variants": 3}
    monkeypatch.setattr(others, "A_CALL", 2)
    lap, facts = others.schurkit_rollouts(**case)
    pytest.importorskip("torch")
    theirs, same = others.torch_rollouts(**case)
    assert same["loss"] == pytest.approx(facts["loss"], rel=1e-4)
    assert theirs(3) == pytest.approx(lap(3), rel=1e-4)


def test_effects_are_of_one_network_and_the_estimate_is_near():
    case = {"task": "flip_flop", "hidden": 12, "steps": 200, "trials": 64}
    exact, facts = others.effects(**case, engine="numpy")
    count, order, steps, _ = re.findall(r"[\d.]+", facts["note"])
    assert int(count) > 10 and float(order) > 0.9 and steps == "200"
    assert facts["note"].endswith("(not converged)")
    estimate = sum(others.effects(**case)[0](1)).sum()
    assert estimate == pytest.approx(exact(1).sum(), rel=0.5)


@pytest.mark.parametrize("kind", ["random", "near-orthogonal"])
def test_forms_of_both_have_small_errors(kind):
    for plain in (False, True):
        lap, facts = others.schur_form(16, kind, plain)
        assert facts["error"] < 1e-13 and lap(1) is not None
    moduli = np.abs(np.linalg.eigvals(others.matrix(64, kind)))
    assert (moduli.min() > 0.7) == (kind == "near-orthogonal")


def test_products_are_as_large_as_a_step_needs():
    assert others.products(8, 4, 6)[0](2).shape == (24, 8)


def test_memory_is_told_in_gigabytes():
    _, facts = others.training_memory(**SMALL, networks=2, steps=2)
    assert 0.01 < float(facts["note"].split()[0]) <= facts["GB"] + 0.01 < 100


def test_an_analysis_says_how_many_networks_it_ran_and_what_their_floor_is(monkeypatch):
    monkeypatch.setattr(others, "repeat", lambda lap, **_: [2.0 * lap.args[0]])
    _, facts = others.analysis(20, 512, 5, 2, ["matched"])
    variants = 7 * 3  # removals of three sectors, each with two draws of its control
    assert facts["floor"] == variants * 2 * 5 * 2.0
    assert facts["note"].startswith(f"{variants} networks, peak ")
    assert 0 < facts["GB"] < 10 and facts["s"] > 0
