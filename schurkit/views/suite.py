"""Profiles of several tasks side by side, and the same per unit of what is removed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from schurkit.ablation import LEAST_MASS, Profile, Removal
from schurkit.words import with_interval

from . import plot
from .base import View, axes, shared_legend, styled
from .profile import removals


@styled
def suite(
    profiles: Mapping[str, Profile],
    *,
    paper: Mapping | None = None,
    paper_per_mass: Mapping | None = None,
) -> View:
    """What each removal costs the networks of several tasks, a column a task; below, the cost per
    unit of removed mass (the sensitivity).

    Marks as in `schurkit.views.profile`. The numbers behind it are one row a network and removal,
    with the mean of each control.

    Parameters
    ----------
    profiles : by the name of the task, of the same removals.
    paper, paper_per_mass : what a paper reports, by task and removal: (value, spread), drawn as an
        open diamond.
    """
    papers = paper or {}, paper_per_mass or {}
    figure, grid = axes(
        2, len(profiles), (1.1 + 2.1 * len(profiles), 5.2), sharex=True, squeeze=False
    )
    for column, (task, found) in zip(grid.T, profiles.items()):
        for ax, shown, quoted in zip(column, (found, map(_per_mass, found)), papers):
            drawn = removals(ax, shown, quoted.get(task, {}), {})
            highest = drawn.max()
            linear = 10.0 ** np.floor(np.log10(highest * 1e-3)) if highest > 0 else 1e-3
            plot.symlog(ax, max(linear, 1e-3), drawn.min())
        column[0].set_title(f"{task} (n = {len(found)})")
        column[1].set_xticks(np.arange(len(found.removed)) + 0.2, found.removed)
    grid[0, 0].set_ylabel(next(iter(profiles.values())).metric.cost)
    grid[1, 0].set_ylabel("per unit of removed mass")
    figure.supxlabel("removed couplings", fontsize=10)
    shared_legend(figure, grid, ncols=4, fontsize=8, markerscale=1.3)
    said = "; ".join(
        f"{task}: " + ", ".join(f"{one.name} {with_interval(one.mean)}" for one in found)
        for task, found in profiles.items()
    )
    return View(figure, f"Mean cost of each removal, by task: {said}.", suite_rows(profiles))


def suite_rows(profiles: Mapping[str, Profile]):
    """One row a task, network and removal, with the mean over draws of each control; `group` names
    task and removal together.
    """
    import pandas as pd

    tables = []
    for task, found in profiles.items():
        frame = found.frame()
        table = frame[(frame.kind == "removal") & (frame.removed != "none")].drop(
            columns=["kind", "draw"]
        )
        for kind, costs in found.controls.items():
            table[f"{kind} (mean)"] = found.metric.worse * costs.mean(axis=2).ravel()
        table.insert(0, "task", task)
        tables.append(table.assign(group=[f"{task}, {name}" for name in table.removed]))
    return pd.concat(tables, ignore_index=True)


def _per_mass(one: Removal) -> Removal:
    mass = np.where(one.mass >= LEAST_MASS, one.mass, np.nan)
    return replace(
        one,
        cost=one.cost / mass,
        controls={kind: costs / mass[:, None] for kind, costs in one.controls.items()},
    )
