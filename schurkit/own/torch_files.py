"""Torch's own files (.pt, .pth, .ckpt), and the network among the tensors of a state dict.

The pickle inside a file is read as a list of operations first, and torch sees it only if it names
nothing but tensors.
"""

from __future__ import annotations

import pickletools
import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from schurkit.checks import InputError

from .files import Contents, archive, reading, shown

_PICKLE = 8 * 2**20  # bytes of the pickle beside the tensors; ten thousand tensors need about 2 MiB
_ENTRIES = 10_000
_STORAGES = "Double Float Half BFloat16 Long Int Short Char Byte Bool ComplexFloat ComplexDouble"
_DTYPES = "float64 float32 float16 bfloat16 int64 int32 int16 int8 uint8 bool"
_HARMLESS = {
    "collections OrderedDict",
    "torch Size",
    "torch._utils _rebuild_tensor_v2",
    "torch._utils _rebuild_parameter",
    *(f"torch {kind}Storage" for kind in _STORAGES.split()),
    *(f"torch {dtype}" for dtype in _DTYPES.split()),
}
_NEVER = {"STACK_GLOBAL", "INST", "OBJ", "NEWOBJ", "NEWOBJ_EX", "EXT1", "EXT2", "EXT4", "PERSID"}
_SAVE = "torch.save(model.state_dict(), …)"
_RECURRENT = re.compile(
    r"^(?P<prefix>(?:.*\.)?)weight_hh(?P<layer>_l\d+)?(?P<reverse>_reverse)?$", re.DOTALL
)
_GATED = {4: "an LSTM", 3: "a GRU"}


# ------------------------------------------------------------------------------------------- files
def read_tensors(path: Path) -> Contents:
    """Tensors of a state dict, or of a checkpoint that holds one, by their dotted names.

    Raises
    ------
    InputError : not a zip archive (older files of torch and plain pickles are not opened), anything
        but tensors, numbers and words in its pickle, sizes that are not there, or torch is not
        installed.
    """
    with archive(path, "torch.save", stored_only=True) as opened:
        _check_pickle(_pickle_of(opened))
        # torch itself does not compare checksums when it maps a file
        if (bad := opened.testzip()) is not None:
            raise InputError(f"is damaged: the checksum of its member {shown([bad])} does not fit.")
    try:
        import torch
    except ImportError:
        raise InputError(
            "needs torch to be read: install schurkit[torch], or save the arrays with numpy.savez."
        ) from None
    with reading():
        # With mmap every storage is a piece of the file, so that no claim can reach beyond it or
        # allocate.
        loaded = torch.load(str(path), weights_only=True, map_location="cpu", mmap=True)
    if not isinstance(loaded, Mapping):
        kind = type(loaded).__name__
        article = "an" if kind[0].lower() in "aeiou" else "a"
        raise InputError(f"holds {article} {kind}; expected a state dict: {_SAVE}.")
    tensors, group = {}, {}
    for count, (name, standing_in, value) in enumerate(_entries(loaded)):
        if count == _ENTRIES:
            raise InputError(f"holds more than {_ENTRIES} entries; save model.state_dict() alone.")
        if isinstance(value, torch.Tensor):
            tensors[name], group[name] = value, standing_in
    return Contents(tensors, group=group)


def _pickle_of(opened) -> bytes:
    names = opened.namelist()
    pickles = [name for name in names if name.split("/")[1:] == ["data.pkl"]]
    if any(name.split("/")[1:] == ["constants.pkl"] for name in names):
        raise InputError(f"is a TorchScript program; save its weights alone: {_SAVE}.")
    if len(pickles) != 1 or len({name.split("/")[0] for name in names}) != 1:
        raise InputError("is not what torch.save writes; nothing in it was read.")
    if opened.getinfo(pickles[0]).file_size > _PICKLE:
        raise InputError(
            f"holds a pickle of more than {_PICKLE // 2**20} MiB beside its tensors; save "
            "model.state_dict() alone."
        )
    return opened.read(pickles[0])


