"""How compiled code sees one network: its arrays in one flat row, padded weights and work space, a
step through time, and the readout.

Hidden units and outputs are padded to multiples of 16, and the padding holds zeros.
"""

from __future__ import annotations

from collections import namedtuple

import numpy as np

from schurkit.rnn import ARRAYS

from ..base import Spec, Weights
from .cache import inner
from .kernels import multiply, multiply_one
from .tile import NONE, RELU, TANH

PLAIN, LEAKY, VOLTAGE = range(3)
"""Rate form with leak 1; rate form with a leak; voltage form."""


class Dims(namedtuple("Dims", "hidden inputs outputs b_rec b_out h0 form relu entropy")):
    """Sizes and kind of the networks of a stack; b_rec, b_out, h0 are 1 where these arrays exist,
    relu, entropy where that is the activation or the loss.
    """


class Padded(namedtuple("Padded", "W_recT W_rec W_inT W_outT W_out b_rec b_out h0 zero leak")):
    """Weights of one network as the products read them; T marks transposed matrices, and vectors
    are matrices of one row. leak : (hidden,).
    """


class Space(
    namedtuple(
        "Space",
        "rates fired errors delta carry W_rec W_inT W_out b_rec b_out polar",
    )
):
    """Work space of one thread; arrays that are not needed are small.

    rates : (time + 1, trials, hidden) φ at each step, the start first.
    fired : (time, trials, hidden) what leaks into the state.
    errors : (time, trials, output) outputs, then dLoss/dOutput.
    delta : (2, trials, hidden) dLoss/dPre-activation of this and the next step.
    carry : (trials, hidden) what a leak carries back, or the voltages.
    W_rec, W_inT, W_out, b_rec, b_out : sums of the gradients.
    polar : (4, hidden, hidden) for the gradient of the nuclear norm.
    """


# ----------------------------------------------------------------------------------------- compiled
@inner
def pack(d, theta, w):
    """Spread the flat parameters of one network, in the order of `schurkit.rnn.ARRAYS`, over
    `w`.
    """
    n, at = d.hidden, 0
    for i in range(n):
        for j in range(d.inputs):
            w.W_inT[j, i] = theta[at]
            at += 1
    for block in range(0, n, 16):  # so that each cache line of the transpose is filled at once
        for j in range(n):
            for i in range(block, min(block + 16, n)):
                w.W_recT[j, i] = theta[at + i * n + j]
    for i in range(n):
        at = take(theta, at, n, w.W_rec[i])
    for i in range(d.outputs):
        for j in range(n):
            w.W_outT[j, i] = theta[at]
            w.W_out[i, j] = theta[at]
            at += 1
    if d.b_rec:
        at = take(theta, at, n, w.b_rec[0])
    if d.b_out:
        at = take(theta, at, d.outputs, w.b_out[0])
    if d.h0:
        at = take(theta, at, n, w.h0[0])


@inner
def take(source, at, count, row):
    """Copy `count` numbers from position `at` on to the front of a row; returns the position after
    them.
    """
    for i in range(count):
        row[i] = source[at + i]
    return at + count


@inner
def clear(matrix):
    """Fill with zeros."""
    for i in range(matrix.shape[0]):
        for j in range(matrix.shape[1]):
            matrix[i, j] = 0


@inner
def begin(d, w, rates, carry):
    """Put the start into `rates`, and into `carry` in the voltage form; both (trials, hidden)."""
    start = carry if d.form == VOLTAGE else rates
    for b in range(start.shape[0]):
        for j in range(start.shape[1]):
            start[b, j] = w.h0[0, j]
    if d.form == VOLTAGE:
        activate(d, w, carry, rates)


@inner
def activate(d, w, states, rates):
    """rates = φ(states), (trials, hidden)."""
    multiply_one(states, w.W_rec[:0], states, rates, RELU if d.relu else TANH, rates)


