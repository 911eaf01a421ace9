"""Contenders for training on a GPU, and the group of them: whole stacks on the device against what
a user would write in PyTorch.

No lap reads a number from the device but its last loss, so that nobody waits for the host. Batches
of the peers lie on the device before the laps begin; ours are drawn on the host as training goes.
The peers compute as PyTorch does by default, which lets cuDNN use TF32; ours does not use it. A
unit is one step of one network.
"""

from __future__ import annotations

import importlib.util

import numpy as np

from schurkit.training.constructions import construction
from schurkit.training.loop import LOSS_EVERY

from .trainers import CHECKED, RATE, rnn_step, task_and_recipe, vmap_step

GPU = "schurkit_press.bench.gpu:"
GOAL = 2e5
"""Network-steps a second with 256 networks of 64 units, the workload of the other groups."""
NO_DEVICE = "skipped: no CUDA device"
MOST_MAPPED = 256
"""torch.func.vmap is asked for no larger stacks: what it keeps for its gradients grows beyond many
GPUs.
"""


def cases(device: str, quick: bool) -> list[tuple[dict, tuple[int, ...]]]:
    """Workloads, and the sizes of stacks of each; on a CPU a tiny one, which tries the code and
    measures nothing.
    """
    if device == "cpu":
        return [({"hidden": 8, "batch": 4, "time": 6}, (2,))]
    stacks = (1, 256) if quick else (1, 4, 16, 64, 256, 1024, 4096)
    return [
        ({"hidden": hidden, "batch": 64, "time": 48}, stacks)
        for hidden in ((64,) if quick else (64, 128, 256))
    ]


def why_not(device: str) -> str:
    """Why the group cannot be run on that device here, or ""."""
    if importlib.util.find_spec("torch") is None:
        return "skipped: torch is not installed; pip install 'schurkit[torch]'"
    import torch

    return NO_DEVICE if device == "cuda" and not torch.cuda.is_available() else ""


def _facts(device, checked) -> dict:
    import torch

    name, memory = "CPU", None
    if device == "cuda":
        name, memory = torch.cuda.get_device_name(), torch.cuda.max_memory_reserved()
    return {
        "loss": float(np.mean([float(loss) for loss in checked[-LOSS_EVERY:]])),
        "device": name,
        "memory": memory,
        "version": torch.__version__,
    }


def stack(hidden: int, batch: int, time: int, networks: int, device: str):
    """The torch engine's trainer on that device."""
    from schurkit.engine.torch import TorchEngine

    task, recipe = task_and_recipe(hidden, batch, time, CHECKED)
    seeds = list(range(networks))
    start = construction(recipe.construction).start(
        recipe, task.input_size, task.output_size, seeds
    )
    trainer = TorchEngine(device).trainer(start, recipe.spec, recipe.rule, recipe.loss)
    source = trainer.source(task, batch, 0, 0)
    most, at = trainer.steps_a_call(source), [0]

    def steps(count):
        found = []
        while count > 0:
            now = min(count, most)
            found += trainer.run(seeds, seeds, source, at[0], now, np.full(networks, RATE))[0][
                0
            ].tolist()
            at[0] += now
            count -= now
        return found

    facts = _facts(device, steps(CHECKED))
    return lambda units: steps(max(1, round(units / networks)))[-1], facts


def nn_rnn(hidden: int, batch: int, time: int, device: str):
    """nn.RNN (cuDNN on a GPU), nn.Linear, mse_loss and torch.optim.Adam, one network, in a loop."""
    step = rnn_step(hidden, batch, time, device)
    return _laps(step, 1), _facts(device, [step(i) for i in range(CHECKED)])


def mapped(hidden: int, batch: int, time: int, networks: int, device: str):
    """torch.func.vmap of torch.func.grad over a functional RNN, one Adam for the stack."""
    step = vmap_step(hidden, batch, time, networks, device)
    return _laps(step, networks), _facts(device, [step(i) for i in range(CHECKED)])


def _laps(step, networks):
    def lap(units):
        for i in range(max(1, round(units / networks))):
            loss = step(i)
        return loss.item()  # waits for the device

    return lap
