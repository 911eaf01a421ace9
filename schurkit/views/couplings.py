"""Every coupling between two blocks by itself."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from schurkit.schur import SECTORS, SchurForm
from schurkit.words import plural, short

from . import plot
from .base import SECTOR_COLOURS, View, axes, styled


@styled
def couplings(rows: Sequence, form: SchurForm, label) -> View:
    """The exact effect of removing each single coupling of one network as a map, and exact against
    estimated effects of all networks.

    Parameters
    ----------
    rows : from `schurkit.coupling_map`, with exact effects.
    form : the Schur form of the network that is drawn.
    label : its label.
    """
    import pandas as pd

    columns = ["network", "driven", "driver", "sector", "norm", "exact", "estimate"]
    frame = pd.DataFrame([{**vars(row), "estimate": row.estimate} for row in rows], columns=columns)
    mine = frame[frame.network == label]
    grid = np.full((len(form.blocks),) * 2, np.nan)
    grid[mine.driven, mine.driver] = mine.exact
    figure, (left, right) = axes(1, 2, (7.2, 3.3))
    plot.coupling_map(grid, form, left).ax.set_title("ΔFVU", fontsize=9)
    for name in SECTORS:
        part = frame[frame.sector == name]
        look = {"ms": 2, "alpha": 0.4, "color": SECTOR_COLOURS[name], "label": name}
        right.plot(part.estimate, part.exact, ".", **look)
    ends = [frame.exact.min(), frame.exact.max()]
    right.plot(ends, ends, color="black", lw=0.8)
    for axis, values in (("x", frame.estimate), ("y", frame.exact)) if len(frame) else ():
        getattr(right, f"set_{axis}scale")("symlog", linthresh=1e-5)
        getattr(right, f"set_{axis}ticks")(plot.decades(1e-5, values.min(), values.max(), 5))
    right.set(xlabel="estimated ΔFVU", ylabel="exact ΔFVU")
    right.legend(markerscale=4)
    differ = frame[["exact", "estimate"]].nunique().min() > 1  # equal effects have no ranks
    rank = short(frame.exact.corr(frame.estimate, "spearman") if differ else None)
    largest = mine.sort_values("exact", key=np.abs).tail(1)
    told = (
        f"; the largest effect is {short(e)}, in {s}"
        for e, s in largest[["exact", "sector"]].values
    )
    alt = (
        f"A map of {plural(len(mine), 'coupling')} of network {label}{''.join(told)}. "
        f"Exact against estimated effects of {plural(frame.network.nunique(), 'network')}, rank "
        f"correlation {rank}."
    )
    first = frame.sort_values("exact", key=np.abs, ascending=False).head(2000)
    return View(figure, alt, first[columns])
