"""Ordering and finishing a real Schur form in compiled code: what `_blocks` does through LAPACK and
NumPy, several times faster at 64 units.

Adjacent blocks A and B with coupling C change places by the orthogonal G whose first columns span
[−X; I], where A X − X B = C. LAPACK's dlaexc does that too. What saves time: blocks are
standardised, so X has a closed form, and G is applied once instead of two reflectors and two
rotations. A swap that fails LAPACK's test of accuracy, or would split a pair into real eigenvalues,
is not made: the caller goes on with LAPACK. The test is LAPACK's, the solution is not: some swaps
that dlaexc refuses pass here, with a backward error as small as any.

Sources: Z. Bai and J. W. Demmel, Linear Algebra Appl. 186 (1993) (the swap and its test) · LAPACK
dlaexc, dlarfg, dlanv2.
"""

from __future__ import annotations

import math
import pickle

import numba
import numpy as np
from numba import njit, types

if numba.config.DISABLE_JIT:
    raise ImportError("NUMBA_DISABLE_JIT is set")

EPS = 2.0**-52
_UNUSABLE = (OSError, EOFError, pickle.PickleError, RuntimeError)
"""What a cache folder that is full, read-only or damaged makes numba raise."""

inner = njit(
    error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True
)  # wrappers for other callers take long to compile


@inner
def _turn(M, j, d, rows, G):
    """M[:rows, j : j + d] ← M[:rows, j : j + d] G."""
    a, b = M[:rows, j], M[:rows, j + 1]
    g00, g01, g10, g11 = G[0, 0], G[0, 1], G[1, 0], G[1, 1]
    if d == 2:
        for r in range(rows):
            x, y = a[r], b[r]
            a[r] = x * g00 + y * g10
            b[r] = x * g01 + y * g11
        return
    c = M[:rows, j + 2]
    g02, g12, g20, g21, g22 = G[0, 2], G[1, 2], G[2, 0], G[2, 1], G[2, 2]
    if d == 3:
        for r in range(rows):
            x, y, z = a[r], b[r], c[r]
            a[r] = x * g00 + y * g10 + z * g20
            b[r] = x * g01 + y * g11 + z * g21
            c[r] = x * g02 + y * g12 + z * g22
        return
    e = M[:rows, j + 3]
    g03, g13, g23, g30, g31, g32, g33 = (
        G[0, 3],
        G[1, 3],
        G[2, 3],
        G[3, 0],
        G[3, 1],
        G[3, 2],
        G[3, 3],
    )
    for r in range(rows):
        x, y, z, w = a[r], b[r], c[r], e[r]
        a[r] = x * g00 + y * g10 + z * g20 + w * g30
        b[r] = x * g01 + y * g11 + z * g21 + w * g31
        c[r] = x * g02 + y * g12 + z * g22 + w * g32
        e[r] = x * g03 + y * g13 + z * g23 + w * g33


@inner
def _reflector(x, y, z):
    """u and tau of I − tau u uᵀ, which takes (x, y, z) to a multiple of the first axis; u[0] = 1
    (LAPACK dlarfg).
    """
    length = math.copysign(math.sqrt(x * x + y * y + z * z), x)
    return y / (x + length), z / (x + length), (x + length) / length


@inner
def _reflect(G, k, u, v, w, tau):
    """G[:, k : k + 3] ← the same times I − tau (u, v, w)(u, v, w)ᵀ."""
    for r in range(4):
        s = tau * (G[r, k] * u + G[r, k + 1] * v + G[r, k + 2] * w)
        G[r, k] -= s * u
        G[r, k + 1] -= s * v
        G[r, k + 2] -= s * w


@inner
def _solution(D, p, q):
    """X[0, 0], X[0, 1], X[1, 0], X[1, 1] of A X − X B = C for the standardised diagonal blocks A
    (p, p) and B (q, q) of D and C beside them.

    With A = a I + A₀, B = b I + B₀, A₀² and B₀² multiples of I, δ = a − b: ((δ² + A₀² − B₀²) I + 2
    δ A₀) X = δ C + A₀ C + C B₀.
    """
    delta = D[0, 0] - D[p, p]
    if p == 1:  # X (δ I − B₀) = C
        upper, lower = D[1, 2], D[2, 1]
        scale = 1 / (delta * delta - upper * lower)
        return (
            (delta * D[0, 1] + lower * D[0, 2]) * scale,
            (upper * D[0, 1] + delta * D[0, 2]) * scale,
            0.0,
            0.0,
        )
    up, low = D[0, 1], D[1, 0]
    if q == 1:  # (δ I + A₀) X = C
        scale = 1 / (delta * delta - up * low)
        return (
            (delta * D[0, 2] - up * D[1, 2]) * scale,
            0.0,
            (delta * D[1, 2] - low * D[0, 2]) * scale,
            0.0,
        )
    upper, lower = D[2, 3], D[3, 2]
    c00, c01, c10, c11 = D[0, 2], D[0, 3], D[1, 2], D[1, 3]
    alpha = delta * delta + (up * low - upper * lower)
    y00 = delta * c00 + up * c10 + lower * c01
    y01 = delta * c01 + up * c11 + upper * c00
    y10 = delta * c10 + low * c00 + lower * c11
    y11 = delta * c11 + low * c01 + upper * c10
    scale = 1 / (alpha * alpha - 4 * (delta * delta) * (up * low))
    alpha, up, low = alpha * scale, -2 * delta * up * scale, -2 * delta * low * scale
    return (
        alpha * y00 + up * y10,
        alpha * y01 + up * y11,
        alpha * y10 + low * y00,
        alpha * y11 + low * y01,
    )


