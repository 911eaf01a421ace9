"""The first page: what the published runs found, all of it computed from book/data; the sentences
stand in book/introduction.md.
"""

from __future__ import annotations

import csv
from pathlib import Path

from schurkit.ablation import NEARLY_EMPTY

from . import panels
from .book import Book
from .panels import Axis, Row
from .published import strongest
from .verdicts import OTHER, VERDICTS, marked, verdicts

SECTORS = ("RR", "CR", "CC")
PICTURE = Path("book/assets/profiles.svg")
COSTS = Axis(
    "rise of FVU (dashed: as bad as the mean target)", (0, 0.01, 0.1, 1, 10), linear=0.01, mark=1
)
FALLS = Axis("fall of replay accuracy (dashed: to chance)", (0, 0.1, 0.2, 0.3, 0.4, 0.5), mark=0.5)
TASKS = {
    "flip_flop": ("Flip-flop", "flip-flop"),
    "sine": ("Sine wave", "sine"),
    "context_integration": ("Integration in context", "integration"),
}


def profiles(book: Book) -> list[tuple[str, str]]:
    """Panels of the figure, each with its description: the Schur form, then a task each for which a
    published run is there.
    """
    root, kept = book.root, book.published
    drawn = [
        (
            panels.schur_form(),
            "The Schur form: modes on the diagonal, above it the couplings RR, CR and CC.",
        )
    ]
    if "copy_task" in kept:
        mine = sector_rows(root, "copy_task", "copy", -1)
        drawn.append(
            (
                panels.profile(f"Copy a sequence (n = {_most(mine)})", mine, FALLS),
                _words("Copy task, fall of replay accuracy", mine),
            )
        )
    for chapter, (title, prefix) in TASKS.items():
        if chapter in kept:
            mine = sector_rows(root, chapter, prefix)
            drawn.append(
                (
                    panels.profile(f"{title} (n = {_most(mine)})", mine, COSTS),
                    _words(f"{title}, rise of FVU", mine),
                )
            )
    return drawn if len(drawn) > 1 else []


def picture(book: Book) -> str:
    """The figure as one file, for places that show no page: the README."""
    drawn = profiles(book)
    return panels.picture(
        [content for content, _ in drawn], 3, " ".join(label for _, label in drawn)
    )


def table(root: Path, chapter: str, name: str) -> list[dict]:
    """Rows of a published CSV file."""
    with (root / "book" / "data" / chapter / f"{name}.csv").open(
        encoding="utf-8", newline=""
    ) as file:
        return list(csv.DictReader(file))


def sector_rows(root: Path, chapter: str, prefix: str, sign: int = 1) -> list[Row]:
    """What removal and control (matched, or block-upper of a run without it) of each sector cost: a
    number a network, the mean over draws.

    Networks in which a sector is empty are counted and have no cost; those in which it is nearly
    empty are marked.
    """
    name = next(
        name
        for name in (f"{prefix}-controls", f"{prefix}-profile")
        if (root / "book" / "data" / chapter / f"{name}.csv").is_file()
    )
    controls = table(root, chapter, name)
    weighed = (
        controls if "removed_mass" in controls[0] else table(root, chapter, f"{prefix}-profile")
    )
    main = "matched" if any(row["kind"] == "matched" for row in controls) else "block-upper"
    masses = {(row["removed"], row["network"]): float(row["removed_mass"]) for row in weighed}
    found = []
    for sector in SECTORS:
        costs: dict[str, dict[str, list[float]]] = {"removal": {}, main: {}}
        for row in controls:
            if (
                row["removed"] == sector
                and row["kind"] in costs
                and masses[sector, row["network"]] > 0
            ):
                costs[row["kind"]].setdefault(row["network"], []).append(sign * float(row["delta"]))
        means = {
            kind: [_mean(draws) for draws in networks.values()] for kind, networks in costs.items()
        }
        nearly = [
            i
            for i, network in enumerate(costs["removal"])
            if masses[sector, network] < NEARLY_EMPTY
        ]
        empty = sum(name == sector and mass == 0 for (name, _), mass in masses.items())
        found.append(Row(sector, means["removal"], means[main], nearly, empty))
    return found


