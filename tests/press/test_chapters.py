"""Chapters and parameters: what a notebook declares, and what a value given for it may be."""

import json
import re

import pytest
from helpers import refuses
from papermill import inspect_notebook
from press.small_book import (
    PARAMETERS,
    REPOSITORY,
    cases,
    cell,
    notebook,
    small_chapter,
    write_book,
)

from schurkit_press.book import Book
from schurkit_press.chapters import book_root, chapter_named, chapters, read_chapter
from schurkit_press.parameters import Parameter


def written(folder, content, name="small"):
    path = folder / f"{name}.ipynb"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def with_parameters(source):
    return notebook(cell("# Title", kind="markdown"), cell(source, tags=["parameters"]))


def test_a_chapter_says_its_title_parameters_and_networks(tmp_path):
    chapter = read_chapter(written(tmp_path, small_chapter(trains=True)))
    assert (chapter.name, chapter.title) == ("small", "Does a small book stand?")
    assert chapter.networks.splitlines()[:2] == [
        "from schurkit.tasks import Copy",
        "from schurkit.training import Phase, Recipe, Study",
    ]
    lines = [f"{p.name}: {p.kind} = {p.default!r}  # {p.help}" for p in chapter.parameters]
    assert "\n".join(lines) == PARAMETERS.replace('"', "'").replace("1e-3", "0.001")


def test_papermill_sees_the_same_parameters(tmp_path):
    """Papermill injects by name: what we accept must be what it knows (its pattern has no choices
    and no '#' in texts).
    """
    lines = [line for line in PARAMETERS.splitlines() if not line.startswith(("start", "title"))]
    small = written(tmp_path, with_parameters("\n".join(lines)))
    for path in (small, *(one.path for one in chapters(REPOSITORY).values())):
        assert list(inspect_notebook(path)) == [one.name for one in read_chapter(path).parameters]


@pytest.mark.parametrize(
    ("source", "message"),
    cases("""
seeds = 3 → line 1: write 'name: kind = default  # help'; got 'seeds = 3'
seeds: int → line 1: write 'name: kind = default  # help'; got 'seeds: int'
a: int = 1; seeds: int = len([1]) → write 'name: kind = default  # help' with a plain default
seeds: dict = {} → where kind is int, float, bool, str, list[…] of one of them, or Literal of texts;
    got 'dict'
seeds: Literal[1, 2] = 1 → or Literal of texts
seeds: Literal["a"] | None = "a" → or Literal of texts
seeds: int = 2.5 → seeds takes a whole number; its default is 2.5
seeds: int = '2' → seeds takes a whole number; its default is '2'
start: Literal['a', 'b'] = 'c' → start takes one of 'a', 'b'; its default is 'c'
seeds: int = → the parameters cell is not valid Python
"""),
)
def test_a_parameters_cell_must_be_plain(tmp_path, source, message):
    refuses(re.escape(message), read_chapter, written(tmp_path, with_parameters(source)))


def test_what_is_no_notebook_is_named(tmp_path):
    for content in ("not json", "{}", "[]"):
        path = written(tmp_path, content)
        refuses(r"small\.ipynb cannot be read as a notebook", read_chapter, path)
    two = [cell(f"{name}: int = 1", tags=["parameters"]) for name in "ab"]
    message = "must have one cell tagged 'parameters'; it has 2"
    refuses(message, read_chapter, written(tmp_path, notebook(*two)))


# ------------------------------------------------------------------------------------------- values
@pytest.mark.parametrize(
    ("kind", "text", "value"),
    cases("""
int → 5 → 5
int → -5 → -5
float → 1e-3 → 0.001
float → -.5 → -0.5
float → 3 → 3.0
bool → true → True
bool → False → False
str → 1e-3 → '1e-3'
str → __import__('os') → "__import__('os')"
list[int] → 1,2, 3 → [1, 2, 3]
list[int] → [1, 2] → [1, 2]
list[int] → [] → []
list[float] → [1e-3, 2] → [0.001, 2.0]
list[str] → [a, b] → ['a', 'b']
list[str] → ["a,b", "c"] → ['a,b', 'c']
list[bool] → true,false → [True, False]
"""),
)
def test_a_value_is_read_by_its_declared_kind(kind, text, value):
    assert repr(Parameter("x", kind, None, "").parse(text)) == value  # which shows the type


