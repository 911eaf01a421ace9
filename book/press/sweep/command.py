"""`schurkit sweep`: its arguments, and what it prints."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from schurkit.checks import InputError
from schurkit_press.plans import costs_of, merged

from .grid import HELP
from .slurm import SETTINGS, read_settings
from .sweep import (
    SweepError,
    check_stack,
    check_table,
    plan_sweep,
    rows_of,
    run_sweep,
    studies_due,
    summary,
    table_of,
    write_table,
)

_SHOWN = 20
PRICED = 500
"""Runs of a chapter that a dry run adds up the networks of."""


def add_sweep_arguments(parser) -> None:
    """Arguments of `schurkit sweep`."""
    parser.add_argument(
        "target",
        metavar="CHAPTER",
        help="a chapter, or module:function (importing a module runs it)",
    )
    parser.add_argument("--grid", action="append", default=[], metavar="NAME=VALUES", help=HELP)
    executors = (
        "serial, process (default), dask (a cluster on this machine), the address of a dask "
        "scheduler such as tcp://10.0.0.1:8786, or slurm"
    )
    parser.add_argument("--executor", default="process", metavar="NAME", help=executors)
    parser.add_argument(
        "--workers",
        type=_count,
        default=None,
        metavar="N",
        help="runs at a time (default: one a core)",
    )
    parser.add_argument(
        "--slurm",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help=f"what to ask of SLURM: {', '.join(SETTINGS)}",
    )
    parser.add_argument(
        "--stack",
        default=None,
        metavar="NAME",
        help="for a GPU: pass all values of this parameter at once, as seeds for seed",
    )
    parser.add_argument("--out", default=None, metavar="FILE", help="write the table here, as CSV")
    parser.add_argument("--retry", action="store_true", help="run those again that failed before")
    parser.add_argument("--dry-run", action="store_true", help="say what would be run, and stop")
    parser.add_argument(
        "--book",
        metavar="FOLDER",
        help="the book's folder (default: here, or the nearest one above)",
    )


def sweep_command(arguments) -> int:
    """Run `schurkit sweep`; returns the exit code: 0 if every run is finished, 1 if one failed, 130
    if interrupted.
    """
    from .executors import check_executor

    settings = read_settings(dict(_setting(text) for text in arguments.slurm))
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
    asked = merged(
        study for studies in studies_due(plan) for study in studies
    )  # refuses, before anything is trained, what no network can have
    size = " × ".join(f"{len(values)} {name}" for name, values in plan.grid.items())
    done, failed = plan.count("finished"), plan.count("failed")
    before = ", ".join(
        [f"{done} finished before"] * bool(done)
        + [f"{failed} failed before"] * bool(failed)
        + [f"{len(due)} to run"]
    )
    print(
        f"{plan.target.name}: {size} = {len(plan.runs):,} "
        f"run{'' if len(plan.runs) == 1 else 's'}, {before}",
        flush=True,
    )
    if arguments.dry_run:
        return _dry_run(plan, due, asked)
    try:
        run_sweep(
            plan, arguments.executor, arguments.workers, stack=arguments.stack, slurm=settings
        )
    except KeyboardInterrupt:
        print(f"schurkit: interrupted; {_kept(plan)}", file=sys.stderr)
        return 130
    except SweepError as error:
        print(f"schurkit: {error}", file=sys.stderr)
        return 1
    return _report(plan, out)


def _count(text: str) -> int:
    if not (text.isdecimal() and 1 <= int(text[:6]) <= 10_000):
        raise argparse.ArgumentTypeError(f"takes a whole number from 1 to 10,000; got {text!r}")
    return int(text)


def _setting(text: str) -> tuple[str, str]:
    name, sign, value = text.partition("=")
    if not sign:
        raise InputError(f"--slurm takes NAME=VALUE, as in partition=cpu; got {text!r}.")
    return name, value


def _dry_run(plan, due: list[dict], asked: list) -> int:
    for run in due[:_SHOWN]:
        print(f"  {_named(run['given'])}")
    if len(due) > _SHOWN:
        print(f"  … and {len(due) - _SHOWN:,} more")
    if asked:
        os.environ.setdefault("SCHURKIT_STORE", plan.store)
        print(f"All together: {costs_of([asked])[1]}")
    return 0


def _report(plan, out: Path | None) -> int:
    failed = [row for row in rows_of(plan) if row["status"] == "failed"]
    if out:
        write_table(out, plan)
    else:
        print(
            table_of(plan)
            .drop(columns=["problem", "version"])
            .to_string(index=False, max_rows=_SHOWN)
        )
    print(summary(plan))
    if out:
        print(f"The table is in {out}")
    for row in failed[:_SHOWN]:
        print(
            f"schurkit: {_named({name: row[name] for name in plan.grid})}: {row['problem']}",
            file=sys.stderr,
        )
    if len(failed) > _SHOWN:
        print(f"schurkit: … and {len(failed) - _SHOWN:,} more", file=sys.stderr)
    if failed:
        print("schurkit: run them again with --retry.", file=sys.stderr)
    return 1 if failed else 0


def _kept(plan) -> str:
    done = sum(
        (plan.folder / f"{run['key']}.json").is_file() for run in plan.runs
    )  # workers keep what they finish by themselves
    return f"{done} of {len(plan.runs):,} runs are kept, and the same command goes on from there"


def _named(values: dict) -> str:
    return ", ".join(f"{name} = {value!r}" for name, value in values.items())
