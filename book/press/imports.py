"""Which modules of ours a piece of code really imports, read from syntax trees; nothing is run.

What counts is the module that defines what is named. A package's `__init__` is looked through:
``from schurkit.training import Phase`` counts `training/recipe.py` alone, and ``sk.train`` what the
table of lazy names says; the `__init__` counts itself where it defines the name, or where the
package is used as a whole. Relative imports count, and so do those inside functions. A module that
is found by a text when the code runs (`import_module`) is not seen. Files that are not Python count
where they lie beside a module that counts: styles, scripts, templates.
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

LAZY = "_HOMES"
"""Name of a package's table of lazy names, {module: [names]}."""


@dataclass(frozen=True)
class Source:
    """What the text of a module says.

    digest : of its syntax tree without docstrings and comments.
    imported : (level, module, name, bound to) of each import; name None: ``import x``.
    used : names with the attributes taken from them, ("sk", "tasks", "Copy") for ``sk.tasks.Copy``.
    lazy : name → module of the table `LAZY`.
    """

    digest: str
    imported: tuple[tuple[int, str, str | None, str], ...]
    used: frozenset[tuple[str, ...]]
    lazy: dict[str, str]


@cache
def read(text: str) -> Source:
    """The source of that text."""
    reading = _Reading()
    reading.take(ast.parse(text))
    digest = hashlib.sha256(" ".join(reading.words).encode()).hexdigest()
    return Source(digest, tuple(reading.imported), frozenset(reading.used), reading.lazy)


class _Reading:
    """One walk through a syntax tree: its words, and what stands in them."""

    def __init__(self):
        self.words: list[str] = []
        self.imported: list[tuple[int, str, str | None, str]] = []
        self.used: set[tuple[str, ...]] = set()
        self.lazy: dict[str, str] = {}

    def take(self, node, rest: tuple[str, ...] = ()) -> None:
        """`rest`: the attributes that are taken from this node."""
        if isinstance(node, list):
            self.words.append("[")
            for item in node:
                if not (
                    isinstance(item, ast.Expr) and isinstance(item.value, ast.Constant)
                ):  # a docstring
                    self.take(item)
            self.words.append("]")
        elif isinstance(node, ast.AST):
            self.words.append(type(node).__name__)
            self._note(node, rest)
            rest = (node.attr, *rest) if isinstance(node, ast.Attribute) else ()
            for name in node._fields:
                self.take(getattr(node, name, None), rest)
            self.words.append(".")
        else:
            self.words.append(repr(node))

    def _note(self, node, rest):
        if isinstance(node, ast.Name):
            self.used.add((node.id, *rest))
        elif isinstance(node, ast.Import):
            for one in node.names:
                first, _, last = one.name.rpartition(".")
                self.imported.append(
                    (
                        0,
                        one.name if one.asname else one.name.split(".")[0],
                        None,
                        one.asname or one.name.split(".")[0],
                    )
                )
                self.imported += [(0, first, last, "")] if first else []
        elif isinstance(node, ast.ImportFrom):
            self.imported += [
                (node.level, node.module or "", one.name, one.asname or one.name)
                for one in node.names
            ]
        elif (
            isinstance(node, ast.Assign)
            and isinstance(node.targets[0], ast.Name)
            and node.targets[0].id == LAZY
        ):
            self.lazy = {
                name: module
                for module, names in ast.literal_eval(node.value).items()
                for name in names
            }


class Packages:
    """The modules of some packages, {name: folder}, by dotted name."""

    def __init__(self, folders: dict[str, Path]):
        self.files: dict[str, Path] = {}
        self._sources: dict[str, Source] = {}
        for name, folder in folders.items():
            for path in sorted(folder.rglob("*.py")):
                parts = (name, *path.relative_to(folder).with_suffix("").parts)
                self.files[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path

    def source(self, module: str) -> Source:
        if module not in self._sources:
            self._sources[module] = read(self.files[module].read_text(encoding="utf-8"))
        return self._sources[module]

    def is_package(self, module: str) -> bool:
        return module in self.files and self.files[module].name == "__init__.py"

    def imports(self, source: Source, here: str = "") -> set[str]:
        """Names of the modules that a source counts; `here`: its own dotted name, where it is a
        module of this package.
        """
        found, packages = set(), {}
        for level, module, name, bound in source.imported:
            base = self._base(level, module, here)
            if base not in self.files:
                continue
            target, counts = (
                (base, not self.is_package(base)) if name is None else self._named(base, name)
            )
            if counts:
                found.add(target)
            elif bound:
                packages[bound] = target
        return found | {
            self._reached(packages[name], rest) for name, *rest in source.used if name in packages
        }

    def closure(self, sources: Iterable[Source]) -> set[str]:
        """Names of all modules that the sources count, and those that these count, and so on."""
        found: set[str] = set()
        waiting = set().union(*map(self.imports, sources))
        while waiting:
            found |= waiting
            waiting = (
                set().union(*(self.imports(self.source(module), module) for module in waiting))
                - found
            )
        return found

    def _base(self, level: int, module: str, here: str) -> str:
        if level == 0:
            return module
        parts = here.split(".")
        up = level - 1 if self.is_package(here) else level
        return (
            ".".join([*parts[: len(parts) - up], *([module] if module else [])])
            if here and up < len(parts)
            else ""
        )

    def _named(self, base: str, name: str) -> tuple[str, bool]:
        """What a name of `base` leads to, and whether that counts as it is: False for a package, of
        which the attributes that are used count.
        """
        if not self.is_package(base) or name == "*":
            return base, True
        inside, source = f"{base}.{name}", self.source(base)
        for level, module, other, bound in source.imported:
            home = self._base(level, module, base)
            if bound == name and other is not None and home in self.files and home != base:
                return self._named(home, other)
        if name in source.lazy:
            return self._named(f"{base}.{source.lazy[name]}", name)
        if inside in self.files:
            return inside, not self.is_package(inside)
        return base, True

    def _reached(self, module: str, attributes: Iterable[str]) -> str:
        """Where a chain of attributes of a package ends: at the module that defines what is taken,
        or at the package if it is used as a whole.
        """
        for name in attributes:
            module, counts = self._named(module, name)
            if counts:
                break
        return module


def code_digest(folders: dict[str, Path], texts: Iterable[str]) -> str:
    """Digest of all code of the packages in `folders` that those texts import, of theirs in turn,
    and of the files beside it.
    """
    package = Packages(folders)
    modules = sorted(package.closure(map(read, texts)))
    digest = hashlib.sha256(
        "".join(f"{module} {package.source(module).digest}\n" for module in modules).encode()
    )
    for place in sorted({package.files[module].parent for module in modules}):
        for path in sorted(place.iterdir()):
            if (
                path.is_file()
                and path.suffix not in (".py", ".pyc")
                and not path.name.startswith(".")
            ):
                digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()
