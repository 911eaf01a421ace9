"""How removals meet subspaces: plain loops, torch autograd and planted subspaces."""

import itertools

import numpy as np
import pytest
import scipy.linalg
import torch
from helpers import orthogonal, random_rnn, random_trials

from schurkit import RNN, InputError, Trials, random, real_schur, rollout
from schurkit.ablation import SUBSETS, removal
from schurkit.analyses.activity import activity_weighted_mass, driving_activity, readout_adjoint
from schurkit.analyses.subspace import activity_basis, energy_in, energy_rows, principal_angles
from schurkit.engine import Spec
from schurkit.engine.torch import forward

KINDS = list(itertools.product(["tanh", "relu"], ["rate", "voltage"], [1.0, 0.3, "per unit"]))


def rnn_of(activation, form, leak, seed=0):
    return random_rnn(
        1,
        activation=activation,
        form=form,
        leak=np.linspace(0.2, 1.0, 7) if leak == "per unit" else leak,
        seed=seed,
    )


# --------------------------------------------------------------------------------- bases and angles
def test_planted_components_are_recovered():
    frame, sizes = orthogonal(6), np.array([3.0, 1.0, 0.1])
    rng = np.random.default_rng(1)
    scores = rng.normal(size=(4, 250, 3))
    scores = (
        scores.reshape(-1, 3) @ np.linalg.inv(np.linalg.cholesky(np.cov(scores.reshape(-1, 3).T))).T
    ).reshape(4, 250, 3)
    states = (scores - scores.mean(axis=(0, 1))) * sizes @ frame[:, :3].T + np.arange(6.0)
    found = activity_basis(states)
    expected = sizes**2 / (sizes**2).sum()
    assert (
        found.basis.shape == (6, 2)
        and np.allclose(found.shares[:3], expected)
        and np.abs(found.shares[3:]).max() < 1e-12
    )
    assert np.allclose(np.abs(found.basis.T @ frame[:, :2]), np.eye(2), atol=1e-7) and np.allclose(
        found.mean, np.arange(6)
    )
    assert (
        activity_basis(states, share=0.85).basis.shape[1] == 1
        and activity_basis(states, share=1.0).basis.shape[1] >= 3
    )
    assert activity_basis(states, components=5).basis.shape[1] == 5
    assert repr(found) == "ActivityBasis(2 of 6 components, 0.9990 of the variance)"
    turn = orthogonal(6, 7)
    turned = activity_basis(states @ turn.T)
    assert (
        np.allclose(turned.shares, found.shares)
        and principal_angles(turned.basis, turn @ found.basis).max() < 1e-7
    )


def test_centred_or_not_is_stated_and_matters():
    states = np.random.default_rng(0).normal(size=(50, 3)) * [0.1, 0.2, 0.3] + [10.0, 0.0, 0.0]
    centred, raw = activity_basis(states), activity_basis(states, centred=False)
    assert (
        np.abs(centred.basis[2, 0]) > 0.9
        and np.abs(raw.basis[0, 0]) > 0.999
        and raw.basis.shape[1] == 1
    )
    assert raw.mean.tolist() == [0, 0, 0] and "of the mean square" in repr(raw)
    assert activity_basis(np.ones((4, 3)), centred=False).shares[0] == pytest.approx(1)


def test_a_mask_chooses_states():
    states = np.random.default_rng(0).normal(size=(5, 4, 3))
    mask = np.array([1, 0, 0, 1])
    found = activity_basis(states, mask=mask)
    assert found.vectors == 10 and found.shares == pytest.approx(
        activity_basis(states[:, [0, 3]]).shares
    )
    full = np.zeros((5, 4))
    full[2] = 1
    assert activity_basis(states, mask=full).shares == pytest.approx(
        activity_basis(states[2]).shares
    )


