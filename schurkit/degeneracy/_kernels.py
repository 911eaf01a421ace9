"""The ascent of `_ascent` compiled: one start after the other, every matrix in the nearest cache;
and the assignment of `pif`.

In the ascent, matrices are padded with zeros to a multiple of 4 rows and columns, which stay zero.
Sums are taken in another order than NumPy's, so results agree to rounding, not bit for bit.
"""

from __future__ import annotations

import math

import numpy as np

from schurkit.engine.compiled import cache
from schurkit.engine.compiled.network import put, transpose

from ._ascent import longest

_FUSED = {"fastmath": {"contract"}}
"""A product and a sum may become one instruction."""


def fused(function):
    """Compile on first use, and keep what was compiled where the engine keeps its own."""
    return cache.compiled(function, **_FUSED)


def fused_inner(function):
    """`fused` for what only compiled code of this file calls."""
    return cache.inner(function, **_FUSED)


@fused_inner
def _product(A, B, out):
    """out = A B: two rows of `out` and four of B at a time; unsigned indices spare the test for
    counting from the end.
    """
    n = np.uint64(len(A))
    for first in range(0, n, 2):
        i, i1 = np.uint64(first), np.uint64(first + 1)
        for column in range(n):
            j = np.uint64(column)
            out[i, j] = 0.0
            out[i1, j] = 0.0
        for inner in range(0, n, 4):
            k, k1 = np.uint64(inner), np.uint64(inner + 1)
            k2, k3 = np.uint64(inner + 2), np.uint64(inner + 3)
            a, b, c, d = A[i, k], A[i, k1], A[i, k2], A[i, k3]
            e, f, g, h = A[i1, k], A[i1, k1], A[i1, k2], A[i1, k3]
            for column in range(n):
                j = np.uint64(column)
                w, x, y, z = B[k, j], B[k1, j], B[k2, j], B[k3, j]
                out[i, j] += a * w + b * x + c * y + d * z
                out[i1, j] += e * w + f * x + g * y + h * z


@fused_inner
def _newton_schulz(C, rank, S, X, Y):
    """C ← C (3 I − CᵀC)/2."""
    transpose(C, X)
    _product(X, C, S)
    n = len(C)
    for i in range(n):
        for j in range(n):
            S[i, j] *= -0.5
        if i < rank:
            S[i, i] += 1.5
    _product(C, S, Y)
    put(Y, C)


@fused_inner
def _slope(A, B, C, M, P, Q, X, G):
    """G = skew(A Mᵀ − Mᵀ A) with M = C B Cᵀ; returns ⟨A, M⟩ and ‖G‖²."""
    n = len(A)
    transpose(C, X)
    _product(C, B, P)
    _product(P, X, Q)
    transpose(Q, M)
    _product(A, M, P)
    _product(M, A, Q)
    value, size = 0.0, 0.0
    for i in range(n):
        value += P[i, i]
    for i in range(n):
        for j in range(n):
            X[i, j] = P[i, j] - Q[i, j]
    for i in range(n):
        for j in range(n):
            G[i, j] = 0.5 * (X[i, j] - X[j, i])
            size += G[i, j] * G[i, j]
    return value, size


@fused_inner
def _length(G, old, step, k):
    """Barzilai and Borwein's next step: the short one for even k, the long one for odd k; never
    shorter where the slope grows.
    """
    sy, yy, ss = 0.0, 0.0, 0.0
    n = len(G)
    for i in range(n):
        for j in range(n):
            y = old[i, j] - G[i, j]
            sy += old[i, j] * y
            yy += y * y
            ss += old[i, j] * old[i, j]
    small = 1e-300
    new = step * ss / max(abs(sy), small) if k % 2 else step * abs(sy) / max(yy, small)
    return new if sy > 0 else max(new, step)


