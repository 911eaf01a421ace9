"""Tasks: one file each, all following `schurkit.tasks.base.Task`."""

from .base import Task, check_task, converged
from .copy import Copy

__all__ = ["Copy", "Task", "check_task", "converged"]
