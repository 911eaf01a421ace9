"""Sine generation as in the study of degeneracy: one static cue and one of many frequencies a
channel.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from schurkit import random
from schurkit.checks import InputError, integer, number

from .base import DrawnTask


@dataclass(frozen=True)
class SineGeneration(DrawnTask):
    """Sine generation of arXiv:2410.03972: on each channel a static cue → sin(2π f t), f in [1, 30]
    Hz.

    Each of `channels` holds a cue k/(frequencies − 1), k uniform on 0 … frequencies − 1, from the
    first step to the last. Its target is sin(2π f t) at t = dt, 2 dt, …, `steps` dt with f =
    slowest + cue (fastest − slowest). `Sine` is the same task with one channel and continuous cues.

    The paper's text leaves open dt, the trial's length and the number of frequencies; ours are .01
    s, 100 steps and 20. At dt = .01 s the fastest sine has 3.3 steps a period.

    Reference errors: the input determines the target, so an ideal observer has FVU 0; always
    predicting the mean has FVU 1.

    Parameters
    ----------
    channels : independent sines.
    frequencies : how many, at least 2.
    steps : trial length.
    slowest, fastest : Hz.
    dt : seconds a step.
    threshold : FVU on held-out trials up to which a network counts as converged (ours).
    stop_mse : the paper's training threshold.

    Examples
    --------
    >>> SineGeneration(channels=2).test_trials(5).targets.shape
    (5, 100, 2)
    """

    channels: int = 1
    frequencies: int = 20
    steps: int = 100
    slowest: float = 1.0
    fastest: float = 30.0
    dt: float = 0.01
    threshold: float = 0.1

    name = "sine_generation"
    stream = "sine generation"
    version = 1
    stop_mse = 0.05

    def __post_init__(self):
        super().__post_init__()
        integer(self.channels, "channels", at_least=1)
        integer(self.frequencies, "frequencies", at_least=2)
        number(self.slowest, "slowest", above=0)
        number(self.fastest, "fastest", at_least=self.slowest)
        number(self.dt, "dt", above=0)
        if self.fastest * self.dt > 0.5:
            raise InputError(
                f"fastest · dt must be at most 1/2 (two steps a period); got {self.fastest} · "
                f"{self.dt}."
            )

    @property
    def waves(self) -> np.ndarray:
        """The target of each frequency, (frequencies, time), float32."""
        f = self.slowest + np.arange(self.frequencies) / (self.frequencies - 1) * (
            self.fastest - self.slowest
        )
        return np.sin(2 * np.pi * f[:, None] * self.dt * np.arange(1, self.steps + 1)).astype(
            np.float32
        )

    @property
    def chance(self) -> float:
        """Mean squared error of always predicting the mean target."""
        return float(self.waves.astype(np.float64).var())

    def compiled_batch(self):
        """Name and numbers of them in compiled code: see `schurkit.engine.compiled.batches`."""
        return "sine_generation", self.waves.ravel()

    def draw(self, seeds, stream: str, step: int, trials: int) -> tuple:
        which = random.integers(seeds, stream, step, (trials, self.channels), self.frequencies)
        cues = np.repeat((which / (self.frequencies - 1))[..., None, :], self.steps, axis=-2)
        return cues, np.moveaxis(self.waves[which], -1, -2)
