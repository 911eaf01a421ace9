"""The polar factor of stacks of matrices: the gradient of the nuclear norm."""

from __future__ import annotations

import numpy as np

COEFFICIENTS = (
    (8.28721201814563, -23.595886519098837, 17.300387312530933),
    (4.107059111542203, -2.9478499167379106, 0.5448431082926601),
    (3.9486908534822946, -2.908902115962949, 0.5518191394370137),
    (3.3184196573706015, -2.488488024314874, 0.51004894012372),
    (2.300652019954817, -1.6689039845747493, 0.4188073119525673),
    (1.891301407787398, -1.2679958271945868, 0.37680408948524835),
    (1.8750014808534479, -1.2500016453999487, 0.3750001645474248),
)
"""X ← a X + b X XᵀX + c X (XᵀX)², one row a step. Source: N. Amsel, D. Persson, C. Musco, R. M.
Gower, arXiv:2505.16932.
"""


def polar(W: np.ndarray) -> np.ndarray:
    """U Vᵀ of W = U S Vᵀ, (networks, rows, columns), by seven odd polynomials of degree 5.

    Singular values above 10⁻³ s, with s = (Σ σ⁴)^¼ ≥ the largest, become 1 to rounding; smaller
    ones a number between 0 and 1, smoothly: it is the gradient of Σ F(σ_i) with F(σ) = σ + a
    constant where σ > 10⁻³ s, rounded off at 0.
    """
    A = W.transpose(0, 2, 1) @ W
    size = np.sqrt(np.sqrt(np.einsum("nij,nij->n", A, A)))[:, None, None]
    size = np.where(size > 0, size, 1).astype(W.dtype)
    X, A = W / size, A / size**2
    rest, diagonal = np.empty_like(A), np.arange(W.shape[2])
    for i, (a, b, c) in enumerate(COEFFICIENTS):
        if i:
            np.matmul(X.transpose(0, 2, 1), X, out=A)
        np.matmul(A, A, out=rest)
        rest *= W.dtype.type(c)
        A *= W.dtype.type(b)
        rest += A
        rest[:, diagonal, diagonal] += W.dtype.type(a)
        X = X @ rest
    return X
