"""The status page: how each chapter of this copy of the book was run, what the whole of it took,
and the numbers behind every figure.
"""

from collections import defaultdict
from pathlib import Path
from warnings import warn

from schurkit.words import duration, plural

from .book import DATA, WHOLE, Book
from .chapters import outputs, read_json, run_of
from .tables import table

_HEADS = (
    "Chapter|Networks and seeds|Parameters changed|Trained:|Training (core-s):|Run (s):|Date|"
    "Commit|Device"
)


def status_page(book: Book) -> str:
    """The generated part of the status page, in MyST markdown."""
    runs = {name: run for name, one in book.notebooks.items() if (run := run_of(one))}
    lines = [f"This copy is the **{book.edition}** edition.", ""]
    if runs:
        lines += [_total("This copy", runs), "", *_runs(runs), ""]
    if missing := [name for name in book.chapters if name not in runs]:
        told = f"Shown without results, since this copy did not run them: {', '.join(missing)}."
        lines += [":::{warning}", told, ":::", ""]
    older = {name: results["provenance"] for name, results in book.published.items()}
    if older:
        lines += [
            "## Published runs",
            "",
            "Larger runs whose results are kept in `book/data/` and shown beside what this copy "
            "computed.",
            "",
            _total("The published runs", older),
            "",
            *_whole(book.root / DATA / WHOLE),
            *_kept(older),
        ]
    lines += _larger(book.published)
    if runs:
        lines += ["## Every parameter, and the numbers behind every figure", ""]
        for name, run in runs.items():
            lines += _details(name, run, book.notebooks[name])
    return "\n".join(lines)


def _whole(path: Path) -> list[str]:
    """What the whole edition took on the clock, from an empty store, where that was measured."""
    try:
        run = read_json(path)
        apart = f", {', '.join(run['without'])} apart" if run.get("without") else ""
        text = (
            f"The whole {run['edition']} edition from nothing, training included{apart}: "
            f"**{duration(run['seconds'])}** on the clock ({run['device']}, {run['date']}, commit "
            f"`{run['commit'] or 'unknown'}`)."
        )
    except FileNotFoundError:
        return []
    except (OSError, ValueError, KeyError, TypeError) as error:
        text = f"What the whole edition took is not recorded: {path.name} cannot be read ({error})."
        warn(text, stacklevel=1)
    return [text, ""]


def _larger(published: dict) -> list[str]:
    """The published runs of editions beyond that of the book."""
    editions = defaultdict(dict)
    for name, results in published.items():
        for run in (one["provenance"] for one in results.get("larger", [])):
            editions[run["edition"]][name] = run
    lines = []
    for edition, runs in editions.items():
        lines += [f"Published of the {edition} edition too:", "", *_kept(runs)]
    return lines


def _kept(runs: dict) -> list[str]:
    """A table of published runs, with their commands and what was noted of them."""
    made = dict.fromkeys(f"`{run['command']}` ({run['edition']} edition)" for run in runs.values())
    notes = (f"- {name}: {run['note']}" for name, run in runs.items() if "note" in run)
    return [*_runs(runs), f"- Command: {', '.join(made)}", *notes, ""]


def _total(what: str, runs: dict) -> str:
    """One sentence on what all of it took."""
    training = [run["training"] for run in runs.values() if run["training"]]
    took = duration(sum(run["seconds"] for run in runs.values()))
    text = f"{what}: {plural(len(runs), 'chapter')} in **{took}**"
    if training:
        spent = duration(sum(one["core_seconds"] for one in training))
        networks = sum(one["networks"] for one in training)
        text += f", after **{spent}** of processor time for training {networks:,} networks"
    return (
        f"{text}. The training of a network, in this run or an earlier one, is counted in each "
        "chapter that uses it."
    )


def _runs(runs: dict) -> list[str]:
    """A table of runs, and their versions: one line where every chapter agrees, else a line a
    chapter.
    """
    versions = {
        f" ({name})": ", ".join(map(" ".join, run["versions"].items()))
        for name, run in runs.items()
    }
    if len({*versions.values()}) == 1:
        versions = {"": versions.popitem()[1]}
    return [
        *table(_HEADS, (_row(name, run) for name, run in runs.items()), "schurkit-wide"),
        *(f"- Versions{name}: {words}" for name, words in versions.items()),
        "- A `+` after a commit: files differed from it.",
    ]


def _row(name: str, run: dict) -> tuple[str, ...]:
    values, training = run["values"], run["training"]
    seeds = {key: values[key] for key in values if key == "networks" or "seed" in key}
    return (
        f"{{doc}}`../notebooks/{name}`",
        _values(seeds) or "–",
        _values(run["changed"]) or "none",
        str(training["networks"]) if training else "–",
        f"{training['core_seconds']:.0f}" if training else "–",
        f"{run['seconds']:.0f}",
        run["date"],
        f"`{run['commit'] or 'unknown'}`",
        run["device"],
    )


def _values(values: dict) -> str:
    return ", ".join(f"`{key} = {value!r}`" for key, value in values.items())


def _details(name: str, run: dict, notebook: dict) -> list[str]:
    """All parameters of one chapter, and each of its figures and tables with its CSV file."""
    lines = [f"::::{{dropdown}} {name}", ""]
    if run["values"]:
        lines += [f"Parameters: {_values(run['values'])}.", ""]
    numbers = {said["name"] for _, said in outputs(notebook, "note") if said.get("data")}
    for figure in (said["name"] for _, said in outputs(notebook, "figure", "table")):
        # HTML: no page that the renderer could check
        link = f'<a download href="../_static/data/{name}/{figure}.csv">{figure}.csv</a>'
        behind = link if figure in numbers else "no numbers behind it"
        lines.append(f"- {{numref}}`{figure}`: {behind}")
    return [*lines, "", "::::", ""]
