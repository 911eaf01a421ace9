"""Reading torch state dicts (.pt, .pth): the pickle inside is read as text first, and torch sees it
only if it names nothing but tensors.
"""

from __future__ import annotations

import pickletools
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from schurkit.checks import InputError

from .files import archive, reading, shown
from .state import Entry

_PICKLE = 8 * 2**20  # bytes of the pickle beside the tensors; ten thousand tensors need about 2 MiB
_ENTRIES = 10_000
_STORAGES = (
    "Double",
    "Float",
    "Half",
    "BFloat16",
    "Long",
    "Int",
    "Short",
    "Char",
    "Byte",
    "Bool",
    "ComplexFloat",
    "ComplexDouble",
)
_DTYPES = (
    "float64",
    "float32",
    "float16",
    "bfloat16",
    "int64",
    "int32",
    "int16",
    "int8",
    "uint8",
    "bool",
)
_HARMLESS = {
    "collections OrderedDict",
    "torch Size",
    "torch._utils _rebuild_tensor_v2",
    "torch._utils _rebuild_parameter",
    *(f"torch {kind}Storage" for kind in _STORAGES),
    *(f"torch {dtype}" for dtype in _DTYPES),
}
_NEVER = {"STACK_GLOBAL", "INST", "OBJ", "NEWOBJ", "NEWOBJ_EX", "EXT1", "EXT2", "EXT4", "PERSID"}


def read_state(path: Path) -> dict[str, Entry]:
    """Tensors of a state dict, or of a checkpoint that holds one, by their dotted names.

    Raises
    ------
    InputError : not a zip archive (older files of torch and plain pickles are not opened), anything
        but tensors, numbers and words in its pickle, sizes that are not there, or torch is not
        installed.
    """
    with archive(path, "torch.save", stored_only=True) as opened:
        _check_pickle(path, _pickle_of(path, opened))
        if (
            bad := opened.testzip()
        ) is not None:  # torch itself does not compare checksums when it maps a file
            raise InputError(
                f"{shown(path)} is damaged: the checksum of its member {shown([bad])} does not fit."
            )
    try:
        import torch
    except ImportError:
        raise InputError(
            f"{shown(path)} needs torch to be read: install schurkit[torch], or save the arrays "
            "with numpy.savez."
        ) from None
    with reading(path):
        try:
            # With mmap every storage is a piece of the file, so that no claim can reach beyond it
            # or allocate.
            loaded = torch.load(str(path), weights_only=True, map_location="cpu", mmap=True)
        except Exception as error:
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
            raise InputError(
                f"{shown(path)} is damaged or truncated: {shown(reason)[:160]}."
            ) from None
        if not isinstance(loaded, Mapping):
            raise InputError(
                f"{shown(path)} holds {_a(type(loaded).__name__)}; expected a state dict: "
                "torch.save(model.state_dict(), …)."
            )
        found: dict[str, Entry] = {}
        _flatten(path, loaded, "", "", found, [0])
    return found


def _a(word: str) -> str:
    return f"{'an' if word[:1].lower() in 'aeiou' else 'a'} {word}"


def _pickle_of(path: Path, opened) -> bytes:
    names = opened.namelist()
    found = [name for name in names if name.split("/")[1:] == ["data.pkl"]]
    if any(name.split("/")[1:] == ["constants.pkl"] for name in names):
        raise InputError(
            f"{shown(path)} is a TorchScript program; save its weights alone: "
            "torch.save(model.state_dict(), …)."
        )
    if len(found) != 1 or len({name.split("/")[0] for name in names}) != 1:
        raise InputError(f"{shown(path)} is not what torch.save writes; nothing in it was read.")
    if opened.getinfo(found[0]).file_size > _PICKLE:
        raise InputError(
            f"{shown(path)} holds a pickle of more than {_PICKLE // 2**20} MiB beside its "
            "tensors; save model.state_dict() alone."
        )
    return opened.read(found[0])


def _check_pickle(path: Path, data: bytes) -> None:
    """Refuse a pickle that names anything but tensors. It is read as a list of operations; none of
    them is carried out.
    """
    for operation, argument, _ in pickletools.genops(data):
        named = argument if operation.name == "GLOBAL" else operation.name
        if operation.name in _NEVER or (operation.name == "GLOBAL" and named not in _HARMLESS):
            what = str(named).replace(" ", ".", 1)
            raise InputError(
                f"{shown(path)} holds more than tensors (it names {shown([what])}), so nothing in "
                "it was run. "
                "Save the weights alone: torch.save(model.state_dict(), …)."
            )


def _flatten(
    path: Path,
    value: Mapping,
    name: str,
    group: str,
    found: dict[str, Entry],
    count: list[int],
    depth: int = 0,
) -> None:
    import torch

    for key, item in value.items():
        count[0] += 1
        if count[0] > _ENTRIES:
            raise InputError(
                f"{shown(path)} holds more than {_ENTRIES} entries; save model.state_dict() alone."
            )
        full = f"{name}.{key}" if name else str(key)
        if isinstance(item, torch.Tensor):
            found[full] = Entry(
                tuple(item.shape), group, lambda item=item, full=full: _to_numpy(path, full, item)
            )
        elif isinstance(item, Mapping) and depth < 3:
            _flatten(path, item, full, full, found, count, depth + 1)


def _to_numpy(path: Path, name: str, tensor) -> np.ndarray:
    if tensor.is_complex():
        raise InputError(f"{shown(path)}: {shown([name])} must be real; got complex numbers.")
    if tensor.numel() * tensor.element_size() > tensor.untyped_storage().nbytes():
        raise InputError(
            f"{shown(path)}: {shown([name])} claims shape {tuple(tensor.shape)}, more than the "
            "file holds."
        )
    tensor = tensor.detach()
    half = tensor.is_floating_point() and tensor.element_size() < 4
    return np.array((tensor.float() if half else tensor).numpy())
