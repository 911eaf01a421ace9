"""Reading arrays out of files that a stranger may have made: nothing is ever unpickled.

A file is what its first bytes say, whatever its name. What a header claims is held against the
bytes that are there, so a small file cannot ask for much memory.
"""

from __future__ import annotations

import hashlib
import os
import struct
import zipfile
import zlib
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from schurkit.checks import InputError

from .contents import RATIO, RATIO_FROM, Contents, add, in_bytes, reading, shown, widened
from .torch_files import read_pickle, read_zip

LARGEST = 2 * 2**30
"""Bytes of arrays that one file may hold."""
_MADE_BY = {
    ".npz": "numpy.savez",
    ".safetensors": "safetensors.save_file",
    **dict.fromkeys((".pt", ".pth", ".ckpt"), "torch.save"),
    ".pkl": "pickle.dump or torch.save",
    ".mat": "MATLAB",
    **dict.fromkeys((".h5", ".hdf5"), "h5py"),
}
WEIGHT_FILES = tuple(_MADE_BY)
_MEMBERS = 10_000
_HDF5 = b"\x89HDF\r\n\x1a\n"
_MAT_TYPES = dict(zip((1, 2, 3, 4, 5, 6, 7, 9, 12, 13, 16, 17), "bBhHiIfdqQBH"))
_MAT_CLASSES = dict(zip(range(6, 16), "dfbBhHiIqQ"))
_MATRIX, _COMPRESSED, _CHARS = 14, 15, 4


def read_arrays(path: Path) -> Contents:
    """Arrays and words of a file of any kind in `WEIGHT_FILES`.

    Raises
    ------
    InputError : damaged, sizes that are not there, or of another kind.
    """
    kind = path.suffix.lower()
    with path.open("rb") as file:
        head = file.read(520)
    if kind == ".keras":
        raise InputError("cannot be read: save the model as model.save('model.h5').")
    if head[:4] == b"PK\3\4":
        with archive(path) as opened:
            torchs = any(name.endswith("/data.pkl") for name in opened.namelist())
            return read_zip(opened) if torchs else _read_npz(opened)
    if head[:1] == b"\x80" and kind not in (".npz", ".safetensors"):
        return read_pickle(path)
    if _HDF5 in (head[:8], head[512:]):
        return _read_hdf5(path, by_column=head[:8] != _HDF5)
    if kind == ".mat":
        return _read_mat(path)
    if kind == ".safetensors":
        return _read_safetensors(path)
    if head.startswith(b"version https://git-lfs"):
        raise InputError(
            "is a pointer of Git LFS, not the file itself: fetch it with git lfs pull."
        )
    if kind in _MADE_BY:
        raise InputError(
            f"is not what {_MADE_BY[kind]} writes; nothing in it was read. Save or fetch it again."
        )
    raise InputError(
        f"cannot be read: weights come as {', '.join(WEIGHT_FILES)}; got "
        f"{shown(kind) or 'no suffix'}. Read the arrays with their own library and save them with "
        "numpy.savez under the names W_in, W_rec and W_out."
    )


def checked_path(path, suffixes: tuple[str, ...] | None, what: str) -> Path:
    """The path of a regular file that is not empty, not too large, and has one of the suffixes,
    where any are named; InputError otherwise.
    """
    try:
        path = Path(path)
        kind = path.suffix.lower()
        if path.is_dir():
            raise InputError(f"is a folder; expected a file with {what}.")
        if not path.exists():
            raise InputError("there is no file of that name; give the path of one.")
        if not path.is_file():
            raise InputError("is not a regular file.")
        if suffixes and kind not in suffixes:
            raise InputError(
                f"cannot be read: {what} come as {', '.join(suffixes)}; got "
                f"{shown(kind) or 'no suffix'}. Save them with numpy.savez."
            )
        with path.open("rb"):
            size = path.stat().st_size
    except (OSError, ValueError, TypeError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"cannot be read: {getattr(error, 'strerror', None) or error}.") from None
    if size == 0:
        raise InputError("is empty.")
    if size > LARGEST:
        raise InputError(f"holds {in_bytes(size)}; files up to {in_bytes(LARGEST)} are read.")
    return path


