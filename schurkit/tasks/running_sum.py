"""Running sums modulo p: name, after each number, the sum of all numbers so far. Our own task, so
that one W_rec is used again and again.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from schurkit import random
from schurkit.checks import InputError, integer
from schurkit.rnn import Trials

from .modular_addition import ModularAddition


@dataclass(frozen=True)
class RunningSum(ModularAddition):
    """Modular addition with a target at every step: after a_1 … a_t the class is s_t = (a_1 + … +
    a_t) mod p.

    `ModularAddition` with two numbers uses W_rec once. Here the state after each step has to hold
    s_t for the next one, so that W_rec iterates, and a network can be tried on more numbers than it
    was trained on (`longer`). No source trains this; task and recipe are ours.

    Parameters
    ----------
    As `ModularAddition`, with no "=" token; all steps count for loss and accuracy, also the first,
    where the sum is the number itself.

    Examples
    --------
    >>> task = RunningSum(p=7, operands=3, sample=100)
    >>> trials = task.trials(np.array([[5, 4, 6]]))
    >>> trials.targets.argmax(axis=-1).tolist()
    [[5, 2, 1]]
    """

    p: int = 59
    train_fraction: float = 0.5
    operands: int = 3
    sample: int | None = 30_000

    name = "running_sum"
    version = 1

    def __post_init__(self):
        super().__post_init__()
        if self.equals:
            raise InputError(
                "running_sum has no '=' token: every step asks for a sum. Take equals=False."
            )

    def token_pairs(self, seed: int = 0) -> None:
        """None: the table form of training is for a target after two tokens alone."""
        return

    def trials(self, tuples) -> Trials:
        """Trials of any tuples, (…, trials, operands) whole numbers from 0 to p − 1."""
        last = super().trials(tuples)
        targets = np.zeros_like(last.targets)
        np.put_along_axis(targets, (np.cumsum(tuples, axis=-1) % self.p)[..., None], 1, axis=-1)
        return Trials(last.inputs, targets)

    def longer(self, operands: int, trials: int = 1000, seed: int = 0) -> Trials:
        """Trials of another number of numbers, drawn evenly: does a network go on adding where
        training ended?

        Parameters
        ----------
        operands : numbers a trial, at least 2.
        trials : how many.
        seed : of the numbers.
        """
        shape = (integer(trials, "trials", at_least=1), integer(operands, "operands", at_least=2))
        task = type(self)(p=self.p, operands=operands, sample=min(100, self.p**2))
        return task.trials(random.integers(seed, "running sum, longer", operands, shape, self.p))
