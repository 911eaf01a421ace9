"""The records of a sweep: one small JSON file a run, there whole or not at all, written by whoever
finished it.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Mapping
from pathlib import Path

from schurkit.store import written

SCHEMA = 1
FINISHED, FAILED = "finished", "failed"
_FIELDS = {"schema", "key", "target", "values", "status", "problem", "found", "seconds", "version"}
_KEY = re.compile(r"[A-Za-z_][\w.-]*")


def record(
    run: Mapping,
    work: Mapping,
    *,
    found: Mapping | None = None,
    problem: str = "",
    seconds: float = 0.0,
) -> dict:
    """What is kept of one run: finished with what it found, or failed with one line of why."""
    return {
        "schema": SCHEMA,
        "key": run["key"],
        "target": work["target"],
        "values": run["values"],
        "status": FAILED if problem else FINISHED,
        "problem": problem,
        "found": dict(found or {}),
        "seconds": round(seconds, 3),
        "version": work["version"],
    }


def write_record(folder: Path, record: Mapping) -> bool:
    """Put a record into its folder under a temporary name and rename it; returns whether that was
    possible.
    """
    # in the order of the results: that of the columns
    body = json.dumps({"sha256": _digest(record), "record": record})
    try:
        written(folder / f"{record['key']}.json", body.encode())
    except OSError:
        return False
    return True


def read_record(folder: Path, key: str) -> dict | None:
    """The record of that run; None if there is none, or if it is damaged (the run is then done
    again).
    """
    try:
        content = json.loads((folder / f"{key}.json").read_text(encoding="utf-8"))
        kept = content["record"]
        sound = content["sha256"] == _digest(kept) and set(kept) == _FIELDS
        return kept if sound and (kept["schema"], kept["key"]) == (SCHEMA, key) else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def plain_results(found) -> dict:
    """What a function returned, as JSON has it: NaN and infinities become None (undefined).

    Raises
    ------
    TypeError : not a dict from names to numbers, texts, truth values or None.
    """
    if not isinstance(found, Mapping):
        raise TypeError(
            f"a function to sweep returns a dict of numbers and words; got {type(found).__name__}"
        )
    plain = {}
    for name, value in found.items():
        if not isinstance(name, str) or not _KEY.fullmatch(name):
            raise TypeError(
                "a result needs a name of letters, digits, '_', '.' or '-' that starts with a "
                f"letter; got {name!r}"
            )
        value = value.item() if hasattr(value, "item") and getattr(value, "ndim", 0) == 0 else value
        if isinstance(value, float):
            value = float(value) if math.isfinite(value) else None
        if value is not None and not isinstance(value, (bool, int, float, str)):
            raise TypeError(
                f"result {name!r} must be a number, a text, true or false, or None; got "
                f"{type(value).__name__}"
            )
        plain[name] = value
    return plain


def _digest(record: Mapping) -> str:
    text = json.dumps(record, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()
