"""Functions for sweeps: small, and each good for one thing that may happen on the way."""

import multiprocessing
import os
import time
from pathlib import Path
from typing import Literal

LOCKS = []


def trained(seed: int = 0, hidden_size: int = 8, seeds: list | None = None):
    """Train and ablate small networks for real."""
    from schurkit.studies.profiles import network_profile

    return network_profile(seed, task="copy", task_fields='{"symbols": 2, "channels": 2, "replay": '
                                                          '4}', hidden_size=hidden_size,
                           training_steps=60, draws=3, test_trials=32, seeds=seeds)  # fmt: skip


def told(
    seed: int,
    rate: float = 0.5,
    flag: bool = False,
    word: str = "a",
    sizes: list[int] = (),
    kind: Literal["x", "y"] = "x",
    free=None,
):
    """A parameter of each kind."""


def threads(seed: int):
    """What a worker may use; it keeps a semaphore of its own."""
    LOCKS.append(multiprocessing.RLock())
    names = ("OMP_NUM_THREADS", "SCHURKIT_THREADS", "NUMBA_NUM_THREADS")
    return {name: os.environ.get(name) for name in names} | {
        "process": os.getpid(),
        "store": os.environ["SCHURKIT_STORE"],
    }


def fails(seed: int, folder: str):
    """Seed 1 fails until the file `mended` is there; every run leaves a mark."""
    _mark(folder, seed)
    if seed == 1 and not Path(folder, "mended").exists():
        raise ValueError("too few\nnetworks")
    return {"value": seed / 3}


def dies(seed: int, folder: str, times: int):
    """Seed 1 kills its process the first `times` times."""
    _mark(folder, seed)
    if seed == 1 and len(list(Path(folder).glob("1-*"))) <= times:
        os._exit(9)
    return {"value": seed / 3}


def waits(seed: int, folder: str, pause: float = 0.3):
    """Say which process does it, and take a while."""
    _mark(folder, f"process{os.getpid()}")
    time.sleep(pause)
    return {"value": seed / 3}


def returns(seed: int, what: Literal["list", "array", "name", "exit"] = "list"):
    """Return what no table can hold."""
    import numpy as np

    if what == "exit":
        raise SystemExit(3)
    return {"list": [1], "array": {"a": np.zeros((3, 3))}, "name": {"1 a": 1}}[what]


def stacked(seed: int = 0, scale: float = 1.0, folder: str = "", seeds: list[int] | None = None):
    """Several seeds at once; every call leaves a mark."""
    _mark(folder, "call")
    return {"value": seed * scale} if seeds is None else [{"value": one * scale} for one in seeds]


def short(seed: int = 0, seeds: list | None = None):
    """Too few results for the seeds."""
    return [{"value": 1}]


def bare(seed, *rest):
    """A function whose parameters cannot be named."""


def plain(seed):
    """A function that declares nothing."""


def _mark(folder, what):
    number = len(list(Path(folder).glob(f"{what}-*")))
    Path(folder, f"{what}-{number}-{time.monotonic_ns()}").touch()
