"""From seeds to ablation profiles: one network as one row of scalars, the function to sweep for
hundreds of networks; and a task in several readings.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from schurkit.ablation import SINGLE, SUBSETS, Profile, ablation_profile, name_of
from schurkit.claims import load_claims
from schurkit.intervals import over_finite
from schurkit.schur import SECTORS, real_schur
from schurkit.training.recipes import suite_recipe
from schurkit.training.train import Study, train, train_all
from schurkit.words import span, with_interval

REPORTED = 1
"""Seed of the trials that are reported; whether a network converged is judged on those of 0."""


def readings(
    studies: Mapping[str, Study],
    quantities: Mapping[str, Callable[[Profile], np.ndarray]],
    *,
    threshold: float = 0.9,
    test_trials: int = 256,
    draws: int = 20,
) -> list[dict]:
    """A task in several readings: networks trained on each, what removals cost them, and whether
    the inequality of a claim holds. Readings other than a rule's own get no verdict.

    Parameters
    ----------
    studies : by what the reading is called.
    quantities : by the id of a claim, (networks,) from a profile; NaN where it is undefined.
    threshold, test_trials, draws : of the profiles.

    Returns
    -------
    Rows of text: reading, converged, FVU (of all networks), units in R, mean costs of the sectors
    (converged networks in which they are not empty) with how their removals read, and for each
    claim value and inequality.
    """
    rows = []
    for name, trained in zip(studies, train_all([*studies.values()]) if studies else []):
        trials = trained.task.test_trials(test_trials, seed=REPORTED)
        whole = ablation_profile(
            trained.rnn, trials, threshold=threshold, subsets=SINGLE, draws=draws
        )
        good = np.flatnonzero(trained.converged).tolist()
        row = {"reading": name, "converged": f"{len(good)} of {len(trained.rnn)}"}
        row |= {"FVU": with_interval(over_finite(whole.intact), ".4f")}
        profile = Profile.stack([whole.of(i) for i in good]) if good else None
        row["units in R"] = span(profile.n_leading) if good else "–"
        row |= {one: _told(profile[one]) if good else "–" for one in SECTORS}
        for id, quantity in quantities.items():
            found = over_finite(quantity(profile)) if good else None
            row[id] = with_interval(found)
            holds = found is not None and load_claims()[id].rule.satisfied(found.value)
            row[f"{id}: inequality"] = "–" if found is None else "holds" if holds else "fails"
        rows.append(row)
    return rows


def _told(removal) -> str:
    read = ", ".join(f"{word} {count}" for word, count in removal.counts.items())
    return f"{with_interval(removal.mean)}; {read}"


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
    hidden_size, training_steps : see `schurkit.training.suite_recipe`.
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
    trained = train(one, suite_recipe(hidden_size, training_steps), several, progress=False)
    trials = one.test_trials(test_trials, seed=REPORTED)
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
