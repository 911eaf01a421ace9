"""Archives of trained networks: the networks behind published figures in one file, with a manifest,
checked byte by byte when they are taken in; and `schurkit store`, which carries those of an edition
from one machine to another.

A zip file without compression: `manifest.json`, then for each network its `.json` and
`.safetensors` as the store keeps them. The same networks give the same bytes: names are sorted and
every time is 1980-01-01. Nothing in an archive is executed or unpickled, and no name in it becomes
a path.
"""

import json
import os
import stat
import warnings
import zipfile
from collections import Counter
from collections.abc import Iterable
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import schurkit.store
from schurkit import __version__
from schurkit.checks import InputError
from schurkit.engine import choose
from schurkit.store import Store, StoreWarning, checksum, key_of, opened, record_of, writing
from schurkit.words import plural

from .build import build_command, plan_build
from .chapters import book_root
from .plans import merged, studies_of

SCHEMA = 1
ACTIONS = ("list", "verify", "clean", "export", "import")
MANIFEST = "manifest.json"


def records_of(studies: Iterable) -> list[dict]:
    """The records (the store's keys) of every network that the studies ask for, as
    `schurkit.training.train_all` looks for them.
    """
    found = {}
    for study in studies:
        first = record_of(study.task, study.recipe, study.seeds[0], choose())
        records = (first | {"seed": seed} for seed in study.seeds)
        found |= {key_of(record): record for record in records}
    return list(found.values())


def export(
    store: Store, records: Iterable[dict], path: str | os.PathLike, about: dict | None = None
) -> int:
    """Write the networks of these records to an archive, and return how many there are.

    Parameters
    ----------
    store : where the networks are.
    records : which, see `records_of`.
    path : the archive; written under a temporary name and then renamed, so that it is there whole
        or not at all.
    about : plain values for the manifest, for example the edition.

    Raises
    ------
    InputError : a network is not in the store, something of that name is there, or it cannot be
        written. Nothing is written then.
    """
    path, records = Path(path), sorted(records, key=store.name)
    if path.exists():
        raise InputError(f"{path} is there already; choose another name or delete it first.")
    if not records:
        raise InputError("there is no network to export.")
    if missing := [record for record in records if not _sound(store, record)]:
        first = store.name(missing[0])
        raise InputError(
            f"{len(missing)} of {len(records)} networks are not in the store {store.folder} (or "
            f"damaged), {first} among them."
        )
    networks = []
    for record in records:
        name = store.name(record)
        sums = {part.name: checksum(part.read_bytes()) for part in store.paths(name)}
        networks.append(record | {"name": name, "key": key_of(record), "sha256": sums})
    manifest = {
        "kind": "schurkit networks",
        "schema": SCHEMA,
        "schurkit": __version__,
        "about": about or {},
        "networks": networks,
    }
    text = json.dumps(manifest, sort_keys=True, indent=1) + "\n"
    try:
        with writing(path) as file, zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
            archive.writestr(_entry(MANIFEST), text)
            for record in records:
                for part in store.paths(store.name(record)):
                    archive.writestr(_entry(part.name), part.read_bytes())
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror}.") from None
    return len(records)


def _sound(store: Store, record: dict) -> bool:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", StoreWarning)
        return store.read(record) is not None


def _entry(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name)
    entry.create_system, entry.external_attr = 3, (stat.S_IFREG | 0o644) << 16
    return entry


class Imported(NamedTuple):
    """What an import did, by names of networks: `new` were taken in, `there` were in the store
    already, `damaged` were skipped, with the reason.
    """

    new: list[str]
    there: list[str]
    damaged: list[tuple[str, str]]


