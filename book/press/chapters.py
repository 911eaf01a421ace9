"""Chapters and their parameters, read from the notebooks without running anything."""

from __future__ import annotations

import ast
import difflib
import io
import json
import math
import os
import re
import tokenize
from dataclasses import dataclass, field
from pathlib import Path

from schurkit.checks import InputError

_SCALARS = {"int": int, "float": float, "bool": bool, "str": str}
_INTEGER = re.compile(r"[+-]?[0-9]+")
_FLOAT = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")


@dataclass(frozen=True)
class Parameter:
    """One line of a chapter's parameters cell: ``name: kind = default  # help``.

    `kind` is int, float, bool, str, a list of one of these such as ``list[float]``, or a choice
    ``Literal["a", "b"]``.
    """

    name: str
    kind: str
    default: object
    help: str
    choices: tuple = ()

    def parse(self, given) -> object:
        """The value of this parameter that `given` (text from a command line, or a value from YAML)
        stands for.

        Text is read strictly by the declared kind and never evaluated.

        Raises
        ------
        InputError : it does not stand for a value of this kind.
        """
        value = (
            _parse_list(self.kind[5:-1], given)
            if self.kind.startswith("list[")
            else _parse_scalar(self.kind, given)
        )
        if self.choices:
            value = given if given in self.choices else None
        if value is None:
            raise InputError(f"parameter {self.name} takes {self.expected}; got {given!r}.")
        return value

    @property
    def expected(self) -> str:
        """What a value looks like, in words."""
        if self.choices:
            return "one of " + ", ".join(map(repr, self.choices))
        words = {
            "int": "a whole number",
            "float": "a number such as 0.5 or 1e-3",
            "bool": "true or false",
            "str": "text",
        }
        if self.kind.startswith("list["):
            one = {
                "int": "whole numbers such as 1,2,3",
                "float": "numbers such as 0.5,1e-3",
                "bool": "true and false",
                "str": "texts such as a,b",
            }
            return f"a list of {one[self.kind[5:-1]]}"
        return words[self.kind]


@dataclass(frozen=True)
class Chapter:
    """A notebook of the book."""

    name: str
    path: Path
    title: str
    parameters: tuple[Parameter, ...]
    plan: str | None = None
    source: dict = field(repr=False, compare=False, default_factory=dict)

    def values(self, given: dict) -> dict:
        """Those of the given parameters that differ from the defaults, read and checked.

        Raises
        ------
        InputError : an unknown name (with the nearest known one) or a value of the wrong type.
        """
        known = {parameter.name: parameter for parameter in self.parameters}
        changed = {}
        for name, value in given.items():
            if name not in known:
                raise InputError(f"{self.name} has no parameter {name!r}{suggestion(name, known)}")
            parsed = known[name].parse(value)
            if parsed != known[name].default:
                changed[name] = parsed
        return changed


def suggestion(name: str, known) -> str:
    """The end of a message about an unknown name: the nearest one, or all of them."""
    near = difflib.get_close_matches(str(name), list(known), n=1)
    return (
        f"; did you mean {near[0]!r}?"
        if near
        else f"; it has {', '.join(known) or 'none'}."
        if known
        else "; there is none."
    )


def book_root(folder: str | Path | None = None) -> Path:
    """The book's folder: `folder`, else $SCHURKIT_BOOK, else the working folder or one above it
    that holds _toc.yml and _config.yml.
    """
    given = folder or os.environ.get("SCHURKIT_BOOK")
    for candidate in [Path(given)] if given else [Path.cwd(), *Path.cwd().parents]:
        if (candidate / "_toc.yml").is_file() and (candidate / "_config.yml").is_file():
            return candidate.resolve()
    where = f"in {given}" if given else "here or in a folder above"
    raise InputError(
        f"there is no book {where} (no _toc.yml and _config.yml); run this in a clone of the "
        "repository, or name it: --book FOLDER."
    )


def chapters(root: Path) -> dict[str, Chapter]:
    """The notebooks that _toc.yml lists, by name, in the order of the book."""
    found = {}
    for entry in toc_entries(root):
        path = root / f"{entry}.ipynb"
        if path.is_file():
            found[path.stem] = read_chapter(path)
        elif not any((root / f"{entry}{ending}").is_file() for ending in (".md", ".rst", "")):
            raise InputError(f"_toc.yml lists {entry!r}, but there is no such page or notebook.")
    return found


def chapter_named(root: Path, name: str) -> Chapter:
    """The chapter of that name; InputError with the nearest name if there is none."""
    known = chapters(root)
    if name not in known:
        raise InputError(f"there is no chapter {name!r}{suggestion(name, known)}")
    return known[name]


