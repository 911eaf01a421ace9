"""The explorer's pictures: a view in, a figure with its alternative text out. Figures are made
without pyplot, so nothing stays open and no setting changes.
"""

from __future__ import annotations

import numpy as np
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from schurkit.views import View as Picture
from schurkit.views import base, plot, styled

from .state import View

MOST_OUTPUTS = 8
FULL, ABLATED, TARGET = "#222222", "#6A3D9A", "#BBBBBB"


@styled
def spectrum(view: View) -> Picture:
    """Eigenvalues with the sectors."""
    figure, form = Figure(figsize=(3.1, 3.4), layout="none"), view.form
    plot.spectrum(form, figure.add_axes((0.23, 0.27, 0.74, 0.70)))
    figure.legend(loc="lower center", ncols=2, fontsize=7)
    alt = (
        f"Eigenvalues in the complex plane: {form.n_leading} in R, "
        f"{form.hidden_size - form.n_leading} in C; radius {form.radius:.3g}."
    )
    return Picture(figure, alt)


@styled
def matrix(view: View) -> Picture:
    """|T| with what is removed tinted in the colour of its sector; single couplings also framed."""
    figure, form = Figure(figsize=(3.3, 3.4), layout="none"), view.form
    ax = figure.add_axes((0.16, 0.14, 0.82, 0.82))
    plot.schur_matrix(form, ax, colourbar=False)
    tint = np.zeros((*view.removed.shape, 4))
    for name, colour in plot.SECTOR_COLOURS.items():
        tint[view.removed & form.sector_mask(name)] = to_rgba(colour, 0.75)
    ax.imshow(tint)
    for i, j in view.setting.couplings:
        row, column = form.blocks[i], form.blocks[j]
        corner = (column.start - 1, row.start - 1)
        size = (column.size + 1, row.size + 1)
        ax.add_patch(Rectangle(corner, *size, fill=False, ec="black", lw=1.0))
    gone = int(view.removed.sum())
    return Picture(
        figure, f"The size of each entry of T; {gone} entries are removed ({view.name})."
    )


@styled
def rollout(view: View) -> Picture:
    """The chosen trial, one line an output: target, full network, network without the couplings;
    beside it the measure and its control.
    """
    outputs = view.target.shape[1]
    shown = min(outputs, MOST_OUTPUTS)
    figure = Figure(figsize=(6.6, 2.2 + 0.25 * shown), layout="none")
    _outputs(view, figure.add_axes((0.08, 0.17, 0.58, 0.70)), shown)
    figure.legend(loc="upper left", ncols=4, fontsize=8)
    _measures(view, figure.add_axes((0.76, 0.17, 0.23, 0.70)))
    some = "" if shown == outputs else f", the first {shown} of {outputs}"
    if np.array_equal(view.output, view.full_output, equal_nan=True):
        apart = "the two are the same"
    elif np.isfinite([view.output, view.full_output]).all():
        apart = f"the two differ by at most {np.abs(view.output - view.full_output).max():.3g}"
    else:
        apart = "they diverge"
    alt = (
        f"Trial {view.setting.trial}, {shown} output(s){some}: target, full network and "
        f"network without {view.name}; {apart}. {' '.join(view.sentences[2:])}"
    )
    return Picture(figure, alt)


def _outputs(view, ax, shown):
    apart = 2.4 * (float(np.abs(view.target).max()) or 1.0)
    time = np.arange(1, len(view.target) + 1)
    lines = {
        "target": (view.target, {"color": TARGET, "lw": 4}),
        "full": (view.full_output, {"color": FULL, "lw": 1.4}),
        "without": (view.output, {"color": ABLATED, "lw": 1.4, "ls": "--"}),
    }
    for k in range(shown):
        for name, (values, style) in lines.items():
            line = np.nan_to_num(values[:, k].astype(float), nan=0.0)
            line = np.clip(line, -0.5 * apart, 0.5 * apart) - apart * k
            ax.plot(time, line, label=name if k == 0 else None, **style)
    if not view.counted.all():
        look = {"color": "#000000", "alpha": 0.06, "lw": 0, "label": "not counted"}
        whole = ax.get_xaxis_transform()
        ax.fill_between(time, 0, 1, where=~view.counted, transform=whole, **look)
    ax.set(xlabel="time (steps)", ylim=(-apart * (shown - 0.45), 0.55 * apart))
    ax.set_yticks([-apart * k for k in range(shown)], range(1, shown + 1))
    ax.set_ylabel("output")


def _measures(view, ax):
    for place, drawn in enumerate(view.controls.values(), 2):
        plot.column(ax, place, drawn, plot.CONTROL_COLOUR, half=0, spread=0.3, ms=3.5)
    for place, value, colour, marker in ((0, view.full, FULL, "o"), (1, view.value, ABLATED, "D")):
        if np.isfinite(value):
            ax.plot(place, value, marker, ms=7, color=colour)
    ax.set_xticks(range(2 + len(view.controls)), ["full", "without", *view.controls], fontsize=7.5)
    ax.set(xlim=(-0.5, 1.5 + max(1, len(view.controls))), ylabel=view.metric)
    drawn = base.finite([view.full, view.value, *np.ravel([*view.controls.values()])])
    top = drawn.max(initial=1.0 if view.better == "higher" else 0.0) or 1.0
    ax.set_ylim(-0.04 * top, 1.06 * top)
