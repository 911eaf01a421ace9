"""Matching the units of two networks: Frank–Wolfe on relaxed (signed) permutations, then pairwise
swaps and sign flips.
"""

from __future__ import annotations

import numpy as np
from scipy.optimize import linear_sum_assignment

STEPS = 60
"""Frank–Wolfe steps at most."""
_LEAST = 1e-9
"""A swap or flip has to gain this share of the norms to be worth it."""


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


def matched(A, B, linear, starts, signed: bool, refine: bool) -> np.ndarray:
    """The best (signed) permutation matrix found from all starts and from the identity.

    With signs, each start gives two candidates: the match of the absolute weights, and the one
    without signs; each then gets signs.
    """
    best, top = np.eye(len(A)), value(A, B, linear, np.eye(len(A)))
    for Q in starts:
        found = [frank_wolfe(A, B, linear, Q, False)]
        if signed:
            found.append(frank_wolfe(np.abs(A), np.abs(B), np.abs(linear), Q, False))
            found += [
                frank_wolfe(A, B, linear, spectral_signs(A, B, linear, P), True) for P in found
            ]
        for one in found:
            one = polish(A, B, linear, one, signed) if refine else one
            height = value(A, B, linear, one)
            if height > top:
                best, top = one, height
    return best
