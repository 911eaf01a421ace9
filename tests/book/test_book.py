"""The book itself: the quick edition builds without a warning, and its pages are sound.

The trained networks and executed chapters of the repository are used where they are there, so a
second run takes seconds.
"""

import html
import json
import re
from pathlib import Path

import pytest
from book.looks import faults, unsound

from schurkit import nb
from schurkit.claims import load_claims
from schurkit_press.build import build, plan_build
from schurkit_press.chapters import outputs
from schurkit_press.check import check_book
from schurkit_press.run import cores
from schurkit_press.verdicts import explained

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.book


@pytest.fixture(scope="module")
def plan():
    """The quick edition, built; the store is the repository's own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("SCHURKIT_STORE", raising=False)
        patch.delenv("SCHURKIT_BOOK", raising=False)
        planned = plan_build(ROOT)
        build(planned, workers=cores())
    return planned


def test_the_quick_edition_builds_and_its_pages_are_sound(plan):
    assert unsound(ROOT / "_build" / "html") == [] == check_book(ROOT)


def test_its_pages_have_no_fault_in_a_browser(plan, browser):
    html = ROOT / "_build" / "html"
    for path in [*html.glob("book/*.html"), *html.glob("notebooks/*.html")]:
        assert faults(browser, path) == [], path.name


def test_nothing_of_this_machine_is_published(plan):
    pages = [
        *(ROOT / "_build" / "html").rglob("*.html"),
        *(ROOT / "_build" / "html" / "_sources").rglob("*.*"),
    ]
    assert [page.name for page in pages if f"{ROOT}/" in page.read_text(encoding="utf-8")] == []


def test_every_chapter_tests_claims_that_the_ledger_shows(plan):
    known = load_claims(ROOT / "book" / "claims.yml")
    told = {claim["id"]: claim for job in plan.jobs for claim in nb.claims(job.output)}
    ledger = (ROOT / "_build" / "html" / "book" / "ledger.html").read_text()
    text = html.unescape(re.sub("<[^>]+>", "", ledger))
    assert set(told) <= set(known)
    assert all(
        f'id="claim-{id.lower()}"' in ledger and explained(known[id], claim) in text
        for id, claim in told.items()
    )


def test_no_executed_notebook_holds_a_verdict(plan):
    """Only what a claim displays and records is looked at: its metadata, and the line that a
    notebook opened alone shows.
    """
    recorded = {"kind", "id", "value", "interval", "n", "figure", "each", "beyond"}
    for job in plan.jobs:
        for output, said in outputs(json.loads(job.output.read_text(encoding="utf-8"))):
            if said.get("kind") == "claim":
                line = "".join(output["data"]["text/markdown"])
                assert {*said} <= recorded and line.startswith(f"**Claim {said['id']}.**")
