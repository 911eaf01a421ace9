"""Numbers, intervals and plurals as words: what captions, tables and lines of text say."""

from __future__ import annotations

import html
import math
import re
from collections.abc import Sequence
from dataclasses import replace
from numbers import Real

from .checks import InputError

_ZERO = re.compile(r"^[+-](?=0\.?0*$)")  # −0.00 is what a small number became by rounding
_NUMBER = re.compile(r"[+−-]?\d[\d.,]*(e[+−-]?\d+)?( \[[^\]]*\])?$")


def short(value, spec: str = ".3g") -> str:
    """A number by a format, with a true minus sign and no minus before a zero; "–" where it is
    undefined, "∞" where it is.
    """
    if value is None or value != value:
        return "–"
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    text = format(value, spec)
    zero = not any(character in "123456789" for character in text.split("e")[0])
    return (text.lstrip("+-") if zero else text).replace("-", "−")


def with_interval(interval, spec: str = ".3g") -> str:
    """ "value [low, high]" of a `schurkit.Interval`, the value alone where it has no ends, "–" for
    None.
    """
    if interval is None:
        return "–"
    ends = (
        ""
        if interval.low is None
        else f" [{short(interval.low, spec)}, {short(interval.high, spec)}]"
    )
    return short(interval.value, spec) + ends


def rough(interval) -> str:
    """As `with_interval` for numbers of very different sizes: two decimals below 100, from there on
    rounded to two digits and written in full.

    Examples
    --------
    >>> from schurkit.intervals import Interval
    >>> wide, bare = (614_004.0, 472_001.0, 779_000.0, 20, "t"), (3.4026, None, None, 3, "none")
    >>> rough(Interval(*wide)), rough(Interval(*bare))
    ('610,000 [470,000, 780,000]', '3.40')
    """
    if interval is None or not 100 <= interval.value < math.inf:
        return with_interval(interval, ".2f")
    two = {
        name: float(f"{end:.2g}")
        for name in ("value", "low", "high")
        if (end := getattr(interval, name)) is not None
    }
    return with_interval(replace(interval, **two), ",.0f")


def plural(count: int, noun: str, nouns: str | None = None) -> str:
    """ "1 network", "3 networks"."""
    return f"{count:,} {noun if count == 1 else nouns or noun + 's'}"


def span(values, spec: str = ".3g") -> str:
    """ "3", or "1 to 28": the least and the largest of some numbers."""
    low, high = short(min(values), spec), short(max(values), spec)
    return low if low == high else f"{low} to {high}"


def listed(words: Sequence[str], last: str = "and") -> str:
    """ "a", "a and b", "a, b and c"."""
    words = list(words)
    return f" {last} ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def duration(seconds: float) -> str:
    """Seconds as a reader says it: "40 s", "12 min", "3.1 h", "5.2 days"."""
    if seconds < 90:
        return f"{seconds:.2g} s" if seconds < 10 else f"{seconds:.0f} s"
    for size, unit in ((60, "min"), (3600, "h"), (86400, "days")):
        count = seconds / size
        if count < {"min": 90, "h": 48, "days": float("inf")}[unit]:
            return f"{count:.0f} {unit}" if count >= 10 else f"{count:.1f} {unit}"
    return "–"


# ------------------------------------------------------------------------------------------ tables
def cell(value, spec: str | None = None) -> str:
    """A value of a table by a format, four digits without one; "–" where it is undefined."""
    if (
        value is None
        or (isinstance(value, float) and not math.isfinite(value))
        or str(value) in ("<NA>", "NaT")
    ):
        return "–"
    if spec is None:
        return f"{value:.4g}".replace("-", "−") if isinstance(value, float) else str(value)
    try:
        text = _ZERO.sub("", format(value, spec))
        return text.replace("-", "−") if isinstance(value, Real) else text
    except (TypeError, ValueError):
        raise InputError(f"format {spec!r} does not suit the value {value!r}.") from None


def numeric(words) -> bool:
    """Whether a column of text holds numbers, some with their intervals, beside what is
    undefined.
    """
    return any(word != "–" for word in words) and all(
        word == "–" or _NUMBER.match(word) for word in words
    )


def markdown_table(columns, cells, right, name, caption) -> str:
    """A captioned MyST table of texts; `right` says which columns are aligned right."""

    def line(words):
        words = (str(word).replace("|", "\\|").replace("\n", " ") for word in words)
        return f"| {' | '.join(words)} |"

    rule = "|" + "|".join("---:" if numeric else ":---" for numeric in right) + "|"
    head = f":::{{table}} {caption}", f":name: {name}", "", line(columns), rule
    return "\n".join([*head, *map(line, cells), ":::"])


def html_table(columns, cells, right) -> str:
    """The same as HTML, for a live session."""
    sides = ["right" if numeric else "left" for numeric in right]

    def row(tag, words):
        columns = (
            f'<{tag} style="text-align:{side}">{html.escape(str(word))}</{tag}>'
            for word, side in zip(words, sides)
        )
        return f"<tr>{''.join(columns)}</tr>"

    body = "".join(row("td", words) for words in cells)
    head = f"<thead>{row('th', columns)}</thead>"
    return f'<table class="dataframe">{head}<tbody>{body}</tbody></table>'
