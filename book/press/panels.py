"""What the published runs found: profiles as small drawings in SVG, legible on light and dark
pages, since every colour is a variable of the page around them; and values by name for the
sentences of book/introduction.md and book/reading_profiles.md, from book/data and nothing else.

A sentence whose premise does not hold in the published numbers, or whose run is not published, is
left out.
"""

from collections.abc import Sequence
from html import escape
from math import log10
from operator import gt
from pathlib import Path
from statistics import fmean
from types import SimpleNamespace
from typing import NamedTuple

import numpy as np

from schurkit import nb
from schurkit.ablation import NEARLY_EMPTY
from schurkit.views.plot import SECTOR_COLOURS
from schurkit.words import short

from .book import DATA, Book, editions_of
from .chapters import outputs
from .ledger import strips

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
        nearly = [" nearly" * (mass < NEARLY_EMPTY) for mass in row.masses]
        dots = [
            *((k, cost, f"s-{row.name}{nearly[k]}", 2.4) for k, cost in enumerate(row.costs)),
            *((k, cost, "here", 3.6) for k, cost in enumerate(row.here)),
        ]
        for k, cost, kind, radius in dots:
            place = f'cx="{self.place(cost):.1f}" cy="{y + 7 + 8 * _scatter(k):.1f}"'
            yield f'<circle class="{kind}" {place} r="{radius}"/>'
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


# ------------------------------------------------------------------------------ values of sentences
def _wheel(book: Book) -> dict | None:
    """The wheel of this copy, and what its network does; nothing where the chapter was not run."""
    if not (notebook := book.notebooks.get("the_wheel")):
        return None
    shown, _ = outputs(notebook, "explorer")[0]
    wheel, *_ = "".join(shown["data"]["text/html"]).partition('<p class="ske-caption">')
    return nb.records(notebook) | {"wheel": wheel}


def _picture(book: Book) -> dict | None:
    drawn = "".join(svg(*panel) for panel in profiles(book))
    return {"panels": drawn} if drawn else None


def _card(chapter: str, more=lambda records, root: {}):
    """What a card is filled with: the records and the claims of a chapter, and what `more` makes of
    them and of the published tables; nothing where that is nothing, or something is not there.
    """

    def values(book: Book) -> dict | None:
        kept = book.published.get(chapter, {"records": {}, "claims": []})
        found = kept["records"] | {claim["id"]: claim["value"] for claim in kept["claims"]}
        try:
            told = more(found, book.root / DATA)
        except (KeyError, FileNotFoundError):
            return None
        return None if told is None else found | told

    return values


def _copy(found: dict, data) -> dict | None:
    shuffled = found["off_never"] - found["permuted_CR"]
    clear = found["off_later"] - max(found["off_early"], shuffled) > 0.05
    return {"shuffled": shuffled} if clear else None


def _flip_flop(found: dict, data) -> dict | None:
    rows = {row.name: row for row in PANELS["flip_flop"].rows(data, "flip_flop")}
    clear = found["off_after_pulse"] > 3 * found["off_otherwise"]
    return {"elsewhere": fmean(rows["CR"].control)} if clear and rows["CR"].control else None


def _basis(found: dict, data) -> dict | None:
    import pandas as pd

    table = pd.read_csv(data / "mechanism_or_basis" / "gauge-amplitude.csv")
    names = ["CR removed", "all four take its place", "all four, shuffled CR removed"]
    medians = table.loc[(table.task == "copy") & (table.amplitude == 1), names].median()
    removed, rewritten, shuffled = map(float, medians)
    if found["copy_restored"] < found["copy_networks"] or rewritten > 0.1 * shuffled:
        return None
    return {"removed": removed, "rewritten": rewritten, "shuffled": shuffled}


def _others(found: dict, data) -> dict:
    return {"other_waves": float(found["fve_control_text"].split()[0])}


def _papers(book: Book) -> dict | None:
    """A line a paper: how many of its claims have which verdict, and a square for each."""
    lines = [f"{{cite:t}}`{source}` {squares}" for (source, _), squares in strips(book).items()]
    return {"papers": "\n\n".join(lines)} if book.published else None


def _runs(book: Book) -> dict | None:
    if not any(chapter in book.published for chapter in PANELS):
        return None
    every = [one["provenance"] for kept in book.published.values() for one in editions_of(kept)]
    dates = sorted({run["date"] for run in every})
    return {"dates": " to ".join(dates[:1] + dates[1:][-1:])}


# ------------------------------------------------------------- good and bad readings of a profile
def _reading(chapter: str, name: str, premise):
    """The values of an example: its panel, and what one removal and its control cost; nothing where
    the premise does not hold for them.
    """

    def values(book: Book) -> dict | None:
        if chapter not in book.published:
            return None
        rows = {row.name: row for row in PANELS[chapter].rows(book.root / DATA, chapter)}
        if not (row := rows[name]).costs or not row.control:
            return None
        found = {f"mass_{row.name}": 100 * fmean(row.masses) for row in rows.values() if row.masses}
        found |= {
            "panel": svg(*PANELS[chapter].drawn(list(rows.values()))),
            "cost": fmean(row.costs),
            "control": fmean(row.control),
            "n": len(row.costs),
            "above": sum(map(gt, row.costs, row.control)),
            "low": min(row.costs),
            "high": max(row.costs),
            "past": sum(cost > 1 for cost in row.costs),
        }
        return found if premise(SimpleNamespace(**found)) else None

    return values


VALUES = {
    "nothing": lambda book: None if _runs(book) else {},
    "wheel": _wheel,
    "no_wheel": lambda book: None if _wheel(book) else {},
    "picture": _picture,
    "tasks": _card("across_tasks"),
    "copy": _card("copy_task", _copy),
    "flip_flop": _card("flip_flop", _flip_flop),
    "basis": _card("mechanism_or_basis", _basis),
    "levels": _card("three_levels"),
    "addition": _card("modular_addition", _others),
    "papers": _papers,
    "runs": _runs,
    "reading_sine": _reading(
        "sine", "CC", lambda it: it.cost >= 2 * it.control and 2 * it.above >= it.n
    ),
    "reading_copy": _reading(
        "copy_task", "CR", lambda it: abs(it.cost - it.control) <= 0.25 * it.cost
    ),
    "reading_flip_flop": _reading("flip_flop", "RR", lambda it: it.mass_RR <= 2),
    "reading_integration": _reading(
        "context_integration", "CC", lambda it: it.high > max(0, 10 * it.low)
    ),
}
"""What the templates of the pages are filled with, by name: values by name, None where there is
nothing to say.
"""
