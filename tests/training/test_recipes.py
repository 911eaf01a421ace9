"""Recipes by name: what they clip, and that of the study of solution degeneracy, the paper's where
it is known, with its tasks at our sizes.
"""

from functools import partial

import numpy as np
import pytest
from helpers import bounds, messages

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

STOPS = {
    "flip_flop": (0.001, 0.1),
    "delayed_discrimination": (0.01, 0.1),
    "sine_generation": (0.05, 0.1),
    "path_integration": (0.05, 1.0),
}


@pytest.mark.parametrize("task", degeneracy_tasks().values(), ids=lambda task: task.name)
def test_what_the_paper_says_holds_for_every_task_and_how_each_stops_and_is_clipped(task):
    recipe = degeneracy_recipe(task, 32)
    assert (recipe.activation, recipe.leak, recipe.weight_decay) == ("tanh", 1.0, 0.0)
    assert (recipe.until.loss, recipe.clip_norm) == STOPS[task.name] and recipe.until.patience == 3
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


@pytest.mark.parametrize("steps, checkpoints", [(2000, 24), (20000, 48), (30, 5), (10, 24), (1, 1)])
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


test_fields = bounds(
    {
        Recipe: {
            "construction": "sparse",
            "phases": (),
            "leak": 0,
            "clip_norm": 0.0,
            "l1": -1,
            "loss": "hinge",
            "weight_decay": -1,
            "bias_start": "normal",
            "betas": (0.9, 1.0),
            "embedding_size": 0,
            "epoch_steps": 0,
            "nuclear": float("nan"),
            "until": 0.1,
            "plateau": {},
            "checkpoints": (3, 2),
        },
        partial(Phase, steps=1, learning_rate=1.0): {"steps": -1, "learning_rate": 0.0},
        addition_recipe: {"steps": 0, "checkpoints": 0, "every": 0},
        partial(degeneracy_recipe, FlipFlop()): {"steps": -1, "learning_rate": 0.0},
    }
)
test_messages = messages(
    (lambda: degeneracy_recipe(FlipFlop(), rate=1e-3, width=3), "it has no rate, width"),
    (lambda: degeneracy_recipe(Copy()), r"'copy' has no stop_mse. Pass until=Until\(loss\)"),
)


def test_a_network_gets_there():
    task = FlipFlop(bits=1)
    trained = train(task, degeneracy_recipe(task), [0])
    assert trained.reached.all() and trained.converged.all()


def test_recipes_of_the_book_clip_nothing():
    free = (Recipe(), addition_recipe(), copy_recipe(), suite_recipe())
    assert all(kind.clip_norm is None for kind in free)