def test_principal_angles_are_those_that_were_built():
    angles = np.array([0.0, 1e-9, 0.3, 1.2, np.pi / 2])
    A, B = np.zeros((10, 5)), np.zeros((10, 5))
    for i, angle in enumerate(angles):
        A[2 * i, i] = 1
        B[2 * i : 2 * i + 2, i] = np.cos(angle), np.sin(angle)
    turn, rng = orthogonal(10), np.random.default_rng(2)
    mixed = turn @ A @ rng.normal(size=(5, 5)), turn @ B @ rng.normal(size=(5, 5))
    # a small angle is not lost in a cosine, 1 − 5e-19
    assert np.abs(principal_angles(*mixed) - angles).max() < 1e-10
    assert np.allclose(principal_angles(*mixed[::-1]), principal_angles(*mixed), atol=1e-10)
    some = rng.normal(size=(10, 3)), rng.normal(size=(10, 6))
    assert np.allclose(principal_angles(*some), scipy.linalg.subspace_angles(*some)[::-1])
    assert (
        principal_angles(A[:, :2], A).max() < 1e-12
        and len(principal_angles(np.repeat(A[:, :1], 3, axis=1), A)) == 1
    )
    with pytest.raises(
        InputError,
        match=r"A and B must have columns of one length \(hidden\); got shapes \(3, 3\) and \(4, "
        r"4\).",
    ):
        principal_angles(np.eye(3), np.eye(4))
    with pytest.raises(
        InputError, match=r"B must span at least one direction; got zeros of shape \(3, 2\)."
    ):
        principal_angles(np.eye(3), np.zeros((3, 2)))


def test_activity_basis_messages():
    with pytest.raises(InputError, match=r"activity_basis is undefined: the 3 states do not vary."):
        activity_basis(np.full((3, 2), 0.7))
    with pytest.raises(InputError, match="the 3 states are all zero"):
        activity_basis(np.zeros((3, 2)), centred=False)
    with pytest.raises(
        InputError, match=r"mask must fit the leading axes of states \(5, 4\); got shape \(5,\)."
    ):
        activity_basis(np.zeros((5, 4, 2)), mask=np.ones(5))
    with pytest.raises(InputError, match="components must be between 1 and 2; got 3"):
        activity_basis(np.eye(2), components=3)
    with pytest.raises(InputError, match="share must be above 0"):
        activity_basis(np.eye(2), share=0)
    with pytest.raises(InputError, match=r"states must have axes \(…, hidden\)"):
        activity_basis(np.zeros(3))
    with pytest.raises(InputError, match="the 0 states do not vary"):
        activity_basis(np.eye(2), mask=np.zeros(2))


# ------------------------------------------------------------------------------------------- energy
def test_energy_of_planted_changes():
    frame = orthogonal(8)
    change = 3 * np.outer(frame[:, 0], frame[:, 1]) + 4 * np.outer(frame[:, 2], frame[:, 3])
    assert (
        energy_in(change).share == pytest.approx(1)
        and energy_in(change).expected == 1
        and energy_in(change).spread == pytest.approx(0)
    )
    assert energy_in(change, left=frame[:, :2]).share == pytest.approx(9 / 25)
    assert energy_in(change, right=5 * frame[:, [3]]).share == pytest.approx(16 / 25)
    assert energy_in(change, left=frame[:, [0, 2]], right=frame[:, [1]]).share == pytest.approx(
        9 / 25
    )
    assert energy_in(change, left=frame[:, [1, 3]]).share == pytest.approx(0, abs=1e-15)
    both = energy_in(change, frame[:, :2], frame[:, :4])
    assert both.expected == 2 / 8 * 4 / 8 and both.spread is None
    skew = frame[:, :2] @ [[1.0, 5.0], [0.0, 1e-3]]  # the span counts, not the columns
    assert energy_in(change, left=skew).share == pytest.approx(9 / 25)
    assert energy_in(1e-200 * change, left=frame[:, :2]).share == pytest.approx(9 / 25)


def test_energy_does_not_depend_on_the_basis():
    rng = np.random.default_rng(3)
    change, left, right, turn = (
        rng.normal(size=(6, 6)),
        rng.normal(size=(6, 2)),
        rng.normal(size=(6, 3)),
        orthogonal(6, 4),
    )
    plain, turned = (
        energy_in(change, left, right),
        energy_in(turn @ change @ turn.T, turn @ left, turn @ right),
    )
    assert plain.share == pytest.approx(turned.share)
    assert energy_in(change, left).spread == pytest.approx(
        energy_in(turn @ change @ turn.T, turn @ left).spread
    )
    P, R = left @ np.linalg.pinv(left), right @ np.linalg.pinv(right)
    assert plain.share == pytest.approx(
        np.linalg.norm(P @ change @ R) ** 2 / np.linalg.norm(change) ** 2
    )


