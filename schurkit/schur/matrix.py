"""The matrix that is written in Schur form: of one linear step, checked and scaled; and how far it
is from a normal one.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from schurkit.checks import InputError, read_only, real_array

from .blocks import departure_of, lapack_schur, norm_of, scaled_down


def is_whole(leak, D=None) -> bool:
    """Whether the step matrix is W_rec itself."""
    return np.ndim(leak) == 0 and leak == 1 and D is None


def step_matrix(W_rec, leak, D=None) -> np.ndarray:
    """diag(D) + diag(leak) W_rec, D = 1 − leak where it is None; W_rec as it came where it is no
    square matrix.
    """
    if is_whole(leak, D) or np.ndim(W_rec) != 2 or np.shape(W_rec)[0] != np.shape(W_rec)[1]:
        return W_rec
    a = np.broadcast_to(leak, len(W_rec))
    W_rec = real_array(W_rec, "W_rec", dtype=np.float64)
    return np.diag(1 - a if D is None else D) + a[:, None] * W_rec


def mean_step(leak, D=None) -> float:
    """ā, the mean of 1 − D: the length of a step in time constants."""
    return float(np.mean(leak if D is None else 1 - D))


def checked_D(D, hidden: int) -> np.ndarray | None:
    """(hidden,) float64, read-only; None where it is None."""
    if D is None:
        return None
    D = real_array(D, "D", ("hidden",), dtype=np.float64)
    if len(D) != hidden:
        raise InputError(f"D must hold one number a unit, ({hidden},); got shape {D.shape}.")
    if not mean_step(1.0, D) > 0:
        raise InputError(
            "D must have a mean below 1, or there is no time constant to cut per; got a mean of "
            f"{D.mean():.4g}."
        )
    return read_only(D)


def henrici(W_rec: ArrayLike, relative: bool = False) -> float:
    """Henrici's departure from normality, sqrt(‖W‖_F² − Σ|λ|²); 0 for normal matrices only.

    Computed without the cancellation of that difference, from any real Schur form: sqrt(‖N‖_F² + Σ
    (b + c)²) over its 2x2 blocks [[a, b], [c, a]].

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
    W_scaled, exponent, norm = checked_W_rec(W_rec, "henrici")
    departure = float(np.ldexp(departure_of(lapack_schur(W_scaled)[0]), exponent))
    if relative:
        return departure / norm if norm else 0.0
    return departure


def checked_W_rec(W_rec, function: str) -> tuple[np.ndarray, int, float]:
    """W_rec scaled as by `scaled_down`, the power of two that restores it, and its Frobenius
    norm.
    """
    shape = np.shape(W_rec)
    if len(shape) == 3 and shape[1] == shape[2]:
        raise InputError(
            f"{function} needs the W_rec of one network, shape (hidden, hidden); got a stack of "
            f"shape {shape}. Pass W_rec[i]."
        )
    if len(shape) != 2 or shape[0] != shape[1]:
        hint = " Did you pass W_in?" if len(shape) == 2 else ""
        raise InputError(f"{function} needs W_rec of shape (hidden, hidden); got {shape}.{hint}")
    if shape[0] == 0:
        raise InputError(f"{function} needs a W_rec of at least one unit; got shape {shape}.")
    W_scaled, exponent = scaled_down(real_array(W_rec, "W_rec", dtype=np.float64))
    norm = norm_of(W_scaled, exponent)
    if not np.isfinite(norm):
        raise InputError(
            f"{function} needs a W_rec whose Frobenius norm a float64 can hold; it exceeds "
            "1.8e308. Scale it down."
        )
    return W_scaled, exponent, norm
