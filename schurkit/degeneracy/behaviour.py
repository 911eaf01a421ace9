"""Degeneracy of behaviour: how much the losses of converged networks differ where they were not
trained.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from schurkit import random
from schurkit.checks import InputError, number
from schurkit.intervals import Interval

_MAD = 1.482602218505602
"""Median absolute deviation to standard deviation, for normal values."""


@dataclass(frozen=True)
class BehaviouralSpread:
    """Spread of the losses of converged networks.

    std : population standard deviation (the paper's degeneracy of behaviour).
    cv : std / mean.
    robust : 1.4826 · median absolute deviation.
    robust_cv : robust / median. Each an Interval over networks, whose `mean` is the value itself;
        no ends below 20 networks.
    mean, median : of the losses.
    n : converged networks.
    share_converged : of all.
    diverged : converged networks whose loss here is infinite: std, cv and mean are then infinite,
        with no ends, while the robust ones stay finite up to half of them.
    """

    std: Interval
    cv: Interval
    robust: Interval
    robust_cv: Interval
    mean: float
    median: float
    n: int
    share_converged: float
    diverged: int


def behavioural_spread(
    losses, converged, *, level: float = 0.95, seed: int = 0, resamples: int = 4000
) -> BehaviouralSpread:
    """Spread of out-of-distribution losses over converged networks, σ = √(mean (L_i − L̄)²).

    σ grows with the mean loss, and a few networks that do badly can make all of it: read it beside
    the coefficient of variation and the robust spread. Power is low: a 1.5-fold change of σ is seen
    by chance of about 18 % with 8 networks, 31 % with 20, 51 % with 50.

    Parameters
    ----------
    losses : (networks,), at least 0; infinite for a network that diverged.
    converged : (networks,) booleans: those that reached the training threshold. Only they count.
    level, seed, resamples : of the intervals (percentile bootstrap over networks).

    Raises
    ------
    InputError : lengths differ, a NaN or negative loss, or fewer than two converged networks.

    Examples
    --------
    >>> behavioural_spread([0.1, 0.3, 9.0], [True, True, False]).std.mean.__round__(3)
    0.1

    Source: arXiv:2410.03972 (σ of the losses under temporal generalisation); the other columns are
    ours.
    """
    losses, converged = np.asarray(losses, dtype=np.float64), np.asarray(converged)
    if losses.ndim != 1 or converged.shape != losses.shape or converged.dtype != bool:
        raise InputError(
            "behavioural_spread needs one loss and one boolean a network; got shapes "
            f"{losses.shape} and {converged.shape} ({converged.dtype})."
        )
    if np.isnan(losses).any() or (losses < 0).any():
        raise InputError(
            "losses must be numbers of at least 0 (infinite for a network that diverged); got NaN "
            "or a negative one."
        )
    number(level, "level", above=0, at_most=0.9999)
    kept = losses[converged]
    n = len(kept)
    if n < 2:
        raise InputError(
            f"a spread needs at least two converged networks; got {n} of {len(losses)}."
        )
    drawn = (
        kept[random.integers(seed, "behaviour bootstrap", 0, (resamples, n), n)]
        if n >= 20
        else None
    )
    intervals = []
    for statistic in (_std, _cv, _robust, _robust_cv):
        value = float(statistic(kept[None])[0])
        if drawn is None or not np.isfinite(value):
            intervals.append(Interval(value, None, None, n, "none", level))
            continue
        again = statistic(drawn)
        low, high = np.quantile(again, [0.5 - level / 2, 0.5 + level / 2], method="nearest")
        intervals.append(Interval(value, float(low), float(high), n, "percentile bootstrap", level))
    diverged = int(np.isinf(kept).sum())
    return BehaviouralSpread(
        *intervals, float(kept.mean()), float(np.median(kept)), n, float(converged.mean()), diverged
    )


def _std(x):
    if np.isinf(x).any():
        return np.full(len(x), np.inf)
    return x.std(axis=1)


def _cv(x):
    return _ratio(_std(x), x.mean(axis=1))


def _robust(x):
    with np.errstate(invalid="ignore"):
        off = np.abs(x - np.median(x, axis=1, keepdims=True))
    return _MAD * np.median(np.where(np.isnan(off), np.inf, off), axis=1)


def _robust_cv(x):
    return _ratio(_robust(x), np.median(x, axis=1))


def _ratio(spread, centre):
    """spread / centre; 0 for networks that all have loss 0, infinite where the spread is."""
    out = np.where(np.isinf(spread), np.inf, 0.0)
    return np.divide(
        spread, centre, out=out, where=np.isfinite(spread) & np.isfinite(centre) & (centre > 0)
    )
