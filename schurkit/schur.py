"""The ordered real Schur form of one network: coordinates in which its eigenvalues and its nonnormal couplings stand apart.

W_rec = Q T Qᵀ with Q orthogonal and T = B + N: B holds the diagonal blocks (the eigenvalues), N the couplings between blocks. Blocks stand by
nonincreasing modulus, so the leading ones (sector R) drive each other in `RR`, are driven by the complement C in `CR`, and C drives itself in `CC`.

What is unique and what is not
    The eigenvalues, ‖T‖, the Henrici departure and norm_CR are properties of the matrix and of its leading invariant subspace. norm_RR, norm_CC and
    single couplings also depend on the order of the blocks inside a sector: see `SchurForm.random_order`.
    Q is unique up to a rotation inside each block. We fix what can be fixed exactly: the entry of largest magnitude of the first Schur vector of each
    block is positive, and the upper off-diagonal entry of each 2x2 block is positive. Blocks with |upper| = |lower| leave the rotation angle free.

Sources: S. Dräger, arXiv:2606.18457, §2 (coordinates, sectors) · Z. Bai and J. W. Demmel, Linear Algebra Appl. 186 (1993), and LAPACK dtrexc (moving
blocks) · P. Henrici, Numer. Math. 4 (1962) (departure from normality).
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

import numpy as np
import scipy.linalg
from scipy.linalg.lapack import dtrexc

from schurkit._checks import InputError, integer, number, one_of, read_only, real_array

SECTORS = ("RR", "CR", "CC")
_EPS = np.finfo(np.float64).eps
_WINDOW = 96  # rows; a window and its rotation (150 kB) stay in the second-level cache. Measured: 64 to 128 are alike, 32 and none are slower
_MAX_PASSES = 30  # one pass sorts; more are needed only where moving a block shifts the moduli of ill-conditioned neighbours


class SchurOrderWarning(RuntimeWarning):
    """LAPACK refused to swap two blocks (too close to tell apart): the form is valid, its order is not quite the one asked for."""


class Block(NamedTuple):
    """One diagonal block of T: first row, size (1, or 2 for a complex pair), modulus that orders it (see `real_schur`)."""

    start: int
    size: int
    modulus: float


@dataclass(frozen=True, eq=False, repr=False)
class SchurForm:
    """Ordered real Schur form W_rec = Q T Qᵀ, T = B + N, of one network; made by `real_schur`.

    Attributes
    ----------
    Q : (hidden, hidden), orthogonal, read-only; column k is the k-th Schur vector in raw coordinates.
    T : (hidden, hidden), exactly quasi-upper-triangular, read-only, in the units of W_rec.
    blocks : diagonal blocks in order, each (start, size, modulus).
    threshold : R holds the blocks of modulus ≥ threshold × radius.
    leak : the blocks are ordered by the eigenvalue moduli of (1 − leak) I + leak W_rec.
    n_leading : number of units (rows of T) in R.
    refused : one line for each move that LAPACK refused; empty when the order is what was asked for.
    """

    Q: np.ndarray
    T: np.ndarray
    blocks: tuple[Block, ...]
    threshold: float
    leak: float
    n_leading: int
    refused: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return (
            f"SchurForm({self.hidden_size} units in {len(self.blocks)} blocks; R: {self.n_leading} units at threshold {self.threshold:g}; "
            f"radius {self.radius:.4g}{f'; {len(self.refused)} refused moves' if self.refused else ''})"
        )

    # ---- sizes and spectrum -------------------------------------------------------------------------------------------------------------------
    @property
    def hidden_size(self) -> int:
        return self.T.shape[0]

    @property
    def leading_blocks(self) -> int:
        """Number of blocks in R."""
        return sum(block.start < self.n_leading for block in self.blocks)

    @cached_property
    def moduli(self) -> np.ndarray:
        """(blocks,) moduli that order the blocks: |λ|, or |1 − leak + leak λ| of a leaky network."""
        return read_only(np.array([block.modulus for block in self.blocks]))

    @property
    def radius(self) -> float:
        """The largest of `moduli`, which the threshold multiplies."""
        return float(self.moduli.max())

    @cached_property
    def eigenvalues(self) -> np.ndarray:
        """(hidden,) complex eigenvalues of W_rec in block order, the positive imaginary part of a pair first."""
        real, imaginary, sizes = _block_eigenvalues(self.T)
        values = np.repeat(real.astype(complex), sizes)
        pairs = (np.cumsum(sizes) - sizes)[sizes == 2]
        values[pairs] += 1j * imaginary[sizes == 2]
        values[pairs + 1] -= 1j * imaginary[sizes == 2]
        return read_only(values)

    @property
    def spectral_radius(self) -> float:
        """The largest |λ| of W_rec itself, whatever the leak."""
        return float(np.abs(self.eigenvalues).max())

    # ---- the parts of T -----------------------------------------------------------------------------------------------------------------------
    @cached_property
    def _block_of(self) -> np.ndarray:
        return np.repeat(np.arange(len(self.blocks)), [block.size for block in self.blocks])

    @property
    def _strictly_upper(self) -> np.ndarray:
        return self._block_of[:, None] < self._block_of[None, :]

    @cached_property
    def N(self) -> np.ndarray:
        """(hidden, hidden) nonnormal couplings: T above its diagonal blocks."""
        return read_only(np.where(self._strictly_upper, self.T, 0.0))

    @cached_property
    def B(self) -> np.ndarray:
        """(hidden, hidden) diagonal blocks of T. B itself need not be normal: a 2x2 block [[a, b], [c, a]] is normal only if b = −c."""
        return read_only(np.where(self._strictly_upper, 0.0, self.T))

    @property
    def W_rec(self) -> np.ndarray:
        """(hidden, hidden) recurrent weights rebuilt as Q T Qᵀ: equal to what came in up to rounding, not bit for bit."""
        return self.weights(self.T)

    def sector_mask(self, name: str) -> np.ndarray:
        """(hidden, hidden) booleans: the entries of N in sector "RR", "CR" (C drives R, upper right) or "CC"."""
        one_of(name, "sector", SECTORS)
        leading = np.arange(self.hidden_size) < self.n_leading
        driven, driver = {"RR": (leading, leading), "CR": (leading, ~leading), "CC": (~leading, ~leading)}[name]
        return self._strictly_upper & driven[:, None] & driver[None, :]

    def sector(self, name: str) -> np.ndarray:
        """(hidden, hidden) ΔT that holds exactly the entries of N in sector `name`, zero elsewhere. Removing it: W_rec − weights(ΔT)."""
        return np.where(self.sector_mask(name), self.T, 0.0)

    def couplings(self) -> list[tuple[int, int]]:
        """All pairs (i, j) of block indices with i < j: block i is driven from block j."""
        count = len(self.blocks)
        return [(i, j) for i in range(count) for j in range(i + 1, count)]

    def coupling(self, i: int, j: int) -> np.ndarray:
        """(hidden, hidden) ΔT that holds the part of N through which block j drives block i, zero elsewhere."""
        last = len(self.blocks) - 1
        i, j = integer(i, "block i", at_least=0, at_most=last), integer(j, "block j", at_least=0, at_most=last)
        if not i < j:
            raise InputError(f"coupling(i, j) needs i < j, block i driven from block j; got ({i}, {j}).")
        rows, columns = (slice(block.start, block.start + block.size) for block in (self.blocks[i], self.blocks[j]))
        delta_T = np.zeros_like(self.T)
        delta_T[rows, columns] = self.T[rows, columns]
        return delta_T

    # ---- sizes of the parts -------------------------------------------------------------------------------------------------------------------
    @cached_property
    def _norms(self) -> dict[str, float]:
        parts = {**{name: self.sector(name) for name in SECTORS}, "N": self.N, "B": self.B, "T": self.T}
        return {name: _frobenius(part) for name, part in parts.items()}

    def norms(self) -> dict[str, float]:
        """Absolute Frobenius norms of RR, CR, CC, N, B and T; RR² + CR² + CC² = N² and N² + B² = T²."""
        return dict(self._norms)

    norm_RR = property(lambda self: self._norms["RR"], doc="Frobenius norm of the couplings inside R.")
    norm_CR = property(lambda self: self._norms["CR"], doc="Frobenius norm of the couplings from C to R.")
    norm_CC = property(lambda self: self._norms["CC"], doc="Frobenius norm of the couplings inside C.")
    norm_N = property(lambda self: self._norms["N"], doc="Frobenius norm of all couplings.")
    norm_B = property(lambda self: self._norms["B"], doc="Frobenius norm of the diagonal blocks.")
    norm_T = property(lambda self: self._norms["T"], doc="Frobenius norm of T, equal to that of W_rec.")

    @property
    def henrici(self) -> float:
        """Departure of W_rec from normality, as `schurkit.schur.henrici` (absolute)."""
        return _departure(self.T)

    def removed_mass(self, delta_T) -> float:
        """‖ΔT‖_F / ‖T‖_F, the share of Schur mass that ΔT (hidden, hidden) removes; 0 when T is 0."""
        mass = _frobenius(self._change(delta_T))
        return mass / self.norm_T if self.norm_T else 0.0

    def weights(self, delta_T) -> np.ndarray:
        """Q ΔT Qᵀ: a change of T (hidden, hidden) as a change of W_rec, in raw coordinates."""
        return self.Q @ self._change(delta_T) @ self.Q.T

    def _change(self, delta_T) -> np.ndarray:
        delta_T = real_array(delta_T, "delta_T", ("hidden", "hidden"), dtype=np.float64)
        if delta_T.shape != self.T.shape:
            raise InputError(f"delta_T must have the shape of T, {self.T.shape}; got {delta_T.shape}.")
        return delta_T

    # ---- the same matrix, grouped or ordered otherwise ----------------------------------------------------------------------------------------
    def with_threshold(self, threshold: float) -> SchurForm:
        """The same form with sectors at another threshold. The blocks of R must stand first, so a form in another order may refuse."""
        threshold = _check_threshold(threshold)
        n_leading, late = self._cut(threshold)
        if late and not self.refused:
            raise InputError(
                f"with_threshold({threshold:g}) cannot cut this order: the block at row {late[0]} belongs to R but stands behind blocks of C. "
                "Take with_threshold of the form that real_schur returned."
            )
        return replace(self, threshold=threshold, n_leading=n_leading)

    def _cut(self, threshold: float) -> tuple[int, list[int]]:
        """Row of the first block below the threshold, and the rows of later blocks that are not (an order by modulus has none)."""
        least = threshold * self.radius - _tie(_frobenius(self.T), self.radius, self.leak)
        n_leading = next((block.start for block in self.blocks if block.modulus < least), self.hidden_size)
        return n_leading, [block.start for block in self.blocks if block.start > n_leading and block.modulus >= least]

    def reordered(self, order) -> SchurForm:
        """The Schur form of the same matrix whose blocks stand in another order.

        Parameters
        ----------
        order : the present block indices (a permutation of 0 … blocks − 1) in the order wanted. The blocks of R must stay the first ones, or the
            sectors would lose their meaning; with `with_threshold(0)` all blocks are in R and every order is allowed.

        Returns
        -------
        SchurForm with the same threshold, leak and n_leading. If LAPACK refuses a move, reordering stops there: the form is valid, `refused` says
        what happened, and SchurOrderWarning is given.

        Raises
        ------
        InputError : not a permutation, or it moves a block across the border of R and C.
        """
        order = [integer(index, "each entry of order", at_least=0, at_most=len(self.blocks) - 1) for index in order]
        if sorted(order) != list(range(len(self.blocks))):
            raise InputError(f"order must name each of the {len(self.blocks)} blocks once; got {len(order)} entries, {len(set(order))} distinct.")
        leading = self.leading_blocks
        if set(order[:leading]) != set(range(leading)):
            raise InputError(
                f"order must keep the {leading} blocks of R first, or RR, CR and CC would lose their meaning. "
                "To move blocks freely, put all of them in R: form.with_threshold(0).reordered(order)."
            )
        (T, exponent), Q = _scaled(self.T), np.array(self.Q, order="F")
        refused = _arrange(T, Q, order, [block.size for block in self.blocks])
        T, Q, blocks = _finish(T, Q, exponent, self.leak)
        _warn(refused)
        return replace(self, T=T, Q=Q, blocks=blocks, refused=self.refused + refused)

    def random_order(self, seed: int, tie: float = 0.01) -> SchurForm:
        """The form with its blocks in random order within groups of nearly tied moduli: one draw from the spread over arbitrary orders.

        Moduli are chained: neighbours in size that differ by at most tie × radius share a group. No block crosses from R to C, so the sectors stay
        the same sets of blocks. norm_CR, norm_T and henrici do not change; norm_RR, norm_CC and single couplings do, also through the shape of
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
            for group in np.split(sector[by_size], 1 + np.flatnonzero(-np.diff(sizes[by_size]) > tie * self.radius)):
                order[np.sort(group)] = generator.permutation(group)
        return self.reordered(order)


