"""Whether two distances between the same networks agree: what is resampled or permuted are
networks, as pairs that share one are not independent.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import factorial

import numpy as np

from schurkit import random
from schurkit.checks import InputError, integer
from schurkit.intervals import square


@dataclass(frozen=True)
class Relation:
    """How far two distances between the same networks agree.

    spearman : over pairs.
    low, high : its 95 % interval over networks; None below 10 networks.
    p : share of relabellings of the networks of one of the two whose |Spearman| is at least as
        large (a Mantel test, two-sided).
    n : networks.
    permutations : relabellings drawn.
    """

    spearman: float
    low: float | None
    high: float | None
    p: float
    n: int
    permutations: int


def relation(
    first,
    second,
    *,
    permutations: int = 999,
    resamples: int = 1000,
    seed: int = 0,
) -> Relation:
    """Spearman correlation of two distances over pairs of networks: a Mantel test, and an interval
    from resampled networks.

    Pairs of a network with itself are left out, also of the resamples. Ties share their mean rank.

    Parameters
    ----------
    first, second : (networks, networks), symmetric, the networks in the same order; at least 4.
    permutations : relabellings for p, at best 1/(permutations + 1) and 1/n!.

    Raises
    ------
    InputError : sizes differ, fewer than 4 networks, or a distance that is the same for all pairs.

    Source: N. Mantel, Cancer Research 27 (1967) 209.
    """
    X, Y = square(first, "first"), square(second, "second")
    integer(permutations, "permutations", at_least=1)
    n = len(X)
    if len(Y) != n or n < 4:
        raise InputError(
            f"relation needs two distances between the same networks, at least 4; got {n} and "
            f"{len(Y)} networks."
        )
    i, j = np.triu_indices(n, 1)
    if np.ptp(X[i, j]) == 0 or np.ptp(Y[i, j]) == 0:
        raise InputError("relation is undefined: one of the distances is the same for all pairs.")
    x, ranks = _standard_ranks(X[i, j]), np.zeros((n, n))
    ranks[i, j] = ranks[j, i] = _standard_ranks(Y[i, j])
    rho = float(x @ ranks[i, j])
    orders = [random.permutation(seed, "mantel", k, n) for k in range(permutations)]
    null = np.array([x @ ranks[order[i], order[j]] for order in orders])
    p = (1 + int((np.abs(null) >= abs(rho) - 1e-12).sum())) / (permutations + 1)
    p = max(p, 1 / factorial(n))  # one of all orders is the networks' own
    if n < 10:
        return Relation(rho, None, None, p, n, permutations)
    drawn = random.integers(seed, "relation bootstrap", 0, (resamples, n), n)
    again = []
    for a, b in ((networks[i], networks[j]) for networks in drawn):
        pairs = a[a != b], b[a != b]
        again.append(float(_standard_ranks(X[pairs]) @ _standard_ranks(Y[pairs])))
    low, high = np.nanquantile(again, [0.025, 0.975])
    return Relation(rho, float(low), float(high), p, n, permutations)


def _standard_ranks(values):
    """Ranks, centred and of unit norm; zero for a constant."""
    from scipy.stats import rankdata  # slow to import

    x = rankdata(values)
    x = x - x.mean()
    norm = np.linalg.norm(x)
    return x / norm if norm > 0 else x
