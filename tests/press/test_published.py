"""Published runs: written from an executed chapter, read back, and held against a live run."""

import json
import re
import shutil

import pytest
from helpers import refuses
from press.small_book import PROSE, RECORD, cases, small_chapter, write_book

from schurkit.__main__ import main
from schurkit.claims import load_claims
from schurkit.words import duration
from schurkit_press import build as builder
from schurkit_press.book import agrees, publish, publish_whole, published, strongest
from schurkit_press.build import build, plan_build
from schurkit_press.check import compare
from schurkit_press.status import _whole

EDITIONS = """
quick: {purpose: q}
book: {purpose: b, chapters: {small: {seeds: 5}}}
full: {purpose: f, chapters: {small: {seeds: 8}}}
"""
EFFECTS = """
from schurkit.nb import published
effects = [{"network": seed, "removed": "CR", "delta": seed / 10} for seed in range(seeds)]
table(effects, "small-effects", "Effects.")
published("small-effects")
record("late", seeds / 2)"""
BOTH = (
    "Both: {glue:text}`published.networks:.0f`, {glue:text}`networks:.0f`. Since then: "
    "{glue:text}`published.late:.1f`."
)


@pytest.fixture(scope="module")
def book(tmp_path_factory):
    """A book of one chapter: its book edition (five seeds) is published, nine seeds by hand as the
    full edition, and its quick edition (three) is built. S1 is .5 there and small in both others.
    """
    record = RECORD.replace("0.004", "{3: 0.5, 5: 0.004, 9: 0.002}[seeds]") + EFFECTS
    chapter = small_chapter(record=record, prose=f"{PROSE} {BOTH}")
    root = write_book(tmp_path_factory.mktemp("published") / "book", {"small": chapter}, EDITIONS)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(builder, "render", lambda root, *_, **__: (root / builder.HTML).mkdir())
        build(plan_build(root, "book"))
    assert main(["publish", "--edition", "book", "--book", str(root)]) == 0
    results = root / "book" / "data" / "small" / "results.json"
    # a number that the chapter records since then
    results.write_text(results.read_text().replace('"late"', '"earlier"'))
    own = f"run small -p seeds 9 --out {root / 'runs9'} --book {root}"
    assert main(own.split()) == 0
    kept = f"publish --edition full --only small --notebook {run_of_nine(root)} --book {root}"
    assert main([*kept.split(), "--note", "Kept from before."]) == 0
    build(plan_build(root))
    return root


def run_of_nine(root):
    (run,) = (root / "runs9").glob("small-*.ipynb")
    return run


@pytest.fixture
def results(book):
    """The published results, to be changed; as they were afterwards."""
    path = book / "book" / "data" / "small" / "results.json"
    before = path.read_text()

    def change(do):
        content = json.loads(before)
        do(content)
        path.write_text(json.dumps(content))

    yield change
    path.write_text(before)


def s1(content):
    return next(test for test in content["claims"] if test["id"] == "S1")


def text(root, page):
    """What a built page says, on one line."""
    html = (root / "_build" / "html" / f"{page}.html").read_text()
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", html))


def test_results_carry_numbers_claims_files_and_provenance(book):
    results = published(book)["small"]
    assert results["records"]["networks"] == 5 and results["records"]["undefined"] is None
    assert {told["id"] for told in results["claims"]} == {"S1", "S2"}
    run, (full,) = results["provenance"], results["larger"]
    assert run["command"] == "make book EDITION=book" and run["changed"] == {"seeds": 5}
    assert {"commit", "device", "versions", "date", "seconds"} <= set(run)
    assert full["provenance"]["command"] == "schurkit run small -p seeds '9'"
    assert full["records"]["networks"] == 9 and full["provenance"]["changed"] == {"seeds": 9}
    csv = [
        (book / "book" / "data" / place / "small" / "small-figure.csv").read_text()
        for place in ("", "full")
    ]
    assert csv[0].startswith("seed,accuracy,kind\n")
    assert [len(content.splitlines()) for content in csv] == [6, 10]


def test_the_strongest_test_of_a_claim_is_that_of_the_larger_edition(book, tmp_path):
    results = published(book)["small"]
    for tested in (("full", 0.002), ("book", 0.004)):
        (found,) = (test for test in strongest(results) if test["id"] == "S1")
        assert (found["edition"], found["value"]) == tested
        s1(results["larger"][0])["value"] = None
    # alone, it is the published one
    shutil.copytree(book / "book" / "data" / "full", tmp_path / "book" / "data" / "full")
    assert published(tmp_path)["small"]["provenance"]["edition"] == "full"


