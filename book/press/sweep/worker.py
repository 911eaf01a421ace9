"""One piece of a sweep's work, done wherever it was sent: in this process, a spawned one, a dask
worker or a SLURM job.

Work and results are plain values. A worker first holds its own code and packages against those of
the sender, so that a table never mixes two versions; it then runs, and keeps the record itself
where it sees the sweep's folder, so that a sender that is gone loses nothing.
"""

import contextlib
import os
import re
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from schurkit import nb
from schurkit.claims import plain
from schurkit.store import Store
from schurkit_press.chapters import chapter_named
from schurkit_press.kernel import first_line, in_environment
from schurkit_press.run import THREAD_SETTINGS, job_for, run_job

from .targets import find_function, fingerprint_of

THREADS = {name: "1" for name in (*THREAD_SETTINGS, "NUMBA_NUM_THREADS", "SCHURKIT_THREADS")}
"""Every worker computes with one thread: as many workers as cores then use the machine, and a sum
has one order everywhere.
"""
SCHEMA = 2
FINISHED, FAILED = "finished", "failed"
_KEY = re.compile(r"[A-Za-z_][\w.-]*")


def perform(work: dict) -> list[dict]:
    """Do one piece of work and return the records of its runs; whatever goes wrong in a run is in
    its record.

    Parameters
    ----------
    work : target (name), place, runs (each with key and values), stack (a parameter whose values
        are passed as one list, or None), expected (the sender's fingerprint), version, folder (of
        the records), store.
    """
    start, runs, problem = time.monotonic(), work["runs"], ""
    found = [{} for _ in runs]
    with _environment(work):
        try:
            here = fingerprint_of(work["target"], work["place"])
            if differ := {name for name, _ in here.items() ^ work["expected"].items()}:
                raise _RunFailed(
                    f"for {work['target']} the worker has another {', '.join(sorted(differ))} than "
                    "the sender; install the same versions on both"
                )
            found = _function(work) if ":" in work["target"] else _chapter(work)
        except _RunFailed as error:
            problem = str(error)
        # whatever it was, the others go on and the table says it
        except (Exception, SystemExit) as error:
            problem = f"{type(error).__name__}: {first_line(error)}"
    seconds = (time.monotonic() - start) / len(runs)
    done = [record(run, work, one, problem, seconds) for run, one in zip(runs, found)]
    if Path(work["folder"]).is_dir():
        for one in done:
            Records(work["folder"]).keep(one)
    return done


class _RunFailed(Exception):
    """A run failed; the message is the line for the table."""


@contextlib.contextmanager
def _environment(work: dict) -> Iterator[None]:
    """One thread, the sender's store and the function's folder; this process's own settings come
    back afterwards.
    """
    from threadpoolctl import threadpool_limits

    if ":" in work["target"] and work["place"] not in sys.path:
        sys.path.append(work["place"])
    settings = {**os.environ, **THREADS, "SCHURKIT_STORE": work["store"]}
    with in_environment(settings), threadpool_limits(1):
        yield


def _function(work: dict) -> list[dict]:
    function, stack = find_function(work["target"]), work["stack"]
    if stack is None:
        return [plain_results(function(**run["values"])) for run in work["runs"]]
    shared = {name: value for name, value in work["runs"][0]["values"].items() if name != stack}
    wanted = [run["values"][stack] for run in work["runs"]]
    found = function(**shared, **{f"{stack}s": wanted})
    several = isinstance(found, (list, tuple))
    if not several or len(found) != len(wanted):
        got = f"{len(found)} results" if several else type(found).__name__
        raise _RunFailed(
            f"given {stack}s, a function returns a list of {len(wanted)} dicts, one each; got {got}"
        )
    return [plain_results(one) for one in found]


def _chapter(work: dict) -> list[dict]:
    """Run a chapter once (or find that it was run) and read back what it recorded."""
    root, name, (run,) = Path(work["place"]), work["target"], work["runs"]
    job = job_for(root, chapter_named(root, name), run["values"])
    if not job.cached and (problem := run_job(root, job, 1).problem):
        raise _RunFailed(problem.removeprefix(f"{name}: "))
    return [nb.records(job.output)]


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
    run: Mapping, work: Mapping, found: Mapping, problem: str = "", seconds: float = 0.0
) -> dict:
    """What is kept of one run: finished with what it found, or failed with one line of why."""
    return {
        "key": run["key"],
        "target": work["target"],
        "values": run["values"],
        "status": FAILED if problem else FINISHED,
        "problem": problem,
        "found": found,
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
