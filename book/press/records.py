"""The records of a sweep: one small JSON file a run, there whole or not at all, written by whoever
finished it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from schurkit.claims import plain
from schurkit.store import Store

SCHEMA = 2
FINISHED, FAILED = "finished", "failed"
_KEY = re.compile(r"[A-Za-z_][\w.-]*")


class Records(Store):
    """The records of a sweep, by the keys of its runs."""

    suffixes = (".json",)
    again = "run"

    def name(self, record: Mapping) -> str:
        return record["key"]

    def record(self, key: str) -> dict | None:
        """That of a run; None without any, or with a damaged one (the run is then done again)."""
        there = self.read(_identity(key))
        return there and there[1]

    def keep(self, record: dict) -> bool:
        """Put a record there; returns whether that was possible."""
        return self.write(_identity(record["key"]), {}, record)


def _identity(key: str) -> dict:
    return {"schema": SCHEMA, "key": key}


def record(
    run: Mapping,
    work: Mapping,
    found: Mapping | None = None,
    *,
    problem: str = "",
    seconds: float = 0.0,
) -> dict:
    """What is kept of one run: finished with what it found, or failed with one line of why."""
    return {
        "key": run["key"],
        "target": work["target"],
        "values": run["values"],
        "status": FAILED if problem else FINISHED,
        "problem": problem,
        "found": dict(found or {}),
        "seconds": round(seconds, 3),
        "version": work["version"],
    }


def plain_results(found) -> dict:
    """What a function returned, as JSON has it: NaN and infinities become None (undefined).

    Raises
    ------
    TypeError, InputError : not a dict from names to what `schurkit.nb.record` takes.
    """
    if not isinstance(found, Mapping):
        raise TypeError(
            f"a function to sweep returns a dict of numbers and words; got {type(found).__name__}"
        )
    for name in found:
        if not isinstance(name, str) or not _KEY.fullmatch(name):
            raise TypeError(
                "a result needs a name of letters, digits, '_', '.' or '-' that starts with a "
                f"letter; got {name!r}"
            )
    return {name: plain(value, f"result {name!r}") for name, value in found.items()}