def sha256(path: Path) -> str:
    """SHA-256 of a file, as hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _read_safetensors(path: Path) -> Contents:
    """The format's own library reads the header and says what is wrong with it."""
    from safetensors import deserialize, safe_open

    with reading():
        with safe_open(path, "numpy") as file:
            words = file.metadata() or {}
        tensors = deserialize(path.read_bytes())
    return Contents({name: _as_array(name, **tensor) for name, tensor in tensors}, words)


def _as_array(name: str, dtype: str, shape, data) -> np.ndarray:
    if dtype == "BF16":  # the upper half of a float32
        return widened(np.frombuffer(data, "<u2").reshape(shape))
    kind, bits = dtype[0], dtype[1:]
    if dtype != "BOOL" and not (kind in "FIU" and bits in ("8", "16", "32", "64")):
        raise InputError(
            f"array {shown([name])} is of type {dtype}; save plain numbers, as float32 or float64."
        )
    stored = "?" if dtype == "BOOL" else f"<{kind.lower()}{int(bits) // 8}"
    return np.frombuffer(data, stored).reshape(shape)


# -------------------------------------------------------------- zip archives: npz, and torch's own
@contextmanager
def archive(path: Path):
    """A zip archive whose claimed sizes are credible, open for reading."""
    with reading(), zipfile.ZipFile(path) as opened:
        members = opened.infolist()
        _check_members(members, path.stat().st_size)
        # zipfile does not compare: a damaged length can swallow members
        if (count := _listed(path)) != len(members):
            raise ValueError(f"its directory lists {len(members)} of {count} members")
        yield opened


def _listed(path: Path) -> int:
    """How many members a zip archive says that it has."""
    with path.open("rb") as file:
        # the end of the directory, with the longest comment it may have
        file.seek(max(0, path.stat().st_size - 2**17))
        tail = file.read()
    end, long_end = tail.rfind(b"PK\5\6"), tail.rfind(b"PK\6\6")
    (count,) = struct.unpack_from("<H", tail, end + 10)
    if count == 0xFFFF and long_end >= 0:
        (count,) = struct.unpack_from("<Q", tail, long_end + 32)
    return count


def _check_members(members: list[zipfile.ZipInfo], present: int) -> None:
    if not members or len(members) > _MEMBERS:
        raise InputError(f"holds {len(members)} members; expected 1 to {_MEMBERS}.")
    if len({member.filename for member in members}) != len(members):
        raise InputError("holds two members of one name.")
    for member in members:
        name, size = f"member {shown([member.filename])}", in_bytes(member.file_size)
        stored = member.compress_type == zipfile.ZIP_STORED
        deflated = member.compress_type == zipfile.ZIP_DEFLATED
        if member.flag_bits & 1 or not (stored or deflated):
            raise InputError(
                f"{name} is encrypted or compressed in a way that is not read: save it without."
            )
        if member.compress_size > present or (stored and member.file_size != member.compress_size):
            raise ValueError(f"{name} claims {size}, more than the file holds")
        if member.file_size > max(RATIO_FROM, RATIO * member.compress_size):
            raise InputError(
                f"{name} claims to expand more than {RATIO} times, to {size}; save it without "
                "compression if that is meant."
            )
    total = sum(member.file_size for member in members)
    if total > LARGEST:
        raise InputError(f"holds {in_bytes(total)}; files up to {in_bytes(LARGEST)} are read.")


def _read_npz(opened: zipfile.ZipFile) -> Contents:
    """Without numpy.load: no pickle is reachable, and no array is larger than its member."""
    contents = Contents({})
    for member in opened.infolist():
        name = member.filename.removesuffix(".npy")
        if name == member.filename:
            raise InputError(
                f"holds {shown([name])}, which is not an array: save arrays with numpy.savez under "
                "the names W_in, W_rec and W_out."
            )
        add(contents, name, _read_member(opened, member, f"array {shown([name])}"))
    return contents


def _read_member(opened: zipfile.ZipFile, member: zipfile.ZipInfo, name: str) -> np.ndarray | None:
    """One array; None where it holds Python objects, which are not even looked at."""
    headers = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }
    with opened.open(member) as file:
        version = np.lib.format.read_magic(file)
        if version not in headers:
            raise ValueError(f"{name} is of .npy version {version}, which is not read")
        shape, by_column, dtype = headers[version](file)
        if dtype.hasobject:
            return None
        present = member.file_size - file.tell()
        if not all(type(size) is int and size >= 0 for size in shape) or present != np.prod(
            [dtype.itemsize, *shape], dtype=object
        ):
            raise ValueError(
                f"the header of {name} claims {dtype.name} of shape {shown([str(shape)])}, but "
                f"{in_bytes(max(present, 0))} are there"
            )
        data = file.read(present)
        file.read(1)  # the end: the checksum of the member is verified here
    if len(data) != present:
        raise ValueError(f"{name} is truncated")
    return np.ndarray(shape, dtype, data, order="F" if by_column else "C")


