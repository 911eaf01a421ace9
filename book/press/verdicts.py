"""What a run says on a claim, in a word.

A run records value, interval and number of networks. Every verdict is derived from these and the
rule, wherever one is shown, and stored nowhere: a rule that is changed changes what is shown, and
runs nothing again.
"""

from collections.abc import Mapping

from schurkit.claims import Claim, Rule, parts

OTHER = "other conditions"
"""What stands in place of a verdict where a run was made under other conditions than those the rule
was written for.
"""
MARKS = {
    "reproduced": "✓",
    "partly": "~",
    "not reproduced": "✗",
    "open": "·",
    "not tested": "–",
    OTHER: "≠",
}
VERDICTS = tuple(MARKS)[:-1]
FEWEST = 10  # networks below which no interval, hence no verdict, is given


def verdict(rule: Rule, value: float | None, interval=None, n: int | None = None) -> str:
    """One of `VERDICTS`, from a value over `n` networks and its interval (low, high).

    reproduced: the whole interval satisfies the rule. not reproduced: none of it does. partly: the
    value satisfies a threshold (at least, at most, difference), its interval not wholly. open: the
    interval holds the threshold and the value fails it, or holds 0 for a sign, on either side. not
    tested: fewer than ten networks, or no value or no interval.
    """
    if value is None or interval is None or n is None or n < FEWEST:
        return "not tested"
    if rule.whole(*interval):
        return "reproduced"
    if rule.none(*interval):
        return "not reproduced"
    return "partly" if rule.kind != "sign" and rule.satisfied(value) else "open"


def differing(claim: Claim, told: Mapping) -> list[str]:
    """The conditions of a rule that a run did not meet, each as "bits 1 instead of 3"."""
    values = dict.fromkeys(claim.conditions, "unknown") | told.get("values", {})
    wanted = claim.conditions.items()
    return [
        f"{name} {values[name]} instead of {one}" for name, one in wanted if values[name] != one
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
    """The verdict with a sign in front, so that it does not hang on colour, "–" where it is not
    tested; for several tasks their signs alone, e.g. "↓ ↓ · ↑".

    Where the rule is about a sign, the arrows say which way each task goes, with its whole
    interval.
    """
    words = verdicts(claim, told)
    if word := words.get(""):
        return MARKS[word] if word == "not tested" else f"{MARKS[word]} {word}"
    return " ".join(_arrow(claim.rule, part, words[name]) for name, part in parts(told).items())


def _arrow(rule: Rule, part: Mapping, word: str) -> str:
    if rule.kind != "sign" or word in ("not tested", OTHER):
        return MARKS[word]
    low, high = part["interval"]
    return "↑" if low > 0 else "↓" if high < 0 else "·"


def explained(claim: Claim, told: Mapping) -> str:
    """The verdict in words, with what a bare word would hide: the side of a value that is not
    tested, the conditions that differ, each task's.
    """
    words, differ = verdicts(claim, told), differing(claim, told)
    each = {name: _qualified(claim.rule, part, words[name]) for name, part in parts(told).items()}
    named = "; ".join(f"{name} {word}" for name, word in each.items())
    text = each.get("") or f"{marked(claim, told)} ({named})"
    return f"{text}; {', '.join(differ)}" if differ else text


def _qualified(rule: Rule, part: Mapping, word: str) -> str:
    if word not in ("not tested", OTHER):
        return word
    if part["value"] is None:
        return MARKS[word]
    does = "satisfies" if rule.satisfied(part["value"]) else "does not satisfy"
    word = "–" if word == "not tested" else word
    return f"{word} (the value itself {does} the rule)"