@pytest.mark.parametrize("rank", [1, 3, 9])
def test_the_null_is_that_of_random_subspaces(rank):
    rng = np.random.default_rng(5)
    change = rng.normal(size=(9, rank)) @ rng.normal(size=(rank, 9))
    draws = rng.normal(size=(4000, 9, 2))
    for side in ("left", "right"):
        shares = np.array([energy_in(change, **{side: d}).share for d in draws[:2000]])
        null = energy_in(change, **{side: draws[0]})
        assert null.expected == pytest.approx(2 / 9) and abs(
            shares.mean() - 2 / 9
        ) < 4 * shares.std() / np.sqrt(2000)
        assert shares.std() == pytest.approx(null.spread, rel=0.1)
    if rank == 1:  # the share is Beta(k/2, (N − k)/2)
        assert null.spread == pytest.approx(np.sqrt(2 * 2 * 7 / (81 * 11)))
    both = np.array([energy_in(change, d, e).share for d, e in zip(draws[:2000], draws[2000:])])
    assert abs(both.mean() - 4 / 81) < 4 * both.std() / np.sqrt(2000)


def test_energy_messages():
    with pytest.raises(InputError, match=r"energy_in is undefined: the change is zero."):
        energy_in(np.zeros((3, 3)))
    with pytest.raises(
        InputError, match=r"left must have columns of length 3 \(hidden\); got shape \(2, 1\)."
    ):
        energy_in(np.eye(3), left=np.ones((2, 1)))


def test_energy_rows_name_what_they_measure():
    """Units 0, 1 are active, unit 2 is read out, unit 3 gets input: a coupling 2 ← 1 drives the
    readout from the activity.
    """
    frame = np.eye(4)
    W_rec = np.array([[0.9, 0.2, 0, 0], [0, 0.8, 0.3, 0], [0, 0, 0.7, 0.1], [0, 0, 0, 0.6]])
    rnn = RNN(frame[:, [3]], W_rec, frame[[2]], h0=[1.0, 1.0, 0, 0], labels=["seed 7"])
    trials = Trials(np.zeros((2, 6, 1)), np.random.default_rng(0).normal(size=(2, 6, 1)))
    form = real_schur(W_rec)
    rows = energy_rows(
        form,
        rnn,
        trials,
        [form.coupling(1, 2), (), form.N],
        labels=["1 from 2", "nothing", "N"],
        share=1 - 1e-9,
    )
    found = {(row.removed, row.side, row.subspace): row for row in rows}
    assert len(rows) == 12 and rows[0].network == "seed 7"
    assert (
        found["1 from 2", "driven", "activity"].share == pytest.approx(1)
        and found["1 from 2", "driving", "activity"].share < 1e-9
    )
    assert (
        found["1 from 2", "driven", "readout"].share == 0
        and found["1 from 2", "driving", "readout"].share == 1
    )
    assert (
        found["N", "driving", "input"].share == pytest.approx(0.01 / (0.04 + 0.09 + 0.01))
        and found["N", "driven", "input"].share == 0
    )
    assert (
        found["N", "driving", "input"].expected == 0.25
        and found["N", "driving", "input"].dimension == 1
    )
    assert (
        found["N", "driven", "activity"].share == pytest.approx(0.13 / 0.14)
        and found["N", "driven", "activity"].dimension == 2
    )


# ---------------------------------------------------------------------------- activity-weighted mas
@pytest.mark.parametrize("activation, form, leak", KINDS)
def test_driving_activity_is_what_the_weights_multiply(activation, form, leak):
    """One recurrent step from it, by the equations, gives the states of the rollout."""
    rnn, trials = rnn_of(activation, form, leak), random_trials()
    r = driving_activity(rnn, trials)
    states = rollout(rnn, trials, states=True).states[0]
    x = np.concatenate([trials.inputs, np.zeros((6, 3, 2))], axis=1)
    pre = r @ rnn.W_rec[0].T + x @ rnn.W_in[0].T + rnn.b_rec[0]
    act = np.tanh if activation == "tanh" else lambda a: np.maximum(a, 0)
    before = np.concatenate([np.tile(rnn.h0[:, None], (6, 1, 1)), states[:, :-1]], axis=1)
    assert (
        np.abs(
            (1 - rnn.leak) * before + rnn.leak * (act(pre) if form == "rate" else pre) - states
        ).max()
        < 1e-12
    )


