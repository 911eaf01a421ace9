"""What a sweep takes beside its runs, on a dask cluster of two workers on this machine."""

from __future__ import annotations

import tempfile
import time
from dataclasses import replace
from pathlib import Path

from .contest import Settings
from .results import AT_MOST, Row

SECONDS = 0.1


def pause(seed: int = 0) -> dict:
    """A run that takes a known time."""
    time.sleep(SECONDS)
    return {"seed": seed}


def sweep(settings: Settings):
    """A sweep of runs that each wait for .1 s; what starting the workers takes is left out."""
    runs = 100 if settings.quick else 1000
    what = f"a run of a sweep, beside the run itself ({runs:,} runs, two dask workers)"
    row = Row("sweep", what, unit="ms", target=20.0, sense=AT_MOST)
    try:
        started, took = _took(2), _took(runs)
    except ImportError as reason:
        yield row.noted(f"skipped: {reason}")
    else:
        yield replace(row, value=1e3 * ((took - started) / (runs - 2) - SECONDS / 2))


def _took(runs: int) -> float:
    from schurkit_press.sweep.sweep import sweep as run

    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        table = run(pause, {"seed": range(runs)}, "dask", 2, folder=Path(folder))
        took = time.perf_counter() - start
    if list(table.seed) != list(range(runs)):
        raise RuntimeError("a sweep lost runs.")
    return took
