"""Pages as a browser shows them: figures light on dark in dark mode, nothing wider than a phone,
results that can be reached by keyboard.
"""

import io
from pathlib import Path

import pytest
from PIL import Image

pytestmark = pytest.mark.book


def drawn(page):
    """What a reader sees of the first figure: the colour of its corner, and its darkest and
    lightest grey.
    """
    picture = Image.open(io.BytesIO(page.locator("figure img").first.screenshot())).convert("RGB")
    return picture.getpixel((2, 2)), picture.convert("L").getextrema()


def background(page, selector):
    return page.eval_on_selector(selector, "element => getComputedStyle(element).backgroundColor")


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
    assert background(page, ".text_html:has(.schurkit-note)") == "rgba(0, 0, 0, 0)"


def test_a_figure_keeps_its_reading_size_on_a_phone(opened):
    page, _ = opened("notebooks/small", width=390)
    shown, box = page.eval_on_selector(
        "figure img", "element => [element.clientWidth, element.closest('figure').clientWidth]"
    )
    assert shown > 500 > box
    assert (
        page.eval_on_selector("figure", "element => getComputedStyle(element).overflowX") == "auto"
    )


def test_the_numbers_behind_a_figure_can_be_downloaded(opened):
    page, _ = opened("notebooks/small")
    with page.expect_download() as download:
        page.click("a[download='small-figure.csv']")
    assert Path(download.value.path()).read_text().startswith("seed,accuracy,kind\n0,0.9,a|b\n")
