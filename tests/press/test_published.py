"""Published runs: written from an executed chapter, read back, and held against a live run."""

import json
import re
import shutil

import pytest
from press.small_book import PROSE, RECORD, small_chapter, write_book

from schurkit import InputError
from schurkit.__main__ import main
from schurkit.claims import load_claims
from schurkit_press.build import build, plan_build
from schurkit_press.published import agrees, publish, publish_whole, published, strongest

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
    """A book of one chapter whose book edition (five seeds, twelve networks) is published and whose
    quick edition is built.
    """
    editions = "quick:\n  purpose: q\nbook:\n  purpose: b\n  chapters:\n    small: {seeds: 5}\n"
    record = RECORD.replace(
        'claim("S1", 0.004, n=seeds)', 'claim("S1", 0.004 if seeds == 5 else 0.5, n=seeds)'
    )
    chapter = small_chapter(record=record + EFFECTS, prose=f"{PROSE} {BOTH}")
    root = write_book(tmp_path_factory.mktemp("published") / "book", {"small": chapter}, editions)
    build(root, plan_build(root, "book"), say=lambda line: None)
    assert main(["publish", "--edition", "book", "--book", str(root)]) == 0
    results = root / "book" / "data" / "small" / "results.json"
    # a number that the chapter records since then
    results.write_text(results.read_text().replace('"late"', '"earlier"'))
    build(root, plan_build(root), say=lambda line: None)
    return root


def text(root, page):
    """What a built page says, on one line."""
    html = (root / "_build" / "html" / f"{page}.html").read_text()
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", html))


def csv_of(root, place):
    return root / "_build" / "html" / "_static" / "data" / place / "small-figure.csv"


def test_results_carry_numbers_claims_files_and_provenance(book):
    results = published(book)["small"]
    assert results["records"]["networks"] == 5 and results["records"]["undefined"] is None
    assert {told["id"] for told in results["claims"]} == {"S1", "S2"}
    run = results["provenance"]
    assert (
        run["command"] == "make book EDITION=book"
        and run["changed"] == {"seeds": 5}
        and run["seconds"] >= 0
    )
    assert {"commit", "device", "versions", "date"} <= set(run)
    csv = (book / "book" / "data" / "small" / "small-figure.csv").read_text()
    assert csv.startswith("seed,accuracy,kind\n") and len(csv.splitlines()) == 6


def test_the_page_shows_both_runs_the_published_one_first(book):
    """The published numbers, those of this run beside them, and this run's own where none is
    published; a warning where they differ.
    """
    page = text(book, "notebooks/small")
    assert "5 networks; here 0.5, 3 networks (disagrees)." in page
    assert csv_of(book, "published/small").is_file()
    assert "Both: 5, 3. Since then: 1.5." in page
    assert re.search(r"Published: 5 networks, [\d-]+\. This copy: 3 networks, \d+ s on", page)
    assert "3 of its 3 values lie within the range of the published networks" in page
    ledger, status = text(book, "book/ledger"), text(book, "book/status")
    assert "Published: 0.61 [0.6, 0.62], 12 networks" in ledger and "✓ reproduced" in ledger
    assert "Published runs" in status and "make book EDITION=book" in status


def test_what_the_whole_edition_took_is_kept_and_told(book, tmp_path):
    told = json.loads((book / "book" / "data" / "whole_run.json").read_text())
    assert (
        told["edition"] == "book"
        and told["seconds"] >= 0
        and {"device", "date", "commit"} <= set(told)
        and "keys" not in told
    )
    whole = f"The whole book edition from nothing, training included: {told['seconds']} s on the"
    assert whole in text(book, "book/status")
    other = tmp_path / "whole.json"
    other.write_text(json.dumps(told | {"keys": ["x"]}))
    assert (
        publish_whole(book, other, ["y"]) is None
        and publish_whole(book, tmp_path / "none.json", []) is None
    )


def test_a_build_that_had_chapters_or_networks_is_no_whole_run(book, tmp_path, monkeypatch):
    path = book / "_build" / "whole.json"
    # the last build that had to run every chapter
    assert json.loads(path.read_text())["edition"] == "quick"
    path.write_text("as it was")
    build(book, plan_build(book), say=lambda line: None)
    assert path.read_text() == "as it was"
    (tmp_path / "a.json").write_text("{}")
    monkeypatch.setenv("SCHURKIT_STORE", str(tmp_path))
    build(book, plan_build(book), force=True, say=lambda line: None)
    assert path.read_text() == "as it was"
    monkeypatch.setenv("SCHURKIT_STORE", str(tmp_path / "empty"))
    build(book, plan_build(book), force=True, say=lambda line: None)
    assert json.loads(path.read_text())["edition"] == "quick"


def test_publishing_again_replaces_the_folder(book):
    stale = book / "book" / "data" / "small" / "stale.csv"
    stale.write_text("x")
    assert main(["publish", "--book", str(book)]) == 0
    assert not stale.exists() and not list((book / "book" / "data").glob(".*"))


def test_an_edition_that_was_not_run_is_refused(book, capsys):
    text = (book / "book" / "editions.yml").read_text()
    (book / "book" / "editions.yml").write_text(
        text + "full:\n  purpose: f\n  chapters:\n    small: {seeds: 9}\n"
    )
    assert main(["publish", "--edition", "full", "--book", str(book)]) == 2
    assert (
        "not run yet in the full edition: small. Run 'schurkit build --edition full' first."
        in capsys.readouterr().err
    )
    (book / "book" / "editions.yml").write_text(text)


