"""Studies of many trained networks: the knobs of degeneracy, what is measured at each of their
levels, and how a sign is judged.
"""

from schurkit.degeneracy.spread import contrast, over, pairs, power, spread

from .knobs import (
    KNOBS,
    TASKS,
    Design,
    Ends,
    Knob,
    KnobSetting,
    Results,
    mup_recipe,
    paper_measures,
    run,
)
from .measured import SAMPLES, Dynamics, Levels, levels, levels_in_store
