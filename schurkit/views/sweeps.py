"""Profiles over a choice (where the sectors are cut, how much of them goes), and errors over the
time of a trial.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from schurkit.ablation import Profile
from schurkit.intervals import over_networks
from schurkit.words import listed, short

from . import plot
from .base import (
    CONTROL_COLOUR,
    CONTROL_MARKERS,
    INK,
    View,
    axes,
    colour_of,
    finite,
    label_of,
    styled,
)


@styled
def thresholds(
    sweep: Mapping[float, Profile],
    threshold: float,
    *,
    removed: Sequence[str] | None = None,
    marks: tuple[float, ...] = (),
) -> View:
    """What removals cost when the sectors are cut at other thresholds: mean and range over
    networks; below, how many units stand in R.

    Parameters
    ----------
    sweep : from `schurkit.threshold_sweep`.
    threshold : the one that is used elsewhere, marked.
    removed : which removals to draw; all by default.
    marks : thresholds that the alternative text names.
    """
    levels, first = list(sweep), next(iter(sweep.values()))
    figure, (top, below) = axes(2, 1, (6.4, 4.0), sharex=True, height_ratios=[2.2, 1])
    rows, lowest = [], 0.0
    for name in first.removed if removed is None else removed:
        costs = np.stack(
            [
                np.where(
                    profile[name].held & np.isfinite(profile[name].cost), profile[name].cost, np.nan
                )
                for profile in sweep.values()
            ]
        )
        shown = np.flatnonzero(~np.isnan(costs).all(axis=1))
        mean, low, high = (f(costs[shown], axis=1) for f in (np.nanmean, np.nanmin, np.nanmax))
        x, lowest = np.array(levels)[shown], min([lowest, *finite(low)])
        top.plot(x, mean, color=colour_of(name), marker="o", ms=2.5, label=label_of(name))
        top.fill_between(x, low, high, color=colour_of(name), alpha=0.18, lw=0)
        rows += [
            {
                "removed": name,
                "threshold": level,
                "cost": m,
                "lowest": a,
                "highest": b,
                "n": int((~np.isnan(costs[k])).sum()),
            }
            for level, m, a, b, k in zip(x, mean, low, high, shown)
        ]
    if first.metric.better == "lower":
        plot.symlog(top, 1e-3, lowest)
    counts = np.stack([profile.n_leading for profile in sweep.values()])
    below.plot(levels, np.median(counts, axis=1), color=INK)
    below.fill_between(levels, counts.min(axis=1), counts.max(axis=1), color=INK, alpha=0.15, lw=0)
    for ax in (top, below):
        ax.axvline(threshold, color="#999999", lw=0.8, ls="--")
    top.set_ylabel(first.metric.cost)
    below.set(xlabel="threshold per time constant", ylabel="units in R")
    figure.legend(loc="outside upper center", ncols=4)
    at = [
        row
        for row in rows
        if any(np.isclose(row["threshold"], mark) for mark in (marks or (threshold,)))
    ]
    said = (
        listed([f"{row['removed']} {short(row['cost'])} at {row['threshold']:g}" for row in at])
        or "nothing was measured there"
    )
    return View(
        figure,
        "Cost of each removal against the threshold of the sectors, mean and range over "
        f"networks: {said}.",
        rows,
    )


@styled
def cuts(
    sweep: Mapping[float, Profile], at_gap: Profile, threshold: float, quantities: Mapping
) -> View:
    """What a claim is about, by where R is cut and by how many units it then holds. Left: mean over
    networks and its interval against the threshold, and (diamond) where R is cut at the largest gap
    of each spectrum. Right: every network at `threshold` against its units in R.

    Parameters
    ----------
    sweep : from `schurkit.threshold_sweep`.
    at_gap : the profile of `schurkit.ablation.gap_forms`.
    threshold : the one that is used elsewhere, one of the sweep's.
    quantities : by name, (networks,) from a profile; NaN where it is undefined.
    """
    figure, panels = axes(len(quantities), 2, (6.8, 2.6 * len(quantities)), squeeze=False)
    rows, said = [], []
    for (name, quantity), (left, right) in zip(quantities.items(), panels):
        places = {**sweep, "largest gap": at_gap}
        for x, (level, profile) in enumerate(places.items()):
            values = finite(quantity(profile))
            row = {"quantity": name, "threshold": level, "n": len(values)}
            rows.append(row | {"value": None, "low": None, "high": None})
            if not len(values):
                continue
            over = over_networks(values)
            rows[-1] |= {"value": over.value, "low": over.low, "high": over.high}
            marker = "D" if level == "largest gap" else "o"
            left.plot(x, over.value, marker, ms=5, color=INK)
            if over.low is not None:
                left.plot([x, x], over.ends, color=INK, lw=1.2)
            said.append(f"{name} {short(over.value)} at {level}")
        left.set_xticks(
            range(len(places)), [f"{x:g}" if x in sweep else "largest\ngap" for x in places]
        )
        left.set(xlabel="threshold of R", ylabel=name)
        used = sweep[threshold]
        right.plot(used.n_leading, quantity(used), "o", ms=4.5, mew=0, alpha=0.65, color=INK)
        right.set(xscale="log", xlabel=f"units in R at {threshold:g}")
        ticks = [k for k in (1, 2, 3, 5, 10, 20, 50, 100) if k <= 2 * used.n_leading.max()]
        right.set_xticks(ticks, map(str, ticks))
        right.minorticks_off()
        for ax in (left, right):
            ax.axhline(0, color="#999999", lw=0.8, ls="--")
    return View(figure, f"By where R is cut: {listed(said) or 'nothing was measured'}.", rows)


@styled
def doses(rows, metric: str) -> View:
    """A measure against the removed mass, a panel a removal: the removal in its sector's colour,
    its controls in grey, means over networks.

    Parameters
    ----------
    rows : from `schurkit.ablation.dose_sweep`.
    metric : what was measured.
    """
    means = (
        rows.groupby(["removed", "kind", "dose"], sort=False)[["removed_mass", "value"]]
        .mean()
        .reset_index()
    )
    names, said = list(dict.fromkeys(means.removed)), []
    figure, row = axes(1, len(names), (1.2 + 1.95 * len(names), 2.9), sharey=True, squeeze=False)
    for ax, name in zip(row[0], names):
        lines = {
            kind: part for kind, part in means[means.removed == name].groupby("kind", sort=False)
        }
        for kind, part in reversed(lines.items()):
            look = (
                {"marker": CONTROL_MARKERS[kind], "lw": 0.8, "color": CONTROL_COLOUR, "label": kind}
                if kind != "removal"
                else {}
            )
            ax.plot(
                part.removed_mass,
                part.value,
                **({"marker": "o", "color": colour_of(name)} | look),
                ms=3,
            )
        said.append(
            f"{name} "
            + ", ".join(f"{kind} {short(part.value.iloc[-1])}" for kind, part in lines.items())
        )
        ax.set(title=name, xlabel="removed mass ‖ΔT‖/‖T‖")
    row[0, 0].set_ylabel(metric)
    figure.legend(*row[0, 0].get_legend_handles_labels(), loc="outside upper center", ncols=4)
    return View(
        figure, f"{metric} against removed mass, at the last dose: {'; '.join(said)}.", means
    )


@styled
def over_time(
    curves: Mapping[str, np.ndarray],
    *,
    start: int = 0,
    ylabel: str = "error / variance",
    linear: float | None = 1e-3,
    every: int = 1,
) -> View:
    """A measure over the steps of a trial, intact and without each sector: mean over networks,
    bands from the lowest to the highest.

    Parameters
    ----------
    curves : by removal ("none" for the intact network), (networks, time); NaN where nothing counts.
    start : number of the first step.
    ylabel : what is measured.
    linear : as in `schurkit.views.profile`; None for a linear axis.
    every : steps that are averaged into one point.
    """
    figure, ax = axes(1, 1, (6.4, 2.9))
    said, rows = [], []
    for name, values in curves.items():
        steps = values.shape[1] // every * every
        blocks = values[:, :steps].reshape(len(values), -1, every).mean(axis=2)
        x = start + every * np.arange(blocks.shape[1]) + (every - 1) / 2
        ax.plot(
            x,
            blocks.mean(axis=0),
            color=colour_of(name),
            ls="--" if name == "none" else "-",
            label=label_of(name),
        )
        ax.fill_between(
            x, blocks.min(axis=0), blocks.max(axis=0), color=colour_of(name), alpha=0.18, lw=0
        )
        ends = blocks.mean(axis=0)[~np.isnan(blocks.mean(axis=0))]
        said.append(f"{label_of(name)} {short(ends[0])} at first and {short(ends[-1])} at last")
        rows += [
            {"removed": name, "step": float(t), "mean": m, "lowest": a, "highest": b}
            for t, m, a, b in zip(x, blocks.mean(0), blocks.min(0), blocks.max(0))
        ]
    ax.set(xlabel="time in the trial (steps)", ylabel=ylabel)
    if linear:
        plot.symlog(ax, linear)
    figure.legend(loc="outside upper center", ncols=4)
    return View(figure, f"{ylabel} over a trial, mean over networks: {listed(said)}.", rows)
