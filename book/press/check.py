"""Check that the built pages fetch nothing from other hosts."""

from __future__ import annotations

from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path

from schurkit.checks import InputError

from .build import HTML

_LINKS = {"stylesheet", "icon", "preload", "modulepreload", "prefetch", "manifest"}


@dataclass(frozen=True)
class Finding:
    """Something to know about a page; notes are not problems."""

    page: str
    what: str
    is_problem: bool = True

    def __str__(self) -> str:
        return f"{'problem' if self.is_problem else 'note'}: {self.page}: {self.what}"


class _Fetches(HTMLParser):
    """The addresses that make a browser fetch something."""

    def __init__(self):
        super().__init__()
        self.addresses: set[str] = set()

    def handle_starttag(self, tag, attributes):
        given = {name: value or "" for name, value in attributes}
        fetching = tag == "link" and _LINKS & {*given.get("rel", "").split()}
        for name in ("src", "data", *(["href"] if fetching else [])):
            if given.get(name, "").startswith(("http:", "https:", "//")):
                self.addresses.add(given[name])


def check_book(root: Path) -> list[Finding]:
    """A problem for each address of another host that a page in _build/html fetches.

    Raises
    ------
    InputError : there are no pages yet.
    """
    html, findings = root / HTML, []
    if not (html / "index.html").is_file():
        raise InputError("there are no pages in _build/html; build them with 'make book'.")
    for path in sorted(html.rglob("*.html")):
        page = _Fetches()
        page.feed(path.read_text(encoding="utf-8"))
        name = path.relative_to(html).as_posix()
        findings += [Finding(name, f"fetches {address}") for address in sorted(page.addresses)]
    return findings
