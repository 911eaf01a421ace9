"""The reference: every public name is on it, and docstrings come through as they were meant."""

import inspect
import re

import pytest

import schurkit
from schurkit_press.api import MODULES, anchor, api_page, markdown, public_names


@pytest.fixture(scope="module")
def page():
    return api_page()


def test_every_public_name_is_on_it(page):
    for name in schurkit.__all__:
        assert f"### `{name}`" in page or f"## `schurkit.{name}`" in page


def test_no_name_is_there_twice_and_every_anchor_is_its_own(page):
    anchors = re.findall(r"^\((api-[^)]+)\)=$", page, re.MULTILINE)
    assert len(anchors) == len(set(anchors)) == sum(len(names) for names in public_names().values())
    assert set(re.findall(r"\]\(#(api-[^)]+)\)", page)) <= set(anchors)


def test_every_module_that_analyses_is_on_it():
    assert set(public_names()) == set(MODULES)


def test_every_name_has_a_first_line_and_its_signature_names_its_parameters(page):
    for module, names in public_names().items():
        for name, value in names.items():
            entry = page.split(f"({anchor(module, name)})=")[1].split("\n(api-")[0]
            assert inspect.getdoc(value), f"{module}.{name} has no docstring"
            if inspect.isfunction(value):
                call = entry.split("```python\n")[1].split("\n```")[0]
                assert all(parameter in call for parameter in inspect.signature(value).parameters)


def test_nothing_of_one_run_is_on_it(page):
    assert " at 0x" not in page and "<function" not in page


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("W_rec of `fvu` and `trials`", r"W\_rec of [`fvu`](#api-fvu) and `trials`"),
        ("``h_0`` is `schurkit.metrics.fvu`", "`h_0` is [`schurkit.metrics.fvu`](#api-fvu)"),
        ("|x| < 3 $HOME **bold** {a}", r"\|x\| \< 3 \$HOME **bold** \{a\}"),
        ("The form::\n\n    h_t = 1\n\nAfter.", "The form:\n\n```text\nh_t = 1\n```\n\nAfter."),
        ("Try\n\n>>> f(1)\n2", "Try\n\n```pycon\n>>> f(1)\n2\n```"),
    ],
)
def test_docstrings_become_markdown(text, expected):
    assert markdown(text, {"fvu": "api-fvu"}) == expected