@pytest.mark.parametrize(
    ("kind", "values", "expected"),
    cases("""
int → ["5.0", "1e3", "2+2", "1_000", "٣", 2.0, true] → a whole number
float → ["nan", "inf", "1e999", "1_000", true, null, BIG] → a number such as
bool → ["1", "yes", 1] → true or false
str → [3] → text
list[int] → ["1,b", "[1, 2", "[[1]]", 3, "BIG"] → a list of whole numbers
list[float] → ["{}"] → a list of numbers
"""),
)
def test_another_kind_of_value_is_refused_and_nothing_is_evaluated(kind, values, expected):
    big = "9" * (5000 if kind == "list[int]" else 400)
    for given in json.loads(values.replace("BIG", big)):
        refuses(f"parameter x takes {expected}", Parameter("x", kind, None, "").parse, given)


def test_the_values_of_a_chapter(tmp_path):
    """Those that equal the default are dropped; an unknown name is refused with the nearest."""
    values = read_chapter(written(tmp_path, small_chapter())).values
    given = {"seeds": "3", "rate": "0.001", "sizes": "2,4", "plot": "false", "start": "dense"}
    assert values(given) == {"plot": False, "start": "dense"}
    refuses("start takes one of 'orthogonal', 'dense'; got '3'", values, {"start": "3"})
    refuses("small has no parameter 'zzz'; it has seeds, rate, plot", values, {"zzz": "3"})
    none = read_chapter(written(tmp_path, notebook(cell("1"))))
    refuses("small has no parameter 'zzz'; there is none", none.values, {"zzz": "3"})
    assert none.parameters == () and none.title == "small"


# -------------------------------------------------------------------------------- the book's folder
def test_chapters_come_in_the_order_of_the_book_and_have_their_names(tmp_path):
    root = write_book(tmp_path / "book", {"second": small_chapter(), "first": small_chapter()})
    assert list(chapters(root)) == ["second", "first"]
    refuses(r"there is no chapter '\.\./first'", chapter_named, root, "../first")
    (root / "notebooks" / "first.ipynb").unlink()
    missing = r"_toc.yml lists 'notebooks/first', but there is no such page or notebook"
    refuses(missing, chapters, root)
    (root / "_toc.yml").write_text("root: [")
    refuses(r"_toc\.yml is not valid YAML", chapters, root)


def test_the_book_is_found_from_inside_it(tmp_path, monkeypatch):
    monkeypatch.delenv("SCHURKIT_BOOK", raising=False)
    root = write_book(tmp_path / "book", {"small": small_chapter()})
    monkeypatch.chdir(root / "notebooks")
    assert book_root() == root
    monkeypatch.chdir(tmp_path)
    refuses("there is no book here or in a folder above", book_root)
    monkeypatch.setenv("SCHURKIT_BOOK", str(root))
    assert book_root() == root


# ----------------------------------------------------------------------------------------- editions
def book(tmp_path, text):
    return write_book(tmp_path / "book", {"small": small_chapter()}, editions=text)


def test_an_edition_holds_what_differs_from_the_defaults(tmp_path):
    root = book(
        tmp_path,
        "quick: {purpose: fast}\nbook:\n  purpose: more\n  chapters:\n    small: {seeds: 20, "
        "rate: 1e-3}\n",
    )
    assert Book(root).editions["quick"] == {}
    edition = Book(root).editions["book"]
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
    root = book(tmp_path, text)
    refuses(re.escape(message), lambda: Book(root).editions)


def test_a_book_without_editions_is_told(tmp_path):
    root = book(tmp_path, "")
    (root / "book" / "editions.yml").unlink()
    refuses(r"there is no book/editions\.yml", lambda: Book(root).editions)
