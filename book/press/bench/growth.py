"""How the time of our own work grows with its sizes, and a law fitted to it that prices other
sizes.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, partial
from statistics import median
from time import perf_counter, process_time
from timeit import repeat, timeit

import numpy as np
from scipy.optimize import nnls

from schurkit.engine import available_threads, choose, rollout
from schurkit.engine.numpy import one_blas_thread
from schurkit.training.loop import fit

from .trainers import removals, task_and_recipe

BASE = {"hidden_size": 64, "time": 48, "batch": 64, "networks": 1}
AXES = {
    "hidden_size": (16, 32, 64, 128, 256),
    "time": (12, 24, 48, 96, 192),
    "batch": (8, 16, 32, 64, 128),
    "networks": (1, 2, 4, 8, 16),
}
CORNERS = ({"hidden_size": 256, "batch": 8}, {"hidden_size": 16, "batch": 128})
"""Settings off the axes, without which the law could not tell what grows with the weights from what
grows with the trials.
"""


def seconds_a_step(
    hidden_size: int, time: int, batch: int, networks: int = 1, *, seconds: float = 0.3
) -> float:
    """Seconds of one training step of one network, where so many are trained side by side.

    The difference of long and short runs, so that neither a compilation nor the start of a run
    counts; the median of three. A single network is timed by the processor's clock for this
    process, which leaves out what others take from a shared machine; several by the clock on the
    wall.
    """
    engine, clock = choose(), process_time if networks == 1 else perf_counter

    def took(steps):
        workload = *task_and_recipe(hidden_size, batch, time, steps), range(networks), engine
        return timeit(lambda: fit(*workload), timer=clock, number=1)

    many = 4
    with one_blas_thread():
        took(2)
        while (spent := took(many)) < 0.05 * seconds:
            many *= 3
        many = max(6, int(many * seconds / 3 / spent))
        spent = median(took(many) - took(2) for _ in range(3))
    return max(spent / (many - 2), 1e-9) / networks


def training_points(*, seconds: float = 0.3):
    """A frame of milliseconds a step of a network along each axis, the other sizes as in `BASE`,
    and at `CORNERS`; a row a setting, with its axis, sizes and threads.

    seconds : spent on each point.
    """
    import pandas as pd

    settings = [{"axis": axis, **BASE, axis: size} for axis in AXES for size in AXES[axis]]
    settings += [{"axis": "corner", **BASE, **corner} for corner in CORNERS]
    points = pd.DataFrame(settings)
    took = cache(partial(seconds_a_step, seconds=seconds))  # the base is on every axis
    times = [1e3 * took(*sizes) for sizes in points[list(BASE)].itertuples(False)]
    threads = points.networks.clip(upper=available_threads())
    return points.assign(threads=threads, milliseconds=times)


def seconds_a_rollout(count: int) -> float:
    """Seconds of a rollout of an ablated network of 64 units over 256 trials of 48 steps, where so
    many are run on all cores; the median of three.
    """
    rnn, W_rec, inputs = removals(64, 256, 48, count)
    variants = rnn.with_W_rec(W_rec)
    rollout(rnn, inputs)
    return median(repeat(lambda: rollout(variants, inputs), repeat=3, number=1)) / count


# -------------------------------------------------------------------------------------------- a law
@dataclass(frozen=True)
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
    def fit(cls, points) -> Law:
        """From points of single networks, by nonnegative least squares of the relative errors."""
        single = points[points.networks == 1].drop_duplicates(list(BASE))
        sizes = single[["hidden_size", "time", "batch"]].to_numpy()
        # As shares of the times, which are then all 1
        terms = _terms(*sizes.T) / single.milliseconds.to_numpy()[:, None]
        law = _solved(terms)
        # The smallest and largest of an axis could only be extrapolated to
        low, high = sizes.min(0), sizes.max(0)
        inside = ((low < sizes) & (sizes < high) | (low == high)).all(1)
        left_out = [terms[i] @ _solved(np.delete(terms, i, 0)) for i in np.flatnonzero(inside)]
        missed = np.maximum([*left_out, *(terms @ law)], 1e-12)
        return cls(law, float(np.exp(np.abs(np.log(missed)).max())))

    def milliseconds(self, hidden_size, time, batch):
        """Of one step of one network on one core, for one setting or columns of them."""
        return _terms(hidden_size, time, batch) @ self.coefficients


def _terms(hidden, steps, batch) -> np.ndarray:
    hidden, entries = np.asarray(hidden, float), np.asarray(batch, float) * steps
    one = np.ones_like(entries)
    return np.stack([one, hidden**2, entries, entries * hidden, entries * hidden**2], -1)


def _solved(shares) -> np.ndarray:
    size = np.linalg.norm(shares, axis=0)
    return nnls(shares / size, np.ones(len(shares)))[0] / size


def study(
    milliseconds: float, networks: int, steps: int, cores: int, *, efficiency: float = 1.0
) -> float:
    """Seconds of a study from the time of one step of one network on one core.

    Parameters
    ----------
    milliseconds : of that step.
    networks, steps : of the study.
    cores : each trains one network at a time.
    efficiency : speed of a core when all are busy, as a share of its speed alone.
    """
    busy = min(networks, cores)
    # many networks even out; few leave cores idle
    rounds = networks / busy if networks > 4 * busy else -(-networks // busy)
    return milliseconds / 1e3 * steps * rounds / (efficiency if busy > 1 else 1.0)
