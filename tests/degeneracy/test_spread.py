"""Signs over the levels of a knob: built from known answers, and the jackknife against a loop, a
normal theory and simulated coverage.
"""

import numpy as np
import pytest
from helpers import between, gauss, messages
from scipy.stats import t

from schurkit.degeneracy import pair_mean
from schurkit.degeneracy.spread import (
    Sample,
    above,
    contrast,
    interval_of,
    over,
    pairs,
    power,
    spread,
)


def points(networks, seed):
    return between(gauss(networks, 3, seed=seed))


@pytest.mark.parametrize("networks", [3, 8])
def test_a_mean_over_pairs_and_what_is_left_without_a_network(networks):
    D, labels = points(networks, 0), [f"seed {i}" for i in range(networks)]
    found = pairs(D, labels)
    assert found.value == pytest.approx(D[np.triu_indices(networks, 1)].mean())
    assert found.networks == networks
    rest = [np.delete(np.delete(D, i, 0), i, 1) for i in range(networks)]
    means = [each.sum() / ((networks - 1) * (networks - 2)) for each in rest]
    assert found.without == pytest.approx(dict(zip(labels, means)))
    shared = pairs(D, [(i, i + 1) for i in range(networks)])  # of networks side by side
    assert shared.value == pytest.approx(D[np.triu_indices(networks, 2)].mean())


@pytest.mark.parametrize(
    "statistic, by_hand",
    [
        ("cv", lambda x: np.std(x) / np.mean(x)),
        ("mean", np.mean),
        ("robust", lambda x: 1.4826 * np.median(np.abs(x - np.median(x)))),
    ],
)
def test_a_statistic_of_one_number_a_network(statistic, by_hand):
    x = np.array([1.0, 2.0, 4.0, 9.0, 30.0])
    found = spread(x, range(5), statistic)
    expected = by_hand(x), by_hand(x[:4])
    assert (found.value, found.without[4]) == pytest.approx(expected, rel=1e-4)


def test_the_spread_of_several_numbers_a_network_is_that_of_each():
    x = gauss(5, 2)
    expected = np.sqrt(x.var(axis=0).mean()), np.sqrt(x[:4].var(axis=0).mean())
    found = spread(x, range(5), "std of each")
    assert (found.value, found.without[4]) == pytest.approx(expected)


def test_the_interval_is_the_jackknife_of_seeds():
    a, b, c = points(11, 0), points(11, 1), points(12, 2)
    terms = [(a, b), (c, a)]

    def theta(left):
        def mean(D):
            kept = [i for i in range(len(D)) if i != left]
            return D[np.ix_(kept, kept)].sum() / (len(kept) * (len(kept) - 1))

        return np.mean([np.log(mean(high) / mean(low)) for high, low in terms])

    left = np.array([theta(i) for i in range(12)])
    half = t.ppf(0.975, 10) * np.sqrt(11 / 12 * ((left - left.mean()) ** 2).sum())
    found = contrast([tuple(pairs(D, range(len(D))) for D in term) for term in terms])
    expected = theta(None), theta(None) - half, theta(None) + half
    assert (found.mean, found.low, found.high) == pytest.approx(expected)
    assert found.n == 11 and found.how == "jackknife t"


def test_nine_networks_or_a_measure_of_zero_have_no_interval():
    D = points(9, 0)
    assert contrast([(pairs(D, range(9)), pairs(2 * D, range(9)))]).low is None
    none = contrast([(spread(np.ones(12), range(12)), spread(np.arange(12.0), range(12)))])
    assert np.isnan(none.mean) and none.low is None and none.n == 12


def test_what_a_measure_is_relative_to_its_null():
    D, E = (pairs(points(12, seed), range(12)) for seed in (0, 1))
    found = over(D, E)
    expected = D.value / E.value, D.without[3] / E.without[3]
    assert (found.value, found.without[3]) == pytest.approx(expected)


def test_what_is_above_a_null_and_its_interval():
    D, null = points(12, 0), spread(np.full(12, 0.3), range(12), "mean")
    found, whole = above(pairs(D, range(12)), null), pairs(D, range(12))
    assert found.value == pytest.approx(whole.value - 0.3)
    ends = [interval_of(one) for one in (found, whole)]
    assert ends[0].high - ends[0].low == pytest.approx(ends[1].high - ends[1].low)
    assert interval_of(pairs(points(9, 0), range(9))).low is None
    mean = pair_mean(D)
    assert mean.ends == pytest.approx(ends[1].ends)
    assert (mean.n, mean.how) == (12, "jackknife t")


def test_power_grows_with_networks_and_with_the_change():
    losses = [gauss(30, seed=k) for k in range(4)]
    few, many = power(losses, networks=10), power(losses, networks=60, draws=200)
    assert few < 0.4 < many and power(losses, networks=20, factor=1.0) < 0.15
    # in what unit they are measured does not matter
    assert power([1e-6 * x + 7 for x in losses], networks=10) == few


test_messages = messages(
    (lambda: pairs(points(2, 0), [0, 1]), "three or more networks.* a label of its own; got 2"),
    (lambda: pairs(points(4, 0), [0, 1, 1, 2]), r"labels \[0, 1, 1, 2\]"),
    (lambda: spread(np.ones(4), range(4), "variance"), "statistic must be one of"),
    (
        lambda: over(Sample(1.0, {0: 1.0}), Sample(1.0, {1: 1.0})),
        "a measure and its null must be of the same networks",
    ),
    (contrast, [], "contrast needs at least one pair of settings; got none"),
    (
        lambda: power([np.ones(5)], networks=5),
        "power needs the losses of at least one setting in which they differ",
    ),
)
