"""Studies of many trained networks: the knobs of degeneracy, what is measured at each of their levels, and how a sign is judged."""

from .knobs import KNOBS, TASKS, Design, Knob, Setting
from .measured import Dynamics, Levels, levels
from .signs import Sample, contrast, pairs, power, spread

__all__ = [
    "KNOBS",
    "TASKS",
    "Design",
    "Dynamics",
    "Knob",
    "Levels",
    "Sample",
    "Setting",
    "contrast",
    "levels",
    "pairs",
    "power",
    "spread",
]
