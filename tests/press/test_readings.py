"""The examples of good and bad readings: their numbers are the published ones, and an example that
no longer holds is left out.
"""

import csv
import re
import shutil

import pytest
from press.small_book import REPOSITORY, a_book

from schurkit_press.published import published
from schurkit_press.stage import generated


def page(root):
    page = generated(
        a_book(root=root, published=published(root)),
        (REPOSITORY / "book" / "reading_profiles.md").read_text(encoding="utf-8"),
    )
    return re.sub(
        r"\s+",
        " ",
        page[
            page.index("published runs of this book.") : page.index("## What does no profile say?")
        ],
    )


@pytest.fixture
def copy(tmp_path):
    shutil.copytree(REPOSITORY / "book" / "data", tmp_path / "book" / "data")
    return tmp_path


def change(root, file, column, value, **which):
    path = root / "book" / "data" / file
    rows = list(csv.DictReader(path.read_text().splitlines()))
    for row in rows:
        if all(row[key] == wanted for key, wanted in which.items()):
            row[column] = value
    with path.open("w", newline="") as out:
        writer = csv.DictWriter(out, rows[0])
        writer.writeheader()
        writer.writerows(rows)


def test_each_example_stands_beside_its_panel():
    text = page(REPOSITORY)
    assert (
        text.count("**Bad reading.**")
        == text.count("**Good reading.**")
        == text.count("<svg ")
        == text.count(" ## ")
        == 4
    )


def test_the_numbers_are_those_of_the_published_run(copy):
    change(copy, "sine/sine-profile.csv", "delta", "7.25", removed="CC", kind="removal")
    change(copy, "sine/sine-profile.csv", "delta", "0.125", removed="CC", kind="matched")
    text = page(copy)
    assert "raises FVU by 7.2," in text
    assert re.search(r"raises it by 0\.12\. In (\d+) of \1 networks", text)


@pytest.mark.parametrize(
    ("file", "column", "which", "gone"),
    [
        (
            "sine/sine-profile.csv",
            "delta",
            {"removed": "CC", "kind": "removal"},
            "any change of their size",
        ),
        (
            "copy_task/copy-controls.csv",
            "delta",
            {"removed": "CR", "kind": "removal"},
            "How does a large cost",
        ),
        (
            "flip_flop/flip-flop-profile.csv",
            "removed_mass",
            {"removed": "RR"},
            "How much was there to remove",
        ),
        (
            "context_integration/integration-profile.csv",
            "delta",
            {"removed": "CC", "kind": "removal"},
            "Do the networks agree",
        ),
    ],
)
def test_an_example_whose_premise_fails_is_left_out(copy, file, column, which, gone):
    assert gone in page(copy)
    change(copy, file, column, "0.03", **which)
    assert gone not in page(copy)


def test_without_published_runs_the_page_says_so(tmp_path):
    assert "holds no published runs" in page(tmp_path)
