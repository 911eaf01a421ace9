"""The explorer's pictures: a view in, PNG bytes out. Figures are made without pyplot, so nothing
stays open and no setting changes.
"""

from __future__ import annotations

import io

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from schurkit.schur import SECTORS
from schurkit.views import base, plot

from .state import View

DPI = 144  # shown at 96 dots an inch: sharp on fine screens
MOST_OUTPUTS = 8
FULL, ABLATED, TARGET = "#222222", "#6A3D9A", "#BBBBBB"


def picture(width: float, height: float, draw, dpi: int = DPI, layout: str = "none") -> bytes:
    """A PNG of `draw(figure)` in the book's look, of that size in inches."""
    with plot.style():
        figure = Figure(figsize=(width, height), dpi=dpi, layout=layout)
        FigureCanvasAgg(figure)
        draw(figure)
        png = {"metadata": {"Software": None}, "pil_kwargs": {"compress_level": 1}}
        drawn = io.BytesIO()
        figure.savefig(drawn, format="png", dpi=dpi, facecolor="white", **png)
    return drawn.getvalue()


def spectrum(view: View) -> bytes:
    """Eigenvalues with the sectors."""

    def draw(figure):
        ax = figure.add_axes((0.23, 0.27, 0.74, 0.70))
        plot.spectrum(view.form, ax)
        figure.legend(*ax.get_legend_handles_labels(), loc="lower center", ncols=2, fontsize=7)

    return picture(3.1, 3.4, draw)


def matrix(view: View) -> bytes:
    """|T| with what is removed tinted in the colour of its sector; single couplings also framed."""

    def draw(figure):
        ax = figure.add_axes((0.16, 0.14, 0.82, 0.82))
        plot.schur_matrix(view.form, ax, colourbar=False)
        tint = np.zeros((*view.removed.shape, 4))
        for name in SECTORS:
            tint[view.removed & view.form.sector_mask(name)] = to_rgba(
                plot.SECTOR_COLOURS[name], 0.75
            )
        ax.imshow(tint)
        for i, j in view.setting.couplings:
            row, column = view.form.blocks[i], view.form.blocks[j]
            corner = (column.start - 1, row.start - 1)
            size = (column.size + 1, row.size + 1)
            ax.add_patch(Rectangle(corner, *size, fill=False, ec="black", lw=1.0))

    return picture(3.3, 3.4, draw)


def rollout(view: View) -> bytes:
    """The chosen trial, one line an output: target, full network, network without the couplings;
    beside it the measure and its control.
    """

    def draw(figure):
        ax = figure.add_axes((0.08, 0.17, 0.58, 0.70))
        beside = figure.add_axes((0.76, 0.17, 0.23, 0.70))
        _outputs(view, ax)
        figure.legend(*ax.get_legend_handles_labels(), loc="upper left", ncols=4, fontsize=8)
        _measures(view, beside)

    shown = min(view.target.shape[1], MOST_OUTPUTS)
    return picture(6.6, 2.2 + 0.25 * shown, draw)


def _outputs(view, ax):
    shown = min(view.target.shape[1], MOST_OUTPUTS)
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
        ax.fill_between(
            time,
            0,
            1,
            where=~view.counted,
            transform=ax.get_xaxis_transform(),
            color="#000000",
            alpha=0.06,
            lw=0,
            label="not counted",
        )
    ax.set(xlabel="time (steps)", ylim=(-apart * (shown - 0.45), 0.55 * apart))
    ax.set_yticks(
        [-apart * k for k in range(shown)],
        [f"output {k + 1}" if shown == 1 else str(k + 1) for k in range(shown)],
    )
    if shown > 1:
        ax.set_ylabel("output")


def _measures(view, ax):
    for place, drawn in enumerate(view.controls.values(), 2):
        draws = base.finite(drawn)
        scatter = (np.arange(len(draws)) * 0.618034 % 1 - 0.5) * 0.3
        ax.plot(place + scatter, draws, "o", ms=3.5, mew=0, alpha=0.6, color=plot.CONTROL_COLOUR)
    for place, value, colour, marker in ((0, view.full, FULL, "o"), (1, view.value, ABLATED, "D")):
        if np.isfinite(value):
            ax.plot(place, value, marker, ms=7, color=colour)
    ax.set_xticks(range(2 + len(view.controls)), ["full", "without", *view.controls], fontsize=7.5)
    ax.set(xlim=(-0.5, 1.5 + max(1, len(view.controls))), ylabel=view.metric)
    drawn = base.finite([view.full, view.value, *np.ravel([*view.controls.values()])])
    top = drawn.max(initial=1.0 if view.better == "higher" else 0.0) or 1.0
    ax.set_ylim(-0.04 * top, 1.06 * top)


def alternatives(view: View) -> dict[str, str]:
    """Alternative text of each picture."""
    form = view.form
    gone = int(view.removed.sum())
    shown = min(view.target.shape[1], MOST_OUTPUTS)
    some = "" if shown == view.target.shape[1] else f", the first {shown} of {view.target.shape[1]}"
    apart = "the two are the same"
    if not np.array_equal(view.output, view.full_output, equal_nan=True):
        finite = np.isfinite(view.output).all() and np.isfinite(view.full_output).all()
        apart = (
            f"the two differ by at most {np.abs(view.output - view.full_output).max():.3g}"
            if finite
            else "they diverge"
        )
    return {
        "spectrum": f"Eigenvalues in the complex plane: {form.n_leading} in R, "
        f"{form.hidden_size - form.n_leading} in C; radius {form.radius:.3g}.",
        "matrix": f"The size of each entry of T; {gone} entries are removed ({view.name}).",
        "rollout": f"Trial {view.setting.trial}, {shown} output(s){some}: target, full network and "
        f"network without {view.name}; {apart}. " + " ".join(view.sentences[2:]),
    }
