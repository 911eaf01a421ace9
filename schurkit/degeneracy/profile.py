"""Is the ablation profile itself degenerate? Distances between what networks lose when the same sectors are removed."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np

from .._checks import InputError, one_of, read_only
from ..ablation import AblationRow

TRANSFORMS = ("signed log", "none")


@dataclass(frozen=True, eq=False)
class Profiles:
    """Ablation profiles of networks and the distances between them.

    values : (networks, networks) root mean squared difference of the transformed effects over the subsets that are empty in neither network;
        symmetric, zero diagonal.
    effects : (networks, subsets) the change of the metric on each removal, not transformed; NaN where the sectors are empty in that network.
    spread : (subsets,) population standard deviation of the transformed effects over the networks in which the subset is not empty; NaN in none.
    subsets : names of the removals. metric, transform : what was measured and how it was transformed. labels : one name a network.
    """

    values: np.ndarray
    effects: np.ndarray
    spread: np.ndarray
    subsets: tuple[str, ...]
    metric: str
    transform: str
    labels: tuple[Hashable, ...]


def profile_distances(rows: Sequence[AblationRow], *, transform: str) -> Profiles:
    """Distances between ablation profiles, d(a, b)² = mean over subsets s of (φ(Δ_s(a)) − φ(Δ_s(b)))², over the s that are empty in neither.

    Δ_s is the change of the metric when the sectors s are removed, at full fraction. Each network is cut in a Schur form of its own, so the profile
    does not depend on the order of the units: no matching is needed.

    Parameters
    ----------
    rows : of `schurkit.ablation_profile`; controls, partial removals and the removal of nothing are passed over.
    transform : φ: "signed log", sign(Δ) log(1 + |Δ|), under which small effects differ as they are and large ones by their ratio; or "none".
        No default: distances depend on it.

    Raises
    ------
    InputError : no removals, a network that lacks one, has it twice, or diverged, several metrics at once, or two networks that share no subset.

    Source: ours.
    """
    one_of(transform, "transform", TRANSFORMS)
    chosen = [row for row in rows if row.kind == "removal" and row.removed != "none" and row.fraction == 1.0]
    labels, subsets = (tuple(dict.fromkeys(getattr(row, name) for row in chosen)) for name in ("network", "removed"))
    metrics = {row.metric for row in chosen}
    if len(labels) < 2 or len(metrics) != 1:
        raise InputError(
            f"profile_distances needs removals from at least two networks in one metric; got {len(labels)} networks and {len(metrics)} metrics."
        )
    found: dict[tuple, float] = {}
    for row in chosen:
        key = (row.network, row.removed)
        if key in found:
            raise InputError(f"network {row.network!r} has two rows for the removal of {row.removed}: one profile a network, please.")
        empty = row.removed_mass == 0 and np.isfinite(row.value)
        if not empty and (row.delta is None or not np.isfinite(row.delta)):
            raise InputError(f"network {row.network!r} has no finite effect for the removal of {row.removed}: it diverged. Leave it out.")
        found[key] = np.nan if empty else row.delta
    lacking = [(label, subset) for label in labels for subset in subsets if (label, subset) not in found]
    if lacking:
        raise InputError(f"network {lacking[0][0]!r} lacks the removal of {lacking[0][1]}, which others have.")
    effects = np.array([[found[label, subset] for subset in subsets] for label in labels])
    seen = np.sign(effects) * np.log1p(np.abs(effects)) if transform == "signed log" else effects
    there = np.isfinite(seen)
    if not (there[:, None] & there).any(axis=2).all():
        raise InputError("two networks share no subset that holds couplings in both: their profiles cannot be compared. Leave normal networks out.")
    values = np.sqrt(np.nanmean((seen[:, None] - seen) ** 2, axis=2))
    spread = np.array([column[kept].std() if kept.any() else np.nan for column, kept in zip(seen.T, there.T)])
    return Profiles(read_only(values), read_only(effects), read_only(spread), subsets, metrics.pop(), transform, labels)
