"""PIF: how far apart the recurrent matrices of two networks are, whatever the order of their
units.
"""

from __future__ import annotations

from collections.abc import Hashable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from threadpoolctl import threadpool_limits

from schurkit import random
from schurkit.checks import InputError, integer, one_of, read_only, real_array
from schurkit.engine import available_threads
from schurkit.rnn import RNN

from ._matching import doubly_stochastic, matched
from ._starts import ordered_pairs

SCALES = ("raw", "per n²", "relative")


@dataclass(frozen=True, eq=False)
class PIF:
    """Permutation-invariant distances between the recurrent matrices of all pairs of networks;
    upper bounds.

    values : (networks, networks), on the scale asked for; symmetric, zero diagonal.
    raw : ‖W1 − Q W2 Qᵀ‖_F.
    per_n2 : raw / n², the paper's scale across widths, under which it falls with n even for
        untrained networks.
    relative : raw / √(‖W1‖_F ‖W2‖_F); √2 for matrices that have nothing in common.
    scale, starts, seed, signed : what was asked for.
    labels : one name a network.
    """

    values: np.ndarray
    raw: np.ndarray
    per_n2: np.ndarray
    relative: np.ndarray
    scale: str
    starts: int
    seed: int
    signed: bool
    labels: tuple[Hashable, ...]


def pif_distances(
    W,
    *,
    starts: int,
    seed: int = 0,
    scale: str = "raw",
    signed: bool = False,
    ends: bool = False,
    refine: bool = True,
) -> PIF:
    """Distances of all pairs: d(W1, W2) = min over permutations P of ‖W1 − P W2 Pᵀ‖_F.

    A quadratic assignment problem: what is found is an **upper bound**, never above ‖W1 − W2‖_F; no
    triangle inequality is promised. Each pair is solved once, in an order that its matrices set, so
    that the distance is symmetric to the last bit.

    Parameters
    ----------
    W : (networks, hidden, hidden), or an `RNN` stack.
    starts : of the search (FAQ): the barycentre first, then random doubly stochastic matrices. One
        finds planted copies; unrelated networks gain a few percent from 10.
    seed : of the random starts.
    scale : "raw", "per n²" or "relative": which of them `values` holds; all three are returned.
    signed : also allow h_i → −h_i, a symmetry of tanh networks without biases.
    ends : match input and readout weights too (W must be an `RNN`): d² gains ‖W_in1 − P W_in2‖² +
        ‖W_out1 − W_out2 Pᵀ‖², and the norms do.
    refine : end with swaps of two units (and turns of a sign) as long as they gain.

    Returns
    -------
    PIF.

    Raises
    ------
    InputError : not a stack of at least two square matrices, or `ends` without an RNN.

    Examples
    --------
    >>> import numpy as np
    >>> W = np.arange(9.0).reshape(3, 3)
    >>> bool(pif_distances(np.stack([W, W[[2, 0, 1]][:, [2, 0, 1]]]), starts=2).raw[0, 1] < 1e-12)
    True

    Source: the distance of arXiv:2410.03972 (there with no stated solver); the relative scale and
    signs are ours.
    """
    one_of(scale, "scale", SCALES)
    integer(starts, "starts", at_least=1)
    if ends and not isinstance(W, RNN):
        raise InputError(
            "ends=True compares input and readout weights too: pass the RNN stack, not its W_rec."
        )
    matrices = real_array(
        W.W_rec if isinstance(W, RNN) else W,
        "W_rec",
        ("networks", "hidden", "hidden"),
        dtype=np.float64,
    )
    networks, hidden = matrices.shape[:2]
    if networks < 2:
        raise InputError(f"pif_distances needs at least two networks; got {networks}.")
    # The readout's transpose beside the input: (networks, hidden, inputs + outputs), whose rows
    # follow the units
    outer = np.zeros((networks, hidden, 0))
    if ends:
        outer = np.concatenate([W.W_in, W.W_out.transpose(0, 2, 1)], axis=2).astype(np.float64)
    raw = _all_pairs(matrices, outer, _starts(hidden, starts, seed), signed, refine)
    norms = np.sqrt((matrices**2).sum(axis=(1, 2)) + (outer**2).sum(axis=(1, 2)))
    scales = np.sqrt(np.outer(norms, norms))
    relative = np.divide(raw, scales, out=np.zeros_like(raw), where=scales > 0)
    found = {"raw": raw, "per n²": raw / hidden**2, "relative": relative}
    labels = W.labels if isinstance(W, RNN) else tuple(range(networks))
    return PIF(
        read_only(found[scale]),
        *(read_only(found[name]) for name in SCALES),
        scale,
        starts,
        seed,
        signed,
        labels,
    )


def _starts(hidden, starts, seed):
    barycentre = np.full((hidden, hidden), 1 / hidden)
    return [
        barycentre,
        *(
            doubly_stochastic(random.uniform(seed, "pif start", i, (hidden, hidden)))
            for i in range(starts - 1)
        ),
    ]


def _all_pairs(matrices, outer, starts, signed, refine):
    networks = len(matrices)
    pairs = ordered_pairs(np.concatenate([matrices, outer], axis=2))

    def job(pair):
        i, j = pair
        Q = matched(matrices[i], matrices[j], outer[i] @ outer[j].T, starts, signed, refine)
        return np.sqrt(
            ((matrices[i] - Q @ matrices[j] @ Q.T) ** 2).sum()
            + ((outer[i] - Q @ outer[j]) ** 2).sum()
        )

    square = np.zeros((networks, networks))
    # Small products: threads over pairs, not within them
    with threadpool_limits(1, "blas"), ThreadPoolExecutor(available_threads()) as pool:
        for (i, j), distance in zip(pairs, pool.map(job, pairs)):
            square[i, j] = square[j, i] = distance
    return square
