"""Tasks of the study of degeneracy: targets worked out another way, references, batches in compiled
code.
"""

from dataclasses import replace

import numpy as np
import pytest
from helpers import apart, messages
from test_examine import DEGENERACY as TASKS

from schurkit.engine.compiled import batches
from schurkit.tasks import (  # fmt: skip
    ContextIntegration,
    Copy,
    DelayedDiscrimination,
    FlipFlop,
    SineGeneration,
)

NAMES = [f"{task.name}-{task.input_size}-{task.output_size}" for task in TASKS]


@pytest.mark.parametrize(
    "task",
    [
        *TASKS,
        Copy(3, 2, 7),
        Copy(),
        FlipFlop(),
        FlipFlop(2, 11, 0.3, start="pulse"),
        ContextIntegration(),
        ContextIntegration(9, 0.0, 2.0),
        ContextIntegration(9, 0.3, 0.5, coherences=6, target="mean"),
        ContextIntegration(9, coherences=2, target="sum"),
    ],
    ids=repr,
)
def test_compiled_batches_are_the_tasks_own(task):
    source = batches.Source(task, 13, 5, 2)
    assert source.fill is not None
    room = batches.Batch(*(np.full((4, *a.shape[1:]), 77).astype(a.dtype) for a in source.sample))
    for seed, step in ((0, 0), (2**64 - 1, 12345)):
        (found,) = source.draw(seed, step, 3, room)
        for i in range(3):
            own = task.batch([seed], step + i, 13)
            mask = np.broadcast_to(own.mask, own.targets.shape[:3])
            for ours, theirs in zip(found, (own.inputs, own.targets, mask), strict=True):
                assert np.array_equal(ours[i], theirs[0])


@pytest.mark.parametrize("task", [FlipFlop(), Copy(), *TASKS], ids=["flip_flop", "copy", *NAMES])
def test_out_of_distribution_is_twice_as_long(task):
    fields = {DelayedDiscrimination: ("shortest", "longest"), Copy: ("replay",)}
    longer = {name: 2 * getattr(task, name) for name in fields.get(type(task), ("steps",))}
    assert task.out_of_distribution() == replace(task, **longer)


@pytest.mark.parametrize("task", TASKS[:2], ids=NAMES[:2])
def test_discrimination_trial_by_trial(task):
    trials = task.test_trials(500)
    delays = set()
    for x, y, mask in zip(trials.inputs, trials.targets, trials.mask):
        (first, second) = np.flatnonzero(x.any(axis=1))
        assert first == 0
        delays.add(second - 1)
        f1, f2 = x[0], x[second]
        assert min(f1.min(), f2.min()) >= 2 - 1e-6 and max(f1.max(), f2.max()) <= 10 + 1e-6
        assert (np.abs(f2 - f1) >= task.gap - 1e-5).all()
        assert np.array_equal(np.flatnonzero(mask), second + np.arange(5))
        more = [np.abs(f2 - f1) / 2] if task.auxiliary else []
        expected = np.concatenate([np.sign(f2 - f1), *more])
        assert apart(y[second:], expected) < 1e-6 and not y[:second].any()
    assert delays == set(range(task.shortest, task.longest + 1))


def test_discrimination_amplitudes_are_uniform_over_pairs_that_far_apart():
    x = DelayedDiscrimination(gap=2.0).test_trials(20_000).inputs
    second = np.array([one[one.any(axis=1).nonzero()[0][1], 0] for one in x])
    apart = np.abs(second - x[:, 0, 0]) - 2
    assert (second > x[:, 0, 0]).mean() == pytest.approx(0.5, abs=0.02)
    # |x − y| of two uniform numbers on [0, 6]
    assert apart.mean() == pytest.approx(2.0, rel=0.03) and apart.max() < 6.0 + 1e-5


def test_sines_hertz_by_hertz():
    trials = SineGeneration(channels=2, frequencies=30).test_trials(200)
    assert (trials.inputs == trials.inputs[:, :1]).all()
    f = 1 + 29 * trials.inputs[:, 0].astype(float)
    assert apart(f, f.round()) < 1e-5 and set(np.unique(f.round())) == set(range(1, 31))
    t = 0.01 * np.arange(1, 101)[:, None]
    assert apart(np.sin(2 * np.pi * f[:, None] * t), trials.targets) < 1e-4


@pytest.mark.parametrize("task", TASKS[4:], ids=NAMES[4:])
def test_paths_are_the_sum_of_the_inputs_and_stay_inside(task):
    trials, d = task.test_trials(300), task.dimensions
    x, y = trials.inputs.astype(float), trials.targets.astype(float)
    heading, speed, start = np.split(x, [task.input_size - d - 1, task.input_size - d], axis=-1)
    if task.heading == "angles":
        azimuth, elevation = heading[..., :1], heading[..., 1:]
        assert np.abs(azimuth).max() < np.pi + 1e-6
        assert np.abs(elevation).max(initial=0) <= np.pi / 2
        heading = np.concatenate([np.cos(azimuth), np.sin(azimuth)], axis=-1)
        if d > 2:
            heading = np.concatenate([heading * np.cos(elevation), np.sin(elevation)], axis=-1)
    assert apart(np.linalg.norm(heading, axis=-1), 1) < 1e-6 and not start[:, 1:].any()
    moves = np.cumsum(heading * speed * task.speed, axis=1)
    assert np.abs(start[:, :1] * 5 + moves - y).max() < 1e-4
    assert np.abs(y).max() <= 5 and speed.min() >= 0 and speed.max() <= 1
    turned = (heading[:, 1:] * heading[:, :-1]).sum(axis=-1)
    assert 0.3 < turned.mean() < 0.99  # headings wander, they do not jump


test_messages = messages(
    (lambda: DelayedDiscrimination(shortest=21), "longest must be at least 21"),
    (lambda: SineGeneration(dt=0.02), "fastest · dt must be at most 1/2"),
)
