"""The reference: every public name of every room, with its signature, its docstring and its source,
in an inventory that other packages can link to; built alone, with every warning an error.
"""

import inspect
import re
import subprocess
import sys
from importlib import import_module

import pytest
import yaml
from press.small_book import REPOSITORY
from sphinx.util.inventory import InventoryFile

import schurkit

pytestmark = pytest.mark.book
PAGE = (REPOSITORY / "book" / "api.md").read_text(encoding="utf-8")
ROOMS = re.findall(r"^\.\. room:: (\S+)", PAGE, re.MULTILINE)


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The folder of the page, with a docstring of each kind of trouble beside it."""
    root = tmp_path_factory.mktemp("reference")
    (root / "index.md").write_text(PAGE + "\n```{eval-rst}\n.. room:: troubles\n```\n")
    (root / "troubles.py").write_text(TROUBLES)
    settings = yaml.safe_load((REPOSITORY / "_config.yml").read_text())["sphinx"]["config"]
    settings = {
        name: value
        for name, value in settings.items()
        if name.startswith(("auto", "numpydoc", "default_role"))
    }
    paths = [str(REPOSITORY / "book" / "_ext"), str(root)]
    (root / "conf.py").write_text(
        f"import sys\nsys.path[:0] = {paths}\nextensions = ['myst_parser', 'room']\n"
        f"html_theme = 'basic'\nnitpicky = True\nglobals().update({settings})\n"
    )
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", str(root)]
    done = subprocess.run([*command, str(root / "out")], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return root / "out"


TROUBLES = '''
"""Docstrings as they come."""


def function(x, *rest):
    """The norm |x| of `x`, 2 * 3 * 4, see `schurkit.fvu` and `nothing_known`.

    Parameters
    ----------
    x : an array that is
        long.
    rest : as in (networks, *rest).
    """


class Values:
    """Values by name.
    first, second : two,
    on two lines.
    """
'''


def test_every_public_name_is_there_once_and_in_the_inventory(built):
    text = (built / "index.html").read_text()
    entries = re.findall(r'<dt class="sig sig-object py" id="(schurkit\.[\w.]+)"', text)
    places = [
        place for place in (name.rpartition(".") for name in entries) if place[0] in ROOMS
    ]  # no members
    found = [(room, getattr(import_module(room), name)) for room, _, name in places]
    assert {room for room, _ in found} == set(ROOMS)
    aliases = sum(value.__name__ != name for (room, value), (*_, name) in zip(found, places))
    assert len({id(value) for _, value in found}) == len(found) - aliases > 150
    with (built / "objects.inv").open("rb") as file:
        inventory = InventoryFile.load(file, "", lambda base, place: place)
    offered = {name for name in schurkit.__all__ if callable(getattr(schurkit, name))}
    known = inventory["py:function"].keys() | inventory["py:class"].keys()
    assert {f"schurkit.{name}" for name in offered} <= known


def test_every_entry_has_a_docstring_its_parameters_and_its_source(built):
    text = (built / "index.html").read_text()
    for name in schurkit.__all__:
        value = getattr(schurkit, name)
        if inspect.isfunction(value):
            entry = text.split(f'id="schurkit.{name}"')[1].split("</dl>")[0]
            assert inspect.getdoc(value) and ("[source]" in entry or name != value.__name__)
            assert all(parameter in entry for parameter in inspect.signature(value).parameters)
    assert (built / "_modules" / "schurkit" / "metrics.html").is_file()
    assert " at 0x" not in text and "&lt;function" not in text


def test_docstrings_come_through_as_they_were_meant(built):
    text = re.sub(r"\s+", " ", (built / "index.html").read_text().partition('id="troubles')[2])
    assert "The norm |x| of" in text and "2 * 3 * 4" in text
    assert re.search(r'<a [^>]*href="#schurkit.fvu"[^>]*><code[^>]*>.*?schurkit.fvu', text)
    assert re.search(r"<code[^>]*><span[^>]*>nothing_known", text)
    assert re.search(r"<strong>x</strong></dt><dd><p>an array that is long\.", text)
    assert "as in (networks, *rest)." in text
    assert re.search(r"<dt>first, second</dt><dd><p>two, on two lines\.", text)
