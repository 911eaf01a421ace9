"""Backward passes through one network from any signal at its outputs: what analyses of gradients
are made from.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace

import numpy as np

from schurkit.rnn import RNN, Trials

from .base import Spec, weights_of
from .numpy import NumpyWorker, one_blas_thread


@contextmanager
def output_adjoints(rnn: RNN, trials: Trials) -> Iterator[SimpleNamespace]:
    """Run one network over trials, in NumPy and in the network's own dtype.

    A context, inside which BLAS has one thread and a network that diverges gives infinities or NaN
    without a warning.

    Parameters
    ----------
    rnn : a stack of one.
    trials : shared trials, of whose targets the number of steps counts alone.

    Yields
    ------
    outputs : (time', trials, output).
    driving : (time', trials, hidden), what W_rec multiplies at each step (`RNN.rates`).
    back : gives, of a signal (last steps, trials, output) that is aligned with the end of the
        outputs, ∂(Σ signal · outputs)/∂(pre-activation of each step), (time', trials, hidden);
        valid until the next call.

    Examples
    --------
    >>> rnn = RNN([[1.0]], [[0.5]], [[2.0]], activation="relu")
    >>> trials = Trials(np.ones((1, 3, 1)), np.zeros((1, 3, 1)))
    >>> with output_adjoints(rnn, trials) as network:
    ...     network.back(np.ones((1, 1, 1)))[:, 0, 0].tolist()
    [0.5, 1.0, 2.0]
    """
    weights, worker = weights_of(rnn, trials), NumpyWorker(Spec.of(rnn))
    x = np.ascontiguousarray(np.moveaxis(trials.inputs[None], 2, 1), rnn.dtype)
    with one_blas_thread(), np.errstate(over="ignore", invalid="ignore"):
        rates, reads = worker.forward(weights, x, trials.targets.shape[1])
        driving, outputs = rates[0, :-1], reads[0, 1:] @ rnn.W_out[0].T + rnn.b_out[0]

        def back(signal):
            d_out = np.ascontiguousarray(signal, rates.dtype)[None]
            first = len(driving) - d_out.shape[1]
            return worker.backward(weights, rates, reads, d_out, first)[0][0]

        yield SimpleNamespace(outputs=outputs, driving=driving, back=back)
