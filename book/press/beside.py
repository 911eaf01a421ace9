"""The published run of a chapter on its page, beside the one that this copy made: its numbers in
the prose, a line, and sections in MyST markdown.
"""

from __future__ import annotations

import csv
import io
from collections import defaultdict
from contextlib import suppress
from math import isclose, isnan

from schurkit import nb
from schurkit.checks import InputError
from schurkit.claims import Claim, beyond, ours
from schurkit.words import plural, short

from .book import Book
from .chapters import outputs, run_of
from .published import agrees, embedded_files, folder, measured, strongest
from .tables import table
from .verdicts import explained

PRECISION = {"draws", "orders", "resamples", "test_trials"}
"""Parameters that set how precisely something is measured, and not what."""
WHOLE = {"auxiliary", "every_variant"}
"""Switches that are off where a part of the published run is left out."""


def other_parameters(book: Book, name: str) -> list[str]:
    """Where this run of a chapter asks something else than the published one, each as "bits 2
    instead of 3".

    Seeds, numbers of networks and `PRECISION` do not count, nor does a list that is part of the
    published one.
    """
    if not book.notebooks[name]:
        return []
    here = run_of(book.notebooks[name]).get("values", {})
    there = book.published[name]["provenance"].get("values", {})
    return [
        f"{key} {_words(here[key])} instead of {_words(there[key])}"
        for key in here
        if key in there
        and key not in PRECISION
        and "seed" not in key
        and not key.endswith("networks")
        and not _part(here[key], there[key])
        and (here[key] or key not in WHOLE)
    ]


def _part(here, there) -> bool:
    both_lists = isinstance(here, list) and isinstance(there, list)
    return here == there or (both_lists and all(one in there for one in here))


def published_numbers(book: Book, name: str) -> dict:
    """A cell without words that gives the prose every number K of the published run as
    ``published.K``; that of this run where the published one has none, or was asked something else.
    """
    records = nb.records(book.notebooks[name]) if book.notebooks[name] else {}
    if name in book.published and not other_parameters(book, name):
        records |= book.published[name]["records"]
    glued = [nb.glued(f"published.{key}", value) for key, value in records.items()]
    return {
        "cell_type": "code",
        "id": "published-numbers",
        "execution_count": None,
        "metadata": {"tags": ["remove-cell"]},
        "source": "",
        "outputs": [
            {"output_type": "display_data", "data": data, "metadata": metadata}
            for data, metadata in glued
        ],
    }


def strip(book: Book, name: str) -> str:
    """What stands under the title of a chapter: the published run, this run, and how many of its
    values lie in the range of the published networks. The table of values is the one that
    `schurkit.nb.published` names, else the first with a row a network and removal.
    """
    notebook = book.notebooks[name]
    here = _ran(notebook) if notebook else "This copy did not run the chapter. "
    if name not in book.published:
        return f"{here}No run of this chapter is published: this page stands on its own run."
    kept, other = book.published[name]["provenance"], other_parameters(book, name)
    if other:
        return (
            f"{here}Other parameters than the published run's ({', '.join(other)}): this page "
            "stands on its own run."
        )
    there, live = _values(book, name) if notebook else ({}, {})
    count = _networks(there) or _trained(kept)
    return f"**Published**: {count}{kept['date']}. {here}{_shares(there, live) if there else ''}"


def _ran(notebook: dict) -> str:
    run = run_of(notebook)
    values, spent = run.get("values", {}), f"{run['seconds']:.0f} s"
    seeds = ""
    if (first := values.get("first_seed")) is not None:
        n = values.get("networks", 1)
        seeds = f"seeds {first} to {first + n - 1}, " if n > 1 else f"seed {first}, "
    return f"**This copy**: {_trained(run)}{seeds}{spent} on {run['device'].rpartition(', ')[2]}. "


def _trained(run: dict) -> str:
    count = run.get("values", {}).get("networks") or (run.get("training") or {}).get("networks")
    return f"{plural(count, 'network')}, " if count else ""


def _values(book: Book, name: str) -> tuple[dict, dict]:
    """The values of the published and of this run, by group."""
    where = folder(book.root, book.published[name]["provenance"]["edition"], name)
    files = embedded_files(book.notebooks[name])
    told = [said for _, said in outputs(book.notebooks[name]) if said.get("kind") == "published"]
    for said in told:
        if f"{said['name']}.csv" not in files:
            raise InputError(
                f"{name}: nb.published names {said['name']!r}; the chapter shows no such numbers, "
                f"it has {', '.join(files) or 'none'}."
            )
    tables = told or [{"name": file[:-4], "by": "removed", "value": "delta"} for file in files]
    for said in tables:
        file = where / f"{said['name']}.csv"
        there, live = (
            _groups(text, said["by"], said["value"])
            for text in (
                file.read_text(encoding="utf-8") if file.is_file() else "",
                files[file.name].decode(),
            )
        )
        if (there and live) or told:
            return there, live
    return {}, {}


def claim_line(book: Book, name: str, claim: Claim, here: dict) -> str:
    """A claim in one line: the verdict on the published run, its value and this run's; that of this
    run alone where it has other parameters, or nothing is published.
    """
    carried = name in book.published and not other_parameters(book, name)
    kept = strongest(book.published[name]) if carried else []
    told = next((test for test in kept if test["id"] == claim.id and measured(test)), here)
    text = f"**{explained(claim, told)}** {claim.statement} {ours(told)}"
    if told is not here and measured(here):
        against = " (**disagrees**)" if agrees(claim, here, told) is False else ""
        text += f"; here {ours(here)}{against}"
    return text + (f". Beyond its control: {beyond(told)}." if told.get("beyond") else ".")


