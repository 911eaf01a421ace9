"""Trials of a NeuroGym task. The environment is asked for trials and nothing else; neurogym itself
is not imported.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence

import numpy as np

from schurkit.checks import InputError, integer
from schurkit.rnn import Trials

from .files import shown


def from_neurogym(
    env, trials: int = 100, *, seed: int = 0, periods: str | Sequence[str] | None = None
) -> Trials:
    """Trials of a NeuroGym environment, each drawn afresh: its observations as inputs, its ground
    truth as targets.

    Parameters
    ----------
    env : neurogym environment with ground truth, bare or wrapped
        (``neurogym.make("PerceptualDecisionMaking-v0", dt=20)``); a copy of it is asked.
    trials : how many to draw.
    seed : of the environment's own generator.
    periods : names of the periods that count, such as "decision"; the mask is 0 elsewhere. All when
        left out.

    Returns
    -------
    Trials : inputs (trials, time, observation); targets (trials, time, output): one-hot where the
        actions are classes, the numbers themselves where they are a box; short trials are padded
        with zeros that the mask leaves out. One-hot targets are on the scale of a network that was
        trained with squared error. For one that was trained with cross-entropy, take its own
        outputs for targets: ``Trials(t.inputs, outputs, t.mask)``.

    Raises
    ------
    InputError : not such an environment, no ground truth, an unknown period, or a period that no
        trial holds.
    """
    trials, seed = integer(trials, "trials", at_least=1), integer(seed, "seed", at_least=0)
    task = getattr(env, "unwrapped", None)
    if not all(hasattr(task, name) for name in ("new_trial", "seed", "action_space", "start_ind")):
        raise InputError(
            f"from_neurogym needs an environment of neurogym with trials; got {type(env).__name__}."
        )
    env = copy.deepcopy(env)
    task, asked = env.unwrapped, env
    while not hasattr(type(asked), "new_trial"):  # a wrapper that does not change trials
        asked = asked.env
    task.seed(seed)
    drawn = [_trial(asked, task, periods) for _ in range(trials)]
    steps = max(len(inputs) for inputs, _, _ in drawn)
    arrays = [np.stack([_padded(one, steps) for one in kind]) for kind in zip(*drawn)]
    if not arrays[2].any():
        raise InputError(f"no trial holds a time step of {shown(_names(periods))}.")
    return Trials(*arrays)


def _names(periods) -> list[str]:
    return [periods] if isinstance(periods, str) else list(periods)


def _trial(asked, task, periods):
    """Inputs, targets and mask of one new trial."""
    asked.new_trial()
    inputs, truth = getattr(task, "ob", None), getattr(task, "gt", None)
    if truth is None or inputs is None:
        raise InputError(
            f"{type(task).__name__} gives no ground truth: from_neurogym needs a task for "
            "supervised learning."
        )
    if np.ndim(inputs) != 2:
        raise InputError(
            f"the observations of {type(task).__name__} must have axes (time, observation); got "
            f"shape {np.shape(inputs)}."
        )
    classes = getattr(task.action_space, "n", None)
    truth = np.asarray(truth)
    targets = (
        np.eye(int(classes))[truth.astype(int)]
        if classes is not None
        else truth.reshape(len(truth), -1).astype(np.float64)
    )
    mask = np.ones(len(inputs), bool) if periods is None else np.zeros(len(inputs), bool)
    for name in () if periods is None else _names(periods):
        if name not in task.start_ind:
            raise InputError(
                f"{type(task).__name__} has no period {shown([str(name)])}; it has "
                f"{shown(list(task.start_ind))}."
            )
        mask[task.start_ind[name] : task.end_ind[name]] = True
    return np.array(inputs, np.float64), targets, mask


def _padded(array, steps: int) -> np.ndarray:
    return np.concatenate([array, np.zeros((steps - len(array), *array.shape[1:]), array.dtype)])
