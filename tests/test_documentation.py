"""Every example in a docstring runs; every public name has a docstring; importing schurkit stays
quick and light.
"""

import doctest
import importlib
import inspect
import pkgutil

import pytest
from helpers import run_python
from numpydoc.docscrape import NumpyDocString

import schurkit


@pytest.mark.parametrize(
    "name", sorted(m.name for m in pkgutil.walk_packages(schurkit.__path__, "schurkit."))
)
def test_examples_run(name):
    module = importlib.import_module(name)
    failed, _ = doctest.testmod(module, optionflags=doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS)
    assert failed == 0


@pytest.mark.parametrize("name", [n for n in schurkit.__all__ if n != "tasks"])
def test_public_names_are_documented(name):
    thing = getattr(schurkit, name)
    # a heading that numpydoc does not know is a warning, hence an error here
    sections = NumpyDocString(inspect.getdoc(thing))
    assert sections["Summary"]
    if inspect.isfunction(thing):
        given = inspect.signature(thing).parameters.values()
        assert "Parameters" in inspect.getdoc(thing) or not given
        assert all(one.kind is one.VAR_KEYWORD or one.annotation is not one.empty for one in given)


def test_import_is_light():
    """Analysis must start fast and have no hidden device."""
    heavy = ("torch", "matplotlib", "pandas", "numba", "scipy.stats", "IPython")
    code = f"import sys, schurkit.training; print([m for m in {heavy} if m in sys.modules])"
    assert run_python(code) == "[]"


def test_unknown_names_are_attribute_errors():
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = schurkit.nothing
    assert "train" in dir(schurkit)
