"""What a measurement depends on: processor, threads, instruction set, settings of the libraries,
versions, the load by others.
"""

from __future__ import annotations

import os
import platform
import subprocess
import time
from pathlib import Path

import numpy as np
import scipy
from threadpoolctl import threadpool_info

from schurkit.engine import available_threads
from schurkit.store import installed

PACKAGES = ("schurkit", "numpy", "scipy", "numba", "llvmlite", "torch", "jax", "jaxlib")
SETTINGS = (
    "OPENBLAS_CORETYPE",
    "OPENBLAS_L2_SIZE",
    "NUMBA_CPU_NAME",
    "NUMBA_CPU_FEATURES",
    "MKL_ENABLE_INSTRUCTIONS",
    "SCHURKIT_THREADS",
)


def machine() -> dict:
    """Plain facts, as `describe` tells them and as the JSON file keeps them."""
    return {
        "model": _model(),
        "cores": available_threads(),
        "instructions": instructions(),
        "system": f"{platform.system()} {platform.machine()}",
        "settings": {name: os.environ.get(name) for name in SETTINGS},
        "libraries": _libraries(),
        "versions": {"python": platform.python_version()} | installed(PACKAGES),
        "memory_gb": _memory(),
        "load": load(),
        "busy": busy(),
        "commit": _commit(),
        "date": time.strftime("%Y-%m-%d %H:%M", time.gmtime()),
    }


def describe(facts: dict) -> str:
    """The facts of `machine` as lines of text."""
    unset = [name for name in SETTINGS[:2] if not facts["settings"].get(name)]
    settings = [f"{name}={value}" for name, value in facts["settings"].items() if value] + [
        f"{name} not set" for name in unset
    ]
    load = "unknown" if facts["load"] is None else f"{facts['load']:.2f}"
    at_work = (
        "" if facts["busy"] is None else f" ({100 * facts['busy']:.0f} % of the processors at work)"
    )
    lines = [
        f"{facts['model']}, {facts['cores']} processors used, {facts['instructions']}, "
        f"{facts['system']}, {facts['memory_gb'] or '?'} GB",
        "; ".join(settings),
        ", ".join(
            f"{one['name']} {one['version']} ({one['threads']} threads, {one['architecture']})"
            for one in facts["libraries"]
        ),
        ", ".join(f"{name} {version}" for name, version in facts["versions"].items()),
        f"load average {load} before the run{at_work}, {facts['date']} UTC, commit "
        f"{facts['commit'] or 'unknown'}",
    ]
    return "\n".join(line for line in lines if line)


def load() -> float | None:
    """Processes that ran or waited in the last minute, on average; None where the system does not
    say.
    """
    return round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None


def busy(seconds: float = 0.5) -> float | None:
    """Share of this machine's processors that were at work over the next moment, while we wait;
    None where the system does not say.
    """
    before = _ticks()
    time.sleep(seconds if before else 0)
    after = _ticks()
    if not before or not after or after[1] == before[1]:
        return None
    return round(1 - (after[0] - before[0]) / (after[1] - before[1]), 3)


class Watch:
    """What others take of the processors while we work: start it, do the work, ask `others` when
    every process of ours has ended.
    """

    def __init__(self):
        self._ticks, self._own = _ticks(), _own_seconds()

    def others(self) -> float | None:
        """Their share of all processor time since the start; None where the system does not say."""
        ticks, own = _ticks(), _own_seconds()
        if None in (ticks, own, self._ticks, self._own) or ticks[1] == self._ticks[1]:
            return None
        idle, everything = (now - before for now, before in zip(ticks, self._ticks))
        ours = (own - self._own) * os.sysconf("SC_CLK_TCK")
        return round(min(1.0, max(0.0, (everything - idle - ours) / everything)), 3)


def _own_seconds() -> float | None:
    """Processor time of this process and of those of its own that have ended."""
    try:
        import resource
    except ImportError:
        return None
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def _ticks() -> tuple[int, int] | None:
    """Idle and all ticks of the processors' clocks since the start."""
    try:
        numbers = [
            int(text)
            for text in Path("/proc/stat").read_text(encoding="ascii").splitlines()[0].split()[1:9]
        ]
    except (OSError, ValueError, IndexError):
        return None
    return numbers[3] + numbers[4], sum(numbers)


def instructions() -> str:
    """The widest vector instructions of this processor, as far as the system tells."""
    if platform.machine().lower() in ("aarch64", "arm64"):
        return "NEON"
    flags = _cpuinfo("flags").split()
    return next(
        (
            name
            for flag, name in (("avx512f", "AVX-512"), ("avx2", "AVX2"), ("avx", "AVX"))
            if flag in flags
        ),
        "SSE or unknown",
    )


def _model() -> str:
    return _cpuinfo("model name") or platform.processor() or platform.machine()


def _cpuinfo(name: str) -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return ""
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith(name)), "")


def _libraries() -> list[dict]:
    np.ones((2, 2)) @ np.ones((2, 2)), scipy.linalg.norm(np.ones(2))
    found = {
        (
            one["internal_api"],
            str(one.get("version")),
            one["num_threads"],
            str(one.get("architecture")),
        )
        for one in threadpool_info()
        if one["user_api"] == "blas"
    }
    return [dict(zip(("name", "version", "threads", "architecture"), one)) for one in sorted(found)]


def _memory() -> int | None:
    try:
        return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30)
    except (AttributeError, ValueError, OSError):
        return None


def _commit() -> str | None:
    """The commit of the package's folder, with '+' where files differ from it."""
    git = ["git", "-C", str(Path(__file__).parent)]
    try:
        name, changed = (
            subprocess.run(
                [*git, *words], capture_output=True, text=True, check=True, timeout=20
            ).stdout.strip()
            for words in (("rev-parse", "--short=12", "HEAD"), ("status", "--porcelain"))
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return name + ("+" if changed else "")
