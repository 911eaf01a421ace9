"""The group of contenders on a GPU: whole stacks on the device against what a user would write in
PyTorch.

No lap reads a number from the device but its last loss, so that nobody waits for the host. Batches
of the peers lie on the device before the laps begin; ours are drawn on the host as training goes.
The peers compute as PyTorch does by default, which lets cuDNN use TF32; ours does not use it. A
unit is one step of one network.
"""

from __future__ import annotations

import importlib.util
import statistics
from itertools import product

from schurkit.words import plural

from . import trainers
from .contest import Contest, Settings
from .processes import Contender
from .results import Row

GOAL = 2e5
"""Network-steps a second with 256 networks of 64 units, the workload of the other groups."""
MOST_MAPPED = 256
"""torch.func.vmap is asked for no larger stacks: what it keeps for its gradients grows beyond many
GPUs.
"""


def gpu(settings: Settings):
    """Whole stacks trained on a GPU against nn.RNN in a loop and torch.func.vmap there; the goal is
    2e5 network-steps a second (256 of 64 units).
    """
    if reason := why_not(settings.device):
        yield Row("gpu", "train stacks on a GPU", note=reason)
        return
    sizes, stacks = (64, 128, 256), (1, 4, 16, 64, 256, 1024, 4096)
    if settings.quick:
        sizes, stacks = (64,), (1, 256)
    work = {"batch": 64, "time": 48, "device": settings.device}
    if settings.device == "cpu":  # tiny: it tries the code and measures nothing
        sizes, stacks, work = (8,), (2,), work | {"batch": 4, "time": 6}
    for hidden, networks in product(sizes, stacks):
        yield from _rows({"hidden": hidden, **work}, networks, settings)


def why_not(device: str) -> str:
    """Why the group cannot be run on that device here, or ""."""
    if importlib.util.find_spec("torch") is None:
        return "skipped: torch is not installed; pip install 'schurkit[torch]'"
    import torch

    absent = device == "cuda" and not torch.cuda.is_available()
    return "skipped: no CUDA device" if absent else ""


def _rows(case: dict, networks: int, settings: Settings):
    threads = 1 if case["device"] == "cpu" else None
    stack = case | {"networks": networks}
    contenders = [
        Contender("schurkit", trainers.schurkit_stack, stack, threads),
        Contender("nn.RNN loop", trainers.torch_loop, case, threads),
        Contender("torch.func.vmap", trainers.torch_vmap, stack, threads),
    ][: 3 if networks <= MOST_MAPPED else 2]
    contest = Contest("gpu", contenders, settings, "loss")
    what = f"{plural(networks, 'network')} of {case['hidden']} units"
    if reason := contest.missing.get("schurkit"):
        yield Row("gpu", what, note=reason)
        return
    facts = contest.facts("schurkit")
    used = "" if facts["memory"] is None else f", {facts['memory'] / 1e9:.2f} GB"
    note = f"{facts['device']}{used}, batches drawn on the host"
    rate = statistics.median(contest.laps["schurkit"].rates)
    goal = GOAL if (case["device"], case["hidden"], networks) == ("cuda", 64, 256) else None
    yield Row("gpu", what, value=rate, unit="steps/s", target=goal, note=note)
    yield from contest.rows(what)
