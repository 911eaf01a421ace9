"""What was run here, held against what is published."""

import json

import pytest
from press.small_book import RECORD, small_chapter, write_book

from schurkit.__main__ import main
from schurkit_press.build import build, plan_build
from schurkit_press.compare import compare

EDITIONS = "quick:\n  purpose: q\nbook:\n  purpose: b\n  chapters:\n    small: {seeds: 5}\n"


@pytest.fixture(scope="module")
def book(tmp_path_factory):
    root = write_book(
        tmp_path_factory.mktemp("compared") / "book",
        {"small": small_chapter(record=RECORD)},
        EDITIONS,
    )
    build(root, plan_build(root, "book"), say=lambda line: None)
    assert main(["publish", "--book", str(root)]) == 0
    return root


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


def problems(book):
    return [finding.what for finding in compare(book) if finding.is_problem]


def test_the_same_run_agrees_to_the_last_digit(book):
    (only,) = compare(book)
    assert (
        not only.is_problem
        and only.what == "5 of 5 recorded numbers are those of the published run"
    )


def test_a_claim_that_comes_out_otherwise_is_a_problem(book, results):
    results(lambda content: s1(content).update(value=0.9, interval=[0.85, 0.95], n=12))
    (told,) = problems(book)
    assert told.startswith(
        "S1: published 0.9 [0.85, 0.95], 12 networks (not reproduced), here 0.004"
    )


def test_a_claim_tested_on_one_side_alone_is_a_problem(book, results):
    results(lambda content: content["claims"].pop())
    (told,) = problems(book)
    assert told.endswith("is tested here alone")


def test_a_value_on_one_side_alone_is_a_problem(book, results):
    results(lambda content: s1(content).update(value=None, interval=None))
    (told,) = problems(book)
    assert told.startswith("S1: published undefined, here 0.004")


def test_other_numbers_are_counted(book, results):
    results(lambda content: content["records"].update(networks=6))
    assert "4 of 5 recorded numbers" in compare(book)[0].what


def test_an_edition_that_was_not_run_is_a_problem(book):
    text = (book / "book" / "editions.yml").read_text()
    (book / "book" / "editions.yml").write_text(text.replace("seeds: 5", "seeds: 7"))
    try:
        assert problems(book) == [
            "not run here in the book edition: 'schurkit build --edition book' runs it"
        ]
    finally:
        (book / "book" / "editions.yml").write_text(text)


def test_the_command_fails_on_a_disagreement(book, results, capsys):
    arguments = ["check", "--published", "--book", str(book)]
    main(arguments)
    fine = capsys.readouterr().out.splitlines()
    results(lambda content: s1(content).update(value=0.9))
    assert main(arguments) == 1
    told = capsys.readouterr().out.splitlines()
    assert int(told[-1].split()[0]) == int(fine[-1].split()[0]) + 1
    assert any(line.startswith("problem: small: S1: published 0.9") for line in told)
