"""Chapters and their parameters, read from the notebooks without running anything."""

import ast
import contextlib
import json
import os
import re
from dataclasses import dataclass, field
from pathlib import Path

from schurkit.checks import InputError
from schurkit.store import written

from .parameters import Parameter, parameters_in, suggestion, values_of

RUN = {"values", "changed", "seconds", "training", "versions", "commit", "device", "date"}
"""What is known of every run."""


@dataclass(frozen=True)
class Chapter:
    """A notebook of the book.

    networks : code of its cell tagged `networks`, after the imports that it uses; None without.
    """

    name: str
    path: Path
    title: str
    parameters: tuple[Parameter, ...]
    networks: str | None
    source: dict = field(repr=False, compare=False)

    @property
    def defaults(self) -> dict:
        """The values of a run that changes nothing."""
        return {parameter.name: parameter.default for parameter in self.parameters}

    def values(self, given: dict) -> dict:
        """Those of the given parameters that differ from the defaults, read and checked.

        Raises
        ------
        InputError : an unknown name (with the nearest known one), a value of the wrong kind, or
            one outside a parameter's bounds.
        """
        return values_of(self.parameters, given, self.name)


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

    def files(node):
        if isinstance(node, dict):
            yield from (node[key] for key in ("root", "file") if isinstance(node.get(key), str))
            node = list(node.values())
        for one in node if isinstance(node, list) else ():
            yield from files(one)

    return list(files(read_yaml(root / "_toc.yml")))


def read_yaml(path: Path):
    """The content of a YAML file; InputError if it is none."""
    import yaml

    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise InputError(f"{path.name} is not valid YAML: {' '.join(str(error).split())}") from None


def read_json(path: Path):
    """The content of a JSON file, such as a notebook."""
    return json.loads(path.read_text(encoding="utf-8"))


def write_json(path: Path, content) -> None:
    """Write a JSON file, whole or not at all, in a folder that is made where it is missing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    written(path, f"{json.dumps(content, ensure_ascii=False, indent=1)}\n".encode())


def store_of(root: Path) -> Path:
    """The folder of trained networks that the chapters of a book use."""
    return Path(os.environ.get("SCHURKIT_STORE") or root / "runs")


def read_chapter(path: Path) -> Chapter:
    """Read a notebook's title, parameters and cell of networks.

    Raises
    ------
    InputError : not a notebook, or its parameters cell is not a list of ``name: kind = default  #
        help``.
    """
    try:
        content = read_json(path)
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
        parameters_in(parameters, path.name),
        "\n".join([*_imports(cells, networks), networks]) or None,
        content,
    )


def _tagged(cells: list[dict], tag: str, where: str) -> str:
    """The code of the one cell with that tag; "" without any."""
    found = [cell_text(cell) for cell in cells if tag in cell.get("metadata", {}).get("tags", [])]
    if len(found) > 1:
        raise InputError(f"{where} must have one cell tagged {tag!r}; it has {len(found)}.")
    return "".join(found)


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
    return "".join(cell.get("source", ""))


def outputs(notebook: dict, *kinds: str) -> list[tuple[dict, dict]]:
    """Every output of a notebook, or those of some kinds, each with what `schurkit.nb` says about
    it.
    """
    every = (
        (output, output.get("metadata", {}).get("schurkit", {}))
        for cell in notebook.get("cells", [])
        for output in cell.get("outputs", [])
    )
    return [(output, said) for output, said in every if not kinds or said.get("kind") in kinds]


def run_of(notebook: dict | None) -> dict:
    """How a notebook was run, as `schurkit_press.run` wrote it down; empty where that, or a part of
    it, is missing.
    """
    run = (notebook or {}).get("metadata", {}).get("schurkit", {}).get("run") or {}
    return run if run.keys() >= RUN else {}
