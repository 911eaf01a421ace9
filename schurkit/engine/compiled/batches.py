"""Training batches drawn in compiled code, without which the numba engine trains as well, from each
task's own `batch`.

A task offers one by a method

    def compiled_batch(self):
        return "copy", ()

that names a function of this module (or is itself a function of the same form, to be compiled) and
its numbers. The function is

    def fill(seed, first, numbers, inputs, targets, mask):

and fills the batches of one network for the training steps first, first + 1, …:

    seed : uint64, the network's.
    first : int64.
    numbers : float64 array, the task's.
    inputs : float32 (steps, trials, time, input);
    targets : float32 (steps, trials, time', output);
    mask : uint8 (steps, trials, time'). All three hold whatever was left there: fill every entry.

Each batch must be the task's own, bit for bit: draw with `schurkit.engine.compiled.draws`, count
draws as `schurkit.random` does (in C order over the shape asked for), and round to float32 where
`batch` does. The engine compares one batch before it trusts the function, and a subclass that
overrides `batch` alone is served by its `batch`.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from itertools import groupby
from typing import NamedTuple

import numba
import numpy as np

from schurkit import random

from ..base import EngineWarning, warn_once
from ..stack import batch_of
from . import draws
from .cache import call, compiled


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

    @property
    def bytes(self) -> int:
        return sum(array.nbytes for array in self)

    def fits(self, room: Batch | None, steps: int) -> bool:
        """Whether `room` holds as many batches of these shapes."""
        return (
            room is not None
            and len(room.mask) >= steps
            and all(a.shape[1:] == b.shape[1:] for a, b in zip(room, self))
        )


class Source:
    """The training batches of a task.

    Parameters
    ----------
    task : follows `schurkit.tasks.base.Task`; may offer a compiled batch (see above).
    trials : in a batch; None for the whole training set at each step.
    seed, step : a batch to look at: for its sizes, and to compare the compiled batch with.
    """

    def __init__(self, task, trials: int | None, seed: int, step: int):
        self.task, self.trials = task, trials
        self._whole = {}
        self.sample = self._drawn(seed, step)
        self.fill, self.numbers = _offered(task) if trials is not None else (None, None)
        if self.fill is not None and (problem := self._problem(seed, step)):
            name = type(task).__name__
            warn_once(f"the compiled batch of {name} {problem}", EngineWarning)
            self.fill = None

    def _drawn(self, seed, step):
        drawn = batch_of(self.task, [seed], step, self.trials)
        targets = np.ascontiguousarray(drawn.targets, np.float32)
        mask = np.ascontiguousarray(np.broadcast_to(drawn.mask, targets.shape[:3]), np.uint8)
        return Batch(np.ascontiguousarray(drawn.inputs, np.float32), targets, mask)

    def _problem(self, seed, step):
        """Why the compiled batch cannot be used, or ""."""
        room = Batch.empty(self.sample, 1)
        try:
            call(self.fill, np.uint64(seed), step, self.numbers, *room)
        except numba.errors.NumbaError as error:
            reason = str(error).splitlines()[0]
            return f"cannot be compiled, its batch() is used instead: {reason}"
        if all(np.array_equal(a, b) for a, b in zip(room, self.sample)):
            return ""
        return "is not what its batch() draws, which is used instead."

    def draw(self, seed: int, first: int, count: int, room: Batch | None) -> Iterator[Batch]:
        """The batches of steps first … first + count − 1 of one network, in pieces of equal shapes;
        `room` is written over.
        """
        if self.fill is not None:
            filled = Batch(*(array[:count] for array in room))
            call(self.fill, np.uint64(seed), first, self.numbers, *filled)
            yield filled
            return
        if self.trials is None:
            if seed not in self._whole:
                self._whole[seed] = self._drawn(seed, first)
            for _ in range(count):
                yield self._whole[seed]
            return
        drawn = [self._drawn(seed, first + i) for i in range(count)]
        for _, equal in groupby(drawn, lambda batch: [array.shape for array in batch]):
            yield Batch(*map(np.concatenate, zip(*equal)))


def _offered(task):
    """The compiled batch that a task offers, and its numbers; (None, None) where its class
    overrides `batch` without it.
    """
    for owner in type(task).__mro__:
        if "compiled_batch" in vars(owner):
            function, numbers = task.compiled_batch()
            function = globals()[function] if isinstance(function, str) else _compiled(function)
            return function, np.array(numbers, np.float64)
        if "batch" in vars(owner):
            break
    return None, None


@lru_cache
def _compiled(function):
    """A reader's function: compiled, but not kept, as it may be typed into a notebook."""
    options = {"nogil": True, "error_model": "numpy"}
    return function if hasattr(function, "py_func") else numba.njit(**options)(function)


