"""What a task is. A reader's own task follows this protocol and then runs through `train` and every chapter."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Protocol, runtime_checkable

from .._checks import InputError
from ..metrics import Metric
from ..rnn import Trials


@runtime_checkable
class Task(Protocol):
    """A frozen dataclass whose fields are plain numbers and words (they become part of the store's key).

    name : short name, used in file names.
    input_size, output_size : numbers of input and output channels.
    compiled_batch : not needed; a faster way to draw the same batches (see `schurkit.engine.batches`).
    metric : how well a network does it; threshold : the value of the metric from which a network counts as converged.
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

    def batch(self, seeds: Sequence[int], step: int, trials: int) -> Trials:
        """Training trials of one step: a pure function of each seed and the step, drawn from `schurkit.random`.

        Returns Trials with a leading networks axis, one entry a seed.
        """

    def test_trials(self, trials: int = 256, seed: int = 0) -> Trials:
        """Held-out trials shared by all networks (no networks axis), from a stream that training never draws from."""


def check_task(task) -> None:
    """Raise InputError if an object does not follow the protocol, naming what it lacks."""
    wanted = ("name", "input_size", "output_size", "metric", "threshold", "chance", "batch", "test_trials")
    lacking = [name for name in wanted if not hasattr(task, name)]
    if lacking:
        raise InputError(f"a task needs {', '.join(lacking)} (see schurkit.tasks.base.Task); got {type(task).__name__}.")


def converged(task, scores):
    """Which scores reach the task's threshold, as booleans."""
    return scores >= task.threshold if task.metric.better == "higher" else scores <= task.threshold
