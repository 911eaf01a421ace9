"""Rival coordinates remove what they say, and exactly as much."""

import numpy as np
import pytest
from helpers import apart, gauss, orthogonal, random_rnn, random_trials, refuses
from hypothesis import given
from hypothesis import strategies as st

from schurkit import ablation_profile, fvu, real_schur, rollout
from schurkit.ablation.rivals import (
    RIVALS,
    balanced_change,
    coordinates,
    rival_change,
    rival_values,
)


@given(
    hidden=st.integers(1, 12),
    mass=st.floats(0, 1),
    kind=st.sampled_from(RIVALS),
    seed=st.integers(0, 50),
)
def test_the_mass_is_met_exactly(hidden, mass, kind, seed):
    W_rec = gauss(hidden, hidden, seed=seed)
    change = rival_change(W_rec, mass, kind)
    assert np.linalg.norm(change) == pytest.approx(
        mass * np.linalg.norm(W_rec), rel=1e-9, abs=1e-12
    )


def test_the_smallest_components_go_first_and_pairs_together():
    W_rec = orthogonal(4) @ np.diag([4.0, 3.0, 2.0, 1.0]) @ orthogonal(4, 1)
    left = W_rec - rival_change(W_rec, np.sqrt(5 / 30), "svd")
    assert np.linalg.svd(left, compute_uv=False) == pytest.approx([4, 3, 0, 0], abs=1e-7)
    W_rec = np.array([[1.0, -2.0], [3.0, -4.0]])
    left = W_rec - rival_change(W_rec, np.sqrt(5 / 30), "magnitude")
    assert left == pytest.approx(np.array([[0, 0], [3, -4]]), abs=1e-7)
    V, D = gauss(4, 4), np.diag([1.0, 1.0, 0.5, -0.2])
    D[0, 1], D[1, 0] = -1, 1  # a pair of modulus √2
    W_rec, small = (V @ part @ np.linalg.inv(V) for part in (D, np.diag([0, 0, 0.5, -0.2])))
    mass = np.linalg.norm(small) / np.linalg.norm(W_rec)
    values = np.linalg.eigvals(W_rec - rival_change(W_rec, mass, "eigenmodes"))
    assert np.sort(np.abs(values)) == pytest.approx([0, 0, np.sqrt(2), np.sqrt(2)], abs=1e-6)


def test_rivals_take_the_mass_of_the_sector_and_stand_beside_its_removal():
    rnn, trials = random_rnn(2, hidden=8), random_trials()
    asked = {"forms": [real_schur(W) for W in rnn.W_rec], "subsets": [("CR",), ("CC",)]}
    rows = rival_values(rnn, trials, asked["subsets"], forms=asked["forms"])
    profile = ablation_profile(rnn, trials, **asked, controls=())
    for i, k in np.ndindex(2, 2):
        row = rows.set_index(["network", "removed"]).loc[(i, profile.removed[k])]
        assert row.removed_mass == pytest.approx(profile.removed_mass[i, k], rel=1e-12)
        assert row.schur == pytest.approx(profile.intact[i] + profile.effect[i, k], abs=1e-9)
        pruned = rnn.W_rec[i] - rival_change(rnn.W_rec[i], row.removed_mass, "svd")
        value = fvu(rollout(rnn[i].with_W_rec(pruned[None]), trials), trials)[0]
        assert row.svd == pytest.approx(value, abs=1e-5)


def test_messages():
    refuses(
        "rival must be one of 'svd', 'eigenmodes', 'magnitude'", rival_change, np.eye(2), 0.5, "pca"
    )
    refuses("mass must be between 0 and 1", rival_change, np.eye(2), 1.5, "svd")
    refuses(
        "eigenvectors of W_rec are linearly dependent",
        rival_change,
        np.eye(3, k=1),
        0.5,
        "eigenmodes",
    )


def test_each_way_to_take_a_matrix_apart_keeps_what_it_must():
    T = np.diag([1.0, 0.95, 0.5, 0.2]) + 0.3 * np.triu(np.ones((4, 4)), 1)
    hide = orthogonal(4, 3)
    W = hide @ T @ hide.T
    schur, singular, modes = coordinates(W, real_schur(W))
    assert schur["mass"] == pytest.approx(0.6 / np.linalg.norm(T))  # CR: four entries of 0.3
    condition, energy = "condition number of the basis", "Σ‖part‖² / ‖W‖²"
    kept = [coords["eigenvalues kept"] for coords in (schur, singular, modes)]
    assert kept[:2] == [4, 0] and kept[2] >= 1 <= singular["singular values kept"]
    assert (schur[energy], schur[condition]) == pytest.approx((1, 1))
    assert modes[energy] > 1.5 and modes[condition] > 2


def test_balanced_truncation_is_that_of_the_gramians():
    """Against the textbook's: the eigenvectors of the product of both Gramians."""
    trials, masses = random_trials(trials=400, steps=40, autonomous=0, outputs=1), []
    for seed in range(12):
        rnn = random_rnn(1, 6, 2, 1, seed=seed, biases=False, scale=0.3, activation="identity")
        W, C = rnn.W_rec[0], rnn.W_out[0]
        states = rollout(rnn, trials, states=True).states[0].reshape(-1, 6)
        P = states.T @ states / len(states)
        powers = [np.linalg.matrix_power(W, k) for k in range(40)]
        O = sum((C @ power).T @ (C @ power) for power in powers)
        P, O = (G + 1e-9 * np.trace(G) / 6 * np.eye(6) for G in (P, O))
        squares, into = np.linalg.eig(P @ O)  # of the squared Hankel singular values
        into = into[:, np.argsort(-squares.real)].real
        kept = into[:, :5] @ np.linalg.inv(into)[:5]  # onto all but the least
        expected = W - kept @ W @ kept
        mass = np.linalg.norm(expected) / np.linalg.norm(W)
        if mass < 1:
            masses.append(mass)
            assert apart(balanced_change(rnn, trials, mass * (1 - 1e-9)), expected) < 1e-5
    assert len(masses) >= 3
    for form in ("rate", "voltage"):
        other = random_rnn(1, 6, 2, 1, form=form, leak=0.5)
        change = balanced_change(other, trials, 0.3)
        assert np.linalg.norm(change) == pytest.approx(0.3 * np.linalg.norm(other.W_rec[0]))
