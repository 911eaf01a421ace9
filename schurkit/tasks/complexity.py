"""How much a task asks for: the entropy of its outputs, in bits. Ours; the paper's formulas could
not be read. What has to be held, and how long, is a matter of inputs over time that no count over
single steps tells apart: it has no number here.
"""

from __future__ import annotations

import numpy as np

from schurkit.checks import integer
from schurkit.rnn import Trials

from .base import Task
from .flip_flop import FlipFlop


def output_entropy(task: Task, *, bins: int = 16, trials: int = 4000, seed: int = 0) -> float:
    """H(Y_t) of a task, pooled over the steps that count, in bits: exact for the flip-flop, whose
    channels are ±1, equally likely, or 0 before their first pulse; else `estimated_entropy`.
    """
    if type(task) is FlipFlop:
        return task.bits * _three(task.silent().mean())
    trials = task.test_trials(integer(trials, "trials", at_least=1), seed)
    return estimated_entropy(trials, bins=bins)


def estimated_entropy(trials: Trials, *, bins: int = 16) -> float:
    """Plug-in estimate from trials, outputs in `bins` equal bins over their ranges (fewer where
    they take fewer values), which set the scale of continuous outputs: the sum over outputs as if
    they were independent, an **upper bound**, exact for independent channels.
    """
    integer(bins, "bins", at_least=2)
    return sum(_entropy(_binned(y, bins)) for y in trials.targets[trials.counted].T)


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
