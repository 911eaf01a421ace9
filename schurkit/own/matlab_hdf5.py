"""Arrays of MATLAB files, with a reader of our own, and of HDF5, through h5py."""

from __future__ import annotations

import os
import struct
import zlib
from pathlib import Path

import numpy as np

from schurkit.checks import InputError

from .contents import RATIO, RATIO_FROM, Contents, add, in_bytes, reading

HDF5 = b"\x89HDF\r\n\x1a\n"
_MAT_TYPES = dict(zip((1, 2, 3, 4, 5, 6, 7, 9, 12, 13, 16, 17), "bBhHiIfdqQBH"))
_MAT_CLASSES = dict(zip(range(6, 16), "dfbBhHiIqQ"))
_MATRIX, _COMPRESSED, _CHARS = 14, 15, 4


def read_mat(path: Path) -> Contents:
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


def read_hdf5(path: Path, by_column: bool) -> Contents:
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
