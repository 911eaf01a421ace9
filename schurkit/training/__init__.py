"""Training: recipes, constructions, the loop, and the store of trained networks."""

from schurkit.store import Store, StoreWarning

from .recipe import CONSTRUCTIONS, Phase, Plateau, Recipe, Until
from .recipes import (
    addition_recipe,
    copy_recipe,
    degeneracy_recipe,
    degeneracy_tasks,
    suite_recipe,
)
from .train import Study, TrainingWarning, train, train_all
from .trained import Checkpoint, Trained, initial

__all__ = [
    "CONSTRUCTIONS",
    "Checkpoint",
    "Phase",
    "Plateau",
    "Recipe",
    "Store",
    "StoreWarning",
    "Study",
    "Trained",
    "TrainingWarning",
    "Until",
    "addition_recipe",
    "copy_recipe",
    "degeneracy_recipe",
    "degeneracy_tasks",
    "initial",
    "suite_recipe",
    "train",
    "train_all",
]