def real_schur(W_rec, threshold: float = 0.9, *, leak: float = 1.0) -> SchurForm:
    """Ordered real Schur form W_rec = Q T Qᵀ of one network.

    Blocks stand by nonincreasing modulus of the eigenvalues of the step matrix (1 − leak) I + leak W_rec, which has the same Q; ties (within
    8 eps of its norm) keep LAPACK's order and a complex pair is never split. 2x2 blocks are standardised: equal diagonal, off-diagonal entries of
    opposite sign, |upper| ≥ |lower|. For relu networks and fixed-point tasks the modulus is an order, not a time scale.

    Parameters
    ----------
    W_rec : (hidden, hidden) recurrent weights in the column convention h_t = φ(W_rec h_{t−1} + …), as `nn.RNN.weight_hh_l0`; used in float64.
    threshold : R holds the blocks of modulus ≥ threshold × the largest, up to the tie tolerance; from 0 to 1.
    leak : the network's leak, above 0 and at most 1; one number for all units.

    Returns
    -------
    SchurForm. A move of blocks that LAPACK refuses is listed in `refused`, with SchurOrderWarning.

    Raises
    ------
    InputError : not one square real finite matrix, a norm beyond the float64 range, a threshold or leak out of range, or a leak per unit.

    Examples
    --------
    >>> from schurkit.schur import real_schur
    >>> form = real_schur([[0.5, 3.0], [0.0, 2.0]])
    >>> [round(float(modulus), 6) for modulus in form.moduli], form.n_leading, round(form.norm_CR, 6)
    ([2.0, 0.5], 1, 3.0)

    Source: S. Dräger, arXiv:2606.18457, §2, whose α is our threshold; LAPACK dgees and dtrexc.
    """
    threshold = _check_threshold(threshold)
    if np.ndim(leak) > 0:
        raise InputError(
            f"real_schur needs one leak for all units; got an array of shape {np.shape(leak)}. With a leak per unit the step matrix "
            "(1 - leak) I + leak W_rec does not share Q with W_rec, so its eigenvalues cannot order these blocks."
        )
    leak = number(leak, "leak", above=0, at_most=1)
    W_scaled, exponent, norm = _check_W_rec(W_rec, "real_schur")
    T, Q = _lapack_schur(W_scaled)
    radius = float(_moduli(T, exponent, leak).max())
    tie = _tie(norm, radius, leak)
    if len(T) > 2 * _WINDOW:
        _sort_in_windows(T, Q, exponent, leak, tie)
    refused = _sort(T, Q, exponent, leak, tie)
    T, Q, blocks = _finish(T, Q, exponent, leak)
    _warn(refused)
    form = SchurForm(Q, T, blocks, threshold, leak, len(T), refused)
    return replace(form, n_leading=form._cut(threshold)[0])


