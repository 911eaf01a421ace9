"""Figures of the page that `schurkit analyze --html` writes: narrow enough for a phone, and nothing
told by colour alone.
"""

from __future__ import annotations

import html

import numpy as np

from schurkit import nb
from schurkit.ablation import NEARLY_EMPTY, SUBSETS, Profile, ablate, name_of
from schurkit.engine import rollout
from schurkit.rnn import RNN, Trials
from schurkit.schur.form import SchurForm
from schurkit.views import plot

NAMES = [name_of(sectors) for sectors in SUBSETS[1:]]
MARKERS = {"RR": "o", "CR": "^", "CC": "s"}
SINGLE = (("RR",), ("CR",), ("CC",), ("RR", "CR", "CC"))
_BLUE = "#0072B2"
_KINDS = {"removal": "o", "permuted": "s", "matched": "^", "block-upper": "D", "full": "v"}


def say(lines, kind: str = "plain", **said) -> None:
    """Show sentences as a list (`kind` "box": set apart), with everything in them escaped; outside
    IPython print them.
    """
    lines = [lines] if isinstance(lines, str) else list(lines)
    items = [html.escape(line) for line in lines]
    body = (
        f"<p>{items[0]}</p>"
        if len(items) == 1
        else "<ul>" + "".join(f"<li>{item}</li>" for item in items) + "</ul>"
    )
    nb._publish(
        {"text/html": f'<div class="said {kind}">{body}</div>', "text/plain": "\n".join(lines)},
        kind="said",
        lines=lines,
        **said,
    )


def keep(report: dict) -> None:
    """Put the report into the notebook, unseen, so that `report_in` finds it there."""
    nb._publish({"text/plain": ""}, kind="report", report=report)


def report_in(notebook: dict) -> dict:
    """The report that an executed notebook holds."""
    return nb._told(notebook, "report")[0]["report"]


# -------------------------------------------------------------------------------------- the matrix
def spectrum(form: SchurForm):
    """Eigenvalues of the step matrix, W_rec itself at leak 1: R filled, C open."""
    figure, ax = _figure(3.5, 3.8)
    plot.spectrum(form, ax)
    ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.2), ncols=2, fontsize=8)
    return figure


def schur_matrix(form: SchurForm):
    """|T| with the sectors named."""
    figure, ax = _figure(3.5, 3.3)
    plot.schur_matrix(form, ax)
    return figure


# ------------------------------------------------------------------------------------- the profile
def removals(profile: Profile, spread=()):
    """Every removal beside its controls: of one network with every draw, of a stack each network
    with the medians of its controls.

    spread : rows of `measures.over_trials`, for one network.
    """
    figure, ax = _figure(5.4, 4.6)
    kinds, ends, drawn = (
        ["removal", *profile.controls],
        {row.removed: (row.low, row.high) for row in spread},
        [],
    )
    alone = len(profile) == 1
    for place, one in enumerate(profile):
        if not one.held.any():
            ax.text(0, place, " ∅: no coupling", va="center", fontsize=8)
            continue
        if not np.isfinite(one.cost[one.held]).any():
            ax.text(0, place - 0.26, " diverges", va="center", fontsize=8)
        for kind, shift in zip(kinds, np.linspace(-0.26, 0.26, len(kinds))):
            values = one.cost[one.held] if kind == "removal" else one.controls[kind][one.held]
            values = (
                values if values.ndim == 1 else values[0] if alone else np.median(values, axis=1)
            )
            finite, full = (
                np.isfinite(values),
                np.broadcast_to(one.mass[one.held] >= NEARLY_EMPTY, values.shape),
            )
            for solid in (True, False):
                _dots(ax, values[finite & (full == solid)], place + shift, kind, solid, alone)
            drawn += values[finite].tolist()
        if one.name in ends and np.isfinite(ends[one.name]).all():
            ax.plot(ends[one.name], [place - 0.26] * 2, color=_BLUE, lw=1.4)
    _change_axis(ax, drawn)
    return figure


