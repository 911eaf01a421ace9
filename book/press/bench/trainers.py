"""Contenders that train: this package, and the same training as a user would write it in PyTorch or
JAX.

All train networks of `hidden` tanh units without biases on the flip-flop (3 inputs, 3 outputs) in
float32: mean squared error, Adam at 1e-3, `batch` trials of `time` steps. The peers start from our
starts and use our batches, drawn before the laps; ours draws them as it goes. So the loss of steps
41 to 60, ``facts["loss"]``, must agree: it shows that all do the same work. A unit is one step of
one network.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

from schurkit.engine import choose
from schurkit.tasks import FlipFlop
from schurkit.training import Phase, Recipe, Store, train
from schurkit.training.constructions import construction
from schurkit.training.loop import LOSS_EVERY, fit

RATE = 1e-3
CHECKED = 3 * LOSS_EVERY


def task_and_recipe(hidden: int, batch: int, time: int, steps: int) -> tuple[FlipFlop, Recipe]:
    """The workload: the flip-flop of that length, and so many steps of plain Adam."""
    return FlipFlop(steps=time), Recipe(
        hidden_size=hidden, phases=(Phase(steps, RATE),), batch_size=batch
    )


def trained_afresh(task, recipe: Recipe, seeds, **more):
    """`schurkit.train` from start to stored, scored networks, in a store of its own."""
    with tempfile.TemporaryDirectory() as folder:
        return train(task, recipe, seeds, store=Store(Path(folder)), **more)


def schurkit_train(hidden: int, batch: int, time: int, networks: int, engine: str = "auto"):
    """`schurkit.train` from start to stored, scored networks; each lap has an empty store."""

    def losses(*workload):
        return trained_afresh(*workload, engine=engine).losses[0]

    return _ours(losses, hidden, batch, time, networks)


def schurkit_fit(hidden: int, batch: int, time: int, networks: int = 1, engine: str = "auto"):
    """The training loop alone, several networks side by side."""
    chosen = choose(engine)

    def losses(*workload):
        return fit(*workload, chosen)[0].losses

    return _ours(losses, hidden, batch, time, networks)


def _ours(losses, hidden, batch, time, networks):
    def lap(units):
        workload = task_and_recipe(hidden, batch, time, max(1, round(units / networks)))
        return float(losses(*workload, range(networks))[-1])

    return lap, {"loss": lap(CHECKED * networks)}


def _start(hidden, batch, time, networks):
    """Task, recipe, the start of seeds 0 … networks − 1, and inputs and targets of the first steps:
    (networks, trials, time, channels) each.
    """
    task, recipe = task_and_recipe(hidden, batch, time, CHECKED)
    start = construction(recipe.construction).start
    drawn = (task.batch(range(networks), step, batch) for step in range(CHECKED))
    batches = [(trials.inputs, trials.targets) for trials in drawn]
    return task, recipe, start(recipe, task.input_size, task.output_size, range(networks)), batches


def _measured(steps, networks: int = 1):
    """Laps of `steps(count)`, which gives the loss of each step."""

    def lap(units):
        losses = steps(max(1, round(units / networks)))[-LOSS_EVERY:]
        return float(sum(losses) / len(losses))

    return lap, {"loss": lap(CHECKED * networks)}


def _looped(step, pool):
    """One step after another; a device is waited for at the end of a lap alone."""
    return lambda count: [step(*pool[i % CHECKED]) for i in range(count)]


# ------------------------------------------------------------------------------------------ PyTorch
def schurkit_stack(hidden: int, batch: int, time: int, networks: int, device: str):
    """The torch engine's trainer on a device."""
    from schurkit.engine.torch import TorchEngine

    task, recipe, start, _ = _start(hidden, batch, time, networks)
    seeds = list(range(networks))
    trainer = TorchEngine(device).trainer(start, recipe.spec, recipe.rule, recipe.loss)
    source = trainer.source(task, batch, 0, 0)
    most, at, rates = trainer.steps_a_call(source), [0], np.full(networks, RATE)

    def steps(count):
        losses = []
        for begun in range(0, count, most):
            now = min(most, count - begun)
            losses += trainer.run(seeds, seeds, source, at[0], now, rates)[0][0].tolist()
            at[0] += now
        return losses

    return _on_torch(device, steps, networks)


