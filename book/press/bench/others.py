"""Contenders besides training: matrix products, ablated rollouts, effects of couplings, Schur
forms, memory.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import scipy.linalg

from schurkit import random
from schurkit.ablation.couplings import coupling_estimates, exact_effects
from schurkit.engine import rollout
from schurkit.rnn import RNN
from schurkit.schur import real_schur
from schurkit.tasks import ContextIntegration, FlipFlop, Sine
from schurkit.training import Phase, Recipe

from .trainers import task_and_recipe, trained_afresh

TASKS = {task.name: task for task in (FlipFlop(), Sine(), ContextIntegration())}


def products(hidden: int, batch: int, time: int, passes: int = 3):
    """The recurrent products of one step of training (forwards, and two backwards) or of one
    rollout, as products of matrices as large as they can be: the floor of everything else. A unit
    is one step of one network, or one rollout.
    """
    states = random.normal(0, "bench states", 0, (batch * time, hidden)).astype(np.float32)
    W = random.normal(0, "bench weights", 0, (hidden, hidden)).astype(np.float32)
    out = np.empty_like(states)

    def lap(units):
        for _ in range(units * passes):
            np.matmul(states, W, out=out)
        return float(out[0, 0])

    return lap, {}


# ----------------------------------------------------------------------------------------- rollouts
def weights(hidden: int) -> dict[str, np.ndarray]:
    """A network of random weights, with 3 inputs and outputs."""
    shapes = {"W_in": (hidden, 3), "W_rec": (hidden, hidden), "W_out": (3, hidden)}
    drawn = {name: random.normal(0, f"bench {name}", 0, shape) for name, shape in shapes.items()}
    return {name: array * hidden**-0.5 for name, array in drawn.items()}


def removals(hidden, trials, time, variants):
    """One network of random weights, W_rec of its variants with an eighth of the entries removed,
    and inputs.
    """
    rnn = RNN(*(array.astype(np.float32) for array in weights(hidden).values()))
    kept = random.uniform(0, "bench removals", 0, (variants, hidden, hidden)) > 0.125
    return (
        rnn,
        (rnn.W_rec * kept).astype(np.float32),
        random.normal(0, "bench inputs", 0, (trials, time, 3)).astype(np.float32),
    )


def schurkit_rollouts(
    hidden: int, trials: int, time: int, variants: int, a_call: int = 400, engine: str = "auto"
):
    """`schurkit.rollout` of stacks of variants. A unit is one variant."""
    rnn, W_rec, inputs = removals(hidden, trials, time, variants)

    def lap(units):
        for start in range(0, units, a_call):
            chosen = W_rec[np.arange(start, min(start + a_call, units)) % variants]
            out = rollout(rnn.with_W_rec(chosen), inputs, engine=engine).outputs
        return float(np.square(out[-1]).mean())

    return lap, {"check": lap(1)}


def torch_rollouts(hidden: int, trials: int, time: int, variants: int):
    """nn.RNN and nn.Linear, the weights of each variant copied into them."""
    import torch

    rnn, W_rec, inputs = removals(hidden, trials, time, variants)
    net = torch.nn.RNN(3, hidden, bias=False, batch_first=True)
    readout = torch.nn.Linear(hidden, 3, bias=False)
    x, W_rec = torch.from_numpy(inputs), torch.from_numpy(W_rec)
    with torch.no_grad():
        net.weight_ih_l0.copy_(torch.from_numpy(rnn.W_in[0].copy()))
        readout.weight.copy_(torch.from_numpy(rnn.W_out[0].copy()))

    @torch.no_grad()
    def lap(units):
        for i in range(units):
            net.weight_hh_l0.copy_(W_rec[i % variants])
            out = readout(net(x)[0])
        return float((out**2).mean())

    return lap, {"check": lap(1)}


def _repeated(work: Callable):
    """Laps that do the same work again for each unit; the result of the last."""

    def lap(units):
        for _ in range(units):
            result = work()
        return result

    return lap


# ----------------------------------------------------------------------------- effects of couplings
def _trained(task, hidden, steps, trials):
    """A trained network with its scores, its Schur form, and trials of its task."""
    recipe = Recipe(hidden_size=hidden, phases=(Phase(steps, 1e-3),), clip_norm=1.0)
    trained = trained_afresh(TASKS[task], recipe, [0])
    return trained, real_schur(trained.rnn.W_rec[0]), TASKS[task].test_trials(trials)


def estimated_effects(task: str, hidden: int, steps: int, trials: int):
    """`schurkit.ablation.couplings.coupling_estimates` of one trained network. A unit is the map of
    all its couplings.
    """
    trained, *of = _trained(task, hidden, steps, trials)
    return _repeated(partial(coupling_estimates, trained.rnn, *of)), {}


def exact_rollouts(task: str, hidden: int, steps: int, trials: int, engine: str = "auto"):
    """`schurkit.ablation.couplings.exact_effects` of the same network; facts: how well the estimate
    orders the couplings.
    """
    from scipy.stats import spearmanr

    trained, form, tests = _trained(task, hidden, steps, trials)
    pairs = form.couplings()
    work = partial(exact_effects, trained.rnn, form, tests, engine=engine)
    estimate = sum(coupling_estimates(trained.rnn, form, tests))[tuple(np.transpose(pairs))]
    return _repeated(work), {
        "couplings": len(pairs),
        "spearman": float(spearmanr(estimate, work()).statistic),
        "score": float(trained.scores[0]),
        "converged": bool(trained.converged[0]),
    }


# -------------------------------------------------------------------------------------- Schur forms
def matrix(hidden: int, kind: str) -> np.ndarray:
    """A Gaussian matrix of spectral radius about 1, or an orthogonal one with a tenth of it
    added.
    """
    first, second = (random.normal(i, "bench matrix", hidden, (hidden, hidden)) for i in (0, 1))
    gaussian = first / np.sqrt(hidden)
    return gaussian if kind == "random" else np.linalg.qr(second)[0] + 0.1 * gaussian


def _form(W, decompose, Q, T):
    error = np.linalg.norm(Q @ T @ Q.T - W) / np.linalg.norm(W)
    return _repeated(partial(decompose, W)), {"error": float(error)}


def ordered_schur(hidden: int, kind: str):
    """`schurkit.real_schur`. A unit is one form."""
    form = real_schur(W := matrix(hidden, kind))
    return _form(W, real_schur, form.Q, form.T)


def plain_schur(hidden: int, kind: str):
    """`scipy.linalg.schur`, unordered."""
    plain = partial(scipy.linalg.schur, output="real")
    T, Q = plain(W := matrix(hidden, kind))
    return _form(W, plain, Q, T)


# ------------------------------------------------------------------------------------------- memory
def peak_memory() -> float:
    """Largest resident set of this process so far, in GB."""
    try:  # the peak that getrusage tells may be that of the parent
        status = Path("/proc/self/status").read_text(encoding="ascii")
        return int(re.search(r"VmHWM:\s*(\d+)", status)[1]) * 1024 / 1e9
    except (OSError, TypeError):
        import resource

        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak * (1 if sys.platform == "darwin" else 1024) / 1e9


def training_memory(hidden: int, batch: int, time: int, networks: int, steps: int = 20):
    """Train so many networks by one call of `schurkit.train`. Facts: the peak of the process in GB,
    and what it was before.
    """
    idle = peak_memory()
    trained_afresh(*task_and_recipe(hidden, batch, time, steps), range(networks))
    return None, {"idle": idle, "peak": peak_memory()}
