"""The fast engine on a CPU: compiled rollouts and gradients by register tiles, and training that stays in compiled code.

Threads are Python's, each in compiled code without the interpreter lock and each with whole networks: nothing of numba's own
thread pool is used or changed, several callers may run at once, and no result depends on the number of threads.
Computes in float32; networks in float64 are passed to the NumPy engine.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np

from . import _cache, _steps
from ._tile import SHAPE
from .base import Spec, Weights, available_threads
from .numpy_engine import NumpyEngine

TRIALS_A_BLOCK = 64
"""Trials of one rollout: their states stay in the nearest cache."""
FEW_INPUTS = 8
"""With more inputs than this, variants of one network share an input drive; with fewer, computing it again costs less than reading it."""
OPERATIONS_A_CALL = 5e7
"""Multiply-adds of rollouts in one compiled call, about a millisecond: long beside the call, short beside the whole."""
NAMES = ("W_in", "W_rec", "W_out", "b_rec", "b_out", "h0")


def aligned(*shape: int) -> np.ndarray:
    """Zeros in float32 that begin at a multiple of 64 bytes, so that no vector of a padded row straddles two cache lines."""
    size = int(np.prod(shape))
    memory = np.zeros(size + 16, np.float32)
    start = -memory.ctypes.data % 64 // 4
    return memory[start : start + size].reshape(shape)


def _up(size: int) -> int:
    return -(-size // 16) * 16


class Layout:
    """How the arrays of a network lie in one flat row of parameters."""

    def __init__(self, weights: Weights, spec: Spec):
        self.names = [name for name in NAMES if name in weights]
        self.shapes = {name: weights[name].shape[1:] for name in self.names}
        self.ends = np.cumsum([int(np.prod(self.shapes[name])) for name in self.names]).astype(np.int64)
        hidden, inputs = self.shapes["W_in"]
        self.leak = np.asarray(spec.leak, np.float32)
        form = _steps.VOLTAGE if spec.form == "voltage" else _steps.LEAKY if (self.leak != 1).any() else _steps.PLAIN
        there = [int(name in weights) for name in NAMES[3:]]
        self.dims = _steps.Dims(hidden, inputs, self.shapes["W_out"][0], *there, form, int(spec.activation == "relu"))

    def flat(self, weights: Weights) -> np.ndarray:
        """(networks, parameters) in float32."""
        networks = len(weights["W_rec"])
        parts = [np.asarray(weights[name], np.float32).reshape(networks, -1) for name in self.names]
        return np.ascontiguousarray(np.concatenate(parts, axis=1))

    def arrays(self, flat: np.ndarray) -> Weights:
        """Views of the arrays in (networks, parameters)."""
        starts = [0, *self.ends[:-1]]
        return {name: flat[:, a:b].reshape(len(flat), *self.shapes[name]) for name, a, b in zip(self.names, starts, self.ends)}

    def padded(self) -> _steps.Padded:
        d = self.dims
        width, columns = _up(d.hidden), _up(d.outputs)
        leak = aligned(width)
        leak[: d.hidden] = self.leak
        square, wide = (d.hidden, width), (d.outputs, width)
        rows = [aligned(size) for size in (width, columns, width)]
        return _steps.Padded(aligned(*square), aligned(*square), aligned(d.inputs, width), aligned(d.hidden, columns), aligned(*wide), *rows, leak, aligned(width))

    def space(self, trials: int, steps: int | None = None) -> _steps.Space:
        """Work space for gradients over `steps` steps, or for a rollout."""
        d = self.dims
        width, columns = _up(d.hidden), _up(d.outputs)
        back = steps is not None
        fired = (steps if back else 1, trials, width) if d.form != _steps.PLAIN else (1, 1, 1)
        sums = [(d.hidden, width), (d.inputs, width), (d.outputs, width), (width,), (columns,)] if back else [(1, 1)] * 3 + [(1,)] * 2
        return _steps.Space(
            aligned(steps + 1 if back else 2, trials, width),
            aligned(*fired),
            aligned(steps if back else 1, trials, columns),
            aligned(*(2, trials, width) if back else (1, 1, 1)),
            aligned(trials, width),
            *(aligned(*shape) for shape in sums),
        )


class NumbaEngine:
    """See `schurkit.engine.base.Engine`; covers both forms, both activations, any leak, biases and starts."""

    name = "numba"

    def refuses(self, spec: Spec) -> str | None:
        return None

    def worker(self, spec: Spec) -> NumbaWorker:
        return NumbaWorker(spec)

    def rollout(self, weights: Weights, spec: Spec, inputs, autonomous: int, states: bool):
        if weights["W_rec"].dtype != np.float32:
            return NumpyEngine().rollout(weights, spec, inputs, autonomous, states)
        layout = Layout(weights, spec)
        theta, d = layout.flat(weights), layout.dims
        x = np.ascontiguousarray(inputs if inputs.ndim == 4 else inputs[None], np.float32)
        trials, steps = x.shape[1], x.shape[2] + autonomous
        outputs = np.empty((len(theta), trials, steps, d.outputs), np.float32)
        kept = np.empty((len(theta), trials, steps, d.hidden) if states else (0, 0, 0, 0), np.float32)
        drives = _shared_drives(layout, weights, theta, x)
        block = min(TRIALS_A_BLOCK, trials)
        jobs = len(theta) * -(-trials // block)
        size = max(1, int(OPERATIONS_A_CALL / (block * steps * d.hidden * (d.hidden + d.inputs + d.outputs))))

        def run(first):
            arguments = layout.dims, layout.padded(), layout.space(block), theta, x, drives, block, first, min(first + size, jobs), outputs, kept
            _cache.call(_steps.roll, *arguments)

        _side_by_side(run, range(0, jobs, size))
        return outputs, kept if states else None


def _side_by_side(run, jobs) -> None:
    """Call run(job) for every job on as many threads as there are to use."""
    threads = min(available_threads(), len(jobs))
    if threads < 2:
        list(map(run, jobs))
    else:
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(run, jobs))


def _shared_drives(layout: Layout, weights: Weights, theta, x):
    """The input drive (time, trials, hidden) where all networks share inputs, W_in and b_rec (variants of one network)."""
    drives = aligned(0, 0, 0)
    if len(theta) > 1 and len(x) == 1 and layout.dims.inputs > FEW_INPUTS:
        if all((weights[name] == weights[name][:1]).all() for name in ("W_in", "b_rec")):
            drives = aligned(x.shape[2], x.shape[1], _up(layout.dims.hidden))
            _cache.call(_steps.share_drives, layout.dims, layout.padded(), theta[0], x, drives)
    return drives


class NumbaWorker:
    """Gradients of the masked mean squared error of one chunk, network by network; see `schurkit.engine.base.Worker`."""

    def __init__(self, spec: Spec):
        self.spec = spec
        self._kept: tuple = ()

    def gradients(self, weights: Weights, inputs, targets, mask):
        if weights["W_rec"].dtype != np.float32:
            return NumpyEngine().worker(self.spec).gradients(weights, inputs, targets, mask)
        networks, trials, steps = targets.shape[:3]
        layout, padded, space = self._prepared(weights, trials, steps)
        theta = layout.flat(weights)
        x, y = np.ascontiguousarray(inputs, np.float32), np.ascontiguousarray(targets, np.float32)
        kept = np.ascontiguousarray(np.broadcast_to(mask, (networks, trials, steps)), np.uint8)
        found, losses = np.empty_like(theta), np.empty(networks)
        for i in range(networks):
            losses[i] = self._one(layout, padded, space, theta[i], x[i], y[i], kept[i], found[i])
        grads = layout.arrays(found)
        return losses, {name: grads[name] for name in weights}

    @staticmethod
    def _one(layout, padded, space, theta, x, y, mask, found):
        _cache.call(_steps.pack, layout.dims, theta, padded)
        return _cache.call(_steps.gradients, layout.dims, padded, space, x, y, mask, found)

    def _prepared(self, weights, trials, steps):
        layout = Layout(weights, self.spec)
        key = (layout.dims, trials, steps)
        if not self._kept or self._kept[0] != key:
            self._kept = key, layout.padded(), layout.space(trials, steps)
        return layout, *self._kept[1:]
