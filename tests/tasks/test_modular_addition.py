"""Modular addition is what its docstring says: targets, split, held-out pairs, and the protocol."""

import numpy as np
import pytest
from helpers import messages

from schurkit.tasks import ModularAddition


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
    ids=["two", "equals", "four", "sample", "sample-equals"],
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


def test_held_out_trials_are_a_part_without_repetition():
    task = ModularAddition(p=11)
    some = {tuple(row) for row in tokens(task.test_trials(30, seed=4))}
    assert len(some) == 30 and some <= {tuple(row) for row in task.held_out_tuples}
    assert len(task.test_trials(10**6)) == task.size - task.train_size


def test_accuracy_and_chance():
    task = ModularAddition(p=7, train_fraction=0.5)
    trials = task.test_trials()
    perfect = trials.targets[None]
    wrong, broken = np.roll(perfect, 1, axis=-1), perfect.copy()
    half = np.where(np.arange(len(trials))[:, None, None] < 10, perfect, wrong)
    broken[0, 3, -1, 0] = np.nan
    measured = task.metric.measure(np.concatenate([perfect, wrong, half, broken]), trials)
    assert measured.tolist() == [1, 0, 10 / len(trials), 1 - 1 / len(trials)]
    every = task.trials(np.stack(np.unravel_index(np.arange(49), (7, 7)), axis=1))
    nothing = task.metric.measure(np.zeros((1, *every.targets.shape)), every)[0]
    assert nothing == pytest.approx(1 / 7)


SMALL = ModularAddition(p=7, train_fraction=0.5)


test_bad_tuples_and_numbers_of_trials_are_refused = messages(
    (SMALL.trials, [[1, 2, 3]], "whole numbers of shape"),
    (SMALL.trials, [[1.0, 2.0]], "whole numbers of shape"),
    (SMALL.trials, [[0, 7]], "from 0 to 6; got 0 to 7"),
    (SMALL.batch, [0], 0, 0, "trials must be"),
    (SMALL.test_trials, 2.5, "trials must be"),
)


test_bad_fields_are_refused = messages(
    (lambda: ModularAddition(p=114), "must be odd, .* cosine and a sine; got 114. Take 113 or"),
    (lambda: ModularAddition(train_fraction=1.0), "at least one for training and one held out"),
    (lambda: ModularAddition(operands=4), "pass sample"),
)
