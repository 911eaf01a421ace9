"""The grid of a sweep: the values of each parameter, read strictly and checked before anything
runs.

Values are data, read by the kind that the chapter or function declares, and never evaluated.
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from fractions import Fraction
from itertools import islice
from math import ceil, prod

from schurkit.checks import InputError
from schurkit_press.parameters import Parameter, suggestion

MOST = 100_000
"""Runs that one sweep may ask for: above it, a slip of the pen is more likely than a plan."""
HELP = (
    "values of one parameter; repeat it for several, and every combination is run. seed=0:20 is "
    "0, 1, …, 19 (half open, as in Python); "
    "seed=0:20:5 goes in steps of 5; hidden_size=56,64,72 and rate=1e-3,3e-3 are lists; "
    "sizes=[16,32],[64] for a parameter that is itself a list"
)


def read_grid(
    given: Sequence[str] | Mapping, parameters: Mapping[str, Parameter], of: str
) -> dict[str, list]:
    """The values of each parameter, in the order given.

    Parameters
    ----------
    given : texts ``name=values`` from a command line; or a mapping from names to values: a
        sequence, a single value, or such a text of values.
    parameters : those that exist, by name.
    of : whose they are, for messages.

    Raises
    ------
    InputError : an unknown or repeated name, a value that is not of the parameter's kind, a
        repeated value, no value, or too many runs.

    Examples
    --------
    >>> known = {"seed": Parameter("seed", "int", 0, ""), "rate": Parameter("rate", "float", 1, "")}
    >>> read_grid(["seed=0:3", "rate=1e-3"], known, "it")
    {'seed': [0, 1, 2], 'rate': [0.001]}
    """
    pairs = given.items() if isinstance(given, Mapping) else list(map(_pair, given))
    if not pairs:
        raise InputError("a sweep needs at least one parameter to vary, as in --grid seed=0:20.")
    grid: dict[str, list] = {}
    for name, values in pairs:
        if name not in parameters:
            raise InputError(f"{of} has no parameter {name!r}{suggestion(name, parameters)}")
        if name in grid:
            raise InputError(
                f"parameter {name!r} is given twice; list its values in one, as in {name}=1,2."
            )
        grid[name] = axis(parameters[name], values)
    count = prod(map(len, grid.values()))
    if count > MOST:
        raise InputError(
            f"this grid asks for {count:,} runs or more; at most {MOST:,} are taken in one sweep."
        )
    return grid


def axis(parameter: Parameter, given) -> list:
    """The values of one parameter, from text such as ``0:20`` or ``56,64``, or from a sequence."""
    if isinstance(given, str):
        found = [value for item in _items(parameter, given) for value in _expand(parameter, item)]
    else:
        found = [parameter.parse(item) for item in _sequence(parameter, given)]
    if not found:
        raise InputError(f"parameter {parameter.name} is given no value.")
    (most, times), *_ = Counter(map(repr, found)).most_common(1)
    if times > 1:
        raise InputError(f"parameter {parameter.name} is given {most} twice.")
    return found


def _pair(text: str) -> tuple[str, str]:
    name, sign, values = text.partition("=")
    if not sign or not name.isidentifier():
        raise InputError(f"--grid takes name=values, as in seed=0:20; got {text!r}.")
    return name, values


def _items(parameter: Parameter, text: str) -> list[str]:
    """The text cut at commas; those inside the brackets of a list, or the braces of JSON, do not
    count.
    """
    commas = r",(?![^[]*\])" if parameter.is_list else r",(?![^{]*\})"
    items = [item.strip() for item in re.split(commas, text)]
    if parameter.is_list and not all(re.fullmatch(r"\[.*\]", item) for item in items):
        example = f"{parameter.name}=[1,2],[3]"
        raise InputError(
            f"parameter {parameter.name} is a list: write each of its values in brackets, as in "
            f"{example}; got {text!r}."
        )
    return items


def _expand(parameter: Parameter, item: str) -> list:
    """One item of a text: a value, or a range where the parameter is a number."""
    if parameter.kind not in ("int", "float") or ":" not in item:
        return [parameter.parse(item)]
    parts = [part.strip() for part in item.split(":")]
    if len(parts) > 3 or not all(parts):
        raise InputError(
            f"parameter {parameter.name}: a range is first:end or first:end:step, without its "
            f"end, as in 0:20; got {item!r}."
        )
    for part in parts:
        parameter.parse(part)
    # fractions, so that 0:1:0.1 has ten values, each as written
    first, end, step = map(Fraction, [*parts, "1"][:3])
    if step == 0:
        raise InputError(
            f"parameter {parameter.name}: the step of a range must not be 0; got {item!r}."
        )
    count = ceil((end - first) / step)
    if count < 1:
        raise InputError(
            f"parameter {parameter.name}: the range {item} is empty (it ends before {parts[1]})."
        )
    number = int if parameter.kind == "int" else float
    return [number(first + index * step) for index in range(min(count, MOST + 1))]


def _plain(value):
    """A value of NumPy or a tuple as JSON has it."""
    value = value.tolist() if hasattr(value, "tolist") else value
    return list(value) if isinstance(value, tuple) else value


def _sequence(parameter: Parameter, given) -> list:
    given = _plain(given)
    if isinstance(given, (bool, int, float)):
        return [given]
    try:
        return [_plain(item) for item in islice(iter(given), MOST + 1)]
    except TypeError:
        raise InputError(
            f"parameter {parameter.name} takes a sequence of values; got {type(given).__name__}."
        ) from None
