"""The check of built pages: each kind of finding is found, and a sound book has none."""

import json
import shutil

import pytest
from press.small_book import small_chapter, write_book

from schurkit.checks import InputError
from schurkit_press.check import Finding, check_book

HTML = "_build/html"


@pytest.fixture
def copy(built_book, tmp_path):
    """A copy of the small book that a test may damage."""
    shutil.copytree(built_book, tmp_path / "book")
    return tmp_path / "book"


def problems(root):
    return [str(finding) for finding in check_book(root) if finding.is_problem]


def damage(root, page, old, new):
    path = root / HTML / page
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def test_a_sound_book_has_no_problems(built_book):
    assert problems(built_book) == []


def test_an_image_without_alternative_text_is_a_problem(copy):
    damage(copy, "notebooks/small.html", 'alt="Line that rises from 0.90."', "")
    assert problems(copy)[0].startswith(
        "problem: notebooks/small.html: no alternative text on ../_images/"
    )


@pytest.mark.parametrize("link", ["nowhere.html", "../book/ledger.html#nowhere", "#nowhere"])
def test_a_link_that_leads_nowhere_is_a_problem(copy, link):
    damage(copy, "notebooks/small.html", "</article>", f'<a href="{link}">x</a></article>')
    assert problems(copy) == [f"problem: notebooks/small.html: broken link {link}"]


@pytest.mark.parametrize(
    "link",
    [
        "../book/ledger.html#claim-s2",
        "#small-figure",
        "https://example.org/nowhere",
        "data:text/csv,1",
        "mailto:a@b.c",
    ],
)
def test_other_links_are_none(copy, link):
    damage(copy, "notebooks/small.html", "</article>", f'<a href="{link}">x</a></article>')
    assert problems(copy) == []


@pytest.mark.parametrize(
    ("element", "noted"),
    [
        ('<script src="https://a.example/x.js"></script>', True),
        ('<link rel="stylesheet" href="//a.example/x.css">', True),
        ('<img alt="" src="http://a.example/x.png">', True),
        ('<link rel="canonical" href="https://a.example/">', False),
        ('<a href="https://a.example/">x</a>', False),
    ],
)
def test_what_a_page_fetches_from_elsewhere_is_noted(copy, element, noted):
    damage(copy, "book/status.html", "</article>", element + "</article>")
    notes = [str(finding) for finding in check_book(copy) if not finding.is_problem]
    assert (
        any(
            note.startswith("note: book/status.html: fetches ") and "a.example" in note
            for note in notes
        )
        is noted
    )


def test_a_chapter_that_was_not_run_or_has_no_page_is_a_problem(copy):
    path = copy / HTML / "_sources" / "notebooks" / "small.ipynb"
    content = json.loads(path.read_text())
    for cell in content["cells"]:
        if cell["cell_type"] == "code":
            cell |= {"execution_count": None, "outputs": []}
    path.write_text(json.dumps(content))
    assert problems(copy) == ["problem: small: was not run"]
    path.unlink()
    assert "problem: small: has no page" in problems(copy)


def test_a_figure_that_was_not_shown_with_its_words_is_a_problem(copy):
    path = copy / HTML / "_sources" / "notebooks" / "small.ipynb"
    path.write_text(path.read_text().replace('"alt": "Line that rises from 0.90."', '"alt": ""'))
    assert problems(copy) == [
        "problem: small: a figure has no alternative text; show it with schurkit.nb.show"
    ]


def test_without_pages_there_is_nothing_to_check(tmp_path):
    root = write_book(tmp_path / "book", {"small": small_chapter()})
    with pytest.raises(
        InputError, match=r"there are no pages in _build/html; build them with 'make book'"
    ):
        check_book(root)


def test_problems_come_first_and_notes_are_none():
    assert str(Finding("a", "b", is_problem=False)) == "note: a: b"


def test_a_page_or_a_book_that_is_too_large_is_a_problem(copy, monkeypatch):
    monkeypatch.setattr("schurkit_press.check.PAGE_LIMIT", 300_000)
    damage(copy, "notebooks/small.html", "</article>", "x" * 300_000 + "</article>")
    assert "problem: notebooks/small.html: takes 0.3 MB; the limit is 0.3 MB" in problems(copy)
    monkeypatch.setattr("schurkit_press.check.BOOK_LIMIT", 1_000_000)
    assert any(finding.startswith("problem: the book: takes ") for finding in problems(copy))


def test_a_drawing_without_a_name_is_a_problem(copy):
    damage(copy, "notebooks/small.html", "</article>", '<svg role="img"></svg></article>')
    assert problems(copy) == ["problem: notebooks/small.html: no alternative text on a drawing"]
