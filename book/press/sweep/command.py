"""`schurkit sweep`: its arguments, and what it prints."""

from __future__ import annotations

import argparse
import os
from itertools import chain
from pathlib import Path

from schurkit.checks import InputError
from schurkit.words import plural
from schurkit_press.cli import book_argument, complain, count
from schurkit_press.parameters import told
from schurkit_press.plans import costs_of, merged
from schurkit_press.records import FAILED, FINISHED

from .executors import NAMES, SETTINGS, check_executor, read_settings
from .grid import HELP
from .sweep import SweepError, check_stack, plan_sweep, run_sweep, studies_due
from .table import check_table, write_table

_SHOWN = 20
PRICED = 500
"""Runs of a chapter that a dry run adds up the networks of."""


def add_sweep_arguments(parser) -> None:
    """Arguments of `schurkit sweep`."""
    add = parser.add_argument
    target = "a chapter, or module:function (importing a module runs it)"
    add("target", metavar="CHAPTER", help=target)
    add("--grid", action="append", default=[], metavar="NAME=VALUES", help=HELP)
    executors = (
        f"{', '.join(NAMES)} (default: process; dask: a cluster on this machine), or the address "
        "of a dask scheduler such as tcp://10.0.0.1:8786"
    )
    add("--executor", default="process", metavar="NAME", help=executors)
    add("--workers", type=count, metavar="N", help="runs at a time (default: one a core)")
    cluster = "; ".join(f"{name}: {what}" for name, what in SETTINGS.items())
    add("--cluster", action="append", default=[], metavar="NAME=VALUE", help=cluster)
    add("--slurm", action="append", default=[], metavar="NAME=VALUE", help=argparse.SUPPRESS)
    stack = "for a GPU: pass all values of this parameter at once, as seeds for seed"
    add("--stack", metavar="NAME", help=stack)
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
    plan = plan_sweep(arguments.target, arguments.grid, retry=arguments.retry, book=arguments.book)
    check_stack(plan, arguments.stack)
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
    asked = merged(chain.from_iterable(studies_due(plan)))
    size = " × ".join(f"{len(values)} {name}" for name, values in plan.grid.items())
    done, failed = plan.count(FINISHED), plan.count(FAILED)
    before = f"{done} finished before, " * bool(done) + f"{failed} failed before, " * bool(failed)
    runs = plural(len(plan.runs), "run")
    print(f"{plan.target.name}: {size} = {runs}, {before}{len(due)} to run", flush=True)
    if arguments.dry_run:
        return _dry_run(plan, due, asked)
    try:
        run_sweep(
            plan, arguments.executor, arguments.workers, stack=arguments.stack, cluster=settings
        )
    except KeyboardInterrupt:
        return complain(f"interrupted; {_kept(plan)}", 130)
    except SweepError as error:
        return complain(error)
    return _report(plan, out)


def _dry_run(plan, due: list[dict], asked: list) -> int:
    for run in due[:_SHOWN]:
        print(f"  {told(run['given'])}")
    if len(due) > _SHOWN:
        print(f"  … and {len(due) - _SHOWN:,} more")
    if asked:
        os.environ.setdefault("SCHURKIT_STORE", plan.store)
        print(f"All together: {costs_of([asked])[1]}")
    return 0


def _report(plan, out: Path | None) -> int:
    if out:
        write_table(out, plan)
    else:
        shown = plan.table().drop(columns=["problem", "version"])
        print(shown.to_string(index=False, max_rows=_SHOWN))
    runs, finished = plural(len(plan.runs), "run"), plan.count(FINISHED)
    print(f"{runs}: {finished} finished, {plan.count(FAILED)} failed")
    if out:
        print(f"The table is in {out}")
    failed = [row for row in plan.rows() if row["status"] == FAILED]
    for row in failed[:_SHOWN]:
        given = told({name: row[name] for name in plan.grid})
        complain(f"{given}: {row['problem']}")
    if len(failed) > _SHOWN:
        complain(f"… and {len(failed) - _SHOWN:,} more")
    return complain("run them again with --retry.") if failed else 0


def _kept(plan) -> str:
    # workers keep what they finish by themselves
    done = sum((plan.folder / f"{run['key']}.json").is_file() for run in plan.runs)
    return f"{done} of {len(plan.runs):,} runs are kept, and the same command goes on from there"