# ----------------------------------------------------------------------- MATLAB, and HDF5 by h5py
def _read_mat(path: Path) -> Contents:
    """Numbers and words of a MATLAB file of level 5 (save's -v6 and -v7)."""
    with reading():
        data, contents = path.read_bytes(), Contents({})
        order = {b"IM": "<", b"MI": ">"}.get(data[126:128])
        if order is None:
            raise InputError(
                "is not a MATLAB file of level 5 or 7.3; save it again: save('weights.mat', '-v7')."
            )
        rest = memoryview(data)[128:]
        while len(rest) >= 8:
            kind, body, rest = _element(rest, order)
            if kind == _COMPRESSED:
                inflate = zlib.decompressobj()
                body = inflate.decompress(body, max(RATIO_FROM, RATIO * len(body)))
                if inflate.unconsumed_tail or not inflate.eof:
                    raise InputError(f"holds a member that expands more than {RATIO} times.")
                kind, body, _ = _element(memoryview(body), order)
            if kind == _MATRIX:
                add(contents, *_mat_matrix(body, order))
    return contents


def _element(data, order: str) -> tuple[int, memoryview, memoryview]:
    """Type and bytes of the element at the front, and what follows it."""
    kind, size = struct.unpack_from(f"{order}II", data)
    start = 8
    if kind >> 16:  # up to four bytes stand in the tag itself
        kind, size, start = kind & 0xFFFF, kind >> 16, 4
    if start + size > len(data):
        raise ValueError(f"an element claims {in_bytes(size)}, more than the file holds")
    end = start + size
    return kind, data[start:end], data[end if kind == _COMPRESSED else end + -end % 8 :]


def _mat_matrix(data, order: str) -> tuple[str, np.ndarray | None]:
    """Name and array of a matrix of numbers or letters; None for any other."""
    _, flags, data = _element(data, order)
    (flags,) = struct.unpack_from(f"{order}I", flags)
    _, shape, data = _element(data, order)
    shape = np.frombuffer(shape, f"{order}i4").tolist()
    _, name, data = _element(data, order)
    name, kind = bytes(name).decode("latin1"), flags & 0xFF
    if flags & 0x0800 or kind not in (_CHARS, *_MAT_CLASSES):
        return name, None
    stored, body, _ = _element(data, order)
    if kind == _CHARS:
        letters = "utf-8" if stored in (1, 2, 16) else "utf-16"
        return name, np.array(bytes(body).decode(letters).strip())
    flat = np.frombuffer(body, order + _MAT_TYPES[stored]).astype(_MAT_CLASSES[kind])
    return name, flat.reshape(shape, order="F")


def _read_hdf5(path: Path, by_column: bool) -> Contents:
    """Every array of numbers by its path, and the attributes of the file; those of MATLAB 7.3 stand
    transposed.
    """
    try:
        import h5py
    except ImportError:
        raise InputError("needs h5py to be read: install schurkit[files].") from None
    contents = Contents({})

    def visit(name, item):
        name = os.fsdecode(name)
        if not isinstance(item, h5py.Dataset):
            return
        if item.dtype.kind not in "fiub" or item.external or item.is_virtual:
            contents.skipped.append(name)
        elif item.nbytes > max(RATIO_FROM, RATIO * item.id.get_storage_size()):
            raise ValueError(f"{name} claims {in_bytes(item.nbytes)}, which are not there")
        elif item.attrs.get("MATLAB_class") == b"char":
            contents.words[name] = "".join(map(chr, item[()].ravel()))
        else:
            contents.arrays[name] = item[()].T if by_column else item[()]

    with reading(), h5py.File(path, "r") as file:
        for name, value in file.attrs.items():
            if np.size(value) == 1 and np.asarray(value).dtype.kind in "fiubSU":
                add(contents, os.fsdecode(name), np.asarray(value))
        file.visititems(visit)
    return contents
