"""Tasks: one file each, all following `schurkit.tasks.base.Task`."""

from .base import Task
from .context_integration import ContextIntegration
from .copy import Copy
from .delayed_discrimination import DelayedDiscrimination
from .examine import examine
from .flip_flop import FlipFlop
from .loading import load_task
from .modular_addition import ModularAddition
from .path_integration import PathIntegration
from .running_sum import RunningSum
from .sine import Sine
from .sine_generation import SineGeneration
