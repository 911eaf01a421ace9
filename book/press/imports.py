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
from importlib.util import resolve_name
from pathlib import Path

from schurkit.store import checksum

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
    tree = _Bare().visit(ast.parse(text))
    imported, lazy = [], {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for one in node.names:
                package, _, last = one.name.rpartition(".")
                name = one.name if one.asname else one.name.split(".")[0]
                imported.append((0, name, None, one.asname or name))
                imported += [(0, package, last, "")] if package else []
        elif isinstance(node, ast.ImportFrom):
            imported += [
                (node.level, node.module or "", one.name, one.asname or one.name)
                for one in node.names
            ]
        elif isinstance(node, ast.Assign) and getattr(node.targets[0], "id", None) == LAZY:
            homes = ast.literal_eval(node.value)
            lazy = {name: module for module, names in homes.items() for name in names}
    digest = checksum(ast.dump(tree))
    return Source(digest, tuple(imported), _used(tree), lazy)


class _Bare(ast.NodeTransformer):
    """Takes docstrings out."""

    def visit_Expr(self, node):
        return None if isinstance(node.value, ast.Constant) else node


def _used(tree) -> frozenset[tuple[str, ...]]:
    """Names with all the attributes taken from them."""
    named = [node for node in ast.walk(tree) if isinstance(node, (ast.Name, ast.Attribute))]
    inner = [getattr(node, "value", None) for node in named]
    chains = (ast.unparse(node) for node in {*named}.difference(inner))
    return frozenset(tuple(x.split(".")) for x in chains if x.replace(".", "").isidentifier())


class Packages:
    """The modules of some packages, {name: folder}, by dotted name."""

    def __init__(self, folders: dict[str, Path]):
        self.files: dict[str, Path] = {}
        for name, folder in folders.items():
            for path in sorted(folder.rglob("*.py")):
                parts = (name, *path.relative_to(folder).with_suffix("").parts)
                self.files[".".join(parts).removesuffix(".__init__")] = path

    def source(self, module: str) -> Source:
        return read(self.files[module].read_text(encoding="utf-8"))

    def is_package(self, module: str) -> bool:
        return self.files.get(module, Path()).name == "__init__.py"

    def imports(self, source: Source, here: str = "") -> set[str]:
        """Names of the modules that a source counts; `here`: its own dotted name, where it is a
        module of this package.
        """
        found, packages = set(), {}
        for level, module, name, bound in source.imported:
            base = self._base(level, module, here)
            if base in self.files:
                target, counts = self._named(base, name)
                if counts:
                    found.add(target)
                elif bound:
                    packages[bound] = target
        used = (names for names in source.used if names[0] in packages)
        return found | {self._reached(packages[name], rest) for name, *rest in used}

    def closure(self, sources: Iterable[Source]) -> set[str]:
        """Names of all modules that the sources count, and those that these count, and so on."""
        found: set[str] = set()
        waiting = set().union(*map(self.imports, sources))
        while waiting:
            found |= waiting
            nearer = [self.imports(self.source(module), module) for module in waiting]
            waiting = set().union(*nearer) - found
        return found

    def _base(self, level: int, module: str, here: str) -> str:
        package = here if self.is_package(here) else here.rpartition(".")[0]
        try:
            return resolve_name("." * level + module, package)
        except ImportError:  # relative, and nowhere inside
            return ""

    def _named(self, base: str, name: str | None) -> tuple[str, bool]:
        """What a name of `base`, or `base` itself, leads to, and whether that counts as it is:
        False for a package, of which the attributes that are used count.
        """
        if not self.is_package(base) or name == "*":
            return base, True
        if name is None:
            return base, False
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
    lines = [f"{module} {package.source(module).digest}\n" for module in modules]
    digest = hashlib.sha256("".join(lines).encode())
    for place in sorted({package.files[module].parent for module in modules}):
        for path in sorted(place.iterdir()):
            hidden = path.suffix in (".py", ".pyc") or path.name.startswith(".")
            if path.is_file() and not hidden:
                digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()
