"""What `examine` says about good tasks, and about each way to break a promise."""

from dataclasses import dataclass

import numpy as np
import pytest
from helpers import refuses

from schurkit import Trials
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


DEGENERACY = [
    DelayedDiscrimination(),
    DelayedDiscrimination(3, 0, 7, True, gap=0.0),
    SineGeneration(),
    SineGeneration(3, 100, 17),
    PathIntegration(),
    PathIntegration(3, 23, speed=3.0, turning=1.0),
    PathIntegration(heading="vector"),
    PathIntegration(3, 23, speed=3.0, turning=1.0, heading="vector"),
]
TASKS = [
    *DEGENERACY,
    Copy(replay=16),
    Copy(5, 2, 7),
    FlipFlop(),
    FlipFlop(2, 11, 0.3, start="pulse"),
    Sine(),
    Sine(cues=0, offset=0.0),
    Sine(cues=5),
    ContextIntegration(),
    ContextIntegration(9, 0.0, 2.0),
    ContextIntegration(9, 0.3, 0.5, coherences=6, target="mean"),
    ContextIntegration(coherences=2, target="sum"),
    ModularAddition(p=23),
    RunningSum(p=7, sample=300),
]


@pytest.mark.parametrize("task", TASKS, ids=repr)
def test_the_books_tasks_keep_every_promise(task):
    assert broken(task, trials=64 if hasattr(task, "p") else 2000) == []


@dataclass(frozen=True)
class Steady(Sine):
    """A good task to break."""


@dataclass(frozen=True)
class HoldsAnArray(Steady):
    extra: object = None


def odd(**parts):
    """A task with other parts."""
    return dataclass(frozen=True)(type("Odd", (Steady,), parts))()


def odd_batch(change):
    """A task whose batches are those of other seeds and steps: change(seeds, step) → both."""
    return odd(
        batch=lambda self, seeds, step, trials: Steady.batch(self, *change(seeds, step), trials)
    )


def odd_test(key):
    """A task whose held-out trials are a batch of training: key(seed) → seed and step."""

    def test_trials(self, trials=256, seed=0):
        seed, step = key(seed)
        one = self.batch([seed], step, trials)
        return Trials(one.inputs[0], one.targets[0])

    return odd(test_trials=test_trials)


def drawn(seeds, *key):
    return np.random.default_rng(*key).integers(2**31, size=len(seeds)).tolist()


def ones(self, seeds, stream, step, trials):
    shape = (*np.shape(seeds), trials, 3, 1)
    return np.ones(shape), np.ones(shape)


FIELDS = "fields are plain numbers and words of a frozen dataclass"
SHAPES = "batches have a networks axis"
PURE = "the same seed and step give the same batch"
BESIDE = "a seed draws the same alone and in company"
FRESH = "other steps and other seeds give other batches"
HELD = "held-out trials come from another stream than those of training"
SEEDED = "held-out trials depend on their own seed"
CHANCE = "chance is the error of always predicting the mean"


@pytest.mark.parametrize(
    "task, promises",
    [
        (HoldsAnArray(extra=np.ones(2)), [FIELDS.removesuffix(" of a frozen dataclass")]),
        (odd(output_size=2), [SHAPES]),
        (odd_batch(lambda seeds, step: (drawn(seeds), step)), [PURE, BESIDE]),
        (odd_batch(lambda seeds, step: (drawn(seeds, [step, *seeds]), step)), [BESIDE]),
        (odd_batch(lambda seeds, step: (seeds, 0)), [FRESH]),
        (odd_batch(lambda seeds, step: ([0] * len(seeds), step)), [FRESH]),
        (odd_test(lambda seed: (5, 7)), [HELD, SEEDED]),
        (odd_test(lambda seed: (seed, 0)), [HELD]),
        (odd(draw=ones), [FRESH, HELD, SEEDED, "targets vary", CHANCE]),
        (odd(chance=1.0), [CHANCE]),
    ],
)
def test_a_broken_promise_is_named(task, promises):
    assert broken(task) == promises


def test_messages():
    refuses("a task needs name, input_size", examine, object())

    assert SHAPES in broken(odd(batch=lambda self, seeds, step, trials: self.test_trials(trials)))
    told = r"batch of task 'sine' must return schurkit\.Trials; got ndarray."
    refuses(told, examine, odd(batch=lambda *_: np.zeros(3)))
    refuses("trials must be at least 2", examine, Sine(), trials=1)


def test_few_distinct_trials_are_told_but_allowed():
    [held] = [one for one in examine(Copy(2, 2, replay=8)) if one.promise == HELD]
    assert held.kept and "256 of 256 test trials occur" in held.found
    assert CHANCE not in broken(Sine(cues=1))
