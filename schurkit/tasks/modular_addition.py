"""Modular addition: read numbers one a time step, then name their sum modulo p."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from schurkit import random
from schurkit.checks import InputError, boolean, integer, number
from schurkit.metrics import ACCURACY
from schurkit.rnn import Trials

MOST_TUPLES = 2**20


@dataclass(frozen=True)
class ModularAddition:
    """Modular addition of arXiv:2503.22059: c = (a + b) mod p, learned from a part of all pairs (a,
    b).

    One number a time step, as a one-hot input; the target is the one-hot class c at the last step,
    which alone counts. The paper's set-up is not public, so sizes and split are ours.

    The split: a permutation of all p^operands tuples, drawn from `split_seed`; the first
    `train_fraction` of it are for training, the rest is held out. **Every network of a task has the
    same split**, whatever its own seed, so that held-out pairs are held out for all of them; how
    much the split itself matters is seen by changing `split_seed`.

    Parameters
    ----------
    p : the modulus, odd and at least 3: with an even one the frequency p/2 has a cosine and no
        sine. A prime makes all frequencies alike.
    train_fraction : share of the tuples for training.
    operands : numbers to add.
    equals : a last "=" token, with a channel of its own, follows the numbers.
    sample : how many of the p^operands tuples there are at all, drawn at random; None for all of
        them (up to 2²⁰).
    split_seed : of the sample and of the split.
    threshold : accuracy on held-out tuples from which a network counts as converged.

    Examples
    --------
    >>> task = ModularAddition(p=7, train_fraction=0.5)
    >>> task.batch([0], 0).inputs.shape, task.test_trials().inputs.shape
    ((1, 24, 2, 7), (25, 2, 7))
    """

    p: int = 113
    train_fraction: float = 0.4
    operands: int = 2
    equals: bool = False
    sample: int | None = None
    split_seed: int = 0
    threshold: float = 0.99

    name = "modular_addition"
    version = 1
    metric = ACCURACY

    def __post_init__(self):
        if integer(self.p, "p", at_least=3) % 2 == 0:
            raise InputError(
                f"p must be odd, so that each frequency has a cosine and a sine; got {self.p}. "
                f"Take {self.p - 1} or {self.p + 1}."
            )
        integer(self.operands, "operands", at_least=2)
        integer(self.split_seed, "split_seed", at_least=0)
        number(self.train_fraction, "train_fraction", above=0, at_most=1)
        number(self.threshold, "threshold", at_least=0, at_most=1)
        boolean(self.equals, "equals")
        tuples = self.p**self.operands
        if self.sample is not None:
            integer(self.sample, "sample", at_least=2, at_most=min(tuples, MOST_TUPLES))
        elif tuples > MOST_TUPLES:
            raise InputError(
                f"{self.p}^{self.operands} = {tuples} tuples are too many to list; pass sample, "
                f"at most {MOST_TUPLES}."
            )
        if not 1 <= self.train_size < self.size:
            raise InputError(
                f"train_fraction={self.train_fraction:g} of {self.size} tuples must leave at "
                "least one for training and one held out."
            )

    @property
    def input_size(self) -> int:
        return self.p + bool(self.equals)

    @property
    def output_size(self) -> int:
        return self.p

    @property
    def steps(self) -> int:
        """Time steps of a trial."""
        return self.operands + bool(self.equals)

    @property
    def chance(self) -> float:
        """Mean squared error of always predicting the mean target, (1 − 1/p)/p."""
        return (1 - 1 / self.p) / self.p

    @property
    def size(self) -> int:
        """Number of tuples, training and held out."""
        return self.p**self.operands if self.sample is None else self.sample

    @property
    def train_size(self) -> int:
        """Number of training tuples."""
        return round(self.train_fraction * self.size)

    @property
    def train_tuples(self) -> np.ndarray:
        """(train_size, operands) the training tuples, the same for every network."""
        return self._tuples[: self.train_size]

    @property
    def held_out_tuples(self) -> np.ndarray:
        """(size − train_size, operands) the held-out tuples."""
        return self._tuples[self.train_size :]

    @property
    def _tuples(self) -> np.ndarray:
        return _shuffled(self.p, self.operands, self.sample, self.split_seed)

    def token_pairs(self, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
        """The training set as numbers (a, b, target), (train_size,) each: what a table form of a
        two-step network needs.

        None where there is no such form: more than two operands, or an "=" token. The seed changes
        nothing (see the split above).
        """
        if self.operands != 2 or self.equals:
            return None
        a, b = self.train_tuples.T
        return a, b, (a + b) % self.p

    def batch(self, seeds: Sequence[int], step: int, trials: int | None = None) -> Trials:
        """Training trials, (networks, trials, time, tokens); see `schurkit.tasks.base.Task.batch`.

        trials : None for the whole training set in a fixed order, else a number of tuples drawn
            from it, with replacement.
        """
        train, seeds = self.train_tuples, list(seeds)
        if trials is None:
            return self.trials(np.broadcast_to(train, (len(seeds), *train.shape)))
        trials = integer(trials, "trials", at_least=1)
        which = random.integers(seeds, "modular addition batch", step, trials, len(train))
        return self.trials(train[which])

    def test_trials(self, trials: int | None = None, seed: int = 0) -> Trials:
        """Held-out trials, (trials, time, tokens): all held-out tuples, or as many of them as asked
        for, drawn without replacement.
        """
        held_out = self.held_out_tuples
        if trials is not None and integer(trials, "trials", at_least=1) < len(held_out):
            order = random.permutation(seed, "modular addition test", 0, len(held_out))
            held_out = held_out[order[:trials]]
        return self.trials(held_out)

    def trials(self, tuples) -> Trials:
        """Trials of any tuples, (…, trials, operands) whole numbers from 0 to p − 1."""
        tuples = np.asarray(tuples)
        if (
            tuples.ndim not in (2, 3)
            or tuples.shape[-1] != self.operands
            or tuples.dtype.kind not in "iu"
        ):
            raise InputError(
                f"tuples must be whole numbers of shape (trials, {self.operands}) or (networks, "
                f"trials, {self.operands}); got {tuples.dtype} of shape {tuples.shape}."
            )
        if tuples.size and not 0 <= tuples.min() <= tuples.max() < self.p:
            raise InputError(
                f"tuples must hold numbers from 0 to {self.p - 1}; got {tuples.min()} to "
                f"{tuples.max()}."
            )
        tokens = tuples
        if self.equals:
            tokens = np.concatenate([tuples, np.full((*tuples.shape[:-1], 1), self.p)], axis=-1)
        inputs = np.zeros((*tokens.shape, self.input_size), np.float32)
        np.put_along_axis(inputs, tokens[..., None], 1, axis=-1)
        targets = np.zeros((*tokens.shape, self.p), np.float32)
        sums = tuples.sum(axis=-1, keepdims=True) % self.p
        np.put_along_axis(targets[..., -1, :], sums, 1, axis=-1)
        return Trials(inputs, targets, np.arange(self.steps) == self.steps - 1)


@lru_cache(maxsize=8)
def _shuffled(p: int, operands: int, sample: int | None, seed: int) -> np.ndarray:
    """(size, operands) all tuples, or a sample of them, in the random order of the split."""
    if p**operands <= MOST_TUPLES:
        order = random.permutation(seed, "modular addition split", 0, p**operands)[:sample]
        tuples = np.stack(np.unravel_index(order, (p,) * operands), axis=-1)
    else:
        tuples = _distinct(p, operands, sample, seed)
    tuples.setflags(write=False)
    return tuples


def _distinct(p, operands, sample, seed):
    """Too many tuples to list: draw single numbers and drop tuples that came before."""
    draws = 2 * sample
    while True:
        drawn = random.integers(seed, "modular addition sample", 0, (draws, operands), p)
        first = np.sort(np.unique(drawn, axis=0, return_index=True)[1])
        if len(first) >= sample:
            return drawn[first[:sample]]
        draws *= 2
