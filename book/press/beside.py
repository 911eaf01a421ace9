"""The published run of a chapter on its page, beside the one that this copy made: its numbers in
the prose, a line, and sections in MyST markdown.
"""

import csv
from collections import defaultdict
from contextlib import suppress
from math import isnan

from nbformat.v4 import new_code_cell, new_output

from schurkit import nb
from schurkit.checks import InputError
from schurkit.claims import Claim, beyond, ours
from schurkit.words import cell, plural, short

from .book import DATA, Book, agrees, embedded_files, folder, measured, strongest
from .chapters import outputs, run_of
from .panels import PANELS, svg
from .parameters import told
from .tables import table
from .verdicts import explained

PRECISION = {"counts", "draws", "orders", "pif_starts", "resamples", "resolution", "test_trials"}
PRECISION |= {"other_rank", "retraining_steps", "seconds", "wide_pif_starts", "wide_units"}
"""Parameters that set how precisely something is measured, how long it is watched, or by which
second setting a sign is tried, and not what is measured.
"""
WHOLE = {"auxiliary", "every_variant"}
"""Switches that are off where a part of the published run is left out."""
FORMS = {int: ",", float: ".4g"}
"""How the numbers of a run are written."""


def other_parameters(book: Book, name: str) -> list[str]:
    """Where this run of a chapter asks something else than the published one, each as "bits 2
    instead of 3".

    Seeds, numbers of networks and `PRECISION` do not count, nor does a list that is part of the
    published one.
    """
    here = run_of(book.notebooks[name]).get("values", {})
    there = book.published[name]["provenance"]["values"]
    return [
        f"{key} {here[key]} instead of {there[key]}".replace("'", "")
        for key in here
        if key in there
        and key not in PRECISION
        and "seed" not in key
        and not key.endswith(("networks", "gated"))
        and here[key] != there[key]
        and not (type(here[key]) is type(there[key]) is list and {*here[key]} <= {*there[key]})
        and (here[key] or key not in WHOLE)
    ]


def _carrying(book: Book, name: str) -> dict | None:
    """The published results that carry the page of a chapter; None where this copy asks something
    else.
    """
    kept = book.published.get(name)
    return None if kept is None or other_parameters(book, name) else kept


def published_numbers(book: Book, name: str) -> dict:
    """A cell without words that gives the prose every number K of the published run as
    ``published.K``; that of this run where the published one has none, or was asked something else.
    """
    records = nb.records(book.notebooks[name] or {})
    if kept := _carrying(book, name):
        records |= kept["records"]
    glued = (nb.glued(f"published.{key}", value) for key, value in records.items())
    outputs = [new_output("display_data", data, metadata=about) for data, about in glued]
    return new_code_cell(
        id="published-numbers", metadata={"tags": ["remove-cell"]}, outputs=outputs
    )


def strip(book: Book, name: str) -> str:
    """What stands under the title of a chapter: the published run, this run, and how many of its
    values lie in the range of the published networks. The table of values is the one that
    `schurkit.nb.published` names, else the first with a row a network and removal.
    """
    run = run_of(book.notebooks[name])
    kept = book.published.get(name, {}).get("provenance")
    there, live = _values(book, name) if run and kept else ({}, {})
    text = "This copy did not run the chapter. "
    if run:
        seeds, first = "", run["values"].get("first_seed")
        if first is not None:
            last = first + run["values"].get("networks", 1) - 1
            seeds = f"seed{'s' * (last > first)} {first}{f' to {last}' * (last > first)}, "
        cores = run["device"].rpartition(", ")[2]
        text = f"**This copy**: {_count(live, run)}{seeds}{run['seconds']:.0f} s on {cores}. "
    if not kept:
        return f"{text}No run of this chapter is published: this page stands on its own run."
    if other := other_parameters(book, name):
        return (
            f"{text}Other parameters than the published run's ({', '.join(other)}): this page "
            "stands on its own run."
        )
    shares = _shares(there, live) if there else ""
    return f"**Published**: {_count(there, kept)}{kept['date']}. {text}{shares}"


def picture(book: Book, name: str) -> str:
    """The published profile of a chapter's task with the networks of this copy on the same axes, in
    HTML; nothing where either is missing, or has other parameters.
    """
    if name not in PANELS or not book.notebooks[name] or not _carrying(book, name):
        return ""
    panel, (_, live) = PANELS[name], _values(book, name)
    if not live:
        return ""
    rows = [
        row._replace(here=[panel.sign * cost for _, cost in live.get(row.name, ())])
        for row in panel.rows(book.root / DATA, name)
    ]
    words = "Filled: published networks without a group of connections, and (grey) after a change "
    words += "of the same strength elsewhere. Hollow: the networks of this copy. Bars: means. "
    words += "Dashed outline: next to nothing to remove; ∅: in so many, nothing."
    drawn = f"{svg(*panel.drawn(rows))}<figcaption>{words}</figcaption>"
    return f'```{{raw}} html\n<figure class="schurkit-here">{drawn}</figure>\n```\n'


