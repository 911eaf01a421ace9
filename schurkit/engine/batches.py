"""Training batches drawn in compiled code, without which the numba engine trains as well, from each task's own `batch`.

A task offers one by a method

    def compiled_batch(self):
        return "copy", ()

that names a function of this module (or is itself a function of the same form, to be compiled) and its numbers. The function is

    def fill(seed, first, numbers, inputs, targets, mask):

and fills the batches of one network for the training steps first, first + 1, …:

    seed : uint64, the network's. first : int64. numbers : float64 array, the task's.
    inputs : float32 (steps, trials, time, input); targets : float32 (steps, trials, time', output);
    mask : uint8 (steps, trials, time'). All three hold whatever was left there: fill every entry.

Each batch must be the task's own, bit for bit: draw with `schurkit.engine._draws`, count draws as `schurkit.random` does (in C
order over the shape asked for), and round to float32 where `batch` does. The engine compares one batch before it trusts the
function, and a subclass that overrides `batch` alone is served by its `batch`.
"""

from __future__ import annotations

import numpy as np

from .. import random
from . import _draws as draws
from ._cache import compiled


def _stream(name: str) -> np.uint64:
    return np.uint64(random.stream_number(name))


_COPY, _FLIP_FLOP = _stream("copy batch"), _stream("flip-flop batch")
_NOISE, _DRIFT, _CONTEXT = (_stream(f"context integration batch{part}") for part in ("", " drift", " context"))


@compiled
def copy(seed, first, numbers, inputs, targets, mask):
    """`schurkit.tasks.Copy`: signs in the order (trials, symbols, channels); zeros, then the symbols over and over."""
    steps, trials, symbols, channels = inputs.shape
    for step in range(steps):
        key = draws.key(seed, _COPY, first + step)
        for trial in range(trials):
            for t in range(symbols):
                for c in range(channels):
                    inputs[step, trial, t, c] = draws.sign(key, (trial * symbols + t) * channels + c)
                    targets[step, trial, t, c] = 0
                mask[step, trial, t] = 0
            for t in range(symbols, targets.shape[2]):
                for c in range(channels):
                    targets[step, trial, t, c] = inputs[step, trial, t % symbols, c]
                mask[step, trial, t] = 1


@compiled
def flip_flop(seed, first, numbers, inputs, targets, mask):
    """`schurkit.tasks.FlipFlop`, numbers = (pulse_probability,): one uniform number an entry, in the order (trials, time, bits)."""
    steps, trials, times, bits = inputs.shape
    for step in range(steps):
        key = draws.key(seed, _FLIP_FLOP, first + step)
        for trial in range(trials):
            for t in range(times):
                p = numbers[0] if t else 1.0
                mask[step, trial, t] = 1
                for c in range(bits):
                    u = draws.uniform(key, (trial * times + t) * bits + c)
                    pulse = np.float32(-1) if u < p / 2 else np.float32(1) if u < p else np.float32(0)
                    inputs[step, trial, t, c] = pulse
                    targets[step, trial, t, c] = pulse if pulse != 0 else targets[step, trial, t - 1, c]


@compiled
def context_integration(seed, first, numbers, inputs, targets, mask):
    """`schurkit.tasks.ContextIntegration`, numbers = (drift, noise): sums in float64, rounded once."""
    steps, trials, times = inputs.shape[:3]
    drift, noise, root = numbers[0], numbers[1], np.sqrt(np.float64(times))
    for step in range(steps):
        keys = draws.key(seed, _NOISE, first + step), draws.key(seed, _DRIFT, first + step), draws.key(seed, _CONTEXT, first + step)
        for trial in range(trials):
            cued = 1 if draws.sign(keys[2], trial) > 0 else 0
            for c in range(2):
                mean = -drift + (drift + drift) * draws.uniform(keys[1], trial * 2 + c)
                total = 0.0
                for t in range(times):
                    evidence = mean + noise * draws.normal(keys[0], (trial * times + t) * 2 + c)
                    total += evidence
                    inputs[step, trial, t, c] = evidence
                    inputs[step, trial, t, 2 + c] = 1 if c == cued else 0
                    mask[step, trial, t] = 1
                    if c == cued:
                        targets[step, trial, t, 0] = total / root
