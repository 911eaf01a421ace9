"""How compiled code sees one network: its padded arrays in one flat row, work space, a step through
time, and the readout.

Hidden units and outputs are padded to multiples of 16, and the padding holds zeros.
"""

from __future__ import annotations

from collections import namedtuple

import numpy as np

from schurkit.rnn import ARRAYS

from ..base import Spec, Weights
from .cache import inner
from .kernels import activate, multiply, multiply_one

PLAIN, LEAKY, VOLTAGE = range(3)
"""Rate form with leak 1; rate form with a leak; voltage form."""


class Dims(namedtuple("Dims", "hidden inputs outputs b_rec b_out h0 form relu entropy")):
    """Sizes and kind of the networks of a stack; b_rec, b_out, h0 are 1 where these arrays exist,
    relu, entropy where that is the activation or the loss.
    """


class Network(namedtuple("Network", "W_inT W_rec W_out b_rec b_out h0 W_recT W_outT leak zero")):
    """Weights of one network as the products read them; T marks transposed matrices, and vectors
    are matrices of one row. leak : (hidden,).
    """


class Space(namedtuple("Space", "W_recT W_outT leak zero rates fired errors delta carry polar")):
    """Work space of one thread; arrays that are not needed are small.

    W_recT, W_outT, leak, zero : see `Network`.
    rates : (time + 1, trials, hidden) φ at each step, the start first.
    fired : (time, trials, hidden) what leaks into the state.
    errors : (time, trials, output) outputs, then dLoss/dOutput.
    delta : (2, trials, hidden) dLoss/dPre-activation of this and the next step.
    carry : (trials, hidden) what a leak carries back, or the voltages.
    polar : (4, hidden, hidden) for the gradient of the nuclear norm.
    """


