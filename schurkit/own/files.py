"""Reading arrays out of files that a stranger may have made: sizes are checked before anything is
read, and nothing is ever unpickled.

What a header claims is held against the bytes that are there, so a small file cannot ask for much
memory.
"""

from __future__ import annotations

import hashlib
import json
import os
import struct
import warnings
import zipfile
import zlib
from collections.abc import Iterable
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from schurkit.checks import InputError

LARGEST = 2 * 2**30
"""Bytes of arrays that one file may hold."""
_RATIO, _RATIO_FROM = (
    1000,
    16 * 2**20,
)  # a member beyond 16 MiB must not expand more than a thousandfold: only runs of one byte do
_HEADER = 16 * 2**20  # bytes of a safetensors header; 10,000 tensors need about 1 MiB
_MEMBERS = 10_000


@dataclass(frozen=True, eq=False)
class Contents:
    """What a file holds: arrays by name, and words by name."""

    arrays: dict[str, np.ndarray]
    words: dict[str, str]


def shown(names: Iterable | str, most: int = 6) -> str:
    """Names from a file on one line: unprintable characters replaced, each and all of them
    shortened.
    """
    if isinstance(names, (str, os.PathLike)):
        return "".join(c if c.isprintable() else "?" for c in os.fspath(names))
    names = [shown(str(name)) for name in names]
    short = [name if len(name) <= 60 else name[:57] + "…" for name in names[:most]]
    return (", ".join(short) or "nothing") + (
        f", … ({len(names)} in all)" if len(names) > most else ""
    )


