"""One network from a seed to its ablation profile, as one row of scalars: the function to sweep for
hundreds of networks.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from schurkit.ablation import SUBSETS, ablation_profile, name_of
from schurkit.schur import SECTORS, real_schur
from schurkit.training.recipe import Phase, Recipe
from schurkit.training.train import train


def network_profile(
    seed: int = 0,
    *,
    task: str = "flip_flop",
    task_fields: str = "{}",
    hidden_size: int = 64,
    training_steps: int = 3840,
    threshold: float = 0.9,
    draws: int = 20,
    test_trials: int = 256,
    seeds: Sequence[int] | None = None,
) -> dict | list[dict]:
    """Train one network with the recipe of the chapters on the three tasks (or fetch it from the
    store), remove each sector, and return the numbers.

    Parameters
    ----------
    seed : of the network.
    task, task_fields : as `schurkit.tasks.load_task` takes them.
    hidden_size, training_steps : units, and Adam steps at 1e-3; each array's gradient is clipped to
        a norm of 1.
    threshold : R holds the blocks of modulus ≥ threshold × spectral radius.
    draws : of the control.
    test_trials : held-out trials.
    seeds : several seeds at once, as one stack; then a list of dicts in their order, each the same
        as that of its seed alone.

    Returns
    -------
    dict : score (the task's metric), converged, radius, n_leading (units in R); for RR, CR, CC and
        all three together the change of the metric on removing them, ``delta_CR``, its mean under
        the controls of equal norm, ``permuted_CR``, ``matched_CR`` and ``block-upper_CR``, and how
        the removal reads, ``reads_CR``; a value that is undefined is NaN.

    Raises
    ------
    InputError : an unknown task or field, or values out of range.

    Examples
    --------
    >>> from schurkit_press.sweep.sweep import sweep
    >>> table = sweep(network_profile, {"seed": "0:100", "hidden_size": [32, 64]})  # doctest: +SKIP
    """
    from schurkit.tasks import load_task

    one = load_task(task, task_fields)
    several = [seed] if seeds is None else list(seeds)
    recipe = Recipe(hidden_size=hidden_size, phases=(Phase(training_steps, 1e-3),), clip_norm=1.0)
    trained = train(one, recipe, several, progress=False)
    trials = one.test_trials(test_trials)
    rows = [
        {"score": float(score), "converged": bool(converged)}
        | _profile(rnn, one, trials, threshold, draws)
        for rnn, score, converged in zip(trained.rnn, trained.scores, trained.converged)
    ]
    return rows[0] if seeds is None else rows


def _profile(rnn, task, trials, threshold, draws) -> dict:
    form = real_schur(rnn.W_rec[0], threshold)
    kinds = ("permuted", "matched", "block-upper")
    profile = ablation_profile(
        rnn,
        trials,
        metric=task.metric,
        forms=[form],
        subsets=SUBSETS[:4] + SUBSETS[-1:],
        controls=kinds,
        draws=draws,
    )
    values = {"radius": float(form.radius), "n_leading": int(form.n_leading)}
    for k, name in enumerate(profile.removed):
        short = "all" if name == name_of(SECTORS) else name
        held = profile.removed_mass[0, k] > 0
        values[f"delta_{short}"] = float(profile.effect[0, k]) if held else np.nan
        values |= {
            f"{kind}_{short}": float(profile.controls[kind][0, k].mean()) if held else np.nan
            for kind in kinds
        }
        values[f"reads_{short}"] = profile[name].readings[0]
    return values
