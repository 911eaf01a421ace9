"""What a trainer is made of that takes each step with a whole stack: batches, and the networks that
are still trained.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from schurkit.checks import InputError

from .base import Weights


def batch_of(task, seeds: Sequence[int], step: int, trials: int | None):
    """The training trials of a task at a step; InputError where they have starts of their own."""
    drawn = task.batch(list(seeds), step, trials)
    if drawn.h0 is not None:
        raise InputError(
            f"the batches of task {task.name!r} have starts (h0), which training does not take: "
            "leave h0 out of batch."
        )
    return drawn


class Batches:
    """The training trials of a task, drawn once where they are its whole training set."""

    def __init__(self, task, trials: int | None):
        self.task, self.trials = task, trials
        self._whole = ((), None)

    def draw(self, seeds: Sequence[int], step: int):
        """Inputs, targets and mask of one step, one network a seed."""
        if self.trials is None and self._whole[0] == tuple(seeds):
            return self._whole[1]
        drawn = batch_of(self.task, seeds, step, self.trials)
        arrays = drawn.inputs, drawn.targets, drawn.mask
        if self.trials is None:
            self._whole = tuple(seeds), arrays
        return arrays


class Stack:
    """The networks of a stack that are still trained; those that left keep what they had.

    Parameters
    ----------
    values, previous : trained arrays by name, (networks, …), of NumPy or of torch: now, and before
        the last step.
    moments : more such arrays, which go where these go.
    derive : weights from trained arrays.
    """

    def __init__(self, values, previous, *moments, derive: Callable[[Weights], Weights] = dict):
        self.values, self.previous, self.derive = values, previous, derive
        self.rows = list(range(len(next(iter(values.values())))))  # the network in each row
        self._all = values, previous, *moments
        self._gone = {}

    def keep(self, networks: Sequence[int]) -> None:
        """Go on with these networks alone, in this order."""
        networks = list(networks)
        if networks == self.rows:
            return
        left = set(self.rows) - set(networks)
        self._gone |= {network: self.weights(network) for network in left}
        rows = [self.rows.index(network) for network in networks]
        for arrays in self._all:
            arrays.update({name: array[rows] for name, array in arrays.items()})
        self.rows = networks

    def weights(self, network: int) -> Weights:
        """The arrays of one network, copied; those before its last step if they, or the weights
        derived from them, are not finite now.
        """
        if network in self._gone:
            return self._gone[network]
        row = self.rows.index(network)
        now, before = (
            {name: _on_host(array[row]) for name, array in arrays.items()}
            for arrays in (self.values, self.previous)
        )
        derived = self.derive({name: array[None] for name, array in now.items()})
        finite = all(np.isfinite(array).all() for array in (*now.values(), *derived.values()))
        return now if finite else before


def _on_host(array):
    """A copy in NumPy of an array of either kind."""
    return array.copy() if isinstance(array, np.ndarray) else array.cpu().numpy().copy()
