"""The one inner loop of the numba engine: a tile of C = act(start + A₂ B₂ + A B), held in vector
registers, as LLVM code.

A tile has a few rows and 16, 32, 48 or 64 columns. Rows of B are loaded as vectors, entries of A
are spread over a vector, and each pair is one fused multiply-add. Every entry of C is summed over k
in order by one accumulator, so its bits do not depend on the width of the vectors or on the shape
of the tile; only the fallback for processors without fused multiply-add differs. The activation (or
its derivative) is applied before the tile leaves the registers.
"""

from __future__ import annotations

import platform
from dataclasses import dataclass
from itertools import chain

import llvmlite.ir as ir
from numba import types
from numba.core.cgutils import unpack_tuple
from numba.extending import intrinsic

from .cache import cpu

I64, I32, F32 = ir.IntType(64), ir.IntType(32), ir.FloatType()


@dataclass(frozen=True)
class Shape:
    """Tiles for a kind of processor.

    lanes : floats in a vector.
    rows : for tiles of 1, 2, … groups of 16 columns, the rows of a tall and of a low tile, such
        that the accumulators, one row of B and one spread entry of A fit the registers.
    fused : whether multiply-add is one operation.
    """

    lanes: int
    rows: tuple[tuple[int, int], ...]
    fused: bool

    @property
    def arithmetic(self) -> str:
        """What the bits of a result depend on."""
        return "fused multiply-add" if self.fused else "multiply, then add"


def shape_for(features: str, machine: str) -> Shape:
    """The tiles for a processor with these LLVM features ("+avx2,+fma,…") of this kind ("x86_64",
    "arm64", …).
    """
    has = {name[1:] for name in features.split(",") if name.startswith("+")}
    if {"avx512f", "fma"} <= has:
        return Shape(16, ((12, 6), (12, 4), (8, 4), (6, 3)), True)
    if {"avx2", "fma"} <= has:
        return Shape(8, ((6, 3),), True)
    if machine in ("aarch64", "arm64"):  # both are part of this architecture
        return Shape(4, ((6, 3),), True)
    return Shape(4, ((2, 1),), False)


SHAPE = shape_for(cpu()[1], platform.machine().lower())

NONE, TANH, RELU, TIMES_TANH_SLOPE, TIMES_RELU_SLOPE = range(5)
"""What happens to a tile before it is stored: nothing; tanh; relu; times 1 − e²; times (e > 0),
with e from another matrix.
"""
GROUPS = len(SHAPE.rows)
"""Largest number of 16-column groups in a tile."""

_ARGUMENTS = 20


@intrinsic
def tile(typingctx, shape, *others):
    """Compute one tile of C, from the following in this order.

    shape : 2 · (groups of 16 columns − 1), plus 1 for a low tile;
    rows : how many of its rows exist (the others repeat the last).
    A, A_row, A_k, K, B, B_k, A2, A2_row, A2_k, K2, B2, B2_k, start, start_row, C, C_row, mode, E,
    E_row, where
    A, B, A2, B2, start, C, E : addresses; the others: strides in bytes, K and K2 terms, and mode.
    """
    signature = types.void(types.int64, types.UniTuple(types.int64, _ARGUMENTS))

    def codegen(context, builder, signature, values):
        function = builder.function
        done = function.append_basic_block("tile.done")
        shape, others = values[0], unpack_tuple(builder, values[1])
        switch = builder.switch(shape, done)
        for number in range(2 * GROUPS):
            groups, rows = number // 2 + 1, SHAPE.rows[number // 2][number % 2]
            block = function.append_basic_block(f"tile.{number}")
            switch.add_case(ir.Constant(I64, number), block)
            builder.position_at_end(block)
            builder.call(_Tile(builder.module, SHAPE, groups, rows).function, others)
            builder.branch(done)
        builder.position_at_end(done)
        return context.get_dummy_value()

    return signature, codegen


