"""Tuning recipes by one stated rule: every recipe of a grid races to the task's threshold on
held-out trials, and the earliest wins.

So that two kinds of networks can be compared, each is given the learning rate and weight decay that
suit it, found on the same grid, with the same steps and seeds, on seeds and a split that no result
uses.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path

import numpy as np

from schurkit.checks import InputError, integer
from schurkit.engine import choose
from schurkit.engine.numpy import one_blas_thread
from schurkit.training.constructions import construction
from schurkit.training.recipe import Recipe
from schurkit.training.trained import network_of
from schurkit.training.trainers import trainer_for

EVERY = 50
"""Steps between two looks at the held-out trials."""


@dataclass(frozen=True)
class Trial:
    """How far one recipe came.

    variant : name of the kind of network.
    learning_rate, weight_decay, seed : what was tried.
    limit : steps it was given.
    reached : the first step looked at with the task's threshold on held-out trials; −1 if there was
        none.
    score : the task's metric on held-out trials when it ended.
    """

    variant: str
    learning_rate: float
    weight_decay: float
    seed: int
    limit: int
    reached: int
    score: float


def steps_to_threshold(
    task, recipe: Recipe, seed: int, limit: int, measure: Callable, *, every: int = EVERY
) -> tuple[int, float]:
    """Train one network until it reaches the task's threshold on held-out trials, and no further.

    Parameters
    ----------
    task, recipe : as for `schurkit.training.train`; the recipe needs one phase, whose number of
        steps plays no part.
    seed : of the network.
    limit : the most steps.
    every : steps between two looks.
    measure : from a stack of one network to the task's metric on held-out trials.

    Returns
    -------
    (step, score) : the first step looked at with the threshold, or −1; the score at the last look.
    """
    limit, every = integer(limit, "limit", at_least=1), integer(every, "every", at_least=1)
    if len(recipe.phases) != 1:
        raise InputError(
            f"steps_to_threshold needs a recipe of one phase; got {len(recipe.phases)}."
        )
    score, step = float("nan"), 0
    with one_blas_thread(), np.errstate(over="ignore", invalid="ignore"):
        trainer = trainer_for(task, recipe, choose(), [seed])
        source = trainer.source(task, recipe.batch_size, seed, 0)
        while step < limit:
            count = min(every - step % every, limit - step)
            done = _advance(trainer, source, seed, step, count, recipe.phases[0].learning_rate)
            score = float(measure(_network(recipe, trainer.weights(0))))
            if done < count or not np.isfinite(score):
                return -1, score  # not finite any more: it does not come back
            step += count
            if (
                score >= task.threshold
                if task.metric.better == "higher"
                else score <= task.threshold
            ):
                return step, score
    return -1, score


def _advance(trainer, source, seed, step, count, rate) -> int:
    """Take `count` steps in as many calls as the trainer needs; returns how many were taken."""
    done, most = 0, trainer.steps_a_call(source)
    while done < count:
        size = min(most, count - done)
        _, taken = trainer.run([0], [seed], source, step + done, size, [rate])
        done += int(taken[0])
        if taken[0] < size:
            break
    return done


def _network(recipe, arrays):
    weights = construction(recipe.construction, recipe.embedding_size).weights(
        {name: array[None] for name, array in arrays.items()}
    )
    return network_of(recipe, weights)


def race(
    task,
    variant: str,
    recipe: Recipe,
    grid: Iterable[tuple[float, float]],
    seed: int,
    limit: int,
    measure: Callable,
    *,
    known: Sequence[Trial] = (),
) -> list[Trial]:
    """Try every (learning rate, weight decay) of a grid, each no further than the best one before
    it: none of those cut short could have won.

    Parameters
    ----------
    variant : name of the kind of network.
    grid : pairs.
    known : trials made before, which are not made again if they went as far.
    The others as for `steps_to_threshold`.

    Yields
    ------
    Trial, in the order of the grid. The winner (`best`) is that of trials that all go to `limit`.
    """
    most = limit
    for rate, decay in grid:
        trial = next(
            (
                t
                for t in known
                if _key(t) == (variant, rate, decay, seed) and (t.reached > 0 or t.limit >= most)
            ),
            None,
        )
        if trial is None:
            tried = replace(
                recipe, phases=(replace(recipe.phases[0], learning_rate=rate),), weight_decay=decay
            )
            trial = Trial(
                variant,
                rate,
                decay,
                seed,
                most,
                *steps_to_threshold(task, tried, seed, most, measure),
            )
        if trial.reached > 0:
            most = min(most, trial.reached)
        yield trial


def _key(trial: Trial) -> tuple:
    return trial.variant, trial.learning_rate, trial.weight_decay, trial.seed


def best(trials: Iterable[Trial]) -> Trial:
    """The trial that reached the threshold first; where none did, the one with the best score among
    those that went furthest.
    """
    trials = list(trials)
    if not trials:
        raise InputError("best needs at least one trial.")
    there = [trial for trial in trials if trial.reached > 0]
    if there:
        return min(there, key=lambda trial: (trial.reached, -trial.score))
    finite = [trial for trial in trials if np.isfinite(trial.score)] or trials
    return max(finite, key=lambda trial: (trial.limit, trial.score))


def write_trials(trials: Iterable[Trial], path: Path) -> None:
    """Write trials as a CSV file, by way of a temporary name."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.part")
    with open(partial, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, [field.name for field in fields(Trial)], lineterminator="\n")
        writer.writeheader()
        writer.writerows(asdict(trial) for trial in trials)
    partial.replace(path)


def read_trials(path: Path) -> list[Trial]:
    """The trials of a CSV file that `write_trials` wrote.

    Raises
    ------
    InputError : no such file, or one of another form.
    """
    kinds = {"variant": str, "seed": int, "limit": int, "reached": int}
    try:
        with open(path, newline="", encoding="utf-8") as file:
            return [
                Trial(
                    **{
                        field.name: kinds.get(field.name, float)(row[field.name])
                        for field in fields(Trial)
                    }
                )
                for row in csv.DictReader(file)
            ]
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"{Path(path).name} cannot be read as a table of tuning trials ({error})."
        ) from None
