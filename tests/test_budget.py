"""Cumulative removals: what is removed, in which order, and where the levels are crossed."""

import numpy as np
import pytest
from helpers import random_rnn, refuses, self_trials

from schurkit import fvu, real_schur, rollout
from schurkit.ablation.budget import (
    ORDERS,
    SCHUR_ORDERS,
    BudgetPoint,
    removal_budget,
    removal_curve,
)


def small():
    rnn = random_rnn(1, hidden=8, outputs=2, scale=0.3)
    return rnn, self_trials(rnn, 30, 8)


def test_curves_start_at_nothing_and_end_at_all_couplings():
    rnn, trials = small()
    form = real_schur(rnn.W_rec[0])
    curve = removal_curve(rnn, trials, points=12)
    normal = fvu(rollout(rnn.with_W_rec(rnn.W_rec[0] - form.weights(form.N)), trials), trials)[0]
    for order in ORDERS:
        mine = [p for p in curve if p.order == order]
        masses = [p.removed_mass for p in mine]
        assert mine[0].removed_mass == 0 and mine[0].delta == 0 and np.all(np.diff(masses) > 0)
        if order in SCHUR_ORDERS:
            assert mine[-1].couplings == len(form.couplings()) and mine[-1].delta == pytest.approx(
                normal, rel=1e-9
            )
            assert mine[-1].removed_mass == pytest.approx(form.norm_N / form.norm_T)


def test_norm_order_removes_the_smallest_first():
    rnn, trials = small()
    form = real_schur(rnn.W_rec[0])
    sizes = np.sort([np.linalg.norm(form.coupling(i, j)) for i, j in form.couplings()])
    for point in removal_curve(rnn, trials, orders=["norm"], points=9):
        expected = np.sqrt((sizes[: point.couplings] ** 2).sum()) / form.norm_T
        assert point.removed_mass == pytest.approx(expected)


def test_the_random_order_follows_its_seed():
    rnn, trials = small()
    first, again, other = (
        removal_curve(rnn, trials, orders=["random"], points=6, seed=s) for s in (0, 0, 1)
    )
    assert first == again and first != other


def test_budget_reads_the_first_crossing():
    curve = [
        BudgetPoint("a", "norm", m, 0, d)
        for m, d in ((0.0, 0.0), (0.1, 0.02), (0.2, 0.005), (0.3, np.inf))
    ]
    found = {b.level: b for b in removal_budget(curve, [0.01, 0.03])}
    assert found[0.01].removed_mass == pytest.approx(0.05) and found[0.01].passed
    assert found[0.03].removed_mass == pytest.approx(0.2) and found[0.03].passed


def test_messages():
    rnn, trials = small()
    refuses("order must be one of 'estimate'", removal_curve, rnn, trials, orders=["best"])
    refuses("points must be at least 2", removal_curve, rnn, trials, points=1)
    refuses("levels must be above 0", removal_budget, [], [0.0])
