"""What removing a coupling should cost, without running the network again; and what it does cost,
coupling by coupling.

The measure is FVU on given trials. With G = dFVU/dT and J the derivative of all outputs with
respect to T, removing ΔT changes FVU by about

    −⟨G, ΔT⟩ + ‖J ΔT‖² / D,        D = Σ ‖y − ȳ‖²  (the denominator of FVU):

first order plus Gauss–Newton (the curvature of the residuals is left out). ‖J ΔT‖² is estimated as
the mean over random ±1 output signals r of Σ_trials ⟨J_trialᵀ r, ΔT⟩²: one backward pass a signal,
squared trial by trial. The scheme is ours; it is held against exact rollouts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np

from schurkit import random
from schurkit.checks import InputError, integer, suited_trials
from schurkit.engine import choose
from schurkit.engine.adjoints import output_adjoints
from schurkit.engine.base import Spec, weights_of
from schurkit.intervals import Interval, over_finite
from schurkit.metrics import Metric
from schurkit.rnn import RNN, Trials
from schurkit.schur import SchurForm

from .changes import check_form, forms_of
from .rollouts import measure

_TRIALS_A_BLOCK = 32
_STREAM = "importance"


class _Question:
    """What the estimates are of, checked.

    first : the first step that counts;
    window : (time, trials, output) which cells count from there on.
    denominator : of FVU.
    seed, signals : of the random signs.
    """

    def __init__(self, rnn, form, trials, signals, seed):
        check_form(rnn, form)
        suited_trials(trials, rnn, "coupling_estimates")
        self.targets, kept = trials.targets, trials.counted_cells
        self.seed, self.signals = seed, integer(signals, "signals", at_least=1)
        self.denominator = float(trials.total_variance)
        if not self.denominator > 0:
            raise InputError("an estimate is undefined: the unmasked targets do not vary.")
        self.first = int(np.argmax(kept.any(axis=(0, 2))))
        self.window = np.moveaxis(kept, 1, 0)[self.first :]


def _gradient(network, asked, form):
    """G = dFVU/dT, (hidden, hidden)."""
    error = (network.outputs - np.moveaxis(asked.targets, 1, 0))[asked.first :] * asked.window
    pairs = (
        [part.reshape(-1, len(form.Q)).astype(np.float64) for part in both]
        for both in _blocks(network, 2 * error / asked.denominator, form)
    )
    return sum(adjoint.T @ rate for adjoint, rate in pairs)


def _signal_blocks(network, asked, form):
    """Of each signal, blocks of (adjoint, rate) in Schur coordinates."""
    shape = (1, *asked.window.shape[:2], asked.targets.shape[2])
    for signal in range(asked.signals):
        signs = random.signs(asked.seed, _STREAM, signal, shape)[0] * asked.window
        yield from _blocks(network, signs / np.sqrt(asked.denominator), form)


def _blocks(network, d_out, form):
    """Blocks of trials of the adjoint of a signal and of the driving activity in the coordinates of
    T, (trials, time, hidden) each.
    """
    # a change of T changes W_rec by diag(leak)⁻¹ Q ΔT Qᵀ
    driven = form.Q / np.broadcast_to(form.leak, form.hidden_size)[:, None]
    both = [
        np.ascontiguousarray(part.transpose(1, 0, 2)) @ basis.astype(part.dtype)
        for part, basis in ((network.back(d_out), driven), (network.driving, form.Q))
    ]
    for start in range(0, len(both[0]), _TRIALS_A_BLOCK):
        yield [part[start : start + _TRIALS_A_BLOCK] for part in both]


@dataclass(frozen=True)
class CouplingRow:
    """One coupling between two blocks: what removing it alone does to FVU.

    network : label.
    driven, driver : block indices i < j.
    modulus_driven, modulus_driver : of the blocks.
    sector : "RR", "CR" or "CC".
    norm : ‖T_ij‖_F;
    removed_mass : norm / ‖T‖_F.
    exact : change of FVU by rollout; None if not asked for, infinite if the network diverged.
    first_order, gauss_newton : the estimate's two parts.
    """

    network: object
    driven: int
    driver: int
    modulus_driven: float
    modulus_driver: float
    sector: str
    norm: float
    removed_mass: float
    exact: float | None
    first_order: float
    gauss_newton: float

    @property
    def estimate(self) -> float:
        """First order plus Gauss–Newton."""
        return self.first_order + self.gauss_newton


def coupling_estimates(
    rnn: RNN,
    form: SchurForm,
    trials: Trials,
    *,
    signals: int = 8,
    seed: int = 0,
    engine: str = "auto",
) -> tuple[np.ndarray, np.ndarray]:
    """Estimated effects of removing each single coupling: (first order, Gauss–Newton), each
    (blocks, blocks), zero on and below the diagonal.

    Parameters
    ----------
    rnn : a stack of one.
    form : the Schur form of its W_rec.
    trials : shared trials.
    signals : number of random output signals, each one backward pass.
    seed : of the signals.
    engine : "numba" computes in compiled code, in float32 (a float64 network is left to NumPy); any
        other in NumPy.

    Raises
    ------
    InputError : more than one network, a form of another matrix, trials with a networks axis, or
        targets that do not vary.

    Gradients of each trial are multiplied by T and summed inside each pair of blocks before they
    are squared, so 2×2 blocks keep their cross terms; nothing of size trials · hidden² is kept.
    """
    asked = _Question(rnn, form, trials, signals, seed)
    responses = choose(engine, dtype=rnn.dtype).responses
    by_step = trials.mask.ndim < 3 and np.ndim(form.leak) == 0
    compiles = by_step and Spec.of(rnn).compiles(weights_of(rnn, trials))
    if responses is not None and compiles:
        gradient, curvature = _compiled(responses, rnn, form, trials, asked)
    else:
        gradient, curvature = _contracted(rnn, form, trials, asked)
    first, second = -form.blockwise(gradient * form.T), curvature / asked.signals
    return np.triu(first, 1), np.triu(second, 1)


def _contracted(rnn, form, trials, asked):
    """G, and the squared responses to each coupling summed over signals and trials, in NumPy."""
    curvature, T = np.zeros_like(form.coupling_norms), form.T.astype(rnn.dtype)
    with output_adjoints(rnn, trials) as network:
        gradient = _gradient(network, asked, form)
        for adjoint, rate in _signal_blocks(network, asked, form):
            outer = np.matmul(adjoint.transpose(0, 2, 1), rate)  # Σ over time, of each trial
            curvature += (form.blockwise(outer * T) ** 2).sum(axis=0)
    return gradient, curvature


def _compiled(responses, rnn, form, trials, asked):
    """The same by an engine, in float32."""
    keys = [random.key(asked.seed, _STREAM, signal) for signal in range(asked.signals)]
    basis = form.Q, form.T / form.leak, [block.start for block in form.blocks]
    cells = trials.inputs, trials.targets, trials.counted
    gradient, curvature = responses(
        rnn.arrays, Spec.of(rnn), *basis, *cells, keys, asked.denominator
    )
    return gradient / form.leak, curvature


def coupling_map(
    rnn: RNN,
    trials: Trials,
    *,
    threshold: float = 0.9,
    forms: Sequence[SchurForm] | None = None,
    exact: bool = True,
    signals: int = 8,
    seed: int = 0,
    engine: str = "auto",
) -> list[CouplingRow]:
    """The effect on FVU of removing each single coupling between blocks: exact by batched rollouts,
    beside the estimate.

    Parameters
    ----------
    rnn : a stack; every network has a Schur form of its own.
    trials : held-out trials, shared.
    threshold, forms : as in `schurkit.ablation_profile`.
    exact : also run the network once for every coupling (blocks (blocks − 1)/2 rollouts).
    signals, seed : of the estimate, see `coupling_estimates`.
    engine : of the rollouts, and of the estimate (see `coupling_estimates`).

    Returns
    -------
    list of `CouplingRow`, for each network all pairs driven < driver.

    Examples
    --------
    >>> import numpy as np
    >>> from schurkit import RNN, Trials, rollout
    >>> W_rec = np.array([[0.9, 0.4, 0.0], [0.0, 0.8, 0.3], [0.0, 0.0, 0.7]])
    >>> rnn = RNN(np.eye(3)[:, 2:], W_rec, np.eye(3)[:1])
    >>> inputs = 0.1 * np.random.default_rng(0).normal(size=(8, 6, 1))
    >>> rows = coupling_map(rnn, Trials(inputs, rollout(rnn, inputs).outputs[0]))
    >>> [(row.driven, row.driver, round(row.exact, 2)) for row in rows]
    [(0, 1, 1.0), (0, 2, 0.0), (1, 2, 1.0)]
    """
    rows = []
    for one, form in zip(rnn, forms_of(rnn, forms, threshold)):
        first, second = coupling_estimates(
            one, form, trials, signals=signals, seed=seed, engine=engine
        )
        effects = exact_effects(one, form, trials, engine=engine) if exact else None
        for k, (i, j) in enumerate(form.couplings()):
            norm = float(form.coupling_norms[i, j])
            about = form.blocks[i].modulus, form.blocks[j].modulus, form.sector_of(i, j), norm
            about += norm / (form.norm_T or 1.0), None if effects is None else float(effects[k])
            estimate = float(first[i, j]), float(second[i, j])
            rows.append(CouplingRow(one.labels[0], i, j, *about, *estimate))
    return rows


def rank_agreement(rows: Sequence[CouplingRow]) -> Interval | None:
    """Spearman correlation of exact with estimated effects inside each network, over networks; None
    where no network has effects that differ.

    Parameters
    ----------
    rows : from `coupling_map`, with exact effects.
    """
    from scipy.stats import spearmanr  # slow to import

    networks: dict[object, list] = {}
    for row in rows:
        networks.setdefault(row.network, []).append((row.exact, row.estimate))
    effects = [list(zip(*pairs)) for pairs in networks.values()]
    differ = [both for both in effects if min(len(set(one)) for one in both) > 1]
    return over_finite([spearmanr(*both).statistic for both in differ])


def exact_effects(
    rnn: RNN,
    form: SchurForm,
    trials: Trials,
    deltas=None,
    metric: str | Metric = "fvu",
    *,
    engine: str = "auto",
) -> np.ndarray:
    """Change of FVU, or of another metric, on removing each of several ΔT, by rollouts in batches
    of bounded memory.

    Parameters
    ----------
    rnn : a stack of one.
    form : its Schur form.
    trials : shared trials.
    deltas : sequence of (hidden, hidden); by default every single coupling, in the order of
        ``form.couplings()``.
    metric : as for `measure`.

    Returns
    -------
    (removals,) float64, infinite where the ablated network diverged.
    """
    check_form(rnn, form)
    deltas = [form.coupling(i, j) for i, j in form.couplings()] if deltas is None else list(deltas)
    values = measure(
        rnn,
        chain([np.zeros_like(form.T)], (-form.weights(delta_T) for delta_T in deltas)),
        trials,
        metric,
        engine=engine,
    )
    return values[1:] - values[0]
