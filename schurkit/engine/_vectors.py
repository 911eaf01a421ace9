"""The processor's vectors: how wide they are, and operations on them written as LLVM code."""

from __future__ import annotations

import platform
from dataclasses import dataclass

import llvmlite.ir as ir

from ._cache import cpu

I64, I32, F32 = ir.IntType(64), ir.IntType(32), ir.FloatType()


@dataclass(frozen=True)
class Shape:
    """Tiles for a kind of processor.

    lanes : floats in a vector.
    rows : for tiles of 1, 2, … groups of 16 columns, the rows of a tall and of a low tile, such
        that
    the accumulators, one row of B and one spread entry of A fit the registers. fused : whether
    multiply-add is one operation.
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
    if machine in (
        "aarch64",
        "arm64",
    ):  # vectors of four floats and fused multiply-add are part of the architecture
        return Shape(4, ((6, 3),), True)
    return Shape(4, ((2, 1),), False)


SHAPE = shape_for(cpu()[1], platform.machine().lower())


class Vectors:
    """Writes one LLVM function of 64-bit integers into a module, unless it is there, with
    operations on vectors of `lanes` floats.
    """

    def __init__(self, module: ir.Module, shape: Shape, lanes: int, name: str, arguments: int):
        self.module, self.shape, self.lanes = module, shape, lanes
        self.vector = ir.VectorType(F32, lanes)
        self.function = module.globals.get(name)
        if self.function is None:
            self.function = ir.Function(
                module, ir.FunctionType(ir.VoidType(), [I64] * arguments), name
            )
            self.function.linkage = "linkonce_odr"
            self.function.attributes.add("noinline")
            self.builder = ir.IRBuilder(self.function.append_basic_block("entry"))
            self.write()

    def write(self):
        """Fill the function."""
        raise NotImplementedError

    def whole(self, value: int):
        """A 64-bit integer constant."""
        return ir.Constant(I64, value)

    def begin_loop(self, *starts):
        """Open a loop whose variables start at these values; returns the variables. The loop runs
        at least once.
        """
        before, body = self.builder.block, self.function.append_basic_block("loop")
        self.builder.branch(body)
        self.builder.position_at_end(body)
        variables = [self.builder.phi(value.type) for value in starts]
        for variable, value in zip(variables, starts):
            variable.add_incoming(value, before)
        return variables

    def end_loop(self, variables, following, again):
        """Close the loop: go round with the following values while `again` holds."""
        first = variables[0].parent
        for variable, value in zip(variables, following):
            variable.add_incoming(value, self.builder.block)
        after = self.function.append_basic_block("after")
        self.builder.cbranch(again, first, after)
        self.builder.position_at_end(after)

    def rows_that_exist(self, rows: int, exist):
        """Numbers of `rows` rows, those that do not exist replaced by the last one that does: they
        are computed twice, alike.
        """
        b, last = self.builder, self.builder.sub(exist, self.whole(1))
        return [
            b.select(b.icmp_signed("<", self.whole(m), last), self.whole(m), last)
            for m in range(rows)
        ]

    def at(self, base, row, stride):
        return self.builder.add(base, self.builder.mul(row, stride))

    def pointer(self, address, vector):
        b = self.builder
        return b.inttoptr(
            b.add(address, ir.Constant(I64, 4 * self.lanes * vector)), self.vector.as_pointer()
        )

    def load(self, address, vector):
        return self.builder.load(self.pointer(address, vector), align=4)

    def store(self, value, address, vector):
        self.builder.store(value, self.pointer(address, vector), align=4)

    def spread(self, scalar):
        b, lanes = self.builder, self.lanes
        one = b.insert_element(ir.Constant(self.vector, ir.Undefined), scalar, ir.Constant(I32, 0))
        return b.shuffle_vector(
            one,
            ir.Constant(self.vector, ir.Undefined),
            ir.Constant(ir.VectorType(I32, lanes), [0] * lanes),
        )

    def constant(self, value: float):
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