@inner
def _standardise(D, G, k):
    """Turn D and G so that the pair at row k of D has equal diagonal entries (LAPACK dlanv2); False
    if its eigenvalues have become real.
    """
    gap, total = D[k, k] - D[k + 1, k + 1], D[k, k + 1] + D[k + 1, k]
    if gap != 0:
        cos, sin = abs(total) + math.sqrt(gap * gap + total * total), -gap if total > 0 else gap
        scale = 1 / math.sqrt(cos * cos + sin * sin)
        cos, sin = cos * scale, sin * scale
        for M in (G, D):
            for r in range(4):
                x, y = M[r, k], M[r, k + 1]
                M[r, k], M[r, k + 1] = x * cos + y * sin, y * cos - x * sin
        for r in range(4):
            x, y = D[k, r], D[k + 1, r]
            D[k, r], D[k + 1, r] = x * cos + y * sin, y * cos - x * sin
        D[k, k] = D[k + 1, k + 1] = 0.5 * (D[k, k] + D[k + 1, k + 1])
    upper, lower = D[k, k + 1], D[k + 1, k]
    return (upper > 0) != (lower > 0) and upper * lower != 0


@inner
def _congruence(D, G, S):
    """D ← Gᵀ D G with work space S."""
    for r in range(4):
        for k in range(4):
            S[r, k] = D[r, 0] * G[0, k] + D[r, 1] * G[1, k] + D[r, 2] * G[2, k] + D[r, 3] * G[3, k]
    for r in range(4):
        for k in range(4):
            D[r, k] = G[0, r] * S[0, k] + G[1, r] * S[1, k] + G[2, r] * S[2, k] + G[3, r] * S[3, k]


@inner
def _exchange(D, G, S, p, q):
    """The orthogonal G that swaps the leading block (p, p) of D with the one (q, q) behind it; D ←
    Gᵀ D G. False if it should not be made.
    """
    d = p + q
    largest = 0.0
    for k in range(4):
        largest = max(
            largest, max(max(abs(D[0, k]), abs(D[1, k])), max(abs(D[2, k]), abs(D[3, k])))
        )
        for r in range(4):
            G[r, k] = 1.0 if r == k else 0.0
    first, last = D[0, 0], D[d - 1, d - 1]
    if d == 2:
        x, y = D[0, 1], last - first
        length = math.hypot(x, y)
        G[0, 0] = G[1, 1] = x / length
        G[1, 0] = y / length
        G[0, 1] = -G[1, 0]
        D[0, 0], D[1, 1] = last, first
        return length > 0
    x00, x01, x10, x11 = _solution(D, p, q)
    if p == 1:  # (1, X) spans the left invariant subspace of A, which becomes the last axis
        u, v, tau = _reflector(x01, 1.0, x00)
        _reflect(G, 0, u, v, 1.0, tau)
    else:  # (−X, I) spans the invariant subspace of B, which becomes the first axes
        u, v, tau = _reflector(-x00, -x10, 1.0)
        _reflect(G, 0, 1.0, u, v, tau)
        if q == 2:
            s = tau * (x01 + u * x11)
            u, v, tau = _reflector(s * u - x11, s * v, 1.0)
            _reflect(G, 1, 1.0, u, v, tau)
    _congruence(D, G, S)
    error = 0.0
    for k in range(q):
        for r in range(q, d):
            error += abs(D[r, k])
            D[r, k] = 0.0
    if q == 1:
        error += abs(D[0, 0] - last)
        D[0, 0] = last
    if p == 1:
        error += abs(D[d - 1, d - 1] - first)
        D[d - 1, d - 1] = first
    if not error <= 10 * EPS * largest:
        return False
    return (q == 1 or _standardise(D, G, 0)) and (p == 1 or _standardise(D, G, q))