def checked_path(path, suffixes: tuple[str, ...], what: str) -> Path:
    """The path of a regular file that is not empty, not too large, and of a known kind; InputError
    otherwise.
    """
    try:
        path = Path(path)
        kind = path.suffix.lower()
        if path.is_dir():
            raise InputError(f"{shown(path)} is a folder; expected a file with {what}.")
        if not path.exists():
            raise InputError(f"there is no file {shown(path)}.")
        if not path.is_file():
            raise InputError(f"{shown(path)} is not a regular file.")
        if kind not in suffixes:
            raise InputError(
                f"{shown(path)} cannot be read: {what} come as {', '.join(suffixes)}; got "
                f"{shown(kind) or 'no suffix'}.{_advice(kind)}"
            )
        size = path.stat().st_size
        with path.open("rb"):
            pass
    except (OSError, ValueError, TypeError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(
            f"{shown(str(path))} cannot be read: {getattr(error, 'strerror', None) or error}."
        ) from None
    if size == 0:
        raise InputError(f"{shown(path)} is empty.")
    if size > LARGEST:
        raise InputError(
            f"{shown(path)} holds {_bytes(size)}; files up to {_bytes(LARGEST)} are read."
        )
    return path


def _advice(kind: str) -> str:
    if kind in (".pkl", ".pickle", ".joblib"):
        return (
            " Pickles are never read, because reading one can run code: save the arrays with "
            "numpy.savez."
        )
    return (
        " Read the arrays with their own library and pass them to schurkit.from_arrays, or save "
        "them with numpy.savez."
    )


def sha256(path: Path) -> str:
    """SHA-256 of a file, as hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _bytes(size: int) -> str:
    return f"{size:,} bytes" if size < 2**20 else f"{size / 2**20:,.0f} MiB"


# -------------------------------------------------------------- zip archives: npz, and torch's own
_DAMAGE = (
    zipfile.BadZipFile, zlib.error, EOFError, OSError, struct.error, ValueError, TypeError, KeyError,
    NotImplementedError, RuntimeError, RecursionError, MemoryError, OverflowError,
)  # fmt: skip


@contextmanager
def reading(path: Path):
    """Turns whatever a damaged file provokes into one InputError."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except InputError:
        raise
    except _DAMAGE as error:
        reason = str(error).strip().splitlines()[:1] or [type(error).__name__]
        raise InputError(
            f"{shown(path)} is damaged or truncated: {shown(reason[0])[:160]}."
        ) from None


@contextmanager
def archive(path: Path, made_by: str, *, stored_only: bool = False):
    """A zip archive whose claimed sizes are credible, open for reading."""
    with path.open("rb") as file:
        start = file.read(4)
    if start[:2] != b"PK":
        raise InputError(
            f"{shown(path)} is not what {made_by} writes (a zip archive); nothing in it was read."
        )
    with reading(path), zipfile.ZipFile(path) as opened:
        _check_members(path, opened.infolist(), stored_only)
        if (listed := _listed(path)) != len(
            opened.infolist()
        ):  # zipfile does not compare: a damaged length can swallow members
            raise InputError(
                f"{shown(path)} is damaged: its directory should list {listed} members, and "
                f"{len(opened.infolist())} are there."
            )
        yield opened


def _listed(path: Path) -> int | None:
    """How many members a zip archive says that it has."""
    with path.open("rb") as file:
        file.seek(
            max(0, path.stat().st_size - 2**17)
        )  # the end of the directory, with the longest comment it may have
        tail = file.read()
    end, long_end = tail.rfind(b"PK\5\6"), tail.rfind(b"PK\6\6")
    (count,) = struct.unpack_from("<H", tail, end + 10)
    return (
        struct.unpack_from("<Q", tail, long_end + 32)[0]
        if count == 0xFFFF and long_end >= 0
        else count
    )


def _check_members(path: Path, members: list[zipfile.ZipInfo], stored_only: bool) -> None:
    names = [member.filename for member in members]
    if not members or len(members) > _MEMBERS:
        raise InputError(f"{shown(path)} holds {len(members)} members; expected 1 to {_MEMBERS}.")
    if len(set(names)) != len(names):
        raise InputError(f"{shown(path)} holds two members of one name.")
    present = path.stat().st_size
    for member in members:
        kinds = (zipfile.ZIP_STORED,) if stored_only else (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
        if member.flag_bits & 1 or member.compress_type not in kinds:
            raise InputError(
                f"{shown(path)}: member {shown([member.filename])} is encrypted or compressed in "
                "a way that is not read."
            )
        stored = member.compress_type == zipfile.ZIP_STORED
        if member.compress_size > present or (stored and member.file_size != member.compress_size):
            raise InputError(
                f"{shown(path)}: member {shown([member.filename])} claims "
                f"{_bytes(member.file_size)}, more than the file holds."
            )
        if member.file_size > _RATIO_FROM and member.file_size > _RATIO * member.compress_size:
            raise InputError(
                f"{shown(path)}: member {shown([member.filename])} claims to expand more than "
                f"{_RATIO} times, to {_bytes(member.file_size)}; "
                "save it without compression if that is meant."
            )
    total = sum(member.file_size for member in members)
    if total > LARGEST:
        raise InputError(
            f"{shown(path)} expands to {_bytes(total)}; files up to {_bytes(LARGEST)} are read."
        )


def read_npz(path: Path) -> Contents:
    """Arrays and words of an .npz file, without numpy.load: no pickle is reachable, and no array is
    larger than its member.
    """
    arrays, words = {}, {}
    with archive(path, "numpy.savez") as opened:
        for member in opened.infolist():
            name = member.filename.removesuffix(".npy")
            if name == member.filename:
                raise InputError(
                    f"{shown(path)} holds {shown([name])}, which is not an array as numpy.savez "
                    "writes it."
                )
            array = _read_member(path, opened, member, name)
            if array.dtype.kind in "US" and array.ndim == 0:
                word = array.item()
                words[name] = word if isinstance(word, str) else word.decode("utf-8", "replace")
            else:
                arrays[name] = array
    return Contents(arrays, words)


def _read_member(
    path: Path, opened: zipfile.ZipFile, member: zipfile.ZipInfo, name: str
) -> np.ndarray:
    fmt = np.lib.format
    with opened.open(member) as file:
        version = fmt.read_magic(file)
        if version not in ((1, 0), (2, 0)):
            raise InputError(
                f"{shown(path)}: array {shown([name])} is of .npy version {version}, which is not "
                "read."
            )
        read_header = fmt.read_array_header_1_0 if version == (1, 0) else fmt.read_array_header_2_0
        shape, by_column, dtype = read_header(file)
        if dtype.hasobject:
            raise InputError(
                f"{shown(path)}: array {shown([name])} holds Python objects, which are never "
                "unpickled; save plain numbers."
            )
        claimed, present = _size_of(shape, dtype.itemsize), member.file_size - file.tell()
        if claimed is None or claimed != present:
            raise InputError(
                f"{shown(path)}: the header of array {shown([name])} claims {dtype.name} of shape "
                f"{_shape(shape)}, "
                f"but {_bytes(max(present, 0))} are there."
            )
        data = file.read(present)
        file.read(1)  # the end: the checksum of the member is verified here
    if len(data) != present:
        raise InputError(f"{shown(path)} is truncated in array {shown([name])}.")
    if dtype.itemsize == 0:
        return np.zeros(shape, dtype)
    return np.frombuffer(data, dtype).reshape(shape, order="F" if by_column else "C")


def _size_of(shape, itemsize: int) -> int | None:
    total = itemsize
    for size in shape:
        if isinstance(size, bool) or not isinstance(size, int) or size < 0:
            return None
        total *= size
    return total


def _shape(shape) -> str:
    return shown([str(tuple(shape))])


# ------------------------------------------------------------------------------------- safetensors
_DTYPES = {
    "F64": "<f8",
    "F32": "<f4",
    "F16": "<f2",
    "I64": "<i8",
    "I32": "<i4",
    "I16": "<i2",
    "I8": "i1",
    "U8": "u1",
    "BOOL": "?",
    "BF16": "<u2",
}


def read_safetensors(path: Path) -> Contents:
    """Arrays and metadata of a .safetensors file: eight bytes of header length, a JSON header, one
    buffer (the format's own specification).
    """
    size = path.stat().st_size
    with reading(path), path.open("rb") as file:
        start = file.read(8)
        length = int.from_bytes(start, "little")
        if len(start) < 8 or length > size - 8 or length > _HEADER:
            raise InputError(
                f"{shown(path)} is damaged or truncated: its header claims {_bytes(length)}, and "
                f"the file holds {_bytes(size)}."
            )
        header = json.loads(file.read(length))
        if not isinstance(header, dict):
            raise InputError(f"{shown(path)} is damaged: its header does not name arrays.")
        words = header.pop("__metadata__", {})
        if not isinstance(words, dict) or not all(isinstance(word, str) for word in words.values()):
            raise InputError(f"{shown(path)} is damaged: its metadata must be words.")
        if len(header) > _MEMBERS:
            raise InputError(
                f"{shown(path)} holds {len(header)} arrays; expected at most {_MEMBERS}."
            )
        places = {
            name: _place(path, name, entry, size - 8 - length) for name, entry in header.items()
        }
        last = 0
        for name, (begin, end, *_) in sorted(places.items(), key=lambda item: item[1][:2]):
            if begin != last:
                raise InputError(
                    f"{shown(path)} is damaged: array {shown([name])} does not stand where the "
                    "one before it ends."
                )
            last = end
        if last != size - 8 - length:
            raise InputError(
                f"{shown(path)} is damaged: its arrays take {_bytes(last)}, and "
                f"{_bytes(size - 8 - length)} are there."
            )
        arrays = {}
        for name, (begin, end, dtype, shape) in places.items():
            file.seek(8 + length + begin)
            array = np.frombuffer(file.read(end - begin), _DTYPES[dtype]).reshape(shape)
            arrays[name] = (
                (array.astype(np.uint32) << 16).view(np.float32) if dtype == "BF16" else array
            )
    return Contents(arrays, words)


def _place(path: Path, name: str, entry, room: int):
    """Begin, end, dtype and shape of an array in the buffer, after checking that they agree."""
    try:
        dtype, shape, (begin, end) = entry["dtype"], entry["shape"], entry["data_offsets"]
    except (KeyError, TypeError, ValueError):
        raise InputError(
            f"{shown(path)} is damaged: the header does not say where array {shown([name])} is."
        ) from None
    if not isinstance(dtype, str) or dtype not in _DTYPES:
        raise InputError(
            f"{shown(path)}: array {shown([name])} is of type {shown([str(dtype)])}; save real "
            "numbers, as float32 or float64."
        )
    whole = all(type(number) is int for number in (begin, end)) and isinstance(shape, list)
    claimed = _size_of(shape, np.dtype(_DTYPES[dtype]).itemsize) if whole else None
    if claimed is None or not 0 <= begin <= end <= room or end - begin != claimed:
        where = f"{dtype} of shape {_shape(shape) if isinstance(shape, list) else '?'}"
        told = (
            f"array {shown([name])} claims {where}, which is not what the file holds "
            f"({_bytes(room)})"
        )
        raise InputError(f"{shown(path)} is damaged or truncated: {told}.")
    return begin, end, dtype, shape
