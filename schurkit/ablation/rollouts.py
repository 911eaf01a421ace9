"""The one loop that runs networks with changed recurrent matrices, in bounded memory; and the
readout that was fitted again, another question.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from functools import partial
from itertools import islice

import numpy as np
from numpy.typing import DTypeLike

from schurkit.checks import InputError, one_network, shared_trials
from schurkit.engine import available_threads, choose, rollout
from schurkit.engine.base import side_by_side
from schurkit.engine.numpy import one_blas_thread
from schurkit.metrics import Metric
from schurkit.metrics import metric as named
from schurkit.rnn import RNN, Trials

from .variants import Variants

OUTPUT_BYTES = 64 * 2**20
"""Outputs, or matrices, that are held at a time."""


def measure(
    network: RNN,
    changes: Iterable[np.ndarray],
    trials: Trials,
    metric: str | Metric = "fvu",
    *,
    engine: str = "auto",
    dtype: DTypeLike = None,
) -> np.ndarray:
    """A metric of one network with each of many changed recurrent matrices W_rec + ΔW; input,
    readout, biases and start stay.

    Parameters
    ----------
    network : a stack of one; or any network that has W_rec, dtype and `outputs_with`
        (`schurkit.own.AnyNetwork`).
    changes : ΔW, (hidden, hidden) each, in raw coordinates. They may be drawn while they are used:
        only as many are held as fit the memory bound.
    trials : shared trials.
    metric : "fvu", "replay_accuracy", "accuracy" or a `schurkit.metrics.Metric`.
    engine : see `schurkit.engine.choose`.
    dtype : of the rollouts of an RNN; by default the network's own.

    Returns
    -------
    (changes,) float64; an error is infinite where the network diverged.

    Raises
    ------
    InputError : more than one network, or trials with a networks axis.

    Examples
    --------
    >>> from schurkit import RNN, Trials
    >>> rnn = RNN([[1.0]], [[0.5]], [[1.0]])
    >>> trials = Trials(np.ones((1, 3, 1)), np.arange(3.0).reshape(1, 3, 1))
    >>> measure(rnn, [np.zeros((1, 1)), np.full((1, 1), -0.5)], trials).shape
    (2,)
    """
    one_network(network, "measure")
    shared_trials(trials, "measure")
    dtype = np.dtype(dtype or network.dtype)
    values, held = _runner(network, trials, named(metric), engine, dtype)
    W_rec, changes, found = network.W_rec[0].astype(np.float64), iter(changes), []
    while block := [(W_rec + change).astype(dtype) for change in islice(changes, held)]:
        found += values(block)
    return np.array(found, dtype=np.float64)


def _runner(network, trials, metric, engine, dtype):
    """What gives the metric for a list of recurrent matrices, and how many to give it at a time:
    a few for every processor on NumPy, as many as their outputs allow elsewhere.
    """
    rnn = isinstance(network, RNN)
    engine = choose(engine, dtype=network.dtype).name if rnn else None
    if engine == "numpy":
        most = min(
            8 * available_threads(), OUTPUT_BYTES // (dtype.itemsize * network.hidden_size**2)
        )
        variants = Variants(network, trials, dtype)

        def values(matrices):
            with one_blas_thread():
                return side_by_side(partial(variants.value, metric), matrices)

        return values, max(1, most)

    def outputs(W_rec):
        if not rnn:
            return network.outputs_with(W_rec, trials)
        return rollout(network.astype(dtype).with_W_rec(W_rec), trials, engine=engine).outputs

    held = OUTPUT_BYTES // (dtype.itemsize * trials.targets.size)
    return lambda W_rec: [*metric.measure(outputs(np.stack(W_rec)), trials)], max(1, held)


def switched(network: RNN, change: np.ndarray, when, trials: Trials) -> np.ndarray:
    """Outputs of one network whose recurrent matrix is W_rec + ΔW at some steps and W_rec at the
    others: **when** is a coupling needed?

    Parameters
    ----------
    network : a stack of one.
    change : ΔW, (hidden, hidden), in raw coordinates; −``form.weights(delta_T)`` removes ΔT.
    when : (time) or (trials, time) booleans, the steps (the first is 0) at which the change holds.
    trials : shared trials.

    Returns
    -------
    (1, trials, time, output) float64, as a metric takes them.

    Examples
    --------
    >>> from schurkit import RNN, Trials, rollout
    >>> rnn = RNN([[1.0]], [[0.5]], [[1.0]])
    >>> trials = Trials(np.ones((1, 3, 1)), np.zeros((1, 3, 1)))
    >>> outputs = switched(rnn, np.zeros((1, 1)), [True] * 3, trials)
    >>> bool(np.allclose(outputs, rollout(rnn, trials).outputs))
    True
    """
    one_network(network, "switched")
    shared_trials(trials, "switched")
    shape = trials.targets.shape[:2]
    try:
        when = np.broadcast_to(np.asarray(when, dtype=bool), shape)
    except ValueError:
        raise InputError(
            f"when must have shape (time) or (trials, time), here {shape}; got {np.shape(when)}."
        ) from None
    one = network.astype("float64")
    x = np.pad(trials.inputs, ((0, 0), (0, trials.autonomous), (0, 0)))
    state, outputs = trials.starts(one), np.empty((1, *shape, one.output_size))
    for t in range(shape[1]):
        added = when[:, t, None] * (one.rates(state) @ change.T)
        state = one.step(state, one.drive(x[None, :, t]) + added)
        outputs[:, :, t] = one.outputs(state)
    return outputs


def refit_readout(rnn: RNN, trials: Trials) -> RNN:
    """Every network with the W_out that fits the targets best, by least squares on its own states:
    **another question**.

    A refitted decoder asks whether the information is still in the state, not whether the network
    still does its task. Fit on trials other than those it is measured on.

    Parameters
    ----------
    rnn : a stack.
    trials : the trials to fit on, shared by all networks; only unmasked steps count. b_out is kept.

    Returns
    -------
    RNN : the stack with new W_out (minimum-norm solution where the states do not span the units).
    """
    shared_trials(trials, "refit_readout")
    W_out = np.empty(rnn.W_out.shape)
    for i, one in enumerate(rnn):
        states = rollout(one, trials, states=True).states[0][trials.counted]
        states = rnn.readout(states.astype(np.float64))
        target = trials.targets[trials.counted] - one.b_out[0]
        W_out[i] = np.linalg.lstsq(states.T @ states, states.T @ target, rcond=None)[0].T
    return replace(rnn, W_out=W_out.astype(rnn.dtype))
