"""Profiles over a choice (where the sectors are cut, how much of them goes), and errors over the
time of a trial.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from schurkit.ablation import Profile
from schurkit.intervals import Interval, over_finite
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
    rows,
    shared_legend,
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
    data = []
    for name in first.removed if removed is None else removed:
        ones = {level: profile[name] for level, profile in sweep.items()}
        costs = {level: finite(one.cost[one.held]) for level, one in ones.items()}
        costs = {level: values for level, values in costs.items() if len(values)}
        x, parts = list(costs), costs.values()
        mean, low, high, n = (list(map(f, parts)) for f in (np.mean, np.min, np.max, len))
        look = {"marker": "o", "ms": 2.5, "label": label_of(name)}
        plot.band(top, x, mean, low, high, colour_of(name), **look)
        columns = {"removed": name, "threshold": x, "cost": mean, "lowest": low, "highest": high}
        data += rows(columns | {"n": n})
    if first.metric.better == "lower":
        plot.symlog(top, 1e-3, min([0.0, *(row["lowest"] for row in data)]))
    counts = [profile.n_leading for profile in sweep.values()]
    middle, low, high = (f(counts, axis=1) for f in (np.median, np.min, np.max))
    plot.band(below, levels, middle, low, high, INK, 0.15)
    for ax in (top, below):
        ax.axvline(threshold, color="#999999", lw=0.8, ls="--")
    top.set_ylabel(first.metric.cost)
    below.set(xlabel="threshold per time constant", ylabel="units in R")
    figure.legend(loc="outside upper center", ncols=4)
    at = [row for row in data if np.isclose(row["threshold"], marks or threshold).any()]
    said = [f"{row['removed']} {short(row['cost'])} at {row['threshold']:g}" for row in at]
    alt = (
        "Cost of each removal against the threshold of the sectors, mean and range over networks: "
        f"{listed(said) or 'nothing was measured there'}."
    )
    return View(figure, alt, data)


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
    data, said = [], []
    for (name, quantity), (left, right) in zip(quantities.items(), panels):
        places = {**sweep, "largest gap": at_gap}
        for x, (level, profile) in enumerate(places.items()):
            over = over_finite(quantity(profile)) or Interval(None, None, None, 0, "none")
            row = {"quantity": name, "threshold": level, "n": over.n}
            data.append(row | {"value": over.value, "low": over.low, "high": over.high})
            if over.n:
                left.plot(x, over.value, "D" if level == "largest gap" else "o", ms=5, color=INK)
                left.plot([x] * 2, over.ends or [over.value] * 2, color=INK, lw=1.2)
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
    return View(figure, f"By where R is cut: {listed(said) or 'nothing was measured'}.", data)


@styled
def doses(found, metric: str) -> View:
    """A measure against the removed mass, a panel a removal: the removal in its sector's colour,
    its controls in grey, means over networks.

    Parameters
    ----------
    found : from `schurkit.ablation.dose_sweep`.
    metric : what was measured.
    """
    by = found.groupby(["removed", "kind", "dose"], sort=False)[["removed_mass", "value"]]
    means, said = by.mean().reset_index(), []
    names = means.removed.unique()
    figure, row = axes(1, len(names), (1.2 + 1.95 * len(names), 2.9), sharey=True, squeeze=False)
    for ax, name in zip(row[0], names):
        lines = dict(list(means[means.removed == name].groupby("kind", sort=False)))
        for kind, part in reversed(lines.items()):
            look = {"marker": "o", "color": colour_of(name)}
            if kind in CONTROL_MARKERS:
                marker = CONTROL_MARKERS[kind]
                look = {"marker": marker, "lw": 0.8, "color": CONTROL_COLOUR, "label": kind}
            ax.plot(part.removed_mass, part.value, **look, ms=3)
        last = (f"{kind} {short(part.value.iloc[-1])}" for kind, part in lines.items())
        said.append(f"{name} {', '.join(last)}")
        ax.set(title=name, xlabel="removed mass ‖ΔT‖/‖T‖")
    row[0, 0].set_ylabel(metric)
    shared_legend(figure, row[0, 0], ncols=4)
    alt = f"{metric} against removed mass, at the last dose: {'; '.join(said)}."
    return View(figure, alt, means)


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
    said, data = [], []
    for name, values in curves.items():
        steps = values.shape[1] // every * every
        blocks = values[:, :steps].reshape(len(values), -1, every).mean(axis=2)
        x = start + every * np.arange(blocks.shape[1]) + (every - 1) / 2
        mean, low, high = blocks.mean(axis=0), blocks.min(axis=0), blocks.max(axis=0)
        look = {"ls": "--" if name == "none" else "-", "label": label_of(name)}
        plot.band(ax, x, mean, low, high, colour_of(name), **look)
        ends = mean[~np.isnan(mean)]
        said.append(f"{label_of(name)} {short(ends[0])} at first and {short(ends[-1])} at last")
        columns = {"removed": name, "step": x, "mean": mean, "lowest": low, "highest": high}
        data += rows(columns)
    ax.set(xlabel="time in the trial (steps)", ylabel=ylabel)
    if linear:
        plot.symlog(ax, linear)
    figure.legend(loc="outside upper center", ncols=4)
    return View(figure, f"{ylabel} over a trial, mean over networks: {listed(said)}.", data)