class _Tile:
    """The function of one shape of tile, written into a module unless it is there."""

    def __init__(self, module, shape, groups, rows):
        self.module, self.shape, self.lanes = module, shape, shape.lanes
        self.rows, self.vectors = rows, 16 * groups // shape.lanes
        self.vector = ir.VectorType(F32, self.lanes)
        name = f"schurkit_tile_{rows}x{16 * groups}"
        self.function = module.globals.get(name)
        if self.function is None:
            kind = ir.FunctionType(ir.VoidType(), [I64] * _ARGUMENTS)
            self.function = ir.Function(module, kind, name)
            self.function.linkage = "linkonce_odr"
            self.function.attributes.add("noinline")
            self.builder = ir.IRBuilder(self.function.append_basic_block("entry"))
            self.write()

    def write(self):
        exist, *products, start, start_row, C, C_row, mode, E, E_row = self.function.args
        b = self.builder
        last = b.sub(exist, self.whole(1))  # rows behind it are computed as it is, and stored there
        row = [
            b.select(b.icmp_signed("<", self.whole(m), last), self.whole(m), last)
            for m in range(self.rows)
        ]
        tile = [
            [self.load(self.at(start, r, start_row), v) for v in range(self.vectors)] for r in row
        ]
        for A, A_row, *terms in (products[6:], products[:6]):
            tile = self._products(tile, [self.at(A, r, A_row) for r in row], *terms)
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
            block = self._over_rows(act, exist, C, C_row, E, E_row, done)
            switch.add_case(self.whole(number), block)
        b.position_at_end(done)
        b.ret_void()

    def _over_rows(self, act, exist, C, C_row, E, E_row, done):
        """A loop that reads each row of the tile back, applies `act` and stores it; returns its
        first block.

        A loop, because a compiler that sees all rows at once mixes their operations until no
        register is left.
        """
        b = self.builder
        begin = self.function.append_basic_block("rows")
        b.position_at_end(begin)
        slopes = act in (self._tanh_slope, self._relu_slope)

        def row(at, e_at):
            vectors = range(self.vectors)
            others = [self.load(e_at, v) for v in vectors] if slopes else []
            for v, value in enumerate(act([self.load(at, v) for v in vectors], others)):
                self.store(value, at, v)
            return b.add(at, C_row), b.add(e_at, E_row)

        self._loop(exist, (C, E), row)
        b.branch(done)
        return begin

    def _products(self, tile, A_rows, A_k, K, B, B_k):
        """tile + Σ_k A[:, k] B[k, :], summed in order of k."""
        b = self.builder

        def term(a_at, b_at, *sums):
            right = [self.load(b_at, v) for v in range(self.vectors)]
            following, sums = [b.add(a_at, A_k), b.add(b_at, B_k)], iter(sums)
            for row in A_rows:
                place = b.inttoptr(b.add(row, a_at), F32.as_pointer())
                left = self.spread(b.load(place, align=4))
                following += [self.multiply_add(left, value, next(sums)) for value in right]
            return following

        _, _, *sums = self._loop(K, (self.whole(0), B, *chain(*tile)), term)
        return [sums[i : i + self.vectors] for i in range(0, len(sums), self.vectors)]

    def _loop(self, count, variables, body):
        """Have `count` times variables = body(*variables); returns what they are in the end."""
        b = self.builder
        before, names = b.block, ("head", "inside", "after")
        head, inside, after = map(self.function.append_basic_block, names)
        b.branch(head)
        b.position_at_end(head)
        variables = self.whole(0), *variables
        k, *values = phis = [b.phi(value.type) for value in variables]
        for phi, value in zip(phis, variables):
            phi.add_incoming(value, before)
        b.cbranch(b.icmp_signed("<", k, count), inside, after)
        b.position_at_end(inside)
        for phi, value in zip(phis, (b.add(k, self.whole(1)), *body(*values))):
            phi.add_incoming(value, b.block)
        b.branch(head)
        b.position_at_end(after)
        return values

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

        def word(value):
            return ir.Constant(words, [value] * self.lanes)

        bits = [b.bitcast(x, words) for x in xs]
        half = [
            self.least(b.bitcast(b.and_(w, word(0x7FFFFFFF)), self.vector), constant(10.0))
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
            b.bitcast(b.add(b.shl(b.bitcast(s, words), word(23)), word(0x40000000)), self.vector)
            for s in shifted
        ]
        m = [fma(t, y, fma(t, constant(0.5), constant(-1.0))) for t, y in zip(twice, q)]
        y = [b.fdiv(v, b.fadd(v, constant(2.0))) for v in m]
        return [
            b.bitcast(b.or_(b.bitcast(v, words), b.and_(w, word(-0x80000000))), self.vector)
            for v, w in zip(y, bits)
        ]

    def whole(self, value):
        """A 64-bit integer constant."""
        return ir.Constant(I64, value)

    def at(self, base, row, stride):
        return self.builder.add(base, self.builder.mul(row, stride))

    def pointer(self, address, vector):
        b = self.builder
        return b.inttoptr(
            b.add(address, self.whole(4 * self.lanes * vector)), self.vector.as_pointer()
        )

    def load(self, address, vector):
        return self.builder.load(self.pointer(address, vector), align=4)

    def store(self, value, address, vector):
        self.builder.store(value, self.pointer(address, vector), align=4)

    def spread(self, scalar):
        b, lanes = self.builder, self.lanes
        nothing = ir.Constant(self.vector, ir.Undefined)
        one = b.insert_element(nothing, scalar, ir.Constant(I32, 0))
        return b.shuffle_vector(one, nothing, ir.Constant(ir.VectorType(I32, lanes), [0] * lanes))

    def constant(self, value):
        return ir.Constant(self.vector, [value] * self.lanes)

    def multiply_add(self, x, y, z):
        b = self.builder
        if not self.shape.fused:
            return b.fadd(b.fmul(x, y), z)
        name = f"llvm.fma.v{self.lanes}f32"
        fma = self.module.globals.get(name) or ir.Function(
            self.module, ir.FunctionType(self.vector, [self.vector] * 3), name
        )
        return b.call(fma, [x, y, z])

    def least(self, x, bound):
        """The smaller of both; NaN where x is NaN (an ordered comparison would hide it)."""
        return self.builder.select(self.builder.fcmp_unordered("<", x, bound), x, bound)


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
