"""What removing a coupling should cost, without running the network again; and what it does cost, coupling by coupling.

The measure is FVU on given trials. With G = dFVU/dT and J the derivative of all outputs with respect to T, removing ΔT changes FVU by about

    −⟨G, ΔT⟩ + ‖J ΔT‖² / D,        D = Σ ‖y − ȳ‖²  (the denominator of FVU):

first order plus Gauss–Newton (the curvature of the residuals is left out). ‖J ΔT‖² is estimated as the mean over random ±1 output signals r of
Σ_trials ⟨J_trialᵀ r, ΔT⟩²: one backward pass a signal, squared trial by trial. The scheme is ours; it is held against exact rollouts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from . import random
from ._checks import InputError, integer
from .ablation import check_form
from .engine import rollout
from .engine.base import Spec
from .engine.numpy_engine import NumpyWorker, one_blas_thread
from .metrics import fvu
from .rnn import ARRAYS, RNN, Trials
from .schur import SchurForm, real_schur

_OUTPUT_BYTES = 64 * 2**20
_TRIALS_A_BLOCK = 32


@dataclass(frozen=True, eq=False)
class Importance:
    """Gradients from which the effect of any removal is estimated; made by `importance`.

    gradient : (hidden, hidden) G = dFVU/dT.
    per_trial : (signals, trials, hidden, hidden) J_trialᵀ r in Schur coordinates, divided by √D.
    """

    gradient: np.ndarray
    per_trial: np.ndarray

    def effect(self, delta_T) -> tuple[float, float]:
        """Predicted change of FVU on removing ΔT (hidden, hidden): (first order, Gauss–Newton); their sum is the estimate."""
        delta_T = np.asarray(delta_T, dtype=np.float64)
        if delta_T.shape != self.gradient.shape:
            raise InputError(f"delta_T must have shape {self.gradient.shape}; got {delta_T.shape}.")
        responses = np.tensordot(self.per_trial, delta_T.astype(self.per_trial.dtype), axes=2)
        return -float((self.gradient * delta_T).sum()), float((responses.astype(np.float64) ** 2).sum() / len(responses))


def importance(rnn: RNN, form: SchurForm, trials: Trials, *, signals: int = 8, seed: int = 0) -> Importance:
    """Gradients of one network's FVU for estimating the effect of any removal (equation in the module's text).

    Parameters
    ----------
    rnn : a stack of one. form : the Schur form of its W_rec. trials : shared trials.
    signals : number of random output signals, each one backward pass. seed : of the signals.

    Returns
    -------
    Importance : keeps signals · trials · hidden² numbers; `coupling_map` needs far fewer.

    Raises
    ------
    InputError : more than one network, a form of another matrix, trials with a networks axis, or targets that do not vary.
    """
    pieces = list(_adjoints(rnn, form, trials, signals, seed))
    gradient = pieces[0][0]
    per_trial = np.stack([np.concatenate([_outer(d, h) for d, h in blocks]) for _, blocks in pieces[1:]])
    return Importance(gradient, per_trial)


def _adjoints(rnn, form, trials, signals, seed):
    """First (G, None), then for each signal (None, blocks of (adjoint, rate) per trial), all in Schur coordinates."""
    check_form(rnn, form)
    if trials.networks is not None:
        raise InputError("importance needs trials that all networks share; got trials with a networks axis.")
    signals = integer(signals, "signals", at_least=1)
    spec = Spec.of(rnn)
    weights = {name: getattr(rnn, name) for name in ARRAYS}
    worker, alpha = NumpyWorker(spec), np.asarray(rnn.leak, rnn.dtype)
    kept = np.broadcast_to(trials.mask, trials.targets.shape[:2])
    counted = kept[..., None]
    mean = (trials.targets * counted).sum(axis=(0, 1)) / counted.sum()
    denominator = float((((trials.targets - mean) * counted).astype(np.float64) ** 2).sum())
    if not denominator > 0:
        raise InputError("importance is undefined: the unmasked targets do not vary.")
    Q = form.Q.astype(rnn.dtype)
    first = int(np.argmax(kept.any(axis=0)))
    steps = trials.targets.shape[1]
    shape = (1, steps - first, len(trials), rnn.output_size)
    with one_blas_thread(), np.errstate(over="ignore", invalid="ignore"):
        x = np.ascontiguousarray(np.moveaxis(trials.inputs[None], 2, 1), rnn.dtype)
        states, rates = worker._forward(weights, x, steps, alpha)
        outputs = rates[0, first + 1 :] @ rnn.W_out[0].T + rnn.b_out[0]
        window = np.moveaxis(counted, 1, 0)[first:]
        error = (outputs - np.moveaxis(trials.targets, 1, 0)[first:]) * window
        driving = np.ascontiguousarray(rates[0, :-1].transpose(1, 0, 2)) @ Q
        d_out = (2 * error / denominator).astype(rnn.dtype).reshape(shape)
        delta = worker._backward(weights, states, rates, d_out, first, alpha, {})[0]
        rotated = delta.transpose(1, 0, 2) @ Q
        yield rotated.reshape(-1, Q.shape[0]).T.astype(np.float64) @ driving.reshape(-1, Q.shape[0]).astype(np.float64), None
        for signal in range(signals):
            r = random.signs(seed, "importance", signal, shape) * window / np.sqrt(denominator)
            delta = worker._backward(weights, states, rates, r.astype(rnn.dtype), first, alpha, {})[0]
            rotated = delta.transpose(1, 0, 2) @ Q
            yield None, [(rotated[s : s + _TRIALS_A_BLOCK], driving[s : s + _TRIALS_A_BLOCK]) for s in range(0, len(trials), _TRIALS_A_BLOCK)]


def _outer(adjoint, rate):
    """Σ over time of adjoint rateᵀ for each trial: (trials, hidden, hidden)."""
    return np.matmul(adjoint.transpose(0, 2, 1), rate)


@dataclass(frozen=True)
class CouplingRow:
    """One coupling between two blocks: what removing it alone does to FVU.

    network : label. driven, driver : block indices i < j. modulus_driven, modulus_driver : of the blocks. sector : "RR", "CR" or "CC".
    norm : ‖T_ij‖_F; removed_mass : norm / ‖T‖_F.
    exact : change of FVU by rollout; None if not asked for, infinite if the network diverged. first_order, gauss_newton : the estimate's two parts.
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


