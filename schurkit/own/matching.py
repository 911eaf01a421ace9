"""Which convention the names in a file follow, and the fields of `RNN` that it makes of them; and
what else than one ``nn.RNN`` and its linear readout the tensors of a state dict may be.
"""

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

_RECURRENT = re.compile(
    r"^(?P<prefix>(?:.*\.)?)weight_hh(?P<layer>_l\d+)?(?P<reverse>_reverse)?$", re.DOTALL
)
_GATES = {4: ("an LSTM", "ifgo"), 3: ("a GRU", "rzn")}


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
    units, fitting = contents.arrays[first].shape[0], {}
    for name, array in contents.arrays.items():
        *prefix, kind = components(name)
        meant = wanted is not None or contents.group.get(name) == contents.group.get(first)
        linear = kind in ("weight", "kernel") and array.ndim == 2 and name not in used
        if linear and meant and array.shape[kind == "weight"] == units:
            bias = "bias".join(name.rsplit(kind, 1))
            fitting[".".join(prefix)] = (name, bias if bias in contents.arrays else None)
    if wanted is None:
        shared = {prefix: _shared(first, name) for prefix, (name, _) in fitting.items()}
        fitting = {k: fitting[k] for k in shared if shared[k] == max(shared.values())}
    if fitting and (wanted is not None or not several):
        return (fitting[chosen([*fitting], wanted, "readout", "readout")],)
    return tuple(fitting.values())


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


# ------------------------------------------------------- what a state dict holds besides one nn.RNN
def check_state(contents: Contents, recurrent: str | None = None) -> None:
    """Refuse a state dict whose recurrent layer is not one plain nn.RNN or nn.RNNCell; other arrays
    pass.

    Raises
    ------
    InputError : LSTM or GRU, several layers, both directions, or changed weights.
    """
    shapes = {name: array.shape for name, array in contents.arrays.items() if array.ndim}
    matches = [match for match in map(_RECURRENT.match, shapes) if match]
    names = [name for name in shapes if "weight_hh" in name and not matches]
    if calls := made_plain(names, "model"):
        raise InputError(
            f"holds a recurrent layer with changed weights ({shown(names)}); make the change "
            f"permanent before saving: {shown(next(iter(calls.values())))}."
        )
    if not matches:
        return
    prefixes = dict.fromkeys(match["prefix"] for match in matches)
    prefix = chosen([*prefixes], recurrent, "recurrent layer", "recurrent")
    own = {match: shapes[match.group()] for match in matches if match["prefix"] == prefix}
    layer = next(iter(own)).group()
    _check_plain(own, prefix, f"{prefix}weight_hr_l0" in shapes)
    units, group = shapes[layer][0], contents.group.get(layer)
    if not any(shape[1:] == (units,) for name, shape in shapes.items() if name != layer):
        beside = [
            f"{name} {shape}"
            for name, shape in shapes.items()
            if contents.group.get(name) == group and not name.startswith(f"{prefix}weight_")
        ]
        raise InputError(
            f"holds no linear readout: a weight of shape (output, {units}). Beside the recurrent "
            f"layer it holds {shown(beside)}."
        )


def _check_plain(own: dict[re.Match, tuple[int, ...]], prefix: str, projected: bool) -> None:
    """Refuse what is not one plain recurrent layer, by its recurrent weights and their shapes."""
    first, shape = next(iter(own.items()))
    weight = shown([first.group()])
    layer = shown([prefix.rstrip(".")]) if prefix else "the recurrent layer"
    if projected:
        raise InputError(f"{layer} is an LSTM with projections, none of whose matrices is square.")
    square = len(shape) == 2 and all(shape)
    gated, _ = _GATES.get(shape[0] / shape[1] if square else 0, (None, ""))
    layers = {match["layer"] for match in own}
    kinds = [f"is {gated}"] * bool(gated) + [f"has {len(layers)} layers"] * (len(layers) > 1)
    kinds += ["is bidirectional"] * any(match["reverse"] for match in own)
    shapes = {match.group(): size for match, size in own.items()}
    if kinds and squares(shapes):
        raise InputError(f"{layer} {' and '.join(kinds)}. {several(shapes)}")
    if not square or shape[0] != shape[1]:
        raise InputError(f"{weight} must have axes (hidden, hidden); got shape {shape}.")


def check_unused(unused: tuple[str, ...], contents: Contents, used: Match) -> None:
    """Refuse tensors that belong to no part of the network."""
    out, _ = used.readouts[0]
    hidden = contents.arrays[used.names["weight_hh_l0"]].shape[0]
    start = [name for name in unused if contents.arrays[name].size == hidden]
    is_h0 = f"--map {argument('h0=' + (start or [''])[0])}"
    alone = f"--readout {argument(out.removesuffix('.weight'))} (readout=)"
    if len(unused) == len(start) == 1:
        raise InputError(
            f"holds {hidden} numbers beside the network: {shown(start)}. If they are the state "
            f"before the first step: {is_h0}; if they take no part: {alone}."
        )
    raise InputError(
        f"holds more than one recurrent layer and its linear readout: {shown(unused)}. If the "
        f"network is {shown([used.names['weight_hh_l0']])} read out by {shown([out])} alone, say "
        f"so: {alone}."
    )


def squares(shapes: dict[str, tuple[int, ...]]) -> list[str]:
    """The square matrices among arrays, those stacked for gates by the names of these."""
    named = []
    for name, shape in shapes.items():
        if len(shape) == 2 and shape[1]:
            gates = _GATES.get(shape[0] / shape[1], ("", ""))[1] if "weight_h" in name else ""
            if gates:
                named.append(f"{name}.{'/.'.join(gates)} ({shape[1]} × {shape[1]})")
            elif shape[0] == shape[1] > 1:
                named.append(f"{name} ({shape[0]} × {shape[1]})")
    return named


def several(shapes: dict[str, tuple[int, ...]]) -> str:
    """What to do with a module of several square matrices."""
    named = squares(shapes)
    first, _, gates = named[0].partition(" ")[0].partition("/")
    name, gate = first.rsplit(".", 1) if gates else (first, "")
    choice = f', gate="{gate}"' if gate else ""
    return (
        f"Its square matrices are {shown(named)}; a file alone cannot run such a module: analyse "
        f'one of them with schurkit.from_module(model, "{shown([name])}"{choice}).'
    )


MADE_PLAIN = {
    ".original": "parametrize.remove_parametrizations",
    "_mask": "prune.remove",
    "_orig": "remove_spectral_norm",
    "_g": "remove_weight_norm",
}
"""Ends of the names of what a weight is computed from, and the call that makes it plain."""


def made_plain(names: Iterable[str], model: str) -> dict[str, str]:
    """Weights that are computed from others, by name, and the calls that make them plain."""
    calls, names = {}, [name.replace("parametrizations.", "") for name in names]
    for end, call in MADE_PLAIN.items():
        for base, found, digits in (name.rpartition(end) for name in names):
            if found and (digits or "0").isdigit():
                layer, dot, key = base.rpartition(".")
                calls.setdefault(base, f'torch.nn.utils.{call}({model}{dot}{layer}, "{key}")')
    return calls
