"""What drives the recurrent matrix of one network, and what the readout feels of a change there.

W_rec multiplies the **driving activity** r_t, h_{t−1} in the rate form and φ(v_{t−1} + c) in the
voltage form, so that a change ΔT of the Schur form changes the pre-activation of step t by
Q ΔT Qᵀ r_t: `activity_weighted_mass`, and `mass_over_time` along the trial. What the readout still
feels of it is told by the adjoint of the outputs: `readout_adjoint`. `schurkit.analyses.prediction`
predicts the cost of removals from both.
"""

from __future__ import annotations

import numpy as np

from schurkit import random
from schurkit.checks import (
    InputError,
    integer,
    one_network,
    real_array,
    shared_trials,
    suited_trials,
)
from schurkit.engine import rollout
from schurkit.engine.adjoints import output_adjoints
from schurkit.rnn import RNN, Trials
from schurkit.schur import SchurForm


def driving_activity(rnn: RNN, trials: Trials) -> np.ndarray:
    """What W_rec multiplies at each step of one network: h_{t−1} (rate form) or φ(v_{t−1} + c)
    (voltage form), (trials, time, hidden), float64.
    """
    one_network(rnn, "driving_activity")
    shared_trials(trials, "driving_activity")
    states = rollout(rnn, trials, states=True, dtype="float64").states[0]
    before = np.roll(states, 1, axis=1)
    before[:, 0] = trials.starts(rnn)[0]
    if not np.isfinite(before).all():
        raise InputError(
            "driving_activity needs a network that stays finite on these trials; its states "
            "diverge."
        )
    return rnn.rates(before[None])[0]


def activity_weighted_mass(
    form: SchurForm, deltas, activity, *, relative: bool = True
) -> np.ndarray:
    """sqrt(E‖ΔT Qᵀ r‖²) along trajectories, by default relative to that of T; for many ΔT at once
    through C = Qᵀ E[r rᵀ] Q.

    Parameters
    ----------
    form : Schur form of the network.
    deltas : ΔT (hidden, hidden), or a sequence of them.
    activity : (…, hidden), what W_rec multiplies: `driving_activity`.
    relative : divide by sqrt(E‖T Qᵀ r‖²).

    Returns
    -------
    (removals,) float64; a scalar array for a single ΔT.

    Raises
    ------
    InputError : shapes that do not fit, or nothing to be relative to (T Qᵀ r is zero).

    Examples
    --------
    >>> from schurkit import real_schur
    >>> form = real_schur([[0.5, 3.0], [0.0, 0.25]])
    >>> r = [[0.0, 1.0], [0.0, -1.0]]
    >>> round(float(activity_weighted_mass(form, form.N, r, relative=False)), 6)
    3.0
    """
    single = np.ndim(deltas) == 2
    deltas = [form._change(d) for d in ([deltas] if single else deltas)]
    moment = second_moment(form, activity)
    masses = np.sqrt([weighted(d, moment) for d in deltas])
    if relative:
        whole = np.sqrt(weighted(form.T, moment))
        if not whole > 0:
            raise InputError(
                "the activity-weighted mass is undefined: T Qᵀ r is zero on this activity."
            )
        masses = masses / whole
    return masses[0] if single else masses


def mass_over_time(form: SchurForm, delta_T: np.ndarray, activity: np.ndarray) -> np.ndarray:
    """What a change carries at each step, sqrt(E‖ΔT Qᵀ r_t‖² / E‖T Qᵀ r_t‖²) over trials:
    `activity_weighted_mass` along the trial.

    Parameters
    ----------
    form : Schur form of the network.
    delta_T : (hidden, hidden).
    activity : (trials, time, hidden), what W_rec multiplies:
        `driving_activity`.

    Returns
    -------
    (time,) float64; NaN at steps at which T Qᵀ r is zero.

    Examples
    --------
    >>> from schurkit import real_schur
    >>> form = real_schur([[0.5, 3.0], [0.0, 0.25]])
    >>> mass_over_time(form, form.T, np.ones((2, 3, 2))).tolist()
    [1.0, 1.0, 1.0]
    """
    turned = _checked(form, activity, 3) @ form.Q
    part, whole = (
        np.square(turned @ matrix.T).sum(axis=2).mean(axis=0)
        for matrix in (form._change(delta_T), form.T)
    )
    return np.sqrt(np.divide(part, whole, out=np.full_like(whole, np.nan), where=whole > 0))


