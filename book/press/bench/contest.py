"""Contenders in fresh processes of their own, laps of several of them in turn, and the rows that
come of it.

Such a process makes a contender, then does as many units of its work as it is asked for, and says
how long that took; whatever a package prints goes to the error stream.
"""

import math
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing import get_context
from statistics import median

from schurkit.engine import EXTRAS as ENGINES
from schurkit.engine import available_threads
from schurkit_press.kernel import in_environment
from schurkit_press.run import THREAD_SETTINGS

from .results import AT_LEAST, AT_MOST, Row

SETTINGS = (*THREAD_SETTINGS, "VECLIB_MAXIMUM_THREADS", "SCHURKIT_THREADS")
MOST_SECONDS = 300
"""A contender that does not answer for so long is ended."""
EXTRAS = ENGINES | {"dask": "cluster", "distributed": "cluster", "jax": "bench", "DSA": "bench"}
"""The extra of schurkit that brings a package; without it a contender is skipped."""


@dataclass(frozen=True)
class Contender:
    """Something to measure.

    name : as the table has it.
    maker : makes it in the new process from `case` (plain values), and returns (lap, facts):
        lap(units) does so many units of work.
    threads : how many each process may use; None leaves that to the packages.
    processes : how many side by side, each on a processor of its own if there are several.
    units : in a lap, for one whose laps must not depend on its speed: it has no warm-up but its
        making.
    target, sense : what the ratio should be where it is held against another.
    against : the name of that one; by default the first of a contest is held against it.
    note : beside that ratio.
    """

    name: str
    maker: Callable
    case: dict = field(default_factory=dict)
    threads: int | None = None
    processes: int = 1
    units: int = 0
    target: float | None = None
    sense: str = AT_LEAST
    against: str = ""
    note: str = ""


class Running:
    """A contender in its processes, from `start` to `end`.

    facts : of its first process; of one that is missing the reason alone, as its "note".
    times : milliseconds a unit in each lap of a contest; none of one that is missing.
    """

    def __init__(self, contender: Contender):
        self.contender, self.facts, self.times, self.workers = contender, {}, [], []

    def start(self) -> None:
        spawn = get_context("spawn")
        with in_environment(_environment(self.contender.threads)):
            for place in range(self.contender.processes):
                ours, theirs = spawn.Pipe()
                process = spawn.Process(target=_work, args=(theirs, place, self.contender))
                process.start()
                self.workers.append((process, ours))
                theirs.close()  # by its process alone it is held, so that an end is seen
        self.facts, *_ = self._answers()

    def end(self) -> None:
        """Nobody waits for what its processes are at."""
        while self.workers:
            process, _ = self.workers.pop()
            process.kill()
            process.join()

    def lap(self, units: int) -> float:
        """Let every process do so many units, all at once: units a second, summed over them.

        One process of one thread is timed by the processor's clock for it, which leaves out what
        others take from a shared machine; everything else by the clock on the wall.
        """
        with suppress(ConnectionError):  # of one that has ended: it is said below
            for _, pipe in self.workers:
                pipe.send(units)
        clock = int(self.contender.threads == self.contender.processes == 1)
        return sum(units / max(answer[clock], 1e-9) for answer in self._answers())

    def _answers(self):
        for process, pipe in self.workers:
            if not pipe.poll(MOST_SECONDS):
                process.kill()
            try:
                answer = pipe.recv()
            except (EOFError, ConnectionError):
                process.join()
                code = process.exitcode
                answer = f"failed: {self.contender.name}: its process ended with code {code}"
            if isinstance(answer, str):
                raise ChildProcessError(answer)
            yield answer


def _environment(threads: int | None) -> dict[str, str]:
    """The present environment without settings of threads, or with that number in all of them."""
    number = available_threads() if os.environ.get("SCHURKIT_THREADS") and not threads else threads
    kept = {name: value for name, value in os.environ.items() if name not in SETTINGS}
    fixed = dict.fromkeys(SETTINGS if number else (), str(number))
    more = {"JAX_PLATFORMS": "cpu", "TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONUNBUFFERED": "1"}
    return kept | fixed | more


def _work(pipe, place: int, contender: Contender) -> None:
    """In the new process: facts, then seconds and the processor's seconds of each lap that is asked
    for; a text where it was skipped or failed, which says why.
    """
    os.dup2(2, 1)
    if contender.processes > 1 and hasattr(os, "sched_setaffinity"):
        processors = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, {processors[place % len(processors)]})
    try:
        lap, facts = contender.maker(**contender.case)
        pipe.send(facts)
        while units := pipe.recv():
            start, busy = time.perf_counter(), time.process_time()
            lap(units)
            pipe.send((time.perf_counter() - start, time.process_time() - busy))
    except (EOFError, KeyboardInterrupt):
        return  # who asked is gone, or says so
    except Exception as error:  # whatever it was, it is told and the others are measured
        cause = error.__context__ or error
        if isinstance(cause, ModuleNotFoundError) and cause.name in EXTRAS:
            hint = f"pip install 'schurkit[{EXTRAS[cause.name]}]'"
            pipe.send(f"skipped: {cause.name} is not installed; {hint}")
        else:
            why = f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
            pipe.send(f"failed: {contender.name}: {why}")


