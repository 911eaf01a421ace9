"""The training loop of one chunk of a stack. What it does decides the weights, so its code is part of the store's key."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ..engine.base import Engine
from .constructions import Dense, construction
from .optimise import Adam, clip, gradient_norms
from .recipe import Recipe

LOSS_EVERY = 20
"""The loss curve holds the mean training loss of each 20 steps."""


class Stopped(Exception):
    """Training was asked to stop before its end."""


@dataclass
class Fitted:
    """One trained network.

    weights : arrays by name; losses : mean training loss of each `LOSS_EVERY` steps; stopped : the step at which the loss or a
    gradient was no longer finite (the weights are the last finite ones), or −1.
    """

    weights: dict[str, np.ndarray]
    losses: np.ndarray
    stopped: int = -1


def fit(task, recipe: Recipe, seeds: Sequence[int], engine: Engine, tick: Callable[[int, float], bool] | None = None) -> list[Fitted]:
    """Train one network a seed, side by side but independent of each other.

    tick : called after each step with (networks still training, their mean loss); training stops when it returns True.

    Returns the fitted networks in the order of `seeds`.
    """
    form = construction(recipe.construction)
    if hasattr(engine, "trainer") and isinstance(form, Dense):
        return _fit_by_calls(task, recipe, seeds, engine, form, tick)
    parameters = form.start(recipe, task.input_size, task.output_size, seeds)
    adam = Adam(parameters, recipe.betas, recipe.epsilon)
    worker = engine.worker(recipe.spec)
    alive = np.arange(len(seeds))
    curves = np.zeros((len(seeds), -(-recipe.steps // LOSS_EVERY)))
    done: dict[int, Fitted] = {}
    previous = parameters

    def finish(positions, at, step=-1):
        now, before = form.weights(parameters), form.weights(previous)
        for p in positions:
            i = int(alive[p])
            weights = now if all(np.isfinite(w[p]).all() for w in now.values()) else before
            done[i] = Fitted({name: a[p].copy() for name, a in weights.items()}, curves[i, : -(-at // LOSS_EVERY)].copy(), step)

    step = 0
    for phase_task, phase in recipe.schedule(task):
        for _ in range(phase.steps):
            if not len(alive):
                break
            trials = phase_task.batch([seeds[i] for i in alive], step, recipe.batch_size)
            losses, gradients = worker.gradients(form.weights(parameters), trials.inputs, trials.targets, trials.mask)
            gradients = form.pull_back(parameters, gradients)
            norms = gradient_norms(gradients)
            finite = np.isfinite(losses) & np.isfinite(np.array(list(norms.values()))).all(axis=0)
            if not finite.all():
                finish(np.flatnonzero(~finite), step, step)
                alive, losses = alive[finite], losses[finite]
                parameters, gradients, norms = ({name: a[finite] for name, a in d.items()} for d in (parameters, gradients, norms))
                adam.keep(finite)
                if not len(alive):
                    break
            if recipe.clip_norm is not None:
                clip(gradients, norms, recipe.clip_norm)
            previous = {name: p.copy() for name, p in parameters.items()}
            adam.step(parameters, gradients, phase.learning_rate)
            window = min(LOSS_EVERY, recipe.steps - step // LOSS_EVERY * LOSS_EVERY)
            curves[alive, step // LOSS_EVERY] += losses / window
            step += 1
            if tick is not None and tick(len(alive), float(losses.mean())):
                raise Stopped
    finish(range(len(alive)), recipe.steps)
    return [done[i] for i in range(len(seeds))]


def _fit_by_calls(task, recipe, seeds, engine, form, tick) -> list[Fitted]:
    """`fit` with an engine that takes many steps a call."""
    start = form.start(recipe, task.input_size, task.output_size, seeds)
    trainer = engine.trainer(start, recipe.spec, recipe.betas, recipe.epsilon, recipe.clip_norm)
    alive, stopped = np.arange(len(seeds)), np.full(len(seeds), -1)
    curves = np.zeros((len(seeds), -(-recipe.steps // LOSS_EVERY)))
    step = 0
    for phase_task, phase in recipe.schedule(task):
        end = step + phase.steps
        source = trainer.source(phase_task, recipe.batch_size, seeds[0], step) if phase.steps else None
        while step < end and len(alive):
            count = min(trainer.steps_a_call(source), end - step)
            losses, done = trainer.run(alive.tolist(), [seeds[i] for i in alive], source, step, count, phase.learning_rate)
            for i in range(count):
                going = done > i
                if not going.any():
                    break
                at = step + i
                curves[alive[going], at // LOSS_EVERY] += losses[going, i] / min(LOSS_EVERY, recipe.steps - at // LOSS_EVERY * LOSS_EVERY)
                if tick is not None and tick(int(going.sum()), float(losses[going, i].mean())):
                    raise Stopped
            stopped[alive[done < count]] = step + done[done < count]
            alive = alive[done == count]
            step += count
    ends = np.where(stopped < 0, recipe.steps, stopped)
    return [Fitted(trainer.weights(i), curves[i, : -(-ends[i] // LOSS_EVERY)].copy(), int(stopped[i])) for i in range(len(seeds))]
