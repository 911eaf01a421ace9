"""Which convention the names in a file follow, and the fields of `RNN` that it makes of them."""

from __future__ import annotations

import itertools
import operator
import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np

from schurkit.checks import InputError, real_array

from .contents import Contents, argument, shown
from .conventions import CONVENTIONS, Convention


def components(name: str) -> list[str]:
    """The parts of a dotted name, a path, or a key path of JAX."""
    parts = re.split(r"[][\'\"./:]+", re.sub(r":\d+$", "", name))
    return [part for part in parts if part] or [name]


def ends_of(names: Iterable[str]) -> dict[str, dict[str, str]]:
    """Names by each of their ends, with what stands before that."""
    ends: dict[str, dict[str, str]] = {}
    for name in names:
        parts = components(name)
        for start in range(len(parts)):
            ends.setdefault("_".join(parts[start:]), {})[name] = ".".join(parts[:start])
    return ends


def _shared(one: str, other: str) -> int:
    """How many parts two names have in common at the front."""
    pairs = zip(components(one), components(other))
    return sum(1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], pairs))


@dataclass(frozen=True)
class Match:
    """A convention, the names in a file of its arrays, by parameter, and of its readouts."""

    convention: Convention
    names: dict[str, str]
    readouts: tuple[tuple[str, str | None], ...] = ()

    @property
    def first(self) -> str:
        """The name of the array whose first axis are the units."""
        return next(iter(self.names.values()))

    @property
    def used(self) -> set[str]:
        return {*self.names.values(), *(name for pair in self.readouts for name in pair if name)}

    def readings(self, without: Collection[str] = ()) -> Iterator[tuple[str, dict[str, str]]]:
        """The choices that a reading makes, in words and by keyword, beginning with the first of
        each; `without` those that are made elsewhere.
        """
        choices = {
            name: choice.values
            for name, choice in self.convention.choices.items()
            if name not in without and (choice.of in self.names or not choice.of)
        }
        if len(self.readouts) < 2:
            choices.pop("readouts_joined", None)
        combinations = itertools.product(*choices.values())
        firsts = [values[0] for values in choices.values()]
        for values in sorted(combinations, key=lambda v: sum(map(operator.ne, v, firsts))):
            words = (f"{name.replace('_', ' ')} {value}" for name, value in zip(choices, values))
            yield ", ".join(words), dict(zip(choices, values))

    def fields(self, contents: Contents, choices: dict[str, str]) -> dict:
        """Fields of `RNN`, in the precision of the file."""
        read = partial(_read, contents)
        given = {parameter: read(name) for parameter, name in self.names.items()}
        if self.readouts:
            given["readouts"] = [
                (
                    read(name).T if components(name)[-1] == "kernel" else read(name),
                    bias and read(bias),
                )
                for name, bias in self.readouts
            ]
        try:
            with np.errstate(all="ignore"):
                fields = self.convention.fields(**given, **choices)
        except InputError:
            raise
        except (ValueError, TypeError, IndexError):
            shapes = (f"{name} {np.shape(contents.arrays.get(name))}" for name in self.used)
            raise InputError(
                f"holds the names of {self.convention.words}, and their shapes do not fit: "
                f"{shown(sorted(shapes))}."
            ) from None
        single = all(contents.arrays[n].dtype == np.float32 for n in self.used & {*contents.arrays})
        return {
            name: _stored(name, value, single)
            for name, value in fields.items()
            if value is not None and (np.ndim(value) or not name.startswith("b_"))
        }


def _read(contents: Contents, name: str):
    if name in contents.words:
        return contents.words[name]
    return real_array(contents.arrays[name], name, dtype=np.float64)


def _stored(name: str, value, single: bool):
    if isinstance(value, str) or name == "leak":
        return value
    value = np.asarray(value, np.float32 if single else np.float64)
    return value if name.startswith("W_") else value.ravel()


def match(contents: Contents, recurrent: str | None = None, readout: str | None = None):
    """The convention that accounts for most of a file's arrays; None where no one has all that it
    needs.

    Raises
    ------
    InputError : several recurrent layers to choose among, or none of the prefix asked for.
    """
    ends = ends_of((*contents.arrays, *contents.words))
    matches = [
        one
        for entry in CONVENTIONS
        if all(name in ends for name in entry.required)
        and (one := _matched(entry, contents, ends, recurrent, readout)) is not None
    ]
    return max(matches, key=lambda one: len(one.used), default=None)


def _matched(entry: Convention, contents: Contents, ends, recurrent, readout) -> Match | None:
    prefixes = {prefix: name for name, prefix in ends[entry.required[0]].items()}
    first = prefixes[chosen(list(prefixes), recurrent, "recurrent layer", "recurrent")]
    if first not in contents.arrays or contents.arrays[first].ndim != 2:
        return None
    names, readouts = {}, ()
    for name in sorted(entry.arrays, key=entry.required.__contains__, reverse=True):
        if name not in entry.required and entry.takes_readouts and not readouts:
            several = "readouts_joined" in entry.choices
            readouts = _readouts(contents, first, {*names.values()}, readout, several)
        taken = Match(entry, names, readouts).used
        near = [other for other in ends.get(name, ()) if other not in taken]
        near = sorted(near, key=lambda other: -_shared(first, other))
        if near and len({_shared(first, other) for other in near[:2]}) == len(near[:2]):
            names[entry.arrays[name].name] = near[0]
        elif name in entry.required:
            return None
    return Match(entry, names, readouts) if readouts or not entry.takes_readouts else None


def _readouts(contents: Contents, first: str, used: set[str], wanted: str | None, several) -> tuple:
    """Weights, and biases where there are some, of the linear layers that read out all units."""
    units, linear = contents.arrays[first].shape[0], {}
    for name, array in contents.arrays.items():
        *prefix, kind = components(name)
        meant = wanted is not None or contents.group.get(name) == contents.group.get(first)
        if kind in ("weight", "kernel") and array.ndim == 2 and name not in used and meant:
            linear[".".join(prefix)] = (name, kind, array.shape[kind == "weight"])
    fitting = {prefix: name for prefix, (name, _, size) in linear.items() if size == units}
    most = max((_shared(first, name) for name in fitting.values()), default=0)
    if wanted is None:
        fitting = {k: name for k, name in fitting.items() if _shared(first, name) == most}
    if fitting and (wanted is not None or not several):
        one = chosen([*fitting], wanted, "readout", "readout")
        fitting = {one: fitting[one]}
    biases = ["bias".join(name.rsplit(linear[k][1], 1)) for k, name in fitting.items()]
    biases = [bias if bias in contents.arrays else None for bias in biases]
    return tuple(zip(fitting.values(), biases))


def chosen(prefixes: list[str], wanted: str | None, one: str, flag: str) -> str:
    """The one prefix there is, or the wanted one; InputError where that is not clear."""
    plain = shown(prefix.rstrip(".") or "(no prefix)" for prefix in prefixes)
    if wanted is not None:
        for prefix in prefixes:
            if prefix.rstrip(".") == wanted.rstrip("."):
                return prefix
        raise InputError(f"holds no {one} {shown([wanted.rstrip('.')])}; it holds {plain}.")
    if len(prefixes) > 1:
        choice = f"--{flag} {argument(prefixes[0].rstrip('.') or '.')} ({flag}=)"
        raise InputError(f"holds {len(prefixes)} {one}s: {plain}. Choose one: {choice}.")
    return prefixes[0]
