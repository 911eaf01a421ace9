"""What a reader's own network can lose: its Schur form and its ablations beside their controls, and
the same as plain data.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain

import numpy as np
from numpy.typing import ArrayLike

from schurkit.ablation import (
    CONTROLS,
    DECIDING,
    LEAST_MASS,
    SUBSETS,
    Profile,
    Removal,
    ablation_profile,
    matched_share,
    measure,
)
from schurkit.ablation.changes import forms_of
from schurkit.checks import InputError, integer, one_of, suited_trials
from schurkit.metrics import FVU, METRICS, Metric
from schurkit.rnn import RNN, Trials
from schurkit.schur import SECTORS, SchurForm
from schurkit.schur.form import SchurOrderWarning

from .check import Check, Reading, check_against, settle
from .constraints import constraint_report, defined
from .load import Imported
from .trials import metric_of

SCHEMA = 2
DRAWS = 20
_OF_DRAWS = {"median": 0.5, "low": 0.025, "high": 0.975, "least": 0.0, "most": 1.0}
ORDERS = 5
_OF_FORM = ("hidden_size", "spectral_radius", "n_leading", "cut", "henrici")
_NEAR = 1.02  # a time constant, as `SchurForm.near_cut`
_EMPTY = "nothing to remove: the sector holds no coupling"
_UNABLATED = "the unablated network diverged"


@dataclass(frozen=True, eq=False)
class Analysis:
    """What was measured of a stack of networks.

    Attributes
    ----------
    rnn : the stack, in float64.
    trials : of its task, or None.
    forms : Schur forms, one a network.
    profile : ablations beside their controls; None without trials.
    orders : for each network by sector the cost over random orders of nearly tied blocks, (orders);
        empty where no order is arbitrary.
    sides : for each network by number of units in R the costs of RR, CR and CC where the blocks
        near the cut stand on its other side.
    check : of the outputs that came with the trials, or None.
    settled : what those outputs decided, in words.
    threshold, seed : of sectors and controls.
    found : the file that it was read from, or None.
    """

    rnn: RNN
    trials: Trials | None
    forms: list[SchurForm]
    profile: Profile | None
    orders: list[dict[str, np.ndarray]]
    sides: list[dict[int, np.ndarray]]
    check: Check | None
    settled: str
    threshold: float
    seed: int
    found: Imported | None

    def profile_of(self, i: int) -> Profile:
        """The profile of one network."""
        return self.profile.of(i)

    @property
    def assumed(self) -> tuple[str, ...]:
        """What nobody said of the network, of "activation", "leak" and "form"."""
        said = self.check is not None and self.check.ok  # by the outputs
        return () if said or self.found is None else self.found.assumed

    @cached_property
    def report(self) -> dict:
        """Everything as plain data; see `analyze`."""
        from schurkit import __version__

        return {
            "schema": SCHEMA,
            "schurkit": __version__,
            "weights_sha256": self.found and self.found.sha256,
            "threshold": self.threshold,
            "seed": self.seed,
            "activation": self.rnn.activation,
            "leak": np.asarray(self.rnn.leak).tolist(),
            "form": self.rnn.form,
            "assumed": list(self.assumed),
            "checked": None if self.check is None else _checked(self.check, self.settled),
            "metric": None if self.profile is None else key_of(self.profile.metric),
            "networks": [self._network(i) for i in range(len(self.rnn))],
        }

    def _network(self, i: int) -> dict:
        form, label = self.forms[i], self.rnn.labels[i]
        network = {
            "label": label if isinstance(label, (int, str)) else str(label),
            **{name: getattr(form, name) for name in _OF_FORM},
            "near_cut": list(form.near_cut),
            "norms": form.norms(),
            "blocks": [[block.start, block.size, block.modulus] for block in form.blocks],
            "refused": list(form.refused),
            "constraints": constraint_report(self.rnn.W_rec[i], form),
        }
        if self.profile is None:
            return network
        profile, metric = self.profile_of(i), key_of(self.profile.metric)
        value, intact = "fvu" if metric == "fvu" else "value", float(profile.intact[0])
        lose, lost = profile["CR"].to_lose, {value: "the network diverged"}
        return network | {
            "metric": metric,
            "n_trials": len(self.trials),
            "controls_dtype": profile.controls_dtype[0],
            "full": defined({value: intact}, lost),
            "to_lose": None if lose is None or not np.isfinite(lose[0]) else float(lose[0]),
            "ablations": [
                _removal(sectors, one, profile, self.forms[i])
                for sectors, one in zip(SUBSETS, removals_of(profile))
            ],
            "orders": {name: _plain(costs) for name, costs in self.orders[i].items()},
            "other_sides": [
                {"n_leading": count, "costs": dict(zip(SECTORS, _plain(costs)))}
                for count, costs in self.sides[i].items()
            ],
        }


def key_of(metric: Metric) -> str:
    """What the report calls a metric: "fvu", "accuracy", "replay_accuracy", or its own name."""
    return next((key for key, one in METRICS.items() if one is metric), metric.name)


def _plain(values) -> list:
    return [float(value) if np.isfinite(value) else None for value in values]


def removals_of(profile: Profile) -> list[Removal]:
    """The removals of a profile of one network after that of nothing."""
    cost = np.where(np.isfinite(profile.intact), 0.0, np.nan)
    return [Removal("none", cost, {}, np.zeros(1), None), *profile]


def analyze(
    rnn: RNN,
    trials: Trials | None = None,
    outputs: ArrayLike | None = None,
    *,
    metric: str | Metric = "fvu",
    **options,
) -> dict:
    """The Schur profile of a network as plain data: everything that `schurkit analyze --json`
    writes.

    Parameters
    ----------
    rnn : a network or a stack; analysed in float64 whatever its dtype.
    trials : trials of its task; without them only the Schur form is described.
    outputs : what the reader's own code gave for the trials. They are compared first
        (`check_against`).
    metric : "fvu", "accuracy", "replay", "module:function" or a `schurkit.metrics.Metric`.
    options : as in `examine`.

    Returns
    -------
    dict of plain numbers, words, lists and None: a number that is undefined is None, and
    "undefined" beside it says why. Each of a network's "ablations" holds its "reading" (one of
    `schurkit.ablation.READINGS`) and its "controls": the spread of their draws, and whether the
    removal costs more ("beyond") or less ("below") than every one; "orders" are costs under other
    orders of nearly tied blocks, "other_sides" those with the blocks near the cut on its other
    side. "cut" is the least modulus in R; "near_cut" lists blocks within 2 % a time constant.
    Of a metric other than FVU the numbers are called "value", "delta", "delta_median", ….

    Raises
    ------
    InputError : trials that do not fit, targets that do not vary (FVU is undefined), or outputs
        that disagree.

    Examples
    --------
    >>> import numpy as np
    >>> from schurkit import RNN
    >>> report = analyze(RNN(np.ones((3, 1)), np.diag([0.9, 0.5, 0.2]), np.ones((1, 3))))
    >>> report["networks"][0]["n_leading"], report["checked"]
    (1, None)
    """
    return examine(rnn, trials, outputs, metric=metric, **options).report


def examine(
    network: RNN | Imported,
    trials: Trials | None = None,
    outputs: ArrayLike | None = None,
    *,
    metric: str | Metric = "",
    threshold: float = 0.9,
    seed: int = 0,
    controls: Sequence[str] = DECIDING,
    draws: int = DRAWS,
    orders: int = ORDERS,
    tolerance: float | None = None,
    force_unchecked: bool = False,
) -> Analysis:
    """As `analyze`, before it is plain data.

    Parameters
    ----------
    network : as `rnn` in `analyze`, or what `read_network` gave: outputs settle what is not said.
    trials, outputs, metric : as in `analyze`; an empty metric is the task's own.
    threshold : of the sectors: R holds the blocks of modulus ≥ threshold × the largest, per time
        constant (`schurkit.real_schur`).
    seed, controls, draws : of the random changes of equal norm beside each removal
        (`schurkit.control_changes`). How a removal reads is decided by "permuted" and "matched"
        together.
    orders : random orders of nearly tied blocks.
    tolerance : of `check_against`.
    force_unchecked : go on where the outputs disagree; the result says so.
    """
    seed, draws = integer(seed, "seed", at_least=0), integer(draws, "draws", at_least=1)
    integer(orders, "orders", at_least=0)
    for kind in controls:
        one_of(kind, "control", CONTROLS)
    if trials is None and outputs is not None:
        raise InputError("outputs can only be checked together with the trials they belong to.")
    found = network if isinstance(network, Imported) else None
    read = Reading((found.rnn if found else network).astype("float64"), trials, outputs)
    check = profile = None
    if found and outputs is not None:
        more = {"readings": found.readings, "tolerance": tolerance}
        read = settle(read, fields=found.unsaid, **more)
    rnn, trials, outputs = read.rnn, read.trials, read.outputs
    if trials is not None:
        suited_trials(trials, rnn, "the analysis")
        metric = metric_of(metric, trials) if isinstance(metric, str) else metric
        if metric is FVU and not trials.total_variance > 0:
            raise InputError(
                "the unmasked targets do not vary, so that FVU (the fraction of variance "
                "unexplained) is undefined: use other trials."
            )
        if outputs is not None:
            check = check_against(rnn, trials, outputs, tolerance=tolerance)
            if not check.ok and not force_unchecked:
                raise InputError(_refusal(check))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SchurOrderWarning)  # the report carries what was refused
        forms, others, sides = forms_of(rnn, None, threshold), [], []
        if trials is not None:
            drawn = {"controls": controls, "draws": draws, "seed": seed, "metric": metric}
            profile = ablation_profile(rnn, trials, forms=forms, **drawn)
            for one, form, dtype in zip(rnn, forms, profile.controls_dtype):
                asked = {"trials": trials, "metric": metric, "dtype": dtype}
                others.append(_over_orders(one, form, orders, asked))
                sides.append(_other_sides(one, form, asked))
    about = (read.words, float(threshold), seed, found)
    return Analysis(rnn, trials, forms, profile, others, sides, check, *about)


def _over_orders(one: RNN, form: SchurForm, orders: int, asked: dict) -> dict[str, np.ndarray]:
    """Costs of RR and CC, by sector (orders), where some blocks nearly tie."""
    drawn = [form.random_order(seed) for seed in range(orders)]
    drawn = [other for other in drawn if not np.array_equal(other.T, form.T)]
    names = [name for name in ("RR", "CC") if form.sector_mask(name).any()]
    return dict(zip(names, _costs(one, drawn, names, **asked).T)) if drawn else {}


def _other_sides(one: RNN, form: SchurForm, asked: dict) -> dict[int, np.ndarray]:
    """Costs of RR, CR and CC by the units in R, with the blocks near the cut on the other side."""
    levels = (form.threshold / _NEAR, min(form.threshold * _NEAR, 1.0)) if form.near_cut else ()
    cuts = {cut.n_leading: cut for cut in map(form.with_threshold, levels)}
    cuts.pop(form.n_leading, None)
    return dict(zip(cuts, _costs(one, list(cuts.values()), SECTORS, **asked))) if cuts else {}


def _costs(one, forms, names, trials, metric, dtype) -> np.ndarray:
    """(forms, names) what removing these sectors costs."""
    changes = (-form.weights(form.sector(name)) for form in forms for name in names)
    changes = chain([np.zeros(forms[0].T.shape)], changes)
    with np.errstate(over="ignore", invalid="ignore"):
        values = measure(one, changes, trials, metric, dtype=dtype)
        return metric.worse * (values[1:] - values[0]).reshape(len(forms), len(names))


def _refusal(check: Check) -> str:
    size = f"{check.max_deviation:.3g}, where the largest output is {check.scale:.3g}"
    size = size if np.isfinite(check.max_deviation) else "beyond all bounds"
    return (
        "the network as it was read does not give the outputs that stand in the trials: the "
        f"largest deviation is {size}. "
        f"{check.hint} To go on with a network that is not yours, pass --force-unchecked "
        "(force_unchecked=True)."
    )


# ----------------------------------------------------------------------------------- as plain data
def _checked(check: Check, settled: str) -> dict:
    entry = {"max_deviation": check.max_deviation, "agrees": check.ok, "hint": check.hint}
    entry |= {"tolerance": check.tolerance, "settled": settled or None}
    return defined(entry, {"max_deviation": "the network diverged"})


def _removal(sectors, one: Removal, profile: Profile, form: SchurForm) -> dict:
    """A removal of one network."""
    value, delta = ("fvu", "delta_fvu") if profile.metric is FVU else ("value", "delta")
    intact, mass = float(profile.intact[0]), float(one.mass[0])
    change = profile.metric.worse * float(one.cost[0])
    diverged = "the ablated network diverged" if np.isfinite(intact) else _UNABLATED
    slight = f"next to nothing to remove (removed mass {mass:.0e})" if mass else _EMPTY
    share = matched_share(form, sectors) if mass and "matched" in one.controls else 1.0
    entry = {
        "removed": list(sectors),
        "removed_mass": mass,
        value: intact + change,
        delta: change,
        "sensitivity": change / mass if mass >= LEAST_MASS else np.nan,
        "reading": one.readings[0],
        "controls": [
            _control(kind, one, profile, delta, share if kind == "matched" else 1.0)
            for kind in one.controls
        ],
    }
    measured = dict.fromkeys((value, delta), diverged)
    return defined(entry, measured | {"sensitivity": diverged if mass >= LEAST_MASS else slight})


def _control(kind: str, one: Removal, profile: Profile, delta: str, share: float) -> dict:
    drawn, held = profile.metric.worse * one.controls[kind][0], one.held[0]
    with np.errstate(invalid="ignore"):  # between draws that diverged
        ends = {
            f"{delta}_{name}": float(np.quantile(drawn, level)) for name, level in _OF_DRAWS.items()
        }
    entry = {"kind": kind, "n": len(drawn) if held else 0, **ends}
    entry |= {"beyond": bool(one.beyond(kind)[0]), "below": bool(one.below(kind)[0])}
    lost = f"{(~np.isfinite(drawn)).sum()} of {len(drawn)} draws diverged"
    why = (lost if np.isfinite(profile.intact[0]) else _UNABLATED) if held else _EMPTY
    return defined(entry | {"norm_share": share}, dict.fromkeys(ends, why))
