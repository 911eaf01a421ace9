"""The table of a sweep: one row a run, as rows, as a DataFrame and as a CSV file."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import TYPE_CHECKING

from schurkit.checks import InputError
from schurkit.store import written
from schurkit.words import plural
from schurkit_press.records import FAILED, FINISHED

if TYPE_CHECKING:
    from .sweep import Sweep

OWN_COLUMNS = ("status", "problem", "seconds", "key", "version")


def rows_of(plan: Sweep) -> list[dict]:
    """One row a run that has ended: parameters, results, and what is known about the run."""
    return [_row(run, plan.records[run["key"]]) for run in plan.runs if run["key"] in plan.records]


def _row(run: dict, record: dict) -> dict:
    taken = {*run["given"], *OWN_COLUMNS}
    results = {
        f"found_{name}" if name in taken else name: value for name, value in record["found"].items()
    }
    return run["given"] | results | {name: record[name] for name in OWN_COLUMNS}


def columns_of(plan: Sweep, rows: list[dict]) -> list[str]:
    """Parameters, results as they first appear, and the columns about the run."""
    names = dict.fromkeys(plan.grid) | dict.fromkeys(name for row in rows for name in row)
    return [*(name for name in names if name not in OWN_COLUMNS), *OWN_COLUMNS]


def table_of(plan: Sweep):
    """The rows as a DataFrame."""
    import pandas as pd

    rows = rows_of(plan)
    return pd.DataFrame(rows, columns=columns_of(plan, rows))


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
    ours = {_texts(run["given"].values()) for run in plan.runs}
    try:
        with path.open(encoding="utf-8", newline="") as file:
            head, *rows = csv.reader(file)
    except (OSError, ValueError, csv.Error):
        head, rows = [], []
    names = list(plan.grid)
    if (
        head[: len(names)] != names
        or head[-len(OWN_COLUMNS) :] != list(OWN_COLUMNS)
        or not all(tuple(row[: len(names)]) in ours for row in rows)
    ):
        raise InputError(
            f"--out: {path} is there and is no table of this sweep, so it is left alone; name "
            "another file."
        )


def write_table(path: Path, plan: Sweep) -> None:
    """Write the table as CSV, whole or not at all; numbers are written so that they are read back
    as they were.
    """
    rows = rows_of(plan)
    names = columns_of(plan, rows)
    table = io.StringIO(newline="")
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(names)
    writer.writerows(_texts(row.get(name) for name in names) for row in rows)
    written(path, table.getvalue().encode())


def _texts(values) -> tuple[str, ...]:
    return tuple(
        "" if value is None else json.dumps(value) if isinstance(value, list) else str(value)
        for value in values
    )


def summary(plan: Sweep) -> str:
    """How the runs of a sweep ended, in one line."""
    finished, failed = plan.count(FINISHED), plan.count(FAILED)
    return f"{plural(len(plan.runs), 'run')}: {finished} finished, {failed} failed"
