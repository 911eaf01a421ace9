"""Overlaps of Schur, singular and Fourier planes: planted cases, chance levels, and slower
oracles.
"""

from dataclasses import replace

import numpy as np
import pytest
from helpers import random_rnn

import schurkit as sk
from schurkit import RNN, InputError, Trials, fourier
from schurkit.analyses import subspace
from schurkit.fourier import schur as sf
from schurkit.tasks import ModularAddition, RunningSum

P, N, KEYS = 11, 24, [2, 5]


def planted(angles=(1.2, 0.4), sizes=(1.0, 0.9), seed=0):
    """W_rec that turns a plane a key, and a table of residues whose key frequencies lie on just
    these planes, in a random basis.
    """
    Q = sf.haar(N, seed)
    T = np.triu(0.05 * np.random.default_rng(seed).normal(size=(N, N)), 1)
    for i, (angle, size) in enumerate(zip(angles, sizes)):
        T[2 * i : 2 * i + 2, 2 * i : 2 * i + 2] = size * np.array(
            [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
        )
    table = sum(
        fourier.frequency_rows(P, [k]).T @ Q[:, 2 * i : 2 * i + 2].T for i, k in enumerate(KEYS)
    )
    return Q @ T @ Q.T, table, Q


@pytest.fixture
def network():
    return random_rnn(networks=1, hidden=N, inputs=P, outputs=P, activation="relu")


# ------------------------------------------------------------------------------------------- planes
def test_a_planted_schur_plane_lies_on_its_fourier_plane():
    W, table, _ = planted()
    form = sk.real_schur(W)
    planes = sf.frequency_planes(table, KEYS)
    candidates = sf.column_planes(form.Q, [block.size for block in form.blocks])
    assert sf.best_overlap(planes, candidates) == pytest.approx([1, 1], abs=1e-9)
    assert sf.leading_share(planes, form.Q)[:, [1, 3, N - 1]] == pytest.approx(
        np.array([[1, 1, 1], [0, 1, 1]]), abs=1e-9
    )
    first = sf.frequency_planes(table, KEYS[:1])
    assert sf.invariance(W, first) == pytest.approx([1])
    assert sf.rotation_angles(W, first) == pytest.approx([1.2])


def test_a_plane_that_is_carried_elsewhere_is_not_invariant():
    Q = sf.haar(N, 1)
    planes = np.stack([Q[:, :2], Q[:, 2:4]])
    there, away = Q[:, :2] @ Q[:, :2].T, Q[:, 2:4] @ Q[:, :2].T
    assert sf.invariance(there + Q[:, 2:4] @ Q[:, 2:4].T, planes) == pytest.approx([1, 1])
    assert sf.invariance(away, planes[:1]) == pytest.approx([0], abs=1e-12)
    assert sf.invariance(there + np.sqrt(3) * away, planes[:1]) == pytest.approx([0.25])


def test_random_planes_overlap_as_their_dimensions_say():
    planes = np.stack([sf.haar(N, 3, draw)[:, :2] for draw in range(400)])
    Q = sf.haar(N, 4)
    share = sf.leading_share(planes, Q).mean(axis=0)
    assert share == pytest.approx(np.arange(1, N + 1) / N, abs=0.02)
    invariant = [
        sf.invariance(np.random.default_rng(d).normal(size=(N, N)), planes[d : d + 1])[0]
        for d in range(400)
    ]
    assert np.mean(invariant) == pytest.approx(2 / N, abs=0.015)


def test_overlaps_are_mean_squared_cosines_of_principal_angles():
    planes = np.stack([sf.haar(N, 5, draw)[:, :2] for draw in range(3)])
    Q = sf.haar(N, 6)
    for plane, shares in zip(planes, sf.leading_share(planes, Q)):
        assert shares[6] == pytest.approx(
            (np.cos(subspace.principal_angles(plane, Q[:, :7])) ** 2).mean()
        )
    candidates = sf.column_planes(Q)
    best = [
        max((np.cos(subspace.principal_angles(plane, c)) ** 2).mean() for c in candidates)
        for plane in planes
    ]
    assert sf.best_overlap(planes, candidates) == pytest.approx(best)


def test_blocks_of_two_are_whole_and_single_ones_pair_with_neighbours():
    planes = sf.column_planes(np.eye(8), [2, 1, 1, 1, 2, 1])
    assert [tuple(np.flatnonzero(plane.any(axis=1))) for plane in planes] == [
        (0, 1),
        (2, 3),
        (3, 4),
        (5, 6),
    ]
    assert len(sf.column_planes(np.eye(8))) == 7


def test_haar_matrices_are_orthogonal_and_depend_on_seed_and_draw():
    Q = sf.haar(N, 7, 2)
    assert np.abs(Q.T @ Q - np.eye(N)).max() < 1e-12
    assert (
        np.array_equal(Q, sf.haar(N, 7, 2))
        and not np.allclose(Q, sf.haar(N, 7, 3))
        and not np.allclose(Q, sf.haar(N, 8, 2))
    )
    corners = [sf.haar(3, seed)[0, 0] for seed in range(300)]
    assert abs(np.mean(corners)) < 0.12 and np.mean(np.square(corners)) == pytest.approx(
        1 / 3, abs=0.06
    )


def test_a_frequency_without_a_plane_is_refused():
    _, table, _ = planted()
    with pytest.raises(InputError, match="frequency 3 has no plane here"):
        sf.frequency_planes(table, [3])
    one_direction = np.outer(fourier.fourier_basis(P)[3], np.ones(N))
    with pytest.raises(InputError, match="fewer than two directions"):
        sf.frequency_planes(one_direction, [2])
    assert sf.frequency_planes(table, []).shape == (0, N, 2)


def test_block_sizes_must_fit():
    with pytest.raises(InputError, match=r"block sizes must add up to the 8 columns of Q; got 6"):
        sf.column_planes(np.eye(8), [2, 2, 2])


# ------------------------------------------------------------------------------------------- tables
def test_tables_are_those_of_a_rollout(network):
    pairs = np.stack(np.unravel_index(np.arange(P * P), (P, P)), axis=1)
    trials = ModularAddition(p=P).trials(pairs)
    states = sk.rollout(network, trials, states=True, dtype=np.float64).states[0]
    found = sf.hidden_tables(network)
    assert tuple(found) == sf.PLACES
    assert found["read"] == pytest.approx(states[::P, 0], abs=1e-5)
    assert found["written"] == pytest.approx(states[::P, 0] @ network.W_rec[0].T, abs=1e-5)
    by_sum = np.stack([states[pairs.sum(axis=1) % P == s, 1].mean(axis=0) for s in range(P)])
    assert found["state"] == pytest.approx(by_sum, abs=1e-5)
    running = sf.running_tables(network, trials)
    assert all(running[name] == pytest.approx(found[name], abs=1e-5) for name in sf.PLACES)
    assert sf.sum_states(network, trials)[1] == pytest.approx(by_sum, abs=1e-5)


def test_states_need_a_trial_for_each_sum(network):
    trials = ModularAddition(p=P).trials(np.array([[a, 0] for a in range(P) if a != 4]))
    with pytest.raises(InputError, match="none has the sum 4 at step 1"):
        sf.sum_states(network, trials)


# -------------------------------------------------------------------------------------- coordinates
def test_controls_keep_what_they_say():
    form = sk.real_schur(
        np.random.default_rng(0).normal(size=(N, 3)) @ np.random.default_rng(1).normal(size=(3, N))
        + 1e-9 * np.eye(N)
    )
    found = sf.coordinates(form, seed=0)
    assert tuple(found) == sf.FAMILIES
    assert all(np.abs(Q.T @ Q - np.eye(N)).max() < 1e-9 for Q, _ in found.values())
    U = found["left singular"][0][:, :3]
    written = sf.leading_share(U[None, :, :2], found["Schur, range alone"][0])[0, 2]
    assert written == pytest.approx(1, abs=1e-6), (
        "the leading Schur vectors of a low-rank matrix lie in its range, whatever it reads"
    )
    assert sf.leading_share(U[None, :, :2], found["Schur, units shuffled"][0])[0, 2] < 0.6


def test_range_alone_forgets_what_is_read():
    """A symmetric W_rec reads where it writes, so its Schur vectors are its singular vectors; with
    random reading only the range is left.
    """
    U = sf.haar(N, 9)[:, :3]
    found = sf.coordinates(sk.real_schur(U @ np.diag([3.0, 2.0, 1.0]) @ U.T), seed=0)
    in_two, in_three = (
        sf.leading_share(U[None, :, :2], found["Schur, range alone"][0])[0, d] for d in (1, 2)
    )
    assert sf.leading_share(U[None, :, :2], found["Schur"][0])[0, 1] == pytest.approx(1)
    assert in_two < 0.99 and in_three == pytest.approx(1, abs=1e-6)


def test_shuffled_units_keep_spectrum_and_singular_values():
    W = np.random.default_rng(2).normal(size=(N, N))
    shuffled = sf.shuffled_units(W, 3)
    assert not np.allclose(shuffled, W)
    assert np.sort_complex(np.linalg.eigvals(shuffled)) == pytest.approx(
        np.sort_complex(np.linalg.eigvals(W))
    )
    assert sk.real_schur(shuffled).norm_N == pytest.approx(sk.real_schur(W).norm_N)


def test_angle_gaps_find_a_planted_rotation():
    w = 2 * np.pi * 3 / P
    gaps = sf.angle_gaps(np.array([0.9 * np.exp(1j * w), 0.9 * np.exp(-1j * w)]), P)
    assert gaps[2] == pytest.approx(0, abs=1e-12) and gaps[1] == pytest.approx(2 * np.pi / P)


# ------------------------------------------------------------------------------------------ changes
def test_amplitudes_are_those_of_the_logit_model(network):
    expected = fourier.logit_model(fourier.logits_table(network), [1, 4, 5]).alpha
    assert sf.amplitudes(network, [1, 4, 5]) == pytest.approx(expected, rel=1e-4)


def test_effects_are_relative_and_nothing_changes_nothing(network):
    network = replace(network, W_out=network.W_in.transpose(0, 2, 1))
    change = 0.3 * network.W_rec[0].astype(float)
    effects = sf.relative_effects(network, [np.zeros((N, N)), change], [1, 4])
    assert np.array_equal(effects[0], [0, 0])
    without = network.with_W_rec(
        (network.W_rec[0].astype(float) - change)[None].astype(network.dtype)
    )
    assert effects[1] == pytest.approx(
        sf.amplitudes(without, [1, 4]) / sf.amplitudes(network, [1, 4]) - 1
    )


def test_selectivity_is_one_for_one_frequency_and_even_otherwise():
    found = sf.selectivity([[0.0, -2.0, 0.0], [1.0, -1.0, 1.0], [0.0, 0.0, 0.0]])
    assert found[:2] == pytest.approx([1, 1 / 3]) and np.isnan(found[2])


def test_the_strongest_couplings_come_first():
    form = sk.real_schur(np.random.default_rng(4).normal(size=(N, N)))
    found = sf.strongest_couplings(form, 10)
    every = sorted((np.linalg.norm(form.coupling(i, j)) for i, j in form.couplings()), reverse=True)
    assert [np.linalg.norm(delta) for delta in found] == pytest.approx(every[:10])
    assert sf.strongest_couplings(sk.real_schur(np.diag([2.0, 1.0])), 5) == []


@pytest.mark.parametrize("mass", [0.0, 0.4, 1.0])
def test_singular_components_in_random_order_meet_the_norm(mass):
    W = np.random.default_rng(5).normal(size=(N, N))
    change = sf.singular_change(W, mass, 0)
    assert np.linalg.norm(change) == pytest.approx(mass * np.linalg.norm(W), abs=1e-9)
    U, s, Vt = np.linalg.svd(W)
    left = U.T @ (W - change) @ Vt.T
    assert np.abs(left - np.diag(np.diagonal(left))).max() < 1e-9
    assert (np.diagonal(left) > -1e-9).all() and (np.diagonal(left) < s + 1e-9).all()
    partly = (np.diagonal(left) > 1e-9) & (np.diagonal(left) < s - 1e-9)
    assert partly.sum() <= 1
    if mass == 0.4:
        assert not np.allclose(change, sf.singular_change(W, mass, 0, draw=1))


def test_class_scores_against_their_definitions():
    rng = np.random.default_rng(6)
    targets = np.eye(5)[rng.integers(0, 5, (7, 3))]
    trials = Trials(np.zeros((7, 3, 2)), targets, np.array([False, True, True]))
    intact = rng.normal(size=(7, 3, 5))
    outputs = np.stack([intact, 20 * targets, np.zeros_like(intact), 2 * intact + 3])
    found = sf.class_scores(outputs, trials, intact)
    kept, wanted = outputs[:, :, 1:], targets[:, 1:]
    log_p = kept - np.log(np.exp(kept).sum(axis=-1, keepdims=True))
    assert found["accuracy"] == pytest.approx(
        (kept.argmax(-1) == wanted.argmax(-1)).mean(axis=(1, 2))
    )
    assert found["accuracy"][1] == 1 and found["cross_entropy"][2] == pytest.approx(np.log(5))
    assert found["cross_entropy"] == pytest.approx(-(log_p * wanted).sum(-1).mean(axis=(1, 2)))
    assert found["fve"][[0, 2, 3]] == pytest.approx([1, 0, 0])


def test_a_network_built_by_hand_reads_and_writes_where_it_should():
    """h_1 holds one wave a unit; W_rec copies it to other units: written elsewhere, and no plane is
    invariant.
    """
    a = np.arange(P)
    wave = np.cos(2 * np.pi * 2 * a[:, None] / P + 2 * np.pi * np.arange(8) / 8)
    W_in = np.zeros((16, P))
    W_in[:8] = wave.T
    W_rec = np.zeros((16, 16))
    W_rec[8:, :8] = np.eye(8)
    one = RNN(W_in, W_rec, np.ones((P, 16)), activation="relu")
    read, written = (
        sf.frequency_planes(sf.hidden_tables(one)[name], [2]) for name in ("read", "written")
    )
    assert sf.invariance(W_rec, read) == pytest.approx([0], abs=1e-12)
    assert sf.best_overlap(read, written) == pytest.approx([0], abs=1e-12)
    assert sf.leading_share(written, np.eye(16)[:, 8:])[0, -1] == pytest.approx(1)


def test_running_sums_are_the_task_the_tables_speak_of():
    task = RunningSum(p=P, operands=3, sample=100)
    trials = task.trials(np.array([[3, 10, 9]]))
    assert trials.targets.argmax(axis=-1).tolist() == [[3, 2, 0]] and np.asarray(trials.mask).all()
