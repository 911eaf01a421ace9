"""What a sweep runs: a chapter, or a function of a module; its parameters, and what its results
depend on.
"""

from __future__ import annotations

import ast
import importlib
import importlib.util
import inspect
import json
import platform
import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from schurkit.checks import InputError
from schurkit.store import checksum
from schurkit_press.chapters import Chapter, book_root, chapter_named
from schurkit_press.imports import code_digest
from schurkit_press.parameters import Parameter
from schurkit_press.run import CODE, cells_of, code_of, versions

MOVED = {"schurkit.training.profiles": "schurkit.studies.profiles"}
_SPEC = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*")
_KINDS = ("int", "float", "bool", "str", "list[int]", "list[float]", "list[bool]", "list[str]")


@dataclass(frozen=True)
class Target:
    """What is swept.

    name : of the chapter, or "module:function".
    parameters : by name.
    spec : plain values from which a worker finds it again.
    source : digest of the chapter's cells or of the function's module.
    stacks : whether it takes a list of seeds, `seeds`, instead of `seed`.
    """

    name: str
    parameters: dict[str, Parameter]
    spec: dict
    source: str
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
    return _function_target(what) if ":" in what else _chapter_target(book_root(book), what)


def fingerprint(spec: dict) -> dict[str, str]:
    """What besides source and parameters decides a result of a target: the code of schurkit that it
    imports, and the packages that compute.
    """
    if "chapter" in spec:
        code = code_of(chapter_named(Path(spec["root"]), spec["chapter"]))
    else:
        module, function = spec["function"].split(":")
        code = f"{_source(find_function(spec['function']))}\nfrom {module} import {function}"
    return {
        "schurkit": code_digest(CODE, [code]),
        "python": platform.python_version(),
        "machine": platform.machine(),
        **_versions(),
    }


_versions = cache(versions)


def run_key(target: Target, values: dict, print_: dict) -> str:
    """Sixteen hexadecimal digits that stand for one run: target, source, parameters, code and
    package versions.
    """
    parts = {
        "target": target.name,
        "source": target.source,
        "values": values,
        "fingerprint": print_,
    }
    return checksum(json.dumps(parts, sort_keys=True))[:16]


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


def source_digest(function: Callable) -> str:
    """Digest of the file of the function's module: another function there may be called by it."""
    return checksum(_source(function))


def _source(function: Callable) -> str:
    try:
        return Path(inspect.getsourcefile(function)).read_text(encoding="utf-8")
    except (OSError, TypeError):
        raise InputError(
            f"the source of {function.__qualname__} cannot be read, so its results cannot be told "
            "apart from older ones."
        ) from None


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
    names, parameters = inspect.signature(function).parameters, _parameters(function, name)
    module = Path(inspect.getsourcefile(function) or "").resolve()
    folder = module.parents[name.split(":")[0].count(".") + (module.name == "__init__.py")]
    required = [one for one in names if names[one].default is inspect.Parameter.empty]
    # a parameter is left out when its list is given
    stacks = [one for one in parameters if f"{one}s" in names and one not in required]
    spec = {"function": name, "path": str(folder)}
    return Target(name, parameters, spec, source_digest(function), None, required, stacks)


def _chapter_target(root: Path, name: str) -> Target:
    chapter = chapter_named(root, name)
    source = checksum(json.dumps(cells_of(chapter)))
    parameters = {one.name: one for one in chapter.parameters}
    return Target(name, parameters, {"chapter": name, "root": str(root)}, source, chapter)


def _parameters(function: Callable, name: str) -> dict[str, Parameter]:
    """By name, those whose kind is declared in a way that values can be read by."""
    found = {}
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind not in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
            raise InputError(
                f"{name} takes {parameter}: a function to sweep takes named parameters alone."
            )
        kind, choices = _kind(parameter.annotation)
        if kind:
            default = None if parameter.default is parameter.empty else parameter.default
            found[parameter.name] = Parameter(parameter.name, kind, default, "", choices)
    if not found:
        wanted = "int, float, bool, str, list[…] of one of them, or Literal of texts"
        raise InputError(
            f"{name} declares no parameter that could be swept; annotate them, as in 'seed: int' "
            f"({wanted})."
        )
    return found


def _kind(annotation) -> tuple[str, tuple]:
    text = annotation if isinstance(annotation, str) else inspect.formatannotation(annotation)
    text = text.removeprefix("typing.")
    if text.startswith("Literal["):
        return "Literal", ast.literal_eval(text[8:-1] + ",")
    return (text, ()) if text in _KINDS else ("", ())
