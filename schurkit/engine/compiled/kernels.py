"""Compiled pieces of the numba engine: matrix products by tiles, activations, the polar factor.

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
from .tile import GROUPS, SHAPE, multiply_add, tile

_F = np.float32
_TALL = tuple(tall for tall, _ in SHAPE.rows)
_LOW = tuple(low for _, low in SHAPE.rows)
_ROUND = _F(12582912.0)
"""1.5 · 2²³: adding it to a float32 rounds to a whole number, which the low bits of the sum then
hold.
"""
_TWICE_LOG2_E = _F(2 * 1.4426950216293335)
_LN2 = (0.6931471805599453, 0) if SHAPE.fused else (0.693145751953125, 1.42860682030941723212e-6)
_LN2 = _F(-_LN2[0] / 2), _F(-_LN2[1] / 2)
_EXPM1 = (
    _F(2 * 0.4999999701976776),
    _F(4 * 0.1666654348373413),
    _F(8 * 0.04166720062494278),
    _F(16 * 0.008366581052541733),
    _F(32 * 0.0013882503844797611),
)
"""e^r − 1 = r + r² (c₀ + c₁ r + …) for |r| ≤ ln 2 / 2, in powers of r/2; the least largest relative
error of this degree, 1.3e-8.
"""
_TEN, _SIGN = _F(10), np.int32(-(2**31))
_POLAR = np.array(COEFFICIENTS, np.float32)


@intrinsic
def _address(typingctx, array):
    """Where the numbers of an array begin, as int64."""

    def codegen(context, builder, signature, values):
        data = context.make_array(signature.args[0])(context, builder, values[0]).data
        return builder.ptrtoint(data, context.get_value_type(types.int64))

    return types.int64(array), codegen


def _product(
    rows, columns, A, A_row, A_k, K, B, B_row, A2, A2_row, A2_k, K2, B2, B2_row,
    start, start_row, C, C_row,
):  # fmt: skip
    """C = start + A2 B2 + A B, (rows, columns), columns a multiple of 16; see `.tile`.

    A, B, A2, B2, start, C : addresses;
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
            )  # fmt: skip
            row += low if short else tall
        column += 16 * groups


# A function for other compiled functions, by name: numba would else build the tiles again into each
# of them, a second each time.
_signature = types.void(*[types.int64] * 18)
llvmlite.binding.add_symbol("schurkit_product", callback(_product, _signature).address)
_by_name = types.ExternalFunction("schurkit_product", _signature)


@inner
def multiply(A, B, A2, B2, start, C):
    """C = start + A2 B2 + A B.

    A : (rows, …), of which as many columns are read as B has rows, and so for A2 and B2.
    start : (1 or rows, columns), may be C.
    """
    _by_name(
        C.shape[0], C.shape[1],
        _address(A), A.strides[0], A.strides[1], B.shape[0], _address(B), B.strides[0],
        _address(A2), A2.strides[0], A2.strides[1], B2.shape[0], _address(B2), B2.strides[0],
        _address(start), start.strides[0] if start.shape[0] > 1 else 0, _address(C), C.strides[0],
    )  # fmt: skip


@inner
def multiply_one(A, B, start, C):
    """C = start + A B, see `multiply`."""
    multiply(A, B, A, B[:0], start, C)


@inner
def add_product(A, B, C):
    """C += A B."""
    multiply_one(A, B, C, C)


@inner
def tanh(x):
    """sign(x) m/(m + 2) with m = e^z − 1, z = 2 min(|x|, 10): odd, NaN for NaN, within 2.3 units in
    the last place.

    m = 2ⁿ (e^r − 1) + (2ⁿ − 1) with n = round(z / ln 2), r = z − n ln 2 and a polynomial for e^r −
    1, all written in r/2.
    """
    half = np.abs(x)
    half = _TEN if half > _TEN else half
    shifted = multiply_add(half, _TWICE_LOG2_E, _ROUND)
    n = shifted - _ROUND
    r = multiply_add(n, _LN2[1], multiply_add(n, _LN2[0], half))
    q = multiply_add(r, _EXPM1[4], _EXPM1[3])
    q = multiply_add(q, r, _EXPM1[2])
    q = multiply_add(q, r, _EXPM1[1])
    q = multiply_add(q, r, _EXPM1[0])
    q = multiply_add(r * r, q, r)
    power = np.int32((np.float32(shifted).view(np.int32) << 23) + 0x40000000).view(np.float32)
    m = multiply_add(power, q, multiply_add(power, _F(0.5), _F(-1)))
    y = np.float32(m / (m + _F(2))).view(np.int32)
    return np.int32(y | (np.float32(x).view(np.int32) & _SIGN)).view(np.float32)


@inner
def activate(relu, matrix):
    """φ of a matrix, in place: tanh, or relu; NaN stays NaN."""
    for i in range(matrix.shape[0]):
        for j in range(matrix.shape[1]):
            x = matrix[i, j]
            if relu:
                matrix[i, j] = _F(0) if x <= 0 else x
            else:
                matrix[i, j] = tanh(x)


@inner
def times_slope(relu, rates, d):
    """d ← φ′ d of matrices, φ′ in terms of φ."""
    for i in range(d.shape[0]):
        for j in range(d.shape[1]):
            if relu:
                d[i, j] *= _F(rates[i, j] > 0)
            else:
                d[i, j] *= _F(1) - rates[i, j] * rates[i, j]


@inner
def add_polar(W, room, factor, gradient):
    """gradient += factor U Vᵀ of W = U S Vᵀ, as `schurkit.engine.polar.polar` computes it.

    W : (hidden, padded hidden).
    room : (4, hidden, padded hidden) work space.
    gradient : that of W.
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
            gradient[i, j] += factor * factors[i, j]
