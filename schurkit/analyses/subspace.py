"""How changes ΔT of the Schur form meet the activity, the readout and the input of one network.

W_rec multiplies the **driving activity** r_t, h_{t−1} in the rate form and φ(v_{t−1}) in the
voltage form, so that ΔT changes the pre-activation of step t by Q ΔT Qᵀ r_t:
`activity_weighted_mass`. What the readout still feels of it is told by the adjoint of the outputs:
`readout_adjoint`. `schurkit.analyses.prediction` predicts the cost of removals from both.

The question is the paper's (S. Dräger, arXiv:2606.18457, §5): is a removal harmless because it
avoids what the task uses?
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np

from schurkit import random
from schurkit.ablation import check_form, name_of, removal
from schurkit.checks import InputError, integer, number, read_only, real_array
from schurkit.engine import rollout
from schurkit.engine.adjoints import output_adjoints
from schurkit.rnn import RNN, Trials
from schurkit.schur.form import SchurForm


# --------------------------------------------------------------------------------------- subspaces
@dataclass(frozen=True, eq=False, repr=False)
class ActivityBasis:
    """Principal components of activity; made by `activity_basis`.

    basis : (hidden, components), orthonormal columns, largest share first.
    shares : (hidden,) share of each component of the variance (centred) or
    of the mean square (not centred), all of them. mean : (hidden,) what was subtracted; zero if not
    centred. vectors : number of states used.
    """

    basis: np.ndarray
    shares: np.ndarray
    mean: np.ndarray
    centred: bool
    vectors: int

    def __repr__(self) -> str:
        components = self.basis.shape[1]
        kind = "variance" if self.centred else "mean square"
        return (
            f"ActivityBasis({components} of {len(self.shares)} components, "
            f"{self.shares[:components].sum():.4f} of the {kind})"
        )


def activity_basis(
    states, *, share: float = 0.99, components: int | None = None, centred: bool = True, mask=None
) -> ActivityBasis:
    """Principal components of hidden states: as few as hold a share of the variance, or a given
    number.

    Parameters
    ----------
    states : (…, hidden), e.g. (trials, time, hidden): `Rollout.states` of one network, or
        `driving_activity`.
    share : of the variance about the mean (`centred`) or of the mean square.
    components : how many to keep instead.
    mask : which states count, zeros and ones, (trials, time), (time) or whatever fits the leading
        axes; all when left out.

    Raises
    ------
    InputError : shapes that do not fit, numbers out of range, or states that do not vary (or,
        uncentred, are all zero).

    Examples
    --------
    >>> activity_basis([[1.0, 1.0], [-1.0, -1.0], [2.0, 2.0], [0.0, 0.1]])
    ActivityBasis(1 of 2 components, 0.9996 of the variance)
    """
    states = real_array(states, "states", dtype=np.float64)
    if states.ndim < 2 or not states.size:
        raise InputError(
            f"states must have axes (…, hidden) and hold at least one; got shape {states.shape}."
        )
    kept = states.reshape(-1, states.shape[-1])
    if mask is not None:
        mask = real_array(mask, "mask").astype(bool)
        if (
            mask.ndim >= states.ndim
            or np.broadcast_shapes(mask.shape, (1,) * mask.ndim)
            != states.shape[states.ndim - 1 - mask.ndim : -1]
        ):
            raise InputError(
                f"mask must fit the leading axes of states {states.shape[:-1]}; got shape "
                f"{mask.shape}."
            )
        kept = states[np.broadcast_to(mask, states.shape[:-1])]
    mean = kept.mean(axis=0) if centred and len(kept) else np.zeros(states.shape[-1])
    moment = (kept - mean).T @ (kept - mean)
    scale = np.abs(kept).max() if len(kept) else 0.0
    if not np.trace(moment) > 1e-24 * scale**2 * max(len(kept), 1):
        raise InputError(
            f"activity_basis is undefined: the {len(kept)} states "
            f"{'do not vary' if centred else 'are all zero'}."
        )
    values, vectors = np.linalg.eigh(moment)
    shares = np.maximum(values[::-1], 0) / np.maximum(values, 0).sum()
    if components is None:
        wanted = number(share, "share", above=0, at_most=1)
        components = min(1 + int(np.searchsorted(shares.cumsum(), wanted - 1e-12)), len(shares))
    components = integer(components, "components", at_least=1, at_most=len(shares))
    basis = vectors[:, ::-1][:, :components]
    return ActivityBasis(
        read_only(basis), read_only(shares), read_only(mean), bool(centred), len(kept)
    )


def principal_angles(A, B) -> np.ndarray:
    """Principal angles between the spans of the columns of A (hidden, …) and B (hidden, …), in
    radians, smallest first.

    As many as the smaller rank; accurate for small angles as well. 0 everywhere means that one span
    lies in the other.

    Source: A. V. Knyazev and M. E. Argentati, SIAM J. Sci. Comput. 23 (2002) 2008.

    Examples
    --------
    >>> principal_angles(np.eye(3)[:, :2], np.eye(3)[:, 1:]).round(3).tolist()
    [0.0, 1.571]
    """
    A, B = _orthonormal(A, "A"), _orthonormal(B, "B")
    if len(A) != len(B):
        raise InputError(
            f"A and B must have columns of one length (hidden); got shapes {A.shape} and {B.shape}."
        )
    if A.shape[1] < B.shape[1]:
        A, B = B, A
    cosines = np.clip(np.linalg.svd(A.T @ B, compute_uv=False), 0, 1)
    sines = np.clip(np.linalg.svd(B - A @ (A.T @ B), compute_uv=False)[::-1], 0, 1)
    return np.where(cosines**2 > 0.5, np.arcsin(sines), np.arccos(cosines))


def _orthonormal(basis, name):
    """Orthonormal columns with the same span."""
    basis = real_array(basis, name, ("hidden", "components"), dtype=np.float64)
    left, sizes, _ = np.linalg.svd(basis, full_matrices=False)
    if not sizes.size or sizes[0] == 0:
        raise InputError(
            f"{name} must span at least one direction; got zeros of shape {basis.shape}."
        )
    return left[:, sizes > sizes[0] * max(basis.shape) * np.finfo(np.float64).eps]


@dataclass(frozen=True)
class Energy:
    """Share of ‖ΔW‖_F² that meets a subspace; made by `energy_in`.

    share : measured, from 0 to 1.
    expected : mean over random subspaces of the same dimensions.
    spread : standard deviation over random subspaces;
    None where both sides are restricted.
    """

    share: float
    expected: float
    spread: float | None


def energy_in(change, left=None, right=None) -> Energy:
    """Share of ‖ΔW‖_F² whose driven side lies in `left` and whose driving side reads from `right`,
    ‖P_left ΔW P_right‖² / ‖ΔW‖².

    For random subspaces of k of the N dimensions the mean share is k/N a side (the product for two
    sides). For one side the variance is 2 k (N − k) ‖G − tr(G) I/N‖² / (N (N − 1)(N + 2)) with G =
    ΔW ΔWᵀ/‖ΔW‖² (or ΔWᵀ ΔW): broad for a change of low rank.

    Parameters
    ----------
    change : (hidden, hidden) ΔW in raw coordinates: ``form.weights(delta_T)`` for a change of T.
    left, right : (hidden, components) columns that span the subspace, e.g.
        ``activity_basis(…).basis``, W_in, W_out.T; None: no restriction.

    Raises
    ------
    InputError : shapes that do not fit, a zero subspace, or a change that is zero.

    Examples
    --------
    >>> energy = energy_in([[3.0, 0.0], [0.0, 4.0]], left=[[0.0], [1.0]])
    >>> round(energy.share, 6), energy.expected
    (0.64, 0.5)
    """
    change = real_array(change, "change", ("hidden", "hidden"), dtype=np.float64)
    largest = np.abs(change).max(initial=0)
    if largest == 0:
        raise InputError("energy_in is undefined: the change is zero.")
    change = change / largest
    change /= np.linalg.norm(change)
    hidden = len(change)
    sides = {
        name: _orthonormal(basis, name)
        for name, basis in (("left", left), ("right", right))
        if basis is not None
    }
    for name, basis in sides.items():
        if len(basis) != hidden:
            raise InputError(
                f"{name} must have columns of length {hidden} (hidden); got shape {basis.shape}."
            )
    inside = change if left is None else sides["left"].T @ change
    inside = inside if right is None else inside @ sides["right"]
    expected = float(np.prod([basis.shape[1] / hidden for basis in sides.values()]))
    spread = None
    if len(sides) < 2:
        k = next(iter(sides.values())).shape[1] if sides else hidden
        gram = change @ change.T if right is None else change.T @ change
        uneven = np.square(gram - np.eye(hidden) / hidden).sum()
        spread = float(
            np.sqrt(2 * k * (hidden - k) * uneven / (hidden * max(hidden - 1, 1) * (hidden + 2)))
        )
    return Energy(float(np.square(inside).sum()), expected, spread)


@dataclass(frozen=True)
class EnergyRow:
    """How one removal meets one subspace: `Energy` with its names.

    network, removed : labels.
    side : "driven" or "driving".
    subspace : "activity", "readout" or "input".
    dimension : of the subspace.
    """

    network: Hashable
    removed: Hashable
    side: str
    subspace: str
    dimension: int
    share: float
    expected: float
    spread: float


def energy_rows(
    form: SchurForm, rnn: RNN, trials: Trials, deltas: Sequence, *, labels=None, share: float = 0.99
) -> list[EnergyRow]:
    """Energy of each removal on either side in the principal components of the driving activity,
    the readout rows and the input columns.

    Parameters
    ----------
    form, rnn, trials, deltas, labels : as `predictors`; a removal that is zero has no share and no
        row.
    share : of `activity_basis` (centred).
    """
    deltas, labels = named_removals(form, rnn, deltas, labels)
    spans = {
        "activity": activity_basis(driving_activity(rnn, trials), share=share).basis,
        "readout": rnn.W_out[0].T,
        "input": rnn.W_in[0],
    }
    spans = {
        name: _orthonormal(span, f"the {name} subspace")
        for name, span in spans.items()
        if span.size
    }
    rows = []
    for delta_T, label in zip(deltas, labels):
        if not delta_T.any():
            continue
        change = form.weights(delta_T)
        for name, span in spans.items():
            for side, key in (("driven", "left"), ("driving", "right")):
                energy = energy_in(change, **{key: span})
                rows.append(
                    EnergyRow(
                        rnn.labels[0],
                        label,
                        side,
                        name,
                        span.shape[1],
                        energy.share,
                        energy.expected,
                        energy.spread,
                    )
                )
    return rows


# --------------------------------------------------------- what drives, and what the readout feels
def driving_activity(rnn: RNN, trials: Trials) -> np.ndarray:
    """What W_rec multiplies at each step of one network: h_{t−1} (rate form) or φ(v_{t−1}) (voltage
    form), (trials, time, hidden), float64.
    """
    if len(rnn) != 1:
        raise InputError(
            f"driving_activity needs one network (a stack of one); got {len(rnn)}. Take rnn[i]."
        )
    _shared(trials, "driving_activity")
    states = rollout(rnn, trials, states=True, dtype="float64").states[0]
    before = np.concatenate(
        [
            np.broadcast_to(rnn.h0[0].astype(np.float64), (len(states), 1, rnn.hidden_size)),
            states[:, :-1],
        ],
        axis=1,
    )
    if not np.isfinite(before).all():
        raise InputError(
            "driving_activity needs a network that stays finite on these trials; its states "
            "diverge."
        )
    if rnn.form == "rate":
        return before
    return rnn.activate(before)


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
    >>> round(float(activity_weighted_mass(form, form.N, [[0.0, 1.0], [0.0, -1.0]], relative=False)), 6)
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


def second_moment(form: SchurForm, activity) -> np.ndarray:
    """C = Qᵀ E[r rᵀ] Q."""
    activity = real_array(activity, "activity", dtype=np.float64)
    if activity.ndim < 2 or activity.shape[-1] != form.hidden_size or not activity.size:
        raise InputError(
            f"activity must have axes (…, {form.hidden_size}) and hold at least one state; got "
            f"shape {activity.shape}."
        )
    rotated = activity.reshape(-1, form.hidden_size) @ form.Q
    return rotated.T @ rotated / len(rotated)


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
    if len(rnn) != 1:
        raise InputError(
            f"readout_adjoint needs one network (a stack of one); got {len(rnn)}. Take rnn[i]."
        )
    _shared(trials, "readout_adjoint")
    signals = integer(signals, "signals", at_least=1)
    window, denominator = _window(trials)
    first, steps = int(np.argmax(window.any(axis=(1, 2)))), trials.targets.shape[1]
    shape = (1, steps - first, len(trials), rnn.output_size)
    if trials.targets.shape[2] != rnn.output_size:
        raise InputError(
            f"targets must have {rnn.output_size} outputs to fit the network; got "
            f"{trials.targets.shape[2]}."
        )
    rnn = rnn.astype(np.float64)
    total = np.zeros((rnn.hidden_size, rnn.hidden_size))
    with output_adjoints(rnn, trials.inputs, steps) as network:
        for signal in range(signals):
            r = (
                random.signs(seed, "readout adjoint", signal, shape)[0]
                * window[first:]
                / np.sqrt(denominator)
            )
            adjoint = network.back(r).reshape(-1, rnn.hidden_size)
            total += adjoint.T @ adjoint
    if not np.isfinite(total).all():
        raise InputError(
            "readout_adjoint needs a network that stays finite on these trials; its states or "
            "adjoints diverge."
        )
    return total / (signals * len(trials) * steps)


def _window(trials):
    """Which steps count, (time, trials, 1), and the denominator of FVU."""
    if not trials.total_variance > 0:
        raise InputError(
            "the readout-relevant adjoint is undefined: the unmasked targets do not vary."
        )
    return np.moveaxis(trials.counted[..., None], 1, 0), float(trials.total_variance)


def _shared(trials, function):
    if trials.networks is not None:
        raise InputError(
            f"{function} needs trials that all networks share; got trials with a networks axis."
        )


def removals_of(form: SchurForm, deltas: Sequence) -> list[np.ndarray]:
    """Each removal as ΔT (hidden, hidden): a tuple of sector names, or ΔT itself."""
    deltas = list(deltas)
    if not deltas:
        raise InputError("expected at least one removal, ΔT or a tuple of sector names; got none.")
    return [removal(form, delta) if _is_named(delta) else form._change(delta) for delta in deltas]


def named_removals(
    form: SchurForm, rnn: RNN, deltas: Sequence, labels: Sequence | None
) -> tuple[list[np.ndarray], list]:
    """`removals_of` the form of a network, and their labels: by default the sectors, or the
    position of a ΔT.
    """
    check_form(rnn, form)
    deltas = list(deltas)
    changes = removals_of(form, deltas)
    labels = (
        [name_of(delta) if _is_named(delta) else i for i, delta in enumerate(deltas)]
        if labels is None
        else list(labels)
    )
    if len(labels) != len(deltas):
        raise InputError(f"labels must name each of the {len(deltas)} removals; got {len(labels)}.")
    return changes, labels


def _is_named(delta) -> bool:
    return isinstance(delta, (tuple, list)) and all(isinstance(name, str) for name in delta)
