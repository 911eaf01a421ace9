"""Contenders for DSA distances: all pairs of the same operators, ours and those of dsa-metric."""

from __future__ import annotations

from functools import partial
from itertools import combinations

import numpy as np

from schurkit import random
from schurkit.degeneracy import dsa_distances, operators_of
from schurkit.tasks import FlipFlop
from schurkit.training import Phase, Recipe

from .trainers import trained_afresh

DELAYS = 5


def _operators(networks, rank):
    """Operators of 3-bit flip-flop networks of 64 units on 64 trials of 50 steps, and all pairs in
    a fixed order that mixes the networks.
    """
    recipe = Recipe(phases=(Phase(600, 1e-3),), clip_norm=1.0)
    rnn, trials = trained_afresh(FlipFlop(), recipe, range(networks)).rnn, FlipFlop(steps=50)
    operators = operators_of(rnn, trials.test_trials(64), rank=rank, delays=DELAYS).values
    pairs = np.array(list(combinations(range(networks), 2)))
    return operators, pairs[random.permutation(0, "bench pairs", 0, len(pairs))]


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
    facts = {"angles": angles.tolist(), "planted": int(planted)}
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
        chosen = (pairs[k % len(pairs)] for k in range(count))
        return [float(fresh().fit_score(tensors[i], tensors[j])) for i, j in chosen]

    return lambda units: float(np.mean(angles(units))), {"angles": angles(compared)}
