"""Tasks: one file each, all following `schurkit.tasks.base.Task`."""

from .base import Task, check_task, converged
from .context_integration import ContextIntegration
from .copy import Copy
from .examine import Check, examine
from .flip_flop import FlipFlop
from .loading import load_task
from .modular_addition import ModularAddition
from .sine import Sine

__all__ = ["Check", "ContextIntegration", "Copy", "FlipFlop", "ModularAddition", "Sine", "Task", "check_task", "converged", "examine", "load_task"]