def henrici(W_rec, relative: bool = False) -> float:
    """Henrici's departure from normality, sqrt(‖W‖_F² − Σ|λ|²); 0 for normal matrices only.

    Computed without the cancellation of that difference, from any real Schur form: sqrt(‖N‖_F² + Σ (b + c)²) over its 2x2 blocks [[a, b], [c, a]].

    Parameters
    ----------
    W_rec : (hidden, hidden) recurrent weights of one network.
    relative : divide by ‖W_rec‖_F, which gives a number from 0 to 1 (0 for a zero matrix).

    Raises
    ------
    InputError : not one square real finite matrix, or a norm beyond the float64 range.

    Examples
    --------
    >>> from schurkit.schur import henrici
    >>> henrici([[0.0, 3.0], [0.0, 0.0]]), henrici([[0.0, -2.0], [2.0, 0.0]])
    (3.0, 0.0)

    Source: P. Henrici, Numer. Math. 4, 24–40 (1962).
    """
    W_scaled, exponent, norm = _check_W_rec(W_rec, "henrici")
    departure = float(np.ldexp(_departure(_lapack_schur(W_scaled)[0]), exponent))
    if relative:
        return departure / norm if norm else 0.0
    return departure


# ---- checks ---------------------------------------------------------------------------------------------------------------------------------------
def _check_W_rec(W_rec, function: str) -> tuple[np.ndarray, int, float]:
    """W_rec scaled as by `_scaled`, the power of two that restores it, and its Frobenius norm."""
    shape = np.shape(W_rec)
    if len(shape) == 3 and shape[1] == shape[2]:
        raise InputError(f"{function} needs the W_rec of one network, shape (hidden, hidden); got a stack of shape {shape}. Pass W_rec[i].")
    if len(shape) != 2 or shape[0] != shape[1]:
        hint = " Did you pass W_in?" if len(shape) == 2 else ""
        raise InputError(f"{function} needs W_rec of shape (hidden, hidden); got {shape}.{hint}")
    if shape[0] == 0:
        raise InputError(f"{function} needs a W_rec of at least one unit; got shape {shape}.")
    W_scaled, exponent = _scaled(real_array(W_rec, "W_rec", dtype=np.float64))
    norm = _norm(W_scaled, exponent)
    if not np.isfinite(norm):
        raise InputError(f"{function} needs a W_rec whose Frobenius norm a float64 can hold; it exceeds 1.8e308. Scale it down.")
    return W_scaled, exponent, norm


