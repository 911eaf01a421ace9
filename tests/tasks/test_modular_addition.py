"""Modular addition is what its docstring says: targets, split, held-out pairs, and the protocol."""

import numpy as np
import pytest

from schurkit import InputError, metrics
from schurkit.tasks import ModularAddition, Task, check_task, examine


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
    train, test = task.batch([3], 0).inputs[0], task.test_trials().inputs
    assert len(train) == task.train_size and len(train) + len(test) == task.size
    for trials in (task.batch([3], 0), task.test_trials()):
        assert (
            np.array_equal(np.unique(trials.inputs), [0, 1])
            and (trials.inputs.sum(axis=-1) == 1).all()
        )
        read = tokens(trials)
        if task.equals:
            assert (read[..., -1] == task.p).all()
        total = read[..., : task.operands].sum(axis=-1) % task.p
        assert np.array_equal(trials.targets[..., -1, :].argmax(axis=-1), total)
        assert (trials.targets[..., -1, :].sum(axis=-1) == 1).all() and not trials.targets[
            ..., :-1, :
        ].any()
        assert trials.mask.tolist() == [False] * (task.steps - 1) + [True]
    everything = [tuple(row) for row in np.concatenate([task.train_tuples, task.held_out_tuples])]
    assert (
        len(set(everything)) == task.size
        and min(map(min, everything)) >= 0
        and max(map(max, everything)) < task.p
    )


def test_the_split_is_one_for_all_networks_and_follows_its_own_seed():
    task = ModularAddition(p=11)
    whole = task.batch([1, 2], 5)
    assert np.array_equal(whole.inputs[0], whole.inputs[1]) and np.array_equal(
        whole.inputs, task.batch([7, 8], 9).inputs
    )
    other = ModularAddition(p=11, split_seed=1)
    assert not np.array_equal(task.train_tuples, other.train_tuples)
    shared = {tuple(row) for row in task.train_tuples} & {
        tuple(row) for row in task.held_out_tuples
    }
    assert not shared
    with pytest.raises(ValueError):
        task.train_tuples[0, 0] = 3


def test_batches_are_drawn_from_the_training_set_alone():
    task = ModularAddition(p=11, train_fraction=0.3)
    train = {tuple(row) for row in task.train_tuples}
    drawn = [tuple(row) for step in range(20) for row in tokens(task.batch([4], step, 64))[0]]
    assert set(drawn) == train
    many, alone = task.batch([4, 9], 7, 5), task.batch([9], 7, 5)
    assert np.array_equal(many.inputs[1], alone.inputs[0])
    assert not np.array_equal(many.inputs[0], many.inputs[1]) and not np.array_equal(
        task.batch([9], 8, 5).inputs, alone.inputs
    )


def test_token_pairs_are_the_training_set():
    task = ModularAddition(p=13, train_fraction=0.4, split_seed=2)
    a, b, target = task.token_pairs(5)
    trials = task.batch([5], 0)
    assert np.array_equal(np.stack([a, b], axis=1), tokens(trials)[0])
    assert np.array_equal(target, trials.targets[0, :, -1].argmax(axis=-1)) and np.array_equal(
        target, (a + b) % 13
    )
    assert (
        ModularAddition(p=5, operands=3).token_pairs() is None
        and ModularAddition(p=5, equals=True).token_pairs() is None
    )


def test_held_out_trials_are_a_part_without_repetition():
    task = ModularAddition(p=11)
    some = tokens(task.test_trials(30, seed=4))
    assert len({tuple(row) for row in some}) == 30 and {tuple(row) for row in some} <= {
        tuple(row) for row in task.held_out_tuples
    }
    assert not np.array_equal(some, tokens(task.test_trials(30, seed=5)))
    assert len(task.test_trials(10**6)) == task.size - task.train_size


def test_accuracy_and_chance():
    task = ModularAddition(p=7, train_fraction=0.5)
    trials = task.test_trials()
    perfect = trials.targets[None]
    wrong = np.roll(perfect, 1, axis=-1)
    half = np.where(np.arange(len(trials))[:, None, None] < 10, perfect, wrong)
    outputs = np.concatenate([perfect, wrong, half])
    assert metrics.accuracy(outputs, trials).tolist() == [1, 0, 10 / len(trials)]
    assert metrics.metric("accuracy") is task.metric
    broken = perfect.copy()
    broken[0, 3, -1, 0] = np.nan
    assert metrics.accuracy(broken, trials)[0] == 1 - 1 / len(trials)
    every = ModularAddition(p=7).trials(np.stack(np.unravel_index(np.arange(49), (7, 7)), axis=1))
    last = every.targets[:, -1]
    assert np.square(last - last.mean(axis=0)).mean() == pytest.approx(task.chance)
    assert (
        task.chance_accuracy
        == metrics.accuracy(np.zeros((1, *every.targets.shape)), every)[0]
        == pytest.approx(1 / 7)
    )
    assert task.chance_cross_entropy == pytest.approx(np.log(7))


def test_it_follows_the_protocol():
    task = ModularAddition()
    check_task(task)
    assert isinstance(task, Task) and (task.input_size, task.output_size, task.steps) == (
        113,
        113,
        2,
    )
    assert ModularAddition(p=9, equals=True, operands=4).input_size == 10
    broken = [check for check in examine(ModularAddition(p=23)) if not check.kept]
    assert broken == []


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"p": 1}, "p must be at least 3"),
        (
            {"p": 114},
            "p must be odd, so that each frequency has a cosine and a sine; got 114. Take 113 or "
            "115.",
        ),
        ({"operands": 1}, "operands must be at least 2"),
        ({"train_fraction": 0}, "train_fraction must be above 0"),
        ({"train_fraction": 1.0}, "at least one for training and one held out"),
        ({"p": 3, "train_fraction": 0.05}, "at least one for training and one held out"),
        ({"equals": 1}, "equals must be True or False"),
        ({"operands": 4}, "pass sample"),
        ({"sample": 10**6}, "sample must be between 2 and 12769"),
        ({"split_seed": -1}, "split_seed must be at least 0"),
        ({"threshold": 2}, "threshold must be between 0 and 1"),
    ],
)
def test_bad_fields_are_refused(fields, message):
    with pytest.raises(InputError, match=message):
        ModularAddition(**fields)


@pytest.mark.parametrize(
    ("tuples", "message"),
    [
        ([[1, 2, 3]], "whole numbers of shape"),
        ([[1.0, 2.0]], "whole numbers of shape"),
        ([1, 2], "whole numbers of shape"),
        ([[0, 7]], "from 0 to 6; got 0 to 7"),
        ([[-1, 2]], "from 0 to 6"),
    ],
)
def test_bad_tuples_are_refused(tuples, message):
    with pytest.raises(InputError, match=message):
        ModularAddition(p=7, train_fraction=0.5).trials(tuples)


@pytest.mark.parametrize("trials", [0, 2.5])
def test_bad_numbers_of_trials_are_refused(trials):
    task = ModularAddition(p=7)
    for draw in (lambda: task.batch([0], 0, trials), lambda: task.test_trials(trials)):
        with pytest.raises(InputError, match="trials must be"):
            draw()
