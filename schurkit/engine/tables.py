"""Gradients of networks that see two tokens, h₁ = φ(x_a), h₂ = φ(W_rec h₁ + x_b), y = W_out h₂:
everything before h₂ is a table.

With p tokens, X = W_inᵀ (token, hidden) and A = φ(X) W_recᵀ hold all that the first time step can
give, so a training set of P pairs costs one product of P rows each way instead of a rollout of 2 P
rows of p inputs: h₂ = φ(A[a] + X[b]). Exact; no biases, leak 1, rate form, h₀ = 0, loss at the last
step.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_matrix

from schurkit.rnn.activations import ACTIVATE, SLOPE

from .base import Weights
from .numpy import Space

PAIRS_A_BLOCK = 512
"""Pairs whose hidden states and outputs stay in the second cache."""


@dataclass(frozen=True, eq=False)
class TokenPairs:
    """A training set: first and second token and right answer of each pair, (pairs,), and sums over
    the pairs with a token, (tokens, pairs).
    """

    first: np.ndarray
    second: np.ndarray
    target: np.ndarray
    of_first: csr_matrix
    of_second: csr_matrix

    @classmethod
    def of(cls, first, second, target, tokens: int) -> TokenPairs:
        """Pairs in the order of their tokens, whatever order they came in."""
        first, second, target = (np.asarray(array, np.int64) for array in (first, second, target))
        order = np.lexsort((second, first))
        first, second, target = first[order], second[order], target[order]
        ones, columns = np.ones(len(first), np.float32), np.arange(len(first))
        sums = (
            csr_matrix((ones, (rows, columns)), shape=(tokens, len(first)))
            for rows in (first, second)
        )
        return cls(first, second, target, *sums)

    def __len__(self) -> int:
        return len(self.first)


class TableWorker:
    """Loss and gradients of W_in, W_rec and W_out, network by network; as
    `schurkit.engine.base.Worker` for training sets of token pairs.
    """

    def __init__(self, activation: str, loss: str):
        self._activate, self._slope = ACTIVATE[activation], SLOPE[activation]
        self.entropy, self._buffer = loss == "cross_entropy", Space()

    def gradients(self, weights: Weights, sets: list[TokenPairs]) -> tuple[np.ndarray, Weights]:
        """weights : W_in, W_rec, W_out. sets : one training set a network. Returns losses
        (networks,) and gradients by name.
        """
        names = "W_in", "W_rec", "W_out"
        losses, *gradients = zip(*map(self._one, *(weights[name] for name in names), sets))
        by_name = dict(zip(names, map(np.stack, gradients)))
        return np.array(losses), {name: by_name[name] for name in weights}

    def _one(self, W_in, W_rec, W_out, pairs):
        X = np.ascontiguousarray(W_in.T)
        F = self._activate(X)
        A = F @ W_rec.T
        H = self._buffer("H", (len(pairs), X.shape[1]), X.dtype)
        W_outT, d_out, loss = np.ascontiguousarray(W_out.T), np.zeros_like(W_out), 0.0
        for start in range(0, len(pairs), PAIRS_A_BLOCK):
            block = slice(start, start + PAIRS_A_BLOCK)
            h = np.take(A, pairs.first[block], axis=0, out=H[block])
            second = self._buffer("second", h.shape, h.dtype)
            h += np.take(X, pairs.second[block], axis=0, out=second, mode="clip")
            self._activate(h, h)
            y = np.matmul(h, W_outT, out=self._buffer("Y", (len(h), len(W_out)), X.dtype))
            loss += self._error(y, pairs.target[block], len(pairs))
            d_out += y.T @ h
            back = np.matmul(y, W_out, out=self._buffer("back", h.shape, X.dtype))
            np.multiply(back, self._slope(h), out=h)  # the hidden states are not needed again
        d_A, d_X = pairs.of_first @ H, pairs.of_second @ H
        d_F = d_A @ W_rec
        d_X += d_F * self._slope(F)
        return loss, d_X.T, d_A.T @ F, d_out

    def _error(self, y, target, count):
        """Turn outputs into dLoss/dOutput; returns their part of the loss."""
        rows = np.arange(len(y))
        if not self.entropy:
            y[rows, target] -= 1
            loss = float(np.einsum("po,po->", y, y)) / (count * y.shape[1])
            y *= y.dtype.type(2 / (count * y.shape[1]))
            return loss
        y -= y.max(axis=1, keepdims=True)
        right = y[rows, target]
        np.exp(y, out=y)
        hit = y[rows, target]
        y[rows, target] = 0
        rest = y.sum(axis=1)
        share = (1 / (count * (rest + hit))).astype(y.dtype)
        y *= share[:, None]
        y[rows, target] = -rest * share
        return float((np.log1p(rest + (hit - 1)) - right).sum(dtype=np.float64)) / count
