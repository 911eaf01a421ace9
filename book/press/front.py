"""The first page: what the published runs found, all of it computed from book/data; the sentences
stand in book/introduction.md.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

from schurkit.ablation import NEARLY_EMPTY

from . import panels
from .book import Book
from .panels import Axis, Removal
from .published import editions_of, strongest
from .verdicts import OTHER, VERDICTS, marked, verdicts

SECTORS = ("RR", "CR", "CC")
PICTURE = Path("book/assets/profiles.svg")
COSTS = Axis(
    "rise of FVU (dashed: as bad as the mean target)", (0, 0.01, 0.1, 1, 10), linear=0.01, mark=1
)
FALLS = Axis("fall of replay accuracy (dashed: to chance)", (0, 0.1, 0.2, 0.3, 0.4, 0.5), mark=0.5)


@dataclass(frozen=True)
class Panel:
    """How the published profile of a task is drawn, and where its numbers stand.

    title : over the panel.
    prefix : of the names of its CSV files.
    about : what its numbers are, in words.
    axis : its axis.
    sign : −1 where a fall is what a removal costs.
    """

    title: str
    prefix: str
    about: str
    axis: Axis = COSTS
    sign: int = 1


PANELS = {
    "copy_task": Panel(
        "Copy a sequence", "copy", "Copy task, fall of replay accuracy", FALLS, sign=-1
    ),
    "flip_flop": Panel("Flip-flop", "flip-flop", "Flip-flop, rise of FVU"),
    "sine": Panel("Sine wave", "sine", "Sine wave, rise of FVU"),
    "context_integration": Panel(
        "Integration in context", "integration", "Integration in context, rise of FVU"
    ),
}
"""By chapter, in the order of the figure."""


def profiles(book: Book) -> list[tuple[str, str]]:
    """Panels of the figure, each with its description: the Schur form, then a task each for which a
    published run is there.
    """
    form = "The Schur form: modes on the diagonal, above it the couplings RR, CR and CC."
    drawn = [(panels.schur_form(), form)]
    for chapter, panel in PANELS.items():
        if chapter in book.published:
            rows = sector_rows(book.root, chapter)
            title = f"{panel.title} (n = {_most(rows)})"
            drawn.append((panels.profile(title, rows, panel.axis), _words(panel.about, rows)))
    return drawn if len(drawn) > 1 else []


def picture(book: Book) -> str:
    """The figure as one file, for places that show no page: the README."""
    drawn = profiles(book)
    return panels.picture(
        [content for content, _ in drawn], 3, " ".join(label for _, label in drawn)
    )


def table(root: Path, chapter: str, name: str) -> list[dict]:
    """Rows of a published CSV file."""
    path = root / "book" / "data" / chapter / f"{name}.csv"
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def sector_rows(root: Path, chapter: str) -> list[Removal]:
    """What removal and control (matched, or block-upper of a run without it) of each sector cost: a
    number a network, the mean over draws.

    Networks in which a sector is empty are counted and have no cost; those in which it is nearly
    empty are marked.
    """
    panel, folder = PANELS[chapter], root / "book" / "data" / chapter
    profile = f"{panel.prefix}-profile"
    own = f"{panel.prefix}-controls"
    controls = table(root, chapter, own if (folder / f"{own}.csv").is_file() else profile)
    weighed = controls if "removed_mass" in controls[0] else table(root, chapter, profile)
    main = "matched" if any(row["kind"] == "matched" for row in controls) else "block-upper"
    masses = {(row["removed"], row["network"]): float(row["removed_mass"]) for row in weighed}
    rows = []
    for sector in SECTORS:
        costs: dict[str, dict[str, list[float]]] = {"removal": {}, main: {}}
        for row in controls:
            network, kind = row["network"], row["kind"]
            if row["removed"] == sector and kind in costs and masses[sector, network] > 0:
                cost = panel.sign * float(row["delta"])
                costs[kind].setdefault(network, []).append(cost)
        removal, control = (
            [_mean(draws) for draws in costs[kind].values()] for kind in ("removal", main)
        )
        networks = enumerate(costs["removal"])
        nearly = [i for i, network in networks if masses[sector, network] < NEARLY_EMPTY]
        empty = sum(name == sector and mass == 0 for (name, _), mass in masses.items())
        rows.append(Removal(sector, removal, control, nearly, empty))
    return rows


def _most(rows: list[Removal]) -> int:
    return max(len(row.values) + row.empty for row in rows)


def _mean(values) -> float:
    return sum(values) / len(values)


def _words(what: str, rows: list[Removal]) -> str:
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
    drawn = "".join(panels.svg(content, label) for content, label in profiles(book))
    return {"panels": drawn} if drawn else None


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
    told = [test for results in book.published.values() for test in strongest(results)]
    lines = []
    for source in dict.fromkeys(claim.source for claim in known.values()):
        mine = [test for test in told if getattr(known.get(test["id"]), "source", "") == source]
        counts = {
            word: [test for test in mine if word in verdicts(known[test["id"]], test).values()]
            for word in (*VERDICTS, OTHER)
        }
        if not mine:
            continue
        numbers = ", ".join(f"{len(tests)} {word}" for word, tests in counts.items() if tests)
        failed = counts["partly"] + counts["not reproduced"]
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
    if not profiles(book):
        return None
    runs = [
        one["provenance"] for results in book.published.values() for one in editions_of(results)
    ]
    dates = sorted({run["date"] for run in runs})
    commands = dict.fromkeys(f"`{run['command'].split(' -p ')[0]}`" for run in runs)
    return {"commands": ", ".join(commands), "dates": " to ".join(dates[:1] + dates[1:][-1:])}


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
