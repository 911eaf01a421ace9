"""Chapters and their parameters, read from the notebooks without running anything."""

from __future__ import annotations

import ast
import contextlib
import difflib
import io
import json
import math
import os
import re
import tokenize
from dataclasses import dataclass, field, replace
from pathlib import Path

from schurkit.checks import InputError

_KINDS = {
    "int": ("a whole number", "whole numbers such as 1,2,3"),
    "float": ("a number such as 0.5 or 1e-3", "numbers such as 0.5,1e-3"),
    "bool": ("true or false", "true and false"),
    "str": ("text", "texts such as a,b"),
}
"""What a value of each kind looks like, and several of them."""
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
        if self.choices:
            value = given if given in self.choices else None
        elif self.is_list:
            value = _parse_list(self.inner, given)
        else:
            value = _parse_scalar(self.kind, given)
        if value is None:
            raise InputError(f"parameter {self.name} takes {self.expected}; got {given!r}.")
        return value

    @property
    def is_list(self) -> bool:
        """Whether a value is a list."""
        return self.kind.startswith("list[")

    @property
    def inner(self) -> str:
        """The kind of the items of a list, else the kind itself."""
        return self.kind[5:-1] if self.is_list else self.kind

    @property
    def expected(self) -> str:
        """What a value looks like, in words."""
        if self.choices:
            return "one of " + ", ".join(map(repr, self.choices))
        one, several = _KINDS[self.inner]
        return f"a list of {several}" if self.is_list else one


@dataclass(frozen=True)
class Chapter:
    """A notebook of the book.

    networks : code of its cell tagged `networks`, after the imports that it uses; None without.
    """

    name: str
    path: Path
    title: str
    parameters: tuple[Parameter, ...]
    networks: str | None = None
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


def suggestion(name: str, known, verb: str = "has") -> str:
    """The end of a message about an unknown name: the nearest one, or all of them."""
    near = difflib.get_close_matches(str(name), list(known), n=1)
    if near:
        return f"; did you mean {near[0]!r}?"
    return f"; it {verb} {', '.join(known)}." if known else "; there is none."


def named(name: str, known: dict, what: str):
    """What `known` holds by that name; InputError with the nearest name if there is none."""
    if name not in known:
        raise InputError(f"there is no {what} {name!r}{suggestion(name, known)}")
    return known[name]


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


def book_or_here() -> Path:
    """The book's folder, or the working folder where there is no book."""
    try:
        return book_root()
    except InputError:
        return Path.cwd()


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
    return named(name, chapters(root), "chapter")


def toc_entries(root: Path) -> list[str]:
    """Every file that _toc.yml names, in order."""
    return list(_entries(read_yaml(root / "_toc.yml")))


def _entries(node):
    if isinstance(node, list):
        for item in node:
            yield from _entries(item)
    elif isinstance(node, dict):
        yield from (node[key] for key in ("root", "file") if isinstance(node.get(key), str))
        yield from _entries(list(node.values()))


def read_yaml(path: Path):
    """The content of a YAML file; InputError if it is none."""
    import yaml

    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise InputError(f"{path.name} is not valid YAML: {' '.join(str(error).split())}") from None


def read_chapter(path: Path) -> Chapter:
    """Read a notebook's title, parameters and cell of networks.

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
    parameters, networks = (_tagged(cells, tag, path.name) for tag in ("parameters", "networks"))
    prose = "\n".join(cell_text(cell) for cell in cells if cell["cell_type"] == "markdown")
    title = re.search(r"^# +(.*)", prose, re.MULTILINE)
    return Chapter(
        path.stem,
        path,
        title[1].strip() if title else path.stem,
        _parameters(parameters or "", path.name),
        networks and "\n".join([*_imports(cells, networks), networks]),
        content,
    )


def _tagged(cells: list[dict], tag: str, where: str) -> str | None:
    """The code of the one cell with that tag; None without any."""
    found = [cell_text(cell) for cell in cells if tag in cell.get("metadata", {}).get("tags", [])]
    if len(found) > 1:
        raise InputError(f"{where} must have one cell tagged {tag!r}; it has {len(found)}.")
    return found[0] if found else None


def _imports(cells: list[dict], code: str) -> list[str]:
    """The imports of a notebook's code that bind a name which `code` uses."""
    try:
        used = {node.id for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Name)}
    except SyntaxError:  # said where the cell is run
        return []
    found = []
    for text in (cell_text(cell) for cell in cells if cell["cell_type"] == "code"):
        with contextlib.suppress(SyntaxError):
            for node in ast.parse(text).body:
                if isinstance(node, (ast.Import, ast.ImportFrom)):
                    node.names = [
                        one for one in node.names if (one.asname or one.name.split(".")[0]) in used
                    ]
                    found += [ast.unparse(node)] if node.names else []
    return found


