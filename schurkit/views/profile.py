"""The result of the book as a figure: what each removal costs, beside the controls of equal
size.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from schurkit.ablation import NEARLY_EMPTY, Profile
from schurkit.intervals import over_networks
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
    styled,
)
from .plot import mean_bar, symlog

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
    names = list(found.removed if removed is None else removed)
    linear = (1e-3 if found.metric.better == "lower" else 0.0) if linear is None else linear
    kinds = list(found.controls)
    figure, ax = axes(1, 1, (max(4.0, 1.4 + len(names) * (0.62 + 0.16 * len(kinds))), 3.3))
    for place, name in enumerate(names):
        one = found[name]
        _removal(ax, place, one)
        for kind in kinds:
            _column(
                ax,
                place + PLACES[kind],
                one.controls[kind].mean(axis=1)[one.held],
                CONTROL_COLOUR,
                CONTROL_MARKERS[kind],
                3,
                CONTROL_WORDS.get(kind, kind) if place == 0 else None,
            )
        if paper and name in paper:
            quoted = paper[name] if isinstance(paper[name], tuple) else (paper[name], None)
            diamond(ax, place, *quoted, label="paper" if name == next(iter(paper)) else None)
    ax.axhline(0, color=INK, lw=0.8)
    _axis(ax, found, names, linear)
    if ax.get_legend_handles_labels()[1]:
        figure.legend(loc="outside upper center", ncols=2, fontsize=8, markerscale=1.3)
    return View(figure, _alt(found, names), found.frame(draws=False))


def diamond(ax, place, value, spread, label="paper") -> None:
    """What a paper reports of a removal."""
    look = {"fmt": "D", "ms": 5.5, "mfc": "none", "color": INK, "lw": 0.9}
    ax.errorbar(place - 0.22, value, spread, label=label, **look)


def _removal(ax, place, one):
    outlined = one.held & (one.mass < NEARLY_EMPTY)
    colour = colour_of(one.name)
    for which, options in (
        (one.held & ~outlined, {}),
        (outlined, {"mfc": "none", "mew": 1.0, "ls": ""}),
    ):
        _column(ax, place, one.cost[which], colour, "o", 4.5, None, bars=False, **options)
    _bars(ax, place, finite(one.cost[one.held]), colour)
    if not one.held.all():
        gone = int((~one.held).sum())
        text = "∅" if gone == len(one.held) else f"∅ {gone}"
        ax.annotate(
            text,
            (place, 0.0),
            (0, 5),
            textcoords="offset points",
            ha="center",
            fontsize=9,
            color=colour,
        )


def _column(ax, place, values, colour, marker, size, label, bars=True, **options):
    values = finite(values)
    scatter = (np.arange(len(values)) * 0.618034 % 1 - 0.5) * 0.1 * (len(values) > 1)
    ax.plot(
        place + scatter,
        values,
        marker,
        ms=size,
        color=colour,
        alpha=0.6,
        label=label,
        **({"mew": 0} | options),
    )
    if bars:
        _bars(ax, place, values, colour)


def _bars(ax, place, values, colour):
    if len(values):
        mean_bar(ax, place, over_networks(values), colour)


def _axis(ax, found, names, linear):
    middle = max((PLACES[kind] for kind in found.controls), default=0) / 2
    ax.set_xticks(
        np.arange(len(names)) + middle, [f"without {n}" if len(names) <= 4 else n for n in names]
    )
    ax.set_xlim(left=min(-0.3, ax.get_xlim()[0]))  # also where the first sector is empty
    ax.set_ylabel(found.metric.cost)
    if len(names) > 4:
        ax.set_xlabel("removed couplings")
    if linear and (drawn := finite(found.effect)).size and np.abs(drawn).max() > 10 * linear:
        low = min([0.0, *finite(np.concatenate([one.cost for one in found]))])
        symlog(ax, linear, low)


def _alt(found, names) -> str:
    said = []
    for name in names:
        one = found[name]
        drawn = {kind: finite(costs[one.held]) for kind, costs in one.controls.items()}
        beside = ", ".join(
            f"{kind} {short(values.mean())}" for kind, values in drawn.items() if len(values)
        )
        said.append(
            f"{name} {with_interval(one.mean)}" + (f" ({beside})" if beside else "")
            if one.held.any()
            else f"{name} ∅"
        )
    return (
        f"Mean cost of each removal over {plural(len(found), 'network')}, and of its controls: "
        f"{listed(said)}."
    )
