"""PIF: axioms, planted permutations with and without signs, and the search against all
permutations.
"""

import itertools

import numpy as np
import pytest
from helpers import random_rnn
from scipy.optimize import quadratic_assignment

from schurkit import RNN, InputError
from schurkit.degeneracy import nulls, pif, pif_distances


def matrices(networks=3, hidden=8, seed=0):
    return np.random.default_rng(seed).normal(size=(networks, hidden, hidden))


def planted(hidden, noise, signed, seed):
    """A matrix, a noisy copy with other units in other places, and how far apart the planted match
    leaves them.
    """
    rng = np.random.default_rng(seed)
    W = rng.normal(size=(hidden, hidden))
    V = W + noise * rng.normal(size=W.shape)
    signs = rng.choice([-1.0, 1.0], hidden) if signed else np.ones(hidden)
    order = rng.permutation(hidden)
    return np.stack([W, (V * signs * signs[:, None])[np.ix_(order, order)]]), np.linalg.norm(W - V)


@pytest.mark.parametrize("signed", [False, True])
def test_axioms(signed):
    W = matrices(4)
    D = pif_distances(W, starts=3, signed=signed).values
    assert np.array_equal(D, D.T) and not np.diag(D).any() and (D[np.triu_indices(4, 1)] > 1).all()
    assert np.array_equal(pif_distances(W[::-1], starts=3, signed=signed).values[::-1, ::-1], D)
    assert pif_distances(W[:2], starts=3, signed=signed).values[0, 1] == D[0, 1]
    plain = np.linalg.norm(W[:, None] - W, axis=(2, 3))
    assert (plain + 1e-12 >= D).all()
    assert (
        pif_distances(W, starts=3, signed=True).raw <= pif_distances(W, starts=3).raw + 1e-12
    ).all()
    order = np.random.default_rng(1).permutation(8)
    moved = pif_distances(np.stack([W[0], W[0][np.ix_(order, order)]]), starts=3, signed=signed)
    assert moved.raw[0, 1] < 1e-10


@pytest.mark.parametrize("hidden", [64, 128])
@pytest.mark.parametrize("noise", [0.0, 0.1, 0.3])
@pytest.mark.parametrize("signed", [False, True])
def test_planted_permutations_are_found(hidden, noise, signed):
    draws = 5
    found = 0
    for seed in range(draws):
        pair, true = planted(hidden, noise, signed, seed)
        found += pif_distances(pair, starts=1, signed=signed).raw[0, 1] <= true * (1 + 1e-9) + 1e-9
    assert found == draws


def test_ends_see_through_more_noise():
    rng = np.random.default_rng(0)
    rnn = random_rnn(1, hidden=24, inputs=6, outputs=6, biases=False, scale=0.2)
    copy = nulls.permuted_copies(rnn)
    noisy = copy.with_W_rec(
        copy.W_rec + 0.5 * 0.2 * rng.normal(size=copy.W_rec.shape), labels=["copy"]
    )
    stack = RNN.stack([rnn, noisy])
    true = np.linalg.norm(noisy.W_rec - copy.W_rec)
    for signed in (False, True):
        assert pif_distances(stack, starts=1, ends=True, signed=signed).raw[0, 1] <= true * (
            1 + 1e-9
        )
    assert pif_distances(stack, starts=1, ends=True).labels == (0, "copy")
    with pytest.raises(InputError, match="pass the RNN stack"):
        pif_distances(stack.W_rec, starts=1, ends=True)


@pytest.mark.parametrize("signed", [False, True])
def test_nothing_among_all_permutations_is_much_better(signed):
    worse = []
    for seed in range(4):
        A, B = matrices(2, 5, seed)
        best = np.inf
        for order in itertools.permutations(range(5)):
            for signs in itertools.product((1, -1), repeat=4) if signed else [(1,) * 4]:
                s = np.array([1, *signs])
                best = min(best, np.linalg.norm(A - (B * s * s[:, None])[np.ix_(order, order)]))
        found = pif_distances(np.stack([A, B]), starts=30, signed=signed).raw[0, 1]
        assert found >= best - 1e-9
        worse.append(found / best - 1)
    assert max(worse) < 0.05 and np.median(worse) < 0.01


