"""Real Schur forms from LAPACK, and moving their blocks: the numerical half of
`schurkit.schur.form`.

Sources: LAPACK dgees, dtrexc and dlaexc; Z. Bai and J. W. Demmel, Linear Algebra Appl. 186 (1993),
on swapping blocks.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from scipy.linalg.blas import dgemm
from scipy.linalg.lapack import dgees, dtrexc

from schurkit.checks import read_only

EPS = np.finfo(np.float64).eps
# rows; a window and its rotation (260 kB) stay in the second-level cache. Measured: 64 to 192 are
# alike, 32 and none are slower
WINDOW = 128
TIE = 1e-9  # of the radius: ties are never wider
# one pass sorts; more are needed only where moving a block shifts the moduli of ill-conditioned
# neighbours
MAX_PASSES = 30


class Block(NamedTuple):
    """One diagonal block of T: first row, size (1, or 2 for a complex pair), modulus that orders it
    (see `real_schur`).
    """

    start: int
    size: int
    modulus: float


# ----------------------------------------------------------------------------------------- numbers
def scaled_down(matrix: np.ndarray) -> tuple[np.ndarray, int]:
    """A Fortran-ordered copy with entries below 1 and the power of two that restores it: exact, and
    squares neither overflow nor vanish.
    """
    exponent = math.frexp(max(matrix.max(), -matrix.min()))[1]
    return times_power(matrix, -exponent, order="F"), exponent


def times_power(matrix: np.ndarray, exponent: int, **how) -> np.ndarray:
    """matrix · 2**exponent; a product where the power is a normal number, because it is rounded
    alike and ldexp is slow.
    """
    return (
        np.multiply(matrix, 2.0**exponent, **how)
        if -1022 <= exponent <= 1023
        else np.ldexp(matrix, exponent, **how)
    )


def norm_of(scaled: np.ndarray, exponent: int) -> float:
    with np.errstate(over="ignore"):
        return float(np.ldexp(math.sqrt(np.square(scaled).sum()), exponent))


def frobenius(matrix: np.ndarray) -> float:
    return norm_of(*scaled_down(matrix))


def block_rows(T: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """First row of each block, size of each block, first rows of the 2x2 blocks."""
    below = T.diagonal(-1) != 0
    first = np.ones(len(T) + 1, dtype=bool)
    np.logical_not(below, out=first[1:-1])
    starts = first[:-1].nonzero()[0]
    return starts, 2 - first[starts + 1], below.nonzero()[0]


def block_eigenvalues(T: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Real part, imaginary part (≥ 0) and size of each block."""
    starts, sizes, pairs = block_rows(T)
    imaginary = np.zeros(len(T))
    # Two roots, not the root of a product: the off-diagonal entries may lie hundreds of orders of
    # magnitude apart.
    above, below = (np.sqrt(np.abs(T.diagonal(k)[pairs])) for k in (1, -1))
    imaginary[pairs] = above * below
    return T.diagonal()[starts], imaginary[starts], sizes


def moduli_of(T: np.ndarray, exponent: int) -> np.ndarray:
    """Modulus of the eigenvalues of each block of T · 2**exponent."""
    real, imaginary, _ = block_eigenvalues(T)
    return np.hypot(times_power(real, exponent), times_power(imaginary, exponent))


def tie_tolerance(norm: float, radius: float) -> float:
    # Moduli are known to about eps times the norm. Where the norm is far above the radius (strongly
    # nonnormal), order is still kept to 1e-9 of it.
    return min(8 * EPS * norm, TIE * radius)


def late_blocks(moduli: np.ndarray, tie: float) -> np.ndarray:
    """Which blocks stand before a larger one."""
    return np.maximum.accumulate(moduli[::-1])[::-1] - moduli > tie


def departure_of(T: np.ndarray) -> float:
    *_, pairs = block_rows(T)
    rest = np.triu(T, 1)
    rest[pairs, pairs + 1] += T[pairs + 1, pairs]
    return frobenius(rest)


