"""The book as one PDF: words, pictures, links and outline are in it, and what is missing is said in
one line.
"""

import re

import pytest
from helpers import refuses

from schurkit_press import build as pdf
from schurkit_press.build import BuildError, print_book

pytestmark = pytest.mark.book


def test_the_pdf_is_tagged_and_its_page_has_pictures_styles_and_captioned_tables(pages, browser):
    """Chromium leaves out what it does not find, and says nothing."""
    root = pages.parents[1]
    path = print_book(root, browser)
    content = path.read_bytes()
    assert content.startswith(b"%PDF-") and content.rstrip().endswith(b"%%EOF")
    assert b"/StructTreeRoot" in content and b"/Outlines" in content
    assert len(re.findall(rb"/Type /Page\b", content)) > 5
    assert b"file://" not in content  # no link to this machine
    assert not list(path.parent.glob("*.part"))
    (made,) = (root / "_build" / "single").rglob("all.html")
    assert 'id="small-table"' in made.read_text() and 'class="dataframe"' not in made.read_text()
    page = browser.new_page()
    page.goto(made.as_uri(), wait_until="load")
    widths = page.evaluate("[...document.querySelectorAll('article img')].map(i => i.naturalWidth)")
    sheets = page.evaluate("[...document.styleSheets].map(sheet => sheet.href ?? '')")
    page.close()
    assert widths and all(widths) and any("/sphinx-book-theme" in sheet for sheet in sheets)


def test_a_missing_picture_is_said(pages, browser, tmp_path, monkeypatch):
    page = tmp_path / "all.html"
    page.write_text('<html><body><article><img src="_images/lost.svg"></article></body></html>')
    monkeypatch.setattr(pdf, "_one_page", lambda root, staged: page)
    with pytest.raises(
        BuildError, match=r"pictures or styles of the page are missing: lost\.svg\."
    ):
        print_book(pages.parents[1], browser)
    assert not list((pages.parents[1] / "_build").glob("*.part"))


def test_nothing_built_and_no_browser_are_said_in_one_line(tmp_path, pages, monkeypatch):
    refuses(r"there is no book to print; build it with 'make book'\.", print_book, tmp_path)
    monkeypatch.setattr(pdf, "chromium", lambda: None)
    refuses(
        r"a PDF cannot be printed here: Chromium is not installed\.", print_book, pages.parents[1]
    )
