"""A plain `jupyter-book build .` on a fresh clone works too, from the same settings."""

import os
import re
import subprocess
import sys

import pytest
from press.small_book import PROSE, RECORD, cell, notebook, small_chapter, write_book

from schurkit_press.build import build, plan_build

pytestmark = pytest.mark.book


def jupyter_book(root):
    environment = {
        name: value
        for name, value in os.environ.items()
        if name not in ("MPLBACKEND", "PYTHONPATH")
    }
    command = [
        sys.executable,
        "-c",
        "from jupyter_book.cli.main import main; main()",
        "build",
        ".",
        "-W",
        "-n",
        "--keep-going",
    ]
    return subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True)


def test_a_plain_build_runs_the_chapters_and_shows_the_same_figures(tmp_path):
    record = f"{RECORD}\nfrom schurkit.nb import published\npublished('small-figure')"
    small = small_chapter(
        record=record, prose=PROSE + " Published: {glue:text}`published.mean_accuracy:.2f`."
    )
    root = write_book(tmp_path / "book", {"small": small})
    (root / ".venv").mkdir()
    (root / ".venv" / "stray.md").write_text("# Stray")
    done = jupyter_book(root)
    assert done.returncode == 0, done.stdout + done.stderr
    page = (root / "_build" / "html" / "notebooks" / "small.html").read_text()
    assert (
        'alt="Line that rises from 0.90."' in page
        and "<strong>reproduced</strong> The couplings" in page
        and "0.61 [0.6, 0.62], 12 networks" in page
    )
    assert re.search(r"Published: (<[^>]+>)?0\.50", page)
    assert "No run of this chapter is published: this page stands on its own run." in page
    assert not list((root / "_build" / "html").rglob("stray*"))
    plain = _pages(root)
    build(plan_build(root))
    assert plain == _pages(root) and len(plain) > 10
    assert "✓ reproduced" in plain["book/ledger.html"] and "seeds = 3" in plain["book/status.html"]


def _pages(root):
    """The article of every page, and the files beside them."""
    html = root / "_build" / "html"
    pages = {path.relative_to(html).as_posix(): path.read_text() for path in html.rglob("*.html")}
    texts = {name: re.findall(r"<article.*?</article>", text, re.S) for name, text in pages.items()}
    files = {path.relative_to(html).as_posix(): path.read_text() for path in html.rglob("*.csv")}
    return {name: re.sub("<[^>]+>", "", "".join(text)) for name, text in texts.items()} | files


def test_a_plain_build_of_a_failing_chapter_fails(tmp_path):
    root = write_book(
        tmp_path / "book", {"bad": notebook(cell("# Bad", kind="markdown"), cell("1 / 0"))}
    )
    done = jupyter_book(root)
    assert done.returncode != 0 and "ZeroDivisionError" in done.stdout + done.stderr
