"""Pickles and torch's own files (.pt, .pth, .ckpt, under any name), read without unpickling.

The operations of a pickle are interpreted here, one by one, and can build plain values, arrays and
tensors alone: nothing is imported, looked up or called, and torch is not needed.
"""

from __future__ import annotations

import io
import math
import pickletools
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from schurkit.checks import InputError

from .contents import Contents, reading, shown, widened

LEGACY = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."
"""How the files of torch before 1.6 begin."""
SAVE = "torch.save(model.state_dict(), …)"
_PICKLE = 8 * 2**20  # bytes of the pickle beside the tensors; ten thousand tensors need about 2 MiB
_ENTRIES = 10_000
_ARRAYS = ("scalar", "_reconstruct")
_STORAGES = {
    **{"Double": "f8", "Float": "f4", "Half": "f2", "BFloat16": "V2", "Long": "i8", "Int": "i4"},
    **{"Short": "i2", "Char": "i1", "Byte": "u1", "Bool": "?"},
    **{"ComplexFloat": "c8", "ComplexDouble": "c16"},
}
_ALLOWED = {
    *("collections OrderedDict", "_codecs encode", "numpy dtype", "numpy ndarray", "torch Size"),
    *("torch._utils _rebuild_tensor_v2", "torch._utils _rebuild_parameter"),
    *(f"torch {kind}Storage" for kind in _STORAGES),
    *("torch float64", "torch float32", "torch float16", "torch bfloat16", "torch int64"),
    *(f"numpy.{core}.multiarray {name}" for core in ("core", "_core") for name in _ARRAYS),
}
_LITERALS = {
    *("BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT", "BINSTRING", "SHORT_BINSTRING"),
    *("BINUNICODE", "SHORT_BINUNICODE", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8"),
}
_CONSTANTS = {
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
    "EMPTY_TUPLE": tuple,
    "EMPTY_LIST": list,
    "EMPTY_DICT": dict,
}
_TAKES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3, "APPEND": 1, "SETITEM": 2}
_MARK = object()


@dataclass(eq=False)
class _Stub:
    """What a pickle would have called: the name, the arguments and the state; nothing was."""

    name: str
    arguments: tuple = ()
    state: tuple | None = None


class _Operations:
    """The operations of a pickle that build plain values, on a stack of their own."""

    def __init__(self):
        self.stack, self.memo, self.storages = [], {}, {}

    def value(self, data):
        """The value that the pickle in `data`, bytes or an open file, stands for."""
        for operation, argument, _ in pickletools.genops(data):
            name = operation.name
            if name in _LITERALS:
                self.stack.append(argument)
            elif name in _CONSTANTS:
                self.stack.append(_CONSTANTS[name]())
            elif name.endswith("PUT") or name == "MEMOIZE":
                self.memo[len(self.memo) if name == "MEMOIZE" else argument] = self.stack[-1]
            elif name.endswith("GET"):
                self.stack.append(self.memo[argument])
            elif (carry_out := getattr(self, f"_{name.lower().rstrip('s123')}", None)) is not None:
                carry_out(name, argument)
            elif name not in ("PROTO", "FRAME", "STOP"):
                self._refuse(name)
        (value,) = self.stack
        return value

    def _taken(self, name) -> list:
        """The values that an operation takes: so many, or those since the mark."""
        values, count = [], _TAKES.get(name)
        while len(values) != count and (value := self.stack.pop()) is not _MARK:
            values.append(value)
        return values[::-1]

    def _refuse(self, what: str):
        raise InputError(
            f"holds more than tensors (it names {shown([what.replace(' ', '.', 1)])}), so nothing "
            f"in it was run. Save the weights alone: {SAVE}."
        )

    def _mark(self, name, argument):
        self.stack.append(_MARK)

    def _tuple(self, name, argument):
        self.stack.append(tuple(self._taken(name)))

    def _append(self, name, argument):
        values = self._taken(name)
        self.stack[-1].extend(values)

    def _setitem(self, name, argument):
        values = self._taken(name)
        self.stack[-1].update(zip(values[::2], values[1::2], strict=True))

    def _global(self, name, argument):
        if argument not in _ALLOWED:
            self._refuse(argument)
        self.stack.append(_Stub(argument))

    def _stack_global(self, name, argument):
        named, module = self.stack.pop(), self.stack.pop()
        self._global(name, f"{module} {named}")

    def _reduce(self, name, argument):
        arguments, called = self.stack.pop(), self.stack.pop()
        plain = {
            "collections OrderedDict": lambda pairs=(): dict(pairs),
            "torch Size": tuple,
            "_codecs encode": lambda text, how: text.encode("latin1"),
        }
        stub = lambda *arguments: _Stub(called.name, arguments)  # noqa: E731
        self.stack.append(plain.get(called.name, stub)(*arguments))

    def _build(self, name, argument):
        state = self.stack.pop()
        if isinstance(self.stack[-1], _Stub):  # else the attributes of a dict
            self.stack[-1].state = state

    def _binpersid(self, name, argument):
        _, kind, key, *_ = arguments = self.stack.pop()
        self.storages[key] = _STORAGES[kind.name.removeprefix("torch ").removesuffix("Storage")]
        self.stack.append(_Stub("storage", arguments))


def _resolved(name: str, value, storage: Callable):
    """A plain value, or the array or number that a stub stands for."""
    if not isinstance(value, _Stub):
        return value
    kind, arguments = value.name.rpartition(" ")[2], value.arguments
    if kind == "_rebuild_parameter":
        return _resolved(name, arguments[0], storage)
    if kind == "_rebuild_tensor_v2":
        return _tensor(name, storage(arguments[0].arguments[2]), *arguments[1:4])
    if kind == "scalar":
        return np.frombuffer(arguments[1], _dtype(arguments[0]))[0]
    if kind == "_reconstruct" and value.state is not None:
        _, shape, dtype, by_column, data = value.state
        return np.frombuffer(data, _dtype(dtype)).reshape(shape, order="F" if by_column else "C")
    return None


