"""Recipes by name: what they clip, and that of the study of solution degeneracy, the paper's where
it is known, with its tasks at our sizes.
"""

import numpy as np
import pytest

from schurkit import InputError
from schurkit.tasks import Copy, FlipFlop
from schurkit.training import (
    Phase,
    Plateau,
    Recipe,
    Store,
    Until,
    addition_recipe,
    copy_recipe,
    degeneracy_recipe,
    degeneracy_tasks,
    initial,
    suite_recipe,
    train,
)


def test_nothing_is_clipped_unless_a_recipe_says_so():
    assert Recipe().clip_norm is None and addition_recipe().clip_norm is None
    assert copy_recipe().clip_norm is None and suite_recipe().clip_norm is None
    ours = {
        "flip_flop": 0.1,
        "delayed_discrimination": 0.1,
        "sine_generation": 0.1,
        "path_integration": 1.0,
    }
    assert {
        name: degeneracy_recipe(task).clip_norm for name, task in degeneracy_tasks().items()
    } == ours


def test_each_task_stops_at_the_papers_threshold():
    paper = {
        "flip_flop": 0.001,
        "delayed_discrimination": 0.01,
        "sine_generation": 0.05,
        "path_integration": 0.05,
    }
    found = {name: degeneracy_recipe(task).until for name, task in degeneracy_tasks().items()}
    assert found == {name: Until(loss, 3) for name, loss in paper.items()}


@pytest.mark.parametrize("task", degeneracy_tasks().values(), ids=lambda task: task.name)
def test_what_the_paper_says_holds_for_every_task(task):
    recipe = degeneracy_recipe(task, 32)
    assert (recipe.hidden_size, recipe.activation, recipe.leak, recipe.weight_decay) == (
        32,
        "tanh",
        1.0,
        0.0,
    )
    assert recipe.plateau == (Plateau(0.5, 40) if task.name == "path_integration" else None)
    start = initial(task, recipe, [0])
    for array in (start.W_in, start.W_rec, start.W_out, start.b_rec, start.b_out):
        assert np.abs(array).max() <= 32**-0.5 and (
            array.size < 5 or np.abs(array).max() > 0.5 * 32**-0.5
        )
    assert not start.h0.any()


def test_changes_win():
    recipe = degeneracy_recipe(
        FlipFlop(),
        construction="mup",
        gamma=2.0,
        clip_norm=None,
        until=Until(0.5),
        phases=(Phase(7, 1e-3),),
    )
    assert (recipe.gamma, recipe.clip_norm, recipe.until, recipe.steps) == (
        2.0,
        None,
        Until(0.5),
        7,
    )


def test_another_task_needs_a_threshold_of_its_own():
    with pytest.raises(
        InputError, match=r"the task 'copy' has no stop_mse. Pass until=Until\(loss\)"
    ):
        degeneracy_recipe(Copy())
    assert degeneracy_recipe(Copy(), until=Until(0.1)).until == Until(0.1)


def test_a_change_that_is_no_field_is_refused():
    with pytest.raises(InputError, match="it has no learning_rate, width"):
        degeneracy_recipe(FlipFlop(), learning_rate=1e-3, width=3)


def test_a_network_gets_there(tmp_path):
    trained = train(
        FlipFlop(bits=1), degeneracy_recipe(FlipFlop(bits=1)), [0], store=Store(tmp_path)
    )
    assert isinstance(trained.recipe, Recipe) and trained.reached.all() and trained.converged.all()
