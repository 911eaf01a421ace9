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
from .tables import centred_logits, check_table, cross_entropy, mean_over_sums, sums


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

    Good early in training means that the frequencies alone solve the task before the whole network
    does. **A trap**: the projection runs over all pairs, training pairs among them, so a look-up
    table of the training pairs has a good restricted accuracy too, with *any* frequencies. Compare
    with frequencies that are no keys, or pass ``mean_over_sums(logits, unseen)`` in place of the
    logits: then a look-up table knows nothing.

    Source: N. Nanda et al., arXiv:2301.05217, §5.1 (there with a mask of (2K + 1)² products of
    one-token waves; here two directions a frequency).
    """
    means = _means(values)
    return means.mean(axis=0) + frequency_part(means, frequencies)


def excluded_logits(logits, frequencies) -> np.ndarray:
    """Logits without the cos and sin w_k(a + b) parts of the given frequencies, (p, p, p) indexed
    [a, b, class]; the constant stays.
    """
    logits = check_table(logits)
    return logits - frequency_part(logits, frequencies)[sums(len(logits))]


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


def sum_share(logits) -> np.ndarray:
    """Share of the variance of the logits that is a function of a + b, by frequency: ((p − 1)/2,).
    Of the variance that `logit_model` explains: each pair's mean over classes is taken away.
    """
    centred, by_sum = centred_logits(logits)
    total = np.square(centred).sum()
    if not total > 0:
        raise InputError("sum_share is undefined: the logits of every pair are the same.")
    return energies(by_sum) * len(by_sum) / total
