"""Check the built pages: results on every page, alternative text, links that lead somewhere,
nothing fetched from other hosts.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

from schurkit.checks import InputError

from .build import HTML
from .chapters import chapters, outputs

# Elements that make a browser fetch something, with the attribute that names it
_FETCHING = {
    "script": "src",
    "img": "src",
    "iframe": "src",
    "source": "src",
    "video": "src",
    "audio": "src",
    "embed": "src",
    "object": "data",
}
_FETCHING_LINKS = {"stylesheet", "icon", "preload", "modulepreload", "prefetch", "manifest"}


PAGE_LIMIT = 3_000_000  # bytes of one page; a reader on a phone waits for all of it
BOOK_LIMIT = 60_000_000  # bytes of all pages and files together


@dataclass(frozen=True)
class Finding:
    """Something to know about a page; notes are not problems."""

    page: str
    what: str
    is_problem: bool = True

    def __str__(self) -> str:
        return f"{'problem' if self.is_problem else 'note'}: {self.page}: {self.what}"


class _Page(HTMLParser):
    """What one page shows, links to and fetches."""

    def __init__(self):
        super().__init__()
        self.ids: set[str] = set()
        self.links: list[str] = []
        self.fetched: list[str] = []
        self.images_without_text: list[str] = []

    def handle_starttag(self, tag, attributes):
        given = {name: value for name, value in attributes if value}
        ids = [given.get("id"), given.get("name") if tag == "a" else None]
        self.ids.update(filter(None, ids))
        if tag == "a" and "href" in given:
            self.links.append(given["href"])
        if _FETCHING.get(tag) in given:
            self.fetched.append(given[_FETCHING[tag]])
        if tag == "link" and "href" in given and _FETCHING_LINKS & {*given.get("rel", "").split()}:
            self.fetched.append(given["href"])
        if tag == "img" and "alt" not in dict(attributes):
            self.images_without_text.append(given.get("src", "?"))
        named = given.keys() & {"aria-label", "aria-labelledby"}
        if tag == "svg" and given.get("role") == "img" and not named:
            self.images_without_text.append("a drawing")


def check_book(root: Path) -> list[Finding]:
    """Findings about the pages in _build/html, problems first.

    Raises
    ------
    InputError : there are no pages yet.
    """
    html = root / HTML
    if not (html / "index.html").is_file():
        raise InputError("there are no pages in _build/html; build them with 'make book'.")
    pages = {}
    for path in sorted(html.rglob("*.html")):
        if "_static" not in path.relative_to(html).parts:
            pages[path] = _Page()
            pages[path].feed(path.read_text(encoding="utf-8"))
    findings = [
        finding
        for path, page in pages.items()
        for finding in _page_findings(html, path, page, pages)
    ]
    sizes = {path.relative_to(html).as_posix(): (path.stat().st_size, PAGE_LIMIT) for path in pages}
    files = [path for path in html.rglob("*") if path.is_file()]
    sizes["the book"] = sum(path.stat().st_size for path in files), BOOK_LIMIT
    findings += [
        Finding(place, f"takes {size / 1e6:.1f} MB; the limit is {limit / 1e6:.1f} MB")
        for place, (size, limit) in sizes.items()
        if size > limit
    ]
    for name in chapters(root):
        findings += _chapter_findings(html, name)
    return sorted(findings, key=lambda finding: not finding.is_problem)


def _page_findings(html: Path, path: Path, page: _Page, pages: dict) -> list[Finding]:
    name = path.relative_to(html).as_posix()
    found = [
        Finding(name, f"no alternative text on {source[:60]}")
        for source in page.images_without_text
    ]
    found += [
        Finding(name, f"broken link {link}")
        for link in dict.fromkeys(page.links)
        if not _leads_somewhere(path, link, pages)
    ]
    outside = sorted(
        address
        for address in set(page.fetched)
        if urlsplit(address).scheme in ("http", "https") or address.startswith("//")
    )
    return found + [Finding(name, f"fetches {address}", is_problem=False) for address in outside]


def _leads_somewhere(path: Path, link: str, pages: dict) -> bool:
    parts = urlsplit(link)
    if parts.scheme or parts.netloc:
        return True  # other hosts are not asked, and addresses with data hold what they name
    target = path if not parts.path else Path(str(path.parent / unquote(parts.path))).resolve()
    if not target.exists():
        return False
    anchor = unquote(parts.fragment)
    anywhere = not anchor or target not in pages or anchor in ("main-content", "top")
    return anywhere or anchor in pages[target].ids


def _chapter_findings(html: Path, name: str) -> list[Finding]:
    """A chapter's page must come from a notebook whose code cells were run, and whose figures have
    alternative text.
    """
    sources = list((html / "_sources").rglob(f"{name}.ipynb"))
    if not sources:
        return [Finding(name, "has no page")]
    page = json.loads(sources[0].read_text(encoding="utf-8"))
    code = [cell for cell in page["cells"] if cell["cell_type"] == "code" and cell["source"]]
    found = []
    if not any(cell.get("execution_count") for cell in code):
        found.append(Finding(name, "was not run"))
    for output, _ in outputs({"cells": code}):
        pictured = any(mime.startswith("image/") for mime in output.get("data", {}))
        options = output.get("metadata", {}).get("mystnb", {}).get("image", {})
        if pictured and not options.get("alt"):
            what = "a figure has no alternative text; show it with schurkit.nb.show"
            found.append(Finding(name, what))
    return found
