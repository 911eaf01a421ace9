"""The first page: its figure and sentences come from book/data and nothing else."""

import re
import shutil
import xml.etree.ElementTree as ET

import pytest
from press.small_book import REPOSITORY, a_book, small_chapter, write_book

from schurkit.claims import load_claims
from schurkit_press import panels
from schurkit_press.book import Book
from schurkit_press.front import PICTURE, picture, profiles, sector_rows, table, write_picture
from schurkit_press.panels import Axis, Removal
from schurkit_press.published import published
from schurkit_press.stage import generated
from schurkit_press.verdicts import verdicts

CLAIMS = REPOSITORY / "book" / "claims.yml"


@pytest.fixture(scope="module")
def kept():
    return published(REPOSITORY)


def page(kept):
    return generated(
        a_book(published=kept),
        (REPOSITORY / "book" / "introduction.md").read_text(encoding="utf-8"),
    )


def sentences(kept):
    return re.sub(r"\s+", " ", page(kept))


def test_the_picture_is_drawn_from_the_published_runs(kept):
    drawn = picture(a_book(published=kept))
    assert (REPOSITORY / PICTURE).read_text(encoding="utf-8") == drawn, (
        "'schurkit publish' draws it"
    )
    root = ET.fromstring(drawn)
    names = {
        "flip_flop": "flip-flop-profile",
        "sine": "sine-profile",
        "context_integration": "integration-profile",
        "copy_task": "copy-removals",
    }
    rows = [
        row
        for chapter, name in names.items()
        for row in table(REPOSITORY, chapter, name)
        if row.get("construction") != "cayley" and row.get("kind", "removal") == "removal"
    ]
    masses = [float(row["removed_mass"]) for row in rows if row["removed"] in ("RR", "CR", "CC")]
    dots = root.findall(".//{http://www.w3.org/2000/svg}circle")
    assert len(dots) == sum(mass > 0 for mass in masses) < len(masses), (
        "a sector that holds nothing has no dot"
    )
    assert (
        sum("nearly" in dot.get("class") for dot in dots)
        == sum(0 < mass < 0.01 for mass in masses)
        > 0
    )
    counted = [
        text.text
        for text in root.iter("{http://www.w3.org/2000/svg}text")
        if text.text.startswith("∅")
    ]
    assert sum(int(text.split()[1]) for text in counted) == sum(mass == 0 for mass in masses)


def test_every_number_of_the_sentences_is_a_recorded_one(kept):
    text, told = sentences(kept), kept["across_tasks"]["records"]
    assert f"at least {told['least_worst_case']:.2g} " in text
    assert f"{kept['copy_task']['records']['accuracy_CR']:.3g} without CR" in text
    changed = {
        **kept,
        "across_tasks": {**kept["across_tasks"], "records": {**told, "sine_CC": 0.125}},
    }
    assert "CC 0.12)" not in text and re.search(r"sine wave [^;]*CC 0\.12", sentences(changed))


def test_claims_are_counted_paper_by_paper_and_those_that_failed_are_named(kept):
    text = page(kept)
    line, _, failed = text[text.index("- **Claims of {cite:t}`drager2026`") :].partition("\n")
    failed = failed.partition("\n- ")[0].splitlines()
    known = load_claims(CLAIMS)
    words = [
        verdicts(known[test["id"]], test)[""]
        for results in kept.values()
        for test in results["claims"]
        if test["id"].startswith("S")
    ]
    assert f"{words.count('reproduced')} reproduced" in line
    named = [told for told in failed if told.startswith("  - {ref}`S")]
    assert len(named) == sum(word in ("partly", "not reproduced") for word in words) > 0


def test_what_was_not_published_or_is_not_in_the_book_is_left_out(kept, tmp_path):
    assert "holds no published runs" in page({})
    assert list(Book(write_book(tmp_path / "book", {"sine": small_chapter()})).published) == [
        "sine"
    ]
    only = page({name: kept[name] for name in ("copy_task",)})
    assert (
        "Replaying a sequence" in only
        and "Sine" not in only
        and "Is any group safe" not in only
        and "[[" not in only + page({})
    )
    assert (
        "What the book found" not in page({})
        and "is filled in" not in page({})
        and "holds no published runs" not in only
    )
    assert len(profiles(a_book(published={"sine": kept["sine"]}))) == 2


