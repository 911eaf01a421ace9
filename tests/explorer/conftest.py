"""Explorers in a browser."""

import pytest


@pytest.fixture
def opened_file(browser):
    """Open a file without a network; at the end of the test nothing may have been asked for and
    nothing gone wrong.
    """
    contexts, wrong = [], []

    def open_file(path, width=1000, **settings):
        view = {"width": width, "height": 900}
        contexts.append(browser.new_context(viewport=view, offline=True, **settings))
        tab = contexts[-1].new_page()
        tab.on("request", lambda request: wrong.append(request.url))
        tab.on("console", lambda message: wrong.append(f"{message.type}: {message.text}"))
        tab.on("pageerror", lambda error: wrong.append(str(error)))
        tab.goto(f"file://{path}")
        return tab

    yield open_file
    for context in contexts:
        context.close()
    assert [what for what in wrong if not what.startswith(("file:", "data:", "log:"))] == []
