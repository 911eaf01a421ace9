"""Trajectories of the hidden state in the plane that holds most of their variance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from schurkit.words import plural, short

from .base import FAINT, INK, SECTOR_COLOURS, View, axes, styled
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
    shades = (
        [OUTPUT] * len(drawn)
        if colours is None
        else matplotlib.colormaps["viridis"](0.05 + 0.85 * np.asarray(colours)[:most])
    )
    for path, shade in zip(drawn, shades):
        ax.plot(*path.T, color=shade, lw=0.6, alpha=0.45)
    if marks is not None:
        ax.plot(*drawn[np.asarray(marks)[:most]].T, ".", ms=3, color=FAINT)
    rows = [
        {"what": "state", "trial": i, "step": t, "PC 1": x, "PC 2": y}
        for i, path in enumerate(drawn.round(4))
        for t, (x, y) in enumerate(path)
    ]
    for (name, where), marker, fill in zip((points or {}).items(), "oXs", (INK, "none", FAINT)):
        at = (np.reshape(where, (-1, flat.shape[1])) - centre) @ plane
        ax.plot(*at.T, marker, ms=7, mfc=fill, mec=INK, ls="", label=f"{name}: {len(at)}")
        rows += [{"what": name, "PC 1": x, "PC 2": y} for x, y in at.round(4)]
    for text, where in zip(labels, next(iter((points or {}).values()), ())):
        ax.annotate(text, (where - centre) @ plane, (6, 5), textcoords="offset points")
    for (name, way), colour in zip((ways or {}).items(), (INK, SECTOR_COLOURS["CR"])):
        at = (way - centre) @ plane
        ax.plot(*at.T, ".-", color=colour, lw=1.8, label=name)
        rows += [
            {"what": name, "step": t, "PC 1": x, "PC 2": y} for t, (x, y) in enumerate(at.round(4))
        ]
    ax.set(xlabel=f"PC 1 ({100 * share[0]:.0f} %)", ylabel=f"PC 2 ({100 * share[1]:.0f} %)")
    if points or ways:
        figure.legend(loc="outside upper center", ncols=3)
    counts = ", ".join(
        f"{name}: {plural(len(np.atleast_2d(where)), 'point')}"
        for name, where in (points or {}).items()
    )
    paths_drawn, held = (
        plural(len(drawn), "trajectory", "trajectories"),
        short(100 * share.sum(), ".0f"),
    )
    alt = (
        f"{paths_drawn} of one network in the plane of two principal components, which hold "
        f"{held} % of the variance"
    )
    return View(figure, alt + (f"; {counts}." if counts else "."), rows)
