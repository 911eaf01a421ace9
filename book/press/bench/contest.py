"""Contenders measured in turn, or one alone, and the rows that come of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from statistics import median

from .processes import Contender, Missing, Running, alternate
from .results import AT_LEAST, AT_MOST, Row

FLOOR = "float32 products"
"""The contender that does the matrix products of the work and nothing else."""
UNITS = {"seconds": "s", "ratio": "s", "peak": "GB", "overhead": "ms"}


@dataclass(frozen=True)
class Settings:
    """How much is spent: repeats of each lap, seconds a lap, and whether the long cases are left
    out; where the group `gpu` computes.
    """

    repeats: int = 5
    seconds: float = 0.5
    quick: bool = False
    device: str = "cuda"


def same_work(ours: dict, other: dict) -> str:
    """A note where two contenders that should do the same work did not, by their losses."""
    a, b = ours.get("loss"), other.get("loss")
    if a is None or b is None or not abs(a - b) <= 0.02 * abs(a):
        return f"not the same work: loss {a} and {b}"
    return ""


class Contest:
    """Contenders measured in turn.

    contenders : what is measured, ours first.
    settings : how often, and how long.
    unit : of what is measured.
    note : what the facts of two of them say.
    """

    def __init__(
        self,
        contenders: list[Contender],
        settings: Settings,
        unit: str = "ms/step",
        note: Callable[[dict, dict], str] = same_work,
    ):
        self.unit, self.note = unit, note
        self.contenders = {contender.name: contender for contender in contenders}
        self.laps, self.missing = alternate(contenders, settings.repeats, settings.seconds)

    def rows(self, what: str) -> Iterator[Row]:
        """The first contender against each of the others, with the target that this one has."""
        first, *others = self.contenders
        return (self.row(what, first, name) for name in others)

    def row(self, what: str, ours: str, other: str, **more) -> Row:
        """One contender against another, or why one of them is missing; more : fields of the
        row.
        """
        peer = self.contenders[other]
        given = {"unit": self.unit, "target": peer.target, "sense": peer.sense} | more
        row = Row("", what, other, **given)
        if gone := [self.missing[name] for name in (ours, other) if name in self.missing]:
            return row.noted(*gone)
        facts = (self.laps[name].facts for name in (ours, other))
        mine, theirs = self.times(ours), self.times(other)
        ratios = [b / a if row.sense == AT_LEAST else a / b for a, b in zip(mine, theirs)]
        return replace(
            row.noted("" if other == FLOOR else self.note(*facts), row.note),
            value=median(mine),
            reference=median(theirs),
            ratio=median(ratios),
            low=min(ratios),
            high=max(ratios),
            floor=median(mine) / median(self.times(FLOOR)) if FLOOR in self.laps else None,
        )

    def rate(self, what: str, **more) -> Row:
        """Steps a second of the first contender, and what it says of itself."""
        row = Row("", what, unit="steps/s", **more)
        if reason := self.missing.get(next(iter(self.contenders))):
            return row.noted(reason)
        ours = next(iter(self.laps.values()))
        return replace(row.noted(ours.facts["note"]), value=median(ours.rates))

    def times(self, name: str) -> list[float]:
        """Milliseconds a unit in each lap of a contender."""
        return [1e3 / rate for rate in self.laps[name].rates]


def alone(contender: Contender, repeats: int = 1, **targets: float | None) -> Iterator[Row]:
    """Facts that a contender told of itself, each with a target that it should not exceed, as
    medians over so many fresh processes; "ratio" is that of its seconds to its floor.
    """
    told, note = [], ""
    try:
        for _ in range(repeats):
            with Running(contender) as running:
                told.append(running.facts)
                note = running.facts.get("note", "")
    except Missing as reason:
        told, note = [], str(reason)
    for name, target in targets.items():
        row = Row("", contender.name, unit=UNITS[name], target=target, sense=AT_MOST, note=note)
        if told:
            row = replace(row, value=median(one.get(name, one.get("seconds")) for one in told))
        if told and name == "ratio":
            floor = told[0]["floor"]
            row = replace(row, peer="floor", reference=floor, ratio=row.value / floor)
        yield row
