"""Pages as a browser shows them: figures on a light card in dark mode, nothing wider than a phone, results that can be reached by keyboard."""

import shutil
from pathlib import Path

import pytest
from publish.small_book import small_chapter, write_book

from schurkit.publish.build import build, plan_build

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]
FLAGS += ["--disable-background-networking", "--disable-component-update", "--disable-sync"]

pytestmark = [pytest.mark.book, pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")]


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    root = write_book(tmp_path_factory.mktemp("pages") / "book", {"small": small_chapter()})
    return build(root, plan_build(root), say=lambda line: None).parent


@pytest.fixture(scope="module")
def browser():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


def opened(browser, pages: Path, name: str, width=1280, scheme="light"):
    """The page, without any network, and the addresses it asked for."""
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme, offline=True)
    page = context.new_page()
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"file://{pages}/{name}.html", wait_until="load")
    return page, asked


def background(page, selector):
    return page.eval_on_selector(selector, "element => getComputedStyle(element).backgroundColor")


@pytest.mark.parametrize("width", [390, 768, 1280])
@pytest.mark.parametrize("name", ["notebooks/small", "book/introduction", "book/ledger", "book/status", "book/glossary"])
def test_no_page_is_wider_than_its_screen(browser, pages, name, width):
    page, _ = opened(browser, pages, name, width)
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")


def test_figures_stand_on_a_white_card_in_dark_mode(browser, pages):
    page, _ = opened(browser, pages, "notebooks/small", scheme="dark")
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    assert background(page, "figure img") == "rgb(255, 255, 255)"
    assert page.eval_on_selector("figure img", "element => getComputedStyle(element).filter") == "none"
    assert background(page, ".text_html:has(.schurkit-note)") == "rgba(0, 0, 0, 0)"


def test_a_figure_keeps_its_reading_size_on_a_phone(browser, pages):
    page, _ = opened(browser, pages, "notebooks/small", width=390)
    shown, box = page.eval_on_selector("figure img", "element => [element.clientWidth, element.closest('figure').clientWidth]")
    assert shown > 500 > box
    assert page.eval_on_selector("figure", "element => getComputedStyle(element).overflowX") == "auto"


def test_the_numbers_behind_a_figure_can_be_downloaded(browser, pages):
    page, _ = opened(browser, pages, "notebooks/small")
    with page.expect_download() as download:
        page.click("a[download='small-figure.csv']")
    assert Path(download.value.path()).read_text().startswith("seed,accuracy,kind\n0,0.9,a|b\n")


def test_a_page_without_formulas_asks_nothing_of_other_hosts(browser, pages):
    for name in ("book/ledger", "book/status"):
        _, asked = opened(browser, pages, name)
        assert asked and all(address.startswith(("file:", "data:")) for address in asked)
