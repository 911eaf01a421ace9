"""The search for the orthogonal C with the largest ⟨A, C B Cᵀ⟩, and its ascent in NumPy, all
starts of a pair at once; `_kernels` has the same ascent compiled.
"""

from __future__ import annotations

import numpy as np

SCREEN = 40
"""Iterations from every start; the best ones go on."""
FINISH = 300
"""Iterations at most of those that go on."""
TOLERANCE = 1e-6
"""Of ‖G‖ at operators of unit norm."""


def longest(rank: int) -> float:
    """Largest ‖step · G‖ in the Frobenius norm: Newton–Schulz then still comes back to orthogonal
    matrices.
    """
    return 0.35 * np.sqrt(rank)


def solve(A: np.ndarray, B: np.ndarray, starts: np.ndarray, ascend) -> tuple:
    """`SCREEN` iterations from every start, then at most `FINISH` from the best of each half of
    them.

    A, B : (rank, rank), of unit norm.
    starts : (starts, rank, rank).
    ascend : the function below, or the compiled one.

    Returns
    -------
    C (2, rank, rank) and ⟨A, C B Cᵀ⟩ (2,): the best of the even and of the odd starts; −inf where a
    half is empty.
    """
    found, values = np.zeros((2, *A.shape)), np.full(2, -np.inf)
    finalists = max(1, len(starts) // 16)  # of each half of the starts
    screened, height = ascend(A, B, starts, SCREEN, TOLERANCE)
    for half in range(2):
        best = half + 2 * np.argsort(-height[half::2], kind="stable")[:finalists]
        if len(best):
            C, value = ascend(A, B, screened[best], FINISH, TOLERANCE)
            found[half], values[half] = C[value.argmax()], value.max()
    return found, values


def ascend(
    A: np.ndarray, B: np.ndarray, C: np.ndarray, iterations: int, tolerance: float
) -> tuple[np.ndarray, np.ndarray]:
    """Riemannian Barzilai–Borwein ascent from each start.

    With M = C B Cᵀ and G = skew(A Mᵀ − Mᵀ A), the gradient at C is G C. A step is C ← polar(C +
    step · G C), the polar factor by one step of Newton–Schulz, C ← C (3 I − CᵀC)/2, whose remaining
    error the next one removes. Step lengths are Barzilai and Borwein's, in turn the long and the
    short one. The best C seen is kept.

    Parameters
    ----------
    A, B : (rank, rank), of unit norm. C : (starts, rank, rank), orthogonal.
    iterations : at most.
    tolerance : of ‖G‖, where a start stops.

    Returns
    -------
    (starts, rank, rank) the best C, orthogonal to rounding, and (starts,) its ⟨A, C B Cᵀ⟩.
    """
    best, top = C.copy(), np.full(len(C), -np.inf)
    going, step, old = np.arange(len(C)), np.full(len(C), 0.25 * np.sqrt(len(A))), None
    for k in range(iterations + 1):
        value, G = _slope(A, B, C)
        better = value > top[going]
        top[going[better]], best[going[better]] = value[better], C[better]
        size = np.linalg.norm(G, axis=(1, 2))
        on = size > tolerance
        if k == iterations or not on.any():
            break
        if k:
            step = _lengths(G, old, step, k)
        going, C, G, step, size = going[on], C[on], G[on], step[on], size[on]
        step, old = np.minimum(step, longest(len(A)) / size), G
        C = newton_schulz(C + step[:, None, None] * (G @ C))
    for _ in range(3):
        best = newton_schulz(best)
    return best, _slope(A, B, best)[0]


def _slope(A, B, C):
    """⟨A, M⟩ and G = skew(A Mᵀ − Mᵀ A), M = C B Cᵀ."""
    turned = C @ B.T @ C.transpose(0, 2, 1)
    P = A @ turned
    X = P - turned @ A
    return np.trace(P, axis1=1, axis2=2), (X - X.transpose(0, 2, 1)) / 2


def _lengths(G, old, step, k):
    """Barzilai and Borwein's next steps: the short ones for even k, the long ones for odd k; never
    shorter where the slope grows.
    """
    y = old - G
    sy, yy, ss = ((a * b).sum(axis=(1, 2)) for a, b in ((old, y), (y, y), (old, old)))
    if k % 2:
        new = step * ss / np.maximum(np.abs(sy), 1e-300)
    else:
        new = step * np.abs(sy) / np.maximum(yy, 1e-300)
    return np.where(sy > 0, new, np.maximum(new, step))


def newton_schulz(C):
    """One step towards the nearest orthogonal matrix, C (3 I − CᵀC)/2."""
    return C @ (1.5 * np.eye(C.shape[-1]) - 0.5 * C.transpose(0, 2, 1) @ C)
