"""What a network does in a trial: all outputs of one, or one output of several."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from schurkit.rnn import Trials
from schurkit.words import plural, short

from .base import FAINT, INK, View, axes, rows, shared_legend, styled

OUTPUT = "#8F4EA8"
"""Of what a network says: no sector's colour."""


def _lines(ax, target, counted, said: Mapping, beside: Mapping) -> None:
    """What was asked for at the steps that count as a broad grey line, and what was said over it;
    dotted, what else there is.
    """
    look = {"color": "#BDBDBD", "lw": 4, "solid_capstyle": "butt", "label": "target"}
    ax.plot(np.where(counted, target, np.nan), zorder=1.9, **look)
    for name, values in beside.items():
        ax.plot(values, ":", color=FAINT, lw=1.2, label=name)
    for (name, values), style in zip(said.items(), ("-", "--", ":")):
        ax.plot(values, style, color=OUTPUT, lw=1.4, label=name)


@styled
def trial(
    trials: Trials,
    outputs,
    index: int = 0,
    *,
    names: dict[str, str] | None = None,
    channels: int = 4,
) -> View:
    """Inputs, targets and outputs of one trial, a row for each output channel, over time.

    Parameters
    ----------
    trials : shared trials.
    outputs : (trials, time, output) of one network, or several by name, such as the intact and an
        ablated one.
    index : which trial.
    names : what the inputs and outputs are called, ``{"inputs": "pulse", "outputs": "bit"}``.
    channels : most outputs that are drawn.
    """
    several = outputs if isinstance(outputs, dict) else {"output": outputs}
    several = {name: values[index] for name, values in several.items()}
    names = {"inputs": "input", "outputs": "output"} | (names or {})
    targets, counted = trials.targets[index], trials.counted[index]
    shown = min(channels, targets.shape[1])
    figure, column = axes(shown, 1, (6.4, 1.0 + 0.75 * shown), sharex=True, squeeze=False)
    inputs, same = trials.inputs[index], trials.inputs.shape[2] == targets.shape[1]
    for k, ax in enumerate(column[:, 0]):
        for x in inputs[:, k : k + 1].T if same else inputs.T if k == 0 else ():
            if (x == 0).mean() > 0.5:
                x = np.where(x == 0, np.nan, x)
                look = {"marker": "v", "ls": "", "ms": 4.5, "color": INK}
            else:
                look = {"color": FAINT, "lw": 0.8, "alpha": 0.7}
            ax.plot(x, label=names["inputs"], **look)
        said = {name: values[:, k] for name, values in several.items()}
        _lines(ax, targets[:, k], counted, said, {})
        ax.set_ylabel(f"{names['outputs']} {k + 1}" if targets.shape[1] > 1 else names["outputs"])
        ends = *ax.get_ylim(), 1.15 * min(targets.min(), 0), 1.15 * max(targets.max(), 0)
        ax.set_ylim(min(ends), max(ends))
    column[-1, 0].set_xlabel("time (steps)")
    shared_legend(figure, column, ncols=3 + len(several))
    said = ", ".join(
        f"{name} is {short(np.abs(values - targets)[counted].mean())} away from the target in the "
        "mean"
        for name, values in several.items()
    )
    alt = (
        f"One trial of {plural(len(targets), 'step')}, {shown} of "
        f"{plural(targets.shape[1], 'output channel')} over time; {said}."
    )
    step, channel = np.indices(targets.shape)
    data = {"step": step, names["outputs"]: channel + 1, "target": targets} | several
    return View(figure, alt, rows({name: values.ravel() for name, values in data.items()}))


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
    size = 6.4, 0.9 + 0.8 * len(which)
    figure, column = axes(len(which), 1, size, sharex=True, sharey=True, squeeze=False)
    said, data = [], []
    for ax, trial, title in zip(column[:, 0], which, titles):
        target, output = trials.targets[trial, :, channel], outputs[trial][:, channel]
        counted = trials.counted[trial]
        more = {name: values[trial] for name, values in (beside or {}).items()}
        _lines(ax, target, counted, {"output": output}, more)
        ax.set_ylabel(title, rotation=0, ha="right", va="center")
        said.append(f"{title} {short(np.abs(output - target)[counted].mean(), '.2g')}")
        columns = {"step": np.arange(len(target)), "target": target, "output": output} | more
        columns = {name: values[counted] for name, values in columns.items()}
        data += rows({"trial": trial} | columns)
    column[-1, 0].set_xlabel("time (steps)")
    shared_legend(figure, column, ncols=3)
    alt = (
        f"{plural(len(which), 'trial')} of one network over time; mean distance of the output "
        f"from its target: {', '.join(said)}."
    )
    return View(figure, alt, data)


@styled
def raster(trials: Trials, outputs, *, steps: int | None = None) -> View:
    """Outputs of the first trial as a raster of channels over time, in the sign's colour, with a
    dot where the sign is wrong.

    Parameters
    ----------
    trials : shared trials with targets ±1.
    outputs : (trials, time, output) of one network, or several by name: a row each.
    steps : how many steps are drawn; all by default.
    """
    several = outputs if isinstance(outputs, dict) else {"": outputs}
    targets, counted = trials.targets[0], trials.counted[0]
    size = 6.4, 0.8 + 1.25 * len(several)
    figure, column = axes(len(several), 1, size, sharex=True, squeeze=False)
    said, data = [], []
    for ax, (name, values) in zip(column[:, 0], several.items()):
        drawn = values[0][:steps]
        image = ax.imshow(drawn.T, aspect="auto", cmap="PuOr", vmin=-1.2, vmax=1.2)
        wrong = (np.sign(values[0]) != np.sign(targets)) & counted[:, None]
        ax.plot(*np.argwhere(wrong[:steps]).T, ".", ms=2.5, color="black")
        ax.axvline(trials.inputs.shape[1] - 0.5, color="black", lw=1)
        ax.set(ylabel="channel", title=name)
        ax.set_yticks([0, targets.shape[1] - 1], [1, targets.shape[1]])
        share = 100 * (1 - wrong[counted].mean())
        said.append(f"{name or 'one network'}: {short(share, '.1f')} % of the signs are right")
        step, channel = np.indices(drawn.shape)
        columns = {"step": step, "channel": channel + 1, "output": drawn.astype(float).round(4)}
        columns = {name: part.ravel() for name, part in columns.items()}
        data += rows({"network": name} | columns | {"target": targets[:steps].ravel()})
    column[-1, 0].set_xlabel("time (steps)")
    figure.colorbar(image, ax=column[:, 0], label="output", shrink=0.8, pad=0.02)
    channels = plural(targets.shape[1], "output channel")
    alt = f"Rasters of {channels} over time in one trial; {'; '.join(said)}."
    return View(figure, alt, data)
