"""What the published runs found, for the sentences of book/introduction.md and
book/reading_profiles.md: values by name, computed from book/data and nothing else.

A sentence whose premise does not hold in the published numbers, or whose run is not published, is
left out.
"""

from __future__ import annotations

from statistics import fmean

from . import panels
from .book import Book
from .panels import PANELS
from .published import editions_of, strongest
from .verdicts import OTHER, VERDICTS, marked, verdicts


def _picture(book: Book) -> dict | None:
    drawn = "".join(panels.svg(*panel) for panel in panels.profiles(book))
    return {"panels": drawn} if drawn else None


def _records(chapter: str):
    return lambda book: book.published.get(chapter, {}).get("records")


def _addition(book: Book) -> dict:
    tests = book.published.get("modular_addition", {}).get("claims", [])
    return {test["id"]: test["value"] for test in tests}


def _papers(book: Book) -> dict | None:
    """A line a paper: how many of its claims have which verdict, and those that did not hold in
    full.
    """
    by_paper: dict[str, dict[str, list]] = {}
    for test in (test for results in book.published.values() for test in strongest(results)):
        if claim := book.claims.get(test["id"]):
            for word in {*verdicts(claim, test).values()}:
                by_paper.setdefault(claim.source, {}).setdefault(word, []).append((claim, test))
    lines = []
    for source in dict.fromkeys(claim.source for claim in book.claims.values()):
        if not (words := by_paper.get(source)):
            continue
        numbers = (f"{len(words[word])} {word}" for word in (*VERDICTS, OTHER) if word in words)
        failed = words.get("partly", []) + words.get("not reproduced", [])
        lines.append(
            f"- **Claims of {{cite:t}}`{source}`**: {', '.join(numbers)} ({{doc}}`ledger`)."
            + (" Those that did not hold in full:" if failed else "")
        )
        lines += [
            f"  - {{ref}}`{claim.id} <claim-{claim.id.lower()}>` {marked(claim, test)}: "
            f"{claim.statement}"
            for claim, test in failed
        ]
    return {"papers": "\n".join(lines)} if lines else None


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
    "picture": _picture,
    "copy": _records("copy_task"),
    "copy_in_place": _records("copy_task"),
    "tasks": _records("across_tasks"),
    "addition": _addition,
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
