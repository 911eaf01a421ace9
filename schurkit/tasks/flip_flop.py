"""The N-bit flip-flop: remember the sign of the last pulse on each channel."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from schurkit import random
from schurkit.checks import integer, number, one_of

from .base import DrawnTask

STARTS = ("zero", "pulse")


@dataclass(frozen=True)
class FlipFlop(DrawnTask):
    """N-bit flip-flop of arXiv:2606.18457, §4 (3 bits, 25 steps); the paper does not state the
    input statistics.

    Each of `bits` channels is silent (0) but for pulses of −1 or +1, equally likely: each step
    carries one with probability `pulse_probability`, independently. The target of a channel is the
    sign of its last pulse, "the last nonzero input".

    Before the first pulse there is none, and the target is 0 (`start` "zero"): read literally, and
    as D. Sussillo, O. Barak (Neural Computation 25, 2013), whose task it is, let the memories rest.
    In the other reading (`start` "pulse") every channel has a pulse at the first step, so that the
    target is always ±1.

    Input statistics, fixed before any network was trained: .1 a step makes a bit hold for 10 steps
    on average, so that within 25 steps every channel is both held and rewritten, and a network must
    keep a state for longer than a leak could. The study of degeneracy (arXiv:2410.03972) has more
    frequent pulses and trains to a mean squared error of `stop_mse`; ours for it are start="pulse",
    steps=100, pulse_probability=.3.

    Reference errors: the input determines the target, so an ideal observer has FVU 0; always
    predicting the mean has FVU 1 and a mean squared error of `chance`; repeating the sign of the
    present input, without memory, has FVU `memoryless`.

    Parameters
    ----------
    bits : number of channels.
    steps : trial length, in time steps.
    pulse_probability : of each step and channel.
    threshold : FVU on held-out trials up to which a network counts as converged.
    start : "zero" (the target is 0 until the first pulse) or "pulse" (there is one at step 1).

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
    start: str = "zero"

    name = "flip_flop"
    stream = "flip-flop"
    version = 2
    stop_mse = 0.001

    def __post_init__(self):
        super().__post_init__()
        integer(self.bits, "bits", at_least=1)
        number(self.pulse_probability, "pulse_probability", at_least=0, at_most=1)
        one_of(self.start, "start", STARTS)

    @property
    def input_size(self) -> int:
        return self.bits

    output_size = input_size

    def pulses(self) -> np.ndarray:
        """(time,) probability of a pulse on a channel."""
        p = np.full(self.steps, float(self.pulse_probability))
        if self.start == "pulse":
            p[0] = 1.0
        return p

    def silent(self) -> np.ndarray:
        """(time,) probability that a channel has had no pulse yet, the present one included."""
        return np.cumprod(1 - self.pulses())

    @property
    def chance(self) -> float:
        """Mean squared error of always predicting the mean target, 0: the share of steps at which
        there is something to remember.
        """
        return float(1 - self.silent().mean())

    @property
    def memoryless(self) -> float:
        """FVU of the observer that repeats the present pulse and says 0 in between."""
        wrong = 1 - self.pulses() - self.silent()
        return float(wrong.mean() / self.chance) if self.chance else np.nan

    def compiled_batch(self):
        """Name and numbers of them in compiled code: see `schurkit.engine.compiled.batches`."""
        return "flip_flop", (self.pulses()[0], self.pulse_probability)

    def draw(self, seeds, stream: str, step: int, trials: int) -> tuple:
        """One uniform number decides each entry: below p/2 a pulse of −1, below p one of +1."""
        u = random.uniform(seeds, stream, step, (trials, self.steps, self.bits))
        p = self.pulses()[:, None]
        inputs = (u < p).astype(np.float32)
        inputs -= 2 * (u < p / 2).astype(np.float32)
        # time first: each step is one copy
        held = np.ascontiguousarray(inputs.reshape(-1, self.steps, self.bits).transpose(1, 2, 0))
        for t in range(1, self.steps):
            np.copyto(held[t], held[t - 1], where=held[t] == 0)
        return inputs, held.transpose(2, 0, 1).reshape(inputs.shape)
