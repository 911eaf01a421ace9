"""What changes of the recurrent matrix cost, beside what might predict it.

Is a removal harmless because it avoids what the task uses, or because the coupling does nothing (S.
Dräger, arXiv:2606.18457, §5)? `cost_table` sets the cost of every single
coupling, of larger removals and of changes that were never couplings beside what might predict it
(`schurkit.analyses.prediction`), `laws` scores the predictions in networks that were left out, and
`harm_factors` says of large couplings by what the harmless differ from the harmful.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from schurkit import random
from schurkit.ablation import SUBSETS, removal
from schurkit.ablation.changes import named_removals, permuted
from schurkit.ablation.couplings import exact_effects
from schurkit.checks import integer, one_of
from schurkit.engine import rollout
from schurkit.metrics import Metric, fvu
from schurkit.rnn import RNN, Trials
from schurkit.schur import SchurForm

from .prediction import Score, compare_models, predictors

CONTROL_KINDS = ("permuted", "random pair")


def control_deltas(
    form: SchurForm, deltas: Sequence, kind: str, *, seed: int = 0
) -> list[np.ndarray]:
    """A change of T of the same Frobenius norm beside each removal: it keeps the size and gives up
    the place.

    Parameters
    ----------
    form : Schur form of the network.
    deltas : removals ΔT (hidden, hidden), or tuples of sector names.
    kind : "permuted": the entries of ΔT at random places of their own sector; "random pair":
        Gaussian entries in one pair of blocks, drawn with equal probability from all pairs. Entries
        outside N are given up.
    seed : of the draws; one draw a removal.

    Returns
    -------
    list of ΔT (hidden, hidden), in the order of `deltas`, to be subtracted from T like a removal.

    Examples
    --------
    >>> from schurkit import real_schur
    >>> form = real_schur([[0.9, 0.4, 0.0], [0.0, 0.8, 0.3], [0.0, 0.0, 0.7]], 0)
    >>> [change] = control_deltas(form, [form.coupling(0, 1)], "permuted")
    >>> bool(np.isclose(np.abs(change).sum(), np.abs(form.T[0, 1])))
    True
    """
    one_of(kind, "kind", CONTROL_KINDS)
    seed = integer(seed, "seed", at_least=0)
    pairs, changes = form.couplings(), []
    for k, (delta_T, _) in enumerate(named_removals(form, deltas)):
        change = np.zeros_like(form.T)
        if kind == "permuted":
            (change,) = permuted(form, delta_T, kind, [k], seed, kind)
        elif pairs:
            pair = pairs[int(random.integers(seed, kind, k, 1, len(pairs))[0])]
            i, j = (form.blocks[block] for block in pair)
            entries = random.normal(seed, "random pair entries", k, (i.size, j.size))
            entries *= np.linalg.norm(delta_T) / np.linalg.norm(entries)
            change[_part(i), _part(j)] = entries
        changes.append(change)
    return changes


def _part(block):
    return slice(block.start, block.start + block.size)


FAMILIES = {"single": CONTROL_KINDS, "block or sector": ("permuted",)}
"""Families of removals, and the controls beside each."""


def removal_families(form: SchurForm) -> dict[str, list[np.ndarray]]:
    """ΔT of the two `FAMILIES`: "single", each coupling between two blocks; "block or sector", all
    couplings into or out of one block, the sectors and their unions. Nothing that is zero.
    """
    larger = []
    for block in form.blocks:
        part = _part(block)
        into, out_of = np.zeros_like(form.T), np.zeros_like(form.T)
        into[part], out_of[:, part] = form.N[part], form.N[:, part]
        larger += [into, out_of]
    larger += [
        removal(form, subset)
        for subset in SUBSETS
        if all(form.sector(name).any() for name in subset)
    ]
    return {
        "single": [form.coupling(i, j) for i, j in form.couplings()],
        "block or sector": [delta for delta in larger if delta.any()],
    }


def cost_table(
    rnn: RNN,
    forms: Sequence[SchurForm],
    trials: Trials,
    others: Trials,
    *,
    signals: int = 8,
    families: Sequence[str] = tuple(FAMILIES),
    controls: bool = True,
):
    """Predicted from and measured on different trials: what every removal of `removal_families`
    costs, and changes of equal norm that are none.

    Parameters
    ----------
    rnn : a stack.
    forms : one a network.
    trials : on which the effects are measured.
    others : on which the predictors are.
    signals : of the adjoint.
    families : of removals.
    controls : also "permuted" and "random pair" beside single couplings, and "permuted" beside the
        larger removals, one draw each (`control_deltas`).

    Returns
    -------
    pandas.DataFrame, one row a change: the fields of `schurkit.analyses.prediction.PredictorRow`;
    family; kind ("removal" or a control); delta, the change of FVU; size of delta, its magnitude;
    output, FVU with the intact network's outputs as targets (NaN for controls).
    """
    import pandas as pd

    def both(outputs, trials):
        return np.stack([fvu(outputs, trials), fvu(outputs, own)], axis=-1)

    tables = []
    for one, form in zip(rnn, forms):
        own = replace(trials, targets=rollout(one, trials).outputs[0])
        removals = removal_families(form)
        asked = [(family, "removal") for family in families]
        if controls:
            asked += [(family, kind) for family in families for kind in FAMILIES[family]]
        for family, kind in asked:
            deltas = removals[family]
            if kind != "removal":
                deltas = control_deltas(form, deltas, kind)
            rows = pd.DataFrame(predictors(form, one, others, deltas, signals=signals))
            effects, output = exact_effects(one, form, trials, deltas, Metric("", both, "lower")).T
            output = output if kind == "removal" else np.nan
            tables.append(rows.assign(delta=effects, family=family, kind=kind, output=output))
    table = pd.concat(tables, ignore_index=True)
    return table.assign(**{"size of delta": table.delta.abs()})


FACTORS = {
    "size": ("removed_mass", None),
    "activity": ("activity_mass", "removed_mass"),
    "readout": ("adjoint_mass", "activity_mass"),
}
"""What the readout feels of a change is a product: its size, the activity that it carries for its
size, and what is felt of that activity.
"""


def harm_factors(singles):
    """By what do harmful large couplings of a network differ from harmless large ones?

    Of the couplings in the upper half by Schur mass, the tenth with the most |ΔFVU| over the tenth
    with the least: ratios of medians.

    Parameters
    ----------
    singles : rows of `cost_table` of single removals, of one network or of several.

    Returns
    -------
    pandas.DataFrame, one row a network: network, couplings (in each tenth), size, activity, readout
    (see `FACTORS`) and effect (of |ΔFVU|).
    """
    import pandas as pd

    rows = []
    for label, part in singles.groupby("network", sort=False):
        large = part[part.removed_mass >= part.removed_mass.median()].sort_values("size of delta")
        count = max(1, len(large) // 10)
        least, most = large.head(count), large.tail(count)
        row = {"network": label, "couplings": count}
        for name, (above, below) in FACTORS.items():
            ratios = [
                (tenth[above] / (tenth[below] if below else 1)).median() for tenth in (most, least)
            ]
            row[name] = ratios[0] / ratios[1]
        rows.append(
            row | {"effect": most["size of delta"].median() / least["size of delta"].median()}
        )
    return pd.DataFrame(rows)


EFFECTS = {"ΔFVU": "delta", "size of ΔFVU": "size of delta", "change of output": "output"}
"""What is predicted, and its column in `cost_table`."""


@dataclass(frozen=True, eq=False)
class Law:
    """What laws fitted to the removals of the other networks of a task say of one kind of change in
    the network that was left out; made by `laws`.

    family : of removals.
    kind : what the laws were asked about, "removal" or a control.
    effect : one of `EFFECTS`.
    scores : by model, a `schurkit.analyses.prediction.Score`.
    asked : number of changes, of which `undefined` have no logarithm.
    above : by model, how far the changes lie above the law in the mean, in decades of the effect.
    """

    family: str
    kind: str
    effect: str
    scores: dict[str, Score]
    asked: int
    above: dict[str, float]

    @property
    def undefined(self) -> int:
        return next(iter(self.scores.values())).n_undefined


def laws(rows) -> list[Law]:
    """Every law of one task: of removals for each of `EFFECTS` and both families, and of the
    controls of each family for ΔFVU.

    rows : from `cost_table`, of at least two networks.
    """
    found = []
    for family in FAMILIES:
        part = rows[rows.family == family]
        kinds = [kind for kind in part.kind.unique() if kind != "removal"]
        found += [_law(part, family, "removal", effect) for effect in EFFECTS]
        found += [_law(part, family, kind, "ΔFVU") for kind in kinds]
    return found


def _law(rows, family, kind, effect):
    rows = rows[rows.kind.isin(["removal", kind])].reset_index(drop=True)
    fitted = None if kind == "removal" else (rows.kind == "removal").to_numpy()
    scores = compare_models(rows, EFFECTS[effect], fit_on=fitted)
    asked = rows[EFFECTS[effect]][rows.kind == kind]
    exact = np.log10(asked.where(asked > 0))
    above = {
        model: float(np.nanmean(exact - score.predicted[asked.index]))
        for model, score in scores.items()
    }
    return Law(family, kind, effect, scores, len(asked), above)
