"""The store of all that is kept, trained networks first: one file an entry, verified when read,
safe under kills and several writers.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import secrets
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import BinaryIO, ClassVar

import numpy as np

from schurkit.tasks.versions import task_version

from .checks import InputError

SCHEMA = 2
TRAINING = {"training": 1, "numpy": 1, "numba": 2, "torch": 2}
"""The state of what trains a network: of all that engines share (random numbers, starts, optimiser,
loop), and of each engine. Raise one when numbers change on purpose, and networks that depend on it
are trained again; each task has a `version` of its own. Moving or rewording code raises nothing:
`tests/training/test_golden.py` tells when numbers have changed."""

MEASURES = 3
"""The state of what `schurkit.studies` measures in trained networks and keeps; raise it when
measures change, and all are made again.
"""


@cache
def installed(packages: tuple[str, ...]) -> dict[str, str]:
    """Versions of those packages that are installed (none is imported)."""
    found = {}
    for package in packages:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


class StoreWarning(UserWarning):
    """Something about the store that costs time but no result: a damaged file, or a folder that
    cannot be written.
    """


def default_folder() -> Path:
    """$SCHURKIT_STORE, else `runs` beside the book's _toc.yml in this folder or one above it, else
    `runs` here.
    """
    if os.environ.get("SCHURKIT_STORE"):
        return Path(os.environ["SCHURKIT_STORE"])
    here = Path.cwd()
    root = next(
        (folder for folder in (here, *here.parents) if (folder / "_toc.yml").is_file()), here
    )
    return root / "runs"


def record_of(task, recipe, seed: int, engine) -> dict:
    """The plain record that is the key of one network: everything that its weights depend on."""
    record = {
        "schema": SCHEMA,
        "task": {"name": task.name, "class": type(task).__qualname__, **asdict(task)},
        "recipe": recipe.record(),
        "seed": int(seed),
        "engine": engine.name,
        "code": {
            "training": TRAINING["training"],
            "engine": TRAINING[engine.name],
            "task": task_version(task),
        },
        "versions": {name: metadata.version(name) for name in engine.packages}
        | {"arithmetic": engine.arithmetic},
    }
    try:
        return json.loads(json.dumps(record, sort_keys=True, allow_nan=False))
    except (TypeError, ValueError) as error:
        raise InputError(
            f"the fields of task {task.name!r} must be plain numbers and words to name a network "
            f"in the store: {error}."
        ) from None


@dataclass(frozen=True)
class Entry:
    """A file of the store as `Store.entries` lists it."""

    name: str
    record: dict
    bytes: int
    seconds: float
    score: float


class Store:
    """A folder of trained networks; base of the other stores, which say what their keys are.

    An entry is a `.json` file with its key (here the record of a network: task, recipe, seed,
    engine, versions of our code and of packages), what was found, and the SHA-256 of all of it;
    and, where it has arrays, a `.safetensors` file. Arrays are written first and the JSON last,
    each under a temporary name and then renamed, so an entry is there whole or not at all,
    whatever happens in between. There is no lock: who writes an entry that is there writes the
    same, and a sound one is not written again by whoever looks first.

    Parameters
    ----------
    folder : where; made when first written to. By default `default_folder()`.
    """

    suffixes: ClassVar = (".json", ".safetensors")
    again: ClassVar = "trained"
    """What is done where an entry is damaged."""

    def __init__(self, folder: str | os.PathLike | None = None):
        self.folder = Path(folder) if folder is not None else default_folder()

    def name(self, record: dict) -> str:
        """File name, without suffix, of the entry of that record."""
        task, recipe, seed = record["task"]["name"], record["recipe"], record["seed"]
        start = f"{task!s:.40}-{recipe['construction']!s:.40}-{recipe['hidden_size']}-seed{seed}"
        # a record may come from anybody's archive: whatever it says, the file stays in the folder
        return f"{re.sub('[^A-Za-z0-9_-]+', '-', start)[:120]}-{key_of(record)[:20]}"

    def paths(self, name: str) -> list[Path]:
        """The files of the entry of that name."""
        return [self.folder / f"{name}{suffix}" for suffix in self.suffixes]

    def holds(self, record: dict) -> bool:
        """Whether the entry seems to be there (its files are not verified)."""
        return all(path.is_file() for path in self.paths(self.name(record)))

    def read(self, record: dict) -> tuple[dict[str, np.ndarray], dict] | None:
        """Arrays and findings of the entry of that record; None if it is not there.

        A damaged file is set aside (renamed to `….damaged`) with a `StoreWarning`, and None is
        returned.
        """
        name = self.name(record)
        paths = self.paths(name)
        try:
            files = [path.read_bytes() for path in paths]
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            told = f"{name} in {self.folder} cannot be read ({error.strerror})"
            self._warn(f"{told}; it is {self.again} again.")
            return None
        try:
            meta, arrays = opened(*files)
            if meta["record"] != record:
                raise ValueError("it holds another record")
            return arrays, meta["found"]
        except Exception as error:  # whatever damage does to JSON or safetensors
            for path in paths:
                with suppress(OSError):
                    os.replace(path, path.with_name(path.name + ".damaged"))
            self._warn(
                f"stored {name} is damaged ({error}); it was set aside and is {self.again} again."
            )
            return None

    def write(self, record: dict, arrays: dict[str, np.ndarray], found: dict) -> bool:
        """Store one entry; returns whether it could be written, with a `StoreWarning` if not."""
        name, body, data = self.name(record), {"record": record, "found": found}, []
        if ".safetensors" in self.suffixes:
            from safetensors.numpy import save

            data = [save({key: np.ascontiguousarray(array) for key, array in arrays.items()})]
            body["sha256_arrays"] = checksum(data[0])
        try:
            self.put(name, _dumps(body | {"sha256": checksum(_dumps(body))}).encode(), *data)
        except OSError as error:
            self._warn(
                f"the store {self.folder} cannot be written ({error.strerror}): {name} is used now "
                "but not kept. Free space there, or set SCHURKIT_STORE to another folder."
            )
            return False
        return True

    def put(self, name: str, *files: bytes) -> None:
        """Write the files of an entry, in the order of `suffixes`."""
        self.folder.mkdir(parents=True, exist_ok=True)
        for path, data in reversed(list(zip(self.paths(name), files))):
            written(path, data)

    def entries(self) -> list[Entry]:
        """What the store holds, by name; files that are not whole are left out."""
        found = []
        for path in sorted(self.folder.glob("*.json")):
            with suppress(OSError, ValueError, KeyError, TypeError):
                meta = json.loads(path.read_bytes())
                size = sum(one.stat().st_size for one in self.paths(path.stem))
                seconds, score = (float(meta["found"][name]) for name in ("seconds", "score"))
                found.append(Entry(path.stem, meta["record"], size, seconds, score))
        return found

    def leftovers(self) -> list[Path]:
        """Files that no stored entry needs: set aside, temporary, or half of a pair."""
        whole = {entry.name for entry in self.entries()}
        halves = [
            path
            for suffix in self.suffixes
            for path in self.folder.glob(f"*{suffix}")
            if path.stem not in whole
        ]
        parts = (path for kind in ("damaged", "tmp") for path in self.folder.rglob(f"*.{kind}"))
        return sorted([*halves, *parts])

    def _warn(self, text: str) -> None:
        warnings.warn(text, StoreWarning, stacklevel=4)


def opened(text: bytes, data: bytes | None = None) -> tuple[dict, dict[str, np.ndarray]]:
    """What the files of an entry hold: the verified JSON, and the arrays. Raises ValueError,
    KeyError or what safetensors raises if damaged.
    """
    meta = json.loads(text)
    body = {key: value for key, value in meta.items() if key != "sha256"}
    if meta["sha256"] != checksum(_dumps(body)) or text != _dumps(meta).encode():
        raise ValueError("the checksum of the record does not fit")
    if data is None:
        return meta, {}
    from safetensors.numpy import load

    if meta["sha256_arrays"] != checksum(data):
        raise ValueError("the checksum of the arrays does not fit")
    return meta, load(data)


def checksum(data: bytes | str) -> str:
    """SHA-256, the one checksum of all that is kept."""
    return hashlib.sha256(data.encode() if isinstance(data, str) else data).hexdigest()


def key_of(record: dict) -> str:
    """The checksum of a plain record, whatever the order of its entries."""
    return checksum(json.dumps(record, sort_keys=True, separators=(",", ":")))


def _dumps(value) -> str:
    return json.dumps(value, separators=(",", ":"))


@contextmanager
def writing(path: Path) -> Iterator[BinaryIO]:
    """A file that is there under its name whole or not at all: written under a temporary one beside
    it, flushed to disk, renamed. Its mode is the umask's, so that colleagues can read it.
    """
    temporary = path.with_name(f".{path.name[:100]}.{secrets.token_hex(6)}.tmp")
    try:
        with temporary.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def written(path: Path, data: bytes) -> None:
    """Write those bytes by `writing`."""
    with writing(path) as file:
        file.write(data)


def add_store_arguments(parser, actions=("list", "verify", "clean"), more: str = "") -> None:
    """Arguments of `schurkit store`: with the actions and words that the press adds."""
    what = f"list (default); verify checksums; clean up leftovers{more}"
    parser.add_argument("action", nargs="?", default="list", choices=actions, help=what)
    folder = "the folder (default: $SCHURKIT_STORE, else runs)"
    parser.add_argument("--store", metavar="FOLDER", help=folder)


def store_command(arguments) -> int:
    """Run `schurkit store list`, `verify` or `clean`; returns the exit code."""
    store = Store(arguments.store)
    if arguments.store is not None and not store.folder.is_dir():
        raise InputError(f"no store at {arguments.store!r}: expected a folder.")
    if arguments.action == "clean":
        leftovers = store.leftovers()
        for path in leftovers:
            path.unlink(missing_ok=True)
        print(f"removed {len(leftovers)} leftover file(s)")
        return 0
    entries = store.entries()
    if arguments.action == "verify":
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", StoreWarning)
            bad = [entry.name for entry in entries if store.read(entry.record) is None]
        print(
            *(f"damaged, set aside: {name}" for name in bad),
            f"{len(entries) - len(bad)} of {len(entries)} networks are sound",
            sep="\n",
        )
        return 1 if bad else 0
    for entry in entries:
        print(
            f"{entry.name}  score {entry.score:.4g}  {entry.seconds:.1f} s  "
            f"{entry.bytes / 1024:.0f} KiB"
        )
    size, seconds = sum(e.bytes for e in entries), sum(e.seconds for e in entries)
    print(
        f"{len(entries)} networks, {size / 2**20:.1f} MiB, {seconds / 60:.1f} minutes of "
        f"training, {len(store.leftovers())} leftover file(s)"
    )
    return 0
