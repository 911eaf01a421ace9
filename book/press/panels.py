"""Published profiles as small drawings in SVG, legible on light and dark pages, since every colour
is a variable of the page around them: every network a dot above its control.
"""

from collections.abc import Sequence
from html import escape
from math import log10
from pathlib import Path
from statistics import fmean
from typing import NamedTuple

import numpy as np

from schurkit.ablation import NEARLY_EMPTY
from schurkit.views.plot import SECTOR_COLOURS
from schurkit.words import short

from .book import DATA, Book

PICTURE = Path("book/assets/profiles.svg")
WIDTH, HEIGHT = 250, 172
LEFT, RIGHT, TOP, ROW = 58, 240, 30, 36
NAMES = {"RR": "within R", "CR": "C → R", "CC": "within C"}
# The colours of plot.py on white; lighter ones of the same hue on dark
INKS = {
    "ink": ("#222222", "#e6e6e6"),
    "faint": ("#bbbbbb", "#555555"),
    "control": ("#777777", "#a8a8a8"),
}
INKS |= {
    name: (colour, light)
    for (name, colour), light in zip(SECTOR_COLOURS.items(), ("#56b4e9", "#ff8f4a", "#35c99b"))
}


class Removal(NamedTuple):
    """One row of a panel: a group of couplings and, in each network that holds any of them, what
    its removal cost, what the matched control cost in the mean over draws, and its share of the
    norm.

    empty : in how many more networks the group holds nothing.
    here : what its removal cost the networks of this copy.
    """

    name: str
    costs: Sequence[float]
    control: Sequence[float] = ()
    masses: Sequence[float] = ()
    empty: int = 0
    here: Sequence[float] = ()


class Panel(NamedTuple):
    """The published profile of a task: its title, its CSV file, what the costs are in words, and
    the horizontal axis, linear up to `linear` and logarithmic above it.

    sign : −1 where a fall is what a removal costs.
    mark : a cost with a dashed line.
    """

    title: str
    file: str
    about: str
    axis: str = "rise of the error (dashed: to a constant's)"
    ticks: Sequence[float] = (0, 0.01, 0.1, 1, 10)
    linear: float = 0.01
    mark: float = 1
    sign: int = 1

    def place(self, cost: float) -> float:
        """Horizontal position; what lies outside the ticks is drawn at their ends."""

        def scaled(x):
            return x / self.linear if x <= self.linear else 1 + log10(x / self.linear)

        ends = scaled(self.ticks[0]), scaled(self.ticks[-1])
        return float(np.interp(scaled(cost), ends, (LEFT, RIGHT)))

    def rows(self, data: Path, chapter: str) -> list[Removal]:
        """RR, CR and CC in the published numbers."""
        import pandas as pd

        table = pd.read_csv(data / chapter / f"{self.file}.csv")
        means = table.groupby(["removed", "network", "kind"])[["delta", "removed_mass"]].mean()
        rows = []
        for name in SECTOR_COLOURS:
            mine = means.loc[name].unstack()
            held = mine[mine.removed_mass.removal > 0]
            cost, control = self.sign * held.delta.removal, self.sign * held.delta.matched
            masses, empty = held.removed_mass.removal, len(mine) - len(held)
            rows.append(Removal(name, *(list(x) for x in (cost, control, masses)), empty))
        return rows

    def drawn(self, rows: Sequence[Removal]) -> tuple[str, str]:
        """The content of an SVG of size `WIDTH` × `HEIGHT`, and its description.

        A dashed outline: next to nothing was removed there. ∅ and a number: in so many networks
        there is nothing to remove. Hollow: the networks of this copy.
        """
        bottom, count = TOP + ROW * len(rows), max(len(row.costs) + row.empty for row in rows)
        parts = [_text(LEFT, 16, f"{self.title} (n = {count})", "title")]
        for tick in self.ticks:
            parts.append(f'<path class="grid" d="M{self.place(tick):.1f} {TOP}V{bottom}"/>')
            parts.append(_text(self.place(tick), bottom + 13, f"{tick:g}", "tick", "middle"))
        parts.append(f'<path class="mark" d="M{self.place(self.mark):.1f} {TOP}V{bottom}"/>')
        for y, row in zip(range(TOP, bottom, ROW), rows):
            parts += self._row(row, y)
        parts.append(_text((LEFT + RIGHT) / 2, bottom + 28, self.axis, "tick", "middle"))
        told = [_words(row) for row in rows if row.costs or row.empty]
        return "".join(parts), f"{self.about}, mean over {count} networks: {'; '.join(told)}."

    def _row(self, row: Removal, y: float):
        yield _text(2, y + 20, NAMES[row.name], f"name s-{row.name}")
        if row.empty:
            yield _text(2, y + 32, f"∅ {row.empty}", "tick")
        for k, (cost, mass) in enumerate(zip(row.costs, row.masses)):
            kind = f"s-{row.name}{' nearly' * (mass < NEARLY_EMPTY)}"
            place = f'cx="{self.place(cost):.1f}" cy="{y + 7 + 8 * _scatter(k):.1f}"'
            yield f'<circle class="{kind}" {place} r="2.4"/>'
        for k, cost in enumerate(row.here):
            place = f'cx="{self.place(cost):.1f}" cy="{y + 7 + 8 * _scatter(k):.1f}"'
            yield f'<circle class="here" {place} r="3.6"/>'
        for k, cost in enumerate(row.control):
            place = f'x="{self.place(cost) - 1.7:.1f}" y="{y + 22.3 + 6 * _scatter(k):.1f}"'
            yield f'<rect class="control" {place} width="3.4" height="3.4"/>'
        for costs, top, kind in ((row.costs, 4, f"s-{row.name}"), (row.control, 20, "control")):
            if costs:
                yield f'<path class="bar {kind}" d="M{self.place(fmean(costs)):.1f} {y + top}v12"/>'


