"""What the published runs found, for the sentences of book/introduction.md and
book/reading_profiles.md: values by name, computed from book/data and nothing else.

A sentence whose premise does not hold in the published numbers, or whose run is not published, is
left out.
"""

from operator import gt
from statistics import fmean
from types import SimpleNamespace

from schurkit import nb

from . import panels
from .book import DATA, Book, editions_of
from .chapters import outputs
from .ledger import strips
from .panels import PANELS


def _wheel(book: Book) -> dict | None:
    """The wheel of this copy, and what its network does; nothing where the chapter was not run."""
    if not (notebook := book.notebooks.get("the_wheel")):
        return None
    shown, _ = outputs(notebook, "explorer")[0]
    wheel, *_ = "".join(shown["data"]["text/html"]).partition('<p class="ske-caption">')
    return nb.records(notebook) | {"wheel": wheel}


def _picture(book: Book) -> dict | None:
    drawn = "".join(panels.svg(*panel) for panel in panels.profiles(book))
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
            "panel": panels.svg(*PANELS[chapter].drawn(list(rows.values()))),
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
