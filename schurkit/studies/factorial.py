"""Eight kinds of networks for modular addition, embedding × loss × nonlinearity, and what tuning
chose for each.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path

from schurkit.checks import InputError, integer, number
from schurkit.claims import NoClaimsError, claims_file
from schurkit.tasks import ModularAddition
from schurkit.training.recipe import Phase, Recipe
from schurkit.training.recipes import addition_recipe
from schurkit.training.train import Study

from .tuning import Trial, best, read_trials

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
    checkpoints: int = 24,
) -> Recipe:
    """The recipe of one variant: `addition_recipe` with its loss, nonlinearity and, or without, an
    embedding of the hidden size.
    """
    kind = {
        "loss": variant.loss,
        "activation": variant.activation,
        "embedding_size": hidden_size if variant.embedding else None,
    }
    recipe = addition_recipe(steps, weight_decay, hidden_size, checkpoints=checkpoints, **kind)
    return replace(recipe, phases=(Phase(steps, learning_rate),))


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
    """The best trial of each variant on the grid, by the rule of `schurkit.studies.tuning.best`;
    see `untried` for points that were not tried.

    Raises
    ------
    InputError : no table, or one without any trial of a variant.
    """
    path = tuning_file() if path is None else Path(path)
    trials = read_trials(path)
    found = {variant: on_grid(trials, variant) for variant in VARIANTS}
    missing = [variant.name for variant, mine in found.items() if not mine]
    if missing:
        raise InputError(
            f"{path.name} has no trial of {'; '.join(missing)}; run python -m "
            "schurkit_press.tuning."
        )
    return {variant: best(mine) for variant, mine in found.items()}


def untried(trials: Iterable[Trial]) -> dict[Variant, int]:
    """How many points of the grid a table of trials lacks, for the variants that lack any: tuning
    that was stopped before its end.
    """
    trials = list(trials)
    lacking = {variant: len(GRID) - len(on_grid(trials, variant)) for variant in VARIANTS}
    return {variant: count for variant, count in lacking.items() if count}


def provenance(path: Path | None = None) -> str:
    """One sentence: by which command, when and on what the table of tuning trials was made.

    Raises
    ------
    InputError : the file beside the table that tells it is missing or of another form.
    """
    path = tuning_file() if path is None else Path(path)
    try:
        made = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
        spent = (
            f"{made['core_seconds']:.0f} core-seconds on {made['device']}, commit "
            f"{made['commit'] or 'unknown'}"
        )
        return (
            f"{path.name}: {made['command']} (edition {made['edition']}), {made['date']}, {spent}."
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{path.stem}.json cannot be read ({error}); it tells how {path.name} was made."
        ) from None


def steps_of(trial: Trial, clean_up: float, most_steps: int) -> int:
    """Steps of training where tuning came to `trial`: `clean_up` times the step at which that
    reached the threshold, at most `most_steps`; these too where it never did."""
    clean_up, most_steps = (
        number(clean_up, "clean_up", at_least=1),
        integer(most_steps, "most_steps", at_least=1),
    )
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
    found = {}
    for variant in variants:
        trial = chosen[variant]
        steps = steps_of(trial, clean_up, most_steps)
        recipe = recipe_of(
            variant, steps, trial.learning_rate, trial.weight_decay, hidden_size=hidden_size
        )
        found[variant] = Study(task, recipe, seeds)
    return found
