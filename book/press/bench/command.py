"""`schurkit bench`: what it asks, runs, prints and keeps."""

import dataclasses
import os
import sys
import time
from pathlib import Path

from schurkit.checks import InputError
from schurkit_press.chapters import book_or_here, named

from .contest import Settings
from .groups import GROUPS, measured
from .machine import Watch, describe, load, machine
from .results import Report, table

BUSY = 0.15
"""Share of the processors at work for others from which a run is called disturbed."""


def add_bench_arguments(parser) -> None:
    """The arguments of `schurkit bench`."""
    add = parser.add_argument
    groups = f"these groups alone, out of {', '.join(GROUPS)}"
    add("--only", nargs="+", default=list(GROUPS), metavar="NAME", help=groups)
    quick = "fewer sizes and repeats, within a minute on two cores"
    add("--quick", action="store_true", help=quick)
    where = "where the group gpu computes: cuda, or cpu at tiny sizes to try it"
    add("--device", default="cuda", choices=("cuda", "cpu"), help=where)
    kept = "keep the numbers there too (always: in _build/bench)"
    add("--json", metavar="OUT.json", type=Path, help=kept)


def bench_command(arguments) -> int:
    """Run, print and keep; 1 if a contender failed, else 0."""
    for name in arguments.only:
        named(name, GROUPS, "group")
    out = arguments.json
    if out and (out.is_dir() or not out.parent.is_dir()):
        raise InputError(f"--json: {out} is no place for a file.")
    spent = (3, 0.25, True) if arguments.quick else ()
    settings = Settings(*spent, device=arguments.device)
    report = run(arguments.only, settings)
    stamp = "".join(filter(str.isdigit, report.machine["date"]))
    commit = (report.machine["commit"] or "unknown").replace("+", "x")
    for path in filter(None, (book_or_here() / f"_build/bench/{commit}-{stamp}.json", out)):
        report.write(path)
        print(f"Kept in {os.path.relpath(path)}")
    return 1 if any(row.note.startswith("failed:") for row in report.rows) else 0


def run(groups: list[str], settings: Settings) -> Report:
    """Measure these groups one after the other, and print each table as soon as it is there."""
    facts, begun = machine(), time.monotonic()
    print(describe(facts) + "\n")
    if (facts["busy"] or 0) > BUSY:
        print(
            "This machine is busy with other work: times of several threads suffer most, so wait "
            "for a quiet moment before you trust a ratio.\n"
        )
    rows, disturbed = [], {}
    for name in groups:
        if sys.stderr.isatty():
            print(f"  {name} …", file=sys.stderr, flush=True)
        watch, start = Watch(), time.monotonic()
        found = measured(name, settings)
        others = disturbed[name] = watch.others()
        rows += found
        share = "" if others is None else f", others took {100 * others:.0f} % of the processors"
        about = f"{name}: {' '.join(GROUPS[name].__doc__.split())}"
        took = f"({time.monotonic() - start:.0f} s{share})"
        print(about, table(found), took + "\n", sep="\n", flush=True)
    facts["load_after"] = load()
    seconds = time.monotonic() - begun
    if any((share or 0) > BUSY for share in disturbed.values()):
        print("Others used this machine meanwhile: do not trust the ratios of those groups.")
    judged = [row.met for row in rows if row.met is not None]
    print(
        f"{sum(judged)} of {len(judged)} targets reached, {seconds:.0f} s, load average "
        f"{facts['load']} before and {facts['load_after']} after"
    )
    asked = dataclasses.asdict(settings) | {"groups": groups}
    return Report(facts, asked, tuple(rows), {"seconds": round(seconds, 1), "others": disturbed})
