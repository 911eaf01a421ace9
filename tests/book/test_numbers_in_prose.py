"""The book's own extension for numbers that chapters recorded: undefined in words, negative with a
minus sign, words as they are.
"""

import importlib.util

import pytest
from docutils import nodes
from press.small_book import REPOSITORY


@pytest.fixture
def replaced():
    """Text of a pasted word after the extension has seen the page."""
    spec = importlib.util.spec_from_file_location(
        "undefined", REPOSITORY / "book" / "_ext" / "undefined.py"
    )
    extension = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(extension)
    seen = {}

    class App:
        def connect(self, event, function):
            seen[event] = function

    extension.setup(App())

    def run(text, classes):
        tree = nodes.paragraph("", "", nodes.inline("", text, classes=classes))
        seen["doctree-resolved"](App(), tree, "page")
        return tree.astext()

    return run


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("nan", "undefined"),
        ("-0.25", "−0.25"),
        ("-7e-05", "−7e−05"),
        ("-1,200", "−1,200"),
        ("0.5", "0.5"),
        ("a well-known one", "a well-known one"),
        ("-x", "-x"),
    ],
)
def test_a_pasted_number(replaced, text, shown):
    assert replaced(text, ["pasted-text"]) == shown
    assert replaced(text, ["other"]) == text
