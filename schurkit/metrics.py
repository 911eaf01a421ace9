"""Measures of what a network does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from .checks import InputError, one_of
from .rnn import Rollout, Trials


@dataclass(frozen=True)
class Metric:
    """A measure of rollouts.

    name : what it is called in tables and labels.
    measure : (outputs (networks, trials, time, output), trials) → one value a network, (networks,).
    better : "lower" (errors) or "higher" (scores).
    chance : its value for a network that knows nothing of the trials, a number or a function of the
        trials; None where nobody says.
    sums : of a measure that is a sum over trials divided by a number, so that it can be summed a
        block of trials at a time: (outputs, targets, counted cells) → the sum, (networks,), each
        with axes (networks or 1, trials, time, output); and trials → the number.
    """

    name: str
    measure: Callable[[np.ndarray, Trials], np.ndarray]
    better: str
    chance: float | Callable[[Trials], float] | None = None
    sums: tuple[Callable, Callable] | None = None

    def __post_init__(self):
        one_of(self.better, "better", ("lower", "higher"))

    @property
    def worse(self) -> int:
        """The sign of a change for the worse: +1 of an error, −1 of a score."""
        return 1 if self.better == "lower" else -1

    @property
    def cost(self) -> str:
        """What a change for the worse is called: "rise of FVU", "accuracy lost"."""
        return f"rise of {self.name}" if self.better == "lower" else f"{self.name} lost"

    def chance_on(self, trials: Trials) -> float | None:
        """`chance` on those trials."""
        return self.chance(trials) if callable(self.chance) else self.chance


def fvu(outputs: ArrayLike, trials: Trials) -> np.ndarray:
    """Fraction of variance unexplained, FVU = Σ‖ŷ − y‖² / Σ‖y − ȳ‖², sums over unmasked trials,
    time steps and outputs.

    Parameters
    ----------
    outputs : (networks, trials, time, output) or a `Rollout`.
    trials : the trials that were run; ȳ is the mean target of each output over unmasked trials and
        time.

    Returns
    -------
    (networks,), float64, lower is better; 1 for a network that always says ȳ, infinite for one that
    diverged.

    Raises
    ------
    InputError : the targets do not vary (the denominator is zero), so that FVU is undefined.

    Source: S. Dräger, arXiv:2606.18457, §2.
    """
    return _squares(*_aligned(outputs, trials)) / _spread(trials)


def _squares(outputs, targets, counted) -> np.ndarray:
    """Squared error over counted cells, (networks,), one network at a time; axes as of
    `_aligned`.
    """
    error = np.empty(len(outputs))
    with np.errstate(over="ignore", invalid="ignore"):
        for i, y in enumerate(outputs):
            off = y.astype(np.float64, order="K")
            off -= targets[min(i, len(targets) - 1)]
            if not (cells := counted[min(i, len(counted) - 1)]).all():
                off *= cells
            off = off.ravel(order="K")
            error[i] = off @ off
    return np.where(np.isfinite(error), error, np.inf)


def fvu_over_time(outputs, trials: Trials) -> np.ndarray:
    """Squared error at each time step as a share of FVU's denominator a counted step, (networks,
    time); NaN where a step is masked in every trial.

    The mean over counted entries is `fvu`, so the curve says when within a trial an error arises.
    """
    outputs, targets, kept = _aligned(outputs, trials)
    spread = _spread(trials) / trials.counted.sum(axis=(-2, -1))
    steps = trials.counted.sum(axis=-2)
    return _ratio((((outputs - targets) * kept) ** 2).sum(axis=(1, 3)), steps * spread[..., None])


def replay_accuracy(outputs: ArrayLike, trials: Trials) -> np.ndarray:
    """Fraction of unmasked (trial, time, output) whose sign is that of the target; targets are ±1.

    Parameters and returns as `fvu`; higher is better, .5 is chance. A zero or NaN output counts as
    wrong.

    Source: S. Dräger, arXiv:2606.18457, §3 (autonomous replay accuracy).
    """
    return _signs_right(outputs, trials, (1, 2, 3))


def accuracy(outputs, trials: Trials) -> np.ndarray:
    """Fraction of unmasked (trial, time) whose largest output is the class of the target (one-hot;
    the largest target in general).

    Parameters and returns as `fvu`; higher is better, 1/output is chance for equally frequent
    classes. A step with a NaN output counts as wrong; among equal outputs the first is taken.
    """
    outputs, targets, kept = _aligned(outputs, trials)
    hits = np.argmax(outputs, axis=-1) == np.argmax(targets, axis=-1)
    hits &= np.isfinite(outputs).all(axis=-1)
    kept = kept.any(axis=-1)
    return _ratio((hits & kept).sum(axis=(1, 2)), kept.sum(axis=(1, 2)))


def accuracy_over_time(outputs, trials: Trials) -> np.ndarray:
    """`replay_accuracy` at each time step, (networks, time); NaN where a step is masked in every
    trial.
    """
    return _signs_right(outputs, trials, (1, 3))


def _ratio(sums, counts) -> np.ndarray:
    """Sums over counts, NaN where nothing counts."""
    sums, counts = np.broadcast_arrays(np.asarray(sums, dtype=np.float64), counts)
    return np.divide(sums, counts, out=np.full(sums.shape, np.nan), where=counts > 0)


def _signs_right(outputs, trials, axes):
    outputs, targets, kept = _aligned(outputs, trials)
    hits = (np.sign(outputs) == np.sign(targets)) & (targets != 0) & kept
    return _ratio(hits.sum(axis=axes), kept.sum(axis=axes))


def _aligned(outputs, trials: Trials):
    """Outputs, float64 targets and which cells count, with axes (networks or 1, trials, time,
    output).
    """
    outputs = outputs.outputs if isinstance(outputs, Rollout) else np.asarray(outputs)
    targets = trials.targets if trials.networks is not None else trials.targets[None]
    if (
        outputs.ndim != 4
        or outputs.shape[1:] != targets.shape[1:]
        or (trials.networks is not None and len(outputs) != len(targets))
    ):
        axes = "(networks, trials, time, output)"
        raise InputError(
            f"outputs must have axes {axes} that fit targets {trials.targets.shape}; got shape "
            f"{outputs.shape}."
        )
    cells = trials.counted_cells if trials.networks is not None else trials.counted_cells[None]
    return outputs, targets.astype(np.float64, copy=False), cells


def _spread(trials: Trials) -> np.ndarray:
    if not np.all(trials.total_variance > 0):
        raise InputError("FVU is undefined: the unmasked targets do not vary.")
    return trials.total_variance


def _commonest(trials: Trials) -> float:
    """The share of counted steps that the most frequent class has."""
    return float(
        np.bincount(trials.targets.argmax(axis=-1)[trials.counted]).max() / trials.counted.sum()
    )


FVU = Metric("FVU", fvu, "lower", 1.0, (_squares, _spread))
REPLAY_ACCURACY = Metric("replay accuracy", replay_accuracy, "higher", 0.5)
ACCURACY = Metric("accuracy", accuracy, "higher", _commonest)
METRICS = {"fvu": FVU, "replay_accuracy": REPLAY_ACCURACY, "accuracy": ACCURACY}


def metric(choice: str | Metric) -> Metric:
    """The metric of that name ("fvu", "replay_accuracy", "accuracy"), or the given `Metric`
    itself.
    """
    return choice if isinstance(choice, Metric) else METRICS[one_of(choice, "metric", METRICS)]
