"""Eight kinds of networks for modular addition, embedding × loss × nonlinearity, each with the
learning rate and weight decay that suit it.

Recipes are tuned by one stated rule: every recipe of a grid races to the task's threshold on
held-out trials, and the earliest wins. All kinds have the same grid, steps and seeds, on seeds and
a split that no result uses. `python -m schurkit_press.tuning` makes the table of the book.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd

from schurkit.checks import InputError, integer, number
from schurkit.claims import NoClaimsError, claims_file
from schurkit.engine import choose
from schurkit.engine.numpy import one_blas_thread
from schurkit.tasks import ModularAddition
from schurkit.tasks.base import converged
from schurkit.training.constructions import construction
from schurkit.training.loop import network_of
from schurkit.training.recipe import Phase, Recipe
from schurkit.training.recipes import addition_recipe
from schurkit.training.train import Study
from schurkit.training.trainers import trainer_for

FRACTION = 0.5
"""Share of the pairs for training."""
GRID = ((1e-2, 1.0), (1e-2, 3.0), (3e-3, 1.0), (3e-3, 3.0), (1e-2, 0.3), (3e-3, 0.3))
"""Learning rate and weight decay of each trial: two and three of them, in an order that is likely
to find an early one soon.
"""
TUNING_SEED, TUNING_SPLIT = 1000, 1
"""Seed of the networks and of the split that tuning uses, and no result."""
TUNING_LIMIT = 1500
"""The most steps of a tuning trial."""
EVERY = 50
"""Steps between two looks at the held-out trials."""


@dataclass(frozen=True)
class Variant:
    """One kind of network.

    embedding : whether W_in is a product of two trained matrices.
    loss : "cross_entropy" or "mse".
    activation : "relu" or "tanh".
    """

    embedding: bool
    loss: str
    activation: str

    @property
    def name(self) -> str:
        """In words, e.g. "embedding, cross-entropy, relu"."""
        return (
            f"{'embedding' if self.embedding else 'direct'}, "
            f"{'cross-entropy' if self.loss == 'cross_entropy' else 'MSE'}, {self.activation}"
        )


VARIANTS = tuple(
    Variant(*levels)
    for levels in product((True, False), ("cross_entropy", "mse"), ("relu", "tanh"))
)

PAIR = (VARIANTS[0], VARIANTS[2])
"""Two that differ in the loss alone, for a quick look."""


def recipe_of(
    variant: Variant,
    steps: int,
    learning_rate: float = 3e-3,
    weight_decay: float = 1.0,
    *,
    hidden_size: int = 128,
) -> Recipe:
    """The recipe of one variant: `addition_recipe` with its loss, nonlinearity and, or without, an
    embedding of the hidden size.
    """
    recipe = addition_recipe(
        steps,
        weight_decay,
        hidden_size,
        loss=variant.loss,
        activation=variant.activation,
        embedding_size=hidden_size if variant.embedding else None,
    )
    return replace(recipe, phases=(Phase(steps, learning_rate),))


# ------------------------------------------------------------------------------------ one race
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

    @property
    def point(self) -> tuple:
        """What was tried: variant, learning rate, weight decay and seed."""
        return self.variant, self.learning_rate, self.weight_decay, self.seed


COLUMNS = [field.name for field in fields(Trial)]


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
            if converged(task, score):
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
) -> Iterator[Trial]:
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
        point = variant, rate, decay, seed
        earlier = (t for t in known if t.point == point and (t.reached > 0 or t.limit >= most))
        trial = next(earlier, None)
        if trial is None:
            phase = replace(recipe.phases[0], learning_rate=rate)
            tried = replace(recipe, phases=(phase,), weight_decay=decay)
            trial = Trial(*point, most, *steps_to_threshold(task, tried, seed, most, measure))
        if trial.reached > 0:
            most = min(most, trial.reached)
        yield trial


def best(trials: Iterable[Trial]) -> Trial:
    """The trial that reached the threshold first; where none did, the one with the best score among
    those that went furthest.
    """
    trials = list(trials)
    if not trials:
        raise InputError("best needs at least one trial.")
    if there := [trial for trial in trials if trial.reached > 0]:
        return min(there, key=lambda trial: (trial.reached, -trial.score))
    finite = [trial for trial in trials if np.isfinite(trial.score)] or trials
    return max(finite, key=lambda trial: (trial.limit, trial.score))


def write_trials(trials: Iterable[Trial], path: Path) -> None:
    """Write trials as a CSV file, by way of a temporary name."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial, frame = path.with_name(f".{path.name}.part"), pd.DataFrame(trials, columns=COLUMNS)
    frame.to_csv(partial, index=False, lineterminator="\n", na_rep="nan")
    partial.replace(path)


