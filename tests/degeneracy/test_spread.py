"""Signs over the levels of a knob: built from known answers, and the jackknife against a loop, a
normal theory and simulated coverage.
"""

import numpy as np
import pytest
from scipy.stats import t

from schurkit import InputError
from schurkit.degeneracy.spread import Sample, contrast, over, pairs, power, spread


def points(networks, seed, scale=1.0):
    x = scale * np.random.default_rng(seed).normal(size=(networks, 3))
    return np.linalg.norm(x[:, None] - x, axis=2)


@pytest.mark.parametrize("networks", [3, 8])
def test_a_mean_over_pairs_and_what_is_left_without_a_network(networks):
    D, labels = points(networks, 0), [f"seed {i}" for i in range(networks)]
    found = pairs(D, labels)
    assert (
        found.value == pytest.approx(D[np.triu_indices(networks, 1)].mean())
        and found.networks == networks
    )
    for i, label in enumerate(labels):
        rest = np.delete(np.delete(D, i, 0), i, 1)
        assert found.without[label] == pytest.approx(rest[np.triu_indices(networks - 1, 1)].mean())


@pytest.mark.parametrize("statistic", ["std", "cv", "robust", "mean"])
def test_a_statistic_of_one_number_a_network(statistic):
    x = np.array([1.0, 2.0, 4.0, 9.0, 30.0])
    by_hand = {
        "std": np.std,
        "cv": lambda v: np.std(v) / np.mean(v),
        "mean": np.mean,
        "robust": lambda v: 1.4826 * np.median(np.abs(v - np.median(v))),
    }
    found = spread(x, range(5), statistic)
    assert found.value == pytest.approx(by_hand[statistic](x), rel=1e-4)
    assert found.without[4] == pytest.approx(by_hand[statistic](x[:4]), rel=1e-4)


def test_a_ratio_is_recovered_whatever_the_tasks_scales():
    terms = []
    for task, scale in enumerate((1.0, 1e-3, 50.0)):
        low = points(12, task, scale)
        terms.append((pairs(2.5 * low, range(12)), pairs(low, range(12))))
    found = contrast(terms)
    assert found.mean == pytest.approx(np.log(2.5)) and found.n == 12
    assert found.high - found.low < 1e-9  # each seed moves both levels alike: its share cancels


def test_the_interval_is_the_jackknife_of_seeds():
    a, b, c = points(11, 0), points(11, 1), points(12, 2)
    terms = [(pairs(a, range(11)), pairs(b, range(11))), (pairs(c, range(12)), pairs(a, range(11)))]

    def theta(left):
        def mean(D):
            kept = [i for i in range(len(D)) if i != left]
            return D[np.ix_(kept, kept)].sum() / (len(kept) * (len(kept) - 1))

        return (np.log(mean(a) / mean(b)) + np.log(mean(c) / mean(a))) / 2

    left = np.array([theta(i) for i in range(12)])
    half = t.ppf(0.975, 10) * np.sqrt(11 / 12 * ((left - left.mean()) ** 2).sum())
    found = contrast(terms)
    assert (found.mean, found.low, found.high) == pytest.approx(
        (theta(None), theta(None) - half, theta(None) + half)
    )
    assert found.n == 11 and found.how == "jackknife t"


@pytest.mark.parametrize("networks, least", [(12, 0.88), (20, 0.9)])
def test_coverage_of_no_change_between_two_groups(networks, least):
    covered = 0
    for seed in range(200):
        high, low = (
            pairs(points(networks, 2 * seed + k), range(100 * k, 100 * k + networks))
            for k in (0, 1)
        )
        found = contrast([(high, low)])
        covered += found.low <= 0 <= found.high
    assert least < covered / 200 < 0.99


def test_coverage_of_a_change_of_the_standard_deviation():
    rng, covered = np.random.default_rng(0), 0
    for _ in range(400):
        high, low = (
            spread(1.5 * rng.normal(size=14), range(14)),
            spread(rng.normal(size=14), range(50, 64)),
        )
        found = contrast([(high, low)])
        covered += found.low <= np.log(1.5) <= found.high
    assert 0.88 < covered / 400 < 0.99


def test_nine_networks_or_a_measure_of_zero_have_no_interval():
    D = points(9, 0)
    assert contrast([(pairs(D, range(9)), pairs(2 * D, range(9)))]).low is None
    none = contrast([(spread(np.ones(12), range(12)), spread(np.arange(12.0), range(12)))])
    assert np.isnan(none.mean) and none.low is None and none.n == 12


def test_what_a_null_does_too_cancels():
    D, E = points(12, 0), points(12, 1)
    high, low = (
        over(pairs(scale * D, range(12)), pairs(scale * E, range(12))) for scale in (7.0, 1.0)
    )
    assert contrast([(high, low)]).mean == pytest.approx(0, abs=1e-12)
    assert high.without[3] == pytest.approx(
        pairs(D, range(12)).without[3] / pairs(E, range(12)).without[3]
    )


def test_power_grows_with_networks_and_with_the_change():
    losses = [np.random.default_rng(k).normal(size=30) for k in range(4)]
    few, many, none = (
        power(losses, networks=10),
        power(losses, networks=60, draws=200),
        power(losses, networks=20, factor=1.0),
    )
    assert few < 0.4 < many and none < 0.15
    # in what unit they are measured does not matter
    assert power([1e-6 * x + 7 for x in losses], networks=10) == few


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: pairs(points(2, 0), [0, 1]),
            r"three or more networks, each with a label of its own; got 2 networks",
        ),
        (lambda: pairs(points(4, 0), [0, 1, 1, 2]), r"labels \[0, 1, 1, 2\]"),
        (lambda: spread(np.ones(4), range(4), "variance"), "statistic must be one of"),
        (
            lambda: over(Sample(1.0, {0: 1.0}), Sample(1.0, {1: 1.0})),
            "over needs a measure and a null of the same networks",
        ),
        (lambda: contrast([]), "contrast needs at least one pair of settings; got none"),
        (lambda: contrast([(Sample(1.0, {}), Sample(1.0, {}))], level=0), "level"),
        (
            lambda: power([np.ones(5)], networks=5),
            "power needs the losses of at least one setting in which they differ",
        ),
    ],
)
def test_messages(call, message):
    with pytest.raises(InputError, match=message):
        call()
