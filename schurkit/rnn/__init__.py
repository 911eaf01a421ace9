"""The values that everything else passes around: stacks of networks, trials, and what a rollout
returns.
"""

from .activations import ACTIVATIONS
from .network import ARRAYS, FORMS, RNN
from .trials import Rollout, Trials

__all__ = ["ACTIVATIONS", "ARRAYS", "FORMS", "RNN", "Rollout", "Trials"]
