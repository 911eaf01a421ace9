"""Equations that people train and `RNN` does not cover: run only to recognise them in the outputs
of a reader's own code.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from schurkit.rnn import RNN

_PHI = {"tanh": np.tanh, "relu": lambda x: np.maximum(x, 0.0)}


@dataclass(frozen=True, eq=False)
class Variant:
    """An equation in words, and what a network gives under it: (network, inputs, steps) → outputs
    (trials, time, output).
    """

    what: str
    run: Callable[[RNN, np.ndarray, int], np.ndarray]


def _simulate(
    rnn: RNN, inputs, steps: int, *, form: str, inputs_outside: bool = False, read: str = "state"
) -> np.ndarray:
    """One network of float64, step by step; inputs are zero after they have ended."""
    phi, leak = _PHI[rnn.activation], rnn.leak
    W_in, W_rec, W_out = rnn.W_in[0], rnn.W_rec[0], rnn.W_out[0]
    state = np.broadcast_to(rnn.h0[0], (len(inputs), rnn.hidden_size))
    outputs = np.empty((len(inputs), steps, rnn.output_size))
    with np.errstate(over="ignore", invalid="ignore"):
        for step in range(steps):
            drive = inputs[:, step] @ W_in.T if step < inputs.shape[1] else 0.0
            if form == "voltage":
                new = phi(state) @ W_rec.T + drive + rnn.b_rec[0]
            elif inputs_outside:
                new = phi(state @ W_rec.T + rnn.b_rec[0]) + drive
            else:
                new = phi(state @ W_rec.T + drive + rnn.b_rec[0])
            state = (1 - leak) * state + leak * new
            outputs[:, step] = (phi(state) if read == "activated" else state) @ W_out.T + rnn.b_out[
                0
            ]
    return outputs


VARIANTS = (
    Variant(
        "the inputs entered outside the nonlinearity, h ← (1 − leak) h + leak (φ(W_rec h + b_rec) "
        "+ W_in x)",
        lambda rnn, inputs, steps: _simulate(rnn, inputs, steps, form="rate", inputs_outside=True),
    ),
    Variant(
        "the readout read voltages, v ← (1 − leak) v + leak (W_rec φ(v) + W_in x + b_rec) and y = "
        "W_out v + b_out",
        lambda rnn, inputs, steps: _simulate(rnn, inputs, steps, form="voltage"),
    ),
    Variant(
        "the readout read φ(h) instead of h, y = W_out φ(h) + b_out in the rate form",
        lambda rnn, inputs, steps: _simulate(rnn, inputs, steps, form="rate", read="activated"),
    ),
)