def second_moment(form: SchurForm, activity) -> np.ndarray:
    """C = Qᵀ E[r rᵀ] Q."""
    rotated = _checked(form, activity).reshape(-1, form.hidden_size) @ form.Q
    return rotated.T @ rotated / len(rotated)


def _checked(form, activity, axes=None):
    """Activity with so many axes, two or more where it does not say."""
    activity, wanted = real_array(activity, "activity", dtype=np.float64), form.hidden_size
    there = activity.ndim == axes if axes else activity.ndim > 1
    if not there or activity.shape[-1] != wanted or not activity.size:
        first = "trials, time" if axes else "…"
        raise InputError(
            f"activity must have axes ({first}, {wanted}) and hold at least one state; got shape "
            f"{activity.shape}."
        )
    return activity


def weighted(delta_T: np.ndarray, moment: np.ndarray, adjoint: np.ndarray | None = None) -> float:
    """tr(Λ ΔT C ΔTᵀ), Λ = I when left out; few rows and columns of a single coupling are not zero.
    Rounding below zero becomes zero.
    """
    rows, columns = np.flatnonzero(delta_T.any(axis=1)), np.flatnonzero(delta_T.any(axis=0))
    small = delta_T[np.ix_(rows, columns)]
    left = small if adjoint is None else adjoint[np.ix_(rows, rows)] @ small
    return max(float((left * (small @ moment[np.ix_(columns, columns)])).sum()), 0.0)


def readout_adjoint(rnn: RNN, trials: Trials, *, signals: int = 8, seed: int = 0) -> np.ndarray:
    """Second moment E[λ λᵀ] of the readout-relevant adjoint λ_t = ∂(Σ r · y / √D) /
    ∂(pre-activation of step t), in raw coordinates.

    r holds a random sign for each trial, unmasked step and output, D = Σ‖y* − ȳ*‖² over unmasked
    targets is the denominator of FVU. The mean is over signals, trials and all steps. This is the
    estimator of the Gauss–Newton part of ΔFVU: trials · steps · tr(Λ ΔT C ΔTᵀ) is what it would be
    if λ_t and the activity were independent, and the products λ_tᵀ ΔT r_t uncorrelated over time.

    Parameters
    ----------
    rnn : a stack of one.
    trials : shared trials.
    signals : number of random signals, each one backward pass.
    seed : of the signals.

    Returns
    -------
    (hidden, hidden) float64, symmetric, positive semidefinite. Its span is what the readout still
    feels, through later steps as well.

    Raises
    ------
    InputError : more than one network, trials with a networks axis, targets that do not vary, or a
        network that diverges.
    """
    one_network(rnn, "readout_adjoint")
    suited_trials(trials, rnn, "readout_adjoint")
    signals = integer(signals, "signals", at_least=1)
    if not trials.total_variance > 0:
        raise InputError(
            "the readout-relevant adjoint is undefined: the unmasked targets do not vary."
        )
    counted, steps = trials.counted.T[..., None], trials.targets.shape[1]
    first = int(np.argmax(counted.any(axis=(1, 2))))
    shape = (1, steps - first, len(trials), rnn.output_size)
    rnn = rnn.astype(np.float64)
    total = np.zeros((rnn.hidden_size, rnn.hidden_size))
    with output_adjoints(rnn, trials) as network:
        for signal in range(signals):
            signs = random.signs(seed, "readout adjoint", signal, shape)[0] * counted[first:]
            r = signs / np.sqrt(float(trials.total_variance))
            adjoint = network.back(r).reshape(-1, rnn.hidden_size)
            total += adjoint.T @ adjoint
    if not np.isfinite(total).all():
        raise InputError(
            "readout_adjoint needs a network that stays finite on these trials; its states or "
            "adjoints diverge."
        )
    return total / (signals * len(trials) * steps)
