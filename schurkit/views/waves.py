"""Waves of modular addition beside Schur blocks: how far coordinates hold their planes, who turns
them, and what is left after removals; figures of the rows of `schurkit.studies.blocks`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from schurkit.intervals import over_finite
from schurkit.words import with_interval

from . import plot
from .base import CONTROL_COLOUR, View, axes, shared_legend, styled

PALETTE = (*plot.SERIES[:3], CONTROL_COLOUR, *plot.SERIES[3:])


@styled
def planes(rows, kinds: Sequence[str], places: Sequence[str]) -> View:
    """How much of the keys' planes 2K leading coordinates hold: a panel a kind of network and
    place, a column a family of coordinates, every network a dot.

    rows : DataFrame with the columns networks, place, coordinates, network, share.
    """
    figure, panels = axes(
        len(kinds), len(places), (7.6, 2.4 * len(kinds)), sharey=True, squeeze=False
    )
    of = ["networks", "place", "coordinates", "network"]
    mean, said = rows.groupby(of, sort=False).share.mean().reset_index(), []
    for row, kind in zip(panels, kinds):
        for ax, place in zip(row, places):
            there = mean[(mean.networks == kind) & (mean.place == place)]
            by = there.groupby("coordinates", sort=False).share
            found = {name: part.to_numpy() for name, part in by}
            names = [name.replace("Schur, ", "").replace(" ", "\n") for name in found]
            plot.dots(list(found.values()), names, ax)
            ax.tick_params(axis="x", labelsize=8)
            ax.set(title=f"{kind}: {place} by W_rec", ylim=(-0.03, 1.05))
            means = (f"{name} {with_interval(over_finite(x), '.2f')}" for name, x in found.items())
            said += [f"{kind}, {place}: {', '.join(means)}"] if found else []
        row[0].set_ylabel("share in 2K coordinates")
    return View(figure, "; ".join(said) + ".", rows)


@styled
def turns(rows, kinds: Sequence[str]) -> View:
    """The angle by which the units that a number opens turn each wave, against w b, in one network
    of each kind; and the resultant of all networks, beside its controls.

    rows : DataFrame with the columns networks, network, turned, frequency, wanted, angle.
    """
    figure, panels = axes(1, len(kinds) + 1, (7.6, 2.8))
    looks = dict(
        zip(
            ("keys", "numbers shuffled", "other frequencies"),
            zip((PALETTE[0], *PALETTE[3:5]), "os^"),
        )
    )
    ticks = {"xticks": [0, np.pi, 2 * np.pi], "yticks": [0, np.pi, 2 * np.pi]}
    labels = {"xticklabels": ["0", "π", "2π"], "yticklabels": ["0", "π", "2π"]}
    said, law = [], resultants(rows)
    for ax, kind in zip(panels, kinds):
        mine = rows[rows.networks == kind]
        mine = mine[mine.network == mine.network.iloc[0]] if len(mine) else mine
        for who in ("numbers shuffled", "keys"):
            part, (colour, marker) = mine[mine.turned == who], looks[who]
            ax.plot(part.wanted, part.angle, marker, ms=2, mew=0, color=colour, alpha=0.7)
        ax.set(title=kind, xlabel="w b", ylabel="turned by", **ticks, **labels)
    for i, (who, (colour, marker)) in enumerate(looks.items()):
        values = [law[(law.networks == kind) & (law.turned == who)].resultant for kind in kinds]
        look = {"colour": colour, "marker": marker, "label": who, "offset": 0.2 * (i - 1)}
        plot.dots(values, kinds, panels[-1], **look)
        said += [
            f"{kind}, {who} {with_interval(over_finite(x), '.3f')}"
            for kind, x in zip(kinds, values)
        ]
    panels[-1].set(ylabel="resultant", ylim=(-0.03, 1.05))
    shared_legend(figure, panels, ncols=3)
    return View(figure, f"Resultants: {'; '.join(said)}.", law)


def resultants(rows):
    """|mean over numbers of e^{i (angle − w b)}| of each network, a mean over its frequencies; 1 if
    each number turns each wave by w b.
    """
    phase = rows.assign(phase=np.exp(1j * (rows.angle - rows.wanted)))
    of = ["networks", "network", "turned"]
    by = phase.groupby([*of, "frequency"], sort=False).agg(
        phase=("phase", "mean"), size=("size", "mean")
    )
    by = by.assign(resultant=np.abs(by.phase.to_numpy())).drop(columns="phase")
    return by.groupby(of, sort=False)[["resultant", "size"]].mean().reset_index()


@styled
def removals(
    rows, kinds: Sequence[str], removed: Sequence[str], measures: Mapping[str, str]
) -> View:
    """What is left after removals against their mass: a row of panels a kind of network, a panel a
    measure, a line what is removed; sectors as single marks. Means over networks and draws.

    rows : DataFrame with the columns networks, removed, threshold, mass, all, and the measures.
    removed : names of the lines; measures : label by column.
    """
    figure, panels = axes(
        len(kinds), len(measures), (7.4, 2.5 * len(kinds)), sharex=True, squeeze=False
    )
    said = []
    for row, kind in zip(panels, kinds):
        part = rows[rows.networks == kind]
        whole = part["mass"][part["all"]].mean()
        for ax, (measure, label) in zip(row, measures.items()):
            for name, colour in zip(removed, PALETTE):
                mine = part[part.removed.isin(["intact", name])]
                line = mine.groupby(mine["mass"].where(~mine["all"], whole))[measure].mean()
                ax.plot(line.index, line, ".-", lw=1.1, color=colour, label=name)
            for name, marker in zip(("RR", "CR", "CC"), "v^x"):
                at = part[part.removed == name].groupby("threshold")[["mass", measure]].mean()
                ax.plot(
                    at["mass"], at[measure], marker, ms=5, color=PALETTE[5], label=f"{name} alone"
                )
            ax.set(title=kind, ylabel=label)
            if measure == "cross_entropy":
                ax.set_yscale("symlog", linthresh=0.1)
                ax.set_ylim(bottom=0)
        end = part[part["all"]].groupby("removed", sort=False).accuracy.mean()
        said += [f"{kind}: " + ", ".join(f"{name} {x:.3f}" for name, x in end.items())] * bool(
            len(end)
        )
    for ax in panels[-1]:
        ax.set_xlabel("removed mass")
    shared_legend(figure, panels, ncols=4)
    return View(figure, f"All couplings removed, accuracy: {'; '.join(said)}.", rows)