def toc_entries(root: Path) -> list[str]:
    """Every file that _toc.yml names, in order."""
    import yaml

    try:
        toc = yaml.safe_load((root / "_toc.yml").read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise InputError(f"_toc.yml is not valid YAML: {' '.join(str(error).split())}") from None
    found: list[str] = []

    def collect(node):
        if isinstance(node, dict):
            found.extend(node[key] for key in ("root", "file") if isinstance(node.get(key), str))
            for value in node.values():
                collect(value)
        elif isinstance(node, list):
            for item in node:
                collect(item)

    collect(toc)
    return found


def read_chapter(path: Path) -> Chapter:
    """Read a notebook's title, parameters and plan.

    Raises
    ------
    InputError : not a notebook, or its parameters cell is not a list of ``name: kind = default  #
        help``.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        cells = content["cells"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path.name} cannot be read as a notebook: {error}") from None
    tagged = [cell for cell in cells if "parameters" in cell.get("metadata", {}).get("tags", [])]
    if len(tagged) > 1:
        raise InputError(
            f"{path.name} must have one cell tagged 'parameters'; it has {len(tagged)}."
        )
    headings = (
        line
        for cell in cells
        if cell["cell_type"] == "markdown"
        for line in cell_text(cell).splitlines()
    )
    title = next(
        (line.lstrip("# ").strip() for line in headings if line.startswith("# ")), path.stem
    )
    found = _parameters(cell_text(tagged[0]), path.name) if tagged else ()
    return Chapter(
        path.stem,
        path,
        title,
        found,
        content.get("metadata", {}).get("schurkit", {}).get("plan"),
        content,
    )


def cell_text(cell: dict) -> str:
    """The source of a cell as one text (a notebook may store it as lines)."""
    source = cell.get("source", "")
    return source if isinstance(source, str) else "".join(source)


def _parameters(source: str, where: str) -> tuple[Parameter, ...]:
    try:
        statements = ast.parse(source).body
    except SyntaxError as error:
        raise InputError(f"{where}: the parameters cell is not valid Python: {error}") from None
    comments = {
        token.start[0]: token.string.lstrip("# ").strip()
        for token in tokenize.generate_tokens(io.StringIO(source).readline)
        if token.type == tokenize.COMMENT
    }
    return tuple(
        _parameter(statement, comments.get(statement.end_lineno, ""), where)
        for statement in statements
    )


def _parameter(statement: ast.stmt, help: str, where: str) -> Parameter:
    problem = (
        f"{where}, parameters cell, line {statement.lineno}: write 'name: kind = default  # help'"
    )
    if (
        not isinstance(statement, ast.AnnAssign)
        or not isinstance(statement.target, ast.Name)
        or statement.value is None
    ):
        raise InputError(f"{problem}; got {ast.unparse(statement)!r}.")
    name, kind = statement.target.id, ast.unparse(statement.annotation)
    try:
        default = ast.literal_eval(statement.value)
        choices = (
            ast.literal_eval(statement.annotation.slice) if kind.startswith("Literal[") else ()
        )
    except (ValueError, AttributeError):
        raise InputError(
            f"{problem} with a plain default; got {ast.unparse(statement)!r}."
        ) from None
    choices = choices if isinstance(choices, tuple) else (choices,)
    inner = kind[5:-1] if kind.startswith("list[") else kind
    if inner not in _SCALARS and not (
        choices and all(isinstance(choice, str) for choice in choices)
    ):
        raise InputError(
            f"{problem}, where kind is int, float, bool, str, list[…] of one of them, or Literal "
            f"of texts; got {kind!r}."
        )
    parameter = Parameter(name, kind, default, help, choices)
    if isinstance(default, str) and inner != "str" and not choices:
        raise InputError(
            f"{problem}: {name} takes {parameter.expected}; its default is {default!r}."
        )
    try:
        parsed = parameter.parse(default)
    except InputError:
        raise InputError(
            f"{problem}: {name} takes {parameter.expected}; its default is {default!r}."
        ) from None
    return Parameter(name, kind, parsed, help, choices)


def _parse_scalar(kind: str, given):
    """The value, or None if `given` is not of this kind."""
    if kind == "str":
        return given if isinstance(given, str) else None
    if isinstance(given, bool) or kind == "bool":
        words = {"true": True, "false": False}
        return (
            given
            if kind == "bool" and isinstance(given, bool)
            else words.get(str(given).lower())
            if kind == "bool"
            else None
        )
    if kind == "int":
        if isinstance(given, str):
            return int(given) if _INTEGER.fullmatch(given.strip()) and len(given) < 40 else None
        return given if isinstance(given, int) else None
    if kind == "float":
        if isinstance(given, str) and not _FLOAT.fullmatch(given.strip()):
            return None
        try:
            value = float(given) if isinstance(given, (int, float, str)) else math.nan
        except OverflowError:
            return None
        return value if math.isfinite(value) else None
    return None


def _parse_list(kind: str, given):
    if isinstance(given, str):
        text = given.strip()
        if text.startswith("["):
            try:
                given = json.loads(text)
            except ValueError:
                given = text[1:-1].split(",") if text.endswith("]") else None
        else:
            given = text.split(",")
        given = (
            [item.strip() if isinstance(item, str) else item for item in given]
            if given is not None
            else None
        )
        given = [] if given == [""] else given
    if not isinstance(given, list):
        return None
    values = [_parse_scalar(kind, item) for item in given]
    return None if any(value is None for value in values) else values
