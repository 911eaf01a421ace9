"""A book: chapters, claims, and the runs that this copy shows, each read once, when asked for; a
page is a function of it. Published runs: the results of a large edition, committed in book/data/
with their provenance, and shown beside what a build computes live.
"""

import base64
import json
import os
import re
import tempfile
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from schurkit import nb
from schurkit.checks import InputError
from schurkit.claims import Claim, load_claims, parts

from .chapters import (
    RUN,
    Chapter,
    chapters,
    named,
    outputs,
    read_json,
    read_yaml,
    run_of,
    write_json,
)

DATA = Path("book/data")
BASE = "book"
"""The edition whose results stand in book/data/<chapter>/; those of another one stand in
book/data/<edition>/<chapter>/ and are shown beside them.
"""
BY_ITSELF = {"knobs"}
"""A study that goes by its own time: what is published is that of a larger edition, and what the
whole of an edition takes may be measured without it.
"""
WHOLE = "whole_run.json"
SCHEMA = 1
CSV_LINK = re.compile(
    r'<a download="([a-z0-9-]+\.csv)" href="data:text/csv;base64,([A-Za-z0-9+/=]*)">'
)


@dataclass(frozen=True, eq=False)
class Book:
    """A book as it lies in its folder.

    root : the folder.
    edition : whose runs this copy shows.
    executed : where the run of each chapter lies; None for one that is shown as it stands.
    jobs : of the chapters that a build would run.
    """

    root: Path
    edition: str = "quick"
    executed: dict[str, Path | None] = field(default_factory=dict)
    jobs: list = field(default_factory=list)

    @cached_property
    def chapters(self) -> dict[str, Chapter]:
        """By name, in the order of the book."""
        return chapters(self.root)

    @cached_property
    def editions(self) -> dict[str, dict[str, dict]]:
        """By edition and chapter, the parameters that differ from the defaults of the notebook,
        each checked against it.

        Raises
        ------
        InputError : book/editions.yml is not of the form ``name: {purpose: text, chapters:
            {chapter: {parameter: value}}}``, or names an unknown chapter or parameter.
        """
        try:
            entries = read_yaml(self.root / "book" / "editions.yml")
        except OSError:
            raise InputError("there is no book/editions.yml.") from None
        if not isinstance(entries, dict) or not entries:
            raise InputError(
                "editions.yml must map the name of each edition to its purpose and chapters."
            )
        return {name: _edition(name, entry, self.chapters) for name, entry in entries.items()}

    @cached_property
    def claims(self) -> dict[str, Claim]:
        """By id, in the order of book/claims.yml."""
        return load_claims(self.root / "book" / "claims.yml")

    @cached_property
    def published(self) -> dict[str, dict]:
        """Published results of the book's chapters, see `published`."""
        return {
            name: results for name, results in published(self.root).items() if name in self.chapters
        }

    @cached_property
    def notebooks(self) -> dict[str, dict | None]:
        """The executed notebook of each chapter; None for one that was not run."""
        return {name: path and read_json(path) for name, path in self.executed.items()}


def _edition(name, entry, chapters: dict[str, Chapter]) -> dict[str, dict]:
    match entry:
        case {"purpose": str(), **rest} if set(rest) <= {"chapters"}:
            given = rest.get("chapters") or {}
        case _:
            raise InputError(
                f"editions.yml: {name} must have a purpose (text) and may have chapters; got "
                f"{entry!r}."
            )
    found = {}
    try:
        if not isinstance(given, dict):
            raise InputError(f"chapters must map a chapter to its parameters; got {given!r}.")
        for chapter, values in given.items():
            known = named(chapter, chapters, "chapter")
            if not isinstance(values or {}, dict):
                raise InputError(f"{chapter} must map parameters to values; got {values!r}.")
            found[chapter] = known.values(values or {})
    except InputError as error:
        raise InputError(f"editions.yml: {name}: {error}") from None
    return found


# ----------------------------------------------------------------------------------- published runs
def publish(
    root: Path, edition: str, name: str, executed: Path, own: bool = False, note: str = ""
) -> Path:
    """Write the results of one executed chapter to book/data/<chapter>/ (of another edition than
    "book": book/data/<edition>/<chapter>/).

    Returns that folder.

    results.json holds what the chapter recorded, its claims, and the provenance (command, commit,
    device, seconds, versions, parameters); every CSV file behind a figure or table stands beside
    it. The folder is replaced as a whole.

    Parameters
    ----------
    root : the book's folder.
    edition : its name.
    name : the chapter.
    executed : its executed notebook.
    own : the notebook was run with parameters of its own, and the provenance says so.
    note : a sentence for the provenance, such as what earlier runs had left in the store.

    Raises
    ------
    InputError : the notebook does not say how it was run, or cannot be read.
    """
    try:
        notebook = read_json(executed)
        run = run_of(notebook)
    except (OSError, ValueError, AttributeError) as error:
        raise InputError(
            f"{executed.name} cannot be read as an executed notebook ({error})."
        ) from None
    if not run:
        raise InputError(
            f"{executed.name} does not say how it was run; run the chapter with 'schurkit build "
            f"--edition {edition}'."
        )
    if run.get("chapter", name) != name:
        raise InputError(f"{executed.name} is a run of {run['chapter']}, not of {name}.")
    command = {"command": _command(edition, name, run, own), "edition": edition}
    results = {
        "schema": SCHEMA,
        "chapter": name,
        "provenance": command | dict(sorted(run.items())) | ({"note": note} if note else {}),
        "records": nb.records(notebook),
        "claims": nb.claims({"cells": notebook["cells"]}),  # the provenance has the parameters
    }
    target = folder(root, edition, name)
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{name}.") as begun:
        fresh = Path(begun) / name
        write_json(fresh / "results.json", results)
        for file, content in embedded_files(notebook).items():
            (fresh / file).write_bytes(content)
        if target.exists():
            os.replace(target, Path(begun) / "old")
        os.replace(fresh, target)
    return target