def torch_loop(hidden: int, batch: int, time: int, device: str = "cpu"):
    """nn.RNN (cuDNN on a GPU), nn.Linear, mse_loss and torch.optim.Adam in a loop."""
    import torch

    start, pool = _on_device(hidden, batch, time, 1, device)
    rnn = torch.nn.RNN(3, hidden, bias=False, batch_first=True).to(device)
    readout = torch.nn.Linear(hidden, 3, bias=False).to(device)
    with torch.no_grad():
        rnn.weight_ih_l0.copy_(start["W_in"][0])
        rnn.weight_hh_l0.copy_(start["W_rec"][0])
        readout.weight.copy_(start["W_out"][0])
    optimiser = torch.optim.Adam([*rnn.parameters(), *readout.parameters()], lr=RATE)

    def step(x, y):
        optimiser.zero_grad()
        loss = torch.nn.functional.mse_loss(readout(rnn(x[0])[0]), y[0])
        loss.backward()
        optimiser.step()
        return loss.detach()

    return _on_torch(device, _looped(step, pool))


def torch_vmap(hidden: int, batch: int, time: int, networks: int, device: str = "cpu"):
    """torch.func.vmap of torch.func.grad over a functional RNN (nn.RNN itself cannot be mapped),
    one Adam for the stack; losses are those of the first network.
    """
    import torch

    weights, pool = _on_device(hidden, batch, time, networks, device)
    optimiser = torch.optim.Adam(list(weights.values()), lr=RATE)

    def loss_of(weights, x, y):
        drive = x @ weights["W_in"].T
        state, states = torch.zeros(x.shape[0], hidden, device=device), []
        for t in range(x.shape[1]):
            state = torch.tanh(drive[:, t] + state @ weights["W_rec"].T)
            states.append(state)
        return torch.nn.functional.mse_loss(torch.stack(states, 1) @ weights["W_out"].T, y)

    gradients_and_losses = torch.func.vmap(torch.func.grad_and_value(loss_of))

    def step(x, y):
        gradients, losses = gradients_and_losses(weights, x, y)
        for name, parameter in weights.items():
            parameter.grad = gradients[name]
        optimiser.step()
        return losses[0].detach()

    return _on_torch(device, _looped(step, pool), networks)


def _on_device(hidden, batch, time, networks, device):
    """The start and the batches as tensors on a device."""
    import torch

    *_, start, batches = _start(hidden, batch, time, networks)
    names = ("W_in", "W_rec", "W_out")
    start = {name: torch.tensor(start[name], device=device) for name in names}
    return start, [[torch.tensor(array, device=device) for array in pair] for pair in batches]


def _on_torch(device, steps, networks=1):
    import torch

    (lap, facts), on_gpu = _measured(steps, networks), device == "cuda"
    return lap, facts | {
        "device": torch.cuda.get_device_name() if on_gpu else "CPU",
        "memory": torch.cuda.max_memory_reserved() if on_gpu else None,
    }


# ---------------------------------------------------------------------------------------------- JAX
def jax_loop(hidden: int, batch: int, time: int):
    """A jitted step (scan over time, value_and_grad, Adam) in a loop."""
    import jax
    import jax.numpy as jnp
    from jax.example_libraries.optimizers import adam

    *_, start, batches = _start(hidden, batch, time, 1)
    pool = [jax.device_put((x[0], y[0])) for x, y in batches]

    def loss_of(weights, x, y):
        def advance(state, drive):
            state = jnp.tanh(drive + state @ weights["W_rec"].T)
            return state, state

        drive = jnp.swapaxes(x @ weights["W_in"].T, 0, 1)
        _, states = jax.lax.scan(advance, jnp.zeros((x.shape[0], hidden), x.dtype), drive)
        return jnp.mean((jnp.swapaxes(states @ weights["W_out"].T, 0, 1) - y) ** 2)

    start_of, updated, weights_of = adam(RATE)

    @jax.jit
    def advanced(state, x, y):
        number, adams = state
        loss, gradients = jax.value_and_grad(loss_of)(weights_of(adams), x, y)
        return (number + 1, updated(number, gradients, adams)), loss

    weights = {name: jnp.asarray(array[0]) for name, array in start.items()}
    state = jnp.int32(0), start_of(weights)

    def step(x, y):
        nonlocal state
        state, loss = advanced(state, x, y)
        return loss

    return _measured(_looped(step, pool))
