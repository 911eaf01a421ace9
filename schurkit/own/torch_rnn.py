"""The one ``nn.RNN`` or ``nn.RNNCell`` and the linear readout among the tensors of a state dict."""

from __future__ import annotations

import re
from collections.abc import Collection

import numpy as np

from schurkit.checks import InputError

from .conventions import chosen
from .files import Contents, argument, shown

_RECURRENT = re.compile(
    r"^(?P<prefix>(?:.*\.)?)weight_hh(?P<layer>_l\d+)?(?P<reverse>_reverse)?$", re.DOTALL
)
_GATES = {4: ("an LSTM", "ifgo"), 3: ("a GRU", "rzn")}


def holds_state(names) -> bool:
    """Whether names are those of a torch state dict with a recurrent layer."""
    return any("weight_hh" in name for name in names)


def network_of(
    contents: Contents,
    recurrent: str | None = None,
    readout: str | None = None,
    aside: Collection[str] = (),
) -> tuple[dict[str, np.ndarray], tuple[str, ...]]:
    """The network of a state dict: ``weight_ih_l0``, ``weight_hh_l0``, both biases (summed) and a
    linear readout, under any prefix.

    Parameters
    ----------
    contents : of a file.
    recurrent, readout : prefixes that choose where there are several; with `readout` given, tensors
        of other layers are left aside.
    aside : names of tensors that are accounted for.

    Returns
    -------
    Arrays under the names that RNN takes, and the names of the tensors that were not used.

    Raises
    ------
    InputError : no or several recurrent layers or readouts, LSTM or GRU, two layers, bidirectional,
        or tensors that belong to no part of the network.
    """
    shapes = {name: array.shape for name, array in contents.arrays.items() if array.ndim}
    prefix = _recurrent_prefix(shapes, recurrent)
    suffix = _layer(shapes, prefix)
    roles = {
        "W_in": [f"{prefix}weight_ih{suffix}"],
        "W_rec": [f"{prefix}weight_hh{suffix}"],
        "b_rec": [f"{prefix}{name}" for name in (f"bias_ih{suffix}", f"bias_hh{suffix}", "bias")],
    }
    (inward,), (weight,), biases = roles.values()
    hidden, group = shapes[weight][0], contents.group.get(weight)
    if inward not in shapes:
        raise InputError(f"holds {shown([weight])} but no {shown([inward])}.")
    beside = {
        name: shape
        for name, shape in shapes.items()
        if contents.group.get(name) == group
        and name not in (inward, weight, *biases, *aside)
        and (recurrent is None or "." not in prefix[:-1] or name.startswith(prefix.split(".")[0]))
    }
    out = _readout_prefix(beside if readout is None else shapes, beside, hidden, readout)
    starts = [
        name
        for name, shape in beside.items()
        if name.rpartition(".")[2] == "h0" and np.prod(shape) == hidden
    ]
    roles |= {"W_out": [f"{out}weight"], "b_out": [f"{out}bias"]}
    roles |= {"h0": starts if len(starts) == 1 else []}
    used = {name for names in roles.values() for name in names}
    unused = tuple(name for name in beside if name not in used)
    if unused and readout is None:
        _refuse_unused(unused, shapes, prefix, out, hidden)
    for name in biases:
        if shapes.get(name, (hidden,)) != (hidden,):
            raise InputError(
                f"the biases of the recurrent layer must have shape ({hidden},); got "
                f"{shapes[name]}."
            )
    arrays = {
        role: sum(contents.arrays[name] for name in names if name in shapes)
        for role, names in roles.items()
        if any(name in shapes for name in names)
    }
    if "h0" in arrays:
        arrays["h0"] = arrays["h0"].reshape(hidden)
    return arrays, unused


