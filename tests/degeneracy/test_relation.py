"""Means and correlations over pairs: coverage on simulated networks, and what a naive bootstrap
would do.
"""

import numpy as np
import pytest
from scipy.stats import spearmanr

from schurkit import InputError, random
from schurkit.degeneracy import pair_mean, relation


def between(points):
    """Distances between networks that are points, (networks, dimensions)."""
    return np.linalg.norm(points[:, None] - points, axis=2)


def drawn(networks, seed, dimensions=1):
    return np.random.default_rng(seed).normal(size=(networks, dimensions))


@pytest.mark.parametrize(
    "method, networks, least",
    [("jackknife", 10, 0.88), ("jackknife", 20, 0.9), ("bootstrap", 20, 0.85)],
)
def test_coverage_of_a_known_mean(method, networks, least):
    # E|x − y| = 2/√π for standard normal numbers
    covered = 0
    for seed in range(300):
        found = pair_mean(between(drawn(networks, seed)), method=method, resamples=400, seed=seed)
        covered += found.low <= 2 / np.sqrt(np.pi) <= found.high
    assert least < covered / 300 < 0.985


def test_pairs_are_not_independent():
    """An interval from 190 pairs as if independent would be far too narrow."""
    D = between(drawn(20, 0))
    pairs = D[np.triu_indices(20, 1)]
    found = pair_mean(D)
    assert found.high - found.low > 1.5 * 2 * 1.96 * pairs.std() / np.sqrt(190)


def test_self_pairs_are_dropped():
    equal = np.ones((25, 25)) - np.eye(25)
    for method in ("bootstrap", "jackknife"):
        found = pair_mean(equal, method=method)
        # a resample with self-pairs would give less than 1
        assert (found.mean, found.low, found.high) == pytest.approx((1.0, 1.0, 1.0))


def test_by_hand():
    D = between(drawn(22, 3))
    found = pair_mean(D, method="bootstrap", seed=5, resamples=50)
    assert (
        found.mean == pytest.approx(D[np.triu_indices(22, 1)].mean())
        and found.n == 22
        and found.how == "percentile bootstrap"
    )
    means = []
    for a in random.integers(5, "pair bootstrap", 0, (50, 22), 22):
        pairs = [(i, j) for k, i in enumerate(a) for j in a[:k] if i != j]
        means.append(np.mean([D[i, j] for i, j in pairs]))
    assert (found.low, found.high) == pytest.approx(tuple(np.quantile(means, [0.025, 0.975])))


def test_few_networks():
    assert pair_mean(between(drawn(9, 0))).low is None
    found = pair_mean(between(drawn(10, 0)))
    assert found.how == "jackknife t" and found.low < found.mean < found.high


def test_relation_is_spearmans():
    X, Y = between(drawn(8, 0, 3)), between(drawn(8, 1, 3))
    i, j = np.triu_indices(8, 1)
    found = relation(X, Y, permutations=19)
    assert (
        found.spearman == pytest.approx(spearmanr(X[i, j], Y[i, j]).statistic)
        and found.low is None
        and found.n == 8
    )
    assert (
        relation(X, X, permutations=99).spearman == pytest.approx(1)
        and relation(X, X, permutations=99).p == 0.01
    )
    assert relation(X, 10.0 - X - 10 * np.eye(8), permutations=99).spearman == pytest.approx(-1)


def test_relation_null_and_signal():
    ps = [
        relation(
            between(drawn(12, s, 2)), between(drawn(12, s + 1000, 2)), permutations=59, resamples=1
        ).p
        for s in range(120)
    ]
    assert 0.0 <= np.mean(np.array(ps) <= 0.1) < 0.18 and np.mean(ps) == pytest.approx(0.5, abs=0.1)
    points = drawn(20, 0, 3)
    found = relation(
        between(points), between(points + 0.3 * drawn(20, 1, 3)), permutations=199, resamples=200
    )
    assert found.p == 0.005 and 0.4 < found.low < found.spearman < found.high <= 1


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: pair_mean(np.ones((3, 3))), "symmetric with a zero diagonal"),
        (lambda: pair_mean(np.array([[0.0, 1.0], [2.0, 0.0]])), "symmetric with a zero diagonal"),
        (lambda: pair_mean(np.zeros((1, 1))), "at least two networks; got 1"),
        (lambda: pair_mean(np.zeros((2, 3))), "equal sizes"),
        (lambda: pair_mean(np.zeros((3, 3)), level=1.0), "level must be"),
        (
            lambda: pair_mean(np.zeros((3, 3)), method="t"),
            "method must be one of 'jackknife', 'bootstrap'; got 't'",
        ),
        (lambda: relation(between(drawn(5, 0)), between(drawn(6, 0))), "got 5 and 6 networks"),
        (lambda: relation(between(drawn(3, 0)), between(drawn(3, 0))), "at least 4"),
        (lambda: relation(between(drawn(5, 0)), np.ones((5, 5)) - np.eye(5)), "same for all pairs"),
        (
            lambda: relation(between(drawn(5, 0)), between(drawn(5, 0)), permutations=0),
            "permutations must be at least 1",
        ),
    ],
)
def test_messages(call, message):
    with pytest.raises(InputError, match=message):
        call()


def test_resamples_leave_out_pairs_of_a_network_with_itself():
    """Against the same resamples by hand."""
    first, second = (between(drawn(14, seed)) for seed in (0, 1))
    found = relation(first, second, permutations=5, resamples=40)
    again = []
    for networks in random.integers(0, "relation bootstrap", 0, (40, 14), 14):
        pairs = [(a, b) for k, a in enumerate(networks) for b in networks[k + 1 :] if a != b]
        again.append(spearmanr(*([D[pair] for pair in pairs] for D in (first, second)))[0])
    assert (found.low, found.high) == pytest.approx(np.quantile(again, [0.025, 0.975]), abs=1e-9)


def test_the_mantel_test_has_two_sides():
    first = between(drawn(9, 2))
    against = first.max() - first
    np.fill_diagonal(against, 0)
    found = relation(first, against, permutations=199)
    assert found.spearman == pytest.approx(-1) and found.p == pytest.approx(1 / 200)
