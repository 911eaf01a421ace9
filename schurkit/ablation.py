"""Ablations in Schur coordinates: remove chosen nonnormal couplings, keep input and readout, and measure what changes.

W̃ = W_rec − Q ΔT Qᵀ, where ΔT holds the removed couplings. Nothing is refitted. Every effect stands beside controls: changes
of the same size that are not the removal. Source: S. Dräger, arXiv:2606.18457, §2; the controls are ours.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import isfinite
from typing import NamedTuple

import numpy as np

from . import random
from ._blocks import frobenius
from ._checks import InputError, integer, one_of
from .engine import rollout
from .metrics import Metric, metric
from .rnn import RNN, Trials
from .schur import SECTORS, SchurForm, real_schur

SUBSETS = ((), ("RR",), ("CR",), ("CC",), ("RR", "CR"), ("RR", "CC"), ("CR", "CC"), SECTORS)
CONTROLS = ("block-upper", "permuted", "full")
LEAST_MASS = 1e-5
"""Below this removed mass a sensitivity is rounding noise and therefore undefined."""
NEARLY_EMPTY = 0.01
"""Below this removed mass a sector is nearly empty: that its removal costs little does not say that such couplings are harmless."""
_OUTPUT_BYTES = 64 * 2**20


def name_of(sectors: Sequence[str]) -> str:
    """Label of a removal: "none", "CR", "RR+CC", …"""
    return "+".join(sectors) or "none"


def removal(form: SchurForm, sectors: Sequence[str]) -> np.ndarray:
    """ΔT, (hidden, hidden): the couplings of the named sectors of a form, zero elsewhere."""
    if isinstance(sectors, str):
        raise InputError(f"sectors must be a tuple of names, e.g. ('RR', 'CC'); got the string {sectors!r}.")
    delta_T = np.zeros_like(form.T)
    for name in sectors:
        delta_T += form.sector(one_of(name, "sector", SECTORS))
    return delta_T


def ablate(rnn: RNN, form: SchurForm, removals: Sequence = SUBSETS, labels: Sequence | None = None) -> RNN:
    """One network without chosen couplings: a stack of labelled variants.

    W̃ = W_rec − Q ΔT Qᵀ; removing nothing gives W_rec bit for bit.

    Parameters
    ----------
    rnn : a stack of one.
    form : the Schur form of its W_rec.
    removals : what to remove in each variant: a tuple of sector names, or ΔT itself, (hidden, hidden). By default the eight
        subsets of {RR, CR, CC}.
    labels : names of the variants; by default the sectors ("none", "RR+CC", …), and the position for a ΔT.

    Returns
    -------
    RNN : one variant a removal, in the dtype of `rnn`; W_in, W_out, biases and start unchanged.

    Raises
    ------
    InputError : more than one network, or a form of another matrix.

    Examples
    --------
    >>> import numpy as np
    >>> from schurkit import RNN, real_schur
    >>> W_rec = np.triu(np.ones((4, 4))) * 0.3
    >>> rnn = RNN(np.ones((4, 1)), W_rec, np.ones((1, 4)))
    >>> ablate(rnn, real_schur(W_rec), [(), ("RR",)]).labels
    ('none', 'RR')
    """
    check_form(rnn, form)
    removals = list(removals)
    if not removals:
        raise InputError("ablate needs at least one removal; got none.")
    named = [isinstance(r, (tuple, list)) and all(isinstance(s, str) for s in r) for r in removals]
    deltas = [removal(form, r) if is_name else _delta(form, r) for r, is_name in zip(removals, named)]
    if labels is None:
        labels = [name_of(r) if is_name else i for i, (r, is_name) in enumerate(zip(removals, named))]
    W_rec = np.stack([_without(rnn, form.weights(d) if d.any() else d) for d in deltas])
    return rnn.with_W_rec(W_rec, labels=labels)


def check_form(rnn: RNN, form: SchurForm) -> None:
    """Raise InputError unless `rnn` is one network and `form` is a Schur form of its W_rec (to 1e-6 of its norm)."""
    if len(rnn) != 1:
        raise InputError(f"ablations need one network (a stack of one); got {len(rnn)}. Take rnn[i].")
    if form.T.shape != rnn.W_rec.shape[1:]:
        raise InputError(f"the Schur form is of a matrix of shape {form.T.shape}; the network's W_rec has shape {rnn.W_rec.shape[1:]}.")
    W_rec = rnn.W_rec[0].astype(np.float64)
    scale = np.abs(W_rec).max()
    if scale > 0 and np.abs(form.W_rec - W_rec).max() > 1e-6 * scale * form.T.shape[0]:
        raise InputError("the Schur form is of another matrix than the network's W_rec: use real_schur(rnn.W_rec[0]).")


def _delta(form, delta_T):
    delta_T = np.asarray(delta_T, dtype=np.float64)
    if delta_T.shape != form.T.shape:
        raise InputError(f"a removal must be a tuple of sector names or ΔT of shape {form.T.shape}; got shape {delta_T.shape}.")
    return delta_T


def _without(rnn, change):
    return (rnn.W_rec[0].astype(np.float64) - change).astype(rnn.dtype)


def control_changes(form: SchurForm, sectors: Sequence[str], kind: str, draws: int = 20, seed: int = 0) -> np.ndarray:
    """Random changes of W_rec of the same Frobenius norm as a removal, to be subtracted like it.

    Parameters
    ----------
    form : Schur form of the network.
    sectors : the removal that is controlled for.
    kind : "block-upper", the main control: Gaussian couplings anywhere in N, so that B is kept as in the removal;
        "permuted": the removed entries, permuted within their sector; "full": a Gaussian matrix in any position.
    draws, seed : number of draws, and the seed they depend on.

    Returns
    -------
    (draws, hidden, hidden) in raw coordinates. A removal lowers ‖W_rec‖ while a random change of equal norm tends to raise
    it: part of what a control shows may be that.
    """
    one_of(kind, "control", CONTROLS)
    draws = integer(draws, "draws", at_least=1)
    delta_T = removal(form, sectors)
    hidden = form.hidden_size
    norm = frobenius(delta_T)  # scaled: squares of huge or tiny weights would overflow or vanish
    stream = f"control {kind} {name_of(sectors)}"
    if kind == "permuted":
        changes = np.zeros((draws, hidden, hidden))
        for name in sectors:
            mask = form.sector_mask(name)
            entries = delta_T[mask]
            for draw in range(draws):
                changes[draw][mask] = entries[random.permutation(seed, f"{stream} {name}", draw, entries.size)]
    else:
        changes = np.stack([random.normal(seed, stream, draw, (hidden, hidden)) for draw in range(draws)])
        if kind == "block-upper":
            changes *= sum(form.sector_mask(name) for name in SECTORS)
        sizes = np.linalg.norm(changes, axis=(1, 2), keepdims=True)
        changes *= np.divide(norm, sizes, out=np.zeros_like(sizes), where=sizes > 0)
    return form.Q @ changes @ form.Q.T


@dataclass(frozen=True)
class AblationRow:
    """One measurement of `ablation_profile`.

    network : label of the network. removed : "none", "RR", "RR+CR", … kind : "removal" or the name of the control.
    draw : number of the control's draw, 0 for the removal. fraction : the share of ΔT that was removed, 1 for all of it.
    removed_mass : fraction · ‖ΔT‖_F/‖T‖_F of the removal (and of its controls).
    metric : name of the measure. value : measured, infinite for a network that diverged.
    delta : value − value of the unablated network; None if that one diverged, and where the named sectors are empty: there is nothing to remove,
        which is no effect of 0.
    sensitivity : delta / removed_mass; None where undefined. undefined : why delta or sensitivity are None, else "".
    n_leading : number of units in R.
    """

    network: object
    removed: str
    kind: str
    draw: int
    fraction: float
    removed_mass: float
    metric: str
    value: float
    delta: float | None
    sensitivity: float | None
    undefined: str
    n_leading: int


def ablation_profile(
    rnn: RNN,
    trials: Trials,
    *,
    metric: str | Metric = "fvu",
    threshold: float = 0.9,
    forms: Sequence[SchurForm] | None = None,
    subsets: Sequence[Sequence[str]] = SUBSETS,
    fractions: Sequence[float] = (1.0,),
    controls: Sequence[str] = ("block-upper",),
    draws: int = 20,
    seed: int = 0,
    engine: str = "auto",
) -> list[AblationRow]:
    """Remove each subset of sectors from each network of a stack, and measure it beside its controls.

    Parameters
    ----------
    rnn : a stack; every network has a Schur form of its own.
    trials : held-out trials, shared by all networks.
    metric : "fvu", "replay_accuracy" or a `schurkit.metrics.Metric`.
    threshold : of the sectors (modulus ≥ threshold × spectral radius is R).
    forms : Schur forms to use instead, one a network (another order, say); `threshold` is then not used.
    subsets : what to remove, each a tuple out of "RR", "CR", "CC".
    fractions : how much of each removal and control, W_rec − fraction · Q ΔT Qᵀ; 1 is the removal itself.
    controls : names for `control_changes`; () for none. Removing no sector has no control.
    draws, seed : of the controls.
    engine : see `schurkit.engine.choose`.

    Returns
    -------
    list of `AblationRow`, ready for ``pandas.DataFrame``: for each network, each subset as "removal" (by fraction), then its controls.

    Examples
    --------
    >>> import numpy as np
    >>> from schurkit import RNN, Trials, rollout
    >>> rnn = RNN(np.eye(4)[:, :1], np.diag([0.5] * 3, 1) + 0.5 * np.eye(4), np.ones((1, 4)))
    >>> inputs = np.random.default_rng(0).normal(size=(8, 5, 1))
    >>> trials = Trials(inputs, rollout(rnn, inputs).outputs[0])
    >>> rows = ablation_profile(rnn, trials, subsets=[(), ("RR",)], controls=())
    >>> [(row.removed, row.delta) for row in rows][0]
    ('none', 0.0)
    """
    measure = _metric(metric)
    for kind in controls:
        one_of(kind, "control", CONTROLS)
    forms = [real_schur(W, threshold, leak=rnn.leak) for W in rnn.W_rec] if forms is None else list(forms)
    if len(forms) != len(rnn):
        raise InputError(f"forms must hold one Schur form a network ({len(rnn)}); got {len(forms)}.")
    rows = []
    for one, form in zip(rnn, forms):
        check_form(one, form)
        cases = _cases(subsets, fractions, controls, draws)
        values = _measure_cases(one, form, cases, trials, measure, draws, seed, engine)
        masses = {case.sectors: form.removed_mass(removal(form, case.sectors)) for case in cases}
        for case, value in zip(cases, values[1:]):
            rows.append(_row(one.labels[0], form, case, masses[case.sectors], measure.name, float(value), float(values[0])))
    return rows


class _Case(NamedTuple):
    sectors: tuple[str, ...]
    kind: str
    draw: int
    fraction: float


def _cases(subsets, fractions, controls, draws) -> list[_Case]:
    cases = []
    for sectors in map(tuple, subsets):
        kinds = [("removal", 0)] + [(kind, draw) for kind in controls for draw in range(draws)]
        for kind, draw in kinds if sectors else kinds[:1]:
            cases += [_Case(sectors, kind, draw, float(fraction)) for fraction in (fractions if sectors else (1.0,))]
    return cases


def threshold_sweep(
    rnn: RNN,
    trials: Trials,
    levels: Sequence[float],
    *,
    metric: str | Metric = "fvu",
    forms: Sequence[SchurForm] | None = None,
    subsets: Sequence[Sequence[str]] = (("RR",), ("CR",), ("CC",), SECTORS),
    engine: str = "auto",
) -> list[tuple[float, AblationRow]]:
    """Removals whose sectors are cut at several thresholds; networks are run once for each different number of units in R.

    Parameters
    ----------
    rnn, trials, metric, subsets, engine : as in `ablation_profile`. levels : thresholds, each from 0 to 1.
    forms : Schur forms, one a network, whose order is kept; their own threshold is not used.

    Returns
    -------
    list of (threshold, `AblationRow`), by network, then threshold.
    """
    forms = [real_schur(W, leak=rnn.leak) for W in rnn.W_rec] if forms is None else list(forms)
    found = []
    for one, form in zip(rnn, forms):
        known: dict[int, list[AblationRow]] = {}
        for level in levels:
            cut = form.with_threshold(float(level))
            if cut.n_leading not in known:
                known[cut.n_leading] = ablation_profile(one, trials, metric=metric, forms=[cut], subsets=subsets, controls=(), engine=engine)
            found += [(float(level), row) for row in known[cut.n_leading]]
    return found


_metric = metric  # the public parameter of the same name hides the function


def _measure_cases(one, form, cases, trials, measure, draws, seed, engine) -> np.ndarray:
    """Metric of the intact network, then of each case; variants are rolled out in batches that fit the memory bound."""
    cache: dict[tuple, np.ndarray] = {}

    def change(case: _Case):
        if (case.sectors, case.kind) not in cache:
            cache.clear()  # cases come sorted: one entry is enough
            if case.kind == "removal":
                delta_T = removal(form, case.sectors)
                cache[case.sectors, case.kind] = (form.weights(delta_T) if delta_T.any() else delta_T)[None]
            else:
                cache[case.sectors, case.kind] = control_changes(form, case.sectors, case.kind, draws, seed)
        return case.fraction * cache[case.sectors, case.kind][case.draw]

    size = one.dtype.itemsize * trials.targets.size
    batch = max(1, int(_OUTPUT_BYTES // size))
    values = [measure.measure(rollout(one, trials, engine=engine).outputs, trials)]
    for start in range(0, len(cases), batch):
        W_rec = np.stack([_without(one, change(case)) for case in cases[start : start + batch]])
        outputs = rollout(one.with_W_rec(W_rec), trials, engine=engine).outputs
        values.append(np.asarray(measure.measure(outputs, trials), dtype=np.float64))
    return np.concatenate(values)


def _row(label, form, case, mass, name, value, intact) -> AblationRow:
    mass = mass * case.fraction
    empty = bool(case.sectors) and mass == 0
    delta = value - intact if isfinite(intact) and not empty else None
    why = ""
    if not isfinite(intact):
        why = "the unablated network diverged"
    elif mass == 0:
        why = "nothing to remove: " + ("no sector was named" if not case.sectors else "the sector holds no coupling")
    elif mass < LEAST_MASS:
        why = f"removed mass {mass:.1e} is below {LEAST_MASS:.0e}: rounding noise"
    elif not isfinite(delta):
        why = "the ablated network diverged"
    sensitivity = None if why else delta / mass
    return AblationRow(label, name_of(case.sectors), case.kind, case.draw, case.fraction, mass, name, value, delta, sensitivity, why, form.n_leading)


def refit_readout(rnn: RNN, trials: Trials, *, engine: str = "auto") -> RNN:
    """Every network with the W_out that fits the targets best, by least squares on its own states: **another question**.

    A refitted decoder asks whether the information is still in the state, not whether the network still does its task.
    Fit on trials other than those it is measured on.

    Parameters
    ----------
    rnn : a stack. trials : the trials to fit on, shared by all networks; only unmasked steps count. b_out is kept.

    Returns
    -------
    RNN : the stack with new W_out (minimum-norm solution where the states do not span the units).
    """
    if trials.networks is not None:
        raise InputError("refit_readout needs trials that all networks share; got trials with a networks axis.")
    kept = np.broadcast_to(trials.mask, trials.targets.shape[:2])
    W_out = np.empty(rnn.W_out.shape)
    for i, one in enumerate(rnn):
        states = rollout(one, trials, states=True, engine=engine).states[0][kept].astype(np.float64)
        if rnn.form == "voltage":
            states = np.tanh(states) if rnn.activation == "tanh" else np.maximum(states, 0)
        target = trials.targets[kept] - one.b_out[0]
        W_out[i] = np.linalg.lstsq(states.T @ states, states.T @ target, rcond=None)[0].T
    return replace(rnn, W_out=W_out.astype(rnn.dtype))
