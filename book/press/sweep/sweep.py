"""Sweeps: one chapter or function over a grid of parameters, on any executor, into one table.

Every run is named by a key of its target's source, its parameters, the code of schurkit and the
package versions; its record is a small file. So a sweep goes on where it stopped, and a second
sweep over a finished grid only reads.
"""

import re
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import BrokenExecutor, CancelledError, Executor
from dataclasses import dataclass, field
from importlib import metadata
from itertools import chain, product
from pathlib import Path
from queue import SimpleQueue

from schurkit.checks import InputError
from schurkit.store import key_of
from schurkit_press.chapters import book_or_here, store_of
from schurkit_press.plans import merged, studies_of
from schurkit_press.run import HELPER, commit

from .executors import DEATHS, check_executor, opened
from .grid import read_grid
from .worker import FAILED, Records, Target, fingerprint_of, perform, record, target_of

SWEEPS = Path("_build/sweeps")
OWN_COLUMNS = ("status", "problem", "seconds", "key", "version")
"""What a table says about each run."""


class SweepError(RuntimeError):
    """The executor can take no more runs; those that are finished are kept."""


@dataclass(eq=False)
class Sweep:
    """A sweep before it runs: its runs with their keys, and the records that are there already."""

    target: Target
    grid: dict[str, list]
    runs: list[dict]
    folder: Path
    store: Path
    fingerprint: dict
    records: dict[str, dict] = field(default_factory=dict)
    retry: bool = False
    stack: str | None = None

    @property
    def due(self) -> list[dict]:
        """Runs to do: those without a record, and with `retry` those that failed."""
        return self.ended(None) + (self.ended(FAILED) if self.retry else [])

    def ended(self, status: str | None) -> list[dict]:
        """Runs that ended so; None: those without a record."""
        records = (self.records.get(run["key"], {}) for run in self.runs)
        return [run for run, one in zip(self.runs, records) if one.get("status") == status]

    def table(self, dtype=None):
        """A DataFrame with a row a run that has ended: parameters, results as they first appear,
        about the run.
        """
        import pandas as pd

        rows = []
        for run in self.runs:
            if record := self.records.get(run["key"]):
                taken, found = {*run["given"], *OWN_COLUMNS}, record["found"].items()
                results = {f"found_{n}" if n in taken else n: value for n, value in found}
                rows.append(run["given"] | results | {n: record[n] for n in OWN_COLUMNS})
        names = dict.fromkeys(chain(self.grid, *rows))
        columns = [*(name for name in names if name not in OWN_COLUMNS), *OWN_COLUMNS]
        return pd.DataFrame(rows, columns=columns, dtype=dtype)


def sweep(
    what: str | Callable,
    grid: Mapping | Sequence[str],
    executor: str | Executor = "process",
    workers: int | None = None,
    *,
    stack: str | None = None,
    retry: bool = False,
    folder: str | Path | None = None,
    cluster: Mapping | None = None,
):
    """Run a chapter or a function once for every combination of a grid's values, and return one
    table.

    Parameters
    ----------
    what : a chapter's name; a function of a module, or its name "module:function". It gets keyword
        arguments, declared by annotations, and returns a dict of numbers, words and flat lists.
    grid : from parameter names to values, as ``{"seed": range(20), "hidden_size": [56, 64]}`` or
        ``{"seed": "0:20"}``.
    executor : "serial"; "process" (spawned, the default: from a script, call this below ``if
        __name__ == "__main__":``); "dask" (a cluster on this machine) or the address of a dask
        scheduler; "slurm", "pbs", "lsf", "sge" or "htcondor" (workers in jobs); or any
        `concurrent.futures.Executor`. Each worker computes with one thread, so that all give the
        same numbers.
    workers : runs at a time; by default one a core.
    stack : for a GPU, a parameter such as "seed": runs that differ in it alone become one call with
        a list, ``seeds=[0, 1, …]``, which returns a list of dicts in that order.
    retry : run those again that failed before.
    folder : of the records; by default below `_build/sweeps`. On a cluster it must lie on the
        shared file system.
    cluster : what to ask of a queueing system: "queue", "account", "walltime", "memory",
        "interface", and lists of lines, "directive" and "prologue".

    Returns
    -------
    DataFrame : one row a run, in the order of the grid: parameters, results, and status, problem,
        seconds, key and version.

    Raises
    ------
    InputError : whatever is wrong with the arguments, before anything runs.
    """
    check_executor(executor, workers, cluster)
    plan = plan_sweep(what, grid, stack=stack, retry=retry, folder=folder)
    studies_due(plan)  # every point is one that can be trained
    run_sweep(plan, executor, workers, cluster)
    return plan.table()


