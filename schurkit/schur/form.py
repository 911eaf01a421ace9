"""The ordered real Schur form as a value: blocks, sectors, couplings, and the same matrix in other
orders; `schurkit.schur.real` makes it.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from schurkit.checks import InputError, integer, number, one_of, read_only, real_array

from .blocks import (
    Block,
    arrange_blocks,
    block_eigenvalues,
    cut_modulus,
    cut_of,
    departure_of,
    finish_form,
    frobenius,
    scaled_down,
)
from .matrix import is_whole, mean_step

SECTORS = ("RR", "CR", "CC")


class SchurOrderWarning(RuntimeWarning):
    """LAPACK refused to swap two blocks (too close to tell apart): the form is valid, its order is
    not quite the one asked for.
    """


@dataclass(frozen=True, eq=False, repr=False)
class SchurForm:
    """Ordered real Schur form W_rec = Q T Qᵀ, T = B + N, of one network; made by `real_schur`.

    Attributes
    ----------
    Q : (hidden, hidden), orthogonal, read-only; column k is the k-th Schur vector in raw
        coordinates.
    T : (hidden, hidden), exactly quasi-upper-triangular, read-only, in the units of the step
        matrix.
    blocks : diagonal blocks in order, each (start, size, modulus).
    threshold : R holds the blocks of modulus ≥ `cut`, threshold × radius a time constant.
    leak : (hidden,) or one number; 1 where the form is of W_rec itself.
    n_leading : number of units (rows of T) in R.
    refused : one line for each move that LAPACK refused; empty when the order is what was asked
        for.
    D : (hidden,) of the step matrix; None where it is 1 − leak.
    """

    Q: np.ndarray
    T: np.ndarray
    blocks: tuple[Block, ...]
    threshold: float
    leak: float | np.ndarray
    n_leading: int
    refused: tuple[str, ...] = ()
    D: np.ndarray | None = None

    def __repr__(self) -> str:
        return (
            f"SchurForm({self.hidden_size} units in {len(self.blocks)} blocks; R: "
            f"{self.n_leading} units at threshold {self.threshold:g}; "
            "radius "
            f"{self.radius:.4g}{f'; {len(self.refused)} refused moves' if self.refused else ''})"
        )

    # -------------------------------------------------------------------------- sizes and spectrum
    @property
    def hidden_size(self) -> int:
        return self.T.shape[0]

    @property
    def leading_blocks(self) -> int:
        """Number of blocks in R."""
        return sum(block.start < self.n_leading for block in self.blocks)

    @cached_property
    def moduli(self) -> np.ndarray:
        """(blocks,) moduli that order the blocks, |λ| of the step matrix."""
        return read_only(np.array([block.modulus for block in self.blocks]))

    @property
    def radius(self) -> float:
        """The largest of `moduli`."""
        return float(self.moduli.max())

    @property
    def cut(self) -> float:
        """The least modulus in R: threshold^ā × radius, ā the mean of 1 − D (the mean leak), so
        that the threshold is a ratio **per time constant**.

        At leak 1 that is the paper's rule; as dt → 0 it becomes a rule on Re λ, and networks that
        differ in their time step alone agree.
        """
        return cut_modulus(self.radius, self.threshold, mean_step(self.leak, self.D))

    @property
    def near_cut(self) -> tuple[int, ...]:
        """Indices of the blocks whose modulus lies within 2 % a time constant of `cut`: the other
        side is nearly as good a choice.
        """
        if not self.cut > 0:
            return ()
        with np.errstate(divide="ignore"):
            distance = np.abs(np.log(self.moduli / self.cut)) / mean_step(self.leak, self.D)
        return tuple(np.flatnonzero(distance <= np.log1p(0.02)).tolist())

    @cached_property
    def eigenvalues(self) -> np.ndarray:
        """(hidden,) complex eigenvalues of the step matrix in block order, the positive imaginary
        part of a pair first.
        """
        real, imaginary, sizes = block_eigenvalues(self.T)
        values = np.repeat(real.astype(complex), sizes)
        pairs = (np.cumsum(sizes) - sizes)[sizes == 2]
        values[pairs] += 1j * imaginary[sizes == 2]
        values[pairs + 1] -= 1j * imaginary[sizes == 2]
        return read_only(values)

    @property
    def spectral_radius(self) -> float:
        """The largest |λ| of W_rec itself, whatever the leak."""
        if is_whole(self.leak, self.D):
            return self.radius
        return float(np.abs(np.linalg.eigvals(self.W_rec)).max())

    # ------------------------------------------------------------------------------ the parts of T
    @cached_property
    def _block_of(self):
        return np.repeat(np.arange(len(self.blocks)), [block.size for block in self.blocks])

    @property
    def _strictly_upper(self):
        return self._block_of[:, None] < self._block_of[None, :]

    @cached_property
    def N(self) -> np.ndarray:
        """(hidden, hidden) nonnormal couplings: T above its diagonal blocks."""
        return read_only(np.where(self._strictly_upper, self.T, 0.0))

    @cached_property
    def B(self) -> np.ndarray:
        """(hidden, hidden) diagonal blocks of T. B itself need not be normal: a 2x2 block [[a, b],
        [c, a]] is normal only if b = −c.
        """
        return read_only(np.where(self._strictly_upper, 0.0, self.T))

    @property
    def W_rec(self) -> np.ndarray:
        """(hidden, hidden) recurrent weights rebuilt from Q T Qᵀ: equal to what came in up to
        rounding, not bit for bit.
        """
        if is_whole(self.leak, self.D):
            return self.weights(self.T)
        D = 1 - self.leak if self.D is None else self.D
        return self.weights(self.T) - np.diag(np.broadcast_to(D / self.leak, self.hidden_size))

    def sector_mask(self, name: str) -> np.ndarray:
        """(hidden, hidden) booleans: the entries of N in sector "RR", "CR" (C drives R, upper
        right) or "CC".
        """
        one_of(name, "sector", SECTORS)
        leading = np.arange(self.hidden_size) < self.n_leading
        driver, driven = (leading if side == "R" else ~leading for side in name)
        return self._strictly_upper & driven[:, None] & driver

    def sector(self, name: str) -> np.ndarray:
        """(hidden, hidden) ΔT that holds exactly the entries of N in sector `name`, zero elsewhere.
        Removing it: W_rec − weights(ΔT).
        """
        return np.where(self.sector_mask(name), self.T, 0.0)

    def sector_of(self, i: int, j: int) -> str:
        """The sector of the coupling through which block j drives block i, i < j: "RR", "CR" or
        "CC".
        """
        i, j = self._pair(i, j)
        return "RR" if j < self.leading_blocks else "CR" if i < self.leading_blocks else "CC"

    def share_in_R(self, vectors) -> float:
        """The share of the squared norm of vectors, (hidden) or (…, hidden), that lies in the
        leading Schur vectors: 0 all in C, 1 all in R.

        ``form.share_in_R(W_in.T)`` says where inputs enter, ``form.share_in_R(W_out)`` where
        outputs are read, of states where activity lies.
        """
        vectors = np.asarray(vectors, dtype=np.float64)
        whole, inside = np.square(vectors).sum(), vectors @ self.Q[:, : self.n_leading]
        return float(np.square(inside).sum() / whole) if whole else 0.0

    def couplings(self) -> list[tuple[int, int]]:
        """All pairs (i, j) of block indices with i < j: block i is driven from block j."""
        count = len(self.blocks)
        return [(i, j) for i in range(count) for j in range(i + 1, count)]

    def coupling(self, i: int, j: int) -> np.ndarray:
        """(hidden, hidden) ΔT that holds the part of N through which block j drives block i, zero
        elsewhere.
        """
        i, j = self._pair(i, j)
        there = np.outer(self._block_of == i, self._block_of == j)
        return np.where(there, self.T, 0.0)

    def blockwise(self, matrices) -> np.ndarray:
        """Sums of (…, hidden, hidden) over the entries of each pair of blocks, (…, blocks,
        blocks).
        """
        starts = [block.start for block in self.blocks]
        if len(starts) == self.hidden_size:
            return matrices
        return np.add.reduceat(np.add.reduceat(matrices, starts, axis=-2), starts, axis=-1)

    @cached_property
    def coupling_norms(self) -> np.ndarray:
        """(blocks, blocks) ‖T_ij‖_F of every coupling, zero on and below the diagonal."""
        return read_only(np.sqrt(self.blockwise(np.square(self.N))))

    def strongest(self, count: int) -> list[tuple[int, int]]:
        """The couplings (i, j) of largest norm, largest first, at most `count`; none that is
        zero.
        """
        largest = np.argsort(-self.coupling_norms, axis=None, kind="stable")[:count]
        pairs = np.transpose(np.unravel_index(largest, self.coupling_norms.shape)).tolist()
        return [(i, j) for i, j in pairs if self.coupling_norms[i, j] > 0]

    def _pair(self, i, j):
        last = len(self.blocks) - 1
        i = integer(i, "block i", at_least=0, at_most=last)
        j = integer(j, "block j", at_least=0, at_most=last)
        if not i < j:
            raise InputError(
                f"a coupling (i, j) needs i < j, block i driven from block j; got ({i}, {j})."
            )
        return i, j

    # -------------------------------------------------------------------------- sizes of the parts
    @cached_property
    def _norms(self):
        parts = {name: self.sector(name) for name in SECTORS}
        parts |= {"N": self.N, "B": self.B, "T": self.T}
        return {name: frobenius(part) for name, part in parts.items()}

    def norms(self) -> dict[str, float]:
        """Absolute Frobenius norms of RR, CR, CC, N, B and T; RR² + CR² + CC² = N² and N² + B² =
        T².
        """
        return dict(self._norms)

    norm_CR = property(lambda self: self._norms["CR"], doc="‖CR‖, the couplings from C to R.")
    norm_N = property(lambda self: self._norms["N"], doc="‖N‖, all couplings.")
    norm_T = property(lambda self: self._norms["T"], doc="‖T‖, that of the step matrix.")

    @property
    def henrici(self) -> float:
        """Departure of the step matrix from normality, as `schurkit.henrici` (absolute)."""
        return departure_of(self.T)

    def removed_mass(self, delta_T) -> float:
        """‖ΔT‖_F / ‖T‖_F, the share of Schur mass that ΔT (hidden, hidden) removes; 0 when T
        is 0.
        """
        mass = frobenius(self._change(delta_T))
        return mass / self.norm_T if self.norm_T else 0.0

    def weights(self, delta_T, dtype=np.float64) -> np.ndarray:
        """diag(leak)⁻¹ Q ΔT Qᵀ: a change of T (hidden, hidden) as a change of W_rec, in raw
        coordinates; `dtype` is that of the products.
        """
        delta_T = self._change(delta_T)
        # a product of the rows and columns that hold something
        rows, columns = (_range(delta_T.any(axis=axis)) for axis in (1, 0))
        Q, inside = (part.astype(dtype, copy=False) for part in (self.Q, delta_T[rows, columns]))
        change = np.linalg.multi_dot([Q[:, rows], inside, Q[:, columns].T])
        if is_whole(self.leak):
            return change
        return change / np.broadcast_to(self.leak, self.hidden_size)[:, None]

    def _change(self, delta_T):
        delta_T = real_array(delta_T, "delta_T", ("hidden", "hidden"), dtype=np.float64)
        if delta_T.shape != self.T.shape:
            raise InputError(
                f"delta_T must have the shape of T, {self.T.shape}; got {delta_T.shape}."
            )
        return delta_T

    # ----------------------------------------------- the same matrix, grouped or ordered otherwise
    def with_threshold(self, threshold: float) -> SchurForm:
        """The same form with sectors at another threshold. The blocks of R must stand first, so a
        form in another order may refuse.
        """
        threshold = number(threshold, "threshold", at_least=0, at_most=1)
        step = mean_step(self.leak, self.D)
        n_leading, late = cut_of(self.blocks, threshold, frobenius(self.T), step)
        if late and not self.refused:
            raise InputError(
                f"with_threshold({threshold:g}) cannot cut this order: the block at row {late[0]} "
                "belongs to R but stands behind blocks of C. "
                "Take with_threshold of the form that real_schur returned."
            )
        return replace(self, threshold=threshold, n_leading=n_leading)

    def reordered(self, order) -> SchurForm:
        """The Schur form of the same matrix whose blocks stand in another order.

        Parameters
        ----------
        order : the present block indices (a permutation of 0 … blocks − 1) in the order wanted. The
            blocks of R must stay the first ones, or the sectors would lose their meaning; with
            `with_threshold(0)` all blocks are in R and every order is allowed.

        Returns
        -------
        SchurForm with the same threshold, leak and n_leading. If LAPACK refuses a move, reordering
        stops there: the form is valid, `refused` says what happened, and SchurOrderWarning is
        given.

        Raises
        ------
        InputError : not a permutation, or it moves a block across the border of R and C.
        """
        order = [
            integer(index, "each entry of order", at_least=0, at_most=len(self.blocks) - 1)
            for index in order
        ]
        if sorted(order) != list(range(len(self.blocks))):
            raise InputError(
                f"order must name each of the {len(self.blocks)} blocks once; got {len(order)} "
                f"entries, {len(set(order))} distinct."
            )
        leading = self.leading_blocks
        if set(order[:leading]) != set(range(leading)):
            raise InputError(
                f"order must keep the {leading} blocks of R first, or RR, CR and CC would lose "
                "their meaning. "
                "To move blocks freely, put all of them in R: "
                "form.with_threshold(0).reordered(order)."
            )
        (T, exponent), Q = scaled_down(self.T), np.array(self.Q, order="F")
        refused = arrange_blocks(T, Q, order, [block.size for block in self.blocks])
        T, Q, blocks = finish_form(T, Q, exponent)
        warn_of(refused)
        return replace(self, T=T, Q=Q, blocks=blocks, refused=self.refused + refused)

    def random_order(self, seed: int, tie: float = 0.01) -> SchurForm:
        """The form with its blocks in random order within groups of nearly tied moduli: one draw
        from the spread over arbitrary orders.

        Moduli are chained: neighbours in size that differ by at most tie × radius share a group. No
        block crosses from R to C, so the sectors stay the same sets of blocks. norm_CR, norm_T and
        henrici do not change; ‖RR‖, ‖CC‖ and single couplings do, also through the shape of
        the 2x2 blocks: results about them should carry their spread over such orders.

        Parameters
        ----------
        seed : whole number ≥ 0; the same seed gives the same order.
        tie : largest gap inside a group, in units of `radius`.
        """
        seed, tie = integer(seed, "seed", at_least=0), number(tie, "tie", at_least=0)
        generator = np.random.Generator(np.random.Philox(seed))
        order = np.arange(len(self.blocks))
        for sector in np.split(order.copy(), [self.leading_blocks]):
            sizes = self.moduli[sector]
            by_size = np.argsort(-sizes, kind="stable")
            for group in np.split(
                sector[by_size], 1 + np.flatnonzero(-np.diff(sizes[by_size]) > tie * self.radius)
            ):
                order[np.sort(group)] = generator.permutation(group)
        return self.reordered(order)


def _range(there):
    """From the first to the last of booleans that are true."""
    where = np.flatnonzero(there)
    return slice(where[0], where[-1] + 1) if len(where) else slice(0)


def warn_of(refused: tuple[str, ...]) -> None:
    """Warn where LAPACK refused a move."""
    if refused:
        warnings.warn(
            f"the order of the Schur blocks is not exact: {'; '.join(refused)}",
            SchurOrderWarning,
            stacklevel=3,
        )
