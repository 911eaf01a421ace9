"""The build: from notebooks to pages, twice the same, and never half a page."""

import io
import json
import re
from contextlib import redirect_stdout
from html import unescape

import pytest
import yaml
from helpers import refuses
from press.small_book import REPOSITORY, a_book, cell, notebook, small_chapter, write_book

from schurkit_press import build as module
from schurkit_press.book import Book
from schurkit_press.build import HTML, BuildError, build, plan_build, stage
from schurkit_press.pages import page
from schurkit_press.status import status_page


def of(code, title="# Plain"):
    """The cells of a chapter of one line of code."""
    return notebook(cell(title, kind="markdown"), cell(code))


@pytest.fixture
def plain(tmp_path):
    return write_book(tmp_path / "book", {"plain": of("1 + 1")})


@pytest.fixture
def rendered(monkeypatch):
    """Whether each rendering was strict, in place of Jupyter Book."""
    calls = []

    def render(root, staged, strict):
        calls.append(strict)
        (root / HTML).mkdir(exist_ok=True)

    monkeypatch.setattr(module, "render", render)
    return calls


def built(root, **options):
    """What a build says."""
    with redirect_stdout(io.StringIO()) as said:
        build(plan_build(root), **options)
    return said.getvalue().splitlines()


def html_of(root, page):
    return (root / HTML / page).read_text()


def text_of(root, page):
    words = unescape(re.sub(r"<[^>]+>", " ", html_of(root, page)))
    return re.sub(r" (?=[.,;:])", "", " ".join(words.split()))


# ---------------------------------------------------------------------------------------- the pages
def test_figures_tables_numbers_and_claims_of_a_chapter(built_book):
    page = html_of(built_book, "notebooks/small.html")
    svg = r'<img alt="Line that rises from 0\.90\."[^>]*src="\.\./_images/[0-9a-f]+\.svg"'
    for part in (svg, '<figure[^>]*id="small-figure"', '<table class="table"[^>]*id="small-table"'):
        assert re.search(part, page)
    link = re.search(r'<a download="small-figure.csv" href="\.\./(_static/[\w/.-]+)"', page)
    csv = html_of(built_book, link[1]).splitlines()
    assert csv[:2] == ["seed,accuracy,kind", "0,0.9,a|b"]
    assert not [one for one in ("schurkit-live", "data:text/csv", "dataframe") if one in page]
    assert 'href="../book/ledger.html#claim-s2"' in page
    text = text_of(built_book, "notebooks/small.html")
    assert "Accuracy for each seed" in text and "reproduced The couplings from" in text
    assert "See Fig. 1 and Table 1. The mean accuracy is 0.500" in text
    assert re.search(r"over 3 networks \( ?undefined ?\)", text)
    assert "Elsewhere: 0.5" in text_of(built_book, "notebooks/second.html")


def test_the_ledger_and_the_status_page_are_filled(built_book):
    ledger = text_of(built_book, "book/ledger.html")
    assert "Here: 0.61 [0.6, 0.62], 12 networks: reproduced" in ledger and "53 not run" in ledger
    assert "0.004, 3 networks: – (the value itself satisfies the rule)" in ledger
    text, page = text_of(built_book, "book/status.html"), html_of(built_book, "book/status.html")
    for said in (
        r"This copy is the quick edition\.",
        r"stand\? seeds = 3 none – – \d+ \d{4}-\d\d-\d\d unknown .* cores",
        r"Versions: python 3\.",
        r"This copy: 3 chapters in [\d.]+ (s|min)\.",
        r"rate = 0\.001, plot = True, sizes = \[2, 4\], start = 'orthogonal', title = 's",
    ):
        assert re.search(said, text), said
    for name in ("small-figure", "small-table"):
        file = f"_static/data/small/{name}.csv"
        assert f'href="../{file}"' in page and (built_book / HTML / file).is_file()
        assert f'href="../notebooks/small.html#{name}"' in page


def test_a_chapter_can_be_taken_along_with_and_without_results(built_book):
    page = html_of(built_book, "notebooks/small.html")
    for place, run in (("_static/data/clean", False), ("_sources/notebooks", True)):
        assert f'<a download href="../{place}/small.ipynb">' in page
        cells = json.loads(html_of(built_book, f"{place}/small.ipynb"))["cells"]
        assert any(cell.get("outputs") for cell in cells) == run


def test_status_shows_where_chapters_differ_and_which_are_missing():
    first = {"changed": {"a|b": "x"}, "seconds": 3.2, "date": "2026-01-02", "commit": "abc"}
    first |= {"versions": {"numpy": "2"}, "device": "first", "values": {}, "training": None}
    second = first | {"device": "second", "training": {"networks": 20, "core_seconds": 61.5}}
    notebooks = {
        run["device"]: {"metadata": {"schurkit": {"run": run}}} for run in (first, second)
    } | {"third": None}
    text = status_page(
        a_book(notebooks=notebooks, chapters=dict.fromkeys(notebooks), edition="book")
    )
    for said in (
        "{doc}`../notebooks/first` | – | `a\\|b = 'x'` | – | – | 3 | 2026-01-02 | `abc` | first |",
        "| 20 | 62 | 3 | 2026-01-02 | `abc` | second |",
        "2 chapters in **6.4 s**, after **62 s** of processor time for training 20 networks.",
        "- Versions: numpy 2",
        "did not run them: third.",
    ):
        assert said in text


