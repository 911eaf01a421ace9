"""The fast engine on a CPU: compiled rollouts and gradients by register tiles, and training that
stays in compiled code.

Threads are Python's, each in compiled code without the interpreter lock and each with whole
networks: nothing of numba's own thread pool is used or changed, several callers may run at once,
and no result depends on the number of threads. Computes in float32; networks in float64 are passed
to the NumPy engine.
"""

from __future__ import annotations

import numpy as np

from . import _cache, _rollouts, _training, _vectors, numba_tables
from .base import Rule, Spec, Weights, available_threads
from .numba_layout import Layout, aligned, side_by_side, up
from .numba_training import Trainer
from .numpy_engine import NumpyEngine

TRIALS_A_BLOCK = 64
"""Trials of one rollout: their states stay in the nearest cache."""
FEW_INPUTS = 8
"""With more inputs than this, variants of one network share an input drive; with fewer, computing
it again costs less than reading it.
"""
OPERATIONS_A_CALL = 1e9
"""Most multiply-adds of rollouts in one compiled call, some 10 ms: long beside the call, short
beside a user's patience.
"""


class NumbaEngine:
    """See `schurkit.engine.base.Engine`; covers both forms, both activations, any leak, biases and
    starts.
    """

    name = "numba"
    packages = ("numpy", "numba", "llvmlite")
    arithmetic = _vectors.SHAPE.arithmetic

    def worker(self, spec: Spec, loss: str = "mse") -> NumbaWorker:
        return NumbaWorker(spec, loss)

    def trainer(self, parameters: Weights, spec: Spec, rule: Rule, loss: str = "mse") -> Trainer:
        return Trainer(parameters, spec, rule, loss)

    def table_worker(self, activation: str, loss: str) -> numba_tables.TableWorker:
        return numba_tables.TableWorker(activation, loss)

    def rollout(self, weights: Weights, spec: Spec, inputs, autonomous: int, states: bool):
        if weights["W_rec"].dtype != np.float32:
            return NumpyEngine().rollout(weights, spec, inputs, autonomous, states)
        layout = Layout(weights, spec)
        theta, d = layout.flat(weights), layout.dims
        x = np.ascontiguousarray(inputs if inputs.ndim == 4 else inputs[None], np.float32)
        trials, steps = x.shape[1], x.shape[2] + autonomous
        outputs = np.empty((len(theta), trials, steps, d.outputs), np.float32)
        kept = np.empty(
            (len(theta), trials, steps, d.hidden) if states else (0, 0, 0, 0), np.float32
        )
        drives = _shared_drives(layout, weights, theta, x)
        block = min(TRIALS_A_BLOCK, trials)
        jobs = len(theta) * -(-trials // block)
        free = []  # work space, handed from thread to thread
        most = OPERATIONS_A_CALL / max(
            1, block * steps * d.hidden * (d.hidden + d.inputs + d.outputs)
        )
        size = int(max(1, min(most, jobs / (4 * available_threads()))))

        def run(first):
            padded, space = free.pop() if free else (layout.padded(), layout.space(block))
            _cache.call(
                _rollouts.roll,
                d,
                padded,
                space,
                theta,
                x,
                drives,
                block,
                first,
                min(first + size, jobs),
                outputs,
                kept,
            )
            free.append((padded, space))

        side_by_side(run, range(0, jobs, size))
        return outputs, kept if states else None


def _shared_drives(layout: Layout, weights: Weights, theta, x):
    """The input drive (time, trials, hidden) where all networks share inputs, W_in and b_rec
    (variants of one network).
    """
    drives = aligned(0, 0, 0)
    pays = len(theta) > 1 and len(x) == 1 and layout.dims.inputs > FEW_INPUTS
    if pays and all((weights[name] == weights[name][:1]).all() for name in ("W_in", "b_rec")):
        drives = aligned(x.shape[2], x.shape[1], up(layout.dims.hidden))
        _cache.call(_rollouts.share_drives, layout.dims, layout.padded(), theta[0], x, drives)
    return drives


class NumbaWorker:
    """Gradients of the loss of one chunk, network by network; see `schurkit.engine.base.Worker`."""

    def __init__(self, spec: Spec, loss: str = "mse"):
        self.spec, self.loss = spec, loss
        self._kept: tuple = ()

    def gradients(self, weights: Weights, inputs, targets, mask):
        if weights["W_rec"].dtype != np.float32:
            return (
                NumpyEngine().worker(self.spec, self.loss).gradients(weights, inputs, targets, mask)
            )
        networks, trials, steps = targets.shape[:3]
        layout, padded, space = self._prepared(weights, trials, steps)
        theta = layout.flat(weights)
        x, y = np.ascontiguousarray(inputs, np.float32), np.ascontiguousarray(targets, np.float32)
        kept = np.ascontiguousarray(np.broadcast_to(mask, (networks, trials, steps)), np.uint8)
        found, losses = np.empty_like(theta), np.empty(networks)
        for i in range(networks):
            losses[i] = _cache.call(
                _training.gradients_of,
                layout.dims,
                padded,
                space,
                theta[i],
                x[i],
                y[i],
                kept[i],
                found[i],
            )
        grads = layout.arrays(found)
        return losses, {name: grads[name] for name in weights}

    def _prepared(self, weights, trials, steps):
        layout = Layout(weights, self.spec, self.loss)
        key = (layout.dims, trials, steps)
        if not self._kept or self._kept[0] != key:
            self._kept = key, layout.padded(), layout.space(trials, steps)
        return layout, *self._kept[1:]
