"""Where a change of the recurrent matrix acts, and what it costs there: the tables behind one
question.

Is a removal harmless because it avoids what the task uses, or because the coupling does nothing (S.
Dräger, arXiv:2606.18457, §5)? `angle_rows` holds a change against the subspaces that the task uses,
`mass_over_time` says what it carries step by step, `cost_table` sets the cost of every single
coupling, of larger removals and of changes that were never couplings beside what might predict it
(`schurkit.analyses.prediction`), `laws` scores the predictions in networks that were left out, and
`harm_factors` says of large couplings by what the harmless differ from the harmful.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from schurkit import random
from schurkit.ablation import SUBSETS, removal
from schurkit.ablation.couplings import exact_effects
from schurkit.checks import InputError, integer
from schurkit.engine import rollout
from schurkit.rnn import RNN, Trials
from schurkit.schur.form import SchurForm

from .prediction import CONTROL_KINDS, Score, compare_models, control_deltas, predictors
from .subspace import activity_basis, driving_activity, named_removals, principal_angles


@dataclass(frozen=True)
class AngleRow:
    """How the directions of one removal lie to one subspace; made by `angle_rows`.

    network, removed : labels.
    side : "driven" or "driving".
    subspace : "activity", "readout" or "input".
    dimensions : directions that hold 99 % of the squared norm of the removal on that side.
    angle : mean principal angle to the subspace, in degrees; 0 where one lies in the other.
    random : the same for random subspaces of the same dimensions.
    """

    network: Hashable
    removed: Hashable
    side: str
    subspace: str
    dimensions: int
    angle: float
    random: float


def angle_rows(
    form: SchurForm,
    rnn: RNN,
    trials: Trials,
    deltas: Sequence,
    *,
    labels=None,
    share: float = 0.99,
    draws: int = 20,
) -> list[AngleRow]:
    """Mean principal angles between each removal and the principal components of the driving
    activity, the readout rows and the input columns.

    Parameters
    ----------
    form, rnn, trials, deltas, labels : as in `schurkit.analyses.subspace.energy_rows`; a removal
        that is zero has no direction and no row.
    share : of the squared norm of a removal, and of the variance of the activity, that its
        directions hold.
    draws : pairs of random subspaces behind each `AngleRow.random`.
    """
    deltas, labels = named_removals(form, rnn, deltas, labels)
    draws = integer(draws, "draws", at_least=1)
    spaces = {
        "activity": activity_basis(driving_activity(rnn, trials), share=share).basis,
        "readout": rnn.W_out[0].T,
        "input": rnn.W_in[0],
    }
    rows = []
    for delta_T, label in zip(deltas, labels):
        if not delta_T.any():
            continue
        left, sizes, right = np.linalg.svd(form.weights(delta_T))
        count = 1 + int(np.searchsorted(np.cumsum(sizes**2) / np.sum(sizes**2), share))
        for side, directions in (("driven", left[:, :count]), ("driving", right[:count].T)):
            for name, basis in spaces.items():
                if basis.size:
                    chance = _random_angle(form.hidden_size, count, basis.shape[1], draws)
                    rows.append(
                        AngleRow(
                            rnn.labels[0],
                            label,
                            side,
                            name,
                            count,
                            _degrees(directions, basis),
                            chance,
                        )
                    )
    return rows


def _degrees(A, B) -> float:
    return float(np.degrees(principal_angles(A, B)).mean())


@lru_cache(maxsize=4096)
def _random_angle(hidden: int, one: int, two: int, draws: int) -> float:
    """Mean principal angle between random subspaces of given dimensions."""
    drawn = (
        [
            random.normal(0, "angles", 2 * k + side, (hidden, size))
            for side, size in enumerate((one, two))
        ]
        for k in range(draws)
    )
    return float(np.mean([_degrees(*pair) for pair in drawn]))


def mass_over_time(form: SchurForm, delta_T: np.ndarray, activity: np.ndarray) -> np.ndarray:
    """What a change carries at each step, sqrt(E‖ΔT Qᵀ r_t‖² / E‖T Qᵀ r_t‖²) over trials:
    `activity_weighted_mass` along the trial.

    Parameters
    ----------
    form : Schur form of the network.
    delta_T : (hidden, hidden).
    activity : (trials, time, hidden), what W_rec multiplies:
        `schurkit.analyses.subspace.driving_activity`.

    Returns
    -------
    (time,) float64; NaN at steps at which T Qᵀ r is zero.

    Examples
    --------
    >>> from schurkit import real_schur
    >>> form = real_schur([[0.5, 3.0], [0.0, 0.25]])
    >>> mass_over_time(form, form.T, np.ones((2, 3, 2))).tolist()
    [1.0, 1.0, 1.0]
    """
    activity = np.asarray(activity, dtype=np.float64)
    if activity.ndim != 3 or activity.shape[2] != form.hidden_size:
        raise InputError(
            f"activity must have axes (trials, time, {form.hidden_size}); got shape "
            f"{activity.shape}."
        )
    turned = activity @ form.Q
    part, whole = (
        np.square(turned @ matrix.T).sum(axis=2).mean(axis=0)
        for matrix in (form._change(delta_T), form.T)
    )
    return np.sqrt(np.divide(part, whole, out=np.full_like(whole, np.nan), where=whole > 0))


FAMILIES = ("single", "block or sector")


def removal_families(form: SchurForm) -> dict[str, list[np.ndarray]]:
    """ΔT of the two `FAMILIES`: "single", each coupling between two blocks; "block or sector", all
    couplings into or out of one block, the sectors and their unions. Nothing that is zero.
    """
    larger = []
    for block in form.blocks:
        part = slice(block.start, block.start + block.size)
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
    families: Sequence[str] = FAMILIES,
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
        larger removals, one draw each (`schurkit.analyses.prediction.control_deltas`).

    Returns
    -------
    pandas.DataFrame, one row a change: the fields of `schurkit.analyses.prediction.PredictorRow`;
    family; kind ("removal" or a control); delta, the change of FVU; size of delta, its magnitude;
    output, FVU with the intact network's outputs as targets (NaN for controls).
    """
    import pandas as pd

    tables = []
    for one, form in zip(rnn, forms):
        own = Trials(trials.inputs, rollout(one, trials).outputs[0], trials.mask)
        removals = removal_families(form)
        kinds = {"single": CONTROL_KINDS, "block or sector": ("permuted",)}
        asked = [(family, "removal") for family in families] + [
            (family, kind) for family in families for kind in kinds[family] if controls
        ]
        for family, kind in asked:
            deltas = (
                removals[family]
                if kind == "removal"
                else control_deltas(form, removals[family], kind)
            )
            rows = [vars(row) for row in predictors(form, one, others, deltas, signals=signals)]
            found = {
                "delta": exact_effects(one, form, trials, deltas),
                "family": family,
                "kind": kind,
            }
            found["output"] = exact_effects(one, form, own, deltas) if kind == "removal" else np.nan
            tables.append(pd.DataFrame(rows).assign(**found))
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
        found += [_law(part, family, "removal", effect) for effect in EFFECTS]
        found += [
            _law(part, family, kind, "ΔFVU") for kind in part.kind.unique() if kind != "removal"
        ]
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
