"""A two-step network on tokens as tables: what it does with all p² pairs, exactly and at once."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from schurkit.checks import InputError, one_network, read_only, real_array
from schurkit.rnn import RNN


@dataclass(frozen=True, eq=False, repr=False)
class Tables:
    """A two-step network as functions of its tokens a and b; made by `tables`.

    With one-hot inputs and φ the activation, h_1 = φ(X_1[a]) and h_2 = φ(A[a] + X[b]): an additive
    two-input network.

    Attributes
    ----------
    X : (p, hidden) drive of a token, W_in[:, a] + b_rec.
    h1 : (p, hidden) state after the first token; φ(X) when h0 is zero.
    A : (p, hidden) what the first token contributes to the second step, W_rec h_1.
    W_out, b_out : (p, hidden), (p,) the readout.
    rnn : the network.
    """

    X: np.ndarray
    h1: np.ndarray
    A: np.ndarray
    W_out: np.ndarray
    b_out: np.ndarray
    rnn: RNN

    def __repr__(self) -> str:
        return f"Tables(p={self.p}, {self.X.shape[1]} units, network {self.rnn.labels[0]})"

    @property
    def p(self) -> int:
        return len(self.X)

    @cached_property
    def h2(self) -> np.ndarray:
        """(p, p, hidden) state after both tokens, indexed [a, b]."""
        return read_only(self.rnn.activate(self.A[:, None] + self.X[None]))

    @cached_property
    def logits(self) -> np.ndarray:
        """(p, p, p) outputs after both tokens, indexed [a, b, class]."""
        flat = self.h2.reshape(-1, self.h2.shape[-1]) @ self.W_out.T + self.b_out
        return read_only(flat.reshape(self.p, self.p, self.p))

    @cached_property
    def sum_means(self) -> np.ndarray:
        """(p, p) float64, mean logits over the p pairs of each sum, indexed [(a + b) mod p, class];
        see `mean_over_sums`.
        """
        return read_only(mean_over_sums(self.logits))


def tables(rnn: RNN) -> Tables:
    """The tables of one network with two one-hot tokens; see `Tables`.

    Parameters
    ----------
    rnn : a stack of one, rate form without leak, as many inputs as outputs (p of each).

    Raises
    ------
    InputError : another kind of network, for which the table form does not hold.

    Examples
    --------
    >>> rnn = RNN(np.eye(5), np.eye(5), np.eye(5), activation="relu")
    >>> tables(rnn).logits.shape
    (5, 5, 5)
    """
    one_network(rnn, "tables")
    if rnn.form != "rate" or np.any(np.asarray(rnn.leak) != 1):
        raise InputError(
            "tables needs a network in rate form without leak (leak=1), so that one step forgets "
            "everything but W_rec h."
        )
    if rnn.input_size != rnn.output_size:
        raise InputError(
            f"tables needs one input and one output a residue; got {rnn.input_size} inputs and "
            f"{rnn.output_size} outputs."
        )
    X = rnn.W_in[0].T + rnn.b_rec[0]
    h1 = rnn.activate(X + rnn.W_rec[0] @ rnn.h0[0])
    parts = (X, h1, h1 @ rnn.W_rec[0].T, rnn.W_out[0], rnn.b_out[0])
    return Tables(*map(read_only, parts), rnn)


def logits_table(rnn: RNN) -> np.ndarray:
    """(p, p, p) outputs of one network for every pair of tokens, indexed [a, b, class]: a rollout
    of all p² trials in two matrix products.
    """
    return tables(rnn).logits


# --------------------------------------------------------------- functions of a + b, accuracy, loss
def sums(p: int) -> np.ndarray:
    """(p, p) the class (a + b) mod p of each pair."""
    return np.add.outer(np.arange(p), np.arange(p)) % p


def mean_over_sums(values, pairs=None) -> np.ndarray:
    """Mean of a table over pairs with the same sum: (p, p, columns) indexed [a, b] → (p, columns)
    indexed [(a + b) mod p], float64.

    Over all pairs it is the orthogonal projection on functions of a + b: the cosine and sine of
    w_k(a + b) have the same coefficients in both.

    Parameters
    ----------
    values : (p, p, columns), e.g. logits.
    pairs : (pairs, 2) take the mean over these pairs alone, e.g. the unseen ones; there must be one
        for each sum.
    """
    values = check_table(values)
    p = len(values)
    if pairs is not None:
        return _mean_over_chosen(values, check_pairs(pairs, p))
    total = np.zeros((p, values.shape[2]))
    for a in range(p):
        total += np.roll(values[a], a, axis=0)
    return total / p


def _mean_over_chosen(values, pairs):
    p = len(values)
    member = np.zeros((p, len(pairs)))
    member[pairs.sum(axis=1) % p, np.arange(len(pairs))] = 1
    count = member.sum(axis=1, keepdims=True)
    if not count.all():
        raise InputError(
            f"mean_over_sums needs a pair for each of the {p} sums; there is none for the sum "
            f"{int(np.flatnonzero(count == 0)[0])}."
        )
    return member @ values[pairs[:, 0], pairs[:, 1]].astype(np.float64) / count


def accuracy(logits, pairs=None) -> float:
    """Share of pairs whose largest logit is that of (a + b) mod p.

    Parameters
    ----------
    logits : (p, p, p) indexed [a, b, class], or (p, p) indexed [(a + b) mod p, class] for logits
        that depend on the sum alone.
    pairs : (pairs, 2) the pairs to count; all p² by default.
    """
    by_pair, target = _at_pairs(logits, pairs)
    return float((by_pair.argmax(axis=1) == target).mean())


def cross_entropy(logits, pairs=None) -> float:
    """Mean of −log softmax(logits)[(a + b) mod p] over pairs, in nats, float64; parameters as
    `accuracy`.
    """
    return nats(*_at_pairs(logits, pairs))


def nats(logits, target) -> float:
    """Mean of −log softmax at the target classes (rows,) of logits (rows, classes), in float64."""
    below_top = logits.astype(np.float64)
    below_top -= below_top.max(axis=1, keepdims=True)
    right = below_top[np.arange(len(target)), target]
    return float((np.log(np.exp(below_top).sum(axis=1)) - right).mean())


def _at_pairs(logits, pairs):
    """(pairs, p) logits and (pairs,) their targets."""
    logits = np.asarray(logits)
    p = logits.shape[-1] if logits.ndim else 0
    if logits.shape not in ((p, p), (p, p, p)):
        raise InputError(
            "logits must have axes (p, p, p), or (p, p) for functions of the sum; got shape "
            f"{logits.shape}."
        )
    pairs = np.argwhere(np.ones((p, p))) if pairs is None else check_pairs(pairs, p)
    target = pairs.sum(axis=1) % p
    return logits[target] if logits.ndim == 2 else logits[pairs[:, 0], pairs[:, 1]], target


def check_pairs(pairs, p: int) -> np.ndarray:
    """(pairs, 2) whole numbers from 0 to p − 1, at least one pair."""
    pairs = np.asarray(pairs)
    if pairs.ndim != 2 or pairs.shape[1] != 2 or pairs.dtype.kind not in "iu" or not len(pairs):
        raise InputError(
            f"pairs must be whole numbers of shape (pairs, 2); got {pairs.dtype} of shape "
            f"{pairs.shape}."
        )
    if not 0 <= pairs.min() <= pairs.max() < p:
        raise InputError(
            f"pairs must hold numbers from 0 to {p - 1}; got {pairs.min()} to {pairs.max()}."
        )
    return pairs


def check_table(values) -> np.ndarray:
    """A finite array with axes (p, p, columns)."""
    return real_array(values, "table", ("p", "p", "columns"))


def centred_logits(logits) -> tuple[np.ndarray, np.ndarray]:
    """(p, p, p) logits less each pair's mean over classes, which softmax ignores, and their mean
    over pairs of the same sum.
    """
    logits = check_table(logits)
    centred = logits - logits.mean(axis=2, keepdims=True, dtype=np.float64)
    return centred, mean_over_sums(centred)
