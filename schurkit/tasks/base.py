"""What a task is. A reader's own task follows this protocol and then runs through `train` and every
chapter.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Protocol, runtime_checkable

from schurkit.checks import InputError
from schurkit.metrics import Metric
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


def check_task(task) -> None:
    """Raise InputError if an object does not follow the protocol, naming what it lacks."""
    wanted = (
        "name",
        "input_size",
        "output_size",
        "metric",
        "threshold",
        "chance",
        "batch",
        "test_trials",
    )
    lacking = [name for name in wanted if not hasattr(task, name)]
    if lacking:
        raise InputError(
            f"a task needs {', '.join(lacking)} (see schurkit.tasks.base.Task); got "
            f"{type(task).__name__}."
        )


def converged(task, scores):
    """Which scores reach the task's threshold, as booleans."""
    return scores >= task.threshold if task.metric.better == "higher" else scores <= task.threshold
