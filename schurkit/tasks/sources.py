"""What tells a task apart from its earlier self: a number where it is ours, its source where it is
the reader's.
"""

from __future__ import annotations

import ast
import dis
import hashlib
import inspect
import sys
import textwrap
from types import CodeType, FunctionType

_PLAIN = (str, int, float, bool, bytes, type(None))


def task_version(task) -> int | str:
    """The whole number ``version`` of a task of schurkit; of a reader's task a hash of what its
    module does, or its class typed into a notebook.

    So an edited task of one's own is never answered by an old network, and schurkit's files can
    move and be reworded.
    """
    kind = type(task)
    if kind.__module__.split(".")[0] == __name__.split(".")[0]:
        return kind.version
    try:
        told = ast.dump(bare(ast.parse(inspect.getsource(sys.modules[kind.__module__]))))
    except (OSError, TypeError):  # no module source
        told = class_source(kind)
    inherited = getattr(kind, "version", "")  # of a task of schurkit that it extends
    return hashlib.sha256(f"{told}{inherited}".encode()).hexdigest()[:16]


def class_source(cls: type) -> str:
    """What a class does, as text: its methods without docstrings and comments, its plain constants,
    and what they use of the same notebook.

    Functions, classes and plain constants that methods name and that live where the class lives are
    followed. What a module defines is not: its changes are the reader's to tell, by another `name`
    or field of the task.
    """
    seen: dict[int, object] = {}
    return "\n".join(_told(cls, cls.__module__, seen))


def _told(thing, home, seen):
    if id(thing) in seen:
        return
    seen[id(thing)] = thing
    if isinstance(thing, type):
        yield f"class {thing.__qualname__}({', '.join(base.__qualname__ for base in thing.__bases__)})"
        for base in thing.__bases__:
            if base.__module__ == home:
                yield from _told(base, home, seen)
        for name, value in sorted(vars(thing).items()):
            yield from _member(name, value, home, seen)
    else:
        yield _text_of(thing)
        for name in sorted(_names(thing.__code__)):
            yield from _member(name, thing.__globals__.get(name), home, seen)


def _member(name, value, home, seen):
    if isinstance(value, property):
        parts = [value.fget, value.fset, value.fdel]
    else:
        parts = [
            getattr(value, "func", None) or getattr(value, "__func__", None) or value
        ]  # cached_property, static and class methods
    for part in parts:
        if isinstance(part, (FunctionType, type)) and part.__module__ == home:
            if not (
                name.startswith("__") and _text_of(part, "") == ""
            ):  # what dataclass writes follows from the fields
                yield from _told(part, home, seen)
        elif (
            name not in ("__doc__", "__firstlineno__")
            and (isinstance(part, _PLAIN) or _plain_tuple(part))
            and part is not None
        ):
            yield f"{name} = {part!r}"


def bare(tree: ast.AST) -> ast.AST:
    """The same tree without docstrings, those of constants included (a parser drops comments)."""
    for node in ast.walk(tree):
        for part in ("body", "orelse", "finalbody"):
            if isinstance(lines := getattr(node, part, None), list):
                kept = [
                    line
                    for line in lines
                    if not (isinstance(line, ast.Expr) and isinstance(line.value, ast.Constant))
                ]
                setattr(node, part, kept or ([ast.Pass()] if lines else []))
    return tree


def _plain_tuple(value) -> bool:
    return isinstance(value, tuple) and all(
        isinstance(item, _PLAIN) or _plain_tuple(item) for item in value
    )


def _text_of(function, otherwise=None) -> str:
    """The syntax tree of a function without docstrings; its byte code where the source is not to be
    had.
    """
    if isinstance(function, type):
        return function.__qualname__
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    except (OSError, TypeError, SyntaxError):
        return (
            f"{function.__qualname__} {function.__code__.co_code.hex()}"
            if otherwise is None
            else otherwise
        )
    return ast.dump(bare(tree))


def _names(code: CodeType) -> set[str]:
    """Global names that a function and the functions inside it look up; not the attributes, which
    may be called like something else.
    """
    found = {
        step.argval
        for step in dis.get_instructions(code)
        if step.opname in ("LOAD_GLOBAL", "LOAD_NAME")
    }
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            found |= _names(constant)
    return found
