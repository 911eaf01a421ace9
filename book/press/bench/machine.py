"""What a measurement depends on: processor, threads, instruction set, settings of the libraries,
versions, the load by others.
"""

import os
import platform
import time
from pathlib import Path

import scipy.linalg  # noqa: F401 (so that its library is among those that are told)
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
        self._begun = _clocks()

    def others(self) -> float | None:
        """Their share of all processor time since the start; None where the system does not say."""
        idle, ticks, own = (now - then for now, then in zip(_clocks(), self._begun))
        if not ticks:
            return None
        ours = own * os.sysconf("SC_CLK_TCK")
        return round(min(1.0, max(0.0, (ticks - idle - ours) / ticks)), 3)


def _clocks() -> tuple[float, ...]:
    """Idle and all ticks of the processors since the start, none where the system does not say;
    seconds of this process and of those of its own that have ended.
    """
    own = sum(os.times()[:4])
    try:
        words = Path("/proc/stat").read_text(encoding="ascii").split()
    except OSError:
        return 0, 0, own
    ticks = [int(word) for word in words[1:9]]
    return ticks[3] + ticks[4], sum(ticks), own


def instructions() -> str:
    """The widest vector instructions of this processor, as far as the system tells."""
    if platform.machine().lower() in ("aarch64", "arm64"):
        return "NEON"
    flags = processor("flags").split()
    widest = {"avx512f": "AVX-512", "avx2": "AVX2", "avx": "AVX"}
    return next((widest[flag] for flag in widest if flag in flags), "SSE or unknown")
