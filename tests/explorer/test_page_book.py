"""An explorer on a page of the book: alive, on the page's own background, without requests, and not
found by the search as a wall of numbers.
"""

import pytest
from press.small_book import cell, notebook, write_book

from schurkit_press.build import build, plan_build

pytestmark = pytest.mark.book

SHOW = """from schurkit import nb
from schurkit.explorer import page
nb.explorer(page.schur(), "first-matrix", "The first one; seeds: " + str(seeds))
nb.explorer(page.schur({"mine": [[0.5, 1.0], [0.0, 0.4]]}), "second-matrix", "The second one.")"""


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    chapter = notebook(
        cell("# A chapter", kind="markdown"),
        cell("seeds: int = 3  # how many", tags=["parameters"]),
        cell(SHOW),
    )
    root = write_book(tmp_path_factory.mktemp("explorers") / "book", {"matrices": chapter})
    return build(root, plan_build(root), say=lambda line: None).parent


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_the_explorers_of_a_page_are_alive(browser, pages, width, scheme):
    context = browser.new_context(
        viewport={"width": width, "height": 900}, color_scheme=scheme, offline=True
    )
    tab = context.new_page()
    asked, wrong = [], []
    tab.on("request", lambda request: asked.append(request.url))
    tab.on("pageerror", lambda error: wrong.append(str(error)))
    tab.goto(f"file://{pages}/notebooks/matrices.html", wait_until="load")
    radii = tab.evaluate(
        "() => Promise.all([...document.querySelectorAll('.ske')].map(async (one) => (await "
        "one.schurkit.ready).radius))"
    )
    assert radii == [0.95, 0.5]
    assert tab.evaluate(
        "document.documentElement.scrollWidth <= document.documentElement.clientWidth"
    )
    assert (
        tab.evaluate(
            "getComputedStyle(document.querySelector('.text_html:has(> .ske)')).backgroundColor"
        )
        == "rgba(0, 0, 0, 0)"
    )
    ink, page_ink = (
        tab.evaluate(f"getComputedStyle(document.querySelector('{where}')).color")
        for where in (".ske-live", ".bd-content p")
    )
    assert ink == page_ink
    assert tab.locator(".ske-caption").all_inner_texts() == [
        "The first one; seeds: 3",
        "The second one.",
    ]
    assert [
        message for message in wrong if "THEBE_JS_URL" not in message
    ] == []  # the theme's own script says that on every page
    assert all(address.startswith(("file:", "data:")) for address in asked)
    context.close()


def test_the_search_index_holds_no_data(pages):
    index = (pages / "searchindex.js").read_text()
    assert "preset" not in index and "addeventlistener" not in index.lower()
