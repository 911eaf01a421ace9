"""What the first page and the examples of readings say and draw: from book/data alone."""

import json
import re
import shutil
import xml.etree.ElementTree as ET

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_rgb
from press.small_book import REPOSITORY, a_book, cases

from schurkit_press import panels
from schurkit_press.book import published, strongest
from schurkit_press.pages import filled
from schurkit_press.panels import PICTURE, Panel, Removal, write_picture
from schurkit_press.verdicts import verdicts


@pytest.fixture(scope="module")
def kept():
    return published(REPOSITORY)


@pytest.fixture
def copy(tmp_path):
    shutil.copytree(REPOSITORY / "book" / "data", tmp_path / "book" / "data")
    (tmp_path / "book" / "assets").mkdir()
    return tmp_path


def page(kept, name="introduction", root=REPOSITORY):
    text = (REPOSITORY / "book" / f"{name}.md").read_text(encoding="utf-8")
    return filled(a_book(root=root, published=kept), text)


def words(*arguments, **more):
    return re.sub(r"\s+", " ", page(*arguments, **more))


def test_the_picture_of_the_readme_is_that_of_the_published_runs(kept, copy):
    drawn = write_picture(a_book(root=copy, published=kept)).read_text(encoding="utf-8")
    assert drawn == (REPOSITORY / PICTURE).read_text(encoding="utf-8")
    assert write_picture(a_book(root=copy)) is None


def test_every_number_of_the_sentences_is_a_recorded_one(kept):
    records = kept["across_tasks"]["records"]
    assert f"at least {records['least_worst_case']:.2g}," in words(kept)
    assert f"{kept['copy_task']['records']['off_early']:.0%}".replace("%", " %") in words(kept)
    values = {"M1": 1, "M3": 7, "M4": 0.91, "M5": 0.2}
    tests = [{"id": id, "value": value} for id, value in values.items()]
    text = words(kept | {"modular_addition": kept["modular_addition"] | {"claims": tests}})
    assert "7 waves. Without one of them it is right on 91.0 % of all pairs, with two left" in text


@pytest.mark.parametrize(
    ("chapter", "record", "gone"),
    cases("""
copy_task → {"off_early": 0.99} → A wheel with a door
flip_flop → {"off_otherwise": 0.2} → A write head
mechanism_or_basis → {"copy_restored": 1} → Sometimes a choice
three_levels → {"ratio_flip_flop": null} → another network
"""),
)
def test_a_card_whose_premise_fails_is_left_out(kept, chapter, record, gone):
    other = kept[chapter] | {"records": kept[chapter]["records"] | json.loads(record)}
    text = words(kept | {chapter: other})
    assert gone in words(kept) and gone not in text and text.count("*Held against*") == 4


def test_every_verdict_is_a_square_that_leads_to_its_entry(kept):
    squares = re.findall(
        r'<a class="square ([a-z-]+)(?: narrow)?" href="ledger.html#claim-\w+" ', page(kept)
    )
    told = [
        word.replace(" ", "-")
        for results in kept.values()
        for test in strongest(results)
        for word in verdicts(a_book().claims[test["id"]], test).values()
    ]
    assert sorted(squares) == sorted(told) and len(told) > 40


def test_what_was_not_published_is_left_out(kept):
    nothing, one = page({}), words({"copy_task": kept["copy_task"]})
    assert "holds no published runs" in nothing and "What the book found" not in nothing
    assert "A wheel with a door" in one and "none is safe everywhere" not in one
    assert "holds no published runs" not in one and "[[" not in one + nothing
    assert len(panels.profiles(a_book(published={"sine": kept["sine"]}))) == 1
    assert "holds no published runs" in page({}, "reading_profiles")


def test_nothing_stands_on_the_first_page_before_it_is_explained(kept):
    """No id of a claim, no FVU, no word for a control."""
    seen = re.sub(r"\{[a-z:]+\}`[^`]*`|<[^>]*>|`[^`]*`", "", page(kept))
    assert re.findall(r"\b(?:[SDM]\d+b?|FVU|permuted|matched|block-upper|ΔFVU)\b", seen) == []


# ----------------------------------------------------------------------------- examples of readings
def change(root, file, column, value, **which):
    path = root / "book" / "data" / file
    table = pd.read_csv(path)
    rows = (table[list(which)] == list(which.values())).all(axis=1)
    table.loc[rows, column] = value
    table.to_csv(path, index=False)


def examples(root):
    text = words(published(root), "reading_profiles", root)
    return text[text.index("published runs of this book.") : text.index("## What does no profile")]


def test_the_numbers_of_an_example_are_those_of_its_run(copy):
    text = examples(copy)
    for part in ("**Bad reading.**", "**Good reading.**", "<svg ", " ## "):
        assert text.count(part) == 4
    for kind, value in (("removal", 7.25), ("matched", 0.125)):
        change(copy, "sine/sine-profile.csv", "delta", value, removed="CC", kind=kind)
    assert re.search(r"raises FVU by 7\.2,.* by 0\.12\. In (\d+) of \1 networks", examples(copy))


@pytest.mark.parametrize(
    ("file", "column", "removed", "gone"),
    cases("""
sine/sine-profile.csv → delta → CC → any change of their size
copy_task/copy-controls.csv → delta → CR → How does a large cost
flip_flop/flip-flop-profile.csv → removed_mass → RR → How much was there to
context_integration/integration-profile.csv → delta → CC → Do the networks agree
"""),
)
def test_an_example_whose_premise_fails_is_left_out(copy, file, column, removed, gone):
    assert gone in examples(copy)
    change(copy, file, column, 0.03, removed=removed, kind="removal")
    assert gone not in examples(copy)


# --------------------------------------------------------------------------------------- the panels
def test_an_axis_is_linear_and_then_logarithmic():
    panel, inside = Panel("x", "", ""), panels.RIGHT - panels.LEFT
    for cost, share in {0: 0, 0.005: 1 / 8, 0.01: 1 / 4, 0.1: 1 / 2, 10: 1, -3: 0, 99: 1}.items():
        assert panel.place(cost) == pytest.approx(panels.LEFT + share * inside)
    linear = panel._replace(ticks=(0, 20), linear=20)
    assert linear.place(5) == pytest.approx(panels.LEFT + inside / 4)


def test_a_panel_says_its_words_escaped_and_stays_inside_its_frame():
    rows = [Removal("RR", [0.1, 99], masses=[0.5, 0.001]), Removal("CR", [], [0.3], empty=2)]
    text = panels.svg(*Panel("a < b", "", "x & y").drawn(rows))
    root = ET.fromstring(text)
    assert root.get("aria-label") == (
        "x & y, mean over 2 networks: without RR 50, RR holds less than 1 % of the norm in 1; "
        "under a random change of equal size 0.3, CR is empty in 2, left out."
    )
    kinds = [dot.get("class") for dot in root.iter("circle")]
    assert "a &lt; b (n = 2)" in text and kinds == ["s-RR", "s-RR nearly"]
    for axis, end in ("cx", panels.WIDTH), ("cy", panels.HEIGHT):
        assert all(0 <= float(dot.get(axis)) <= end for dot in root.iter("circle"))


def test_the_inks_can_be_told_from_their_background():
    def luminance(colour):
        parts = to_rgb(colour)
        linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return np.dot((0.2126, 0.7152, 0.0722), linear)

    for name in set(panels.INKS) - {"faint"}:
        for ink, ground in zip(panels.INKS[name], ("#ffffff", "#121212")):
            dark, light = sorted((luminance(ink), luminance(ground)))
            assert (light + 0.05) / (dark + 0.05) >= 3
