"""How libraries and papers name and shape the arrays that they save.

An entry is a function whose parameters are the arrays of a file by the ends of their names
(``h2h_weight`` is any ``….h2h.weight``), the optional ones with a default, the first one with the
units as its first axis, and which returns fields of `RNN`. ``readouts`` is every linear layer
beside them that fits. What no file says is a keyword that lists its possible values, the likeliest
first; each combination of values is a **reading** of the file.

`read_network` gives `Imported` with

rnn : by the first reading, with the activation, leak and form that the file or the caller says.
assumed : those of "activation", "leak" and "form" that nobody said (any value is open).
readings : the other readings, an iterable of (words, RNN) built one by one each time that it is
    iterated, those that differ in fewest choices first; words such as "divided by N: nothing,
    readout of v". Empty where a file leaves nothing open; of several readouts some readings have
    fewer outputs than `rnn`.
convention : its words, such as "low rank: m, n, wi, wo".
notes : what the file says and what was skipped, one line each.
"""

from __future__ import annotations

import inspect
import itertools
import operator
import re
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property, partial
from typing import NamedTuple

import numpy as np

from schurkit.checks import InputError, real_array

from .files import Contents, argument, shown


class Choice(NamedTuple):
    """What no file says: the possible values in words, and the parameter without which it is
    idle.
    """

    values: tuple[str, ...]
    of: str = ""


READ = Choice(("φ(v)", "v"))
OVER_LOW = Choice(("W_rec and W_out", "W_rec", "nothing"))
OVER_FULL = Choice(("nothing", "W_out"))
BIAS = Choice(("inside φ", "outside φ"), of="b")
LAYERS = Choice(("in the order of the file", "in reverse order", "the first", "the last"))


@dataclass(frozen=True)
class Convention:
    """One way to name and shape arrays.

    words : what to call it.
    fields : function of its arrays to fields of `RNN`.
    names : of the arrays, by parameter, where they differ.
    likely : activation, leak or form to begin with where nobody says it.
    """

    words: str
    fields: Callable[..., dict]
    names: dict[str, str]
    likely: dict

    @cached_property
    def arrays(self) -> dict[str, inspect.Parameter]:
        """Parameters that are arrays, by the ends of the names that these have."""
        parameters = inspect.signature(self.fields).parameters.values()
        own = [p for p in parameters if not isinstance(p.default, Choice) and p.name != "readouts"]
        return {self._named(p.name): p for p in own}

    def _named(self, parameter: str) -> str:
        layer, _, rest = parameter.rpartition("_")
        return self.names.get(parameter) or "_".join([self.names.get(layer, layer), rest]).strip(
            "_"
        )

    @cached_property
    def required(self) -> list[str]:
        return [name for name, p in self.arrays.items() if p.default is p.empty]

    @cached_property
    def choices(self) -> dict[str, Choice]:
        return self.fields.__kwdefaults__ or {}

    @cached_property
    def takes_readouts(self) -> bool:
        return "readouts" in inspect.signature(self.fields).parameters


CONVENTIONS: list[Convention] = []


def convention(words: str, likely: dict | None = None, **names: str):
    """Add a function of arrays to the table, perhaps under other names."""

    def add(fields):
        CONVENTIONS.append(Convention(words, fields, names, likely or {}))
        return fields

    return add


RELU = {"activation": "relu"}
_MODULE = {"wi": "w_inp", "wo": "w_out", "si": "w_inp_scale", "so": "w_out_scale", "b": "b_rec"}
_MODULE |= {"h0": "x0"}
_FLAX = {"recurrent_kernel": "h_kernel", "kernel": "i_kernel", "bias": "i_bias"}


def _voltage(W_rec, W_in, W_out, b=None, h0=None, bias="", readout_of="") -> dict:
    W_out = W_out if W_out.shape[-1] == len(W_rec) else W_out.T
    fields = {"W_rec": W_rec, "W_in": W_in, "W_out": W_out, "h0": h0, "form": "voltage"}
    fields["psi"] = "identity" if readout_of == "v" else None
    return fields | {"c" if bias == "inside φ" else "b_rec": b}


def _joined(readouts: list, which: str) -> dict:
    """Several readouts as one."""
    few = {"the first": readouts[:1], "the last": readouts[-1:], "in reverse order": readouts[::-1]}
    readouts = few.get(which, readouts)
    biases = [np.zeros(len(weight)) if bias is None else bias for weight, bias in readouts]
    weights = [weight for weight, _ in readouts]
    return {"W_out": np.concatenate(weights), "b_out": np.concatenate(biases)}


