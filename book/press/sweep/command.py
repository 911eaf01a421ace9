"""`schurkit sweep`: its arguments, and what it prints."""

import argparse
import csv
import json
from pathlib import Path

from schurkit.checks import InputError
from schurkit.store import written
from schurkit.words import plural
from schurkit_press.cli import book_argument, complain, count
from schurkit_press.parameters import told
from schurkit_press.plans import costs_of

from .executors import NAMES, SETTINGS, check_executor, read_settings
from .grid import HELP
from .sweep import OWN_COLUMNS, Sweep, SweepError, plan_sweep, run_sweep, studies_due
from .worker import FAILED, FINISHED, Records

_SHOWN = 20
PRICED = 500
"""Runs of a chapter that a dry run adds up the networks of."""


def add_sweep_arguments(parser) -> None:
    """Arguments of `schurkit sweep`."""
    add = parser.add_argument
    add(
        "target",
        metavar="CHAPTER",
        help="a chapter, or module:function (importing a module runs it)",
    )
    add("--grid", action="append", default=[], metavar="NAME=VALUES", help=HELP)
    add(
        "--executor",
        default="process",
        metavar="NAME",
        help=f"{', '.join(NAMES)} (default: process; dask: a cluster on this machine), or the "
        "address of a dask scheduler such as tcp://10.0.0.1:8786",
    )
    add("--workers", type=count, metavar="N", help="runs at a time (default: one a core)")
    cluster = "; ".join(f"{name}: {what}" for name, what in SETTINGS.items())
    add("--cluster", action="append", default=[], metavar="NAME=VALUE", help=cluster)
    add("--slurm", action="append", default=[], metavar="NAME=VALUE", help=argparse.SUPPRESS)
    add(
        "--stack",
        metavar="NAME",
        help="for a GPU: pass all values of this parameter at once, as seeds for seed",
    )
    add("--out", metavar="FILE", help="write the table here, as CSV")
    add("--retry", action="store_true", help="run those again that failed before")
    add("--dry-run", action="store_true", help="say what would be run, and stop")
    book_argument(parser)


def sweep_command(arguments) -> int:
    """Run `schurkit sweep`; returns the exit code: 0 if every run is finished, 1 if one failed, 130
    if interrupted.
    """
    if arguments.slurm:
        raise InputError(
            "--slurm is --cluster now: queue=… for partition=…, walltime=HH:MM:SS for minutes=…, "
            "memory=…GB for mem_gb=…, and directive=--… for the rest."
        )
    settings = read_settings(arguments.cluster)
    check_executor(arguments.executor, arguments.workers, settings)
    asked = {name: getattr(arguments, name) for name in ("stack", "retry", "book")}
    plan = plan_sweep(arguments.target, arguments.grid, **asked)
    out = Path(arguments.out) if arguments.out else None
    if out:
        check_table(out, plan)
    due = plan.due
    if arguments.dry_run and plan.target.chapter is not None and len(due) > PRICED:
        longest = max(plan.grid, key=lambda name: len(plan.grid[name]))
        raise InputError(
            f"a dry run adds up at most {PRICED} runs of a chapter; got {len(due):,}. Take a part "
            f"of {longest}."
        )
    # refuses, before anything is trained, what no network can have
    asked = studies_due(plan)
    size = " × ".join(f"{len(values)} {name}" for name, values in plan.grid.items())
    done, failed = len(plan.ended(FINISHED)), len(plan.ended(FAILED))
    before = f"{done} finished before, " * bool(done) + f"{failed} failed before, " * bool(failed)
    runs = plural(len(plan.runs), "run")
    print(f"{plan.target.name}: {size} = {runs}, {before}{len(due)} to run", flush=True)
    if arguments.dry_run:
        return _dry_run(plan, due, asked)
    try:
        run_sweep(plan, arguments.executor, arguments.workers, settings)
    except KeyboardInterrupt:
        return complain(f"interrupted; {_kept(plan)}", 130)
    except SweepError as error:
        return complain(error)
    return _report(plan, out)


def _dry_run(plan, due: list[dict], asked: list) -> int:
    _first([f"  {told(run['given'])}" for run in due], "  ", print)
    if asked:
        print(f"All together: {costs_of([asked], plan.store)[-1]}")
    return 0


def _report(plan, out: Path | None) -> int:
    if out:
        write_table(out, plan)
    else:
        shown = plan.table().drop(columns=["problem", "version"])
        print(shown.to_string(index=False, max_rows=_SHOWN))
    runs, finished = plural(len(plan.runs), "run"), plan.ended(FINISHED)
    failed = [
        f"{told(run['given'])}: {plan.records[run['key']]['problem']}" for run in plan.ended(FAILED)
    ]
    print(f"{runs}: {len(finished)} finished, {len(failed)} failed")
    if out:
        print(f"The table is in {out}")
    _first(failed, "", complain)
    return complain("run them again with --retry.") if failed else 0


def _first(lines: list[str], indent: str, say) -> None:
    for line in lines[:_SHOWN]:
        say(line)
    if len(lines) > _SHOWN:
        say(f"{indent}… and {len(lines) - _SHOWN:,} more")


def _kept(plan) -> str:
    # workers keep what they finish by themselves
    done = sum(map(Records(plan.folder).holds, plan.runs))
    return f"{done} of {len(plan.runs):,} runs are kept, and the same command goes on from there"


# ---------------------------------------------------------------------------------------- the table
def check_table(path: Path, plan: Sweep) -> None:
    """Raise InputError unless a table can be written there without losing one: the file is new, or
    each of its runs is one of this sweep.
    """
    if not path.parent.is_dir():
        raise InputError(f"--out: there is no folder {path.parent}.")
    if path.is_dir():
        raise InputError(f"--out must be a file; {path} is a folder.")
    if not path.exists():
        return
    ours = {tuple(str(_text(one)) for one in run["given"].values()) for run in plan.runs}
    names, end = list(plan.grid), list(OWN_COLUMNS)
    try:
        with path.open(encoding="utf-8", newline="") as file:
            head, *rows = csv.reader(file)
        fits = head[: len(names)] == names and head[-len(end) :] == end
        fits &= all(tuple(row[: len(names)]) in ours for row in rows)
    except (OSError, ValueError, csv.Error):
        fits = False
    if not fits:
        raise InputError(
            f"--out: {path} is there and is no table of this sweep, so it is left alone; name "
            "another file."
        )


def write_table(path: Path, plan: Sweep) -> None:
    """Write the table, whole or not at all; numbers are written so that they are read back as they
    were.
    """
    table = plan.table(object).map(_text)
    written(path, table.to_csv(index=False, lineterminator="\n").encode())


def _text(value):
    return json.dumps(value) if isinstance(value, list) else value
