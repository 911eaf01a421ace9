"""Views of results: numbers in, Axes out. Nothing is computed, shown or set globally here;
`style()` gives the book's look in a context.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.colors import LogNorm, SymLogNorm
from matplotlib.patches import Rectangle

from schurkit.intervals import over_finite
from schurkit.words import plural, short

SECTOR_COLOURS = {"RR": "#0072B2", "CR": "#D55E00", "CC": "#009E73"}
"""One colour a sector, all book long; told apart by every kind of colour vision."""
SERIES = ("#332288", "#B8860B", "#AA4499", "#44AA99", "#8C564B")
"""Of lines that are no sector."""
CONTROL_COLOUR = "#777777"


def style():
    """Context in which figures get the book's look: ``with plot.style(): …``"""
    import matplotlib.pyplot as plt

    return plt.style.context("schurkit.views.schurkit")


def _circle(ax, radius: float, step: float = 1.0, **look) -> None:
    angle = np.linspace(-np.pi, np.pi, 361 if step == 1 else 20001)
    circle = per_time_constant(radius * np.exp(1j * angle), step)
    ax.plot(circle.real, circle.imag, **look)


def per_time_constant(values, step: float):
    """Eigenvalues λ of a step as 1 + (λ − 1)/ā: per time constant, of a network of mean leak ā."""
    return values if step == 1 else 1 + (values - 1) / step


def spectrum(form, ax, step: float = 1.0):
    """Eigenvalues of a Schur form in the complex plane: R filled, C open, with the threshold circle
    and the unit circle.

    form : `schurkit.SchurForm`; of a leaky network the eigenvalues are those of the step matrix.
    step : mean leak ā; below 1 each eigenvalue λ stands at 1 + (λ − 1)/ā, per time constant, where
        it can be told from the others near 1.
    """
    _circle(ax, 1.0, step, color="#AAAAAA", lw=0.8, label="unit circle")
    cut = f"{form.cut / (form.radius or 1):.3g} × radius"
    _circle(ax, form.cut, step, color="#333333", lw=0.8, ls="--", label=cut)
    values = per_time_constant(form.eigenvalues, step)
    leading = np.arange(form.hidden_size) < form.n_leading
    for name, which, look in (
        ("R", leading, {"color": SECTOR_COLOURS["RR"]}),
        ("C", ~leading, {"color": SECTOR_COLOURS["CC"], "mfc": "none"}),
    ):
        label = f"{name}: {plural(int(which.sum()), 'unit')}"
        ax.plot(values.real[which], values.imag[which], "o", ms=4.5, label=label, **look)
    ax.set(aspect="equal", xlabel="Re λ", ylabel="Im λ")
    if step != 1:
        room = 0.1 * max(np.ptp(values.real), np.ptp(values.imag), 0.5)
        (left, right), ends = ([x.min() - room, x.max() + room] for x in (values.real, values.imag))
        ax.set(xlim=(left, max(right, 1 + room)), ylim=ends)
        ax.set(xlabel="Re, per time constant", ylabel="Im, per time constant")
    return ax


def schur_matrix(form, ax, colourbar: bool = True):
    """|T| on a logarithmic grey scale, with the border between R and C and the three sectors named.

    form : `schurkit.SchurForm`; entries below 1e-4 of the largest share the lightest grey.
    """
    size = np.abs(form.T)
    largest = size.max() or 1.0
    image = ax.imshow(
        np.maximum(size, 1e-4 * largest), norm=LogNorm(1e-4 * largest, largest), cmap="Greys"
    )
    ax.set(xlabel="from Schur vector", ylabel="to Schur vector")
    n, r = form.hidden_size, form.n_leading
    places = (
        ("RR", (0.62 * r, 0.3 * r), r > 4),
        ("CR", ((n + r) / 2, r / 2), n - r > 2),
        ("CC", ((n + r) / 2, (n + r) / 2), n - r > 4),
    )
    for name, (x, y), inside in places:
        if inside:
            colour = SECTOR_COLOURS[name]
            box = {"boxstyle": "round,pad=0.2", "fc": "white", "ec": colour, "alpha": 0.9}
            look = {"ha": "center", "va": "center", "fontsize": 8, "color": colour, "bbox": box}
            ax.text(x - 0.5, y - 0.5, name, **look)
    if 0 < r < n:
        for line in (ax.axhline, ax.axvline):
            line(r - 0.5, color="#333333", lw=0.8)
    if colourbar:
        ax.figure.colorbar(image, ax=ax, label="|T|", shrink=0.8)
    return ax


