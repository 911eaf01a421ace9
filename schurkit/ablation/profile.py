"""The result of the book: what removing each group of couplings costs each network, beside random
changes of the same size.

`ablation_profile` measures it, `Profile` holds it, and a profile of one removal, ``profile["CR"]``,
answers the questions a reader asks: what does it cost, does it cost more than a change of its size
must, and how does it read (`schurkit.ablation.readings` says what the words mean)?

Source: S. Dräger, arXiv:2606.18457, §2, for the removals; the controls are ours.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import numpy as np

from schurkit.checks import InputError, integer, one_of
from schurkit.intervals import Interval, over_finite
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
    held_in,
    name_of,
    removal,
)
from .readings import Removal
from .rollouts import measure

LEAST_MASS = 1e-5
"""Removed mass below which a sensitivity is rounding noise and therefore undefined."""
SINGLE_OFF = 2e-6
"""How far a control may lie in float32 from where it lies in float64, of the larger of 1 and its
value."""

ONE_A_NETWORK = [
    "networks",
    "intact",
    "effect",
    "removed_mass",
    "n_leading",
    "radius",
    "controls_dtype",
]


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
    controls_dtype : one a network, what its controls were run in: "float32", or the network's own
        where that is not as good (a chaotic network).
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
    controls_dtype: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.networks)

    def __getitem__(self, name: str) -> Removal:
        one_of(name, "removal", self.removed)
        k = self.removed.index(name)
        worse = self.metric.worse
        to_lose = None if self.chance is None else worse * (self.chance - self.intact)
        controls = {kind: worse * effects[:, k] for kind, effects in self.controls.items()}
        return Removal(name, worse * self.effect[:, k], controls, self.removed_mass[:, k], to_lose)

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
        return over_finite(self.gaps(*names))

    def frame(self, draws: bool = True):
        """Rows as a pandas DataFrame: for each network "none", then each removal and the draws of
        its controls (without `draws`, their mean).

        Columns: network, removed, kind ("removal" or a control), draw, removed_mass, value, delta
        (value − intact; undefined where there was nothing to remove, which is no effect of 0),
        sensitivity (delta over removed_mass, undefined below a mass of 1e-5), reading (of
        removals), n_leading.
        """
        import pandas as pd

        removals, rows = [(one.name, one.readings) for one in self], []

        def add(i, name, kind, draw, mass, effect, reading=""):
            value = self.intact[i] + effect if np.isfinite(self.intact[i]) else np.inf
            delta = np.nan if name != "none" and mass == 0 else effect
            sensitivity = effect / mass if mass >= LEAST_MASS else np.nan
            row = name, kind, draw, mass, value, delta, sensitivity, reading
            rows.append((self.networks[i], *row, self.n_leading[i]))

        for i, intact in enumerate(self.intact):
            add(i, "none", "removal", 0, 0.0, 0.0 if np.isfinite(intact) else np.nan)
            for k, (name, readings) in enumerate(removals):
                mass = self.removed_mass[i, k]
                add(i, name, "removal", 0, mass, self.effect[i, k], readings[i])
                for kind, effects in self.controls.items() if mass > 0 else ():
                    drawn = effects[i, k] if draws else [effects[i, k].mean()]
                    for draw, effect in enumerate(drawn):
                        add(i, name, kind, draw, mass, effect)
        names = "network removed kind draw removed_mass value delta sensitivity reading n_leading"
        return pd.DataFrame(rows, columns=names.split())

    def table(self):
        """One row a removal, in words: what it costs over networks, what its controls cost, beyond
        how many of them, how it reads.
        """
        import pandas as pd

        return pd.DataFrame([one.row(self.metric.name) for one in self]).set_index("removed")

    def __repr__(self) -> str:
        return self.table().to_string()

    def _repr_html_(self):
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
        joined = {}
        for name in ONE_A_NETWORK:
            parts = [getattr(profile, name) for profile in profiles]
            joined[name] = sum(parts, ()) if type(parts[0]) is tuple else np.concatenate(parts)
        controls = {
            kind: np.concatenate([p.controls[kind] for p in profiles]) for kind in first.controls
        }
        return replace(first, controls=controls, **joined)

    def of(self, i: int) -> Profile:
        """The profile of the network at a position alone."""
        part = slice(i, i + 1)
        controls = {kind: effects[part] for kind, effects in self.controls.items()}
        alone = {name: getattr(self, name)[part] for name in ONE_A_NETWORK}
        return replace(self, controls=controls, **alone)


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
    progress: bool | None = None,
) -> Profile:
    """Remove each group of couplings from each network of a stack, and measure it beside its
    controls.

    Parameters
    ----------
    networks : a stack; every network has a Schur form of its own. Or any network that `measure`
        takes.
    trials : held-out trials, shared by all networks.
    metric : "fvu", "replay_accuracy", "accuracy" or a `schurkit.metrics.Metric`.
    threshold : of the sectors, see `schurkit.real_schur`.
    forms : Schur forms to use instead, one a network (another order, say); `threshold` is then not
        used.
    subsets : what to remove, each a tuple out of "RR", "CR", "CC"; the empty one is the intact
        network, which is measured anyway.
    controls : names for `schurkit.control_changes`; () for none. An empty sector has no control.
    draws : of each control.
    seed : of the controls. Removals that are equal, as CR and RR + CR where RR is empty, have the
        same.
    engine : see `schurkit.engine.choose`.
    progress : show a bar with the time left; by default where there is a terminal.

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
    chosen, kinds = named(metric), tuple(dict.fromkeys(controls))
    for kind in kinds:
        one_of(kind, "control", CONTROLS)
    integer(draws, "draws", at_least=1)
    forms = forms_of(networks, forms, threshold)
    sectors = [tuple(subset) for subset in subsets if subset]
    held = [{held_in(form, names) for names in sectors} - {()} for form in forms]
    total = sum(1 + len(cases) * (1 + len(kinds) * draws) for cases in held)
    with _bar(total, progress) as ticked:

        def one_profile(one, form):
            def run(changes, dtype=None):
                return measure(one, ticked(changes), trials, chosen, engine=engine, dtype=dtype)

            check_form(one, form)
            about = one.labels, sectors, chosen, chosen.chance_on(trials)
            dtype, fast = str(np.dtype(one.dtype)), isinstance(one, RNN)
            return profile_of(form, *about, kinds, draws, seed, run, dtype, fast)

        return Profile.stack([one_profile(*both) for both in zip(networks, forms)])


