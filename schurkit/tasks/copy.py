"""The copy task: hold a sequence of symbols, then replay it over and over without any input."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from schurkit import random
from schurkit.checks import integer
from schurkit.metrics import REPLAY_ACCURACY

from .base import DrawnTask


@dataclass(frozen=True)
class Copy(DrawnTask):
    """Copy task of arXiv:2606.18457, §3.

    `symbols` vectors of `channels` independent, equally likely −1 or +1 are presented one a time
    step. Then the input is zero and the network replays the sequence: the target at lag ℓ = 1, 2,
    …, `replay` is the input at step ((ℓ − 1) mod symbols) + 1. The loss and the accuracy count the
    replay stretch only.

    Parameters
    ----------
    symbols : length s of the sequence, in time steps.
    channels : size d of a symbol; the task stores s · d signs.
    replay : number of autonomous replay steps.
    threshold : replay accuracy on held-out trials from which a network counts as converged.

    Examples
    --------
    >>> trials = Copy(symbols=3, channels=2, replay=6).test_trials(10)
    >>> trials.inputs.shape, trials.targets.shape
    ((10, 3, 2), (10, 9, 2))
    """

    symbols: int = 8
    channels: int = 8
    replay: int = 128
    threshold: float = 0.99

    name = "copy"
    stream = "copy"
    metric = REPLAY_ACCURACY
    version = 1
    chance = 1.0  # the targets are ±1 with mean 0

    def __post_init__(self):
        for field in ("symbols", "channels", "replay"):
            integer(getattr(self, field), field, at_least=1)
        super().__post_init__()

    @property
    def steps(self) -> int:
        """Trial length: the symbols and their replay."""
        return self.symbols + self.replay

    def compiled_batch(self):
        """Name and numbers of them in compiled code: see `schurkit.engine.compiled.batches`."""
        return "copy", ()

    def out_of_distribution(self) -> Copy:
        """The same task with a replay twice as long."""
        return replace(self, replay=2 * self.replay)

    def draw(self, seeds, stream: str, step: int, trials: int) -> tuple:
        inputs = random.signs(seeds, stream, step, (trials, self.symbols, self.channels))
        lags = np.arange(self.replay) % self.symbols
        targets = np.concatenate([np.zeros_like(inputs), inputs[..., lags, :]], axis=-2)
        return inputs, targets, np.arange(self.steps) >= self.symbols
