"""PIF: how far apart the recurrent matrices of two networks are, whatever the order of their
units.

Units are matched by Frank–Wolfe on relaxed (signed) permutations, then pairwise swaps and sign
flips.
"""

from __future__ import annotations

from collections.abc import Hashable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import linear_sum_assignment

from schurkit import random
from schurkit.checks import InputError, integer, one_of, read_only, real_array
from schurkit.engine import available_threads
from schurkit.engine.numpy import one_blas_thread
from schurkit.rnn import RNN

from .dsa import ordered_pairs, symmetric

STEPS = 60
"""Frank–Wolfe steps at most."""
_LEAST = 1e-9
"""A swap or flip has to gain this share of the norms to be worth it."""
SCALES = ("raw", "per n²", "relative")


@dataclass(frozen=True, eq=False)
class PIF:
    """Permutation-invariant distances between the recurrent matrices of all pairs of networks;
    upper bounds.

    values : (networks, networks), on the scale asked for; symmetric, zero diagonal.
    raw : ‖W1 − Q W2 Qᵀ‖_F.
    per_n2 : raw / n², the paper's scale across widths, under which it falls with n even for
        untrained networks.
    relative : raw / √(‖W1‖_F ‖W2‖_F); √2 for matrices that have nothing in common.
    scale, starts, seed, signed : what was asked for.
    labels : one name a network.
    """

    values: np.ndarray
    raw: np.ndarray
    per_n2: np.ndarray
    relative: np.ndarray
    scale: str
    starts: int
    seed: int
    signed: bool
    labels: tuple[Hashable, ...]


def pif_distances(
    W: ArrayLike,
    *,
    starts: int,
    seed: int = 0,
    scale: str = "raw",
    signed: bool = False,
    ends: bool = False,
) -> PIF:
    """Distances of all pairs: d(W1, W2) = min over permutations P of ‖W1 − P W2 Pᵀ‖_F.

    A quadratic assignment problem, searched from each start and then by swaps of two units (and
    turns of a sign) as long as they gain: what is found is an **upper bound**, never above ‖W1 −
    W2‖_F; no triangle inequality is promised. Each pair is solved once, in an order that its
    matrices set, so that the distance is symmetric to the last bit.

    Parameters
    ----------
    W : (networks, hidden, hidden), or an `RNN` stack.
    starts : of the search (FAQ): the barycentre first, then random doubly stochastic matrices. One
        finds planted copies; unrelated networks gain a few percent from 10.
    seed : of the random starts.
    scale : "raw", "per n²" or "relative": which of them `values` holds; all three are returned.
    signed : also allow h_i → −h_i, a symmetry of tanh networks without biases.
    ends : match input and readout weights too (W must be an `RNN`): d² gains ‖W_in1 − P W_in2‖² +
        ‖W_out1 − W_out2 Pᵀ‖², and the norms do.

    Returns
    -------
    PIF.

    Raises
    ------
    InputError : not a stack of at least two square matrices, or `ends` without an RNN.

    Examples
    --------
    >>> import numpy as np
    >>> W = np.arange(9.0).reshape(3, 3)
    >>> bool(pif_distances(np.stack([W, W[[2, 0, 1]][:, [2, 0, 1]]]), starts=2).raw[0, 1] < 1e-12)
    True

    Source: the distance of arXiv:2410.03972 (there with no stated solver); the relative scale and
    signs are ours.
    """
    one_of(scale, "scale", SCALES)
    integer(starts, "starts", at_least=1)
    if ends and not isinstance(W, RNN):
        raise InputError(
            "ends=True compares input and readout weights too: pass the RNN stack, not its W_rec."
        )
    matrices = real_array(
        W.W_rec if isinstance(W, RNN) else W,
        "W_rec",
        ("networks", "hidden", "hidden"),
        dtype=np.float64,
    )
    networks, hidden = matrices.shape[:2]
    if networks < 2:
        raise InputError(f"pif_distances needs at least two networks; got {networks}.")
    # The readout's transpose beside the input: (networks, hidden, inputs + outputs), whose rows
    # follow the units
    outer = np.zeros((networks, hidden, 0))
    if ends:
        outer = np.concatenate([W.W_in, W.W_out.transpose(0, 2, 1)], axis=2).astype(np.float64)
    raw = _all_pairs(matrices, outer, _starts(hidden, starts, seed), signed)
    norms = np.sqrt((matrices**2).sum(axis=(1, 2)) + (outer**2).sum(axis=(1, 2)))
    scales = np.sqrt(np.outer(norms, norms))
    relative = np.divide(raw, scales, out=np.zeros_like(raw), where=scales > 0)
    squares = [raw, read_only(raw / hidden**2), read_only(relative)]
    labels = W.labels if isinstance(W, RNN) else tuple(range(networks))
    return PIF(squares[SCALES.index(scale)], *squares, scale, starts, seed, signed, labels)


def _starts(hidden, starts, seed):
    drawn = (random.uniform(seed, "pif start", i, (hidden, hidden)) for i in range(starts - 1))
    return [np.full((hidden, hidden), 1 / hidden), *map(doubly_stochastic, drawn)]


def _all_pairs(matrices, outer, starts, signed):
    pairs = ordered_pairs(np.concatenate([matrices, outer], axis=2))

    def distance(pair):
        i, j = pair
        Q = matched(matrices[i], matrices[j], outer[i] @ outer[j].T, starts, signed)
        inner = ((matrices[i] - Q @ matrices[j] @ Q.T) ** 2).sum()
        return np.sqrt(inner + ((outer[i] - Q @ outer[j]) ** 2).sum())

    # Small products: threads over pairs, not within them
    with one_blas_thread(), ThreadPoolExecutor(available_threads()) as pool:
        return symmetric(pairs, list(pool.map(distance, pairs)))


