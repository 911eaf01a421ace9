"""What a file of a stranger holds, and how it is spoken of: names on one line, errors that begin
with the file.
"""

from __future__ import annotations

import os
import shlex
import warnings
from collections.abc import Iterable
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np

from schurkit.checks import InputError

RATIO = 1000  # a member beyond 16 MiB must not expand more than this: only runs of one byte do
RATIO_FROM = 16 * 2**20


@dataclass(frozen=True, eq=False)
class Contents:
    """What a file holds.

    Attributes
    ----------
    arrays : by name; numbers are arrays without axes.
    words : by name.
    group : by name, the dict inside a checkpoint in which an array stands; "" for the outermost.
    skipped : names of what is neither: Python objects, cells, structs.
    """

    arrays: dict[str, np.ndarray]
    words: dict[str, str] = field(default_factory=dict)
    group: dict[str, str] = field(default_factory=dict)
    skipped: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        """What it holds, for a message."""
        names = [name for name in self.arrays if self.arrays[name].ndim] + [*self.words]
        objects = (
            f", and {shown(self.skipped)} of Python objects, which are never unpickled: save plain "
            "numbers instead"
        )
        return f"it holds {shown(names)}{objects if self.skipped else ''}"


def add(contents: Contents, name: str, array: np.ndarray | None) -> None:
    """Add an array, or one word; None is skipped."""
    if array is None:
        contents.skipped.append(name)
    elif array.dtype.kind in "US" and array.size == 1:
        word = array.item()
        contents.words[name] = word if isinstance(word, str) else word.decode("utf-8", "replace")
    else:
        contents.arrays[name] = array


def widened(upper: np.ndarray) -> np.ndarray:
    """bfloat16, as 16-bit integers, as float32."""
    return (upper.astype(np.uint32) << 16).view(np.float32)


def shown(names: Iterable | str, most: int = 6) -> str:
    """Names from a file on one line: unprintable characters replaced, each and all of them
    shortened.
    """
    if isinstance(names, (str, os.PathLike)):
        return "".join(c if c.isprintable() else "?" for c in os.fspath(names))
    names = [shown(str(name)) for name in names]
    short = [name if len(name) <= 60 else name[:57] + "…" for name in names[:most]]
    rest = f", … ({len(names)} in all)" if len(names) > most else ""
    return (", ".join(short) or "nothing") + rest


def argument(text: str) -> str:
    """An argument of the command, quoted for the shell where it must be."""
    return shlex.quote(shown(text))


def in_bytes(size: int) -> str:
    """A size in words."""
    return f"{size:,} bytes" if size < 2**20 else f"{size / 2**20:,.0f} MiB"


@contextmanager
def named(path):
    """Errors inside begin with the file: its name as the subject of what it is or holds, else with
    a colon.
    """
    try:
        yield
    except InputError as error:
        colon = "" if str(error).startswith(("is ", "holds ", "cannot ", "needs ")) else ":"
        raise InputError(f"{shown(str(path))}{colon} {error}") from None


@contextmanager
def reading():
    """Whatever a damaged file provokes is one InputError."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except InputError:
        raise
    except Exception as error:
        reason = shown((str(error).strip() or type(error).__name__).splitlines()[0])[:160]
        raise InputError(
            f"is damaged or truncated: {reason.rstrip('.')}. Save or fetch it again."
        ) from None