# -------------------------------------------------------------------------------------------- again
def test_nothing_is_done_twice(built_book):
    ran = []
    said = built(built_book, report=lambda name, outcome: ran.append(name))
    assert said == ["The pages are up to date."] and ran == []


def test_pages_that_something_else_wrote_are_built_again(plain, rendered):
    page, ran = plain / "book" / "glossary.md", []
    for change, rendering, runs in (
        (lambda: None, 1, 1),
        (lambda: None, 1, 1),
        (lambda: (plain / HTML / "other.html").touch(), 2, 1),
        (lambda: page.write_text(page.read_text() + "\nMore.\n"), 3, 1),
        (lambda: None, 4, 2),
    ):
        change()
        built(plain, force=rendering == 4, report=lambda name, outcome: ran.append(outcome))
        assert rendered == [True] * rendering and len(list(filter(None, ran))) == runs


# ---------------------------------------------------------------------------------- what goes wrong
def test_what_goes_wrong_is_named_and_leaves_the_old_pages(tmp_path):
    """A cell that fails; then a reference, words on stderr and a number that nobody recorded."""
    root = write_book(tmp_path / "book", {"bad": of("1 / 0")})
    (root / HTML).mkdir(parents=True)
    (root / HTML / "index.html").write_text("old")
    with pytest.raises(BuildError, match=r"cell 2 of 2 \(1 / 0\) failed with ZeroDivisionError: "):
        built(root)
    page = root / "book" / "introduction.md"
    page.write_text(page.read_text() + "\nSee {ref}`nowhere`.\n")
    number = cell("Here {glue:text}`published.nowhere:.2f`.", kind="markdown")
    bad = of("import sys; print('x', file=sys.stderr)")
    (root / "notebooks" / "bad.ipynb").write_text(
        json.dumps(bad | {"cells": [*bad["cells"], number]})
    )
    with pytest.raises(BuildError) as caught:
        built(root)
    for problem in (
        r"book/introduction\.md:\d+: WARNING: undefined label: 'nowhere'",
        "stderr was found in the cell outputs of cell 2",
        r"No key 'published\.nowhere' found in glue data",
    ):
        assert re.search(problem, str(caught.value))
    assert (root / HTML / "index.html").read_text() == "old"
    assert str(root / "_build" / "stage") not in str(caught.value)
    assert "nowhere" in (root / "_build" / "jupyter-book.log").read_text()


# ---------------------------------------------------------------------------------- parts of a book
def test_only_runs_the_chosen_chapters_and_shows_the_last_run_of_the_others(
    tmp_path, rendered, capsys
):
    root = write_book(tmp_path / "book", {"small": small_chapter(), "plain": of("1")})
    plan = plan_build(root, only=["plain"])
    assert [job.chapter.name for job in plan.jobs] == ["plain"] and plan.executed["small"] is None
    build(plan)
    assert rendered == [False] and capsys.readouterr()[0].startswith(
        "Not for publishing: small shown without results."
    )
    folder = root / "_build" / "executed"
    for name in ("0" * 16, "1" * 16, f"{'2' * 16}.failed"):
        (folder / f"small-{name}.ipynb").write_text("{}")
    assert plan_build(root, only=["plain"]).executed["small"].name == f"small-{'1' * 16}.ipynb"


def test_the_chapter_that_took_longest_when_published_runs_first(tmp_path, monkeypatch):
    root = write_book(tmp_path / "book", {name: of("1") for name in ("short", "long", "new")})
    took = {name: {"provenance": {"seconds": one}} for name, one in (("short", 3), ("long", 80))}
    order = []

    def run_due(root, due, *more):
        order.extend(job.chapter.name for job in due)
        raise BuildError("that is enough")

    monkeypatch.setattr(Book, "published", took)
    monkeypatch.setattr(module, "run_due", run_due)
    with pytest.raises(BuildError, match="enough"):
        build(plan_build(root))
    assert order == ["new", "long", "short"]


# ---------------------------------------------------------------------------------------- the stage
def test_the_stage_says_which_book_and_edition_it_is_of(plain):
    book = Book(plain, "book", executed={"plain": None})
    (plain / "notebooks" / "plain.old.ipynb").mkdir()  # what lies beside is none of ours
    config = yaml.safe_load((stage(book) / "_config.yml").read_text())
    told = config["sphinx"]["config"].pop("schurkit_staged")
    assert told == {"book": str(plain), "edition": "book", "executed": {"plain": False}}
    assert config == yaml.safe_load((REPOSITORY / "_config.yml").read_text())
    (plain / "_config.yml").write_text("a: [")
    refuses(r"_config\.yml is not valid YAML", stage, book)


def test_a_chapter_without_a_run_is_shown_as_it_stands(plain, tmp_path):
    book = Book(plain, executed={"plain": None})
    shown = json.loads(page(book, "notebooks/plain", "", tmp_path))["cells"]
    assert shown[1]["outputs"] == [] and shown[-1]["id"] == "downloads"
    assert "did not run them: plain." in page(
        book, "book/status", "<!-- page: status -->", tmp_path
    )
