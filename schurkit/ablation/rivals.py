"""Rival coordinates: what SVD truncation, eigenmode removal, magnitude pruning and balanced
truncation remove at the same Frobenius norm as a Schur removal.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from schurkit.checks import InputError, number, one_network, one_of, real_array
from schurkit.engine import rollout
from schurkit.metrics import Metric
from schurkit.rnn import RNN, Trials
from schurkit.rnn.activations import SLOPE
from schurkit.schur import SchurForm

from . import measure, name_of, removal

RIVALS = ("svd", "eigenmodes", "magnitude")


def rival_change(W_rec, mass: float, kind: str) -> np.ndarray:
    """The change of W_rec that a rival makes for a given removed mass, to be subtracted like a
    removal.

    Parts of W_rec are taken away in the rival's own order until ‖change‖_F = mass · ‖W_rec‖_F; the
    last part is taken in part, so that the norm is met exactly.

    Parameters
    ----------
    W_rec : (hidden, hidden)
    mass : share of the Frobenius norm to remove, from 0 to 1.
    kind : "svd", singular components from the smallest up; "eigenmodes", λ v wᴴ (pairs together)
        from the smallest |λ| up; "magnitude", entries in raw coordinates from the smallest up.

    Returns
    -------
    (hidden, hidden)

    Raises
    ------
    InputError : unknown kind, or for "eigenmodes" a matrix whose eigenvectors are linearly
        dependent to working precision.

    Examples
    --------
    >>> rival_change(np.diag([3.0, 4.0]), 0.6, "svd").round(12)
    array([[3., 0.],
           [0., 0.]])
    """
    one_of(kind, "rival", RIVALS)
    W_rec = real_array(W_rec, "W_rec", ("hidden", "hidden"), dtype=np.float64)
    target = number(mass, "mass", at_least=0, at_most=1) * np.linalg.norm(W_rec)
    parts = {
        "svd": _singular_parts,
        "eigenmodes": _eigenmodes,
        "magnitude": lambda W: _entries(W, target),
    }[kind]
    return _taken(parts(W_rec), target)


def balanced_change(network: RNN, trials: Trials, mass: float) -> np.ndarray:
    """The change of W_rec that balanced truncation makes for a given removed mass, as
    `rival_change`: coordinates that know the task.

    In the balanced basis what flows through a direction on these trials and what is felt of it at
    the output are equal (B. C. Moore, IEEE Trans. Automatic Control 26, 1981). Directions are cut
    off from W_rec, W ← (1 − Π) W (1 − Π) with Π the oblique projector on one, from the least Hankel
    singular value up. The first Gramian is the second moment of the states, the second Σ_t (Jᵗ)ᵀ
    W_outᵀ W_out Jᵗ over the length of a trial with J = D + diag(leak) W diag(E φ′), the mean
    Jacobian of a step; to both a 10⁻⁹th of their mean eigenvalue is added.

    Parameters
    ----------
    network : a stack of one.
    trials : shared trials.
    mass : share of the Frobenius norm to remove, from 0 to 1.
    """
    one_network(network, "balanced_change")
    one = network.astype("float64")
    states = rollout(one, trials, states=True).states[0].reshape(-1, one.hidden_size)
    gains = SLOPE[one.activation](one.rates(states[None])[0]).mean(axis=0)
    W, J = one.W_rec[0], np.diag(np.broadcast_to(np.ravel(one.decay), (one.hidden_size,)))
    J = J + np.broadcast_to(one.leak, (one.hidden_size,))[:, None] * W * gains
    felt, read = np.zeros_like(W), one.W_out[0]
    for _ in range(trials.targets.shape[-2]):
        felt += read.T @ read
        read = read @ J
    flows, felt = (_regular(gramian) for gramian in (states.T @ states / len(states), felt))
    L = np.linalg.cholesky(flows)
    _, hankel, Vh = np.linalg.svd(np.linalg.cholesky(felt).T @ L)
    # columns and rows of the balanced basis, up to scale
    into, out = L @ Vh.T, Vh @ np.linalg.inv(L)

    def parts():
        left = W
        for k in reversed(range(len(hankel))):
            cut = left - np.outer(into[:, k], out[k] @ left)
            cut = cut - np.outer(cut @ into[:, k], out[k])
            yield left - cut
            left = cut

    return _taken(parts(), number(mass, "mass", at_least=0, at_most=1) * np.linalg.norm(W))


def _regular(gramian):
    return gramian + 1e-9 * np.trace(gramian) / len(gramian) * np.eye(len(gramian))


def _taken(parts, target):
    """The sum of parts up to a Frobenius norm, the last one in part."""
    change = np.zeros(())
    for part in parts:
        if np.linalg.norm(change + part) >= target:
            return change + _share(change, part, target) * part
        change = change + part
    return change


def rival_values(
    networks: RNN,
    trials: Trials,
    subsets: Sequence[Sequence[str]],
    *,
    forms: Sequence[SchurForm],
    metric: str | Metric = "fvu",
):
    """A measure after the removal of sectors, and after each rival has taken the same Frobenius
    norm.

    Parameters
    ----------
    networks, trials, subsets, metric : as in `schurkit.ablation_profile`; no subset is empty.
    forms : Schur forms, one a network.

    Returns
    -------
    pandas.DataFrame : network, removed, removed_mass, and the value after the removal ("schur"),
        after each of `RIVALS`, and after `balanced_change` ("balanced").
    """
    import pandas as pd

    rows = []
    for one, form in zip(networks, forms):
        W = one.W_rec[0].astype(np.float64)
        for sectors in subsets:
            change = form.weights(removal(form, sectors))
            mass = float(np.linalg.norm(change) / np.linalg.norm(W))
            changes = [change, *(rival_change(W, min(mass, 1.0), kind) for kind in RIVALS)]
            changes.append(balanced_change(one, trials, min(mass, 1.0)))
            values = measure(one, (-change for change in changes), trials, metric)
            rows.append((one.labels[0], name_of(sectors), mass, *values))
    names = "network", "removed", "removed_mass", "schur", *RIVALS, "balanced"
    return pd.DataFrame(rows, columns=names)


def coordinates(W, form: SchurForm) -> list[dict]:
    """Three ways to take a matrix apart, and what each leaves in place when it removes the norm of
    CR.

    Parameters
    ----------
    W : (hidden, hidden), the matrix of the linear step.
    form : its Schur form.

    Returns
    -------
    Rows for "Schur" (removes CR), "singular components" (the smallest) and "eigenmodes" (of
    smallest modulus): coordinates, mass removed, condition number of the basis, Σ‖part‖² / ‖W‖² (1
    where the norm of a removal is that of what was removed), and how many eigenvalues and singular
    values are still there, to 1e-6 of the largest.
    """
    (values, right), sizes = np.linalg.eig(W), np.linalg.svd(W, compute_uv=False)
    cut = removal(form, ("CR",))
    mass = form.removed_mass(cut)
    modes = (
        np.abs(values)
        * np.linalg.norm(right, axis=0)
        * np.linalg.norm(np.linalg.inv(right), axis=1)
    )
    ways = {
        "Schur": (form.Q, 1.0, form.Q @ cut @ form.Q.T),
        "singular components": (np.eye(len(W)), 1.0, rival_change(W, mass, "svd")),
        "eigenmodes": (
            right,
            float((modes**2).sum() / np.linalg.norm(W) ** 2),
            rival_change(W, mass, "eigenmodes"),
        ),
    }
    rows = []
    for way, (basis, parts, change) in ways.items():
        left = {"eigenvalues kept": _kept(values, np.linalg.eigvals(W - change))}
        left |= {"singular values kept": _kept(sizes, np.linalg.svd(W - change, compute_uv=False))}
        row = {"coordinates": way, "mass": mass}
        row |= {"condition number of the basis": float(np.linalg.cond(basis))}
        rows.append(row | {"Σ‖part‖² / ‖W‖²": parts} | left)
    return rows


def _kept(before, after):
    return int((np.abs(before[:, None] - after).min(axis=1) < 1e-6 * np.abs(before).max()).sum())


def _share(change, part, target):
    """The s in [0, 1] with ‖change + s part‖ = target: the root of a quadratic."""
    a, b, c = (part**2).sum(), 2 * (change * part).sum(), (change**2).sum() - target**2
    if a == 0:
        return 0.0
    return float(np.clip((-b + np.sqrt(max(b * b - 4 * a * c, 0.0))) / (2 * a), 0, 1))


def _singular_parts(W_rec):
    U, sizes, Vh = np.linalg.svd(W_rec)
    for k in reversed(range(len(sizes))):
        yield sizes[k] * np.outer(U[:, k], Vh[k])


def _eigenmodes(W_rec):
    values, right = np.linalg.eig(W_rec)
    if np.linalg.cond(right) > 1e12:
        raise InputError(
            "eigenmode removal is undefined here: the eigenvectors of W_rec are linearly "
            "dependent to working precision."
        )
    left = np.linalg.inv(right)
    for k in np.argsort(np.abs(values), kind="stable"):
        if values[k].imag >= 0:
            mode = values[k] * np.outer(right[:, k], left[k])
            yield mode.real * (2 if values[k].imag > 0 else 1)


def _entries(W_rec, target):
    """The smallest entries that surely fit at once, then one at a time: parts of disjoint support
    add up in squares.
    """
    order = np.argsort(np.abs(W_rec), axis=None, kind="stable")
    fit = int(np.searchsorted(np.cumsum(W_rec.flat[order] ** 2), 0.999 * target**2))
    for chosen in (order[:fit], *order[fit:, None]):
        part = np.zeros(W_rec.size)
        part[chosen] = W_rec.flat[chosen]
        yield part.reshape(W_rec.shape)
