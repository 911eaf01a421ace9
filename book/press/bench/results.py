"""Rows of measured numbers with their targets; reports of a run as tables and as JSON files; two
reports side by side.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path

from schurkit.checks import InputError

SCHEMA = 1
AT_LEAST, AT_MOST = "at least", "at most"


@dataclass(frozen=True)
class Row:
    """One measured number, alone or beside that of a peer.

    group : as in `schurkit_press.bench.GROUPS`.
    what : the job.
    peer : what it is held against, or "".
    value, reference : medians of ours and the peer's, in `unit`.
    ratio : median of the ratios of neighbouring laps, how many times as long the peer takes (with
        the sense "at most": how many times as long we take).
    low, high : the smallest and the largest.
    target, sense : what the ratio, or the value where there is no peer, should be.
    note : why something is missing, or what else was found.
    """

    group: str
    what: str
    peer: str = ""
    value: float | None = None
    reference: float | None = None
    unit: str = ""
    ratio: float | None = None
    low: float | None = None
    high: float | None = None
    target: float | None = None
    sense: str = AT_LEAST
    note: str = ""

    @property
    def judged(self) -> float | None:
        """The number that the target is about."""
        return self.ratio if self.peer else self.value

    @property
    def met(self) -> bool | None:
        """Whether the target is reached; None without a target or a number."""
        if self.target is None or self.judged is None:
            return None
        return self.judged >= self.target if self.sense == AT_LEAST else self.judged <= self.target

    def noted(self, *notes: str) -> Row:
        """With those of the notes that say something."""
        return replace(self, note="; ".join(filter(None, notes)))


def versus(row: Row, ours: Sequence[float], others: Sequence[float]) -> Row:
    """The row with the numbers of two contenders, from the times of their laps in the order in
    which they alternated.
    """
    ratios = [b / a if row.sense == AT_LEAST else a / b for a, b in zip(ours, others)]
    value, reference, ratio = map(statistics.median, (ours, others, ratios))
    return replace(
        row, value=value, reference=reference, ratio=ratio, low=min(ratios), high=max(ratios)
    )


@dataclass(frozen=True)
class Report:
    """One run: the machine, the settings, the rows, and the points of the growth curves."""

    machine: dict
    settings: dict
    rows: tuple[Row, ...]
    points: tuple[dict, ...] = ()
    facts: dict = field(default_factory=dict)

    def write(self, path: Path) -> None:
        """Keep it as a JSON file."""
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            text = json.dumps(
                {"schema": SCHEMA, **asdict(self)}, ensure_ascii=False, indent=1, allow_nan=False
            )
            path.write_text(text + "\n", encoding="utf-8")
        except OSError as error:
            raise InputError(f"{path} cannot be written ({error.strerror or error}).") from None

    @classmethod
    def read(cls, path: Path) -> Report:
        """A report from its JSON file.

        Raises
        ------
        InputError : the file cannot be read, or is no such report.
        """
        try:
            kept = json.loads(Path(path).read_text(encoding="utf-8"))
        except OSError as error:
            raise InputError(f"{path} cannot be read ({error.strerror or error}).") from None
        except ValueError:
            kept = None
        if not isinstance(kept, dict) or kept.get("schema") != SCHEMA:
            raise InputError(f"{path} is no report of 'schurkit bench' (schema {SCHEMA}).")
        try:
            known = {one.name for one in fields(Row)}
            rows = [{name: row[name] for name in row.keys() & known} for row in kept["rows"]]
            return cls(
                kept["machine"],
                kept["settings"],
                tuple(Row(**row) for row in rows),
                tuple(kept.get("points", ())),
                kept.get("facts", {}),
            )
        except (KeyError, TypeError, AttributeError) as error:
            raise InputError(
                f"{path} is a damaged report of 'schurkit bench' ({type(error).__name__}: {error})."
            ) from None


# ------------------------------------------------------------------------------------------ as text
HEADS = ("job", "held against", "ours", "other", "ratio", "from – to", "target", "reached")


def cells(row: Row) -> tuple[str, ...]:
    """A row as the table shows it: eight texts, a number that is missing as "–"."""
    sign, unit = "≥" if row.sense == AT_LEAST else "≤", "×" if row.peer else f" {row.unit}"
    return (
        row.what,
        row.peer or "–",
        _amount(row.value, row.unit),
        _amount(row.reference, row.unit),
        _times(row.ratio),
        "–" if row.low is None else f"{row.low:.2f} – {row.high:.2f}",
        "–" if row.target is None else f"{sign} {row.target:g}{unit}",
        {None: "–", True: "yes", False: "no"}[row.met],
    )


def _amount(value: float | None, unit: str) -> str:
    if value is None:
        return "–"
    return f"{value:{'.3g' if abs(value) < 1000 else ',.0f'}} {unit}".strip()


def _times(ratio: float | None) -> str:
    return "–" if ratio is None else f"{ratio:.2f}×"


def table(rows: Sequence[Row]) -> str:
    """Rows as lines of text, with notes below the row they belong to."""
    return _aligned([HEADS, *map(cells, rows)], ["", *(row.note for row in rows)])


def _aligned(lines: Sequence[Sequence[str]], notes: Sequence[str]) -> str:
    widths = [max(map(len, column)) for column in zip(*lines)]
    told = []
    for line, note in zip(lines, notes):
        told.append("  ".join(map(str.ljust, line, widths)).rstrip())
        if note:
            told.append(f"    {note}")
    return "\n".join(told)


def comparison(old: Report, new: Report) -> str:
    """Two reports side by side: for every row that both have, its number in each and how it
    changed.
    """
    before = {(row.group, row.what, row.peer): row for row in old.rows}
    lines = [("job", "held against", "before", "now", "now / before", "ratio before", "ratio now")]
    for row in new.rows:
        kept = before.get((row.group, row.what, row.peer))
        if kept is None or kept.value is None or row.value is None:
            continue
        lines.append(
            (
                row.what,
                row.peer or "–",
                _amount(kept.value, kept.unit),
                _amount(row.value, row.unit),
                _times(row.value / kept.value if kept.value else None),
                _times(kept.ratio),
                _times(row.ratio),
            )
        )
    if len(lines) == 1:
        return "The two reports have no row in common."
    heads = [
        f"{when} commit {one.machine.get('commit') or 'unknown'}, {one.machine.get('date', '')}"
        for when, one in (("before:", old), ("now:   ", new))
    ]
    facts = ("model", "cores", "instructions")
    differ = [name for name in facts if old.machine.get(name) != new.machine.get(name)]
    if differ:
        heads.append(
            f"The machines differ ({', '.join(differ)}): compare the ratios, not the times."
        )
    if old.settings.get("quick") != new.settings.get("quick"):
        heads.append("One run was quick and the other was not: small differences mean nothing.")
    return "\n".join([*heads, _aligned(lines, [""] * len(lines))])
