"""One network run with one recurrent matrix after another, in NumPy: what `measure` does on a CPU.

Input, bias and readout stand in one matrix with W_rec, so that a step of all trials is one product,

    (pre-activations at t; outputs at t − 1) = ((W_rec, W_in, b_rec); (W_out, 0, b_out)) (r; x; 1),

with r the rates after step t − 1. Units are rows and trials columns, so that each part lies in one
piece. Trials come in blocks, and a measure that is a sum over trials is summed block by block.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from schurkit.metrics import Metric
from schurkit.rnn import RNN, Trials
from schurkit.rnn.activations import activate

STATES = 32768
"""Numbers in the states of a block of trials, which then stay in the processor's caches; a block
has 256 trials at least.
"""


class Block(NamedTuple):
    """Some of the trials: inputs (time, input, trials) and start (hidden, trials) beside them."""

    trials: Trials
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
        self.size = max(256, STATES // network.hidden_size)
        self.blocks = list(self._blocks())
        self.D, self.leak, self.c = map(self._column, (network.decay, network.leak, network.c))
        self.plain = network.form == "rate" and np.all(self.leak == 1)
        self.psi = network.psi or network.activation
        self.apart = network.form == "voltage" and (
            network.c is not None or self.psi != network.activation
        )

    def _column(self, values):
        """(hidden, 1), or what stands for every unit."""
        if values is None or np.ndim(values) == 0:
            return values if values is None else self.dtype.type(values)
        return np.reshape(values, (-1, 1)).astype(self.dtype)

    def _blocks(self) -> Iterator[Block]:
        trials, hidden = self.trials, self.network.hidden_size
        starts = self.network.h0 if trials.h0 is None else trials.h0.reshape(-1, hidden)
        starts = np.broadcast_to(starts, (len(trials), hidden))
        for first in range(0, len(trials), self.size):
            part = slice(first, first + self.size)
            mask = trials.mask if trials.mask.ndim == 1 else trials.mask[part]
            inputs = np.ascontiguousarray(trials.inputs[part].transpose(1, 2, 0), self.dtype)
            some = Trials(trials.inputs[part], trials.targets[part], mask)
            yield Block(some, inputs, starts[part].T)

    def value(self, W_rec: np.ndarray, metric: Metric) -> float:
        """A metric of the network with that recurrent matrix, (hidden, hidden)."""
        step = self._step(W_rec)
        with np.errstate(over="ignore", invalid="ignore"):
            outputs = (self._outputs(step, block) for block in self.blocks)
            if metric.sums is None:
                return metric.measure(np.concatenate(list(outputs), axis=1), self.trials)[0]
            total, scale = metric.sums
            sums = [total(some, block.trials)[0] for some, block in zip(outputs, self.blocks)]
            return sum(sums) / scale(self.trials)

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

    def _outputs(self, step, block: Block) -> np.ndarray:
        """(1, trials, time, output) of a block."""
        one, hidden = self.network, self.network.hidden_size
        trials, steps, output = block.trials.targets.shape
        columns = np.zeros((step.shape[1], trials), self.dtype)
        rate, drive, columns[-1] = columns[:hidden], columns[hidden:-1], 1
        state = rate if one.form == "rate" else np.array(block.start, self.dtype)
        if one.form == "rate":
            rate[:] = block.start
        else:
            self._fire(state, rate)
        product = np.empty((len(step), trials), self.dtype)
        outputs = np.empty((steps + 1, output, trials), self.dtype)
        for t in range(steps):
            drive[:] = block.inputs[t] if t < len(block.inputs) else 0
            np.matmul(step, columns, out=product)
            self._advance(product[:hidden], state, rate)
            if self.apart:
                outputs[t + 1] = step[hidden:, :hidden] @ activate(self.psi, state)
            else:
                outputs[t] = product[hidden:]
        if self.apart:
            outputs[1:] += one.b_out[0][:, None].astype(self.dtype)
        else:
            np.matmul(step[hidden:], columns, out=outputs[steps])
        return np.ascontiguousarray(outputs[1:].transpose(2, 0, 1))[None]

    def _advance(self, pre, state, rate):
        """From the pre-activation to the next state and rate, which are one array in the rate form;
        in the voltage form `pre` has its leak already.
        """
        if self.plain:
            activate(self.network.activation, pre, rate)
            return
        if self.network.form == "rate":
            activate(self.network.activation, pre, pre)
            pre *= self.leak
        state *= self.D
        state += pre
        if self.network.form == "voltage":
            self._fire(state, rate)

    def _fire(self, state, rate):
        activate(self.network.activation, state if self.c is None else state + self.c, rate)
