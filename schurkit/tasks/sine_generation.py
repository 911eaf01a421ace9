"""Sine generation as in the study of degeneracy: one static cue and one of many frequencies a
channel.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from schurkit import random
from schurkit.checks import InputError, integer, number
from schurkit.metrics import FVU, Metric
from schurkit.rnn import Trials


@dataclass(frozen=True)
class SineGeneration:
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

    name: ClassVar[str] = "sine_generation"
    version: ClassVar[int] = 1
    stop_mse: ClassVar[float] = 0.05

    def __post_init__(self):
        integer(self.channels, "channels", at_least=1)
        integer(self.frequencies, "frequencies", at_least=2)
        integer(self.steps, "steps", at_least=1)
        number(self.slowest, "slowest", above=0)
        number(self.fastest, "fastest", at_least=self.slowest)
        number(self.dt, "dt", above=0)
        number(self.threshold, "threshold", at_least=0)
        if self.fastest * self.dt > 0.5:
            raise InputError(
                f"fastest · dt must be at most 1/2 (two steps a period); got {self.fastest} · "
                f"{self.dt}."
            )

    @property
    def input_size(self) -> int:
        return self.channels

    @property
    def output_size(self) -> int:
        return self.channels

    @property
    def metric(self) -> Metric:
        return FVU

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

    def out_of_distribution(self) -> SineGeneration:
        """The same task with trials twice as long."""
        return replace(self, steps=2 * self.steps)

    def batch(self, seeds: Sequence[int], step: int, trials: int) -> Trials:
        """Training trials, (networks, trials, time, channels); see
        `schurkit.tasks.base.Task.batch`.
        """
        return self._trials(
            random.integers(
                list(seeds),
                "sine generation batch",
                step,
                (trials, self.channels),
                self.frequencies,
            )
        )

    def compiled_batch(self):
        """Name and numbers of them in compiled code: see `schurkit.engine.compiled.batches`."""
        return "sine_generation", self.waves.ravel()

    def test_trials(self, trials: int = 256, seed: int = 0) -> Trials:
        """Held-out trials, (trials, time, channels)."""
        shape = integer(trials, "trials", at_least=1), self.channels
        return self._trials(
            random.integers(seed, "sine generation test", 0, shape, self.frequencies)
        )

    def _trials(self, chosen: np.ndarray) -> Trials:
        cues = np.repeat((chosen / (self.frequencies - 1))[..., None, :], self.steps, axis=-2)
        return Trials(
            cues.astype(np.float32), np.ascontiguousarray(np.moveaxis(self.waves[chosen], -1, -2))
        )
