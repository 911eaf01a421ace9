"""Spreads over networks, and which way they go between the settings of a study, with intervals
over networks.

The seeds of a study are the same at all levels and in all tasks, and networks of one seed share
random numbers. So a seed is left out of all settings at once: whatever networks of one seed have in
common is then in the interval.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from schurkit import random
from schurkit.checks import InputError, integer, number, one_of, real_array
from schurkit.intervals import (
    ENOUGH,
    FEWEST,
    LEVEL,
    Interval,
    jackknife,
    percentiles,
    without_ends,
)

_MAD = 1.482602218505602
"""Median absolute deviation to standard deviation, for normal values."""


# ---------------------------------------------------------------------- statistics of (…, networks)
def _std(x):
    return np.full(len(x), np.inf) if np.isinf(x).any() else x.std(axis=1)


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


STATISTICS = {"std": _std, "cv": _cv, "robust": _robust, "mean": lambda x: x.mean(axis=1)}
STATISTICS["std of each"] = lambda x: np.sqrt(x.var(axis=1).mean(axis=-1))


# --------------------------------------------------------------------------- the losses of networks
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
    losses: ArrayLike,
    converged: ArrayLike,
    *,
    seed: int = 0,
) -> BehaviouralSpread:
    """Spread of out-of-distribution losses over converged networks, σ = √(mean (L_i − L̄)²).

    σ grows with the mean loss, and a few networks that do badly can make all of it: read it beside
    the coefficient of variation and the robust spread. Power is low: a 1.5-fold change of σ is seen
    by chance of about 18 % with 8 networks, 31 % with 20, 51 % with 50.

    Parameters
    ----------
    losses : (networks,), at least 0; infinite for a network that diverged.
    converged : (networks,) booleans: those that reached the training threshold. Only they count.
    seed : of the intervals (percentile bootstrap over networks).

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
    good = losses[converged]
    n = len(good)
    if n < 2:
        raise InputError(
            f"a spread needs at least two converged networks; got {n} of {len(losses)}."
        )
    drawn = random.integers(seed, "behaviour bootstrap", 0, (4000, n), n)

    def interval(statistic):
        value = float(statistic(good[None])[0])
        if n < ENOUGH or not np.isfinite(value):
            return without_ends(value, n)
        return percentiles(value, statistic(good[drawn]), n, "nearest")

    return BehaviouralSpread(
        *map(interval, (_std, _cv, _robust, _robust_cv)),
        float(good.mean()),
        float(np.median(good)),
        n,
        float(converged.mean()),
        int(np.isinf(good).sum()),
    )


# --------------------------------------------------------------------- between settings of a study


@dataclass(frozen=True)
class Sample:
    """A measure of one setting, and what it would be without each of its networks.

    value : of all networks.
    without : seed → value of the others;
    networks : how many.
    """

    value: float
    without: Mapping[Hashable, float]

    @property
    def networks(self) -> int:
        return len(self.without)


def pairs(distances, labels: Sequence[Hashable]) -> Sample:
    """Mean over all pairs of different networks.

    Parameters
    ----------
    distances : (networks, networks), symmetric with a zero diagonal; at least 3 networks.
    labels : one a network, mostly its seed; or a tuple of those that it is made of
        (`schurkit.degeneracy.nulls.side_by_side`): pairs that share one then do not count.

    Examples
    --------
    >>> import numpy as np
    >>> pairs(np.array([[0, 1, 2], [1, 0, 3], [2, 3, 0]]), "abc").without["c"]
    1.0
    """
    D = real_array(distances, "distances", ("networks", "networks"), dtype=np.float64)
    _counted(len(D), labels)
    held = [set(one) if isinstance(one, tuple) else {one} for one in labels]
    apart = np.array([[not a & b for b in held] for a in held])

    def mean(kept):
        counted = apart & np.outer(kept, kept)
        return float(D[counted].mean()) if counted.any() else float("nan")

    seeds = dict.fromkeys(seed for one in held for seed in one)
    without = {seed: mean(np.array([seed not in one for one in held])) for seed in seeds}
    return Sample(mean(np.ones(len(D), bool)), without)


def spread(values, labels: Sequence[Hashable], statistic: str = "std") -> Sample:
    """A statistic of one number a network: "std" (population), "cv" = std/mean, "robust" = 1.4826 ·
    median absolute deviation, or "mean"; of several numbers a network, (networks, numbers), "std of
    each": the root of the mean variance over networks.
    """
    measure = STATISTICS[one_of(statistic, "statistic", STATISTICS)]
    axes = ("networks", "numbers") if statistic == "std of each" else ("networks",)
    x = real_array(values, "values", axes, dtype=np.float64)
    others = np.stack([np.delete(x, i, axis=0) for i in range(_counted(len(x), labels))])
    return Sample(float(measure(x[None])[0]), dict(zip(labels, measure(others).tolist())))


def over(sample: Sample, null: Sample) -> Sample:
    """A measure relative to the same measure of a null with the same labels, seed by seed."""
    return _with_null(sample, null, lambda a, b: a / b if b > 0 else float("nan"))