def _dots(ax, values, height: float, kind: str, solid: bool, alone: bool) -> None:
    """One dot a value at a height, a little apart where they are many; open ones for what is nearly
    empty.
    """
    if not len(values):
        return
    colour, marker = _BLUE if kind == "removal" else plot.CONTROL_COLOUR, _KINDS[kind]
    apart = np.linspace(-0.06, 0.06, len(values)) if len(values) > 1 else 0.0
    label = kind if kind == "removal" or alone else f"{kind} (median)"
    size, inside = 6 if alone and kind == "removal" else 3.5, colour if solid else "none"
    ax.plot(
        values,
        height + apart,
        marker,
        ms=size,
        color=colour,
        mfc=inside,
        alpha=0.7,
        mew=0.8,
        label=label,
    )
    if not alone:
        ax.plot([values.mean()] * 2, [height - 0.1, height + 0.1], color=colour, lw=2)


def _change_axis(ax, drawn) -> None:
    ax.set_yticks(
        range(len(NAMES)),
        [f"without {name}" if name.count("+") < 2 else "without all three" for name in NAMES],
    )
    ax.set_ylim(len(NAMES) - 0.4, -0.6)
    largest = max((abs(value) for value in drawn), default=1.0) or 1.0
    linear = max(1e-4 * largest, 1e-9) if largest < 0.01 else 1e-3
    ax.set_xscale("symlog", linthresh=linear, linscale=0.4)
    lowest = min(drawn, default=0.0)
    ax.set_xlim(min(-linear, 1.5 * lowest if lowest < 0 else 0), 2 * largest)
    ax.axvline(0, color="black", lw=0.8)
    step = 1 if largest < 1e3 * linear else 2
    decades = 10.0 ** (np.floor(np.log10(largest)) - np.arange(0, 12, step))
    decades = decades[decades > 3 * linear]
    ticks = [0.0, *decades, *(-decade for decade in decades[:1] if lowest <= -decade)]
    ax.set_xticks(ticks, [f"{tick:g}".replace("-", "−") for tick in ticks])
    ax.minorticks_off()
    ax.set(xlabel="change of FVU (0: no change)")
    handles, labels = ax.get_legend_handles_labels()
    unique = dict(zip(labels, handles))
    if unique:
        ax.figure.legend(
            unique.values(), unique.keys(), loc="outside upper center", ncols=3, fontsize=8
        )


# ---------------------------------------------------------------------------- what it does without
def rollouts(rnn: RNN, form: SchurForm, trials: Trials, count: int = 2):
    """The first trials, intact and without each sector: the output whose target varies most.
    Returns figure, that output, and rows.
    """
    count = min(count, len(trials))
    kept = trials.counted
    channel = int(np.argmax(trials.targets[kept].var(axis=0)))
    first = Trials(
        trials.inputs[:count],
        trials.targets[:count],
        np.array(kept[:count]) if kept[:count].any() else None,
    )
    outputs = rollout(ablate(rnn, form, [(), *SINGLE]), first).outputs[..., channel]
    targets = np.where(kept[:count], trials.targets[:count, :, channel], np.nan)
    far = 1e3 * np.abs(trials.targets[kept][:, channel]).max()
    drawn = np.where(
        np.abs(outputs) <= far, outputs, np.nan
    )  # what runs far away ends where it does
    figure, axes = _figure(
        5.4, 1.25 * len(SINGLE) + 0.9, len(SINGLE), count, sharex=True, sharey=True, squeeze=False
    )
    rows = []
    for row, sectors in enumerate(SINGLE):
        name = name_of(sectors) if len(sectors) == 1 else "all three"
        for trial, ax in enumerate(axes[row]):
            ax.plot(targets[trial], color="#BBBBBB", lw=4, label="target")
            ax.plot(drawn[0, trial], color="black", lw=1, label="intact")
            colour = plot.SECTOR_COLOURS.get(name, "#CC79A7")
            ax.plot(drawn[row + 1, trial], color=colour, lw=1.4, ls="--", label="ablated")
            ax.set_title(
                f"without {name}" + (f", trial {trial + 1}" if row == 0 else ""), fontsize=9
            )
            rows += [{"removed": name, "trial": trial + 1, "time": t, "target": targets[trial, t], "intact": outputs[0, trial, t],
                      "ablated": outputs[row + 1, trial, t]} for t in range(outputs.shape[2])]  # fmt: skip
    _limit(axes, targets, drawn[0])
    for ax in axes[-1]:
        ax.set_xlabel("time (steps)")
    handles, labels = axes[0, 0].get_legend_handles_labels()
    handles[-1] = _dashed()
    figure.legend(handles, labels, loc="outside upper center", ncols=3, fontsize=8)
    return figure, channel, rows


