"""Context-dependent integration: add up the cued one of two noisy streams of evidence."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from schurkit import random
from schurkit.checks import InputError, integer, number, one_of

from .base import DrawnTask

TARGETS = ("scaled", "sum", "mean")


@dataclass(frozen=True)
class ContextIntegration(DrawnTask):
    """Context-dependent integration of arXiv:2606.18457, §4 (four inputs, 48 steps); the paper does
    not state the input statistics.

    Inputs 0 and 1 are evidence: x_t = μ + noise · ε_t with ε_t ~ N(0, 1) and a drift μ for each
    stream and trial, Unif(±`drift`) or, with `coherences` levels, one of as many evenly spaced over
    ±`drift`. Inputs 2 and 3 are the context, one-hot from the first step to the last, equally
    likely. The target is the running integral of the cued stream: Σ_{s ≤ t} x_s / √`steps`
    (`target` "scaled"), Σ x_s ("sum"), or Σ x_s / t ("mean").

    V. Mante et al. (Nature 503, 2013) have six coherences and the sign of the integral as target;
    N. Maheswaranathan et al. (NeurIPS 2019) ask for the running integral, as is done here.

    Input statistics, fixed before any network was trained: with noise 1 and drifts up to ±.25,
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
    coherences : number of levels of the drift; 0 for continuous ones.
    target : "scaled", "sum" or "mean".

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
    coherences: int = 0
    target: str = "scaled"

    name = "context_integration"
    stream = "context integration"
    version = 2
    input_size = 4
    output_size = 1
    context_blind = 0.5

    def __post_init__(self):
        super().__post_init__()
        for field in ("drift", "noise"):
            number(getattr(self, field), field, at_least=0)
        if integer(self.coherences, "coherences", at_least=0) == 1:
            raise InputError("coherences must be 0, for continuous ones, or at least 2; got 1.")
        one_of(self.target, "target", TARGETS)

    @property
    def levels(self) -> np.ndarray:
        """(coherences,) the drifts there are."""
        n = self.coherences
        return self.drift * (2 * np.arange(n) - (n - 1)) / max(n - 1, 1)

    def scale(self) -> np.ndarray:
        """(time,) what the sum is divided by."""
        t = np.arange(1.0, self.steps + 1)
        return {"scaled": np.full(self.steps, np.sqrt(self.steps)), "sum": t**0, "mean": t}[
            self.target
        ]

    @property
    def chance(self) -> float:
        """Mean squared error of always predicting the mean target: mean over t of (t noise² + t²
        E[μ²]) over the square of what the sum is divided by.
        """
        t = np.arange(1, self.steps + 1)
        squares = np.mean(self.levels**2) if self.coherences else self.drift**2 / 3
        return float(((t * self.noise**2 + t**2 * squares) / self.scale() ** 2).mean())

    def compiled_batch(self):
        """Name and numbers of them in compiled code: see `schurkit.engine.compiled.batches`."""
        kind = TARGETS.index(self.target)
        return "context_integration", (self.drift, self.noise, self.coherences, kind)

    def draw(self, seeds, stream: str, step: int, trials: int) -> tuple:
        width = (0.0, 1.0) if self.coherences else (-self.drift, self.drift)
        drifts = random.uniform(seeds, f"{stream} drift", step, (trials, 1, 2), *width)
        if self.coherences:
            drifts = self.levels[np.floor(drifts * self.coherences).astype(int)]
        noise = random.normal(seeds, stream, step, (trials, self.steps, 2))
        evidence = drifts + self.noise * noise
        second = random.signs(seeds, f"{stream} context", step, (trials, 1, 1)) > 0
        cued = np.where(second, evidence[..., 1:], evidence[..., :1])
        cues = np.broadcast_to(np.concatenate([~second, second], axis=-1), evidence.shape)
        targets = np.cumsum(cued, axis=-2) / self.scale()[:, None]
        return np.concatenate([evidence, cues], axis=-1), targets
