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
from collections.abc import Iterator
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
        source = ast.dump(bare(ast.parse(inspect.getsource(sys.modules[kind.__module__]))))
    except (OSError, TypeError):  # no module source
        source = class_source(kind)
    inherited = getattr(kind, "version", "")  # of a task of schurkit that it extends
    return hashlib.sha256(f"{source}{inherited}".encode()).hexdigest()[:16]


def class_source(cls: type) -> str:
    """What a class does, as text: its methods without docstrings and comments, its plain constants,
    and what they use of the same notebook.

    Functions, classes and plain constants that methods name and that live where the class lives are
    followed. What a module defines is not: its changes are the reader's to tell, by another `name`
    or field of the task.
    """
    return "\n".join(_lines(cls, cls.__module__, set()))


def _lines(thing: type | FunctionType, home: str, seen: set) -> Iterator[str]:
    """Of a class or function of the module `home`, then of what it uses there, each once."""
    if thing in seen:
        return
    seen.add(thing)
    if isinstance(thing, type):
        bases = thing.__bases__
        yield f"class {thing.__qualname__}({', '.join(base.__qualname__ for base in bases)})"
        for base in bases:
            if base.__module__ == home:
                yield from _lines(base, home, seen)
        used = vars(thing)
    else:
        yield _code(thing) or f"{thing.__qualname__} {thing.__code__.co_code.hex()}"
        used = {name: thing.__globals__.get(name) for name in _names(thing.__code__)}
    for name, value in sorted(used.items()):
        yield from _member(name, value, home, seen)


def _member(name, value, home, seen):
    if isinstance(value, property):
        parts = value.fget, value.fset, value.fdel
    else:  # cached_property, static and class methods
        parts = (getattr(value, "func", None) or getattr(value, "__func__", None) or value,)
    for part in parts:
        if isinstance(part, (FunctionType, type)) and part.__module__ == home:
            # What dataclass writes has no source, and follows from the fields
            written = isinstance(part, type) or not name.startswith("__") or _code(part)
            if written:
                yield from _lines(part, home, seen)
        elif name not in ("__doc__", "__firstlineno__") and part is not None and _plain(part):
            yield f"{name} = {part!r}"


def bare(tree: ast.AST) -> ast.AST:
    """The same tree without docstrings, those of constants included (a parser drops comments)."""
    for node in ast.walk(tree):
        for part in ("body", "orelse", "finalbody"):
            if isinstance(lines := getattr(node, part, None), list):
                code = [line for line in lines if not _is_text(line)]
                setattr(node, part, code or [ast.Pass()] * bool(lines))
    return tree


def _is_text(line: ast.stmt) -> bool:
    return isinstance(line, ast.Expr) and isinstance(line.value, ast.Constant)


def _plain(value) -> bool:
    return isinstance(value, _PLAIN) or (isinstance(value, tuple) and all(map(_plain, value)))


def _code(function: FunctionType) -> str | None:
    """Its syntax tree without docstrings; None where the source is not to be had."""
    try:
        return ast.dump(bare(ast.parse(textwrap.dedent(inspect.getsource(function)))))
    except (OSError, TypeError, SyntaxError):
        return None


def _names(code: CodeType) -> set[str]:
    """Global names that a function and the functions inside it look up; not the attributes, which
    may be called like something else.
    """
    loads = "LOAD_GLOBAL", "LOAD_NAME"
    found = {step.argval for step in dis.get_instructions(code) if step.opname in loads}
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            found |= _names(constant)
    return found
