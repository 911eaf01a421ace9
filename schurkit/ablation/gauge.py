"""What is a choice of basis: the couplings from C to R, moved into input, bias, start and readout.

Of a linear network any similarity transform leaves the outputs alone. One of them takes away all of
CR and no eigenvalue: with W_rec = Q [[T_RR, T_CR], [0, T_CC]] Qᵀ and S the solution of the
Sylvester equation T_RR S − S T_CC = −T_CR, the coordinates r − S c in place of r make W_rec = Q
[[T_RR, 0], [0, T_CC]] Qᵀ, and what comes in and is read out changes with them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.linalg import solve_sylvester

from schurkit.checks import InputError, one_network, one_of
from schurkit.rnn import RNN
from schurkit.schur import SchurForm

from .changes import check_form

PARTS = ("W_in", "b_rec", "h0", "W_out")


@dataclass(frozen=True, eq=False)
class Gauge:
    """The change of coordinates that takes CR away.

    S : (units in R, units in C).
    size : ‖S‖, spectral: how far the new coordinates lean; large where R and C nearly share an
        eigenvalue.
    gap : the smallest distance of an eigenvalue of T_RR from one of T_CC.
    residual : ‖T_RR S − S T_CC + T_CR‖ / ‖T_CR‖.
    """

    S: np.ndarray
    size: float
    gap: float
    residual: float


def gauge(form: SchurForm) -> Gauge:
    """The gauge of one Schur form.

    Raises
    ------
    InputError : R or C has no units, or they share an eigenvalue: then CR cannot be moved.
    """
    n, T = form.n_leading, form.T
    if not 0 < n < form.hidden_size:
        raise InputError(
            f"the gauge of CR needs units in R and in C; got {n} of {form.hidden_size} in R."
        )
    R, C = form.eigenvalues[:n], form.eigenvalues[n:]
    gap = float(np.abs(R[:, None] - C).min())
    if gap <= 1e-12 * max(form.radius, 1e-300):
        raise InputError(
            "the gauge of CR needs R and C without a common eigenvalue; the nearest two are "
            f"{gap:.2g} apart. Choose another threshold."
        )
    S = solve_sylvester(T[:n, :n], -T[n:, n:], -T[:n, n:])
    residual = np.linalg.norm(T[:n, :n] @ S - S @ T[n:, n:] + T[:n, n:])
    norm = np.linalg.norm(T[:n, n:])
    return Gauge(S, float(np.linalg.norm(S, 2)), gap, float(residual / norm) if norm else 0.0)


def without_CR(network: RNN, form: SchurForm, change: tuple[str, ...] = PARTS) -> RNN:
    """The network without CR, and what of its input, bias, start and readout is asked for in the
    coordinates in which CR is not needed.

    With all four the outputs of a linear network are unchanged. Of a network with tanh they are
    where it runs nearly linearly; elsewhere the nonlinearity, which is tied to the units, fixes the
    basis, and this is no valid test.

    Parameters
    ----------
    network : a stack of one.
    form : its Schur form.
    change : names out of "W_in", "b_rec", "h0" and "W_out"; () removes CR and nothing else.

    Returns
    -------
    RNN : float64.

    Examples
    --------
    >>> import numpy as np
    >>> from schurkit import real_schur
    >>> rnn = RNN(np.ones((2, 1)), [[0.9, 0.5], [0.0, 0.1]], np.ones((1, 2)))
    >>> without_CR(rnn, real_schur(rnn.W_rec[0])).W_rec[0].round(3).tolist()
    [[0.9, 0.0], [0.0, 0.1]]
    """
    one_network(network, "without_CR")
    check_form(network, form)
    for name in change:
        one_of(name, "change", PARTS)
    S = gauge(form).S
    n, one = form.n_leading, network.astype("float64")
    shear = np.zeros_like(form.T)
    shear[:n, n:] = S
    lean = form.Q @ shear @ form.Q.T
    moved = {name: getattr(one, name) - getattr(one, name) @ lean.T for name in ("b_rec", "h0")}
    moved |= {"W_in": one.W_in - lean @ one.W_in, "W_out": one.W_out + one.W_out @ lean}
    cut = one.with_W_rec(one.W_rec - form.weights(form.sector("CR")))
    return replace(cut, **{name: moved[name] for name in change})


def at_amplitude(network: RNN, amplitude: float) -> RNN:
    """The same network with input, bias and start times `amplitude` and the readout divided by it:
    of a linear network the outputs stay, of a saturating one they are those nearer to its origin.
    """
    if not amplitude > 0:
        raise InputError(f"amplitude must be above 0; got {amplitude}.")
    scaled = {name: getattr(network, name) * amplitude for name in ("W_in", "b_rec", "h0")}
    return replace(network, **scaled, W_out=network.W_out / amplitude)