def _groups(text: str, by: str, value: str) -> dict[str, list[tuple]]:
    """(label of its network, value) of the removals in the rows of a CSV file, by the column
    `by`.
    """
    groups = defaultdict(list)
    for row in csv.DictReader(io.StringIO(text)):
        with suppress(ValueError):
            number = float(row.get(value) or "nan")
            if row.get(by) and row.get("kind", "removal") == "removal" and not isnan(number):
                groups[row[by]].append((row.get("network", row.get("seed")), number))
    return groups


def _networks(groups: dict) -> str:
    labels = {label for values in groups.values() for label, _ in values}
    count = max(map(len, groups.values()), default=0) if None in labels else len(labels)
    return f"{plural(count, 'network')}, " if count else ""


def _shares(there: dict, here: dict) -> str:
    """How many values lie inside, and how many would in the mean: (n − 1)/(n + 1) of those of a
    fresh network beside n, all of a published one.
    """
    inside = known = total = 0
    mean = 0.0
    for group in there.keys() & here.keys():
        labels, values = zip(*there[group])
        if len({*values, *(value for _, value in here[group])}) == 1:
            continue  # of what was not removed, say
        low, high = min(values), max(values)
        for label, value in here[group]:
            again = label is not None and label in labels
            at_an_end = isclose(value, low, rel_tol=1e-5) or isclose(value, high, rel_tol=1e-5)
            inside += low <= value <= high or at_an_end
            known += again
            total += 1
            mean += 1 if again else (len(values) - 1) / (len(values) + 1)
    if not total:
        return "The published run has no such values to set beside it."
    if known == total:
        expected = "its seeds are among theirs"
    elif known:
        expected = f"{short(mean)} in the mean, since {known} are of seeds that are among theirs"
    else:
        expected = f"fresh networks: {short(mean)} in the mean"
    return (
        f"{inside} of its {plural(total, 'value')} {'lies' if total == 1 else 'lie'} within the "
        f"range of the published networks ({expected})."
    )


def section(book: Book, name: str, files: list[str], link: str) -> str:
    """The section of a chapter's page on the published run: how it was made, and its numbers beside
    this run's.

    files : names of the published CSV files.
    link : where they lie, seen from the page.
    """
    results, notebook = book.published[name], book.notebooks[name]
    lines = ["## The published run", "", f"{_provenance(results['provenance'])}.", ""]
    here = nb.records(notebook) if notebook else {}
    lines += _numbers("Number|Published:|Here:", results["records"], here)
    return "\n".join(lines + _files("published run", files, link))


def larger_section(book: Book, name: str, files: list[str], link: str, larger: dict) -> str:
    """The section on a larger edition of a chapter: its claims beside those of the published run.

    files, link : as in `section`, of the larger run.
    larger : one of the "larger" of its published results.
    """
    results, run = book.published[name], larger["provenance"]
    base = {test["id"]: test for test in results["claims"]}
    edition = f"{run['edition']} edition"
    note = run.get("note", "").strip().rstrip(".")
    lines = [f"## The {edition} of this chapter", ""]
    lines += [f"Run apart from this copy: {_provenance(run)}.{f' {note}.' if note else ''}", ""]
    rows = []
    for test in larger["claims"]:
        claim = book.claims.get(test["id"])
        if claim and test["n"] != 0:  # an edition may turn to some claims alone
            other = base.get(claim.id)
            verdict = explained(claim, other) if other else "–"
            rows.append([claim.id, _value(test), explained(claim, test), _value(other), verdict])
    lines += table(f"Claim|{edition.capitalize()}|Verdict|Published run|Verdict", rows)
    heads = f"Number|In the {edition}:|Published run:"
    lines += _numbers(heads, larger["records"], results["records"])
    return "\n".join(lines + _files(edition, files, link))


def _files(what: str, files: list[str], link: str) -> list[str]:
    links = (f'<a download href="{link}/{file}">{file}</a>' for file in files)
    return [f"Numbers of the {what}: {', '.join(links)}.", ""] if files else []


def _numbers(heads: str, first: dict, second: dict) -> list[str]:
    rows = [
        [f"`{key}`", _plain(value), _plain(second.get(key))]
        for key, value in first.items()
        if isinstance(value, (int, float)) and not isinstance(value, bool)
    ]
    title = ":::{dropdown} Every recorded number"
    return [title, *table(heads, rows), ":::", ""] if rows else []


def _plain(value) -> str:
    return f"{value:.4g}".replace("-", "−") if isinstance(value, (int, float)) else "–"


def _value(test: dict | None) -> str:
    return ours(test, 4) if test and measured(test) else "–"


def _provenance(run: dict) -> str:
    changed = ", ".join(f"{name} = {_words(value)}" for name, value in run["changed"].items())
    training = run.get("training")
    spent = f"{run['seconds']:.0f} s"
    if training:
        spent += (
            f" and {training['core_seconds']:.0f} core-seconds of training {training['networks']} "
            "networks"
        )
    command = run["command"].split(" -p ")[0]  # the parameters follow
    return (
        f"`{command}` ({changed or 'default parameters'}), {run['date']}, {spent} on "
        f"{run['device']}, commit `{run['commit'] or 'unknown'}`"
    )


def _words(value) -> str:
    return ", ".join(map(str, value)).join("[]") if isinstance(value, list) else str(value)
