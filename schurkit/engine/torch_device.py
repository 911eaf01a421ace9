"""On what the torch engine computes: the choice of a device, what is said where it cannot be used,
and full float32 precision there.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Callable

import torch

from schurkit.checks import InputError

VARIABLE = "SCHURKIT_DEVICE"
SHARE_OF_FREE_MEMORY = 0.5
"""Of the memory that is free on a GPU, so much is planned for: the rest is for workspaces of
products and for what fragments it.
"""


def wanted_device() -> str:
    """The environment's SCHURKIT_DEVICE, else "cpu"."""
    return os.environ.get(VARIABLE, "").strip() or "cpu"


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
        raise InputError(f"{VARIABLE} must be 'cpu', 'cuda' or 'cuda:' and a number; got {name!r}.")
    if not torch.cuda.is_available():
        advice = (
            f"Unset {VARIABLE} to use the CPU, or install a torch that was built for CUDA, and "
            "its driver."
        )
        raise InputError(
            f"{VARIABLE}={name}, but torch {torch.__version__} finds no CUDA device here. {advice}"
        )
    device, count = torch.device(name), torch.cuda.device_count()
    index = device.index or 0
    if index >= count:
        raise InputError(
            f"{VARIABLE}={name}, but there {'is' if count == 1 else 'are'} {count} here: 'cuda:0' "
            f"to 'cuda:{count - 1}'."
        )
    return torch.device("cuda", index)


def arithmetic(device: torch.device) -> str:
    """What results depend on in the device, for the store: the kind of GPU and its CUDA; "" on a
    CPU.
    """
    return (
        ""
        if device.type == "cpu"
        else f"{torch.cuda.get_device_name(device)}, CUDA {torch.version.cuda}"
    )


def memory(device: torch.device, otherwise: int) -> int:
    """Bytes to plan for: half of what is free on a GPU now (or held by torch for nothing at
    present), `otherwise` on a CPU.
    """
    if device.type == "cpu":
        return otherwise
    held = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    return int(SHARE_OF_FREE_MEMORY * (torch.cuda.mem_get_info(device)[0] + held))


def on_a_side_stream(step: Callable[[], None], count: int, device: torch.device) -> None:
    """Call `step` so many times on a GPU, as CUDA graphs ask for before one is recorded."""
    with torch.cuda.device(device):
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(count):
                step()
        torch.cuda.current_stream().wait_stream(side)


def recorded(step: Callable[[], None], device: torch.device) -> Callable[[], None]:
    """A function that does what `step` does, on the same buffers, as one CUDA graph; nothing is
    done yet.
    """
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.device(device), torch.cuda.graph(graph, capture_error_mode="thread_local"):
        step()

    def replay():
        with torch.cuda.device(device):
            graph.replay()

    return replay


@contextlib.contextmanager
def full_precision():
    """Products of float32 matrices in float32, not in TF32 or bfloat16, whatever the process has
    allowed; its own settings come back after.

    These settings belong to the process: its other threads compute in full precision meanwhile,
    too.
    """
    places = [torch.backends.cuda.matmul, torch.backends.mkldnn.matmul]
    if not hasattr(places[0], "fp32_precision"):  # torch before 2.9
        before = torch.get_float32_matmul_precision()
        torch.set_float32_matmul_precision("highest")
        try:
            yield
        finally:
            torch.set_float32_matmul_precision(before)
        return
    before = [place.fp32_precision for place in places]
    try:
        for place in places:
            place.fp32_precision = "ieee"
        yield
    finally:
        for place, value in zip(places, before):
            place.fp32_precision = value


@contextlib.contextmanager
def memory_errors(device: torch.device, what: str, advice: str):
    """A GPU without memory for `what` is told in one line."""
    try:
        yield
    except torch.OutOfMemoryError as error:
        first = str(error).split(". ")[0]
        raise InputError(f"{device} has no memory left for {what} ({first}). {advice}") from None