# ------------------------------------------------------------------------- matching units of a pair
def gradient(A, B, linear, Q):
    """Of f(Q) = ⟨A, Q B Qᵀ⟩ + ⟨linear, Q⟩, (units, units)."""
    return A @ Q @ B.T + A.T @ Q @ B + linear


def value(A, B, linear, Q) -> float:
    """f(Q) = ⟨A, Q B Qᵀ⟩ + ⟨linear, Q⟩."""
    return float((A * (Q @ B @ Q.T)).sum() + (linear * Q).sum())


def vertex(G, signed: bool) -> np.ndarray:
    """The (signed) permutation matrix R that maximises ⟨G, R⟩."""
    rows, columns = linear_sum_assignment(np.abs(G) if signed else G, maximize=True)
    R = np.zeros_like(G)
    R[rows, columns] = np.where(G[rows, columns] < 0, -1.0, 1.0) if signed else 1.0
    return R


def frank_wolfe(A, B, linear, Q, signed: bool) -> np.ndarray:
    """Ascent of f over the convex hull of (signed) permutation matrices from Q, with exact steps;
    then the nearest vertex.

    Source: J. Vogelstein et al., *Fast approximate quadratic programming for graph matching*, PLoS
    ONE 10 (2015) (FAQ), which is the unsigned case without a linear term.
    """
    for _ in range(STEPS):
        G = gradient(A, B, linear, Q)
        D = vertex(G, signed) - Q
        rise, bend = (G * D).sum(), (A * (D @ B @ D.T)).sum()
        if bend < 0:
            step = min(1.0, -rise / (2 * bend))
        else:
            step = 1.0 if rise + bend > 0 else 0.0
        if not step > 0 or rise <= 0:
            break
        Q = Q + step * D
        if step * np.abs(D).max() < 1e-3:
            break
    return vertex(Q, signed)


def spectral_signs(A, B, linear, P) -> np.ndarray:
    """P with the signs of the leading eigenvector of A ∘ P B Pᵀ; their common sign by the linear
    term.
    """
    alike = A * (P @ B @ P.T)
    d = np.where(np.linalg.eigh(alike + alike.T)[1][:, -1] < 0, -1.0, 1.0)
    return d[:, None] * P * (-1.0 if (linear * d[:, None] * P).sum() < 0 else 1.0)


def polish(A, B, linear, Q, signed: bool) -> np.ndarray:
    """Swap two units, or turn the sign of one, as long as that gains: the best such move at a
    time.
    """
    F, own = Q @ B @ Q.T, linear @ Q.T
    a, least = np.diag(A), _LEAST * max(np.linalg.norm(A) * np.linalg.norm(B), 1e-300)
    for _ in range(4 * len(A)):
        gains, flips = _swap_gains(A, F, own), np.zeros(len(A))
        if signed:
            flips = -2 * (
                (A * F).sum(axis=1) + (A * F).sum(axis=0) - 2 * a * np.diag(F) + np.diag(own)
            )
        p, q = np.unravel_index(gains.argmax(), gains.shape)
        unit = int(flips.argmax())
        if max(gains[p, q], flips[unit]) <= least:
            break
        move = np.eye(len(A))
        if gains[p, q] >= flips[unit]:
            move[[p, q]] = move[[q, p]]
        else:
            move[unit, unit] = -1.0
        Q, F, own = move @ Q, move @ F @ move, own @ move
    return Q


def _swap_gains(A, F, own):
    """Change of f on swapping units p and q of the second network, (units, units)."""
    a, f = np.diag(A), np.diag(F)
    L = A @ F.T + A.T @ F
    crossed = (a[:, None] + a) * (F + F.T) + (A + A.T) * (f[:, None] + f)
    after = np.outer(a, f) + np.outer(f, a) + A * F.T + A.T * F
    before = (a * f)[:, None] + a * f + A * F + A.T * F.T
    single = np.diag(L) + np.diag(own)
    return L + L.T - crossed + after - (single[:, None] + single) + before + own + own.T


def doubly_stochastic(U: np.ndarray) -> np.ndarray:
    """Halfway between the barycentre and a random doubly stochastic matrix made of uniform numbers
    (Sinkhorn).
    """
    K = U + 1e-3
    for _ in range(100):
        K = K / K.sum(axis=0)
        K = K / K.sum(axis=1, keepdims=True)
    return (K + 1 / len(U)) / 2


def matched(A, B, linear, starts, signed: bool) -> np.ndarray:
    """The best (signed) permutation matrix found from all starts and from the identity.

    With signs, each start gives two candidates: the match of the absolute weights, and the one
    without signs; each then gets signs.
    """
    best, top = np.eye(len(A)), value(A, B, linear, np.eye(len(A)))
    for Q in starts:
        found = [frank_wolfe(A, B, linear, Q, False)]
        if signed:
            found.append(frank_wolfe(np.abs(A), np.abs(B), np.abs(linear), Q, False))
            signs = [spectral_signs(A, B, linear, P) for P in found]
            found += [frank_wolfe(A, B, linear, P, True) for P in signs]
        for one in found:
            one = polish(A, B, linear, one, signed)
            height = value(A, B, linear, one)
            if height > top:
                best, top = one, height
    return best
