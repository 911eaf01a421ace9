"""Each fault of a page is found, and a sound book has none."""

import shutil

import pytest
from book.looks import faults, unsound
from press.small_book import cases

from book import looks

pytestmark = pytest.mark.book


@pytest.fixture
def damaged(pages, tmp_path):
    """``damaged(text)``: a page of a copy of the book with that text at its end."""

    def add(text):
        html = shutil.copytree(pages, tmp_path / "html", dirs_exist_ok=True)
        path = html / "book" / "introduction.html"
        path.write_text(path.read_text().replace("</article>", f"{text}</article>", 1))
        return path

    return add


def test_a_sound_book_has_no_fault(pages, browser):
    """Of all its pages in the browser, those of chapters."""
    for path in pages.glob("notebooks/*.html"):
        assert faults(browser, path) == [], path.name
    assert unsound(pages) == []


FAULTS = """
<script>console.error('oh')</script> → oh
<script>nothing.there()</script> → script failed: nothing is not defined
<script>fetch('https://a.example/x').catch(() => 0)</script> → https://a.example/x
<img alt='x' src='nowhere.png'> → nowhere.png does not load
<div style='width:1100px'>wide</div> → wider than 390
<style>@media (min-width: 1000px) { .vast { width: 3000px } }</style><p class=vast>x</p>
    → wider than 1280
<style>html[data-theme=dark] .dim { color: #333; background: #222 }</style><p class=dim>dim words
    → axe: color-contrast: ['.dim
<p style='color:#eee;background:#fff'>faint words</p> → axe: color-contrast: ['p
<button></button> → axe: button-name
<div data-explorer>none</div> → does not answer to the keyboard
<div data-explorer><button>deaf</button></div> → does not answer to the keyboard
"""


def test_each_fault_is_found(damaged, browser):
    """On one page, and none but these: an explorable that answers is none."""
    answers = "<input type=range aria-label=x oninput='this.nextSibling.textContent=this.value'>"
    fine = f"<div data-explorer>{answers}<output>0</output></div>"
    texts, wanted = zip(*cases(FAULTS))
    found = faults(browser, damaged("".join([*texts, fine])))
    for fault in wanted:
        assert any(fault in one for one in found), fault
    assert sum("keyboard" in one for one in found) == 2


BROKEN = """
<a href="nowhere.html">x</a> → introduction.html: broken link nowhere.html
<a href="ledger.html#nowhere">x</a> → introduction.html: broken link ledger.html#nowhere
<a href="#nowhere">x</a> → introduction.html: broken link #nowhere
<img src="x.png"> → introduction.html: no alternative text on x.png
<svg role="img"></svg> → introduction.html: no alternative text on a drawing
"""


def test_each_fault_of_the_files_is_found_and_other_links_are_none(damaged, monkeypatch):
    texts, wanted = zip(*cases(BROKEN))
    for fine in ("ledger.html#claim-s2", "https://example.org/", "data:text/csv,1", "mailto:a@b"):
        texts += (f'<a href="{fine}">x</a>',)
    page = damaged("".join(texts) + "x" * 400_000)
    assert unsound(page.parents[1]) == list(wanted)
    monkeypatch.setattr(looks, "PAGE_LIMIT", 400_000)
    monkeypatch.setattr(looks, "BOOK_LIMIT", 1_000_000)
    large = ["introduction.html: too large", "the book is too large"]
    assert unsound(page.parents[1]) == [*wanted, *large]
