"""The one inner loop of the numba engine: a tile of C = start + A₂ B₂ + A B, held in vector
registers, as LLVM code.

A tile has a few rows and 16, 32, 48 or 64 columns. Rows of B are loaded as vectors, entries of A
are spread over a vector, and each pair is one fused multiply-add. Every entry of C is summed over k
in order by one accumulator, so its bits do not depend on the width of the vectors or on the shape
of the tile; only the fallback for processors without fused multiply-add differs.
"""

from __future__ import annotations

import platform
from dataclasses import dataclass

import llvmlite.ir as ir
from numba import types
from numba.core.cgutils import alloca_once_value, for_range, unpack_tuple
from numba.extending import intrinsic

from .cache import CPU

I64, F32 = ir.IntType(64), ir.FloatType()


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


SHAPE = shape_for(CPU[1], platform.machine().lower())

GROUPS = len(SHAPE.rows)
"""Largest number of 16-column groups in a tile."""

_ARGUMENTS = 17


def _multiply_add(b, x, y, z):
    """x y + z of floats, or of vectors of them."""
    if not SHAPE.fused:
        return b.fadd(b.fmul(x, y), z)
    lanes = getattr(x.type, "count", None)
    name = f"llvm.fma.v{lanes}f32" if lanes else "llvm.fma.f32"
    fma = b.module.globals.get(name) or ir.Function(
        b.module, ir.FunctionType(x.type, [x.type] * 3), name
    )
    return b.call(fma, [x, y, z])


@intrinsic
def multiply_add(typingctx, x, y, z):
    """x y + z of three numbers, as in a tile."""

    def codegen(context, builder, signature, values):
        return _multiply_add(builder, *values)

    return types.float32(*[types.float32] * 3), codegen


@intrinsic
def tile(typingctx, shape, *others):
    """Compute one tile of C, from the following in this order.

    shape : 2 · (groups of 16 columns − 1), plus 1 for a low tile;
    rows : how many of its rows exist (the others repeat the last).
    A, A_row, A_k, K, B, B_k, A2, A2_row, A2_k, K2, B2, B2_k, start, start_row, C, C_row, where
    A, B, A2, B2, start, C : addresses; the others: strides in bytes, K and K2 terms.
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
            switch.add_case(I64(number), block)
            builder.position_at_end(block)
            builder.call(_tile(builder.module, groups, rows), others)
            builder.branch(done)
        builder.position_at_end(done)
        return context.get_dummy_value()

    return signature, codegen


def _tile(module, groups, rows):
    """The function of one shape of tile, written into a module unless it is there."""
    name = f"schurkit_tile_{rows}x{16 * groups}"
    if name in module.globals:
        return module.globals[name]
    function = ir.Function(module, ir.FunctionType(ir.VoidType(), [I64] * _ARGUMENTS), name)
    function.linkage = "linkonce_odr"
    function.attributes.add("noinline")
    exist, *products, start, start_row, C, C_row = function.args
    b = ir.IRBuilder(function.append_basic_block("entry"))
    vector, vectors = ir.VectorType(F32, SHAPE.lanes), range(16 * groups // SHAPE.lanes)

    def place(base, row, stride, v=0, kind=vector):
        at = b.add(b.add(base, b.mul(row, stride)), I64(4 * SHAPE.lanes * v))
        return b.inttoptr(at, kind.as_pointer())

    def spread(number):
        nothing, words = vector(ir.Undefined), ir.VectorType(ir.IntType(32), SHAPE.lanes)
        one = b.insert_element(nothing, number, I64(0))
        return b.shuffle_vector(one, nothing, words([0] * SHAPE.lanes))

    last = b.sub(exist, I64(1))  # rows behind it are computed as it is, and stored there
    lines = [b.select(b.icmp_signed("<", I64(m), last), I64(m), last) for m in range(rows)]
    sums = [  # variables that become registers
        [alloca_once_value(b, b.load(place(start, m, start_row, v), align=4)) for v in vectors]
        for m in lines
    ]
    for A, A_row, A_k, K, B, B_k in (products[6:], products[:6]):
        A_lines = [b.add(A, b.mul(m, A_row)) for m in lines]
        with for_range(b, K) as loop:  # Σ_k A[:, k] B[k, :], in order of k
            right = [b.load(place(B, loop.index, B_k, v), align=4) for v in vectors]
            for line, own in zip(A_lines, sums):
                left = spread(b.load(place(line, loop.index, A_k, kind=F32), align=4))
                for value, total in zip(right, own):
                    b.store(_multiply_add(b, left, value, b.load(total)), total)
    for m, own in zip(lines, sums):
        for v, total in zip(vectors, own):
            b.store(b.load(total), place(C, m, C_row, v), align=4)
    b.ret_void()
    return function
