"""Frequency-cued sine generation: a static cue says which sine to draw."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from schurkit import random
from schurkit.checks import InputError, integer, number

from .base import DrawnTask


@dataclass(frozen=True)
class Sine(DrawnTask):
    """Frequency-cued sine generation of arXiv:2606.18457, §4 (50 steps); the paper does not state
    the input statistics.

    One input channel holds a cue from the first step to the last; the target is sin(ω t) at steps t
    = 1, …, `steps`. There are `cues` cues j/`cues` + `offset`, j = 0, 1, …, equally likely, and as
    many ω, evenly spaced from `slowest` to `fastest`. With ``cues=0`` they are continuous: c +
    `offset`, c ~ Unif[0, 1), with ω = slowest + c (fastest − slowest).

    The default is the task of the literature that the paper cites: 51 cues j/51 + .25 and ω from .1
    to .6 a step (D. Sussillo, O. Barak, Neural Computation 25, 2013). The offset matters: without
    it a cue near 0 is no input at all, and a network without biases that starts at 0 stays there.

    Reference errors: the input determines the target, so an ideal observer has FVU 0; always
    predicting the mean has FVU 1 and a mean squared error near 1/2; drawing the middle frequency
    whatever the cue has FVU `cue_blind`.

    Parameters
    ----------
    steps : trial length, in time steps.
    slowest, fastest : ω of the first and the last cue, radians a step, at most π.
    threshold : FVU on held-out trials up to which a network counts as converged.
    cues : how many; 0 for continuous ones.
    offset : added to every cue.

    Examples
    --------
    >>> Sine(steps=20).test_trials(5).targets.shape
    (5, 20, 1)
    """

    steps: int = 50
    slowest: float = 0.1
    fastest: float = 0.6
    threshold: float = 0.05
    cues: int = 51
    offset: float = 0.25

    name = "sine"
    stream = "sine"
    version = 2
    input_size = 1
    output_size = 1

    def __post_init__(self):
        super().__post_init__()
        number(self.slowest, "slowest", above=0, at_most=np.pi)
        number(self.fastest, "fastest", above=0, at_most=np.pi)
        integer(self.cues, "cues", at_least=0)
        number(self.offset, "offset")
        if self.slowest > self.fastest:
            raise InputError(
                f"slowest must be at most fastest; got {self.slowest} and {self.fastest}."
            )

    def cue(self, places):
        """The input at places between the slowest sine, 0, and the fastest, 1."""
        return np.asarray(places) * ((self.cues - 1) / self.cues if self.cues else 1) + self.offset

    def waves(self, places) -> np.ndarray:
        """sin(ω t) for places (…,) between the slowest, 0, and the fastest, 1, as (…, time, 1)."""
        omega = self.slowest + np.asarray(places)[..., None, None] * (self.fastest - self.slowest)
        return np.sin(omega * np.arange(1, self.steps + 1)[:, None])

    def _reference(self) -> np.ndarray:
        """All waves, or a thousand where cues are continuous."""
        return self.waves(self._places() if self.cues else (np.arange(1000) + 0.5) / 1000)

    def _places(self) -> np.ndarray:
        return np.arange(self.cues) / max(self.cues - 1, 1)

    @property
    def chance(self) -> float:
        """Mean squared error of always predicting the mean target, over all cues."""
        return float(self._reference().var())

    @property
    def cue_blind(self) -> float:
        """FVU of drawing the middle frequency whatever the cue."""
        return float(((self._reference() - self.waves(np.array([0.5]))) ** 2).mean() / self.chance)

    def draw(self, seeds, stream: str, step: int, trials: int) -> tuple:
        if self.cues:
            which = random.integers(seeds, stream, step, (trials,), self.cues)
            cues, places = which / self.cues, self._places()[which]
        else:
            cues = places = random.uniform(seeds, stream, step, trials)
        inputs = np.repeat((cues + self.offset)[..., None], self.steps, axis=-1)[..., None]
        return inputs, self.waves(places)