def test_activity_weighted_mass_is_the_mean_along_trajectories():
    rnn, trials = random_rnn(1), random_trials()
    form, r = real_schur(rnn.W_rec[0]), driving_activity(rnn, trials)
    deltas = (
        [removal(form, s) for s in SUBSETS[1:]]
        + [form.coupling(i, j) for i, j in form.couplings()]
        + [np.eye(7)]
    )
    plain = np.array(
        [
            np.sqrt(np.mean([np.sum((d @ form.Q.T @ h) ** 2) for h in r.reshape(-1, 7)]))
            for d in deltas
        ]
    )
    whole = np.sqrt(np.mean([np.sum((rnn.W_rec[0] @ h) ** 2) for h in r.reshape(-1, 7)]))
    assert np.allclose(activity_weighted_mass(form, deltas, r, relative=False), plain, rtol=1e-10)
    assert np.allclose(activity_weighted_mass(form, deltas, r), plain / whole, rtol=1e-10)
    assert (
        activity_weighted_mass(form, form.T, r) == pytest.approx(1)
        and activity_weighted_mass(form, 0 * form.T, r) == 0
    )


def test_a_removal_that_avoids_the_activity_has_no_activity_weighted_mass():
    frame = orthogonal(6)
    T = np.triu(np.random.default_rng(0).normal(size=(6, 6)), 1) + np.diag(np.linspace(1, 0.5, 6))
    form = real_schur(frame @ T @ frame.T)
    silent = form.Q[:, :3]  # activity in the span of the first three Schur vectors only
    activity = np.random.default_rng(1).normal(size=(20, 3)) @ silent.T
    assert (
        activity_weighted_mass(form, form.coupling(0, 4), activity)
        < 1e-15
        < 1e-3
        < activity_weighted_mass(form, form.coupling(0, 2), activity)
    )


def test_activity_weighted_mass_messages():
    form = real_schur(np.diag([0.9, 0.5]))
    with pytest.raises(
        InputError,
        match=r"activity must have axes \(…, 2\) and hold at least one state; got shape \(4, 3\).",
    ):
        activity_weighted_mass(form, form.N, np.zeros((4, 3)))
    with pytest.raises(
        InputError,
        match=r"the activity-weighted mass is undefined: T Qᵀ r is zero on this activity.",
    ):
        activity_weighted_mass(form, form.N, np.zeros((4, 2)))
    with pytest.raises(InputError, match="delta_T must have the shape of T"):
        activity_weighted_mass(form, np.eye(3), np.ones((4, 2)))
    with pytest.raises(InputError, match="driving_activity needs one network"):
        driving_activity(random_rnn(2), random_trials())
    with pytest.raises(InputError, match="driving_activity needs trials that all networks share"):
        driving_activity(random_rnn(1), random_trials(1))
    with pytest.raises(InputError, match="its states diverge"):
        runaway = RNN(np.zeros((1, 1)), [[1e30]], [[1.0]], h0=[1.0], activation="relu")
        driving_activity(runaway, Trials(np.zeros((1, 20, 1)), np.zeros((1, 20, 1))))


# -------------------------------------------------------------------------------------- the adjoint
def autograd_adjoints(rnn, trials, r):
    """∂(Σ r · y)/∂(pre-activation), (trials, time, hidden): by an extra input to every unit at
    every step.
    """
    weights = {
        name: torch.tensor(np.array(getattr(rnn, name)))
        for name in ("W_in", "W_rec", "W_out", "b_rec", "b_out", "h0")
    }
    steps, hidden = trials.targets.shape[1], rnn.hidden_size
    weights["W_in"] = torch.cat(
        [weights["W_in"], torch.eye(hidden, dtype=torch.float64)[None]], dim=2
    )
    x = np.zeros((len(trials), steps, rnn.input_size))
    x[:, : trials.inputs.shape[1]] = trials.inputs
    kick = torch.zeros((len(trials), steps, hidden), dtype=torch.float64, requires_grad=True)
    outputs, _ = forward(weights, Spec.of(rnn), torch.cat([torch.tensor(x), kick], dim=2))
    return torch.autograd.grad((outputs[0] * torch.tensor(r)).sum(), kick)[0].numpy()


