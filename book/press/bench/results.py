"""Rows of measured numbers with their targets; reports of a run as tables and as JSON files; two
reports side by side.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields
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
    ratio : median of the ratios of neighbouring laps, how many times as
    long the peer takes (with the sense "at most": how many times as long we take); low, high : the
    smallest and the largest.
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


def versus(
    group,
    what,
    peer,
    ours: Sequence[float],
    others: Sequence[float],
    unit="",
    target=None,
    sense=AT_LEAST,
    note="",
) -> Row:
    """The row of two contenders from the times of their laps, in the order in which they
    alternated.
    """
    ratios = [b / a if sense == AT_LEAST else a / b for a, b in zip(ours, others)]
    value, reference, ratio = (
        float(statistics.median(numbers)) for numbers in (ours, others, ratios)
    )
    return Row(
        group,
        what,
        peer,
        value,
        reference,
        unit,
        ratio,
        min(ratios),
        max(ratios),
        target,
        sense,
        note,
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
            rows = tuple(
                Row(**{name: value for name, value in row.items() if name in known})
                for row in kept["rows"]
            )
            return cls(
                kept["machine"],
                kept["settings"],
                rows,
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
    target = (
        "–"
        if row.target is None
        else f"{'≥' if row.sense == AT_LEAST else '≤'} "
        f"{row.target:g}{'×' if row.peer else ' ' + row.unit}"
    )
    return (
        row.what,
        row.peer or "–",
        _amount(row.value, row.unit),
        _amount(row.reference, row.unit),
        "–" if row.ratio is None else f"{row.ratio:.2f}×",
        "–" if row.low is None else f"{row.low:.2f} – {row.high:.2f}",
        target,
        {None: "–", True: "yes", False: "no"}[row.met],
    )


def _amount(value: float | None, unit: str) -> str:
    return (
        "–"
        if value is None
        else f"{value:.3g} {unit}".strip()
        if abs(value) < 1000
        else f"{value:,.0f} {unit}".strip()
    )


def table(rows: Sequence[Row]) -> str:
    """Rows as lines of text, with notes below the row they belong to."""
    return _aligned([HEADS, *map(cells, rows)], ["", *(row.note for row in rows)])


def _aligned(lines: Sequence[Sequence[str]], notes: Sequence[str]) -> str:
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    told = []
    for line, note in zip(lines, notes):
        told.append("  ".join(text.ljust(width) for text, width in zip(line, widths)).rstrip())
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
        change = f"{row.value / kept.value:.2f}×" if kept.value else "–"
        ratios = ["–" if ratio is None else f"{ratio:.2f}×" for ratio in (kept.ratio, row.ratio)]
        lines.append(
            (
                row.what,
                row.peer or "–",
                _amount(kept.value, kept.unit),
                _amount(row.value, row.unit),
                change,
                *ratios,
            )
        )
    if len(lines) == 1:
        return "The two reports have no row in common."
    differ = [
        name
        for name in ("model", "cores", "instructions")
        if old.machine.get(name) != new.machine.get(name)
    ]
    warning = (
        [f"The machines differ ({', '.join(differ)}): compare the ratios, not the times."]
        if differ
        else []
    )
    if old.settings.get("quick") != new.settings.get("quick"):
        warning.append("One run was quick and the other was not: small differences mean nothing.")
    heads = [
        f"before: commit {old.machine.get('commit') or 'unknown'}, {old.machine.get('date', '')}"
    ]
    heads += [
        f"now:    commit {new.machine.get('commit') or 'unknown'}, {new.machine.get('date', '')}"
    ]
    return "\n".join([*heads, *warning, _aligned(lines, [""] * len(lines))])
