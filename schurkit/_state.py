"""What a stored result depends on besides its inputs: the state of our code, in whole numbers raised by hand, and the versions of others."""

from __future__ import annotations

from functools import cache
from importlib import metadata

TRAINING = {"training": 1, "numpy": 1, "numba": 1, "torch": 1}
"""The state of what trains a network: of all that engines share (random numbers, starts, optimiser, loop), and of each engine. Raise one when
numbers change on purpose, and networks that depend on it are trained again; each task has a `version` of its own. Moving or rewording code raises
nothing: `tests/training/test_golden.py` tells when numbers have changed."""

MEASURES = 1
"""The state of what `schurkit.studies` measures in trained networks and keeps; raise it when measures change, and all are made again."""


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
