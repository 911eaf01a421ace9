"""Taking frequencies, or small singular values, out of a network: what is left of its accuracy, and
the controls.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import combinations
from math import comb

import numpy as np

from schurkit import random
from schurkit.checks import InputError, integer, number, one_of, real_array
from schurkit.rnn import RNN

from .basis import check_frequencies, frequency_rows
from .measures import excluded_logits, frequency_part
from .tables import accuracy, check_pairs, sums, tables

PLACES = ("input", "hidden")
MATRICES = ("W_in", "W_rec", "W_out")


def without_input_frequencies(rnn: RNN, frequencies) -> RNN:
    """The stack with the cosine and sine of the given frequencies taken out of W_in, as functions
    of the token; no frequency changes nothing.

    Parameters
    ----------
    rnn : p inputs, one a residue.
    frequencies : whole numbers from 1 to (p − 1)/2.
    """
    rows = frequency_rows(rnn.input_size, frequencies)
    if not len(rows):
        return rnn
    W_in = rnn.W_in.astype(np.float64)
    return replace(rnn, W_in=(W_in - (W_in @ rows.T) @ rows).astype(rnn.dtype))


def ablated_logits(rnn: RNN, frequencies, where: str = "input") -> np.ndarray:
    """(p, p, p) logits of one network without the given frequencies, indexed [a, b, class].

    Parameters
    ----------
    rnn : one two-step network, see `tables`.
    frequencies : whole numbers from 1 to (p − 1)/2.
    where : "input": taken out of the table of tokens, W_in; the network then runs on what is left.
        "hidden": the cos and sin w_k(a + b) parts are taken out of the state h_2 over pairs. With a
        linear readout that is the same as taking them out of the logits.
    """
    one_of(where, "where", PLACES)
    if where == "input":
        return tables(without_input_frequencies(rnn, frequencies)).logits
    return excluded_logits(tables(rnn).logits, frequencies)


@dataclass(frozen=True)
class FrequencyRow:
    """Accuracy of one network without one set of frequencies.

    network : its label.
    where : "input" or "hidden".
    kind : "key", or the control "non-key".
    removed : how many frequencies;
    frequencies : which.
    accuracy : on the pairs asked for.
    """

    network: object
    where: str
    kind: str
    removed: int
    frequencies: tuple[int, ...]
    accuracy: float


def frequency_ablation_curve(
    rnn: RNN,
    keys,
    where: str = "input",
    *,
    pairs=None,
    score=None,
    most: int = 20,
    draws: int = 5,
    seed: int = 0,
) -> list[FrequencyRow]:
    """Accuracy without r = 0 … K of the key frequencies, and without as many frequencies that are
    no keys.

    Parameters
    ----------
    rnn : one network.
    keys : its key frequencies.
    where : see `ablated_logits`.
    pairs : (pairs, 2) the pairs to count; all p² by default.
    score : from a network to its accuracy, in place of `pairs`, for networks that are not two steps
        long; with `where` "input" alone.
    most : subsets of each size: all of them if there are no more, else that many different ones at
        random.
    draws : random subsets of the non-key frequencies of each size; the set of all non-key
        frequencies comes last.
    seed : of the random subsets.

    Returns
    -------
    list of `FrequencyRow`; their mean, smallest and largest accuracy at each r make the curve.
    """
    keys, p = check_frequencies(keys, rnn.input_size), rnn.input_size
    others = np.setdiff1d(np.arange(1, (p + 1) // 2), keys)
    most, draws = integer(most, "most", at_least=1), integer(draws, "draws", at_least=0)
    if score is None:
        measure = _measure(rnn, where, None if pairs is None else check_pairs(pairs, p))
    else:
        one_of(where, "where, beside a score,", PLACES[:1])
        measure = lambda subset: score(without_input_frequencies(rnn, subset))  # noqa: E731
    rows = []

    def add(kind, subsets):
        for subset in subsets:
            row = rnn.labels[0], where, kind, len(subset), subset, measure(subset)
            rows.append(FrequencyRow(*row))

    for r in range(len(keys) + 1):
        add("key", _subsets(keys, r, most, seed))
    for r in range(1, min(len(keys), len(others)) + 1):
        add("non-key", _random_subsets(others, r, draws, seed))
    if len(others):
        add("non-key", [tuple(others.tolist())])
    return rows


def _measure(rnn, where, pairs):
    """From a set of frequencies to the accuracy without them; what the sets share is done once."""
    if one_of(where, "where", PLACES) == "input":
        return lambda subset: accuracy(ablated_logits(rnn, subset), pairs)
    table = tables(rnn)
    index, means, logits = sums(table.p), table.sum_means, table.logits
    return lambda subset: accuracy(
        logits - frequency_part(means, subset).astype(logits.dtype)[index], pairs
    )


def _subsets(items, size: int, most: int, seed: int) -> Iterator[tuple[int, ...]]:
    if comb(len(items), size) <= most:
        return (tuple(map(int, subset)) for subset in combinations(items, size))
    return _random_subsets(items, size, most, seed)


def _random_subsets(items, size: int, count: int, seed: int) -> Iterator[tuple[int, ...]]:
    """`count` different random subsets, or all if there are fewer."""
    count, seen, draw = min(count, comb(len(items), size)), set(), 0
    while len(seen) < count:
        order = random.permutation(seed, f"subsets of {size}", draw, len(items))
        subset = tuple(sorted(items[order[:size]].tolist()))
        draw += 1
        if subset not in seen:
            seen.add(subset)
            yield subset


# --------------------------------------------------------------------------------------------- rank
def truncate_rank(rnn: RNN, rank: int, which=MATRICES) -> RNN:
    """The stack with W_in, W_rec and W_out (or those in `which`) replaced by their best
    approximations of the given rank.

    Parameters
    ----------
    rnn : any stack.
    rank : singular values to keep, at least 0; more than there are change nothing.
    which : names of matrices.
    """
    rank = integer(rank, "rank", at_least=0)
    names = (which,) if isinstance(which, str) else which
    checked = [one_of(name, "which", MATRICES) for name in names]
    return replace(rnn, **{name: _truncated(getattr(rnn, name), rank) for name in checked})


def least_rank(rnn: RNN, level: float = 0.99, which=MATRICES) -> int:
    """The least rank to which matrices of one network can be cut with an accuracy over all pairs of
    at least `level`.

    Parameters
    ----------
    rnn : one two-step network.
    level : accuracy to keep, at most that of the whole network.
    which : names of matrices, cut together.
    """
    if (whole := accuracy(tables(rnn).logits)) < number(level, "level", above=0, at_most=1):
        raise InputError(f"least_rank: the whole network has accuracy {whole:.3g}, below level.")
    names = (which,) if isinstance(which, str) else which
    ranks = range(max(min(getattr(rnn, name).shape[1:]) for name in names))
    cut = (accuracy(tables(truncate_rank(rnn, rank, which)).logits) for rank in ranks)
    return next((rank for rank, left in zip(ranks, cut) if left >= level), len(ranks))


def _truncated(W, rank: int) -> np.ndarray:
    if rank >= min(W.shape[-2:]):
        return W
    U, s, Vt = np.linalg.svd(W.astype(np.float64), full_matrices=False)
    return ((U[..., :rank] * s[..., None, :rank]) @ Vt[..., :rank, :]).astype(W.dtype)


def spectral_share(W, rank: int) -> float:
    """Share of Σ σ² that the `rank` largest singular values of a matrix hold.

    Examples
    --------
    >>> round(spectral_share(np.diag([2.0, 1.0, 1.0]), 1), 3)
    0.667
    """
    W = real_array(W, "W", ("rows", "columns"), dtype=np.float64)
    squares = np.square(np.linalg.svd(W, compute_uv=False))
    if not squares.sum() > 0:
        raise InputError("spectral_share is undefined for a zero matrix.")
    return float(squares[: integer(rank, "rank", at_least=0)].sum() / squares.sum())


def weight_norm(rnn: RNN) -> np.ndarray:
    """Σ w² over W_in, W_rec and W_out, (networks,). Of a network trained with an embedding, W_in is
    the product that the network uses.
    """
    return sum(
        np.square(getattr(rnn, name).astype(np.float64)).sum(axis=(1, 2)) for name in MATRICES
    )