def read_trials(path: Path) -> list[Trial]:
    """The trials of a CSV file that `write_trials` wrote.

    Raises
    ------
    InputError : no such file, or one of another form.
    """
    kinds = {"variant": str} | dict.fromkeys(("seed", "limit", "reached"), int)
    try:
        frame = pd.read_csv(path, converters=dict.fromkeys(COLUMNS, float) | kinds)
        return [Trial(*row) for row in frame[COLUMNS].itertuples(index=False)]
    except (OSError, KeyError, ValueError) as error:
        raise InputError(
            f"{Path(path).name} cannot be read as a table of tuning trials ({error})."
        ) from None


# -------------------------------------------------------------------- what the book's tuning chose
def tuning_file(root: Path | None = None) -> Path:
    """The table of tuning trials in the book at hand."""
    try:
        folder = claims_file().parent if root is None else Path(root) / "book"
    except NoClaimsError:
        raise InputError(
            "the table of tuning trials lies in book/data/tuning of the book, which is not here; "
            "run the chapter inside it."
        ) from None
    return folder / "data" / "tuning" / "recipe_or_network.csv"


def on_grid(trials: Iterable[Trial], variant: Variant) -> list[Trial]:
    """The trials of one variant at the points of `GRID`, the same for all; a table may hold
    others.
    """
    return [
        trial
        for trial in trials
        if trial.variant == variant.name and (trial.learning_rate, trial.weight_decay) in GRID
    ]


def tuned(path: Path | None = None) -> dict[Variant, Trial]:
    """The best trial of each variant on the grid, by the rule of `best`.

    Raises
    ------
    InputError : no table, or one without any trial of a variant.
    """
    path = tuning_file() if path is None else Path(path)
    trials = read_trials(path)
    by_variant = {variant: on_grid(trials, variant) for variant in VARIANTS}
    if missing := [variant.name for variant, mine in by_variant.items() if not mine]:
        raise InputError(
            f"{path.name} has no trial of {'; '.join(missing)}; run python -m "
            "schurkit_press.tuning."
        )
    return {variant: best(mine) for variant, mine in by_variant.items()}


def provenance(path: Path | None = None) -> str:
    """One sentence: by which command, when and on what the table of tuning trials was made.

    Raises
    ------
    InputError : the file beside the table that tells it is missing or of another form.
    """
    path = tuning_file() if path is None else Path(path)
    try:
        made = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
        return (
            f"{path.name}: {made['command']} (edition {made['edition']}), {made['date']}, "
            f"{made['core_seconds']:.0f} core-seconds on {made['device']}, commit "
            f"{made['commit'] or 'unknown'}."
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{path.stem}.json cannot be read ({error}); it tells how {path.name} was made."
        ) from None


def steps_of(trial: Trial, clean_up: float, most_steps: int) -> int:
    """Steps of training where tuning came to `trial`: `clean_up` times the step at which that
    reached the threshold, at most `most_steps`; these too where it never did."""
    number(clean_up, "clean_up", at_least=1)
    integer(most_steps, "most_steps", at_least=1)
    return min(most_steps, round(clean_up * trial.reached)) if trial.reached > 0 else most_steps


def studies(
    seeds,
    *,
    variants=VARIANTS,
    clean_up: float = 3.0,
    most_steps: int = 3000,
    split_seed: int = 0,
    p: int = 113,
    hidden_size: int = 128,
    chosen=None,
) -> dict[Variant, Study]:
    """What to train for a comparison: every variant with the learning rate and weight decay that
    tuning chose for it.

    Parameters
    ----------
    seeds : of the networks, without that of tuning.
    variants : some of `VARIANTS`.
    clean_up, most_steps : see `steps_of`.
    split_seed : of the training pairs, not that of tuning.
    p, hidden_size : of the networks.
    chosen : {variant: Trial}; by default `tuned()`.
    """
    seeds = tuple(seeds)
    if TUNING_SEED in seeds or split_seed == TUNING_SPLIT:
        raise InputError(
            f"seed {TUNING_SEED} and split_seed {TUNING_SPLIT} are those of tuning; take others "
            "for a result."
        )
    chosen = tuned() if chosen is None else chosen
    task = ModularAddition(p=p, train_fraction=FRACTION, split_seed=split_seed)

    def recipe(variant):
        trial = chosen[variant]
        steps = steps_of(trial, clean_up, most_steps)
        rates = trial.learning_rate, trial.weight_decay
        return recipe_of(variant, steps, *rates, hidden_size=hidden_size)

    return {variant: Study(task, recipe(variant), seeds) for variant in variants}
