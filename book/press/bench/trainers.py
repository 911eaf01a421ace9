"""Contenders that train: this package, and the same training as a user would write it in PyTorch or
JAX.

All train networks of `hidden` tanh units without biases on the flip-flop (3 inputs, 3 outputs) in
float32: mean squared error, Adam at 1e-3, `batch` trials of `time` steps. The peers start from our
starts and use our batches, drawn before the laps; ours draws them as it goes. So the loss of steps
41 to 60, ``facts["loss"]``, must agree: it shows that all do the same work. A unit is one step of
one network.
"""

import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

from schurkit import random
from schurkit.engine import choose
from schurkit.rnn import RNN
from schurkit.tasks import FlipFlop
from schurkit.training import Phase, Recipe, Store, initial, train
from schurkit.training.loop import LOSS_EVERY, fit
from schurkit.training.trainers import trainer_for

RATE = 1e-3
CHECKED = 3 * LOSS_EVERY
WEIGHTS = ("W_in", "W_rec", "W_out")


def task_and_recipe(hidden: int, batch: int, time: int, steps: int) -> tuple[FlipFlop, Recipe]:
    """The workload: the flip-flop of that length, and so many steps of plain Adam."""
    return FlipFlop(steps=time), Recipe(
        hidden_size=hidden, phases=(Phase(steps, RATE),), batch_size=batch
    )


def network(hidden: int) -> RNN:
    """A network of random weights, with 3 inputs and outputs."""
    return initial(FlipFlop(), Recipe(hidden_size=hidden, construction="fan_in"), [0])


def removals(hidden: int, trials: int, time: int, variants: int):
    """One network of random weights, W_rec of its variants with an eighth of the entries removed,
    and inputs.
    """
    rnn, inputs = network(hidden), FlipFlop(steps=time).test_trials(trials).inputs
    kept = random.uniform(0, "bench removals", 0, (variants, hidden, hidden)) > 0.125
    return rnn, (rnn.W_rec * kept).astype(np.float32), inputs


def trained_afresh(task, recipe: Recipe, seeds, **more):
    """`schurkit.train` from start to stored, scored networks, in a store of its own."""
    with tempfile.TemporaryDirectory() as folder:
        return train(task, recipe, seeds, store=Store(Path(folder)), **more)


def _laps(last_loss: Callable, networks: int):
    """Laps of `last_loss(steps)`."""

    def lap(units):
        return float(last_loss(max(1, round(units / networks))))

    return lap, {"loss": lap(CHECKED * networks)}


def schurkit_fit(networks: int = 1, engine: str = "auto", stored: bool = False, **sizes: int):
    """The training loop alone, several networks side by side; or `schurkit.train` from start to
    stored, scored networks, each lap with an empty store.
    """

    def last_loss(steps):
        workload = *task_and_recipe(**sizes, steps=steps), range(networks)
        if stored:
            return trained_afresh(*workload, engine=engine).losses[0][-1]
        return fit(*workload, choose(engine))[0].losses[-1]

    return _laps(last_loss, networks)


def schurkit_stack(networks: int, device: str, **sizes: int):
    """The torch engine's trainer on a device."""
    import torch

    from schurkit.engine.torch import TorchEngine

    (task, recipe), seeds = task_and_recipe(**sizes, steps=CHECKED), list(range(networks))
    trainer = trainer_for(task, recipe, TorchEngine(device), seeds)
    source = trainer.source(task, recipe.batch_size, 0, 0)
    most, rates, done = trainer.steps_a_call(source), np.full(networks, RATE), 0

    def last_loss(count):
        nonlocal done
        last, start, done = [], done, done + count
        for step in range(start, done, most):
            losses, _ = trainer.run(seeds, seeds, source, step, min(most, done - step), rates)
            last = [*last, *losses[0]][-LOSS_EVERY:]
        return np.mean(last)

    (lap, facts), where = _laps(last_loss, networks), "CPU"
    if device == "cuda":
        gigabytes = torch.cuda.max_memory_reserved() / 1e9
        where = f"{torch.cuda.get_device_name()}, {gigabytes:.2f} GB"
    return lap, facts | {"note": f"{where}, batches drawn on the host"}


