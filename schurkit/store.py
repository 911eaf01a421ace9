"""The store of trained networks: one network a file, verified when read, safe under kills and
several writers.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import secrets
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import BinaryIO

import numpy as np

from schurkit.tasks.versions import task_version

from .checks import InputError

SCHEMA = 2
TRAINING = {"training": 1, "numpy": 1, "numba": 2, "torch": 2}
"""The state of what trains a network: of all that engines share (random numbers, starts, optimiser,
loop), and of each engine. Raise one when numbers change on purpose, and networks that depend on it
are trained again; each task has a `version` of its own. Moving or rewording code raises nothing:
`tests/training/test_golden.py` tells when numbers have changed."""

MEASURES = 1
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
    """A folder of trained networks.

    Each network is a `.safetensors` file with its arrays and a `.json` file with its record (task,
    recipe, seed, engine, versions of our code and of packages), what training found, and the
    SHA-256 of both. The arrays are written first and the JSON last, each under a temporary name and
    then renamed, so a network is there whole or not at all, whatever happens in between.

    Parameters
    ----------
    folder : where; made when first written to. By default `default_folder()`.
    """

    def __init__(self, folder: str | os.PathLike | None = None):
        self.folder = Path(folder) if folder is not None else default_folder()

    def name(self, record: dict) -> str:
        """File name, without suffix, of the network of that record."""
        digest = hashlib.sha256(_dumps(record).encode()).hexdigest()[:20]
        task = re.sub(r"[^A-Za-z0-9_]+", "-", str(record["task"]["name"]))[:40]
        recipe, seed = record["recipe"], record["seed"]
        return f"{task}-{recipe['construction']}-{recipe['hidden_size']}-seed{seed}-{digest}"

    def holds(self, record: dict) -> bool:
        """Whether the network seems to be there (its files are not verified)."""
        name = self.name(record)
        return all(
            (self.folder / f"{name}{suffix}").is_file() for suffix in (".json", ".safetensors")
        )

    def read(self, record: dict) -> tuple[dict[str, np.ndarray], dict] | None:
        """Arrays and findings of the network of that record; None if it is not there.

        A damaged file is set aside (renamed to `….damaged`) with a `StoreWarning`, and None is
        returned.
        """
        name = self.name(record)
        meta_path, data_path = self.folder / f"{name}.json", self.folder / f"{name}.safetensors"
        try:
            text, data = meta_path.read_bytes(), data_path.read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            warnings.warn(
                f"{name} in {self.folder} cannot be read ({error.strerror}); the network is "
                "trained again.",
                StoreWarning,
                stacklevel=3,
            )
            return None
        try:
            meta, arrays = opened(text, data)
            if meta["record"] != record:
                raise ValueError("it holds another record")
            return arrays, meta["found"]
        except Exception as error:
            self._set_aside((meta_path, data_path), name, error)
            return None

    def write(self, record: dict, arrays: dict[str, np.ndarray], found: dict) -> bool:
        """Store one network; returns whether it could be written, with a `StoreWarning` if not."""
        from safetensors.numpy import save

        name = self.name(record)
        data = save({key: np.ascontiguousarray(array) for key, array in arrays.items()})
        body = {"record": record, "found": found, "sha256_arrays": hashlib.sha256(data).hexdigest()}
        meta = body | {"sha256": hashlib.sha256(_dumps(body).encode()).hexdigest()}
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            written(self.folder / f"{name}.safetensors", data)
            written(self.folder / f"{name}.json", _dumps(meta).encode())
        except OSError as error:
            warnings.warn(
                f"the store {self.folder} cannot be written ({error.strerror}): seed "
                f"{record['seed']} is used now but not kept. "
                "Free space there, or set SCHURKIT_STORE to another folder.",
                StoreWarning,
                stacklevel=2,
            )
            return False
        return True

    def entries(self) -> list[Entry]:
        """What the store holds, by name; files that are not whole are left out."""
        found = []
        for path in sorted(self.folder.glob("*.json")):
            try:
                meta = json.loads(path.read_bytes())
                size = path.stat().st_size + path.with_suffix(".safetensors").stat().st_size
                found.append(
                    Entry(
                        path.stem,
                        meta["record"],
                        size,
                        float(meta["found"]["seconds"]),
                        float(meta["found"]["score"]),
                    )
                )
            except (OSError, ValueError, KeyError, TypeError):
                continue
        return found

    def leftovers(self) -> list[Path]:
        """Files that no stored network needs: set aside, temporary, or half of a pair."""
        if not self.folder.is_dir():
            return []
        whole = {entry.name for entry in self.entries()}
        kinds = (".json", ".safetensors", ".damaged", ".tmp")
        here = [
            path
            for path in self.folder.iterdir()
            if path.suffix in kinds and not (path.stem in whole and path.suffix in kinds[:2])
        ]
        return sorted(
            [*here, *(path for path in self.folder.glob("*/*") if path.suffix in kinds[2:])]
        )

    def _set_aside(self, paths, name, error):
        for path in paths:
            try:
                os.replace(path, path.with_name(path.name + ".damaged"))
            except OSError:
                continue
        warnings.warn(
            f"stored network {name} is damaged ({error}); it was set aside and is trained again.",
            StoreWarning,
            stacklevel=4,
        )


def opened(text: bytes, data: bytes) -> tuple[dict, dict[str, np.ndarray]]:
    """What the two files of a network hold: the verified JSON, and the arrays. Raises ValueError,
    KeyError or what safetensors raises if damaged.
    """
    from safetensors.numpy import load

    meta = json.loads(text)
    body = {key: meta[key] for key in ("record", "found", "sha256_arrays")}
    if (
        meta["sha256"] != hashlib.sha256(_dumps(body).encode()).hexdigest()
        or text != _dumps(meta).encode()
    ):
        raise ValueError("the checksum of the record does not fit")
    if meta["sha256_arrays"] != hashlib.sha256(data).hexdigest():
        raise ValueError("the checksum of the arrays does not fit")
    return meta, load(data)


def _dumps(value) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


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


def add_store_arguments(parser) -> None:
    """Arguments of `schurkit store` without the press."""
    what = "list (default); verify checksums; clean up leftovers"
    parser.add_argument(
        "action", nargs="?", default="list", choices=("list", "verify", "clean"), help=what
    )
    parser.add_argument(
        "--store",
        default=None,
        metavar="FOLDER",
        help="the folder (default: $SCHURKIT_STORE, else runs)",
    )


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
