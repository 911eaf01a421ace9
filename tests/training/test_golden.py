"""Numbers that must stay: weights after a few steps, trials of tasks, measures. ``python
tests/training/test_golden.py`` writes them anew.

Networks and measures are kept under whole numbers (`schurkit.store`, `version` of a task), not
under hashes of our source. So whoever changes numbers on purpose raises one, and this test is what
tells. Processors differ in the last bits: what counts is 1e-4 of each array's largest entry.
"""

import json
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from schurkit import RNN, ablation_profile, random, tasks
from schurkit.engine import ENGINES
from schurkit.studies import Dynamics, levels, mup_recipe
from schurkit.tasks import (
    ContextIntegration,
    Copy,
    DelayedDiscrimination,
    FlipFlop,
    ModularAddition,
)
from schurkit.training import (
    Phase,
    Plateau,
    Recipe,
    Store,
    Trained,
    Until,
    addition_recipe,
    degeneracy_recipe,
    train,
)

GOLDEN = Path(__file__).with_name("golden.json")
CLOSE = 1e-4
BRIEF = {"phases": (Phase(12, 3e-3),), "batch_size": 8, "clip_norm": 1.0}
DISCRIMINATION = DelayedDiscrimination(channels=2, shortest=2, longest=4)
RECIPES = {
    "copy": (Copy(3, 2, 6), Recipe(8, "orthogonal", **BRIEF)),
    "copy, normal": (Copy(3, 2, 6), Recipe(8, "cayley", **BRIEF)),
    "copy, Dale's law": (Copy(3, 2, 6), Recipe(8, "dale", **BRIEF)),
    "flip-flop": (
        FlipFlop(bits=2, steps=10, start="pulse"),
        Recipe(8, "default", biases=True, bias_start="uniform", weight_decay=0.1, **BRIEF),
    ),
    "integration": (
        ContextIntegration(steps=10),
        Recipe(8, "fan_in", activation="relu", leak=0.5, form="voltage", **BRIEF),
    ),
    "addition": (ModularAddition(p=7), addition_recipe(12, 1.0, 8, checkpoints=2)),
    "degeneracy": (
        DISCRIMINATION,
        degeneracy_recipe(
            DISCRIMINATION,
            8,
            l1=1e-2,
            nuclear=1e-2,
            until=Until(1e-9),
            plateau=Plateau(0.5, 0),
            epoch_steps=2,
            **BRIEF,
        ),
    ),
    "mup": (
        DISCRIMINATION,
        replace(
            mup_recipe(DISCRIMINATION, 8, 0.5, batch_size=8, until=None), phases=(Phase(12, 1e-2),)
        ),
    ),
}
TASKS = sorted(tasks.loading.TASKS.values(), key=lambda kind: kind.__name__)


def few(array):
    """Three entries of an array, a weighted mean of all, the norm, and the largest entry, beside
    which differences are small or not.
    """
    flat = np.asarray(array, float).ravel()
    mean = np.mean(flat * np.linspace(0, 1, len(flat)))
    told = *flat[[0, len(flat) // 2, -1]], mean, np.linalg.norm(flat), np.abs(flat).max()
    return [float(x) for x in told]


def weights(engine, name):
    """What a recipe gives with an engine: one network, trained into a store of its own."""
    with tempfile.TemporaryDirectory() as folder:
        trained = train(*RECIPES[name], [3], engine=engine, store=Store(folder), progress=False)
    names = "W_in", "W_rec", "W_out", "b_rec", "b_out"
    arrays = {key: getattr(trained.rnn, key)[0] for key in names} | {"losses": trained.losses[0]}
    return {key: few(array) for key, array in arrays.items() if np.any(array)}


def trials(kind):
    """The first training trials of a task, and its held-out ones."""
    task = kind()
    drawn, held_out = task.batch([3], 5, 4), task.test_trials(4)
    return {
        "inputs": few(drawn.inputs),
        "targets": few(drawn.targets),
        "held-out inputs": few(held_out.inputs),
    }


def network(task):
    """Four networks without training, drawn by counter."""
    shapes = {"W_in": (12, task.input_size), "W_rec": (12, 12), "W_out": (task.output_size, 12)}
    stream = "golden "
    drawn = {n: random.normal(range(4), stream + n, 0, shape) for n, shape in shapes.items()}
    return RNN(**{name: array.astype(np.float32) / 3 for name, array in drawn.items()})


def profile(engine):
    """Ablations of them, rolled out by an engine."""
    task = FlipFlop(bits=2, steps=10, start="pulse")
    kinds = ("permuted", "matched", "block-upper")
    rows = ablation_profile(
        network(task),
        task.test_trials(8),
        metric=task.metric,
        controls=kinds,
        draws=2,
        engine=engine,
    ).frame()
    return {"values": few(rows.value.to_numpy()), "masses": few(rows.removed_mass.to_numpy())}


def study():
    """Every measure that a study keeps."""
    task, n = FlipFlop(bits=2, steps=10, start="pulse"), 4
    recipe, nothing, losses = Recipe(12, "default", **BRIEF), np.zeros(n), (np.zeros(1),) * n
    reached, steps = nothing == 0, nothing + 12
    trained = Trained(
        network(task), task, recipe, losses, nothing, nothing - 1, nothing, ~reached, steps, reached
    )
    row = levels(
        trained, Dynamics(rank=3, delays=2, starts=8, trials=8), kernel_trials=2, test_trials=8
    ).row()
    return {name: [value, value] for name, value in row.items() if value is not None}


CASES = {
    **{
        f"{engine}, {name}": (weights, (engine, name), f'TRAINING["training"] or ["{engine}"]')
        for engine in ENGINES
        for name in RECIPES
    },
    **{kind.__name__: (trials, (kind,), f"version of {kind.__name__}") for kind in TASKS},
    **{f"{engine}, ablations": (profile, (engine,), "MEASURES") for engine in ENGINES},
    "a study's measures": (study, (), "MEASURES"),
}


def test_every_task_of_ours_is_among_them():
    assert len(TASKS) == 9 and all("version" in vars(kind) for kind in TASKS)


@pytest.mark.parametrize("case", CASES)
def test_numbers_stay(case):
    function, arguments, number = CASES[case]
    if case.startswith(ENGINES):
        pytest.importorskip(case.split(",")[0])
    found, golden = function(*arguments), json.loads(GOLDEN.read_text()).get(case, {})
    moved = found.keys() ^ golden.keys()
    for key in found.keys() & golden.keys():
        if not np.allclose(found[key], golden[key], CLOSE, CLOSE * abs(golden[key][-1])):
            moved.add(key)
    if moved:
        pytest.fail(
            f"numbers changed on purpose? raise {number}, then run python "
            f"tests/training/test_golden.py ({moved})",
            pytrace=False,
        )


if __name__ == "__main__":
    told = {
        case: {key: [float(f"{x:.7g}") for x in values] for key, values in f(*given).items()}
        for case, (f, given, _) in CASES.items()
    }
    GOLDEN.write_text(
        "{\n"
        + ",\n".join(f"{json.dumps(case)}: {json.dumps(values)}" for case, values in told.items())
        + "\n}\n"
    )
