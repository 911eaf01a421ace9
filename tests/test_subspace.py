"""How removals meet subspaces: plain loops and planted subspaces."""

import numpy as np
import pytest
from helpers import apart, gauss, messages, orthogonal, random_rnn, random_trials

from schurkit import RNN, Trials, real_schur, rollout
from schurkit.ablation import SUBSETS, removal
from schurkit.analyses.activity import activity_weighted_mass, driving_activity, readout_adjoint
from schurkit.analyses.subspace import activity_basis, energy_rows, principal_angles


# --------------------------------------------------------------------------------- bases and angles
def test_planted_components_are_recovered():
    frame, sizes = orthogonal(6), np.array([3.0, 1.0, 0.1])
    scores = gauss(1000, 3, seed=1)
    scores = np.linalg.qr(scores - scores.mean(axis=0))[0].reshape(4, 250, 3)
    states = scores * sizes @ frame[:, :3].T + np.arange(6.0)
    found = activity_basis(states)
    assert apart(found.mean, np.arange(6.0)) < 1e-12
    assert found.shares == pytest.approx([*(sizes**2 / (sizes**2).sum()), 0, 0, 0])
    assert np.allclose(np.abs(found.basis.T @ frame[:, :2]), np.eye(2), atol=1e-7)
    widths = [activity_basis(states, share=share).basis.shape[1] for share in (0.85, 0.99, 1.0)]
    assert widths[:2] == [1, 2] and widths[2] >= 3
    assert activity_basis(states, components=5).basis.shape[1] == 5
    assert repr(found) == "ActivityBasis(2 of 6 components, 0.9990 of the variance)"


def test_principal_angles_are_those_that_were_built():
    angles = np.array([0.0, 1e-9, 0.3, 1.2, np.pi / 2])
    A, B = np.zeros((10, 5)), np.zeros((10, 5))
    for i, angle in enumerate(angles):
        A[2 * i, i] = 1
        B[2 * i : 2 * i + 2, i] = np.cos(angle), np.sin(angle)
    turn = orthogonal(10)
    mixed = turn @ A @ gauss(5, 5), turn @ B @ gauss(5, 5, seed=1)
    # a small angle is not lost in a cosine, 1 − 5e-19
    for pair in (mixed, mixed[::-1]):
        assert apart(principal_angles(*pair), angles) < 1e-10
    assert principal_angles(np.repeat(A[:, :1], 3, axis=1), A).shape == (1,)


# ------------------------------------------------------------------------------------------- energy
@pytest.mark.parametrize("rank", [1, 3, 9])
def test_the_null_is_that_of_random_subspaces(rank):
    """Random inputs and readouts of two dimensions are the subspaces."""
    rng = np.random.default_rng(5)
    change = rng.normal(size=(9, rank)) @ rng.normal(size=(rank, 9))
    form, shares, null = real_schur(np.zeros((9, 9)), 0), {"driven": [], "driving": []}, {}
    trials = Trials(rng.normal(size=(2, 3, 2)), np.ones((2, 3, 2)))
    for W_in, W_out in rng.normal(size=(400, 2, 9, 2)):
        rnn = RNN(W_in, np.zeros((9, 9)), W_out.T, activation="identity")
        for row in energy_rows(form, rnn, trials, [form.Q.T @ change @ form.Q]):
            if row["subspace"] != "activity":
                shares[row["side"]].append(row["share"])
                null[row["side"]] = row["expected"], row["spread"]
    for side, found in shares.items():
        expected, spread = null[side]
        assert expected == pytest.approx(2 / 9)
        assert abs(np.mean(found) - expected) < 4 * np.std(found) / np.sqrt(800)
        assert np.std(found) == pytest.approx(spread, rel=0.1)
        # of rank 1 the share is Beta(k/2, (N − k)/2)
        assert rank > 1 or spread == pytest.approx(np.sqrt(2 * 2 * 7 / (81 * 11)))


def test_energy_rows_name_what_they_measure():
    """Units 0, 1 are active, unit 2 is read out, unit 3 gets input: a coupling 2 ← 1 drives the
    readout from the activity.
    """
    frame = np.eye(4)
    W_rec = np.array([[0.9, 0.2, 0, 0], [0, 0.8, 0.3, 0], [0, 0, 0.7, 0.1], [0, 0, 0, 0.6]])
    rnn = RNN(frame[:, [3]], W_rec, frame[[2]], h0=[1.0, 1.0, 0, 0], labels=["seed 7"])
    trials = Trials(np.zeros((2, 6, 1)), gauss(2, 6, 1))
    form = real_schur(W_rec)
    rows = energy_rows(form, rnn, trials, [form.coupling(1, 2), (), form.N], share=1 - 1e-9)
    assert len(rows) == 12 and rows[0]["network"] == "seed 7"
    found = {(row["removed"], row["side"], row["subspace"]): row for row in rows}
    shares = {
        (0, "driven", "activity"): 1,
        (0, "driving", "activity"): 0,
        (0, "driven", "readout"): 0,
        (0, "driving", "readout"): 1,
        (2, "driving", "input"): 0.01 / (0.04 + 0.09 + 0.01),
        (2, "driven", "input"): 0,
        (2, "driven", "activity"): 0.13 / 0.14,
    }
    assert {key: found[key]["share"] for key in shares} == pytest.approx(shares, abs=1e-9)
    one, two = found[2, "driving", "input"], found[2, "driven", "activity"]
    assert (one["expected"], one["dimension"], two["dimension"]) == (0.25, 1, 2)