def _check_pickle(data: bytes) -> None:
    """Refuse a pickle that names anything but tensors; none of its operations is carried out."""
    for operation, argument, _ in pickletools.genops(data):
        named = argument if operation.name == "GLOBAL" else operation.name
        if operation.name in _NEVER or (operation.name == "GLOBAL" and named not in _HARMLESS):
            what = str(named).replace(" ", ".", 1)
            raise InputError(
                f"holds more than tensors (it names {shown([what])}), so nothing in it was run. "
                f"Save the weights alone: {_SAVE}."
            )


def _entries(mapping: Mapping, name: str = "", depth: int = 0):
    """Dotted name, name of the dict it stands in, and value of everything in nested dicts."""
    for key, value in mapping.items():
        full = f"{name}.{key}" if name else str(key)
        yield full, name, value
        if isinstance(value, Mapping) and depth < 3:
            yield from _entries(value, full, depth + 1)


def as_numpy(tensor) -> np.ndarray:
    """A tensor as an array in memory of its own, half precision as float32."""
    tensor = tensor.detach().cpu()
    half = tensor.is_floating_point() and tensor.element_size() < 4
    return np.array((tensor.float() if half else tensor).numpy())


def _read(contents: Contents, name: str) -> np.ndarray:
    tensor = contents.arrays[name]
    if isinstance(tensor, np.ndarray):
        return tensor
    if tensor.numel() * tensor.element_size() > tensor.untyped_storage().nbytes():
        raise InputError(
            f"{shown([name])} claims shape {tuple(tensor.shape)}, more than the file holds."
        )
    return as_numpy(tensor)


# ------------------------------------------------------------------------------------- state dicts
def holds_state(names) -> bool:
    """Whether names are those of a torch state dict with a recurrent layer."""
    return any(_RECURRENT.match(name) for name in names)


def network_of(
    contents: Contents, recurrent: str | None = None, readout: str | None = None
) -> tuple[dict[str, np.ndarray], tuple[str, ...]]:
    """The network of a state dict: ``weight_ih_l0``, ``weight_hh_l0``, both biases (summed) and a
    linear readout, under any prefix.

    Parameters
    ----------
    contents : of a file.
    recurrent, readout : prefixes that choose where there are several; with `readout` given, tensors
        of other layers are left aside.

    Returns
    -------
    Arrays under the names that RNN takes, and the names of the tensors that were not used.

    Raises
    ------
    InputError : no or several recurrent layers or readouts, LSTM or GRU, two layers, bidirectional,
        or tensors that belong to no part of the network.
    """
    shapes = {name: tuple(tensor.shape) for name, tensor in contents.arrays.items()}
    prefix = _recurrent_prefix(shapes, recurrent)
    suffix = _layer(shapes, prefix)
    roles = {
        "W_in": [f"{prefix}weight_ih{suffix}"],
        "W_rec": [f"{prefix}weight_hh{suffix}"],
        "b_rec": [f"{prefix}bias_ih{suffix}", f"{prefix}bias_hh{suffix}"],
    }
    (inward,), (weight,), biases = roles.values()
    hidden, group = shapes[weight][0], contents.group.get(weight)
    if inward not in shapes:
        raise InputError(f"holds {shown([weight])} but no {shown([inward])}.")
    beside = {
        name: shape
        for name, shape in shapes.items()
        if contents.group.get(name) == group and name not in (inward, weight, *biases)
    }
    chosen = _readout_prefix(beside if readout is None else shapes, beside, hidden, readout)
    starts = [
        name
        for name, shape in beside.items()
        if name.rpartition(".")[2] == "h0" and np.prod(shape) == hidden
    ]
    roles |= {"W_out": [f"{chosen}weight"], "b_out": [f"{chosen}bias"]}
    roles |= {"h0": starts if len(starts) == 1 else []}
    used = {name for names in roles.values() for name in names}
    unused = tuple(name for name, shape in beside.items() if name not in used and shape != ())
    if unused and readout is None:
        raise InputError(
            f"holds more than one recurrent layer and its linear readout: {shown(unused)}. If the "
            f"network is {shown([prefix + '*'])} read out by {shown([chosen + 'weight'])} alone, "
            f"say so: --readout {shown([chosen.rstrip('.')])} (readout=)."
        )
    for name in biases:
        if shapes.get(name, (hidden,)) != (hidden,):
            raise InputError(
                f"the biases of the recurrent layer must have shape ({hidden},); got "
                f"{shapes[name]}."
            )
    arrays = {
        role: sum(_read(contents, name) for name in names if name in shapes)
        for role, names in roles.items()
        if any(name in shapes for name in names)
    }
    if "h0" in arrays:
        arrays["h0"] = arrays["h0"].reshape(hidden)
    return arrays, unused


