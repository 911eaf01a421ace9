"""Contenders besides training: matrix products, ablated rollouts, effects of couplings, Schur
forms, DSA distances; and what is told by facts alone: memory, an analysis, a sweep, a start.
"""

import os
import re
import subprocess
import sys
import tempfile
import time
from functools import partial
from itertools import combinations
from pathlib import Path
from statistics import median
from timeit import repeat, timeit

import numpy as np
import scipy.linalg

from schurkit import random
from schurkit.ablation.couplings import coupling_estimates, exact_effects
from schurkit.degeneracy import dsa_distances, operators_of
from schurkit.engine import choose, rollout
from schurkit.schur import SECTORS, real_schur
from schurkit.tasks import FlipFlop, load_task
from schurkit.training import Phase, Recipe
from schurkit.training.loop import fit

from .trainers import network, removals, task_and_recipe, torch_network, trained_afresh

A_CALL = 400
"""Variants that `schurkit.rollout` is given at once."""


def _repeated(work, *given, **more):
    """Laps that do the same work again for each unit; the result of the last."""

    def lap(units):
        for _ in range(units):
            result = work(*given, **more)
        return result

    return lap


def _trained(task, hidden, steps, networks=1):
    recipe = Recipe(hidden_size=hidden, phases=(Phase(steps, 1e-3),), clip_norm=1.0)
    return trained_afresh(task, recipe, range(networks))


def products(hidden: int, batch: int, time: int, passes: int = 3):
    """The recurrent products of one step of training (forwards, and two backwards) or of one
    rollout, as products of matrices as large as they can be: the floor of everything else. A unit
    is one step of one network, or one rollout.
    """
    states = random.normal(0, "bench states", 0, (batch * time, hidden)).astype(np.float32)
    W = random.normal(0, "bench weights", 0, (hidden, hidden)).astype(np.float32)
    product = _repeated(np.matmul, states, W, out=np.empty_like(states))
    return lambda units: product(units * passes), {}


# ----------------------------------------------------------------------------------------- rollouts
def schurkit_rollouts(**sizes: int):
    """`schurkit.rollout` of stacks of variants. A unit is one variant; a lap has no more of them
    than there are.
    """
    rnn, W_rec, inputs = removals(**sizes)

    def lap(units):
        for start in range(0, units, A_CALL):
            chosen = W_rec[start : min(start + A_CALL, units)]
            out = rollout(rnn.with_W_rec(chosen), inputs).outputs
        return float(np.square(out[-1]).mean())

    return lap, {"loss": lap(1)}


def torch_rollouts(**sizes: int):
    """nn.RNN and nn.Linear, the weights of each variant copied into them."""
    import torch

    rnn, *arrays = removals(**sizes)
    W_rec, x = map(torch.tensor, arrays)
    net, readout = torch_network(rnn.arrays)

    @torch.no_grad()
    def lap(units):
        for i in range(units):
            net.weight_hh_l0.copy_(W_rec[i % len(W_rec)])
            out = readout(net(x)[0])
        return float((out**2).mean())

    return lap, {"loss": lap(1)}


# ----------------------------------------------------------------------------- effects of couplings
def effects(task: str, hidden: int, steps: int, trials: int = 256, engine: str = ""):
    """The effects of all couplings of one trained network, which are a unit: by that engine's
    rollouts, or estimated where none is named. Facts of rollouts: how well the estimate orders the
    couplings, and of which network.
    """
    from scipy.stats import spearmanr

    trained = _trained(named := load_task(task), hidden, steps)
    form = real_schur(trained.rnn.W_rec[0])
    of = trained.rnn, form, named.test_trials(trials)
    if not engine:
        return _repeated(coupling_estimates, *of), {}
    pairs, work = form.couplings(), _repeated(exact_effects, *of, engine=engine)
    order = spearmanr(sum(coupling_estimates(*of))[tuple(np.transpose(pairs))], work(1)).statistic
    return work, {
        "note": f"{len(pairs):,} couplings, Spearman {order:.4f}; trained {steps:,} steps, FVU "
        f"{trained.scores[0]:.3g}{'' if trained.converged[0] else ' (not converged)'}"
    }


# -------------------------------------------------------------------------------------- Schur forms
def matrix(hidden: int, kind: str) -> np.ndarray:
    """A Gaussian matrix of spectral radius about 1, or an orthogonal one with a tenth of it
    added.
    """
    given = "bench matrix", hidden, (hidden, hidden)
    gaussian = random.normal(0, *given) / np.sqrt(hidden)
    return gaussian if kind == "random" else random.orthonormal(1, *given) + 0.1 * gaussian


def schur_form(hidden: int, kind: str, plain: bool = False):
    """`schurkit.real_schur`, or plain `scipy.linalg.schur`, unordered. A unit is one form."""
    W = matrix(hidden, kind)
    work = _repeated(scipy.linalg.schur, W, "real") if plain else _repeated(real_schur, W)
    form = work(1)
    T, Q = form if plain else (form.T, form.Q)
    return work, {"error": float(np.linalg.norm(Q @ T @ Q.T - W) / np.linalg.norm(W))}


