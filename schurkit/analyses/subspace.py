"""How changes ΔT of the Schur form lie to the activity, the readout and the input of one network.

The question is the paper's (S. Dräger, arXiv:2606.18457, §5): is a removal harmless because it
avoids what the task uses?
"""

from __future__ import annotations

from collections.abc import Sequence
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
    """

    basis: np.ndarray
    shares: np.ndarray
    mean: np.ndarray

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
    return ActivityBasis(*map(read_only, (vectors[:, ::-1][:, :components], shares, mean)))


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


# ----------------------------------------------------------- removals beside what the network uses
def energy_rows(
    form: SchurForm, rnn: RNN, trials: Trials, deltas: Sequence, *, share: float = 0.99
) -> list[dict]:
    """Share of ‖ΔW‖_F² of each removal, in raw coordinates, whose driven side lies in a subspace,
    ‖P ΔW‖² / ‖ΔW‖², or whose driving side reads from it, ‖ΔW P‖² / ‖ΔW‖².

    Subspaces are the principal components of the driving activity, the readout rows and the input
    columns. For random ones of k of the N dimensions the mean share is k/N and the variance 2 k (N
    − k) ‖G − tr(G) I/N‖² / (N (N − 1)(N + 2)) with G = ΔW ΔWᵀ/‖ΔW‖² (or ΔWᵀ ΔW): broad for a change
    of low rank.

    Parameters
    ----------
    form, rnn, trials, deltas : as in `schurkit.analyses.prediction.predictors`; a removal that is
        zero has no share and no row.
    share : of `activity_basis`.

    Returns
    -------
    Rows: network, removed; side, "driven" or "driving"; subspace, "activity", "readout" or "input",
    and its dimension; share, expected and spread, the mean and standard deviation over random
    subspaces of the same dimension.
    """
    spans = {
        name: _orthonormal(span, f"the {name} subspace")
        for name, span in _spans(rnn, trials, share).items()
    }
    rows, hidden = [], form.hidden_size
    for change, label in _changes(form, rnn, deltas):
        change = change / np.abs(change).max()
        change /= np.linalg.norm(change)
        for name, span in spans.items():
            k = span.shape[1]
            for side, sent in (("driven", change), ("driving", change.T)):
                uneven = np.square(sent @ sent.T - np.eye(hidden) / hidden).sum()
                possible = hidden * max(hidden - 1, 1) * (hidden + 2)
                row = {"network": rnn.labels[0], "removed": label, "side": side, "subspace": name}
                row |= {"dimension": k, "share": float(np.square(span.T @ sent).sum())}
                spread = float(np.sqrt(2 * k * (hidden - k) * uneven / possible))
                rows.append(row | {"expected": k / hidden, "spread": spread})
    return rows


def angle_rows(
    form: SchurForm,
    rnn: RNN,
    trials: Trials,
    deltas: Sequence,
    *,
    share: float = 0.99,
    draws: int = 20,
) -> list[dict]:
    """Mean principal angles between each removal and the principal components of the driving
    activity, the readout rows and the input columns.

    Parameters
    ----------
    form, rnn, trials, deltas : as in `energy_rows`; a removal that is zero has no direction and no
        row.
    share : of the squared norm of a removal, and of the variance of the activity, that its
        directions hold.
    draws : pairs of random subspaces behind each chance angle.

    Returns
    -------
    Rows: network, removed, side and subspace as in `energy_rows`; dimensions, the directions that
    hold that share of the removal on that side; angle, their mean principal angle to the subspace
    in degrees, 0 where one lies in the other; random, the same for random subspaces of the same
    dimensions.
    """
    draws = integer(draws, "draws", at_least=1)
    spans = _spans(rnn, trials, share)
    rows = []
    for change, label in _changes(form, rnn, deltas):
        left, sizes, right = np.linalg.svd(change)
        count = 1 + int(np.searchsorted(np.cumsum(sizes**2) / np.sum(sizes**2), share))
        for side, directions in (("driven", left[:, :count]), ("driving", right[:count].T)):
            for name, span in spans.items():
                row = {"network": rnn.labels[0], "removed": label, "side": side, "subspace": name}
                row |= {"dimensions": count, "angle": _degrees(directions, span)}
                chance = _random_angle(form.hidden_size, count, span.shape[1], draws)
                rows.append(row | {"random": chance})
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
