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
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from importlib.util import find_spec
from multiprocessing import active_children, get_context

from schurkit.engine import available_threads
from schurkit_press.kernel import in_environment
from schurkit_press.run import THREAD_SETTINGS

from .results import AT_LEAST

SETTINGS = (*THREAD_SETTINGS, "VECLIB_MAXIMUM_THREADS", "SCHURKIT_THREADS")
MOST_SECONDS = 300
"""A contender that does not answer for so long is ended."""
MOST_UNITS = 1_000_000
EXTRAS = {"torch": "torch", "numba": "fast", "distributed": "cluster"}
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
    target, sense : what the ratio should be where others are held against it.
    """

    name: str
    maker: Callable
    case: dict = field(default_factory=dict)
    threads: int | None = None
    processes: int = 1
    needs: str = ""
    units: int = 0
    target: float | None = None
    sense: str = AT_LEAST


class Running(contextlib.AbstractContextManager):
    """A contender that has been started; use as a context.

    facts : of its first process.
    rates : units a second in each lap of a contest.
    """

    def __init__(self, contender: Contender):
        if contender.needs and find_spec(contender.needs) is None:
            extra = EXTRAS.get(contender.needs, "bench")
            raise Missing(
                f"skipped: {contender.needs} is not installed; pip install 'schurkit[{extra}]'"
            )
        self.contender, self.rates, others = contender, [], active_children()
        several = contender.processes > 1 and hasattr(os, "sched_getaffinity")
        processors = sorted(os.sched_getaffinity(0)) if several else [None]
        places = [processors[i % len(processors)] for i in range(contender.processes)]
        self._pools = [
            ProcessPoolExecutor(1, get_context("spawn"), _begin, (place,)) for place in places
        ]
        with in_environment(_environment(contender.threads)):
            started = [pool.submit(_make, contender.maker, contender.case) for pool in self._pools]
        self.processes = [process for process in active_children() if process not in others]
        try:
            self.facts = self._answers(started)[0]
        except BaseException as error:
            self.__exit__(type(error))
            raise

    def __exit__(self, failed=None, *_):
        for process in self.processes if failed else ():  # nobody waits for what it was at
            process.kill()
        for pool in self._pools:
            pool.shutdown()

    def lap(self, units: int) -> float:
        """Let every process do so many units, all at once: units a second, summed over them.

        One process of one thread is timed by the processor's clock for it, which leaves out what
        others take from a shared machine; everything else by the clock on the wall.
        """
        clock = int(self.contender.threads == self.contender.processes == 1)
        answers = self._answers([pool.submit(_time, units) for pool in self._pools])
        return sum(units / max(answer[clock], 1e-9) for answer in answers)

    def _answers(self, asked) -> list:
        try:
            return [one.result(MOST_SECONDS) for one in asked]
        except (BrokenProcessPool, TimeoutError):
            for process in self.processes:
                process.kill()
                process.join(5)
            codes = {process.exitcode for process in self.processes} - {-9, None}
            said = f"its process ended with code {min(codes, default=-9)}"  # -9: by us
        except Exception as error:  # whatever it was, it is told and the others are measured
            said = f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
        raise Missing(f"failed: {self.contender.name}: {said}")


def _environment(threads: int | None) -> dict[str, str]:
    """The present environment without settings of threads, or with that number in all of them."""
    kept = {name: value for name, value in os.environ.items() if name not in SETTINGS}
    if threads is None and os.environ.get("SCHURKIT_THREADS"):
        threads = available_threads()
    if threads is not None:
        kept.update(dict.fromkeys(SETTINGS, str(threads)))
    return kept | {"JAX_PLATFORMS": "cpu", "TF_CPP_MIN_LOG_LEVEL": "3"}


# ------------------------------------------------------------------------------- in the new process
def _begin(processor: int | None) -> None:
    os.dup2(2, 1)
    if processor is not None:
        os.sched_setaffinity(0, {processor})


def _make(maker: Callable, case: dict) -> dict:
    global _lap
    _lap, facts = maker(**case)
    return facts


def _time(units: int) -> tuple[float, float]:
    """Seconds that so many units take, and the processor's seconds."""
    start, busy = time.perf_counter(), time.process_time()
    _lap(units)
    return time.perf_counter() - start, time.process_time() - busy


# ----------------------------------------------------------------------------------- in the old one
def alternate(
    contenders: Sequence[Contender], repeats: int, seconds: float
) -> tuple[dict[str, Running], dict[str, str]]:
    """Laps in turn, A B C A B C …, after a warm-up of each.

    Parameters
    ----------
    contenders : by different names.
    repeats : laps of each.
    seconds : a lap of each takes about so long.

    Returns
    -------
    Those that were measured, by name, with their rates and facts; and why others are missing.
    """
    there, missing = {}, {}
    with contextlib.ExitStack() as stack:
        for turn in range(-1, repeats):
            for contender in contenders:
                name = contender.name
                try:
                    if turn < 0:
                        there[name] = running = stack.enter_context(Running(contender))
                        running.units = contender.units or _units_in(running, seconds)
                    elif name in there:
                        there[name].rates.append(there[name].lap(there[name].units))
                except Missing as reason:
                    missing[name] = str(reason)
                    there.pop(name, None)
    return there, missing


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
