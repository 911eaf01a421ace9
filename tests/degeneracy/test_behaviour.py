"""Spread of losses: the definitions, diverging networks, intervals."""

import numpy as np
import pytest
from helpers import messages

from schurkit import behavioural_spread

YES = np.ones(30, bool)


def losses(n=30, seed=0):
    return np.random.default_rng(seed).lognormal(size=n)


def test_definitions():
    x, kept = losses(), YES.copy()
    kept[[3, 7, 8]] = False
    found, y = behavioural_spread(x, kept), x[kept]
    robust = 1.4826 * np.median(np.abs(y - np.median(y)))
    expected = {"std": np.std(y), "cv": np.std(y) / y.mean()}
    expected |= {"robust": robust, "robust_cv": robust / np.median(y)}
    tenfold = behavioural_spread(10 * x, kept)
    for name, value in expected.items():
        one, ten = getattr(found, name), getattr(tenfold, name)
        assert one.mean == pytest.approx(value, rel=1e-4) and one.n == 27
        factor = 1 if name.endswith("cv") else 10
        assert one.low < one.mean < one.high and ten.high == pytest.approx(factor * one.high)
    assert (found.n, found.share_converged, found.diverged) == (27, 0.9, 0)
    assert found.median == np.median(y) and found.mean == pytest.approx(y.mean())
    assert behavioural_spread(losses(19), YES[:19]).std.low is None


def test_diverged_networks():
    x = losses()
    x[:3] = np.inf
    found = behavioural_spread(x, YES)
    assert found.diverged == 3 and found.std.low is None
    assert found.std.mean == found.cv.mean == found.mean == np.inf
    assert np.isfinite([found.robust.mean, found.robust.low]).all()
    most = behavioural_spread(np.full(4, np.inf), YES[:4])
    spreads = most.std, most.cv, most.robust, most.robust_cv
    assert [value.mean for value in spreads] == [np.inf] * 4


@pytest.mark.parametrize("value", [0.0, 0.3])
def test_equal_and_zero_losses(value):
    found = behavioural_spread(np.full(25, value), YES[:25])
    assert [found.std.mean, found.cv.mean, found.robust_cv.mean] == pytest.approx([0, 0, 0])


test_messages = messages(
    (behavioural_spread, [1.0, 2.0], [True], "one loss and one boolean"),
    (behavioural_spread, [1.0, 2.0], [1, 1], "one loss and one boolean"),
    (behavioural_spread, [1.0, np.nan], [True, True], "got NaN or a negative"),
    (behavioural_spread, [1.0, -1.0], [True, True], "got NaN or a negative"),
    (behavioural_spread, [1.0, 2.0], [True, False], "at least two converged networks; got 1 of 2"),
)
