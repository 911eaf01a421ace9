"""The one ``nn.RNN`` or ``nn.RNNCell`` and the linear readout among the tensors of a state dict."""

from __future__ import annotations

import re

from schurkit.checks import InputError

from .contents import Contents, argument, shown
from .matching import Match, chosen

_RECURRENT = re.compile(
    r"^(?P<prefix>(?:.*\.)?)weight_hh(?P<layer>_l\d+)?(?P<reverse>_reverse)?$", re.DOTALL
)
_GATES = {4: ("an LSTM", "ifgo"), 3: ("a GRU", "rzn")}


def check_state(contents: Contents, recurrent: str | None = None) -> None:
    """Refuse a state dict whose recurrent layer is not one plain nn.RNN or nn.RNNCell; other arrays
    pass.

    Raises
    ------
    InputError : LSTM or GRU, several layers, both directions, or changed weights.
    """
    shapes = {name: array.shape for name, array in contents.arrays.items() if array.ndim}
    if not (recurrent_names := [name for name in shapes if "weight_hh" in name]):
        return
    matches = [match for match in map(_RECURRENT.match, shapes) if match]
    if not matches:
        raise InputError(_changed(recurrent_names))
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
    if kinds:
        squares = several({match.group(): size for match, size in own.items()})
        raise InputError(f"{layer} {' and '.join(kinds)}. {squares}")
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


def _changed(names: list[str]) -> str:
    """What to do where the recurrent weights are computed from others."""
    remove = next(call for end, call in MADE_PLAIN.items() if any(end in name for name in names))
    layer, _, rest = names[0].replace("parametrizations.", "").rpartition("weight_hh")
    weight = re.match(r"weight_hh(_l\d+)?", f"weight_hh{rest}").group()
    return (
        f"holds a recurrent layer with changed weights ({shown(names)}); make the change permanent "
        f"before saving: torch.nn.utils.{remove}(model.{shown([layer.rstrip('.')])}, "
        f'"{weight}").'
    )
