"""Archives of networks: the same bytes for the same networks, whole or refused, and never a network
lost.
"""

import json
import os
import stat
import sys
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pytest

from schurkit import InputError
from schurkit import store as store_module
from schurkit.store import store_command
from schurkit.tasks import Copy
from schurkit.training import Phase, Recipe, Store, StoreWarning, Study, train
from schurkit_press.archive import MANIFEST, MOST_BYTES, export, import_, records_of

TASK = Copy(2, 2, 4)
RECIPE = Recipe(hidden_size=6, phases=(Phase(3, 1e-3),), batch_size=4)
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


def contents(path):
    with zipfile.ZipFile(path) as archive:
        return {entry.filename: (entry, archive.read(entry)) for entry in archive.infolist()}


def rewritten(tmp_path, path, change):
    """The archive with entries changed by `change(list of (ZipInfo, bytes))`; zipfile itself
    computes the sizes and its checksums.
    """
    entries = change([(entry, data) for entry, data in contents(path).values()])
    target = tmp_path / "changed.zip"
    with warnings.catch_warnings(), zipfile.ZipFile(target, "w") as archive:
        warnings.simplefilter("ignore")  # about names that stand twice
        for entry, data in entries:
            archive.writestr(entry, data, compress_type=entry.compress_type)
    return target


def with_manifest(change):
    def changed(entries):
        (entry, data), *rest = entries
        manifest = json.loads(data)
        return [(entry, json.dumps(change(manifest) or manifest).encode()), *rest]

    return changed


# ----------------------------------------------------------------------------------- there and back
def test_train_fetches_everything_from_an_imported_store(full, empty, monkeypatch):
    store, path = full
    done = import_(empty, path)
    assert len(done.new) == 2 and done.there == done.damaged == ()
    monkeypatch.setattr(
        sys.modules["schurkit.training.train"], "_train_missing", lambda *_: pytest.fail("trained")
    )
    again, first = (
        train(TASK, RECIPE, [0, 1], store=empty),
        train(TASK, RECIPE, [0, 1], store=store),
    )
    assert (
        again.stored.all()
        and np.array_equal(again.rnn.W_rec, first.rnn.W_rec)
        and np.array_equal(again.scores, first.scores)
    )
    assert {p.name: p.read_bytes() for p in empty.folder.iterdir()} == {
        p.name: p.read_bytes() for p in store.folder.iterdir()
    }


def test_the_same_networks_give_the_same_bytes(full, tmp_path):
    store, path = full
    os.utime(next(store.folder.iterdir()), (1e9, 1e9))
    assert (
        export(store, reversed(records_of([STUDY])), tmp_path / "again.zip", {"edition": "quick"})
        == 2
    )
    assert (tmp_path / "again.zip").read_bytes() == path.read_bytes()
    assert [p.name for p in tmp_path.iterdir()] == ["again.zip"]


def test_the_manifest_says_what_is_inside(full):
    import hashlib

    store, path = full
    found = contents(path)
    assert next(iter(found)) == MANIFEST and list(found)[1:] == sorted(
        p.name for p in store.folder.iterdir()
    )
    manifest = json.loads(found[MANIFEST][1])
    assert manifest["about"] == {"edition": "quick"} and manifest["schema"] == 1
    for network, record in zip(manifest["networks"], sorted(records_of([STUDY]), key=store.name)):
        assert {
            field: network[field]
            for field in ("task", "recipe", "seed", "engine", "code", "versions")
        } == {
            field: record[field]
            for field in ("task", "recipe", "seed", "engine", "code", "versions")
        }
        for name, kept in network["files"].items():
            assert kept == {
                "bytes": len(found[name][1]),
                "sha256": hashlib.sha256(found[name][1]).hexdigest(),
            }


def test_records_are_each_named_once():
    records = records_of([STUDY, Study(TASK, RECIPE, (1, 2))])
    assert [record["seed"] for record in records] == [0, 1, 2]


# ---------------------------------------------------------------------------- export that cannot be
def test_a_network_that_is_missing_is_said_and_nothing_written(full, tmp_path):
    store, _ = full
    with pytest.raises(
        InputError,
        match=r"1 of 3 networks are not in the store .* \(or damaged\), "
        r"copy-orthogonal-6-seed7-\w+ among them\.",
    ):
        export(store, records_of([STUDY, Study(TASK, RECIPE, (7,))]), tmp_path / "out.zip")
    assert list(tmp_path.iterdir()) == []


def test_an_archive_is_never_overwritten(full):
    store, path = full
    before = path.read_bytes()
    with pytest.raises(
        InputError, match="is there already; choose another name or delete it first"
    ):
        export(store, records_of([STUDY]), path)
    assert path.read_bytes() == before


def test_nothing_to_export_and_nowhere_to_write(full, tmp_path, monkeypatch):
    store, _ = full
    with pytest.raises(InputError, match="there is no network to export"):
        export(store, [], tmp_path / "out.zip")
    with pytest.raises(InputError, match="cannot be written: No such file or directory"):
        export(store, records_of([STUDY]), tmp_path / "nowhere" / "out.zip")

    def full_disk(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full_disk)
    with pytest.raises(InputError, match="cannot be written: No space left on device"):
        export(store, records_of([STUDY]), tmp_path / "out.zip")
    assert list(tmp_path.iterdir()) == []