# ------------------------------------------------------------------------------------ of our tasks
def _stream(name):
    return np.uint64(random.stream_number(name))


_COPY, _FLIP_FLOP = _stream("copy batch"), _stream("flip-flop batch")
_NOISE, _DRIFT, _CONTEXT = (
    _stream(f"context integration batch{part}") for part in ("", " drift", " context")
)
_AMPLITUDES, _DELAYS = (
    _stream("delayed discrimination batch"),
    _stream("delayed discrimination batch delay"),
)
_CUES = _stream("sine generation batch")
_PLACES, _HEADINGS, _TURNS, _SPEEDS = (
    _stream(f"path integration batch{part}") for part in (" place", " heading", "", " speed")
)


@compiled
def copy(seed, first, numbers, inputs, targets, mask):
    """`schurkit.tasks.Copy`: signs in the order (trials, symbols, channels); zeros, then the
    symbols over and over.
    """
    steps, trials, symbols, channels = inputs.shape
    targets[:] = 0
    mask[:] = 0
    for step in range(steps):
        key = draws.key(seed, _COPY, first + step)
        for trial in range(trials):
            for t in range(symbols):
                for c in range(channels):
                    inputs[step, trial, t, c] = draws.sign(
                        key, (trial * symbols + t) * channels + c
                    )
            for t in range(symbols, targets.shape[2]):
                mask[step, trial, t] = 1
                for c in range(channels):
                    targets[step, trial, t, c] = inputs[step, trial, t % symbols, c]


@compiled
def flip_flop(seed, first, numbers, inputs, targets, mask):
    """`schurkit.tasks.FlipFlop`, numbers = (pulse probability at the first step, at later
    ones): one uniform number an entry, in the order (trials, time, bits).
    """
    steps, trials, times, bits = inputs.shape
    mask[:] = 1
    for step in range(steps):
        key = draws.key(seed, _FLIP_FLOP, first + step)
        for trial in range(trials):
            for t in range(times):
                p = numbers[1] if t else numbers[0]
                for c in range(bits):
                    u = draws.uniform(key, (trial * times + t) * bits + c)
                    pulse = (
                        np.float32(-1) if u < p / 2 else np.float32(1) if u < p else np.float32(0)
                    )
                    inputs[step, trial, t, c] = pulse
                    held = targets[step, trial, t - 1, c] if t else np.float32(0)
                    targets[step, trial, t, c] = pulse if pulse != 0 else held


@compiled
def context_integration(seed, first, numbers, inputs, targets, mask):
    """`schurkit.tasks.ContextIntegration`, numbers = (drift, noise, coherences, place of the
    target's kind in `TARGETS`): sums in float64, rounded once.
    """
    steps, trials, times = inputs.shape[:3]
    drift, noise, levels, kind = numbers[0], numbers[1], numbers[2], numbers[3]
    root = np.sqrt(np.float64(times))
    mask[:] = 1
    for step in range(steps):
        keys = (
            draws.key(seed, _NOISE, first + step),
            draws.key(seed, _DRIFT, first + step),
            draws.key(seed, _CONTEXT, first + step),
        )
        for trial in range(trials):
            cued = 1 if draws.sign(keys[2], trial) > 0 else 0
            for c in range(2):
                mean = -drift + (drift + drift) * draws.uniform(keys[1], trial * 2 + c)
                if levels:
                    place = np.floor(draws.uniform(keys[1], trial * 2 + c) * levels)
                    mean = drift * (2 * place - (levels - 1)) / max(levels - 1, 1)
                total = 0.0
                for t in range(times):
                    evidence = mean + noise * draws.normal(keys[0], (trial * times + t) * 2 + c)
                    total += evidence
                    inputs[step, trial, t, c] = evidence
                    inputs[step, trial, t, 2 + c] = 1 if c == cued else 0
                    if c == cued:
                        scale = root if kind == 0 else 1.0 if kind == 1 else t + 1.0
                        targets[step, trial, t, 0] = total / scale


