"""Contenders measured in turn, and the rows that come of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .processes import Contender, Laps, alternate
from .results import AT_LEAST, Row, versus


@dataclass(frozen=True)
class Settings:
    """How much is spent: repeats of each lap, seconds a lap, and whether the long cases are left
    out; where the group `gpu` computes.
    """

    repeats: int = 5
    seconds: float = 0.5
    quick: bool = False
    device: str = "cuda"


Found = tuple[list[Row], list[dict]]
"""What a group gives: rows, and points of growth curves."""


class Contest:
    """Contenders of one group, measured in turn.

    group : its name.
    contenders : what is measured.
    settings : how often, and how long.
    fixed : units in a lap of some of them, see `alternate`.
    """

    def __init__(
        self,
        group: str,
        contenders: Sequence[Contender],
        settings: Settings,
        fixed: dict[str, int] | None = None,
    ):
        self.group = group
        self.laps, self.missing = alternate(contenders, settings.repeats, settings.seconds, fixed)

    def facts(self, name: str) -> dict:
        """What a contender says of itself; empty where it is missing."""
        return self.laps[name].facts if name in self.laps else {}

    def row(
        self,
        what: str,
        ours: str,
        other: str,
        *,
        peer: str = "",
        unit: str = "ms",
        target: float | None = None,
        sense: str = AT_LEAST,
        same: str = "",
        note: str = "",
    ) -> Row:
        """One contender against another, or why one of them is missing.

        Parameters
        ----------
        what : the job.
        ours, other : names of contenders.
        peer : what the table calls the other, if not by its name.
        unit, target, sense, note : of the row.
        same : a fact that agrees where both do the same work; the note tells where it does not.
        """
        row = Row(self.group, what, peer or other, unit=unit, target=target, sense=sense)
        gone = [self.missing[name] for name in (ours, other) if name in self.missing]
        if gone:
            return row.noted(*gone)
        mine, theirs = self.laps[ours], self.laps[other]
        differ = same_work(mine, theirs, same) if same else ""
        times = ([1e3 / rate for rate in laps.rates] for laps in (mine, theirs))
        return versus(row.noted(differ, note), *times)


def same_work(ours: Laps, other: Laps, key: str = "loss") -> str:
    """A note where two contenders that should do the same work did not."""
    a, b = ours.facts.get(key), other.facts.get(key)
    if a is None or b is None or not abs(a - b) <= 0.02 * abs(a):
        return f"not the same work: {key} {a} and {b}"
    return ""