@inner
def _swap(T, Q, j, p, q, D, G, S):
    """Swap the block (p, p) at row j with the one (q, q) behind it; False if that should not be
    made, T and Q as they were.
    """
    d = p + q
    if d < 4:
        D[:] = 0.0
    for k in range(d):
        for r in range(d):
            D[r, k] = T[j + r, j + k]
    if not _exchange(D, G, S, p, q):
        return False
    _turn(T, j, d, j, G)
    _turn(Q, j, d, len(Q), G)
    _turn(T[:, j + d :].T, j, d, len(T) - j - d, G)
    for k in range(d):
        for r in range(d):
            T[j + r, j + k] = D[r, k]
    return True


@inner
def _read(T, unit, sizes, moduli):
    """Fill in the sizes and moduli of the blocks, as `_blocks.moduli_of`; their number."""
    row = count = 0
    while row < len(T):
        size, imaginary = 1, 0.0
        if row + 1 < len(T) and T[row + 1, row] != 0:
            size, imaginary = 2, math.sqrt(abs(T[row, row + 1])) * math.sqrt(abs(T[row + 1, row]))
        sizes[count], moduli[count] = size, math.hypot(T[row, row] * unit, imaginary * unit)
        row, count = row + size, count + 1
    return count


def _sort(T, Q, unit, tie, share):
    """Order the blocks of Fortran-ordered T · unit by nonincreasing modulus, in place, as
    `_blocks.sort_blocks`.

    Moduli are tied within `tie` and within that share of the largest. Of the blocks that tie with
    the largest the first comes next, so only blocks whose order is wrong are swapped. True if the
    order is right in the end; False if a swap was not made or moduli shifted: T and Q are then a
    valid form, in part ordered.
    """
    sizes, moduli = np.empty(len(T), np.int64), np.empty(len(T))
    D, G, S = np.empty((4, 4)), np.empty((4, 4)), np.empty((4, 4))
    count, row = _read(T, unit, sizes, moduli), 0
    tie = min(tie, share * moduli[:count].max())
    for goal in range(count):
        least = moduli[goal:count].max() - tie
        here, start = goal, row
        while moduli[here] < least:
            start += sizes[here]
            here += 1
        size, modulus = sizes[here], moduli[here]
        while here > goal:
            here -= 1
            start -= sizes[here]
            if not _swap(T, Q, start, sizes[here], size, D, G, S):
                return False
            sizes[here + 1], moduli[here + 1] = sizes[here], moduli[here]
        sizes[goal], moduli[goal] = size, modulus
        row += size
    count, largest = _read(T, unit, sizes, moduli), 0.0
    for here in range(count - 1, -1, -1):
        largest = max(largest, moduli[here])
        if not largest - moduli[here] <= tie:
            return False
    return True


def _finish(T, Q, unit, turned_T, turned_Q, sizes, moduli):
    """Fill in what `_blocks.finish_form` returns; the number of blocks."""
    n, row = len(T), 0
    take, sign = np.empty(n, np.int64), np.empty(n)
    count = _read(T, unit, sizes, moduli)
    for block in range(count):
        last = row + sizes[block] - 1
        turn = last > row and abs(T[last, row]) > abs(T[row, last])
        take[row], take[last] = (last, row) if turn else (row, last)
        first, largest = Q[:, take[row]], 0.0
        for r in range(n):
            if abs(first[r]) > abs(largest):
                largest = first[r]
        sign[row] = -1.0 if largest < 0 else 1.0
        if last > row:
            sign[last] = math.copysign(sign[row], sign[row] * T[take[row], take[last]])
        row = last + 1
    for r in range(n):
        scale = sign[r] * unit
        for k in range(n):
            turned_T[r, k] = T[take[r], take[k]] * (scale * sign[k]) + 0.0  # without -0.0
            turned_Q[r, k] = Q[r, take[k]] * sign[k]
    return count


def _compiled(function, signature):
    """Compiled now, or read from numba's cache; a cache that cannot be used costs time alone."""
    try:
        return njit(signature, nogil=True, error_model="numpy", cache=True)(function)
    except _UNUSABLE:
        return njit(signature, nogil=True, error_model="numpy")(function)


_columns, _rows, _number = (
    types.Array(types.float64, 2, "F"),
    types.Array(types.float64, 2, "C"),
    types.float64,
)
sort = _compiled(_sort, types.boolean(_columns, _columns, _number, _number, _number))
_fill = _compiled(
    _finish,
    types.int64(_columns, _columns, _number, _rows, _rows, types.int64[::1], types.float64[::1]),
)


def finish(T, Q, unit):
    """Sizes and moduli of the blocks, T and Q (read-only) as `_blocks.finish_form` returns them."""
    found = np.empty_like(T, order="C"), np.empty_like(Q, order="C")
    sizes, moduli = np.empty(len(T), np.int64), np.empty(len(T))
    count = _fill(T, Q, unit, *found, sizes, moduli)
    for matrix in found:
        matrix.setflags(write=False)
    return sizes[:count], moduli[:count], *found