def test_the_page_shows_all_runs_the_published_one_first(book):
    """The published numbers, those of this run beside them, and this run's own where none is
    published; a warning where they differ.
    """
    page = text(book, "notebooks/small")
    assert "0.002, 9 networks; here 0.5, 3 networks (disagrees)." in page
    assert "Both: 5, 3. Since then: 1.5." in page
    assert re.search(r"Published: 5 networks, [\d-]+\. This copy: 3 networks, \d+ s on", page)
    assert "3 of its 3 values lie within the range of the published networks" in page
    assert "The full edition of this chapter" in page and "Kept from before." in page
    for place in ("published", "full"):
        data = book / "_build" / "html" / "_static" / "data" / place
        assert (data / "small" / "small-figure.csv").is_file()
    ledger, status = text(book, "book/ledger"), text(book, "book/status")
    assert "Published: 0.61 [0.6, 0.62], 12 networks" in ledger and "✓ reproduced" in ledger
    assert "Published, full edition:" in ledger and "Published of the full edition too" in status
    for told in ("Published runs", "EDITION=book", "Kept from before.", "schurkit run small -p"):
        assert told in status


def test_what_the_whole_edition_took_is_kept_and_told(book, tmp_path):
    told = json.loads((book / "book" / "data" / "whole_run.json").read_text())
    assert {*told} == {"edition", "seconds", "without", "device", "date", "commit"}
    whole = f"edition from nothing, training included: {duration(told['seconds'])} on the"
    assert told["edition"] == "book" and whole in text(book, "book/status")
    with pytest.warns(UserWarning, match="not recorded: whole_run.json cannot be read"):
        (tmp_path / "whole_run.json").write_text("{")
        assert "not recorded" in _whole(tmp_path / "whole_run.json")[0]
    (tmp_path / "whole_run.json").write_text(json.dumps(told | {"without": ["knobs"]}))
    assert "training included, knobs apart: " in _whole(tmp_path / "whole_run.json")[0]
    other = tmp_path / "whole.json"
    other.write_text(json.dumps(told | {"keys": ["x"]}))
    for place in (other, tmp_path / "none.json"):
        publish_whole(book, place, ["y"])
    assert json.loads((book / "book" / "data" / "whole_run.json").read_text()) == told
    other.write_text("[]")
    refuses(r"whole.json cannot be read .*; delete it", publish_whole, book, other, ["x"])


def test_a_build_that_had_chapters_or_networks_is_no_whole_run(book, tmp_path, monkeypatch):
    path = book / "_build" / "whole.json"
    # the last build that had to run every chapter
    assert json.loads(path.read_text())["edition"] == "quick"
    monkeypatch.setattr(builder, "run_due", lambda *_: None)
    (tmp_path / "a.json").write_text("{}")
    for store, force, whole in (("empty", False, False), ("", True, False), ("empty", True, True)):
        path.write_text("as it was")
        monkeypatch.setenv("SCHURKIT_STORE", str(tmp_path / store))
        build(plan_build(book), force=force)
        assert (path.read_text() != "as it was") == whole
    assert json.loads(path.read_text())["edition"] == "quick"
    monkeypatch.setattr(builder, "BY_ITSELF", {"small"})
    build(plan_build(book))
    assert json.loads(path.read_text())["without"] == ["small"]


def test_publishing_again_replaces_the_folder(book, results):
    stale = book / "book" / "data" / "small" / "stale.csv"
    stale.write_text("x")
    assert main(["publish", "--book", str(book)]) == 0
    assert not stale.exists() and not list((book / "book" / "data").glob(".*"))


def test_a_study_by_its_own_time_is_not_published_with_the_rest(book, monkeypatch, capsys):
    monkeypatch.setattr("schurkit_press.book.BY_ITSELF", {"small"})
    assert main(["publish", "--book", str(book)]) == 0
    assert capsys.readouterr().out.startswith("small: left as it is")


def test_results_that_cannot_be_read_or_written_are_one_clear_line(tmp_path):
    place = tmp_path / "book" / "data" / "small"
    place.mkdir(parents=True)
    damaged = {"schema": 1, "provenance": {"edition": "book"}, "records": {}, "claims": []}
    (place / "results.json").write_text(json.dumps(damaged))
    again = r"book/data/small/results.json cannot be read .*'schurkit publish --edition book'"
    refuses(again, published, tmp_path)
    path = tmp_path / "x.ipynb"
    path.write_text(json.dumps({"cells": [], "metadata": {}}))
    refuses("does not say how it was run", publish, tmp_path, "book", "x", path)


@pytest.mark.parametrize(
    ("live", "kept", "same"),
    cases("""
[0.6, null] → [0.65, null] → True
[0.6, null] → [0.9, null] → False
[0.6, [0.55, 0.65]] → [0.7, [0.68, 0.72]] → False
[0.6, [0.55, 0.69]] → [0.7, [0.68, 0.72]] → True
[null, null] → [0.7, null] → None
"""),
)
def test_agreement(live, kept, same):
    """S2: at most .75."""
    tests = [dict(zip(("value", "interval"), json.loads(text))) for text in (live, kept)]
    assert str(agrees(load_claims()["S2"], *tests)) == same


