"""The cross-task suite: targets and reference errors, each worked out another way."""

import numpy as np
import pytest
from helpers import apart, bounds, gauss

from schurkit import fvu, replay_accuracy
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
    noise = gauss(1, *trials.targets.shape)
    assert replay_accuracy(noise, trials)[0] == pytest.approx(0.5, abs=0.05)
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
            **{"p": 1, "operands": 1, "train_fraction": 0, "equals": 1, "sample": 12770},
            **{"split_seed": -1, "threshold": 2},
        },
    }
)
