"""A plain `jupyter-book build .` on a fresh clone works too, from the same settings."""

import os
import re
import subprocess
import sys

import pytest
from press.small_book import PROSE, RECORD, cell, notebook, small_chapter, write_book

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
        and "Claim S2." in page
        and "0.61 [0.6, 0.62], 12 networks" in page
    )
    assert (
        re.search(r"Published: (<[^>]+>)?0\.50", page)
        and "In the book the published run of this chapter stands here." in page
    )
    assert 'download="small-figure.csv" href="data:text/csv;base64,' in page
    assert not list((root / "_build" / "html").rglob("stray*"))
    assert (
        "filled in when the book is built"
        in (root / "_build" / "html" / "book" / "ledger.html").read_text()
    )


def test_a_plain_build_of_a_failing_chapter_fails(tmp_path):
    root = write_book(
        tmp_path / "book", {"bad": notebook(cell("# Bad", kind="markdown"), cell("1 / 0"))}
    )
    done = jupyter_book(root)
    assert done.returncode != 0 and "ZeroDivisionError" in done.stdout + done.stderr