def _most(rows: list[Row]) -> int:
    return max(len(row.values) + row.empty for row in rows)


def _mean(values) -> float:
    return sum(values) / len(values)


def _words(what: str, rows: list[Row]) -> str:
    told = [
        f"without {row.name} {_mean(row.values):.2g}, under a random change of equal size "
        f"{_mean(row.control):.2g}"
        for row in rows
        if row.values
    ]
    told += [f"{row.name} is empty in {row.empty}, left out" for row in rows if row.empty]
    told += [
        f"{row.name} holds less than 1 % of the norm in {len(row.nearly)}"
        for row in rows
        if row.nearly
    ]
    return f"{what}, mean over {_most(rows)} networks: {'; '.join(told)}."


# ------------------------------------------------------------------------- what the first page says
def _drawn(book: Book) -> dict | None:
    drawn = profiles(book)
    return (
        {"panels": "".join(panels.svg(content, label) for content, label in drawn)}
        if drawn
        else None
    )


def _records(chapter: str):
    return lambda book: book.published.get(chapter, {}).get("records")


def _values(chapter: str):
    return lambda book: {
        test["id"]: test["value"] for test in book.published.get(chapter, {}).get("claims", [])
    }


def _papers(book: Book) -> dict | None:
    """A line a paper: how many of its claims have which verdict, and those that did not hold in
    full.
    """
    known = book.claims
    told = [
        test
        for results in book.published.values()
        for test in strongest(results)
        if test["id"] in known
    ]
    lines = []
    for source in dict.fromkeys(claim.source for claim in known.values()):
        mine = [test for test in told if known[test["id"]].source == source]
        counts = {
            word: [test for test in mine if word in verdicts(known[test["id"]], test).values()]
            for word in (*VERDICTS, OTHER)
        }
        if not mine:
            continue
        numbers = ", ".join(f"{len(tests)} {word}" for word, tests in counts.items() if tests)
        failed = [test for word in ("partly", "not reproduced") for test in counts[word]]
        lines.append(
            f"- **Claims of {{cite:t}}`{source}`**: {numbers} ({{doc}}`ledger`)."
            + (" Those that did not hold in full:" if failed else "")
        )
        for test in failed:
            claim = known[test["id"]]
            lines.append(
                f"  - {{ref}}`{claim.id} <claim-{claim.id.lower()}>` {marked(claim, test)}: "
                f"{claim.statement}"
            )
    return {"papers": "\n".join(lines)} if lines else None


def _runs(book: Book) -> dict | None:
    runs = [
        one["provenance"]
        for results in book.published.values()
        for one in (results, *results.get("larger", []))
    ]
    if not profiles(book):
        return None
    dates = sorted({run["date"] for run in runs})
    commands = ", ".join(
        f"`{command}`" for command in dict.fromkeys(run["command"].split(" -p ")[0] for run in runs)
    )
    return {"commands": commands, "dates": " to ".join(dates[:1] + dates[1:][-1:])}


VALUES = {
    "nothing": lambda book: None if profiles(book) else {},
    "picture": _drawn,
    "copy": _records("copy_task"),
    "copy_in_place": _records("copy_task"),
    "tasks": _records("across_tasks"),
    "addition": _values("modular_addition"),
    "papers": _papers,
    "runs": _runs,
}
"""What the templates of the first page are filled with, by name: values by name, None where there
is nothing to say.
"""


def write_picture(book: Book) -> Path | None:
    """Draw the picture again from book/data, after something was published; None where there is
    nothing to draw.
    """
    if not profiles(book):
        return None
    (book.root / PICTURE).write_text(picture(book), encoding="utf-8")
    return book.root / PICTURE
