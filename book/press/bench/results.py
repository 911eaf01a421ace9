"""Rows of measured numbers with their targets; reports of a run as tables and as JSON files."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from schurkit.checks import InputError
from schurkit.words import short
from schurkit_press.chapters import read_json
from schurkit_press.tables import columns

SCHEMA = 1
AT_LEAST, AT_MOST = "at least", "at most"


@dataclass(frozen=True)
class Row:
    """One measured number, alone or beside that of a peer.

    what : the job.
    peer : what it is held against, or "".
    value, reference : medians of ours and the peer's, in `unit`.
    ratio : median of the ratios of neighbouring laps, how many times as long the peer takes (with
        the sense "at most": how many times as long we take).
    low, high : the smallest and the largest.
    target, sense : what the ratio, or the value where there is no peer, should be.
    note : why something is missing, or what else was found.
    floor : how many times as long we take as the matrix products alone, at the measured speed of
        float32 products on these cores.
    group : as in `schurkit_press.bench.GROUPS`.
    """

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
    floor: float | None = None
    group: str = ""

    @property
    def met(self) -> bool | None:
        """Whether the target is reached; None without a target or a number."""
        judged = self.ratio if self.peer else self.value
        if self.target is None or judged is None:
            return None
        return judged >= self.target if self.sense == AT_LEAST else judged <= self.target


@dataclass(frozen=True)
class Report:
    """One run: the machine, the settings, the rows, and what else is known of it."""

    machine: dict
    settings: dict
    rows: tuple[Row, ...]
    facts: dict = field(default_factory=dict)

    def write(self, path: Path) -> None:
        """Keep it as a JSON file."""
        content = {"schema": SCHEMA, **asdict(self)}
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            text = json.dumps(content, ensure_ascii=False, indent=1, allow_nan=False)
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
            kept = read_json(path)
            if kept["schema"] != SCHEMA:
                raise ValueError(f"schema {kept['schema']}")
            known = Row.__dataclass_fields__
            rows = [Row(**{name: row[name] for name in row.keys() & known}) for row in kept["rows"]]
            return cls(kept["machine"], kept["settings"], tuple(rows), kept.get("facts", {}))
        except Exception as error:  # whatever is wrong with the file
            raise InputError(
                f"{path} is no report of 'schurkit bench' (schema {SCHEMA}; "
                f"{type(error).__name__}: {error})."
            ) from None


HEADS = (
    "job",
    "held against",
    "ours",
    "other",
    "ratio",
    "from – to",
    "target",
    "reached",
    "× floor",
)


def cells(row: Row) -> tuple[str, ...]:
    """A row as the table shows it: a text for each of `HEADS`, a number that is missing as "–"."""
    sign, unit = "≥" if row.sense == AT_LEAST else "≤", "×" if row.peer else f" {row.unit}"
    return (
        row.what,
        row.peer or "–",
        _amount(row.value, row.unit),
        _amount(row.reference, row.unit),
        "–" if row.ratio is None else f"{row.ratio:.2f}×",
        "–" if row.low is None else f"{row.low:.2f} – {row.high:.2f}",
        "–" if row.target is None else f"{sign} {row.target:g}{unit}",
        {None: "–", True: "yes", False: "no"}[row.met],
        short(row.floor, ".2f"),
    )


def _amount(value: float | None, unit: str) -> str:
    if value is None:
        return "–"
    return f"{value:{'.3g' if abs(value) < 1000 else ',.0f'}} {unit}".strip()


def table(rows: Sequence[Row]) -> str:
    """Rows as lines of text, with notes below the row they belong to."""
    lines = columns([HEADS, *map(cells, rows)])
    notes = ["", *(row.note for row in rows)]
    return "\n".join(f"{line}\n    {note}" if note else line for line, note in zip(lines, notes))