# ----------------------------------------------------------------------------------- DSA distances
DELAYS = 5


def _operators(networks, rank):
    """Operators of 3-bit flip-flop networks of 64 units on 64 trials of 50 steps, and all pairs in
    a fixed order that mixes the networks.
    """
    rnn, trials = _trained(FlipFlop(), 64, 600, networks).rnn, FlipFlop(steps=50).test_trials(64)
    pairs = np.array(list(combinations(range(networks), 2)))
    order = random.permutation(0, "bench pairs", 0, len(pairs))
    return operators_of(rnn, trials, rank=rank, delays=DELAYS).values, pairs[order]


def schurkit_dsa(networks: int, rank: int, starts: int):
    """`schurkit.dsa_distances` of all pairs. A unit is one pair; a lap is always all of them.
    Facts: every angle, planted copies found.
    """
    operators, pairs = _operators(networks, rank)
    distances = partial(dsa_distances, score="angle", rank=rank, delays=DELAYS, starts=starts)
    bases = random.orthonormal(range(networks), "bench planted", 0, (rank, rank))
    planted = np.stack([operators, bases @ operators @ bases.transpose(0, 2, 1)], 1)
    found = sum(distances(pair).values[0, 1] < 1e-4 for pair in planted)
    angles = distances(operators).values[*pairs.T].tolist()
    return lambda _: distances(operators), {"angles": angles, "planted": f"{found}/{networks}"}


def dsa_metric(networks: int, rank: int, compared: int):
    """dsa-metric's similarity transform, angular, 1,500 iterations. A unit is one pair. Facts: the
    angles of the first pairs.
    """
    import torch
    from DSA import SimilarityTransformDist

    torch.manual_seed(0)
    operators, pairs = _operators(networks, rank)
    fresh = partial(SimilarityTransformDist, iters=1500, score_method="angular", lr=0.01)
    tensors = torch.tensor(operators, dtype=torch.float32)

    def angles(count):
        return [float(fresh().fit_score(*pair)) for pair in tensors[pairs[:count]]]

    return angles, {"angles": angles(compared)}


# ------------------------------------------------------------------------------ told by facts alone
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
    return None, {"GB": peak_memory(), "note": f"{idle:.2f} GB after importing"}


def analysis(
    hidden: int,
    trials: int = 256,
    steps: int = 50,
    draws: int = 20,
    kinds: tuple = ("permuted", "matched"),
):
    """What `schurkit analyze` does with the files of a random network, on trials whose targets are
    noise: its text summary, beside these controls. Facts: user seconds, those of a fresh process
    that imports the same among them; peak memory of this one; and the floor of the networks that
    were run, by laps before and after.
    """
    clock, imports = time.process_time, "from schurkit.own import analysis, load, report, trials"
    subprocess.run([sys.executable, "-c", imports], check=True)
    from schurkit.own import load_trials, read_network
    from schurkit.own.analysis import examine
    from schurkit.own.report import summary

    with tempfile.TemporaryDirectory() as folder:
        files = [f"{folder}/{name}.npz" for name in ("weights", "trials")]
        np.savez(files[0], **network(hidden).arrays, activation="tanh", leak=1.0)
        noise = random.normal([0, 1], "bench trials", 0, (trials, steps, 3)).astype("f4")
        np.savez(files[1], inputs=noise[0], targets=noise[1])
        count = 1 + int(5e9 / (512 * hidden**2))
        lap = partial(products(hidden, 256, 1, 1)[0], count)
        laps, begun = repeat(lap, timer=clock, number=1), clock()
        found = examine(read_network(files[0]), *load_trials(files[1]), controls=kinds, draws=draws)
    summary(found)
    seconds, peak = os.times().children_user + clock() - begun, peak_memory()
    product = median(laps + repeat(lap, timer=clock, number=1)) / count
    held = sum(found.forms[0].norms()[sector] > 0 for sector in SECTORS)
    variants = (2**held - 1) * (1 + len(kinds) * draws)
    floor = variants * trials * steps / 256 * product
    note = f"{variants} networks, peak {peak:.2f} GB"
    return None, {"s": seconds, "GB": peak, "floor": floor, "note": note}


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
        if len(table) != runs:
            raise RuntimeError("a sweep lost runs.")
        return time.perf_counter() - start

    started = took(2)
    return None, {"ms": 1e3 * ((took(runs) - started) / (runs - 2) - PAUSE / 2)}


def importing():
    """All public names in a fresh interpreter. Facts: seconds."""
    code = """
import time; start = time.perf_counter(); from schurkit import *
print(time.perf_counter() - start)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    return None, {"s": float(done.stdout)}


def first_training(compile: bool = False):
    """Two steps of the numba engine, with importing numba. Facts: seconds.

    compile : everything, whatever was kept of an earlier compilation.
    """
    workload = task_and_recipe(64, 64, 48, 2)
    with tempfile.TemporaryDirectory() as folder:
        if compile:
            os.environ["NUMBA_CACHE_DIR"] = folder
        seconds = timeit(lambda: fit(*workload, [0], choose("numba")), number=1)
    return None, {"s": seconds, "note": "with importing numba"}
