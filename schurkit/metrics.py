"""Measures of what a network does, and intervals over networks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ._checks import InputError, number, one_of, real_array
from .rnn import Rollout, Trials


@dataclass(frozen=True)
class Metric:
    """A measure of rollouts.

    name : what it is called in tables and labels.
    measure : (outputs (networks, trials, time, output), trials) → one value a network, (networks,).
    better : "lower" (errors) or "higher" (scores).
    """

    name: str
    measure: Callable[[np.ndarray, Trials], np.ndarray]
    better: str

    def __post_init__(self):
        one_of(self.better, "better", ("lower", "higher"))


def fvu(outputs, trials: Trials) -> np.ndarray:
    """Fraction of variance unexplained, FVU = Σ‖ŷ − y‖² / Σ‖y − ȳ‖², sums over unmasked trials, time steps and outputs.

    Parameters
    ----------
    outputs : (networks, trials, time, output) or a `Rollout`.
    trials : the trials that were run; ȳ is the mean target of each output over unmasked trials and time.

    Returns
    -------
    (networks,), float64, lower is better; 1 for a network that always says ȳ, infinite for one that diverged.

    Raises
    ------
    InputError : the targets do not vary (the denominator is zero), so that FVU is undefined.

    Source: S. Dräger, arXiv:2606.18457, §2.
    """
    outputs, targets, kept = _aligned(outputs, trials)
    count = kept.sum(axis=(-3, -2), keepdims=True)
    mean = (targets * kept).sum(axis=(-3, -2), keepdims=True) / count
    spread = (((targets - mean) * kept) ** 2).sum(axis=(-3, -2, -1))
    if not (spread > 0).all():
        raise InputError("FVU is undefined: the unmasked targets do not vary.")
    with np.errstate(over="ignore", invalid="ignore"):
        error = np.array([(((y - targets[min(i, len(targets) - 1)]) * kept[min(i, len(kept) - 1)]) ** 2).sum() for i, y in enumerate(outputs)])
    return np.where(np.isfinite(error), error, np.inf) / spread


def fvu_over_time(outputs, trials: Trials) -> np.ndarray:
    """Squared error at each time step as a share of FVU's denominator a counted step, (networks, time); NaN where a step is masked in every trial.

    The mean over counted entries is `fvu`, so the curve says when within a trial an error arises.
    """
    outputs, targets, kept = _aligned(outputs, trials)
    count = kept.sum(axis=(-3, -2), keepdims=True)
    mean = (targets * kept).sum(axis=(-3, -2), keepdims=True) / count
    spread = (((targets - mean) * kept) ** 2).sum(axis=(-3, -2, -1)) / count[..., 0, 0, 0]
    if not (spread > 0).all():
        raise InputError("FVU is undefined: the unmasked targets do not vary.")
    error = (((outputs - targets) * kept) ** 2).sum(axis=(1, 3))
    steps = np.broadcast_to(kept, (*outputs.shape[:3], 1)).sum(axis=(1, 3))
    return np.divide(error, steps * spread[:, None], out=np.full(error.shape, np.nan), where=steps > 0)


def replay_accuracy(outputs, trials: Trials) -> np.ndarray:
    """Fraction of unmasked (trial, time, output) whose sign is that of the target; targets are ±1.

    Parameters and returns as `fvu`; higher is better, .5 is chance. A zero or NaN output counts as wrong.

    Source: S. Dräger, arXiv:2606.18457, §3 (autonomous replay accuracy).
    """
    outputs, targets, kept = _aligned(outputs, trials)
    counted = np.broadcast_to(kept, (*outputs.shape[:3], 1)).sum(axis=(1, 2, 3)) * outputs.shape[3]
    return _hits(outputs, targets, kept).sum(axis=(1, 2, 3)) / counted


def accuracy(outputs, trials: Trials) -> np.ndarray:
    """Fraction of unmasked (trial, time) whose largest output is the class of the target (one-hot; the largest target in general).

    Parameters and returns as `fvu`; higher is better, 1/output is chance for equally frequent classes. A step with a NaN output counts as
    wrong; among equal outputs the first is taken.
    """
    outputs, targets, kept = _aligned(outputs, trials)
    hits = np.argmax(outputs, axis=-1) == np.argmax(targets, axis=-1)
    hits &= np.isfinite(outputs).all(axis=-1)
    kept = np.broadcast_to(kept[..., 0], hits.shape)
    return (hits & kept).sum(axis=(1, 2)) / kept.sum(axis=(1, 2))


def accuracy_over_time(outputs, trials: Trials) -> np.ndarray:
    """`replay_accuracy` at each time step, (networks, time); NaN where a step is masked in every trial."""
    outputs, targets, kept = _aligned(outputs, trials)
    count = np.broadcast_to(kept, outputs.shape[:3] + (1,)).sum(axis=(1, 3)) * outputs.shape[3]
    return np.divide(_hits(outputs, targets, kept).sum(axis=(1, 3)), count, out=np.full(count.shape, np.nan), where=count > 0)


def _hits(outputs, targets, kept):
    return (np.sign(outputs) == np.sign(targets)) & (targets != 0) & kept


def _aligned(outputs, trials: Trials):
    """Outputs, targets and mask with axes (networks or 1, trials, time, output or 1), float64 targets."""
    outputs = outputs.outputs if isinstance(outputs, Rollout) else np.asarray(outputs)
    targets = trials.targets if trials.networks is not None else trials.targets[None]
    if outputs.ndim != 4 or outputs.shape[1:] != targets.shape[1:] or (trials.networks is not None and len(outputs) != len(targets)):
        axes = "(networks, trials, time, output)"
        raise InputError(f"outputs must have axes {axes} that fit targets {trials.targets.shape}; got shape {outputs.shape}.")
    mask = trials.mask
    kept = np.broadcast_to(mask, (*targets.shape[:3],) if mask.ndim == 3 else (1, *targets.shape[1:3]))[..., None]
    return outputs, targets.astype(np.float64), kept


FVU = Metric("FVU", fvu, "lower")
REPLAY_ACCURACY = Metric("replay accuracy", replay_accuracy, "higher")
ACCURACY = Metric("accuracy", accuracy, "higher")
METRICS = {"fvu": FVU, "replay_accuracy": REPLAY_ACCURACY, "accuracy": ACCURACY}


def metric(choice: str | Metric) -> Metric:
    """The metric of that name ("fvu", "replay_accuracy", "accuracy"), or the given `Metric` itself."""
    return choice if isinstance(choice, Metric) else METRICS[one_of(choice, "metric", METRICS)]


@dataclass(frozen=True)
class Interval:
    """A mean over networks and its interval.

    mean : mean over the n values.
    low, high : ends of the interval; None below 10 networks, where only the single values are shown.
    n : number of networks; method : "percentile bootstrap", "t" or "none"; level : coverage aimed at.
    """

    mean: float
    low: float | None
    high: float | None
    n: int
    method: str
    level: float = 0.95

    def __format__(self, spec: str) -> str:
        spec = spec or ".3g"
        ends = "" if self.low is None else f" [{self.low:{spec}}, {self.high:{spec}}]"
        return f"{self.mean:{spec}}{ends} (n = {self.n})"

    def __str__(self) -> str:
        return format(self, "")


def interval(values, *, level: float = 0.95, seed: int = 0, resamples: int = 4000) -> Interval:
    """Interval of a mean over networks: percentile bootstrap from 20 networks up, t interval for 10–19, none below 10.

    Parameters
    ----------
    values : (networks,), one finite number a network.
    level : coverage aimed at, in (0, 1).
    seed : of the bootstrap resamples.

    Notes
    -----
    A percentile interval at n = 20 covers about .94 for normal and .85 for lognormal values.

    Examples
    --------
    >>> interval([1.0, 2.0, 3.0]).low is None
    True
    """
    values = real_array(values, "values", ("networks",), dtype=np.float64)
    number(level, "level", above=0, at_most=0.9999)
    n = len(values)
    if n == 0:
        raise InputError("interval needs at least one value; got none.")
    mean = float(values.mean())
    if n < 10:
        return Interval(mean, None, None, n, "none", level)
    if n < 20:
        from scipy.stats import t

        half = float(t.ppf(0.5 + level / 2, n - 1) * values.std(ddof=1) / np.sqrt(n))
        return Interval(mean, mean - half, mean + half, n, "t", level)
    from . import random

    means = values[random.integers(seed, "bootstrap", 0, (resamples, n), n)].mean(axis=1)
    low, high = np.quantile(means, [0.5 - level / 2, 0.5 + level / 2])
    return Interval(mean, float(low), float(high), n, "percentile bootstrap", level)
