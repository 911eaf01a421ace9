"""Does a task keep the promises that training and the store rely on? For a reader's own task,
before it is trained.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, is_dataclass

import numpy as np

from schurkit.checks import InputError, integer
from schurkit.rnn import Trials

from .base import Task, check_task


@dataclass(frozen=True)
class Promise:
    """What a task promises, whether it was kept, and what was found."""

    promise: str
    kept: bool
    found: str


def examine(task: Task, *, trials: int = 256, step: int = 7) -> list[Promise]:
    """Hold a task against its protocol (`schurkit.tasks.base.Task`): shapes, pure draws, held-out
    trials, chance.

    Parameters
    ----------
    task : the object to examine.
    trials : drawn for each check.
    step : training step whose batch is looked at.

    Returns
    -------
    list of `Promise`, all of them, also when one is broken.

    Raises
    ------
    InputError : an object that lacks parts of the protocol, or draws that are no `Trials`.

    Examples
    --------
    >>> from schurkit.tasks import Sine
    >>> all(check.kept for check in examine(Sine()))
    True
    """
    check_task(task)
    trials = integer(trials, "trials", at_least=2)
    alone, company = task.batch([5], step, trials), task.batch([2, 5, 9], step, trials)
    test = task.test_trials(trials)
    for name, drawn in (("batch", alone), ("batch", company), ("test_trials", test)):
        if not isinstance(drawn, Trials):
            raise InputError(
                f"{name} of task {task.name!r} must return schurkit.Trials; got "
                f"{type(drawn).__name__}."
            )
    return [
        _fields(task),
        _shapes(task, alone, company, test),
        *_pure(task, alone, company, step, trials),
        *_held_out(task, alone, test, trials),
        *_chance(task, test),
    ]


def _fields(task) -> Promise:
    plain = "fields are plain numbers and words"
    if not is_dataclass(task):
        return Promise(f"{plain} of a frozen dataclass", False, "not a dataclass")
    try:
        text = json.dumps(asdict(task), sort_keys=True, allow_nan=False)
    except (TypeError, ValueError) as error:
        return Promise(f"{plain}, as the store's key needs", False, str(error))
    frozen = type(task).__dataclass_params__.frozen
    return Promise(f"{plain} of a frozen dataclass, as the store's key needs", frozen, text)


def _shapes(task, alone, company, test) -> Promise:
    sizes = all(
        (drawn.inputs.shape[-1], drawn.targets.shape[-1]) == (task.input_size, task.output_size)
        for drawn in (alone, company, test)
    )
    axes = (alone.networks, company.networks, test.networks) == (1, 3, None)
    return Promise(
        "batches have a networks axis, test trials have none; channels are those that were named",
        sizes and axes,
        f"batch of three seeds {company.inputs.shape} → {company.targets.shape}, test "
        f"{test.inputs.shape} → {test.targets.shape}",
    )


def _pure(task, alone, company, step, trials) -> Iterator[Promise]:
    again = task.batch([5], step, trials)
    same = _equal(alone.inputs, again.inputs) and _equal(alone.targets, again.targets)
    found = f"drawn twice: {'equal' if same else 'different'}"
    yield Promise("the same seed and step give the same batch", same, found)
    same = len(company.inputs) == 3 and all(
        _equal(getattr(alone, name)[0], getattr(company, name)[1]) for name in ("inputs", "targets")
    )
    found = f"seed 5 alone and between 2 and 9: {'equal' if same else 'different'}"
    yield Promise("a seed draws the same alone and in company", same, found)
    others = task.batch([5], step + 1, trials), task.batch([6], step, trials)
    fresh = not any(_equal(alone.inputs, other.inputs) for other in others)
    found = f"step + 1 and seed + 1: {'both differ' if fresh else 'a repetition'}"
    yield Promise("other steps and other seeds give other batches", fresh, found)


def _held_out(task, alone, test, trials) -> Iterator[Promise]:
    keys = {trial.tobytes() for trial in alone.inputs[0]}
    shared = sum(trial.tobytes() in keys for trial in test.inputs)
    draws = [task.test_trials(trials, seed).inputs for seed in (0, 5)]
    batches = [alone.inputs[0], *(task.batch([seed], 0, trials).inputs[0] for seed in (0, 5))]
    apart = not any(_equal(drawn, batch) for drawn in draws for batch in batches)
    yield Promise(
        "held-out trials come from another stream than those of training",
        apart,
        f"{'another stream' if apart else 'the stream of training'}; {shared} of "
        f"{len(test.inputs)} test trials occur in a training batch",
    )
    seeded = _equal(test.inputs, draws[0]) and not _equal(test.inputs, draws[1])
    yield Promise(
        "held-out trials depend on their own seed",
        seeded,
        "one seed repeats itself, another differs" if seeded else "seeds 0 and 5 do not",
    )


def _chance(task, test) -> Iterator[Promise]:
    targets = test.targets[test.counted].astype(np.float64)
    squares = np.square(targets - targets.mean(axis=0))
    error = float(squares.mean())
    yield Promise(
        "targets vary, so that FVU is defined", error > 0, f"mean square about the mean {error:.4g}"
    )
    parts = [part.mean() for part in np.array_split(squares, min(len(test.targets), 16))]
    far = 0.02 * error + 4 * np.std(parts) / np.sqrt(len(parts))
    yield Promise(
        "chance is the error of always predicting the mean",
        bool(error > 0 and abs(error - task.chance) <= far),
        f"stated {task.chance:.4g}, measured {error:.4g} on {len(test.targets)} trials",
    )


def _equal(a, b) -> bool:
    return bool(np.array_equal(a, b))