# --------------------------------------------------------------------------------------- the table
@convention("low rank: m, n, wi, wo")
@convention("low rank: rnn.m, rnn.n, rnn.w_inp, rnn.w_out", **_MODULE)
def low_rank(
    m, n, wi, wo, si=1.0, so=1.0, b=None, h0=None, *,
    divided_by_N=OVER_LOW, readout_of=READ, bias=BIAS,
):  # fmt: skip
    W_rec, W_out = m @ (n.T if n.shape == m.shape else n), wo * so
    W_rec = W_rec if divided_by_N == "nothing" else W_rec / len(m)
    W_out = W_out / len(m) if "W_out" in divided_by_N else W_out
    return _voltage(W_rec, wi.T * np.ravel(si), W_out, b, h0, bias, readout_of)


@convention("full rank: wrec, wi, wo")
@convention("full rank: rnn.w_rec, rnn.w_inp, rnn.w_out", wrec="w_rec", **_MODULE)
def full_rank(
    wrec, wi, wo, si=1.0, so=1.0, b=None, h0=None, *,
    divided_by_N=OVER_FULL, readout_of=READ, bias=BIAS,
):  # fmt: skip
    W_out = wo * so / (len(wrec) if divided_by_N == "W_out" else 1)
    return _voltage(wrec, wi.T * np.ravel(si), W_out, b, h0, bias, readout_of)


@convention("one letter each: J, B, w")
@convention("one letter each: G, I, w", J="G", B="I")
def letters(J, B, w, b=None, h0=None, *, readout_of=READ, bias=BIAS):
    return _voltage(J, B, w, b, h0, bias, readout_of)


@convention("PsychRNN: W_rec, W_in, W_out, init_state", RELU)
def psychrnn(W_rec, W_in, W_out, init_state, b_rec=None, b_out=None):
    # its masks and Dale's law are in the saved weights already
    return _voltage(W_rec, W_in, W_out, b_rec, init_state) | {"b_out": b_out}


@convention("nn4n: hidden_layer, input_layer, readout_layer", RELU)
def nn4n(
    hidden_layer_weight, input_layer_weight, readout_layer_weight,
    hidden_layer_bias=0.0, input_layer_bias=0.0, readout_layer_bias=None, hidden_state=None,
):  # fmt: skip
    weights = hidden_layer_weight, input_layer_weight, readout_layer_weight
    bias = hidden_layer_bias + input_layer_bias
    return _voltage(*weights, bias, hidden_state) | {"b_out": readout_layer_bias}


@convention("trainRNNbrain: W_rec, W_inp, W_out, y_init", RELU)
def trainrnnbrain(
    W_rec, W_inp, W_out, y_init, bias=0.0, gamma=0.0, activation_args_slope=1.0, equation_type="s"
):
    if np.any(gamma):
        raise InputError(
            f"holds gamma = {float(gamma):g}, a cubic term in the equation that no form here has; "
            "train with gamma=0."
        )
    form, slope = "voltage" if equation_type == "h" else "rate", activation_args_slope
    weights = {"W_rec": slope * W_rec, "W_in": slope * W_inp, "W_out": W_out, "b_rec": slope * bias}
    return weights | {"h0": y_init * (slope if form == "voltage" else 1), "form": form}


@convention("Dale's law and time constants: w, m, som_m, w_in, w_out, taus")
def dale(w, m, som_m, w_in, w_out, taus, taus_gaus=None, b_out=None):
    share = 1.0 if taus_gaus is None else 1 / (1 + np.exp(-np.ravel(taus_gaus)))
    leak = 1 / (share * (taus.max() - taus.min()) + taus.min())
    return _voltage(np.maximum(w, 0) @ m * som_m, w_in, w_out) | {"b_out": b_out, "leak": leak}


@convention("piecewise linear: W, A, h, C, B")
def piecewise_linear(W, A, h, C, B):
    if np.any(A.reshape(len(A), -1) - (np.diag(np.diag(A)) if A.shape == W.shape else A)):
        raise InputError("holds A with entries beside its diagonal; expected a diagonal A.")
    own = {"D": np.diag(A) if A.shape == W.shape else A, "leak": 1.0, "activation": "relu"}
    return _voltage(W, C, B, h, readout_of="v") | own