def cell_text(cell: dict) -> str:
    """The source of a cell as one text (a notebook may store it as lines)."""
    source = cell.get("source", "")
    return source if isinstance(source, str) else "".join(source)


def outputs(notebook: dict) -> list[tuple[dict, dict]]:
    """Every output of a notebook, each with what `schurkit.nb` says about it."""
    return [
        (output, output.get("metadata", {}).get("schurkit", {}))
        for cell in notebook.get("cells", [])
        for output in cell.get("outputs", [])
    ]


def run_of(notebook: dict) -> dict:
    """How a notebook was run, as `schurkit_press.run` wrote it down; empty where nothing is."""
    return notebook.get("metadata", {}).get("schurkit", {}).get("run") or {}


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
    got = f"got {ast.unparse(statement)!r}."
    match statement:
        case ast.AnnAssign(
            target=ast.Name(id=name), annotation=annotation, value=ast.AST() as value
        ):
            kind = ast.unparse(annotation)
        case _:
            raise InputError(f"{problem}; {got}")
    try:
        default = ast.literal_eval(value)
        choices = ast.literal_eval(annotation.slice) if kind.startswith("Literal[") else ()
    except (ValueError, AttributeError):
        raise InputError(f"{problem} with a plain default; {got}") from None
    choices = choices if isinstance(choices, tuple) else (choices,)
    parameter = Parameter(name, kind, default, help, choices)
    texts = choices and all(isinstance(choice, str) for choice in choices)
    if parameter.inner not in _KINDS and not texts:
        raise InputError(
            f"{problem}, where kind is int, float, bool, str, list[…] of one of them, or Literal "
            f"of texts; got {kind!r}."
        )
    try:
        if isinstance(default, str) and parameter.inner != "str" and not choices:
            raise InputError("a text is read as another kind on the command line alone")
        return replace(parameter, default=parameter.parse(default))
    except InputError:
        raise InputError(
            f"{problem}: {name} takes {parameter.expected}; its default is {default!r}."
        ) from None


def _parse_scalar(kind: str, given):
    """The value, or None if `given` is not of this kind."""
    if kind == "str":
        return given if isinstance(given, str) else None
    if kind == "bool":
        words = {"true": True, "false": False}
        return given if isinstance(given, bool) else words.get(str(given).lower())
    number, form = (int, _INTEGER) if kind == "int" else (float, _FLOAT)
    if isinstance(given, str):
        if not form.fullmatch(given.strip()) or (kind == "int" and len(given) >= 40):
            return None
    elif isinstance(given, bool) or not isinstance(given, (int, number)):
        return None
    with contextlib.suppress(OverflowError):
        value = number(given)
        return value if math.isfinite(value) else None
    return None


def _parse_list(kind: str, given):
    if isinstance(given, str):
        given = _listed(given.strip())
    if not isinstance(given, list):
        return None
    values = [_parse_scalar(kind, item) for item in given]
    return None if None in values else values


def _listed(text: str) -> list | None:
    """The items of a text such as ``1,2`` or ``[1, 2]``, those in brackets as JSON has them."""
    if text.startswith("["):
        try:
            return json.loads(text)
        except ValueError:
            if not text.endswith("]"):
                return None
            text = text[1:-1]
    items = [item.strip() for item in text.split(",")]
    return [] if items == [""] else items
