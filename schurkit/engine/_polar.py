"""The polar factor of a matrix in compiled code: the gradient of the nuclear norm."""

from __future__ import annotations

import numpy as np

from ._cache import inner
from ._kernels import address, product
from ._tile import NONE
from .polar import COEFFICIENTS

_F = np.float32
_COEFFICIENTS = np.array(COEFFICIENTS, np.float32)


@inner
def add_polar(W, room, factor, gradient):
    """gradient += factor U Vᵀ of W = U S Vᵀ, as `schurkit.engine.polar.polar` finds it.

    W : (hidden, padded hidden).
    room : (4, hidden, padded hidden) work space.
    gradient : begins with that of W, flat.
    """
    n = W.shape[0]
    A, square = room[2], room[3]
    multiply(W, 1, W, A)
    total = 0.0
    for i in range(n):
        for j in range(n):
            total += np.float64(A[i, j]) * np.float64(A[i, j])
    scale = _F(1 / np.sqrt(np.sqrt(total))) if total != 0 else _F(1)
    for i in range(n):
        for j in range(W.shape[1]):
            room[0, i, j] = W[i, j] * scale
    for step in range(len(_COEFFICIENTS)):
        a, b, c = _COEFFICIENTS[step, 0], _COEFFICIENTS[step, 1], _COEFFICIENTS[step, 2]
        now, then = room[step % 2], room[(step + 1) % 2]
        multiply(now, 1, now, A)
        multiply(A, 0, A, square)
        for i in range(n):
            for j in range(n):
                square[i, j] = c * square[i, j] + b * A[i, j]
            square[i, i] += a
        multiply(now, 0, square, then)
    found = room[len(_COEFFICIENTS) % 2]
    for i in range(n):
        for j in range(n):
            gradient[i * n + j] += factor * found[i, j]


@inner
def multiply(left, transposed, right, out):
    """out = left right, or leftᵀ right, of square matrices with padded rows."""
    n, width = left.shape
    row, k = (1, width) if transposed else (width, 1)
    here, there = address(left), address(out)
    for i in range(n):
        for j in range(width):
            out[i, j] = 0
    product(
        n,
        width,
        here,
        row,
        k,
        n,
        address(right),
        width,
        here,
        0,
        0,
        0,
        here,
        0,
        there,
        width,
        there,
        width,
        NONE,
        there,
        0,
    )