def import_(store: Store, path: str | os.PathLike) -> Imported:
    """Take the networks of an archive into a store. A sound network that is there is never
    replaced; other processes may use the store meanwhile.

    Parameters
    ----------
    store : where to.
    path : an archive that `export` wrote.

    Raises
    ------
    InputError : not such an archive, or one with an entry that does not belong there (an unknown or
        repeated name, a compressed entry): nothing is taken from it. The store cannot be written.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            names = _listed_in(archive, store, path)
            new, there, damaged = [], [], []
            for name in names:
                try:
                    record, files = _network(archive, name, store)
                except Exception as error:  # whatever damage does to zip, JSON or safetensors
                    damaged.append((name, str(error) or type(error).__name__))
                    continue
                if _sound(store, record):
                    there.append(name)
                    continue
                try:  # a damaged one is set aside as when it is read
                    store.put(name, *files)
                except OSError as error:
                    raise InputError(
                        f"the store {store.folder} cannot be written: {error.strerror}. What was "
                        "taken in before stays."
                    ) from None
                new.append(name)
    except zipfile.BadZipFile as error:
        raise InputError(f"{path} is not an archive of networks: {error}.") from None
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}.") from None
    return Imported(new, there, damaged)


def _listed_in(archive: zipfile.ZipFile, store: Store, path) -> list[str]:
    """The names of the networks in the manifest; InputError where an entry is none of theirs, or
    compressed, as it could then be larger than the archive.
    """
    refused = f"{path} is not an archive of networks: "
    taken = f"{path} is refused, nothing was taken from it: it holds"
    if MANIFEST not in archive.NameToInfo:
        raise InputError(f"{refused}it has no {MANIFEST}.")
    for entry in archive.infolist():
        if entry.compress_type != zipfile.ZIP_STORED:
            raise InputError(
                f"{taken} {entry.filename!r}, which is compressed; networks are stored as they are."
            )
    try:
        manifest = json.loads(archive.read(MANIFEST))
        kind, schema, networks = (manifest[name] for name in ("kind", "schema", "networks"))
        if kind != "schurkit networks":
            raise ValueError(f"its kind is {kind!r}")
        names = [str(network["name"]) for network in networks]
    except Exception as error:  # whatever damage or malice does to zip and JSON
        raise InputError(
            f"{refused}its {MANIFEST} cannot be used ({type(error).__name__}: {error})."
        ) from None
    if schema != SCHEMA:
        raise InputError(f"{path} has schema {schema!r}; this version of schurkit reads {SCHEMA}.")
    wanted = {MANIFEST, *(part.name for name in names for part in store.paths(name))}
    for name in Counter(archive.namelist()) - Counter(wanted):
        raise InputError(
            f"{taken} {name!r}, which is no file of a network in its manifest, or is there twice."
        )
    return names


def _network(archive: zipfile.ZipFile, name: str, store: Store) -> tuple[dict, list[bytes]]:
    """Record and files of one network; ValueError or KeyError where anything does not fit."""
    parts = [path.name for path in store.paths(name)]
    if missing := [part for part in parts if part not in archive.NameToInfo]:
        raise ValueError(f"{missing[0]} is missing")
    files = [archive.read(part) for part in parts]
    record = opened(*files)[0]["record"]  # which looks at the checksums of both
    if store.name(record) != name:
        raise ValueError("its record belongs to another name")
    return record, files


# -------------------------------------------------------------------------------------- the command
def add_store_arguments(parser) -> None:
    """Arguments of `schurkit store`."""
    schurkit.store.add_store_arguments(
        parser, ACTIONS, "; export the networks of an edition to a .zip; import such an archive"
    )
    add = parser.add_argument
    add("archive", nargs="?", metavar="ARCHIVE.zip", help="export, import: the archive")
    add("--edition", metavar="NAME", help="export: an edition of book/editions.yml (default: book)")
    add(
        "--chapter",
        nargs="+",
        metavar="NAME",
        help="export: what these chapters of the edition need alone",
    )
    add(
        "--book",
        metavar="FOLDER",
        help="export: the book's folder (default: here, or the nearest one above)",
    )


def store_command(arguments) -> int:
    """Run `schurkit store`; returns the exit code: 0 done, 1 some networks are damaged (and
    named).
    """
    action, transfer = arguments.action, arguments.action in ("export", "import")
    if transfer != (arguments.archive is not None):
        problem = (
            f"needs the archive: schurkit store {action} ARCHIVE.zip"
            if transfer
            else f"takes no archive; got {arguments.archive!r}"
        )
        raise InputError(f"store {action} {problem}.")
    given = [name for name in ("edition", "chapter", "book") if getattr(arguments, name)]
    if given and action != "export":
        raise InputError(
            f"--{given[0]} belongs to 'store export'; store {action} does not take it."
        )
    run = {"export": _export, "import": _import}.get(action, schurkit.store.store_command)
    return run(arguments)


def _export(arguments) -> int:
    path = Path(arguments.archive)
    if path.suffix != ".zip":
        raise InputError(f"the name of an archive must end in .zip; got {arguments.archive!r}.")
    if not path.parent.is_dir():
        raise InputError(f"there is no folder {path.parent}; make it first.")
    root, edition = book_root(arguments.book), arguments.edition or "book"
    jobs = plan_build(root, edition, arguments.chapter or ()).jobs
    needed = {job.chapter.name: studies_of(job.chapter, job.values) for job in jobs}
    chapters = [name for name, studies in needed.items() if studies]
    if not chapters:
        raise InputError(
            f"{', '.join(needed)}: no networks are trained ahead for it, so there is nothing to "
            "export."
        )
    records = records_of(merged(chain(*needed.values())))
    made_of = {"edition": edition, "chapters": chapters}
    try:
        count = export(Store(arguments.store), records, path, made_of)
    except InputError as error:
        if "not in the store" not in str(error):
            raise
        command = build_command(edition, arguments.chapter or ())
        raise InputError(f"{error} Train them first: '{command}'.") from None
    print(
        f"{path}: {plural(count, 'network')} of the {edition} edition ({', '.join(chapters)}), "
        f"{path.stat().st_size / 1e6:.1f} MB"
    )
    return 0


def _import(arguments) -> int:
    there = Store(arguments.store)
    done = import_(there, arguments.archive)
    for name, why in done.damaged:
        print(f"damaged, skipped: {name} ({why})")
    print(
        f"{plural(len(done.new), 'network')} taken in, {len(done.there)} there already, "
        f"{len(done.damaged)} damaged: {there.folder}"
    )
    return 1 if done.damaged else 0
