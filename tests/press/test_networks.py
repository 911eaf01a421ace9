"""`schurkit store export` and `import`: the networks of an edition, from one machine to another."""

import json
import re
import zipfile

import pytest
from press.small_book import cases, cell, network_cells, notebook, write_book

from schurkit.__main__ import main
from schurkit.tasks import Copy
from schurkit.training import Phase, Recipe, Store, Study, train_all

PARAMETERS = "networks: int = 1  # how many\n"


RECIPE = Recipe(hidden_size=6, phases=(Phase(2, 1e-3),), batch_size=4)
STUDIES = [Study(Copy(2, 2, 4), RECIPE, (0, 1))]


@pytest.fixture
def book(tmp_path, monkeypatch):
    """A small book whose chapter needs one network, two in the edition 'book', all trained."""
    head = cell("# One", kind="markdown"), cell(PARAMETERS, ["parameters"])
    chapter = notebook(*head, *network_cells("range(networks)"))
    plain = notebook(cell("# Plain", kind="markdown"), cell("1"))
    editions = "quick: {purpose: x}\nbook: {purpose: x, chapters: {one: {networks: 2}}}\n"
    root = write_book(tmp_path / "book", {"one": chapter, "plain": plain}, editions=editions)
    monkeypatch.setenv("SCHURKIT_STORE", str(tmp_path / "runs"))
    monkeypatch.delenv("SCHURKIT_BOOK", raising=False)
    train_all(STUDIES, store=Store(tmp_path / "runs"))
    monkeypatch.chdir(root)
    return root


def names(path):
    with zipfile.ZipFile(path) as archive:
        return archive.namelist(), json.loads(archive.read("manifest.json"))


def test_an_edition_goes_there_and_back(book, tmp_path, capsys):
    assert main(["store", "export", "../networks.zip"]) == 0
    told = "../networks.zip: 2 networks of the book edition (one), 0.0 MB"
    assert capsys.readouterr().out.startswith(told)
    listed, manifest = names(tmp_path / "networks.zip")
    assert len(listed) == 5 and manifest["about"] == {"edition": "book", "chapters": ["one"]}
    new = str(tmp_path / "new")
    for counts in ("2 networks taken in, 0", "0 networks taken in, 2"):
        assert main(["store", "import", "../networks.zip", "--store", new]) == 0
        assert capsys.readouterr().out == f"{counts} there already, 0 damaged: {new}\n"
    assert train_all(STUDIES, store=Store(new))[0].stored.all()
    # an edition and a chapter can be chosen
    argv = "store export ../quick.zip --edition quick --chapter one --book ."
    assert main(argv.split()) == 0
    listed, manifest = names(tmp_path / "quick.zip")
    assert len(listed) == 3 and manifest["networks"][0]["seed"] == 0
    # one damaged network is named, and the exit code is 1
    path = tmp_path / "networks.zip"
    data = bytearray(path.read_bytes())
    kept = sorted((tmp_path / "runs").glob("*.safetensors"))[0].read_bytes()
    data[data.find(kept) + len(kept) - 1] ^= 1
    path.write_bytes(data)
    capsys.readouterr()
    assert main(["store", "import", "../networks.zip", "--store", f"{new}er"]) == 1
    said, last = capsys.readouterr().out.splitlines()
    assert said.startswith("damaged, skipped: copy-orthogonal-6-seed")
    assert last.startswith("1 network taken in, 0 there already, 1 damaged")
    for action, told in ("list", "2 networks"), ("verify", "2 of 2 networks are sound"):
        assert main(["store", action]) == 0 and told in capsys.readouterr().out


@pytest.mark.parametrize(
    ("argv", "message"),
    cases("""
export → store export needs the archive: schurkit store export ARCHIVE.zip.
import → store import needs the archive: schurkit store import ARCHIVE.zip.
list x.zip → store list takes no archive; got 'x.zip'.
verify --edition quick → --edition belongs to 'store export'; store verify does not take it.
import x.zip --chapter one → --chapter belongs to 'store export'; store import does not take it.
export x.tar → the name of an archive must end in .zip; got 'x.tar'.
export nowhere/x.zip → there is no folder nowhere; make it first.
export x.zip --edition bok → there is no edition 'bok'; did you mean 'book'?
export x.zip --chapter two → there is no chapter 'two'; it has one, plain.
export x.zip --chapter plain → plain: no networks are trained ahead for it, so there is nothing to
    export.
import x.zip → x.zip cannot be read: No such file or directory.
export x.zip --store none --chapter one → 2 of 2 networks are not in the store none (or damaged),
    NAME among them. Train them first: 'schurkit build --edition book --only one'.
"""),
)
def test_a_wrong_command_line_is_one_clear_line(book, argv, message, capsys):
    assert main(["store", *argv.split()]) == 2
    out, err = capsys.readouterr()
    said = re.sub(r"copy-orthogonal-6-seed0-\w+", "NAME", err)
    assert (out, said) == ("", f"schurkit: {message}\n")
