"""What the explorer computes, without any widget: a setting in, the numbers of every figure out."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
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
    measure,
    name_of,
)
from schurkit.checks import InputError, integer, number, one_of
from schurkit.engine import rollout
from schurkit.metrics import Metric
from schurkit.metrics import metric as metric_named
from schurkit.rnn import RNN, Trials
from schurkit.schur.form import SECTORS, SchurForm, real_schur

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
    inputs_end : step at which
    the inputs have ended. trials : number of trials behind the measure.
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
    inputs_end: int
    trials: int

    @property
    def delta(self) -> float | None:
        """value − full; None where the unablated network diverged."""
        return self.value - self.full if isfinite(self.full) else None

    @property
    def sensitivity(self) -> float | None:
        """delta / removed_mass; None where undefined, as in `schurkit.ablation_profile`."""
        defined = (
            self.delta is not None and isfinite(self.delta) and self.removed_mass >= LEAST_MASS
        )
        return self.delta / self.removed_mass if defined else None

    @property
    def reading(self) -> str:
        """How the removal reads beside its controls, one of `schurkit.ablation.READINGS`."""
        sign = 1 if self.better == "lower" else -1
        with np.errstate(invalid="ignore"):  # where both diverged, nothing can be said
            cost, drawn = (
                sign * (self.value - self.full),
                {kind: sign * (values[None] - self.full) for kind, values in self.controls.items()},
            )
        to_lose = None if self.chance is None else np.array([sign * (self.chance - self.full)])
        return Removal(
            self.name, np.array([cost]), drawn, np.array([self.removed_mass]), to_lose
        ).readings[0]

    @property
    def name(self) -> str:
        """What is removed, in words: "nothing", "RR+CC", "RR and 2 single couplings"."""
        parts = [name_of(self.setting.sectors)] if self.setting.sectors else []
        count = len(self.setting.couplings)
        parts += [f"{count} single coupling" + ("" if count == 1 else "s")] if count else []
        return " and ".join(parts) or "nothing"

    @property
    def sentences(self) -> list[str]:
        """The result in words: what the figures show, for a reader who does not see them."""
        units = (
            f"R holds {self.form.n_leading} of {self.form.hidden_size} units at threshold "
            f"{self.setting.threshold:g}"
        )
        said = [
            f"Network {self.label}: {units}.",
            f"Removed: {self.name}, {self.removed_mass:.2%} of ‖T‖.",
        ]
        change = (
            "" if self.delta is None or not isfinite(self.delta) else f" (change {self.delta:+.4g})"
        )
        said.append(
            f"{self.metric}, {self.trials} trials: {_number(self.full)} → "
            f"{_number(self.value)}{change}."
        )
        for kind, drawn in self.controls.items():
            finite = np.isfinite(drawn).all()
            low, middle, high = np.quantile(
                drawn, [0.025, 0.5, 0.975], method="linear" if finite else "nearest"
            )
            worse = int(
                (drawn > self.value).sum() if self.better == "lower" else (drawn < self.value).sum()
            )
            spread = f"{_number(middle)} [{_number(low)}, {_number(high)}]"
            said.append(
                f"{WHAT[kind]}: {spread}, median and middle 95 % of {len(drawn)} draws; {worse} "
                "of them are worse than the removal."
            )
        if self.reading in MEANING:
            said.append(f"It reads {self.reading}: {MEANING[self.reading]}.")
        if not self.controls and (self.setting.sectors or self.setting.couplings):
            said.append(
                "No control."
                if self.removed.any()
                else "There is no coupling in what was chosen: nothing was removed."
            )
        return said


def _number(value) -> str:
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
        if trials.networks is not None:
            raise InputError(
                "explore needs trials that all networks share; got trials with a networks axis."
            )
        if (trials.inputs.shape[-1], trials.targets.shape[-1]) != (rnn.input_size, rnn.output_size):
            raise InputError(
                f"explore needs trials of {rnn.input_size} input(s) and {rnn.output_size} "
                "output(s), as the networks; "
                f"got {trials.inputs.shape[-1]} and {trials.targets.shape[-1]}."
            )
        self.rnn, self.trials, self.metric = rnn, trials, metric_named(metric)
        self.draws, self.seed = (
            integer(draws, "draws", at_least=0),
            integer(seed, "seed", at_least=0),
        )
        self.controls = tuple(one_of(kind, "control", CONTROLS) for kind in controls)
        self._engine = engine
        self._kept: OrderedDict = OrderedDict()
        self._full(0)  # a metric or an engine that does not suit is said at once

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
        full, outputs = self._full(network)
        ablated, value, after = self._ablated(network, form, removed)
        delta_T = np.where(removed, form.T, 0.0)
        return View(
            setting=setting,
            label=self.rnn.labels[network],
            form=form,
            ablated=ablated,
            removed=removed & (form.T != 0),
            removed_mass=form.removed_mass(delta_T),
            metric=self.metric.name,
            better=self.metric.better,
            full=full,
            value=value,
            chance=self.metric.chance_on(self.trials),
            controls=self._controls(network, form, removed, setting),
            target=self.trials.targets[trial],
            full_output=outputs[trial],
            output=after[trial],
            counted=self.trials.counted[trial],
            inputs_end=self.trials.inputs.shape[1],
            trials=len(self.trials),
        )

    def form(self, network: int, threshold: float) -> SchurForm:
        """The Schur form of a network, cut at that threshold."""
        threshold = number(threshold, "threshold", at_least=0, at_most=1)
        whole = self._once(
            ("form", network), lambda: real_schur(self.rnn.W_rec[network], leak=self.rnn.leak)
        )
        return whole.with_threshold(threshold)

    def couplings(self, network: int, threshold: float, most: int = 40) -> list[Coupling]:
        """The single couplings of largest norm, largest first; zero couplings are left out."""
        form = self.form(network, threshold)
        starts = [block.start for block in form.blocks]
        norms = np.sqrt(np.add.reduceat(np.add.reduceat(form.N**2, starts, axis=0), starts, axis=1))
        largest = np.argsort(-norms, axis=None, kind="stable")[:most]
        leading, total = form.leading_blocks, form.norm_T or 1.0
        found = []
        for i, j in zip(*(part.tolist() for part in np.unravel_index(largest, norms.shape))):
            if norms[i, j] > 0:
                sector = "RR" if j < leading else "CR" if i < leading else "CC"
                found.append(Coupling(i, j, sector, float(norms[i, j]), float(norms[i, j] / total)))
        return found

    # ---------------------------------------------------- numbers that are computed once a setting
    def _full(self, network: int) -> tuple[float, np.ndarray]:
        def compute():
            outputs = self._run(self.rnn[network])
            return float(self._measure(outputs)[0]), outputs[0]

        return self._once(("full", network), compute)

    def _ablated(
        self, network: int, form: SchurForm, removed: np.ndarray
    ) -> tuple[RNN, float, np.ndarray]:
        def compute():
            one = ablate(
                self.rnn[network],
                form,
                [np.where(removed, form.T, 0.0)],
                labels=[self.rnn.labels[network]],
            )
            outputs = self._run(one)
            return one, float(self._measure(outputs)[0]), outputs[0]

        return self._once(("ablated", network, removed.tobytes()), compute)

    def _controls(
        self, network: int, form: SchurForm, removed: np.ndarray, setting: Setting
    ) -> dict[str, np.ndarray]:
        delta_T = np.where(removed, form.T, 0.0)
        if not self.draws or not self.controls or not delta_T.any():
            return {}
        one = self.rnn[network]

        def compute():
            name = name_of([sector for sector in SECTORS if sector in setting.sectors])
            drawn = {
                kind: drawn_changes(form, delta_T, kind, self.draws, self.seed, name=name)
                for kind in self.controls
            }
            weights = (-form.weights(change) for changes in drawn.values() for change in changes)
            values = measure(one, weights, self.trials, self.metric, engine=self._engine)
            return dict(zip(drawn, np.split(values, len(drawn))))

        return self._once(("controls", network, removed.tobytes(), setting.sectors), compute)

    def _run(self, rnn: RNN) -> np.ndarray:
        return rollout(rnn, self.trials, engine=self._engine).outputs

    def _measure(self, outputs: np.ndarray) -> np.ndarray:
        return np.asarray(self.metric.measure(outputs, self.trials), dtype=np.float64)

    def _once(self, key, compute):
        if key in self._kept:
            self._kept.move_to_end(key)
        else:
            self._kept[key] = compute()
            while len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
        return self._kept[key]


def _removed(form: SchurForm, setting: Setting) -> np.ndarray:
    """(hidden, hidden) booleans: the entries of T in the chosen sectors and couplings."""
    removed = np.zeros(form.T.shape, dtype=bool)
    for name in setting.sectors:
        removed |= form.sector_mask(one_of(name, "sector", SECTORS))
    for i, j in setting.couplings:
        form.coupling(i, j)  # checks the indices
        rows, columns = (
            slice(block.start, block.start + block.size)
            for block in (form.blocks[i], form.blocks[j])
        )
        removed[rows, columns] = True
    return removed
