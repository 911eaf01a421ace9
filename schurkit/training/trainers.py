"""The trainer that serves every engine and construction: gradients from a worker, one step a call.
See `schurkit.engine.base.Trainer`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from schurkit.checks import InputError
from schurkit.engine import tables
from schurkit.engine.base import Engine, Rule, Trainer
from schurkit.engine.polar import polar
from schurkit.engine.stack import Batches, Stack

from .constructions import Dense, Parameters, construction
from .recipe import Recipe


def trainer_for(task, recipe: Recipe, engine: Engine, seeds: Sequence[int]) -> Trainer:
    """The fastest trainer for a recipe, a task and an engine, at the start of these seeds."""
    form = construction(recipe.construction, recipe.embedding_size)
    start = form.start(recipe, task.input_size, task.output_size, seeds)
    if uses_tables(task, recipe):
        worker = tables.TableWorker(recipe.activation, recipe.loss)
        return LoopTrainer(form, start, worker, recipe.rule, Pairs)
    if type(form) is Dense:  # one that trains W_rec itself
        trainer = engine.trainer(start, recipe.spec, recipe.rule, recipe.loss)
        if trainer is not None:
            return trainer
    return LoopTrainer(form, start, engine.worker(recipe.spec, recipe.loss), recipe.rule)


def uses_tables(task, recipe: Recipe) -> bool:
    """Whether the networks see two one-hot tokens and nothing else, so that
    `schurkit.engine.tables` computes their gradients, whatever the engine.
    """
    plain = recipe.form == "rate" and recipe.leak == 1 and not recipe.biases
    own = recipe.batch_size is None and not any(phase.task for phase in recipe.phases)
    return plain and own and hasattr(task, "token_pairs") and task.token_pairs(0) is not None


class LoopTrainer:
    """Stacks of networks side by side but independent of each other, one step a call; equations and
    sources of the steps in `schurkit.engine.base.Rule`.

    Parameters
    ----------
    form : construction.
    parameters : its start.
    worker : gives the loss and its gradients.
    rule : see `schurkit.engine.base.Rule`; the penalties are on weights, whether trained themselves
        or not.
    batches : class of the batches' source, made from (task, trials).
    """

    def __init__(self, form, parameters: Parameters, worker, rule: Rule, batches=Batches):
        self.form, self.parameters, self.worker, self.rule = form, parameters, worker, rule
        self.batches, self.count = batches, 0
        self.mean, self.square = (
            {name: np.zeros_like(p) for name, p in parameters.items()} for _ in range(2)
        )
        previous = {name: p.copy() for name, p in parameters.items()}
        self.stack = Stack(parameters, previous, self.mean, self.square, derive=form.weights)

    def source(self, task, trials, seed, step):
        return self.batches(task, trials)

    def steps_a_call(self, source):
        return 1

    def run(self, networks, seeds, source, step, count, learning_rates):
        self.stack.keep(networks)
        losses, done = np.full((len(networks), count), np.nan), np.full(len(networks), count)
        rates = np.asarray(learning_rates, float)
        going = np.arange(len(networks))  # positions in `networks`
        for i in range(count):
            batch = source.draw([seeds[p] for p in going], step + i)
            losses[going, i], finite = self._step(batch, rates[going])
            done[going[~finite]] = i
            going = going[finite]
            if not len(going):
                break
        return losses, done

    def _step(self, batch, rates):
        """One step of all networks that are left; those whose loss or gradient is not finite leave.
        Returns the losses and who stays.
        """
        parameters = self.parameters
        weights = self.form.weights(parameters)
        losses, gradients = self.worker.gradients(weights, *batch)
        for name in gradients:
            if self.rule[name].l1:
                gradients[name] = gradients[name] + np.float32(self.rule[name].l1) * np.sign(
                    weights[name]
                )
        for name, factor in self.rule.nuclear.items():
            gradients[name] = gradients[name] + np.float32(factor) * polar(weights[name])
        gradients = self.form.pull_back(parameters, gradients)
        flat = {name: g.reshape(len(g), -1) for name, g in gradients.items()}
        norms = {name: np.sqrt(np.einsum("ni,ni->n", g, g)) for name, g in flat.items()}
        finite = np.isfinite([losses, *norms.values()]).all(axis=0)
        if not finite.all():
            self.stack.keep([n for n, stays in zip(self.stack.rows, finite) if stays])
        if finite.any():
            self.count += 1
            for name, p in parameters.items():
                np.copyto(self.stack.previous[name], p)
                self._move(name, p, gradients[name][finite], norms[name][finite], rates[finite])
        return losses, finite

    def _move(self, name, p, g, norms, rates):
        """One step of one array of every network, in place."""
        rule, clip, m, v = self.rule[name], self.rule.clip_norm, self.mean[name], self.square[name]
        (beta1, beta2), (correction, root) = self.rule.betas, self.rule.corrections(self.count)

        def each(numbers):
            return numbers.astype(p.dtype).reshape(-1, *[1] * (p.ndim - 1))

        if clip is not None and (norms > clip).any():
            g *= each(np.minimum(1.0, clip / np.maximum(norms, 1e-30)))
        move = g - m
        move *= 1 - beta1
        m += move
        np.multiply(g, g, out=move)
        move -= v
        move *= 1 - beta2
        v += move
        np.sqrt(v, out=move)
        move *= np.float32(root)
        move += rule.epsilon
        np.divide(m, move, out=move)
        move *= each(rates * (rule.rate / correction))
        if rule.decay:
            p *= each(1 - rates * (rule.rate * rule.decay))
        p -= move

    def weights(self, network):
        return self.stack.weights(network)


class Pairs:
    """The training set of a task of two tokens as `schurkit.engine.tables` reads it."""

    def __init__(self, task, trials: None = None):
        self.task = task
        self._sets = {}

    def draw(self, seeds: Sequence[int], step: int):
        for seed in seeds:
            if seed not in self._sets:
                self._sets[seed] = self._checked(seed)
        return ([self._sets[seed] for seed in seeds],)

    def _checked(self, seed):
        """The pairs of one seed, which must be those of the task's own `batch`."""
        task, trials = self.task, self.task.batch([seed], 0, None)
        first, second, target = map(np.asarray, task.token_pairs(seed))
        wanted = (
            (trials.inputs[0], np.eye(task.input_size)[np.stack([first, second], axis=1)]),
            (trials.targets[0, :, -1], np.eye(task.output_size)[target]),
            (trials.counted[0], [[False, True]] * len(target)),
        )
        if not all(np.array_equal(*pair) for pair in wanted):
            raise InputError(
                f"token_pairs of task {task.name!r} are not the training set that its "
                "batch(…, None) gives."
            )
        return tables.TokenPairs.of(first, second, target, task.input_size)
