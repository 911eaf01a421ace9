"""A book: chapters, claims, published runs and the runs that this copy shows, each read once, when
asked for. A page is a function of it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from schurkit.claims import Claim, load_claims

from .chapters import Chapter, chapters, read_json
from .editions import Edition, editions
from .published import published


@dataclass(frozen=True, eq=False)
class Book:
    """A book as it lies in its folder.

    root : the folder.
    edition : whose runs this copy shows.
    executed : where the run of each chapter lies; None for one that is shown as it stands.
    """

    root: Path
    edition: str = "quick"
    executed: dict[str, Path | None] = field(default_factory=dict)

    @cached_property
    def chapters(self) -> dict[str, Chapter]:
        """By name, in the order of the book."""
        return chapters(self.root)

    @cached_property
    def editions(self) -> dict[str, Edition]:
        """By name, each checked against the chapters."""
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
