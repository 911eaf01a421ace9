"""The cross-task suite: targets and reference errors, each worked out another way."""

import numpy as np
import pytest

from schurkit import InputError, fvu, replay_accuracy
from schurkit.tasks import ContextIntegration, Copy, FlipFlop, Sine


def test_flip_flop_targets_step_by_step():
    task = FlipFlop(bits=2, steps=30, pulse_probability=0.3)
    trials = task.test_trials(20)
    for x, y in zip(trials.inputs, trials.targets):
        held = np.zeros(2)
        for t in range(30):
            held = np.where(x[t] != 0, x[t], held)
            assert np.array_equal(y[t], held)
    assert (trials.inputs[:, 0] != 0).all()


def test_what_one_gets_without_memory():
    task = FlipFlop()
    trials = task.test_trials(4000)
    assert (trials.inputs[:, 1:] != 0).mean() == pytest.approx(task.pulse_probability, rel=0.03)
    assert fvu(trials.inputs[None], trials)[0] == pytest.approx(task.memoryless, rel=0.02)


def test_copy_replays_the_sequence_over_and_over():
    trials = Copy(symbols=3, channels=2, replay=8).test_trials(50)
    assert trials.inputs.shape == (50, 3, 2) and trials.targets.shape == (50, 11, 2)
    for lag in range(8):
        assert np.array_equal(trials.targets[:, 3 + lag], trials.inputs[:, lag % 3])
    assert not trials.mask[:3].any() and trials.mask[3:].all()
    assert set(np.unique(trials.inputs)) == {-1.0, 1.0}
    noise = np.random.default_rng(0).normal(size=(1, *trials.targets.shape))
    assert replay_accuracy(noise, trials)[0] == pytest.approx(0.5, abs=0.05)
    short, long = (Copy(2, 3, replay).batch([1], 0, 5).inputs for replay in (4, 40))
    assert np.array_equal(short, long)


def test_sine_targets_and_references():
    task = Sine()
    trials = task.test_trials(3000)
    cue = trials.inputs[:, 0, 0].astype(float)
    assert (trials.inputs == trials.inputs[:, :1]).all() and cue.min() >= 0 and cue.max() < 1
    f, steps = 0.02 + 0.08 * cue[:, None], np.arange(1, 51)
    assert np.abs(trials.targets[..., 0] - np.sin(2 * np.pi * f * steps)).max() < 1e-4
    middle = np.broadcast_to(np.sin(2 * np.pi * 0.06 * steps)[:, None], trials.targets.shape)
    assert fvu(middle[None], trials)[0] == pytest.approx(task.cue_blind, rel=0.05)


def test_integration_targets_and_references():
    task = ContextIntegration()
    trials = task.test_trials(3000)
    evidence, cues = trials.inputs[..., :2].astype(float), trials.inputs[..., 2:]
    assert (cues.sum(axis=-1) == 1).all() and (cues == cues[:, :1]).all()
    assert cues[:, 0, 0].mean() == pytest.approx(0.5, abs=0.03)
    cued = np.cumsum((evidence * cues).sum(axis=-1), axis=1) / np.sqrt(48)
    assert np.abs(cued - trials.targets[..., 0]).max() < 1e-4
    blind = np.cumsum(evidence.mean(axis=-1), axis=1)[..., None] / np.sqrt(48)
    assert fvu(blind[None], trials)[0] == pytest.approx(task.context_blind, rel=0.06)
    assert trials.targets[:, -1].var() == pytest.approx(2.0, rel=0.1)


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: Copy(symbols=0), "symbols"),
        (lambda: Copy(channels=2.5), "channels"),
        (lambda: Copy(replay=-1), "replay"),
        (lambda: Copy(threshold=2), "threshold"),
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
