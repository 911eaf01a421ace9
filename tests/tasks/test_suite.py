"""Every task's targets and reference errors, each worked out another way, and its batches in
compiled code.
"""

from dataclasses import replace

import numpy as np
import pytest
from helpers import apart, bounds, messages
from test_examine import DEGENERACY, TASKS

from schurkit import fvu
from schurkit.engine.compiled import batches
from schurkit.tasks import (
    ContextIntegration,
    Copy,
    DelayedDiscrimination,
    FlipFlop,
    ModularAddition,
    PathIntegration,
    Sine,
    SineGeneration,
)


@pytest.mark.parametrize("start", ["zero", "pulse"])
def test_flip_flop_targets_step_by_step_and_statistics(start):
    task = FlipFlop(bits=2, steps=30, pulse_probability=0.3, start=start)
    trials = task.test_trials(4000)
    for x, y in zip(trials.inputs[:20], trials.targets[:20]):
        last = np.zeros(2)
        for t in range(30):
            last = np.where(x[t] != 0, x[t], last)
            assert np.array_equal(y[t], last)
    first = (trials.inputs[:, 0] != 0).mean()
    assert first == 1 if start == "pulse" else abs(first - 0.3) < 0.02
    assert (trials.inputs[:, 1:] != 0).mean() == pytest.approx(0.3, rel=0.03)
    assert (trials.targets == 0).mean(axis=(0, 2)) == pytest.approx(task.silent(), abs=0.02)
    assert abs(trials.inputs.mean()) < 0.01
    assert fvu(trials.inputs[None], trials)[0] == pytest.approx(task.memoryless, rel=0.02)


def test_a_flip_flop_without_pulses_has_nothing_to_remember():
    silent = FlipFlop(pulse_probability=0.0)
    assert silent.chance == 0 and np.isnan(silent.memoryless)


@pytest.mark.parametrize("task", [Sine(), Sine(cues=5), Sine(cues=0, offset=0.0, slowest=0.2)])
def test_sine_targets_and_references(task):
    trials = task.test_trials(3000)
    cue = trials.inputs[:, 0, 0].astype(float) - task.offset
    assert (trials.inputs == trials.inputs[:, :1]).all() and cue.min() >= 0 and cue.max() < 1
    place = cue * task.cues / (task.cues - 1) if task.cues else cue
    if task.cues:
        assert np.unique(np.round(cue * task.cues, 4)).tolist() == list(range(task.cues))
    omega = task.slowest + (task.fastest - task.slowest) * place
    assert apart(trials.targets[:, 6, 0], np.sin(omega * 7)) < 1e-5
    middle = np.sin((task.slowest + task.fastest) / 2 * np.arange(1, 51))[:, None]
    blind = np.broadcast_to(middle, trials.targets.shape)
    assert fvu(blind[None], trials)[0] == pytest.approx(task.cue_blind, rel=0.05)


@pytest.mark.parametrize("target", ["scaled", "sum", "mean"])
def test_the_readings_of_an_integral(target):
    task = ContextIntegration(coherences=4, drift=0.3, noise=0.0, target=target)
    trials = task.test_trials(400)
    assert np.unique(np.round(trials.inputs[..., :2], 6)) == pytest.approx([-0.3, -0.1, 0.1, 0.3])
    cued = (trials.inputs[..., :2] * trials.inputs[..., 2:]).sum(axis=-1)[:, 0]
    t = np.arange(1, 49)
    expected = {"scaled": t / 48**0.5, "sum": t, "mean": np.ones(48)}[target]
    assert apart(trials.targets[..., 0], cued[:, None] * expected) < 1e-4


