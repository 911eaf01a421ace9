"""DSA: how far apart the dynamics of two networks are, whatever the coordinates they are written
in.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from schurkit import random
from schurkit.checks import InputError, integer, one_of, read_only
from schurkit.engine import available_threads
from schurkit.engine.numpy import one_blas_thread
from schurkit.schur.blocks import arrange_blocks, block_eigenvalues, finish_form, lapack_schur

from . import _ascent
from .operators import Operators, delay_operators

SCORES = ("distance", "angle", "wasserstein")
GUIDED = 8
"""Starts that are worked out from the operators; further ones are random."""
_DIGITS = 9
"""Decimals, of numbers about 1, that decide an order: rounding errors, which differ between
processors, then never do.
"""


@dataclass(frozen=True, eq=False)
class DSA:
    """Distances between the dynamics of all pairs of networks.

    values : (networks, networks), the score asked for; symmetric, zero diagonal; lower is nearer.
    distance, angle : (networks, networks) ‖A − C B Cᵀ‖_F, and the angle in radians; None for the
        score "wasserstein".
    resolution : of the angle, in radians: over pairs, the .95 quantile of how far the bests of the
        even and of the odd starts lie apart; None where it is not known (fewer than 16 starts have
        too few random ones). Differences below it are the search's.
    labels : one name a network.
    """

    values: np.ndarray
    distance: np.ndarray | None
    angle: np.ndarray | None
    resolution: float | None
    labels: tuple[Hashable, ...]


def dsa_distances(
    what: ArrayLike | Sequence | Operators,
    *,
    score: str,
    rank: int,
    delays: int,
    starts: int,
    seed: int = 0,
    engine: str = "auto",
) -> DSA:
    """DSA of all pairs: d(A, B) = min over orthogonal C of ‖A − C B Cᵀ‖_F between their next-step
    operators.

    The minimum is searched for and what is found is an **upper bound**; no triangle inequality is
    promised. A pair is solved once, in an order that its operators set, so that the distance is
    symmetric to the last bit and depends on the pair, the starts and the seed alone.

    Parameters
    ----------
    what : trajectories, (networks, trials, time, units) or a sequence of (trials, time, units), of
        networks driven by the same inputs; operators, (networks, rank, rank); or `Operators` (see
        `operators_of`, which checks the inputs).
    score : "distance"; "angle", 2 arcsin(‖A − C B Cᵀ‖_F / 2) of the operators scaled to unit norm,
        in radians, blind to an operator's size; or "wasserstein", the mean cost of the best
        matching of the eigenvalues. The last one needs no search, and is **blind to nonnormal
        couplings of a linear map**: h_t = W h_t−1 has the same eigenvalues whatever its couplings.
        So it cannot see what a Schur ablation removes.
    rank, delays : of the operators (`delay_operators`); DSA's scale depends on both, so neither has
        a default.
    starts : orthogonal matrices to start from, for each pair: 8 worked out from the operators, of
        both determinants, the others random. Those 8 find planted copies; between unrelated
        networks the number of starts is what helps: 14 is fast, 200 thorough.
    seed : of the random starts.
    engine : "numba" (compiled), "numpy", or "auto": numba where it is installed.

    Returns
    -------
    DSA.

    Raises
    ------
    InputError : an unknown score, trajectories that do not fit together, or operators of another
        rank or with other delays.

    Examples
    --------
    >>> import numpy as np
    >>> A = np.array([[0.9, 0.5], [0.0, 0.3]])
    >>> C = np.array([[0.0, 1.0], [1.0, 0.0]])
    >>> found = dsa_distances(np.stack([A, C @ A @ C.T]), score="angle", rank=2, delays=1, starts=8)
    >>> bool(found.values[0, 1] < 1e-6)
    True

    Source: M. Ostrow, A. Eisen, L. Kozachkov, I. Fiete, NeurIPS 2023, arXiv:2306.10168; used on
    trained networks in arXiv:2410.03972. The ascent (Barzilai–Borwein steps, starts from spectral
    signs) is ours.
    """
    one_of(score, "score", SCORES)
    integer(starts, "starts", at_least=1)
    integer(rank, "rank", at_least=1)
    operators = _operators(what, rank, integer(delays, "delays", at_least=1))
    if len(operators) < 2:
        raise InputError(f"dsa_distances needs at least two networks; got {len(operators)}.")
    pairs = ordered_pairs(operators.values)
    if score == "wasserstein":
        (values,) = of_pairs(pairs, _wasserstein(operators.values))
        return DSA(values, None, None, None, operators.labels)
    search = _search(operators.values, starts, seed, _ascend(engine))
    distance, angle, gaps = of_pairs(pairs, search)
    resolution = None
    if starts >= 2 * GUIDED:
        resolution = float(np.quantile(gaps[np.triu_indices(len(gaps), 1)], 0.95))
    return DSA(
        angle if score == "angle" else distance, distance, angle, resolution, operators.labels
    )


def _operators(what, rank, delays) -> Operators:
    if isinstance(what, np.ndarray) and what.ndim == 3:
        what = Operators(what, delays)
    if not isinstance(what, Operators):
        return delay_operators(what, rank=rank, delays=delays)
    if (what.rank, what.delays) != (rank, delays):
        raise InputError(
            f"the operators have rank {what.rank} and {what.delays} delays; asked for were rank "
            f"{rank} and {delays}."
        )
    return what


def _ascend(engine):
    """The function that climbs: compiled, or NumPy's."""
    if one_of(engine, "engine", ("auto", "numba", "numpy")) == "numpy":
        return _ascent.ascend
    try:
        from . import _kernels
    except Exception as error:  # not installed, or unable to compile for this processor
        if engine == "numba":
            raise InputError(
                f"engine='numba' cannot be used here ({type(error).__name__}: {error}). Use "
                "engine='numpy'."
            ) from None
        return _ascent.ascend
    return _kernels.ascend