# ---------------------------------------------------------------------------- activity-weighted mas
@pytest.mark.parametrize("form", ["rate", "voltage"])
def test_driving_activity_is_what_the_weights_multiply(form):
    """The state before each step, or its rate."""
    rnn, trials = random_rnn(1, form=form, leak=np.linspace(0.2, 1.0, 7)), random_trials()
    states = rollout(rnn, trials, states=True).states[0]
    before = np.concatenate([np.tile(rnn.h0[:, None], (6, 1, 1)), states[:, :-1]], axis=1)
    expected = before if form == "rate" else np.tanh(before)
    assert apart(driving_activity(rnn, trials), expected) < 1e-12


def test_activity_weighted_mass_is_the_mean_along_trajectories():
    rnn, trials = random_rnn(1), random_trials()
    form, r = real_schur(rnn.W_rec[0]), driving_activity(rnn, trials)
    deltas = [removal(form, s) for s in SUBSETS[1:]] + [form.coupling(0, 1), np.eye(7), 0 * form.T]
    states = r.reshape(-1, 7)
    plain = [np.sqrt(np.mean([np.sum((d @ form.Q.T @ h) ** 2) for h in states])) for d in deltas]
    whole = np.sqrt(np.mean([np.sum((rnn.W_rec[0] @ h) ** 2) for h in states]))
    assert np.allclose(activity_weighted_mass(form, deltas, r, relative=False), plain, rtol=1e-10)
    assert np.allclose(activity_weighted_mass(form, deltas, r), plain / whole, rtol=1e-10)


# -------------------------------------------------------------------------------------- the adjoint


@pytest.mark.parametrize("mask", [None, [0, 0, 1, 1, 0, 1, 1, 0]])
def test_without_memory_the_adjoint_is_that_of_the_readout(mask):
    """Backward passes through time have their test in the slopes of couplings."""
    rnn = random_rnn(1, activation="identity").with_W_rec(np.zeros((7, 7)))
    trials = random_trials(mask=mask)
    y, W_out = trials.targets[trials.counted], rnn.W_out[0]
    expected = trials.counted.mean() * W_out.T @ W_out / ((y - y.mean(axis=0)) ** 2).sum()
    found = readout_adjoint(rnn, trials, signals=500, seed=5)
    assert found == pytest.approx(expected, abs=0.05 * np.abs(expected).max())
    assert np.array_equal(found, readout_adjoint(rnn, trials, signals=500, seed=5))
    assert not np.array_equal(found, readout_adjoint(rnn, trials, signals=500, seed=6))


ONE, FORM = random_rnn(1), real_schur(np.diag([0.9, 0.5]))


RUNAWAY = RNN(np.zeros((1, 1)), [[1e30]], [[1.0]], h0=[1.0], activation="relu")


LONG = Trials(np.zeros((1, 20, 1)), np.arange(20.0)[None, :, None])


STEADY = Trials(np.zeros((2, 3, 2)), np.ones((2, 3, 4)))


test_messages = messages(
    (
        principal_angles,
        np.eye(3),
        np.eye(4),
        r"A and B must have columns of one length \(hidden\); got shapes \(3, 3\) and \(4, 4\)",
    ),
    (
        principal_angles,
        np.eye(3),
        np.zeros((3, 2)),
        r"B must span at least one direction; got zeros of shape \(3, 2\)\.",
    ),
    (activity_basis, np.full((3, 2), 0.7), r"undefined: the 3 states do not vary\."),
    (
        activity_weighted_mass,
        FORM,
        FORM.N,
        np.zeros((4, 3)),
        r"activity must have axes \(…, 2\) and hold at least one state; got shape \(4, 3\)\.",
    ),
    (
        activity_weighted_mass,
        FORM,
        FORM.N,
        np.zeros((4, 2)),
        r"activity-weighted mass is undefined: T Qᵀ r is zero on this activity\.",
    ),
    (driving_activity, random_rnn(2), random_trials(), "activity needs one network"),
    (driving_activity, RUNAWAY, LONG, "its states diverge"),
    (
        readout_adjoint,
        ONE,
        STEADY,
        r"adjoint is undefined: the unmasked targets do not vary\.",
    ),
    (readout_adjoint, RUNAWAY, LONG, "its states or adjoints diverge"),
)