@convention("NeuroGym, nn-brain: h2h, input2h, fc", RELU, rec="h2h", inp="input2h", out="fc")
@convention(
    "linear layers: lin_feedback, lin_input, lin_output",
    rec="lin_feedback",
    inp="lin_input",
    out="lin_output",
)
def three_layers(
    rec_weight, inp_weight, out_weight, rec_bias=0.0, inp_bias=0.0, out_bias=None, rec_mask=None
):
    W_rec = rec_weight if rec_mask is None else np.abs(rec_weight) * rec_mask
    weights = {"W_rec": W_rec, "W_in": inp_weight, "W_out": out_weight}
    return weights | {"b_rec": rec_bias + inp_bias, "b_out": out_bias}


@convention("linear layers: linear_hh, linear_ih and readouts", rec="linear_hh", inp="linear_ih")
def cell_of_layers(
    rec_weight, inp_weight, readouts, rec_bias=0.0, inp_bias=0.0, *, readouts_joined=LAYERS
):
    weights = {"W_rec": rec_weight, "W_in": inp_weight, "b_rec": rec_bias + inp_bias}
    return weights | _joined(readouts, readouts_joined)


@convention("Keras SimpleRNN: recurrent_kernel, kernel and Dense")
@convention("flax SimpleCell: h, i and Dense", None, **_FLAX)
def row_cell(recurrent_kernel, kernel, readouts, bias=0.0, h_bias=0.0, *, readouts_joined=LAYERS):
    weights = {"W_rec": recurrent_kernel.T, "W_in": kernel.T, "b_rec": bias + h_bias, "leak": 1.0}
    return weights | _joined(readouts, readouts_joined)


# ------------------------------------------------------------------------- the arrays of one file
def components(name: str) -> list[str]:
    """The parts of a dotted name, a path, or a key path of JAX."""
    return [part for part in re.split(r"[][\'\"./:]+", re.sub(r":\d+$", "", name)) if part]


def ends_of(names: Iterable[str]) -> dict[str, list[str]]:
    """Names by each of their ends."""
    ends: dict[str, list[str]] = {}
    for name in names:
        parts = components(name)
        for start in range(len(parts)):
            ends.setdefault("_".join(parts[start:]), []).append(name)
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
            turned = [
                (read(weight).T if components(weight)[-1] == "kernel" else read(weight), bias)
                for weight, bias in self.readouts
            ]
            given["readouts"] = [(weight, bias and read(bias)) for weight, bias in turned]
        try:
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
    prefixes = {_prefix(name, entry.required[0]): name for name in ends[entry.required[0]]}
    first = prefixes[chosen(list(prefixes), recurrent, "recurrent layer", "recurrent")]
    if first not in contents.arrays or contents.arrays[first].ndim != 2:
        return None
    names, readouts = {}, ()
    for name in sorted(entry.arrays, key=entry.required.__contains__, reverse=True):
        if name not in entry.required and entry.takes_readouts and not readouts:
            readouts = _readouts(contents, first, {*names.values()}, readout)
        taken = Match(entry, names, readouts).used
        near = [other for other in ends.get(name, ()) if other not in taken]
        near = sorted(near, key=lambda other: -_shared(first, other))
        if near and len({_shared(first, other) for other in near[:2]}) == len(near[:2]):
            names[entry.arrays[name].name] = near[0]
        elif name in entry.required:
            return None
    return Match(entry, names, readouts) if readouts or not entry.takes_readouts else None


def _prefix(name: str, end: str) -> str:
    parts = components(name)
    start = next(k for k in range(len(parts)) if "_".join(parts[k:]) == end)
    return ".".join(parts[:start])


def _readouts(contents: Contents, first: str, used: set[str], wanted: str | None) -> tuple:
    """Weights, and biases where there are some, of the linear layers that read out all units."""
    units, fitting = contents.arrays[first].shape[0], []
    for name, array in contents.arrays.items():
        prefix, kind = ".".join(components(name)[:-1]), components(name)[-1]
        axis = {"weight": 1, "kernel": 0}.get(kind)
        meant = wanted is None or prefix == wanted or prefix.endswith(f".{wanted}")
        beside = name not in used and contents.group.get(name) == contents.group.get(first)
        if beside and meant and axis is not None and array.ndim == 2 and array.shape[axis] == units:
            bias = "bias".join(name.rsplit(kind, 1))
            fitting.append((name, bias if bias in contents.arrays else None))
    most = max((_shared(first, name) for name, _ in fitting), default=0)
    return tuple(pair for pair in fitting if _shared(first, pair[0]) == most)


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
