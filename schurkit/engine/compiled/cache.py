"""Compiled functions: which options they share, and where the compiled code is kept.

The folder's name holds a hash of every source file that takes part, of the numba and Python
versions and of the processor. So a change anywhere compiles anew, processes on different machines
that share a disk never read each other's code, and processes that start at once can only write the
same file twice.
"""

from __future__ import annotations

import hashlib
import pickle
import sys
import tempfile
from pathlib import Path

import numba
from numba.core.caching import NullCache
from numba.core.registry import cpu_target
from numba.misc import appdirs

from schurkit import random

if numba.config.DISABLE_JIT:
    raise ImportError("NUMBA_DISABLE_JIT is set")

_HERE = Path(__file__).parent
_made: list = []
_UNUSABLE = (OSError, EOFError, pickle.PickleError, RuntimeError)
"""What a folder that is full, read-only, damaged or gone makes numba raise."""


CPU = cpu_target.target_context.codegen().magic_tuple()[1:]
"""Name and features of the processor that code is compiled for: NUMBA_CPU_NAME and
NUMBA_CPU_FEATURES, else those of this one.
"""


def folder() -> Path | None:
    """The folder of the compiled code, made if need be: where numba was told to, beside this
    package, or in the user's cache folder; None where no place can be written to.
    """
    digest = hashlib.sha256(repr((numba.__version__, sys.version, *CPU)).encode())
    for path in [*sorted(_HERE.glob("*.py")), _HERE.parent / "polar.py", Path(random.__file__)]:
        digest.update(path.read_bytes())
    user, told = appdirs.user_cache_dir("schurkit", False), numba.config.CACHE_DIR
    home = [user] if Path(user).is_absolute() else []  # without a home it begins with "~"
    places = [told] if told else [_HERE / "__pycache__", *home]
    for place in places:
        path = Path(place) / f"numba-{digest.hexdigest()[:16]}"
        try:
            path.mkdir(parents=True, exist_ok=True)
            tempfile.TemporaryFile(dir=path).close()
            return path
        except OSError:
            continue
    return None


try:
    _FOLDER = folder()
except OSError:  # the sources are not files (a zipped package)
    _FOLDER = None


def compiled(function, **options):
    """Compile on first use: without the interpreter lock, IEEE arithmetic in the order written,
    kept in `folder()`. `options` are numba's.
    """
    options = {"nogil": True, "error_model": "numpy"} | options
    return _kept(lambda cache: numba.njit(cache=cache, **options)(function))


def inner(function, **options):
    """`compiled` for what only compiled code calls: without the wrappers for other callers, which
    take longest to compile.
    """
    return compiled(function, no_cpython_wrapper=True, no_cfunc_wrapper=True, **options)


def callback(function, signature):
    """Compile at once, for these types, to a function with an address; kept in `folder()`."""
    options = {"nopython": True, "error_model": "numpy"}
    return _kept(lambda cache: numba.cfunc(signature, cache=cache, **options)(function))


def _kept(make):
    before = numba.config.CACHE_DIR
    try:
        numba.config.CACHE_DIR = str(_FOLDER or "")
        made = make(_FOLDER is not None)
    except _UNUSABLE:
        made = make(False)
    finally:
        numba.config.CACHE_DIR = before
    _made.append(made)
    return made


def call(function, *arguments):
    """Call a compiled function; a folder that has become full, read-only or damaged costs a
    compilation, not the result.
    """
    try:
        return function(*arguments)
    except _UNUSABLE:
        for made in _made:
            made._cache = NullCache()
        return function(*arguments)
