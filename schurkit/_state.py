"""What a result depends on besides its inputs: the source of the package, and the versions of others."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path


def source_digest(package: Path, without: Iterable[str]) -> str:
    """Digest of every Python file below a folder, but those below the names in `without` (folders or files of the first level)."""
    digest, without = hashlib.sha256(), set(without)
    for path in sorted(package.rglob("*.py")):
        name = path.relative_to(package)
        if name.parts[0] not in without:
            digest.update(name.as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def installed(packages: Iterable[str]) -> dict[str, str]:
    """Versions of those packages that are installed (none is imported)."""
    found = {}
    for package in packages:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found
