"""Editions: book/editions.yml says with which parameters each chapter is run for which reader."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from schurkit.checks import InputError

from .chapters import Chapter, suggestion


@dataclass(frozen=True)
class Edition:
    """One edition: what it is for, and the parameters that differ from a chapter's defaults."""

    name: str
    purpose: str
    values: dict[str, dict]


def editions(root: Path, chapters: dict[str, Chapter]) -> dict[str, Edition]:
    """Every edition of the book, each checked against the parameters of the notebooks.

    Raises
    ------
    InputError : not of the form ``name: {purpose: text, chapters: {chapter: {parameter: value}}}``,
        or an unknown chapter or parameter.
    """
    import yaml

    path = root / "book" / "editions.yml"
    try:
        entries = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError:
        raise InputError("there is no book/editions.yml.") from None
    except yaml.YAMLError as error:
        raise InputError(
            f"editions.yml is not valid YAML: {' '.join(str(error).split())}"
        ) from None
    if not isinstance(entries, dict) or not entries:
        raise InputError(
            "editions.yml must map the name of each edition to its purpose and chapters."
        )
    return {name: _edition(name, entry, chapters) for name, entry in entries.items()}


def edition_named(root: Path, name: str, chapters: dict[str, Chapter]) -> Edition:
    """The edition of that name; InputError with the nearest name if there is none."""
    known = editions(root, chapters)
    if name not in known:
        raise InputError(f"there is no edition {name!r}{suggestion(name, known)}")
    return known[name]


def _edition(name, entry, chapters: dict[str, Chapter]) -> Edition:
    if (
        not isinstance(entry, dict)
        or set(entry) - {"purpose", "chapters"}
        or not isinstance(entry.get("purpose"), str)
    ):
        raise InputError(
            f"editions.yml: {name} must have a purpose (text) and may have chapters; got {entry!r}."
        )
    given = entry.get("chapters") or {}
    if not isinstance(given, dict):
        raise InputError(
            f"editions.yml: {name}: chapters must map a chapter to its parameters; got {given!r}."
        )
    values = {}
    for chapter, parameters in given.items():
        if chapter not in chapters:
            raise InputError(
                f"editions.yml: {name}: there is no chapter "
                f"{chapter!r}{suggestion(chapter, chapters)}"
            )
        if not isinstance(parameters or {}, dict):
            raise InputError(
                f"editions.yml: {name}: {chapter} must map parameters to values; got "
                f"{parameters!r}."
            )
        try:
            values[chapter] = chapters[chapter].values(parameters or {})
        except InputError as error:
            raise InputError(f"editions.yml: {name}: {error}") from None
    return Edition(name, " ".join(entry["purpose"].split()), values)
