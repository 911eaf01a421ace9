"""What a piece of code really imports: each form of it."""

import pytest
from press.small_book import cases

from schurkit_press.imports import Packages, code_digest, read

FILES = {
    "__init__.py": "_HOMES = {'low': ['thing'], 'sub': ['given']}\nversion = 1",
    "low.py": "def thing(): pass",
    "lone.py": "import lib.sub.deep",
    "sub/__init__.py": "from .deep import given as given\nfrom .wide import other\n"
    "def own(): from .late import x",
    "sub/deep.py": "from .. import low\nfrom numpy import low as lone",
    "sub/wide.py": "def f():\n    from ..lone import a",
    "sub/late.py": "import lib as alias\nalias.sub.given()",
}


@pytest.fixture
def lib(tmp_path):
    for name, text in FILES.items():
        (tmp_path / "lib" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "lib" / name).write_text(text)
    return tmp_path / "lib"


@pytest.mark.parametrize(
    ("code", "found"),
    cases("""
import lib →
import lib; lib.thing() → low
import lib as l; l.thing → low
from lib import thing → low
import lib; lib.version → .
from lib import low → low
import lib.low → low
import lib.sub →
import lib.sub.deep as d → sub.deep low
import lib.sub; lib.sub.other → sub.wide lone sub.deep low
from lib import sub; sub.given() → sub.deep low
from lib import sub; sub.deep.x → sub.deep low
from lib import sub; getattr(sub, name) → sub sub.deep sub.wide sub.late lone low
from lib.sub import * → sub sub.deep sub.wide sub.late lone low
from lib.sub import own → sub sub.deep sub.wide sub.late lone low
from lib import given → sub.deep low
from lib.sub.late import x → sub.late sub.deep low
from numpy import lib; lib.thing →
from .low import thing; x = 'lib.low' →
def f(): from lib import thing → low
"""),
)
def test_every_form_of_an_import(lib, code, found):
    names = Packages({lib.name: lib}).closure([read(code)])
    assert names == {"lib" if name == "." else f"lib.{name}" for name in found.split()}


def test_the_digest_changes_with_code_and_with_the_files_beside_it(lib):
    code = ["from lib.sub.deep import x"]
    digests = [code_digest({lib.name: lib}, code)]
    for name, text in (
        ("sub/wide.py", "x = 1"),  # not imported
        (
            "sub/deep.py",
            '"""Doc."""\nfrom .. import low  # word\nfrom numpy import low as lone\n"""More."""',
        ),
        ("own/style.css", "beside no module that counts"),
        ("low.py", "def thing(): return 1"),
        ("sub/page.js", "1"),
        ("sub/page.js", "2"),
    ):
        (lib / name).parent.mkdir(exist_ok=True)
        (lib / name).write_text(text)
        digests.append(code_digest({lib.name: lib}, code))
    assert len(set(digests[:4])) == 1 and len(set(digests[3:])) == 4