def profile_of(
    form, labels, sectors, metric, chance, kinds, draws, seed, run, dtype="float64", fast=False
) -> Profile:
    """The profile of one network by any measure of changed matrices; the rest as in
    `ablation_profile`.

    labels, sectors : of the stack of one; of each removal.
    run : (changes of W_rec, dtype or None) → (changes,) values, the first without a change.
    dtype : of the network; `fast` whether `run` can be asked for float32.
    """
    held = [held_in(form, names) for names in sectors]
    cases = list(dict.fromkeys(filter(None, held)))
    changes = (-form.weights(removal(form, case)) for case in ((), *cases))
    intact, *values = run(changes)
    fast = fast and dtype == "float64"
    drawn, dtype = _controls(form, intact, cases, kinds, draws, seed, run, dtype, fast)
    base = intact if np.isfinite(intact) else np.nan
    effects = dict(zip(cases, values)) | {(): intact}
    controls = {kind: np.full((1, len(held), draws), np.nan) for kind in kinds}
    for k, case in enumerate(held):
        for kind, of_kind in zip(kinds, drawn if case else ()):
            controls[kind][0, k] = of_kind[cases.index(case)] - base
    return Profile(
        labels,
        tuple(map(name_of, sectors)),
        metric,
        chance,
        np.array([intact]),
        np.array([[effects[case] for case in held]]) - base,
        controls,
        np.array([[form.removed_mass(removal(form, names)) for names in held]]),
        np.array([form.n_leading]),
        np.array([form.radius]),
        (dtype,),
    )


@contextmanager
def _bar(total, progress):
    """Passes changes on, and shows how many there were and the time left, where that is wanted."""
    from tqdm import tqdm

    hidden = None if progress is None else not progress  # None: without a terminal
    look = {"desc": "ablations", "unit": "network", "leave": False, "disable": hidden}
    with tqdm(total=total, **look) as bar:

        def ticked(changes):
            for change in changes:
                yield change
                bar.update()

        yield ticked


def _controls(form, intact, cases, kinds, draws, seed, run, dtype, fast):
    """(kinds, cases, draws) measures of the controls, and the dtype that they were run in: float32
    where the draw of each kind that moves the measure most comes out as in float64.
    """

    def values(asked, dtype=None):
        drawn = (
            -form.weights(delta, dtype or np.float64)
            for kind, case, which in asked
            for delta in drawn_changes(form, case, kind, which, seed)
        )
        return run(drawn, dtype)

    every = [(kind, case, draws) for kind in kinds for case in cases]
    shape = len(kinds), len(cases), draws
    if every and fast:
        with np.errstate(over="ignore", invalid="ignore"):
            found = values(every, "float32").reshape(shape)
            moved = np.nan_to_num(np.abs(found - intact), nan=np.inf)
        most = [(k, *np.unravel_index(one.argmax(), shape[1:])) for k, one in enumerate(moved)]
        exact = values([(kinds[k], cases[case], [draw]) for k, case, draw in most])
        single = np.array([found[where] for where in most])
        if np.allclose(single, exact, SINGLE_OFF, SINGLE_OFF, equal_nan=True):
            return found, "float32"
    return values(every).reshape(shape), dtype