def alternate(contenders: Sequence[Contender], repeats: int, seconds: float) -> list[Running]:
    """Laps in turn, A B C A B C …, after a warm-up of each.

    Parameters
    ----------
    contenders : what is measured.
    repeats : laps of each; 0 for its facts alone.
    seconds : a lap of each takes about so long.
    """
    runs = [Running(contender) for contender in contenders]
    try:
        for turn in range(-1, repeats):
            for run in runs:
                try:
                    if turn < 0:
                        run.start()
                        if repeats:
                            run.units = run.contender.units or _units_in(run, seconds)
                    elif run.workers:
                        run.times.append(1e3 / run.lap(run.units))
                except ChildProcessError as reason:
                    run.end()
                    run.facts, run.times = {"note": str(reason)}, []
    finally:
        for run in runs:
            run.end()
    return runs


def _units_in(run: Running, seconds: float) -> int:
    """How many units take so long (a million at most), after a first one in which whatever is
    compiled or loaded is.
    """
    run.lap(1)
    for power in range(10):
        rate = run.lap(4**power) / run.contender.processes
        if 4**power >= 0.1 * seconds * rate:
            break
    return min(1_000_000, math.ceil(seconds * rate))


# ----------------------------------------------------------------------------------------- the rows
FLOOR = "float32 products"
"""The contender that does the matrix products of the work and nothing else."""


@dataclass(frozen=True)
class Settings:
    """How much is spent: repeats of each lap, seconds a lap, and whether the long cases are left
    out; where the group `gpu` computes.
    """

    repeats: int = 5
    seconds: float = 0.5
    quick: bool = False
    device: str = "cuda"


def same_work(ours: dict, other: dict) -> str:
    """A note where two contenders that should do the same work did not, by their losses."""
    a, b = (facts.get("loss", math.nan) for facts in (ours, other))
    return "" if abs(a - b) <= 0.02 * abs(a) else f"not the same work: loss {a} and {b}"


def compared(
    what: str,
    contenders: list[Contender],
    settings: Settings,
    unit: str = "ms/step",
    note: Callable[[dict, dict], str] = same_work,
    rated: bool = False,
) -> Iterator[Row]:
    """Contenders measured in turn, and a row for each that is held against another, or why one of
    them is missing.

    Parameters
    ----------
    what : the job; "{}" in it is the name of ours.
    contenders : the first is ours; so are those that name whom they are held against.
    settings : how often, and how long.
    unit : of what is measured.
    note : what the facts of two of them say.
    rated : before them the steps a second of the first, and what it says of itself.
    """
    laps = alternate(contenders, settings.repeats, settings.seconds)
    runs, (first, *others) = {run.contender.name: run for run in laps}, contenders
    if rated:
        mine, told = laps[0].times, laps[0].facts["note"]
        rate = 1e3 / median(mine) if mine else None
        yield Row(what, "", rate, unit="steps/s", target=first.target, note=told)
        if not mine:
            return
    floor = runs[FLOOR].times if FLOOR in runs else []
    for one in others:
        ours, other = (one.name, one.against) if one.against else (first.name, one.name)
        pair = [runs[ours], runs[other]]
        gone = [run.facts["note"] for run in pair if not run.times]
        notes = gone or ["" if other == FLOOR else note(*(run.facts for run in pair)), one.note]
        mine, theirs = ([] if gone else run.times for run in pair)
        ratios = [b / a if one.sense == AT_LEAST else a / b for a, b in zip(mine, theirs)]
        yield Row(
            what.format(ours),
            other,
            _middle(mine),
            _middle(theirs),
            unit,
            _middle(ratios),
            min(ratios, default=None),
            max(ratios, default=None),
            one.target,
            one.sense,
            "; ".join(filter(None, notes)),
            median(mine) / median(floor) if mine and floor else None,
        )


def _middle(numbers: list[float]) -> float | None:
    return median(numbers) if numbers else None


def alone(contender: Contender, repeats: int = 1, **targets: float | None) -> Iterator[Row]:
    """Facts that a contender told of itself, by their units, each with a target that it should not
    exceed, as medians over so many fresh processes; "floor" is the ratio of its seconds to those.
    """
    told = [run.facts for run in alternate([contender] * repeats, 0, 0)]
    for name, target in targets.items():
        unit = "s" if name == "floor" else name
        last = next((facts for facts in told if unit not in facts), told[-1])
        value = median(facts[unit] for facts in told) if unit in last else None
        floor = last.get(name) if name == "floor" else None
        yield Row(
            contender.name,
            "floor" if floor else "",
            value,
            floor,
            unit,
            value / floor if floor else None,
            target=target,
            sense=AT_MOST,
            note=last.get("note", ""),
        )
