"""What a network does in one trial."""

from __future__ import annotations

import numpy as np

from schurkit.rnn import Trials
from schurkit.words import plural, short

from .base import FAINT, INK, View, axes, styled

OUTPUT = "#8F4EA8"
"""Of what a network says: no sector's colour."""


def drawn_target(ax, values, counted, label=None) -> None:
    """What was asked for at the steps that count, as a broad grey line."""
    look = {"color": "#BDBDBD", "lw": 4, "solid_capstyle": "butt", "label": label}
    ax.plot(np.where(counted, values, np.nan), **look)


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
    names = {"inputs": "input", "outputs": "output"} | (names or {})
    targets, counted = trials.targets[index], trials.counted[index]
    shown = min(channels, targets.shape[1])
    figure, column = axes(shown, 1, (6.4, 1.0 + 0.75 * shown), sharex=True, squeeze=False)
    inputs, same = trials.inputs[index], trials.inputs.shape[2] == targets.shape[1]
    for k, ax in enumerate(column[:, 0]):
        drawn_target(ax, targets[:, k], counted, "target" if k == 0 else None)
        for j, x in enumerate(inputs.T if not same else inputs[:, k : k + 1].T):
            if k == 0 or same:
                pulses = np.flatnonzero(x) if (x == 0).mean() > 0.5 else None
                label = names["inputs"] if k == 0 and j == 0 else None
                if pulses is None:
                    ax.plot(x, color=FAINT, lw=0.8, alpha=0.7, label=label)
                else:
                    ax.plot(pulses, x[pulses], "v", ms=4.5, color=INK, label=label)
        for (name, values), style in zip(several.items(), ("-", "--", ":")):
            ax.plot(
                values[index][:, k], style, color=OUTPUT, lw=1.4, label=name if k == 0 else None
            )
        ax.set_ylabel(f"{names['outputs']} {k + 1}" if targets.shape[1] > 1 else names["outputs"])
    low, high = min(targets.min(), 0), max(targets.max(), 0)
    for ax in column[:, 0]:
        bottom, top = ax.get_ylim()
        ax.set_ylim(min(bottom, 1.15 * low), max(top, 1.15 * high))
    column[-1, 0].set_xlabel("time (steps)")
    figure.legend(loc="outside upper center", ncols=3 + len(several))
    errors = {
        name: np.abs(values[index] - targets)[counted].mean() for name, values in several.items()
    }
    said = ", ".join(
        f"{name} is {short(error)} away from the target in the mean"
        for name, error in errors.items()
    )
    rows = [
        {
            "step": t,
            names["outputs"]: k + 1,
            "target": targets[t, k],
            **{name: values[index][t, k] for name, values in several.items()},
        }
        for t, k in np.ndindex(targets.shape)
    ]
    return View(
        figure,
        f"One trial of {len(targets)} steps, {shown} of {targets.shape[1]} output channels over "
        f"time; {said}.",
        rows,
    )


@styled
def raster(
    trials: Trials,
    outputs,
    index: int = 0,
    *,
    steps: int | None = None,
) -> View:
    """Outputs of one trial as a raster of channels over time, in the sign's colour, with a dot
    where the sign is wrong.

    Parameters
    ----------
    trials : shared trials with targets ±1.
    outputs : (trials, time, output) of one network, or several by name: a row each.
    index : which trial.
    steps : how many steps are drawn; all by default.
    """
    several = outputs if isinstance(outputs, dict) else {"": outputs}
    span = slice(0, steps)
    targets, counted = trials.targets[index], trials.counted[index]
    figure, column = axes(
        len(several), 1, (6.4, 0.8 + 1.25 * len(several)), sharex=True, squeeze=False
    )
    said, rows = [], []
    for ax, (name, values) in zip(column[:, 0], several.items()):
        one = values[index]
        image = ax.imshow(one[span].T, aspect="auto", cmap="PuOr", vmin=-1.2, vmax=1.2)
        wrong = (np.sign(one) != np.sign(targets)) & counted[:, None]
        ax.plot(*np.argwhere(wrong[span]).T, ".", ms=2.5, color="black")
        ax.axvline(trials.inputs.shape[1] - 0.5, color="black", lw=1)
        ax.set(ylabel="channel", title=name)
        ax.set_yticks([0, targets.shape[1] - 1], [1, targets.shape[1]])
        share = 100 * (1 - wrong[counted].mean())
        said.append(f"{name or 'one network'}: {short(share, '.1f')} % of the signs are right")
        rows += [
            {
                "network": name,
                "step": t,
                "channel": c + 1,
                "output": round(float(v), 4),
                "target": targets[t, c],
            }
            for (t, c), v in np.ndenumerate(one[span])
        ]
    column[-1, 0].set_xlabel("time (steps)")
    figure.colorbar(image, ax=column[:, 0], label="output", shrink=0.8, pad=0.02)
    return View(
        figure,
        f"Rasters of {plural(targets.shape[1], 'output channel')} over time in one trial; "
        + "; ".join(said)
        + ".",
        rows,
    )
