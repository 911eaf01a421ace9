"""Studies of many trained networks: the knobs of degeneracy, what is measured at each of their
levels, and how a sign is judged.
"""

from .kept import kept_levels
from .knobs import KNOBS, TASKS, Design, Knob, Setting, mup_recipe
from .measured import MEASURES, Dynamics, Levels, levels
from .signs import Sample, contrast, over, pairs, power, spread
from .summary import Ends, Results, paper_measures, run

__all__ = [
    "KNOBS",
    "MEASURES",
    "TASKS",
    "Design",
    "Dynamics",
    "Ends",
    "Knob",
    "Levels",
    "Results",
    "Sample",
    "Setting",
    "contrast",
    "kept_levels",
    "levels",
    "mup_recipe",
    "over",
    "pairs",
    "paper_measures",
    "power",
    "run",
    "spread",
]