def signals_of(trials, outputs, seed, signal):
    """The random signs that `readout_adjoint` draws, as (trials, time, output), over √D and zero
    where masked.
    """
    kept = np.broadcast_to(trials.mask, trials.targets.shape[:2])
    first, steps = int(np.argmax(kept.any(axis=0))), kept.shape[1]
    r = np.zeros((len(trials), steps, outputs))
    r[:, first:] = np.moveaxis(
        random.signs(seed, "readout adjoint", signal, (1, steps - first, len(trials), outputs))[0],
        0,
        1,
    )
    y = trials.targets[kept]
    return r * kept[..., None] / np.sqrt(((y - y.mean(axis=0)) ** 2).sum())


@pytest.mark.parametrize("activation, form, leak", KINDS)
@pytest.mark.parametrize("mask", [None, [0, 0, 1, 1, 0, 1, 1, 0]])
def test_the_adjoint_agrees_with_autograd(activation, form, leak, mask):
    rnn, trials = rnn_of(activation, form, leak), random_trials(mask=mask)
    expected = np.zeros((7, 7))
    for signal in range(3):
        adjoint = autograd_adjoints(rnn, trials, signals_of(trials, 4, 5, signal)).reshape(-1, 7)
        expected += adjoint.T @ adjoint / len(adjoint) / 3
    found = readout_adjoint(rnn, trials, signals=3, seed=5)
    assert np.abs(found - expected).max() < 1e-12 * np.abs(expected).max()
    assert np.array_equal(found, readout_adjoint(rnn, trials, signals=3, seed=5))
    assert not np.array_equal(found, readout_adjoint(rnn, trials, signals=3, seed=6))


def test_many_signals_tend_to_the_exact_second_moment():
    rnn, trials = random_rnn(1), random_trials()
    scale = np.abs(signals_of(trials, 4, 0, 0)).max()
    exact = np.zeros((7, 7))
    # E over signs: one output at one step at a time
    for step_, output in itertools.product(range(8), range(4)):
        r = np.zeros((6, 8, 4))
        r[:, step_, output] = scale
        adjoint = autograd_adjoints(rnn, trials, r).reshape(-1, 7)
        exact += adjoint.T @ adjoint / 48
    assert (
        np.abs(readout_adjoint(rnn, trials, signals=400) - exact).max() < 0.05 * np.abs(exact).max()
    )


def test_what_the_readout_never_feels_is_outside_the_adjoint():
    """Units 3, 4 drive nobody and are not read out."""
    rng = np.random.default_rng(0)
    W_rec = 0.5 * rng.normal(size=(5, 5))
    W_rec[:3, 3:] = 0
    W_out = rng.normal(size=(2, 5))
    W_out[:, 3:] = 0
    found = readout_adjoint(RNN(rng.normal(size=(5, 2)), W_rec, W_out), random_trials(outputs=2))
    assert np.abs(found[3:]).max() == 0 and np.linalg.eigvalsh(found[:3, :3]).min() > 0


def test_readout_adjoint_messages():
    with pytest.raises(InputError, match="readout_adjoint needs one network"):
        readout_adjoint(random_rnn(2), random_trials())
    with pytest.raises(InputError, match="readout_adjoint needs trials that all networks share"):
        readout_adjoint(random_rnn(1), random_trials(1))
    with pytest.raises(
        InputError,
        match=r"the readout-relevant adjoint is undefined: the unmasked targets do not vary.",
    ):
        readout_adjoint(random_rnn(1), Trials(np.zeros((2, 3, 2)), np.ones((2, 3, 4))))
    with pytest.raises(InputError, match=r"targets must have 4 outputs to fit the network; got 3."):
        readout_adjoint(random_rnn(1), random_trials(outputs=3))
    with pytest.raises(InputError, match="signals must be at least 1; got 0"):
        readout_adjoint(random_rnn(1), random_trials(), signals=0)
    with pytest.raises(InputError, match="its states or adjoints diverge"):
        runaway = RNN(np.zeros((1, 1)), [[1e30]], [[1.0]], h0=[1.0], activation="relu")
        readout_adjoint(runaway, Trials(np.zeros((1, 20, 1)), np.arange(20.0)[None, :, None]))
