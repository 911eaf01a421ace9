"""Contenders besides training: matrix products, ablated rollouts, effects of couplings, Schur
forms, DSA distances.
"""

from __future__ import annotations

from functools import partial
from itertools import combinations

import numpy as np
import scipy.linalg

from schurkit import random
from schurkit.ablation.couplings import coupling_estimates, exact_effects
from schurkit.degeneracy import dsa_distances, operators_of
from schurkit.engine import rollout
from schurkit.rnn import RNN
from schurkit.schur import real_schur
from schurkit.tasks import FlipFlop, load_task
from schurkit.training import Phase, Recipe

from .trainers import torch_network, trained_afresh


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
    return lambda units: float(product(units * passes)[0, 0]), {}


# ----------------------------------------------------------------------------------------- rollouts
def weights(hidden: int) -> dict[str, np.ndarray]:
    """A network of random weights, with 3 inputs and outputs."""
    shapes = {"W_in": (hidden, 3), "W_rec": (hidden, hidden), "W_out": (3, hidden)}
    drawn = {name: random.normal(0, f"bench {name}", 0, shape) for name, shape in shapes.items()}
    return {name: array * hidden**-0.5 for name, array in drawn.items()}


def removals(hidden: int, trials: int, time: int, variants: int):
    """One network of random weights, W_rec of its variants with an eighth of the entries removed,
    and inputs.
    """
    rnn = RNN(*(array.astype(np.float32) for array in weights(hidden).values()))
    kept = random.uniform(0, "bench removals", 0, (variants, hidden, hidden)) > 0.125
    inputs = random.normal(0, "bench inputs", 0, (trials, time, 3)).astype(np.float32)
    return rnn, (rnn.W_rec * kept).astype(np.float32), inputs


def schurkit_rollouts(a_call: int = 400, engine: str = "auto", **sizes: int):
    """`schurkit.rollout` of stacks of variants. A unit is one variant."""
    rnn, W_rec, inputs = removals(**sizes)

    def lap(units):
        for start in range(0, units, a_call):
            chosen = W_rec[np.arange(start, min(start + a_call, units)) % len(W_rec)]
            out = rollout(rnn.with_W_rec(chosen), inputs, engine=engine).outputs
        return float(np.square(out[-1]).mean())

    return lap, {"loss": lap(1)}


def torch_rollouts(**sizes: int):
    """nn.RNN and nn.Linear, the weights of each variant copied into them."""
    import torch

    rnn, *arrays = removals(**sizes)
    W_rec, x = map(torch.from_numpy, arrays)
    net, readout = torch_network(vars(rnn))

    @torch.no_grad()
    def lap(units):
        for i in range(units):
            net.weight_hh_l0.copy_(W_rec[i % len(W_rec)])
            out = readout(net(x)[0])
        return float((out**2).mean())

    return lap, {"loss": lap(1)}


# ----------------------------------------------------------------------------- effects of couplings
def effects(task: str, hidden: int, steps: int, trials: int, engine: str = ""):
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
    first, second = (random.normal(i, "bench matrix", hidden, (hidden, hidden)) for i in (0, 1))
    gaussian = first / np.sqrt(hidden)
    return gaussian if kind == "random" else np.linalg.qr(second)[0] + 0.1 * gaussian


def ordered_schur(hidden: int, kind: str):
    """`schurkit.real_schur`. A unit is one form."""
    form = real_schur(W := matrix(hidden, kind))
    return _repeated(real_schur, W), {"error": _error(W, form.Q, form.T)}


def plain_schur(hidden: int, kind: str):
    """`scipy.linalg.schur`, unordered."""
    T, Q = scipy.linalg.schur(W := matrix(hidden, kind), "real")
    return _repeated(scipy.linalg.schur, W, "real"), {"error": _error(W, Q, T)}


def _error(W, Q, T):
    return float(np.linalg.norm(Q @ T @ Q.T - W) / np.linalg.norm(W))


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
    planted = 0
    for i, A in enumerate(operators):
        C = np.linalg.qr(random.normal(i, "bench planted", 0, (rank, rank)))[0]
        planted += distances(np.stack([A, C @ A @ C.T])).values[0, 1] < 1e-4
    angles = distances(operators).values[*pairs.T]
    facts = {"angles": angles.tolist(), "planted": f"{planted}/{networks}"}
    return lambda units: float(distances(operators).values.mean()), facts


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
        chosen = tensors[pairs[np.arange(count) % len(pairs)]]
        return [float(fresh().fit_score(*pair)) for pair in chosen]

    return lambda units: float(np.mean(angles(units))), {"angles": angles(compared)}
