"""The claims the book tests: book/claims.yml, the four kinds of rule, and the verdicts."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from schurkit._checks import InputError

VERDICTS = ("reproduced", "partly", "not reproduced", "underpowered or not tested")
FEWEST = 10  # networks below which no interval, hence no verdict, is given
_FIELDS = ("id", "statement", "paper", "where", "source", "key", "quantity", "rule")


class NoClaimsError(InputError):
    """There is no book/claims.yml: a chapter is run from the installed package, without the book."""


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

    def whole(self, low: float, high: float) -> bool:
        """Whether every value of the interval satisfies the rule."""
        if self.kind == "at least":
            return low >= self.number
        if self.kind == "at most":
            return high <= self.number
        if self.kind == "sign":
            return low > 0 if self.number > 0 else high < 0
        if self.side == "within":
            return low >= self.number - self.margin and high <= self.number + self.margin
        return low >= self.number + self.margin or high <= self.number - self.margin

    def none(self, low: float, high: float) -> bool:
        """Whether no value of the interval satisfies the rule."""
        if self.kind == "at least":
            return high < self.number
        if self.kind == "at most":
            return low > self.number
        if self.kind == "sign":
            return high <= 0 if self.number > 0 else low >= 0
        if self.side == "within":
            return high < self.number - self.margin or low > self.number + self.margin
        return low > self.number - self.margin and high < self.number + self.margin

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
    """One claim of a paper: its statement, the paper's value, what of ours is compared with it, and the rule written before the run."""

    id: str
    statement: str
    paper: str
    where: str
    source: str
    key: str
    quantity: str
    rule: Rule


def verdict(claim: Claim, value: float | None, interval=None, n: int | None = None) -> str:
    """Return one of the four verdicts.

    With an interval over at least ten networks: *reproduced* when all of it satisfies the rule, *not reproduced* when none of it does,
    *partly* when only some of it does but the value itself is among that. In every other case the networks at hand do not settle the
    question, in either direction: *underpowered or not tested*.
    """
    if value is None or interval is None or n is None or n < FEWEST:
        return "underpowered or not tested"
    low, high = interval
    if claim.rule.whole(low, high):
        return "reproduced"
    if claim.rule.none(low, high):
        return "not reproduced"
    return "partly" if claim.rule.satisfied(value) else "underpowered or not tested"


def claims_file() -> Path:
    """book/claims.yml of the book at hand: $SCHURKIT_BOOK, else the working folder or one above it, else the one beside the package."""
    folders = [Path(os.environ["SCHURKIT_BOOK"])] if os.environ.get("SCHURKIT_BOOK") else []
    folders += [Path.cwd(), *Path.cwd().parents, Path(__file__).resolve().parent.parent]
    for folder in folders:
        if (folder / "book" / "claims.yml").is_file():
            return folder / "book" / "claims.yml"
    raise NoClaimsError("there is no book/claims.yml here or in a folder above; run the chapter inside the book's folder.")


def load_claims(path: Path | None = None) -> dict[str, Claim]:
    """The claims by id, in the order of the file.

    Raises
    ------
    InputError : the file is not a list of claims with the fields id, statement, paper, where, source, key, quantity and rule.
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
        raise InputError(f"{where}: claim {name} must have exactly the fields {', '.join(_FIELDS)}; check {wrong}.")
    texts = {field: entry[field] for field in _FIELDS if field != "rule"}
    for field, text in texts.items():
        if not isinstance(text, str) or not text.strip():
            raise InputError(f"{where}: claim {name}: {field} must be text; got {text!r}.")
    return Claim(**texts, rule=_rule(entry["rule"], f"{where}: claim {name}"))


def _rule(given, where: str) -> Rule:
    expected = "rule must be {at least: number}, {at most: number}, {sign: positive|negative} or {difference: {from: number, within|beyond: number}}"
    if not isinstance(given, dict) or len(given) != 1:
        raise InputError(f"{where}: {expected}; got {given!r}.")
    ((kind, value),) = given.items()
    if kind in ("at least", "at most") and _number(value):
        return Rule(kind, float(value))
    if kind == "sign" and value in ("positive", "negative"):
        return Rule("sign", 1.0 if value == "positive" else -1.0)
    if kind == "difference" and isinstance(value, dict) and len(value) == 2 and all(map(_number, value.values())):
        side = next((side for side in ("within", "beyond") if side in value), None)
        if side and "from" in value and value[side] >= 0:
            return Rule("difference", float(value["from"]), float(value[side]), side)
    raise InputError(f"{where}: {expected}; got {given!r}.")


def _number(value) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < 1e300
