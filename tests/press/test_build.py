"""The build: from notebooks to pages, twice the same, and never half a page."""

import json
import re
from html import unescape

import pytest
import yaml
from press.small_book import REPOSITORY, a_book, cell, notebook, small_chapter, write_book

from schurkit.checks import InputError
from schurkit_press import build as module
from schurkit_press.book import Book
from schurkit_press.build import HTML, BuildError, build, plan_build
from schurkit_press.pages import page
from schurkit_press.stage import stage
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
    said = []
    build(root, plan_build(root), **{"say": said.append} | options)
    return said


def text_of(root, page):
    words = unescape(re.sub(r"<[^>]+>", " ", (root / HTML / page).read_text()))
    return re.sub(r" (?=[.,;:])", "", " ".join(words.split()))


# ---------------------------------------------------------------------------------------- the pages
def test_a_figure_has_number_caption_alternative_text_and_its_numbers(built_book):
    page = (built_book / HTML / "notebooks" / "small.html").read_text()
    assert re.search(
        r'<img alt="Line that rises from 0\.90\."[^>]*src="\.\./_images/[0-9a-f]+\.svg"', page
    )
    assert re.search(r'<figure[^>]*id="small-figure"', page)
    assert "Fig. 1" in page and "Accuracy for each seed" in page
    link = re.search(
        r'<a download="small-figure.csv" href="\.\./(_static/data/small/small-figure\.csv)"', page
    )
    assert (built_book / HTML / link[1]).read_text().splitlines()[:2] == [
        "seed,accuracy,kind",
        "0,0.9,a|b",
    ]
    assert "schurkit-live" not in page and "data:text/csv" not in page


def test_a_table_is_part_of_the_page(built_book):
    page = (built_book / HTML / "notebooks" / "small.html").read_text()
    assert re.search(r'<table class="table"[^>]*id="small-table"', page) and "Table 1" in page
    assert "dataframe" not in page


def test_numbers_in_prose_come_from_what_was_recorded(built_book):
    text = text_of(built_book, "notebooks/small.html")
    assert re.search(
        r"See Fig\. 1 and Table 1\. The mean accuracy is 0\.500 over 3 networks \( ?undefined ?\)",
        text,
    )
    assert re.search(r"Elsewhere: 0\.5", text_of(built_book, "notebooks/second.html"))


def test_a_claim_leads_to_the_ledger(built_book):
    page = (built_book / HTML / "notebooks" / "small.html").read_text()
    assert "<strong>reproduced</strong> The couplings from" in page
    assert 'href="../book/ledger.html#claim-s2"' in page


def test_the_ledger_lists_every_claim_with_its_verdict(built_book):
    text = text_of(built_book, "book/ledger.html")
    assert "Here: 0.61 [0.6, 0.62], 12 networks: reproduced" in text
    assert "0.004, 3 networks: – (the value itself satisfies the rule)" in text
    assert "53 not run" in text


def test_the_status_page_says_how_each_chapter_was_run(built_book):
    text = text_of(built_book, "book/status.html")
    assert "This copy is the quick edition." in text
    assert re.search(
        r"Does a small book stand\? seeds = 3 none – – \d+ \d{4}-\d\d-\d\d unknown .* cores", text
    )
    assert "Versions: python 3." in text and re.search(r"This copy: 2 chapters in \d+ s\.", text)


def test_a_chapter_can_be_taken_along_with_and_without_results(built_book):
    page = (built_book / HTML / "notebooks" / "small.html").read_text()
    outputs = []
    for place in ("_static/data/clean/small.ipynb", "_sources/notebooks/small.ipynb"):
        assert f'<a download href="../{place}">' in page
        cells = json.loads((built_book / HTML / place).read_text())["cells"]
        outputs.append(any(cell.get("outputs") for cell in cells))
    assert outputs == [False, True]


def test_the_status_page_has_every_parameter_and_the_numbers_behind_every_figure(built_book):
    assert (
        "Parameters: seeds = 3, rate = 0.001, plot = True, sizes = [2, 4], start = 'orthogonal', "
        "title = 'small # book'." in text_of(built_book, "book/status.html")
    )
    page = (built_book / HTML / "book" / "status.html").read_text()
    for name in ("small-figure", "small-table"):
        assert (
            f'href="../_static/data/small/{name}.csv"' in page
            and f'href="../notebooks/small.html#{name}"' in page
        )
        assert (built_book / HTML / "_static" / "data" / "small" / f"{name}.csv").is_file()


def test_status_shows_where_chapters_differ_and_which_are_missing():
    run = {
        "changed": {"a|b": "x"},
        "seconds": 3.2,
        "date": "2026-01-02",
        "commit": "abc",
        "versions": {"numpy": "2"},
        "device": "one",
    }
    notebooks = {
        name: {"metadata": {"schurkit": {"run": {**run, "device": name}}}}
        for name in ("first", "second")
    } | {"third": None}
    notebooks["second"]["metadata"]["schurkit"]["run"]["training"] = {
        "networks": 20,
        "core_seconds": 61.5,
    }
    text = status_page(
        a_book(notebooks=notebooks, chapters=dict.fromkeys(notebooks), edition="book")
    )
    assert (
        "| {doc}`../notebooks/first` | – | `a\\|b = 'x'` | – | – | 3 | 2026-01-02 | `abc` | first |"
        in text
    )
    assert "| 20 | 62 | 3 | 2026-01-02 | `abc` | second |" in text
    assert (
        "This copy: 2 chapters in **6 s**, after **62 s** of processor time for training 20 "
        "networks." in text
    )
    assert "- Versions: numpy 2" in text
    assert "did not run them: third." in text


