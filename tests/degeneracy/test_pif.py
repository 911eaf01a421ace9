"""PIF: axioms, planted permutations with and without signs, and the search against all
permutations.
"""

import itertools
from functools import partial

import numpy as np
import pytest
from helpers import gauss, random_rnn, refuses

from schurkit import RNN
from schurkit.degeneracy import nulls, pif, pif_distances


def matrices(networks=3, hidden=8, seed=0):
    return gauss(networks, hidden, hidden, seed=seed)


def planted(hidden, noise, signed, seed):
    """A matrix, a noisy copy with other units in other places, and how far apart the planted match
    leaves them.
    """
    rng = np.random.default_rng(seed)
    W, noise = rng.normal(size=(hidden, hidden)), noise * rng.normal(size=(hidden, hidden))
    signs = rng.choice([-1.0, 1.0], hidden) if signed else np.ones(hidden)
    order = rng.permutation(hidden)
    copy = ((W + noise) * signs * signs[:, None])[np.ix_(order, order)]
    return np.stack([W, copy]), np.linalg.norm(noise)


def test_signs_only_help_and_no_match_is_worse_than_none():
    W = matrices(4)
    plain, signed = (pif_distances(W, starts=3, signed=signed).raw for signed in (False, True))
    assert (signed <= plain + 1e-12).all()
    assert (np.linalg.norm(W[:, None] - W, axis=(2, 3)) + 1e-12 >= plain).all()


@pytest.mark.parametrize("hidden", [8, 64])
@pytest.mark.parametrize("noise", [0.0, 0.3])
@pytest.mark.parametrize("signed", [False, True])
def test_planted_permutations_are_found(hidden, noise, signed):
    for seed in range(5):
        pair, true = planted(hidden, noise, signed, seed)
        found = pif_distances(pair, starts=1 if hidden > 8 else 6, signed=signed).raw[0, 1]
        assert found <= true * (1 + 1e-9) + 1e-9


def test_ends_see_through_more_noise():
    rnn = random_rnn(1, hidden=24, inputs=6, outputs=6, biases=False, scale=0.2)
    copy, noise = nulls.permuted_copies(rnn), gauss(1, 24, 24)
    noisy = copy.with_W_rec(copy.W_rec + 0.1 * noise, labels=["copy"])
    stack, true = RNN.stack([rnn, noisy]), np.linalg.norm(noisy.W_rec - copy.W_rec)
    for signed in (False, True):
        found = pif_distances(stack, starts=1, ends=True, signed=signed)
        assert found.raw[0, 1] <= true * (1 + 1e-9) and found.labels == (0, "copy")


@pytest.mark.parametrize("signed", [False, True])
def test_nothing_among_all_permutations_is_much_better(signed):
    signs = itertools.product((1, -1), repeat=4) if signed else [(1,) * 4]
    S = np.array([[1, *s] for s in signs])
    worse = []
    for seed in range(4):
        A, B = matrices(2, 5, seed)
        flipped = S[:, :, None] * B * S[:, None]
        places = [np.ix_(range(len(S)), order, order) for order in itertools.permutations(range(5))]
        best = min(np.linalg.norm(A - flipped[place], axis=(1, 2)).min() for place in places)
        found = pif_distances(np.stack([A, B]), starts=30, signed=signed).raw[0, 1]
        assert found >= best - 1e-9
        worse.append(found / best - 1)
    assert max(worse) < 0.05 and np.median(worse) < 0.01


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("seed", range(5))
def test_gradients_are_slopes_and_no_single_move_is_better_at_the_end(signed, seed):
    A, B, linear, D, Q = gauss(5, 6, 6, seed=seed)
    f = partial(pif.value, A, B, linear)
    slope = (f(Q + 1e-5 * D) - f(Q - 1e-5 * D)) / 2e-5
    assert slope == pytest.approx((pif.gradient(A, B, linear, Q) * D).sum(), rel=1e-7)
    done, moves = pif.polish(A, B, linear, np.eye(6), signed), np.repeat(np.eye(6)[None], 21, 0)
    for move, (p, q) in zip(moves, itertools.combinations_with_replacement(range(6), 2)):
        move[[p, q]] = move[[q, p]] * (-1 if p == q and signed else 1)
    assert f(np.eye(6)) < f(done) and max(map(f, moves @ done)) <= f(done) + 1e-9


def test_scales_and_what_the_paper_scale_does_to_untrained_networks():
    found = {n: pif_distances(nulls.untrained(4, n), starts=1) for n in (16, 64)}
    pairs = np.triu_indices(4, 1)
    # falls with n although nothing was learnt
    assert found[16].per_n2[pairs].mean() > 6 * found[64].per_n2[pairs].mean()
    W = matrices()
    norms = np.linalg.norm(W, axis=(1, 2))
    raw = pif_distances(W, starts=1, scale="raw").raw
    scaled = {"raw": raw, "per n²": raw / 8**2, "relative": raw / np.sqrt(np.outer(norms, norms))}
    for scale, expected in scaled.items():
        one = pif_distances(W, starts=1, scale=scale)
        assert np.allclose(one.values, expected) and one.scale == scale


def test_more_starts_only_help():
    one, many = (pif_distances(matrices(3, 20), starts=starts).raw.sum() for starts in (1, 6))
    assert many < one
    assert not pif_distances(np.zeros((2, 4, 4)), starts=1).relative.any()


@pytest.mark.parametrize(
    "change, message",
    [
        ({"W": matrices()[0]}, r"axes \(networks, hidden, hidden\)"),
        ({"W": matrices(1)}, "at least two networks; got 1"),
        ({"ends": True}, "pass the RNN stack"),
        ({"scale": "n"}, "scale must be one of 'raw', 'per n²', 'relative'; got 'n'"),
    ],
)
def test_messages(change, message):
    refuses(message, pif_distances, **{"W": matrices(), "starts": 1} | change)