def _limit(axes, targets, intact) -> None:
    """Vertical range of targets and intact outputs with half of it on either side: an ablated
    network may run far out of it.
    """
    values = np.concatenate([targets.ravel(), intact.ravel()])
    values = values[np.isfinite(values)]
    if len(values):
        low, high = values.min(), values.max()
        room = 0.5 * (high - low) or 1.0
        axes[0, 0].set_ylim(low - room, high + room)


def _dashed():
    from matplotlib.lines import Line2D

    return Line2D([], [], color="#555555", ls="--", lw=1.4)


# -------------------------------------------------------------------------------- single couplings
def coupling_map(found, form: SchurForm):
    """Estimated change of FVU for every single coupling, driver to the right, driven downwards."""
    from matplotlib.colors import SymLogNorm

    figure, ax = _figure(3.6, 3.3)
    count = len(form.blocks)
    grid = np.where(np.triu(np.ones((count, count), bool), 1), found.estimates, np.nan)
    limit = float(np.nanmax(np.abs(grid))) if count > 1 and np.isfinite(grid).any() else 0.0
    limit = limit or 1.0
    image = ax.imshow(
        grid,
        cmap="PuOr_r",
        norm=SymLogNorm(1e-3 * limit, vmin=-limit, vmax=limit),
        extent=(0.5, count + 0.5, count + 0.5, 0.5),
    )
    if 0 < form.leading_blocks < count:
        ax.axhline(form.leading_blocks + 0.5, color="black", lw=0.8)
        ax.axvline(form.leading_blocks + 0.5, color="black", lw=0.8)
    ax.set(xlabel="driver block (by modulus)", ylabel="driven block")
    bar, ticks = (
        figure.colorbar(image, ax=ax, label="estimated change of FVU", shrink=0.8),
        [-limit, -limit / 30, 0, limit / 30, limit],
    )
    bar.set_ticks(ticks, labels=[f"{tick:.1g}".replace("-", "−") for tick in ticks])
    bar.ax.minorticks_off()
    return figure


def estimate_and_exact(found):
    """The largest single couplings: estimated against exact."""
    figure, ax = _figure(3.4, 3.3)
    for sector, marker in MARKERS.items():
        rows = [row for row in found.largest if row.sector == sector and np.isfinite(row.exact)]
        if rows:
            ax.plot(
                [r.estimate for r in rows],
                [r.exact for r in rows],
                marker,
                ms=5,
                mfc="none",
                color=plot.SECTOR_COLOURS[sector],
                label=sector,
            )
    values = [v for row in found.largest for v in (row.estimate, row.exact) if np.isfinite(v)]
    ax.axline((0, 0), slope=1, color="black", lw=0.8)
    if values:
        room = 0.08 * ((max(values) - min(values)) or 1.0)
        ax.set(
            xlim=(min(0, *values) - room, max(0, *values) + room),
            ylim=(min(0, *values) - room, max(0, *values) + room),
        )
        ax.legend(fontsize=8)
    ax.ticklabel_format(scilimits=(-2, 3))
    ax.locator_params(nbins=4)
    ax.set(xlabel="estimated change of FVU", ylabel="exact change of FVU")
    return figure


def _figure(width: float, height: float, *grid, **options):
    """A figure in the book's style that pyplot does not know of, and its axes."""
    from matplotlib.figure import Figure

    with plot.style():
        figure = Figure(figsize=(width, height), layout="constrained")
        axes = figure.subplots(*grid, **options)
    return figure, axes
