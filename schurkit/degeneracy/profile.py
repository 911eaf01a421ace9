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

    values : (networks, networks) root mean squared difference over subsets of the transformed effects; symmetric, zero diagonal.
    effects : (networks, subsets) the change of the metric on each removal, not transformed.
    spread : (subsets,) population standard deviation over networks of the transformed effects.
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
    """Distances between ablation profiles, d(a, b)² = mean over subsets s of (φ(Δ_s(a)) − φ(Δ_s(b)))².

    Δ_s is the change of the metric when the sectors s are removed, at full fraction. Each network is cut in a Schur form of its own, so the profile
    does not depend on the order of the units: no matching is needed.

    Parameters
    ----------
    rows : of `schurkit.ablation_profile`; controls, partial and empty removals are passed over.
    transform : φ: "signed log", sign(Δ) log(1 + |Δ|), under which small effects differ as they are and large ones by their ratio; or "none".
        No default: distances depend on it.

    Raises
    ------
    InputError : no removals, a network that lacks one, has it twice, or diverged, or several metrics at once.

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
        if row.delta is None or not np.isfinite(row.delta):
            raise InputError(f"network {row.network!r} has no finite effect for the removal of {row.removed}: it diverged. Leave it out.")
        found[key] = row.delta
    lacking = [(label, subset) for label in labels for subset in subsets if (label, subset) not in found]
    if lacking:
        raise InputError(f"network {lacking[0][0]!r} lacks the removal of {lacking[0][1]}, which others have.")
    effects = np.array([[found[label, subset] for subset in subsets] for label in labels])
    seen = np.sign(effects) * np.log1p(np.abs(effects)) if transform == "signed log" else effects
    values = np.sqrt(((seen[:, None] - seen) ** 2).mean(axis=2))
    return Profiles(read_only(values), read_only(effects), read_only(seen.std(axis=0)), subsets, metrics.pop(), transform, labels)
