"""What looks at pages shares one small book."""

import pytest
from press.small_book import cell, notebook, small_chapter, write_book

from schurkit_press.build import build, plan_build

WHEEL = """import numpy as np
import schurkit as sk
from schurkit import nb
from schurkit.explorer import page
draw, task = np.random.default_rng(0).normal, sk.tasks.Copy(symbols=3, channels=2, replay=12)
rnn = sk.RNN(draw(size=(10, 2)), 0.3 * draw(size=(10, 10)), draw(size=(2, 10)))
nb.explorer(page.wheel(rnn, task.test_trials(8)), "wheel", "A network.")
nb.record(symbols=3, whole=1.0, without_CC=1.0, shut_first=0.5)"""


@pytest.fixture(scope="session")
def pages(tmp_path_factory):
    """Folder of the pages of a small book."""
    words = "# Does it turn?\n\n(three-latches)=\n## Latches\n\n(running-sum)=\n## Sum"
    wheel = notebook(cell(words, kind="markdown"), cell(WHEEL))
    chapters = {"small": small_chapter(), "the_wheel": wheel}
    root = write_book(tmp_path_factory.mktemp("pages") / "book", chapters)
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
