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


def schurkit_train(hidden: int, batch: int, time: int, networks: int, engine: str = "auto"):
    """`schurkit.train` from start to stored, scored networks; each lap has an empty store."""

    def lap(units):
        with tempfile.TemporaryDirectory() as folder:
            workload = task_and_recipe(hidden, batch, time, max(1, round(units / networks)))
            trained = train(*workload, range(networks), engine=engine, store=Store(Path(folder)))
        assert not trained.stored.any()
        return float(trained.losses[0][-1])

    return lap, _facts(hidden, batch, time, engine)


def schurkit_fit(hidden: int, batch: int, time: int, networks: int = 1, engine: str = "auto"):
    """The training loop alone, several networks side by side."""
    chosen = choose(engine)

    def lap(units):
        task, recipe = task_and_recipe(hidden, batch, time, max(1, round(units / networks)))
        return float(fit(task, recipe, range(networks), chosen)[0].losses[-1])

    return lap, _facts(hidden, batch, time, engine)


def _facts(hidden, batch, time, engine):
    chosen = choose(engine)
    fitted = fit(*task_and_recipe(hidden, batch, time, CHECKED), [0], chosen)[0]
    return {"loss": float(fitted.losses[-1]), "engine": chosen.name}


def _start_and_batches(hidden, batch, time, networks=1):
    """The start of seeds 0 … networks − 1, and batches of the first steps: (steps, networks,
    trials, time, channels) each.
    """
    task, recipe = task_and_recipe(hidden, batch, time, CHECKED)
    seeds = range(networks)
    start = construction(recipe.construction).start(
        recipe, task.input_size, task.output_size, seeds
    )
    drawn = [task.batch(seeds, step, batch) for step in range(CHECKED)]
    return (
        start,
        np.stack([trials.inputs for trials in drawn]),
        np.stack([trials.targets for trials in drawn]),
    )


def _checked(step_once):
    """Mean loss of the last 20 of the first 60 steps."""
    return float(np.mean([step_once(i) for i in range(CHECKED)][-LOSS_EVERY:]))


# ------------------------------------------------------------------------------------------ PyTorch
def torch_loop(hidden: int, batch: int, time: int, threads: int | None = None):
    """nn.RNN, nn.Linear, mse_loss and torch.optim.Adam in a loop."""
    import torch

    if threads:
        torch.set_num_threads(threads)
    looped = rnn_step(hidden, batch, time)

    def step(i):
        return looped(i).item()

    facts = {
        "loss": _checked(step),
        "threads": torch.get_num_threads(),
        "version": torch.__version__,
    }
    return lambda units: [step(i) for i in range(units)][-1], facts


def rnn_step(hidden: int, batch: int, time: int, device: str = "cpu"):
    """step(i) → loss, a tensor: one network of nn.RNN and nn.Linear under mse_loss and
    torch.optim.Adam, its batches on the device.
    """
    import torch

    start, inputs, targets = _start_and_batches(hidden, batch, time)
    rnn = torch.nn.RNN(inputs.shape[-1], hidden, bias=False, batch_first=True).to(device)
    readout = torch.nn.Linear(hidden, targets.shape[-1], bias=False).to(device)
    with torch.no_grad():
        for parameter, name in (
            (rnn.weight_ih_l0, "W_in"),
            (rnn.weight_hh_l0, "W_rec"),
            (readout.weight, "W_out"),
        ):
            parameter.copy_(torch.from_numpy(start[name][0]))
    optimiser = torch.optim.Adam([*rnn.parameters(), *readout.parameters()], lr=RATE)
    pool = [
        [torch.from_numpy(array[0].copy()).to(device) for array in pair]
        for pair in zip(inputs, targets)
    ]

    def step(i):
        x, y = pool[i % CHECKED]
        optimiser.zero_grad()
        loss = torch.nn.functional.mse_loss(readout(rnn(x)[0]), y)
        loss.backward()
        optimiser.step()
        return loss.detach()

    return step


