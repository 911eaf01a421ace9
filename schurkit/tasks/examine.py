"""Does a task keep the promises that training and the store rely on? For a reader's own task,
before it is trained.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, is_dataclass

import numpy as np

from schurkit.checks import InputError, integer
from schurkit.rnn import Trials

from .base import Task, check_task


@dataclass(frozen=True)
class Check:
    """One promise: what was promised, whether it was kept, and what was found."""

    promise: str
    kept: bool
    found: str


def examine(task: Task, *, trials: int = 256, step: int = 7) -> list[Check]:
    """Hold a task against its protocol (`schurkit.tasks.base.Task`): shapes, pure draws, held-out
    trials, chance.

    Parameters
    ----------
    task : the object to examine.
    trials : drawn for each check.
    step : training step whose batch is looked at.

    Returns
    -------
    list of `Check`, all of them, also when one is broken.

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


def _fields(task):
    try:
        text = (
            json.dumps(asdict(task), sort_keys=True, allow_nan=False)
            if is_dataclass(task)
            else "not a dataclass"
        )
    except (TypeError, ValueError) as error:
        return Check(
            "fields are plain numbers and words, as the store's key needs", False, str(error)
        )
    frozen = is_dataclass(task) and type(task).__dataclass_params__.frozen
    return Check(
        "fields are plain numbers and words of a frozen dataclass, as the store's key needs",
        frozen,
        text,
    )


def _shapes(task, alone, company, test):
    sizes = all(
        drawn.inputs.shape[-1] == task.input_size and drawn.targets.shape[-1] == task.output_size
        for drawn in (alone, company, test)
    )
    axes = (
        alone.inputs.ndim == company.inputs.ndim == 4
        and len(company.inputs) == 3
        and test.inputs.ndim == 3
    )
    found = (
        f"batch of three seeds {company.inputs.shape} → {company.targets.shape}, test "
        f"{test.inputs.shape} → {test.targets.shape}"
    )
    return Check(
        "batches have a networks axis, test trials have none; channels are those that were named",
        sizes and axes,
        found,
    )


def _same(a, b) -> bool:
    return a.shape == b.shape and bool(np.array_equal(a, b))


def _pure(task, alone, company, step, trials):
    again, later, another = (
        task.batch([5], step, trials),
        task.batch([5], step + 1, trials),
        task.batch([6], step, trials),
    )
    repeated = _same(alone.inputs, again.inputs) and _same(alone.targets, again.targets)
    beside = (
        len(company.inputs) == 3
        and _same(alone.inputs[0], company.inputs[1])
        and _same(alone.targets[0], company.targets[1])
    )
    fresh = not _same(alone.inputs, later.inputs) and not _same(alone.inputs, another.inputs)
    return [
        Check(
            "the same seed and step give the same batch",
            repeated,
            "drawn twice: " + ("equal" if repeated else "different"),
        ),
        Check(
            "a seed draws the same alone and in company",
            beside,
            "seed 5 alone and between 2 and 9: " + ("equal" if beside else "different"),
        ),
        Check(
            "other steps and other seeds give other batches",
            fresh,
            "step + 1 and seed + 1: " + ("both differ" if fresh else "a repetition"),
        ),
    ]


def _held_out(task, alone, test, trials):
    keys = {trial.tobytes() for trial in alone.inputs[0]}
    shared = sum(trial.tobytes() in keys for trial in test.inputs)
    draws = [task.test_trials(trials, seed) for seed in (0, 5)]
    batches = [alone.inputs[0], *(task.batch([seed], 0, trials).inputs[0] for seed in (0, 5))]
    apart = not any(_same(drawn.inputs, batch) for drawn in draws for batch in batches)
    stable = _same(test.inputs, draws[0].inputs) and not _same(test.inputs, draws[1].inputs)
    occur = (
        f"{'another stream' if apart else 'the stream of training'}; {shared} of "
        f"{len(test.inputs)} test trials occur in a training batch"
    )
    return [
        Check("held-out trials are not those of training", apart, occur),
        Check(
            "held-out trials depend on their own seed",
            stable,
            "one seed repeats itself, another differs" if stable else "seeds 0 and 5 do not",
        ),
    ]


def _chance(task, test):
    kept = np.broadcast_to(test.mask, test.targets.shape[:2]).astype(bool)
    targets = test.targets[kept].astype(np.float64)
    error = float(np.square(targets - targets.mean(axis=0)).mean())
    varies = bool(error > 0)
    spread = np.square(targets - targets.mean(axis=0))
    a_trial = np.array(
        [
            spread[rows].mean()
            for rows in np.array_split(np.arange(len(spread)), min(len(test.targets), 16))
        ]
    )
    near = varies and abs(error - task.chance) <= 0.02 * error + 4 * a_trial.std() / np.sqrt(
        len(a_trial)
    )
    return [
        Check(
            "targets vary, so that FVU is defined",
            varies,
            f"mean square about the mean {error:.4g}",
        ),
        Check(
            "chance is the error of always predicting the mean",
            bool(near),
            f"stated {task.chance:.4g}, measured {error:.4g} on {len(test.targets)} trials",
        ),
    ]
