"""Mean training losses of epochs, and what follows from them: which networks are done, and how far
their learning rates have fallen.
"""

from __future__ import annotations

import numpy as np

from .recipe import Recipe

BETTER, LEAST_CHANGE = 1e-4, 1e-8
"""As torch.optim.lr_scheduler.ReduceLROnPlateau: how much lower than the best a loss must be,
relatively; the smallest fall of a rate.
"""


class Epochs:
    """Bookkeeping of `Recipe.until` and `Recipe.plateau`, network by network.

    scale : (networks,) factor of the phase's learning rate.
    """

    def __init__(self, recipe: Recipe, networks: int):
        self.until, self.plateau, self.steps = recipe.until, recipe.plateau, recipe.epoch_steps
        self.sums, self.scale = np.zeros(networks), np.ones(networks)
        self.best, self.bad = np.full(networks, np.inf), np.zeros(networks, int)
        self.below = np.zeros(networks, int)

    def next_end(self, step: int) -> float:
        """The step at which the epoch of `step` ends, infinity where no epochs are counted."""
        return (step // self.steps + 1) * self.steps if self.until or self.plateau else np.inf

    def add(self, network, losses) -> None:
        """Add the losses of one step, (some networks,), of the networks at these positions."""
        self.sums[network] += losses

    def close(self, alive, rate: float, errors=None) -> np.ndarray:
        """End an epoch of the networks at positions `alive`, at the phase's learning rate; returns
        which of them are done.

        errors : gives the errors of the outputs of one of the networks, where they count.
        """
        means = self.sums[alive] / self.steps
        self.sums[:] = 0
        if self.plateau:
            self._reduce(alive, means, rate)
        if not self.until:
            return np.zeros(len(alive), bool)
        low = means < self.until.loss
        if self.until.each:
            for i in np.flatnonzero(low):
                low[i] = (errors(alive[i]) < self.until.loss).all()
        self.below[alive] = np.where(low, self.below[alive] + 1, 0)
        return self.below[alive] >= self.until.patience

    def _reduce(self, alive, means, rate):
        better = means < self.best[alive] * (1 - BETTER)
        self.best[alive] = np.where(better, means, self.best[alive])
        self.bad[alive] = np.where(better, 0, self.bad[alive] + 1)
        late = self.bad[alive] > self.plateau.patience
        fall = rate * self.scale[alive] * (1 - self.plateau.factor)
        self.scale[alive] *= np.where(late & (fall > LEAST_CHANGE), self.plateau.factor, 1)
        self.bad[alive[late]] = 0
