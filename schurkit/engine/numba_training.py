"""Training in compiled code: many steps of many networks a call, from batches drawn in compiled
code where the task offers that.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

import numba
import numpy as np

from . import _cache, _training, batches
from .base import EngineWarning, Rule, Spec, Weights, warn_once
from .numba_layout import Layout, side_by_side

MEMORY_A_SLICE = 8 * 2**20
"""Bytes of batches that are drawn at once for one network."""
OPERATIONS_A_SLICE = 1e9
"""Multiply-adds of one network in one compiled call, some 5 to 10 ms: long beside the call, short
beside a user's patience.
"""


class Batch(NamedTuple):
    """Batches of several steps: inputs (steps, trials, time, input), targets (steps, trials, time',
    output), mask (steps, trials, time').
    """

    inputs: np.ndarray
    targets: np.ndarray
    mask: np.ndarray

    @classmethod
    def empty(cls, sample: Batch, steps: int) -> Batch:
        return cls(*(np.empty((steps, *array.shape[1:]), array.dtype) for array in sample))


class Source:
    """The training batches of a task.

    Parameters
    ----------
    task : follows `schurkit.tasks.base.Task`; may offer a compiled batch (see
        `schurkit.engine.batches`).
    trials : in a batch; None for the whole training set at each step.
    seed, step : a batch to look at: for its sizes, and to compare the compiled batch with.
    """

    def __init__(self, task, trials: int | None, seed: int, step: int):
        self.task, self.trials = task, trials
        self._whole: dict[int, Batch] = {}
        self.sample = self._drawn(seed, step)
        self.fill, self.numbers = _offered(task) if trials is not None else (None, None)
        if self.fill is not None and not self._same(seed, step):
            self.fill = None

    def _drawn(self, seed, step) -> Batch:
        drawn = self.task.batch([seed], step, self.trials)
        targets = np.ascontiguousarray(drawn.targets, np.float32)
        mask = np.ascontiguousarray(np.broadcast_to(drawn.mask, targets.shape[:3]), np.uint8)
        return Batch(np.ascontiguousarray(drawn.inputs, np.float32), targets, mask)

    def _same(self, seed, step) -> bool:
        """Whether the compiled batch can be had and is the task's own."""
        found = Batch.empty(self.sample, 1)
        name = type(self.task).__name__
        try:
            _cache.call(self.fill, np.uint64(seed), step, self.numbers, *found)
        except numba.errors.NumbaError as error:
            warn_once(
                f"the compiled batch of {name} cannot be compiled, its batch() is used instead: "
                f"{str(error).splitlines()[0]}",
                EngineWarning,
            )
            return False
        same = all(np.array_equal(a, b) for a, b in zip(found, self.sample))
        if not same:
            warn_once(
                f"the compiled batch of {name} is not what its batch() draws, which is used "
                "instead.",
                EngineWarning,
            )
        return same

    @property
    def bytes(self) -> int:
        """Size of one batch."""
        return sum(array.nbytes for array in self.sample)

    def draw(self, seed: int, first: int, count: int, room: Batch | None) -> Iterator[Batch]:
        """The batches of steps first … first + count − 1 of one network, in pieces of equal shapes;
        `room` is written over.
        """
        if self.fill is not None:
            found = Batch(*(array[:count] for array in room))
            _cache.call(self.fill, np.uint64(seed), first, self.numbers, *found)
            yield found
            return
        if self.trials is None:
            if seed not in self._whole:
                self._whole[seed] = self._drawn(seed, first)
            for _ in range(count):
                yield self._whole[seed]
            return
        drawn = [self._drawn(seed, first + i) for i in range(count)]
        while drawn:
            shapes = [tuple(array.shape for array in batch) for batch in drawn]
            equal = next((i for i, shape in enumerate(shapes) if shape != shapes[0]), count)
            yield Batch(*(np.concatenate(arrays) for arrays in zip(*drawn[:equal])))
            drawn = drawn[equal:]


def _offered(task):
    """The compiled batch that a task offers, and its numbers; (None, None) where its class
    overrides `batch` without it.
    """
    for owner in type(task).__mro__:
        if "compiled_batch" in vars(owner):
            function, numbers = task.compiled_batch()
            function = (
                getattr(batches, function) if isinstance(function, str) else _compiled(function)
            )
            return function, np.array(numbers, np.float64)
        if "batch" in vars(owner):
            break
    return None, None


@lru_cache
def _compiled(function):
    """A reader's function: compiled, but not kept, as it may be typed into a notebook."""
    return (
        function
        if hasattr(function, "py_func")
        else numba.njit(nogil=True, error_model="numpy")(function)
    )


class Trainer:
    """See `schurkit.engine.base.Trainer`."""

    def __init__(self, parameters: Weights, spec: Spec, rule: Rule, loss: str = "mse"):
        self.layout = Layout(parameters, spec, loss)
        start = self.layout.flat(parameters)
        self.state = np.zeros((len(start), 5, start.shape[1]), np.float32)
        self.state[:, 0] = self.state[:, 4] = start
        self.betas = rule.betas
        self.rates = np.array([1 - rule.betas[0], 1 - rule.betas[1]], np.float32)
        self.clip = np.float32(np.inf if rule.clip_norm is None else rule.clip_norm)
        self.nuclear = np.float32(rule.nuclear)
        self.rules = [rule[name] for name in self.layout.names]
        self._free: list[dict] = []  # work space, handed from thread to thread

    def source(self, task, trials: int | None, seed: int, step: int) -> Source:
        return Source(task, trials, seed, step)

    def steps_a_call(self, source: Source) -> int:
        d, (_, trials, steps) = self.layout.dims, source.sample.mask.shape
        operations = 3 * trials * steps * d.hidden * (d.hidden + d.inputs + d.outputs)
        wanted = min(max(OPERATIONS_A_SLICE / operations, 20), 1000)
        return max(1, int(min(wanted, MEMORY_A_SLICE / source.bytes)))

    def run(
        self,
        networks: Sequence[int],
        seeds: Sequence[int],
        source: Source,
        step: int,
        count: int,
        learning_rates: Sequence[float],
    ):
        beta1, beta2 = self.betas
        corrections = np.array([1 - beta1**k for k in range(step + 1, step + count + 1)])
        roots = np.array(
            [(1 - beta2**k) ** -0.5 for k in range(step + 1, step + count + 1)]
        ).astype(np.float32)
        losses, done = np.full((len(networks), count), np.nan), np.zeros(len(networks), np.int64)

        def one(i):
            rate = learning_rates[i]
            rules = np.array(
                [(r.rate, r.epsilon, 1 - rate * r.rate * r.decay, r.l1) for r in self.rules],
                np.float32,
            )
            with np.errstate(over="ignore"):  # an absurd learning rate shows in the loss
                sizes = (rate / corrections).astype(np.float32)
            done[i] = self._train(
                self.state[networks[i]], seeds[i], source, step, sizes, roots, rules, losses[i]
            )

        side_by_side(one, range(len(networks)))
        return losses, done

    def _train(self, state, seed, source, step, sizes, roots, rules, losses) -> int:
        space = self._free.pop() if self._free else {"padded": self.layout.padded()}
        at, count = 0, len(sizes)
        room = space.get("room")
        if source.fill is not None and (
            room is None
            or len(room.mask) < count
            or room.targets.shape[1:] != source.sample.targets.shape[1:]
        ):
            room = space["room"] = Batch.empty(source.sample, count)
        for batch in source.draw(seed, step, count, room):
            shape, end = batch.mask.shape[1:], at + len(batch.mask)
            if space.get("shape") != shape:
                space["shape"], space["space"] = shape, self.layout.space(*shape, self.nuclear > 0)
            arguments = (
                self.layout.dims,
                space["padded"],
                space["space"],
                state,
                *batch,
                sizes[at:end],
                roots[at:end],
                self.rates,
                self.clip,
            )
            finished = _cache.call(
                _training.train, *arguments, self.layout.ends, rules, self.nuclear, losses[at:end]
            )
            at += finished
            if at < end:
                break
        self._free.append(space)
        return at

    def weights(self, network: int) -> Weights:
        flat = self.state[network, 0]
        flat = flat if np.isfinite(flat).all() else self.state[network, 4]
        return {name: array[0].copy() for name, array in self.layout.arrays(flat[None]).items()}
