"""The status page: how each chapter of this copy of the book was run, what the whole of it took,
and the numbers behind every figure.
"""

from __future__ import annotations

import json
from pathlib import Path

from .book import Book
from .published import DATA, WHOLE


def status_page(book: Book) -> str:
    """The generated part of the status page, in MyST markdown."""
    runs = {
        name: notebook["metadata"].get("schurkit", {}).get("run")
        for name, notebook in book.notebooks.items()
        if notebook is not None
    }
    runs = {name: run for name, run in runs.items() if run}
    lines = [f"This copy is the **{book.edition}** edition.", ""]
    if runs:
        lines += [_total("This copy", runs), "", *_table(runs), *_versions(runs)]
    missing = [name for name in book.chapters if name not in runs]
    if missing:
        lines += [
            "",
            ":::{warning}",
            "Shown without results, since this copy did not run them: " + ", ".join(missing) + ".",
            ":::",
        ]
    older = {name: results["provenance"] for name, results in book.published.items()}
    if older:
        lines += [
            "",
            "## Published runs",
            "",
            "Larger runs whose results are kept in `book/data/` and shown beside what this copy "
            "computed.",
            "",
        ]
        lines += [
            _total("The published runs", older),
            *_whole(book.root / DATA / WHOLE),
            "",
            *_table(older),
            *_versions(older),
        ]
        commands = dict.fromkeys(
            f"`{run['command']}` ({run.get('edition', 'unnamed')} edition)"
            for run in older.values()
        )
        lines += ["- Command: " + ", ".join(commands)]
    lines += _larger(book.published)
    if runs:
        lines += ["", "## Every parameter, and the numbers behind every figure", ""]
        for name, run in runs.items():
            lines += _details(name, run, book.notebooks[name])
    return "\n".join(lines)


def _whole(path: Path) -> list[str]:
    """What the whole edition took on the clock, from an empty store, where that was measured."""
    try:
        run = json.loads(path.read_text(encoding="utf-8"))
        text = (
            f"The whole {run['edition']} edition from nothing, training included: "
            f"**{_time(run['seconds'])}** on the clock"
        )
        return [
            "",
            f"{text} ({run['device']}, {run['date']}, commit `{run['commit'] or 'unknown'}`).",
        ]
    except (OSError, ValueError, KeyError, TypeError):
        return []


def _larger(kept: dict) -> list[str]:
    """The published runs of editions beyond that of the book."""
    runs = [
        (name, one["provenance"])
        for name, results in kept.items()
        for one in results.get("larger", [])
    ]
    lines = []
    for edition in dict.fromkeys(run["edition"] for _, run in runs):
        mine = {name: run for name, run in runs if run["edition"] == edition}
        lines += [
            "",
            f"Published of the {edition} edition too:",
            "",
            *_table(mine),
            *_versions(mine),
        ]
        lines += ["- Command: " + ", ".join(f"`{run['command']}`" for run in mine.values())]
        lines += [f"- {name}: {run['note']}" for name, run in mine.items() if run.get("note")]
    return lines


def _total(what: str, runs: dict) -> str:
    """One sentence on what all of it took."""
    training = [run["training"] for run in runs.values() if run.get("training")]
    text = (
        f"{what}: {len(runs)} chapter{'' if len(runs) == 1 else 's'} in "
        f"**{_time(sum(run['seconds'] for run in runs.values()))}**"
    )
    if training:
        spent = _time(sum(told["core_seconds"] for told in training))
        text += (
            f", after **{spent}** of processor time for training "
            f"{sum(told['networks'] for told in training):,} networks"
        )
    return (
        text + ". The training of a network, in this run or an earlier one, is counted in each "
        "chapter that uses it."
    )


def _time(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"


def _table(runs: dict) -> list[str]:
    lines = ["::::{div} schurkit-wide"]
    lines += [
        "| Chapter | Networks and seeds | Parameters changed | Trained | Training (core-s) | Run "
        "(s) | Date | Commit | Device |"
    ]
    lines += ["|:--|:--|:--|--:|--:|--:|:--|:--|:--|"]
    return [*lines, *(_row(name, run) for name, run in runs.items()), "::::", ""]


def _row(name: str, run: dict) -> str:
    changed = ", ".join(f"`{key} = {value!r}`" for key, value in run["changed"].items()) or "none"
    seeds = (
        ", ".join(
            f"`{key} = {value!r}`"
            for key, value in run.get("values", {}).items()
            if key == "networks" or "seed" in key
        )
        or "–"
    )
    training = run.get("training") or {}
    spent = (
        str(training.get("networks", "–")),
        f"{training['core_seconds']:.0f}" if training else "–",
        f"{run['seconds']:.0f}",
    )
    cells = (
        f"{{doc}}`../notebooks/{name}`",
        _cell(seeds),
        _cell(changed),
        *spent,
        run["date"],
        f"`{run['commit'] or 'unknown'}`",
        run["device"],
    )
    return "| " + " | ".join(cells) + " |"


def _details(name: str, run: dict, notebook: dict) -> list[str]:
    """All parameters of one chapter, and each of its figures and tables with its CSV file."""
    lines = [f"::::{{dropdown}} {name}", ""]
    if run.get("values"):
        lines += [
            "Parameters: "
            + ", ".join(f"`{key} = {value!r}`" for key, value in run["values"].items())
            + ".",
            "",
        ]
    said = [
        output.get("metadata", {}).get("schurkit", {})
        for cell in notebook.get("cells", [])
        for output in cell.get("outputs", [])
    ]
    numbers = {told["name"] for told in said if told.get("kind") == "note" and told.get("data")}
    for told in said:
        if told.get("kind") in ("figure", "table"):
            file = f"{told['name']}.csv"
            # HTML: no page that the renderer could check
            link = f'<a download href="../_static/data/{name}/{file}">{file}</a>'
            lines.append(
                f"- {{numref}}`{told['name']}`: "
                f"{link if told['name'] in numbers else 'no numbers behind it'}"
            )
    return [*lines, "", "::::", ""]


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _versions(runs: dict) -> list[str]:
    """Versions; one line where every chapter agrees, a line a chapter otherwise."""
    said = {
        name: ", ".join(f"{package} {version}" for package, version in run["versions"].items())
        for name, run in runs.items()
    }
    if len(set(said.values())) == 1:
        lines = [f"- Versions: {next(iter(said.values()))}"]
    else:
        lines = [f"- Versions ({name}): {words}" for name, words in said.items()]
    return [*lines, "- A `+` after a commit: files differed from it."]
