"""The ordered real Schur form of one network: coordinates in which its eigenvalues and its
nonnormal couplings stand apart.

W_rec = Q T Qᵀ with Q orthogonal and T = B + N: B holds the diagonal blocks (the eigenvalues), N the
couplings between blocks. Blocks stand by nonincreasing modulus, so the leading ones (sector R)
drive each other in `RR`, are driven by the complement C in `CR`, and C drives itself in `CC`.

What is unique and what is not
    The eigenvalues, ‖T‖, the Henrici departure and norm_CR are properties of the matrix and of its
    leading invariant subspace. ‖RR‖, ‖CC‖ and single couplings also depend on the order of
    the blocks inside a sector: see `SchurForm.random_order`. Q is unique up to a rotation inside
    each block. We fix what can be fixed exactly: the entry of largest magnitude of the first Schur
    vector of each block is positive, and the upper off-diagonal entry of each 2x2 block is
    positive. Blocks with |upper| = |lower| leave the rotation angle free.

Sources: S. Dräger, arXiv:2606.18457, §2 (coordinates, sectors) · Z. Bai and J. W. Demmel, Linear
Algebra Appl. 186 (1993), and LAPACK dtrexc, dlaexc and dlanv2 (moving blocks) · P. Henrici, Numer.
Math. 4 (1962) (departure from normality).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from schurkit.checks import checked_leak, number

from .blocks import cut_of, finish_form, lapack_schur, order_blocks
from .form import SchurForm, warn_of
from .matrix import checked_D, checked_W_rec, mean_step, step_matrix


def real_schur(
    W_rec: ArrayLike, threshold: float = 0.9, *, leak: ArrayLike = 1.0, D: ArrayLike | None = None
) -> SchurForm:
    """Ordered real Schur form of one network's step matrix, diag(D) + diag(leak) W_rec = Q T Qᵀ:
    W_rec itself at leak 1, unless D is given.

    Blocks stand by nonincreasing modulus of their eigenvalues; ties (within 8 eps of the norm) keep
    LAPACK's order and a complex pair is never split. 2x2 blocks are standardised: equal diagonal,
    off-diagonal entries of opposite sign, |upper| ≥ |lower|. For relu networks and fixed-point
    tasks the modulus is an order, not a time scale.

    Parameters
    ----------
    W_rec : (hidden, hidden) recurrent weights in the column convention h_t = φ(W_rec h_{t−1} + …),
        as `nn.RNN.weight_hh_l0`; used in float64.
    threshold : from 0 to 1. R holds the blocks of modulus ≥ threshold^ā × the largest, ā the mean
        of 1 − D (`SchurForm.cut`), up to the tie tolerance. If all moduli are 0, all blocks are in
        R.
    leak : dt/τ, one number or one a unit, (hidden,), above 0 and at most 1.
    D : (hidden,), what of each unit's voltage stays for a step, of a mean below 1; 1 − leak when
        left out.

    Returns
    -------
    SchurForm. A move of blocks that LAPACK refuses is listed in `refused`, with SchurOrderWarning.

    Raises
    ------
    InputError : not one square real finite matrix, a norm beyond the float64 range, or a threshold
        or leak or D out of range.

    Examples
    --------
    >>> from schurkit.schur import real_schur
    >>> form = real_schur([[0.5, 3.0], [0.0, 2.0]])
    >>> form.moduli.round(6).tolist(), form.n_leading, round(form.norm_CR, 6)
    ([2.0, 0.5], 1, 3.0)

    Source: S. Dräger, arXiv:2606.18457, §2, whose α is our threshold; LAPACK dgees and dtrexc.
    """
    threshold = number(threshold, "threshold", at_least=0, at_most=1)
    hidden = np.shape(W_rec)[0] if np.ndim(W_rec) else 0
    leak, D = checked_leak(leak, hidden), checked_D(D, hidden)
    W_scaled, exponent, norm = checked_W_rec(step_matrix(W_rec, leak, D), "real_schur")
    T, Q = lapack_schur(W_scaled)
    refused = order_blocks(T, Q, exponent, norm)
    T, Q, blocks = finish_form(T, Q, exponent)
    warn_of(refused)
    n_leading, _ = cut_of(blocks, threshold, norm, mean_step(leak, D))
    return SchurForm(Q, T, blocks, threshold, leak, n_leading, refused, D)
