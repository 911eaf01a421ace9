"""Profiles under other choices: sectors cut elsewhere, nearly tied blocks in other orders, removals
in part; and errors over the time of a trial.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from schurkit.engine import rollout
from schurkit.metrics import Metric
from schurkit.rnn import RNN, Trials
from schurkit.schur import SECTORS, SchurForm

from .changes import DECIDING, ablate, drawn_changes, forms_of, name_of, removal
from .profile import Profile, ablation_profile
from .rollouts import measure

SINGLE = tuple((name,) for name in SECTORS)


def threshold_sweep(
    networks: RNN,
    trials: Trials,
    levels: Sequence[float],
    *,
    metric: str | Metric = "fvu",
    forms: Sequence[SchurForm] | None = None,
    subsets: Sequence[Sequence[str]] = (("RR",), ("CR",), ("CC",), ("RR", "CR", "CC")),
) -> dict[float, Profile]:
    """Profiles without controls whose sectors are cut at several thresholds; a network is run once
    for each different number of units in R.

    Parameters
    ----------
    networks, trials, metric, subsets : as in `ablation_profile`.
    levels : thresholds, each from 0 to 1.
    forms : Schur forms, one a network, whose order is kept; their own threshold is not used.

    Returns
    -------
    Profile by threshold.
    """
    forms = forms_of(networks, forms)
    known = {}

    def one(position, level):
        cut = forms[position].with_threshold(float(level))
        key, asked = (position, cut.n_leading), {"metric": metric, "subsets": subsets}
        if key not in known:
            asked |= {"forms": [cut], "controls": ()}
            known[key] = ablation_profile(networks[position], trials, **asked)
        return known[key]

    return {
        float(level): Profile.stack([one(position, level) for position in range(len(networks))])
        for level in levels
    }


def gap_forms(forms: Sequence[SchurForm]) -> list[SchurForm]:
    """The same forms with R cut at the largest gap in log modulus among the blocks that begin in
    the first half of the units, which no threshold decides.
    """
    cut = []
    for form in forms:
        early = [k for k, b in enumerate(form.blocks[1:]) if b.start <= form.hidden_size / 2]
        moduli = np.maximum(form.moduli, 1e-300)
        if not early:
            cut.append(form)
            continue
        last = max(early, key=lambda k: moduli[k] / moduli[k + 1])
        between = np.sqrt(moduli[last] * moduli[last + 1]) / form.radius
        cut.append(form.with_threshold(float(between ** (1 / np.mean(form.leak)))))
    return cut


def order_sweep(
    networks: RNN,
    trials: Trials,
    orders: int,
    *,
    forms: Sequence[SchurForm],
    metric: str | Metric = "fvu",
    tie: float = 0.01,
):
    """How much the cost of each sector depends on the order of blocks whose moduli nearly tie,
    which is arbitrary.

    Parameters
    ----------
    networks, trials, metric : as in `ablation_profile`.
    orders : how many random orders, each the same seed for all networks.
    forms : Schur forms, one a network, in the order of the moduli.
    tie : as in `SchurForm.random_order`.

    Returns
    -------
    pandas.DataFrame : for each sector the mean cost by modulus and over the orders, and the mean
        and the largest spread within a network
    (highest − lowest order). CR is fixed by the leading subspace: only rounding can differ there.
    """
    import pandas as pd

    asked = {"metric": metric, "subsets": SINGLE, "controls": ()}
    by_modulus = ablation_profile(networks, trials, forms=forms, **asked)
    drawn = [[form.random_order(seed=order, tie=tie) for form in forms] for order in range(orders)]
    profiles = [ablation_profile(networks, trials, forms=order, **asked) for order in drawn]
    rows = []
    for name in by_modulus.removed:
        held = by_modulus[name].held
        costs = np.stack([profile[name].cost[held] for profile in profiles])
        spread = np.ptp(costs, axis=0) if held.any() else np.array([np.nan])
        row = {
            "removed": name,
            "n": int(held.sum()),
            "by modulus": by_modulus[name].cost[held].mean() if held.any() else np.nan,
            "over random orders": costs.mean() if held.any() else np.nan,
            "spread, mean": spread.mean(),
            "spread, largest": spread.max(),
        }
        rows.append(row)
    return pd.DataFrame(rows).set_index("removed")


def dose_sweep(
    networks: RNN,
    trials: Trials,
    doses: Sequence[float],
    *,
    forms: Sequence[SchurForm],
    metric: str | Metric = "fvu",
    subsets: Sequence[Sequence[str]] = SINGLE,
    controls: Sequence[str] = DECIDING,
    draws: int = 5,
    seed: int = 0,
):
    """What a dose of each removal does, beside the same dose of its controls: W_rec − dose × ΔW.

    Parameters
    ----------
    networks, trials, metric, controls, draws, seed : as in `ablation_profile`.
    doses : 0 removes nothing, 1 the whole sector, −1 doubles it.
    forms : Schur forms, one a network.
    subsets : what to remove; none of them empty.

    Returns
    -------
    pandas.DataFrame : network, removed, kind ("removal" or a control), dose, removed_mass, value
        (of controls the mean over draws); no rows where
    there is nothing to remove.
    """
    import pandas as pd

    rows = []
    for one, form in zip(networks, forms):
        for sectors in subsets:
            delta = removal(form, sectors)
            for kind in ("removal", *controls) if delta.any() else ():
                full = [delta]
                if kind != "removal":
                    full = drawn_changes(form, sectors, kind, draws, seed)
                changes = (-dose * change for change in map(form.weights, full) for dose in doses)
                values = measure(one, changes, trials, metric)
                means = values.reshape(-1, len(doses)).mean(axis=0)
                mass, about = form.removed_mass(delta), (one.labels[0], name_of(sectors), kind)
                each = zip(doses, means)
                rows += [(*about, dose, abs(dose) * mass, mean) for dose, mean in each]
    return pd.DataFrame(
        rows, columns=["network", "removed", "kind", "dose", "removed_mass", "value"]
    )


def curves(
    networks: RNN,
    trials: Trials,
    curve: Callable,
    *,
    forms: Sequence[SchurForm],
    subsets: Sequence[Sequence[str]] = ((), *SINGLE),
) -> dict[str, np.ndarray]:
    """A measure over the time of a trial, intact and without sectors.

    Parameters
    ----------
    networks, trials, forms, subsets : as in `ablation_profile`.
    curve : (outputs, trials) → (networks, time), such as `schurkit.metrics.fvu_over_time`.

    Returns
    -------
    By removal ("none" for the intact network), (networks, time); without those that are empty in
    every network.
    """
    found = {}
    for sectors in subsets:
        if sectors and not any(removal(form, sectors).any() for form in forms):
            continue
        stack = RNN.stack(
            [ablate(one, form, [sectors], labels=one.labels) for one, form in zip(networks, forms)]
        )
        found[name_of(sectors)] = curve(rollout(stack, trials).outputs, trials)
    return found
