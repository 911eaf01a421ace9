"""What a measurement depends on: processor, threads, instruction set, settings of the libraries,
versions, the load by others.
"""

from __future__ import annotations

import os
import platform
import time
from pathlib import Path

import numpy as np
import scipy
from threadpoolctl import threadpool_info

from schurkit.engine import available_threads
from schurkit.store import installed
from schurkit_press.run import commit, processor

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
    np.ones((2, 2)) @ np.ones((2, 2)), scipy.linalg.norm(np.ones(2))  # loads both libraries
    names = ("internal_api", "num_threads", "version", "architecture")
    blas = [one for one in threadpool_info() if one["user_api"] == "blas"]
    watch = Watch()  # over the next moment, while we wait
    time.sleep(0.5)
    memory = None
    if hasattr(os, "sysconf"):
        memory = round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30)
    return {
        "model": processor(),
        "cores": available_threads(),
        "instructions": instructions(),
        "system": f"{platform.system()} {platform.machine()}",
        "settings": {name: os.environ.get(name) for name in SETTINGS},
        "libraries": [{name: one.get(name) for name in names} for one in blas],
        "versions": {"python": platform.python_version()} | installed(PACKAGES),
        "memory_gb": memory,
        "load": load(),
        "busy": watch.others(),
        "commit": commit(Path(__file__).parent),
        "date": time.strftime("%Y-%m-%d %H:%M", time.gmtime()),
    }


def describe(facts: dict) -> str:
    """The facts of `machine` as lines of text."""
    settings = (
        f"{name}={value}" if value else f"{name} not set"
        for name, value in facts["settings"].items()
        if value or name in SETTINGS[:2]
    )
    libraries = (
        f"{one['internal_api']} {one['version']} ({one['num_threads']} threads, "
        f"{one['architecture']})"
        for one in facts["libraries"]
    )
    busy = "" if facts["busy"] is None else f" ({100 * facts['busy']:.0f} % of the processors busy)"
    return "\n".join(
        (
            f"{facts['model']}, {facts['cores']} processors used, {facts['instructions']}, "
            f"{facts['system']}, {facts['memory_gb'] or '?'} GB",
            "; ".join(settings),
            ", ".join(libraries),
            ", ".join(f"{name} {version}" for name, version in facts["versions"].items()),
            f"load average {facts['load']} before the run{busy}, {facts['date']} UTC, commit "
            f"{facts['commit'] or 'unknown'}",
        )
    )


def load() -> float | None:
    """Processes that ran or waited in the last minute, on average; None where the system does not
    say.
    """
    return round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None


class Watch:
    """What others take of the processors while we work: start it, do the work, ask `others` when
    every process of ours has ended.
    """

    def __init__(self):
        self._ticks, self._own = _ticks(), _own_seconds()

    def others(self) -> float | None:
        """Their share of all processor time since the start; None where the system does not say."""
        before, after = self._ticks, _ticks()
        if not before or not after or after[1] == before[1]:
            return None
        idle, everything = (now - then for now, then in zip(after, before))
        ours = (_own_seconds() - self._own) * os.sysconf("SC_CLK_TCK")
        return round(min(1.0, max(0.0, (everything - idle - ours) / everything)), 3)


def _own_seconds() -> float:
    """Processor time of this process and of those of its own that have ended."""
    spent = os.times()
    return spent.user + spent.system + spent.children_user + spent.children_system


def _ticks() -> tuple[int, int] | None:
    """Idle and all ticks of the processors' clocks since the start."""
    try:
        first, _ = Path("/proc/stat").read_text(encoding="ascii").split("\n", 1)
    except OSError:
        return None
    numbers = [int(text) for text in first.split()[1:9]]
    return numbers[3] + numbers[4], sum(numbers)


def instructions() -> str:
    """The widest vector instructions of this processor, as far as the system tells."""
    if platform.machine().lower() in ("aarch64", "arm64"):
        return "NEON"
    flags = processor("flags").split()
    widest = (("avx512f", "AVX-512"), ("avx2", "AVX2"), ("avx", "AVX"))
    return next((name for flag, name in widest if flag in flags), "SSE or unknown")
