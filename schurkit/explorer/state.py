"""What the explorer computes, without any widget: a setting in, the numbers of every figure out."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from math import isfinite

import numpy as np

from schurkit.ablation import (
    CONTROLS,
    DECIDING,
    LEAST_MASS,
    MEANING,
    WHAT,
    Removal,
    ablate,
    drawn_changes,
    held_in,
    measure,
    name_of,
)
from schurkit.ablation.changes import forms_of
from schurkit.checks import InputError, integer, number, one_of, suited_trials
from schurkit.engine import rollout
from schurkit.metrics import Metric
from schurkit.metrics import metric as metric_named
from schurkit.rnn import RNN, Trials
from schurkit.schur import SECTORS, SchurForm
from schurkit.words import plural

_KEPT = 32  # settings whose numbers are remembered


@dataclass(frozen=True)
class Setting:
    """What is chosen: the position of a network, the threshold, the sectors and single couplings
    (i, j) to remove, and a trial to look at.
    """

    network: int = 0
    threshold: float = 0.9
    sectors: tuple[str, ...] = ()
    couplings: tuple[tuple[int, int], ...] = ()
    trial: int = 0


@dataclass(frozen=True)
class Coupling:
    """One coupling between two blocks: block `driven` is driven from block `driver`; `share` is its
    norm over ‖T‖_F.
    """

    driven: int
    driver: int
    sector: str
    norm: float
    share: float

    def __str__(self) -> str:
        return f"{self.driven} ← {self.driver}  ({self.sector}, {self.share:.1%} of ‖T‖)"


@dataclass(frozen=True, eq=False)
class View:
    """What one setting shows.

    setting : what was asked for.
    label : of the network.
    form : its Schur form at this threshold.
    ablated : the network without the couplings, a stack of one.
    removed : (hidden, hidden) booleans, the entries of T that are gone.
    removed_mass : ‖ΔT‖_F/‖T‖_F.
    metric : its name;
    better : "lower" or "higher".
    full, value : the measure before and after the removal, infinite for a network that diverged.
    controls : by kind, (draws,) the measure after changes of the same norm; empty where nothing is
        removed.
    target, full_output, output : (time, output) of the chosen trial.
    counted : (time,) which steps the measure counts.
    trials : number of trials behind the measure.
    """

    setting: Setting
    label: object
    form: SchurForm
    ablated: RNN
    removed: np.ndarray
    removed_mass: float
    metric: str
    better: str
    full: float
    value: float
    chance: float | None
    controls: dict[str, np.ndarray]
    target: np.ndarray
    full_output: np.ndarray
    output: np.ndarray
    counted: np.ndarray
    trials: int

    @property
    def delta(self) -> float | None:
        """value − full; None where the unablated network diverged."""
        return self.value - self.full if isfinite(self.full) else None

    @property
    def sensitivity(self) -> float | None:
        """delta / removed_mass; None where undefined, as in `schurkit.ablation_profile`."""
        if self.delta is None or not isfinite(self.delta) or self.removed_mass < LEAST_MASS:
            return None
        return self.delta / self.removed_mass

    @property
    def reading(self) -> str:
        """How the removal reads beside its controls, one of `schurkit.ablation.READINGS`."""
        sign = 1 if self.better == "lower" else -1
        with np.errstate(invalid="ignore"):  # where both diverged, nothing can be said
            cost = sign * (np.array([self.value]) - self.full)
            drawn = {
                kind: sign * (values[None] - self.full) for kind, values in self.controls.items()
            }
        to_lose = None if self.chance is None else np.array([sign * (self.chance - self.full)])
        return Removal(self.name, cost, drawn, np.array([self.removed_mass]), to_lose).readings[0]

    @property
    def name(self) -> str:
        """What is removed, in words: "nothing", "RR+CC", "RR and 2 single couplings"."""
        parts = [name_of(self.setting.sectors)] if self.setting.sectors else []
        count = len(self.setting.couplings)
        parts += [plural(count, "single coupling")] if count else []
        return " and ".join(parts) or "nothing"

    @property
    def sentences(self) -> list[str]:
        """The result in words: what the figures show, for a reader who does not see them."""
        form, mass = self.form, self.removed_mass
        finite = self.delta is not None and isfinite(self.delta)
        change = f" (change {self.delta:+.4g})" if finite else ""
        said = [
            f"Network {self.label}: R holds {form.n_leading} of {form.hidden_size} units at "
            f"threshold {self.setting.threshold:g}.",
            f"Removed: {self.name}, {mass:.2%} of ‖T‖.",
            f"{self.metric}, {self.trials} trials: {_number(self.full)} → "
            f"{_number(self.value)}{change}.",
        ]
        for kind, drawn in self.controls.items():
            method = "linear" if np.isfinite(drawn).all() else "nearest"
            low, middle, high = map(_number, np.quantile(drawn, [0.025, 0.5, 0.975], method=method))
            worse = drawn > self.value if self.better == "lower" else drawn < self.value
            said.append(
                f"{WHAT[kind]}: {middle} [{low}, {high}], median and middle 95 % of {len(drawn)} "
                f"draws; {int(worse.sum())} of them are worse than the removal."
            )
        if self.reading in MEANING:
            said.append(f"It reads {self.reading}: {MEANING[self.reading]}.")
        if not self.controls and (self.setting.sectors or self.setting.couplings):
            nothing = "There is no coupling in what was chosen: nothing was removed."
            said.append("No control." if self.removed.any() else nothing)
        return said


def _number(value):
    return f"{value:.4g}" if isfinite(value) else "infinite (diverged)"


class Explorer:
    """Networks, trials and a measure; `view` answers for one setting.

    Parameters
    ----------
    rnn, trials, metric, draws, seed, engine : as in `explore`.
    """

    def __init__(
        self,
        rnn: RNN,
        trials: Trials,
        *,
        metric: str | Metric = "fvu",
        controls=DECIDING,
        draws: int = 20,
        seed: int = 0,
        engine: str = "auto",
    ):
        if not isinstance(rnn, RNN):
            raise InputError(
                f"explore needs networks as schurkit.RNN; got {type(rnn).__name__}. Use "
                "from_torch, from_arrays or load_rnn."
            )
        if not isinstance(trials, Trials):
            raise InputError(
                f"explore needs trials as schurkit.Trials; got {type(trials).__name__}. Use "
                "Trials(inputs, targets) or load_trials."
            )
        suited_trials(trials, rnn, "explore")
        self.rnn, self.trials, self.metric = rnn, trials, metric_named(metric)
        self.draws = integer(draws, "draws", at_least=0)
        self.seed = integer(seed, "seed", at_least=0)
        self.controls = tuple(one_of(kind, "control", CONTROLS) for kind in controls)
        self._engine = engine
        kept = lru_cache(_KEPT)
        self._form, self._measured = kept(self._form), kept(self._measured)
        self._controls = kept(self._controls)
        self._measured(0, b"")  # a metric or an engine that does not suit is said at once

    def view(self, setting: Setting) -> View:
        """The numbers behind every figure for that setting.

        Raises
        ------
        InputError : no such network, trial, sector or coupling, or a threshold outside 0 … 1.
        """
        network = integer(setting.network, "network", at_least=0, at_most=len(self.rnn) - 1)
        trial = integer(setting.trial, "trial", at_least=0, at_most=len(self.trials) - 1)
        form = self.form(network, setting.threshold)
        removed = _removed(form, setting)
        _, full, outputs = self._measured(network, b"")
        gone = removed.tobytes() if removed.any() else b""
        ablated, value, after = self._measured(network, gone)
        return View(
            setting=setting,
            label=self.rnn.labels[network],
            form=form,
            ablated=ablated,
            removed=removed,
            removed_mass=form.removed_mass(np.where(removed, form.T, 0.0)),
            metric=self.metric.name,
            better=self.metric.better,
            full=full,
            value=value,
            chance=self.metric.chance_on(self.trials),
            controls=self._controls(replace(setting, trial=0)),
            target=self.trials.targets[trial],
            full_output=outputs[trial],
            output=after[trial],
            counted=self.trials.counted[trial],
            trials=len(self.trials),
        )

    def form(self, network: int, threshold: float) -> SchurForm:
        """The Schur form of a network, cut at that threshold."""
        threshold = number(threshold, "threshold", at_least=0, at_most=1)
        return self._form(network).with_threshold(threshold)

    def couplings(self, network: int, threshold: float, most: int = 40) -> list[Coupling]:
        """The single couplings of largest norm, largest first; zero couplings are left out."""
        form = self.form(network, threshold)
        norms = form.coupling_norms
        return [
            Coupling(i, j, form.sector_of(i, j), float(norms[i, j]), norms[i, j] / form.norm_T)
            for i, j in form.strongest(most)
        ]

    # ---------------------------------------------------- numbers that are computed once a setting
    def _form(self, network):
        return forms_of(self.rnn[network])[0]

    def _measured(self, network, removed: bytes):
        """A network without some entries of T, its measure and its outputs."""
        one, form = self.rnn[network], self._form(network)
        if removed:
            delta_T = np.where(np.frombuffer(removed, bool).reshape(form.T.shape), form.T, 0.0)
            one = ablate(one, form, [delta_T], labels=[self.rnn.labels[network]])
        outputs = rollout(one, self.trials, engine=self._engine).outputs
        return one, float(self.metric.measure(outputs, self.trials)[0]), outputs[0]

    def _controls(self, setting):
        form = self.form(setting.network, setting.threshold)
        delta_T = np.where(_removed(form, setting), form.T, 0.0)
        if not self.draws or not self.controls or not delta_T.any():
            return {}
        name = name_of(held_in(form, [one for one in SECTORS if one in setting.sectors]))
        drawn = {
            kind: drawn_changes(form, delta_T, kind, self.draws, self.seed, name=name)
            for kind in self.controls
        }
        weights = (-form.weights(change) for changes in drawn.values() for change in changes)
        one = self.rnn[setting.network]
        values = measure(one, weights, self.trials, self.metric, engine=self._engine)
        return dict(zip(drawn, np.split(values, len(drawn))))


def _removed(form, setting):
    """(hidden, hidden) booleans: the entries of T in the chosen sectors and couplings."""
    parts = [form.sector(one_of(name, "sector", SECTORS)) for name in setting.sectors]
    parts += [form.coupling(i, j) for i, j in setting.couplings]
    return np.any([np.zeros_like(form.T), *parts], axis=0)
