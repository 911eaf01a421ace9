"""How well laws fitted to some networks predict what changes cost in another."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from schurkit.words import listed, short

from .base import CONTROL_COLOUR, INK, View, axes, shared_legend, styled

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
    rows, said, low = [], [], []
    for ax, (task, kinds) in zip(grid[0], scores.items()):
        for kind, found in kinds.items():
            for x, (model, score) in enumerate(found.items()):
                _column(ax, x, score, *LOOKS[kind], kind if x == 0 else None)
                said.append(f"{task}, {names[model]}, {kind} {short(score.r2.value, '.2f')}")
                low += [said[-1]] * (score.r2.value < FLOOR)
                rows += [
                    {"task": task, "changes": kind, "model": model, "network": label, "r2": r2}
                    for label, r2 in score.by_network.items()
                ]
        ax.axhline(0, color=INK, lw=0.8)
        ax.set_xticks(
            range(len(names)), [name.replace(" + ", "\n+ ") for name in names.values()], fontsize=8
        )
        ax.set(title=task, ylim=(FLOOR - 0.06, 1.04), xlim=(-0.5, len(names) - 0.5))
    grid[0, 0].set_ylabel("R², left-out networks")
    shared_legend(figure, grid, ncols=3, markerscale=1.6)
    edge = f" At the lower edge, {short(FLOOR)}: {listed(low)}." if low else ""
    return View(figure, f"R²: {'; '.join(said)}.{edge}", rows)


def _column(ax, x, score, colour, marker, offset, label):
    each = np.maximum(list(score.by_network.values()), FLOOR)
    ax.plot(
        np.full(len(each), x + offset),
        each,
        marker,
        ms=3.5,
        mew=0,
        alpha=0.55,
        color=colour,
        label=label,
    )
    ax.plot(
        [x + offset - 0.1, x + offset + 0.1], [max(score.r2.value, FLOOR)] * 2, color=colour, lw=2
    )
    if score.r2.ends:
        ax.plot([x + offset] * 2, np.maximum(score.r2.ends, FLOOR), color=colour, lw=3, alpha=0.6)