@compiled
def delayed_discrimination(seed, first, numbers, inputs, targets, mask):
    """`schurkit.tasks.DelayedDiscrimination`, numbers = (smallest, largest, gap, shortest, delays,
    respond, auxiliary).
    """
    steps, trials, times, channels = inputs.shape
    smallest, largest, gap = numbers[0], numbers[1], numbers[2]
    shortest, delays, respond, auxiliary = (
        int(numbers[3]),
        int(numbers[4]),
        int(numbers[5]),
        numbers[6] > 0,
    )
    width = largest - smallest - gap
    inputs[:] = 0
    targets[:] = 0
    mask[:] = 0
    for step in range(steps):
        key, delay_key = (
            draws.key(seed, _AMPLITUDES, first + step),
            draws.key(seed, _DELAYS, first + step),
        )
        for trial in range(trials):
            second = 1 + shortest + draws.integer(delay_key, trial, delays)
            for t in range(second, second + respond):
                mask[step, trial, t] = 1
            for c in range(channels):
                x = draws.uniform(key, (trial * channels + c) * 2) * width
                y = draws.uniform(key, (trial * channels + c) * 2 + 1) * width
                rises = y >= x
                a = smallest + x + (0.0 if rises else gap)
                b = smallest + y + (gap if rises else 0.0)
                inputs[step, trial, 0, c] = a
                inputs[step, trial, second, c] = b
                for t in range(second, times):
                    targets[step, trial, t, c] = 1 if rises else -1
                    if auxiliary:
                        targets[step, trial, t, channels + c] = abs(b - a) / 2


@compiled
def sine_generation(seed, first, numbers, inputs, targets, mask):
    """`schurkit.tasks.SineGeneration`, numbers = the waves (frequencies · time) as its `waves` has
    them.
    """
    steps, trials, times, channels = inputs.shape
    frequencies = len(numbers) // times
    mask[:] = 1
    for step in range(steps):
        key = draws.key(seed, _CUES, first + step)
        for trial in range(trials):
            for c in range(channels):
                chosen = draws.integer(key, trial * channels + c, frequencies)
                for t in range(times):
                    inputs[step, trial, t, c] = chosen / (frequencies - 1)
                    targets[step, trial, t, c] = numbers[chosen * times + t]


@compiled
def path_integration(seed, first, numbers, inputs, targets, mask):
    """`schurkit.tasks.PathIntegration`, numbers = (side, speed, turning): sums in float64,
    coordinates in order, rounded once. The number of inputs tells how the heading is told.
    """
    steps, trials, times, dimensions = targets.shape
    told = inputs.shape[3] - dimensions - 1
    half, fastest, turning = numbers[0] / 2, numbers[1], numbers[2]
    place, heading = np.empty(dimensions), np.empty(dimensions)
    inputs[:] = 0
    mask[:] = 1
    for step in range(steps):
        places, headings = (
            draws.key(seed, _PLACES, first + step),
            draws.key(seed, _HEADINGS, first + step),
        )
        turns, speeds = (
            draws.key(seed, _TURNS, first + step),
            draws.key(seed, _SPEEDS, first + step),
        )
        for trial in range(trials):
            for k in range(dimensions):
                place[k] = (draws.uniform(places, trial * dimensions + k) * 2 - 1) * half
                heading[k] = draws.normal(headings, trial * dimensions + k)
                inputs[step, trial, 0, told + 1 + k] = place[k] / half
            _unit(heading)
            for t in range(times):
                for k in range(dimensions):
                    heading[k] = heading[k] + turning * draws.normal(
                        turns, (trial * times + t) * dimensions + k
                    )
                _unit(heading)
                speed = draws.uniform(speeds, trial * times + t) * fastest
                for k in range(dimensions):
                    if abs(place[k] + speed * heading[k]) > half:
                        heading[k] = -heading[k]
                    place[k] = place[k] + speed * heading[k]
                    if told == dimensions:
                        inputs[step, trial, t, k] = heading[k]
                    targets[step, trial, t, k] = place[k]
                if told < dimensions:
                    inputs[step, trial, t, 0] = np.arctan2(heading[1], heading[0])
                if told == 2 and dimensions == 3:
                    level = np.sqrt(heading[0] * heading[0] + heading[1] * heading[1])
                    inputs[step, trial, t, 1] = np.arctan2(heading[2], level)
                inputs[step, trial, t, told] = speed / fastest


@compiled
def _unit(heading):
    square = 0.0
    for k in range(len(heading)):
        square = square + heading[k] * heading[k]
    norm = np.sqrt(square)
    for k in range(len(heading)):
        heading[k] = heading[k] / norm
