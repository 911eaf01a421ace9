"""PIF: axioms, planted permutations, and the search against all
permutations.
"""

import itertools
from functools import partial

import numpy as np
import pytest
from helpers import gauss, messages
from scipy.optimize import linear_sum_assignment

from schurkit.degeneracy import nulls, pif, pif_distances


def matrices(networks=3, hidden=8, seed=0):
    return gauss(networks, hidden, hidden, seed=seed)


def planted(hidden, noise, seed):
    """A matrix, a noisy copy with other units in other places, and how far apart the planted match
    leaves them.
    """
    rng = np.random.default_rng(seed)
    W, noise = rng.normal(size=(hidden, hidden)), noise * rng.normal(size=(hidden, hidden))
    order = rng.permutation(hidden)
    return np.stack([W, (W + noise)[np.ix_(order, order)]]), np.linalg.norm(noise)


@pytest.mark.parametrize("hidden", [8, 64])
@pytest.mark.parametrize("noise", [0.0, 0.3])
def test_planted_permutations_are_found(hidden, noise):
    for seed in range(5):
        pair, true = planted(hidden, noise, seed)
        found = pif_distances(pair, starts=1 if hidden > 8 else 6).raw[0, 1]
        assert found <= true * (1 + 1e-9) + 1e-9


def test_nothing_among_all_permutations_is_much_better():
    worse = []
    for seed in range(4):
        A, B = matrices(2, 5, seed)
        places = [np.ix_(order, order) for order in itertools.permutations(range(5))]
        best = min(np.linalg.norm(A - B[place]) for place in places)
        found = pif_distances(np.stack([A, B]), starts=30).raw[0, 1]
        assert found >= best - 1e-9
        worse.append(found / best - 1)
    assert max(worse) < 0.05 and np.median(worse) < 0.01


@pytest.mark.parametrize("seed", range(5))
def test_gradients_are_slopes_and_no_single_move_is_better_at_the_end(seed):
    A, B, linear, D, Q = gauss(5, 6, 6, seed=seed)
    f = partial(pif.value, A, B, linear)
    slope = (f(Q + 1e-5 * D) - f(Q - 1e-5 * D)) / 2e-5
    assert slope == pytest.approx((pif.gradient(A, B, linear, Q) * D).sum(), rel=1e-7)
    done, moves = pif.polish(A, B, linear, np.eye(6)), np.repeat(np.eye(6)[None], 21, 0)
    for move, (p, q) in zip(moves, itertools.combinations_with_replacement(range(6), 2)):
        move[[p, q]] = move[[q, p]]
    assert f(np.eye(6)) < f(done) and max(map(f, moves @ done)) <= f(done) + 1e-9


def test_gradients_at_vertices_follow_from_one_to_the_next():
    A, B = gauss(2, 9, 9)
    at, rng = pif._at_vertices(A, B), np.random.default_rng(0)
    columns = rng.permutation(9)
    for moved in (9, 0, 3, 2, 9):
        columns[:moved] = rng.permutation(columns[:moved])
        assert np.allclose(at(columns), pif.gradient(A, B, 0, np.eye(9)[columns]))


def test_the_compiled_assignment_is_scipys(monkeypatch):
    kernels = pytest.importorskip("schurkit.degeneracy._kernels")
    for size, ties in itertools.product((1, 2, 7, 40), (False, True)):
        G, prices = gauss(size, size), np.zeros(size)
        for drift in gauss(5, size, size, seed=1):
            G = (G + 0.3 * drift).round(0 if ties else 12)
            columns = kernels.assigned(G, prices)
            assert sorted(columns) == list(range(size))
            best = G[linear_sum_assignment(G, maximize=True)].sum()
            assert G[np.arange(size), columns].sum() == pytest.approx(best)
    for G in (np.full((3, 3), np.nan), np.array([[1.0, np.nan], [2.0, np.nan]])):
        with pytest.raises(ValueError, match="without finite numbers"):
            kernels.assigned(G, np.zeros(len(G)))
    W = matrices(3, 20)
    compiled = pif_distances(W, starts=3).raw
    monkeypatch.setattr(pif, "_solver", lambda: lambda G, _: linear_sum_assignment(-G)[1])
    assert np.array_equal(compiled, pif_distances(W, starts=3).raw)


def test_scales_and_what_the_paper_scale_does_to_untrained_networks():
    found = {n: pif_distances(nulls.untrained(4, n), starts=1) for n in (16, 64)}
    pairs = np.triu_indices(4, 1)
    # falls with n although nothing was learnt
    assert found[16].per_n2[pairs].mean() > 6 * found[64].per_n2[pairs].mean()
    W = matrices()
    norms = np.linalg.norm(W, axis=(1, 2))
    one = pif_distances(W, starts=1)
    assert np.allclose(one.per_n2, one.raw / 8**2)
    assert np.allclose(one.relative, one.raw / np.sqrt(np.outer(norms, norms)))


def test_more_starts_only_help():
    one, many = (pif_distances(matrices(3, 20), starts=starts).raw.sum() for starts in (1, 6))
    assert many < one
    assert not pif_distances(np.zeros((2, 4, 4)), starts=1).relative.any()


some = partial(pif_distances, starts=1)
test_messages = messages(
    (some, matrices()[0], r"axes \(networks, hidden, hidden\)"),
    (some, matrices(1), "at least two networks; got 1"),
    (some, 1e200 * matrices(), "W_rec must stay below 1e150, else products overflow; got .e.200"),
    (some, matrices()[:, :5], "equal sizes for 'hidden'"),
    (lambda: some(matrices(), starts=0), "starts must be at least 1"),
)
