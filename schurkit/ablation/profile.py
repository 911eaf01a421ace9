"""The result of the book: what removing each group of couplings costs each network, beside random
changes of the same size.

`ablation_profile` measures it, `Profile` holds it, and a profile of one removal, ``profile["CR"]``,
answers the questions a reader asks: what does it cost, does it cost more than a change of its size
must, and how does it read (`schurkit.ablation.readings` says what the words mean)?

Source: S. Dräger, arXiv:2606.18457, §2, for the removals; the controls are ours.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain

import numpy as np

from schurkit.checks import InputError, integer, one_of
from schurkit.intervals import Interval, over_networks
from schurkit.metrics import Metric
from schurkit.metrics import metric as named
from schurkit.rnn import RNN, Trials
from schurkit.schur import SchurForm

from .changes import (
    CONTROLS,
    DECIDING,
    SUBSETS,
    check_form,
    drawn_changes,
    forms_of,
    name_of,
    removal,
)
from .readings import Removal
from .rollouts import measure

LEAST_MASS = 1e-5
"""Removed mass below which a sensitivity is rounding noise and therefore undefined."""


@dataclass(frozen=True, eq=False, repr=False)
class Profile:
    """What each removal does to each network of a stack; made by `ablation_profile`.

    Attributes
    ----------
    networks : labels.
    removed : names of the removals, "RR", "RR+CR", …
    metric : the measure; `chance` its value on these trials for a network that knows nothing, None
        where nobody says.
    intact : (networks,) measured before any removal; infinite for a network that diverged.
    effect : (networks, removed) measured after it, minus `intact`; NaN where the intact network
        diverged, infinite where the ablated one did.
    controls : by kind, (networks, removed, draws) of the same; NaN where there was nothing to
        remove.
    removed_mass : (networks, removed) ‖ΔT‖ / ‖T‖.
    n_leading : (networks,) units in R.
    radius : (networks,) largest modulus.
    """

    networks: tuple[Hashable, ...]
    removed: tuple[str, ...]
    metric: Metric
    chance: float | None
    intact: np.ndarray
    effect: np.ndarray
    controls: dict[str, np.ndarray] = field(default_factory=dict)
    removed_mass: np.ndarray = None
    n_leading: np.ndarray = None
    radius: np.ndarray = None

    def __len__(self) -> int:
        return len(self.networks)

    def __getitem__(self, name: str | Sequence[int]) -> Removal | Profile:
        """One removal by its name; or the profile of some networks, by their positions."""
        if not isinstance(name, str):
            return self._of(list(name))
        one_of(name, "removal", self.removed)
        k = self.removed.index(name)
        worse = self.metric.worse
        to_lose = None if self.chance is None else worse * (self.chance - self.intact)
        controls = {kind: worse * effects[:, k] for kind, effects in self.controls.items()}
        return Removal(name, worse * self.effect[:, k], controls, self.removed_mass[:, k], to_lose)

    def _of(self, rows: list[int]) -> Profile:
        fields = ("intact", "effect", "removed_mass", "n_leading", "radius")
        own = {field: getattr(self, field)[rows] for field in fields}
        own["controls"] = {kind: drawn[rows] for kind, drawn in self.controls.items()}
        return replace(self, networks=tuple(self.networks[i] for i in rows), **own)

    def __iter__(self):
        return (self[name] for name in self.removed)

    @property
    def costs(self) -> np.ndarray:
        """(networks, removed) cost of every removal; NaN where there was nothing to remove."""
        return np.stack([np.where(one.held, one.cost, np.nan) for one in self], axis=1)

    def gaps(self, *names: str) -> np.ndarray:
        """(networks,) the smallest step in that order of costs; NaN in networks in which one of
        these sectors is empty.

        names : at least two removals, the costliest first.
        """
        if len(names) < 2:
            raise InputError(
                "least_gap needs at least two removals, the costliest first; got "
                f"{', '.join(names) or 'none'}."
            )
        costs = np.stack([self[name].cost for name in names])
        whole = np.all([self[name].held for name in names], axis=0) & np.isfinite(costs).all(axis=0)
        return np.where(whole, -np.diff(costs, axis=0).max(axis=0), np.nan)

    def least_gap(self, *names: str) -> Interval | None:
        """`gaps` over the networks in which none of these sectors is empty, above 0 where the order
        holds; None where no network has all of them.
        """
        gaps = self.gaps(*names)
        return over_networks(gaps[np.isfinite(gaps)]) if np.isfinite(gaps).any() else None

    def frame(self, draws: bool = True):
        """Rows as a pandas DataFrame: for each network "none", then each removal and the draws of
        its controls (without `draws`, their mean).

        Columns: network, removed, kind ("removal" or a control), draw, removed_mass, value, delta
        (value − intact; undefined where there was nothing to remove, which is no effect of 0),
        sensitivity (delta over removed_mass, undefined below a mass of 1e-5), reading (of
        removals), n_leading.
        """
        import pandas as pd

        rows = []
        for i, label in enumerate(self.networks):
            rows.append(
                (
                    label,
                    "none",
                    "removal",
                    0,
                    0.0,
                    0.0 if np.isfinite(self.intact[i]) else np.nan,
                    "",
                    i,
                )
            )
            for k, one in enumerate(self):
                mass = self.removed_mass[i, k]
                rows.append(
                    (label, one.name, "removal", 0, mass, self.effect[i, k], one.readings[i], i)
                )
                for kind, effects in self.controls.items():
                    drawn = effects[i, k] if draws else [effects[i, k].mean()]
                    rows += [
                        (label, one.name, kind, draw, mass, effect, "", i)
                        for draw, effect in enumerate(drawn)
                        if mass > 0
                    ]
        frame = pd.DataFrame(
            rows,
            columns=[
                "network",
                "removed",
                "kind",
                "draw",
                "removed_mass",
                "delta",
                "reading",
                "n_leading",
            ],
        )
        intact, empty = (
            self.intact[frame.n_leading],
            (frame.removed != "none") & (frame.removed_mass == 0),
        )
        frame.insert(5, "value", np.where(np.isfinite(intact), intact + frame.delta, np.inf))
        frame.insert(
            7,
            "sensitivity",
            np.where(
                frame.removed_mass >= LEAST_MASS,
                frame.delta / frame.removed_mass.clip(lower=LEAST_MASS),
                np.nan,
            ),
        )
        return frame.assign(
            delta=frame.delta.mask(empty), n_leading=self.n_leading[frame.n_leading]
        )

    def table(self):
        """One row a removal, in words: what it costs over networks, what its controls cost, beyond
        how many of them, how it reads.
        """
        import pandas as pd

        return pd.DataFrame([one.row(self.metric.name) for one in self]).set_index("removed")

    def __repr__(self) -> str:
        return self.table().to_string()

    def _repr_html_(self) -> str:
        return self.table()._repr_html_()

    @classmethod
    def stack(cls, profiles: Sequence[Profile]) -> Profile:
        """One profile of several that measured the same removals and controls on other networks, in
        the given order.
        """
        first = profiles[0]
        if any(
            (p.removed, p.metric, list(p.controls))
            != (first.removed, first.metric, list(first.controls))
            for p in profiles
        ):
            raise InputError(
                "Profile.stack needs profiles of the same removals, metric and controls."
            )
        joined = {
            name: np.concatenate([getattr(p, name) for p in profiles])
            for name in ("intact", "effect", "removed_mass", "n_leading", "radius")
        }
        controls = {
            kind: np.concatenate([p.controls[kind] for p in profiles]) for kind in first.controls
        }
        return replace(
            first, networks=sum((p.networks for p in profiles), ()), controls=controls, **joined
        )


def ablation_profile(
    networks: RNN,
    trials: Trials,
    *,
    metric: str | Metric = "fvu",
    threshold: float = 0.9,
    forms: Sequence[SchurForm] | None = None,
    subsets: Sequence[Sequence[str]] = SUBSETS,
    controls: Sequence[str] = DECIDING,
    draws: int = 20,
    seed: int = 0,
    engine: str = "auto",
) -> Profile:
    """Remove each group of couplings from each network of a stack, and measure it beside its
    controls.

    Parameters
    ----------
    networks : a stack; every network has a Schur form of its own.
    trials : held-out trials, shared by all networks.
    metric : "fvu", "replay_accuracy", "accuracy" or a `schurkit.metrics.Metric`.
    threshold : of the sectors, see `schurkit.real_schur`.
    forms : Schur forms to use instead, one a network (another order, say); `threshold` is then not
        used.
    subsets : what to remove, each a tuple out of "RR", "CR", "CC"; the empty one is the intact
        network, which is measured anyway.
    controls : names for `schurkit.control_changes`; () for none. An empty sector has no control.
    draws : of each control.
    seed : of the controls.
    engine : see `schurkit.engine.choose`.

    Returns
    -------
    Profile

    Examples
    --------
    >>> from schurkit import RNN, Trials, rollout
    >>> rnn = RNN(np.eye(4)[:, :1], np.diag([0.5] * 3, 1) + 0.5 * np.eye(4), np.ones((1, 4)))
    >>> inputs = np.random.default_rng(0).normal(size=(8, 5, 1))
    >>> trials = Trials(inputs, rollout(rnn, inputs).outputs[0])
    >>> profile = ablation_profile(rnn, trials, subsets=[("RR",), ("CR",)])
    >>> profile["CR"].readings
    ('∅',)
    """
    chosen = named(metric)
    for kind in controls:
        one_of(kind, "control", CONTROLS)
    integer(draws, "draws", at_least=1)
    forms = forms_of(networks, forms, threshold)
    sectors = [tuple(subset) for subset in subsets if subset]
    asked = (trials, chosen, sectors, tuple(dict.fromkeys(controls)), draws, seed, engine)
    return Profile.stack([_profile(one, form, *asked) for one, form in zip(networks, forms)])


def _profile(one, form, trials, metric, sectors, controls, draws, seed, engine) -> Profile:
    """Of one network: the intact one, the removals, and the draws of the controls of those that
    hold something, in one run of `measure`.
    """
    check_form(one, form)
    deltas = [removal(form, names) for names in sectors]
    held = [k for k, delta in enumerate(deltas) if delta.any()]
    drawn = (
        delta
        for kind in controls
        for k in held
        for delta in drawn_changes(form, sectors[k], kind, draws, seed)
    )
    changes = (
        -form.weights(delta) if delta.any() else delta
        for delta in chain([np.zeros_like(form.T)], deltas, drawn)
    )
    values = measure(one, changes, trials, metric, engine=engine)
    with np.errstate(invalid="ignore"):
        effects = (
            values[1:] - values[0] if np.isfinite(values[0]) else np.full(len(values) - 1, np.nan)
        )
    found = {kind: np.full((1, len(sectors), draws), np.nan) for kind in controls}
    for kind, of_kind in zip(
        controls, np.split(effects[len(sectors) :], len(controls)) if controls else []
    ):
        found[kind][0, held] = of_kind.reshape(len(held), draws)
    masses = np.array([[form.removed_mass(delta) for delta in deltas]])
    names = tuple(map(name_of, sectors))
    sizes = np.array([form.n_leading]), np.array([form.radius])
    return Profile(
        one.labels,
        names,
        metric,
        metric.chance_on(trials),
        values[:1],
        effects[None, : len(sectors)],
        found,
        masses,
        *sizes,
    )
