"""Delayed discrimination: which of two pulses, a delay apart, was the larger?"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from schurkit import random
from schurkit.checks import InputError, boolean, integer, number

from .base import DrawnTask


@dataclass(frozen=True)
class DelayedDiscrimination(DrawnTask):
    """Delayed discrimination of arXiv:2410.03972: two pulses f1, f2 in [2, 10], 5–20 steps apart →
    sign(f2 − f1).

    Each of `channels` gets a pulse of one step at step 0 and another after `delay` silent steps, at
    step delay + 1; the delay, uniform from `shortest` to `longest`, is the same for all channels of
    a trial, the amplitudes are independent. From the second pulse on, for `respond` steps, the
    target of each channel is the sign of f2 − f1; with `auxiliary`, as many further outputs are |f2
    − f1|/2. Only those steps count.

    The paper's text does not state the layout of a trial. Ours: pulses of one step and five steps
    of response. Half of |f2 − f1| varies about as much as the sign does (variance .5 at gap 2, .7
    at gap 1), so that one mean squared error asks for both; a tenth of it would ask for the sign
    alone. Amplitudes are uniform over all pairs at least `gap` apart. The paper's text names no
    gap; ours is 1, as pairs that hardly differ make the sign a matter of ever steeper readouts.

    Reference errors: the input determines the target, so an ideal observer has FVU 0; always
    predicting the mean has FVU 1; judging f2 alone, without memory, by whether it lies above the
    middle, has a quarter of the signs wrong at gap 0.

    Parameters
    ----------
    channels : 1–3 in the book.
    shortest, longest : delay, in steps.
    auxiliary : also ask for |f2 − f1|.
    smallest, largest, gap : of amplitudes.
    respond : steps that count.
    threshold : FVU on held-out trials up to which a network counts as converged (ours).
    stop_mse : the paper's training threshold.

    Examples
    --------
    >>> trials = DelayedDiscrimination(channels=2, auxiliary=True).test_trials(5)
    >>> trials.inputs.shape, trials.targets.shape
    ((5, 26, 2), (5, 26, 4))
    """

    channels: int = 1
    shortest: int = 5
    longest: int = 20
    auxiliary: bool = False
    smallest: float = 2.0
    largest: float = 10.0
    gap: float = 1.0
    respond: int = 5
    threshold: float = 0.05

    name = "delayed_discrimination"
    stream = "delayed discrimination"
    version = 2
    stop_mse = 0.01

    def __post_init__(self):
        for field in ("channels", "respond"):
            integer(getattr(self, field), field, at_least=1)
        integer(self.shortest, "shortest", at_least=0)
        integer(self.longest, "longest", at_least=self.shortest)
        number(self.smallest, "smallest", at_least=0)
        number(self.largest, "largest", above=self.smallest)
        number(self.gap, "gap", at_least=0)
        super().__post_init__()
        if self.gap >= self.largest - self.smallest:
            raise InputError(
                f"gap must be below largest − smallest = {self.largest - self.smallest:g}; got "
                f"{self.gap}."
            )
        boolean(self.auxiliary, "auxiliary")

    @property
    def steps(self) -> int:
        """Trial length: both pulses, the longest delay, and the response, which begins with the
        second pulse.
        """
        return self.longest + 1 + self.respond

    @property
    def output_size(self) -> int:
        return self.channels * (2 if self.auxiliary else 1)

    @property
    def chance(self) -> float:
        """Mean squared error of always predicting the mean target: 1 for a sign, w²/72 for |f2 −
        f1|/2, with w = largest − smallest − gap.
        """
        difference = (self.largest - self.smallest - self.gap) ** 2 / 72
        return (1 + difference) / 2 if self.auxiliary else 1.0

    @property
    def shared_outputs(self) -> int:
        """The leading outputs that the task has with and without `auxiliary`."""
        return self.channels

    def out_of_distribution(self) -> DelayedDiscrimination:
        """The same task with delays twice as long, both ends doubled."""
        return replace(self, shortest=2 * self.shortest, longest=2 * self.longest)

    def compiled_batch(self):
        """Name and numbers of them in compiled code: see `schurkit.engine.compiled.batches`."""
        delays = self.longest - self.shortest + 1
        return "delayed_discrimination", (
            self.smallest,
            self.largest,
            self.gap,
            self.shortest,
            delays,
            self.respond,
            self.auxiliary,
        )

    def draw(self, seeds, stream: str, step: int, trials: int) -> tuple:
        room = self.largest - self.smallest - self.gap
        x, y = np.moveaxis(
            random.uniform(seeds, stream, step, (trials, self.channels, 2)) * room, -1, 0
        )
        delays = random.integers(
            seeds, f"{stream} delay", step, trials, self.longest - self.shortest + 1
        )
        rises = y >= x
        first = self.smallest + x + np.where(rises, 0.0, self.gap)
        second = self.smallest + y + np.where(rises, self.gap, 0.0)
        since = np.arange(self.steps) - (1 + self.shortest + delays)[..., None]
        inputs = np.where(since[..., None] == 0, second[..., None, :], 0.0)
        inputs[..., 0, :] = first
        answers = np.where(rises, 1.0, -1.0)
        if self.auxiliary:
            answers = np.concatenate([answers, np.abs(second - first) / 2], axis=-1)
        targets = np.where(since[..., None] >= 0, answers[..., None, :], 0.0)
        mask = (since >= 0) & (since < self.respond)
        return inputs, targets, mask
