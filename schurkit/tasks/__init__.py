"""Tasks: one file each, all following `schurkit.tasks.base.Task`."""

from .base import Task, check_task, converged
from .context_integration import ContextIntegration
from .copy import Copy
from .flip_flop import FlipFlop
from .sine import Sine

__all__ = ["ContextIntegration", "Copy", "FlipFlop", "Sine", "Task", "check_task", "converged"]