def _search(operators, starts, seed, ascend):
    """Of a pair, what is searched for: distance, angle, and how far apart the bests of the even and
    of the odd starts lie in angle.
    """
    norms = np.linalg.norm(operators, axis=(1, 2))
    unit = operators / np.where(norms > 0, norms, 1.0)[:, None, None]
    own, drawn = bases(unit), haar(max(0, starts - GUIDED), operators.shape[1], seed)

    def search(i, j):
        first = guided(unit[i], unit[j], own[i], own[j])[:starts]
        C, heights = _ascent.solve(unit[i], unit[j], np.concatenate([first, drawn]), ascend)
        C, (even, odd) = C[heights.argmax()], _angle(2 - 2 * heights)
        plain, moved = (C @ x[j] @ C.T for x in (operators, unit))
        angle = _angle(((unit[i] - moved) ** 2).sum())
        return np.linalg.norm(operators[i] - plain), angle, abs(even - odd)

    return search


def _angle(squared):
    """2 arcsin(d/2) of squared distances between operators of unit norm: unlike arccos, exact near
    0.
    """
    return 2 * np.arcsin(np.sqrt(np.clip(squared, 0, 4)) / 2)


def _wasserstein(operators):
    """Of a pair, the mean cost of the best one-to-one matching of eigenvalues in the complex
    plane.
    """
    from scipy.optimize import linear_sum_assignment  # slow to import

    spectra = np.linalg.eigvals(operators)

    def matched(i, j):
        cost = np.abs(spectra[i][:, None] - spectra[j])
        return cost[linear_sum_assignment(cost)].mean()

    return matched


# ------------------------------------------------------------------------------------ pairs, starts
def ordered_pairs(matrices: np.ndarray) -> np.ndarray:
    """All pairs of a stack, (pairs, 2), each in an order that its two matrices set, whatever their
    size: a search then starts at the same place.

    The first entries that differ decide, in units of the largest; matrices that agree to 9 decimals
    are ordered by their bits.
    """
    largest = np.abs(matrices).max(axis=(1, 2))
    scaled = matrices / np.where(largest > 0, largest, 1.0)[:, None, None]
    keys = scaled.round(_DIGITS).reshape(len(matrices), -1).tolist()
    order = sorted(range(len(matrices)), key=lambda i: (keys[i], matrices[i].tobytes()))
    first, second = np.triu_indices(len(order), 1)
    return np.take(order, np.stack([first, second], axis=1))


