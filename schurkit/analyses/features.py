"""How much a network's features changed in training: distance of the weights, and alignment of the
neural tangent kernels.

With J the derivative of all outputs (entries: trial, time step, channel) with respect to what is
trained, K = J Jᵀ is the neural tangent kernel and

    alignment = Tr(K_T K_0) / (‖K_T‖_F ‖K_0‖_F),

1 where training left the kernel alone ("lazy"), lower where the features moved. Source:
arXiv:2410.03972, §4.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass

import numpy as np

from schurkit import random
from schurkit.checks import InputError, integer, one_of, shared_trials
from schurkit.engine import choose, rollout
from schurkit.engine.base import Spec, weights_of
from schurkit.engine.numpy import one_blas_thread
from schurkit.rnn import ARRAYS, RNN, Trials

TRAINED = ("W_in", "W_rec", "W_out")
PASSES_AT_ONCE = 8
MOST_BYTES = 2**30
"""Derivatives that `kernel_alignment` keeps at most; with more it asks for probes."""


@dataclass(frozen=True)
class WeightChange:
    """‖W_T − W_0‖_F of one network: array by array, of all together, and of all relative to ‖W_0‖_F
    of all.
    """

    network: Hashable
    W_in: float
    W_rec: float
    W_out: float
    b_rec: float
    b_out: float
    all: float
    relative: float


def weight_change(
    start: RNN, end: RNN, *, multipliers: Mapping[str, float] | None = None
) -> list[WeightChange]:
    """Distances of weights between two moments of training, one row a network.

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
    >>> weight_change(start, start.with_W_rec(3 * np.eye(4)))[0].W_rec
    4.0
    """
    _check_pair(start, end)
    factors = _factors(multipliers)

    def trained(rnn, i, name):
        return getattr(rnn, name)[i].astype(np.float64) / factors.get(name, 1.0)

    def together(sizes):
        return float(np.sqrt(sum(size**2 for size in sizes)))

    rows = []
    for i, label in enumerate(start.labels):
        before = {name: trained(start, i, name) for name in ARRAYS[:5]}
        moved = {n: float(np.linalg.norm(trained(end, i, n) - x)) for n, x in before.items()}
        total, size = together(moved.values()), together(map(np.linalg.norm, before.values()))
        relative = total / size if size else float("nan")
        rows.append(WeightChange(label, **moved, all=total, relative=relative))
    return rows


@dataclass(frozen=True)
class KernelAlignment:
    """Alignment of one network's tangent kernels at two moments of training.

    alignment : Tr(K_T K_0) / (‖K_T‖_F ‖K_0‖_F).
    standard_error : of the estimate from random probes, 0 where it is exact.
    norm_start, norm_end : ‖K‖_F.
    entries : outputs that count;
    probes : random signals, None where exact.
    """

    network: Hashable
    alignment: float
    standard_error: float
    norm_start: float
    norm_end: float
    entries: int
    probes: int | None


def kernel_alignment(
    start: RNN,
    end: RNN,
    trials: Trials,
    *,
    probes: int | None = None,
    multipliers: Mapping[str, float] | None = None,
    seed: int = 0,
    engine: str = "auto",
) -> list[KernelAlignment]:
    """Alignment of neural tangent kernels (equation in the module's text) with respect to W_in,
    W_rec and W_out, one row a network.

    Parameters
    ----------
    start, end : stacks of the same networks.
    trials : shared trials, whose unmasked outputs are the entries of K.
    probes : None for the exact kernels, one backward pass an entry; else the number m ≥ 3 of random
        ±1 output signals z_i, one backward pass each. Then Tr(K K′) is the mean over pairs i ≠ j of
        (z_iᵀ K z_j)(z_iᵀ K′ z_j), without bias; the standard error of the alignment is a jackknife
        over probes.
    multipliers : as in `weight_change`.
    seed : of the probes.
    engine : see `schurkit.engine.choose`.

    Raises
    ------
    InputError : stacks of other networks, trials with a networks axis, fewer than three probes, or
        exact kernels that are too large.

    Examples
    --------
    >>> import numpy as np
    >>> rnn = RNN(np.ones((4, 2)), 0.1 * np.eye(4), np.ones((1, 4)))
    >>> trials = Trials(np.ones((3, 5, 2)), np.ones((3, 5, 1)))
    >>> round(kernel_alignment(rnn, rnn, trials)[0].alignment, 6)
    1.0
    """
    _check_pair(start, end)
    shared_trials(trials, "kernel_alignment")
    factors = _factors(multipliers)
    entries = int(trials.counted.sum()) * start.output_size
    if probes is not None:
        integer(probes, "probes", at_least=3)
    elif 2 * 8 * entries * sum(getattr(start, name)[0].size for name in TRAINED) > MOST_BYTES:
        raise InputError(
            f"exact kernels of {entries} outputs need more than {MOST_BYTES / 2**30:g} GiB: give "
            "fewer trials, or probes=64."
        )

    def kernel(rnn):
        parts = _derivatives(rnn, trials, entries, probes, factors, seed, engine)
        J = np.concatenate(list(parts))
        return J @ J.T

    compare = _exact if probes is None else _estimated
    return [
        compare(label, kernel(start[i]), kernel(end[i]), entries)
        for i, label in enumerate(start.labels)
    ]


def _exact(label, before, after, entries):
    norms = [float(np.linalg.norm(K)) for K in (before, after)]
    alignment = _ratio((before * after).sum(), *norms)
    return KernelAlignment(label, alignment, 0.0, *norms, entries, None)


def _estimated(label, before, after, entries):
    """From z_iᵀ K z_j of all pairs of probes: sums over pairs, and what is left of them without
    each probe in turn.
    """
    m = len(before)
    for products in (before, after):
        np.fill_diagonal(products, 0)
    both = (before, after), (before, before), (after, after)
    parts = np.array([(a * b).sum(axis=1) for a, b in both])  # (3, probes)
    total = parts.sum(axis=1)
    left = total[:, None] - 2 * parts
    without = np.array([_ratio(x, np.sqrt(y), np.sqrt(z)) for x, y, z in left.T])
    error = float(np.sqrt((m - 1) / m * ((without - without.mean()) ** 2).sum()))
    norms = [float(np.sqrt(value / (m * (m - 1)))) for value in total[1:]]
    alignment = _ratio(total[0], *np.sqrt(total[1:]))
    return KernelAlignment(label, alignment, error, *norms, entries, m)


def _ratio(product, *norms):
    size = norms[0] * norms[1]
    return float(product / size) if size > 0 else float("nan")


def _derivatives(rnn, trials, entries, probes, factors, seed, engine):
    """Jᵀz for each signal z, (signals, numbers) in float64 in pieces: random signals, or each entry
    by itself.

    The gradient of the mean squared error is Jᵀ(2 (y − target)/entries); targets y − entries z/2
    make that Jᵀz.
    """
    spec, shape = Spec.of(rnn), trials.targets.shape
    counted = np.flatnonzero(np.broadcast_to(trials.counted[..., None], shape))
    outputs, weights = rollout(rnn, trials, engine=engine).outputs, weights_of(rnn, trials)
    worker = choose(engine, dtype=rnn.dtype).worker(spec)
    count = entries if probes is None else probes
    inputs = trials.inputs.astype(rnn.dtype)
    for first in range(0, count, PASSES_AT_ONCE):
        size = min(PASSES_AT_ONCE, count - first)
        z = np.zeros((size, outputs[0].size), rnn.dtype)
        if probes is None:
            z[np.arange(size), counted[first : first + size]] = 1
        else:
            z[:, counted] = [
                random.signs(seed, "tangent kernel", first + i, len(counted)) for i in range(size)
            ]
        targets = outputs - z.reshape(size, *shape) * rnn.dtype.type(entries / 2)
        copies = {name: np.repeat(array, size, axis=0) for name, array in weights.items()}
        with one_blas_thread():
            _, gradients = worker.gradients(
                copies, np.broadcast_to(inputs, (size, *inputs.shape)), targets, trials.mask
            )
        parts = [
            gradients[name].reshape(size, -1).astype(np.float64) * factors.get(name, 1.0)
            for name in TRAINED
        ]
        yield np.concatenate(parts, axis=1)


def _factors(multipliers):
    factors = dict(multipliers or {})
    for name in factors:
        one_of(name, "multipliers", ARRAYS[:5])
    return factors


def _check_pair(start, end):
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
