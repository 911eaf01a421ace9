"""The training loop of one chunk of a stack. What it does decides the weights, so its code is part
of the store's key.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from schurkit.checks import InputError
from schurkit.engine import rollout
from schurkit.engine.base import Engine, Weights
from schurkit.rnn import ARRAYS, RNN

from .constructions import Parameters, construction
from .epochs import Epochs
from .recipe import Recipe
from .trainers import trainer_for

FACTORS = ("E", "W_x")
LOSS_EVERY = 20
"""The loss curve holds the mean training loss of each 20 steps."""
JUDGED = 256
"""Trials on which `Until.each` judges the outputs."""


class Stopped(Exception):
    """Training was asked to stop before its end."""


@dataclass
class Fitted:
    """One trained network.

    weights : arrays by name;
    losses : mean training loss of each `LOSS_EVERY` steps;
    stopped : the step at which the loss or a
    gradient was no longer finite (the weights are the last finite ones), or −1; factors : E and W_x
    where W_in is made of them;
    checkpoints : step → trained arrays after that many steps, for the steps that the network
        reached;
    steps : how many it took;
    reached : whether it stopped because of `Recipe.until`.
    """

    weights: Weights = field(default_factory=dict)
    losses: np.ndarray | None = None
    stopped: int = -1
    factors: Parameters = field(default_factory=dict)
    checkpoints: dict[int, Parameters] = field(default_factory=dict)
    steps: int = 0
    reached: bool = False


def fit(
    task,
    recipe: Recipe,
    seeds: Sequence[int],
    engine: Engine,
    tick: Callable[[int, float], bool] | None = None,
) -> list[Fitted]:
    """Train one network a seed, side by side but independent of each other.

    tick : called after each step with (networks still training, their mean loss); training stops
        when it returns True.

    Returns the fitted networks in the order of `seeds`.
    """
    return _Fit(task, recipe, seeds, engine, tick).run()


class _Fit:
    """One call of `fit`."""

    def __init__(self, task, recipe, seeds, engine, tick):
        self.task, self.recipe, self.seeds, self.engine = task, recipe, seeds, engine
        self.trainer = trainer_for(task, recipe, engine, seeds)
        self.epochs, self.tick = Epochs(recipe, len(seeds)), tick
        self.sums = np.zeros((len(seeds), -(-recipe.steps // LOSS_EVERY)))
        self.alive = np.arange(len(seeds))
        self.fitted = [Fitted(steps=recipe.steps) for _ in seeds]

    def run(self):
        self._keep(0)
        step = 0
        for phase_task, phase in self.recipe.schedule(self.task):
            end = step + phase.steps
            if phase.steps:
                self._phase(phase_task, phase.learning_rate, step, end)
            step = end
        for i, one in enumerate(self.fitted):
            one.weights, one.factors = whole(self.recipe, self.trainer.weights(i))
            windows = -(-one.steps // LOSS_EVERY)
            counts = np.minimum(LOSS_EVERY, one.steps - LOSS_EVERY * np.arange(windows))
            one.losses = self.sums[i, :windows] / counts
        return self.fitted

    def _phase(self, task, rate, step, end):
        recipe, seeds = self.recipe, self.seeds
        _check_batch(task, recipe, seeds[0], step)
        source = self.trainer.source(task, recipe.batch_size, seeds[0], step)
        while step < end and len(self.alive):
            stop = min(
                [end, self.epochs.next_end(step), *(at for at in recipe.checkpoints if at > step)]
            )
            count = min(self.trainer.steps_a_call(source), stop - step)
            alive = self.alive
            rates = rate * self.epochs.scale[alive]
            losses, done = self.trainer.run(
                alive.tolist(), [seeds[i] for i in alive], source, step, count, rates
            )
            self._count(step, losses, done)
            for i, steps in zip(alive, done):
                if steps < count:
                    self.fitted[i].stopped = self.fitted[i].steps = int(step + steps)
            self.alive = alive[done == count]
            step += count
            self._keep(step)
            if self.epochs.next_end(step - 1) == step:
                done = self.epochs.close(self.alive, rate, partial(self._errors, task, step))
                for i in self.alive[done]:
                    self.fitted[i].steps, self.fitted[i].reached = step, True
                self.alive = self.alive[~done]

    def _count(self, step, losses, done):
        """Add up losses (networks, count) from `step` on of the networks that are alive, of which
        each did so many steps, and tell of progress.
        """
        for i in range(losses.shape[1]):
            going = done > i
            if not going.any():
                break
            networks, own = self.alive[going], losses[going, i]
            self.sums[networks, (step + i) // LOSS_EVERY] += own
            self.epochs.add(networks, own)
            if self.tick is not None and self.tick(len(networks), float(own.mean())):
                raise Stopped

    def _errors(self, task, step, network) -> np.ndarray:
        """(outputs,) mean squared error of one network on trials that it has not seen."""
        rnn = network_of(self.recipe, whole(self.recipe, self.trainer.weights(network))[0])
        trials = task.batch([self.seeds[network]], step, JUDGED)
        outputs = rollout(rnn, trials, engine=self.engine.name).outputs
        error = outputs.astype(np.float64) - trials.targets
        return (error[np.broadcast_to(trials.counted, error.shape[:3])] ** 2).mean(axis=0)

    def _keep(self, step):
        if step in self.recipe.checkpoints:
            for i in self.alive:
                self.fitted[i].checkpoints[step] = self.trainer.weights(i)


def network_of(recipe: Recipe, arrays: Weights, labels=None) -> RNN:
    """A network, or a stack, from its arrays."""
    weights = {name: arrays[name] for name in ARRAYS if name in arrays}
    return RNN(
        **weights, activation=recipe.activation, leak=recipe.leak, form=recipe.form, labels=labels
    )


def whole(recipe: Recipe, parameters: Parameters) -> tuple[Weights, Parameters]:
    """The weights of one network, and the factors that it was trained by, from its trained
    arrays.
    """
    form = construction(recipe.construction, recipe.embedding_size)
    weights = form.weights({name: array[None] for name, array in parameters.items()})
    weights = {name: array[0] for name, array in weights.items()}
    return weights, {name: parameters[name] for name in FACTORS if name in parameters}


def _check_batch(task, recipe, seed, step):
    """Whether the task can give its whole training set, and targets that the loss can use."""
    if recipe.batch_size is not None and recipe.loss == "mse":
        return
    try:
        trials = task.batch([seed], step, recipe.batch_size)
    except TypeError as error:
        if recipe.batch_size is not None:
            raise
        raise InputError(
            f"batch_size=None needs a task with a fixed training set, which {task.name!r} does "
            f"not give ({error})."
        ) from error
    counted = trials.targets[trials.counted]
    if recipe.loss == "cross_entropy" and (
        (counted < 0).any() or np.abs(counted.sum(axis=-1) - 1).max() > 1e-5
    ):
        raise InputError(
            "loss='cross_entropy' needs targets that are probabilities over the output channels; "
            f"those of {task.name!r} are not."
        )
