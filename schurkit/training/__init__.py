"""Training: recipes, constructions, the loop, and the store of trained networks."""

from .recipe import CONSTRUCTIONS, Phase, Recipe, copy_recipe
from .store import Store, StoreWarning
from .train import Plan, Trained, TrainingWarning, plan, train

__all__ = ["CONSTRUCTIONS", "Phase", "Plan", "Recipe", "Store", "StoreWarning", "Trained", "TrainingWarning", "copy_recipe", "plan", "train"]