def plan_sweep(
    what: str | Callable,
    grid,
    *,
    stack: str | None = None,
    retry: bool = False,
    folder: str | Path | None = None,
    book: str | Path | None = None,
) -> Sweep:
    """Read a grid and find out which of its runs are done, without running anything."""
    target = target_of(what, book)
    values = read_grid(grid, target.parameters, target.name)
    if missing := [name for name in target.required if name not in values]:
        raise InputError(
            f"{target.name} needs a value of {missing[0]!r}: add --grid {missing[0]}=…."
        )
    _check_stack(target, values, stack)
    root = Path(target.place) if target.chapter else book_or_here()
    if folder is None:
        folder = root / SWEEPS / re.sub(r"[^A-Za-z0-9_.-]", ".", target.name)
    if Path(folder).is_file():
        raise InputError(f"the records of a sweep need a folder; {folder} is a file.")
    folder = Path(folder).resolve()
    expected = fingerprint_of(target.name, target.place)
    runs = []
    for one in product(*values.values()):
        given = dict(zip(values, one))
        changed = target.chapter.values(given) if target.chapter else given
        key = key_of({"target": target.name, "values": changed, "fingerprint": expected})[:16]
        runs.append({"key": key, "values": changed, "given": given})
    # so that a new grid opens no file
    keys = {run["key"] for run in runs} & {path.stem for path in folder.glob("*.json")}
    records = {key: one for key in keys if (one := Records(folder).record(key))}
    return Sweep(target, values, runs, folder, store_of(root), expected, records, retry, stack)


def _check_stack(target: Target, grid: Mapping, stack: str | None) -> None:
    """InputError unless the target takes a list of this parameter's values."""
    can = [name for name in target.stacks if name in grid]
    if stack not in (None, *can):
        none = (
            "no parameter of the grid has a default and a list beside it, as in (seed=0, "
            "seeds=None)"
        )
        takes = f"it takes lists of {', '.join(can)}" if can else none
        raise InputError(f"{target.name} cannot be stacked over {stack!r}: {takes}.")


def studies_due(plan: Sweep) -> list:
    """What the runs that are due train, where their chapter says so; InputError at the first point
    of the grid that no network can have.
    """
    chapter = plan.target.chapter
    return merged(chain(*(studies_of(chapter, run["values"]) for run in plan.due if chapter)))


def run_sweep(
    plan: Sweep,
    executor: str | Executor = "process",
    workers: int | None = None,
    cluster: Mapping | None = None,
) -> None:
    """Do the runs that are due; every record is kept as soon as it is there. An interruption ends
    the workers and loses nothing finished.
    """
    due = plan.due
    if not due:
        return
    plan.folder.mkdir(parents=True, exist_ok=True)
    kept = Records(plan.folder)
    for run in due:  # what failed before and is tried again
        kept.paths(run["key"])[0].unlink(missing_ok=True)
        plan.records.pop(run["key"], None)
    works = _works(plan, due)
    from tqdm import tqdm

    with tqdm(total=len(due), desc=plan.target.name, unit="run", disable=None, leave=False) as bar:

        def receive(records: list[dict]) -> None:
            for one in records:
                plan.records[one["key"]] = one
                if not kept.holds(one):  # the worker may not see this folder
                    kept.keep(one)
            bar.update(len(records))
            failed = len(plan.ended(FAILED))
            bar.set_postfix_str(f"{failed} failed" if failed else "", refresh=False)

        count = min(workers, len(works)) if workers else None
        with opened(executor, count, plan.folder, cluster) as pool:
            _hand_out(pool, works, receive)


def _works(plan: Sweep, due: list[dict]) -> list[dict]:
    """What is sent to workers: one piece a run, or one for all runs that differ in the stacked
    parameter alone.
    """
    version, made = metadata.version("schurkit"), commit(HELPER)
    common = {
        "target": plan.target.name,
        "place": plan.target.place,
        "expected": plan.fingerprint,
        "stack": plan.stack,
        "version": f"{version} ({made})" if made else version,
        "folder": str(plan.folder),
        "store": str(plan.store.resolve()),
    }
    groups: dict[str, list[dict]] = {}
    for run in due:
        apart = [value for name, value in run["given"].items() if name != plan.stack]
        groups.setdefault(repr(apart), []).append(run)
    return [common | {"runs": runs} for runs in groups.values()]


def _hand_out(pool: Executor, works: list[dict], receive: Callable[[list[dict]], None]) -> None:
    """Keep a pool busy until all work is done; what a dead worker was doing is sent again, and
    given up when that happens twice.
    """
    waiting, sent, finished, deaths = deque(works), {}, SimpleQueue(), Counter()
    while waiting or sent:
        slots = getattr(pool, "slots", len(works))
        while waiting and len(sent) < slots:
            work = waiting.popleft()
            try:
                future = pool.submit(perform, work)
            except BrokenExecutor:
                raise SweepError(
                    "the executor that was given is broken; finished runs are kept. Executor "
                    "'process' replaces dead workers."
                ) from None
            sent[future] = work
            future.add_done_callback(finished.put)
        future = finished.get()
        work = sent.pop(future)
        first = work["runs"][0]["key"]
        try:
            receive(future.result())
        except CancelledError:
            raise SweepError(
                "the connection to the cluster was lost; finished runs are kept, and the same "
                "command goes on from there."
            ) from None
        except Exception as error:
            if not isinstance(error, BrokenExecutor) and type(error).__name__ != "KilledWorker":
                raise
            deaths[first] += 1
            if deaths[first] < DEATHS:
                waiting.append(work)
            else:
                problem = f"its worker died {DEATHS} times (out of memory, or killed)"
                receive([record(run, work, {}, problem) for run in work["runs"]])
