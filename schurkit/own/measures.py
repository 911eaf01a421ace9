"""What the page of `schurkit analyze --html` measures beside the profile: spread over trials, over
orders, and single couplings.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np

from schurkit import random
from schurkit.ablation import SUBSETS, Profile, ablate, ablation_profile, name_of
from schurkit.ablation.couplings import coupling_estimates, exact_effects
from schurkit.engine import rollout
from schurkit.rnn import RNN, Trials
from schurkit.schur.form import SECTORS, SchurForm, SchurOrderWarning


@dataclass(frozen=True)
class OverTrials:
    """Change of FVU on a removal, and how far it moves when the trials are drawn again: percentile
    bootstrap over trials, paired.
    """

    removed: str
    delta: float
    low: float
    high: float


def over_trials(
    rnn: RNN, form: SchurForm, trials: Trials, *, resamples: int = 2000, seed: int = 0
) -> list[OverTrials]:
    """Spread of each removal over trials: for every resample Δ = (Σ nᵢ eᵢ(without) − Σ nᵢ
    eᵢ(intact)) / D, with the resample's own denominator D.

    Parameters
    ----------
    rnn : a stack of one.
    form : its Schur form.
    trials : shared.
    resamples, seed : of the bootstrap.

    Returns
    -------
    One row a subset of {RR, CR, CC} but the empty one; not finite where the network diverged.
    """
    counted = trials.counted[..., None]
    targets = trials.targets.astype(np.float64) * counted
    outputs = rollout(ablate(rnn, form, SUBSETS), trials).outputs
    with np.errstate(over="ignore", invalid="ignore"):
        errors = np.array(
            [(((y - trials.targets) * counted) ** 2).sum(axis=(1, 2)) for y in outputs]
        )  # (variants, trials)
    draws = random.integers(seed, "over trials", 0, (resamples, len(trials)), len(trials))
    times = np.array([np.bincount(draw, minlength=len(trials)) for draw in draws], dtype=float)
    times = np.concatenate([np.ones((1, len(trials))), times])  # the trials as they are come first
    total, squares = targets.sum(axis=1), (targets**2).sum(axis=(1, 2))
    spread = times @ squares - ((times @ total) ** 2).sum(axis=1) / (
        times @ counted.sum(axis=(1, 2))
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        changes = (errors[1:] - errors[:1]) @ times.T / np.where(spread > 0, spread, np.nan)
        ends = (
            np.nanquantile(changes[:, 1:], [0.025, 0.975], axis=1)
            if np.isfinite(changes).any()
            else np.full((2, len(changes)), np.nan)
        )
    return [
        OverTrials(name_of(s), float(c[0]), float(low), float(high))
        for s, c, low, high in zip(SUBSETS[1:], changes, *ends)
    ]


def over_orders(
    rnn: RNN, form: SchurForm, trials: Trials, *, orders: int = 5, tie: float = 0.01
) -> Profile:
    """RR, CR and CC removed under random orders of blocks whose moduli nearly tie
    (`SchurForm.random_order`): a profile with one row an order.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SchurOrderWarning)
        forms = [form.random_order(seed=order, tie=tie) for order in range(orders)]
    asked = {"subsets": [(name,) for name in SECTORS], "controls": ()}
    return Profile.stack(
        [ablation_profile(rnn, trials, forms=[shuffled], **asked) for shuffled in forms]
    )


@dataclass(frozen=True)
class Single:
    """One coupling between two blocks: estimated, and exactly measured, change of FVU on removing
    it alone. Blocks count from 1.
    """

    driven: int
    driver: int
    sector: str
    norm: float
    estimate: float
    exact: float


@dataclass(frozen=True, eq=False)
class Singles:
    """Estimates of all single couplings, (blocks, blocks), zero on and below the diagonal, and the
    rows of the largest, largest first.
    """

    estimates: np.ndarray
    largest: list[Single]


def singles(
    rnn: RNN, form: SchurForm, trials: Trials, *, largest: int = 20, signals: int = 8, seed: int = 0
) -> Singles:
    """Estimate the effect of every single coupling without rollouts, and measure the largest
    exactly by one rollout each.

    Parameters
    ----------
    rnn : a stack of one, its form and shared trials.
    largest : how many to measure.
    signals, seed : as in `schurkit.ablation.couplings`.
    """
    first, second = coupling_estimates(rnn, form, trials, signals=signals, seed=seed)
    estimates = first + second
    sizes = np.abs(np.nan_to_num(estimates))
    pairs = sorted(form.couplings(), key=lambda pair: -sizes[pair])[:largest]
    exact = (
        exact_effects(rnn, form, trials, [form.coupling(i, j) for i, j in pairs]) if pairs else []
    )
    rows = [
        Single(
            i + 1,
            j + 1,
            form.sector_of(i, j),
            float(np.linalg.norm(form.coupling(i, j))),
            float(estimates[i, j]),
            float(effect),
        )
        for (i, j), effect in zip(pairs, exact)
    ]
    return Singles(estimates, rows)
