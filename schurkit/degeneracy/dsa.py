"""DSA: how far apart the dynamics of two networks are, whatever the coordinates they are written
in.
"""

from __future__ import annotations

from collections.abc import Hashable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment

from schurkit.checks import InputError, integer, one_of, read_only
from schurkit.engine import available_threads
from schurkit.engine.numpy import one_blas_thread

from . import _ascent, _starts
from .operators import Operators, delay_operators

SCORES = ("distance", "angle", "wasserstein")
_CHUNK = 16
"""Pairs whose starts are held at once by a thread."""


@dataclass(frozen=True, eq=False)
class DSA:
    """Distances between the dynamics of all pairs of networks.

    values : (networks, networks), the score asked for; symmetric, zero diagonal; lower is nearer.
    distance, angle : (networks, networks) ‖A − C B Cᵀ‖_F, and the angle in radians; None for the
        score "wasserstein".
    score, rank, delays, starts, seed : what was asked for.
    resolution : of the angle, in radians: over pairs, the .95 quantile of how far the bests of the
        even and of the odd starts lie apart; None where it is not known (fewer than 16 starts have
        too few random ones). Differences below it are the search's.
    labels : one name a network.
    """

    values: np.ndarray
    distance: np.ndarray | None
    angle: np.ndarray | None
    score: str
    rank: int
    delays: int
    starts: int
    seed: int
    resolution: float | None
    labels: tuple[Hashable, ...]


def dsa_distances(
    what, *, score: str, rank: int, delays: int, starts: int, seed: int = 0, engine: str = "auto"
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
    kept = (score, rank, delays, starts, seed)
    if score == "wasserstein":
        return DSA(
            read_only(_wasserstein(operators.values)), None, None, *kept, None, operators.labels
        )
    with one_blas_thread():  # threads over pairs, not within their small products
        distance, angle, resolution = _searched(operators.values, starts, seed, _solver(engine))
    values = angle if score == "angle" else distance
    return DSA(
        read_only(values),
        read_only(distance),
        read_only(angle),
        *kept,
        resolution if starts >= 2 * _starts.GUIDED else None,
        operators.labels,
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


def _solver(engine):
    """The function that searches: compiled, or NumPy's."""
    if one_of(engine, "engine", ("auto", "numba", "numpy")) == "numpy":
        return _ascent.solve
    try:
        from . import _kernels
    except Exception as error:  # not installed, or unable to compile for this processor
        if engine == "numba":
            raise InputError(
                f"engine='numba' cannot be used here ({type(error).__name__}: {error}). Use "
                "engine='numpy'."
            ) from None
        return _ascent.solve
    return _kernels.search


def _searched(values, starts, seed, solve):
    """Distances and angles of all pairs, and the angle's resolution."""
    networks, rank = values.shape[:2]
    norms = np.linalg.norm(values, axis=(1, 2))
    unit = values / np.where(norms > 0, norms, 1.0)[:, None, None]
    bases, random_starts = (
        _starts.bases(unit),
        _starts.haar(max(0, starts - _starts.GUIDED), rank, seed),
    )
    pairs = _starts.ordered_pairs(values)

    def job(some):
        i, j = some.T
        guided = _starts.guided(unit[i], unit[j], bases[i], bases[j])[:, :starts]
        first = np.concatenate(
            [guided, np.broadcast_to(random_starts, (len(some), *random_starts.shape))], axis=1
        )
        C, heights = solve(unit[i], unit[j], first)
        which = heights.argmax(axis=1)
        C = C[np.arange(len(some)), which]
        angles = np.stack([_angle(2 - 2 * h) for h in heights.T], axis=1)
        moved, plain = (C @ x @ C.transpose(0, 2, 1) for x in (unit[j], values[j]))
        return (
            np.linalg.norm(values[i] - plain, axis=(1, 2)),
            _angle(((unit[i] - moved) ** 2).sum(axis=(1, 2))),
            np.abs(angles[:, 0] - angles[:, 1]),
        )

    chunks = [pairs[k : k + _CHUNK] for k in range(0, len(pairs), _CHUNK)]
    with ThreadPoolExecutor(available_threads()) as pool:
        done = [np.concatenate(parts) for parts in zip(*pool.map(job, chunks))]
    distance, angle = np.zeros((networks, networks)), np.zeros((networks, networks))
    for square, found in ((distance, done[0]), (angle, done[1])):
        square[pairs[:, 0], pairs[:, 1]] = square[pairs[:, 1], pairs[:, 0]] = found
    return distance, angle, float(np.quantile(done[2], 0.95))


def _angle(squared):
    """2 arcsin(d/2) of squared distances between operators of unit norm: unlike arccos, exact near
    0.
    """
    return 2 * np.arcsin(np.sqrt(np.clip(squared, 0, 4)) / 2)


def _wasserstein(values):
    """Mean cost of the best one-to-one matching of eigenvalues in the complex plane, all pairs."""
    spectra = np.linalg.eigvals(values)
    square = np.zeros((len(values), len(values)))
    for i, j in _starts.ordered_pairs(values):
        cost = np.abs(spectra[i][:, None] - spectra[j])
        square[i, j] = square[j, i] = cost[linear_sum_assignment(cost)].mean()
    return square
