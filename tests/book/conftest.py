"""What looks at pages shares one small book."""

import pytest
from press.small_book import small_chapter, write_book

from schurkit_press.build import build, plan_build


@pytest.fixture(scope="session")
def pages(tmp_path_factory):
    """Folder of the pages of a small book."""
    root = write_book(tmp_path_factory.mktemp("pages") / "book", {"small": small_chapter()})
    return build(root, plan_build(root), say=lambda line: None).parent


@pytest.fixture
def opened(browser, pages):
    """``opened(name, width=…, scheme=…)``: the page, without any network, and the addresses it
    asked for.
    """
    contexts = []

    def open_page(name, width=1280, scheme="light", **settings):
        context = browser.new_context(
            viewport={"width": width, "height": 900}, color_scheme=scheme, offline=True, **settings
        )
        contexts.append(context)
        page, asked = context.new_page(), []
        page.on("request", lambda request: asked.append(request.url))
        page.goto(f"file://{pages}/{name}.html", wait_until="load")
        return page, asked

    yield open_page
    for context in contexts:
        context.close()