def _count(groups: dict, run: dict) -> str:
    """Of how many networks values are, or what the run says."""
    labels = {label for values in groups.values() for label, _ in values}
    count = max(map(len, groups.values()), default=0) if None in labels else len(labels)
    for known in (run["values"], run["training"] or {}):
        count = count or known.get("networks")
    return f"{plural(count, 'network')}, " if count else ""


def _values(book: Book, name: str) -> tuple[dict, dict]:
    """The values of the published and of this run, by group."""
    where = folder(book.root, book.published[name]["provenance"]["edition"], name)
    files = embedded_files(book.notebooks[name])
    told = [said for _, said in outputs(book.notebooks[name], "published")]
    tables = told or [{"name": file[:-4], "by": "removed", "value": "delta"} for file in files]
    for said in tables:
        file = where / f"{said['name']}.csv"
        if file.name not in files:
            raise InputError(
                f"{name}: nb.published names {said['name']!r}; the chapter shows no such numbers, "
                f"it has {', '.join(files) or 'none'}."
            )
        kept = file.read_bytes() if file.is_file() else b""
        there, live = (
            _groups(content, said["by"], said["value"]) for content in (kept, files[file.name])
        )
        if (there and live) or told:
            return there, live
    return {}, {}


def claim_line(book: Book, name: str, claim: Claim, here: dict) -> str:
    """A claim in one line: the verdict on the published run, its value and this run's; that of this
    run alone where it has other parameters, or nothing is published.
    """
    carrying = _carrying(book, name)
    kept = strongest(carrying) if carrying else []
    told = next((test for test in kept if test["id"] == claim.id and measured(test)), here)
    text = f"**{explained(claim, told)}** {claim.statement} {ours(told)}"
    if told is not here and measured(here):
        against = " (**disagrees**)" if agrees(claim, here, told) is False else ""
        text += f"; here {ours(here)}{against}"
    return text + (f". Beyond its control: {beyond(told)}." if told.get("beyond") else ".")


def _groups(content: bytes, by: str, value: str) -> dict[str, list[tuple]]:
    """(label of its network, value) of the removals in the rows of a CSV file, by the column
    `by`.
    """
    groups = defaultdict(list)
    for row in csv.DictReader(content.decode().splitlines()):
        with suppress(ValueError):
            number = float(row.get(value) or "nan")
            if row.get(by) and row.get("kind", "removal") == "removal" and not isnan(number):
                groups[row[by]].append((row.get("network", row.get("seed")), number))
    return groups


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
            inside += low - 1e-5 * abs(low) <= value <= high + 1e-5 * abs(high)
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


def section(book: Book, name: str, files: list[str], link: str, run: dict) -> str:
    """The section of a chapter's page on a published run: how it was made, and its numbers beside
    this copy's; those of a larger edition beside the published run's.

    files : names of its CSV files.
    link : where they lie, seen from the page.
    run : the published results of the chapter, or one of their "larger".
    """
    base, notebook, made = book.published[name], book.notebooks[name], run["provenance"]
    title, heads = "The published run", "Number|Published:|Here:"
    beside = nb.records(notebook or {})
    if run is not base:
        edition, beside = f"{made['edition']} edition", base["records"]
        title, heads = f"The {edition} of this chapter", f"Number|In the {edition}:|Published run:"
    note = made.get("note", "").strip().rstrip(".")
    lines = [f"## {title}", "", f"{_provenance(made)}.{note and f' {note}.'}", ""]
    there, here = (
        {key: cell(one, FORMS[type(one)]) for key, one in records.items() if type(one) in FORMS}
        for records in (run["records"], beside)
    )
    rows = [[f"`{key}`", words, here.get(key, "–")] for key, words in there.items()]
    if rows:
        lines += [":::{dropdown} Every recorded number", *table(heads, rows), ":::", ""]
    links = (f'<a download href="{link}/{file}">{file}</a>' for file in files)
    lines += [f"Its numbers: {', '.join(links)}.", ""] if files else []
    return "\n".join(lines)


def _provenance(run: dict) -> str:
    training = run["training"]
    spent = f"{run['seconds']:.0f} s"
    if training:
        spent += (
            f" and {training['core_seconds']:.0f} core-seconds of training {training['networks']} "
            "networks"
        )
    command = run["command"].split(" -p ")[0]  # the parameters follow
    changed = told(run["changed"]).replace("'", "") or "default parameters"
    return (
        f"`{command}` ({changed}), {run['date']}, {spent} on {run['device']}, commit "
        f"`{run['commit'] or 'unknown'}`"
    )
