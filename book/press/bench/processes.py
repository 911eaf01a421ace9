"""Contenders in fresh processes of their own, and laps of several of them in turn.

Such a process makes a contender, then does as many units of its work as it is asked for, and says
how long that took; whatever a package prints goes to the error stream.
"""

from __future__ import annotations

import contextlib
import math
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from multiprocessing import get_context

from schurkit.engine import available_threads
from schurkit_press.kernel import in_environment
from schurkit_press.run import THREAD_SETTINGS

SETTINGS = (*THREAD_SETTINGS, "VECLIB_MAXIMUM_THREADS", "SCHURKIT_THREADS")
MOST_SECONDS = 300
"""A contender that does not answer for so long is ended."""
MOST_UNITS = 1_000_000
EXTRAS = {"torch": "torch", "numba": "fast"}
"""The extra of schurkit that brings a package; for all others "bench"."""


class Missing(Exception):
    """A contender was skipped or failed; its text says which, and why."""


@dataclass(frozen=True)
class Contender:
    """Something to measure.

    name : as the table has it.
    maker : makes it in the new process from `case` (plain values), and returns (lap, facts):
        lap(units) does so many units of work.
    threads : how many each process may use; None leaves that to the packages.
    processes : how many side by side, each on a processor of its own if there are several.
    needs : the package it compares with.
    units : in a lap, for one whose laps must not depend on its speed: it has no warm-up but its
        making.
    """

    name: str
    maker: Callable
    case: dict = field(default_factory=dict)
    threads: int | None = None
    processes: int = 1
    needs: str = ""
    units: int = 0


class Running(contextlib.AbstractContextManager):
    """A contender that has been started; use as a context. facts : of its first process."""

    def __init__(self, contender: Contender):
        if contender.needs and find_spec(contender.needs) is None:
            extra = EXTRAS.get(contender.needs, "bench")
            raise Missing(
                f"skipped: {contender.needs} is not installed; pip install 'schurkit[{extra}]'"
            )
        self.contender, self._processes, spawn = contender, [], get_context("spawn")
        several = contender.processes > 1 and hasattr(os, "sched_getaffinity")
        processors = sorted(os.sched_getaffinity(0)) if several else [None]
        try:
            with in_environment(_environment(contender.threads)):
                for i in range(contender.processes):
                    ours, theirs = spawn.Pipe()
                    order = theirs, contender.maker, contender.case, processors[i % len(processors)]
                    process = spawn.Process(target=_work, args=order)
                    process.start()
                    theirs.close()
                    self._processes.append((process, ours))
            self.facts = self._answers()[0]
        except BaseException:
            self.__exit__()
            raise

    def __exit__(self, *_):
        for process, pipe in self._processes:
            pipe.close()
            process.join(5)
            process.kill()

    def lap(self, units: int) -> float:
        """Let every process do so many units, all at once: units a second, summed over them.

        One process of one thread is timed by the processor's clock for it, which leaves out what
        others take from a shared machine; everything else by the clock on the wall.
        """
        for _, pipe in self._processes:
            with contextlib.suppress(OSError):
                pipe.send(units)
        clock = int(self.contender.threads == self.contender.processes == 1)
        return sum(units / max(answer[clock], 1e-9) for answer in self._answers())

    def _answers(self) -> list:
        return [self._answer(*one) for one in self._processes]

    def _answer(self, process, pipe):
        try:
            if not pipe.poll(MOST_SECONDS):
                process.kill()
            said = pipe.recv()
        except (EOFError, OSError):
            process.join(5)
            said = f"its process ended with code {process.exitcode}"
        if isinstance(said, str):
            raise Missing(f"failed: {self.contender.name}: {said}")
        return said


def _environment(threads: int | None) -> dict[str, str]:
    """The present environment without settings of threads, or with that number in all of them."""
    kept = {name: value for name, value in os.environ.items() if name not in SETTINGS}
    if threads is None and os.environ.get("SCHURKIT_THREADS"):
        threads = available_threads()
    if threads is not None:
        kept.update(dict.fromkeys(SETTINGS, str(threads)))
    return kept | {"JAX_PLATFORMS": "cpu", "TF_CPP_MIN_LOG_LEVEL": "3"}


def _work(pipe, maker: Callable, case: dict, processor: int | None) -> None:
    """In the new process: send facts, then (seconds, processor's seconds) for each number of units;
    a text where something went wrong.
    """
    os.dup2(2, 1)
    if processor is not None:
        os.sched_setaffinity(0, {processor})
    try:
        lap, facts = maker(**case)
        pipe.send(facts)
        while units := pipe.recv():
            start, busy = time.perf_counter(), time.process_time()
            lap(units)
            pipe.send((time.perf_counter() - start, time.process_time() - busy))
    except EOFError:  # the asker has closed its end
        return
    except Exception as error:  # whatever it was, the asker tells it and measures the others
        pipe.send(f"{type(error).__name__}: {' '.join(str(error).split())[:300]}")


@dataclass(frozen=True)
class Laps:
    """What `alternate` measured of one contender: units a second in each lap, and its facts."""

    rates: tuple[float, ...]
    facts: dict


def alternate(
    contenders: Sequence[Contender], repeats: int, seconds: float
) -> tuple[dict[str, Laps], dict[str, str]]:
    """Laps in turn, A B C A B C …, after a warm-up of each.

    Parameters
    ----------
    contenders : by different names.
    repeats : laps of each.
    seconds : a lap of each takes about so long.

    Returns
    -------
    What was measured, by name; and why others are missing.
    """
    rates: dict[str, list[float]] = {}
    missing, running, units = {}, {}, {}
    with contextlib.ExitStack() as stack:
        for contender in contenders:
            name = contender.name
            with _reasons(name, missing):
                running[name] = stack.enter_context(Running(contender))
                units[name] = contender.units or _units_in(running[name], seconds)
                rates[name] = []
        for _ in range(repeats):
            for name in [name for name in rates if name not in missing]:
                with _reasons(name, missing):
                    rates[name].append(running[name].lap(units[name]))
    measured = rates.keys() - missing.keys()
    return {name: Laps(tuple(rates[name]), running[name].facts) for name in measured}, missing


@contextlib.contextmanager
def _reasons(name: str, missing: dict[str, str]):
    """Note why a contender cannot be measured, and go on."""
    try:
        yield
    except Missing as reason:
        missing[name] = str(reason)


def facts_of(contender: Contender) -> tuple[dict, str]:
    """The facts of a contender alone, or why there are none."""
    try:
        with Running(contender) as running:
            return running.facts, ""
    except Missing as reason:
        return {}, str(reason)


def _units_in(running: Running, seconds: float) -> int:
    """How many units take so long (a million at most), after a first one in which whatever is
    compiled or loaded is.
    """
    units = spent = 0
    running.lap(1)
    while spent < 0.1 * seconds and units < MOST_UNITS:
        units = min(MOST_UNITS, max(1, 4 * units))
        rate = running.lap(units) / running.contender.processes
        spent = units / rate
    return min(MOST_UNITS, math.ceil(seconds * rate))
