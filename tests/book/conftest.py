"""Pages of the small book, in a browser."""

import pytest


@pytest.fixture(scope="session")
def pages(built_book):
    """Folder of its pages."""
    return built_book / "_build" / "html"


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
