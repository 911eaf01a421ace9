"""Where the search for the best orthogonal matrix starts: bases that belong to an operator, with signs, then random ones."""

from __future__ import annotations

import numpy as np
from scipy.linalg import schur

from .. import random

GUIDED = 8
"""Starts that are worked out from the operators; further ones are random."""


def bases(operators: np.ndarray) -> np.ndarray:
    """Four orthonormal bases of each operator that a rotation carries along, up to signs: (networks, 4, rank, rank), in columns.

    Eigenvectors of the symmetric part; left and right singular vectors; real Schur vectors ordered by the real part of the eigenvalues.
    """
    symmetric = np.linalg.eigh((operators + operators.transpose(0, 2, 1)) / 2)[1]
    left, _, right = np.linalg.svd(operators)
    return np.stack([symmetric, left, right.transpose(0, 2, 1), np.stack([_ordered(A) for A in operators])], axis=1)


def _ordered(A):
    """Real Schur vectors, eigenvalues of large real part first."""
    Q = schur(A, output="real")[1]
    T = Q.T @ A @ Q
    order = np.argsort(-np.diag(T), kind="stable")
    return Q[:, order]


def spectral_signs(A: np.ndarray, B: np.ndarray) -> np.ndarray:
    """Signs d that bring diag(d) B diag(d) near A, (…, rank): those of the leading eigenvector of the symmetric part of A ∘ B off the diagonal."""
    alike = A * B
    alike = alike + np.swapaxes(alike, -1, -2)
    alike[..., np.arange(A.shape[-1]), np.arange(A.shape[-1])] = 0
    leading = np.linalg.eigh(alike)[1][..., -1]
    return np.where(leading < 0, -1.0, 1.0), np.abs(leading)


def guided(A: np.ndarray, B: np.ndarray, bases_A: np.ndarray, bases_B: np.ndarray) -> np.ndarray:
    """The guided starts of each pair, (pairs, 8, rank, rank): each pair of bases with spectral signs, then with the least certain sign turned.

    The second has the other determinant. Order: the four bases, then the four with a sign turned, so that both halves of the starts hold some.
    """
    seen_A = np.swapaxes(bases_A, -1, -2) @ A[:, None] @ bases_A
    seen_B = np.swapaxes(bases_B, -1, -2) @ B[:, None] @ bases_B
    signs, certain = spectral_signs(seen_A, seen_B)
    turned = signs.copy()
    np.put_along_axis(turned, (weakest := certain.argmin(axis=-1)[..., None]), -np.take_along_axis(signs, weakest, -1), -1)
    made = [(bases_A * d[..., None, :]) @ np.swapaxes(bases_B, -1, -2) for d in (signs, turned)]
    return np.concatenate(made, axis=1)


def haar(count: int, rank: int, seed: int) -> np.ndarray:
    """Random orthogonal matrices, (count, rank, rank), the same whatever is compared.

    Determinants 1, 1, −1, −1, …: both the even and the odd ones hold both.
    """
    drawn = np.stack([random.normal(seed, "dsa start", i, (rank, rank)) for i in range(count)]) if count else np.zeros((0, rank, rank))
    Q, R = np.linalg.qr(drawn)
    Q = Q * np.where(np.diagonal(R, axis1=1, axis2=2) < 0, -1.0, 1.0)[:, None, :]
    wanted = np.where(np.arange(count) // 2 % 2, -1.0, 1.0)
    Q[:, :, 0] *= (wanted * np.where(np.linalg.det(Q) < 0, -1.0, 1.0))[:, None]
    return Q
