"""Backward passes through one network from any signal at its outputs: what analyses of gradients
are made from.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from schurkit.rnn import RNN, Trials

from .base import Spec, weights_of
from .numpy import NumpyWorker, one_blas_thread


class OutputAdjoints:
    """One network run forward over trials, ready for any number of backward passes; made by
    `output_adjoints`.

    outputs : (time', trials, output).
    driving : (time', trials, hidden), what W_rec multiplies at each step (`RNN.rates`).
    """

    def __init__(self, rnn: RNN, trials: Trials):
        self._weights = weights_of(rnn, trials)
        self._worker = NumpyWorker(Spec.of(rnn))
        x = np.ascontiguousarray(np.moveaxis(trials.inputs[None], 2, 1), rnn.dtype)
        both = self._worker.forward(self._weights, x, trials.targets.shape[1])
        self._rates, self._reads = both
        self.driving = self._rates[0, :-1]
        self.outputs = self._reads[0, 1:] @ rnn.W_out[0].T + rnn.b_out[0]

    def back(self, signal) -> np.ndarray:
        """∂(Σ signal · outputs)/∂(pre-activation of each step), (time', trials, hidden); valid
        until the next call.

        signal : (last steps, trials, output), aligned with the end of the outputs: earlier ones
            count as zero.
        """
        d_out = np.ascontiguousarray(signal, self._rates.dtype)[None]
        first = len(self.driving) - d_out.shape[1]
        delta, _ = self._worker.backward(self._weights, self._rates, self._reads, d_out, first)
        return delta[0]


@contextmanager
def output_adjoints(rnn: RNN, trials: Trials) -> Iterator[OutputAdjoints]:
    """Run one network over trials, in NumPy and in the network's own dtype.

    A context, inside which BLAS has one thread and a network that diverges gives infinities or NaN
    without a warning.

    Parameters
    ----------
    rnn : a stack of one.
    trials : shared trials, of whose targets the number of steps counts alone.

    Examples
    --------
    >>> rnn = RNN([[1.0]], [[0.5]], [[2.0]], activation="relu")
    >>> trials = Trials(np.ones((1, 3, 1)), np.zeros((1, 3, 1)))
    >>> with output_adjoints(rnn, trials) as network:
    ...     network.back(np.ones((1, 1, 1)))[:, 0, 0].tolist()
    [0.5, 1.0, 2.0]
    """
    with one_blas_thread(), np.errstate(over="ignore", invalid="ignore"):
        yield OutputAdjoints(rnn, trials)
