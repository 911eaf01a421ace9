"""The live sections of the chapters: shown on the page, run here with the variables that the
chapter has at that point.
"""

import re
from pathlib import Path

import pytest
from helpers import random_rnn

import schurkit as sk
from schurkit.explorer import Setting, page
from schurkit.tasks import Copy
from schurkit_press.chapters import cell_text, chapters

CHAPTERS = chapters(Path(__file__).resolve().parents[2])
SECTION = re.compile(
    r"^## Explore it yourself \(needs a running kernel\)$.*?^```python\n(.*?)^```$",
    re.MULTILINE | re.DOTALL,
)


def variables():
    """What the chapter has defined by then, with networks that were not trained."""
    task = Copy(3, 2, 6)
    networks = random_rnn(2, 8, task.input_size, task.output_size, biases=False)
    return {"cases": [page.Case("Copying", networks, task.test_trials(64), task.metric)]}


def blocks(name):
    return [
        SECTION.search(cell_text(cell))[1]
        for cell in CHAPTERS[name].source["cells"]
        if SECTION.search(cell_text(cell))
    ]


def test_the_chapters_with_a_live_section():
    assert {name for name in CHAPTERS if blocks(name)} == {"explore"}


def test_the_block_runs_and_ends_with_the_panel():
    pytest.importorskip("ipywidgets")
    (code,) = blocks("explore")
    *statements, last = code.strip().splitlines()
    defined = {"sk": sk, "threshold": 0.7, **variables()}
    exec("\n".join(statements), defined)
    panel = eval(last, defined)
    assert panel.view.setting == Setting(threshold=0.7) and panel.view.trials == 64
    assert panel.view.metric == "replay accuracy"
    panel.remove["RR"].value = True
    assert panel.view.ablated.W_rec.shape == (1, 8, 8)


def test_the_block_uses_names_that_the_chapter_defines():
    code = "\n".join(
        cell_text(cell)
        for cell in CHAPTERS["explore"].source["cells"]
        if cell["cell_type"] == "code"
    )
    assert re.search(r"^cases = ", code, re.MULTILINE)
    assert "import schurkit as sk" in code and "threshold" in [
        parameter.name for parameter in CHAPTERS["explore"].parameters
    ]


def test_no_widget_stands_in_a_cell_that_a_page_would_show():
    code = [
        cell_text(cell)
        for chapter in CHAPTERS.values()
        for cell in chapter.source["cells"]
        if cell["cell_type"] == "code"
    ]
    assert not any("sk.explore(" in text or "ipywidgets" in text for text in code)
