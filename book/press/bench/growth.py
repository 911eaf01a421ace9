"""How the time of our own work grows with its sizes, and a law fitted to it that prices other
sizes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from statistics import median
from time import perf_counter, process_time

import numpy as np
from scipy.optimize import nnls

from schurkit.checks import InputError, integer, number
from schurkit.engine import available_threads, choose, rollout
from schurkit.engine.numpy import one_blas_thread
from schurkit.training.loop import fit

from .others import removals
from .processes import MOST_UNITS
from .trainers import task_and_recipe

BASE = {"hidden_size": 64, "time": 48, "batch": 64, "networks": 1}
AXES = {
    "hidden_size": (16, 32, 64, 128, 256),
    "time": (12, 24, 48, 96, 192),
    "batch": (8, 16, 32, 64, 128),
    "networks": (1, 2, 4, 8, 16),
}
CORNERS = (
    ("corner", {"hidden_size": 256, "batch": 8}),
    ("corner", {"hidden_size": 16, "batch": 128}),
)
"""Settings off the axes, without which the law could not tell what grows with the weights from what
grows with the trials.
"""


@dataclass(frozen=True)
class Point:
    """Time of one setting: milliseconds a step of one network."""

    axis: str
    hidden_size: int
    time: int
    batch: int
    networks: int
    threads: int
    milliseconds: float


def seconds_a_step(
    hidden_size: int,
    time: int,
    batch: int,
    networks: int = 1,
    *,
    seconds: float = 0.3,
    laps: int = 3,
    engine: str = "auto",
) -> float:
    """Seconds of one training step of one network, where so many are trained side by side.

    The difference of long and short runs, so that neither a compilation nor the start of a run
    counts; the median over `laps`. A single network is timed by the processor's clock for this
    process, which leaves out what others take from a shared machine; several by the clock on the
    wall.
    """
    chosen = choose(engine)
    clock = process_time if networks == 1 else perf_counter

    def took(steps):
        start = clock()
        fit(*task_and_recipe(hidden_size, batch, time, steps), range(networks), chosen)
        return clock() - start

    few, many = 2, 4
    with one_blas_thread():
        took(few)
        while (spent := took(many)) < 0.15 * seconds / laps and many < MOST_UNITS:
            many *= 3
        many = max(3 * few, int(many * seconds / laps / max(spent, 1e-9)))
        spent = median(took(many) - took(few) for _ in range(laps))
    return max(spent / (many - few), 1e-9) / networks


def training_points(*, seconds: float = 0.3, laps: int = 3) -> list[Point]:
    """The time of a training step along each axis, the other sizes as in `BASE`, and at `CORNERS`.

    seconds : spent on each point.
    laps : the median is over so many.
    """

    @cache
    def milliseconds(*sizes):
        setting = dict(zip(BASE, sizes))
        return 1e3 * seconds_a_step(**setting, seconds=seconds, laps=laps)

    along = [(axis, {axis: size}) for axis, sizes in AXES.items() for size in sizes]
    settings = ((axis, BASE | change) for axis, change in [*along, *CORNERS])
    return [
        Point(
            axis,
            **setting,
            threads=min(available_threads(), setting["networks"]),
            milliseconds=milliseconds(*setting.values()),
        )
        for axis, setting in settings
    ]


def seconds_a_rollout(count: int) -> float:
    """Seconds of a rollout of an ablated network of 64 units over 256 trials of 48 steps, where so
    many are run on all cores; the median of three.
    """
    rnn, W_rec, inputs = removals(64, 256, 48, count)
    variants = rnn.with_W_rec(W_rec)
    rollout(rnn, inputs)

    def took():
        start = perf_counter()
        rollout(variants, inputs)
        return perf_counter() - start

    return median(took() for _ in range(3)) / count


# -------------------------------------------------------------------------------------------- a law
@dataclass(frozen=True, eq=False)
class Law:
    """Milliseconds a step of one network on one core ≈ a + b N² + B T (c + d N + e N²), N units, B
    trials, T steps of time; a … e ≥ 0.

    a is the call, b is Adam, c the batch, d the input, the readout and tanh, e the recurrent
    products.

    coefficients : (5,) in milliseconds.
    factor : the largest factor by which a point was missed when the law was fitted to the others.
    """

    coefficients: np.ndarray
    factor: float

    @classmethod
    def fit(cls, points: Sequence[Point]) -> Law:
        """From points of single networks, by nonnegative least squares of the relative errors."""
        single = {
            (p.hidden_size, p.time, p.batch): p.milliseconds for p in points if p.networks == 1
        }
        if len(single) < 6:
            raise InputError(
                "a law of five coefficients needs six or more settings of single networks; got "
                f"{len(single)}."
            )
        sizes, times = np.array(list(single)), np.array(list(single.values()))
        terms = _terms(*sizes.T)
        law = _solved(terms, times)
        # The smallest and largest of an axis could only be extrapolated to
        low, high = sizes.min(0), sizes.max(0)
        ends = (((sizes == low) | (sizes == high)) & (low < high)).any(1)
        left_out = [
            terms[i] @ _solved(np.delete(terms, i, 0), np.delete(times, i)) / times[i]
            for i in np.flatnonzero(~ends | ends.all())
        ]
        missed = np.maximum([*left_out, *(terms @ law / times)], 1e-12)
        return cls(law, float(np.exp(np.abs(np.log(missed)).max())))

    def milliseconds(self, hidden_size: int, time: int, batch: int) -> float:
        """Of one step of one network on one core."""
        return float(_terms(hidden_size, time, batch) @ self.coefficients)


def _terms(hidden, steps, batch) -> np.ndarray:
    hidden, entries = np.asarray(hidden, float), np.asarray(batch, float) * steps
    one = np.ones_like(entries)
    return np.stack([one, hidden**2, entries, entries * hidden, entries * hidden**2], -1)


def _solved(terms, times) -> np.ndarray:
    scaled = terms / times[:, None]
    size = np.linalg.norm(scaled, axis=0)
    return nnls(scaled / size, np.ones(len(times)))[0] / size


@dataclass(frozen=True)
class Estimate:
    """How long a study takes: seconds, and from low to high by the factor that is stated."""

    seconds: float
    low: float
    high: float


def study(
    milliseconds: float,
    networks: int,
    steps: int,
    cores: int,
    *,
    efficiency: float = 1.0,
    factor: float = 1.0,
) -> Estimate:
    """Time of a study from the time of one step of one network on one core.

    Parameters
    ----------
    milliseconds : of that step.
    networks, steps : of the study.
    cores : each trains one network at a time.
    efficiency : speed of a core when all are busy, as a share of its speed alone.
    factor : how far off the result may be.
    """
    number(milliseconds, "milliseconds", above=0)
    number(efficiency, "efficiency", above=0)
    number(factor, "factor", at_least=1)
    for value, name in ((networks, "networks"), (steps, "steps"), (cores, "cores")):
        integer(value, name, at_least=1)
    busy = min(networks, cores)
    # many networks even out; few leave cores idle
    rounds = networks / busy if networks > 4 * busy else -(-networks // busy)
    seconds = milliseconds / 1e3 * steps * rounds / (efficiency if busy > 1 else 1.0)
    return Estimate(seconds, seconds / factor, seconds * factor)
