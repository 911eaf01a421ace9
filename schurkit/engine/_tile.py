"""The one inner loop of the numba engine: a tile of C = act(start + A₂ B₂ + A B), held in vector registers, as LLVM code.

A tile has a few rows and 16, 32, 48 or 64 columns. Rows of B are loaded as vectors, entries of A are spread over a vector, and
each pair is one fused multiply-add. Every entry of C is summed over k in order by one accumulator, so its bits do not depend
on the width of the vectors or on the shape of the tile; only the fallback for processors without fused multiply-add differs.
The activation (or its derivative) is applied before the tile leaves the registers.
"""

from __future__ import annotations

from dataclasses import dataclass

import llvmlite.ir as ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from ._cache import cpu

NONE, TANH, RELU, TIMES_TANH_SLOPE, TIMES_RELU_SLOPE = range(5)
"""What happens to a tile before it is stored: nothing; tanh; relu; times 1 − e²; times (e > 0), with e from another matrix."""

# tanh x = x P(x²)/Q(x²) for |x| ≤ CLAMP, the least largest relative error found for these degrees (see `tests/engine/test_numba.py`).
CLAMP = 7.90531110763549805
P = (4.89352455891786e-03, 6.37261928875436e-04, 1.48572235717979e-05, 5.12229709037114e-08, -8.60467152213735e-11, 2.00018790482477e-13,
     -2.76076847742355e-16)  # fmt: skip
Q = (4.89352518554385e-03, 2.26843463243900e-03, 1.18534705686654e-04, 1.19825839466702e-06)


@dataclass(frozen=True)
class Shape:
    """Tiles for a kind of processor.

    lanes : floats in a vector. rows : by the number of 16-column groups (1 first), rows of a tall and of a low tile, chosen so
    that accumulators, one row of B and one spread entry of A fit the registers. fused : whether multiply-add is one operation.
    """

    lanes: int
    rows: tuple[tuple[int, int], ...]
    fused: bool

    @property
    def arithmetic(self) -> str:
        """What the bits of a result depend on."""
        return "fused multiply-add" if self.fused else "multiply, then add"


def shape_for(features: str, machine: str = "x86_64") -> Shape:
    """The tiles for a processor with these LLVM features ("+avx2,+fma,…")."""
    has = {name[1:] for name in features.split(",") if name.startswith("+")}
    if {"avx512f", "fma"} <= has:
        return Shape(16, ((12, 6), (12, 4), (8, 4), (6, 3)), True)
    if {"avx2", "fma"} <= has:
        return Shape(8, ((6, 3),), True)
    if machine in ("aarch64", "arm64"):  # Advanced SIMD with fused multiply-add is part of the architecture
        return Shape(4, ((6, 3),), True)
    return Shape(4, ((2, 1),), False)


def _machine() -> str:
    import platform

    return platform.machine().lower()


SHAPE = shape_for(cpu()[1], _machine())
GROUPS = len(SHAPE.rows)
"""Largest number of 16-column groups in a tile."""

_I64, _F32 = ir.IntType(64), ir.FloatType()
_ARGUMENTS = ("rows", "A", "A_row", "A_k", "K", "B", "B_k", "A2", "A2_row", "A2_k", "K2", "B2", "B2_k", "start", "start_row", "C", "C_row", "mode", "E", "E_row")  # fmt: skip


@intrinsic
def tile(typingctx, shape, *arguments):
    """tile(shape, *_ARGUMENTS): compute one tile; all addresses and strides in bytes, `shape` = 2 · (groups − 1) + (1 if low)."""
    signature = types.void(*[types.int64] * (1 + len(_ARGUMENTS)))

    def codegen(context, builder, signature, values):
        values = cgutils.unpack_tuple(builder, values[1]) if isinstance(values[-1].type, (ir.LiteralStructType, ir.ArrayType)) else values[1:]
        return context.get_dummy_value()

    return signature, codegen
