"""What a task is. A reader's own task follows this protocol and then runs through `train` and every
chapter.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar, Protocol, runtime_checkable

import numpy as np

from schurkit.checks import InputError, integer, number
from schurkit.metrics import FVU, Metric
from schurkit.rnn import Trials


@runtime_checkable
class Task(Protocol):
    """A frozen dataclass whose fields are plain numbers and words (they become part of the store's
    key).

    name : short name, used in file names.
    input_size, output_size : numbers of input and output channels.
    version : of schurkit's own tasks, a whole number in the store's key; raise it when the trials
        of the task change. A reader's task is told apart by its source.
    compiled_batch : not needed; a faster way to draw the same batches (see
        `schurkit.engine.compiled.batches`).
    token_pairs : not needed; for a training set of two one-hot tokens each, token_pairs(seed) →
        (first, second, target) as arrays (pairs,) of channel numbers, or None where the task is of
        another kind (more tokens, say). Inputs are one-hot at the first and at the second time
        step, the loss counts the second one, its targets are one-hot: training is then done by
        tables, which is many times faster (`schurkit.engine.tables`). It must be what
        ``batch([seed], step, None)`` gives, in the same order.
    metric : how well a network does it;
    threshold : the value of the metric from which a network counts as converged.
    """

    name: ClassVar[str]

    @property
    def input_size(self) -> int: ...

    @property
    def output_size(self) -> int: ...

    @property
    def metric(self) -> Metric: ...

    @property
    def threshold(self) -> float: ...

    @property
    def chance(self) -> float:
        """Mean squared error of always predicting the mean target."""

    def batch(self, seeds: Sequence[int], step: int, trials: int | None) -> Trials:
        """Training trials of one step: a pure function of each seed and the step, drawn from
        `schurkit.random`.

        A task with a fixed training set (which may depend on the seed) also takes ``trials=None``
        and gives all of it, at each step the same: what recipes with ``batch_size=None`` train on.
        Other tasks need not.

        Returns Trials with a leading networks axis, one entry a seed.
        """

    def test_trials(self, trials: int = 256, seed: int = 0) -> Trials:
        """Held-out trials shared by all networks (no networks axis), from a stream that training
        never draws from.
        """


class DrawnTask:
    """A task whose trials are drawn anew at each step: what those of the book share. One of them
    adds its fields, `chance` and `draw`, and its sizes where they are not `channels`.

    stream : what the random streams of its trials are called, "… batch" in training and "… test".
    metric : FVU, where a task does not say otherwise.
    """

    stream: str
    metric = FVU

    def __post_init__(self):
        integer(self.steps, "steps", at_least=1)
        most = 1 if self.metric.better == "higher" else None
        number(self.threshold, "threshold", at_least=0, at_most=most)

    @property
    def input_size(self) -> int:
        return self.channels

    output_size = input_size

    def batch(self, seeds: Sequence[int], step: int, trials: int) -> Trials:
        """Training trials, (networks, trials, time, channels); see `Task.batch`."""
        return self._trials(list(seeds), f"{self.stream} batch", step, trials)

    def test_trials(self, trials: int = 256, seed: int = 0) -> Trials:
        """Held-out trials, (trials, time, channels)."""
        trials = integer(trials, "trials", at_least=1)
        return self._trials(seed, f"{self.stream} test", 0, trials)

    def _trials(self, *drawn) -> Trials:
        inputs, targets, *mask = self.draw(*drawn)
        return Trials(*(np.asarray(x, np.float32, order="C") for x in (inputs, targets)), *mask)

    def draw(self, seeds, stream: str, step: int, trials: int) -> tuple:
        """Inputs, targets and, where not all steps count, the mask of trials from a stream: a pure
        function of its arguments.

        seeds : one, or a list of them for a leading networks axis.
        """
        raise NotImplementedError

    def out_of_distribution(self):
        """The same task with trials twice as long."""
        return replace(self, steps=2 * self.steps)


def check_task(task) -> None:
    """Raise InputError if an object does not follow the protocol, naming what it lacks."""
    wanted = [*Task.__annotations__, *(name for name in vars(Task) if not name.startswith("_"))]
    there = dir(task)  # without computing any: chance may take as long as a run
    lacking = [name for name in wanted if name not in there]
    if lacking:
        raise InputError(
            f"a task needs {', '.join(lacking)} (see schurkit.tasks.base.Task); got "
            f"{type(task).__name__}."
        )


def converged(task, scores):
    """Which scores reach the task's threshold, as booleans."""
    return scores >= task.threshold if task.metric.better == "higher" else scores <= task.threshold
