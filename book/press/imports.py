"""Which modules of ours a piece of code really imports, read from syntax trees; nothing is run.

What counts is the module that defines what is named. A package's `__init__` is looked through:
``from schurkit.training import Phase`` counts `training/recipe.py` alone, and ``sk.train`` what the
table of lazy names says; the `__init__` counts itself where it defines the name, or where the
package is used as a whole. Relative imports count, and so do those inside functions. A module that
is found by a text when the code runs (`import_module`) is not seen. Files that are not Python count
where they lie beside a module that counts: styles, scripts, templates.
"""

import ast
from collections.abc import Iterable
from functools import cache
from importlib.util import resolve_name
from pathlib import Path
from typing import NamedTuple

from schurkit.store import checksum, key_of

LAZY = "_HOMES"
"""Name of a package's table of lazy names, {module: [names]}."""


class Source(NamedTuple):
    """What the text of a module says.

    digest : of its syntax tree without docstrings and comments.
    imported : (bound to, module, name) of each import; name None: ``import x``.
    lazy : the same of the table `LAZY`.
    used : names with the attributes taken from them, ("sk", "tasks", "Copy") for ``sk.tasks.Copy``.
    """

    digest: str
    imported: list[tuple[str, str, str | None]]
    lazy: list[tuple[str, str, str]]
    used: frozenset[tuple[str, ...]]


@cache
def read(text: str, package: str = "") -> Source:
    """The source of that text; `package`: of which it is a module."""
    tree = _Bare().visit(ast.parse(text))
    imported, lazy = [], []
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                for one in names:
                    above, _, last = one.name.rpartition(".")
                    bound = one.asname or one.name.partition(".")[0]
                    imported.append((bound, one.name if one.asname else bound, None))
                    imported.append(("", above, last))
            case ast.ImportFrom(names=names, level=level) if package or not level:
                base = resolve_name("." * level + (node.module or ""), package)
                imported += [(one.asname or one.name, base, one.name) for one in names]
            case ast.Assign(targets=[ast.Name(id=name)]) if name == LAZY:
                homes = ast.literal_eval(node.value)
                lazy = [(n, f"{package}.{home}", n) for home, names in homes.items() for n in names]
    return Source(checksum(ast.dump(tree)), imported, lazy, _used(tree))


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
        package = module if self.is_package(module) else module.rpartition(".")[0]
        return read(self.files[module].read_text(encoding="utf-8"), package)

    def is_package(self, module: str) -> bool:
        return self.files[module].name == "__init__.py"

    def imports(self, source: Source) -> set[str]:
        """Names of the modules that a source counts."""
        found, packages = set(), {}
        for bound, base, name in source.imported:
            if base in self.files:
                target, counts = self._named(base, name)
                if counts:
                    found.add(target)
                else:
                    packages[bound] = target
        used = (names for names in source.used if names[0] in packages)
        return found | {self._reached(packages[name], rest) for name, *rest in used}

    def closure(self, sources: Iterable[Source]) -> set[str]:
        """Names of all modules that the sources count, and those that these count, and so on."""
        found: set[str] = set()
        waiting = set().union(*map(self.imports, sources))
        while waiting:
            found |= waiting
            waiting = set().union(*map(self.imports, map(self.source, waiting))) - found
        return found

    def _named(self, base: str, name: str | None) -> tuple[str, bool]:
        """What a name of `base`, or `base` itself, leads to, and whether that counts as it is:
        False for a package, of which the attributes that are used count.
        """
        if not self.is_package(base) or name in ("*", None):
            return base, name is not None
        inside, source = f"{base}.{name}", self.source(base)
        for bound, home, other in (*source.imported, *source.lazy):
            if bound == name and home in self.files and home != base:
                return self._named(home, other)
        return (inside, not self.is_package(inside)) if inside in self.files else (base, True)

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
    modules = package.closure(map(read, texts))
    beside = [
        (path.name, checksum(path.read_bytes()))
        for place in {package.files[module].parent for module in modules}
        for path in place.iterdir()
        if path.is_file() and path.suffix not in (".py", ".pyc") and path.name[0] != "."
    ]
    code = {module: package.source(module).digest for module in modules}
    return key_of({"code": code, "beside": sorted(beside)})
