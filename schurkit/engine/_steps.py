"""Compiled rollouts, gradients and training steps of single networks, built from `schurkit.engine._kernels`.

One network is computed by one thread from start to end, so its bits depend on nobody beside it and on no number of threads.
Hidden units and outputs are padded to multiples of 16; padded entries of weights are zero and no sum runs over padded units.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ._cache import compiled
from ._kernels import add_product, address, few_products, product
from ._tile import NONE, RELU, TANH, TIMES_RELU_SLOPE, TIMES_TANH_SLOPE

PLAIN, LEAKY, VOLTAGE = range(3)
"""Rate form with leak 1; rate form with a leak; voltage form."""
_F = np.float32


class Dims(NamedTuple):
    """Sizes and kind of the networks of a stack; b_rec, b_out, h0 are 1 where these arrays exist; few : see `read_out`."""

    hidden: int
    inputs: int
    outputs: int
    b_rec: int
    b_out: int
    h0: int
    form: int
    relu: int
    few: int


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
    where unused. errors : (time, trials, output), or (time, output, trials) where d.few. delta : (2, trials, hidden) of this and
    the next step. carry : (trials, hidden) what a leak carries back, or the voltages. W_rec, W_inT, W_out, b_rec, b_out : sums of
    the gradients, padded.
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


@compiled
def take(source, at, count, row):
    """Copy `count` numbers from position `at` on to the front of a row; returns the position after them."""
    for i in range(count):
        row[i] = source[at + i]
    return at + count


@compiled
def put(row, count, target, at):
    """Copy the first `count` numbers of a row to position `at`; returns the position after them."""
    for i in range(count):
        target[at + i] = row[i]
    return at + count


@compiled
def clear(matrix):
    """Fill with zeros."""
    for i in range(matrix.shape[0]):
        for j in range(matrix.shape[1]):
            matrix[i, j] = 0


@compiled
def begin(d, w, trials, rates, carry):
    """Put the start into slot 0 of `rates`, and into `carry` in the voltage form."""
    start = carry if d.form == VOLTAGE else rates[0]
    for b in range(trials):
        for j in range(rates.shape[2]):
            start[b, j] = w.h0[j]
    if d.form == VOLTAGE:
        activate(d, trials, carry, rates[0])


@compiled
def activate(d, trials, states, rates):
    """rates = φ(states), (trials, hidden)."""
    width = states.shape[1]
    here, there = address(states), address(rates)
    product(trials, width, here, 0, 0, 0, here, 0, here, 0, 0, 0, here, 0, here, width, there, width, RELU if d.relu else TANH, here, 0)


@compiled
def advance(d, w, trials, now, then, x, x_row, inputs, drive, drive_row, fired, carry):
    """One time step, from the rates `now` to the rates `then`, both (trials, hidden).

    x, x_row, inputs : address of the inputs of the first trial, numbers between trials, how many inputs (0: none now).
    drive, drive_row : address of what else goes in (the biases, or the whole input drive), numbers between trials.
    fired : where to leave what leaks into the state; carry : the voltages.
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


