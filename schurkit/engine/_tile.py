"""The one inner loop of the numba engine: a tile of C = act(start + A₂ B₂ + A B), held in vector
registers, as LLVM code.

A tile has a few rows and 16, 32, 48 or 64 columns. Rows of B are loaded as vectors, entries of A
are spread over a vector, and each pair is one fused multiply-add. Every entry of C is summed over k
in order by one accumulator, so its bits do not depend on the width of the vectors or on the shape
of the tile; only the fallback for processors without fused multiply-add differs. The activation (or
its derivative) is applied before the tile leaves the registers.
"""

from __future__ import annotations

import llvmlite.ir as ir
from numba import types
from numba.extending import intrinsic

from ._vectors import F32, I32, I64, SHAPE, Shape, Vectors

NONE, TANH, RELU, TIMES_TANH_SLOPE, TIMES_RELU_SLOPE = range(5)
"""What happens to a tile before it is stored: nothing; tanh; relu; times 1 − e²; times (e > 0),
with e from another matrix.
"""
GROUPS = len(SHAPE.rows)
"""Largest number of 16-column groups in a tile."""

_ARGUMENTS = 20


@intrinsic
def tile(
    typingctx,
    shape,
    rows,
    A,
    A_row,
    A_k,
    K,
    B,
    B_k,
    A2,
    A2_row,
    A2_k,
    K2,
    B2,
    B2_k,
    start,
    start_row,
    C,
    C_row,
    mode,
    E,
    E_row,
):
    """Compute one tile of C.

    shape : 2 · (groups of 16 columns − 1), plus 1 for a low tile;
    rows : how many of its rows exist (the others repeat the last).
    A, B, A2, B2, start, C, E : addresses; the others: strides in bytes, K and K2 terms, and mode.
    """
    signature = types.void(*[types.int64] * (1 + _ARGUMENTS))

    def codegen(context, builder, signature, values):
        function = builder.function
        done = function.append_basic_block("tile.done")
        other = function.append_basic_block("tile.other")
        switch = builder.switch(values[0], other)
        for groups in range(1, GROUPS + 1):
            for low in (0, 1):
                block = function.append_basic_block(f"tile.{groups}.{low}")
                switch.add_case(ir.Constant(I64, 2 * (groups - 1) + low), block)
                builder.position_at_end(block)
                builder.call(
                    _Tile(builder.module, SHAPE, groups, SHAPE.rows[groups - 1][low]).function,
                    values[1:],
                )
                builder.branch(done)
        builder.position_at_end(other)
        builder.branch(done)
        builder.position_at_end(done)
        return context.get_dummy_value()

    return signature, codegen


