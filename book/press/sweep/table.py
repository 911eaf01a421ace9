"""The table of a sweep as a CSV file."""

from __future__ import annotations

import csv
import json
from pathlib import Path

from schurkit.checks import InputError
from schurkit.store import written

from .sweep import OWN_COLUMNS, Sweep


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
