"""What Jupyter Book reads in place of a file of the book: an executed notebook with the published
run beside it, a page with what is computed for it. `book/_ext/book_pages.py` asks for it.
"""

import base64
import json
import re
from copy import deepcopy
from pathlib import Path

from nbformat.v4 import new_markdown_cell

from schurkit import nb
from schurkit.words import short

from .beside import claim_line, picture, published_numbers, section, strip
from .book import CSV_LINK, Book, editions_of, folder
from .chapters import cell_text, outputs, write_json
from .ledger import ledger_page
from .panels import VALUES, bars
from .status import status_page

FILES = Path("_static/data")
"""Below the pages: the numbers behind figures, and clean notebooks."""
_LIVE = re.compile(r'<p class="schurkit-live">.*?</p>', re.DOTALL)
_PAGES = {"ledger": ledger_page, "status": status_page}
_PLACE = re.compile(r"\[\[(\w+)(?::([^\]]+))?\]\]")


def page(book: Book, docname: str, text: str, shelf: Path) -> str:
    """The text to read in place of a file's own.

    Parameters
    ----------
    book : the book.
    docname : the file below the book's folder, without its ending.
    text : what the file holds.
    shelf : a folder for what the page links to, laid out as the pages are.
    """
    for name, chapter in book.chapters.items():
        if chapter.path == book.root / f"{docname}.ipynb":
            content = json.dumps(_chapter(book, name, docname, shelf), ensure_ascii=False)
            _write(shelf / "_sources" / f"{docname}.ipynb", content.encode())
            return content
    return filled(book, text)


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def _chapter(book: Book, name: str, docname: str, shelf: Path) -> dict:
    """The notebook of a chapter with its published runs, and links to download it at its end."""
    source, up = book.chapters[name].source, "../" * docname.count("/")
    page = dict(source)
    if book.notebooks[name] is not None:
        page = for_the_page(book, name, f"{up}{FILES}/{name}", shelf / FILES / name)
    numbers = published_numbers(book, name)
    cells = [*page["cells"], *([numbers] if numbers["outputs"] else [])]
    title, _, first = cell_text(cells[0]).partition("\n")
    if title.startswith("# "):
        under = f"{title}\n\n:::{{div}} schurkit-strip\n{strip(book, name)}\n:::\n\n{first}"
        cells[0] = cells[0] | {"source": f"{under}\n\n{picture(book, name)}"}
    for one in editions_of(book.published[name]) if name in book.published else []:
        edition = one["provenance"]["edition"]
        larger = one is not book.published[name]
        place = FILES / (edition if larger else "published") / name
        files = sorted(folder(book.root, edition, name).glob("*.csv"))
        for file in files:
            _write(shelf / place / file.name, file.read_bytes())
        text = section(book, name, [file.name for file in files], f"{up}{place}", one)
        id = f"published-{edition}" if larger else "published"
        cells.append(new_markdown_cell(text, id=id))
    write_json(shelf / FILES / "clean" / f"{name}.ipynb", source)
    cells.append(
        new_markdown_cell(
            "This chapter as a notebook: "
            f'<a download href="{up}{FILES}/clean/{name}.ipynb">without results</a>, '
            f'<a download href="{up}_sources/{docname}.ipynb">as it was run here</a>.',
            id="downloads",
        )
    )
    return page | {"cells": cells}


def for_the_page(book: Book, name: str, link: str, folder: Path) -> dict:
    """The executed notebook as the page shows it: its CSV files in `folder`, which the page calls
    `link`, the published run, claims with their verdicts.

    The verdicts follow from what the run recorded and from the rules of claims.yml, whatever they
    were when the chapter was run.
    """

    def to_file(match: re.Match) -> str:
        _write(folder / match[1], base64.b64decode(match[2]))
        return f'<a download="{match[1]}" href="{link}/{match[1]}">'

    page = deepcopy(book.notebooks[name])
    tests = iter(nb.claims(page))
    page["metadata"].pop("schurkit", None)
    for cell in page["cells"]:  # the published run stands under the title
        said = [said.get("kind") for _, said in outputs({"cells": [cell]})]
        if said and {*said} == {"published"}:
            cell["metadata"] = {"tags": ["remove-cell"]}
    for output, said in outputs(page):
        match said.get("kind"):
            case "note":  # what its caption says is for live sessions
                text = CSV_LINK.sub(to_file, "".join(output["data"]["text/html"]))
                output["data"]["text/html"] = _LIVE.sub("", text)
            case "claim":
                test = next(tests)
                if claim := book.claims.get(test["id"]):
                    line = claim_line(book, name, claim, test)
                    if (book.root / "book" / "ledger.md").is_file():
                        line += f" {{ref}}`{test['id']} <claim-{test['id'].lower()}>`"
                    output["data"]["text/markdown"] = line
    return page


def filled(book: Book, text: str) -> str:
    """A page of the book with what is computed for it.

    ``<!-- page: what -->`` becomes that page. ``<!-- filled: what … -->`` holds words with places
    for values, ``[[cost:.2g]]``: it is filled, or goes where one of them has no value.
    """
    text = re.sub(
        r"<!-- filled: (\w+)\n(.*?)-->\n",
        lambda match: _filled(match[2], VALUES[match[1]](book)),
        text,
        flags=re.DOTALL,
    )
    return re.sub(r"<!-- page: (\w+) -->", lambda match: _PAGES[match[1]](book), text)


def _filled(template: str, values: dict | None) -> str:
    names = [name for name, _ in _PLACE.findall(template) if name != "bars"]
    if values is None or any(values.get(name) is None for name in names):
        return ""

    def value(place: re.Match) -> str:
        name, spec = place.groups()
        if name == "bars":
            return bars(spec, values)
        return short(values[name], spec).replace("%", " %") if spec else str(values[name])

    return _PLACE.sub(value, template)