class _Tile(Vectors):
    """The function of one shape of tile."""

    def __init__(self, module: ir.Module, shape: Shape, groups: int, rows: int):
        self.rows, self.vectors = rows, 16 * groups // shape.lanes
        super().__init__(
            module, shape, shape.lanes, f"schurkit_tile_{rows}x{16 * groups}", _ARGUMENTS
        )

    def write(self):
        (
            exist,
            A,
            A_row,
            A_k,
            K,
            B,
            B_k,
            A2,
            A2_row,
            A2_k,
            K2,
            B2,
            B2_k,
            start,
            start_row,
            C,
            C_row,
            mode,
            E,
            E_row,
        ) = self.function.args
        b = self.builder
        row = self.rows_that_exist(self.rows, exist)
        tile = [
            [self.load(self.at(start, r, start_row), v) for v in range(self.vectors)] for r in row
        ]
        tile = self._products(tile, [self.at(A2, r, A2_row) for r in row], A2_k, K2, B2, B2_k)
        tile = self._products(tile, [self.at(A, r, A_row) for r in row], A_k, K, B, B_k)
        for line, r in zip(tile, row):
            for v, value in enumerate(line):
                self.store(value, self.at(C, r, C_row), v)
        done = self.function.append_basic_block("done")
        switch = b.switch(mode, done)
        for number, act in (
            (TANH, self._tanh),
            (RELU, self._relu),
            (TIMES_TANH_SLOPE, self._tanh_slope),
            (TIMES_RELU_SLOPE, self._relu_slope),
        ):
            switch.add_case(
                ir.Constant(I64, number), self._over_rows(act, exist, C, C_row, E, E_row, done)
            )
        b.position_at_end(done)
        b.ret_void()

    def _over_rows(self, act, exist, C, C_row, E, E_row, done):
        """A loop that reads each row of the tile back, applies `act` and stores it; returns its
        first block.

        A loop, because a compiler that sees all rows at once mixes their operations until no
        register is left.
        """
        b = self.builder
        head = self.function.append_basic_block("rows")
        body = self.function.append_basic_block("row")
        b.position_at_end(head)
        b.branch(body)
        b.position_at_end(body)
        row, at, e_at = (b.phi(I64) for _ in range(3))
        vectors = range(self.vectors)
        slopes = (
            [self.load(e_at, v) for v in vectors]
            if act in (self._tanh_slope, self._relu_slope)
            else []
        )
        values = act([self.load(at, v) for v in vectors], slopes)
        for v, value in enumerate(values):
            self.store(value, at, v)
        one = ir.Constant(I64, 1)
        for phi, first, step in ((row, one, one), (at, C, C_row), (e_at, E, E_row)):
            phi.add_incoming(first, head)
            phi.add_incoming(b.add(phi, step), body)
        b.cbranch(b.icmp_signed("<", row, exist), body, done)
        return head

    def _products(self, tile, A_rows, A_k, K, B, B_k):
        """tile + Σ_k A[:, k] B[k, :], summed in order of k."""
        b = self.builder
        before, head, body, after = (
            b.block,
            *(self.function.append_basic_block(name) for name in ("head", "body", "after")),
        )
        zero = ir.Constant(I64, 0)
        b.branch(head)
        b.position_at_end(head)
        k, a_at, b_at = (b.phi(I64) for _ in range(3))
        sums = [[b.phi(self.vector) for _ in line] for line in tile]
        for phi, value in ((k, zero), (a_at, zero), (b_at, B)):
            phi.add_incoming(value, before)
        for line, values in zip(sums, tile):
            for phi, value in zip(line, values):
                phi.add_incoming(value, before)
        b.cbranch(b.icmp_signed("<", k, K), body, after)
        b.position_at_end(body)
        right = [self.load(b_at, v) for v in range(self.vectors)]
        for line, address in zip(sums, A_rows):
            left = self.spread(b.load(b.inttoptr(b.add(address, a_at), F32.as_pointer()), align=4))
            for phi, value in zip(line, right):
                phi.add_incoming(self.multiply_add(left, value, phi), body)
        for phi, step in ((k, ir.Constant(I64, 1)), (a_at, A_k), (b_at, B_k)):
            phi.add_incoming(b.add(phi, step), body)
        b.branch(head)
        b.position_at_end(after)
        return sums

    def _relu(self, xs, _):
        zero = self.constant(0.0)
        return [self.builder.select(self.builder.fcmp_unordered(">", x, zero), x, zero) for x in xs]

    def _relu_slope(self, ds, rates):
        b, one, zero = self.builder, self.constant(1.0), self.constant(0.0)
        return [
            b.fmul(d, b.select(b.fcmp_ordered(">", rate, zero), one, zero))
            for d, rate in zip(ds, rates)
        ]

    def _tanh_slope(self, ds, rates):
        b, one = self.builder, self.constant(1.0)
        return [b.fmul(b.fsub(one, b.fmul(rate, rate)), d) for d, rate in zip(ds, rates)]

    def _tanh(self, xs, _):
        """sign(x) m/(m + 2) with m = e^z − 1, z = 2 min(|x|, 10): odd, NaN for NaN, within 2.3
        units in the last place.

        m = 2ⁿ (e^r − 1) + (2ⁿ − 1) with n = round(z / ln 2), r = z − n ln 2 and a polynomial for
        e^r − 1, all written in r/2. Several vectors go through each operation in turn, so that one
        need not wait for the result of the last.
        """
        b, constant, fma = self.builder, self.constant, self.multiply_add
        words = ir.VectorType(I32, self.lanes)

        def whole(value):
            return ir.Constant(words, [value] * self.lanes)

        bits = [b.bitcast(x, words) for x in xs]
        half = [
            self.least(b.bitcast(b.and_(w, whole(0x7FFFFFFF)), self.vector), constant(10.0))
            for w in bits
        ]
        shifted = [fma(h, constant(2 * LOG2_E), constant(ROUND)) for h in half]
        n = [b.fsub(s, constant(ROUND)) for s in shifted]
        r = half
        for part in (LN2,) if self.shape.fused else LN2_PARTS:
            r = [fma(k, constant(-part / 2), h) for k, h in zip(n, r)]
        q = [fma(h, constant(2**6 * EXPM1[-1] / 2), constant(2**5 * EXPM1[-2] / 2)) for h in r]
        for power, c in ((4, EXPM1[2]), (3, EXPM1[1]), (2, EXPM1[0])):
            q = [fma(y, h, constant(2**power * c / 2)) for y, h in zip(q, r)]
        q = [fma(b.fmul(h, h), y, h) for y, h in zip(q, r)]
        twice = [
            b.bitcast(b.add(b.shl(b.bitcast(s, words), whole(23)), whole(0x40000000)), self.vector)
            for s in shifted
        ]
        m = [fma(t, y, fma(t, constant(0.5), constant(-1.0))) for t, y in zip(twice, q)]
        y = [b.fdiv(v, b.fadd(v, constant(2.0))) for v in m]
        return [
            b.bitcast(b.or_(b.bitcast(v, words), b.and_(w, whole(-0x80000000))), self.vector)
            for v, w in zip(y, bits)
        ]


ROUND = 12582912.0
"""1.5 · 2²³: adding it to a float32 rounds to a whole number, which the low bits of the sum then
hold.
"""
LOG2_E = 1.4426950216293335
LN2, LN2_PARTS = 0.6931471805599453, (0.693145751953125, 1.42860682030941723212e-6)
EXPM1 = (
    0.4999999701976776,
    0.1666654348373413,
    0.04166720062494278,
    0.008366581052541733,
    0.0013882503844797611,
)
"""e^r − 1 = r + r² (c₀ + c₁ r + …) for |r| ≤ ln 2 / 2; the least largest relative error of this
degree, 1.3e-8.
"""