def coupling_map(grid, form, ax, first: int = 0):
    """A number for every coupling between two blocks, driver to the right, driven downwards, with
    the border between R and C; gives the colour bar.

    grid : (blocks, blocks), NaN where there is no coupling.
    form : `schurkit.SchurForm`.
    first : number of the first block.
    """
    limit = float(np.nanmax(np.abs(grid), initial=0.0)) or 1.0
    linear, ends = 10 ** np.ceil(np.log10(limit * 1e-4)), (first - 0.5, first + len(grid) - 0.5)
    scale = SymLogNorm(linear, vmin=-limit, vmax=limit)
    image = ax.imshow(grid, cmap="PuOr_r", norm=scale, extent=(*ends, *ends[::-1]))
    if 0 < form.leading_blocks < len(grid):
        for line in (ax.axhline, ax.axvline):
            line(form.leading_blocks + ends[0], color="black", lw=0.8)
    ax.set(xlabel="driver block (by modulus)", ylabel="driven block")
    ticks = decades(linear, -limit, limit)
    return ax.figure.colorbar(image, ax=ax, shrink=0.8, ticks=ticks)


def dots(
    values: Sequence[Sequence[float]],
    names: Sequence[str],
    ax,
    *,
    colour="#332288",
    offset: float = 0.0,
    label=None,
    marker="o",
):
    """Every network a dot, one column a condition, with the mean and, from ten networks up, its
    interval.

    values : for each condition the values of its networks;
    names : of the conditions. NaN stands for a network in which there is nothing to remove: it is
        left out of dots and mean, and counted above the axis after the sign ∅.
    offset : shift of the column, so that several series stand side by side.
    """
    said = {text.get_gid() for text in ax.texts}
    for i, mine in enumerate(values):
        empty, gid = int(np.isnan(np.asarray(mine, float)).sum()), f"empty {i}"
        if empty and gid not in said:  # once a column, of several series
            place = {"transform": ax.get_xaxis_transform(), "ha": "center", "va": "bottom"}
            ax.text(i, 0.01, f"∅ {empty}", fontsize=7, color="#555555", gid=gid, **place)
        if empty < len(mine):
            column(ax, i + offset, mine, colour, marker, half=0.13, alpha=0.55, label=label)
            label = None  # a legend names the first column that holds anything
    ax.set_xticks(range(len(names)), names)
    return ax


def finite(values) -> np.ndarray:
    """The finite ones of some values, flat."""
    values = np.asarray(values, dtype=float).ravel()
    return values[np.isfinite(values)]


def column(ax, at, values, colour, marker="o", *, half=0.09, spread=0.1, **look) -> None:
    """Networks as dots, `spread` about their place, with the bar of their mean (`half` 0: none)."""
    values = finite(values)
    scatter = (np.arange(len(values)) * 0.618034 % 1 - 0.5) * spread * (len(values) > 1)
    look = {"ms": 4, "mew": 0, "alpha": 0.6} | look
    ax.plot(at + scatter, values, marker, color=colour, **look)
    if half:
        mean_bar(ax, at, over_finite(values), colour, half)


def mean_bar(ax, at, interval, colour, half: float = 0.09, floor: float = -np.inf) -> None:
    """A mean as a short bar, and its interval, where there is one, as a thick one across it; what
    lies below the floor stands on it.
    """
    if interval is not None:
        ax.plot([at - half, at + half], [max(interval.value, floor)] * 2, color=colour, lw=1.6)
        if interval.ends:
            look = {"lw": 3.2, "alpha": 0.55, "solid_capstyle": "butt"}
            ax.plot([at] * 2, np.maximum(interval.ends, floor), color=colour, **look)


def band(ax, x, middle, low, high, colour, alpha=0.18, **look) -> None:
    """A line and the range about it."""
    ax.plot(x, middle, color=colour, **look)
    ax.fill_between(x, low, high, color=colour, alpha=alpha, lw=0)


def loss_curves(steps, losses, ax, *, chance: float | None = None, colour="#332288"):
    """Training loss of every network on a logarithmic axis, with the loss of always predicting the
    mean.
    """
    for x, y in zip(steps, losses):
        ax.semilogy(x, y, color=colour, lw=0.9, alpha=0.7)
    if chance is not None:
        ax.axhline(chance, color="black", lw=0.8, ls=":", label="predicting the mean")
    lowest = min((np.min(y) for y in losses if len(y)), default=0)
    # whole decades, and labels for these alone: those of the minor ticks would crowd the axis
    if lowest > 0:
        ax.yaxis.set_minor_formatter("")
        ax.set_ylim(bottom=min(10.0 ** np.floor(np.log10(lowest)), ax.get_ylim()[0]))
    ax.set(xlabel="training step", ylabel="loss (MSE)")
    return ax


