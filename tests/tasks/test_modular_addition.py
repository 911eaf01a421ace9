"""Modular addition and running sums are what their docstrings say: targets, split, held-out pairs,
longer trials, and the protocol.
"""

import numpy as np
import pytest
from helpers import messages

from schurkit.tasks import ModularAddition, RunningSum


def tokens(trials):
    return trials.inputs.argmax(axis=-1)


@pytest.mark.parametrize(
    "task",
    [
        ModularAddition(p=7, train_fraction=0.5),
        ModularAddition(p=9, train_fraction=0.3, equals=True),
        ModularAddition(p=5, operands=4),
        ModularAddition(p=113, operands=4, sample=500),
        ModularAddition(p=11, operands=3, sample=300, equals=True),
    ],
    ids=repr,
)
def test_targets_and_split(task):
    train, test = task.train_tuples, task.held_out_tuples
    assert len(train) == task.train_size and len(train) + len(test) == task.size
    assert len({tuple(row) for row in (*train, *test)}) == task.size
    drawn = task.batch([3], 1, 2000) if task.train_size < 100 else task.batch([3], 0)
    for trials, tuples in ((task.batch([3], 0), train), (drawn, train), (task.test_trials(), test)):
        assert np.array_equal(np.unique(trials.inputs), [0, 1])
        assert (trials.inputs.sum(axis=-1) == 1).all()
        read = tokens(trials).reshape(-1, task.steps)
        assert {tuple(row) for row in read[:, : task.operands]} == {tuple(row) for row in tuples}
        assert not task.equals or (read[:, -1] == task.p).all()
        total = read[:, : task.operands].sum(axis=-1) % task.p
        targets = trials.targets.reshape(len(read), task.steps, task.p)
        assert np.array_equal(targets[:, -1], np.eye(task.p)[total]) and not targets[:, :-1].any()
        assert trials.mask.tolist() == [False] * (task.steps - 1) + [True]


def test_the_split_is_one_for_all_networks_and_follows_its_own_seed():
    task = ModularAddition(p=11)
    whole, other = task.batch([1, 2], 5).inputs, task.batch([7, 8], 9).inputs
    assert np.array_equal(whole[0], whole[1]) and np.array_equal(whole, other)
    other = ModularAddition(p=11, split_seed=1)
    assert not np.array_equal(task.train_tuples, other.train_tuples)
    with pytest.raises(ValueError):
        task.train_tuples[0, 0] = 3


def test_token_pairs_are_the_training_set():
    task = ModularAddition(p=13, train_fraction=0.4, split_seed=2)
    a, b, target = task.token_pairs(5)
    trials = task.batch([5], 0)
    assert np.array_equal(np.stack([a, b], axis=1), tokens(trials)[0])
    assert np.array_equal(target, trials.targets[0, :, -1].argmax(axis=-1))
    for changes in ({"operands": 3}, {"equals": True}):
        assert ModularAddition(p=5, **changes).token_pairs() is None
    # whose table form would train on the last target alone
    assert RunningSum(p=5, operands=2, sample=None).token_pairs() is None


def test_held_out_trials_are_a_part_without_repetition():
    task = ModularAddition(p=11)
    some = {tuple(row) for row in tokens(task.test_trials(30, seed=4))}
    assert len(some) == 30 and some <= {tuple(row) for row in task.held_out_tuples}
    assert len(task.test_trials(10**6)) == task.size - task.train_size


def test_accuracy_and_chance():
    task = ModularAddition(p=7)
    every = task.trials(np.stack(np.unravel_index(np.arange(49), (7, 7)), axis=1))
    broken = every.targets.copy()
    broken[3, -1, 0] = np.nan
    outputs = np.stack([every.targets, broken, np.roll(broken, 1, axis=-1), 0 * every.targets])
    assert task.metric.measure(outputs, every) == pytest.approx([1, 48 / 49, 0, 1 / 7])


# ---- running sums
def test_each_step_asks_for_the_sum_so_far():
    task = RunningSum(p=7, operands=4, sample=200)
    for trials in (task.batch([3], 0, 50), task.test_trials(), task.longer(9, 30)):
        numbers, sums = trials.inputs.argmax(axis=-1), trials.targets.argmax(axis=-1)
        assert np.array_equal(sums, np.cumsum(numbers, axis=-1) % 7)
        assert (trials.targets.sum(axis=-1) == 1).all() and np.asarray(trials.mask).all()
    assert task.longer(9, 30).inputs.shape == (30, 9, 7)


def test_the_split_is_that_of_modular_addition():
    parent = ModularAddition(p=11, train_fraction=0.5, operands=3, sample=300)
    task = RunningSum(p=11, sample=300)
    assert np.array_equal(task.train_tuples, parent.train_tuples)
    assert np.array_equal(task.held_out_tuples, parent.held_out_tuples)
    assert np.array_equal(task.batch([4], 6, 20).inputs, parent.batch([4], 6, 20).inputs)


def test_longer_trials_follow_their_seed_alone():
    task, other = RunningSum(p=7, sample=100), RunningSum(p=7, operands=4, sample=50)
    first = task.longer(5, 20, 1).inputs
    assert np.array_equal(first, other.longer(5, 20, 1).inputs)
    assert not np.array_equal(first, task.longer(5, 20, 2).inputs)


SMALL = ModularAddition(p=7, train_fraction=0.5)
test_what_cannot_be_meant_is_refused = messages(
    (SMALL.trials, [[1, 2, 3]], "whole numbers of shape"),
    (SMALL.trials, [[1.0, 2.0]], "whole numbers of shape"),
    (SMALL.trials, [[0, 7]], "from 0 to 6; got 0 to 7"),
    (SMALL.batch, [0], 0, 0, "trials must be"),
    (SMALL.test_trials, 2.5, "trials must be"),
    (ModularAddition, 114, "must be odd, .* cosine and a sine; got 114. Take 113 or"),
    (ModularAddition, 113, 1.0, "at least one for training and one held out"),
    (lambda: ModularAddition(operands=4), "pass sample"),
    (RunningSum(p=7, sample=100).longer, 1, "operands must be"),
    (lambda: RunningSum(equals=True), "running_sum has no '=' token"),
)
