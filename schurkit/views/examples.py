"""A few trials below each other: what was asked and what came out, one output of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from schurkit.rnn import Trials
from schurkit.words import plural, short

from .base import FAINT, View, axes, styled
from .trials import OUTPUT, drawn_target


@styled
def examples(
    trials: Trials,
    outputs,
    which: Sequence[int],
    *,
    titles: Sequence[str] | None = None,
    beside: Mapping | None = None,
    channel: int = 0,
) -> View:
    """One output channel of several trials, a row each, over its target.

    Parameters
    ----------
    trials : shared trials.
    outputs : (trials, time, output) of one network.
    which : the trials that are drawn.
    titles : a few words a trial, written at its left; "trial 1" and so on by default.
    beside : by name, (trials, time): what else is drawn, dotted, such as the answer that would be
        wrong.
    channel : of the output.
    """
    titles = [f"trial {k + 1}" for k in which] if titles is None else titles
    figure, column = axes(
        len(which), 1, (6.4, 0.9 + 0.8 * len(which)), sharex=True, sharey=True, squeeze=False
    )
    said, rows = [], []
    for ax, trial, title in zip(column[:, 0], which, titles):
        target, output = trials.targets[trial, :, channel], outputs[trial][:, channel]
        counted = trials.counted[trial]
        drawn_target(ax, target, counted, "target")
        more = {name: values[trial] for name, values in (beside or {}).items()}
        for name, values in more.items():
            ax.plot(values, ":", color=FAINT, lw=1.2, label=name)
        ax.plot(output, color=OUTPUT, lw=1.4, label="output")
        ax.set_ylabel(title, rotation=0, ha="right", va="center")
        said.append(f"{title} {short(np.abs(output - target)[counted].mean(), '.2g')}")
        columns = {"target": target, "output": output} | more
        rows += [
            {"trial": trial, "step": t} | {name: values[t] for name, values in columns.items()}
            for t in np.flatnonzero(counted)
        ]
    column[-1, 0].set_xlabel("time (steps)")
    figure.legend(*column[0, 0].get_legend_handles_labels(), loc="outside upper center", ncols=3)
    alt = (
        f"{plural(len(which), 'trial')} of one network over time; mean distance of the output "
        f"from its target: {', '.join(said)}."
    )
    return View(figure, alt, rows)
