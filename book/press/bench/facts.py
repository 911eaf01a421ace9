"""What is told by facts alone, each in a process of its own: memory, an analysis, a sweep, a
start.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from timeit import repeat, timeit

import numpy as np

from schurkit import random
from schurkit.engine import choose
from schurkit.training.loop import fit
from schurkit_press.chapters import read_json

from .others import products, weights
from .trainers import task_and_recipe, trained_afresh


def peak_memory() -> float:
    """Largest resident set of this process so far, in GB."""
    try:  # the peak that getrusage tells may be that of the parent
        status = Path("/proc/self/status").read_text(encoding="ascii")
        return int(re.search(r"VmHWM:\s*(\d+)", status)[1]) * 1024 / 1e9
    except (OSError, TypeError):
        import resource

        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak * (1 if sys.platform == "darwin" else 1024) / 1e9


def training_memory(networks: int, steps: int = 20, **sizes: int):
    """Train so many networks by one call of `schurkit.train`. Facts: the peak of the process."""
    idle = peak_memory()
    trained_afresh(*task_and_recipe(**sizes, steps=steps), range(networks))
    return None, {"peak": peak_memory(), "note": f"{idle:.2f} GB after importing"}


def analysis(hidden: int, trials: int, steps: int, draws: int, kinds: list[str]):
    """`schurkit analyze` of a random network, on trials whose targets are noise. Facts: user
    seconds and peak memory of the process till then, and the floor of the networks that were run.
    """
    from schurkit.__main__ import main

    asked = [word for kind in kinds for word in ("--control", kind)]
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
        files = [f"{folder}/{name}" for name in ("weights.npz", "trials.npz", "report.json")]
        np.savez(files[0], **weights(hidden), activation="tanh", leak=1.0)
        shape, names = (trials, steps, 3), ("inputs", "targets")
        noise = {name: random.normal(0, name, 0, shape).astype("f4") for name in names}
        np.savez(files[1], **noise)
        asked += ["--trials", files[1], "--draws", str(draws), "--json", files[2]]
        if main(["analyze", files[0], *asked]):
            raise RuntimeError("schurkit analyze failed.")
        facts = {"seconds": os.times().user, "peak": peak_memory()}
        (network,) = read_json(Path(files[2]))["networks"]
    held = sum(network["norms"][sector] > 0 for sector in ("RR", "CR", "CC"))
    variants = (2**held - 1) * (1 + len(kinds) * draws)
    facts["floor"] = variants * trials * steps / 256 * product_seconds(hidden)
    return None, facts | {"note": f"{variants} networks, peak {facts['peak']:.2f} GB"}


def product_seconds(hidden: int) -> float:
    """Seconds of a step of 256 trials: a product (256, hidden) by (hidden, hidden) in float32, the
    best of five laps.
    """
    lap, count = products(hidden, 256, 1, 1)[0], 1 + int(5e9 / (512 * hidden**2))
    return min(repeat(partial(lap, count), timer=time.process_time, number=1)) / count


PAUSE = 0.1


def pause(seed: int = 0) -> dict:
    """A run of a sweep that takes a known time."""
    time.sleep(PAUSE)
    return {"seed": seed}


def sweep_overhead(runs: int):
    """A sweep on two dask workers. Facts: milliseconds a run beside the run itself, without what
    starting the workers takes.
    """
    from schurkit_press.sweep.sweep import sweep

    def took(runs):
        with tempfile.TemporaryDirectory() as folder:
            start = time.perf_counter()
            table = sweep(pause, {"seed": range(runs)}, "dask", 2, folder=Path(folder))
        if list(table.seed) != list(range(runs)):
            raise RuntimeError("a sweep lost runs.")
        return time.perf_counter() - start

    started = took(2)
    return None, {"overhead": 1e3 * ((took(runs) - started) / (runs - 2) - PAUSE / 2)}


def importing():
    """All public names in a fresh interpreter. Facts: seconds."""
    clock = "import time; start = time.perf_counter(); from schurkit import *"
    code = f"{clock}; print(time.perf_counter() - start)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    return None, {"seconds": float(done.stdout)}


def first_training(compile: bool = False):
    """Two steps of the numba engine, with importing numba. Facts: seconds.

    compile : everything, whatever was kept of an earlier compilation.
    """
    workload = task_and_recipe(64, 64, 48, 2)
    with tempfile.TemporaryDirectory() as folder:
        if compile:
            os.environ["NUMBA_CACHE_DIR"] = folder
        seconds = timeit(lambda: fit(*workload, [0], choose("numba")), number=1)
    return None, {"seconds": seconds, "note": "with importing numba"}