def vmap_step(hidden: int, batch: int, time: int, networks: int, device: str = "cpu"):
    """step(i) → loss of the first network, a tensor: torch.func.vmap of torch.func.grad over a
    stack (nn.RNN itself cannot be mapped).
    """
    import torch

    start, inputs, targets = _start_and_batches(hidden, batch, time, networks)
    weights = {
        name: torch.from_numpy(start[name].copy()).to(device) for name in ("W_in", "W_rec", "W_out")
    }
    optimiser = torch.optim.Adam(list(weights.values()), lr=RATE)
    pool = [[torch.from_numpy(array).to(device) for array in pair] for pair in zip(inputs, targets)]

    def loss_of(weights, x, y):
        drive = x @ weights["W_in"].T
        state, states = torch.zeros(x.shape[0], hidden, device=device), []
        for t in range(x.shape[1]):
            state = torch.tanh(drive[:, t] + state @ weights["W_rec"].T)
            states.append(state)
        return torch.nn.functional.mse_loss(torch.stack(states, 1) @ weights["W_out"].T, y)

    gradients = torch.func.vmap(torch.func.grad_and_value(loss_of))

    def step(i):
        found, losses = gradients(weights, *pool[i % CHECKED])
        for name, parameter in weights.items():
            parameter.grad = found[name]
        optimiser.step()
        return losses[0].detach()

    return step


def torch_vmap(hidden: int, batch: int, time: int, networks: int):
    """`vmap_step` on a CPU, one Adam for the stack."""
    import torch

    mapped = vmap_step(hidden, batch, time, networks)
    step = lambda i: mapped(i).item()  # noqa: E731
    facts = {
        "loss": _checked(step),
        "threads": torch.get_num_threads(),
        "version": torch.__version__,
    }
    return lambda units: [step(i) for i in range(max(1, round(units / networks)))][-1], facts


# ---------------------------------------------------------------------------------------------- JAX
def jax_loop(hidden: int, batch: int, time: int):
    """A jitted step (scan over time, value_and_grad, Adam) in a loop."""
    import jax
    import jax.numpy as jnp

    start, inputs, targets = _start_and_batches(hidden, batch, time)
    pool = [(jax.device_put(x[0]), jax.device_put(y[0])) for x, y in zip(inputs, targets)]

    def loss_of(weights, x, y):
        def advance(state, drive):
            state = jnp.tanh(drive + state @ weights["W_rec"].T)
            return state, state

        drive = jnp.swapaxes(x @ weights["W_in"].T, 0, 1)
        _, states = jax.lax.scan(advance, jnp.zeros((x.shape[0], hidden), x.dtype), drive)
        return jnp.mean((jnp.swapaxes(states @ weights["W_out"].T, 0, 1) - y) ** 2)

    @jax.jit
    def step(state, x, y):
        weights, mean, square, count = state
        loss, found = jax.value_and_grad(loss_of)(weights, x, y)
        count = count + 1
        mean = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, mean, found)
        square = jax.tree.map(lambda s, g: 0.999 * s + 0.001 * g * g, square, found)
        size, root = RATE / (1 - 0.9**count), jnp.sqrt(1 - 0.999**count)
        weights = jax.tree.map(
            lambda w, m, s: w - size * m / (jnp.sqrt(s) / root + 1e-8), weights, mean, square
        )
        return (weights, mean, square, count), loss

    weights = {name: jnp.asarray(array[0]) for name, array in start.items()}
    zeros = jax.tree.map(jnp.zeros_like, weights)
    kept = [(weights, zeros, zeros, jnp.float32(0))]

    def step_once(i):
        kept[0], loss = step(kept[0], *pool[i % CHECKED])
        return loss

    facts = {"loss": _checked(lambda i: float(step_once(i))), "version": jax.__version__}
    return lambda units: float([step_once(i) for i in range(units)][-1]), facts
