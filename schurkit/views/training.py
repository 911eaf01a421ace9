"""How networks were trained."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from schurkit.words import plural, short

from . import plot
from .base import View, axes, rows, styled


@styled
def training(trained) -> View:
    """Training loss of every network on a logarithmic axis, beside the loss of always predicting
    the mean.

    Parameters
    ----------
    trained : what `schurkit.train` found, or several of them by name, a panel each.
    """
    several = trained if isinstance(trained, Mapping) else {"": trained}
    figure, row = axes(
        1, len(several), (3.4 + 2.2 * (len(several) - 1), 2.6), sharey=True, squeeze=False
    )
    said, data = [], []
    for ax, (name, one) in zip(row[0], several.items()):
        least = one.task.chance
        steps = [one.loss_steps(i) for i in range(len(one.rnn))]
        plot.loss_curves(steps, one.losses, ax, chance=least, colour="#6B6B6B")
        for end in np.cumsum([phase.steps for phase in one.recipe.phases])[:-1]:
            ax.axvline(end, color="#BBBBBB", lw=0.8)
        ax.set_title(name)
        ends = np.array([losses[-1] for losses in one.losses if len(losses)])
        ending = plural(len(one.rnn), "network ends", "networks end")
        said.append(
            f"{name or 'Training loss'}: {ending} near {short(np.median(ends), '.1e')}; "
            f"predicting the mean, {least:.3g}"
        )
        for seed, x, y in zip(one.rnn.labels, steps, one.losses):
            kind = {"kind": name} if name else {}
            data += rows(kind | {"seed": seed, "step": x[::5], "loss": y[::5]})
    for ax in row[0]:
        ax.label_outer()
    row[0, 0].legend(loc="upper right")
    return View(figure, "; ".join(said) + ".", data)