def _dtype(stub: _Stub) -> np.dtype:
    order = stub.state[1] if stub.state else "="
    return np.dtype(str(stub.arguments[0])).newbyteorder(order if order in "<>" else "=")


def _tensor(name: str, flat: np.ndarray, offset: int, shape, strides) -> np.ndarray:
    if not all(type(count) is int and count >= 0 for count in (offset, *shape, *strides)):
        raise ValueError(f"{name} has a shape that no tensor has")
    last = offset + sum((size - 1) * stride for size, stride in zip(shape, strides, strict=True))
    if math.prod(shape) > flat.size or (0 not in shape and last >= flat.size):
        raise ValueError(f"{name} claims shape {shape}, more than the file holds")
    steps = [stride * flat.itemsize for stride in strides]
    return np.lib.stride_tricks.as_strided(flat[offset:], shape, steps, writeable=False)


def _numbers(data, kind: str) -> np.ndarray:
    """A storage's numbers, half precision as float32."""
    flat = np.frombuffer(data, np.dtype(kind).newbyteorder("<"))
    if kind == "V2":  # bfloat16
        return widened(flat.view("<u2"))
    return flat.astype(np.float32) if kind == "f2" else flat


# ------------------------------------------------------------------------------------------- files
def read_pickle(path: Path) -> Contents:
    """Arrays, numbers and words of a pickle, or of a file of torch, by their dotted names.

    Raises
    ------
    InputError : anything but tensors, arrays, numbers and words in it, a program, or sizes that are
        not there.
    """
    with reading():
        file = io.BytesIO(path.read_bytes())
        if file.getbuffer()[: len(LEGACY)] != LEGACY:
            return _contents(_Operations().value(file), _no_storage)
        operations = [_Operations() for _ in range(5)]
        _, _, _, value, keys = (one.value(file) for one in operations)
        storages = _storages_after(file.getbuffer()[file.tell() :], keys, operations[3].storages)
        return _contents(value, storages.__getitem__)


def _no_storage(key):
    raise InputError(f"holds a tensor that torch.save did not write: {SAVE}.")


def _storages_after(data: memoryview, keys: list, kinds: dict) -> dict[str, np.ndarray]:
    """Storages of a file before 1.6, which stand behind one another: a count, then the numbers."""
    storages, at = {}, 0
    for key in keys:
        (count,) = struct.unpack_from("<q", data, at)
        size = count * np.dtype(kinds[key]).itemsize
        if not 0 <= size <= len(data) - at - 8:
            raise ValueError(f"a storage claims {count} numbers, more than the file holds")
        storages[key] = _numbers(data[at + 8 : at + 8 + size], kinds[key])
        at += 8 + size
    return storages


def read_zip(opened) -> Contents:
    """The same of an open zip archive, as torch writes it."""
    root, operations = _root(opened), _Operations()
    value = operations.value(opened.read(f"{root}/data.pkl"))

    @cache
    def storage(key):
        """Its numbers; the checksum is compared when it is read."""
        return _numbers(opened.read(f"{root}/data/{key}"), operations.storages[key])

    return _contents(value, storage)


def _root(opened) -> str:
    """The one folder that everything lies in."""
    names = opened.namelist()
    roots, inner = {name.split("/")[0] for name in names}, [name.split("/")[1:] for name in names]
    if ["constants.pkl"] in inner:
        raise InputError(
            "is a TorchScript program; save its weights alone: "
            "torch.save(torch.jit.load(FILE).state_dict(), …)."
        )
    if inner.count(["data.pkl"]) != 1 or len(roots) != 1:
        raise InputError(f"is not what torch.save writes: {SAVE}.")
    (root,) = roots
    if opened.getinfo(f"{root}/data.pkl").file_size > _PICKLE:
        raise InputError(
            f"holds a pickle of more than {_PICKLE // 2**20} MiB beside its tensors; save the "
            f"weights alone: {SAVE}."
        )
    return root


def _contents(value, storage: Callable) -> Contents:
    value = _resolved("the file", value, storage)
    if not isinstance(value, Mapping):
        kind = "tensor" if isinstance(value, np.ndarray) else type(value).__name__
        raise InputError(f"holds one {kind}; expected a state dict: {SAVE}.")
    contents = Contents({}, {}, {})
    for count, (name, standing_in, entry) in enumerate(_entries(value)):
        if count == _ENTRIES:
            raise InputError(f"holds more than {_ENTRIES} entries; save the weights alone: {SAVE}.")
        entry = _resolved(name, entry, storage)
        if isinstance(entry, str):
            contents.words[name] = entry
        numbers = entry if isinstance(entry, (list, tuple)) else [entry]
        if all(isinstance(one, (int, float, np.generic)) for one in numbers):
            entry = np.asarray(entry)
        if isinstance(entry, np.ndarray) and entry.dtype.kind != "O":  # of more than 64 bits
            contents.arrays[name], contents.group[name] = entry, standing_in
    return contents


def _entries(mapping: Mapping, name: str = "", depth: int = 0):
    """Dotted name, name of the dict it stands in, and value of everything in nested dicts."""
    for key, value in mapping.items():
        full = f"{name}.{key}" if name else str(key)
        yield full, name, value
        if isinstance(value, Mapping) and depth < 3:
            yield from _entries(value, full, depth + 1)


def as_numpy(tensor) -> np.ndarray:
    """A tensor in memory as an array, half precision as float32."""
    import torch

    return tensor.detach().to("cpu", torch.promote_types(tensor.dtype, torch.float32)).numpy()
