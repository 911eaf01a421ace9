"""Means and correlations over pairs: coverage on simulated networks, and what a naive bootstrap
would do.
"""

import numpy as np
import pytest
from helpers import between, gauss, messages
from scipy.stats import spearmanr

from schurkit import random
from schurkit.degeneracy import pair_mean, relation


def test_relation_is_spearmans():
    X, Y = between(gauss(9, 3)), between(gauss(9, 3, seed=1))
    pairs = np.triu_indices(9, 1)
    found = relation(X, Y, permutations=19)
    assert found.spearman == pytest.approx(spearmanr(X[pairs], Y[pairs]).statistic)
    assert found.low is None and found.n == 9
    for other, sign in ((X, 1), (10.0 - X - 10 * np.eye(9), -1)):  # the test has two sides
        found = relation(X, other, permutations=99)
        assert found.spearman == pytest.approx(sign) and found.p == 0.01


def test_resamples_of_a_relation_leave_out_pairs_of_a_network_with_itself():
    D = [between(gauss(14, 1, seed=seed)) for seed in (0, 1)]
    found = relation(*D, permutations=5, resamples=40)
    both = zip(*map(resampled, D))
    again = [spearmanr(*pairs)[0] for pairs in both]
    assert (found.low, found.high) == pytest.approx(np.quantile(again, [0.025, 0.975]), abs=1e-9)


FIVE = between(gauss(5, 1))


test_messages = messages(
    (pair_mean, np.ones((3, 3)), "symmetric with a zero diagonal"),
    (pair_mean, np.triu(FIVE), "symmetric with a zero diagonal"),
    (pair_mean, np.zeros((1, 1)), "at least two networks; got 1"),
    (pair_mean, np.zeros((2, 3)), "equal sizes"),
    (relation, FIVE, FIVE[:4, :4], "got 5 and 4 networks"),
    (relation, FIVE[:3, :3], FIVE[:3, :3], "at least 4"),
    (relation, FIVE, 1 - np.eye(5), "same for all pairs"),
    (lambda: relation(FIVE, FIVE, permutations=0), "permutations must be at least 1"),
)


def resampled(D):
    """Distances of the pairs of each resample of networks, a network with itself left out."""
    for a in random.integers(0, "relation bootstrap", 0, (40, len(D)), len(D)):
        yield [D[i, j] for k, i in enumerate(a) for j in a[:k] if i != j]
