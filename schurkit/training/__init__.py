"""Training: recipes, constructions, the loop, and the store of trained networks."""

from .recipe import CONSTRUCTIONS, Phase, Recipe, addition_recipe, copy_recipe
from .store import Store, StoreWarning
from .train import Plan, Study, TrainingWarning, plan, train, train_all
from .trained import Checkpoint, Trained

__all__ = [
    "CONSTRUCTIONS",
    "Checkpoint",
    "Phase",
    "Plan",
    "Recipe",
    "Store",
    "StoreWarning",
    "Study",
    "Trained",
    "TrainingWarning",
    "addition_recipe",
    "copy_recipe",
    "plan",
    "train",
    "train_all",
]
