"""How compiled code sees one network: padded weights, work space, one step through time, and the
readout.

One network is computed by one thread from start to end, so its bits depend on nobody beside it and
on no number of threads. Hidden units and outputs are padded to multiples of 16, and the padding
holds zeros.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ._cache import inner
from ._kernels import address, few_products, product
from ._tile import NONE, RELU, TANH

PLAIN, LEAKY, VOLTAGE = range(3)
"""Rate form with leak 1; rate form with a leak; voltage form."""


class Dims(NamedTuple):
    """Sizes and kind of the networks of a stack; b_rec, b_out, h0 are 1 where these arrays exist;
    few : see `read_out`;
    entropy : 1 where the loss is the cross-entropy."""

    hidden: int
    inputs: int
    outputs: int
    b_rec: int
    b_out: int
    h0: int
    form: int
    relu: int
    few: int
    entropy: int


class Padded(NamedTuple):
    """Weights of one network as the products read them, padded; T marks transposed matrices. zero :
    a row of zeros.
    """

    W_recT: np.ndarray
    W_rec: np.ndarray
    W_inT: np.ndarray
    W_outT: np.ndarray
    W_out: np.ndarray
    b_rec: np.ndarray
    b_out: np.ndarray
    h0: np.ndarray
    leak: np.ndarray
    zero: np.ndarray


class Space(NamedTuple):
    """Work space of one thread.

    rates : (time + 1, trials, hidden) φ at each step, the start first.
    fired : the same for what leaks into the state, (1, 1, 1)
    where unused. errors : (time, trials, output), or (time, output, trials) where d.few. delta :
    (2, trials, hidden) of this and the next step. carry : (trials, hidden) what a leak carries
    back, or the voltages. W_rec, W_inT, W_out, b_rec, b_out : sums of the gradients, padded. polar
    : (4, hidden, hidden) for the gradient of the nuclear norm, (1, 1, 1) where unused.
    """

    rates: np.ndarray
    fired: np.ndarray
    errors: np.ndarray
    delta: np.ndarray
    carry: np.ndarray
    W_rec: np.ndarray
    W_inT: np.ndarray
    W_out: np.ndarray
    b_rec: np.ndarray
    b_out: np.ndarray
    polar: np.ndarray


@inner
def pack(d, theta, w):
    """Spread the flat parameters of one network, in the order W_in, W_rec, W_out, b_rec, b_out, h0,
    over `w`.
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
        at = take(theta, at, n, w.b_rec)
    if d.b_out:
        at = take(theta, at, d.outputs, w.b_out)
    if d.h0:
        at = take(theta, at, n, w.h0)


@inner
def take(source, at, count, row):
    """Copy `count` numbers from position `at` on to the front of a row; returns the position after
    them.
    """
    for i in range(count):
        row[i] = source[at + i]
    return at + count


@inner
def put(row, count, target, at):
    """Copy the first `count` numbers of a row to position `at`; returns the position after them."""
    for i in range(count):
        target[at + i] = row[i]
    return at + count


@inner
def clear(matrix):
    """Fill with zeros."""
    for i in range(matrix.shape[0]):
        for j in range(matrix.shape[1]):
            matrix[i, j] = 0


@inner
def begin(d, w, trials, rates, carry):
    """Put the start into slot 0 of `rates`, and into `carry` in the voltage form."""
    start = carry if d.form == VOLTAGE else rates[0]
    for b in range(trials):
        for j in range(rates.shape[2]):
            start[b, j] = w.h0[j]
    if d.form == VOLTAGE:
        activate(d, trials, carry, rates[0])


@inner
def activate(d, trials, states, rates):
    """rates = φ(states), (trials, hidden)."""
    width = states.shape[1]
    here, there = address(states), address(rates)
    product(
        trials,
        width,
        here,
        0,
        0,
        0,
        here,
        0,
        here,
        0,
        0,
        0,
        here,
        0,
        here,
        width,
        there,
        width,
        RELU if d.relu else TANH,
        here,
        0,
    )


@inner
def advance(d, w, trials, now, then, x, x_row, inputs, drive, drive_row, fired, carry):
    """One time step, from the rates `now` to the rates `then`, both (trials, hidden).

    x, x_row, inputs : address of the inputs of the first trial, numbers between trials, how many
        inputs (0: none now).
    drive, drive_row : address of what else goes in (the biases, or the whole input drive), numbers
        between trials.
    fired : where to leave what leaks into the state;
    carry : the voltages.
    """
    width = now.shape[1]
    mode = NONE if d.form == VOLTAGE else RELU if d.relu else TANH
    there = address(then) if d.form == PLAIN else address(fired)
    product(
        trials, width, address(now), width, 1, d.hidden, address(w.W_recT), width, x, x_row, 1, inputs, address(w.W_inT), width,
        drive, drive_row, there, width, mode, there, width,
    )  # fmt: skip
    if d.form == LEAKY:
        for b in range(trials):
            for j in range(width):
                then[b, j] = now[b, j] + w.leak[j] * (fired[b, j] - now[b, j])
    elif d.form == VOLTAGE:
        for b in range(trials):
            for j in range(width):
                carry[b, j] += w.leak[j] * (fired[b, j] - carry[b, j])
        activate(d, trials, carry, then)


@inner
def read_out(d, w, trials, rates, out):
    """Outputs of rates (trials, hidden): (trials, padded outputs), or (outputs, padded trials)
    where there are few of them.
    """
    width, columns = rates.shape[1], out.shape[1]
    here = address(rates)
    if d.few:
        few_products(
            trials,
            here,
            width,
            width,
            address(w.W_out),
            width,
            d.outputs,
            address(w.b_out),
            address(out),
            columns,
        )
    else:
        product(
            trials, columns, here, width, 1, d.hidden, address(w.W_outT), columns, here, 0, 0, 0, here, 0,
            address(w.b_out), 0, address(out), columns, NONE, here, 0,
        )  # fmt: skip
