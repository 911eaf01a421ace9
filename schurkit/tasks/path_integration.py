"""Path integration: from headings and speeds to where one is, in a box."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from schurkit import random
from schurkit.checks import integer, number, one_of

from .base import DrawnTask

HEADINGS = ("angles", "vector")


@dataclass(frozen=True)
class PathIntegration(DrawnTask):
    """Path integration of arXiv:2410.03972: heading and speed at each step, a random start →
    position, within ±5, in 2 or 3 dimensions.

    The position moves by speed · heading a step: p_t = p_t−1 + s_t u_t. Speeds are uniform on [0,
    `speed`), independently. Headings are unit vectors that wander, u ← (u + `turning` ε)/‖·‖ with ε
    ~ N(0, 1) in each coordinate, from a random one. Where a step would leave the box, that
    coordinate of the heading is turned round first, and stays so: what the network is told is
    always how it moved, so that the target is the start plus the sum of the inputs, and walls need
    not be known.

    The paper's text does not state the motion; it names the inputs, angles and speed. Inputs here
    are the azimuth of u divided by π, in 3 dimensions its elevation divided by π/2 (both ±1), s /
    `speed` (0 to 1) and, at the first step only, the start divided by side/2 (±1); with
    ``heading="vector"`` u itself stands in place of its angles. The scales are ours. Targets are
    positions in the box's own units, ±side/2, in which the paper's threshold of .05 is .6 % of the
    variance.

    Reference errors: the input determines the target, so an ideal observer has FVU 0; always
    predicting the mean has FVU 1.

    Parameters
    ----------
    dimensions : 2 or 3.
    steps : trial length.
    side : of the box.
    speed : largest step, at most side/2.
    turning : of the heading a step.
    heading : how it is told, "angles" or "vector".
    threshold : FVU on held-out trials up to which a network counts as converged (ours).
    stop_mse : the paper's training threshold.

    Examples
    --------
    >>> trials = PathIntegration(dimensions=3).test_trials(5)
    >>> trials.inputs.shape, trials.targets.shape
    ((5, 100, 6), (5, 100, 3))
    """

    dimensions: int = 2
    steps: int = 100
    side: float = 10.0
    speed: float = 0.5
    turning: float = 0.3
    heading: str = "angles"
    threshold: float = 0.05

    name = "path_integration"
    stream = "path integration"
    version = 2
    stop_mse = 0.05

    def __post_init__(self):
        super().__post_init__()
        integer(self.dimensions, "dimensions", at_least=2, at_most=3)
        number(self.side, "side", above=0)
        number(self.speed, "speed", above=0, at_most=self.side / 2)
        number(self.turning, "turning", at_least=0)
        one_of(self.heading, "heading", HEADINGS)

    @property
    def input_size(self) -> int:
        return 2 * self.dimensions + (self.heading == "vector")

    @property
    def output_size(self) -> int:
        return self.dimensions

    @property
    def chance(self) -> float:
        """Mean squared error of always predicting the mean target, from 2,000 trials; near side²/12
        a coordinate, as starts are uniform.
        """
        return _variance(self)

    def compiled_batch(self):
        """Name and numbers of them in compiled code: see `schurkit.engine.compiled.batches`."""
        return "path_integration", (self.side, self.speed, self.turning)

    def draw(self, seeds, stream: str, step: int, trials: int) -> tuple:
        d, half, told = self.dimensions, self.side / 2, self.input_size - self.dimensions - 1
        start = (random.uniform(seeds, f"{stream} place", step, (trials, d)) * 2 - 1) * half
        turns = random.normal(seeds, stream, step, (trials, self.steps, d))
        speeds = random.uniform(seeds, f"{stream} speed", step, (trials, self.steps)) * self.speed
        place = start
        heading = _unit(random.normal(seeds, f"{stream} heading", step, (trials, d)))
        inputs = np.zeros((*speeds.shape, self.input_size), np.float32)
        targets = np.empty((*speeds.shape, d), np.float32)
        for t in range(self.steps):
            heading = _unit(heading + self.turning * turns[..., t, :])
            speed = speeds[..., t, None]
            heading = np.where(np.abs(place + speed * heading) > half, -heading, heading)
            place = place + speed * heading
            inputs[..., t, :told] = heading if self.heading == "vector" else _angles(heading)
            targets[..., t, :] = place
        inputs[..., told] = speeds / self.speed
        inputs[..., 0, told + 1 :] = start / half
        return inputs, targets


def _unit(v):
    """v/‖v‖, squares summed in the order of the coordinates, as compiled code does."""
    square = np.zeros(v.shape[:-1])
    for k in range(v.shape[-1]):
        square = square + v[..., k] * v[..., k]
    return v / np.sqrt(square)[..., None]


def _angles(heading):
    """Azimuth / π and, of three coordinates, elevation / (π/2)."""
    azimuth = np.arctan2(heading[..., 1], heading[..., 0])
    if heading.shape[-1] == 2:
        return azimuth[..., None]
    level = np.sqrt(heading[..., 0] * heading[..., 0] + heading[..., 1] * heading[..., 1])
    return np.stack([azimuth, np.arctan2(heading[..., 2], level)], axis=-1)


@lru_cache
def _variance(task: PathIntegration) -> float:
    targets = task.draw(0, "path integration chance", 0, 2000)[1].astype(np.float64)
    return float(((targets - targets.mean(axis=(0, 1))) ** 2).mean())
