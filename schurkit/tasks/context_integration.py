"""Context-dependent integration: add up the cued one of two noisy streams of evidence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from schurkit import random
from schurkit.checks import integer, number
from schurkit.metrics import FVU, Metric
from schurkit.rnn import Trials


@dataclass(frozen=True)
class ContextIntegration:
    """Context-dependent integration of arXiv:2606.18457, §4 (four inputs, 48 steps); the paper does
    not state the input statistics.

    Inputs 0 and 1 are evidence: x_t = μ + noise · ε_t with ε_t ~ N(0, 1) and a drift μ ~
    Unif(±`drift`) for each stream and trial. Inputs 2 and 3 are the context, one-hot from the first
    step to the last, equally likely. The target is the running integral of the cued stream, y_t =
    Σ_{s ≤ t} x_s / √`steps`.

    Input statistics, frozen before any network was trained: with noise 1 and drifts up to ±.25,
    over 48 steps half of the variance of the final integral comes from the drift and half from the
    noise. So neither the mean of the stream nor its last value is enough, and both streams look
    alike without the cue. 1/√steps keeps the final target near unit variance.

    Reference errors: the input determines the target, so an ideal observer has FVU 0; always
    predicting the mean has FVU 1; integrating the average of both streams, blind to the context,
    has FVU 1/2; integrating both in either context has FVU 1.

    Parameters
    ----------
    steps : trial length, in time steps.
    drift : largest |μ|.
    noise : standard deviation of the noise a step.
    threshold : FVU on held-out trials up to which a network counts as converged.

    Examples
    --------
    >>> trials = ContextIntegration(steps=12).test_trials(5)
    >>> trials.inputs.shape, trials.targets.shape
    ((5, 12, 4), (5, 12, 1))
    """

    steps: int = 48
    drift: float = 0.25
    noise: float = 1.0
    threshold: float = 0.05

    name: ClassVar[str] = "context_integration"
    version: ClassVar[int] = 1
    input_size: ClassVar[int] = 4
    output_size: ClassVar[int] = 1
    context_blind: ClassVar[float] = 0.5

    def __post_init__(self):
        integer(self.steps, "steps", at_least=1)
        for field in ("drift", "noise", "threshold"):
            number(getattr(self, field), field, at_least=0)

    @property
    def metric(self) -> Metric:
        return FVU

    @property
    def chance(self) -> float:
        """Mean squared error of always predicting the mean target: mean over t of (t noise² + t²
        drift²/3) / steps.
        """
        t = np.arange(1, self.steps + 1)
        return float((t * self.noise**2 + t**2 * self.drift**2 / 3).mean() / self.steps)

    def batch(self, seeds: Sequence[int], step: int, trials: int) -> Trials:
        """Training trials, (networks, trials, time, 4 or 1); see
        `schurkit.tasks.base.Task.batch`.
        """
        return self._trials(list(seeds), "context integration batch", step, trials)

    def compiled_batch(self):
        """Name and numbers of them in compiled code: see `schurkit.engine.compiled.batches`."""
        return "context_integration", (self.drift, self.noise)

    def test_trials(self, trials: int = 256, seed: int = 0) -> Trials:
        """Held-out trials, (trials, time, 4 or 1)."""
        return self._trials(
            seed, "context integration test", 0, integer(trials, "trials", at_least=1)
        )

    def _trials(self, seed, stream: str, step: int, trials: int) -> Trials:
        drifts = random.uniform(
            seed, f"{stream} drift", step, (trials, 1, 2), -self.drift, self.drift
        )
        evidence = drifts + self.noise * random.normal(seed, stream, step, (trials, self.steps, 2))
        context = (random.signs(seed, f"{stream} context", step, (trials, 1, 1)) > 0).astype(int)
        cues = np.broadcast_to(
            np.concatenate([context == 0, context == 1], axis=-1), evidence.shape
        )
        cued = np.take_along_axis(
            evidence, np.broadcast_to(context, (*evidence.shape[:-1], 1)), axis=-1
        )
        targets = np.cumsum(cued, axis=-2) / np.sqrt(self.steps)
        return Trials(
            np.concatenate([evidence, cues], axis=-1).astype(np.float32), targets.astype(np.float32)
        )
