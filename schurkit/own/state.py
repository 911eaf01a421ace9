"""Finding the one recurrent layer and the one linear readout among the tensors of a state dict."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from schurkit.checks import InputError

from .files import shown

_RECURRENT = re.compile(
    r"^(?P<prefix>(?:.*\.)?)weight_hh(?P<layer>_l\d+)?(?P<reverse>_reverse)?$", re.DOTALL
)
_GATES = {4: "an LSTM", 3: "a GRU"}


@dataclass(frozen=True, eq=False)
class Entry:
    """A tensor of a state dict: shape, name of the dict it stands in, and how to get it."""

    shape: tuple[int, ...]
    group: str
    read: Callable[[], np.ndarray]


@dataclass(frozen=True, eq=False)
class Found:
    """Arrays under the names that RNN takes, and the tensors of the state dict that were not
    used.
    """

    arrays: dict[str, np.ndarray]
    unused: tuple[str, ...]


def holds_state(names) -> bool:
    """Whether names are those of a torch state dict with a recurrent layer."""
    return any(_RECURRENT.match(name) for name in names)


def find_network(
    source: str, state: dict[str, Entry], recurrent: str | None = None, readout: str | None = None
) -> Found:
    """The network of a state dict: ``weight_ih_l0``, ``weight_hh_l0``, both biases (summed) and a
    linear readout, under any prefix.

    Parameters
    ----------
    source : the file, for messages.
    state : tensors by name.
    recurrent, readout : prefixes that choose where there are several; with `readout` given, tensors
        of other layers are left aside.

    Raises
    ------
    InputError : no or several recurrent layers or readouts, LSTM or GRU, two layers, bidirectional,
        or tensors that belong to no part of the network.
    """
    prefix = _recurrent_prefix(source, state, recurrent)
    suffix = _checked_layer(source, state, prefix)
    names = {
        kind: f"{prefix}{kind}{suffix}" for kind in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    }
    hidden = state[names["weight_hh"]].shape[0]
    if names["weight_ih"] not in state:
        raise InputError(
            f"{source} holds {shown([names['weight_hh']])} but no {shown([names['weight_ih']])}."
        )
    group = state[names["weight_hh"]].group
    beside = {
        name: entry
        for name, entry in state.items()
        if entry.group == group and name not in names.values()
    }
    chosen = _readout_prefix(source, beside, hidden, readout, state)
    used = {*names.values(), f"{chosen}weight", f"{chosen}bias"}
    start = [
        name
        for name, entry in beside.items()
        if name.rpartition(".")[2] == "h0" and int(np.prod(entry.shape)) == hidden
    ]
    used |= set(start if len(start) == 1 else ())
    left = tuple(name for name in beside if name not in used and beside[name].shape != ())
    if left and readout is None:
        raise InputError(
            f"{source} holds more than one recurrent layer and its linear readout: {shown(left)}. "
            f"If the network is {shown([prefix + '*'])} read out by {shown([chosen + 'weight'])} "
            "alone, say so: "
            f"--readout {shown([chosen.rstrip('.')])} (readout=)."
        )
    arrays = {
        "W_in": state[names["weight_ih"]].read(),
        "W_rec": state[names["weight_hh"]].read(),
        "W_out": state[f"{chosen}weight"].read(),
    }
    biases = [state[names[kind]].read() for kind in ("bias_ih", "bias_hh") if names[kind] in state]
    if biases:
        _check_biases(source, biases, hidden)
        arrays["b_rec"] = sum(biases)
    if f"{chosen}bias" in state:
        arrays["b_out"] = state[f"{chosen}bias"].read()
    if len(start) == 1:
        arrays["h0"] = state[start[0]].read().reshape(hidden)
    return Found(arrays, left)


def _check_biases(source, biases, hidden):
    for bias in biases:
        if bias.shape != (hidden,):
            raise InputError(
                f"{source}: the biases of the recurrent layer must have shape ({hidden},); got "
                f"{bias.shape}."
            )


def _recurrent_prefix(source: str, state, wanted: str | None) -> str:
    prefixes = list(
        dict.fromkeys(match["prefix"] for match in map(_RECURRENT.match, state) if match)
    )
    if not prefixes:
        changed = [name for name in state if "weight_hh" in name]
        if changed:
            raise InputError(
                f"{source} holds a recurrent layer with changed weights ({shown(changed)}); make "
                "the change permanent before saving "
                "(torch.nn.utils.parametrize.remove_parametrizations, torch.nn.utils.prune.remove)."
            )
        raise InputError(
            f"{source} holds no nn.RNN (weight_ih_l0, weight_hh_l0); it holds {shown(state)}. If "
            "your cell is made of other layers, "
            "pass its arrays to schurkit.from_arrays."
        )
    if wanted is not None:
        wanted = wanted.rstrip(".") + "." if wanted.rstrip(".") else ""
        if wanted not in prefixes:
            raise InputError(
                f"{source} holds no recurrent layer {shown([wanted.rstrip('.')])}; it holds "
                f"{shown(_plain(prefixes))}."
            )
        return wanted
    if len(prefixes) > 1:
        raise InputError(
            f"{source} holds {len(prefixes)} recurrent layers: {shown(_plain(prefixes))}. Choose "
            "one: --recurrent PREFIX (recurrent=)."
        )
    return prefixes[0]


def _plain(prefixes) -> list[str]:
    return [prefix.rstrip(".") or "(no prefix)" for prefix in prefixes]


def _checked_layer(source: str, state, prefix: str) -> str:
    """Suffix of the names of a layer's tensors, after refusing what is not one plain recurrent
    layer.
    """
    matches = [
        match for match in map(_RECURRENT.match, state) if match and match["prefix"] == prefix
    ]
    weight = matches[0].group()
    shape = state[weight].shape
    layer = shown([prefix.rstrip(".")]) if prefix else "the recurrent layer"
    if len(shape) != 2 or 0 in shape:
        raise InputError(
            f"{source}: {shown([weight])} must have axes (hidden, hidden); got shape {shape}."
        )
    gates = next((kind for gates, kind in _GATES.items() if shape[0] == gates * shape[1]), None)
    if gates or f"{prefix}weight_hr_l0" in state:
        told = f"{gates or 'an LSTM'} (weight_hh has shape {shape})"
        raise InputError(
            f"{source}: {layer} is {told}; a gated network has no single recurrent matrix to "
            "ablate."
        )
    if any(match["reverse"] for match in matches):
        raise InputError(
            f"{source}: {layer} is bidirectional; one that runs forward in time is needed."
        )
    if len(matches) > 1:
        raise InputError(
            f"{source}: {layer} has {len(matches)} layers; one is needed. Pass the arrays of one "
            "layer to schurkit.from_arrays."
        )
    if shape[0] != shape[1]:
        raise InputError(f"{source}: {shown([weight])} must be square; got shape {shape}.")
    return matches[0]["layer"] or ""


def _readout_prefix(source: str, beside, hidden: int, wanted: str | None, state) -> str:
    linear = [
        name.removesuffix("weight")
        for name, entry in beside.items()
        if name.rpartition(".")[2] == "weight" and len(entry.shape) == 2
    ]
    fitting = [prefix for prefix in linear if beside[f"{prefix}weight"].shape[1] == hidden]
    if wanted is not None:
        wanted = wanted.rstrip(".") + "." if wanted.rstrip(".") else ""
        if f"{wanted}weight" not in state:
            raise InputError(
                f"{source} holds no readout {shown([wanted.rstrip('.')])}; those that fit are "
                f"{shown(_plain(fitting))}."
            )
        shape = state[f"{wanted}weight"].shape
        if len(shape) != 2 or shape[1] != hidden:
            raise InputError(
                f"{source}: readout {shown([wanted + 'weight'])} must have shape (output, "
                f"{hidden}); got {shape}."
            )
        return wanted
    if not fitting:
        raise InputError(
            f"{source} holds no linear readout: a weight of shape (output, {hidden}). Beside the "
            "recurrent layer it holds "
            f"{shown(f'{name} {entry.shape}' for name, entry in beside.items())}."
        )
    if len(fitting) > 1:
        told = f"{len(fitting)} linear layers that could be the readout: {shown(_plain(fitting))}"
        raise InputError(f"{source} holds {told}. Choose one: --readout PREFIX (readout=).")
    return fitting[0]
