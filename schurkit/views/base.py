"""What every figure of the book shares: the value it is, its look, its colours."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import wraps

import numpy as np

from .plot import CONTROL_COLOUR as CONTROL_COLOUR
from .plot import SECTOR_COLOURS, style
from .plot import finite as finite

COLOURS = {**SECTOR_COLOURS, "RR+CR+CC": "#555555", "none": "#222222"}
"""One colour a removal, all book long: the sectors', grey for several together, ink for the intact
network.
"""
CONTROL_MARKERS = {"permuted": "D", "matched": "s", "block-upper": "^", "full": "v"}
CONTROL_WORDS = {
    "permuted": "permuted: same entries, shuffled",
    "matched": "matched: same strength, elsewhere",
}
INK = "#222222"
FAINT = "#9A9A9A"


@dataclass(frozen=True, eq=False, repr=False)
class View:
    """A figure with what it says to a reader who does not see it, and the numbers that it draws.

    Attributes
    ----------
    figure : a matplotlib Figure, made without pyplot: nothing stays open.
    alt : its alternative text, with computed numbers.
    data : rows for the CSV file, a DataFrame or a list of dicts; None for none.
    """

    figure: object
    alt: str
    data: object = None

    def __repr__(self) -> str:
        return f"View({self.alt})"

    def _repr_mimebundle_(self, include=None, exclude=None):
        from schurkit import nb

        return nb.picture(self.figure) | {"text/plain": self.alt}


def styled(draw):
    """A function that draws in the book's look, whatever the session has set."""

    @wraps(draw)
    def drawn(*arguments, **options):
        with style():
            return draw(*arguments, **options)

    return drawn


def axes(rows: int = 1, columns: int = 1, size: tuple[float, float] = (6.4, 3.0), **options):
    """A new figure of that size in inches and its axes, as `Figure.subplots` gives them."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, layout="constrained")
    return figure, figure.subplots(rows, columns, **options)


def shared_legend(figure, panels, **options) -> None:
    """One legend above all panels; a name that stands in several is named once."""
    handles = {
        label: handle
        for ax in np.ravel(panels)
        for handle, label in zip(*ax.get_legend_handles_labels())
    }
    if handles:
        figure.legend(handles.values(), handles.keys(), loc="outside upper center", **options)


def colour_of(name: str) -> str:
    """The colour of a removal: its sector's, or that of several together."""
    return COLOURS.get(name, COLOURS["RR+CR+CC"])


def label_of(name: str) -> str:
    """ "intact", or "without CR"."""
    return "intact" if name == "none" else f"without {name}"


def rows(columns: Mapping) -> list[dict]:
    """Columns as rows; what is one for all of them stands in each."""
    return [dict(zip(columns, row)) for row in zip(*np.broadcast_arrays(*columns.values()))]