def above(sample: Sample, null: Sample) -> Sample:
    """What a measure has beyond the same measure of a null with the same labels, seed by seed."""
    return _with_null(sample, null, lambda a, b: a - b)


def _with_null(sample, null, put) -> Sample:
    if set(sample.without) != set(null.without):
        raise InputError("a measure and its null must be of the same networks.")
    without = {seed: put(value, null.without[seed]) for seed, value in sample.without.items()}
    return Sample(put(sample.value, null.value), without)


def interval_of(sample: Sample) -> Interval:
    """The measure itself with a jackknife t interval over its networks; no ends below 10."""
    left, n = np.array(list(sample.without.values())), sample.networks
    if n < FEWEST or not (np.isfinite(sample.value) and np.isfinite(left).all()):
        return without_ends(sample.value, n)
    return jackknife(sample.value, left, n)


def contrast(terms: Sequence[tuple[Sample, Sample]]) -> Interval:
    """Mean over tasks of log(measure at the highest level / measure at the lowest), with a
    jackknife t interval over seeds.

        θ = mean over tasks of log(high / low),   s² = (m − 1)/m Σ_i (θ_(i) − mean θ_(i))²

    θ_(i) is θ without seed i in any setting, m counts the seeds. The t quantile has n − 1 degrees
    of freedom, n being the fewest networks of a setting, which is also the interval's n; there is
    none below 10. The tasks are not a sample: nothing is said about others.

    Parameters
    ----------
    terms : for each task, the samples at the highest and at the lowest level.

    Returns
    -------
    Interval. Its mean is NaN where a measure is 0 or undefined.

    Notes
    -----
    Measured coverage of log 1.5 between two groups, aiming at .95, mean over pairs and standard
    deviation of normal (lognormal) values: 10 networks .98 and .97 (.96 and .91); 14 networks .97
    and .96 (.94 and .93); 50 networks .95 and .96 (.95 and .93). Leaving out one network at a time
    says little of how a median varies: read intervals of the statistic "robust" as no more than a
    hint.

    Source: B. Efron, The Jackknife, the Bootstrap and Other Resampling Plans, SIAM 1982, §3;
    leaving a seed out of all settings is ours.
    """
    terms = list(terms)
    if not terms:
        raise InputError("contrast needs at least one pair of settings; got none.")
    n = min(sample.networks for term in terms for sample in term)
    value = _log_ratio(terms, None)
    seeds = dict.fromkeys(seed for term in terms for sample in term for seed in sample.without)
    left = np.array([_log_ratio(terms, seed) for seed in seeds])
    if n < FEWEST or not (np.isfinite(value) and np.isfinite(left).all()):
        return without_ends(value, n)
    return jackknife(value, left, n)


def power(
    losses: Sequence,
    *,
    networks: int,
    factor: float = 1.5,
    draws: int = 400,
    seed: int = 0,
) -> float:
    """How often a change of the standard deviation by `factor` would be told from none, with so
    many networks in each of two settings.

    Two groups are drawn from the standardised losses of all settings, pooled; one is stretched by
    `factor`; told means that the interval of `contrast` leaves out 0.

    Parameters
    ----------
    losses : for each setting, the losses of its networks; settings whose losses are all alike are
        passed over.
    """
    integer(networks, "networks", at_least=3)
    number(factor, "factor", above=0)
    from scipy.stats import t  # slow to import

    settings = [np.asarray(x, dtype=np.float64) for x in losses]
    varying = [x for x in settings if len(x) > 1 and np.isfinite(x).all() and x.std() > 0]
    if not varying:
        raise InputError("power needs the losses of at least one setting in which they differ.")
    pool = np.concatenate([(x - x.mean()) / x.std() for x in varying])
    x = pool[random.integers(seed, "power", 0, (draws, 2, networks), len(pool))]
    without = np.stack([np.delete(x, i, axis=2).std(axis=2) for i in range(networks)], axis=2)
    with np.errstate(divide="ignore", invalid="ignore"):
        logs, whole = np.log(without), np.log(x.std(axis=2))
        squares = ((logs - logs.mean(axis=2, keepdims=True)) ** 2).sum(axis=(1, 2))
        variance = (networks - 1) / networks * squares
        far = np.abs(whole[:, 1] - whole[:, 0] + np.log(factor)) / np.sqrt(variance)
    return float((far > t.ppf(0.5 + LEVEL / 2, networks - 1)).mean())


def _counted(networks, labels) -> int:
    if networks < 3 or len(labels) != networks or len(set(labels)) != networks:
        raise InputError(
            f"a sample needs three or more networks, each with a label of its own; got {networks} "
            f"networks and labels {list(labels)}."
        )
    return networks


def _log_ratio(terms, seed) -> float:
    ratios = []
    for high, low in terms:
        a, b = (sample.without.get(seed, sample.value) for sample in (high, low))
        ratios.append(np.log(a / b) if a > 0 and b > 0 else np.nan)
    return float(np.mean(ratios))
