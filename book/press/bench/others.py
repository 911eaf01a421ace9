"""Contenders besides training: ablated rollouts, effects of couplings, Schur forms, memory."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import scipy.linalg

from schurkit import random
from schurkit.ablation.couplings import coupling_estimates, exact_effects
from schurkit.engine import rollout
from schurkit.rnn import RNN
from schurkit.schur.form import real_schur
from schurkit.tasks import ContextIntegration, FlipFlop, Sine
from schurkit.training import Phase, Recipe, Store, train

from .trainers import task_and_recipe

TASKS = {task.name: task for task in (FlipFlop(), Sine(), ContextIntegration())}


# ----------------------------------------------------------------------------------------- rollouts
def _variants(hidden, trials, time, variants):
    """One network of random weights, W_rec of its variants with an eighth of the entries removed,
    and inputs.
    """
    shapes = {"in": (hidden, 3), "rec": (hidden, hidden), "out": (3, hidden)}
    normal = {name: random.normal(0, f"bench {name}", 0, shape) for name, shape in shapes.items()}
    scale = np.float32(hidden**-0.5)
    rnn = RNN(*(normal[name].astype(np.float32) * scale for name in shapes))
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
    rnn, W_rec, inputs = _variants(hidden, trials, time, variants)

    def lap(units):
        for start in range(0, units, a_call):
            chosen = np.arange(start, min(start + a_call, units)) % variants
            out = rollout(rnn.with_W_rec(W_rec[chosen]), inputs, engine=engine).outputs
        return float(np.square(out[-1]).mean())

    return lap, {
        "check": float(
            np.square(rollout(rnn.with_W_rec(W_rec[:1]), inputs, engine=engine).outputs).mean()
        )
    }


def torch_rollouts(hidden: int, trials: int, time: int, variants: int, threads: int):
    """nn.RNN and nn.Linear, the weights of each variant copied into them."""
    import torch

    torch.set_num_threads(threads)
    rnn, W_rec, inputs = _variants(hidden, trials, time, variants)
    net, readout = (
        torch.nn.RNN(3, hidden, bias=False, batch_first=True),
        torch.nn.Linear(hidden, 3, bias=False),
    )
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


# ----------------------------------------------------------------------------- effects of couplings
def _trained(task, hidden, steps, trials):
    chosen = TASKS[task]
    with tempfile.TemporaryDirectory() as folder:
        trained = train(
            chosen,
            Recipe(hidden_size=hidden, phases=(Phase(steps, 1e-3),), clip_norm=1.0),
            [0],
            store=Store(Path(folder)),
        )
    return trained, real_schur(trained.rnn.W_rec[0]), chosen.test_trials(trials)


def estimated_effects(task: str, hidden: int, steps: int, trials: int):
    """`schurkit.ablation.couplings.coupling_estimates` of one trained network. A unit is the map of
    all its couplings.
    """
    trained, form, tests = _trained(task, hidden, steps, trials)

    def lap(units):
        for _ in range(units):
            first, second = coupling_estimates(trained.rnn, form, tests)
        return float((first + second).sum())

    return lap, {}


def exact_rollouts(task: str, hidden: int, steps: int, trials: int, engine: str = "auto"):
    """`schurkit.ablation.couplings.exact_effects` of the same network; facts: how well the estimate
    orders the couplings.
    """
    from scipy.stats import spearmanr

    trained, form, tests = _trained(task, hidden, steps, trials)
    pairs = form.couplings()
    exact = exact_effects(trained.rnn, form, tests, engine=engine)
    estimate = sum(coupling_estimates(trained.rnn, form, tests))[tuple(np.transpose(pairs))]
    facts = {
        "couplings": len(pairs), "spearman": float(spearmanr(estimate, exact).statistic), "score": float(trained.scores[0]),
        "converged": bool(trained.converged[0]),
    }  # fmt: skip

    def lap(units):
        for _ in range(units):
            found = exact_effects(trained.rnn, form, tests, engine=engine)
        return float(found.sum())

    return lap, facts


# -------------------------------------------------------------------------------------- Schur forms
def matrix(hidden: int, kind: str) -> np.ndarray:
    """A Gaussian matrix of spectral radius about 1, or an orthogonal one with a tenth of it
    added.
    """
    gaussian = random.normal(0, "bench matrix", hidden, (hidden, hidden)) / np.sqrt(hidden)
    return (
        gaussian
        if kind == "random"
        else np.linalg.qr(random.normal(1, "bench matrix", hidden, (hidden, hidden)))[0]
        + 0.1 * gaussian
    )


def _backward_error(W, Q, T) -> float:
    return float(np.linalg.norm(Q @ T @ Q.T - W) / np.linalg.norm(W))


def ordered_schur(hidden: int, kind: str):
    """`schurkit.real_schur`. A unit is one form."""
    W = matrix(hidden, kind)
    form = real_schur(W)

    def lap(units):
        for _ in range(units):
            real_schur(W)

    return lap, {"error": _backward_error(W, form.Q, form.T)}


def plain_schur(hidden: int, kind: str):
    """`scipy.linalg.schur`, unordered."""
    W = matrix(hidden, kind)
    T, Q = scipy.linalg.schur(W, output="real")

    def lap(units):
        for _ in range(units):
            scipy.linalg.schur(W, output="real")

    return lap, {"error": _backward_error(W, Q, T)}


# ------------------------------------------------------------------------------------------- memory
def peak_memory() -> int:
    """Largest resident set of this process so far, in bytes."""
    try:
        with open(
            "/proc/self/status", encoding="ascii"
        ) as status:  # the peak that getrusage tells may be that of the parent
            return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM:"))
    except (OSError, StopIteration):
        import resource
        import sys

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (
            1 if sys.platform == "darwin" else 1024
        )


def training_memory(hidden: int, batch: int, time: int, networks: int):
    """Train so many networks by one call of `schurkit.train`; the lap, of so many steps, returns
    the peak of the process in bytes.
    """
    idle = peak_memory()

    def lap(units):
        with tempfile.TemporaryDirectory() as folder:
            train(
                *task_and_recipe(hidden, batch, time, units),
                range(networks),
                store=Store(Path(folder)),
            )
        return float(peak_memory())

    return lap, {"idle": idle}
