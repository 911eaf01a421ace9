"""Profiles of several groups of networks held against each other: what is costliest, how far apart
they lie, and whether anything is safe in all.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from schurkit import random
from schurkit.checks import InputError, integer
from schurkit.intervals import FEWEST, Interval

from .profile import Profile


def costliest(profile: Profile) -> dict[str, int]:
    """In how many networks each removal is the one that costs most, the most frequent first; empty
    sectors do not count.

    Examples
    --------
    >>> from schurkit import RNN, Trials, ablation_profile, rollout
    >>> W_rec = np.diag([0.5] * 3, 1) + 0.5 * np.diag([2.0, 1, 1, 1])
    >>> rnn = RNN(np.eye(4)[:, 3:], W_rec, np.eye(4)[:1])
    >>> inputs = np.random.default_rng(0).normal(size=(8, 6, 1))
    >>> trials = Trials(inputs, rollout(rnn, inputs).outputs[0])
    >>> costliest(ablation_profile(rnn, trials, subsets=[("RR",), ("CR",)], controls=()))
    {'CR': 1}
    """
    return dict(
        Counter(
            profile.removed[int(np.nanargmax(one))]
            for one in profile.costs
            if not np.isnan(one).all()
        ).most_common()
    )


def farther(group: Profile, others: Sequence[Profile]) -> np.ndarray:
    """How much farther each network of a group lies from the networks of other groups than from
    those of its own, in the mean.

    The distance of two networks is that of their profiles as shares of the cost, Σ over removals =
    1, over the removals that are empty in neither; a removal that improves a network costs it
    nothing. 0: as near; at most √2.

    Parameters
    ----------
    group, others : profiles of the same removals.

    Returns
    -------
    (networks of the group,) float64; () for a group of one, which has no distance within.

    Source: ours.
    """
    if any(other.removed != group.removed for other in others):
        raise InputError("farther needs profiles of the same removals.")
    own, strangers = _paid(group), np.concatenate([_paid(other) for other in others])
    away = _apart(own, strangers).mean(axis=1)
    return away - _apart(own, own).sum(axis=1) / (len(own) - 1) if len(own) > 1 else np.zeros(0)


def _paid(profile):
    return profile.costs.clip(min=0)


def _apart(one, two):
    """(networks, networks) distances of shares over what is empty in neither."""
    both = np.isfinite(one)[:, None] & np.isfinite(two)
    costs = np.where(both, np.broadcast_arrays(one[:, None], two), 0.0)
    shares = costs / costs.sum(axis=3, keepdims=True).clip(min=np.finfo(float).tiny)
    return np.linalg.norm(shares[0] - shares[1], axis=2)


def least_worst(profiles: Mapping[str, Profile], *, resamples: int = 2000) -> Interval | None:
    """Is any removal safe in every group? The smallest, over removals, of the largest mean cost
    over groups.

    Each mean is over the networks in which the sector is not empty. The interval resamples networks
    within each group, and n is the smallest number of networks behind the largest mean of a
    removal; below ten there is no interval. None where every removal is empty everywhere.
    """
    integer(resamples, "resamples", at_least=1)
    costs = {name: profile.costs for name, profile in profiles.items()}
    means = np.array([_means(found) for found in costs.values()])
    worst = np.fmax.reduce(means)
    if np.isnan(worst).all():
        return None
    there = np.array([np.isfinite(found).sum(axis=0) for found in costs.values()])
    n, value = int(there[means == worst].min()), float(np.fmin.reduce(worst))
    if n < FEWEST:
        return Interval(value, None, None, n, "none")
    drawn = []
    for draw in range(resamples):
        picked = [
            _means(found[random.integers(0, f"S10 {name}", draw, len(found), len(found))])
            for name, found in costs.items()
        ]
        drawn.append(np.fmin.reduce(np.fmax.reduce(picked)))
    low, high = np.quantile(drawn, [0.025, 0.975])
    return Interval(value, float(low), float(high), n, "percentile bootstrap")


def _means(costs):
    """Of each removal over the networks that hold it; NaN where none does."""
    there = np.isfinite(costs).sum(axis=0)
    return np.nansum(costs, axis=0) / np.where(there > 0, there, np.nan)
