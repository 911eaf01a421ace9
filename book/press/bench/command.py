"""`schurkit bench`: what it asks, runs, prints and keeps."""

from __future__ import annotations

import dataclasses
import os
import sys
import time
from pathlib import Path

from schurkit.checks import InputError
from schurkit_press.chapters import book_or_here, suggestion

from .contest import Settings
from .groups import GROUPS
from .machine import Watch, describe, load, machine
from .results import Report, Row, comparison, table

FOLDER = Path("_build/bench")
BUSY = 0.15
"""Share of the processors at work for others from which a run is called disturbed."""


def add_bench_arguments(parser) -> None:
    """The arguments of `schurkit bench`."""
    add = parser.add_argument
    groups = f"these groups alone, out of {', '.join(GROUPS)}"
    add("--only", nargs="+", default=[], metavar="NAME", help=groups)
    add(
        "--quick", action="store_true", help="fewer sizes and repeats, within a minute on two cores"
    )
    where = "where the group gpu computes: cuda, or cpu at tiny sizes to try it"
    add("--device", default="cuda", metavar="DEVICE", help=where)
    kept = "keep the numbers there too (always: in _build/bench)"
    add("--json", metavar="OUT.json", help=kept)
    compared = "hold this run against an earlier one; with two files nothing is run"
    add("--compare", nargs="+", default=[], metavar="OLD.json", help=compared)


def bench_command(arguments) -> int:
    """Run, print and keep; 1 if a contender failed, else 0."""
    for name in arguments.only:
        if name not in GROUPS:
            raise InputError(f"there is no group {name!r}{suggestion(name, GROUPS, 'takes')}")
    if arguments.device not in ("cuda", "cpu"):
        raise InputError(f"--device must be 'cuda' or 'cpu'; got {arguments.device!r}.")
    if len(arguments.compare) > 2:
        raise InputError(
            "--compare takes one file, or two to hold against each other; got "
            f"{len(arguments.compare)}."
        )
    kept = [Report.read(Path(path)) for path in arguments.compare]
    if len(kept) == 2:
        print(comparison(*kept))
        return 0
    out = _writable(Path(arguments.json)) if arguments.json else None
    settings = Settings(3, 0.25, True) if arguments.quick else Settings()
    settings = dataclasses.replace(settings, device=arguments.device)
    report = run(arguments.only or list(GROUPS), settings)
    for path in filter(None, (_place(report), out)):
        report.write(path)
        print(f"Kept in {os.path.relpath(path)}")
    if kept:
        print("\n" + comparison(kept[0], report))
    return 1 if any(row.note.startswith("failed:") for row in report.rows) else 0


def run(groups: list[str], settings: Settings) -> Report:
    """Measure these groups one after the other, and print each table as soon as it is there."""
    facts = machine()
    print(describe(facts) + "\n")
    if (facts["busy"] or 0) > BUSY:
        print(
            "This machine is busy with other work: times of several threads suffer most, so wait "
            "for a quiet moment before you trust a ratio.\n"
        )
    begun = time.monotonic()
    rows: list[Row] = []
    points: list[dict] = []
    disturbed: dict[str, float | None] = {}
    for name in groups:
        if sys.stderr.isatty():
            print(f"  {name} …", file=sys.stderr, flush=True)
        watch, start = Watch(), time.monotonic()
        measured, curve = GROUPS[name](settings)
        others = disturbed[name] = watch.others()
        rows += measured
        points += curve
        took = f"{time.monotonic() - start:.0f} s"
        if others is not None:
            took += f", others took {100 * others:.0f} % of the processors"
        about = " ".join(GROUPS[name].__doc__.split())
        print(f"{name}: {about}\n{table(measured)}\n({took})\n", flush=True)
    facts |= {"load_after": load()}
    seconds = time.monotonic() - begun
    if any((share or 0) > BUSY for share in disturbed.values()):
        print("Others used this machine meanwhile: do not trust the ratios of those groups.")
    judged = [row.met for row in rows if row.met is not None]
    print(
        f"{sum(judged)} of {len(judged)} targets reached, {seconds:.0f} s, load average "
        f"{facts['load']} before and {facts['load_after']} after"
    )
    return Report(
        facts,
        dataclasses.asdict(settings) | {"groups": groups},
        tuple(rows),
        tuple(points),
        {"seconds": round(seconds, 1), "others": disturbed},
    )


def _writable(path: Path) -> Path:
    """The path, if a file can be made there: asked before minutes are spent."""
    if path.is_dir() or not path.parent.is_dir():
        raise InputError(f"--json: {path} is no place for a file.")
    return path


def _place(report: Report) -> Path:
    """_build/bench/<commit>-<date>.json of the book, or of this folder where it is in none."""
    stamp = "".join(filter(str.isdigit, report.machine["date"]))
    commit = (report.machine["commit"] or "unknown").replace("+", "x")
    return book_or_here() / FOLDER / f"{commit}-{stamp}.json"
