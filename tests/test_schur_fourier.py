"""Overlaps of Schur, singular and Fourier planes: planted cases, chance levels, and slower
oracles.
"""

from dataclasses import replace

import numpy as np
import pytest
from helpers import apart, gauss, messages, random_rnn
from scipy.special import log_softmax
from test_schur import pair

import schurkit as sk
from schurkit import Trials, fourier
from schurkit.analyses import subspace
from schurkit.fourier import schur as sf
from schurkit.tasks import ModularAddition

P, N, KEYS = 11, 24, [2, 5]


def planted(angles=(1.2, 0.4), sizes=(1.0, 0.9), seed=0):
    """W_rec that turns a plane a key, and a table of residues whose key frequencies lie on just
    these planes, in a random basis.
    """
    Q = sf.haar(N, seed)
    T = np.triu(0.05 * gauss(N, N, seed=seed), 1)
    for i, (angle, size) in enumerate(zip(angles, sizes)):
        T[2 * i : 2 * i + 2, 2 * i : 2 * i + 2] = pair(size, -angle)
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
    form, planes = sk.real_schur(W), sf.frequency_planes(table, KEYS)
    candidates = sf.column_planes(form.Q, [block.size for block in form.blocks])
    assert sf.best_overlap(planes, candidates) == pytest.approx([1, 1], abs=1e-9)
    shares = sf.leading_share(planes, form.Q)[:, [1, 3, N - 1]]
    assert shares == pytest.approx(np.array([[1, 1, 1], [0, 1, 1]]), abs=1e-9)
    assert sf.invariance(W, planes[:1]) == pytest.approx([1])
    assert sf.frequency_planes(table, []).shape == (0, N, 2)


def test_a_plane_that_is_carried_elsewhere_is_not_invariant():
    Q = sf.haar(N, 1)
    a, b = Q[:, :2], Q[:, 2:4]
    for W, expected in (
        (a @ a.T + b @ b.T, [1, 1]),
        (b @ a.T + a @ b.T, [0, 0]),
        (a @ a.T + np.sqrt(3) * b @ a.T + a @ b.T, [0.25, 0]),
    ):
        assert sf.invariance(W, np.stack([a, b])) == pytest.approx(expected, abs=1e-12)


def test_overlaps_are_mean_squared_cosines_of_principal_angles():
    planes, Q = np.stack([sf.haar(N, 5, draw)[:, :2] for draw in range(3)]), sf.haar(N, 6)
    candidates = sf.column_planes(Q)

    def cosines(*others):
        angles = [[subspace.principal_angles(one, other) for other in others] for one in planes]
        return (np.cos(angles) ** 2).mean(axis=2).max(axis=1)

    assert sf.leading_share(planes, Q)[:, 6] == pytest.approx(cosines(Q[:, :7]))
    assert sf.best_overlap(planes, candidates) == pytest.approx(cosines(*candidates))


def test_blocks_of_two_are_whole_and_single_ones_pair_with_neighbours():
    planes = sf.column_planes(np.eye(8), [2, 1, 1, 1, 2, 1])
    units = [tuple(np.flatnonzero(plane.any(axis=1))) for plane in planes]
    assert units == [(0, 1), (2, 3), (3, 4), (5, 6)] and len(sf.column_planes(np.eye(8))) == 7


# ------------------------------------------------------------------------------------------- tables
def test_tables_are_those_of_a_rollout(network):
    pairs = np.argwhere(np.ones((P, P)))
    trials, W = ModularAddition(p=P).trials(pairs), network.W_rec[0]
    states = sk.rollout(network, trials, states=True, dtype=np.float64).states[0]
    by_sum = np.stack([states[pairs.sum(axis=1) % P == s, 1].mean(axis=0) for s in range(P)])
    expected = {"read": states[::P, 0], "written": states[::P, 0] @ W.T, "state": by_sum}
    expected["readout"] = network.W_out[0]
    for found in (sf.hidden_tables(network), sf.running_tables(network, trials)):
        for name in sf.PLACES:
            assert found[name] == pytest.approx(expected[name], abs=1e-5)
    assert sf.sum_states(network, trials)[1] == pytest.approx(by_sum, abs=1e-5)


ONE_DIRECTION = np.outer(fourier.fourier_basis(P)[3], np.ones(N))


NETWORK, pairs = random_rnn(1, N, P, P, activation="relu"), ModularAddition(p=P).trials
test_messages = messages(
    (sf.frequency_planes, planted()[1], [3], "frequency 3 has no plane here"),
    (sf.frequency_planes, ONE_DIRECTION, [2], "fewer than two directions"),
    (sf.column_planes, np.eye(8), [2, 2, 2], r"must add up to the 8 columns of Q; got 6"),
    (sf.sum_states, NETWORK, pairs([[a, 0] for a in range(4)]), "none has the sum 4 at step 1"),
    (
        sf.mean_slopes,
        NETWORK,
        pairs([[0, a] for a in range(4)]),
        "trials that end with each number",
    ),
)


# -------------------------------------------------------------------------------------- coordinates
def test_controls_keep_what_they_say():
    low = gauss(N, 3) @ gauss(3, N, seed=1) + 1e-9 * np.eye(N)
    found = sf.coordinates(sk.real_schur(low), seed=0)
    assert tuple(found) == sf.FAMILIES
    assert all(apart(Q.T @ Q, np.eye(N)) < 1e-9 for Q, _ in found.values())
    plane = found["left singular"][0][None, :, :2]
    written, shuffled = (
        sf.leading_share(plane, found[f"Schur, {name}"][0])[0, 2]
        for name in ("range alone", "units shuffled")
    )
    spectra = [np.sort_complex(np.linalg.eigvals(W)) for W in (low, sf.shuffled_units(low, 0))]
    assert spectra[0] == pytest.approx(spectra[1], abs=1e-6)
    # the leading Schur vectors of a low-rank matrix lie in its range, whatever it reads
    assert written == pytest.approx(1, abs=1e-6) and shuffled < 0.6