# ------------------------------------------------------------------------------------------- damage
@pytest.mark.parametrize("suffix", [".json", ".safetensors"])
def test_a_damaged_entry_is_named_and_skipped(full, empty, tmp_path, suffix):
    _, path = full
    data = bytearray(path.read_bytes())
    name = next(name for name in contents(path) if name.endswith(suffix) and "seed1" in name)
    place = data.find(contents(path)[name][1])
    data[place + 20] ^= 1
    (tmp_path / "bad.zip").write_bytes(data)
    done = import_(empty, tmp_path / "bad.zip")
    assert (
        [name for name, _ in done.damaged] == [Path(name).stem]
        and len(done.new) == 1
        and done.damaged[0][1]
    )
    assert (
        len(list(empty.folder.iterdir())) == 2
        and train(TASK, RECIPE, [0], store=empty).stored.all()
    )


def test_every_checksum_is_looked_at(full, empty, tmp_path):
    """Data changed with the zip checksums made anew: caught by the manifest; the manifest changed
    too: caught by the network's own checksum.
    """
    import hashlib

    def flipped(entries, manifest_too):
        (first, text), *rest = entries
        manifest = json.loads(text)
        out = []
        for entry, data in rest:
            if entry.filename.endswith("safetensors"):
                data = data[:-1] + bytes([data[-1] ^ 1])
                for network in manifest["networks"]:
                    if manifest_too and entry.filename in network["files"]:
                        network["files"][entry.filename]["sha256"] = hashlib.sha256(
                            data
                        ).hexdigest()
            out.append((entry, data))
        return [(first, json.dumps(manifest).encode()), *out]

    for manifest_too, said in (
        (False, r"the checksum of copy-\S+\.safetensors does not fit"),
        (True, "the checksum of the arrays does not fit"),
    ):
        done = import_(
            empty,
            rewritten(tmp_path, full[1], lambda entries, too=manifest_too: flipped(entries, too)),
        )
        assert len(done.damaged) == 2 and not done.new
        assert all(__import__("re").fullmatch(said, why) for _, why in done.damaged)
    assert not empty.folder.exists()


def test_a_missing_file_and_a_wrong_name_count_as_damage(full, empty, tmp_path):
    done = import_(empty, rewritten(tmp_path, full[1], lambda entries: entries[:-1]))
    assert len(done.new) == 1 and done.damaged[0][1].endswith(".safetensors is missing")

    def renamed(entries):
        (entry, data), *rest = entries
        for other, _ in rest:
            other.filename = other.filename.replace("seed0-", "seed9-")
        return [(entry, data.replace(b"seed0-", b"seed9-")), *rest]

    done = import_(Store(tmp_path / "other"), rewritten(tmp_path, full[1], renamed))
    assert done.damaged[0][1] == "its record belongs to another name" and len(done.new) == 1


# ----------------------------------------------------------------------- what does not belong there
def entry(name, mode=stat.S_IFREG | 0o644, compress=zipfile.ZIP_STORED):
    info = zipfile.ZipInfo(name)
    info.create_system, info.external_attr, info.compress_type = 3, mode << 16, compress
    return info


def as_link(entries):
    entries[1][0].external_attr = (stat.S_IFLNK | 0o777) << 16
    return entries


def as_compressed(entries):
    entries[1][0].compress_type = zipfile.ZIP_DEFLATED
    return entries


def renamed_to(name):
    """A network whose files are called so, in the manifest too."""

    def change(entries):
        (first, text), *rest = entries
        manifest = json.loads(text)
        old = manifest["networks"][0]["name"]
        for other, _ in rest:
            other.filename = other.filename.replace(old, name)
        return [(first, json.dumps(manifest).replace(old, name).encode()), *rest]

    return change


def twice(manifest):
    manifest["networks"] *= 2


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            lambda entries: [*entries, (entry("../../evil.json"), b"{}")],
            r"'\.\./\.\./evil\.json', which is no file of a network",
        ),
        (
            lambda entries: [*entries, (entry("readme.txt"), b"hello")],
            "'readme.txt', which is no file of a network",
        ),
        (
            lambda entries: [*entries, (entry("folder/"), b"")],
            "'folder/', which is no file of a network",
        ),
        (renamed_to("../evil"), r"'\.\./evil\.json', which is no file of a network"),
        (renamed_to("/tmp/evil"), "'/tmp/evil.json', which is no file of a network"),
        (renamed_to("a\\\\b"), "which is no file of a network"),
        (lambda entries: [*entries, entries[-1]], "it holds '.*' twice"),
        (with_manifest(twice), "its manifest lists a network twice"),
        (as_link, r"'copy-\S+\.json' is not a plain file"),
        (as_compressed, r"'copy-\S+\.json' is compressed or encrypted"),
    ],
)
def test_an_archive_with_what_does_not_belong_there_is_refused_whole(
    full, empty, tmp_path, change, said
):
    with pytest.raises(InputError, match=f"is refused, nothing was taken from it: .*{said}"):
        import_(empty, rewritten(tmp_path, full[1], change))
    assert not empty.folder.exists() and {p.name for p in tmp_path.iterdir()} == {"changed.zip"}