def numbers(values, ax, *, colours=None):
    """A small matrix with its entries written in the cells; zeros are left empty.

    values : (rows, columns).
    colours : (rows, columns) of colour names or None, the tint of each cell; by default none.
    """
    rows, columns = np.shape(values)
    for (row, column), value in np.ndenumerate(values):
        tint = colours[row][column] if colours is not None else None
        if tint is not None:
            corner = column - 0.5, row - 0.5
            ax.add_patch(Rectangle(corner, 1, 1, color=tint, alpha=0.28, lw=0))
        if round(float(value), 2) != 0:
            ax.text(column, row, short(value, ".2f"), ha="center", va="center", fontsize=8)
    ax.set(xlim=(-0.5, columns - 0.5), ylim=(rows - 0.5, -0.5), aspect="equal")
    for set_ticks, count in ((ax.set_xticks, columns), (ax.set_yticks, rows)):
        set_ticks(range(count))
        set_ticks(np.arange(count + 1) - 0.5, minor=True)
    ax.grid(which="minor", color="#DDDDDD", lw=0.5)
    ax.tick_params(which="both", length=0)
    return ax


def pseudospectra(
    re, im, least, ax, *, levels, eigenvalues=None, boundary=None, radius: float | None = None
):
    """Contours of σ_min(z I − W), the boundaries of ε-pseudospectra in `level_colours`, with
    eigenvalues, numerical range and spectral circle.

    re, im, least : (columns,), (rows,), (rows, columns), as from
        `schurkit.schur.nonnormality.pseudospectrum`.
    levels : the ε to draw, increasing.
    eigenvalues, boundary : complex points; the boundary of the numerical range is closed and
        dashed.
    radius : of a dotted circle.
    """
    shown, colours = np.log10(np.maximum(least, 1e-300)), level_colours(len(levels))
    look = {"colors": colours, "linewidths": 1.1, "linestyles": "solid"}
    ax.contour(re, im, shown, levels=np.log10(levels), **look)
    for level, colour in zip(levels, colours):
        ax.plot([], color=colour, label=f"ε = {level:.2g}")
    if boundary is not None:
        closed = np.append(boundary, boundary[:1])
        ax.plot(closed.real, closed.imag, "--", color="#8C564B", lw=1, label="numerical range")
    if radius is not None:
        _circle(ax, radius, ls=":", color="#555555", lw=0.9, label="spectral radius")
    if eigenvalues is not None:
        look = {"ms": 3, "color": "black", "label": "eigenvalues"}
        ax.plot(np.real(eigenvalues), np.imag(eigenvalues), ".", **look)
    ax.set(aspect="equal", xlabel="Re z", ylabel="Im z")
    return ax


def level_colours(count: int) -> list:
    """Colours of `count` levels from low to high, for the contours and for a legend; none is too
    light for a white page.
    """
    import matplotlib

    return list(matplotlib.colormaps["viridis"](np.linspace(0.8, 0.0, count)))


def symlog(ax, linear: float, lowest: float = 0.0):
    """Vertical axis that is logarithmic above `linear` and linear around zero, without decades
    below what is drawn (`lowest`).
    """
    highest = max(float(ax.dataLim.y1), linear)
    ax.set_yscale("symlog", linthresh=linear)
    # the margin of a linear axis would cut the topmost dots
    ax.set_ylim(bottom=min(-linear / 2, 1.3 * float(lowest)), top=1.6 * highest)
    return ax


def decades(linear: float, low: float, high: float, most: int = 7) -> list[float]:
    """Ticks of a symmetric-log axis: zero, and powers of ten from `linear` out to `low` and `high`.

    Thinned to about `most`; then the innermost are left out, whose labels would touch that of zero.

    linear : a power of ten, where the axis turns linear.
    low, high : ends of what is drawn.
    """
    first = round(np.log10(linear))
    reach = [
        int(np.floor(np.log10(size) + 1e-9)) - first + 1 if size >= linear else 0
        for size in (max(-low, 0), max(high, 0))
    ]
    step = max(1, int(np.ceil(sum(reach) / (most - 1))))
    below, above = (
        [float(f"1e{first + k}") for k in range(step - 1, count, step)] for count in reach
    )
    return [-tick for tick in reversed(below)] + [0.0] + above
