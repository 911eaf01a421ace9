"""Intervals over networks, held against scipy and against their own definitions."""

import numpy as np
import pytest
from scipy import stats

from schurkit import InputError, interval
from schurkit.intervals import over_pairs, ratio, share


def test_intervals_by_number_of_networks():
    rng = np.random.default_rng(0)
    assert interval(rng.normal(size=9)).how == "none"
    values = rng.normal(size=12)
    t = interval(values)
    low, high = stats.t.interval(0.95, 11, loc=values.mean(), scale=stats.sem(values))
    assert (t.how, t.low, t.high) == ("t", pytest.approx(low), pytest.approx(high))
    boot = interval(rng.normal(size=25))
    assert boot.how == "percentile bootstrap" and boot.low < boot.mean < boot.high
    assert (
        str(interval([1.0, 2.0])) == "1.5 (n = 2)"
        and f"{interval([1.0, 2.0]):+.2f}" == "+1.50 (n = 2)"
        and "[" in str(boot)
    )


def test_bootstrap_agrees_with_scipy_and_repeats():
    values = np.random.default_rng(3).lognormal(size=40)
    ours = interval(values, seed=1)
    theirs = stats.bootstrap(
        (values,), np.mean, method="percentile", n_resamples=4000, rng=np.random.default_rng(0)
    ).confidence_interval
    width = theirs.high - theirs.low
    assert abs(ours.low - theirs.low) < 0.06 * width and abs(ours.high - theirs.high) < 0.06 * width
    assert interval(values, seed=1) == ours != interval(values, seed=2)


@pytest.mark.parametrize(
    "values, message", [([], "at least one value"), ([np.nan], "must be finite"), ([[1.0]], "axes")]
)
def test_intervals_refuse(values, message):
    with pytest.raises(InputError, match=message):
        interval(values)


def test_a_ratio_of_sums_is_a_mean_where_the_denominators_are_equal():
    values = np.random.default_rng(1).normal(size=30)
    for n in (9, 15, 30):
        same, mean = ratio(values[:n], np.ones(n)), interval(values[:n])
        assert (same.value, same.how, same.n) == (pytest.approx(mean.value), mean.how, n)
        assert (
            (same.low, same.high) == pytest.approx((mean.low, mean.high))
            if mean.low is not None
            else same.low is None
        )
    with pytest.raises(InputError, match="a sum above 0"):
        ratio([1.0, 2.0], [0.0, 0.0])


def test_a_share_has_wilsons_interval_and_none_below_ten_networks():
    flags = np.arange(20) < 17
    z = stats.norm.ppf(0.975)
    centre, half = (17 + z**2 / 2) / (20 + z**2), z * np.sqrt(17 * 3 / 20 + z**2 / 4) / (20 + z**2)
    found = share(flags)
    assert (found.value, found.n, found.how) == (
        0.85,
        20,
        "Wilson",
    ) and found.ends == pytest.approx((centre - half, centre + half))
    assert share(flags[:9]).ends is None and share(np.ones(10, bool)).low < 1


def test_pairs_are_not_independent_values():
    points = np.random.default_rng(2).normal(size=25)
    D = np.abs(points[:, None] - points)
    pairs = over_pairs(D)
    naive = interval(D[np.triu_indices(25, 1)])
    assert pairs.value == pytest.approx(naive.value) and pairs.high - pairs.low > 2 * (
        naive.high - naive.low
    )
    assert pairs.excludes(0) and not pairs.excludes(pairs.value)