def test_copy_replays_the_sequence_over_and_over():
    trials = Copy(symbols=3, channels=2, replay=8).test_trials(50)
    assert trials.inputs.shape == (50, 3, 2) and trials.targets.shape == (50, 11, 2)
    for lag in range(8):
        assert np.array_equal(trials.targets[:, 3 + lag], trials.inputs[:, lag % 3])
    assert not trials.mask[:3].any() and trials.mask[3:].all()
    assert set(np.unique(trials.inputs)) == {-1.0, 1.0}
    short, long = (Copy(2, 3, replay).batch([1], 0, 5).inputs for replay in (4, 40))
    assert np.array_equal(short, long)


def test_integration_targets_and_references():
    task = ContextIntegration()
    trials = task.test_trials(3000)
    evidence, cues = trials.inputs[..., :2].astype(float), trials.inputs[..., 2:]
    assert (cues.sum(axis=-1) == 1).all() and (cues == cues[:, :1]).all()
    assert cues[:, 0, 0].mean() == pytest.approx(0.5, abs=0.03)
    blind = np.cumsum(evidence.mean(axis=-1), axis=1)[..., None] / np.sqrt(48)
    assert fvu(blind[None], trials)[0] == pytest.approx(task.context_blind, rel=0.06)
    assert trials.targets[:, -1].var() == pytest.approx(2.0, rel=0.1)


# ---- tasks of the study of degeneracy
@pytest.mark.parametrize(
    "task",
    [task for task in TASKS if not isinstance(task, Sine | ModularAddition)],
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


@pytest.mark.parametrize("task", [FlipFlop(), Copy(), *DEGENERACY], ids=repr)
def test_out_of_distribution_is_twice_as_long(task):
    fields = {DelayedDiscrimination: ("shortest", "longest"), Copy: ("replay",)}
    longer = {name: 2 * getattr(task, name) for name in fields.get(type(task), ("steps",))}
    assert task.out_of_distribution() == replace(task, **longer)


@pytest.mark.parametrize("task", DEGENERACY[:2], ids=repr)
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
    far = np.abs(second - x[:, 0, 0]) - 2
    assert (second > x[:, 0, 0]).mean() == pytest.approx(0.5, abs=0.02)
    # |x − y| of two uniform numbers on [0, 6]
    assert far.mean() == pytest.approx(2.0, rel=0.03) and far.max() < 6.0 + 1e-5


def test_sines_hertz_by_hertz():
    trials = SineGeneration(channels=2, frequencies=30).test_trials(200)
    assert (trials.inputs == trials.inputs[:, :1]).all()
    f = 1 + 29 * trials.inputs[:, 0].astype(float)
    assert apart(f, f.round()) < 1e-5 and set(np.unique(f.round())) == set(range(1, 31))
    t = 0.01 * np.arange(1, 101)[:, None]
    assert apart(np.sin(2 * np.pi * f[:, None] * t), trials.targets) < 1e-4


@pytest.mark.parametrize("task", DEGENERACY[4:], ids=repr)
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


test_fields = bounds(
    {
        Copy: {"symbols": 0, "channels": 2.5, "replay": -1, "threshold": 2},
        FlipFlop: {"pulse_probability": 2.0, "start": "one", "bits": 0},
        Sine: {"slowest": 0.7, "fastest": 3.15, "cues": -1},
        ContextIntegration: {"coherences": 1, "target": "product", "noise": -1.0, "steps": 0},
        DelayedDiscrimination: {"channels": 0, "gap": 8.0, "largest": 1.9, "auxiliary": 1},
        SineGeneration: {"frequencies": 1, "fastest": 0.9},
        PathIntegration: {"dimensions": 4, "speed": 5.1, "turning": -1.0, "heading": "angle"},
        ModularAddition: {
            "p": 1,
            "operands": 1,
            "train_fraction": 0,
            "equals": 1,
            "sample": 12770,
            "split_seed": -1,
            "threshold": 2,
        },
    }
)

test_messages = messages(
    (lambda: DelayedDiscrimination(shortest=21), "longest must be at least 21"),
    (lambda: SineGeneration(dt=0.02), "fastest · dt must be at most 1/2"),
)
