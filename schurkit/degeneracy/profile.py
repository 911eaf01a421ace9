"""Is the ablation profile itself degenerate? Distances between what networks lose when the same
sectors are removed.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass

import numpy as np

from schurkit.ablation import Profile
from schurkit.checks import InputError, one_of, read_only

TRANSFORMS = ("signed log", "none")


@dataclass(frozen=True, eq=False)
class Profiles:
    """Ablation profiles of networks and the distances between them.

    values : (networks, networks) root mean squared difference over removals of the transformed
        effects; symmetric, zero diagonal.
    effects : (networks, subsets) the change of the metric on each removal, not transformed; NaN
        where the sector is empty.
    spread : (subsets,) population standard deviation of the transformed effects over the networks
        that have them.
    subsets : names of the removals.
    metric, transform : what was measured and how it was transformed.
    labels : one name a network.
    """

    values: np.ndarray
    effects: np.ndarray
    spread: np.ndarray
    subsets: tuple[str, ...]
    metric: str
    transform: str
    labels: tuple[Hashable, ...]


def profile_distances(profile: Profile, *, transform: str) -> Profiles:
    """Distances between the ablation profiles of networks, d(a, b)² = mean over removals s of
    (φ(Δ_s(a)) − φ(Δ_s(b)))².

    Δ_s is the change of the metric when the sectors s are removed; the mean is over the removals
    that hold something in both networks, since an empty sector is not an effect of zero. Each
    network is cut in a Schur form of its own, so its profile does not depend on the order of the
    units: no matching is needed.

    Parameters
    ----------
    profile : of at least two networks; several of them together with `Profile.stack`.
    transform : φ: "signed log", sign(Δ) log(1 + |Δ|), under which small effects differ as they are
        and large ones by their ratio; or "none". No default: distances depend on it.

    Raises
    ------
    InputError : fewer than two networks, a network that diverged, or two that have no removal in
        common.

    Source: ours.
    """
    one_of(transform, "transform", TRANSFORMS)
    if len(profile) < 2:
        raise InputError(f"profile_distances needs at least two networks; got {len(profile)}.")
    held = profile.removed_mass > 0
    if (diverged := np.argwhere(held & ~np.isfinite(profile.effect))).size:
        network, removed = profile.networks[diverged[0, 0]], profile.removed[diverged[0, 1]]
        raise InputError(
            f"network {network!r} has no finite effect for the removal of {removed}: it diverged. "
            "Leave it out."
        )
    effects = np.where(held, profile.effect, np.nan)
    seen = np.sign(effects) * np.log1p(np.abs(effects)) if transform == "signed log" else effects
    both = (held[:, None] & held).sum(axis=2)
    if not both.all():
        first, second = (profile.networks[i] for i in np.argwhere(both == 0)[0])
        raise InputError(
            f"networks {first!r} and {second!r} have no removal in common: one of them holds no "
            "coupling."
        )
    values = np.sqrt(np.nansum((seen[:, None] - seen) ** 2, axis=2) / both)
    spread = [x[there].std() if there.any() else np.nan for x, there in zip(seen.T, held.T)]
    return Profiles(
        read_only(values),
        read_only(effects),
        read_only(np.array(spread)),
        profile.removed,
        profile.metric.name,
        transform,
        profile.networks,
    )