def cut_modulus(radius, threshold, step):
    return float(threshold**step * radius)


def cut_of(
    blocks: tuple[Block, ...], threshold: float, norm: float, step: float
) -> tuple[int, list[int]]:
    """Row of the first block below the threshold, and the rows of later blocks that are not (an
    order by modulus has none); `step` as in `mean_step`.
    """
    radius = max(block.modulus for block in blocks)
    least = cut_modulus(radius, threshold, step) - tie_tolerance(norm, radius)
    n_leading = next(
        (block.start for block in blocks if block.modulus < least),
        blocks[-1].start + blocks[-1].size,
    )
    return n_leading, [
        block.start for block in blocks if block.start > n_leading and block.modulus >= least
    ]


# ------------------------------------------------------------------------------------------ LAPACK
def lapack_schur(W_scaled: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """T and Q, Fortran-ordered, as from scipy.linalg.schur, whose checks and question for the size
    of the work space cost as much as small forms.
    """
    T, _, _, _, Q, _, info = dgees(
        _unsorted, W_scaled, lwork=_work_space(len(W_scaled)), overwrite_a=1
    )
    if info:
        raise np.linalg.LinAlgError(
            f"LAPACK dgees did not converge (info {info}): the matrix may be ill-conditioned."
        )
    return T, Q


def _unsorted(real, imaginary=0.0):
    return False


@lru_cache(maxsize=64)
def _work_space(size):
    """The size of work space that dgees prefers."""
    return int(dgees(_unsorted, np.zeros((size, size)), lwork=-1)[-2][0])


def move_block(T: np.ndarray, Q: np.ndarray, source: int, target: int) -> bool:
    """Move the block at row `source` to row `target` of the Fortran-ordered T and Q, in place;
    False if LAPACK refuses part of the way.
    """
    *_, info = dtrexc(T, Q, source + 1, target + 1, overwrite_a=1, overwrite_q=1)
    return info == 0


def order_blocks(T: np.ndarray, Q: np.ndarray, exponent: int, norm: float) -> tuple[str, ...]:
    """Order the blocks of a form of that norm in place; returns the moves that LAPACK refused."""
    tie = tie_tolerance(norm, float(moduli_of(T, exponent).max()))
    sort_in_windows(T, Q, exponent, tie)
    return sort_blocks(T, Q, exponent, tie)


def sort_blocks(T: np.ndarray, Q: np.ndarray, exponent: int, tie: float) -> tuple[str, ...]:
    """Order the blocks in place by nonincreasing modulus; returns the moves that LAPACK still
    refused in the last pass.
    """
    subdiagonal, refused = T.diagonal(-1), []
    for _ in range(MAX_PASSES):
        found = moduli_of(T, exponent)
        late = late_blocks(found, tie)
        if not late.any():
            return ()
        # What stands where it should, in front, is left alone.
        sizes, moduli, refused = block_rows(T)[1].tolist(), found.tolist(), []
        begin = int(late.argmax())
        row, n_pairs = sum(sizes[:begin]), np.count_nonzero(subdiagonal)
        del moduli[:begin], sizes[:begin]
        while moduli:  # the blocks from `row` on
            least, first = max(moduli) - tie, 0
            while moduli[first] < least:
                first += 1
            if first:
                source = row + sum(sizes[:first])
                done = move_block(T, Q, source, row)
                if not done:
                    refused.append(
                        f"LAPACK dtrexc refused to bring the block at row {source} (modulus "
                        f"{moduli[first]:.6g}) to row {row}"
                    )
                if not done or np.count_nonzero(subdiagonal) != n_pairs:
                    # Part of the way only, or a pair split into two real eigenvalues: what stands
                    # behind the block now at `row` is read afresh.
                    row += 2 if row + 1 < len(T) and T[row + 1, row] != 0 else 1
                    rest, n_pairs, moduli = T[row:, row:], np.count_nonzero(subdiagonal), []
                    if len(rest):
                        moduli = moduli_of(rest, exponent).tolist()
                        sizes = block_rows(rest)[1].tolist()
                    continue
            moduli.pop(first)
            row += sizes.pop(first)
    return tuple(refused) or (f"the moduli would not settle within {MAX_PASSES} passes",)


def sort_in_windows(T: np.ndarray, Q: np.ndarray, exponent: int, tie: float) -> None:
    """Sort most of a large T in place: each swap touches a small window only, and what is beside
    the window follows by one matrix product.

    Windows overlap by half and sweep upwards, so that each sweep brings the largest moduli one half
    window further: a bubble sort of half windows.
    """
    half = WINDOW // 2
    if len(T) <= WINDOW + half:
        return
    for goal in range(0, len(T) - half, half):
        swept = False
        for top in range((len(T) - half - 1) // half * half, goal - 1, -half):
            # A window must not cut through a pair.
            top, end = (
                k + 1 if 0 < k < len(T) and T[k, k - 1] != 0 else k
                for k in (top, min(top + WINDOW, len(T)))
            )
            window = np.array(T[top:end, top:end], order="F")
            if not late_blocks(moduli_of(window, exponent), tie).any():
                continue
            turn = np.eye(end - top, order="F")
            sort_blocks(window, turn, exponent, tie)
            # scipy's dgemm, not `@`: numpy brings threads of its own, which would fight with those
            # that scipy's dgees has left spinning.
            if top > 0:
                T[:top, top:end] = dgemm(1.0, T[:top, top:end], turn)
            if end < len(T):
                T[top:end, end:] = dgemm(1.0, turn, T[top:end, end:], trans_a=1)
            Q[:, top:end] = dgemm(1.0, Q[:, top:end], turn)
            T[top:end, top:end] = window
            swept = True
        if not swept:
            return


def arrange_blocks(
    T: np.ndarray, Q: np.ndarray, order: list[int], sizes: list[int]
) -> tuple[str, ...]:
    """Bring the blocks of the given sizes into the given order, in place; stops at the first move
    that LAPACK refuses and says which.
    """
    waiting, row = list(range(len(sizes))), 0
    for block in order:
        source = row + sum(sizes[other] for other in waiting[: waiting.index(block)])
        # A pair that split on an earlier move is two blocks now, moved one after the other.
        rows = range(sizes[block]) if sizes[block] == 2 and T[source + 1, source] == 0 else (0,)
        for k in rows:
            if source != row and not move_block(T, Q, source + k, row + k):
                return (
                    f"LAPACK dtrexc refused to bring the block at row {source + k} to row "
                    f"{row + k}",
                )
        waiting.remove(block)
        row += sizes[block]
    return ()


def finish_form(
    T: np.ndarray, Q: np.ndarray, exponent: int
) -> tuple[np.ndarray, np.ndarray, tuple[Block, ...]]:
    """Standardise the 2x2 blocks, fix the signs, undo the scaling: a signed permutation and a power
    of two, so nothing is rounded.
    """
    starts, sizes, pairs = block_rows(T)
    turned = pairs[np.abs(T.diagonal(-1)[pairs]) > np.abs(T.diagonal(1)[pairs])]
    if len(turned):
        take = np.arange(len(T))
        take[turned], take[turned + 1] = turned + 1, turned
        T, Q = T.take(take, axis=0).take(take, axis=1), Q[:, take]
    sign = np.where(Q[np.abs(Q).argmax(axis=0), np.arange(len(Q))] < 0, -1.0, 1.0)
    sign[pairs + 1] = sign[pairs] * np.sign(T.diagonal(1)[pairs])
    T = times_power(T * (sign[:, None] * sign), exponent)
    T += 0.0  # turns the -0.0 of a flipped zero into 0.0
    blocks = map(Block, starts.tolist(), sizes.tolist(), moduli_of(T, 0).tolist())
    return read_only(T), read_only(Q * sign), tuple(blocks)