def test_modular_addition_has_a_sentence_once_it_is_published(kept):
    values = {"M1": 0.987, "M4": 0.91, "M5": 0.2}
    told = [{"id": id, "value": value, "interval": None, "n": 12} for id, value in values.items()]
    text = sentences(
        {
            **kept,
            "modular_addition": {
                "claims": told,
                "records": {},
                "provenance": kept["sine"]["provenance"],
            },
        }
    )
    assert (
        "explain 99 % of the variance" in text
        and "0.91 with one of them taken out and 0.20 with two left" in text
        and "rangamani2025" in text
    )


def test_a_chapter_with_one_table_of_removals_and_controls_is_drawn_too(tmp_path):
    """One row a network, removal and draw; what is matched comes before block-upper."""
    place = tmp_path / "book" / "data" / "sine"
    place.mkdir(parents=True)
    kinds = {"removal": (0.5, 0.7), "block-upper": (0.1, 0.1), "matched": (0.2, 0.4)}
    rows = [
        f"{i},{name},{kind},0.25,{value}"
        for kind, values in kinds.items()
        for i, value in enumerate(values)
        for name in ("RR", "CR")
    ]
    (place / "sine-profile.csv").write_text(
        "\n".join(
            [
                "network,removed,kind,removed_mass,delta",
                *rows,
                "0,CC,removal,0.0,",
                "1,CC,removal,0.0,",
            ]
        )
    )
    drawn = {row.name: row for row in sector_rows(tmp_path, "sine")}
    assert drawn["CR"].values == [0.5, 0.7] and drawn["CR"].control == [0.2, 0.4]
    assert drawn["CC"].values == [] and drawn["CC"].empty == 2


# --------------------------------------------------------------------------------------- the panels
@pytest.mark.parametrize(
    ("value", "share"),
    [(0, 0), (0.005, 1 / 8), (0.01, 1 / 4), (0.1, 1 / 2), (10, 1), (-3, 0), (99, 1)],
)
def test_an_axis_is_linear_and_then_logarithmic(value, share):
    axis = Axis("x", (0, 0.01, 0.1, 1, 10), linear=0.01)
    assert axis.place(value) == pytest.approx(panels.LEFT + share * (panels.RIGHT - panels.LEFT))


def test_a_linear_axis():
    assert Axis("x", (0, 0.5)).place(0.25) == pytest.approx((panels.LEFT + panels.RIGHT) / 2)


def test_a_panel_says_its_words_escaped_and_stays_inside_its_frame():
    text = panels.svg(
        panels.profile(
            "a < b",
            [Removal("RR", [0.1, 0.2], []), Removal("CR", [], [0.3])],
            Axis("x & y", (0, 1)),
        ),
        'mean "0.15"',
    )
    root = ET.fromstring(text)
    assert root.get("aria-label") == 'mean "0.15"' and "a &lt; b" in text and "x &amp; y" in text
    assert all(
        0 <= float(circle.get("cx")) <= panels.WIDTH
        and 0 <= float(circle.get("cy")) <= panels.HEIGHT
        for circle in root.iter("circle")
    )


def test_page_and_panels_share_their_inks_and_style():
    css = re.sub(r"\s+", "", (REPOSITORY / "book" / "assets" / "book.css").read_text())
    for name, inks in panels.INKS.items():
        assert all(f"--sk-{name}:{ink};" in css for ink in inks)
    for selectors, rules in re.findall(r"([^{}]+)\{([^{}]*)\}", panels.panel_style()):
        assert (
            all(
                f".schurkit-panel{selector}".replace(" ", "") in css
                for selector in selectors.split(",")
            )
            and rules.replace(" ", "") in css
        )


def test_the_inks_can_be_told_from_their_background():
    def luminance(colour):
        parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        parts = [
            part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
        ]
        return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]

    for name in set(panels.INKS) - {"faint"}:
        for ink, ground in zip(panels.INKS[name], ("#ffffff", "#121212")):
            light, dark = sorted((luminance(ink), luminance(ground)), reverse=True)
            assert (light + 0.05) / (dark + 0.05) >= 3


def test_the_picture_follows_what_is_published(tmp_path):
    assert write_picture(a_book(root=tmp_path)) is None
    shutil.copytree(REPOSITORY / "book" / "data" / "sine", tmp_path / "book" / "data" / "sine")
    (tmp_path / "book" / "assets").mkdir()
    assert (
        write_picture(a_book(root=tmp_path, published=published(tmp_path))).read_text().count("<g ")
        == 2
    )
