"""Studies of many trained networks: the knobs of degeneracy, what is measured at each of their
levels, and how a sign is judged.
"""

from schurkit.degeneracy.spread import contrast, interval_of, over, pairs, power, spread

from .knobs import EPOCH, KNOBS, TASKS, Design, mup_recipe, plain_recipe, run
from .measured import Dynamics, levels, levels_in_store
from .samples import SAMPLES
from .signs import SMALLEST, signs
