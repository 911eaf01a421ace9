"""How much a task asks for: output entropy and memory demand, in bits. Both are ours; the paper's
formulas could not be read.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from schurkit.checks import integer
from schurkit.rnn import Trials

from .base import Task
from .flip_flop import FlipFlop


@dataclass(frozen=True)
class Complexity:
    """output_entropy : H(Y_t), bits. memory_demand : I(Y_t; X_1:t−1 | X_t), bits. method : where
    the two come from.
    """

    output_entropy: float
    memory_demand: float
    method: str


def complexity(task: Task, *, bins: int = 16, trials: int = 4000, seed: int = 0) -> Complexity:
    """Output entropy and memory demand of a task, pooled over the steps that count.

    As the inputs so far determine the target, I(Y_t; X_1:t−1 | X_t) = H(Y_t | X_t): what the
    present input leaves open.

    The flip-flop has both in closed form: a channel is ±1, equally likely, or 0 before its first
    pulse, and a step without a pulse leaves open which. Any other task is estimated by
    `estimated_complexity`. How fine continuous outputs are binned sets the scale: compare tasks at
    equal `bins` only.
    """
    if type(task) is FlipFlop:
        none, quiet = task.silent().mean(), 1 - task.pulses().mean()
        demand = quiet * _three(none / quiet) if quiet > 0 else 0.0
        return Complexity(task.bits * _three(none), task.bits * demand, "closed form")
    return estimated_complexity(
        task.test_trials(integer(trials, "trials", at_least=1), seed), bins=bins
    )


def estimated_complexity(trials: Trials, *, bins: int = 16) -> Complexity:
    """Plug-in estimate from trials: outputs and inputs in `bins` equal bins over their ranges
    (fewer where they take fewer values).

    H(Y_t) is the sum over outputs, as if they were independent: an **upper bound**, exact for
    independent channels. H(Y_t | X_t) is, for each output, the least H(Y | X_k) over single input
    channels k: an upper bound too, exact where one channel tells all that the present input can
    tell.
    """
    integer(bins, "bins", at_least=2)
    silence = [(0, 0)] * (trials.inputs.ndim - 2) + [(0, trials.autonomous), (0, 0)]
    inputs = np.pad(trials.inputs, silence)[trials.counted]
    X = [_binned(x, bins) for x in inputs.T]
    output, demand = 0.0, 0.0
    for y in trials.targets[trials.counted].T:
        Y = _binned(y, bins)
        output += _entropy(Y)
        demand += min(_entropy(Y + x * (Y.max() + 1)) - _entropy(x) for x in X)
    method = f"estimated from {len(trials)} trials in {bins} bins; upper bounds"
    return Complexity(output, demand, method)


def _binned(values, bins):
    """Numbers of the values where there are few, else of equal bins over their range."""
    distinct, which = np.unique(values, return_inverse=True)
    if len(distinct) <= bins:
        return which
    low, high = float(distinct[0]), float(distinct[-1])
    return np.minimum(((values - low) / (high - low) * bins).astype(int), bins - 1)


def _three(zero) -> float:
    """Entropy of 0 with probability `zero` and ±1 equally likely otherwise, bits."""
    shares = np.array([zero, (1 - zero) / 2, (1 - zero) / 2])
    return float(-(shares * np.log2(np.where(shares > 0, shares, 1))).sum()) + 0.0


def _entropy(which) -> float:
    """Plug-in entropy of labels, bits."""
    share = np.unique(which, return_counts=True)[1] / len(which)
    return float(-(share * np.log2(share)).sum()) + 0.0