@pytest.mark.parametrize(
    ("arguments", "words"),
    cases("""
--edition full → the full edition: small. Run 'schurkit build --edition full' first.
--notebook RUN → --notebook is a run of one chapter: name it with --only.
--notebook RUN --only small → the book edition is what 'make book EDITION=book' runs
--notebook missing.ipynb --only small --edition full → missing.ipynb cannot be read as an executed
    notebook
--notebook OTHER --only small --edition full → is a run of another, not of small
"""),
)
def test_a_run_that_cannot_be_published(book, tmp_path, capsys, arguments, words):
    run, other = run_of_nine(book), tmp_path / "other.ipynb"
    other.write_text(run.read_text().replace('"chapter": "small"', '"chapter": "another"'))
    kept = book / "book" / "data" / "full" / "small" / "results.json"
    before = kept.read_bytes()
    given = arguments.replace("RUN", str(run)).replace("OTHER", str(other)).split()
    assert main(["publish", "--book", str(book), *given]) == 2
    told = capsys.readouterr().err
    assert words in told and told.count("\n") == 1 and kept.read_bytes() == before


# ------------------------------------------------------------ what was run here, held against that
@pytest.mark.parametrize(
    ("records", "test", "told"),
    cases("""
{} → {} → 5 of 6 recorded numbers are those of the published run
{"networks": 6} → {} → 4 of 6 recorded numbers are
{} → {"value": 0.9, "interval": [0.85, 0.95], "n": 12} → S1: published 0.9 [0.85, 0.95], 12 networks
    (not reproduced), here 0.004
{} → {"value": null} → S1: published undefined, here 0.004
{} → {"id": "S3"} → S1 is tested here alone
"""),
)
def test_a_claim_that_comes_out_otherwise_is_a_problem(book, results, records, test, told):
    def change(kept):
        kept["records"] |= json.loads(records)
        s1(kept).update(json.loads(test))

    results(change)
    problem = told.startswith("S1")
    first, *others = compare(book)
    kind = "problem" if problem else "note"
    assert first.startswith(f"{kind}: small: {told}") and bool(others) == problem


def test_the_command_fails_on_a_disagreement_and_names_what_was_not_run(book, results, capsys):
    editions = book / "book" / "editions.yml"
    arguments = ["check", "--published", "--book", str(book)]
    assert main(arguments) == 0 and capsys.readouterr().out.endswith("\n0 problems\n")
    results(lambda content: s1(content).update(value=0.9))
    assert main(arguments) == 1
    told = capsys.readouterr().out
    assert "\nproblem: small: S1: published 0.9" in f"\n{told}" and told.endswith("1 problem\n")
    editions.write_text(EDITIONS.replace("seeds: 5", "seeds: 7"))
    assert main(arguments) == 1
    editions.write_text(EDITIONS)
    missing = "not run here in the book edition: 'schurkit build --edition book' runs it"
    assert missing in capsys.readouterr().out


def test_a_larger_edition_that_alone_is_published_is_held_against_its_own_run(book, tmp_path):
    root = tmp_path / "copy"
    shutil.copytree(book, root)
    shutil.rmtree(root / "book" / "data" / "small")
    (told,) = compare(root)
    again = "'schurkit build --edition full --only small' runs it"
    assert told == f"note: small: not run here in the full edition: {again}"
    (root / "book" / "editions.yml").write_text(EDITIONS.replace("seeds: 8", "seeds: 3"))
    assert compare(root)[0].startswith("problem: small: S1: published 0.002")


# --------------------------------------------------------------- what pages fetch from other hosts
@pytest.fixture
def page(tmp_path):
    """``page(element)``: the folder of a book whose one page holds that element."""
    for name in ("_toc.yml", "_config.yml"):
        (tmp_path / name).write_text("")
    html = tmp_path / "_build" / "html"
    html.mkdir(parents=True)

    def write(element):
        (html / "index.html").write_text(f"<html><body>{element}</body></html>")
        return tmp_path

    return write


@pytest.mark.parametrize(
    ("element", "address"),
    cases("""
<script src="https://a.example/x.js"></script> → https://a.example/x.js
<link rel="stylesheet" href="//a.example/x.css"> → //a.example/x.css
<img alt="" src="http://a.example/x.png"> → http://a.example/x.png
<object data="https://a.example/x"></object> → https://a.example/x
<link rel="canonical" href="https://a.example/"> →
<a href="https://a.example/">x</a> →
<img alt="" src="data:image/png;base64,xx"><script src="x.js"></script> →
"""),
)
def test_what_a_page_fetches_from_elsewhere_is_a_problem(page, element, address, capsys):
    root = page(element)
    assert main(["check", "--book", str(root)]) == bool(address)
    told = f"problem: index.html: fetches {address}\n1 problem\n" if address else "0 problems\n"
    assert capsys.readouterr().out == told


def test_without_pages_there_is_nothing_to_check(page, capsys):
    root = page("")
    (root / "_build" / "html" / "index.html").unlink()
    assert main(["check", "--book", str(root)]) == 2
    assert capsys.readouterr().err == (
        "schurkit: there are no pages in _build/html; build them with 'make book'.\n"
    )
