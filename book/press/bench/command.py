"""`schurkit bench`: what it asks, runs, prints and keeps."""

from __future__ import annotations

import dataclasses
import os
import sys
import time
from difflib import get_close_matches
from pathlib import Path

from schurkit.checks import InputError

from .groups import GROUPS, Settings
from .machine import Watch, describe, load, machine
from .results import Report, Row, comparison, table

FOLDER = Path("_build/bench")
BUSY = 0.15
"""Share of the processors at work for others from which a run is called disturbed."""


def add_bench_arguments(parser) -> None:
    """The arguments of `schurkit bench`."""
    parser.add_argument(
        "--only",
        nargs="+",
        default=[],
        metavar="NAME",
        help=f"these groups alone, out of {', '.join(GROUPS)}",
    )
    parser.add_argument(
        "--quick", action="store_true", help="fewer sizes and repeats, within a minute on two cores"
    )
    parser.add_argument(
        "--device",
        default="cuda",
        metavar="DEVICE",
        help="where the group gpu computes: cuda, or cpu at tiny sizes to try it",
    )
    parser.add_argument(
        "--json", metavar="OUT.json", help="keep the numbers there too (always: in _build/bench)"
    )
    parser.add_argument(
        "--compare",
        nargs="+",
        default=[],
        metavar="OLD.json",
        help="hold this run against an earlier one; with two files nothing is run",
    )


def bench_command(arguments) -> int:
    """Run, print and keep; 1 if a contender failed, else 0."""
    groups = [_group_named(name) for name in arguments.only] or list(GROUPS)
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
    report = run(groups, dataclasses.replace(settings, device=arguments.device))
    for path in (_place(report), *([out] if out else [])):
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
        watch = Watch()
        start = time.monotonic()
        found, curve = GROUPS[name](settings)
        disturbed[name] = watch.others()
        rows += found
        points += curve
        at_work = (
            ""
            if disturbed[name] is None
            else f", others took {100 * disturbed[name]:.0f} % of the processors"
        )
        print(
            f"{name}: "
            f"{' '.join(GROUPS[name].__doc__.split())}\n{table(found)}\n({time.monotonic() - start:.0f} "
            f"s{at_work})\n",
            flush=True,
        )
    facts |= {"load_after": load()}
    seconds = time.monotonic() - begun
    if max((share or 0 for share in disturbed.values()), default=0) > BUSY:
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


def _group_named(name: str) -> str:
    if name not in GROUPS:
        near = get_close_matches(name, GROUPS, 1)
        raise InputError(
            f"there is no group {name!r}; "
            + (f"did you mean {near[0]!r}?" if near else f"it takes {', '.join(GROUPS)}.")
        )
    return name


def _writable(path: Path) -> Path:
    """The path, if a file can be made there: asked before minutes are spent."""
    if path.is_dir() or not path.parent.is_dir():
        raise InputError(f"--json: {path} is no place for a file.")
    return path


def _place(report: Report) -> Path:
    """_build/bench/<commit>-<date>.json in the book's folder, if this is one or lies in one, else
    here.
    """
    here = Path.cwd()
    root = next(
        (folder for folder in (here, *here.parents) if (folder / "_toc.yml").is_file()), here
    )
    stamp = "".join(c for c in report.machine["date"] if c.isdigit())
    return (
        root / FOLDER / f"{(report.machine['commit'] or 'unknown').replace('+', 'x')}-{stamp}.json"
    )
