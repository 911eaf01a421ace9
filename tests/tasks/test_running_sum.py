"""Running sums: targets at every step, the split of modular addition, and trials of more numbers
than in training.
"""

import numpy as np
from helpers import refuses

from schurkit import rollout
from schurkit.tasks import ModularAddition, RunningSum
from schurkit.training import Phase, Recipe, train


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
    refuses("operands must be", task.longer, 1)
    refuses("running_sum has no '=' token", RunningSum, equals=True)


def test_two_operands_do_not_take_the_table_form():
    """With two numbers the fast table form would train on the last target alone."""
    task, phases = RunningSum(p=5, operands=2, sample=None), (Phase(100, 1e-2),)
    assert task.token_pairs() is None
    kind = {"loss": "cross_entropy", "activation": "relu", "batch_size": None}
    trained = train(task, Recipe(hidden_size=16, phases=phases, **kind), [0])
    trials = task.batch([0], 0, None)
    hits = rollout(trained.rnn, trials).outputs.argmax(axis=-1) == trials.targets.argmax(axis=-1)
    assert hits[0, :, 0].mean() == 1, "the first step has a target too"
