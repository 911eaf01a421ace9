"""Archives of networks: the same bytes for the same networks, whole or refused, and never a network
lost.
"""

import json
import os
import re
import warnings
import zipfile
from concurrent.futures import ThreadPoolExecutor

import pytest
from helpers import refuses
from press.small_book import cases, cell, network_cells, notebook, write_book

from schurkit import store as store_module
from schurkit.__main__ import main
from schurkit.tasks import Copy
from schurkit.training import Phase, Recipe, Store, Study, train
from schurkit_press.archive import MANIFEST, export, import_, records_of

TASK = Copy(2, 2, 4)
RECIPE = Recipe(hidden_size=6, phases=(Phase(2, 1e-3),), batch_size=4)
STUDY = Study(TASK, RECIPE, (0, 1))


@pytest.fixture(scope="module")
def full(tmp_path_factory):
    """A store of two networks, and their archive."""
    folder = tmp_path_factory.mktemp("full")
    store = Store(folder / "runs")
    train(TASK, RECIPE, [0, 1], store=store)
    export(store, records_of([STUDY]), folder / "networks.zip", {"edition": "quick"})
    return store, folder / "networks.zip"


@pytest.fixture
def empty(tmp_path):
    return Store(tmp_path / "empty")


def files(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def contents(path):
    with zipfile.ZipFile(path) as archive:
        return {entry.filename: (entry, archive.read(entry)) for entry in archive.infolist()}


@pytest.fixture
def rewritten(full, tmp_path):
    """The archive with its manifest and entries changed by `change(manifest, [(ZipInfo, bytes)])`,
    which may return another manifest; zipfile itself computes sizes and its checksums.
    """

    def rewrite(change):
        (first, text), *entries = contents(full[1]).values()
        manifest = json.loads(text)
        manifest = change(manifest, entries) or manifest
        with warnings.catch_warnings(), zipfile.ZipFile(tmp_path / "changed.zip", "w") as archive:
            warnings.simplefilter("ignore")  # about names that stand twice
            for entry, data in ((first, json.dumps(manifest).encode()), *entries):
                archive.writestr(entry, data, compress_type=entry.compress_type)
        return tmp_path / "changed.zip"

    return rewrite


# ----------------------------------------------------------------------------------- there and back
def test_the_same_networks_give_the_same_bytes(full, tmp_path):
    store, path = full
    os.utime(next(store.folder.iterdir()), (1e9, 1e9))
    records = records_of([STUDY, Study(TASK, RECIPE, (1,))])  # each once
    assert export(store, reversed(records), tmp_path / "again.zip", {"edition": "quick"}) == 2
    assert files(tmp_path) == {"again.zip": path.read_bytes()}


# ---------------------------------------------------------------------------- export that cannot be
def test_an_export_that_cannot_be_writes_nothing(full, tmp_path, monkeypatch):
    (store, path), records = full, records_of([STUDY])
    before, out = path.read_bytes(), tmp_path / "out.zip"

    def full_disk(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full_disk)
    for asked, place, said in (
        (records, path, "is there already; choose another name or delete it first"),
        ([], out, "there is no network to export"),
        (records, out, "cannot be written: No space left on device"),
    ):
        refuses(said, export, store, asked, place)
    assert list(tmp_path.iterdir()) == [] and path.read_bytes() == before


# ------------------------------------------------------------------------------------------- damage
def flipped(suffix):
    """The last byte of all files of that suffix; the checksums of the zip file itself fit."""

    def change(manifest, entries):
        for i, (entry, data) in enumerate(entries):
            if entry.filename.endswith(suffix):
                entries[i] = entry, data[:-3] + bytes([data[-3] ^ 1]) + data[-2:]

    return change


def renamed_to(name):
    """The first network's files are called so, in the manifest too."""

    def change(manifest, entries):
        old = manifest["networks"][0]["name"]
        for other, _ in entries:
            other.filename = other.filename.replace(old, name)
        return json.loads(json.dumps(manifest).replace(old, name))

    return change


@pytest.mark.parametrize(
    ("change", "said", "count"),
    [
        (flipped("json"), "the checksum of the record does not fit", 2),
        (flipped("safetensors"), "the checksum of the arrays does not fit", 2),
        (lambda manifest, entries: entries.pop() and None, r"\S+\.safetensors is missing", 1),
        (renamed_to("seed9"), "its record belongs to another name", 1),
    ],
)
def test_every_checksum_and_name_is_looked_at(empty, rewritten, change, said, count):
    done = import_(empty, rewritten(change))
    assert (len(done.damaged), len(done.new)) == (count, 2 - count)
    assert all(re.fullmatch(said, why) for _, why in done.damaged)


# ----------------------------------------------------------------------- what does not belong there
NONE = "which is no file of a network"


def also(name):
    return lambda manifest, entries: entries.append((zipfile.ZipInfo(name), b"{}"))


def as_compressed(manifest, entries):
    entries[0][0].compress_type = zipfile.ZIP_DEFLATED


@pytest.mark.parametrize(
    ("change", "said"),
    [
        *((also(name), f"'{name}', {NONE}") for name in ("../../evil.json", "readme.txt", "a/")),
        *((renamed_to(name), f"'{name}.json', {NONE}") for name in ("../evil", "/tmp/evil")),
        (renamed_to("a\\\\b"), NONE),
        (lambda manifest, entries: entries.append(entries[-1]), "or is there twice"),
        (as_compressed, r"'copy-\S+\.json', which is compressed"),
    ],
)
def test_what_does_not_belong_there_is_refused_whole(empty, tmp_path, rewritten, change, said):
    refuses(f"is refused, nothing was taken from it: .*{said}", import_, empty, rewritten(change))
    assert list(files(tmp_path)) == ["changed.zip"]


@pytest.mark.parametrize(
    ("changes", "said"),
    cases("""
{"kind": "other"} → its manifest.json cannot be used (ValueError: its kind is 'other')
{"networks": [3]} → its manifest.json cannot be used (TypeError
{"networks": [{}]} → its manifest.json cannot be used (KeyError
{"schema": 2} → has schema 2; this version of schurkit reads 1
"""),
)
def test_a_manifest_that_cannot_be_used_is_refused(empty, rewritten, changes, said):
    archive = rewritten(lambda old, _: old | json.loads(changes))
    refuses(re.escape(said), import_, empty, archive)


def test_files_that_are_no_archive_are_refused(full, empty, tmp_path):
    data = full[1].read_bytes()
    (tmp_path / "text.zip").write_text("hello")
    (tmp_path / "short.zip").write_bytes(data[: len(data) // 2])
    with zipfile.ZipFile(tmp_path / "bare.zip", "w") as archive:
        archive.writestr("a.json", "{}")
    for name, said in (
        ("text", r"text\.zip is not an archive of networks: File is not a zip file"),
        ("bare", r"it has no manifest\.json"),
        ("short", "is not an archive of networks"),
    ):
        refuses(said, import_, empty, tmp_path / f"{name}.zip")


# --------------------------------------------------------------------------- a store that is in use
def test_a_network_that_is_there_is_never_replaced_unless_damaged(full, empty):
    """Trained here too, with another training time: the bytes differ, and ours stay."""
    train(TASK, RECIPE, [0], store=empty)
    before = {path: (path.read_bytes(), path.stat().st_ino) for path in empty.folder.iterdir()}
    done = import_(empty, full[1])
    assert len(done.there) == len(done.new) == 1
    assert {path: (path.read_bytes(), path.stat().st_ino) for path in before} == before
    assert import_(empty, full[1]).new == []
    path = next(empty.folder.glob("*seed0*.safetensors"))
    path.write_bytes(b"x")
    assert len(import_(empty, full[1]).new) == 1
    assert path.with_name(path.name + ".damaged").read_bytes() == b"x"
    assert train(TASK, RECIPE, [0, 1], store=empty).stored.all()


def test_arrays_are_written_before_the_record(full, empty, monkeypatch):
    """Killed in between, the network counts as not there, and the next import puts it right."""
    order = []

    def stop(path, data, write=store_module.written):
        order.append(path.suffix)
        if path.suffix == ".json":
            raise KeyboardInterrupt
        write(path, data)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(store_module, "written", stop)
        import_(empty, full[1])
    assert order == [".safetensors", ".json"] and empty.entries() == []
    assert len(import_(empty, full[1]).new) == 2


def test_a_store_that_cannot_be_written_is_said(full, tmp_path):
    (tmp_path / "file").write_text("")
    store = Store(tmp_path / "file" / "runs")
    refuses(r"the store .* cannot be written: Not a directory", import_, store, full[1])


def test_other_processes_may_fill_the_store_meanwhile(full, empty):
    with ThreadPoolExecutor() as pool:
        works = [pool.submit(import_, empty, full[1]) for _ in range(3)]
        works.append(pool.submit(train, TASK, RECIPE, [0, 1, 2], store=empty, progress=False))
    assert [work.exception() for work in works] == [None] * 4 and empty.leftovers() == []
    assert train(TASK, RECIPE, [0, 1, 2], store=empty).stored.all()


# -------------------------------------------------------------------------------------- the command
@pytest.fixture
def book(tmp_path, monkeypatch):
    """A small book whose chapter needs one network, two in the edition 'book', all trained."""
    head = cell("# One", kind="markdown"), cell("networks: int = 1  # how many", ["parameters"])
    chapter = notebook(*head, *network_cells("range(networks)"))
    plain = notebook(cell("# Plain", kind="markdown"), cell("1"))
    editions = "quick: {purpose: x}\nbook: {purpose: x, chapters: {one: {networks: 2}}}\n"
    root = write_book(tmp_path / "book", {"one": chapter, "plain": plain}, editions=editions)
    monkeypatch.setenv("SCHURKIT_STORE", str(tmp_path / "runs"))
    monkeypatch.delenv("SCHURKIT_BOOK", raising=False)
    train(TASK, RECIPE, [0, 1], store=Store(tmp_path / "runs"))
    monkeypatch.chdir(root)
    return root


def test_an_edition_goes_there_and_back(book, tmp_path, capsys):
    assert main(["store", "export", "../networks.zip"]) == 0
    told = "../networks.zip: 2 networks of the book edition (one), 0.0 MB"
    assert capsys.readouterr().out.startswith(told)
    found = contents(tmp_path / "networks.zip")
    manifest = json.loads(found[MANIFEST][1])
    assert len(found) == 5 and manifest["about"] == {"edition": "book", "chapters": ["one"]}
    new = str(tmp_path / "new")
    for counts in ("2 networks taken in, 0", "0 networks taken in, 2"):
        assert main(["store", "import", "../networks.zip", "--store", new]) == 0
        assert capsys.readouterr().out == f"{counts} there already, 0 damaged: {new}\n"
    assert files(tmp_path / "new") == files(tmp_path / "runs")
    assert {"key", "sha256", "seed"} <= {*manifest["networks"][1]}
    # an edition and a chapter can be chosen
    argv = "store export ../quick.zip --edition quick --chapter one --book ."
    assert main(argv.split()) == 0
    assert len(contents(tmp_path / "quick.zip")) == 3
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
