"""The claims the book tests: book/claims.yml, the four kinds of rule, and what a run says on a
claim.

A run records value, interval and number of networks. Every verdict is derived from these and the
rule, wherever one is shown, and stored nowhere: a rule that is changed changes what is shown, and
runs nothing again.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from .checks import InputError

VERDICTS = ("reproduced", "partly", "not reproduced", "open", "not tested")
OTHER = "other conditions"
"""What stands in place of a verdict where a run was made under other conditions than those the rule
was written for.
"""
FEWEST = 10  # networks below which no interval, hence no verdict, is given
_FIELDS = ("id", "statement", "paper", "where", "source", "key", "quantity", "rule", "conditions")
_MARKS = {
    "reproduced": "✓",
    "partly": "~",
    "not reproduced": "✗",
    "open": "·",
    "not tested": "–",
    OTHER: "≠",
}


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


def verdict(rule: Rule, value: float | None, interval=None, n: int | None = None) -> str:
    """One of `VERDICTS`, from a value over `n` networks and its interval (low, high).

    ==============
    ======================================================================================================
    reproduced      the whole interval satisfies the rule not reproduced  none of it does partly
    the value satisfies a threshold (at least, at most, difference), its interval not wholly open
    the interval holds the threshold and the value fails it, or holds 0 for a sign, on either side
    not tested      fewer than ten networks, or no value or no interval ==============
    ======================================================================================================
    """
    if value is None or interval is None or n is None or n < FEWEST:
        return "not tested"
    if rule.whole(*interval):
        return "reproduced"
    if rule.none(*interval):
        return "not reproduced"
    return "partly" if rule.kind != "sign" and rule.satisfied(value) else "open"


# ---------------------------------------------------------------------------------- what a run says
# `told` is what `schurkit.nb.claim` recorded: a dict with value, interval and n, or `each` with
# these for every task; `beyond` with the excess
# over each control; and `values`, the parameters of the run, where the notebook or the published
# run tells them.
def parts(told: Mapping) -> dict[str, Mapping]:
    """What was measured: one part named "", or one a task."""
    return told.get("each") or {"": told}


def differing(claim: Claim, told: Mapping) -> list[str]:
    """The conditions of a rule that a run did not meet, each as "bits 1 instead of 3"."""
    values = told.get("values", {})
    found = (
        (name, values.get(name, "unknown"), wanted) for name, wanted in claim.conditions.items()
    )
    return [
        f"{name} {value} instead of {wanted}" for name, value, wanted in found if value != wanted
    ]


def verdicts(claim: Claim, told: Mapping) -> dict[str, str]:
    """The verdict on each of `parts`, by name; `OTHER` for all of them where the run was made under
    other conditions.
    """
    if differing(claim, told):
        return dict.fromkeys(parts(told), OTHER)
    return {
        name: verdict(claim.rule, part["value"], part["interval"], part["n"])
        for name, part in parts(told).items()
    }


def marked(claim: Claim, told: Mapping) -> str:
    """The verdict with a sign in front, so that it does not hang on colour; for several tasks their
    signs alone, e.g. "↓ ↓ · ↑".

    Where the rule is about a sign, the arrows say which way each task goes, with its whole
    interval.
    """
    words = verdicts(claim, told)
    if list(words) == [""]:
        return f"{_MARKS[words['']]} {words['']}"
    return " ".join(_arrow(claim.rule, part, words[name]) for name, part in parts(told).items())


def _arrow(rule: Rule, part: Mapping, word: str) -> str:
    if rule.kind != "sign" or word in ("not tested", OTHER):
        return _MARKS[word]
    low, high = part["interval"]
    return "↑" if low > 0 else "↓" if high < 0 else "·"


def explained(claim: Claim, told: Mapping) -> str:
    """The verdict in words, with what a bare word would hide: the side of a value that is not
    tested, the conditions that differ, each task's.
    """
    words, differ = verdicts(claim, told), differing(claim, told)
    if list(words) == [""]:
        text = _qualified(claim.rule, told, words[""])
    else:
        text = (
            marked(claim, told) + " "
            f"({'; '.join(f'{name} {_qualified(claim.rule, part, words[name])}' for name, part in parts(told).items())})"
        )
    return f"{text}; {', '.join(differ)}" if differ else text


def _qualified(rule: Rule, part: Mapping, word: str) -> str:
    if word not in ("not tested", OTHER) or part["value"] is None:
        return word
    does = "satisfies" if rule.satisfied(part["value"]) else "does not satisfy"
    return f"{word} (the value itself {does} the rule)"


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
    return (
        text
        if part["n"] is None
        else f"{text}, {part['n']} network" + ("" if part["n"] == 1 else "s")
    )


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


def claim_line(claim: Claim, told: Mapping, derive: bool = True) -> str:
    """A claim in one line of markdown, as the chapter's page shows it; without `derive` it says
    what was measured and gives no verdict.
    """
    head = f"Claim {claim.id}: {explained(claim, told)}." if derive else f"Claim {claim.id}."
    control = f" Beyond its control: {beyond(told)}." if told.get("beyond") else ""
    numbers = f"Ours: {ours(told, 4)}; rule: {claim.quantity} {claim.rule}; paper: {claim.paper}."
    return f"**{head}** {claim.statement} {numbers}{control}"


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
    if kind in ("at least", "at most") and _number(value):
        return Rule(kind, float(value))
    if kind == "sign" and value in ("positive", "negative"):
        return Rule("sign", 1.0 if value == "positive" else -1.0)
    if (
        kind == "difference"
        and isinstance(value, dict)
        and len(value) == 2
        and all(map(_number, value.values()))
    ):
        side = next((side for side in ("within", "beyond") if side in value), None)
        if side and "from" in value and value[side] >= 0:
            return Rule("difference", float(value["from"]), float(value[side]), side)
    raise InputError(f"{where}: {expected}; got {given!r}.")


def _number(value) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < 1e300
