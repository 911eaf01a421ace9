"""One network run with one recurrent matrix after another, in NumPy: what `measure` does on a CPU.

Input, bias and readout stand in one matrix with W_rec, so that a step of all trials is one product,

    (pre-activations at t; outputs at t − 1) = ((W_rec, W_in, b_rec); (W_out, 0, b_out)) (r; x; 1),

with r the rates after step t − 1. Units are rows and trials columns, so that each part lies in one
piece. Trials come in blocks, and a measure that is a sum over trials is summed block by block.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from schurkit.metrics import Metric
from schurkit.rnn import RNN, Trials
from schurkit.rnn.activations import ACTIVATE

STATES = 32768
"""Numbers in the states of a block of trials, which then stay in the processor's caches."""
LEAST_TRIALS = 256
"""In a block."""
CELLS = 65536
"""Outputs that are compared with their targets at a time."""


class Block(NamedTuple):
    """Some of the trials: targets and counted cells (1, trials, time, output), inputs (time, input,
    trials), start (hidden, trials).
    """

    targets: np.ndarray
    counted: np.ndarray
    inputs: np.ndarray
    start: np.ndarray


class Variants:
    """A network and the trials over which its variants are run.

    Parameters
    ----------
    network : a stack of one.
    trials : shared trials.
    dtype : of the rollouts, whatever that of the network.
    """

    def __init__(self, network: RNN, trials: Trials, dtype):
        self.network, self.trials, self.dtype = network, trials, np.dtype(dtype)
        self.blocks = list(self._blocks(max(LEAST_TRIALS, STATES // network.hidden_size)))
        self.D, self.leak, self.c = map(self._column, (network.decay, network.leak, network.c))
        self.voltage = network.form == "voltage"
        self.plain = not self.voltage and np.all(self.leak == 1)
        self.psi = network.psi or network.activation
        self.apart = self.voltage and not (network.c is None and self.psi == network.activation)

    def _column(self, values):
        """(hidden, 1), or what stands for every unit."""
        if values is None or np.ndim(values) == 0:
            return values if values is None else self.dtype.type(values)
        return np.reshape(values, (-1, 1)).astype(self.dtype)

    def _blocks(self, size):
        trials = self.trials
        starts = self.network.h0 if trials.h0 is None else trials.h0
        starts = np.broadcast_to(starts, (len(trials), self.network.hidden_size))
        for first in range(0, len(trials), size):
            part = slice(first, first + size)
            inputs = np.ascontiguousarray(trials.inputs[part].transpose(1, 2, 0), self.dtype)
            cells = (  # in memory as the outputs are with which they are compared
                np.ascontiguousarray(array[part].transpose(1, 2, 0), dtype).transpose(2, 0, 1)[None]
                for array, dtype in ((trials.targets, np.float64), (trials.counted_cells, bool))
            )
            yield Block(*cells, inputs, starts[part].T)

    def value(self, metric: Metric, W_rec: np.ndarray) -> float:
        """A metric of the network with that recurrent matrix, (hidden, hidden)."""
        with np.errstate(over="ignore", invalid="ignore"):
            step = self._step(W_rec)
            if metric.sums is None:
                whole = [
                    np.concatenate([some for _, some in self._outputs(step, block)], axis=2)
                    for block in self.blocks
                ]
                return metric.measure(np.concatenate(whole, axis=1), self.trials)[0]
            total, scale = metric.sums
            found = sum(
                total(outputs, block.targets[:, :, span], block.counted[:, :, span])[0]
                for block in self.blocks
                for span, outputs in self._outputs(step, block)
            )
            return found / scale(self.trials)

    def _step(self, W_rec):
        """The matrix of a step, (hidden + output, hidden + input + 1)."""
        one, hidden = self.network, self.network.hidden_size
        step = np.zeros((hidden + one.output_size, hidden + one.input_size + 1), self.dtype)
        step[:hidden, :hidden], step[hidden:, :hidden] = W_rec, one.W_out[0]
        step[:hidden, hidden:-1] = one.W_in[0]
        step[:, -1] = np.concatenate([one.b_rec[0], one.b_out[0]])
        if one.form == "voltage":
            step[:hidden] *= self.leak
        return step

    def _outputs(self, step, block):
        """Some steps of a block after the others, and their outputs (1, trials, steps, output)."""
        hidden, (_, trials, steps, output) = self.network.hidden_size, block.targets.shape
        columns = np.zeros((step.shape[1], trials), self.dtype)
        rate, drive, columns[-1] = columns[:hidden], columns[hidden:-1], 1
        rate[:], state = block.start, rate
        if self.voltage:
            state = np.array(block.start, self.dtype)
            self._fire(state, rate)
        product, most = (
            np.empty((len(step), trials), self.dtype),
            max(1, CELLS // (output * trials)),
        )
        for first in range(0, steps, most):
            outputs = np.empty((min(most, steps - first), output, trials), self.dtype)
            for t, out in enumerate(outputs):
                drive[:] = block.inputs[first + t] if first + t < len(block.inputs) else 0
                np.matmul(step, columns, out=product)
                if t and not self.apart:
                    outputs[t - 1] = product[hidden:]
                self._advance(product[:hidden], state, rate)
                if self.apart or t == len(outputs) - 1:
                    self._read(step[hidden:], columns, state, out)
            yield slice(first, first + most), outputs.transpose(2, 0, 1)[None]

    def _read(self, readout, columns, state, out):
        if self.apart:
            columns = np.vstack([ACTIVATE[self.psi](state), columns[len(state) :]])
        np.matmul(readout, columns, out=out)

    def _advance(self, pre, state, rate):
        """From the pre-activation to the next state and rate, which are one array in the rate form;
        in the voltage form `pre` has its leak already.
        """
        if self.plain:
            ACTIVATE[self.network.activation](pre, rate)
            return
        if not self.voltage:
            ACTIVATE[self.network.activation](pre, pre)
            pre *= self.leak
        state *= self.D
        state += pre
        if self.voltage:
            self._fire(state, rate)

    def _fire(self, state, rate):
        ACTIVATE[self.network.activation](state if self.c is None else state + self.c, rate)
