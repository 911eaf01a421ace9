"""Pages as a browser shows them: figures light on dark in dark mode, nothing wider than a phone,
the ledger's filters by mouse and keyboard.
"""

import io
from pathlib import Path

import pytest
from PIL import Image

from schurkit.claims import load_claims

pytestmark = pytest.mark.book
ENTRIES = "section:has(> .ledger-small)"


def drawn(page):
    """What a reader sees of the first figure: the colour of its corner, and its darkest and
    lightest grey.
    """
    picture = Image.open(io.BytesIO(page.locator("figure img").first.screenshot())).convert("RGB")
    return picture.getpixel((2, 2)), picture.convert("L").getextrema()


@pytest.mark.parametrize("width", [390, 1280])
def test_every_verdict_of_the_ledger_is_in_sight(opened, width):
    page, _ = opened("book/ledger", width)
    script = (
        "found => found.map(element => element.getBoundingClientRect()).every(box => box.width && "
        "box.right <= innerWidth)"
    )
    assert page.locator("a.square, .ledger-verdict").evaluate_all(script)
    first = page.locator("section:has(> .ledger-small)").first.bounding_box()
    assert first["y"] < 2 * 900  # two screens before detail


def test_the_first_page_has_a_live_wheel_within_a_second_on_its_first_screen(opened):
    page, asked = opened("book/introduction", reduced_motion="reduce")
    page.wait_for_selector(".ske-live .ske-wheel", timeout=1000)
    box = page.locator(".ske-live").bounding_box()
    assert box["y"] + box["height"] < 900 and not page.locator(".ske-still").is_visible()
    assert all(one.startswith(("file:", "data:")) for one in asked)
    said = []
    page.on("console", lambda line: said.append(line.text))
    page.get_by_label("CR (the door, C → R)").uncheck()
    page.wait_for_function(
        "() => document.querySelector('.ske-status').textContent"
        ".startsWith('From the start: no CR. Over')"
    )
    assert said == []


def test_an_explorer_of_a_chapter_has_the_ground_and_the_ink_of_the_page(opened, pages):
    """And the search does not find it as a wall of numbers."""
    page, _ = opened("notebooks/the_wheel", scheme="dark")
    page.wait_for_selector(".ske-live .ske-wheel")
    style = "([where, name]) => getComputedStyle(document.querySelector(where))[name]"
    ground = page.evaluate(style, [".text_html:has(> .ske)", "backgroundColor"])
    inks = [page.evaluate(style, [where, "color"]) for where in (".ske-live", ".bd-content p")]
    assert ground == "rgba(0, 0, 0, 0)" and inks[0] == inks[1]
    assert page.locator(".ske-caption").inner_text() == "A network."
    index = (pages / "searchindex.js").read_text().lower()
    assert "addeventlistener" not in index and "vestibul" not in index


def test_figures_are_light_on_dark_in_dark_mode(opened):
    page, _ = opened("notebooks/small", scheme="dark")
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    corner, (darkest, lightest) = drawn(page)
    assert max(corner) < 64 and lightest > 160, (
        "the ground of the page shows through, and lines are light on it"
    )
    light, _ = opened("notebooks/small")
    corner, (darkest, lightest) = drawn(light)
    assert min(corner) > 240 and darkest < 96
    ground = "element => getComputedStyle(element).backgroundColor"
    note = page.eval_on_selector(".text_html:has(.schurkit-note)", ground)
    assert note == "rgba(0, 0, 0, 0)"


def test_a_figure_keeps_its_reading_size_on_a_phone_and_brings_its_numbers(opened):
    page, _ = opened("notebooks/small", width=390)
    shown, box, overflow = page.eval_on_selector(
        "figure",
        "one => [one.querySelector('img').clientWidth, one.clientWidth, "
        "getComputedStyle(one).overflowX]",
    )
    assert shown > 500 > box and overflow == "auto"
    with page.expect_download() as download:
        page.click("a[download='small-figure.csv']")
    assert Path(download.value.path()).read_text().startswith("seed,accuracy,kind\n0,0.9,a|b\n")


# --------------------------------------------------------------------------------------- the ledger
def visible(page):
    return page.eval_on_selector_all(
        ENTRIES,
        "all => all.filter(one => one.offsetParent).map(one => one.querySelector('h2'))"
        ".map(head => head.firstChild.data)",
    )


def test_filters_narrow_the_table_and_say_how_many_are_left(opened):
    page, _ = opened("book/ledger")
    count = page.locator(".ledger-count")
    everything = visible(page)
    assert (
        everything == list(load_claims())
        and count.inner_text() == f"{len(everything)} of {len(everything)} claims"
    )
    assert count.get_attribute("aria-live") == "polite"
    page.select_option("select[name=verdict]", label="–")
    assert visible(page) == ["S1"] and count.inner_text() == f"1 of {len(everything)} claims"
    assert page.locator("section#s1").is_visible() and not page.locator("section#s2").is_visible()
    page.select_option("select[name=paper]", index=2)
    assert visible(page) == [] and count.inner_text().startswith("0 of ")
    page.click("button:has-text('Show all')")
    page.wait_for_function(
        f"document.querySelectorAll('{ENTRIES}:not([hidden])').length === {len(everything)}"
    )


def test_a_link_shows_a_claim_that_filters_by_keyboard_hid(opened):
    page, _ = opened("book/ledger")
    page.click("a.square >> nth=3")
    assert page.evaluate("document.querySelector(':target').closest('section').id") == "s3"
    page.focus("input[name=words]")
    page.keyboard.type("cayley")
    assert visible(page) == ["S4", "S4b"]
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.name") == "paper"
    page.keyboard.press("ArrowDown")
    assert visible(page) == ["S4", "S4b"] and not page.locator("section#s10").is_visible()
    page.evaluate("location.hash = 'claim-s10'")
    page.wait_for_selector("section#s10", state="visible")


def test_a_claim_leads_to_the_figure_that_carries_it_and_stands_without_scripts(opened):
    page, _ = opened("book/ledger", java_script_enabled=False)
    assert page.locator(ENTRIES).count() == len(load_claims())
    assert page.locator(".ledger-filters").count() == 0
    page.click(f"{ENTRIES} >> nth=0 >> a:has-text('Table')")
    page.wait_for_url("**/notebooks/small.html#small-table")
    page.wait_for_selector("#small-table", state="visible")
