"""Compiled gradients of a network that sees two tokens (`schurkit.engine.tables`): blocks of pairs
stay in the nearest caches throughout.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ._cache import compiled, inner
from ._kernels import add_product, address, product
from ._network import clear
from ._tile import NONE, RELU, TANH, TIMES_RELU_SLOPE, TIMES_TANH_SLOPE

_F = np.float32
_LOG2E, _LN2_HIGH, _LN2_LOW = _F(1.4426950408889634), _F(0.693359375), _F(-2.12194440054690583e-4)
_ROUND, _LEAST = _F(12582912.0), _F(-87.0)
_C2, _C3, _C4, _C5, _C6, _C7 = (
    _F(c)
    for c in (
        5.0000001201e-1,
        1.6666665459e-1,
        4.1665795894e-2,
        8.3334519073e-3,
        1.3981999507e-3,
        1.9875691500e-4,
    )
)


class Tables(NamedTuple):
    """Padded matrices of one network, its tables, and sums of gradients; rows × columns padded to
    multiples of 16, padding zero.

    X, F, A, d_A, d_X, d_F : (token, hidden); W_rec, W_recT, d_W_rec : (hidden, hidden); W_out,
        d_W_out : (output, hidden);
    W_outT : (hidden, output); H, back : (pair, hidden) and Y : (pair, output) of a block;
    scales : (1, output) int32;
    zero : (1, hidden
    or output).
    """

    X: np.ndarray
    F: np.ndarray
    A: np.ndarray
    d_A: np.ndarray
    d_X: np.ndarray
    d_F: np.ndarray
    W_rec: np.ndarray
    W_recT: np.ndarray
    d_W_rec: np.ndarray
    W_out: np.ndarray
    d_W_out: np.ndarray
    W_outT: np.ndarray
    H: np.ndarray
    back: np.ndarray
    Y: np.ndarray
    scales: np.ndarray
    zero: np.ndarray


@compiled
def table_gradients(hidden, outputs, relu, entropy, first, second, target, s):
    """Loss of one network; its gradients are left in d_X (of W_inᵀ), d_W_rec and d_W_out. X, W_rec
    and W_out are filled in before.
    """
    tokens, width = s.X.shape
    act, slope = (RELU, TIMES_RELU_SLOPE) if relu else (TANH, TIMES_TANH_SLOPE)
    transpose(s.W_rec, s.W_recT)
    transpose(s.W_out, s.W_outT)
    for sums in (s.d_A, s.d_X, s.d_W_out):
        clear(sums)
    fire(s.X, s.F, tokens, act)
    multiply(s.F, 0, s.W_recT, s.A, tokens, hidden, s.zero, NONE, s.A)
    block, pairs, loss = s.H.shape[0], len(first), 0.0
    for start in range(0, pairs, block):
        here = min(block, pairs - start)
        for i in range(here):
            add_rows(s.A[first[start + i]], s.X[second[start + i]], s.H[i])
        fire(s.H, s.H, here, act)
        multiply(s.H, 0, s.W_outT, s.Y, here, hidden, s.zero, NONE, s.Y)
        for i in range(here):
            loss += (
                surprise(s.Y[i], outputs, target[start + i], pairs, s.scales)
                if entropy
                else error(s.Y[i], outputs, target[start + i], pairs)
            )
        add_product(
            outputs,
            width,
            address(s.Y),
            1,
            s.Y.shape[1],
            here,
            address(s.H),
            width,
            address(s.d_W_out),
            width,
        )
        multiply(s.Y, 0, s.W_out, s.back, here, outputs, s.zero, slope, s.H)
        for i in range(here):
            add_rows(s.back[i], s.d_A[first[start + i]], s.d_A[first[start + i]])
            add_rows(s.back[i], s.d_X[second[start + i]], s.d_X[second[start + i]])
    multiply(s.d_A, 0, s.W_rec, s.d_F, tokens, hidden, s.zero, slope, s.F)
    for i in range(tokens):
        add_rows(s.d_F[i], s.d_X[i], s.d_X[i])
    multiply(s.d_A, 1, s.F, s.d_W_rec, hidden, tokens, s.zero, NONE, s.F)
    return loss / pairs


@inner
def multiply(A, transposed, B, C, rows, inner_size, zero, mode, E):
    """C = act(A B), or act(Aᵀ B), by tiles."""
    columns, a = B.shape[1], A.shape[1]
    row, k = (1, a) if transposed else (a, 1)
    here = address(A)
    product(
        rows, columns, here, row, k, inner_size, address(B), columns, here, 0, 0, 0, here, 0, address(zero), 0, address(C), columns,
        mode, address(E), E.shape[1],
    )  # fmt: skip


@inner
def fire(states, rates, rows, act):
    """rates = φ(states)."""
    width = states.shape[1]
    here, there = address(states), address(rates)
    product(
        rows,
        width,
        here,
        0,
        0,
        0,
        here,
        0,
        here,
        0,
        0,
        0,
        here,
        0,
        here,
        width,
        there,
        width,
        act,
        here,
        0,
    )


@inner
def transpose(matrix, out):
    for block in range(
        0, matrix.shape[0], 16
    ):  # so that each cache line of the transpose is filled at once
        for j in range(min(matrix.shape[1], out.shape[0])):
            for i in range(block, min(block + 16, matrix.shape[0])):
                out[j, i] = matrix[i, j]


@inner
def add_rows(x, y, out):
    for j in range(len(out)):
        out[j] = x[j] + y[j]


@inner
def error(y, outputs, target, pairs):
    """Turn the outputs of one pair into dLoss/dOutput of the squared error; returns their mean
    square.
    """
    total = 0.0
    for o in range(outputs):
        y[o] -= _F(1) if o == target else _F(0)
        total += np.float64(y[o]) * np.float64(y[o])
        y[o] *= _F(2) / (_F(pairs) * _F(outputs))
    return total / outputs


@inner
def surprise(y, outputs, target, pairs, scales):
    """Turn the outputs of one pair into dLoss/dOutput of the cross-entropy; returns it. NaN where
    an output is NaN or infinite.

    See `schurkit.engine.base.Worker` for why the target's entry is minus the sum of the others.
    """
    columns = len(y)
    for o in range(outputs, columns):
        y[o] = _F(-np.inf)
    lanes = np.empty(16, np.float32)
    for lane in range(16):
        lanes[lane] = y[lane]
    for o in range(16, columns, 16):
        for lane in range(16):
            lanes[lane] = y[o + lane] if y[o + lane] > lanes[lane] else lanes[lane]
    top = lanes[0]
    for lane in range(1, 16):
        top = max(top, lanes[lane])
    right = y[target] - top
    exponentials(y, top, scales)
    powers = scales.view(np.float32)
    for lane in range(16):
        lanes[lane] = 0
    for o in range(columns):
        y[o] *= powers[o]
    for o in range(outputs, columns):
        y[o] = 0
    hit = y[target]
    y[target] = 0
    for o in range(0, columns, 16):
        for lane in range(16):
            lanes[lane] += y[o + lane]
    rest = _F(0)
    for lane in range(16):
        rest += lanes[lane]
    share = _F(1) / ((rest + hit) * _F(pairs))
    for o in range(columns):
        y[o] *= share
    y[target] = -rest * share
    return np.float64(np.log1p(rest + (hit - _F(1))) - right)


@inner
def exponentials(y, top, scales):
    """y · 2^k = exp(y − top) with k left as the bits of 2^k in `scales`: Cephes' polynomial,
    relative error 2e-7; exp(−87) at the least.
    """
    for o in range(len(y)):
        x = y[o] - top
        x = _LEAST if x < _LEAST else x
        k = (x * _LOG2E + _ROUND) - _ROUND
        r = x - k * _LN2_HIGH - k * _LN2_LOW
        p = ((((_C7 * r + _C6) * r + _C5) * r + _C4) * r + _C3) * r + _C2
        y[o] = p * r * r + r + _F(1)
        scales[o] = (np.int32(k) + np.int32(127)) << np.int32(23)
