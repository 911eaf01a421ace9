"""PIF: how far apart the recurrent matrices of two networks are, whatever the order of their
units.

Units are matched by Frank–Wolfe on relaxed permutations, then pairwise swaps.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from functools import cache, partial

import numpy as np
from numpy.typing import ArrayLike

from schurkit import random
from schurkit.checks import InputError, integer, read_only, real_array
from schurkit.rnn import RNN

from .dsa import of_pairs, ordered_pairs

STEPS = 60
"""Frank–Wolfe steps at most."""
_LEAST = 1e-9
"""A swap has to gain this share of the norms to be worth it."""


@dataclass(frozen=True, eq=False)
class PIF:
    """Permutation-invariant distances between the recurrent matrices of all pairs of networks;
    upper bounds.

    raw : (networks, networks) ‖W1 − P W2 Pᵀ‖_F; symmetric, zero diagonal.
    per_n2 : raw / n², the paper's scale across widths, under which it falls with n even for
        untrained networks.
    relative : raw / √(‖W1‖_F ‖W2‖_F); √2 for matrices that have nothing in common.
    starts : of the search.
    labels : one name a network.
    """

    raw: np.ndarray
    per_n2: np.ndarray
    relative: np.ndarray
    starts: int
    labels: tuple[Hashable, ...]


def pif_distances(W: ArrayLike, *, starts: int, seed: int = 0) -> PIF:
    """Distances of all pairs: d(W1, W2) = min over permutations P of ‖W1 − P W2 Pᵀ‖_F.

    A quadratic assignment problem, searched from each start and then by swaps of two units as
    long as they gain: what is found is an **upper bound**, never above ‖W1 − W2‖_F; no triangle
    inequality is promised. Each pair is solved once, in an order that its matrices set, so that the
    distance is symmetric to the last bit.

    Parameters
    ----------
    W : (networks, hidden, hidden), or an `RNN` stack.
    starts : of the search (FAQ): the barycentre first, then random doubly stochastic matrices. One
        finds planted copies; unrelated networks gain a few percent from 10.
    seed : of the random starts.

    Returns
    -------
    PIF.

    Raises
    ------
    InputError : not a stack of at least two square matrices, or entries whose products overflow.

    Examples
    --------
    >>> import numpy as np
    >>> W = np.arange(9.0).reshape(3, 3)
    >>> bool(pif_distances(np.stack([W, W[[2, 0, 1]][:, [2, 0, 1]]]), starts=2).raw[0, 1] < 1e-12)
    True

    Source: the distance of arXiv:2410.03972 (there with no stated solver); the relative scale is
    ours.
    """
    integer(starts, "starts", at_least=1)
    rnn = isinstance(W, RNN)
    axes = "networks", "hidden", "hidden"
    matrices = real_array(W.W_rec if rnn else W, "W_rec", axes, dtype=np.float64)
    networks, hidden = matrices.shape[:2]
    if networks < 2:
        raise InputError(f"pif_distances needs at least two networks; got {networks}.")
    if (largest := np.abs(matrices).max(initial=0)) > 1e150:
        raise InputError(f"W_rec must stay below 1e150, else products overflow; got {largest:.0e}.")
    first = search_starts(hidden, starts, seed)

    def distance(i, j):
        A, B = matrices[i], matrices[j]
        Q = matched(A, B, np.zeros_like(A), first)
        return np.sqrt(((A - Q @ B @ Q.T) ** 2).sum())

    (raw,) = of_pairs(ordered_pairs(matrices), distance)
    norms = np.sqrt((matrices**2).sum(axis=(1, 2)))
    scales = np.sqrt(np.outer(norms, norms))
    relative = np.divide(raw, scales, out=np.zeros_like(raw), where=scales > 0)
    labels = W.labels if rnn else tuple(range(networks))
    return PIF(raw, read_only(raw / hidden**2), read_only(relative), starts, labels)


def search_starts(hidden: int, starts: int, seed: int) -> list[np.ndarray]:
    """Where the search begins: the barycentre, then random doubly stochastic matrices."""
    drawn = (random.uniform(seed, "pif start", i, (hidden, hidden)) for i in range(starts - 1))
    return [np.full((hidden, hidden), 1 / hidden), *map(doubly_stochastic, drawn)]


# ------------------------------------------------------------------------- matching units of a pair
def gradient(A, B, linear, Q):
    """Of f(Q) = ⟨A, Q B Qᵀ⟩ + ⟨linear, Q⟩, (units, units)."""
    return A @ Q @ B.T + A.T @ Q @ B + linear


def _at_vertices(A, B):
    """The gradient without its linear part at one permutation matrix after another, each given by
    the columns of its rows: only rows that moved are multiplied again.
    """
    units = len(A)
    left, right = np.concatenate([A.T, A]), np.concatenate([B.T, B])
    found, there, last = np.zeros_like(A), np.zeros_like(left), np.full(units, -1)

    def at(columns):
        moved = np.flatnonzero(columns != last)
        rows = np.concatenate([moved, units + moved])
        new = right[np.concatenate([columns[moved], units + columns[moved]])]
        found[:] += left[rows].T @ (new - there[rows])
        there[rows], last[:] = new, columns
        return found

    return at


def value(A, B, linear, Q) -> float:
    """f(Q) = ⟨A, Q B Qᵀ⟩ + ⟨linear, Q⟩."""
    return float((A * (Q @ B @ Q.T)).sum() + (linear * Q).sum())


def vertex(G) -> np.ndarray:
    """The permutation matrix R that maximises ⟨G, R⟩."""
    return np.eye(len(G))[_solver()(G, np.zeros(len(G)))]


@cache
def _solver() -> Callable:
    """What gives the columns of that matrix: compiled, from the prices of a similar one; or that of
    SciPy, which starts from nothing and is then most of the search.
    """
    try:
        from ._kernels import assigned
    except Exception:  # not installed, or unable to compile for this processor
        from scipy.optimize import linear_sum_assignment

        return lambda G, prices: linear_sum_assignment(G, maximize=True)[1]
    return assigned


def frank_wolfe(A, B, linear, Q) -> np.ndarray:
    """Ascent of f over the convex hull of permutation matrices from Q, with exact steps; then the
    nearest vertex.

    Source: J. Vogelstein et al., *Fast approximate quadratic programming for graph matching*, PLoS
    ONE 10 (2015) (FAQ), there without a linear term.
    """
    Q, S, rows, prices = Q.copy(), gradient(A, B, 0, Q), np.arange(len(A)), np.zeros(len(A))
    at_vertex = _at_vertices(A, B)
    for _ in range(STEPS):
        G = S + linear
        columns = _solver()(G, prices)
        R = rows, columns
        T = at_vertex(columns)
        # D = R − Q: what f rises by along it, and ⟨A, D B Dᵀ⟩
        rise, bend = G[R].sum() - np.vdot(G, Q), T[R].sum() / 2 - S[R].sum() + np.vdot(S, Q) / 2
        if bend < 0:
            step = min(1.0, -rise / (2 * bend))
        else:
            step = 1.0 if rise + bend > 0 else 0.0
        if not step > 0 or rise <= 0:
            break
        furthest = step * (1 - Q[R].min())
        Q *= 1 - step
        Q[R] += step
        S += step * (T - S)
        if furthest < 1e-3:
            break
    return vertex(Q)


def polish(A, B, linear, Q) -> np.ndarray:
    """Swap two units as long as that gains: the best swap at a time."""
    F, own = Q @ B @ Q.T, linear @ Q.T
    least = _LEAST * max(np.linalg.norm(A) * np.linalg.norm(B), 1e-300)
    for _ in range(4 * len(A)):
        gains = _swap_gains(A, F, own)
        p, q = np.unravel_index(gains.argmax(), gains.shape)
        if gains[p, q] <= least:
            break
        order = np.arange(len(A))
        order[[p, q]] = q, p
        Q, F, own = Q[order], F[np.ix_(order, order)], own[:, order]
    return Q


def _swap_gains(A, F, own):
    """Change of f on swapping units p and q of the second network, (units, units)."""
    a, f = np.diag(A), np.diag(F)
    L = A @ F.T + A.T @ F
    crossed = (a[:, None] + a) * (F + F.T) + (A + A.T) * (f[:, None] + f)
    after = np.outer(a, f) + np.outer(f, a) + A * F.T + A.T * F
    before = (a * f)[:, None] + a * f + A * F + A.T * F.T
    single = np.diag(L) + np.diag(own)
    return L + L.T - crossed + after - (single[:, None] + single) + before + own + own.T


def doubly_stochastic(U: np.ndarray) -> np.ndarray:
    """Halfway between the barycentre and a random doubly stochastic matrix made of uniform numbers
    (Sinkhorn).
    """
    K = U + 1e-3
    for _ in range(100):
        K = K / K.sum(axis=0)
        K = K / K.sum(axis=1, keepdims=True)
    return (K + 1 / len(U)) / 2


def matched(A, B, linear, starts) -> np.ndarray:
    """The best permutation matrix found from all starts and from the identity."""
    found = (polish(A, B, linear, frank_wolfe(A, B, linear, Q)) for Q in starts)
    return max((np.eye(len(A)), *found), key=partial(value, A, B, linear))
