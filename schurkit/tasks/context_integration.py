"""Context-dependent integration: add up the cued one of two noisy streams of evidence."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from schurkit import random
from schurkit.checks import number
from schurkit.rnn import Trials

from .base import DrawnTask


@dataclass(frozen=True)
class ContextIntegration(DrawnTask):
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

    name = "context_integration"
    stream = "context integration"
    version = 1
    input_size = 4
    output_size = 1
    context_blind = 0.5

    def __post_init__(self):
        super().__post_init__()
        for field in ("drift", "noise"):
            number(getattr(self, field), field, at_least=0)

    @property
    def chance(self) -> float:
        """Mean squared error of always predicting the mean target: mean over t of (t noise² + t²
        drift²/3) / steps.
        """
        t = np.arange(1, self.steps + 1)
        return float((t * self.noise**2 + t**2 * self.drift**2 / 3).mean() / self.steps)

    def compiled_batch(self):
        """Name and numbers of them in compiled code: see `schurkit.engine.compiled.batches`."""
        return "context_integration", (self.drift, self.noise)

    def draw(self, seeds, stream: str, step: int, trials: int) -> Trials:
        drifts = random.uniform(
            seeds, f"{stream} drift", step, (trials, 1, 2), -self.drift, self.drift
        )
        noise = random.normal(seeds, stream, step, (trials, self.steps, 2))
        evidence = drifts + self.noise * noise
        second = random.signs(seeds, f"{stream} context", step, (trials, 1, 1)) > 0
        cued = np.where(second, evidence[..., 1:], evidence[..., :1])
        cues = np.broadcast_to(np.concatenate([~second, second], axis=-1), evidence.shape)
        targets = np.cumsum(cued, axis=-2) / np.sqrt(self.steps)
        inputs = np.concatenate([evidence, cues], axis=-1)
        return Trials(inputs.astype(np.float32), targets.astype(np.float32))
