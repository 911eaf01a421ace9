"""Estimated and exact effects of removing couplings, against torch and against rollouts."""

from dataclasses import replace

import numpy as np
import pytest
from helpers import gauss, messages, random_rnn, random_trials

from schurkit import Trials, ablate, fvu, real_schur, rollout
from schurkit.ablation.changes import forms_of
from schurkit.ablation.couplings import (
    CouplingRow,
    coupling_estimates,
    coupling_map,
    exact_effects,
    rank_agreement,
)

STEADY = Trials(np.zeros((40, 5, 2)), np.ones((40, 8, 2)))
D, C = np.linspace(-0.5, 0.9, 7), np.linspace(-1, 1, 7)
KINDS = [{}, {"activation": "relu"}, {"leak": 0.4}, {"form": "voltage", "leak": 0.3}]
EVERY = [
    *KINDS,
    {"activation": "softplus", "leak": np.linspace(0.2, 1, 7)},
    {"form": "voltage", "activation": "retanh", "leak": 0.4, "c": C},
    {"form": "voltage", "activation": "relu", "D": D, "psi": "identity"},
    {"form": "voltage", "activation": "sigmoid", "D": D, "c": C, "psi": "tanh"},
]


def small(**kind):
    rnn = random_rnn(1, hidden=7, outputs=2, scale=0.35, **kind)
    cells = gauss(40, 8, 2) < 0.25
    cells[:, :2] = False
    trials = random_trials(outputs=2, trials=40, mask=cells)
    return rnn, forms_of(rnn)[0], trials


@pytest.mark.parametrize("kind", EVERY)
def test_first_order_is_the_slope_of_fvu(kind):
    """And with it the backward pass from the outputs."""
    rnn, form, trials = small(**kind)
    trials = replace(trials, h0=gauss(40, 7, seed=4))
    first, _ = coupling_estimates(rnn, form, trials, signals=1)
    assert not np.tril(first).any() and any(block.size == 2 for block in form.blocks)
    for i, j in form.couplings()[::3]:
        delta = 1e-5 * form.coupling(i, j)
        up, down = exact_effects(rnn, form, trials, [delta, -delta])
        assert 1e-5 * first[i, j] == pytest.approx((up - down) / 2, rel=1e-4, abs=1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_gauss_newton_is_the_squared_change_of_the_outputs(kind):
    """With targets equal to the outputs the residual is zero and FVU is its Gauss-Newton term, to
    second order.
    """
    rnn, form, trials = small(**kind)
    trials = replace(trials, targets=rollout(rnn, trials).outputs[0])
    estimate = sum(coupling_estimates(rnn, form, trials, signals=400))
    deltas = [1e-4 * form.coupling(*pair) for pair in form.couplings()]
    for pair, exact in zip(form.couplings(), exact_effects(rnn, form, trials, deltas)):
        assert 1e-8 * estimate[pair] == pytest.approx(exact, rel=0.2, abs=1e-18)


@pytest.mark.parametrize("kind", [*KINDS, {"activation": "relu", "form": "voltage", "leak": 0.5}])
@pytest.mark.parametrize("hidden, outputs, trials", [(33, 3, 30), (50, 19, 25), (16, 1, 1)])
def test_compiled_estimates_equal_those_of_numpy(kind, hidden, outputs, trials):
    pytest.importorskip("numba")
    rnn = random_rnn(1, hidden, 2, outputs, scale=0.9 / hidden**0.5, dtype=np.float32, **kind)
    form = real_schur(rnn.W_rec[0], leak=rnn.leak)
    mask = gauss(trials, 8) < 0.5
    mask[:, 0], mask[:, -1] = False, True
    trials = random_trials(outputs=outputs, trials=trials, mask=mask)

    def estimates(engine):
        return coupling_estimates(rnn, form, trials, signals=3, seed=4, engine=engine)

    for slow, fast in zip(estimates("numpy"), estimates("numba")):
        largest = np.abs(slow).max()
        assert largest > 0 and fast == pytest.approx(slow, rel=1e-4, abs=2e-6 * largest)


def test_compiled_estimates_do_not_depend_on_the_threads(monkeypatch):
    pytest.importorskip("numba")
    rnn = random_rnn(1, hidden=20, outputs=2, scale=0.2, dtype=np.float32)
    form, trials = real_schur(rnn.W_rec[0]), random_trials(outputs=2, trials=100)
    found = []
    for threads, engine in (("1", "numba"), ("3", "numba"), ("3", "auto")):
        monkeypatch.setenv("SCHURKIT_THREADS", threads)
        found.append(coupling_estimates(rnn, form, trials, engine=engine))
    assert np.array_equal(found[0], found[1]) and np.array_equal(found[0], found[2])


def test_map_lists_every_coupling_with_its_sector_and_its_exact_effect():
    rnn, form, trials = small()
    rows = coupling_map(rnn, trials, signals=2)
    assert [(r.driven, r.driver) for r in rows] == form.couplings()
    intact = fvu(rollout(rnn, trials), trials)[0]
    norms = dict.fromkeys(("RR", "CR", "CC"), 0.0)
    for row in rows:
        norms[row.sector] += row.norm**2
        cut = ablate(rnn, form, [form.coupling(row.driven, row.driver)])
        assert row.exact == pytest.approx(fvu(rollout(cut, trials), trials)[0] - intact, rel=1e-9)
        assert row.estimate == row.first_order + row.gauss_newton
    for sector, squares in norms.items():
        assert squares == pytest.approx(form.norms()[sector] ** 2, rel=1e-12)
    assert all(r.exact is None for r in coupling_map(rnn, trials, exact=False, signals=1))


def test_ranks_agree_inside_each_network_and_equal_effects_have_none():
    """In order 1, with a swap 1 − 6·2/(3·8) = .5; one network's estimates are all equal."""
    effects = {"in order": (1, 2, 9), "swapped": (2, 1, 9), "equal": (3, 3, 3)}
    place = 0, 1, 1.0, 1.0, "CC", 1.0, 1.0
    rows = [
        CouplingRow(name, *place, exact=1e3 * len(name) + k, first_order=e, gauss_newton=0)
        for name, estimates in effects.items()
        for k, e in enumerate(estimates)
    ]
    found = rank_agreement(rows)
    assert found.value == pytest.approx(0.75) and found.n == 2
    assert rank_agreement(rows[-3:]) is None and rank_agreement([]) is None


ONE, FORM, _ = small()
OTHER = r"2 input\(s\) and 2 output\(s\), as the networks; got 2 and 3"
test_messages = messages(
    (coupling_estimates, ONE, FORM, random_trials(1, outputs=2), "share"),
    (coupling_estimates, ONE, FORM, random_trials(outputs=3), OTHER),
    (coupling_estimates, ONE, FORM, STEADY, "targets do not vary"),
    (lambda: coupling_map(ONE, random_trials(outputs=2), forms=[]), "one Schur form a network"),
)
