"""The cross-task suite: targets and reference errors, each worked out another way."""

import numpy as np
import pytest

from schurkit import InputError, fvu
from schurkit.tasks import ContextIntegration, FlipFlop, Sine, check_task

TASKS = [FlipFlop(), Sine(), ContextIntegration()]


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
def test_protocol_sizes_and_independence(task):
    check_task(task)
    many, alone = task.batch([4, 9], 7, 5), task.batch([9], 7, 5)
    assert many.inputs.shape == (2, 5, task.steps, task.input_size) and many.targets.shape == (
        2,
        5,
        task.steps,
        task.output_size,
    )
    assert np.array_equal(many.inputs[1], alone.inputs[0]) and np.array_equal(
        many.targets[1], alone.targets[0]
    )
    assert not np.array_equal(many.inputs[0], many.inputs[1]) and not np.array_equal(
        task.batch([9], 8, 5).inputs, alone.inputs
    )
    held_out = task.test_trials(40, seed=9)
    assert held_out.inputs.shape == (40, task.steps, task.input_size)
    assert not np.array_equal(held_out.inputs[:5], alone.inputs[0]) and not np.array_equal(
        held_out.inputs, task.test_trials(40, seed=1).inputs
    )


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
def test_chance_is_the_error_of_the_mean(task):
    targets = task.test_trials(6000).targets
    assert ((targets - targets.mean(axis=(0, 1))) ** 2).mean() == pytest.approx(
        task.chance, rel=0.05
    )


def test_flip_flop_targets_step_by_step():
    task = FlipFlop(bits=2, steps=30, pulse_probability=0.3)
    trials = task.test_trials(20)
    for x, y in zip(trials.inputs, trials.targets):
        held = np.zeros(2)
        for t in range(30):
            held = np.where(x[t] != 0, x[t], held)
            assert np.array_equal(y[t], held)
    assert (trials.inputs[:, 0] != 0).all()


def test_flip_flop_statistics():
    task = FlipFlop()
    trials = task.test_trials(4000)
    assert (trials.inputs[:, 1:] != 0).mean() == pytest.approx(task.pulse_probability, rel=0.03)
    assert abs(trials.inputs.mean()) < 0.01
    assert fvu(trials.inputs[None], trials)[0] == pytest.approx(task.memoryless, rel=0.02)


def test_sine_targets_and_references():
    task = Sine()
    trials = task.test_trials(3000)
    cue = trials.inputs[:, 0, 0].astype(float)
    assert (trials.inputs == trials.inputs[:, :1]).all() and cue.min() >= 0 and cue.max() < 1
    f = 0.02 + 0.08 * cue
    assert np.abs(trials.targets[:, 6, 0] - np.sin(2 * np.pi * f * 7)).max() < 1e-5
    middle = np.broadcast_to(
        np.sin(2 * np.pi * 0.06 * np.arange(1, 51))[:, None], trials.targets.shape
    )
    assert fvu(middle[None], trials)[0] == pytest.approx(task.cue_blind, rel=0.05)


def test_integration_targets_and_references():
    task = ContextIntegration()
    trials = task.test_trials(3000)
    evidence, cues = trials.inputs[..., :2].astype(float), trials.inputs[..., 2:]
    assert (
        (cues.sum(axis=-1) == 1).all()
        and (cues == cues[:, :1]).all()
        and cues[:, 0, 0].mean() == pytest.approx(0.5, abs=0.03)
    )
    cued = (evidence * cues).sum(axis=-1)
    assert np.abs(np.cumsum(cued, axis=1) / np.sqrt(48) - trials.targets[..., 0]).max() < 1e-4
    blind = np.cumsum(evidence.mean(axis=-1), axis=1)[..., None] / np.sqrt(48)
    assert fvu(blind[None], trials)[0] == pytest.approx(task.context_blind, rel=0.06)
    both = np.cumsum(evidence.sum(axis=-1), axis=1)[..., None] / np.sqrt(48)
    assert fvu(both[None], trials)[0] == pytest.approx(1.0, rel=0.06)
    assert trials.targets[:, -1].var() == pytest.approx(2.0, rel=0.1)


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: FlipFlop(bits=0), "bits must be at least 1"),
        (lambda: FlipFlop(pulse_probability=2.0), "pulse_probability must be between 0 and 1"),
        (lambda: Sine(slowest=0.2), "slowest must be at most fastest"),
        (lambda: Sine(fastest=0.9), "fastest must be at most 0.5"),
        (lambda: ContextIntegration(noise=-1.0), "noise must be at least 0"),
        (lambda: ContextIntegration(steps=0), "steps must be at least 1"),
    ],
)
def test_messages(make, message):
    with pytest.raises(InputError, match=message):
        make()
