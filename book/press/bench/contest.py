"""Contenders measured in turn, and the rows that come of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from statistics import median

from .processes import Contender, Laps, alternate
from .results import AT_LEAST, Row

FLOOR = "float32 products"
"""The contender that does the matrix products of the work and nothing else."""


@dataclass(frozen=True)
class Settings:
    """How much is spent: repeats of each lap, seconds a lap, and whether the long cases are left
    out; where the group `gpu` computes.
    """

    repeats: int = 5
    seconds: float = 0.5
    quick: bool = False
    device: str = "cuda"


class Contest:
    """Contenders of one group, measured in turn.

    group : its name.
    contenders : what is measured.
    settings : how often, and how long.
    same : a fact that agrees where two of them do the same work; the note tells where it does not.
    unit : of what is measured.
    """

    def __init__(
        self,
        group: str,
        contenders: Sequence[Contender],
        settings: Settings,
        same: str = "",
        unit: str = "ms/step",
    ):
        self.group, self.same, self.unit = group, same, unit
        self.names = [contender.name for contender in contenders]
        self.laps, self.missing = alternate(contenders, settings.repeats, settings.seconds)

    def facts(self, name: str) -> dict:
        """What a contender says of itself; empty where it is missing."""
        return self.laps[name].facts if name in self.laps else {}

    def times(self, name: str) -> list[float]:
        """Milliseconds a unit in each lap of a contender."""
        return [1e3 / rate for rate in self.laps[name].rates]

    def rows(self, what: str, **fields: dict) -> Iterator[Row]:
        """`row` of the first contender against each of the others, with the fields of each by
        name.
        """
        first, *others = self.names
        return (self.row(what, first, name, **fields.get(name, {})) for name in others)

    def row(self, what: str, ours: str, other: str, **more) -> Row:
        """One contender against another, or why one of them is missing.

        Parameters
        ----------
        what : the job.
        ours, other : names of contenders.
        more : fields of the row.
        """
        row = Row(self.group, what, **{"peer": other, "unit": self.unit} | more)
        if gone := [self.missing[name] for name in (ours, other) if name in self.missing]:
            return row.noted(*gone)
        alike = not self.same or other == FLOOR
        differ = "" if alike else same_work(self.laps[ours], self.laps[other], self.same)
        mine, theirs = self.times(ours), self.times(other)
        ratios = [b / a if row.sense == AT_LEAST else a / b for a, b in zip(mine, theirs)]
        value = median(mine)
        return replace(
            row.noted(differ, row.note),
            value=value,
            reference=median(theirs),
            ratio=median(ratios),
            low=min(ratios),
            high=max(ratios),
            floor=value / median(self.times(FLOOR)) if FLOOR in self.laps else None,
        )


def same_work(ours: Laps, other: Laps, key: str = "loss") -> str:
    """A note where two contenders that should do the same work did not."""
    a, b = ours.facts.get(key), other.facts.get(key)
    if a is None or b is None or not abs(a - b) <= 0.02 * abs(a):
        return f"not the same work: {key} {a} and {b}"
    return ""
