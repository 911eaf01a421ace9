"""Compiled pieces of the numba engine: matrix products by tiles, copies into padded layouts, norms
and Adam.

Matrices inside the engine have rows padded to a multiple of 16 floats; the padding holds zeros.
Products take addresses and strides (in floats), because one product reads trials out of a batch,
transposed, without a copy.
"""

from __future__ import annotations

import llvmlite.binding
from numba import types
from numba.extending import intrinsic

from ._cache import callback, inner
from ._dots import dots
from ._tile import GROUPS, tile
from ._vectors import SHAPE

_TALL = tuple(tall for tall, _ in SHAPE.rows)
_LOW = tuple(low for _, low in SHAPE.rows)


@intrinsic
def address(typingctx, array):
    """Where the numbers of a C-ordered array begin, as int64."""

    def codegen(context, builder, signature, values):
        data = context.make_array(signature.args[0])(context, builder, values[0]).data
        return builder.ptrtoint(data, context.get_value_type(types.int64))

    return types.int64(array), codegen


def _by_name(name, function, arguments):
    """A function for other compiled functions, by name: numba would else build the tiles again into
    each of them, a second each time.
    """
    signature = types.void(*[types.int64] * arguments)
    made = callback(signature)(function)
    llvmlite.binding.add_symbol(name, made.address)
    return types.ExternalFunction(name, signature)


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
    """C = act(start + A2 B2 + A B), (rows, columns), columns a multiple of 16; see
    `schurkit.engine._tile`.

    A, B, A2, B2, start, C, E : addresses of float32 numbers; A_row, A_k, … : distances in numbers;
        K, K2 : inner sizes.
    start_row = 0 adds one row to all; start may be C itself.
    """
    column = 0
    while column < columns:
        groups = (columns - column) // 16
        if (
            groups > GROUPS
        ):  # five groups are three and two: a lone group keeps too few accumulators busy
            groups = GROUPS if groups > GROUPS + 1 else (GROUPS + 2) // 2
        tall, low = _TALL[groups - 1], _LOW[groups - 1]
        shift = 4 * column
        row = 0
        while row < rows:
            left = rows - row
            short = 1 if left <= low else 0
            tile(
                2 * (groups - 1) + short, min(left, low if short else tall),
                A + 4 * row * A_row, 4 * A_row, 4 * A_k, K, B + shift, 4 * B_row,
                A2 + 4 * row * A2_row, 4 * A2_row, 4 * A2_k, K2, B2 + shift, 4 * B2_row,
                start + 4 * row * start_row + shift, 4 * start_row, C + 4 * row * C_row + shift, 4 * C_row,
                mode, E + 4 * row * E_row + shift, 4 * E_row,
            )  # fmt: skip
            row += low if short else tall
        column += 16 * groups


product = _by_name("schurkit_product", _product, 21)


def _few_products(rows, H, H_row, K, W, W_row, outputs, start, Y, Y_row):
    """Y = start + W H, (outputs, rows), for few outputs; see `schurkit.engine._dots`.

    H : (rows, K), W : (outputs, K), start : (outputs,), as for `product`; K is a multiple of 16,
        and so is the room in a row of Y.
    """
    for output in range(outputs):
        for row in range(0, rows, 16):
            there = Y + 4 * (output * Y_row + row)
            dots(
                min(rows - row, 16),
                H + 4 * row * H_row,
                4 * H_row,
                K // 16,
                W + 4 * output * W_row,
                start + 4 * output,
                there,
            )


few_products = _by_name("schurkit_few_products", _few_products, 10)


@inner
def add_product(rows, columns, A, A_row, A_k, K, B, B_row, C, C_row):
    """C += A B, with arguments as for `product`."""
    product(
        rows, columns, A, A_row, A_k, K, B, B_row, A, 0, 0, 0, B, 0, C, C_row, C, C_row, 0, C, 0
    )
