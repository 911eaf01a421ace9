"""Editions: book/editions.yml says with which parameters each chapter is run for which reader."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from schurkit.checks import InputError

from .chapters import Chapter, named, read_yaml


@dataclass(frozen=True)
class Edition:
    """One edition: by chapter, the parameters that differ from its defaults."""

    values: dict[str, dict]


def editions(root: Path, chapters: dict[str, Chapter]) -> dict[str, Edition]:
    """Every edition of the book, each checked against the parameters of the notebooks.

    Raises
    ------
    InputError : not of the form ``name: {purpose: text, chapters: {chapter: {parameter: value}}}``,
        or an unknown chapter or parameter.
    """
    try:
        entries = read_yaml(root / "book" / "editions.yml")
    except OSError:
        raise InputError("there is no book/editions.yml.") from None
    if not isinstance(entries, dict) or not entries:
        raise InputError(
            "editions.yml must map the name of each edition to its purpose and chapters."
        )
    return {name: _edition(name, entry, chapters) for name, entry in entries.items()}


def _edition(name, entry, chapters: dict[str, Chapter]) -> Edition:
    if (
        not isinstance(entry, dict)
        or set(entry) - {"purpose", "chapters"}
        or not isinstance(entry.get("purpose"), str)
    ):
        raise InputError(
            f"editions.yml: {name} must have a purpose (text) and may have chapters; got {entry!r}."
        )
    try:
        return Edition(_values(entry.get("chapters") or {}, chapters))
    except InputError as error:
        raise InputError(f"editions.yml: {name}: {error}") from None


def _values(given, chapters: dict[str, Chapter]) -> dict[str, dict]:
    if not isinstance(given, dict):
        raise InputError(f"chapters must map a chapter to its parameters; got {given!r}.")
    found = {}
    for name, parameters in given.items():
        chapter = named(name, chapters, "chapter")
        if not isinstance(parameters or {}, dict):
            raise InputError(f"{name} must map parameters to values; got {parameters!r}.")
        found[name] = chapter.values(parameters or {})
    return found
