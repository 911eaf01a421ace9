"""Frequency-cued sine generation: a static cue says which sine to draw."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from schurkit import random
from schurkit.checks import InputError, number
from schurkit.rnn import Trials

from .base import DrawnTask


@dataclass(frozen=True)
class Sine(DrawnTask):
    """Frequency-cued sine generation of arXiv:2606.18457, §4 (50 steps); the paper does not state
    the input statistics.

    One input channel holds a cue c ~ Unif[0, 1) from the first step to the last. The target is
    sin(2π f t) at steps t = 1, …, `steps` with f = `slowest` + c (`fastest` − `slowest`), in cycles
    a step.

    Input statistics, frozen before any network was trained: frequencies from .02 to .1 draw one to
    five cycles in 50 steps (periods of 50 to 10 steps), so that every trial holds at least one
    whole cycle and every cycle at least ten steps. The cue is continuous, so held-out trials ask
    for frequencies that training never showed; it stays on, so that the network need not remember
    it.

    Reference errors: the input determines the target, so an ideal observer has FVU 0; always
    predicting the mean has FVU 1 and a mean squared error near 1/2; drawing the middle frequency
    whatever the cue has FVU `cue_blind`.

    Parameters
    ----------
    steps : trial length, in time steps.
    slowest, fastest : frequencies at cue 0 and 1, in cycles a step, at most 1/2.
    threshold : FVU on held-out trials up to which a network counts as converged.

    Examples
    --------
    >>> Sine(steps=20).test_trials(5).targets.shape
    (5, 20, 1)
    """

    steps: int = 50
    slowest: float = 0.02
    fastest: float = 0.1
    threshold: float = 0.05

    name = "sine"
    stream = "sine"
    version = 1
    input_size = 1
    output_size = 1

    def __post_init__(self):
        super().__post_init__()
        number(self.slowest, "slowest", above=0, at_most=0.5)
        number(self.fastest, "fastest", above=0, at_most=0.5)
        if self.slowest > self.fastest:
            raise InputError(
                f"slowest must be at most fastest; got {self.slowest} and {self.fastest}."
            )

    def _reference(self) -> np.ndarray:
        return self.targets((np.arange(1000) + 0.5) / 1000)

    @property
    def chance(self) -> float:
        """Mean squared error of always predicting the mean target, over all cues."""
        return float(self._reference().var())

    @property
    def cue_blind(self) -> float:
        """FVU of drawing the middle frequency whatever the cue."""
        return float(
            ((self._reference() - self.targets(np.array([0.5]))) ** 2).mean() / self.chance
        )

    def targets(self, cues: np.ndarray) -> np.ndarray:
        """sin(2π f t) for cues (…,), as (…, time, 1)."""
        frequency = self.slowest + np.asarray(cues)[..., None, None] * (self.fastest - self.slowest)
        return np.sin(2 * np.pi * frequency * np.arange(1, self.steps + 1)[:, None])

    def draw(self, seeds, stream: str, step: int, trials: int) -> Trials:
        return self._trials(random.uniform(seeds, stream, step, trials))

    def _trials(self, cues: np.ndarray) -> Trials:
        inputs = np.repeat(cues[..., None], self.steps, axis=-1)[..., None]
        return Trials(inputs.astype(np.float32), self.targets(cues).astype(np.float32))
