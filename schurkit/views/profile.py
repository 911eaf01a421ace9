"""The result of the book as a figure: what each removal costs, beside the controls of equal
size.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from schurkit.ablation import NEARLY_EMPTY, Profile, Removal
from schurkit.intervals import over_finite
from schurkit.words import listed, plural, short, with_interval

from .base import (
    CONTROL_COLOUR,
    CONTROL_MARKERS,
    CONTROL_WORDS,
    INK,
    View,
    axes,
    colour_of,
    finite,
    shared_legend,
    styled,
)
from .plot import column, mean_bar, symlog

PLACES = {"permuted": 0.16, "matched": 0.32, "block-upper": 0.48, "full": 0.64}


@styled
def profile(
    found: Profile,
    *,
    removed: Sequence[str] | None = None,
    paper: Mapping | None = None,
    linear: float | None = None,
) -> View:
    """What each removal costs every network, beside its controls of equal norm.

    Filled dots: networks (outlined where the sector holds less than 1 % of ‖T‖); bars: means; thick
    bars: 95 % intervals from ten networks up. Grey, to the right: each network's controls, the mean
    over their draws. ∅: networks in which there is nothing to remove.

    Parameters
    ----------
    found : the profile.
    removed : which removals to draw; all by default.
    paper : what a paper reports, the value or (value, spread) by removal; drawn as an open diamond.
    linear : costs below this are drawn on a linear scale, larger ones on a logarithmic one; by
        default the whole axis is linear for scores, and symmetric-logarithmic from 0.001 for
        errors.
    """
    shown = [found[name] for name in (found.removed if removed is None else removed)]
    if linear is None:
        linear = 1e-3 if found.metric.better == "lower" else 0.0
    count, kinds = len(shown), found.controls
    figure, ax = axes(1, 1, (max(4.0, 1.4 + count * (0.62 + 0.16 * len(kinds))), 3.3))
    removals(ax, shown, paper or {}, CONTROL_WORDS)
    middle = max((PLACES[kind] for kind in kinds), default=0) / 2
    names = [f"without {one.name}" if count <= 4 else one.name for one in shown]
    ax.set_xticks(np.arange(count) + middle, names)
    ax.set_xlim(left=min(-0.3, ax.get_xlim()[0]))  # also where the first sector is empty
    ax.set(ylabel=found.metric.cost, xlabel="removed couplings" if count > 4 else "")
    if linear and np.abs(finite(found.effect)).max(initial=0) > 10 * linear:
        symlog(ax, linear, finite([one.cost for one in found]).min(initial=0.0))
    shared_legend(figure, ax, ncols=2, fontsize=8, markerscale=1.3)
    alt = f"Mean cost of each removal over {plural(len(found), 'network')}, and of its controls: "
    return View(figure, f"{alt}{listed(map(_said, shown))}.", found.frame(draws=False))


def removals(ax, shown: Iterable[Removal], paper: Mapping, words: Mapping) -> np.ndarray:
    """Removals side by side, each beside its controls and what a paper reports; gives the costs
    that are drawn.
    """
    drawn = [[0.0]]
    for place, one in enumerate(shown):
        colour, outlined = colour_of(one.name), one.mass < NEARLY_EMPTY
        outline = {"mfc": "none", "mew": 1.0}
        for which, look in ((one.held & ~outlined, {}), (one.held & outlined, outline)):
            column(ax, place, one.cost[which], colour, half=0, ms=4.5, **look)
        mean_bar(ax, place, over_finite(one.cost[one.held]), colour)
        drawn.append(one.cost[one.held])
        if gone := int((~one.held).sum()):
            at = {"textcoords": "offset points", "ha": "center", "fontsize": 9, "color": colour}
            count = f" {gone}" if one.held.any() else ""
            ax.annotate(f"∅{count}", (place, 0.0), (0, 5), **at)
        for kind, costs in one.controls.items():
            drawn.append(costs[one.held].mean(axis=1))
            look = {"ms": 3, "label": words.get(kind, kind)}
            place_of = place + PLACES[kind]
            column(ax, place_of, drawn[-1], CONTROL_COLOUR, CONTROL_MARKERS[kind], **look)
        if one.name in paper:
            value, spread = np.resize(np.append(paper[one.name], np.nan), 2)
            look = {"fmt": "D", "ms": 5.5, "mfc": "none", "color": INK, "lw": 0.9}
            ax.errorbar(place - 0.22, value, spread, label="paper", **look)
    ax.axhline(0, color=INK, lw=0.8)
    return finite(np.concatenate(drawn))


def _said(one: Removal) -> str:
    if not one.held.any():
        return f"{one.name} ∅"
    means = {kind: finite(costs[one.held]) for kind, costs in one.controls.items()}
    beside = ", ".join(f"{kind} {short(x.mean())}" for kind, x in means.items() if len(x))
    return f"{one.name} {with_interval(one.mean)}" + (f" ({beside})" if beside else "")
