"""The copy task is what its docstring says."""

import numpy as np
import pytest

from schurkit import InputError, replay_accuracy
from schurkit.tasks import Copy, Task, check_task


def test_targets_replay_the_sequence_over_and_over():
    trials = Copy(symbols=3, channels=2, replay=8).test_trials(50)
    assert trials.inputs.shape == (50, 3, 2) and trials.targets.shape == (50, 11, 2)
    for lag in range(1, 9):
        assert np.array_equal(trials.targets[:, 3 + lag - 1], trials.inputs[:, (lag - 1) % 3])
    assert not trials.mask[:3].any() and trials.mask[3:].all()
    assert set(np.unique(trials.inputs)) == {-1.0, 1.0}


def test_batches_depend_on_their_own_seed_and_step_alone():
    task = Copy(2, 3, 4)
    many = task.batch([4, 9], 7, 5)
    assert many.inputs.shape == (2, 5, 2, 3)
    assert np.array_equal(many.inputs[1], task.batch([9], 7, 5).inputs[0])
    assert not np.array_equal(many.inputs[0], many.inputs[1])
    assert not np.array_equal(task.batch([9], 8, 5).inputs[0], many.inputs[1])


def test_horizon_does_not_change_the_symbols():
    assert np.array_equal(
        Copy(2, 3, 4).batch([1], 0, 5).inputs, Copy(2, 3, 40).batch([1], 0, 5).inputs
    )


def test_held_out_trials_come_from_their_own_stream():
    task = Copy()
    held_out = task.test_trials(64, seed=3)
    assert not np.array_equal(held_out.inputs, task.batch([3], 0, 64).inputs[0])
    assert np.array_equal(held_out.inputs, task.test_trials(64, seed=3).inputs)


def test_chance_levels():
    task = Copy()
    trials = task.test_trials(256)
    assert (trials.targets[:, trials.mask] ** 2).mean() == task.chance
    noise = np.random.default_rng(0).normal(size=(1, *trials.targets.shape))
    assert replay_accuracy(noise, trials)[0] == pytest.approx(0.5, abs=0.01)


def test_it_follows_the_protocol():
    check_task(Copy())
    assert isinstance(Copy(), Task)
    with pytest.raises(InputError, match="a task needs name, input_size"):
        check_task(object())


@pytest.mark.parametrize(
    "field, value", [("symbols", 0), ("channels", 2.5), ("replay", -1), ("threshold", 2)]
)
def test_bad_sizes_are_refused(field, value):
    with pytest.raises(InputError, match=field):
        Copy(**{field: value})
