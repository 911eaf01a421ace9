"""Where the search for the best orthogonal matrix starts: bases that belong to an operator, with
signs, then random ones.
"""

from __future__ import annotations

import numpy as np

from schurkit import random
from schurkit.schur.blocks import arrange_blocks, block_eigenvalues, finish_form, lapack_schur

GUIDED = 8
"""Starts that are worked out from the operators; further ones are random."""
_DIGITS = 9
"""Decimals, of numbers about 1, that decide an order: rounding errors, which differ between
processors, then never do.
"""


def ordered_pairs(matrices: np.ndarray) -> np.ndarray:
    """All pairs of a stack, (pairs, 2), each in an order that its two matrices set, whatever their
    size: a search then starts at the same place.

    The first entries that differ decide, in units of the largest; matrices that agree to 9 decimals
    are ordered by their bits.
    """
    largest = np.abs(matrices).max(axis=(1, 2))
    keys = (
        (matrices / np.where(largest > 0, largest, 1.0)[:, None, None])
        .round(_DIGITS)
        .reshape(len(matrices), -1)
        .tolist()
    )
    order = sorted(range(len(matrices)), key=lambda i: (keys[i], matrices[i].tobytes()))
    first, second = np.triu_indices(len(order), 1)
    return np.take(order, np.stack([first, second], axis=1))


def bases(operators: np.ndarray) -> np.ndarray:
    """Four orthonormal bases of each operator that a rotation carries along, up to signs:
    (networks, 4, rank, rank), in columns.

    Operators have unit norm. Eigenvectors of the symmetric part; left and right singular vectors;
    real Schur vectors.
    """
    symmetric = np.linalg.eigh((operators + operators.transpose(0, 2, 1)) / 2)[1]
    left, _, right = np.linalg.svd(operators)
    return np.stack(
        [
            symmetric,
            left,
            right.transpose(0, 2, 1),
            np.stack([_schur_vectors(A) for A in operators]),
        ],
        axis=1,
    )


def _schur_vectors(A):
    """Those of the form whose blocks stand by falling real part, then imaginary part, of the
    eigenvalues; pairs are standardised.

    LAPACK's own order, and which vector of a pair comes first, follow rounding errors.
    """
    T, Q = lapack_schur(np.array(A, order="F"))
    real, imaginary, sizes = block_eigenvalues(T)
    arrange_blocks(
        T, Q, np.lexsort((-imaginary.round(_DIGITS), -real.round(_DIGITS))).tolist(), sizes.tolist()
    )
    return finish_form(T, Q, 0)[1]


def spectral_signs(A: np.ndarray, B: np.ndarray) -> np.ndarray:
    """Signs d that bring diag(d) B diag(d) near A, (…, rank): those of the leading eigenvector of
    the symmetric part of A ∘ B off the diagonal.
    """
    alike = A * B
    alike = alike + np.swapaxes(alike, -1, -2)
    alike[..., np.arange(A.shape[-1]), np.arange(A.shape[-1])] = 0
    leading = np.linalg.eigh(alike)[1][..., -1]
    return np.where(leading < 0, -1.0, 1.0), np.abs(leading)


def guided(A: np.ndarray, B: np.ndarray, bases_A: np.ndarray, bases_B: np.ndarray) -> np.ndarray:
    """The guided starts of each pair, (pairs, 8, rank, rank): each pair of bases with spectral
    signs, then with the least certain sign turned.

    The second has the other determinant. Order: the four bases, then the four with a sign turned,
    so that both halves of the starts hold some.
    """
    seen_A = np.swapaxes(bases_A, -1, -2) @ A[:, None] @ bases_A
    seen_B = np.swapaxes(bases_B, -1, -2) @ B[:, None] @ bases_B
    signs, certain = spectral_signs(seen_A, seen_B)
    turned = signs.copy()
    np.put_along_axis(
        turned,
        (weakest := certain.argmin(axis=-1)[..., None]),
        -np.take_along_axis(signs, weakest, -1),
        -1,
    )
    made = [(bases_A * d[..., None, :]) @ np.swapaxes(bases_B, -1, -2) for d in (signs, turned)]
    return np.concatenate(made, axis=1)


def haar(count: int, rank: int, seed: int) -> np.ndarray:
    """Random orthogonal matrices, (count, rank, rank), the same whatever is compared.

    Determinants 1, 1, −1, −1, …: both the even and the odd ones hold both.
    """
    drawn = (
        np.stack([random.normal(seed, "dsa start", i, (rank, rank)) for i in range(count)])
        if count
        else np.zeros((0, rank, rank))
    )
    Q, R = np.linalg.qr(drawn)
    Q = Q * np.where(np.diagonal(R, axis1=1, axis2=2) < 0, -1.0, 1.0)[:, None, :]
    wanted = np.where(np.arange(count) // 2 % 2, -1.0, 1.0)
    Q[:, :, 0] *= (wanted * np.where(np.linalg.det(Q) < 0, -1.0, 1.0))[:, None]
    return Q
