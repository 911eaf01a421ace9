"""Each fault of a page is found, and a sound book has none."""

import shutil

import pytest
from book.looks import faults, unsound

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


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (1280, "dark"), (390, "light")])
def test_a_sound_book_has_no_fault(pages, browser, width, scheme):
    for path in [*pages.glob("book/*.html"), *pages.glob("notebooks/*.html")]:
        assert faults(browser, path, width, scheme) == [], path.name
    assert unsound(pages) == []


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("<script>console.error('oh')</script>", "oh"),
        ("<script>nothing.there()</script>", "script failed: nothing is not defined"),
        ("<script>fetch('https://a.example/x').catch(() => 0)</script>", "https://a.example/x"),
        ("<img alt='x' src='nowhere.png'>", "nowhere.png does not load"),
        ("<div style='width:3000px'>wide</div>", "wider than 1280"),
        ("<p style='color:#eee;background:#fff'>faint words</p>", "axe: color-contrast"),
        ("<button></button>", "axe: button-name"),
        ("<div data-explorer>none</div>", "does not answer to the keyboard"),
        ("<div data-explorer><button>deaf</button></div>", "does not answer to the keyboard"),
    ],
)
def test_each_fault_is_found(damaged, browser, text, fault):
    assert fault in "; ".join(faults(browser, damaged(text)))


def test_an_explorable_that_answers_is_none(damaged, browser):
    text = "<input type=range aria-label=x oninput='this.nextSibling.textContent=this.value'>"
    assert faults(browser, damaged(f"<div data-explorer>{text}<output>0</output></div>")) == []


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ('<a href="nowhere.html">x</a>', "introduction.html: broken link nowhere.html"),
        ('<a href="ledger.html#nowhere">x</a>', "broken link ledger.html#nowhere"),
        ('<a href="#nowhere">x</a>', "broken link #nowhere"),
        ('<img src="x.png">', "no alternative text on x.png"),
        ('<svg role="img"></svg>', "no alternative text on a drawing"),
        ("x" * 400_000, "introduction.html: too large"),
    ],
)
def test_each_fault_of_the_files_is_found(damaged, monkeypatch, text, fault):
    monkeypatch.setattr(looks, "PAGE_LIMIT", 400_000)
    monkeypatch.setattr(looks, "BOOK_LIMIT", 1_000_000)
    found = unsound(damaged(text).parents[1])
    assert fault in "; ".join(found[:-1]) and found[-1] == "the book is too large"


@pytest.mark.parametrize(
    "link", ["ledger.html#claim-s2", "https://example.org/nowhere", "data:text/csv,1", "mailto:a@b"]
)
def test_other_links_are_none(damaged, link):
    assert unsound(damaged(f'<a href="{link}">x</a>').parents[1]) == []
