"""Compiled rollouts, gradients and training steps of single networks, built from `schurkit.engine._kernels`.

One network is computed by one thread from start to end, so its bits depend on nobody beside it and on no number of threads.
Hidden units and outputs are padded to multiples of 16; padded entries of weights are zero and no sum runs over padded units.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ._cache import compiled
from ._kernels import add_product, address, product
from ._tile import NONE, RELU, TANH, TIMES_RELU_SLOPE, TIMES_TANH_SLOPE

PLAIN, LEAKY, VOLTAGE = range(3)
"""Rate form with leak 1; rate form with a leak; voltage form."""
_F = np.float32


class Dims(NamedTuple):
    """Sizes and kind of the networks of a stack; b_rec, b_out, h0 are 1 where these arrays exist."""

    hidden: int
    inputs: int
    outputs: int
    b_rec: int
    b_out: int
    h0: int
    form: int
    relu: int


class Padded(NamedTuple):
    """Weights of one network as the products read them, padded; T marks transposed matrices. zero : a row of zeros."""

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

    rates : (time + 1, trials, hidden) φ at each step, the start first. fired : the same for what leaks into the state, (1, 1, 1)
    where unused. errors : (time, trials, output). delta : (2, trials, hidden) of this and the next step. carry : (trials, hidden)
    what a leak carries back, or the voltages. W_rec, W_inT, W_out, b_rec, b_out : sums of the gradients, padded.
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


@compiled
def pack(d, theta, w):
    """Spread the flat parameters of one network, in the order W_in, W_rec, W_out, b_rec, b_out, h0, over `w`."""
    n, at = d.hidden, 0
    for i in range(n):
        for j in range(d.inputs):
            w.W_inT[j, i] = theta[at]
            at += 1
    for i in range(n):
        for j in range(n):
            w.W_recT[j, i] = theta[at]
            w.W_rec[i, j] = theta[at]
            at += 1
    for i in range(d.outputs):
        for j in range(n):
            w.W_outT[j, i] = theta[at]
            w.W_out[i, j] = theta[at]
            at += 1
    if d.b_rec:
        w.b_rec[:n] = theta[at : at + n]
        at += n
    if d.b_out:
        w.b_out[: d.outputs] = theta[at : at + d.outputs]
        at += d.outputs
    if d.h0:
        w.h0[:n] = theta[at : at + n]


@compiled
def begin(d, w, rates, carry):
    """Put the start into slot 0 of `rates`, and into `carry` in the voltage form."""
    trials, width = rates.shape[1:]
    for b in range(trials):
        for j in range(width):
            rates[0, b, j] = w.h0[j]
    if d.form == VOLTAGE:
        carry[:] = rates[0]
        activate(d, carry, rates, np.int64(0))


@compiled
def activate(d, states, rates, slot):
    """rates[slot] = φ(states)."""
    trials, width = states.shape
    here, there = address(states), address(rates) + 4 * slot * trials * width
    product(trials, width, here, 0, 0, 0, here, 0, here, 0, 0, 0, here, 0, here, width, there, width, RELU if d.relu else TANH, here, 0)


@compiled
def advance(d, w, rates, now, then, x, x_row, inputs, drive, drive_row, fired, slot, carry):
    """One time step, from slot `now` of `rates` to slot `then`.

    x, x_row, inputs : address of the inputs of the first trial, numbers between trials, how many inputs (0: none now).
    drive, drive_row : address of what else goes in (the biases, or the whole input drive), numbers between trials.
    fired, slot : where to leave what leaks into the state; carry : the voltages.
    """
    trials, width = rates.shape[1:]
    mode = RELU if d.relu else TANH
    here, there = address(rates) + 4 * now * trials * width, address(rates) + 4 * then * trials * width
    if d.form != PLAIN:
        there = address(fired) + 4 * slot * trials * width
        mode = NONE if d.form == VOLTAGE else mode
    product(
        trials, width, here, width, 1, d.hidden, address(w.W_recT), width, x, x_row, 1, inputs, address(w.W_inT), width,
        drive, drive_row, there, width, mode, there, width,
    )  # fmt: skip
    if d.form == LEAKY:
        for b in range(trials):
            for j in range(width):
                rates[then, b, j] = rates[now, b, j] + w.leak[j] * (fired[slot, b, j] - rates[now, b, j])
    elif d.form == VOLTAGE:
        for b in range(trials):
            for j in range(width):
                carry[b, j] += w.leak[j] * (fired[slot, b, j] - carry[b, j])
        activate(d, carry, rates, then)


@compiled
def read_out(d, w, rates, slot, out):
    """Outputs of slot `slot` of `rates` to the address `out`, (trials, padded outputs)."""
    trials, width = rates.shape[1:]
    here, columns = address(rates) + 4 * slot * trials * width, len(w.b_out)
    product(
        trials, columns, here, width, 1, d.hidden, address(w.W_outT), columns, here, 0, 0, 0, here, 0,
        address(w.b_out), 0, out, columns, NONE, here, 0,
    )  # fmt: skip


# ---- gradients ---------------------------------------------------------------------------------------------------------------------
@compiled
def gradients(d, w, s, x, y, mask, gradient):
    """Masked mean squared error of one network and its gradient, flat as in `pack`.

    x : (trials, time, input); y : (trials, time', output); mask : (trials, time'), uint8.
    """
    trials, steps = mask.shape
    count, first = 0, steps
    for b in range(trials):
        for t in range(steps):
            if mask[b, t]:
                count += 1
                first = min(first, t)
    begin(d, w, s.rates, s.carry)
    kept = d.form != PLAIN
    for t in range(steps):
        inputs = d.inputs if t < x.shape[1] else 0
        here = address(x) + 4 * t * d.inputs
        advance(d, w, s.rates, t, t + 1, here, x.shape[1] * d.inputs, inputs, address(w.b_rec), np.int64(0), s.fired, t if kept else 0, s.carry)
    loss = 0.0
    scale = _F(2.0 / (count * d.outputs))
    for t in range(first, steps):
        read_out(d, w, s.rates, t + 1, address(s.errors) + 4 * t * s.errors.shape[1] * s.errors.shape[2])
        loss += errors(s.errors, t, y, mask, scale)
    for array in (s.W_rec, s.W_inT, s.W_out):
        array[:] = 0
    s.b_rec[:] = 0
    s.b_out[:] = 0
    back(d, w, s, x, steps, first)
    collect(d, w, s, gradient)
    return loss / (count * d.outputs)


@compiled
def errors(outputs, t, y, mask, scale):
    """Turn the outputs of step t into dLoss/dOutput; returns the sum of squared errors."""
    total = 0.0
    for b in range(y.shape[0]):
        kept = _F(mask[b, t])
        for o in range(y.shape[2]):
            error = (outputs[t, b, o] - y[b, t, o]) * kept
            total += np.float64(error) * np.float64(error)
            outputs[t, b, o] = error * scale
    return total


@compiled
def back(d, w, s, x, steps, first):
    """Backpropagation through time; the sums over trials and time are added up while a step is in the nearest cache."""
    trials, width = s.rates.shape[1:]
    columns, size = s.errors.shape[2], 4 * trials * width
    slope = TIMES_RELU_SLOPE if d.relu else TIMES_TANH_SLOPE
    if d.form != PLAIN:
        s.carry[:] = 0
    zero, W_rec, W_inT, W_out = address(w.zero), address(s.W_rec), address(s.W_inT), address(s.W_out)
    for t in range(steps - 1, -1, -1):
        this, after = address(s.delta) + t % 2 * size, address(s.delta) + (t + 1) % 2 * size
        error = address(s.errors) + 4 * t * trials * columns
        rate, before = address(s.rates) + (t + 1) * size, address(s.rates) + t * size
        inner, outer = d.hidden if t < steps - 1 else 0, d.outputs if t >= first else 0
        leaky = d.form == LEAKY
        product(
            trials, width, after, width, 1, inner, address(w.W_rec), width, error, columns, 1, outer, address(w.W_out), width,
            address(s.carry) if leaky else zero, width if leaky else 0, this, width, NONE if leaky else slope, rate, width,
        )  # fmt: skip
        if d.form != PLAIN:
            leak_back(d, w, s, t)
        if t > 0 or d.h0:
            add_product(d.hidden, width, this, 1, width, trials, before, width, W_rec, width)
        if t < x.shape[1]:
            here = address(x) + 4 * t * d.inputs
            add_product(d.inputs, width, here, 1, x.shape[1] * d.inputs, trials, this, width, W_inT, width)
        if outer:
            add_product(d.outputs, width, error, 1, columns, trials, rate, width, W_out, width)
            if d.b_out:
                add_rows(s.errors[t], s.b_out)
        if d.b_rec:
            add_rows(s.delta[t % 2], s.b_rec)


@compiled
def leak_back(d, w, s, t):
    """Turn dLoss/dRate (rate form), or its product with the slope (voltage form), into dLoss/dPre-activation, and carry the rest on."""
    trials, width = s.carry.shape
    this = t % 2
    for b in range(trials):
        for j in range(width):
            leak, value = w.leak[j], s.delta[this, b, j]
            if d.form == LEAKY:
                fired = s.fired[t, b, j]
                slope = _F(fired > 0) if d.relu else _F(1) - fired * fired
                s.delta[this, b, j] = value * slope * leak
            else:
                value += s.carry[b, j]
                s.delta[this, b, j] = value * leak
            s.carry[b, j] = value * (_F(1) - leak)


@compiled
def add_rows(matrix, total):
    """total += the sum of the rows of a matrix."""
    for b in range(matrix.shape[0]):
        for j in range(matrix.shape[1]):
            total[j] += matrix[b, j]


@compiled
def collect(d, w, s, gradient):
    """Gather the padded sums into the flat gradient."""
    n, at = d.hidden, 0
    for i in range(n):
        for j in range(d.inputs):
            gradient[at] = s.W_inT[j, i]
            at += 1
    for i in range(n):
        gradient[at : at + n] = s.W_rec[i, :n]
        at += n
    for i in range(d.outputs):
        gradient[at : at + n] = s.W_out[i, :n]
        at += n
    if d.b_rec:
        gradient[at : at + n] = s.b_rec[:n]
        at += n
    if d.b_out:
        gradient[at : at + d.outputs] = s.b_out[: d.outputs]
        at += d.outputs
    if d.h0:
        start_gradient(d, w, s, gradient[at : at + n])


@compiled
def start_gradient(d, w, s, gradient):
    """dLoss/dh0 from dLoss/dPre-activation of the first step."""
    trials, width = s.carry.shape
    this, there = address(s.delta), address(s.delta) + 4 * trials * width
    slope = NONE if d.form != VOLTAGE else TIMES_RELU_SLOPE if d.relu else TIMES_TANH_SLOPE
    product(
        trials, width, this, width, 1, d.hidden, address(w.W_rec), width, this, 0, 0, 0, this, 0, address(w.zero), 0, there, width,
        slope, address(s.rates), width,
    )  # fmt: skip
    for j in range(d.hidden):
        total = _F(0)
        for b in range(trials):
            total += s.delta[1, b, j] + (s.carry[b, j] if d.form != PLAIN else _F(0))
        gradient[j] = total


# ---- training ----------------------------------------------------------------------------------------------------------------------
@compiled
def train(d, w, s, state, x, y, mask, sizes, roots, clip, ends, rates, losses):
    """Train one network on as many batches as there are; returns how many steps were done before something was not finite.

    state : (5, parameters): parameters, mean and square of Adam, gradient, parameters before the last step.
    x, y, mask : batches with a leading steps axis. sizes, roots : of each step, as in `schurkit.training.optimise.Adam.step`.
    clip : largest norm of an array's gradient, or infinity. ends : where each array ends in the flat parameters.
    rates : (3,) 1 − β₁, 1 − β₂, ε. losses : (steps,) float64, filled.
    """
    gradient = state[3]
    for step in range(len(x)):
        pack(d, state[0], w)
        losses[step] = gradients(d, w, s, x[step], y[step], mask[step], gradient)
        finite = np.isfinite(losses[step])
        start = 0
        for end in ends:
            norm = norm_of(gradient[start:end])
            finite = finite and np.isfinite(norm)
            if norm > clip:
                shrink(gradient[start:end], _F(clip / np.float64(norm)))
            start = end
        if not finite:
            return step
        adam(state, sizes[step], roots[step], rates[0], rates[1], rates[2])
    return len(x)


@compiled
def norm_of(values):
    """Euclidean norm, in float32, by 16 running sums."""
    sums = np.zeros(16, np.float32)
    whole = len(values) // 16 * 16
    for i in range(0, whole, 16):
        for lane in range(16):
            sums[lane] += values[i + lane] * values[i + lane]
    total = _F(0)
    for i in range(whole, len(values)):
        total += values[i] * values[i]
    for lane in range(16):
        total += sums[lane]
    return np.sqrt(total)


@compiled
def shrink(values, factor):
    """Multiply in place."""
    for i in range(len(values)):
        values[i] *= factor


@compiled
def adam(state, size, root, rate1, rate2, epsilon):
    """One step of Adam on flat parameters; the parameters before it are kept."""
    parameters, mean, square, gradient, before = state[0], state[1], state[2], state[3], state[4]
    for i in range(len(parameters)):
        g = gradient[i]
        m = mean[i] + rate1 * (g - mean[i])
        v = square[i] + rate2 * (g * g - square[i])
        mean[i], square[i], before[i] = m, v, parameters[i]
        parameters[i] -= size * m / (np.sqrt(v) * root + epsilon)


# ---- rollouts ----------------------------------------------------------------------------------------------------------------------
@compiled
def roll(d, w, s, theta, x, drives, block, first, last, outputs, states):
    """Rollouts number first … last − 1; rollout k is trial block k % blocks of network k // blocks.

    x : (1 or networks, trials, time, input); drives : (time, trials, hidden) input drives that all networks share, or of size 0.
    block : trials in a block. outputs : (networks, trials, time', output) and states, or of size 0, are filled.
    """
    blocks = -(-x.shape[1] // block)
    network = -1
    for job in range(first, last):
        if job // blocks != network:
            network = job // blocks
            pack(d, theta[network], w)
        start = job % blocks * block
        roll_block(d, w, s, x, drives, network, start, min(start + block, x.shape[1]), outputs, states)


@compiled
def roll_block(d, w, s, x, drives, network, start, stop, outputs, states):
    """The rollout of trials start … stop − 1 of one network."""
    trials, width, columns = stop - start, s.rates.shape[2], s.errors.shape[2]
    rates = s.rates.reshape(-1)[: 2 * trials * width].reshape(2, trials, width)
    carry = s.carry.reshape(-1)[: trials * width].reshape(trials, width)
    out = s.errors.reshape(-1)[: trials * columns].reshape(trials, columns)
    fired = s.fired if d.form == PLAIN else s.fired.reshape(-1)[: trials * width].reshape(1, trials, width)
    begin(d, w, rates, carry)
    own = address(x) + 4 * (network if len(x) > 1 else 0) * x.shape[1] * x.shape[2] * d.inputs + 4 * start * x.shape[2] * d.inputs
    for t in range(outputs.shape[2]):
        inputs, drive, drive_row = 0, address(w.b_rec), 0
        if t < x.shape[2]:
            if len(drives):
                drive, drive_row = address(drives) + 4 * (t * x.shape[1] + start) * width, width
            else:
                inputs = d.inputs
        then = (t + 1) % 2
        advance(d, w, rates, t % 2, then, own + 4 * t * d.inputs, x.shape[2] * d.inputs, inputs, drive, drive_row, fired, np.int64(0), carry)
        read_out(d, w, rates, then, address(out))
        for b in range(trials):
            outputs[network, start + b, t] = out[b, : d.outputs]
        if len(states):
            kept = carry if d.form == VOLTAGE else rates[then]
            for b in range(trials):
                states[network, start + b, t] = kept[b, : d.hidden]


@compiled
def share_drives(d, w, theta, x, drives):
    """The input drive of every step, (time, trials, hidden), with the biases, for networks that share W_in, b_rec and inputs."""
    pack(d, theta, w)
    trials, width = drives.shape[1:]
    for t in range(len(drives)):
        here, there = address(x) + 4 * t * d.inputs, address(drives) + 4 * t * trials * width
        product(
            trials, width, here, x.shape[2] * d.inputs, 1, d.inputs, address(w.W_inT), width, here, 0, 0, 0, here, 0,
            address(w.b_rec), 0, there, width, NONE, here, 0,
        )  # fmt: skip