def _check_threshold(threshold) -> float:
    return number(threshold, "threshold", at_least=0, at_most=1)


def _warn(refused: tuple[str, ...]) -> None:
    if refused:
        warnings.warn(f"the order of the Schur blocks is not exact: {'; '.join(refused)}", SchurOrderWarning, stacklevel=3)


# ---- numbers --------------------------------------------------------------------------------------------------------------------------------------
def _scaled(matrix: np.ndarray) -> tuple[np.ndarray, int]:
    """A Fortran-ordered copy with entries below 1 and the power of two that restores it: exact, and squares neither overflow nor vanish."""
    exponent = int(np.frexp(np.abs(matrix).max())[1])
    return np.ldexp(matrix, -exponent, order="F"), exponent


def _norm(scaled: np.ndarray, exponent: int) -> float:
    with np.errstate(over="ignore"):
        return float(np.ldexp(np.sqrt(np.square(scaled).sum()), exponent))


def _frobenius(matrix: np.ndarray) -> float:
    return _norm(*_scaled(matrix))


def _block_rows(T: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """First row of each block, size of each block, first rows of the 2x2 blocks."""
    pairs = T.diagonal(-1).nonzero()[0]
    first = np.ones(len(T) + 1, dtype=bool)
    first[pairs + 1] = False
    starts = first[:-1].nonzero()[0]
    return starts, 2 - first[starts + 1], pairs


def _block_eigenvalues(T: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Real part, imaginary part (≥ 0) and size of each block."""
    starts, sizes, pairs = _block_rows(T)
    imaginary = np.zeros(len(T))
    # Two roots, not the root of a product: the off-diagonal entries may lie hundreds of orders of magnitude apart.
    imaginary[pairs] = np.sqrt(np.abs(T[pairs, pairs + 1])) * np.sqrt(np.abs(T[pairs + 1, pairs]))
    return T.diagonal()[starts], imaginary[starts], sizes


def _moduli(T: np.ndarray, exponent: int, leak: float) -> np.ndarray:
    """Modulus of the step matrix's eigenvalues for each block of T · 2**exponent."""
    real, imaginary, _ = _block_eigenvalues(T)
    return np.hypot((1 - leak) + leak * np.ldexp(real, exponent), leak * np.ldexp(imaginary, exponent))


def _tie(norm: float, radius: float, leak: float) -> float:
    # Moduli are known to about eps times the norm. Where the norm is far above the radius (strongly nonnormal), order is still kept to 1e-9 of it.
    return min(8 * _EPS * ((1 - leak) + leak * norm), 1e-9 * radius)


def _ordered(moduli: np.ndarray, tie: float) -> bool:
    return bool((np.maximum.accumulate(moduli[::-1])[::-1] - moduli <= tie).all())


def _departure(T: np.ndarray) -> float:
    *_, pairs = _block_rows(T)
    rest = np.triu(T, 1)
    rest[pairs, pairs + 1] += T[pairs + 1, pairs]
    return _frobenius(rest)


# ---- LAPACK ---------------------------------------------------------------------------------------------------------------------------------------
def _lapack_schur(W_scaled: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    T, Q = scipy.linalg.schur(W_scaled, output="real", overwrite_a=True, check_finite=False)
    return np.asfortranarray(T), np.asfortranarray(Q)


def _move(T: np.ndarray, Q: np.ndarray, source: int, target: int) -> bool:
    """Move the block at row `source` to row `target` of the Fortran-ordered T and Q, in place; False if LAPACK refuses part of the way."""
    *_, info = dtrexc(T, Q, source + 1, target + 1, overwrite_a=1, overwrite_q=1)
    return info == 0


def _sort(T: np.ndarray, Q: np.ndarray, exponent: int, leak: float, tie: float) -> tuple[str, ...]:
    """Order the blocks in place by nonincreasing modulus; returns the moves that LAPACK still refused in the last pass."""
    subdiagonal, refused = T.diagonal(-1), []
    for _ in range(_MAX_PASSES):
        moduli, refused, row = _moduli(T, exponent, leak), [], 0
        if _ordered(moduli, tie):
            return ()
        n_pairs, moduli, sizes = np.count_nonzero(subdiagonal), moduli.tolist(), _block_rows(T)[1].tolist()
        while moduli:  # the blocks from `row` on
            least, first = max(moduli) - tie, 0
            while moduli[first] < least:
                first += 1
            if first:
                source = row + sum(sizes[:first])
                done = _move(T, Q, source, row)
                if not done:
                    refused.append(f"LAPACK dtrexc refused to bring the block at row {source} (modulus {moduli[first]:.6g}) to row {row}")
                if not done or np.count_nonzero(subdiagonal) != n_pairs:
                    # Part of the way only, or a pair split into two real eigenvalues: what stands behind the block now at `row` is read afresh.
                    row += 2 if row + 1 < len(T) and T[row + 1, row] != 0 else 1
                    rest = T[row:, row:]
                    n_pairs = np.count_nonzero(subdiagonal)
                    moduli, sizes = (_moduli(rest, exponent, leak).tolist(), _block_rows(rest)[1].tolist()) if len(rest) else ([], [])
                    continue
            moduli.pop(first)
            row += sizes.pop(first)
    return tuple(refused) or (f"the moduli would not settle within {_MAX_PASSES} passes",)


def _sort_in_windows(T: np.ndarray, Q: np.ndarray, exponent: int, leak: float, tie: float) -> None:
    """Sort most of a large T in place: each swap touches a small window only, and what is beside the window follows by one matrix product.

    Windows overlap by half and sweep upwards, so that each sweep brings the largest moduli one half window further: a bubble sort of half windows.
    """
    half = _WINDOW // 2
    T_rows, Q_rows = T.T, Q.T  # C-ordered views: row k is column k
    for goal in range(0, len(T) - half, half):
        swept = False
        for top in range((len(T) - half - 1) // half * half, goal - 1, -half):
            # A window must not cut through a pair.
            top, end = (k + 1 if 0 < k < len(T) and T[k, k - 1] != 0 else k for k in (top, min(top + _WINDOW, len(T))))
            window = np.array(T[top:end, top:end], order="F")
            moduli = _moduli(window, exponent, leak)
            if _ordered(moduli, tie):
                continue
            turn = np.eye(end - top, order="F")
            _sort(window, turn, exponent, leak, tie)
            T_rows[top:end, :top] = turn.T @ T_rows[top:end, :top]
            T_rows[end:, top:end] = T_rows[end:, top:end] @ turn
            Q_rows[top:end] = turn.T @ Q_rows[top:end]
            T[top:end, top:end] = window
            swept = True
        if not swept:
            return


def _arrange(T: np.ndarray, Q: np.ndarray, order: list[int], sizes: list[int]) -> tuple[str, ...]:
    """Bring the blocks of the given sizes into the given order, in place; stops at the first move that LAPACK refuses and says which."""
    waiting, row = list(range(len(sizes))), 0
    for block in order:
        source = row + sum(sizes[other] for other in waiting[: waiting.index(block)])
        # A pair that split on an earlier move is two blocks now, moved one after the other.
        rows = range(sizes[block]) if sizes[block] == 2 and T[source + 1, source] == 0 else (0,)
        for k in rows:
            if source != row and not _move(T, Q, source + k, row + k):
                return (f"LAPACK dtrexc refused to bring the block at row {source + k} to row {row + k}",)
        waiting.remove(block)
        row += sizes[block]
    return ()


def _finish(T: np.ndarray, Q: np.ndarray, exponent: int, leak: float) -> tuple[np.ndarray, np.ndarray, tuple[Block, ...]]:
    """Standardise the 2x2 blocks, fix the signs, undo the scaling: a signed permutation and a power of two, so nothing is rounded."""
    starts, sizes, pairs = _block_rows(T)
    turned = pairs[np.abs(T[pairs + 1, pairs]) > np.abs(T[pairs, pairs + 1])]
    take = np.arange(len(T))
    take[turned], take[turned + 1] = turned + 1, turned
    Q = Q[:, take]
    largest = np.abs(Q).argmax(axis=0)
    sign = np.where(np.take_along_axis(Q, largest[None, :], axis=0)[0] < 0, -1.0, 1.0)
    sign[pairs + 1] = sign[pairs] * np.sign(T[take[pairs], take[pairs + 1]])
    T = np.ldexp(T[np.ix_(take, take)] * (sign[:, None] * sign), exponent) + 0.0  # + 0.0 turns the -0.0 of a flipped zero into 0.0
    blocks = map(Block, starts.tolist(), sizes.tolist(), _moduli(T, 0, leak).tolist())
    return read_only(T), read_only(Q * sign), tuple(blocks)
