"""Where torch computes: the device, its memory, and its precision."""

from __future__ import annotations

import contextlib
import os
import re

import torch

from schurkit.checks import InputError

DEVICE = "SCHURKIT_DEVICE"
SHARE_OF_FREE_MEMORY = 0.5
"""Of the memory that is free on a GPU, so much is planned for: the rest is for workspaces of
products and for what fragments it.
"""
MEMORY_ON_A_CPU = 2**30
"""Bytes of states and outputs that a rollout on a CPU holds at once, besides those it gives back.
"""


def wanted_device() -> str:
    """The environment's SCHURKIT_DEVICE, else "cpu"."""
    return os.environ.get(DEVICE, "").strip() or "cpu"


def device_named(name: str) -> torch.device:
    """The device of that name, if it can be used here.

    Parameters
    ----------
    name : "cpu", "cuda" (the first GPU) or "cuda:1" (the second).

    Raises
    ------
    InputError : there is no such device, or this torch cannot use one.

    Examples
    --------
    >>> device_named("cpu")
    device(type='cpu')
    """
    if name == "cpu":
        return torch.device("cpu")
    if not re.fullmatch(r"cuda(:\d+)?", name):
        raise InputError(f"{DEVICE} must be 'cpu', 'cuda' or 'cuda:' and a number; got {name!r}.")
    if not torch.cuda.is_available():
        raise InputError(
            f"{DEVICE}={name}, but torch {torch.__version__} finds no CUDA device here. Unset "
            f"{DEVICE} to use the CPU, or install a torch that was built for CUDA, and its driver."
        )
    index, count = torch.device(name).index or 0, torch.cuda.device_count()
    if index >= count:
        raise InputError(
            f"{DEVICE}={name}, but there {'is' if count == 1 else 'are'} {count} here: 'cuda:0' "
            f"to 'cuda:{count - 1}'."
        )
    return torch.device("cuda", index)


def memory(device: torch.device) -> int:
    """Bytes to plan for: half of what is free on a GPU now (or held by torch for nothing at
    present), `MEMORY_ON_A_CPU` on a CPU.
    """
    if device.type == "cpu":
        return MEMORY_ON_A_CPU
    held = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    return int(SHARE_OF_FREE_MEMORY * (torch.cuda.mem_get_info(device)[0] + held))


@contextlib.contextmanager
def full_precision():
    """Products of float32 matrices in float32, not in TF32 or bfloat16, whatever the process has
    allowed; its own settings come back after.

    These settings belong to the process: its other threads compute in full precision meanwhile,
    too.
    """
    places = [torch.backends.cuda.matmul, torch.backends.mkldnn.matmul]
    if hasattr(places[0], "fp32_precision"):
        before = [place.fp32_precision for place in places]

        def put(values):
            for place, value in zip(places, values):
                place.fp32_precision = value
    else:  # torch before 2.9
        before = [torch.get_float32_matmul_precision()]

        def put(values):
            torch.set_float32_matmul_precision("highest" if values[0] == "ieee" else values[0])

    try:
        put(["ieee"] * len(places))
        yield
    finally:
        put(before)