def folder(root: Path, edition: str, name: str) -> Path:
    """Where the published run of a chapter lies."""
    return root / DATA / ("" if edition == BASE else edition) / name


def _command(edition: str, name: str, run: dict, own: bool) -> str:
    if own:
        changed = run["changed"].items()
        given = (f" -p {key} '{json.dumps(value)}'" for key, value in changed)
        return f"schurkit run {name}{''.join(given)}"
    if edition == BASE:
        return f"make book EDITION={edition}"
    return f"schurkit build --edition {edition} --only {name}"


def embedded_files(notebook: dict) -> dict[str, bytes]:
    """The CSV files behind the figures and tables of an executed notebook, by file name."""
    texts = (output.get("data", {}).get("text/html", "") for output, _ in outputs(notebook))
    return {
        file: base64.b64decode(content)
        for text in texts
        for file, content in CSV_LINK.findall("".join(text))
    }


def publish_whole(root: Path, told: Path, keys: list[str]) -> None:
    """Keep in book/data what the whole edition took from nothing (`schurkit_press.build.WHOLE`), if
    it was the runs of those keys.
    """
    try:
        content = read_json(told)
        run = content.pop("keys")
    except FileNotFoundError:
        return
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{told} cannot be read ({error}); delete it.") from None
    if run == keys:
        write_json(root / DATA / WHOLE, content)


def published(root: Path) -> dict[str, dict]:
    """The published results by chapter, as results.json has them; those of larger editions stand in
    a list below "larger".

    Each claim carries its chapter and edition, and the parameters of its run in `values`, as those
    of `schurkit.nb.claims` do.

    A chapter that only a larger edition published has that one as its results.

    Raises
    ------
    InputError : a results.json that cannot be read.
    """
    found: dict[str, dict] = {}
    paths = (root / DATA).rglob("results.json")
    for path in sorted(paths, key=lambda path: (len(path.parts), path)):
        results = _read(root, path)
        base = found.setdefault(path.parent.name, results)
        if base is not results:
            base.setdefault("larger", []).append(results)
    return found


def editions_of(results: dict) -> list[dict]:
    """The published results of a chapter: those of the book edition, then of larger ones."""
    return [results, *results.get("larger", [])]


def strongest(results: dict) -> list[dict]:
    """The published tests of a chapter: those of a larger edition where it has a value, else those
    of the book edition.
    """
    tests = {
        test["id"]: test
        for one in editions_of(results)
        for test in one["claims"]
        if one is results or measured(test)
    }
    return list(tests.values())


def _read(root: Path, path: Path) -> dict:
    try:
        results = read_json(path)
        run = results["provenance"]
        if results["schema"] != SCHEMA or not run.keys() >= RUN | {"command"}:
            raise ValueError("unknown form")
        told = {"chapter": path.parent.name, "edition": run["edition"], "values": run["values"]}
        claims = [test | told for test in results["claims"]]
        return results | {"records": results["records"], "claims": claims}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"{path.relative_to(root).as_posix()} cannot be read ({error}); write it again with "
            "'schurkit publish --edition book'."
        ) from None


def measured(told: dict) -> bool:
    """Whether a test of a claim has a value."""
    return any(part["value"] is not None for part in parts(told).values())


def agrees(claim: Claim, live: dict, kept: dict) -> bool | None:
    """Whether a live test of a claim agrees with the published one: both satisfy the rule or
    neither does, and intervals overlap.

    None where one of them measured nothing: that is no disagreement. Of several tasks, each that
    both measured has to agree.
    """
    here, there = parts(live), parts(kept)
    found = [_agrees(claim, here[name], there[name]) for name in here if name in there]
    return None if all(one is None for one in found) else False not in found


def _agrees(claim: Claim, live: dict, kept: dict) -> bool | None:
    if None in (live["value"], kept["value"]):
        return None
    if claim.rule.satisfied(live["value"]) != claim.rule.satisfied(kept["value"]):
        return False
    ours, theirs = live["interval"], kept["interval"]
    return not ours or not theirs or (ours[0] <= theirs[1] and theirs[0] <= ours[1])
