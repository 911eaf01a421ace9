"""Recipes by name: what they clip, and that of the study of solution degeneracy, the paper's where
it is known, with its tasks at our sizes.
"""

import numpy as np
import pytest
from helpers import messages

from schurkit.tasks import Copy, FlipFlop, PathIntegration
from schurkit.training import (
    Phase,
    Recipe,
    Until,
    addition_recipe,
    copy_recipe,
    degeneracy_recipe,
    degeneracy_tasks,
    initial,
    suite_recipe,
    train,
)


@pytest.mark.parametrize("task", degeneracy_tasks().values(), ids=lambda task: task.name)
def test_what_the_paper_says_holds_for_every_task(task):
    recipe = degeneracy_recipe(task, 32)
    assert (recipe.activation, recipe.leak, recipe.weight_decay) == ("tanh", 1.0, 0.0)
    start = initial(task, recipe, [0])
    for array in (start.W_in, start.W_rec, start.W_out, start.b_rec, start.b_out):
        assert (0.5 if array.size > 4 else 0) < np.abs(array).max() * 32**0.5 <= 1
    assert not start.h0.any()


def test_changes_win():
    changes = {"construction": "mup", "gamma": 2.0, "clip_norm": None, "until": Until(0.5)}
    recipe = degeneracy_recipe(FlipFlop(), phases=(Phase(7, 1e-3),), **changes)
    assert {name: getattr(recipe, name) for name in changes} == changes and recipe.steps == 7
    fall = degeneracy_recipe(PathIntegration(), steps=16, learning_rate=1.0).phases
    assert fall == (Phase(4, 1.0), Phase(6, 0.4), Phase(6, 0.1))
    assert addition_recipe(100, embedding_size=None, activation="tanh").embedding_size is None


@pytest.mark.parametrize(
    ("steps", "checkpoints"), [(2000, 24), (20000, 48), (30, 5), (10, 24), (1, 1)]
)
def test_checkpoints_run_from_the_start_to_the_end(steps, checkpoints):
    recipe = addition_recipe(steps, checkpoints=checkpoints, every=steps)
    kept = recipe.checkpoints
    evenly = addition_recipe(steps, checkpoints=checkpoints, every=7).checkpoints
    assert sorted({*kept, *range(0, steps, 7)}) == list(evenly)
    assert kept[0] == 0 and kept[-1] == steps == recipe.steps and list(kept) == sorted(set(kept))
    assert len(kept) <= checkpoints + 1
    if steps > 1000:
        ratios = np.diff(np.log(kept[1:]))
        assert len(kept) == checkpoints + 1 and ratios.max() < 1.6 * ratios.min()


test_messages = messages(
    (lambda: addition_recipe(0), "steps"),
    (lambda: addition_recipe(checkpoints=0), "checkpoints"),
    (lambda: addition_recipe(every=0), "every"),
    (lambda: degeneracy_recipe(FlipFlop(), rate=1e-3, width=3), "it has no rate, width"),
    (lambda: degeneracy_recipe(FlipFlop(), steps=-1), "steps must be at least 0"),
    (lambda: degeneracy_recipe(FlipFlop(), learning_rate=0.0), "learning_rate must be above 0"),
    (lambda: degeneracy_recipe(Copy()), r"'copy' has no stop_mse. Pass until=Until\(loss\)"),
)


def test_a_network_gets_there():
    task = FlipFlop(bits=1)
    trained = train(task, degeneracy_recipe(task), [0])
    assert trained.reached.all() and trained.converged.all()


def test_each_task_stops_and_is_clipped_as_the_recipes_say():
    ours = {
        "flip_flop": (0.001, 0.1),
        "delayed_discrimination": (0.01, 0.1),
        "sine_generation": (0.05, 0.1),
        "path_integration": (0.05, 1.0),
    }
    for task in degeneracy_tasks().values():
        kind = degeneracy_recipe(task)
        assert (kind.until, kind.clip_norm) == (Until(ours[task.name][0], 3), ours[task.name][1])
    free = (Recipe(), addition_recipe(), copy_recipe(), suite_recipe())
    assert all(kind.clip_norm is None for kind in free)
