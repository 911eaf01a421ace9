"""Settings of the whole test run."""

import os
import re
import shutil
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from hypothesis import settings

from schurkit.checks import InputError

sys.path.insert(0, str(Path(__file__).parent))
os.environ.pop("MPLBACKEND", None)

settings.register_profile("schurkit", deadline=None, derandomize=True, database=None)
settings.load_profile("schurkit")


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector):
    """A file of tests that needs a library of an extra which is not installed is skipped, and says
    so.
    """
    report = yield
    lacking = re.search(r"No module named '(torch|h5py|nbformat|numpydoc)'", str(report.longrepr))
    if report.failed and lacking:
        report.outcome = "skipped"
        report.longrepr = (str(collector.path), 0, f"Skipped: {lacking[1]} is not installed")
    return report


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item):
    """So is a test that asks for PyTorch by the way, as one of several engines."""
    try:
        return (yield)
    except (InputError, ModuleNotFoundError) as error:
        if find_spec("torch") is None and "torch" in str(error):
            pytest.skip("torch is not installed")
        raise


@pytest.fixture(autouse=True)
def _own_store(tmp_path_factory, monkeypatch):
    """No test reads or fills the reader's store of trained networks."""
    monkeypatch.setenv("SCHURKIT_STORE", str(tmp_path_factory.mktemp("store")))


CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]
FLAGS += ["--disable-background-networking", "--disable-component-update", "--disable-sync"]


@pytest.fixture(scope="session")
def browser():
    """The one browser of a test process (a second would not start beside it); tests that ask for it
    are skipped where there is none.
    """
    if CHROMIUM is None:
        pytest.skip("Chromium is not installed")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def opened_file(browser):
    """Open a file without a network; at the end of the test nothing else may have been asked for,
    nothing gone wrong, and nothing stand beside the window.
    """
    contexts, wrong, opened = [], [], []

    def open_file(path, width=1000, **settings):
        view = {"width": width, "height": 900}
        contexts.append(browser.new_context(viewport=view, offline=True, **settings))
        tab = contexts[-1].new_page()
        tab.on("request", lambda request: wrong.append(request.url))
        tab.on("console", lambda message: wrong.append(f"{message.type}: {message.text}"))
        tab.on("pageerror", lambda error: wrong.append(str(error)))
        opened.append(path.as_uri())
        tab.goto(opened[-1])
        return tab

    yield open_file
    for context in contexts:
        for tab in context.pages:
            wide = tab.evaluate("document.documentElement.scrollWidth")
            assert wide <= tab.viewport_size["width"]
        context.close()
    assert [what for what in wrong if not what.startswith(("data:", "log:"))] == opened


WHEEL = """import numpy as np
import schurkit as sk
from schurkit import nb
from schurkit.explorer import page
draw, task = np.random.default_rng(0).normal, sk.tasks.Copy(symbols=3, channels=2, replay=12)
rnn = sk.RNN(draw(size=(10, 2)), 0.3 * draw(size=(10, 10)), draw(size=(2, 10)))
nb.explorer(page.wheel(rnn, task.test_trials(8)), "wheel", "A network.")
nb.record(symbols=3, whole=1.0, without_CC=1.0, shut_first=0.5)"""
SECOND = {
    "draw": "rows = [{'seed': 0, 'accuracy': 1.0}]",
    "table": "",
    "record": "from schurkit.nb import record\nrecord('other', 2.5)",
    "prose": "Elsewhere: {glue:text}`small.ipynb::mean_accuracy:.1f`.",
}


@pytest.fixture(scope="session")
def built_book(tmp_path_factory):
    """Folder of a small book of three chapters, built once from nothing, warnings as errors, for
    all tests of a process that look at pages.
    """
    from press.small_book import cell, notebook, small_chapter, write_book

    from schurkit_press.build import build, plan_build

    chapters = {"small": small_chapter(), "second": small_chapter(**SECOND)}
    words = "# Does it turn?\n\n(three-latches)=\n## Latches\n\n(running-sum)=\n## Sum"
    chapters["the_wheel"] = notebook(cell(words, kind="markdown"), cell(WHEEL))
    root = write_book(tmp_path_factory.mktemp("built") / "book", chapters)
    build(plan_build(root), workers=2)
    return root
