"""The numba engine, and its rollouts: one network after the other, in blocks of trials whose states
stay in the nearest cache.
"""

from __future__ import annotations

import numpy as np

from ..base import available_threads, side_by_side
from ..numpy import NumpyEngine
from .cache import call, compiled
from .gradients import NumbaWorker
from .kernels import multiply_one
from .network import VOLTAGE, Layout, advance, aligned, begin, pack, put, read_out, up
from .responses import responses
from .tile import SHAPE
from .training import NumbaTrainer

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


class NumbaEngine(NumpyEngine):
    """See `schurkit.engine.base.Engine`; what `Spec.compiles` denies is passed to the NumPy
    engine.
    """

    name = "numba"
    packages = ("numpy", "numba", "llvmlite")
    arithmetic = SHAPE.arithmetic
    networks_a_chunk = 1
    responses = staticmethod(responses)

    def worker(self, spec, loss="mse"):
        return NumbaWorker(spec, loss)

    def trainer(self, parameters, spec, rule, loss="mse"):
        """None with a nuclear norm of another matrix than W_rec, which is left to workers."""
        other = {*rule.nuclear} - {"W_rec"}
        return None if other else NumbaTrainer(parameters, spec, rule, loss)

    def rollout(self, weights, spec, inputs, autonomous, states):
        if not spec.compiles(weights):
            return super().rollout(weights, spec, inputs, autonomous, states)
        layout = Layout(weights, spec)
        theta, d = layout.flat(weights), layout.dims
        x = np.ascontiguousarray(inputs if inputs.ndim == 4 else inputs[None], np.float32).view()
        x.setflags(write=False)  # trials are read-only: else `roll` would be compiled for both
        trials, steps = x.shape[1], x.shape[2] + autonomous
        outputs = np.empty((len(theta), trials, steps, d.outputs), np.float32)
        shape = (steps, d.hidden) if states else (0, 0)
        activity = np.empty((len(theta), trials, *shape), np.float32)
        drives = _shared_drives(layout, weights, theta, x)
        block = min(TRIALS_A_BLOCK, trials)
        jobs = len(theta) * -(-trials // block)
        a_job = max(1, block * steps * d.hidden * (d.hidden + d.inputs + d.outputs))
        size = int(max(1, min(OPERATIONS_A_CALL / a_job, jobs / (4 * available_threads()))))
        free = []  # work space, handed from thread to thread

        def run(first):
            space = free.pop() if free else layout.space(block)
            end = min(first + size, jobs)
            call(roll, d, space, theta, x, drives, block, first, end, outputs, activity)
            free.append(space)

        side_by_side(run, range(0, jobs, size))
        return outputs, activity if states else None


def _shared_drives(layout, weights, theta, x):
    """The input drive (time, trials, hidden) where all networks share inputs, W_in and b_rec
    (variants of one network), else of size 0.
    """
    drives = aligned(0, 0, 0)
    pays = len(theta) > 1 and len(x) == 1 and layout.dims.inputs > FEW_INPUTS
    if pays and all((weights[name] == weights[name][:1]).all() for name in ("W_in", "b_rec")):
        drives = aligned(x.shape[2], x.shape[1], up(layout.dims.hidden))
        call(share_drives, layout.dims, layout.space(1), theta[0], x[0], drives)
    return drives


@compiled
def roll(d, s, theta, x, drives, block, first, last, outputs, states):
    """Rollouts number first … last − 1; rollout k is trial block k % blocks of network k // blocks.

    x : (1 or networks, trials, time, input);
    drives : (time, trials, hidden) input drives that all networks share, or of size 0.
    block : trials in a block.
    outputs : (networks, trials, time', output) and states, or of size 0, are filled.
    """
    blocks = -(-x.shape[1] // block)
    network = first // blocks
    w = pack(d, theta[network], s)
    for job in range(first, last):
        if job // blocks != network:
            network = job // blocks
            w = pack(d, theta[network], s)
        start = job % blocks * block
        end = min(start + block, x.shape[1])
        own, trials = x[network if len(x) > 1 else 0, start:end], end - start
        out, fired, carry = s.errors[0, :trials], s.fired[0, :trials], s.carry[:trials]
        begin(d, w, s.rates[0, :trials], carry)
        for t in range(outputs.shape[2]):
            shared = t < len(drives)
            drive = drives[t, start:end] if shared else w.b_rec
            now, then = s.rates[t % 2, :trials], s.rates[(t + 1) % 2, :trials]
            advance(d, w, now, then, own, own.shape[1] if shared else t, drive, fired, carry)
            read_out(w, then, out)
            for b in range(trials):  # a slice would take longer than the readout
                for o in range(d.outputs):
                    outputs[network, start + b, t, o] = out[b, o]
            if states.size:
                state = carry if d.form == VOLTAGE else then
                put(state, states[network, start:end, t])


@compiled
def share_drives(d, s, theta, x, drives):
    """The input drive of every step, (time, trials, hidden), with the biases, from inputs (trials,
    time, input).
    """
    w = pack(d, theta, s)
    for t in range(len(drives)):
        multiply_one(x[:, t], w.W_inT, w.b_rec, drives[t])
