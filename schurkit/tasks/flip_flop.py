"""The N-bit flip-flop: remember the sign of the last pulse on each channel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from schurkit import random
from schurkit.checks import integer, number
from schurkit.metrics import FVU, Metric
from schurkit.rnn import Trials


@dataclass(frozen=True)
class FlipFlop:
    """N-bit flip-flop of arXiv:2606.18457, §4 (3 bits, 25 steps); the paper does not state the
    input statistics.

    Each of `bits` channels is silent (0) but for pulses of −1 or +1, equally likely. There is a
    pulse on every channel at the first step, so that the target is always defined; after that each
    step carries one with probability `pulse_probability`, independently. The target of a channel is
    the sign of its last pulse.

    Input statistics, frozen before any network was trained: .1 a step makes a bit hold for 10 steps
    on average, so that within 25 steps every channel is both held and rewritten (2.4 rewrites, half
    of which flip the sign), and a network must keep a state for longer than a leak could. The study
    of degeneracy (arXiv:2410.03972) has more frequent pulses and trains to a mean squared error of
    `stop_mse`; ours for it are steps=100, pulse_probability=.3.

    Reference errors: the input determines the target, so an ideal observer has FVU 0; always
    predicting the mean has FVU 1 and a mean squared error of 1; repeating the sign of the present
    input, without memory, has FVU `memoryless`.

    Parameters
    ----------
    bits : number of channels.
    steps : trial length, in time steps.
    pulse_probability : of each later step and channel.
    threshold : FVU on held-out trials up to which a network counts as converged.

    Examples
    --------
    >>> trials = FlipFlop(bits=2, steps=10).test_trials(5)
    >>> trials.inputs.shape, trials.targets.shape
    ((5, 10, 2), (5, 10, 2))
    """

    bits: int = 3
    steps: int = 25
    pulse_probability: float = 0.1
    threshold: float = 0.05

    name: ClassVar[str] = "flip_flop"
    version: ClassVar[int] = 1
    chance: ClassVar[float] = 1.0  # the targets are ±1 with mean 0
    stop_mse: ClassVar[float] = 0.001

    def __post_init__(self):
        integer(self.bits, "bits", at_least=1)
        integer(self.steps, "steps", at_least=1)
        number(self.pulse_probability, "pulse_probability", at_least=0, at_most=1)
        number(self.threshold, "threshold", at_least=0)

    @property
    def input_size(self) -> int:
        return self.bits

    @property
    def output_size(self) -> int:
        return self.bits

    @property
    def metric(self) -> Metric:
        return FVU

    @property
    def memoryless(self) -> float:
        """FVU of the observer that repeats the present pulse and says 0 in between: the share of
        steps without a pulse.
        """
        return (self.steps - 1) * (1 - self.pulse_probability) / self.steps

    def out_of_distribution(self) -> FlipFlop:
        """The same task with trials twice as long."""
        return replace(self, steps=2 * self.steps)

    def batch(self, seeds: Sequence[int], step: int, trials: int) -> Trials:
        """Training trials, (networks, trials, time, bits); see `schurkit.tasks.base.Task.batch`."""
        return self._trials(
            random.uniform(list(seeds), "flip-flop batch", step, (trials, self.steps, self.bits))
        )

    def compiled_batch(self):
        """Name and numbers of them in compiled code: see `schurkit.engine.compiled.batches`."""
        return "flip_flop", (self.pulse_probability,)

    def test_trials(self, trials: int = 256, seed: int = 0) -> Trials:
        """Held-out trials, (trials, time, bits)."""
        return self._trials(
            random.uniform(
                seed,
                "flip-flop test",
                0,
                (integer(trials, "trials", at_least=1), self.steps, self.bits),
            )
        )

    def _trials(self, u: np.ndarray) -> Trials:
        """One uniform number decides each entry: below p/2 a pulse of −1, below p one of +1 (at the
        first step p = 1).
        """
        p = np.full((self.steps, self.bits), self.pulse_probability)
        p[0] = 1.0
        inputs = (u < p).astype(np.float32)
        inputs -= 2 * (u < p / 2).astype(np.float32)
        held = np.ascontiguousarray(
            inputs.reshape(-1, self.steps, self.bits).transpose(1, 2, 0)
        )  # time first: each step is one copy
        for t in range(1, self.steps):
            np.copyto(held[t], held[t - 1], where=held[t] == 0)
        return Trials(inputs, np.ascontiguousarray(held.transpose(2, 0, 1)).reshape(inputs.shape))