@compiled
def read_out(d, w, trials, rates, out):
    """Outputs of rates (trials, hidden): (trials, padded outputs), or (outputs, padded trials) where there are few of them."""
    width, columns = rates.shape[1], out.shape[1]
    here = address(rates)
    if d.few:
        few_products(trials, here, width, width, address(w.W_out), width, d.outputs, address(w.b_out), address(out), columns)
    else:
        product(
            trials, columns, here, width, 1, d.hidden, address(w.W_outT), columns, here, 0, 0, 0, here, 0,
            address(w.b_out), 0, address(out), columns, NONE, here, 0,
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
    begin(d, w, trials, s.rates, s.carry)
    for t in range(steps):
        inputs = d.inputs if t < x.shape[1] else 0
        here, fired = address(x) + 4 * t * d.inputs, s.fired[0 if d.form == PLAIN else t]
        advance(d, w, trials, s.rates[t], s.rates[t + 1], here, x.shape[1] * d.inputs, inputs, address(w.b_rec), np.int64(0), fired, s.carry)
    loss = 0.0
    scale = _F(2.0 / (count * d.outputs))
    for t in range(first, steps):
        read_out(d, w, trials, s.rates[t + 1], s.errors[t])
        loss += errors(d, s.errors[t], y[:, t], mask[:, t], scale)
    for sums in (s.W_rec, s.W_inT, s.W_out, s.b_rec, s.b_out):
        clear(sums)
    back(d, w, s, x, steps, first)
    collect(d, w, s, gradient)
    return loss / (count * d.outputs)


@compiled
def errors(d, outputs, y, mask, scale):
    """Turn the outputs of one step into dLoss/dOutput; returns the sum of squared errors."""
    total = 0.0
    for b in range(y.shape[0]):
        kept = _F(mask[b])
        for o in range(y.shape[1]):
            row, column = (o, b) if d.few else (b, o)
            error = (outputs[row, column] - y[b, o]) * kept
            total += np.float64(error) * np.float64(error)
            outputs[row, column] = error * scale
    return total


@compiled
def back(d, w, s, x, steps, first):
    """Backpropagation through time; the sums over trials and time are added up while a step is in the nearest cache."""
    trials, width = s.rates.shape[1:]
    size, room = 4 * trials * width, s.errors.shape[2]
    error_trial, error_output = (1, room) if d.few else (room, 1)
    slope = TIMES_RELU_SLOPE if d.relu else TIMES_TANH_SLOPE
    if d.form != PLAIN:
        clear(s.carry)
    zero, W_rec, W_inT, W_out = address(w.zero), address(s.W_rec), address(s.W_inT), address(s.W_out)
    for t in range(steps - 1, -1, -1):
        this, after = address(s.delta) + t % 2 * size, address(s.delta) + (t + 1) % 2 * size
        error = address(s.errors) + 4 * t * s.errors.shape[1] * room
        rate, before = address(s.rates) + (t + 1) * size, address(s.rates) + t * size
        inner, outer = d.hidden if t < steps - 1 else 0, d.outputs if t >= first else 0
        leaky = d.form == LEAKY
        product(
            trials, width, after, width, 1, inner, address(w.W_rec), width, error, error_trial, error_output, outer, address(w.W_out), width,
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
            add_product(d.outputs, width, error, error_output, error_trial, trials, rate, width, W_out, width)
            if d.b_out:
                for b in range(trials):
                    for o in range(d.outputs):
                        s.b_out[0, o] += s.errors[t, o, b] if d.few else s.errors[t, b, o]
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
            total[0, j] += matrix[b, j]


@compiled
def collect(d, w, s, gradient):
    """Gather the padded sums into the flat gradient."""
    n, at = d.hidden, 0
    for i in range(n):
        for j in range(d.inputs):
            gradient[at] = s.W_inT[j, i]
            at += 1
    for i in range(n):
        at = put(s.W_rec[i], n, gradient, at)
    for i in range(d.outputs):
        at = put(s.W_out[i], n, gradient, at)
    if d.b_rec:
        at = put(s.b_rec[0], n, gradient, at)
    if d.b_out:
        at = put(s.b_out[0], d.outputs, gradient, at)
    if d.h0:
        start_gradient(d, w, s, gradient[at:])


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
def train(d, w, s, state, x, y, mask, sizes, roots, rates, clip, ends, losses):
    """Train one network on as many batches as there are; returns how many steps were done before something was not finite.

    state : (5, parameters): parameters, mean and square of Adam, gradient, parameters before the last step.
    x, y, mask : batches with a leading steps axis. sizes, roots : of each step, as in `schurkit.training.optimise.Adam.step`.
    rates : (3,) 1 − β₁, 1 − β₂, ε. clip : largest norm of an array's gradient, or infinity. ends : where each array ends in the
    flat parameters. losses : (steps,) float64, filled.
    """
    gradient = state[3]
    for step in range(len(x)):
        pack(d, state[0], w)
        losses[step] = gradients(d, w, s, x[step], y[step], mask[step], gradient)
        finite = np.isfinite(losses[step])
        start = 0
        for end in ends:
            norm = norm_of(gradient, start, end)
            finite = finite and np.isfinite(norm)
            if norm > clip:
                factor = clip / norm
                for i in range(start, end):
                    gradient[i] *= factor
            start = end
        if not finite:
            return step
        adam(state, sizes[step], roots[step], rates)
    return len(x)


@compiled
def norm_of(values, start, end):
    """Euclidean norm of values[start:end] in float32, by 16 running sums."""
    sums = np.zeros(16, np.float32)
    whole = start + (end - start) // 16 * 16
    for i in range(start, whole, 16):
        for lane in range(16):
            sums[lane] += values[i + lane] * values[i + lane]
    total = _F(0)
    for i in range(whole, end):
        total += values[i] * values[i]
    for lane in range(16):
        total += sums[lane]
    return np.sqrt(total)


@compiled
def adam(state, size, root, rates):
    """One step of Adam on flat parameters; the parameters before it are kept. Two loops, each of few enough arrays to become vector code."""
    parameters, mean, square, gradient, before = state[0], state[1], state[2], state[3], state[4]
    for i in range(len(gradient)):
        g = gradient[i]
        mean[i] += rates[0] * (g - mean[i])
        square[i] += rates[1] * (g * g - square[i])
    for i in range(len(parameters)):
        before[i] = parameters[i]
        parameters[i] -= size * mean[i] / (np.sqrt(square[i]) * root + rates[2])


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
    trials, width = stop - start, s.rates.shape[2]
    out = s.errors[0]
    begin(d, w, trials, s.rates, s.carry)
    own = address(x) + 4 * ((network if len(x) > 1 else 0) * x.shape[1] + start) * x.shape[2] * d.inputs
    for t in range(outputs.shape[2]):
        inputs, drive, drive_row = 0, address(w.b_rec), 0
        if t < x.shape[2]:
            if len(drives):
                drive, drive_row = address(drives) + 4 * (t * x.shape[1] + start) * width, width
            else:
                inputs = d.inputs
        then = s.rates[(t + 1) % 2]
        advance(d, w, trials, s.rates[t % 2], then, own + 4 * t * d.inputs, x.shape[2] * d.inputs, inputs, drive, drive_row, s.fired[0], s.carry)
        read_out(d, w, trials, then, out)
        for b in range(trials):
            for o in range(d.outputs):
                outputs[network, start + b, t, o] = out[o, b] if d.few else out[b, o]
        if len(states):
            kept = s.carry if d.form == VOLTAGE else then
            for b in range(trials):
                for j in range(d.hidden):
                    states[network, start + b, t, j] = kept[b, j]


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
