"""Editions: parameters of each chapter, checked against the notebooks."""

import re

import pytest
from helpers import refuses
from press.small_book import cases, small_chapter, write_book

from schurkit_press.book import editions
from schurkit_press.chapters import chapters


def book(tmp_path, text):
    root = write_book(tmp_path / "book", {"small": small_chapter()}, editions=text)
    return root, chapters(root)


def test_an_edition_holds_what_differs_from_the_defaults(tmp_path):
    root, known = book(
        tmp_path,
        "quick: {purpose: fast}\nbook:\n  purpose: more\n  chapters:\n    small: {seeds: 20, "
        "rate: 1e-3}\n",
    )
    assert editions(root, known)["quick"] == {}
    edition = editions(root, known)["book"]
    # YAML reads 1e-3 as text; it is the default of a float all the same
    assert edition == {"small": {"seeds": 20}}


@pytest.mark.parametrize(
    ("text", "message"),
    cases("""
[ → is not valid YAML
"" → must map the name of each edition
quick: fast → quick must have a purpose
quick: {purpose: x, chapter: {}} → quick must have a purpose
quick: {purpose: x, chapters: [small]} → quick: chapters must map a chapter to its parameters
quick: {purpose: x, chapters: {smal: {}}} → quick: there is no chapter 'smal'; did you mean 'small'?
quick: {purpose: x, chapters: {small: [seeds]}} → quick: small must map parameters to values
quick: {purpose: x, chapters: {small: {seed: 3}}} → quick: small has no parameter 'seed'; did you
    mean 'seeds'?
quick: {purpose: x, chapters: {small: {seeds: many}}} → quick: parameter seeds takes a whole number;
    got 'many'
"""),
)
def test_a_malformed_edition_is_one_clear_line(tmp_path, text, message):
    root, known = book(tmp_path, text)
    refuses(re.escape(message), editions, root, known)


def test_a_book_without_editions_is_told(tmp_path):
    root, known = book(tmp_path, "")
    (root / "book" / "editions.yml").unlink()
    refuses(r"there is no book/editions\.yml", editions, root, known)
