"""The readout of few outputs: Y = start + W H for rows of W and of H that lie along the sum, as
LLVM code.

A tile would compute 16 outputs where a network may have one. Here the sum over units runs along the
vectors, 16 partial sums a trial, and the partial sums of 16 trials are added up by halves in one
tree: in an order that no vector width changes.
"""

from __future__ import annotations

import llvmlite.ir as ir
from numba import types
from numba.extending import intrinsic

from ._vectors import F32, I32, SHAPE, Shape, Vectors

_ARGUMENTS = 7


@intrinsic
def dots(typingctx, exist, H, H_row, groups, W, start, Y):
    """Y[i] = start + Σ_k W[k] H[i, k] for one output and 16 trials i, of which `exist` exist (the
    others repeat the last).

    H, W, Y : addresses;
    start : address of the one number; H_row : bytes between trials;
    groups : number of k, in sixteens.
    """
    signature = types.void(*[types.int64] * _ARGUMENTS)

    def codegen(context, builder, signature, values):
        builder.call(_Dots(builder.module, SHAPE).function, values)
        return context.get_dummy_value()

    return signature, codegen


class _Dots(Vectors):
    """The function; always on vectors of 16 floats, which a processor with narrower ones holds in
    several.
    """

    def __init__(self, module: ir.Module, shape: Shape):
        self.together = 8 if shape.lanes == 16 else 4  # trials whose sums fit the registers
        super().__init__(module, shape, 16, "schurkit_dots", _ARGUMENTS)

    def write(self):
        exist, H, H_row, groups, W, start, Y = self.function.args
        b = self.builder
        rows = [self.at(H, row, H_row) for row in self.rows_that_exist(16, exist)]
        halves = []
        for first in range(0, 16, self.together):
            sums = self._sums(rows[first : first + self.together], groups, W)
            width = 16
            while len(sums) > 1:
                width //= 2
                sums = [self._joined(x, y, width) for x, y in zip(sums[::2], sums[1::2])]
            halves += sums
        while len(halves) > 1:
            width //= 2
            halves = [self._joined(x, y, width) for x, y in zip(halves[::2], halves[1::2])]
        number = b.load(b.inttoptr(start, F32.as_pointer()), align=4)
        self.store(b.fadd(halves[0], self.spread(number)), Y, 0)
        b.ret_void()

    def _sums(self, rows, groups, W):
        """16 partial sums for each of some trials."""
        b, step = self.builder, self.whole(64)
        zero = self.constant(0.0)
        done, at, *sums = variables = self.begin_loop(
            self.whole(1), self.whole(0), *[zero] * len(rows)
        )
        weights = self.load(b.add(W, at), 0)
        following = [
            self.multiply_add(self.load(b.add(row, at), 0), weights, total)
            for row, total in zip(rows, sums)
        ]
        self.end_loop(
            variables,
            [b.add(done, self.whole(1)), b.add(at, step), *following],
            b.icmp_signed("<", done, groups),
        )
        return following

    def _joined(self, x, y, width):
        """Halve the stretches of 2 · width partial sums in x and in y, each x's before y's: lane i
        ends as the sum of trial i.
        """
        lanes = [source + start for source in (0, 16) for start in range(0, 16, 2 * width)]
        lower, upper = (
            [lane + shift + i for lane in lanes for i in range(width)] for shift in (0, width)
        )
        b, kind = self.builder, ir.VectorType(I32, 16)
        return b.fadd(
            b.shuffle_vector(x, y, ir.Constant(kind, lower)),
            b.shuffle_vector(x, y, ir.Constant(kind, upper)),
        )
