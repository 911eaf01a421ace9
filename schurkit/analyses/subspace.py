"""How changes ΔT of the Schur form lie to the activity, the readout and the input of one network.

The question is the paper's (S. Dräger, arXiv:2606.18457, §5): is a removal harmless because it
avoids what the task uses?
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from schurkit import random
from schurkit.ablation import check_form
from schurkit.ablation.changes import named_removals
from schurkit.checks import InputError, integer, number, read_only, real_array
from schurkit.rnn import RNN, Trials
from schurkit.schur import SchurForm

from .activity import driving_activity


# --------------------------------------------------------------------------------------- subspaces
@dataclass(frozen=True, eq=False, repr=False)
class ActivityBasis:
    """Principal components of activity; made by `activity_basis`.

    basis : (hidden, components), orthonormal columns, largest share first.
    shares : (hidden,) share of each component of the variance, all of them.
    mean : (hidden,) what was subtracted.
    vectors : number of states used.
    """

    basis: np.ndarray
    shares: np.ndarray
    mean: np.ndarray
    vectors: int

    def __repr__(self) -> str:
        components = self.basis.shape[1]
        return (
            f"ActivityBasis({components} of {len(self.shares)} components, "
            f"{self.shares[:components].sum():.4f} of the variance)"
        )


def activity_basis(states, *, share: float = 0.99, components: int | None = None) -> ActivityBasis:
    """Principal components of hidden states: as few as hold a share of the variance, or a given
    number.

    Parameters
    ----------
    states : (…, hidden), e.g. (trials, time, hidden): `Rollout.states` of one network, or
        `driving_activity`.
    share : of the variance about the mean.
    components : how many to keep instead.

    Raises
    ------
    InputError : shapes that do not fit, numbers out of range, or states that do not vary.

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
    states = states.reshape(-1, states.shape[-1])
    count, mean = len(states), states.mean(axis=0)
    moment = (states - mean).T @ (states - mean)
    if not np.trace(moment) > 1e-24 * np.abs(states).max() ** 2 * count:
        raise InputError(f"activity_basis is undefined: the {count} states do not vary.")
    values, vectors = np.linalg.eigh(moment)
    shares = np.maximum(values[::-1], 0) / np.maximum(values, 0).sum()
    if components is None:
        wanted = number(share, "share", above=0, at_most=1)
        components = min(1 + int(np.searchsorted(shares.cumsum(), wanted - 1e-12)), len(shares))
    components = integer(components, "components", at_least=1, at_most=len(shares))
    arrays = vectors[:, ::-1][:, :components], shares, mean
    return ActivityBasis(*map(read_only, arrays), count)


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
    inside = sides["left"].T @ change if "left" in sides else change
    inside = inside @ sides["right"] if "right" in sides else inside
    expected = float(np.prod([basis.shape[1] / hidden for basis in sides.values()]))
    spread = None
    if len(sides) < 2:
        k = next(iter(sides.values())).shape[1] if sides else hidden
        gram = change @ change.T if right is None else change.T @ change
        uneven = np.square(gram - np.eye(hidden) / hidden).sum()
        possible = hidden * max(hidden - 1, 1) * (hidden + 2)
        spread = float(np.sqrt(2 * k * (hidden - k) * uneven / possible))
    return Energy(float(np.square(inside).sum()), expected, spread)


# ----------------------------------------------------------- removals beside what the network uses
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
    spread: float | None


def energy_rows(
    form: SchurForm, rnn: RNN, trials: Trials, deltas: Sequence, *, share: float = 0.99
) -> list[EnergyRow]:
    """Energy of each removal on either side in the principal components of the driving activity,
    the readout rows and the input columns.

    Parameters
    ----------
    form, rnn, trials, deltas : as in `schurkit.analyses.prediction.predictors`; a removal that is
        zero has no share and no row.
    share : of `activity_basis`.
    """
    spans = {
        name: _orthonormal(span, f"the {name} subspace")
        for name, span in _spans(rnn, trials, share).items()
    }
    rows = []
    for change, label in _changes(form, rnn, deltas):
        for name, span in spans.items():
            for side, key in (("driven", "left"), ("driving", "right")):
                energy = energy_in(change, **{key: span})
                where = rnn.labels[0], label, side, name, span.shape[1]
                rows.append(EnergyRow(*where, energy.share, energy.expected, energy.spread))
    return rows


@dataclass(frozen=True)
class AngleRow:
    """How the directions of one removal lie to one subspace; made by `angle_rows`.

    network, removed : labels.
    side : "driven" or "driving".
    subspace : "activity", "readout" or "input".
    dimensions : directions that hold 99 % of the squared norm of the removal on that side.
    angle : mean principal angle to the subspace, in degrees; 0 where one lies in the other.
    random : the same for random subspaces of the same dimensions.
    """

    network: Hashable
    removed: Hashable
    side: str
    subspace: str
    dimensions: int
    angle: float
    random: float


def angle_rows(
    form: SchurForm,
    rnn: RNN,
    trials: Trials,
    deltas: Sequence,
    *,
    share: float = 0.99,
    draws: int = 20,
) -> list[AngleRow]:
    """Mean principal angles between each removal and the principal components of the driving
    activity, the readout rows and the input columns.

    Parameters
    ----------
    form, rnn, trials, deltas : as in `energy_rows`; a removal that is zero has no direction and no
        row.
    share : of the squared norm of a removal, and of the variance of the activity, that its
        directions hold.
    draws : pairs of random subspaces behind each `AngleRow.random`.
    """
    draws = integer(draws, "draws", at_least=1)
    spans = _spans(rnn, trials, share)
    rows = []
    for change, label in _changes(form, rnn, deltas):
        left, sizes, right = np.linalg.svd(change)
        count = 1 + int(np.searchsorted(np.cumsum(sizes**2) / np.sum(sizes**2), share))
        for side, directions in (("driven", left[:, :count]), ("driving", right[:count].T)):
            for name, span in spans.items():
                chance = _random_angle(form.hidden_size, count, span.shape[1], draws)
                where = rnn.labels[0], label, side, name, count
                rows.append(AngleRow(*where, _degrees(directions, span), chance))
    return rows


def _spans(rnn, trials, share):
    """Columns that span what one network uses: its activity, its readout and its input."""
    spans = {
        "activity": activity_basis(driving_activity(rnn, trials), share=share).basis,
        "readout": rnn.W_out[0].T,
        "input": rnn.W_in[0],
    }
    return {name: span for name, span in spans.items() if span.size}


def _changes(form, rnn, deltas):
    """Each removal that is not zero, in raw coordinates, and its label."""
    check_form(rnn, form)
    for delta_T, label in named_removals(form, deltas):
        if delta_T.any():
            yield form.weights(delta_T), label


def _degrees(A, B):
    return float(np.degrees(principal_angles(A, B)).mean())


@lru_cache(maxsize=4096)
def _random_angle(hidden, one, two, draws):
    """Mean principal angle between random subspaces of given dimensions."""

    def drawn(k, size):
        return random.normal(0, "angles", k, (hidden, size))

    angles = [_degrees(drawn(2 * k, one), drawn(2 * k + 1, two)) for k in range(draws)]
    return float(np.mean(angles))
