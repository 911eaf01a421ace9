"""Networks that lost couplings for good: trained on, while those entries are held at zero in the
old Schur basis. How soon is the task back?
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from schurkit.checks import InputError, integer
from schurkit.engine import choose, rollout
from schurkit.rnn import RNN
from schurkit.schur import SchurForm
from schurkit.training.recipe import Recipe
from schurkit.training.trainers import LoopTrainer


class Masked:
    """A construction: T of W_rec = Q T Qᵀ is trained in place of W_rec, in a basis Q that stays,
    and the entries of `held` stay zero. With G = dL/dW_rec, dL/dT = Qᵀ G Q.

    Q : (networks, hidden, hidden). held : booleans of the same shape.
    """

    def __init__(self, Q: np.ndarray, held: np.ndarray):
        self.Q, self.free = Q.astype(np.float32), ~held

    def weights(self, parameters):
        T = parameters["T"] * self.free[: len(parameters["T"])]
        Q = self.Q[: len(T)]
        others = {name: array for name, array in parameters.items() if name != "T"}
        return others | {"W_rec": Q @ T @ Q.transpose(0, 2, 1)}

    def pull_back(self, parameters, gradients):
        others = {name: array for name, array in gradients.items() if name != "W_rec"}
        Q = self.Q
        return others | {"T": (Q.transpose(0, 2, 1) @ gradients["W_rec"] @ Q) * self.free}


def retrained(
    networks: RNN,
    forms: Sequence[SchurForm],
    held: Sequence[np.ndarray],
    task,
    checkpoints: Sequence[int],
    *,
    recipe: Recipe,
    learning_rate: float = 3e-4,
    trials=None,
    engine: str = "auto",
) -> np.ndarray:
    """The task's metric after each of some numbers of steps of training on, while some entries of T
    are held at zero.

    Parameters
    ----------
    networks : a stack, labelled by whole numbers; its batches are those that its seeds would have
        seen next.
    forms : Schur forms, one a network; their Q stays.
    held : (hidden, hidden) booleans, one a network: which entries of T are zero from the first step
        on. Everything else is free.
    task : what is trained, and measured.
    checkpoints : numbers of steps, increasing; 0 is before the first.
    recipe : that trained them; its steps are behind them, its batch size, loss and clipping stay.
    learning_rate : of Adam, whose moments start anew.
    trials : held-out trials to measure on; 256 of the task's own by default.

    Returns
    -------
    (networks, checkpoints) float64; NaN after a loss that was not finite.

    Raises
    ------
    InputError : a mask of another shape, or checkpoints that do not increase.
    """
    shape = networks.W_rec.shape[1:]
    for mask in held:
        if np.shape(mask) != shape or np.asarray(mask).dtype != bool:
            raise InputError(f"held must be booleans of shape {shape}; got {np.shape(mask)}.")
    steps = [integer(step, "checkpoints", at_least=0) for step in checkpoints]
    if sorted(set(steps)) != steps or not len(forms) == len(held) == len(networks):
        raise InputError(
            "retrained needs increasing checkpoints, and a form and a mask for each of "
            f"{len(networks)} networks; got {steps}, {len(forms)} and {len(held)}."
        )
    trials = task.test_trials(256) if trials is None else trials
    form = Masked(np.stack([f.Q for f in forms]), np.stack(held))
    start = {"W_in": networks.W_in, "W_out": networks.W_out, "T": np.stack([f.T for f in forms])}
    if recipe.biases:
        start |= {"b_rec": networks.b_rec, "b_out": networks.b_out}
    start = {name: np.array(array, np.float32) for name, array in start.items()}
    trainer = LoopTrainer(form, start, choose(engine).worker(recipe.spec, recipe.loss), recipe.rule)
    source = trainer.source(task, recipe.batch_size, 0, 0)
    values, done = np.full((len(networks), len(steps)), np.nan), 0
    everyone, rates = list(range(len(networks))), [learning_rate] * len(networks)
    for k, step in enumerate(steps):
        if step > done:
            at = recipe.steps + done
            losses, _ = trainer.run(everyone, networks.labels, source, at, step - done, rates)
            if not np.isfinite(losses).all():
                break
            done = step
        now = form.weights(trainer.parameters)
        outputs = rollout(replace(networks.astype("float32"), **now), trials).outputs
        values[:, k] = task.metric.measure(outputs, trials)
    return values


def recovery(values: np.ndarray, intact: np.ndarray, worse: int, share: float = 0.1) -> np.ndarray:
    """(networks,) position of the first checkpoint at which at most `share` of the cost of the
    removal is left; −1 where there is none.

    values : (networks, checkpoints), the first right after the removal. intact : (networks,).
    worse : see `schurkit.metrics.Metric.worse`.
    """
    cost = worse * (values - np.asarray(intact)[:, None])
    back = cost <= share * cost[:, :1]
    return np.where(back.any(axis=1), back.argmax(axis=1), -1)
