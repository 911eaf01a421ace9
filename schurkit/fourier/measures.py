"""How far a network does Fourier multiplication: logits as Σ_k α_k cos w_k(a + b − c), directions
in h_2, restricted and excluded loss.

With w_k = 2πk/p, the two directions of a frequency are cos w_k(a + b) and sin w_k(a + b) as
functions of the pair (a, b). Keeping or removing them is a projection over pairs; because the
readout is linear, doing it to h_2 or to the logits is the same operation.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from schurkit.checks import InputError, real_array

from .basis import check_frequencies, energies, frequency_rows
from .tables import Tables, centred_logits, check_table, cross_entropy, mean_over_sums, sums


# -------------------------------------------------------------------------- the parts of the logits
def frequency_part(values, frequencies) -> np.ndarray:
    """The cos and sin w_k(a + b) parts of a table over pairs, for the given frequencies: (p, p)
    indexed [(a + b) mod p, column].

    values : (p, p, columns) indexed [a, b], e.g. logits or h_2; or (p, columns), already the mean
        over pairs of each sum.
    """
    means = _means(values)
    rows = frequency_rows(len(means), frequencies)
    return rows.T @ (rows @ means)


def restricted_logits(values, frequencies) -> np.ndarray:
    """What the given frequencies and the constant alone say, (p, p) indexed [(a + b) mod p, class];
    parameters as `frequency_part`.
    """
    means = _means(values)
    return means.mean(axis=0) + frequency_part(means, frequencies)


def excluded_logits(logits, frequencies) -> np.ndarray:
    """Logits without the cos and sin w_k(a + b) parts of the given frequencies, (p, p, p) indexed
    [a, b, class]; the constant stays.
    """
    logits = check_table(logits)
    return logits - frequency_part(logits, frequencies)[sums(len(logits))]


def restricted_loss(logits, frequencies, pairs=None) -> float:
    """Cross-entropy of `restricted_logits`, on all p² pairs unless `pairs` (pairs, 2) says
    otherwise.

    Low early in training means that the frequencies alone solve the task before the whole network
    does. **A trap**: the projection runs over all pairs, training pairs among them, so a look-up
    table of the training pairs has a good restricted accuracy too, with *any* frequencies. Compare
    with frequencies that are no keys, or pass ``mean_over_sums(logits, unseen)`` in place of the
    logits: then a look-up table gives log p.

    Source: N. Nanda et al., arXiv:2301.05217, §5.1 (there with a mask of (2K + 1)² products of
    one-token waves; here two directions a frequency).
    """
    return cross_entropy(restricted_logits(logits, frequencies), pairs)


def excluded_loss(logits, frequencies, pairs) -> float:
    """Cross-entropy of `excluded_logits` on `pairs` (pairs, 2), meant to be the training pairs:
    high when they are solved by the frequencies.

    Source: N. Nanda et al., arXiv:2301.05217, §5.1.
    """
    return cross_entropy(excluded_logits(logits, frequencies), pairs)


def _means(values) -> np.ndarray:
    values = real_array(values, "values")
    if values.ndim == 3:
        return mean_over_sums(values)
    if values.ndim != 2:
        raise InputError(
            "values must have axes (p, p, columns), or (p, columns) for functions of the sum; "
            f"got shape {values.shape}."
        )
    return values.astype(np.float64)


# ------------------------------------------------------------------------ how well the formula fits
@dataclass(frozen=True, eq=False)
class LogitModel:
    """logits ≈ Σ_k α_k cos w_k(a + b − c), least squares over all pairs and classes; made by
    `logit_model`.

    frequencies : (frequencies,).
    alpha : (frequencies,) in the units of the logits.
    fve : fraction of the variance of the logits that the model explains (squared, as R²), after
        taking each pair's mean over classes away, which softmax ignores.
    constant : fraction of the same variance that is a constant of each class, whatever the pair.
    """

    frequencies: np.ndarray
    alpha: np.ndarray
    fve: float
    constant: float


def logit_model(logits, frequencies) -> LogitModel:
    """Fit logits = Σ_k α_k cos w_k(a + b − c) for the given frequencies.

    Parameters
    ----------
    logits : (p, p, p) indexed [a, b, class].
    frequencies : the k of the model, e.g. from `key_frequencies`. Their waves are orthogonal, so
        each α_k is a projection.

    Raises
    ------
    InputError : logits that do not vary over classes.
    """
    centred, by_sum = centred_logits(logits)
    p, frequencies = len(by_sum), check_frequencies(frequencies, len(by_sum))
    total = float(np.square(centred).sum())
    if not total > 0:
        raise InputError(
            "logit_model is undefined: the logits of every pair are the same for all classes."
        )
    rows = frequency_rows(p, frequencies).reshape(-1, 2, p)
    # Σ_{s,c} M[s, c] cos w(s − c) = (p/2) (cᵀ M c + sᵀ M s) with the orthonormal cosine c and sine
    # s
    inner = np.einsum("fxs,sc,fxc->f", rows, by_sum, rows, optimize=True) * p / 2
    alpha = inner * 2 / p**2
    explained = float(np.square(alpha).sum() * p**3 / 2)
    constant = float(np.square(by_sum.mean(axis=0)).sum() * p**2)
    return LogitModel(frequencies, alpha, explained / total, constant / total)


@dataclass(frozen=True)
class FourierFit:
    """How one frequency is carried by two directions of h_2; one row of `fourier_fit`.

    frequency : k.
    share : of the variance of h_2 over pairs that the two directions hold.
    fve_cos, fve_sin : fraction of variance explained (squared, as R²) when the state along W_outᵀ
        c_k and along W_outᵀ s_k is regressed on
    1, cos w_k(a + b) and sin w_k(a + b) over all p² pairs.
    residual : 1 − (mean of the two);
    residual_root : its square root, the relative size of what is left.
    """

    frequency: int
    share: float
    fve_cos: float
    fve_sin: float

    @property
    def residual(self) -> float:
        return 1 - (self.fve_cos + self.fve_sin) / 2

    @property
    def residual_root(self) -> float:
        return float(np.sqrt(max(self.residual, 0.0)))


def fourier_fit(table: Tables, frequencies) -> list[FourierFit]:
    """Project h_2 on the readout's cosine and sine of each frequency and regress the two on cos and
    sin w_k(a + b).

    Parameters
    ----------
    table : of one network, from `tables`.
    frequencies : the k to look at, e.g. from `key_frequencies`.

    Returns
    -------
    list of `FourierFit`, one a frequency, in the given order.

    Source: N. Nanda et al., arXiv:2301.05217, §4.2 (there for the output of the hidden layer of a
    transformer).
    """
    frequencies, p = check_frequencies(frequencies, table.p), table.p
    h2 = table.h2.reshape(p * p, -1)
    total = float((np.var(h2, axis=0, dtype=np.float64)).sum())
    fits = []
    for k in frequencies:
        rows = frequency_rows(p, [k])
        directions = table.W_out.T @ rows.T
        along = (h2 @ directions).astype(np.float64).reshape(p, p, 2)
        along -= along.mean(axis=(0, 1))
        variance = np.square(along).sum(axis=(0, 1))
        if not (variance > 0).all():
            raise InputError(
                f"fourier_fit is undefined for frequency {k}: the state does not vary along its "
                "readout directions."
            )
        fve = np.square(rows @ mean_over_sums(along)).sum(axis=0) * p / variance
        basis = np.linalg.qr(directions.astype(np.float64))[0].astype(h2.dtype)
        held = float(np.var((h2 @ basis).astype(np.float64), axis=0).sum())
        fits.append(FourierFit(int(k), held / total, *fve.tolist()))
    return fits


def sum_share(logits) -> np.ndarray:
    """Share of the variance of the logits that is a function of a + b, by frequency: ((p − 1)/2,).
    Of the variance that `logit_model` explains: each pair's mean over classes is taken away.
    """
    centred, by_sum = centred_logits(logits)
    total = np.square(centred).sum()
    if not total > 0:
        raise InputError("sum_share is undefined: the logits of every pair are the same.")
    return energies(by_sum) * len(by_sum) / total
