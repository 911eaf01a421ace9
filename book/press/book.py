"""A book: chapters, claims, published runs and the runs that this copy shows, each read once, when
asked for. A page is a function of it.
"""

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from schurkit.checks import InputError
from schurkit.claims import Claim, load_claims

from .chapters import Chapter, chapters, named, read_json, read_yaml
from .published import published


@dataclass(frozen=True, eq=False)
class Book:
    """A book as it lies in its folder.

    root : the folder.
    edition : whose runs this copy shows.
    executed : where the run of each chapter lies; None for one that is shown as it stands.
    jobs : of the chapters that a build would run.
    """

    root: Path
    edition: str = "quick"
    executed: dict[str, Path | None] = field(default_factory=dict)
    jobs: list = field(default_factory=list)

    @cached_property
    def chapters(self) -> dict[str, Chapter]:
        """By name, in the order of the book."""
        return chapters(self.root)

    @cached_property
    def editions(self) -> dict[str, dict[str, dict]]:
        """By name, see `editions`."""
        return editions(self.root, self.chapters)

    @cached_property
    def claims(self) -> dict[str, Claim]:
        """By id, in the order of book/claims.yml."""
        return load_claims(self.root / "book" / "claims.yml")

    @cached_property
    def published(self) -> dict[str, dict]:
        """Published results of the book's chapters, see `schurkit_press.published.published`."""
        return {
            name: results for name, results in published(self.root).items() if name in self.chapters
        }

    @cached_property
    def notebooks(self) -> dict[str, dict | None]:
        """The executed notebook of each chapter; None for one that was not run."""
        return {name: path and read_json(path) for name, path in self.executed.items()}


def editions(root: Path, chapters: dict[str, Chapter]) -> dict[str, dict[str, dict]]:
    """By edition and chapter, the parameters that differ from the defaults of the notebook, each
    checked against it.

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


def _edition(name, entry, chapters: dict[str, Chapter]) -> dict[str, dict]:
    match entry:
        case {"purpose": str(), **rest} if set(rest) <= {"chapters"}:
            given = rest.get("chapters") or {}
        case _:
            raise InputError(
                f"editions.yml: {name} must have a purpose (text) and may have chapters; got "
                f"{entry!r}."
            )
    found = {}
    try:
        if not isinstance(given, dict):
            raise InputError(f"chapters must map a chapter to its parameters; got {given!r}.")
        for chapter, values in given.items():
            known = named(chapter, chapters, "chapter")
            if not isinstance(values or {}, dict):
                raise InputError(f"{chapter} must map parameters to values; got {values!r}.")
            found[chapter] = known.values(values or {})
    except InputError as error:
        raise InputError(f"editions.yml: {name}: {error}") from None
    return found