PANELS = {
    "copy_task": Panel(
        "Copy a sequence",
        "copy-controls",
        "Copy task, fall of replay accuracy",
        "fall of accuracy (dashed: to chance)",
        ticks=(0, 0.1, 0.2, 0.3, 0.4, 0.5),
        linear=0.5,
        mark=0.5,
        sign=-1,
    ),
    "flip_flop": Panel("Flip-flop", "flip-flop-profile", "Flip-flop, rise of the error"),
    "sine": Panel("Sine wave", "sine-profile", "Sine wave, rise of the error"),
    "context_integration": Panel(
        "Integration in context", "integration-profile", "Integration in context, rise of the error"
    ),
}
"""By chapter, in the order of the figure."""


def profiles(book: Book) -> list[tuple[str, str]]:
    """A panel for each task with a published run, with its description."""
    return [
        panel.drawn(panel.rows(book.root / DATA, chapter))
        for chapter, panel in PANELS.items()
        if chapter in book.published
    ]


def bars(drawn: str, values: dict) -> str:
    """A drawing of a few values.

    drawn : what they are, then words, name and class of each: "error | removed = cost s-CR".
    values : by name; KeyError where one is not there.
    """
    about, *rows = (part.strip() for part in drawn.split("|"))
    rows = [(words, *told.split()) for words, told in (row.split(" = ") for row in rows)]
    rows = [(words, float(values.get(name, name)), kind) for words, name, kind in rows]
    most, parts, told = max(value for _, value, _ in rows), [_text(0, 11, about, "title")], []
    for k, (words, value, kind) in enumerate(rows):
        y, long = 22 + 32 * k, 195 * max(value, 0) / most
        parts.append(_text(0, y + 9, words, "tick"))
        parts.append(f'<rect class="{kind}" x="0" y="{y + 14}" width="{long:.1f}" height="9"/>')
        parts.append(_text(long + 5, y + 22.5, short(value), "tick"))
        told.append(f"{words} {short(value)}")
    return svg("".join(parts), f"{about}: {'; '.join(told)}.", 22 + 32 * len(rows))


def svg(content: str, label: str, height: int = HEIGHT) -> str:
    """One panel for a page, named for a reader who does not see it."""
    return (
        f'<svg class="schurkit-panel" viewBox="0 0 {WIDTH} {height}" role="img" '
        f'aria-label="{escape(label)}">{content}</svg>'
    )


def write_picture(book: Book) -> Path | None:
    """Draw the picture of the README again, after something was published: the panels in one file
    that follows its reader's choice of light or dark. None where there is nothing to draw.
    """
    if not (drawn := profiles(book)):
        return None
    light, dark = (
        ":root{" + "".join(f"--sk-{name}:{inks[mode]};" for name, inks in INKS.items()) + "}"
        for mode in (0, 1)
    )
    style = f"{light}@media (prefers-color-scheme:dark){{{dark}}}text{{font-family:sans-serif;}}"
    panel_style = Path(__file__).with_suffix(".css").read_text(encoding="utf-8").replace("\n", "")
    placed = [
        f'<g transform="translate({WIDTH * (i % 2)} {HEIGHT * (i // 2)})">{content}</g>'
        for i, (content, _) in enumerate(drawn)
    ]
    width, height = 2 * WIDTH, HEIGHT * -(-len(drawn) // 2)
    (book.root / PICTURE).write_text(
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" '
        f'height="{height}" role="img" aria-label="{escape(" ".join(told for _, told in drawn))}">'
        f"<style>{style}{panel_style}</style>" + "\n".join(placed) + "</svg>\n",
        encoding="utf-8",
    )
    return book.root / PICTURE


def _words(row: Removal) -> str:
    told = []
    if row.costs:
        told.append(f"without {row.name} {fmean(row.costs):.2g}")
    if row.control:
        told.append(f"under a random change of equal size {fmean(row.control):.2g}")
    if row.here:
        told.append(f"in this copy {fmean(row.here):.2g}")
    if row.empty:
        told.append(f"{row.name} is empty in {row.empty}, left out")
    if nearly := sum(mass < NEARLY_EMPTY for mass in row.masses):
        told.append(f"{row.name} holds less than 1 % of the norm in {nearly}")
    return ", ".join(told)


def _text(x: float, y: float, text: str, kind: str, anchor: str = "start") -> str:
    place = f'x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"'
    return f'<text class="{kind}" {place}>{escape(text)}</text>'


def _scatter(index: int) -> float:
    """Places in [0, 1) that spread neighbours apart: the golden ratio's multiples."""
    return index * 0.6180339887 % 1
