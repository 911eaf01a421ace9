"""How much can go: cumulative removals in several orders, and the mass that is gone before the
error passes a level.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from schurkit import random
from schurkit.checks import InputError, integer, one_of
from schurkit.rnn import RNN, Trials
from schurkit.schur import SchurForm

from .changes import check_form, forms_of
from .couplings import coupling_estimates
from .rivals import RIVALS, rival_change
from .rollouts import measure

SCHUR_ORDERS = ("estimate", "gauss-newton", "norm", "random")
ORDERS = (*SCHUR_ORDERS, *RIVALS)


@dataclass(frozen=True)
class BudgetPoint:
    """One point of a cumulative removal.

    network : label.
    order : one of `ORDERS`.
    removed_mass : ‖change‖_F / ‖W_rec‖_F.
    couplings : number removed so far (0 for the rivals).
    delta : change of FVU, infinite if the network diverged.
    """

    network: object
    order: str
    removed_mass: float
    couplings: int
    delta: float


@dataclass(frozen=True)
class Budget:
    """The mass that can go before FVU has risen by `level`.

    network, order : as in `BudgetPoint`.
    level : absolute rise of FVU.
    removed_mass : interpolated between the last point below the level and the
    first above. passed : False if no removal passed the level; removed_mass is then the largest
    mass tried, a lower bound.
    """

    network: object
    order: str
    level: float
    removed_mass: float
    passed: bool


def removal_curve(
    rnn: RNN,
    trials: Trials,
    *,
    orders: Sequence[str] = ORDERS,
    points: int = 32,
    form: SchurForm | None = None,
    seed: int = 0,
) -> list[BudgetPoint]:
    """Remove more and more of one network, in several orders, and measure FVU on the way.

    Parameters
    ----------
    rnn : a stack of one.
    trials : held-out trials.
    orders : "estimate", single couplings from the smallest to the largest estimated effect in size,
        ranked once by `coupling_estimates`, before anything is removed (by size and not by sign:
        gains predicted for single couplings do not add up when many go); "gauss-newton", by the
        curvature term of that estimate alone; "norm", couplings from the smallest up; "random",
        couplings in one random order (a draw of `seed`); "svd", "eigenmodes", "magnitude": see
        `schurkit.ablation.rivals.rival_change`.
    points : number of masses after 0, dense near zero, up to that of all couplings. Schur orders
        remove whole couplings, so their masses are the largest that fit below.
    form : Schur form to use.
    seed : of the random order and of the estimate.

    Returns
    -------
    list of `BudgetPoint`, for each order from mass 0 up.
    """
    for order in orders:
        one_of(order, "order", ORDERS)
    points = integer(points, "points", at_least=2)
    form = forms_of(rnn)[0] if form is None else form
    check_form(rnn, form)
    masses = form.removed_mass(form.N) * np.linspace(0, 1, points + 1) ** 2
    W_rec, cases = rnn.W_rec[0].astype(np.float64), []
    for order in orders:
        if order in RIVALS:
            cases += [(order, mass, 0, rival_change(W_rec, mass, order)) for mass in masses]
        else:
            rank = _ranked(rnn, form, trials, order, seed)
            cases += [(order, *case) for case in _prefixes(form, rank, masses)]
    changes = (-change for change in (np.zeros_like(W_rec), *(case[3] for case in cases)))
    intact, *values = measure(rnn, changes, trials)
    return [
        BudgetPoint(rnn.labels[0], order, float(mass), count, float(value - intact))
        for (order, mass, count, _), value in zip(cases, values)
    ]


def _ranked(rnn, form, trials, order, seed):
    """The couplings, first those that go first."""
    pairs = form.couplings()
    if order == "random":
        rank = random.permutation(seed, "removal order", 0, len(pairs))
    elif order == "norm":
        rank = np.argsort([form.coupling_norms[pair] for pair in pairs], kind="stable")
    else:
        first, second = coupling_estimates(rnn, form, trials, seed=seed)
        score = np.abs(first + second) if order == "estimate" else second
        rank = np.argsort([score[pair] for pair in pairs], kind="stable")
    return [pairs[k] for k in rank]


def _prefixes(form, ranked, masses):
    """(mass, number of couplings, change of W_rec) for the longest prefixes that fit the masses."""
    squares = np.cumsum([0.0, *(form.coupling_norms[pair] ** 2 for pair in ranked)])
    gone, delta_T, done = np.sqrt(squares) / (form.norm_T or 1.0), np.zeros_like(form.T), 0
    counts = np.searchsorted(gone, masses * (1 + 1e-12), side="right") - 1
    for count in dict.fromkeys(counts.tolist()):
        delta_T = sum((form.coupling(*pair) for pair in ranked[done:count]), delta_T)
        done = count
        yield gone[count], count, form.weights(delta_T)


def removal_budget(
    points: Sequence[BudgetPoint], levels: Sequence[float] = (0.01, 0.05)
) -> list[Budget]:
    """Read off a curve how much mass is gone when FVU has first risen by each level.

    Parameters
    ----------
    points : from `removal_curve`, of one network or several.
    levels : absolute rises of FVU, above 0.

    Returns
    -------
    list of `Budget`, one a network, order and level.

    Examples
    --------
    >>> curve = [BudgetPoint(0, "norm", m, 0, d) for m, d in ((0.0, 0.0), (0.1, 0.02), (0.2, 0.04))]
    >>> [(round(b.removed_mass, 3), b.passed) for b in removal_budget(curve, [0.03, 0.5])]
    [(0.15, True), (0.2, False)]
    """
    if any(not level > 0 for level in levels):
        raise InputError(f"levels must be above 0; got {list(levels)}.")
    curves = {}
    for point in points:
        curves.setdefault((point.network, point.order), []).append(point)
    return [
        Budget(*about, float(level), *_crossing(curve, level))
        for about, curve in curves.items()
        for level in levels
    ]


def _crossing(curve, level):
    """The mass at which a curve first passes the level, and whether it does."""
    mass, delta = np.array([(point.removed_mass, point.delta) for point in curve]).T
    above = np.flatnonzero(delta > level)
    if not len(above):
        return float(mass[-1]), False
    k = int(above[0])
    if not k:
        return float(mass[0]), True
    share = (level - delta[k - 1]) / (delta[k] - delta[k - 1]) if np.isfinite(delta[k]) else 0.0
    return float(mass[k - 1] + share * (mass[k] - mass[k - 1])), True