def _recurrent_prefix(shapes, wanted: str | None) -> str:
    matches = [match for match in map(_RECURRENT.match, shapes) if match]
    changed = [name for name in shapes if "weight_hh" in name]
    if not matches and changed:
        raise InputError(
            f"holds a recurrent layer with changed weights ({shown(changed)}); make the change "
            "permanent before saving (torch.nn.utils.parametrize.remove_parametrizations, "
            "torch.nn.utils.prune.remove)."
        )
    if not matches:
        raise InputError(
            f"holds no nn.RNN (weight_ih_l0, weight_hh_l0); it holds {shown(shapes)}. If your cell "
            "is made of other layers, pass its arrays to schurkit.from_arrays."
        )
    prefixes = list(dict.fromkeys(match["prefix"] for match in matches))
    return _choice(prefixes, wanted, "recurrent layer", "recurrent layers", "recurrent")


def _choice(prefixes: list[str], wanted: str | None, one: str, several: str, flag: str) -> str:
    """The one prefix there is, or the wanted one."""
    plain = shown(prefix.rstrip(".") or "(no prefix)" for prefix in prefixes)
    if wanted is not None:
        if wanted not in prefixes and (wanted := f"{wanted.rstrip('.')}.") not in prefixes:
            raise InputError(f"holds no {one} {shown([wanted.rstrip('.')])}; it holds {plain}.")
        return wanted
    if len(prefixes) > 1:
        raise InputError(
            f"holds {len(prefixes)} {several}: {plain}. Choose one: --{flag} PREFIX ({flag}=)."
        )
    return prefixes[0]


def _layer(shapes, prefix: str) -> str:
    """Suffix of the names of a layer's tensors, after refusing what is not one plain recurrent
    layer.
    """
    matches = [m for m in map(_RECURRENT.match, shapes) if m and m["prefix"] == prefix]
    weight, shape = matches[0].group(), shapes[matches[0].group()]
    layer = shown([prefix.rstrip(".")]) if prefix else "the recurrent layer"
    if len(shape) != 2 or 0 in shape:
        raise InputError(f"{shown([weight])} must have axes (hidden, hidden); got shape {shape}.")
    gates = shape[0] / shape[1]
    if gates in _GATED or f"{prefix}weight_hr_l0" in shapes:
        raise InputError(
            f"{layer} is {_GATED.get(gates, 'an LSTM')} (weight_hh has shape {shape}); a gated "
            "network has no single recurrent matrix to ablate."
        )
    if any(match["reverse"] for match in matches):
        raise InputError(f"{layer} is bidirectional; one that runs forward in time is needed.")
    if len(matches) > 1:
        raise InputError(
            f"{layer} has {len(matches)} layers; one is needed. Pass the arrays of one layer to "
            "schurkit.from_arrays."
        )
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
    several = "linear layers that could be the readout"
    return _choice(fitting, wanted, "readout", several, "readout")
