"""What `examine` says about good tasks, and about each way to break a promise."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
from helpers import refuses

from schurkit import InputError, Trials
from schurkit.tasks import (
    ContextIntegration,
    Copy,
    DelayedDiscrimination,
    FlipFlop,
    ModularAddition,
    PathIntegration,
    RunningSum,
    Sine,
    SineGeneration,
    examine,
)


def broken(task, **options):
    return [check.promise.split(",")[0] for check in examine(task, **options) if not check.kept]


TASKS = [
    Copy(replay=16),
    FlipFlop(),
    Sine(),
    ContextIntegration(),
    DelayedDiscrimination(),
    DelayedDiscrimination(3, 0, 7, True, gap=0.0),
    SineGeneration(),
    SineGeneration(3, 100, 17),
    PathIntegration(),
    PathIntegration(3, 23, speed=3.0, turning=1.0),
    ModularAddition(p=23),
    RunningSum(p=7, sample=300),
]


@pytest.mark.parametrize("task", TASKS, ids=lambda task: f"{task.name}-{task.output_size}")
def test_the_books_tasks_keep_every_promise(task):
    assert broken(task, trials=64 if hasattr(task, "p") else 2000) == []


@dataclass(frozen=True)
class Steady(Sine):
    """A good task to break."""


@dataclass(frozen=True)
class HoldsAnArray(Steady):
    extra: object = None


@dataclass(frozen=True)
class WrongChannels(Steady):
    output_size = 2


@dataclass(frozen=True)
class GlobalRandom(Steady):
    def batch(self, seeds, step, trials):
        drawn = np.random.default_rng().integers(2**31, size=len(seeds))
        return super().batch(drawn.tolist(), step, trials)


@dataclass(frozen=True)
class KnowsItsCompany(Steady):
    def batch(self, seeds, step, trials):
        drawn = np.random.default_rng([step, *seeds]).integers(2**31, size=len(seeds))
        return super().batch(drawn.tolist(), step, trials)


@dataclass(frozen=True)
class ForgetsTheStep(Steady):
    def batch(self, seeds, step, trials):
        return super().batch(seeds, 0, trials)


@dataclass(frozen=True)
class ForgetsTheSeed(Steady):
    def batch(self, seeds, step, trials):
        return super().batch([0] * len(seeds), step, trials)


@dataclass(frozen=True)
class HeldOutIsTraining(Steady):
    def test_trials(self, trials=256, seed=0):
        one = self.batch([5], 7, trials)
        return Trials(one.inputs[0], one.targets[0])


@dataclass(frozen=True)
class OneStream(Steady):
    def test_trials(self, trials=256, seed=0):
        one = self.batch([seed], 0, trials)
        return Trials(one.inputs[0], one.targets[0])


@dataclass(frozen=True)
class AlwaysTheSame(Steady):
    def draw(self, seeds, stream, step, trials):
        shape = (*np.shape(seeds), trials, 3, 1)
        return Trials(np.ones(shape, np.float32), np.ones(shape, np.float32))


@dataclass(frozen=True)
class WrongChance(Steady):
    chance = 1.0


FIELDS = "fields are plain numbers and words of a frozen dataclass"
SHAPES = "batches have a networks axis"
PURE = "the same seed and step give the same batch"
BESIDE = "a seed draws the same alone and in company"
FRESH = "other steps and other seeds give other batches"
HELD = "held-out trials are not those of training"
SEEDED = "held-out trials depend on their own seed"
CHANCE = "chance is the error of always predicting the mean"


@pytest.mark.parametrize(
    ("task", "promises"),
    [
        (HoldsAnArray(extra=np.ones(2)), [FIELDS.removesuffix(" of a frozen dataclass")]),
        (WrongChannels(), [SHAPES]),
        (GlobalRandom(), [PURE, BESIDE]),
        (KnowsItsCompany(), [BESIDE]),
        (ForgetsTheStep(), [FRESH]),
        (ForgetsTheSeed(), [FRESH]),
        (HeldOutIsTraining(), [HELD, SEEDED]),
        (OneStream(), [HELD]),
        (AlwaysTheSame(), [FRESH, HELD, SEEDED, "targets vary", CHANCE]),
        (WrongChance(), [CHANCE]),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_broken_promise_is_named(task, promises):
    assert broken(task) == promises


def test_messages():
    refuses("a task needs name, input_size", examine, object())

    class NoNetworksAxis(Steady):
        def batch(self, seeds, step, trials):
            return self.test_trials(trials)

    assert SHAPES in broken(NoNetworksAxis())

    class NoTrials(Sine):
        def batch(self, seeds, step, trials):
            return np.zeros(3)

    with pytest.raises(
        InputError, match=r"batch of task 'sine' must return schurkit\.Trials; got ndarray."
    ):
        examine(NoTrials())
    refuses("trials must be at least 2", examine, Sine(), trials=1)


def test_chance_is_measured_on_counted_steps_only():
    assert broken(replace(Copy(), replay=8)) == []


def test_few_distinct_trials_are_told_but_allowed():
    [held] = [
        check for check in examine(Copy(symbols=2, channels=2, replay=8)) if check.promise == HELD
    ]
    assert held.kept and "256 of 256 test trials occur" in held.found