# -------------------------------------------------------------------------------------------- again
def test_nothing_is_done_twice(built_book):
    ran = []
    said = built(built_book, report=lambda name, outcome: ran.append(name))
    assert said == ["The pages are up to date."] and ran == []


def test_pages_that_something_else_wrote_are_built_again(plain, rendered):
    page = plain / "book" / "glossary.md"
    for change, count in (
        (lambda: None, 1),
        (lambda: None, 1),
        (lambda: (plain / HTML / "other.html").touch(), 2),
        (lambda: page.write_text(page.read_text() + "\nMore.\n"), 3),
    ):
        change()
        built(plain)
        assert rendered == [True] * count


# ---------------------------------------------------------------------------------- what goes wrong
@pytest.mark.parametrize(
    ("code", "more", "problem"),
    [
        ("1 / 0", "", r"cell 2 of 2 \(1 / 0\) failed with ZeroDivisionError: division by zero"),
        (
            "1",
            "\nSee {ref}`nowhere`.\n",
            r"book/introduction\.md:\d+: WARNING: undefined label: 'nowhere'",
        ),
        (
            "import sys; print('x', file=sys.stderr)",
            "",
            "stderr was found in the cell outputs of cell 2",
        ),
    ],
)
def test_what_goes_wrong_is_named_and_leaves_the_old_pages(code, more, problem, tmp_path):
    root = write_book(tmp_path / "book", {"bad": of(code)})
    page = root / "book" / "introduction.md"
    page.write_text(page.read_text() + more)
    (root / HTML).mkdir(parents=True)
    (root / HTML / "index.html").write_text("old")
    with pytest.raises(BuildError, match=problem) as caught:
        built(root)
    assert (root / HTML / "index.html").read_text() == "old"
    assert str(root / "_build" / "stage") not in str(caught.value)
    assert not more or "nowhere" in (root / "_build" / "jupyter-book.log").read_text()


# ---------------------------------------------------------------------------------- parts of a book
def test_only_runs_the_chosen_chapters_and_shows_the_last_run_of_the_others(tmp_path, rendered):
    root = write_book(tmp_path / "book", {"small": small_chapter(), "plain": of("1")})
    plan, said = plan_build(root, only=["plain"]), []
    assert [job.chapter.name for job in plan.jobs] == ["plain"] and plan.others == {"small": None}
    build(root, plan, say=said.append)
    assert rendered == [False] and said == ["Not for publishing: small shown without results."]
    folder = root / "_build" / "executed"
    for name in ("0" * 16, "1" * 16, f"{'2' * 16}.failed"):
        (folder / f"small-{name}.ipynb").write_text("{}")
    assert plan_build(root, only=["plain"]).others["small"].name == f"small-{'1' * 16}.ipynb"


def test_the_chapter_that_took_longest_when_published_runs_first(tmp_path, monkeypatch):
    root = write_book(tmp_path / "book", {name: of("1") for name in ("short", "long", "new")})
    for name, seconds in {"short": 3, "long": 80}.items():
        published = {"chapter": name, "provenance": {"seconds": seconds}, "records": {}}
        folder = root / "book" / "data" / name
        folder.mkdir(parents=True)
        (folder / "results.json").write_text(json.dumps(published | {"schema": 1, "claims": []}))
    order = []

    def run_due(root, due, *more):
        order.extend(job.chapter.name for job in due)
        raise BuildError("that is enough")

    monkeypatch.setattr(module, "run_due", run_due)
    with pytest.raises(BuildError, match="enough"):
        build(root, plan_build(root))
    assert order == ["new", "long", "short"]


def test_a_typing_error_in_only_is_refused(plain):
    with pytest.raises(InputError, match="there is no chapter 'plan'; did you mean 'plain'"):
        plan_build(plain, only=["plan"])


def test_an_edition_runs_with_its_parameters(tmp_path):
    editions = "book: {purpose: x, chapters: {small: {seeds: 20}}}"
    root = write_book(tmp_path / "book", {"small": small_chapter()}, editions)
    assert [job.values for job in plan_build(root, "book").jobs] == [{"seeds": 20}]


def test_force_runs_again_what_was_run(plain, rendered):
    ran = []
    for force, runs in ((False, 1), (False, 1), (True, 2)):
        built(plain, force=force, report=lambda name, outcome: ran.append(outcome))
        assert len(list(filter(None, ran))) == runs


# ---------------------------------------------------------------------------------------- the stage
def test_the_stage_says_which_book_and_edition_it_is_of(plain):
    book = Book(plain, "book", executed={"plain": None})
    config = yaml.safe_load((stage(book) / "_config.yml").read_text())
    told = config["sphinx"]["config"].pop("schurkit_staged")
    assert told == {"book": str(plain), "edition": "book", "executed": {"plain": False}}
    assert config == yaml.safe_load((REPOSITORY / "_config.yml").read_text())
    (plain / "_config.yml").write_text("a: [")
    with pytest.raises(InputError, match=r"_config\.yml is not valid YAML"):
        stage(book)


def test_a_chapter_without_a_run_is_shown_as_it_stands(plain, tmp_path):
    book = Book(plain, executed={"plain": None})
    shown = json.loads(page(book, "notebooks/plain", "", tmp_path))["cells"]
    assert shown[1]["outputs"] == [] and shown[-1]["id"] == "downloads"
    assert "did not run them: plain." in page(
        book, "book/status", "<!-- page: status -->", tmp_path
    )