# ----------------------------------------------------------------------------------------- compiled
@inner
def matrices(d, flat):
    """W_inT, W_rec, W_out, b_rec, b_out and h0, or their gradients, in the flat row that holds
    them.
    """
    width, columns = -(-d.hidden // 16) * 16, -(-d.outputs // 16) * 16
    W_in = d.inputs * width
    W_rec = W_in + d.hidden * width
    W_out = W_rec + d.outputs * width
    b_out = W_out + width
    h0 = b_out + columns
    return (
        flat[:W_in].reshape((d.inputs, width)),
        flat[W_in:W_rec].reshape((d.hidden, width)),
        flat[W_rec:W_out].reshape((d.outputs, width)),
        flat[W_out:b_out].reshape((1, width)),
        flat[b_out:h0].reshape((1, columns)),
        flat[h0:].reshape((1, width)),
    )


@inner
def pack(d, theta, s):
    """The network of a flat row of parameters."""
    W_inT, W_rec, W_out, b_rec, b_out, h0 = matrices(d, theta)
    transpose(W_rec, s.W_recT)
    transpose(W_out, s.W_outT)
    return Network(W_inT, W_rec, W_out, b_rec, b_out, h0, s.W_recT, s.W_outT, s.leak, s.zero)


@inner
def transpose(matrix, out):
    rows, columns = matrix.shape[0], out.shape[0]
    for block in range(0, rows, 16):  # so that each cache line of the transpose is filled at once
        for j in range(columns):
            for i in range(block, min(block + 16, rows)):
                out[j, i] = matrix[i, j]


@inner
def put(matrix, out):
    """out = matrix, of one row or of as many: where a matrix is assigned to a slice, numba compiles
    its message about their shapes in every process, for three seconds.
    """
    for i in range(out.shape[0]):
        for j in range(out.shape[1]):
            out[i, j] = matrix[i if matrix.shape[0] > 1 else 0, j]


@inner
def begin(d, w, rates, carry):
    """Put the start into `rates`, and into `carry` in the voltage form; both (trials, hidden)."""
    put(w.h0, rates)
    if d.form == VOLTAGE:
        put(w.h0, carry)
        activate(d.relu, rates)


@inner
def advance(d, w, now, then, x, t, drive, fired, carry):
    """One time step, from the rates `now` to the rates `then`, both (trials, hidden).

    x : inputs (trials, time, input), which are read if they have a time t.
    drive : (1 or trials, hidden) what else goes in: the biases, or the whole input drive.
    fired : where to leave what leaks into the state;
    carry : the voltages.
    """
    there = then if d.form == PLAIN else fired
    W_inT = w.W_inT[: d.inputs if t < x.shape[1] else 0]
    multiply(now, w.W_recT, x[:, min(t, x.shape[1] - 1)], W_inT, drive, there)
    if d.form != VOLTAGE:
        activate(d.relu, there)
    if d.form != PLAIN:
        before, after = (carry, carry) if d.form == VOLTAGE else (now, then)
        for b in range(then.shape[0]):
            for j in range(then.shape[1]):
                after[b, j] = before[b, j] + w.leak[j] * (fired[b, j] - before[b, j])
    if d.form == VOLTAGE:
        put(carry, then)
        activate(d.relu, then)


@inner
def read_out(w, rates, out):
    """out = outputs, (trials, output), of rates (trials, hidden)."""
    multiply_one(rates, w.W_outT, w.b_out, out)


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
    """How the arrays of a network lie in one flat row of parameters: all of `ARRAYS` in this order,
    W_in transposed, their rows padded; those that a network lacks are zeros.
    """

    def __init__(self, weights: Weights, spec: Spec, loss: str = "mse"):
        hidden, inputs = weights["W_in"].shape[1:]
        outputs = weights["W_out"].shape[1]
        self.names = [name for name in ARRAYS if name in weights]
        self.shapes = [(inputs, hidden), (hidden, hidden), (outputs, hidden)]
        self.shapes += [(1, hidden), (1, outputs), (1, hidden)]
        self.ends = np.cumsum([rows * up(size) for rows, size in self.shapes])
        self.leak = aligned(up(hidden))
        self.leak[:hidden] = spec.leak
        form = LEAKY if (self.leak[:hidden] != 1).any() else PLAIN
        self.dims = Dims(
            hidden,
            inputs,
            outputs,
            *(int(name in weights) for name in ("b_rec", "b_out", "h0")),
            VOLTAGE if spec.form == "voltage" else form,
            int(spec.activation == "relu"),
            int(loss == "cross_entropy"),
        )

    def flat(self, weights: Weights) -> np.ndarray:
        """(networks, parameters) in float32."""
        flat = aligned(len(weights["W_rec"]), self.ends[-1])
        for name, array in self.arrays(flat).items():
            array[:] = weights[name]
        return flat

    def arrays(self, flat: np.ndarray) -> Weights:
        """Views of the arrays in (networks, parameters)."""
        views = {}
        for name, shape, end in zip(ARRAYS, self.shapes, self.ends):
            rows, size = shape
            part = flat[:, end - rows * up(size) : end].reshape(len(flat), rows, up(size))
            part = part[:, :, :size]
            views[name] = part.transpose(0, 2, 1) if name == "W_in" else part
        return {name: views[name] if name[0] == "W" else views[name][:, 0] for name in self.names}

    def space(self, trials: int, steps: int | None = None, nuclear: bool = False) -> Space:
        """Work space for gradients over `steps` steps (with the nuclear norm's, or without), or for
        a rollout.
        """
        d, width, columns = self.dims, up(self.dims.hidden), up(self.dims.outputs)
        none, back, held = (1, 1, 1), steps is not None, steps or 1
        shapes = (
            (held + 1, trials, width),
            (held, trials, width) if d.form != PLAIN else none,
            (held, trials, columns),
            (2, trials, width) if back else none,
            (trials, width),
            (4, d.hidden, width) if nuclear else none,
        )
        transposed = aligned(d.hidden, width), aligned(d.hidden, columns)
        zero = aligned(1, width)
        return Space(*transposed, self.leak, zero, *(aligned(*shape) for shape in shapes))
