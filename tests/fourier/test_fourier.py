"""Fourier analysis of modular addition: planted networks are recovered, sums obey Parseval, and
np.fft and a rollout are the oracles.
"""

from itertools import combinations

import numpy as np
import pytest
from helpers import apart, gauss, messages, orthogonal, random_rnn

import schurkit as sk
from schurkit import RNN, fourier
from schurkit.tasks import ModularAddition

P = 29
KEYS = (11, 3, 7, 13, 5)


def planted(p=P, keys=KEYS, weights=None, phases=16):
    """A network that adds by Fourier multiplication, built by hand: units in pairs of opposite
    phase give cos w_k(a) exactly after one step (relu(x) − relu(−x) = x); summed with the second
    token, relu has a second harmonic |cos w_k(a − b)/2| cos w_k(a + b), which W_out reads."""
    weights = np.ones(len(keys)) if weights is None else np.asarray(weights, dtype=float)
    a, phi = np.arange(p), 2 * np.pi * np.arange(phases) / phases
    X = np.concatenate(
        [w * np.cos(2 * np.pi * k * a[:, None] / p + phi) for k, w in zip(keys, weights)], axis=1
    )
    one = np.eye(phases) - np.roll(np.eye(phases), phases // 2, axis=1)
    W_out = np.concatenate([np.cos(2 * np.pi * k * a[:, None] / p + 2 * phi) for k in keys], axis=1)
    return RNN(X.T, np.kron(np.eye(len(keys)), one), W_out, activation="relu")


def exact_logits(p, alpha):
    """Σ_k α_k cos w_k(a + b − c) by three loops' worth of outer sums."""
    a = np.arange(p)
    angle = 2 * np.pi * (a[:, None, None] + a[None, :, None] - a) / p
    return sum(weight * np.cos(k * angle) for k, weight in alpha.items())


NOISE = gauss(P, P, P)


# ---------------------------------------------------------------------------------------- the basis
@pytest.mark.parametrize("p", [3, 5, 59, 113, 121])
def test_the_basis_is_orthonormal(p):
    F = fourier.fourier_basis(p)
    assert apart(F @ F.T, np.eye(p)) < 1e-12
    k = (p - 1) // 2
    angle = 2 * np.pi * k * np.arange(p) / p
    assert np.allclose(F[2 * k - 1 :], np.sqrt(2 / p) * np.stack([np.cos(angle), np.sin(angle)]))


def test_energies_against_fft():
    table = NOISE[0]
    energies = fourier.frequency_energies(table)
    oracle = np.square(np.abs(np.fft.rfft(table, axis=0)[1:])).sum(axis=1)
    assert np.allclose(energies, oracle / oracle.sum(), rtol=1e-12)
    assert energies.sum() == pytest.approx(1, abs=1e-12)
    assert np.allclose(fourier.frequency_energies(NOISE)[4], fourier.frequency_energies(NOISE[4]))
    # the constant has no part in it
    assert np.allclose(fourier.frequency_energies(table + 100.0), energies, rtol=1e-10)


def test_keys_of_a_planted_table_strongest_first():
    X = planted(weights=(5, 4, 3, 2, 1)).W_in[0].T
    assert fourier.key_frequencies(X).tolist() == list(KEYS)
    assert fourier.key_frequencies(X, 0.1).tolist() == [11, 3, 7]


def test_frequencies_needed_for_a_share_of_the_energy():
    shares, levels = [0.05, 0.5, 0.15, 0.3], (0.1, 0.5, 0.51, 0.8, 0.95, 0.951, 1)
    needed = [fourier.frequencies_needed([shares, shares[::-1]], level) for level in levels]
    assert np.array_equal(needed, np.repeat([[1], [1], [2], [2], [3], [4], [4]], 2, axis=1))
    assert fourier.frequencies_needed(np.full(56, 1 / 56), 1) == 56


def test_units_of_one_frequency_and_their_rotation():
    X = planted(weights=(5, 4, 3, 2, 1)).W_in[0].T
    assert fourier.unit_purity(X) == pytest.approx(1, abs=1e-12)
    mixed = X @ orthogonal(X.shape[1])
    spectra = np.square(np.abs(np.fft.rfft(mixed, axis=0)[1:]))
    assert fourier.unit_purity(mixed) == pytest.approx(spectra.max(axis=0).sum() / spectra.sum())
    # silent units do not count
    assert fourier.unit_purity(np.concatenate([X, np.zeros((P, 3))], axis=1)) == pytest.approx(1)


def test_gini():
    x = np.random.default_rng(0).exponential(size=40)
    # mean absolute difference, the other definition
    pairs = np.abs(x[:, None] - x).sum() / (2 * len(x) * x.sum())
    assert fourier.gini(x) == pytest.approx(pairs, rel=1e-12)


# ------------------------------------------------------------------------------------------- tables
@pytest.mark.parametrize("activation", ["relu", "tanh"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_tables_are_a_rollout_of_all_pairs(activation, dtype):
    task = ModularAddition(p=7)
    pairs = np.argwhere(np.ones((7, 7)))
    trials = task.trials(pairs)
    for network in random_rnn(2, 9, 7, 7, activation=activation, dtype=dtype):
        table = fourier.tables(network)
        rolled = sk.rollout(network, trials, states=True, engine="numpy")
        states = rolled.states[0]
        assert apart(table.logits.reshape(49, 7), rolled.outputs[0, :, -1]) < 1e-5
        assert apart(table.h2.reshape(49, 9), states[:, -1]) < 1e-5
        assert apart(table.h1[pairs[:, 0]], states[:, 0]) < 1e-5
        assert np.array_equal(fourier.logits_table(network), table.logits)
        expected = task.metric.measure(rolled.outputs, trials)[0]
        assert fourier.accuracy(table.logits) == pytest.approx(expected, abs=1e-12)


def test_accuracy_and_cross_entropy_by_hand():
    a, b = np.divmod(np.arange(P * P), P)
    target, some = (a + b) % P, np.array([[0, 1], [3, 3], [28, 28]])
    by_sum = NOISE[0]
    for table, full in ((NOISE, NOISE), (by_sum, by_sum[fourier.sums(P)])):
        flat = full.reshape(-1, P)
        losses = np.array([np.log(np.exp(row).sum()) - row[c] for row, c in zip(flat, target)])
        assert fourier.accuracy(table) == (flat.argmax(1) == target).mean()
        assert fourier.cross_entropy(table) == pytest.approx(losses.mean(), rel=1e-12)
        chosen = losses.reshape(P, P)[some[:, 0], some[:, 1]]
        assert fourier.cross_entropy(table, some) == pytest.approx(chosen.mean(), rel=1e-12)
    assert fourier.cross_entropy(1e6 * NOISE) > 1e5  # large logits do not overflow


# ------------------------------------------------------------------------------ parts of the logits
def test_parts_are_projections_on_pairs():
    """The oracle builds the two functions of (a, b) and projects the p² rows."""
    a, b = np.divmod(np.arange(P * P), P)
    angle = 2 * np.pi * np.array(KEYS)[:, None] * (a + b) / P
    D = np.concatenate([np.cos(angle), np.sin(angle)]) * np.sqrt(2) / P
    flat = NOISE.reshape(P * P, P)
    oracle = (D.T @ (D @ flat)).reshape(P, P, P)
    part = fourier.frequency_part(NOISE, KEYS)[fourier.sums(P)]
    assert apart(part, oracle) < 1e-12
    mean = flat.mean(axis=0)
    for source in (NOISE, fourier.mean_over_sums(NOISE)):
        restricted = fourier.restricted_logits(source, KEYS)[fourier.sums(P)]
        assert np.abs(restricted - oracle - mean).max() < 1e-12
    excluded = fourier.excluded_logits(NOISE, KEYS)
    assert np.abs(restricted + excluded - mean - NOISE).max() < 1e-6
    pairs = np.argwhere(NOISE[0] > 1)
    lost = fourier.cross_entropy(excluded, pairs)
    assert fourier.excluded_loss(NOISE, KEYS, pairs) == pytest.approx(lost)


def test_means_over_sums_of_chosen_pairs():
    some = NOISE[0] < -0.5
    found = fourier.mean_over_sums(NOISE, np.argwhere(some))
    for total in range(P):
        assert found[total] == pytest.approx(NOISE[some & (fourier.sums(P) == total)].mean(axis=0))
    every = fourier.mean_over_sums(NOISE, np.argwhere(np.ones((P, P))))
    assert np.allclose(every, fourier.mean_over_sums(NOISE))


# --------------------------------------------------------------------------------------------- fits


def test_the_logit_model_is_least_squares():
    centred = NOISE - NOISE.mean(axis=2, keepdims=True)
    design = np.stack([exact_logits(P, {k: 1}).ravel() for k in KEYS], axis=1)
    alpha, residual = np.linalg.lstsq(design, centred.ravel(), rcond=None)[:2]
    model = fourier.logit_model(NOISE, KEYS)
    assert np.allclose(model.alpha, alpha, atol=1e-12)
    assert model.fve == pytest.approx(1 - residual[0] / np.square(centred).sum(), rel=1e-8)


# ----------------------------------------------------------------------------------------- ablation
def test_removing_from_the_state_is_removing_from_the_logits_and_nothing_changes_nothing():
    rnn = random_rnn(1, hidden=6, inputs=7, outputs=7, activation="relu", dtype=np.float32)
    for where in ("input", "hidden"):
        assert np.array_equal(fourier.ablated_logits(rnn, [], where), fourier.logits_table(rnn))
    table = fourier.tables(rnn)
    state = table.h2 - fourier.frequency_part(table.h2, [1, 3])[fourier.sums(7)]
    expected = state @ table.W_out.T + table.b_out
    assert apart(expected, fourier.ablated_logits(rnn, [1, 3], "hidden")) < 1e-5


def test_removing_from_the_input_leaves_the_other_frequencies():
    stack = sk.RNN.stack([planted(), planted()])
    left = fourier.without_input_frequencies(stack, [11, 3])
    assert np.allclose(left.W_in, planted(weights=(0, 0, 1, 1, 1)).W_in, atol=1e-12)


@pytest.mark.parametrize("where", ["input", "hidden"])
def test_the_curve_of_a_planted_network(where):
    rnn = planted()
    rows = fourier.frequency_ablation_curve(rnn, KEYS, where, draws=3)
    keys = [row for row in rows if row.kind == "key"]
    subsets = [subset for r in range(6) for subset in combinations(KEYS, r)]
    assert [row.frequencies for row in keys] == subsets
    controls = [row for row in rows if row.kind == "non-key"]
    assert not {k for row in controls for k in row.frequencies} & set(KEYS)
    assert [row.removed for row in controls] == [r for r in range(1, 6) for _ in range(3)] + [9]
    assert all(row.accuracy == 1 for row in controls[:-1])
    for row in [*keys[:8], *controls[:2], controls[-1]]:
        logits = fourier.ablated_logits(rnn, row.frequencies, where)
        assert row.accuracy == pytest.approx(fourier.accuracy(logits), abs=2 / P**2)
    mean = [np.mean([row.accuracy for row in keys if row.removed == r]) for r in range(6)]
    assert mean[0] == 1 and mean[5] < 0.2 and all(np.diff(mean) <= 1e-12)


def test_the_curve_draws_different_subsets_and_counts_the_pairs_asked_for():
    rnn = planted()
    curve = fourier.frequency_ablation_curve
    first, again = (curve(rnn, KEYS, most=4, draws=2, seed=3) for _ in range(2))
    rows = [row for row in first if row.kind == "key"]
    assert [sum(row.removed == r for row in rows) for r in range(6)] == [1, 4, 4, 4, 4, 1]
    assert len({row.frequencies for row in rows}) == len(rows) and first == again
    others = {row.removed: set(row.frequencies) for row in first if row.kind == "non-key"}
    assert not others[1] < others[2] < others[3] < others[4], "each size has draws of its own"
    pairs = np.array([[0, 0], [1, 4], [7, 7]])
    some = curve(rnn, KEYS[:2], pairs=pairs, draws=0)
    assert {round(3 * row.accuracy, 9) for row in some} <= {0, 1, 2, 3}


def test_rank_truncation_and_the_norm():
    rnn = random_rnn(2, hidden=8, inputs=7, outputs=7)
    low = fourier.truncate_rank(rnn, 3)
    for name in ("W_in", "W_rec", "W_out"):
        for before, after in zip(getattr(rnn, name), getattr(low, name)):
            squares = np.linalg.svd(before, compute_uv=False) ** 2
            assert np.linalg.matrix_rank(after) == 3
            assert np.square(before - after).sum() == pytest.approx(squares[3:].sum())
            share = squares[:3].sum() / squares.sum()
            assert fourier.spectral_share(before, 3) == pytest.approx(share, rel=1e-12)
    only = fourier.truncate_rank(rnn, 3, "W_rec")
    assert np.array_equal(only.W_in, rnn.W_in) and np.array_equal(only.W_rec, low.W_rec)
    assert np.array_equal(fourier.truncate_rank(rnn, 8).W_rec, rnn.W_rec)
    squares = (np.square(getattr(rnn, name)[1]).sum() for name in ("W_in", "W_rec", "W_out"))
    assert fourier.weight_norm(rnn)[1] == pytest.approx(sum(squares))


# ----------------------------------------------------------------------------------------- messages
SQUARE = random_rnn(1, hidden=4, inputs=5, outputs=5)


test_messages = messages(
    (fourier.fourier_basis, 8, "needs an odd p; got 8"),
    (
        fourier.check_count,
        4,
        "keys",
        7,
        "keys = 4 is more than there are frequencies: p = 7 has 3. Take a larger p, or fewer.",
    ),
    (fourier.frequency_energies, np.full((5, 2), 0.1), "the same for all residues"),
    (fourier.frequency_energies, np.ones(5), r"axes \(p, columns\)"),
    (fourier.key_frequencies, np.eye(5), 0, "threshold must be above 0"),
    (fourier.frequencies_needed, [0.5, 0.4], "shares must"),
    (fourier.gini, [0.0, 0.0], "not all zero"),
    (fourier.frequency_rows, 7, [0], "between 1 and 3 for p = 7"),
    (fourier.frequency_rows, 7, [1, 1], "different whole numbers"),
    (lambda: fourier.tables(RNN.stack([SQUARE, SQUARE])), "tables needs one network .*; got 2"),
    (fourier.tables, random_rnn(1, 4, 5, 5, leak=0.5), "without leak"),
    (fourier.tables, random_rnn(1, 4, 5, 5, form="voltage"), "rate form"),
    (fourier.tables, random_rnn(1, 4, 5, 6), "5 inputs and 6 outputs"),
    (fourier.accuracy, np.zeros((5, 5)), np.array([[0, 5]]), "from 0 to 4"),
    (
        fourier.accuracy,
        np.zeros((5, 5)),
        np.zeros((0, 2), int),
        "whole numbers of shape",
    ),
    (
        fourier.mean_over_sums,
        np.zeros((5, 5, 2)),
        np.array([[0, 0], [0, 1]]),
        "there is none for the sum 2",
    ),
    (fourier.restricted_logits, np.zeros(5), [1], "functions of the sum"),
    (fourier.logit_model, np.zeros((5, 5, 5)), [1], "the same for all classes"),
    (fourier.sum_share, np.zeros((5, 5, 5)), "are the same"),
    (
        fourier.ablated_logits,
        SQUARE,
        [1],
        "output",
        "where must be one of 'input', 'hidden'",
    ),
    (lambda: fourier.frequency_ablation_curve(SQUARE, [1], most=0), "most must be at least 1"),
    (fourier.truncate_rank, SQUARE, -1, "rank must be at least 0"),
    (fourier.truncate_rank, SQUARE, 1, "b_rec", "which must be one of"),
    (fourier.spectral_share, np.zeros((2, 2)), 1, "zero matrix"),
)