@inner
def advance(d, w, now, then, x, t, drive, fired, carry):
    """One time step, from the rates `now` to the rates `then`, both (trials, hidden).

    x : inputs (trials, time, input), which are read if they have a time t.
    drive : (1 or trials, hidden) what else goes in: the biases, or the whole input drive.
    fired : where to leave what leaks into the state;
    carry : the voltages.
    """
    mode = NONE if d.form == VOLTAGE else RELU if d.relu else TANH
    there = then if d.form == PLAIN else fired
    W_inT = w.W_inT[: d.inputs if t < x.shape[1] else 0]
    multiply(now, w.W_recT, x[:, min(t, x.shape[1] - 1)], W_inT, drive, there, mode, there)
    if d.form == LEAKY:
        for b in range(then.shape[0]):
            for j in range(then.shape[1]):
                then[b, j] = now[b, j] + w.leak[j] * (fired[b, j] - now[b, j])
    elif d.form == VOLTAGE:
        for b in range(then.shape[0]):
            for j in range(then.shape[1]):
                carry[b, j] += w.leak[j] * (fired[b, j] - carry[b, j])
        activate(d, w, carry, then)


@inner
def read_out(w, rates, out):
    """out = outputs, (trials, output), of rates (trials, hidden)."""
    multiply_one(rates, w.W_outT, w.b_out, out, NONE, out)


# ------------------------------------------------------------------------------------ in the caller
def aligned(*shape: int) -> np.ndarray:
    """Zeros in float32 that begin at a multiple of 64 bytes, so that no vector of a padded row
    straddles two cache lines.
    """
    size = int(np.prod(shape))
    memory = np.zeros(size + 16, np.float32)
    start = -memory.ctypes.data % 64 // 4
    return memory[start : start + size].reshape(shape)


def up(size: int) -> int:
    return -(-size // 16) * 16


class Layout:
    """How the arrays of a network lie in one flat row of parameters."""

    def __init__(self, weights: Weights, spec: Spec, loss: str = "mse"):
        self.names = [name for name in ARRAYS if name in weights]
        self.shapes = {name: weights[name].shape[1:] for name in self.names}
        sizes = [int(np.prod(self.shapes[name])) for name in self.names]
        self.ends = np.cumsum(sizes).astype(np.int64)
        self.leak = np.asarray(spec.leak, np.float32)
        form = LEAKY if (self.leak != 1).any() else PLAIN
        self.dims = Dims(
            *self.shapes["W_in"],
            self.shapes["W_out"][0],
            *(int(name in weights) for name in ("b_rec", "b_out", "h0")),
            VOLTAGE if spec.form == "voltage" else form,
            int(spec.activation == "relu"),
            int(loss == "cross_entropy"),
        )

    def flat(self, weights: Weights) -> np.ndarray:
        """(networks, parameters) in float32."""
        networks = len(weights["W_rec"])
        parts = [np.asarray(weights[name], np.float32).reshape(networks, -1) for name in self.names]
        return np.ascontiguousarray(np.concatenate(parts, axis=1))

    def arrays(self, flat: np.ndarray) -> Weights:
        """Views of the arrays in (networks, parameters)."""
        parts = np.split(flat, self.ends[:-1], axis=1)
        return {
            name: part.reshape(len(flat), *self.shapes[name])
            for name, part in zip(self.names, parts)
        }

    def padded(self) -> Padded:
        d, width, columns = self.dims, up(self.dims.hidden), up(self.dims.outputs)
        leak = aligned(width)
        leak[: d.hidden] = self.leak
        matrices = (d.hidden, width), (d.hidden, width), (d.inputs, width)
        matrices += (d.hidden, columns), (d.outputs, width)
        rows = (1, width), (1, columns), (1, width), (1, width)
        return Padded(*(aligned(*shape) for shape in matrices + rows), leak)

    def space(self, trials: int, steps: int | None = None, nuclear: bool = False) -> Space:
        """Work space for gradients over `steps` steps (with the nuclear norm's, or without), or for
        a rollout.
        """
        d, width, columns = self.dims, up(self.dims.hidden), up(self.dims.outputs)
        none, back, held = (1, 1), steps is not None, steps or 1
        sums = (d.hidden, width), (d.inputs, width), (d.outputs, width), (1, width), (1, columns)
        shapes = (
            (held + 1, trials, width),
            (held, trials, width) if d.form != PLAIN else (1, *none),
            (held, trials, columns),
            (2, trials, width) if back else (1, *none),
            (trials, width),
            *(sums if back else [none] * len(sums)),
            (4, d.hidden, width) if nuclear else (1, *none),
        )
        return Space(*(aligned(*shape) for shape in shapes))
