"""Eight kinds of networks for modular addition, embedding × loss × nonlinearity, and what tuning chose for each."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path

from .._checks import InputError
from .._claims import NoClaimsError, claims_file
from .recipe import Phase, Recipe, addition_recipe
from .tuning import Trial, best, read_trials

FRACTION = 0.5
"""Share of the pairs for training."""
GRID = ((3e-3, 1.0), (3e-3, 3.0), (1e-2, 1.0), (1e-2, 0.3), (1e-2, 3.0), (3e-3, 0.3), (1e-3, 3.0), (1e-3, 1.0), (1e-3, 0.3))
"""Learning rate and weight decay of each trial: three of each, in an order that is likely to find an early one soon."""
TUNING_SEED, TUNING_SPLIT = 1000, 1
"""Seed of the networks and of the split that tuning uses, and no result."""
TUNING_LIMIT = 3000
"""The most steps of a tuning trial."""


@dataclass(frozen=True)
class Variant:
    """One kind of network.

    embedding : whether W_in is a product of two trained matrices. loss : "cross_entropy" or "mse". activation : "relu" or "tanh".
    """

    embedding: bool
    loss: str
    activation: str

    @property
    def name(self) -> str:
        """In words, e.g. "embedding, cross-entropy, relu"."""
        return f"{'embedding' if self.embedding else 'direct'}, {'cross-entropy' if self.loss == 'cross_entropy' else 'MSE'}, {self.activation}"


VARIANTS = tuple(Variant(*levels) for levels in product((True, False), ("cross_entropy", "mse"), ("relu", "tanh")))


def recipe_of(variant: Variant, steps: int, learning_rate: float = 3e-3, weight_decay: float = 1.0, *, hidden_size: int = 128, checkpoints: int = 24) -> Recipe:
    """The recipe of one variant: `addition_recipe` with its loss, nonlinearity and, or without, an embedding of the hidden size."""
    kind = {"loss": variant.loss, "activation": variant.activation, "embedding_size": hidden_size if variant.embedding else None}
    recipe = addition_recipe(steps, weight_decay, hidden_size, checkpoints=checkpoints, **kind)
    return replace(recipe, phases=(Phase(steps, learning_rate),))


def tuning_file(root: Path | None = None) -> Path:
    """The table of tuning trials in the book at hand."""
    try:
        folder = claims_file().parent if root is None else Path(root) / "book"
    except NoClaimsError:
        raise InputError("the table of tuning trials lies in book/data/tuning of the book, which is not here; run the chapter inside it.") from None
    return folder / "data" / "tuning" / "recipe_or_network.csv"


def tuned(path: Path | None = None) -> dict[Variant, Trial]:
    """The best trial of each variant, by the rule of `schurkit.training.tuning.best`.

    Raises
    ------
    InputError : no table, or one without a variant.
    """
    path = tuning_file() if path is None else Path(path)
    trials = read_trials(path)
    found = {variant: [trial for trial in trials if trial.variant == variant.name] for variant in VARIANTS}
    missing = [variant.name for variant, mine in found.items() if not mine]
    if missing:
        raise InputError(f"{path.name} has no trial of {'; '.join(missing)}; run python -m schurkit.publish.tuning.")
    return {variant: best(mine) for variant, mine in found.items()}
