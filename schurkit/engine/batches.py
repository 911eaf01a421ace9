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

_COPY = np.uint64(random.stream_number("copy batch"))


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
