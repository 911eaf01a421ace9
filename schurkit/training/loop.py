"""The training loop of one chunk of a stack. What it does decides the weights, so its code is part of the store's key."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from .._checks import InputError
from ..engine.base import Engine, Weights
from .constructions import Parameters, construction
from .recipe import Recipe
from .trainers import trainer_for

LOSS_EVERY = 20
"""The loss curve holds the mean training loss of each 20 steps."""


class Stopped(Exception):
    """Training was asked to stop before its end."""


@dataclass
class Fitted:
    """One trained network.

    weights : arrays by name; losses : mean training loss of each `LOSS_EVERY` steps; stopped : the step at which the loss or a
    gradient was no longer finite (the weights are the last finite ones), or −1; factors : E and W_x where W_in is made of them;
    checkpoints : step → trained arrays after that many steps, for the steps that the network reached.
    """

    weights: Weights
    losses: np.ndarray
    stopped: int = -1
    factors: Parameters = field(default_factory=dict)
    checkpoints: dict[int, Parameters] = field(default_factory=dict)


def fit(task, recipe: Recipe, seeds: Sequence[int], engine: Engine, tick: Callable[[int, float], bool] | None = None) -> list[Fitted]:
    """Train one network a seed, side by side but independent of each other.

    tick : called after each step with (networks still training, their mean loss); training stops when it returns True.

    Returns the fitted networks in the order of `seeds`.
    """
    trainer = trainer_for(task, recipe, engine, seeds)
    log = _Log(recipe, len(seeds), tick)
    alive, stopped = np.arange(len(seeds)), np.full(len(seeds), -1)
    kept: list[dict[int, Parameters]] = [{} for _ in seeds]
    step = 0

    def keep():
        if step in recipe.checkpoints:
            for i in alive:
                kept[i][step] = trainer.weights(i)

    keep()
    for phase_task, phase in recipe.schedule(task):
        end = step + phase.steps
        _check_batch(phase_task, recipe, seeds[0], step)
        source = trainer.source(phase_task, recipe.batch_size, seeds[0], step) if phase.steps else None
        while step < end and len(alive):
            stop = min([end, *(at for at in recipe.checkpoints if at > step)])
            count = min(trainer.steps_a_call(source), stop - step)
            rates = np.full(len(alive), phase.learning_rate)
            losses, done = trainer.run(alive.tolist(), [seeds[i] for i in alive], source, step, count, rates)
            log.add(alive, step, losses, done)
            stopped[alive[done < count]] = step + done[done < count]
            alive = alive[done == count]
            step += count
            keep()
    ends = np.where(stopped < 0, recipe.steps, stopped)
    return [_fitted(recipe, trainer.weights(i), log.curve(i, ends[i]), int(stopped[i]), kept[i]) for i in range(len(seeds))]


def whole(recipe: Recipe, parameters: Parameters) -> tuple[Weights, Parameters]:
    """The weights of one network, and the factors that it was trained by, from its trained arrays."""
    form = construction(recipe.construction, recipe.embedding_size)
    weights = {name: array[0] for name, array in form.weights({name: array[None] for name, array in parameters.items()}).items()}
    return weights, {name: parameters[name] for name in ("E", "W_x") if name in parameters}


def _fitted(recipe, parameters, losses, stopped, checkpoints) -> Fitted:
    weights, factors = whole(recipe, parameters)
    return Fitted(weights, losses, stopped, factors, checkpoints)


def _check_batch(task, recipe, seed, step):
    """Whether the task can give its whole training set, and targets that the loss can use."""
    if recipe.batch_size is not None and recipe.loss == "mse":
        return
    try:
        trials = task.batch([seed], step, recipe.batch_size)
    except TypeError as error:
        if recipe.batch_size is not None:
            raise
        raise InputError(f"batch_size=None needs a task with a fixed training set, which {task.name!r} does not give ({error}).") from error
    counted = trials.targets[np.broadcast_to(trials.mask, trials.targets.shape[:3])]
    if recipe.loss == "cross_entropy" and ((counted < 0).any() or np.abs(counted.sum(axis=-1) - 1).max() > 1e-5):
        raise InputError(f"loss='cross_entropy' needs targets that are probabilities over the output channels; those of {task.name!r} are not.")


class _Log:
    """Loss curves, and the calls that tell of progress."""

    def __init__(self, recipe: Recipe, networks: int, tick):
        self.steps, self.tick = recipe.steps, tick
        self.curves = np.zeros((networks, -(-recipe.steps // LOSS_EVERY)))

    def add(self, alive, step, losses, done):
        """Losses (networks, count) from `step` on of the networks at positions `alive`, of which each did so many steps."""
        for i in range(losses.shape[1]):
            going = done > i
            if not going.any():
                break
            at = step + i
            window = min(LOSS_EVERY, self.steps - at // LOSS_EVERY * LOSS_EVERY)
            self.curves[alive[going], at // LOSS_EVERY] += losses[going, i] / window
            if self.tick is not None and self.tick(int(going.sum()), float(losses[going, i].mean())):
                raise Stopped

    def curve(self, network: int, end: int) -> np.ndarray:
        """The curve of one network that trained to step `end`."""
        return self.curves[network, : -(-end // LOSS_EVERY)].copy()
