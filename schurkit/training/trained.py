"""What training found: a stack of networks with their losses, scores and checkpoints, and how one
network is laid out in the store.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from schurkit.checks import InputError
from schurkit.rnn import ARRAYS, RNN
from schurkit.tasks.base import converged
from schurkit.words import plural

from .constructions import construction
from .loop import FACTORS, LOSS_EVERY, Fitted, network_of, whole
from .recipe import Recipe

FOUND = ("stopped", "seconds", "steps", "reached")


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """Networks at one step of training.

    rnn : the stack, labelled by seed.
    factors : E (networks, input, embedding) and W_x (networks, hidden, embedding) by name where the
    recipe has an embedding (W_in = W_x Eᵀ), else empty.
    """

    rnn: RNN
    factors: dict[str, np.ndarray]


@dataclass(frozen=True, eq=False)
class Trained:
    """What `train` found.

    rnn : the stack, labelled by seed.
    task, recipe : what made it.
    losses : per network, the mean training loss of each `LOSS_EVERY` = 20 steps (one array a
        network: one may have stopped early).
    scores : (networks,) the task's metric on its held-out trials.
    stopped : (networks,) step at which the loss was no longer finite, −1 for none.
    steps : (networks,) steps that each took;
    reached : (networks,) which of them stopped because of `Recipe.until` (its threshold is on the
    training loss and says nothing about `converged`, which is on held-out trials).
    seconds : (networks,) training time of each, share of its chunk;
    stored : (networks,) whether it came from the store.
    factors : as in `Checkpoint`.
    checkpoints : step → `Checkpoint`, for each of the recipe's; a network that stopped earlier is
        there
    with its last weights.
    """

    rnn: RNN
    task: object
    recipe: Recipe
    losses: tuple[np.ndarray, ...]
    scores: np.ndarray
    stopped: np.ndarray
    seconds: np.ndarray
    stored: np.ndarray
    steps: np.ndarray
    reached: np.ndarray
    factors: dict[str, np.ndarray] = field(default_factory=dict)
    checkpoints: dict[int, Checkpoint] = field(default_factory=dict)

    @property
    def converged(self) -> np.ndarray:
        """(networks,) which networks reach the task's threshold (and did not stop early)."""
        return converged(self.task, self.scores) & (self.stopped < 0)

    @property
    def good(self) -> RNN:
        """The stack of those that converged.

        Raises
        ------
        InputError : none did.
        """
        if not self.converged.any():
            scores = (
                f"{self.task.metric.name} {self.scores.min():.3g} to {self.scores.max():.3g}, "
                f"threshold {self.task.threshold:g}"
            )
            raise InputError(
                f"no network converged ({scores}): take more training steps, more units or an "
                "easier task."
            )
        return self.rnn[np.flatnonzero(self.converged).tolist()]

    @property
    def shown(self) -> RNN:
        """What a page shows: `good`, or the whole stack where no network converged; `told` says
        which.
        """
        return self.good if self.converged.any() else self.rnn

    @property
    def told(self) -> str:
        """Those of `shown` in words: "3 networks", or "3 networks, none of which converged"."""
        missed = (
            ""
            if self.converged.any()
            else ", which did not converge"
            if len(self.rnn) == 1
            else ", none of which converged"
        )
        return plural(len(self.shown), "network") + missed

    @property
    def summary(self) -> str:
        """One sentence: how many converged, at which threshold."""
        sign = "≥" if self.task.metric.better == "higher" else "≤"
        return (
            f"{int(self.converged.sum())} of {plural(len(self.rnn), 'network')} converged "
            f"({self.task.metric.name} {sign} {self.task.threshold:g} on "
            f"held-out trials; mean {self.scores.mean():.4g}); {int(self.stored.sum())} came from "
            "the store."
        )

    def loss_steps(self, network: int) -> np.ndarray:
        """Training steps at which the entries of ``losses[network]`` end."""
        return np.minimum(
            np.arange(1, len(self.losses[network]) + 1) * LOSS_EVERY, self.steps[network]
        )


def initial(task, recipe: Recipe, seeds) -> RNN:
    """The networks that training of these seeds starts from, without training: a stack labelled by
    seed.

    Parameters
    ----------
    task, recipe : as for `train`.
    seeds : whole numbers.

    Examples
    --------
    >>> from schurkit.tasks import Copy
    >>> initial(Copy(2, 2, 4), Recipe(hidden_size=6), [0, 1]).labels
    (0, 1)
    """
    form = construction(recipe.construction, recipe.embedding_size)
    return network_of(
        recipe,
        form.weights(form.start(recipe, task.input_size, task.output_size, list(seeds))),
        tuple(seeds),
    )


def packed(fitted: Fitted) -> dict[str, np.ndarray]:
    """The arrays of one network's file: its weights, losses, factors, and its trained arrays at
    each checkpoint.
    """
    kept = {
        f"checkpoints/{step}/{name}": array
        for step, there in fitted.checkpoints.items()
        for name, array in there.items()
    }
    return fitted.weights | fitted.factors | kept | {"losses": fitted.losses}


def gathered(study, files, found, stored) -> Trained:
    """`Trained` from the files of its networks, and what was found about each."""
    recipe, seeds = study.recipe, study.seeds
    final = _stacked(files)
    return Trained(
        rnn=network_of(recipe, final, seeds),
        task=study.task,
        recipe=recipe,
        losses=tuple(arrays["losses"] for arrays in files),
        scores=np.array([f["score"] for f in found]),
        stored=np.array(stored),
        **{name: np.array([f[name] for f in found]) for name in FOUND},
        factors={name: final[name] for name in FACTORS if name in final},
        checkpoints={step: _checkpoint(recipe, step, files, seeds) for step in recipe.checkpoints},
    )


def _checkpoint(recipe, step, files, seeds):
    stack = _stacked([_at(recipe, step, arrays) for arrays in files])
    return Checkpoint(
        network_of(recipe, stack, seeds), {name: stack[name] for name in FACTORS if name in stack}
    )


def _at(recipe, step, arrays):
    """Weights and factors of one network at a checkpoint; the last ones if it stopped before it."""
    start = f"checkpoints/{step}/"
    there = {
        name.removeprefix(start): array for name, array in arrays.items() if name.startswith(start)
    }
    if not there:
        return arrays
    weights, factors = whole(recipe, there)
    return weights | factors


def _stacked(files):
    return {
        name: np.stack([arrays[name] for arrays in files])
        for name in (*ARRAYS, *FACTORS)
        if name in files[0]
    }
