"""Trajectories of the hidden state in the plane that holds most of their variance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from schurkit.words import plural, short

from .base import FAINT, INK, SECTOR_COLOURS, View, axes, rows, shared_legend, styled
from .trials import OUTPUT


@styled
def states(
    paths,
    *,
    points: Mapping[str, np.ndarray] | None = None,
    labels: Sequence[str] = (),
    ways: Mapping[str, np.ndarray] | None = None,
    colours=None,
    most: int = 40,
    marks=None,
) -> View:
    """States of one network over its trials, in the first two principal components, with points of
    interest.

    Parameters
    ----------
    paths : (trials, time, hidden).
    points : by name, (points, hidden): fixed points, say. Up to three kinds.
    labels : what stands beside the points of the first kind.
    ways : by name, (time, hidden): up to two more paths, drawn above the others; the second in the
        colour of CR, for a path that C → R does not take part in.
    colours : (trials,) numbers from 0 to 1 that colour the paths; one colour by default.
    most : how many paths are drawn.
    marks : (trials, time) booleans: states that get a dot, such as the steps at which something was
        written.
    """
    import matplotlib

    flat = paths.reshape(-1, paths.shape[-1])
    centre = flat.mean(axis=0)
    _, sizes, directions = np.linalg.svd(flat - centre, full_matrices=False)
    plane, share = directions[:2].T, sizes[:2] ** 2 / (sizes**2).sum()
    figure, ax = axes(1, 1, (4.6, 3.9))
    drawn = (paths[:most] - centre) @ plane
    shades = [OUTPUT] * len(drawn)
    if colours is not None:
        shades = matplotlib.colormaps["viridis"](0.05 + 0.85 * np.asarray(colours)[:most])
    for path, shade in zip(drawn, shades):
        ax.plot(*path.T, color=shade, lw=0.6, alpha=0.45)
    if marks is not None:
        ax.plot(*drawn[np.asarray(marks)[:most]].T, ".", ms=3, color=FAINT)
    data = []

    def tell(at, **what):
        data.extend(rows(what | dict(zip(("PC 1", "PC 2"), at.round(4).T))))

    points, steps = points or {}, np.arange(paths.shape[1])
    for i, path in enumerate(drawn):
        tell(path, what="state", trial=i, step=steps)
    for (name, where), marker, fill in zip(points.items(), "oXs", (INK, "none", FAINT)):
        at = (np.reshape(where, (-1, flat.shape[1])) - centre) @ plane
        ax.plot(*at.T, marker, ms=7, mfc=fill, mec=INK, ls="", label=f"{name}: {len(at)}")
        tell(at, what=name)
    for text, where in zip(labels, next(iter(points.values()), ())):
        ax.annotate(text, (where - centre) @ plane, (6, 5), textcoords="offset points")
    for (name, way), colour in zip((ways or {}).items(), (INK, SECTOR_COLOURS["CR"])):
        at = (way - centre) @ plane
        ax.plot(*at.T, ".-", color=colour, lw=1.8, label=name)
        tell(at, what=name, step=np.arange(len(at)))
    ax.set(xlabel=f"PC 1 ({100 * share[0]:.0f} %)", ylabel=f"PC 2 ({100 * share[1]:.0f} %)")
    shared_legend(figure, ax, ncols=3)
    counts = [f"{name}: {plural(len(np.atleast_2d(x)), 'point')}" for name, x in points.items()]
    alt = (
        f"{plural(len(drawn), 'trajectory', 'trajectories')} of one network in the plane of two "
        f"principal components, which hold {short(100 * share.sum(), '.0f')} % of the variance"
    )
    return View(figure, alt + (f"; {', '.join(counts)}." if counts else "."), data)