def multiplier(k=3, side=8):
    """A network whose units multiply: cos(w s − φ) comes in through W_rec and is let through as 1 +
    cos(w b − ψ), so that the units φ + ψ hold the wave of s + b. Its read table, state and slopes.
    """
    phi, psi = 2 * np.pi * np.stack(np.divmod(np.arange(side**2), side)) / side
    into, out = (np.stack([np.cos(angle), np.sin(angle)]) for angle in (phi, phi + psi))
    Q, rows = sf.haar(side**2, 3)[:2], fourier.frequency_rows(P, [k])
    slopes = 1 + np.cos(2 * np.pi * k * np.arange(P)[:, None] / P - psi)
    one = random_rnn(networks=1, hidden=side**2, inputs=P, outputs=P, activation="relu")
    return one.with_W_rec((into.T @ Q)[None].astype(one.dtype)), rows.T @ Q, rows.T @ out, slopes


def test_units_that_multiply_turn_a_wave_by_what_is_added():
    one, read, state, slopes = multiplier()
    z = sf.turns(one, slopes, read, state, [3])[0]
    assert np.abs(np.angle(z)).max() < 1e-5 and np.abs(z) == pytest.approx(np.abs(z[0]))
    open_all = sf.turns(one, np.ones_like(slopes), read, state, [3])[0]
    assert np.abs(open_all).max() < 1e-6


def test_slopes_are_those_of_the_trials_that_end_with_a_number(network):
    trials = ModularAddition(p=P).trials([[a, b] for a in (1, 4) for b in range(P)])
    states = sk.rollout(network, trials, states=True).states[0, :, 1].reshape(2, P, N)
    assert sf.mean_slopes(network, trials) == pytest.approx((states > 0).mean(axis=0))


# ------------------------------------------------------------------------------------------ changes
def test_amplitudes_are_those_of_the_logit_model(network):
    expected = fourier.logit_model(fourier.logits_table(network), [1, 4, 5]).alpha
    assert sf.amplitudes(network, [1, 4, 5]) == pytest.approx(expected, rel=1e-4)


def test_effects_are_relative_and_nothing_changes_nothing(network):
    network = replace(network, W_out=network.W_in.transpose(0, 2, 1))
    W = network.W_rec[0].astype(float)
    effects = sf.relative_effects(network, [np.zeros((N, N)), 0.3 * W], [1, 4])
    without = network.with_W_rec((0.7 * W)[None].astype(network.dtype))
    expected = sf.amplitudes(without, [1, 4]) / sf.amplitudes(network, [1, 4]) - 1
    assert np.array_equal(effects[0], [0, 0]) and effects[1] == pytest.approx(expected)


def test_selectivity_is_one_for_one_frequency_and_even_otherwise():
    found = sf.selectivity([[0.0, -2.0, 0.0], [1.0, -1.0, 1.0], [0.0, 0.0, 0.0]])
    assert found[:2] == pytest.approx([1, 1 / 3]) and np.isnan(found[2])


def test_the_strongest_couplings_come_first():
    form = sk.real_schur(gauss(N, N, seed=4))
    found = sf.strongest_couplings(form, 10)
    every = sorted((np.linalg.norm(form.coupling(i, j)) for i, j in form.couplings()), reverse=True)
    assert [np.linalg.norm(delta) for delta in found] == pytest.approx(every[:10])
    assert sf.strongest_couplings(sk.real_schur(np.diag([2.0, 1.0])), 5) == []


@pytest.mark.parametrize("mass", [0.4, 1.0])
def test_singular_components_in_random_order_meet_the_norm(mass):
    W = gauss(N, N, seed=5)
    change, other = (sf.singular_change(W, mass, 0, draw=draw) for draw in (0, 1))
    assert np.linalg.norm(change) == pytest.approx(mass * np.linalg.norm(W), abs=1e-9)
    U, s, Vt = np.linalg.svd(W)
    left = U.T @ (W - change) @ Vt.T
    kept = np.diagonal(left)
    assert apart(left, np.diag(kept)) < 1e-9
    assert (kept > -1e-9).all() and (kept < s + 1e-9).all()
    assert ((kept > 1e-9) & (kept < s - 1e-9)).sum() <= 1
    assert mass != 0.4 or not np.allclose(change, other)


def test_class_scores_against_their_definitions():
    rng = np.random.default_rng(6)
    targets, intact = np.eye(5)[rng.integers(0, 5, (7, 3))], rng.normal(size=(7, 3, 5))
    trials = Trials(np.zeros((7, 3, 2)), targets, np.array([False, True, True]))
    outputs = np.stack([intact, 20 * targets, np.zeros_like(intact), 2 * intact + 3])
    found = sf.class_scores(outputs, trials, intact)
    kept, wanted = outputs[:, :, 1:], targets[:, 1:]
    hits = (kept.argmax(-1) == wanted.argmax(-1)).mean(axis=(1, 2))
    losses = -(log_softmax(kept, axis=-1) * wanted).sum(-1).mean(axis=(1, 2))
    assert found["accuracy"] == pytest.approx(hits) and hits[1] == 1
    assert found["cross_entropy"] == pytest.approx(losses)
    assert found["fve"][[0, 2, 3]] == pytest.approx([1, 0, 0])