def of_pairs(pairs: np.ndarray, measure: Callable) -> list[np.ndarray]:
    """Each number that `measure(i, j)` gives for all pairs, (networks, networks) with a zero
    diagonal, read-only. Threads run over pairs, not within their small products.
    """
    with one_blas_thread(), ThreadPoolExecutor(available_threads()) as pool:
        found = np.array(list(pool.map(measure, *pairs.T)))
    (first, second), networks = pairs.T, 1 + int(pairs.max())
    squares = np.zeros((*found.shape[1:], networks, networks)).reshape(-1, networks, networks)
    squares[:, first, second] = squares[:, second, first] = found.T
    return list(map(read_only, squares))


def bases(operators: np.ndarray) -> np.ndarray:
    """Four orthonormal bases of each operator that a rotation carries along, up to signs:
    (networks, 4, rank, rank), in columns.

    Operators have unit norm. Eigenvectors of the symmetric part; left and right singular vectors;
    real Schur vectors.
    """
    eigenvectors = np.linalg.eigh((operators + operators.transpose(0, 2, 1)) / 2)[1]
    left, _, right = np.linalg.svd(operators)
    schur = np.stack([_schur_vectors(A) for A in operators])
    return np.stack([eigenvectors, left, right.transpose(0, 2, 1), schur], axis=1)


def _schur_vectors(A):
    """Those of the form whose blocks stand by falling real part, then imaginary part, of the
    eigenvalues; pairs are standardised.

    LAPACK's own order, and which vector of a pair comes first, follow rounding errors.
    """
    T, Q = lapack_schur(np.array(A, order="F"))
    real, imaginary, sizes = block_eigenvalues(T)
    order = np.lexsort((-imaginary.round(_DIGITS), -real.round(_DIGITS)))
    arrange_blocks(T, Q, order.tolist(), sizes.tolist())
    return finish_form(T, Q, 0)[1]


def spectral_signs(A: np.ndarray, B: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Signs d that bring diag(d) B diag(d) near A, and how certain each is, (…, rank): from the
    leading eigenvector of the symmetric part of A ∘ B off the diagonal.
    """
    alike = A * B
    alike = alike + np.swapaxes(alike, -1, -2)
    alike[..., np.arange(A.shape[-1]), np.arange(A.shape[-1])] = 0
    leading = np.linalg.eigh(alike)[1][..., -1]
    return np.where(leading < 0, -1.0, 1.0), np.abs(leading)


def guided(A: np.ndarray, B: np.ndarray, bases_A: np.ndarray, bases_B: np.ndarray) -> np.ndarray:
    """The guided starts of a pair, (…, 8, rank, rank): each pair of bases with spectral
    signs, then with the least certain sign turned.

    The second has the other determinant. Order: the four bases, then the four with a sign turned,
    so that both halves of the starts hold some.
    """
    seen_A = np.swapaxes(bases_A, -1, -2) @ A[..., None, :, :] @ bases_A
    seen_B = np.swapaxes(bases_B, -1, -2) @ B[..., None, :, :] @ bases_B
    signs, certain = spectral_signs(seen_A, seen_B)
    weakest = np.arange(signs.shape[-1]) == certain.argmin(axis=-1)[..., None]
    turned = np.where(weakest, -signs, signs)
    made = [(bases_A * d[..., None, :]) @ np.swapaxes(bases_B, -1, -2) for d in (signs, turned)]
    return np.concatenate(made, axis=-3)


def haar(count: int, rank: int, seed: int) -> np.ndarray:
    """Random orthogonal matrices, (count, rank, rank), the same whatever is compared.

    Determinants 1, 1, −1, −1, …: both the even and the odd ones hold both.
    """
    drawn = [random.orthonormal(seed, "dsa start", i, (rank, rank)) for i in range(count)]
    Q = np.reshape(drawn, (count, rank, rank))
    wanted = np.where(np.arange(count) // 2 % 2, -1.0, 1.0)
    Q[:, :, 0] *= (wanted * np.sign(np.linalg.det(Q)))[:, None]
    return Q
