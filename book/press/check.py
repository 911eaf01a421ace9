"""Check that the built pages fetch nothing from other hosts."""

from html.parser import HTMLParser
from pathlib import Path

from schurkit import nb
from schurkit.checks import InputError
from schurkit.claims import Claim, ours

from .book import BASE, agrees, measured
from .build import HTML, build_command, plan_build
from .chapters import read_json
from .verdicts import explained

_LINKS = {"stylesheet", "icon", "preload", "modulepreload", "prefetch", "manifest"}


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


def check_book(root: Path) -> list[str]:
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
        findings += [f"problem: {name}: fetches {address}" for address in sorted(page.addresses)]
    return findings


def compare(root: Path) -> list[str]:
    """A problem for each claim whose run here, of the same edition, and published run disagree
    (`schurkit_press.book.agrees`), or of which one is missing; of a study that was published of a
    larger edition alone, that it was not run here is no problem.

    A note for each chapter: how many of its recorded numbers are equal to the last digit, which on
    the same machine is all of them.

    Parameters
    ----------
    root : the book's folder.
    """
    book, found = plan_build(root, BASE), []
    known, kept = book.claims, book.published

    def add(what, kind="problem"):
        found.append(f"{kind}: {name}: {what}")

    for job in book.jobs:
        name = job.chapter.name
        if name not in kept:
            continue
        edition, only = kept[name]["provenance"]["edition"], []
        if edition != BASE:
            only = [name]
            (job,) = plan_build(root, edition, only).jobs
        if not job.cached:
            told = f"not run here in the {edition} edition"
            command = build_command(edition, only)
            add(f"{told}: '{command}' runs it", "note" if only else "problem")
            continue
        notebook = read_json(job.output)
        live = {test["id"]: test for test in nb.claims(notebook)}
        older = {test["id"]: test for test in kept[name]["claims"]}
        for id in sorted({*live, *older}, key=list(known).index):
            if id not in live or id not in older:
                add(f"{id} is tested {'in the published run' if id in older else 'here'} alone")
                continue
            tests = claim, now, before = known[id], live[id], older[id]
            if (measured(now) or measured(before)) and not agrees(*tests):
                add(f"{id}: published {_told(claim, before)}, here {_told(claim, now)}")
        records, before = nb.records(notebook), kept[name]["records"]
        same = sum(key in records and records[key] == value for key, value in before.items())
        equal = f"{same} of {len(before)} recorded numbers are those of the published run"
        add(equal, "note")
    return found


def _told(claim: Claim, test: dict) -> str:
    return f"{ours(test)} ({explained(claim, test)})" if measured(test) else "undefined"
