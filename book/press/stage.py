"""Stage the book: everything that Jupyter Book reads, in one folder, with executed notebooks and
generated pages.
"""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
from pathlib import Path

from schurkit import nb
from schurkit.claims import claim_line
from schurkit.words import short

from . import front, readings
from .api import api_page
from .beside import larger_section, published_line, published_numbers, section
from .book import Book
from .chapters import outputs, read_yaml, toc_entries
from .ledger import ledger_page
from .published import CSV_LINK, copy_files, editions_of
from .status import status_page
from .verdicts import explained

STAGE = Path("_build/stage")
_LIVE = re.compile(r'<p class="schurkit-live">.*?</p>', re.DOTALL)
_GENERATED = {"ledger": ledger_page, "status": status_page, "api": api_page}
_VALUES = front.VALUES | readings.VALUES
_PLACE = re.compile(r"\[\[(\w+)(?::([^\]]+))?\]\]")


def stage(book: Book) -> Path:
    """Write the staged book and return its folder."""
    root, target = book.root, book.root / STAGE
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(
        root / "book", target / "book", ignore=shutil.ignore_patterns(".*", "__pycache__")
    )
    shutil.copy(root / "_toc.yml", target / "_toc.yml")
    (target / "_config.yml").write_text(staged_config(root), encoding="utf-8")
    for entry in toc_entries(root):
        page = target / f"{entry}.md"
        if page.is_file():
            page.write_text(generated(book, page.read_text(encoding="utf-8")), encoding="utf-8")
        if entry.startswith("book/") or (root / f"{entry}.ipynb").is_file():
            continue
        for ending in (".md", ".rst"):
            if (root / f"{entry}{ending}").is_file():
                (target / entry).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(root / f"{entry}{ending}", target / f"{entry}{ending}")
    for name, chapter in book.chapters.items():
        place = target / chapter.path.relative_to(root)
        run = book.notebooks[name]
        page = dict(chapter.source) if run is None else for_the_page(book, name, target, place)
        added = [cell for cell in [published_numbers(book, name)] if cell["outputs"]]
        data = f"{_to_root(target, place)}/_static/data"
        if name in book.published:
            _, *larger = editions_of(book.published[name])
            files = copy_files(root, name, target)
            text = section(book, name, files, f"{data}/published/{name}")
            added.append(_prose("published", text))
            for one in larger:
                of = one["provenance"]["edition"]
                files = copy_files(root, name, target, of)
                text = larger_section(book, name, one, files, f"{data}/{of}/{name}")
                added.append(_prose(f"published-{of}", text))
        page["cells"] = [*page["cells"], *added, _downloads(chapter.source, name, target, place)]
        _write_json(place, page)
    return target


def _write_json(path: Path, content: dict) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, ensure_ascii=False, indent=1), encoding="utf-8")


def _downloads(source: dict, name: str, target: Path, place: Path) -> dict:
    """Last cell of a page: its notebook, as it was run here and without results."""
    _write_json(target / "book" / "assets" / "data" / "clean" / f"{name}.ipynb", source)
    up = _to_root(target, place)
    executed = f"{up}/_sources/{place.relative_to(target).as_posix()}"
    return _prose(
        "downloads",
        "This chapter as a notebook: "
        f'<a download href="{up}/_static/data/clean/{name}.ipynb">without results</a>, '
        f'<a download href="{executed}">as it was run here</a>.',
    )


def _prose(id: str, text: str) -> dict:
    return {"cell_type": "markdown", "id": id, "metadata": {}, "source": text}


def staged_config(root: Path) -> str:
    """_config.yml with execution switched off: the staged notebooks are executed already."""
    import yaml

    config = read_yaml(root / "_config.yml")
    config["execute"] = {**config.get("execute", {}), "execute_notebooks": "off"}
    return yaml.safe_dump(config, sort_keys=False)


def for_the_page(book: Book, name: str, target: Path, place: Path) -> dict:
    """The executed notebook as the page shows it: CSV files beside the book instead of inside it,
    the published run, claims with their verdicts.

    The verdicts follow from what the run recorded and from the rules of claims.yml, whatever they
    were when the chapter was run.
    """
    page = json.loads(json.dumps(book.notebooks[name]))
    tests = iter(nb.claims(page))
    page["metadata"].pop("schurkit", None)
    for output, said in outputs(page):
        match said.get("kind"):
            case "note":
                text = "".join(output["data"]["text/html"])
                output["data"]["text/html"] = _with_files(text, name, target, place)
            case "published":
                line = published_line(book, name, said["name"], said["by"], said["value"])
                output["data"] = {"text/markdown": line}
            case "claim":
                test = next(tests)
                if claim := book.claims.get(test["id"]):
                    line = claim_line(claim, test, explained(claim, test))
                    if (target / "book" / "ledger.md").is_file():
                        line += f" {{ref}}`Ledger <claim-{test['id'].lower()}>`"
                    output["data"]["text/markdown"] = line
    return page


def _with_files(text: str, name: str, target: Path, place: Path) -> str:
    """Write each embedded CSV file to book/assets/data/ and link it there; drop the caption of live
    sessions.
    """

    def to_file(found: re.Match) -> str:
        file = target / "book" / "assets" / "data" / name / found[1]
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(base64.b64decode(found[2]))
        return (
            f'<a download="{found[1]}" '
            f'href="{_to_root(target, place)}/_static/data/{name}/{found[1]}">'
        )

    return _LIVE.sub("", CSV_LINK.sub(to_file, text))


def _to_root(target: Path, place: Path) -> str:
    return os.path.relpath(target, place.parent).replace(os.sep, "/")


def generated(book: Book, text: str) -> str:
    """A page of the book with what is computed for it.

    ``<!-- generated: what -->…<!-- end -->`` is written anew. ``<!-- filled: what … -->`` holds
    words with places for values, ``[[cost:.2g]]``: it is filled, or goes where one of them has no
    value. ``<!-- plain -->…<!-- end -->`` is for a plain `jupyter-book build .` and goes.
    """
    text = re.sub(r"<!-- plain -->.*?<!-- end -->\n", "", text, flags=re.DOTALL)
    text = re.sub(
        r"<!-- filled: (\w+)\n(.*?)-->\n",
        lambda found: _filled(found[2], _VALUES[found[1]](book)),
        text,
        flags=re.DOTALL,
    )
    return re.sub(
        r"<!-- generated: (\w+) -->.*?<!-- end -->",
        lambda found: _GENERATED[found[1]](book),
        text,
        flags=re.DOTALL,
    )


def _filled(template: str, values: dict | None) -> str:
    if values is None or any(values.get(name) is None for name, _ in _PLACE.findall(template)):
        return ""

    def value(place: re.Match) -> str:
        name, spec = place.groups()
        return short(values[name], spec).replace("%", " %") if spec else str(values[name])

    return _PLACE.sub(value, template)
