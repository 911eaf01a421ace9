"""Which way measures go over the levels of knobs, task by task, beside the way reported."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from schurkit.words import listed, with_interval

from . import plot
from .base import FAINT, INK, View, axes, styled

LOOKS = dict(zip(("as the paper", "opposite"), plot.SERIES))
"""Colours of whole intervals; what is open, or of too few networks, is grey."""


@styled
def signs(
    found: Sequence, tasks: dict[str, str], levels=("dynamics", "weights", "behaviour")
) -> View:
    """Ratio of each measure between the highest and the lowest level of a knob, with its interval;
    a panel a level of degeneracy, a row a knob and task. Shaded: where the paper's sign would lie.

    Parameters
    ----------
    found : of `schurkit.studies.signs`.
    tasks : name of a task → its name on the page.
    levels : which panels.
    """
    shown = [one for one in found if one.level in levels and one.ours is not None]
    lines = list(dict.fromkeys((one.knob.id, one.knob.name, one.task) for one in shown))
    figure, row = axes(1, len(levels), (7.4, 1.0 + 0.24 * len(lines)), sharey=True, squeeze=False)
    for ax, level in zip(row[0], levels):
        mine = {(one.knob.id, one.knob.name, one.task): one for one in shown if one.level == level}
        ends = [end for one in mine.values() for end in (one.ours.value, *(one.ours.ends or ()))]
        reach = max([0.35, *np.abs([end for end in ends if np.isfinite(end)])]) * 1.1
        for place, line in enumerate(lines):
            if line in mine:
                _row(ax, -place, mine[line], reach)
        ax.axvline(0, color=INK, lw=0.7)
        ax.set(xlim=(-reach, reach), title=level)
        ticks = [t for t in (0.01, 0.1, 0.25, 0.5, 0.7, 1) if -np.log(t) < reach]
        ticks = ticks[-3:] if reach < 1.5 else [ticks[0], 1]
        ticks = sorted({*ticks, *(1 / t for t in ticks)})
        ax.set_xticks(
            np.log(ticks), [f"{tick:.0f}" if tick > 3 else f"{tick:.2g}" for tick in ticks]
        )
        ax.set_xlabel("ratio, highest to lowest level", fontsize=8)
    names = [f"{tasks.get(task, task)}  {knob}" for knob, _, task in lines]
    row[0, 0].set_yticks(-np.arange(len(lines)), names)
    row[0, 0].tick_params(axis="y", length=0, labelsize=8)
    said = [
        f"{one.claim} {tasks.get(one.task, one.task)} {with_interval(one.ours, '+.2f')}, {one.side}"
        for one in shown
    ]
    rows = [
        {
            "claim": one.claim,
            "task": one.task,
            "level": one.level,
            "paper": one.paper,
            "log ratio": one.ours.value,
            "low": one.ours.low,
            "high": one.ours.high,
            "n": one.ours.n,
            "side": one.side,
        }
        for one in shown
    ]
    return View(figure, f"Log ratios: {listed(said, 'and') if said else 'none'}.", rows)


def _row(ax, place, one, reach):
    """One value with its interval, open where the distance is at its floor."""
    edge = reach * one.paper
    ax.fill_between([0, edge], place - 0.42, place + 0.42, color=FAINT, alpha=0.13, lw=0)
    if not np.isfinite(one.ours.value):
        return
    colour = LOOKS.get(one.side, "#777777")
    if one.ours.ends:
        ax.plot(one.ours.ends, [place, place], color=colour, lw=1.6)
    face = "white" if one.at_floor else colour
    ax.plot(one.ours.value, place, "o", ms=4.5, color=colour, markerfacecolor=face)
