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


def text_of(chapter, kind):
    cells = chapter.source["cells"]
    return "\n".join(cell_text(cell) for cell in cells if cell["cell_type"] == kind)


def test_the_one_live_section_runs_and_ends_with_the_panel():
    pytest.importorskip("ipywidgets")
    live = {name: SECTION.findall(text_of(one, "markdown")) for name, one in CHAPTERS.items()}
    ((name, code),) = ((name, code) for name in live for code in live[name])
    *statements, last = code.strip().splitlines()
    task = Copy(3, 2, 6)
    networks = random_rnn(2, 8, task.input_size, task.output_size, biases=False)
    cases = [page.Case("Copying", networks, task.test_trials(64), task.metric)]
    defined = {"sk": sk, "threshold": 0.7, "cases": cases}
    exec("\n".join(statements), defined)
    panel = eval(last, defined)
    chapter = CHAPTERS[name]  # which defines the names that are used
    assert re.search(r"^cases[,\w ]* = ", text_of(chapter, "code"), re.MULTILINE)
    assert "threshold" in [parameter.name for parameter in chapter.parameters]
    assert (
        name == "explore"
        and panel.view.setting == Setting(threshold=0.7)
        and panel.view.trials == 64
    )
    panel.remove["RR"].value = True
    assert panel.view.ablated.W_rec.shape == (1, 8, 8)
    assert "replay accuracy, 64 trials:" in panel.summary.value


def test_no_widget_stands_in_a_cell_that_a_page_would_show():
    code = "\n".join(text_of(chapter, "code") for chapter in CHAPTERS.values())
    assert "import schurkit as sk" in code and "sk.explore(" not in code
    assert "ipywidgets" not in code
