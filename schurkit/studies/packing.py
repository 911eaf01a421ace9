"""A value of frozen dataclasses, dictionaries, tuples, numbers and arrays as one safetensors file:
arrays beside each other, the rest as JSON in the header, and a checksum of both.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import fields, is_dataclass
from pathlib import Path

import numpy as np

from schurkit.checks import read_only


def pack(value) -> bytes:
    """The content of a file that holds the value."""
    from safetensors.numpy import save

    arrays: dict[str, np.ndarray] = {}
    text = json.dumps(_plain(value, arrays))
    return save(arrays, {"levels": text, "sha256": _digest(text, arrays)})


def unpack(path: Path, kinds: dict[str, type]):
    """The value that a file holds; arrays are read-only.

    Parameters
    ----------
    path : of the file.
    kinds : dataclasses that may be in it, by name.

    Raises
    ------
    ValueError, KeyError or TypeError : a damaged file.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "numpy") as file:
            header, names = file.metadata() or {}, file.keys()
            arrays = {name: file.get_tensor(name) for name in names}
    except SafetensorError as error:
        raise ValueError(str(error)) from None
    if header.get("sha256") != _digest(header.get("levels", ""), arrays):
        raise ValueError("the checksum does not fit")
    return _object(json.loads(header["levels"]), arrays, kinds)


def bytes_of(name: str, array: np.ndarray) -> bytes:
    """Name, kind, shape and content of an array, for a checksum."""
    return f"{name} {array.dtype.str} {array.shape} ".encode() + array.tobytes()


def _digest(text: str, arrays: dict[str, np.ndarray]) -> str:
    digest = hashlib.sha256(text.encode())
    for name in sorted(arrays):
        digest.update(bytes_of(name, arrays[name]))
    return digest.hexdigest()


def _plain(value, arrays: dict[str, np.ndarray]):
    """A value as plain JSON; its arrays go to `arrays`."""
    if isinstance(value, np.ndarray):
        name = str(len(arrays))
        arrays[name] = np.ascontiguousarray(value)
        return {"array": name}
    if is_dataclass(value):
        parts = {one.name: _plain(getattr(value, one.name), arrays) for one in fields(value)}
        return {"kind": type(value).__name__, "fields": parts}
    if isinstance(value, dict):
        return {"items": [[_plain(part, arrays) for part in item] for item in value.items()]}
    if isinstance(value, tuple):
        return {"tuple": [_plain(item, arrays) for item in value]}
    return value.item() if isinstance(value, np.generic) else value


def _object(plain, arrays: dict[str, np.ndarray], kinds: dict[str, type]):
    if not isinstance(plain, dict):
        return plain
    if "array" in plain:
        return read_only(arrays[plain["array"]])
    if "kind" in plain:
        parts = {name: _object(value, arrays, kinds) for name, value in plain["fields"].items()}
        return kinds[plain["kind"]](**parts)
    if "items" in plain:
        return {
            _object(key, arrays, kinds): _object(item, arrays, kinds)
            for key, item in plain["items"]
        }
    return tuple(_object(item, arrays, kinds) for item in plain["tuple"])
