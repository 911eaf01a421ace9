"""Is a removal harmless because it avoids what the task uses, or because the coupling does nothing?

Three fixed predictors of what removing ΔT costs, and a score for predictors that leaves whole
networks out. With r the driving activity (`schurkit.analyses.activity`), C = Qᵀ E[r rᵀ] Q, and Λ =
Qᵀ E[λ λᵀ] Q for the adjoint λ_t of the outputs (`readout_adjoint`)::

    Schur mass             ‖ΔT‖_F / ‖T‖_F
    activity-weighted      sqrt(E‖ΔT Qᵀ r‖² / E‖T Qᵀ r‖²) = sqrt(tr(ΔT C ΔTᵀ) / tr(T C Tᵀ))
    adjoint-weighted       sqrt(trials · steps · tr(Λ ΔT C ΔTᵀ))

The question is the paper's (S. Dräger, arXiv:2606.18457, §5); the predictors and the score are
ours.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from itertools import compress

import numpy as np

from schurkit.ablation import check_form, name_of
from schurkit.ablation.changes import named_removals
from schurkit.checks import InputError, read_only
from schurkit.intervals import Interval, ratio
from schurkit.rnn import RNN, Trials
from schurkit.schur import SECTORS, SchurForm

from .activity import (
    activity_weighted_mass,
    driving_activity,
    readout_adjoint,
    second_moment,
    weighted,
)

MODELS = {
    "Schur mass and sector": ("removed_mass", "sector"),
    "activity-weighted mass": ("activity_mass",),
    "readout-relevant adjoint": ("adjoint_mass",),
}
"""The three fixed models of log ΔFVU: which columns of `PredictorRow` each one uses."""


# -------------------------------------------------------------------------------------- predictors
@dataclass(frozen=True)
class PredictorRow:
    """The three predictors of one removal; made by `predictors`.

    network, removed : labels.
    sector : those that hold entries of ΔT ("RR", "RR+CC", …), "none", or "outside N" where entries
        are not couplings.
    removed_mass, activity_mass, adjoint_mass : see the module's equations; all without units, all 0
        for a removal that is zero.
    """

    network: Hashable
    removed: Hashable
    sector: str
    removed_mass: float
    activity_mass: float
    adjoint_mass: float


def predictors(
    form: SchurForm,
    rnn: RNN,
    trials: Trials,
    deltas: Sequence,
    *,
    signals: int = 8,
    seed: int = 0,
) -> list[PredictorRow]:
    """Schur mass and sector, activity-weighted mass and adjoint-weighted mass of each removal from
    one network.

    Parameters
    ----------
    form : Schur form of the network.
    rnn : a stack of one.
    trials : shared; all steps drive, unmasked steps are read out.
    deltas : removals, each ΔT (hidden, hidden) or a tuple of sector names; a row is named by the
        sectors, or by the position of a ΔT.
    signals, seed : of `readout_adjoint`.

    Returns
    -------
    list of `PredictorRow`, in the order of `deltas`.

    Raises
    ------
    InputError : a form of another matrix, removals of another shape, no removal, and as
        `readout_adjoint` and `activity_weighted_mass`.

    Examples
    --------
    >>> from schurkit import real_schur
    >>> W_rec = np.array([[0.9, 0.4], [0.0, 0.5]])
    >>> rnn = RNN(np.eye(2), W_rec, np.eye(2))
    >>> x = np.random.default_rng(0).normal(size=(8, 5, 2))
    >>> [row] = predictors(real_schur(W_rec), rnn, Trials(x, x), [("CR",)])
    >>> row.sector, round(row.removed_mass, 3), row.adjoint_mass > 0
    ('CR', 0.362, True)
    """
    check_form(rnn, form)
    removals = named_removals(form, deltas)
    driving = driving_activity(rnn, trials)
    moment = second_moment(form, driving)
    adjoint = form.Q.T @ readout_adjoint(rnn, trials, signals=signals, seed=seed) @ form.Q
    size = len(trials) * trials.targets.shape[1]
    carried = activity_weighted_mass(form, [delta_T for delta_T, _ in removals], driving)
    masks = {name: form.sector_mask(name) for name in SECTORS}
    couplings = np.any(list(masks.values()), axis=0)

    def sector(delta_T):
        if delta_T[~couplings].any():
            return "outside N"
        return name_of([name for name, mask in masks.items() if delta_T[mask].any()])

    return [
        PredictorRow(
            rnn.labels[0],
            label,
            sector(delta_T),
            form.removed_mass(delta_T),
            float(mass),
            float(np.sqrt(size * weighted(delta_T, moment, adjoint))),
        )
        for (delta_T, label), mass in zip(removals, carried)
    ]


# --------------------------------------------------------------------------------------- the score
@dataclass(frozen=True, eq=False)
class Score:
    """How well predictors tell the effects in networks that were left out; made by
    `compare_models`.

    r2 : `Interval` whose mean is the pooled R² and whose n is the number of networks.
    rows : how many were fitted and predicted.
    n_undefined : rows left out because a logarithm does not exist.
    coefficients : of the fit on all networks: "offset" in decades, slopes (decades of effect a
        decade of predictor), and the shift of each level.
    errors, spreads : network → sums of squares whose ratio makes R².
    predicted : (all rows,) log₁₀ effect predicted without the row's network, NaN where undefined or
        not scored.
    """

    r2: Interval
    rows: int
    n_undefined: int
    coefficients: dict[str, float]
    errors: dict[Hashable, float]
    spreads: dict[Hashable, float]
    predicted: np.ndarray

    @property
    def by_network(self) -> dict[Hashable, float]:
        """R² of each left-out network by itself; NaN where its effects do not vary."""
        return {
            label: 1 - self.errors[label] / spread if spread > 0 else np.nan
            for label, spread in self.spreads.items()
        }

    def ahead_of(self, other: Score) -> Interval:
        """R² less that of another model on the same rows, with the interval of the difference over
        networks.

        Raises
        ------
        InputError : scores of other rows.
        """
        if self.rows != other.rows or self.spreads != other.spreads:
            raise InputError(
                "ahead_of compares models on the same rows: take both scores from one call of "
                "compare_models."
            )
        spreads = np.array(list(self.spreads.values()))
        errors = np.array([self.errors[label] - other.errors[label] for label in self.spreads])
        return ratio(-errors, spreads)


def compare_models(
    rows,
    target,
    *,
    models: dict[str, Sequence[str]] = MODELS,
    fit_on=None,
) -> dict[str, Score]:
    """Pooled R² of log–log linear regressions on networks (the column "network") that they were not
    fitted to, all on the same rows.

    For each network: fit log₁₀ effect = offset + Σ slope · log₁₀ predictor on all others, predict
    its rows. R² = 1 − Σ(y − ŷ)² / Σ(y − ȳ)² over all rows, ȳ the mean of the networks fitted: 0 is
    no better than that mean, below 0 worse. Predictors that are text (a sector) give one offset a
    level (a level that the fitted networks lack gets the mean of theirs). Interval by the rule of
    `schurkit.intervals`: percentile bootstrap of networks from 20 up, t interval of the linearised
    ratio for 10–19, none below; the fits are not repeated in the resamples, which are the same for
    all models.

    Parameters
    ----------
    rows : list of `PredictorRow` or of dicts, or a table with columns (pandas).
    target : the effects (rows,), e.g. ΔFVU; or the name of a column.
    models : name → predictors, which are names of columns; by default the three fixed ones.
    fit_on : booleans (rows,): fit on these rows of the other networks and score the remaining rows
        of the one left out, e.g. fit on removals and score controls. When left out, all rows do
        both.

    Returns
    -------
    dict : a `Score` for each model. Rows whose effect, or any predictor of any model, is zero,
        negative, None or not finite have no logarithm: they
    are counted in `n_undefined`.

    Raises
    ------
    InputError : unknown columns, lengths that differ, fewer than two networks with defined rows, or
        effects that do not vary.

    Examples
    --------
    >>> rows = [{"network": n, "mass": m} for n in range(3) for m in (0.1, 0.2, 0.4)]
    >>> effects = [5 * row["mass"] ** 2 for row in rows]
    >>> score = compare_models(rows, effects, models={"mass": ["mass"]})["mass"]
    >>> round(score.r2.mean, 6), round(score.coefficients["mass"], 6), score.n_undefined
    (1.0, 2.0, 0)
    """
    import pandas as pd  # slow to import

    for predictors in models.values():
        if isinstance(predictors, str) or not predictors:
            raise InputError(
                "predictors must be a sequence of column names, e.g. ['removed_mass', 'sector']; "
                f"got {predictors!r}."
            )
    table = pd.DataFrame(rows)
    columns = {"the effect": _column(table, target, "the effect")}
    for name in dict.fromkeys(name for predictors in models.values() for name in predictors):
        columns[name] = _column(table, name, name)
    groups = _values(table, "network", "network")
    fitted, scored = _roles(fit_on, len(table))
    defined = np.all([_defined(column) for column in columns.values()], axis=0)
    networks = list(dict.fromkeys(compress(groups, defined & scored)))
    trained = set(compress(groups, defined & fitted))
    if len(trained) < 2 or not networks:
        raise InputError(
            "R² over left-out networks needs defined rows of at least two networks; got "
            f"{len(trained)} (of {len(table)} rows)."
        )
    place = {label: i for i, label in enumerate(networks)}
    member = np.array([place.get(label, -1) for label in compress(groups, defined)])
    y, fitted = np.log10(columns["the effect"][defined]), fitted[defined]
    scores = {}
    for model, predictors in models.items():
        terms, design = _design({name: columns[name][defined] for name in predictors})
        errors, spreads, guesses = _left_out(design, y, member, fitted, scored[defined])
        predicted = np.full(len(table), np.nan)
        predicted[defined] = guesses
        offset, slopes = _fit(design[fitted], y[fitted])
        scores[model] = Score(
            r2=ratio(spreads - errors, spreads),
            rows=int((scored & defined).sum()),
            n_undefined=int((scored & ~defined).sum()),
            coefficients={"offset": offset, **dict(zip(terms, slopes.tolist()))},
            errors=dict(zip(networks, errors.tolist())),
            spreads=dict(zip(networks, spreads.tolist())),
            predicted=read_only(predicted),
        )
    return scores


def _roles(fit_on, count):
    """Which rows are fitted, and which are scored."""
    if fit_on is None:
        return np.full((2, count), True)
    fitted = np.asarray(fit_on)
    if fitted.shape != (count,) or fitted.dtype != bool:
        raise InputError(
            f"fit_on must hold one boolean for each of the {count} rows; got shape "
            f"{fitted.shape}, {fitted.dtype}."
        )
    return fitted, ~fitted


def _values(table, name, what):
    """The column of that name, or the given values themselves."""
    if isinstance(name, str) and name not in table:
        raise InputError(f"the rows have no column {name!r}.")
    values = list(table[name] if isinstance(name, str) else name)
    if len(values) != len(table):
        raise InputError(
            f"{what} must have one value for each of the {len(table)} rows; got {len(values)}."
        )
    return values


def _column(table, name, what):
    """Text as it is; numbers as float64, None as NaN."""
    values = _values(table, name, what)
    is_effect = what == "the effect"
    if not is_effect and values and all(isinstance(value, str) for value in values):
        return np.array(values, dtype=object)
    try:
        return np.array(values, dtype=np.float64)  # None is NaN
    except (TypeError, ValueError):
        raise InputError(
            f"{what} must hold numbers{'' if is_effect else ', or text only'}."
        ) from None


def _defined(column):
    """The rows that have a logarithm, or are text."""
    return column == column if column.dtype == object else np.isfinite(column) & (column > 0)


def _design(columns):
    """Names and columns of the regression: log₁₀ of numbers, and for text one column a level."""
    names, design = [], []
    for name, column in columns.items():
        if column.dtype == object:
            levels = sorted(set(column))
            names += [f"{name} {level}" for level in levels]
            design += [(column == level).astype(np.float64) for level in levels]
        else:
            names.append(name)
            design.append(np.log10(column))
    return names, np.stack(design, axis=1)


def _fit(design, y):
    """Offset and coefficients by least squares. Centring makes the shifts of the levels sum to
    zero, whatever the units.
    """
    middle = design.mean(axis=0)
    slopes = np.linalg.lstsq(design - middle, y - y.mean(), rcond=1e-10)[0]
    return float(y.mean() - middle @ slopes), slopes


def _left_out(design, y, member, fitted, scored):
    """For each network: squared errors of prediction, squared distances to the mean of the rows
    fitted; and the prediction of each scored row.
    """
    errors, spreads = np.zeros((2, member.max() + 1))
    predicted = np.full(len(y), np.nan)
    for i in range(len(errors)):
        held, others = scored & (member == i), fitted & (member != i)
        offset, slopes = _fit(design[others], y[others])
        predicted[held] = offset + design[held] @ slopes
        errors[i] = np.square(y[held] - predicted[held]).sum()
        spreads[i] = np.square(y[held] - y[others].mean()).sum()
    if not spreads.sum() > 0:
        raise InputError("R² is undefined: the effects do not vary.")
    return errors, spreads, predicted