@fused_inner
def _ascend(A, B, C, best, rank, iterations, tolerance, longest, work):
    """See `_ascent.ascend`, for one start; C is written over, `best` takes the result, whose value
    is returned.
    """
    M, P, Q, X, G, old = work[0], work[1], work[2], work[3], work[4], work[5]
    n = len(A)
    top, step = -np.inf, 0.25 * math.sqrt(rank)
    for k in range(iterations + 1):
        value, size = _slope(A, B, C, M, P, Q, X, G)
        if value > top:
            top = value
            put(C, best)
        size = math.sqrt(size)
        if k == iterations or size <= tolerance:
            break
        if k:
            step = _length(G, old, step, k)
        step = min(step, longest / size)
        put(G, old)
        _product(G, C, P)
        for i in range(n):
            for j in range(n):
                C[i, j] += step * P[i, j]
        _newton_schulz(C, rank, Q, X, P)
    for _ in range(3):
        _newton_schulz(best, rank, Q, X, P)
    return _slope(A, B, best, M, P, Q, X, G)[0]


@fused
def _ascend_all(A, B, starts, best, values, rank, iterations, tolerance, longest):
    """`_ascend` from each of the starts, (starts, size, size)."""
    work = np.empty((6, len(A), len(A)))
    for s in range(len(starts)):
        values[s] = _ascend(A, B, starts[s], best[s], rank, iterations, tolerance, longest, work)


def ascend(A, B, C, iterations: int, tolerance: float) -> tuple[np.ndarray, np.ndarray]:
    """`_ascent.ascend`, compiled."""
    rank = len(A)
    A, B, C = _padded(A), _padded(B), _padded(C)
    best, values = np.empty_like(C), np.empty(len(C))
    limits = rank, iterations, tolerance, longest(rank)
    cache.call(_ascend_all, A, B, C, best, values, *limits)
    return best[:, :rank, :rank], values


def _padded(matrices):
    """A copy with zeros up to a multiple of 4 rows and columns."""
    rank = matrices.shape[-1]
    size = -(-rank // 4) * 4
    padded = np.zeros((*matrices.shape[:-2], size, size))
    padded[..., :rank, :rank] = matrices
    return padded


@cache.compiled
def _assigned(G, prices):
    """The columns of the rows in the permutation matrix R that maximises ⟨G, R⟩.

    By shortest augmenting paths (R. Jonker and A. Volgenant, Computing 38, 1987), from column
    prices that are made optimal in place: after a small change of G few paths are left to search.
    """
    n, unmatched = len(G), 0
    row_of, column_of, waiting = np.full(n, -1), np.full(n, -1), np.empty(n, np.int64)
    for i in range(n):
        best, at = -np.inf, -1
        for j in range(n):
            if G[i, j] - prices[j] > best:
                best, at = G[i, j] - prices[j], j
        if at < 0:
            raise ValueError("the matrix has a row without finite numbers")
        if row_of[at] < 0:
            row_of[at], column_of[i] = i, at
        else:
            waiting[unmatched] = i
            unmatched += 1
    far, before = np.empty(n), np.empty(n, np.int64)
    for start in waiting[:unmatched]:
        seen, i, least = np.zeros(n, np.bool_), start, 0.0
        far[:] = np.inf
        while True:
            own = G[i, column_of[i]] - prices[column_of[i]] + least if i != start else 0.0
            nearest, at = np.inf, -1
            for j in range(n):
                if not seen[j]:
                    if own + prices[j] - G[i, j] < far[j]:
                        far[j], before[j] = own + prices[j] - G[i, j], i
                    if far[j] < nearest:
                        nearest, at = far[j], j
            least = nearest
            if at < 0:
                raise ValueError("the matrix has columns without finite numbers")
            if row_of[at] < 0:
                break
            seen[at], i = True, row_of[at]
        for j in range(n):
            if seen[j]:
                prices[j] += least - far[j]
        while True:
            i = before[at]
            row_of[at] = i
            at, column_of[i] = column_of[i], at
            if i == start:
                break
    return column_of


def assigned(G, prices) -> np.ndarray:
    """`_assigned`, compiled."""
    return cache.call(_assigned, G, prices)
