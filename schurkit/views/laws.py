"""How well laws fitted to some networks predict what changes cost in another."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from schurkit.words import listed, short

from .base import CONTROL_COLOUR, INK, View, axes, rows, shared_legend, styled
from .plot import column, mean_bar

FLOOR = -1.0
"""R² below this is drawn at this height."""
LOOKS = {
    "removal": (INK, "o", -0.25),
    "permuted": (CONTROL_COLOUR, "D", 0.0),
    "random pair": ("#B5B5B5", "s", 0.25),
}


@styled
def laws(scores: Mapping, names: Mapping[str, str]) -> View:
    """R² over left-out networks of removals, and of controls of equal norm, a panel a task: dots
    within networks, bars over all of them.

    Parameters
    ----------
    scores : by task, then by kind ("removal", "permuted", "random pair"), then by model, a
        `schurkit.analyses.prediction.Score`.
    names : of the models, in their order, as the axis shows them.
    """
    figure, grid = axes(1, len(scores), (0.9 + 2.2 * len(scores), 3.3), squeeze=False, sharey=True)
    data, said, low = [], [], []
    for ax, (task, kinds) in zip(grid[0], scores.items()):
        for kind, found in kinds.items():
            for x, (model, score) in enumerate(found.items()):
                (colour, marker, offset), by = LOOKS[kind], score.by_network
                each = np.maximum(list(by.values()), FLOOR)
                look = {"half": 0, "spread": 0, "ms": 3.5, "alpha": 0.55, "label": kind}
                column(ax, x + offset, each, colour, marker, **look)
                mean_bar(ax, x + offset, score.r2, colour, floor=FLOOR)
                said.append(f"{task}, {names[model]}, {kind} {short(score.r2.value, '.2f')}")
                low += [said[-1]] * (score.r2.value < FLOOR)
                names_of = {"task": task, "changes": kind, "model": model}
                data += rows(names_of | {"network": list(by), "r2": list(by.values())})
        ax.axhline(0, color=INK, lw=0.8)
        ax.set_xticks(
            range(len(names)), [name.replace(" + ", "\n+ ") for name in names.values()], fontsize=8
        )
        ax.set(title=task, ylim=(FLOOR - 0.06, 1.04), xlim=(-0.5, len(names) - 0.5))
    grid[0, 0].set_ylabel("R², left-out networks")
    shared_legend(figure, grid, ncols=3, markerscale=1.6)
    edge = f" At the lower edge, {short(FLOOR)}: {listed(low)}." if low else ""
    return View(figure, f"R²: {'; '.join(said)}.{edge}", data)