def test_damaged_results_are_one_clear_line(book, tmp_path):
    place = tmp_path / "book" / "data" / "small"
    place.mkdir(parents=True)
    (place / "results.json").write_text("{")
    with pytest.raises(
        InputError,
        match=r"book/data/small/results.json cannot be read .*'schurkit publish --edition book'",
    ):
        published(tmp_path)


def test_a_notebook_without_a_run_is_refused(tmp_path):
    path = tmp_path / "x.ipynb"
    path.write_text(json.dumps({"cells": [], "metadata": {}}))
    with pytest.raises(InputError, match="does not say how it was run"):
        publish(tmp_path, "book", "x", path)


@pytest.mark.parametrize(
    "live, kept, same",
    [
        ((0.6, None), (0.65, None), True),
        ((0.6, None), (0.9, None), False),
        ((0.6, [0.55, 0.65]), (0.7, [0.68, 0.72]), False),
        ((0.6, [0.55, 0.69]), (0.7, [0.68, 0.72]), True),
        ((None, None), (0.7, None), None),
        ((None, None), (None, None), None),
    ],
)
def test_agreement(live, kept, same):
    """S2: at most .75."""
    test = [{"value": value, "interval": interval} for value, interval in (live, kept)]
    assert agrees(load_claims()["S2"], *test) is same


# --------------------------------------------------------------------------------- a larger edition
@pytest.fixture(scope="module")
def larger(tmp_path_factory):
    """The same book with a run of nine seeds, parameters of its own, published as the full
    edition.
    """
    editions = (
        "quick:\n  purpose: q\nbook:\n  purpose: b\n  chapters:\n    small: {seeds: 5}\nfull:\n  "
        "purpose: f\n"
    )
    record = RECORD.replace(
        'claim("S1", 0.004, n=seeds)', 'claim("S1", 0.3 if seeds == 9 else 0.004, n=seeds)'
    )
    root = write_book(
        tmp_path_factory.mktemp("larger") / "book",
        {"small": small_chapter(record=record)},
        editions,
    )
    build(root, plan_build(root, "book"), say=lambda line: None)
    assert main(["publish", "--book", str(root)]) == 0
    own = f"run small -p seeds 9 --out {root / 'runs9'} --book {root}"
    assert main(own.split()) == 0
    (run,) = (root / "runs9").glob("small-*.ipynb")
    kept = f"publish --edition full --only small --notebook {run} --book {root}"
    assert main([*kept.split(), "--note", "Kept from before."]) == 0
    build(root, plan_build(root), say=lambda line: None)
    return root


def test_a_larger_edition_stands_beside_the_book_edition(larger):
    results = published(larger)["small"]
    assert results["provenance"]["edition"] == "book" and results["records"]["networks"] == 5
    (full,) = results["larger"]
    assert full["records"]["networks"] == 9 and full["provenance"]["changed"] == {"seeds": 9}
    assert full["provenance"]["command"] == "schurkit run small -p seeds '9'"
    assert (larger / "book" / "data" / "full" / "small" / "small-figure.csv").is_file()


def test_the_strongest_test_of_a_claim_is_that_of_the_larger_edition(larger):
    results = published(larger)["small"]
    assert {test["id"]: (test["edition"], test["value"]) for test in strongest(results)}["S1"] == (
        "full",
        0.3,
    )
    next(test for test in results["larger"][0]["claims"] if test["id"] == "S1")["value"] = None
    assert {test["id"]: test["edition"] for test in strongest(results)}["S1"] == "book"


def test_the_pages_show_the_larger_edition(larger):
    page, ledger = text(larger, "notebooks/small"), text(larger, "book/ledger")
    assert "The full edition of this chapter" in page and "Kept from before." in page
    assert csv_of(larger, "full/small").is_file()
    assert "Published, full edition:" in ledger and "Published:" in ledger
    status = text(larger, "book/status")
    assert "Published of the full edition too" in status and "Kept from before." in status
    assert "schurkit run small -p seeds" in status


def test_a_larger_edition_alone_is_the_published_one(larger, tmp_path):
    shutil.copytree(larger / "book" / "data" / "full", tmp_path / "book" / "data" / "full")
    assert published(tmp_path)["small"]["provenance"]["edition"] == "full"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("--notebook RUN", "--notebook is a run of one chapter: name it with --only."),
        ("--notebook RUN --only small", "the book edition is what 'make book EDITION=book' runs"),
        (
            "--notebook missing.ipynb --only small --edition full",
            "missing.ipynb cannot be read as an executed notebook",
        ),
        ("--notebook OTHER --only small --edition full", "is a run of another, not of small"),
    ],
)
def test_a_run_that_cannot_be_published(larger, tmp_path, capsys, arguments, words):
    (run,) = (larger / "runs9").glob("small-*.ipynb")
    other = tmp_path / "other.ipynb"
    other.write_text(run.read_text().replace('"chapter": "small"', '"chapter": "another"'))
    kept = larger / "book" / "data" / "full" / "small" / "results.json"
    before = kept.read_bytes()
    given = arguments.replace("RUN", str(run)).replace("OTHER", str(other)).split()
    assert main(["publish", "--book", str(larger), *given]) == 2
    told = capsys.readouterr().err
    assert words in told and told.count("\n") == 1 and kept.read_bytes() == before
