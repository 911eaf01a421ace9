"""Intervals over networks, held against scipy and against their own definitions."""

import numpy as np
import pytest
from helpers import gauss, messages
from scipy import stats

from schurkit import interval, random
from schurkit.intervals import ratio, share


def test_intervals_by_number_of_networks():
    values = gauss(25)
    hows = [interval(values[:n]).how for n in (9, 10, 19, 20)]
    assert hows == ["none", "t", "t", "percentile bootstrap"]
    t = interval(values[:12])
    low, high = stats.t.interval(0.95, 11, loc=t.mean, scale=stats.sem(values[:12]))
    assert (t.low, t.high) == pytest.approx((low, high))
    assert str(interval([1.0, 2.0])) == "1.5 (n = 2)" and "[" in str(t)
    assert f"{interval([1.0, 2.0]):+.2f}" == "+1.50 (n = 2)"


def test_a_bootstrap_is_the_percentiles_of_resampled_means_and_repeats():
    values = np.random.default_rng(3).lognormal(size=40)
    ours, drawn = interval(values, seed=1), random.integers(1, "bootstrap", 0, (4000, 40), 40)
    assert ours.ends == pytest.approx(np.quantile(values[drawn].mean(axis=1), [0.025, 0.975]))
    assert interval(values, seed=1) == ours != interval(values, seed=2)
    assert interval(values, seed=1, resamples=4000) == ours != interval(values, resamples=500)


test_intervals_refuse = messages(
    (interval, [], "at least one value"),
    (interval, [np.nan], "must be finite"),
    (interval, [[1.0]], "axes"),
    (ratio, [1.0, 2.0], [0.0, 0.0], "a sum above 0"),
)


def test_a_ratio_of_sums_is_a_mean_where_the_denominators_are_equal():
    values = gauss(30, seed=1)
    for n in (9, 15, 30):
        same, mean = ratio(values[:n], np.ones(n)), interval(values[:n])
        assert (same.how, same.n) == (mean.how, n) and same.value == pytest.approx(mean.value)
        assert n == 9 or same.ends == pytest.approx(mean.ends)


def test_a_share_has_wilsons_interval_and_none_below_ten_networks():
    found = share(np.arange(20) < 17)
    expected = stats.binomtest(17, 20).proportion_ci(method="wilson")
    assert (found.value, found.n, found.how) == (0.85, 20, "Wilson")
    assert found.ends == pytest.approx((expected.low, expected.high))
    assert found.excludes(0.5) and not found.excludes(0.85)
    assert share(np.ones(9, bool)).ends is None and share(np.ones(10, bool)).low < 1
