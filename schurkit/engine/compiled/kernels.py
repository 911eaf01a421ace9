"""Compiled pieces of the numba engine: matrix products by tiles, and the polar factor.

Matrices inside the engine have rows padded to a multiple of 16 floats; the padding holds zeros.
Products read shapes and strides from their arrays, so that one reads trials out of a batch, or a
transpose, without a copy.
"""

from __future__ import annotations

import llvmlite.binding
import numpy as np
from numba import types
from numba.extending import intrinsic

from ..polar import COEFFICIENTS
from .cache import callback, inner
from .tile import GROUPS, NONE, SHAPE, tile

_F = np.float32
_TALL = tuple(tall for tall, _ in SHAPE.rows)
_LOW = tuple(low for _, low in SHAPE.rows)
_POLAR = np.array(COEFFICIENTS, np.float32)


@intrinsic
def _address(typingctx, array):
    """Where the numbers of an array begin, as int64."""

    def codegen(context, builder, signature, values):
        data = context.make_array(signature.args[0])(context, builder, values[0]).data
        return builder.ptrtoint(data, context.get_value_type(types.int64))

    return types.int64(array), codegen


def _product(
    rows,
    columns,
    A,
    A_row,
    A_k,
    K,
    B,
    B_row,
    A2,
    A2_row,
    A2_k,
    K2,
    B2,
    B2_row,
    start,
    start_row,
    C,
    C_row,
    mode,
    E,
    E_row,
):
    """C = act(start + A2 B2 + A B), (rows, columns), columns a multiple of 16; see `.tile`.

    A, B, A2, B2, start, C, E : addresses;
    A_row, A_k, … : distances in bytes;
    K, K2 : inner sizes.
    """
    column = 0
    while column < columns:
        groups = (columns - column) // 16
        if groups > GROUPS:  # five are three and two: a lone one keeps too few accumulators busy
            groups = GROUPS if groups > GROUPS + 1 else (GROUPS + 2) // 2
        tall, low = _TALL[groups - 1], _LOW[groups - 1]
        shift = 4 * column
        row = 0
        while row < rows:
            left = rows - row
            short = 1 if left <= low else 0
            tile(
                2 * (groups - 1) + short, min(left, low if short else tall),
                A + row * A_row, A_row, A_k, K, B + shift, B_row,
                A2 + row * A2_row, A2_row, A2_k, K2, B2 + shift, B2_row,
                start + row * start_row + shift, start_row, C + row * C_row + shift, C_row,
                mode, E + row * E_row + shift, E_row,
            )  # fmt: skip
            row += low if short else tall
        column += 16 * groups


# A function for other compiled functions, by name: numba would else build the tiles again into each
# of them, a second each time.
_signature = types.void(*[types.int64] * 21)
llvmlite.binding.add_symbol("schurkit_product", callback(_product, _signature).address)
_by_name = types.ExternalFunction("schurkit_product", _signature)


@inner
def multiply(A, B, A2, B2, start, C, mode, E):
    """C = act(start + A2 B2 + A B), act as `mode` of `.tile` says.

    A : (rows, …), of which as many columns are read as B has rows, and so for A2 and B2.
    start : (1 or rows, columns), may be C.
    E : (rows, columns), what the slopes are of.
    """
    _by_name(
        C.shape[0], C.shape[1],
        _address(A), A.strides[0], A.strides[1], B.shape[0], _address(B), B.strides[0],
        _address(A2), A2.strides[0], A2.strides[1], B2.shape[0], _address(B2), B2.strides[0],
        _address(start), start.strides[0] if start.shape[0] > 1 else 0, _address(C), C.strides[0],
        mode, _address(E), E.strides[0],
    )  # fmt: skip


@inner
def multiply_one(A, B, start, C, mode, E):
    """C = act(start + A B), see `multiply`."""
    multiply(A, B, A, B[:0], start, C, mode, E)


@inner
def add_product(A, B, C):
    """C += A B."""
    multiply_one(A, B, C, C, NONE, C)


@inner
def add_polar(W, room, factor, gradient):
    """gradient += factor U Vᵀ of W = U S Vᵀ, as `schurkit.engine.polar.polar` computes it.

    W : (hidden, padded hidden).
    room : (4, hidden, padded hidden) work space.
    gradient : begins with that of W, flat.
    """
    n = len(W)
    A, square = room[2], room[3]
    A[:] = 0
    add_product(W.T, W, A)
    total = 0.0
    for i in range(n):
        for j in range(n):
            total += np.float64(A[i, j]) * np.float64(A[i, j])
    scale = _F(1 / np.sqrt(np.sqrt(total))) if total != 0 else _F(1)
    for i in range(n):
        for j in range(W.shape[1]):
            room[0, i, j] = W[i, j] * scale
    for step in range(len(_POLAR)):
        a, b, c = _POLAR[step, 0], _POLAR[step, 1], _POLAR[step, 2]
        now, then = room[step % 2], room[(step + 1) % 2]
        A[:] = 0
        add_product(now.T, now, A)
        square[:] = 0
        add_product(A, A, square)
        for i in range(n):
            for j in range(n):
                square[i, j] = c * square[i, j] + b * A[i, j]
            square[i, i] += a
        then[:] = 0
        add_product(now, square, then)
    factors = room[len(_POLAR) % 2]
    for i in range(n):
        for j in range(n):
            gradient[i * n + j] += factor * factors[i, j]
