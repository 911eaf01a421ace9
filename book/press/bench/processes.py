"""Contenders in fresh processes of their own, and laps of several of them in turn.

Run as a program, this module is one such process: it makes a contender, then does as many units of
its work as it is asked for, and says how long that took. Orders and answers are lines of JSON on
the standard streams; whatever a package prints goes to the error stream instead.
"""

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
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib import import_module

from schurkit.engine import available_threads

THREAD_SETTINGS = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "SCHURKIT_THREADS",
)
MOST_SECONDS = 300
"""A contender that does not answer for so long is ended."""
MOST_UNITS = 1_000_000
EXTRAS = {"torch": "torch", "numba": "fast"}
"""The extra of schurkit that brings a package; for all others "bench"."""


class Absent(Exception):
    """A contender cannot be measured here; its text says why."""


class Failed(Exception):
    """A contender was started and failed; its text says how."""


@dataclass(frozen=True)
class Contender:
    """Something to measure.

    name : as the table has it.
    maker : "module:function" that makes it in the new process from `case` (plain values), and
        returns (lap, facts): lap(units) does so many units of work and returns a number that tells
        what came out, or None.
    threads : how many each process may use; None leaves that to the packages.
    processes : how many side by side, each on a processor of its own if there are several.
    needs : the package it compares with.
    """

    name: str
    maker: str
    case: dict = field(default_factory=dict)
    threads: int | None = None
    processes: int = 1
    needs: str = ""


@dataclass(frozen=True)
class Lap:
    """Units a second, summed over a contender's processes, and what the first of them returned.

    One process of one thread is timed by the processor's clock for it, which leaves out what others
    take from a shared machine; everything else by the clock on the wall.
    """

    rate: float
    value: float | None


class Running:
    """A contender that has been started; use as a context. facts : of its first process."""

    def __init__(self, contender: Contender):
        needs = contender.needs
        if needs and importlib.util.find_spec(needs) is None:
            extra = EXTRAS.get(needs, "bench")
            raise Absent(f"{needs} is not installed; pip install 'schurkit[{extra}]'")
        self.contender = contender
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115, closed by close()
        self._processes = []
        try:
            processors = _processors() if contender.processes > 1 else [None]
            for i in range(contender.processes):
                process = subprocess.Popen(
                    [sys.executable, "-m", __spec__.name],
                    env=_environment(contender.threads),
                    text=True,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=self._errors,
                )
                self._processes.append(process)
                processor = processors[i % len(processors)]
                _order(process, maker=contender.maker, case=contender.case, processor=processor)
            made = [self._answer(process) for process in self._processes]
        except BaseException:
            self.close()
            raise
        self.facts = made[0]["facts"]

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


def _processors() -> list[int | None]:
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else [None]


def _environment(threads: int | None) -> dict[str, str]:
    """The present environment without settings of threads, or with that number in all of them."""
    kept = {name: value for name, value in os.environ.items() if name not in THREAD_SETTINGS}
    if threads is None and os.environ.get("SCHURKIT_THREADS"):
        threads = available_threads()
    if threads is not None:
        kept.update(dict.fromkeys(THREAD_SETTINGS, str(threads)))
    return kept | {"JAX_PLATFORMS": "cpu", "TF_CPP_MIN_LOG_LEVEL": "3"}


@dataclass(frozen=True)
class Laps:
    """What `alternate` measured of one contender: rate and value of each lap, and its facts."""

    rates: tuple[float, ...]
    values: tuple[float | None, ...]
    facts: dict


def alternate(
    contenders: Sequence[Contender],
    repeats: int,
    seconds: float,
    fixed: dict[str, int] | None = None,
) -> tuple[dict[str, Laps], dict[str, str]]:
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
    What was measured, by name; and why others are missing.
    """
    laps: dict[str, list[Lap]] = {}
    missing, running, units = {}, {}, {}
    with contextlib.ExitStack() as stack:
        for contender in contenders:
            name = contender.name
            with _reasons(name, missing):
                one = running[name] = stack.enter_context(Running(contender))
                units[name] = (fixed or {}).get(name) or _units_in(one, seconds)
                laps[name] = []
        for _ in range(repeats):
            for name in [name for name in laps if name not in missing]:
                with _reasons(name, missing):
                    laps[name].append(running[name].lap(units[name]))
    return {
        name: Laps(
            tuple(lap.rate for lap in mine), tuple(lap.value for lap in mine), running[name].facts
        )
        for name, mine in laps.items()
        if name not in missing
    }, missing


@contextlib.contextmanager
def _reasons(name: str, missing: dict[str, str]):
    """Note why a contender cannot be measured, and go on."""
    try:
        yield
    except (Absent, Failed) as reason:
        missing[name] = f"{'skipped' if isinstance(reason, Absent) else 'failed'}: {reason}"


def _units_in(running: Running, seconds: float) -> int:
    """How many units take so long (a million at most), by laps of 1, then more until they take a
    tenth of it.
    """
    units = 1
    running.lap(units)  # whatever is compiled or loaded at the first time
    while True:
        rate = running.lap(units).rate / running.contender.processes
        if units / rate >= 0.1 * seconds or units >= MOST_UNITS:
            return min(MOST_UNITS, max(1, math.ceil(seconds * rate)))
        units = min(MOST_UNITS, max(2 * units, math.ceil(0.2 * seconds * rate)))


# ------------------------------------------------------------------------------- in the new process
def main() -> None:
    """First order {"maker", "case", "processor"}, answer {"facts"}; then {"units"}, answer
    {"seconds", "processor", "value"}.
    """
    with os.fdopen(os.dup(1), "w") as answers:
        os.dup2(2, 1)

        def answer(**said):
            print(json.dumps(said), file=answers, flush=True)

        order = json.loads(sys.stdin.readline())
        if order["processor"] is not None:
            os.sched_setaffinity(0, {order["processor"]})
        try:
            module, name = order["maker"].split(":")
            lap, facts = getattr(import_module(module), name)(**order["case"])
            answer(facts=facts)
            for line in sys.stdin:
                units = json.loads(line)["units"]
                start, busy = time.perf_counter(), time.process_time()
                value = lap(units)
                answer(
                    seconds=time.perf_counter() - start,
                    processor=time.process_time() - busy,
                    value=value,
                )
        except Exception as error:  # whatever it was, the asker tells it and measures the others
            answer(error=f"{type(error).__name__}: {' '.join(str(error).split())[:300]}")


if __name__ == "__main__":
    main()