def _refuse_unused(unused, shapes, prefix: str, out: str, hidden: int) -> None:
    start = [name for name in unused if np.prod(shapes[name]) == hidden]
    is_h0 = f"--map {argument('h0=' + (start or [''])[0])}"
    alone = f"--readout {argument(out.rstrip('.'))} (readout=)"
    if len(unused) == len(start) == 1:
        raise InputError(
            f"holds {hidden} numbers beside the network: {shown(start)}. If they are the state "
            f"before the first step: {is_h0}; if they take no part: {alone}."
        )
    raise InputError(
        f"holds more than one recurrent layer and its linear readout: {shown(unused)}. If the "
        f"network is {shown([prefix + '*'])} read out by {shown([out + 'weight'])} alone, say so: "
        f"{alone}."
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


def _recurrent_prefix(shapes, wanted: str | None) -> str:
    matches = [match for match in map(_RECURRENT.match, shapes) if match]
    if not matches:
        raise InputError(_changed([name for name in shapes if "weight_hh" in name]))
    prefixes = dict.fromkeys(match["prefix"] for match in matches)
    return chosen([*prefixes], wanted, "recurrent layer", "recurrent")


_PERMANENT = (
    (".original", "parametrize.remove_parametrizations"),
    ("_mask", "prune.remove"),
    ("_orig", "remove_spectral_norm"),
    ("_g", "remove_weight_norm"),
)


def _changed(names: list[str]) -> str:
    """What to do where the recurrent weights are computed from others."""
    remove = next(call for end, call in _PERMANENT if any(end in name for name in names))
    layer, _, rest = names[0].replace("parametrizations.", "").rpartition("weight_hh")
    weight = re.match(r"weight_hh(_l\d+)?", f"weight_hh{rest}").group()
    return (
        f"holds a recurrent layer with changed weights ({shown(names)}); make the change permanent "
        f"before saving: torch.nn.utils.{remove}(model.{shown([layer.rstrip('.')])}, "
        f'"{weight}").'
    )


def _layer(shapes, prefix: str) -> str:
    """Suffix of the names of a layer's tensors, after refusing what is not one plain recurrent
    layer.
    """
    matches = [m for m in map(_RECURRENT.match, shapes) if m and m["prefix"] == prefix]
    weight, shape = matches[0].group(), shapes[matches[0].group()]
    layer = shown([prefix.rstrip(".")]) if prefix else "the recurrent layer"
    if len(shape) != 2 or 0 in shape:
        raise InputError(f"{shown([weight])} must have axes (hidden, hidden); got shape {shape}.")
    if f"{prefix}weight_hr_l0" in shapes:
        raise InputError(f"{layer} is an LSTM with projections, none of whose matrices is square.")
    gated, _ = _GATES.get(shape[0] / shape[1], (None, ""))
    layers = {match["layer"] for match in matches}
    kinds = [f"is {gated}"] * bool(gated) + [f"has {len(layers)} layers"] * (len(layers) > 1)
    kinds += ["is bidirectional"] * any(match["reverse"] for match in matches)
    if kinds:
        own = {match.group(): shapes[match.group()] for match in matches}
        raise InputError(f"{layer} {' and '.join(kinds)}. {several(own)}")
    if shape[0] != shape[1]:
        raise InputError(f"{shown([weight])} must be square; got shape {shape}.")
    return matches[0]["layer"] or ""


def _readout_prefix(shapes, beside, hidden: int, wanted: str | None) -> str:
    linear = {
        name.removesuffix("weight"): shape
        for name, shape in shapes.items()
        if name.rpartition(".")[2] == "weight" and len(shape) == 2
    }
    fitting = [prefix for prefix, shape in linear.items() if shape[1] == hidden]
    own = None if wanted is None else linear.get(f"{wanted.rstrip('.')}.")
    if own is not None and own[1] != hidden:
        raise InputError(
            f"readout {shown([wanted])} must have shape (output, {hidden}); got {own}."
        )
    if not fitting:
        raise InputError(
            f"holds no linear readout: a weight of shape (output, {hidden}). Beside the recurrent "
            f"layer it holds {shown(f'{name} {shape}' for name, shape in beside.items())}."
        )
    return chosen(fitting, wanted, "readout", "readout")
