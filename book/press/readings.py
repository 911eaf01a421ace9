"""Good and bad readings of ablation profiles, on published results: the numbers of the examples,
whose words stand in book/reading_profiles.md.

An example whose premise does not hold in the published numbers, or whose task has no published run,
is left out.
"""

from __future__ import annotations

from statistics import fmean

from . import panels
from .book import Book
from .front import PANELS, sector_rows, table
from .panels import Removal


def _example(chapter: str, premise):
    """The values of an example: its panel, and what `premise` finds in the rows of its task."""

    def values(book: Book) -> dict | None:
        if chapter not in book.published:
            return None
        panel, rows = PANELS[chapter], sector_rows(book.root, chapter)
        found = premise(book, {row.name: row for row in rows})
        means = (
            f"{row.name} {fmean(row.values):.2g}, control {fmean(row.control):.2g}"
            for row in rows
            if row.values
        )
        title = f"{panel.title} (n = {len(rows[0].values) + rows[0].empty})"
        drawn = panels.profile(title, rows, panel.axis)
        return found and found | {"panel": panels.svg(drawn, f"{panel.title}: " + "; ".join(means))}

    return values


def _sine(book: Book, rows: dict[str, Removal]) -> dict | None:
    values, draws = rows["CC"].values, rows["CC"].control
    found = {
        "cost": fmean(values),
        "control": fmean(draws),
        "n": len(values),
        "above": sum(mine > other for mine, other in zip(values, draws)),
    }
    return (
        found
        if found["cost"] >= 2 * found["control"] and 2 * found["above"] >= found["n"]
        else None
    )


def _copy(book: Book, rows: dict[str, Removal]) -> dict | None:
    found = {"cost": fmean(rows["CR"].values), "control": fmean(rows["CR"].control)}
    return found if abs(found["cost"] - found["control"]) <= 0.25 * found["cost"] else None


def _flip_flop(book: Book, rows: dict[str, Removal]) -> dict | None:
    masses = [
        (row["removed"], float(row["removed_mass"]))
        for row in table(book.root, "flip_flop", "flip-flop-profile")
    ]
    mass = {
        name: [held for removed, held in masses if removed == name and held > 0]
        for name in ("RR", "CR")
    }
    if not all(mass.values()) or fmean(mass["RR"]) > 0.02:
        return None
    share = {f"mass_{name}": 100 * fmean(held) for name, held in mass.items()}
    return share | {"cost": fmean(rows["RR"].values), "control": fmean(rows["RR"].control)}


def _integration(book: Book, rows: dict[str, Removal]) -> dict | None:
    values = rows["CC"].values
    low, high = min(values), max(values)
    if high <= 0 or high < 10 * low:
        return None
    return {
        "cost": fmean(values),
        "low": low,
        "high": high,
        "past": sum(value > 1 for value in values),
        "n": len(values),
    }


VALUES = {
    "reading_sine": _example("sine", _sine),
    "reading_copy": _example("copy_task", _copy),
    "reading_flip_flop": _example("flip_flop", _flip_flop),
    "reading_integration": _example("context_integration", _integration),
}
"""As `schurkit_press.front.VALUES`, of the page on reading profiles."""
