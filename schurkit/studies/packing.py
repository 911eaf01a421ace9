"""A value of frozen dataclasses, dictionaries, tuples, numbers and arrays as plain JSON and the
arrays beside it.
"""

from __future__ import annotations

from dataclasses import fields, is_dataclass

import numpy as np

from schurkit.checks import read_only


def plain(value, arrays: dict[str, np.ndarray]):
    """A value as plain JSON; its arrays go to `arrays`."""
    if isinstance(value, np.ndarray):
        name = str(len(arrays))
        arrays[name] = np.ascontiguousarray(value)
        return {"array": name}
    if is_dataclass(value):
        parts = {one.name: plain(getattr(value, one.name), arrays) for one in fields(value)}
        return {"kind": type(value).__name__, "fields": parts}
    if isinstance(value, dict):
        return {"items": [[plain(part, arrays) for part in item] for item in value.items()]}
    if isinstance(value, tuple):
        return {"tuple": [plain(item, arrays) for item in value]}
    return value.item() if isinstance(value, np.generic) else value


def restored(plain, arrays: dict[str, np.ndarray], kinds: dict[str, type]):
    """The value of which `plain` made this, with read-only arrays; `kinds` are the dataclasses that
    may be in it, by name.
    """
    if not isinstance(plain, dict):
        return plain
    if "array" in plain:
        return read_only(arrays[plain["array"]])
    if "kind" in plain:
        kind, parts = kinds[plain["kind"]], plain["fields"]
        held = [one.name for one in fields(kind) if one.name in parts]  # others are of older code
        return kind(**{name: restored(parts[name], arrays, kinds) for name in held})
    if "items" in plain:
        return {
            restored(key, arrays, kinds): restored(item, arrays, kinds)
            for key, item in plain["items"]
        }
    return tuple(restored(item, arrays, kinds) for item in plain["tuple"])
