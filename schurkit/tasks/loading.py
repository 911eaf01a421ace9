"""A task by name: one of the book's, or a class of the reader's own."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import fields as dataclass_fields
from dataclasses import is_dataclass
from difflib import get_close_matches
from importlib import import_module

from schurkit.checks import InputError

from .base import Task, check_task
from .context_integration import ContextIntegration
from .copy import Copy
from .delayed_discrimination import DelayedDiscrimination
from .flip_flop import FlipFlop
from .modular_addition import ModularAddition
from .path_integration import PathIntegration
from .running_sum import RunningSum
from .sine import Sine
from .sine_generation import SineGeneration

TASKS = {
    kind.name: kind
    for kind in (
        Copy,
        FlipFlop,
        Sine,
        ContextIntegration,
        DelayedDiscrimination,
        PathIntegration,
        SineGeneration,
        ModularAddition,
        RunningSum,
    )
}
"""The book's tasks by name."""
_SPEC = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*")


def load_task(name: str, fields: Mapping | str | None = None) -> Task:
    """The task of that name, with given fields.

    A name is data and is never evaluated. But **importing a module runs it**: name only modules
    whose code you would run yourself.

    Parameters
    ----------
    name : "copy", "flip_flop", "sine", "context_integration", "delayed_discrimination",
        "path_integration", "sine_generation", "modular_addition", "running_sum"; or "module:Class"
        (e.g. "my_tasks:DelayedMatch"), imported from Python's path: a module beside the notebook
        (chapters run in the folder `notebooks`), or an installed package.
    fields : values of the class's fields, or a JSON object that holds them, e.g. ``'{"steps":
        30}'``; the others keep their defaults.

    Returns
    -------
    An object that follows `schurkit.tasks.base.Task`.

    Raises
    ------
    InputError : an unknown name, module, class or field, values that the class refuses, or a class
        that is no task.

    Examples
    --------
    >>> load_task("flip_flop", '{"bits": 2}')
    FlipFlop(bits=2, steps=25, pulse_probability=0.1, threshold=0.05, start='zero')
    """
    kind = _class_of(name)
    values = _values(fields)
    if not (isinstance(kind, type) and is_dataclass(kind)):
        raise InputError(
            f"{name} must be a dataclass that follows schurkit.tasks.base.Task; got {kind!r}."
        )
    known = [field.name for field in dataclass_fields(kind) if field.init]
    unknown = [field for field in values if field not in known]
    if unknown:
        raise InputError(
            f"{name} has no field {unknown[0]!r}; it has {', '.join(known) or 'none'}."
        )
    try:
        task = kind(**values)
    except (TypeError, ValueError) as error:
        raise InputError(f"{name} cannot be made with fields {values}: {error}") from error
    check_task(task)
    return task


def _class_of(name):
    if not isinstance(name, str):
        raise InputError(f"the name of a task must be text; got {type(name).__name__}.")
    if name in TASKS:
        return TASKS[name]
    if not _SPEC.fullmatch(name):
        near = get_close_matches(name, TASKS, 1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise InputError(
            f"a task is one of {', '.join(TASKS)}, or 'module:Class'; got {name!r}.{hint}"
        )
    module, kind = name.split(":")
    try:
        found = import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module}.".startswith(f"{error.name}."):
            raise  # the reader's module was found and lacks something itself
        raise InputError(
            f"there is no module {error.name!r} on Python's path: put {module.split('.')[0]}.py "
            "beside the notebook that runs it, or install it."
        ) from error
    if not hasattr(found, kind):
        raise InputError(f"module {module!r} has no {kind!r}.")
    return getattr(found, kind)


def _values(fields) -> dict:
    """The fields by name, from a mapping or the text of a JSON object; lists become tuples."""
    problem, values = "", {} if fields is None else fields
    if isinstance(values, str):
        try:
            values = json.loads(values)
        except ValueError as error:
            problem = f" ({error})"
    if not isinstance(values, Mapping):
        raise InputError(
            f"fields must be a JSON object, e.g. '{{\"steps\": 30}}'; got {fields!r}{problem}."
        )
    return {name: tuple(x) if isinstance(x, list) else x for name, x in values.items()}