# -------------------------------------------------------------------------------------------- peers
def _given(put: Callable, networks: int = 1, **sizes: int):
    """Weights by name at the start of the first seeds, and inputs and targets of the first steps,
    as `put` takes each to where the peer computes: (networks, …).
    """
    (task, recipe), seeds = task_and_recipe(**sizes, steps=CHECKED), range(networks)
    arrays = initial(task, recipe, seeds).arrays
    drawn = (task.batch(seeds, step, recipe.batch_size) for step in range(CHECKED))
    pool = [(put(trials.inputs), put(trials.targets)) for trials in drawn]
    return {name: put(arrays[name]) for name in WEIGHTS}, pool


def _looped(step: Callable, pool: list, networks: int = 1):
    """One step after another; a device is waited for at the end of a lap alone."""

    def last_loss(count):
        last = [step(*pool[i % CHECKED]) for i in range(count)][-LOSS_EVERY:]
        return sum(last) / len(last)

    return _laps(last_loss, networks)


def torch_network(weights: dict, device: str = "cpu"):
    """nn.RNN (cuDNN on a GPU) and nn.Linear with the weights of the first network."""
    import torch

    W_in, W_rec, W_out = (torch.asarray(weights[name][0], copy=True) for name in WEIGHTS)
    rnn = torch.nn.RNN(3, len(W_rec), bias=False, batch_first=True)
    rnn.load_state_dict({"weight_ih_l0": W_in, "weight_hh_l0": W_rec})
    readout = torch.nn.Linear(len(W_rec), 3, bias=False)
    readout.load_state_dict({"weight": W_out})
    return rnn.to(device), readout.to(device)


def torch_loop(device: str = "cpu", **sizes: int):
    """nn.RNN, nn.Linear, mse_loss and torch.optim.Adam in a loop."""
    import torch

    start, pool = _given(partial(torch.tensor, device=device), **sizes)
    rnn, readout = torch_network(start, device)
    optimiser = torch.optim.Adam([*rnn.parameters(), *readout.parameters()], lr=RATE)

    def step(x, y):
        optimiser.zero_grad()
        loss = torch.nn.functional.mse_loss(readout(rnn(x[0])[0]), y[0])
        loss.backward()
        optimiser.step()
        return loss.detach()

    return _looped(step, pool)


def torch_vmap(networks: int, device: str = "cpu", **sizes: int):
    """torch.func.vmap of torch.func.grad over a functional RNN (nn.RNN itself cannot be mapped),
    one Adam for the stack; losses are those of the first network.
    """
    import torch

    weights, pool = _given(partial(torch.tensor, device=device), networks, **sizes)
    optimiser = torch.optim.Adam(list(weights.values()), lr=RATE)

    def loss_of(weights, x, y):
        drive = x @ weights["W_in"].T
        state, states = torch.zeros_like(drive[:, 0]), []
        for driven in drive.unbind(1):  # the gradients of slices would be added up
            state = torch.tanh(driven + state @ weights["W_rec"].T)
            states.append(state)
        return torch.nn.functional.mse_loss(torch.stack(states, 1) @ weights["W_out"].T, y)

    gradients_and_losses = torch.func.vmap(torch.func.grad_and_value(loss_of))

    def step(x, y):
        gradients, losses = gradients_and_losses(weights, x, y)
        for name, parameter in weights.items():
            parameter.grad = gradients[name]
        optimiser.step()
        return losses[0].detach()

    return _looped(step, pool, networks)


def jax_loop(**sizes: int):
    """A jitted step (scan over time, value_and_grad, Adam) in a loop."""
    import jax
    import jax.numpy as jnp
    from jax.example_libraries.optimizers import adam

    start, pool = _given(lambda array: jax.device_put(array[0]), **sizes)

    def loss_of(weights, x, y):
        def advance(state, drive):
            state = jnp.tanh(drive + state @ weights["W_rec"].T)
            return state, state

        drive = (x @ weights["W_in"].T).swapaxes(0, 1)
        _, states = jax.lax.scan(advance, jnp.zeros_like(drive[0]), drive)
        return jnp.mean(((states @ weights["W_out"].T).swapaxes(0, 1) - y) ** 2)

    adams, updated, weights_of = adam(RATE)

    @jax.jit
    def advanced(number, adams, x, y):
        loss, gradients = jax.value_and_grad(loss_of)(weights_of(adams), x, y)
        return loss, number + 1, updated(number, gradients, adams)

    state = 0, adams(start)

    def step(x, y):
        nonlocal state
        loss, *state = advanced(*state, x, y)
        return loss

    return _looped(step, pool)