def test_frank_wolfe_is_scipys_faq():
    for seed in range(5):
        A, B = matrices(2, 12, seed)
        Q = pif.frank_wolfe(A, B, np.zeros_like(A), np.full((12, 12), 1 / 12), False)
        theirs = quadratic_assignment(
            A,
            B,
            options={
                "maximize": True,
                "maxiter": 60,
                "tol": 1e-3,
                "rng": np.random.default_rng(seed),
            },
        ).fun
        assert pif.value(A, B, np.zeros_like(A), Q) == pytest.approx(theirs, rel=0.1)


@pytest.mark.parametrize("signed", [False, True])
def test_gradient_swaps_and_flips_are_the_differences(signed):
    rng = np.random.default_rng(0)
    A, B, linear, D = rng.normal(size=(4, 6, 6))
    Q = np.eye(6)[rng.permutation(6)] * (rng.choice([-1, 1], 6)[:, None] if signed else 1)
    f = lambda X: pif.value(A, B, linear, X)  # noqa: E731
    step = 1e-5
    assert (f(Q + step * D) - f(Q - step * D)) / (2 * step) == pytest.approx(
        (pif.gradient(A, B, linear, Q) * D).sum(), rel=1e-7
    )
    gains = pif._swap_gains(A, Q @ B @ Q.T, linear @ Q.T)
    for p, q in itertools.combinations(range(6), 2):
        move = np.eye(6)
        move[[p, q]] = move[[q, p]]
        assert gains[p, q] == pytest.approx(f(move @ Q) - f(Q), abs=1e-9)
    done = pif.polish(A, B, linear, Q, signed)
    assert f(done) > f(Q)
    for p, q in itertools.combinations(range(6), 2):
        move = np.eye(6)
        move[[p, q]] = move[[q, p]]
        assert f(move @ done) <= f(done) + 1e-6
        if signed:
            assert f((np.eye(6) - 2 * np.diag(np.eye(6)[p])) @ done) <= f(done) + 1e-6


def test_scales_and_what_the_paper_scale_does_to_untrained_networks():
    found = {n: pif_distances(nulls.untrained(4, n), starts=1) for n in (16, 64)}
    for n, one in found.items():
        norms = np.linalg.norm(nulls.untrained(4, n).W_rec, axis=(1, 2))
        assert np.allclose(one.per_n2, one.raw / n**2) and np.allclose(
            one.relative, one.raw / np.sqrt(np.outer(norms, norms))
        )
    pairs = np.triu_indices(4, 1)
    # falls with n although nothing was learnt
    assert found[16].per_n2[pairs].mean() > 6 * found[64].per_n2[pairs].mean()
    assert found[16].relative[pairs].mean() < found[64].relative[pairs].mean()
    for scale, name in (("raw", "raw"), ("per n²", "per_n2"), ("relative", "relative")):
        one = pif_distances(matrices(), starts=1, scale=scale)
        assert np.array_equal(one.values, getattr(one, name)) and one.scale == scale


def test_refining_and_more_starts_only_help():
    W = matrices(3, 20)
    plain, refined, many = (
        pif_distances(W, **how).raw.sum()
        for how in ({"starts": 1, "refine": False}, {"starts": 1}, {"starts": 6})
    )
    assert many <= refined <= plain
    assert not pif_distances(np.zeros((2, 4, 4)), starts=1).relative.any()


@pytest.mark.parametrize(
    "change, message",
    [
        ({"W": matrices()[0]}, r"axes \(networks, hidden, hidden\)"),
        ({"W": matrices(1)}, "at least two networks; got 1"),
        ({"W": matrices()[:, :5]}, "equal sizes for 'hidden'"),
        ({"starts": 0}, "starts must be at least 1"),
        ({"scale": "n"}, "scale must be one of 'raw', 'per n²', 'relative'; got 'n'"),
    ],
)
def test_messages(change, message):
    with pytest.raises(InputError, match=message):
        pif_distances(**{"W": matrices(), "starts": 1} | change)
