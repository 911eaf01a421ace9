"""What can be read off one setting of a knob, by name."""

from __future__ import annotations

from operator import attrgetter

import numpy as np

from schurkit.degeneracy.spread import over, pairs, spread


def _over_networks(array: str, statistic: str = "mean"):
    """Of one number a network; the losses of several outputs count together but for "std of
    each".
    """

    def measure(levels):
        values = getattr(levels, array)
        whole = values.ndim > 1 and statistic != "std of each"
        return spread(values.mean(axis=1) if whole else values, levels.labels, statistic)

    return measure


def _over_pairs(distances: str):
    read = attrgetter(distances)
    return lambda levels: pairs(read(levels), levels.labels)


def _main_dsa(score: str, excess: bool = True):
    return lambda levels: levels.dsa_sample(levels.main, score, excess)


def _other_dsa(which: str):
    """Mean DSA over pairs of another null or drive at the main (delays, rank)."""

    def measure(levels):
        dsa = getattr(levels, which)
        return None if dsa is None else pairs(dsa.distance, dsa.labels)

    return measure


def _own(levels):
    own = levels.own.get(levels.main)
    return None if own is None else spread(own[0], levels.labels, "mean")


def _beyond_within(levels):
    return over(SAMPLES["loss"](levels), SAMPLES["loss within"](levels))


def _profile_size(levels):
    """Mean of each network's root mean square effect on the signed log scale, without empty
    sectors.
    """
    sizes = np.sqrt(np.nanmean(np.log1p(np.abs(levels.profile.effects)) ** 2, axis=1))
    return spread(sizes, levels.labels, "mean")


SAMPLES = {
    "behaviour": _over_networks("losses", "std"),
    "behaviour cv": _over_networks("losses", "cv"),
    "behaviour robust": _over_networks("losses", "robust"),
    "behaviour per output": _over_networks("losses", "std of each"),
    "loss": _over_networks("losses"),
    "loss within": _over_networks("losses_within"),
    "loss over within": _beyond_within,
    "dynamics": _main_dsa("distance"),
    "dynamics raw": _main_dsa("distance", excess=False),
    "dynamics own": _own,
    "dynamics untrained": _other_dsa("dsa_untrained"),
    "dynamics probe": _other_dsa("dsa_probe"),
    "dynamics copies": _other_dsa("dsa_copies"),
    "procrustes": _over_pairs("shapes.procrustes"),
    "cka": _over_pairs("shapes.cka"),
    "weights": _over_pairs("pif.raw"),
    "weights per n2": _over_pairs("pif.per_n2"),
    "weights relative": _over_pairs("pif.relative"),
    "weights untrained": _over_pairs("pif_untrained.raw"),
    "weights per n2 untrained": _over_pairs("pif_untrained.per_n2"),
    "weights relative untrained": _over_pairs("pif_untrained.relative"),
    "norm": _over_networks("norm"),
    "profile": _over_pairs("profile.values"),
    "profile size": _profile_size,
    "change": _over_networks("change"),
    "change relative": _over_networks("change_relative"),
    "alignment": _over_networks("alignment"),
    "steps": _over_networks("steps"),
}
"""Name → `Sample` of a `Levels`. "dynamics" is what DSA has above the distance of a network from
itself on other trials; "weights" is the paper's distance, "per n2" its scale across widths; all
others are ours, but "behaviour" and "loss".
"""
SCORES = ("distance", "angle")
