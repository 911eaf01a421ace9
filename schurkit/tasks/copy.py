"""The copy task: hold a sequence of symbols, then replay it over and over without any input."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from schurkit import random
from schurkit.checks import integer, number
from schurkit.metrics import REPLAY_ACCURACY, Metric
from schurkit.rnn import Trials


@dataclass(frozen=True)
class Copy:
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

    name: ClassVar[str] = "copy"
    version: ClassVar[int] = 1
    chance: ClassVar[float] = 1.0  # the targets are ±1 with mean 0

    def __post_init__(self):
        for field in ("symbols", "channels", "replay"):
            integer(getattr(self, field), field, at_least=1)
        number(self.threshold, "threshold", at_least=0, at_most=1)

    @property
    def steps(self) -> int:
        """Trial length: the symbols and their replay."""
        return self.symbols + self.replay

    @property
    def input_size(self) -> int:
        return self.channels

    @property
    def output_size(self) -> int:
        return self.channels

    @property
    def metric(self) -> Metric:
        return REPLAY_ACCURACY

    def batch(self, seeds: Sequence[int], step: int, trials: int) -> Trials:
        """Training trials, (networks, trials, time, channels); see
        `schurkit.tasks.base.Task.batch`.
        """
        return self._trials(
            random.signs(list(seeds), "copy batch", step, (trials, self.symbols, self.channels))
        )

    def compiled_batch(self):
        """Name and numbers of them in compiled code: see `schurkit.engine.compiled.batches`."""
        return "copy", ()

    def test_trials(self, trials: int = 256, seed: int = 0) -> Trials:
        """Held-out trials, (trials, time, channels)."""
        return self._trials(
            random.signs(
                seed,
                "copy test",
                0,
                (integer(trials, "trials", at_least=1), self.symbols, self.channels),
            )
        )

    def _trials(self, inputs: np.ndarray) -> Trials:
        inputs = inputs.astype(np.float32)
        lags = np.arange(self.replay) % self.symbols
        targets = np.concatenate([np.zeros_like(inputs), inputs[..., lags, :]], axis=-2)
        return Trials(inputs, targets, np.arange(targets.shape[-2]) >= self.symbols)