def coupling_estimates(rnn: RNN, form: SchurForm, trials: Trials, *, signals: int = 8, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Estimated effects of removing each single coupling: (first order, Gauss–Newton), each (blocks, blocks), zero on and below the diagonal.

    Parameters as `importance`. Per trial gradients are multiplied by T and summed inside each pair of blocks before they are squared, so 2×2 blocks
    keep their cross terms; nothing of size trials · hidden² is kept.
    """
    starts = [block.start for block in form.blocks]
    gradient, curvature = None, np.zeros((len(starts), len(starts)))
    T = form.T.astype(rnn.dtype)
    for G, blocks in _adjoints(rnn, form, trials, signals, seed):
        if G is not None:
            gradient = G
            continue
        for adjoint, rate in blocks:
            curvature += (_blockwise(_outer(adjoint, rate) * T, starts) ** 2).sum(axis=0)
    above = np.triu(np.ones_like(curvature), 1)
    return -_blockwise(gradient * form.T, starts) * above, curvature / signals * above


def _blockwise(M, starts):
    """Sums of (…, hidden, hidden) over the entries of each pair of blocks."""
    if len(starts) == M.shape[-1]:
        return M
    return np.add.reduceat(np.add.reduceat(M, starts, axis=-2), starts, axis=-1)


def coupling_map(
    rnn: RNN, trials: Trials, *, threshold: float = 0.9, forms: Sequence[SchurForm] | None = None, exact: bool = True,
    signals: int = 8, seed: int = 0, engine: str = "auto",
) -> list[CouplingRow]:  # fmt: skip
    """The effect on FVU of removing each single coupling between blocks: exact by batched rollouts, beside the estimate.

    Parameters
    ----------
    rnn : a stack; every network has a Schur form of its own. trials : held-out trials, shared.
    threshold, forms : as in `schurkit.ablation_profile`.
    exact : also run the network once for every coupling (blocks (blocks − 1)/2 rollouts).
    signals, seed : of the estimate, see `importance`. engine : of the rollouts.

    Returns
    -------
    list of `CouplingRow`, for each network all pairs driven < driver.

    Examples
    --------
    >>> import numpy as np
    >>> from schurkit import RNN, Trials, rollout
    >>> rnn = RNN(np.eye(3)[:, 2:], np.array([[0.9, 0.4, 0.0], [0.0, 0.8, 0.3], [0.0, 0.0, 0.7]]), np.eye(3)[:1])
    >>> inputs = 0.1 * np.random.default_rng(0).normal(size=(8, 6, 1))
    >>> rows = coupling_map(rnn, Trials(inputs, rollout(rnn, inputs).outputs[0]))
    >>> [(row.driven, row.driver, round(row.exact, 2)) for row in rows]
    [(0, 1, 1.0), (0, 2, 0.0), (1, 2, 1.0)]
    """
    forms = [real_schur(W, threshold, leak=rnn.leak) for W in rnn.W_rec] if forms is None else list(forms)
    if len(forms) != len(rnn):
        raise InputError(f"forms must hold one Schur form a network ({len(rnn)}); got {len(forms)}.")
    rows = []
    for one, form in zip(rnn, forms):
        first, second = coupling_estimates(one, form, trials, signals=signals, seed=seed)
        effects = exact_effects(one, form, trials, engine=engine) if exact else None
        for k, (i, j) in enumerate(form.couplings()):
            leading = [form.blocks[b].start < form.n_leading for b in (i, j)]
            sector = "RR" if all(leading) else "CR" if leading[0] else "CC"
            norm = float(np.linalg.norm(form.coupling(i, j)))
            mass = norm / form.norm_T if form.norm_T else 0.0
            moduli = (form.blocks[i].modulus, form.blocks[j].modulus)
            effect = None if effects is None else float(effects[k])
            rows.append(CouplingRow(one.labels[0], i, j, *moduli, sector, norm, mass, effect, float(first[i, j]), float(second[i, j])))
    return rows


def exact_effects(rnn: RNN, form: SchurForm, trials: Trials, deltas=None, *, engine: str = "auto") -> np.ndarray:
    """Change of FVU on removing each of several ΔT, by rollouts in batches of bounded memory.

    Parameters
    ----------
    rnn : a stack of one. form : its Schur form. trials : shared trials.
    deltas : sequence of (hidden, hidden); by default every single coupling, in the order of ``form.couplings()``.

    Returns
    -------
    (removals,) float64, infinite where the ablated network diverged.
    """
    check_form(rnn, form)
    deltas = [form.coupling(i, j) for i, j in form.couplings()] if deltas is None else list(deltas)
    W_rec, Q = rnn.W_rec[0].astype(np.float64), form.Q
    intact = fvu(rollout(rnn, trials, engine=engine), trials)[0]
    batch = max(1, int(_OUTPUT_BYTES // (rnn.dtype.itemsize * trials.targets.size)))
    found = []
    for start in range(0, len(deltas), batch):
        changed = np.stack([W_rec - _rotated(Q, d) for d in deltas[start : start + batch]]).astype(rnn.dtype)
        found.append(fvu(rollout(rnn.with_W_rec(changed), trials, engine=engine), trials) - intact)
    return np.concatenate(found) if found else np.zeros(0)


def _rotated(Q, delta_T):
    """Q ΔT Qᵀ, using that a single coupling has few rows and columns."""
    rows, columns = np.flatnonzero(delta_T.any(axis=1)), np.flatnonzero(delta_T.any(axis=0))
    return (Q[:, rows] @ delta_T[np.ix_(rows, columns)]) @ Q[:, columns].T
