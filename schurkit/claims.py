"""The claims the book tests: book/claims.yml, the four kinds of rule, and what a run says on a
claim. Verdicts are the pages': `schurkit_press.verdicts` derives them.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path

from .checks import InputError, integer
from .words import plural

_FIELDS = ("id", "statement", "paper", "where", "source", "key", "quantity", "rule", "conditions")


class NoClaimsError(InputError):
    """There is no book/claims.yml: a chapter is run from the installed package, without the
    book.
    """


@dataclass(frozen=True)
class Rule:
    """What a value has to satisfy.

    ====================  ==========================================
    kind                  satisfied by a value v when
    ====================  ==========================================
    at least (number)     v ≥ number
    at most (number)      v ≤ number
    difference (number,   ``within``: number − margin ≤ v ≤ number + margin;
    margin, side)         ``beyond``: v ≤ number − margin or v ≥ number + margin
    sign (number ±1)      v > 0, or v < 0
    ====================  ==========================================
    """

    kind: str
    number: float
    margin: float = 0.0
    side: str = ""

    def satisfied(self, value: float) -> bool:
        """Whether one value satisfies the rule."""
        return self.whole(value, value)

    @property
    def _between(self) -> tuple[float, float]:
        """The least and the largest value that satisfy a rule, or just do not, for "beyond"."""
        if self.kind == "difference":
            return self.number - self.margin, self.number + self.margin
        least = math.ulp(0.0) * self.number if self.kind == "sign" else self.number
        up = self.number > 0 if self.kind == "sign" else self.kind == "at least"
        return (least, math.inf) if up else (-math.inf, least)

    def whole(self, low: float, high: float) -> bool:
        """Whether every value of the interval satisfies the rule."""
        start, end = self._between
        if self.side == "beyond":
            return low >= end or high <= start
        return start <= low and high <= end

    def none(self, low: float, high: float) -> bool:
        """Whether no value of the interval satisfies the rule; for a sign, whether all satisfy the
        other sign: an interval that holds 0 is on neither side.
        """
        if self.kind == "sign":
            return replace(self, number=-self.number).whole(low, high)
        start, end = self._between
        if self.side == "beyond":
            return start < low and high < end
        return high < start or low > end

    def __str__(self) -> str:
        if self.kind == "sign":
            return "is positive" if self.number > 0 else "is negative"
        if self.kind == "difference" and self.side == "within":
            return f"lies within {self.margin:g} of {self.number:g}"
        if self.kind == "difference":
            return f"lies at least {self.margin:g} away from {self.number:g}"
        return f"is {self.kind} {self.number:g}"


@dataclass(frozen=True)
class Claim:
    """One claim of a paper: its statement, the paper's value, what of ours is compared with it, and
    the rule written before the run.

    conditions : the parameters of a chapter, by name, that the rule was written for: task, size,
        threshold.
    """

    id: str
    statement: str
    paper: str
    where: str
    source: str
    key: str
    quantity: str
    rule: Rule
    conditions: Mapping[str, object] = field(default_factory=dict)


# ---------------------------------------------------------------------------------- what a run says
# `told` is what `schurkit.nb.claim` recorded: a dict with value, interval and n, or `each` with
# these for every task; `beyond` with the excess over each control; and `values`, the parameters of
# the run, where the notebook or the published run tells them.
def parts(told: Mapping) -> dict[str, Mapping]:
    """What was measured: one part named "", or one a task."""
    return told.get("each") or {"": told}


def ours(told: Mapping, digits: int = 3) -> str:
    """Value, interval and number of networks, task by task where there are several."""
    return "; ".join(
        f"{name} {_number_text(part, digits)}".strip() for name, part in parts(told).items()
    )


def _number_text(part: Mapping, digits: int) -> str:
    if part["value"] is None:
        return "none, since no network here tests it" if part["n"] == 0 else "undefined"
    text = f"{part['value']:.{digits}g}"
    if part["interval"]:
        text += f" [{part['interval'][0]:.{digits}g}, {part['interval'][1]:.{digits}g}]"
    text = text.replace("-", "−")
    return text if part["n"] is None else f"{text}, {plural(part['n'], 'network')}"


def beyond(told: Mapping) -> str:
    """Whether the effect is beyond its controls: "yes" where the interval of the excess over every
    named control lies wholly above 0, else "no".

    "not asked" where the chapter names no control; it says so where there are too few networks for
    an interval.
    """
    excess = {
        name: part["interval"] for name, part in told.get("beyond", {}).items() if part["interval"]
    }
    if not excess:
        return "not asked (too few networks)" if told.get("beyond") else "not asked"
    missed = [name for name, (low, _) in excess.items() if low <= 0]
    return f"no ({', '.join(missed)})" if missed else f"yes ({', '.join(excess)})"


def claim_line(claim: Claim, told: Mapping) -> str:
    """A claim in one line of markdown: what was measured, beside the rule and the paper."""
    control = f" Beyond its control: {beyond(told)}." if told.get("beyond") else ""
    numbers = f"Ours: {ours(told, 4)}; rule: {claim.quantity} {claim.rule}; paper: {claim.paper}."
    return f"**Claim {claim.id}.** {claim.statement} {numbers}{control}"


def recorded(id: str, value, interval=None, n=None, beyond=None) -> dict:
    """What `schurkit.nb.claim` records of its arguments; see there."""
    if isinstance(value, dict):
        if not value or interval is not None or n is not None:
            raise InputError(
                f"claim {id}: several tasks take one Interval each, as a dict that is not empty, "
                "and no interval or n beside it."
            )
        told = {"value": None, "interval": None, "n": None, "each": measured_each(value, id)}
    else:
        told = measured(value, interval, n, id)
    return told | ({"beyond": measured_each(beyond, id)} if beyond else {})


def measured_each(values: dict, id) -> dict[str, dict]:
    """`measured` of each of several tasks or controls."""
    if not all(isinstance(name, str) and name for name in values):
        raise InputError(
            f"claim {id}: tasks and controls need names; got {', '.join(map(repr, values))}."
        )
    return {name: measured(value, None, None, id) for name, value in values.items()}


def measured(value, interval, n, id) -> dict:
    """Value, interval and n as they are recorded."""
    if hasattr(value, "mean") and hasattr(value, "low"):
        value, interval, n = value.mean, (value.low, value.high), value.n
    number = plain(value, f"claim({id!r}, …)", numeric=True)
    count = None if n is None else integer(n, f"claim {id}: n", at_least=0)
    return {"value": number, "interval": _interval(interval, id), "n": count}


def _interval(interval, id) -> list[float] | None:
    if interval is None:
        return None
    try:
        low, high = interval
    except (TypeError, ValueError):
        raise InputError(f"claim {id}: interval must be (low, high); got {interval!r}.") from None
    bounds = [plain(end, f"claim {id}: interval", numeric=True) for end in (low, high)]
    if None in bounds:
        return None
    if bounds[0] > bounds[1]:
        raise InputError(
            f"claim {id}: interval must be (low, high) with low ≤ high; got ({low!r}, {high!r})."
        )
    return bounds


def plain(value, where: str, numeric: bool = False):
    """`value` as JSON has it: numpy scalars and one-axis arrays become numbers and lists, NaN and
    infinities None.
    """
    if hasattr(value, "tolist"):
        value = value.tolist()
    flat = isinstance(value, (list, tuple)) and not any(
        isinstance(item, (list, tuple, dict)) for item in value
    )
    if flat and not numeric:
        return [plain(item, where) for item in value]
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    kinds = (int, type(None)) if numeric else (int, str, type(None))
    if isinstance(value, kinds) and not (numeric and isinstance(value, bool)):
        return value
    raise InputError(
        f"{where} takes {'a number' if numeric else 'a number, text or a flat list of these'}; "
        f"got {type(value).__name__}."
    )


# ----------------------------------------------------------------------------------------- the file
def claims_file() -> Path:
    """book/claims.yml of the book at hand: $SCHURKIT_BOOK, else the working folder or one above it,
    else the one beside the package.
    """
    folders = [Path(os.environ["SCHURKIT_BOOK"])] if os.environ.get("SCHURKIT_BOOK") else []
    folders += [Path.cwd(), *Path.cwd().parents, Path(__file__).resolve().parent.parent]
    for folder in folders:
        if (folder / "book" / "claims.yml").is_file():
            return folder / "book" / "claims.yml"
    raise NoClaimsError(
        "there is no book/claims.yml here or in a folder above; run the chapter inside the book's "
        "folder."
    )


def load_claims(path: Path | None = None) -> dict[str, Claim]:
    """The claims by id, in the order of the file.

    Raises
    ------
    InputError : the file is not a list of claims with the fields id, statement, paper, where,
        source, key, quantity, rule and conditions.
    """
    path = claims_file() if path is None else Path(path)
    return dict(_load(path, path.stat().st_mtime_ns))


@lru_cache(maxsize=4)
def _load(path: Path, _modified: int) -> dict[str, Claim]:
    import yaml

    try:
        entries = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise InputError(f"{path.name} is not valid YAML: {' '.join(str(error).split())}") from None
    if not isinstance(entries, list):
        raise InputError(f"{path.name} must be a list of claims; got {type(entries).__name__}.")
    found: dict[str, Claim] = {}
    for entry in entries:
        claim = _claim(entry, path.name)
        if claim.id in found:
            raise InputError(f"{path.name} lists claim {claim.id} twice.")
        found[claim.id] = claim
    return found


def _claim(entry, where: str) -> Claim:
    name = entry.get("id", "?") if isinstance(entry, dict) else "?"
    if not isinstance(entry, dict) or set(entry) != set(_FIELDS):
        given = set(entry) if isinstance(entry, dict) else set()
        wrong = ", ".join(sorted(set(_FIELDS) ^ given, key=str))
        raise InputError(
            f"{where}: claim {name} must have exactly the fields {', '.join(_FIELDS)}; check "
            f"{wrong}."
        )
    texts = {what: entry[what] for what in _FIELDS if what not in ("rule", "conditions")}
    for what, text in texts.items():
        if not isinstance(text, str) or not text.strip():
            raise InputError(f"{where}: claim {name}: {what} must be text; got {text!r}.")
    conditions = entry["conditions"]
    if not isinstance(conditions, dict) or not all(isinstance(what, str) for what in conditions):
        raise InputError(
            f"{where}: claim {name}: conditions must map parameters of the chapter to values; got "
            f"{conditions!r}."
        )
    return Claim(
        **texts, rule=_rule(entry["rule"], f"{where}: claim {name}"), conditions=conditions
    )


def _rule(given, where: str) -> Rule:
    expected = (
        "rule must be {at least: number}, {at most: number}, {sign: positive|negative} or "
        "{difference: {from: number, within|beyond: number}}"
    )
    if not isinstance(given, dict) or len(given) != 1:
        raise InputError(f"{where}: {expected}; got {given!r}.")
    ((kind, value),) = given.items()
    match kind, value:
        case "at least" | "at most", _ if _number(value):
            return Rule(kind, float(value))
        case "sign", "positive" | "negative":
            return Rule("sign", 1.0 if value == "positive" else -1.0)
        case "difference", {"from": start, **more} if len(more) == 1:
            ((side, margin),) = more.items()
            if side in ("within", "beyond") and _number(start) and _number(margin) and margin >= 0:
                return Rule("difference", float(start), float(margin), side)
    raise InputError(f"{where}: {expected}; got {given!r}.")


def _number(value) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < 1e300