def test_an_absurd_size_is_refused(full, empty, tmp_path, monkeypatch):
    monkeypatch.setitem(MOST_BYTES, ".safetensors", 100)
    with pytest.raises(InputError, match=r"is said to take [\d,]+ bytes; the most is 100"):
        import_(empty, full[1])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            lambda manifest: {"kind": "other"},
            r"its manifest.json cannot be used \(ValueError: its kind is 'other'\)",
        ),
        (lambda manifest: [1], r"its manifest.json cannot be used \(TypeError"),
        (
            lambda manifest: manifest | {"networks": [{"name": "a", "files": {}}]},
            "network 'a' does not have its two files",
        ),
        (
            lambda manifest: (
                manifest | {"networks": [{"name": "a", "files": {"a.json": 1, "a.safetensors": 2}}]}
            ),
            r"cannot be used \(TypeError",
        ),
        (
            lambda manifest: manifest | {"schema": 2},
            "has schema 2; this version of schurkit reads 1",
        ),
    ],
)
def test_a_manifest_that_cannot_be_used_is_refused(full, empty, tmp_path, change, said):
    with pytest.raises(InputError, match=said):
        import_(empty, rewritten(tmp_path, full[1], with_manifest(change)))


def test_files_that_are_no_archive_are_refused(full, empty, tmp_path):
    (tmp_path / "text.zip").write_text("hello")
    with pytest.raises(
        InputError, match=r"text\.zip is not an archive of networks: File is not a zip file"
    ):
        import_(empty, tmp_path / "text.zip")
    with pytest.raises(InputError, match=r"nothing\.zip cannot be read: No such file or directory"):
        import_(empty, tmp_path / "nothing.zip")
    with pytest.raises(InputError, match=r"it has no manifest\.json"):
        import_(empty, rewritten(tmp_path, full[1], lambda entries: entries[1:]))
    data = full[1].read_bytes()
    (tmp_path / "short.zip").write_bytes(data[: len(data) // 2])
    with pytest.raises(InputError, match="is not an archive of networks"):
        import_(empty, tmp_path / "short.zip")


# --------------------------------------------------------------------------- a store that is in use
def test_a_network_that_is_there_is_never_replaced(full, tmp_path):
    """Trained here too, with another training time: the bytes differ, and ours stay."""
    mine = Store(tmp_path / "mine")
    train(TASK, RECIPE, [0], store=mine)
    before = {p.name: (p.read_bytes(), p.stat().st_ino) for p in mine.folder.iterdir()}
    done = import_(mine, full[1])
    assert len(done.there) == 1 and len(done.new) == 1
    assert {
        name: (mine.folder.joinpath(name).read_bytes(), mine.folder.joinpath(name).stat().st_ino)
        for name in before
    } == before
    assert import_(mine, full[1]).new == ()


def test_a_damaged_network_is_set_aside_and_replaced(full, tmp_path):
    mine = Store(tmp_path / "mine")
    import_(mine, full[1])
    path = next(mine.folder.glob("*seed0*.safetensors"))
    path.write_bytes(b"x")
    assert len(import_(mine, full[1]).new) == 1
    assert (
        path.with_name(path.name + ".damaged").read_bytes() == b"x"
        and train(TASK, RECIPE, [0, 1], store=mine).stored.all()
    )


def test_arrays_are_written_before_the_record(full, empty, monkeypatch):
    """Killed in between, the network counts as not there, and the next import puts it right."""
    written = []

    def stop(path, data, write=store_module.written):
        written.append(path.suffix)
        if path.suffix == ".json":
            raise KeyboardInterrupt
        write(path, data)

    monkeypatch.setattr("schurkit.store.written", stop)
    with pytest.raises(KeyboardInterrupt):
        import_(empty, full[1])
    assert written == [".safetensors", ".json"] and empty.entries() == []
    monkeypatch.undo()
    assert len(import_(empty, full[1]).new) == 2


def test_a_store_that_cannot_be_written_is_said(full, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"the store .* cannot be written: Not a directory"):
        import_(Store(tmp_path / "file" / "runs"), full[1])


def test_another_process_may_fill_the_store_meanwhile(full, empty):
    import threading

    errors = []

    def run(work):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error", StoreWarning)
                work()
        except BaseException as error:
            errors.append(error)

    works = [lambda: import_(empty, full[1]) for _ in range(3)] + [
        lambda: train(TASK, RECIPE, [0, 1, 2], store=empty, progress=False)
    ]
    threads = [threading.Thread(target=run, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (
        errors == []
        and train(TASK, RECIPE, [0, 1, 2], store=empty).stored.all()
        and empty.leftovers() == []
    )


def test_what_was_imported_is_verified_by_the_store(full, empty, capsys):
    class Arguments:
        action, store = "verify", str(empty.folder)

    import_(empty, full[1])
    assert store_command(Arguments) == 0 and "2 of 2 networks are sound" in capsys.readouterr().out
