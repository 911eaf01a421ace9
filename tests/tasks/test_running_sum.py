"""Running sums: targets at every step, the split of modular addition, and trials of more numbers
than in training.
"""

import numpy as np
import pytest

from schurkit import InputError
from schurkit.tasks import ModularAddition, RunningSum, Task, check_task, examine
from schurkit.training import Phase, Recipe, train


def test_each_step_asks_for_the_sum_so_far():
    task = RunningSum(p=7, operands=4, sample=200)
    for trials in (task.batch([3], 0, 50), task.test_trials(), task.longer(9, 30)):
        numbers, sums = trials.inputs.argmax(axis=-1), trials.targets.argmax(axis=-1)
        assert np.array_equal(sums, np.cumsum(numbers, axis=-1) % 7)
        assert (trials.targets.sum(axis=-1) == 1).all() and np.asarray(trials.mask).all()
    assert task.longer(9, 30).inputs.shape == (30, 9, 7)


def test_the_split_is_that_of_modular_addition():
    task, parent = (
        RunningSum(p=11, sample=300),
        ModularAddition(p=11, train_fraction=0.5, operands=3, sample=300),
    )
    assert np.array_equal(task.train_tuples, parent.train_tuples) and np.array_equal(
        task.held_out_tuples, parent.held_out_tuples
    )
    assert np.array_equal(task.batch([4], 6, 20).inputs, parent.batch([4], 6, 20).inputs)
    assert task.name != parent.name


def test_longer_trials_follow_their_seed_alone():
    task = RunningSum(p=7, sample=100)
    assert np.array_equal(
        task.longer(5, 20, 1).inputs, RunningSum(p=7, operands=4, sample=50).longer(5, 20, 1).inputs
    )
    assert not np.array_equal(task.longer(5, 20, 1).inputs, task.longer(5, 20, 2).inputs)
    with pytest.raises(InputError, match="operands must be"):
        task.longer(1)


def test_it_follows_the_protocol_and_trains():
    task = RunningSum(p=5, operands=3, sample=100, threshold=0.5)
    check_task(task)
    assert isinstance(task, Task) and task.token_pairs() is None
    kept = {check.promise: check for check in examine(RunningSum(p=7, sample=300), trials=64)}
    assert all(check.kept for check in kept.values()), [
        check for check in kept.values() if not check.kept
    ]
    with pytest.raises(InputError, match="running_sum has no '=' token"):
        RunningSum(equals=True)


def test_two_operands_do_not_take_the_table_form(tmp_path):
    """With two numbers the fast table form would train on the last target alone."""
    from schurkit.training import Store

    task = RunningSum(p=5, operands=2, sample=None)
    recipe = Recipe(
        hidden_size=16,
        phases=(Phase(300, 1e-2),),
        batch_size=None,
        loss="cross_entropy",
        activation="relu",
        clip_norm=None,
    )
    trained = train(task, recipe, [0], store=Store(tmp_path))
    trials = task.batch([0], 0, None)
    from schurkit import rollout

    hits = rollout(trained.rnn, trials).outputs.argmax(axis=-1) == trials.targets.argmax(axis=-1)
    assert hits[0, :, 0].mean() == 1, "the first step has a target too"
