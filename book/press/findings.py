"""What the published runs found, for the sentences of book/introduction.md and
book/reading_profiles.md: values by name, computed from book/data and nothing else.

A sentence whose premise does not hold in the published numbers, or whose run is not published, is
left out.
"""

from __future__ import annotations

import csv
from statistics import fmean, median

from schurkit import nb

from . import panels
from .book import Book
from .chapters import outputs
from .ledger import strips
from .panels import PANELS
from .published import DATA, editions_of


def _wheel(book: Book) -> dict | None:
    """The wheel of this copy, and what its network does; nothing where the chapter was not run."""
    if not (notebook := book.notebooks.get("the_wheel")):
        return None
    shown = [output["data"] for output, said in outputs(notebook) if said["kind"] == "explorer"]
    wheel, *_ = "".join(shown[0]["text/html"]).partition('<p class="ske-caption">')
    return nb.records(notebook) | {"wheel": wheel}


def _picture(book: Book) -> dict | None:
    drawn = "".join(panels.svg(*panel) for panel in panels.profiles(book)[1:])
    return {"panels": drawn} if drawn else None


def _card(chapter: str, about: str, bars):
    """The values of a card: the records of a chapter, and bars of what `bars` makes of them and of
    its folder of numbers; nothing where it has no such records, or gives no bars.
    """

    def values(book: Book) -> dict | None:
        records = book.published.get(chapter, {}).get("records", {})
        records = records | {one["id"]: one["value"] for one in book.published[chapter]["claims"]} if records else {}
        try:
            rows = bars(records, book.root)
        except (KeyError, FileNotFoundError):
            return None
        return records | {"bars": panels.bars(rows, about)} if rows else None

    return values


def _copy(records: dict, root) -> list | None:
    early, later, whole = (records[f"off_{when}"] for when in ("early", "later", "never"))
    shuffled = whole - records["permuted_CR"]
    if later - max(early, shuffled) < 0.05:
        return None
    return [
        ("door shut while symbols come", early, "s-CR"),
        ("door shut later", later, "s-CR"),
        ("shut for good, its entries shuffled", shuffled, "control"),
    ]


def _flip_flop(records: dict, root) -> list | None:
    after, otherwise = records["off_after_pulse"], records["off_otherwise"]
    rows = {row.name: row for row in PANELS["flip_flop"].rows(root, "flip_flop")}
    if after < 3 * otherwise or not rows["CR"].control:
        return None
    return [
        ("off in the step after a pulse", after, "s-CR"),
        ("off in all other steps", otherwise, "s-CR"),
        ("same strength, elsewhere", fmean(rows["CR"].control), "control"),
    ]


def _basis(records: dict, root) -> list | None:
    with (root / DATA / "mechanism_or_basis" / "gauge-amplitude.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["task"] == "copy"]
    rows = [row for row in rows if float(row["amplitude"]) == 1]
    removed, rewritten, shuffled = (
        median(float(row[name]) for row in rows)
        for name in ("CR removed", "all four take its place", "all four, shuffled CR removed")
    )
    if records["copy_restored"] < records["copy_networks"] or rewritten > 0.1 * shuffled:
        return None
    return [
        ("door removed", removed, "s-CR"),
        ("and the input rewritten", rewritten, "s-CR"),
        ("rewritten, a shuffled door removed", shuffled, "control"),
    ]


def _levels(records: dict, root) -> list | None:
    ratios = [records["ratio_flip_flop"], records["ratio_discrimination"]]
    return [
        ("two networks, flip-flop", ratios[0], "diagonal"),
        ("two networks, comparison", ratios[1], "diagonal"),
        ("one network, other trials", 1.0, "control"),
    ]


def _addition(records: dict, root) -> list | None:
    return [
        ("its own waves", records["M1"], "diagonal"),
        ("as many other waves", float(records["fve_control_text"].split()[0]), "control"),
    ]


def _papers(book: Book) -> dict | None:
    """A line a paper: how many of its claims have which verdict, and a square for each."""
    lines = [f"{{cite:t}}`{source}` {squares}" for (source, _), squares in strips(book).items()]
    return {"papers": "\n\n".join(lines)} if book.published else None


def _runs(book: Book) -> dict | None:
    if not any(chapter in book.published for chapter in PANELS):
        return None
    every = [one["provenance"] for kept in book.published.values() for one in editions_of(kept)]
    dates = sorted({run["date"] for run in every})
    commands = dict.fromkeys(f"`{run['command'].split(' -p ')[0]}`" for run in every)
    return {"commands": ", ".join(commands), "dates": " to ".join(dates[:1] + dates[1:][-1:])}


# ------------------------------------------------------------- good and bad readings of a profile
def _reading(chapter: str, name: str, premise):
    """The values of an example: its panel, the mean cost of one removal and of its control, and
    what `premise` finds in the rows of the task; nothing where that is nothing.
    """

    def values(book: Book) -> dict | None:
        if chapter not in book.published:
            return None
        rows = {row.name: row for row in PANELS[chapter].rows(book.root, chapter)}
        if not (row := rows[name]).costs or not row.control:
            return None
        means = {"cost": fmean(row.costs), "control": fmean(row.control), "n": len(row.costs)}
        found = premise(row, rows, **means)
        panel = {"panel": panels.svg(*PANELS[chapter].drawn(list(rows.values())))}
        return None if found is None else means | found | panel

    return values


def _beyond(row, rows, cost, control, n) -> dict | None:
    above = sum(mine > other for mine, other in zip(row.costs, row.control))
    return {"above": above} if cost >= 2 * control and 2 * above >= n else None


def _as_large(row, rows, cost, control, n) -> dict | None:
    return {} if abs(cost - control) <= 0.25 * cost else None


def _next_to_nothing(row, rows, cost, control, n) -> dict | None:
    if fmean(row.masses) > 0.02 or not rows["CR"].masses:
        return None
    return {f"mass_{name}": 100 * fmean(rows[name].masses) for name in ("RR", "CR")}


def _spread(row, rows, cost, control, n) -> dict | None:
    low, high, past = min(row.costs), max(row.costs), sum(cost > 1 for cost in row.costs)
    return {"low": low, "high": high, "past": past} if high > max(0, 10 * low) else None


VALUES = {
    "nothing": lambda book: None if _runs(book) else {},
    "wheel": _wheel,
    "no_wheel": lambda book: None if _wheel(book) else {},
    "form": lambda book: {"form": panels.svg(*panels.profiles(book)[0])},
    "picture": _picture,
    "tasks": lambda book: book.published.get("across_tasks", {}).get("records"),
    "copy": _card("copy_task", "Share of signs that are right", _copy),
    "flip_flop": _card("flip_flop", "Rise of the error", _flip_flop),
    "basis": _card("mechanism_or_basis", "Lost of the network's own output", _basis),
    "levels": _card("three_levels", "Distance of dynamics", _levels),
    "addition": _card("modular_addition", "Share of the variance explained", _addition),
    "papers": _papers,
    "runs": _runs,
    "reading_sine": _reading("sine", "CC", _beyond),
    "reading_copy": _reading("copy_task", "CR", _as_large),
    "reading_flip_flop": _reading("flip_flop", "RR", _next_to_nothing),
    "reading_integration": _reading("context_integration", "CC", _spread),
}
"""What the templates of the pages are filled with, by name: values by name, None where there is
nothing to say.
"""
