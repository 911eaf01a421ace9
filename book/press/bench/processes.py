"""Contenders in fresh processes of their own, and laps of several of them in turn."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import math
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field

from schurkit.engine import available_threads

THREAD_SETTINGS = (
    "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS", "VECLIB_MAXIMUM_THREADS", "SCHURKIT_THREADS",
)  # fmt: skip
MOST_SECONDS = 300
"""A contender that does not answer for so long is ended."""


class Absent(Exception):
    """A contender cannot be measured here; its text says why."""


class Failed(Exception):
    """A contender was started and failed; its text says how."""


@dataclass(frozen=True)
class Contender:
    """Something to measure.

    name : as the table has it.
    maker : "module:function" that makes it in the new process from `case` (plain values), and
        returns
    (lap, facts): lap(units) does so many units of work and returns a number that tells what came
    out, or None.
    threads : how many each process may use; None leaves that to the packages.
    processes : how many side by side, each on a
    processor of its own if there are several. needs : the package it compares with, of the extra
    `extra`.
    """

    name: str
    maker: str
    case: dict = field(default_factory=dict)
    threads: int | None = None
    processes: int = 1
    needs: str = ""
    extra: str = "bench"
    environment: dict = field(default_factory=dict)


@dataclass(frozen=True)
class Lap:
    """Units a second, summed over a contender's processes, and what the first of them returned.

    One process of one thread is timed by the processor's clock for it, which leaves out what others
    take from a shared machine; everything else by the clock on the wall.
    """

    rate: float
    value: float | None


class Running:
    """A contender that has been started; use as a context. facts : of its first process; seconds :
    its processes took to make it.
    """

    def __init__(self, contender: Contender):
        if contender.needs and importlib.util.find_spec(contender.needs) is None:
            raise Absent(
                f"{contender.needs} is not installed; pip install 'schurkit[{contender.extra}]'"
            )
        self.contender = contender
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115, closed by close()
        self._processes = []
        try:
            processors = _processors() if contender.processes > 1 else []
            for i in range(contender.processes):
                process = subprocess.Popen(
                    [sys.executable, "-m", "schurkit_press.bench._worker"], env=_environment(contender), text=True,
                    stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors,
                )  # fmt: skip
                self._processes.append(process)
                processor = processors[i % len(processors)] if processors else None
                _order(process, maker=contender.maker, case=contender.case, processor=processor)
            made = [self._answer(process) for process in self._processes]
        except BaseException:
            self.close()
            raise
        self.facts, self.seconds = made[0]["facts"], max(answer["seconds"] for answer in made)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def lap(self, units: int) -> Lap:
        """Let every process do so many units, all at once."""
        for process in self._processes:
            _order(process, units=units)
        answers = [self._answer(process) for process in self._processes]
        clock = (
            "processor" if self.contender.threads == self.contender.processes == 1 else "seconds"
        )
        return Lap(sum(units / max(answer[clock], 1e-9) for answer in answers), answers[0]["value"])

    def close(self):
        for process in self._processes:
            with contextlib.suppress(OSError):
                process.stdin.close()
        for process in self._processes:
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            process.stdout.close()
        self._errors.close()

    def _answer(self, process) -> dict:
        watch = threading.Timer(MOST_SECONDS, process.kill)
        watch.start()
        try:
            line = process.stdout.readline()
        finally:
            watch.cancel()
        said = json.loads(line) if line.strip() else {"error": self._last_words(process)}
        if "error" in said:
            raise Failed(f"{self.contender.name}: {said['error']}")
        return said

    def _last_words(self, process) -> str:
        code = process.wait(5)
        self._errors.seek(0)
        lines = self._errors.read().strip().splitlines()
        return lines[-1] if lines else f"its process ended with code {code}"


def _order(process, **said) -> None:
    with contextlib.suppress(BrokenPipeError):  # its last words are read next
        print(json.dumps(said), file=process.stdin, flush=True)


def _processors() -> list[int]:
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []


def _environment(contender: Contender) -> dict[str, str]:
    """The present environment without settings of threads, or with the contender's number in all of
    them.
    """
    kept = {name: value for name, value in os.environ.items() if name not in THREAD_SETTINGS}
    if contender.threads is not None:
        kept.update({name: str(contender.threads) for name in THREAD_SETTINGS})
    elif os.environ.get("SCHURKIT_THREADS"):
        kept.update({name: str(available_threads()) for name in THREAD_SETTINGS})
    return kept | {"JAX_PLATFORMS": "cpu", "TF_CPP_MIN_LOG_LEVEL": "3"} | contender.environment


@dataclass(frozen=True)
class Laps:
    """What `alternate` found of one contender: the rate and the value of each of its laps, its
    facts, and the seconds it took to make.
    """

    rates: tuple[float, ...]
    values: tuple[float | None, ...]
    facts: dict
    seconds: float


def alternate(
    contenders: Sequence[Contender],
    repeats: int,
    seconds: float,
    fixed: dict[str, int] | None = None,
) -> tuple[dict, dict]:
    """Laps in turn, A B C A B C …, after a warm-up of each.

    Parameters
    ----------
    contenders : by different names.
    repeats : laps of each.
    seconds : a lap of each takes about so long.
    fixed : units in a lap, for contenders whose laps must not depend on their speed; they have no
        warm-up but their making.

    Returns
    -------
    ({name: Laps}, {name: why it is missing}).
    """
    found: dict[str, list[Lap]] = {}
    missing, running, units = {}, {}, {}
    with contextlib.ExitStack() as stack:
        for contender in contenders:
            with _reasons(contender.name, missing):
                one = stack.enter_context(Running(contender))
                units[contender.name] = (fixed or {}).get(contender.name) or _units_in(one, seconds)
                running[contender.name] = one
                found[contender.name] = []
        for _ in range(repeats):
            for name in [name for name in found if name not in missing]:
                with _reasons(name, missing):
                    found[name].append(running[name].lap(units[name]))
    there = {name: laps for name, laps in found.items() if name not in missing}
    return {name: _laps(running[name], laps) for name, laps in there.items()}, missing


def _laps(running: Running, laps: list[Lap]) -> Laps:
    return Laps(
        tuple(lap.rate for lap in laps),
        tuple(lap.value for lap in laps),
        running.facts,
        running.seconds,
    )


@contextlib.contextmanager
def _reasons(name: str, missing: dict[str, str]):
    """Note why a contender cannot be measured, and go on."""
    try:
        yield
    except Absent as reason:
        missing[name] = f"skipped: {reason}"
    except Failed as reason:
        missing[name] = f"failed: {reason}"


def _units_in(running: Running, seconds: float) -> int:
    """How many units take so long (a million at most), by laps of 1, then more until they take a
    tenth of it.
    """
    units = 1
    running.lap(units)  # whatever is compiled or loaded at the first time
    while True:
        rate = running.lap(units).rate / running.contender.processes
        if units / rate >= 0.1 * seconds or units >= 1_000_000:
            return min(1_000_000, max(1, math.ceil(seconds * rate)))
        units = min(1_000_000, max(2 * units, math.ceil(0.2 * seconds * rate)))
