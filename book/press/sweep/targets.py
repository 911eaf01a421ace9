"""What a sweep runs: a chapter, or a function of a module; its parameters, and what its results
depend on.
"""

import importlib
import importlib.util
import inspect
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from schurkit.checks import InputError
from schurkit_press.chapters import Chapter, book_root, chapter_named
from schurkit_press.parameters import Parameter, kind_of
from schurkit_press.run import cells_of, code_of, fingerprint

MOVED = {"schurkit.training.profiles": "schurkit.studies.profiles"}
_SPEC = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*")


class Target(NamedTuple):
    """What is swept.

    name : of the chapter, or "module:function".
    place : the book's folder, or the one that holds the module: with the name, a worker finds it
        again.
    parameters : by name.
    stacks : whether it takes a list of seeds, `seeds`, instead of `seed`.
    """

    name: str
    place: str
    parameters: dict[str, Parameter]
    chapter: Chapter | None = None
    required: Sequence[str] = ()
    stacks: Sequence[str] = ()


def target_of(what: str | Callable, book: str | Path | None = None) -> Target:
    """The target that a chapter's name, "module:function", or a function of a module stands for.

    Importing a module runs it: name only modules whose code you would run yourself.

    Raises
    ------
    InputError : there is no such chapter, module or function, or the function cannot be found again
        by its name.
    """
    if callable(what):
        return _function_target(_name_of(what))
    if not isinstance(what, str):
        raise InputError(
            "sweep takes a chapter's name, 'module:function' or a function; got "
            f"{type(what).__name__}."
        )
    if ":" in what:
        return _function_target(what)
    root = book_root(book)
    chapter = chapter_named(root, what)
    return Target(what, str(root), {one.name: one for one in chapter.parameters}, chapter)


def fingerprint_of(name: str, place: str) -> dict[str, str]:
    """`schurkit_press.run.fingerprint` of a target: its source is the cells of the chapter, or the
    file of the function, as another one there may be called by it.
    """
    if ":" not in name:
        chapter = chapter_named(Path(place), name)
        return fingerprint(cells_of(chapter), code_of(chapter))
    found = find_function(name)
    module, function = name.split(":")
    try:
        source = Path(inspect.getsourcefile(found)).read_text(encoding="utf-8")
    except (OSError, TypeError):
        raise InputError(
            f"the source of {function} cannot be read, so its results cannot be told apart from "
            "older ones."
        ) from None
    return fingerprint(source, f"{source}\nfrom {module} import {function}")


def find_function(name: str) -> Callable:
    """The function of that name, imported.

    Raises
    ------
    InputError : not of the form "module:function", or there is no such module or function.
    """
    if not _SPEC.fullmatch(name):
        raise InputError(f"a function to sweep is named 'module:function'; got {name!r}.")
    module, function = name.split(":")
    if module in MOVED:
        raise InputError(f"module {module!r} is {MOVED[module]!r} now.")
    try:
        found = importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module}.".startswith(f"{error.name}."):
            raise  # the reader's module was found and lacks something itself
        file = f"{module.split('.')[0]}.py"
        raise InputError(
            f"there is no module {error.name!r} on Python's path: start in the folder of {file}, "
            "or install it."
        ) from None
    found = getattr(found, function, None)
    if not inspect.isfunction(found):
        raise InputError(f"module {module!r} has no function {function!r}.")
    return found


def _name_of(function: Callable) -> str:
    module, name = getattr(function, "__module__", None), getattr(function, "__qualname__", None)
    if module == "__main__" or not name or "<" in name or "." in name:
        typed = "typed into a notebook or script"
        place = typed if module == "__main__" else "no plain function of a module"
        raise InputError(
            f"{name or repr(function)} is {place}: put it into a module of its own (a .py file "
            "beside it) and import it, so that workers find it."
        )
    return f"{module}:{name}"


def _function_target(name: str) -> Target:
    if "" not in sys.path and str(Path.cwd()) not in sys.path:
        sys.path.append(str(Path.cwd()))  # as `python` does; an installed command does not
    function = find_function(name)
    names = inspect.signature(function).parameters
    parameters = _parameters(names, name)
    module = Path(inspect.getsourcefile(function) or "").resolve()
    folder = module.parents[name.split(":")[0].count(".") + (module.name == "__init__.py")]
    required = [one for one in names if names[one].default is inspect.Parameter.empty]
    # a parameter is left out when its list is given
    stacks = [one for one in parameters if f"{one}s" in names and one not in required]
    return Target(name, str(folder), parameters, None, required, stacks)


def _parameters(names: Mapping, of: str) -> dict[str, Parameter]:
    """By name, those whose kind is declared in a way that values can be read by."""
    found = {}
    for parameter in names.values():
        if parameter.kind not in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
            raise InputError(
                f"{of} takes {parameter}: a function to sweep takes named parameters alone."
            )
        given = parameter.annotation
        text = given if isinstance(given, str) else inspect.formatannotation(given)
        kind, choices = kind_of(text.removeprefix("typing."))
        if kind:
            default = None if parameter.default is parameter.empty else parameter.default
            found[parameter.name] = Parameter(parameter.name, kind, default, "", choices)
    if not found:
        wanted = "int, float, bool, str, list[…] of one of them, or Literal of texts"
        raise InputError(
            f"{of} declares no parameter that could be swept; annotate them, as in 'seed: int' "
            f"({wanted})."
        )
    return found
