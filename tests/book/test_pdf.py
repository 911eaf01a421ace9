"""The book as one PDF: words, pictures, links and outline are in it, and what is missing is said in one line."""

import re

import pytest

from schurkit import InputError
from schurkit.publish import browse
from schurkit.publish.pdf import print_book

pytestmark = pytest.mark.book


def test_the_pdf_is_tagged_with_links_and_outline(pages, browser):
    path = print_book(pages.parents[1], browser)
    content = path.read_bytes()
    assert content.startswith(b"%PDF-") and content.rstrip().endswith(b"%%EOF")
    assert b"/StructTreeRoot" in content and b"/Outlines" in content
    assert len(re.findall(rb"/Type /Page\b", content)) > 5
    assert b"file://" not in content  # no link to this machine
    assert not list(path.parent.glob("*.part"))


def test_nothing_built_and_no_browser_are_said_in_one_line(tmp_path, pages, monkeypatch):
    with pytest.raises(InputError, match=r"there is no book to print; build it with 'make book'\."):
        print_book(tmp_path)
    monkeypatch.setattr(browse, "chromium", lambda: None)
    with pytest.raises(InputError, match=r"a PDF cannot be printed here: Chromium is not installed\."):
        print_book(pages.parents[1])
