"""How much a network's features changed in training: distance of the weights, and alignment of the
neural tangent kernels.

With J the derivative of all outputs (entries: trial, time step, channel) with respect to what is
trained, K = J Jᵀ is the neural tangent kernel and

    alignment = Tr(K_T K_0) / (‖K_T‖_F ‖K_0‖_F),

1 where training left the kernel alone ("lazy"), lower where the features moved. Source:
arXiv:2410.03972, §4.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product

import numpy as np

from schurkit.checks import InputError, one_of, shared_trials
from schurkit.engine import choose, rollout
from schurkit.engine.base import Spec, side_by_side, weights_of
from schurkit.engine.numpy import one_blas_thread
from schurkit.rnn import ARRAYS, RNN, Trials

TRAINED = ("W_in", "W_rec", "W_out")
PASSES_AT_ONCE = 32
MOST_BYTES = 2**30
"""Derivatives that `kernel_alignment` keeps at most."""


def weight_change(
    start: RNN, end: RNN, *, multipliers: Mapping[str, float] | None = None
) -> dict[str, np.ndarray]:
    """‖W_T − W_0‖_F between two moments of training, array → (networks,).

    Parameters
    ----------
    start, end : stacks of the same networks, e.g. `schurkit.training.initial` and `Trained.rnn`.
    multipliers : array → what the trained array was multiplied by to give the weights
        (`schurkit.training.Recipe.multipliers`); distances are then those of the trained arrays. 1
        for what it does not name.

    Raises
    ------
    InputError : stacks of other networks.

    Examples
    --------
    >>> import numpy as np
    >>> start = RNN(np.ones((4, 2)), np.eye(4), np.ones((1, 4)))
    >>> weight_change(start, start.with_W_rec(3 * np.eye(4)))["W_rec"].tolist()
    [4.0]
    """
    factors, found = _checked(start, end, multipliers), {}
    for name in ARRAYS[:5]:
        before, after = (getattr(rnn, name).astype(np.float64) for rnn in (start, end))
        moved = (after - before).reshape(len(start), -1) / factors.get(name, 1.0)
        found[name] = np.linalg.norm(moved, axis=1)
    return found


def kernel_alignment(
    start: RNN,
    end: RNN,
    trials: Trials,
    *,
    multipliers: Mapping[str, float] | None = None,
    engine: str = "auto",
) -> np.ndarray:
    """Alignment of neural tangent kernels (equation in the module's text) with respect to W_in,
    W_rec and W_out, exact: one backward pass an output.

    Parameters
    ----------
    start, end : stacks of the same networks.
    trials : shared trials, whose unmasked outputs are the entries of K.
    multipliers : as in `weight_change`.
    engine : see `schurkit.engine.choose`.

    Returns
    -------
    (networks,), NaN where a kernel is zero.

    Raises
    ------
    InputError : stacks of other networks, trials with a networks axis, or kernels that are too
        large.

    Examples
    --------
    >>> import numpy as np
    >>> rnn = RNN(np.ones((4, 2)), 0.1 * np.eye(4), np.ones((1, 4)))
    >>> trials = Trials(np.ones((3, 5, 2)), np.ones((3, 5, 1)))
    >>> kernel_alignment(rnn, rnn, trials).round(6).tolist()
    [1.0]
    """
    factors = _checked(start, end, multipliers)
    shared_trials(trials, "kernel_alignment")
    entries = int(trials.counted.sum()) * start.output_size
    numbers = sum(getattr(start, name)[0].size for name in TRAINED)
    needed = entries * (start.dtype.itemsize * numbers + 2 * 8 * entries)
    if needed > MOST_BYTES:
        raise InputError(
            f"exact kernels of {entries} outputs need more than {MOST_BYTES / 2**30:g} GiB: give "
            "fewer trials."
        )

    def kernel(rnn):
        J, done = np.empty((entries, numbers), rnn.dtype), 0
        for rows in _derivatives(rnn, trials, factors, engine):
            J[done : done + len(rows)] = rows
            done += len(rows)
        return (J @ J.T).astype(np.float64)

    def alignment(i):
        before, after = kernel(start[i]), kernel(end[i])
        size = np.linalg.norm(before) * np.linalg.norm(after)
        return (before * after).sum() / size if size > 0 else np.nan

    found, at_once = [], MOST_BYTES // max(1, needed)
    with one_blas_thread():
        for first in range(0, len(start), at_once):
            found += side_by_side(alignment, range(len(start))[first : first + at_once])
    return np.array(found)


def _derivatives(rnn, trials, factors, engine):
    """J in pieces, (entries, numbers): one backward pass an entry, of its trial up to its step.

    The gradient of the squared error of one step is Jᵀ(2 (y − target)/outputs); targets y −
    outputs z/2 make that Jᵀz, with z one where the entry is.
    """
    (_, steps, outputs), weights = trials.targets.shape, weights_of(rnn, trials)
    given = rollout(rnn, trials, engine=engine).outputs[0]
    worker = choose(engine, dtype=rnn.dtype).worker(Spec.of(rnn))
    inputs = trials.inputs.astype(rnn.dtype)
    counted = np.broadcast_to(trials.counted, (len(trials), steps))
    for t, first in product(range(steps), range(0, len(trials) * outputs, PASSES_AT_ONCE)):
        entries = np.repeat(np.flatnonzero(counted[:, t]), outputs)[first:][:PASSES_AT_ONCE]
        if not len(entries):
            continue
        size, span = len(entries), slice(t + 1)
        targets = given[entries, None, span]
        targets[np.arange(size), 0, t, (first + np.arange(size)) % outputs] -= outputs / 2
        copies = {name: np.repeat(array, size, axis=0) for name, array in weights.items()}
        if trials.h0 is not None:
            copies["h0"] = weights["h0"][0, entries][:, None]
        at_end = np.arange(t + 1) == t
        _, gradients = worker.gradients(copies, inputs[entries, None, span], targets, at_end)
        parts = [gradients[name].reshape(size, -1) * factors.get(name, 1.0) for name in TRAINED]
        yield np.concatenate(parts, axis=1)


def _checked(start, end, multipliers):
    """The multipliers of two moments of the same networks."""
    if not (isinstance(start, RNN) and isinstance(end, RNN)):
        raise InputError(
            f"start and end must be schurkit.RNN; got {type(start).__name__} and "
            f"{type(end).__name__}."
        )
    shapes = [{name: array.shape for name, array in rnn.arrays.items()} for rnn in (start, end)]
    if start.labels != end.labels or shapes[0] != shapes[1]:
        raise InputError(
            f"start and end must be the same networks in the same order; got {start!r} and {end!r}."
        )
    kinds = [(r.activation, r.form, r.psi, np.asarray(r.leak).tolist()) for r in (start, end)]
    if kinds[0] != kinds[1]:
        raise InputError(f"start and end must be networks of one kind; got {start!r} and {end!r}.")
    factors = dict(multipliers or {})
    for name in factors:
        one_of(name, "multipliers", ARRAYS[:5])
    return factors
