"""Compiled gradients and training steps of one network: backpropagation through time, clipping,
Adam.
"""

from __future__ import annotations

import numpy as np

from ._cache import compiled, inner
from ._kernels import add_product, address, product
from ._network import LEAKY, PLAIN, VOLTAGE, advance, begin, clear, pack, put, read_out
from ._polar import add_polar
from ._tile import NONE, TIMES_RELU_SLOPE, TIMES_TANH_SLOPE

_F = np.float32


@compiled
def gradients_of(d, w, s, theta, x, y, mask, gradient):
    """`gradients` of flat parameters."""
    pack(d, theta, w)
    return gradients(d, w, s, x, y, mask, gradient)


@inner
def gradients(d, w, s, x, y, mask, gradient):
    """Masked loss of one network and its gradient, flat as in `pack`.

    x : (trials, time, input);
    y : (trials, time', output);
    mask : (trials, time'), uint8.
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
        advance(
            d,
            w,
            trials,
            s.rates[t],
            s.rates[t + 1],
            here,
            x.shape[1] * d.inputs,
            inputs,
            address(w.b_rec),
            np.int64(0),
            fired,
            s.carry,
        )
    loss = 0.0
    terms = count if d.entropy else count * d.outputs
    scale = _F((1.0 if d.entropy else 2.0) / terms)
    for t in range(first, steps):
        read_out(d, w, trials, s.rates[t + 1], s.errors[t])
        if d.entropy:
            loss += surprise(d, s.errors[t], y[:, t], mask[:, t], scale)
        else:
            loss += errors(d, s.errors[t], y[:, t], mask[:, t], scale)
    for sums in (s.W_rec, s.W_inT, s.W_out, s.b_rec, s.b_out):
        clear(sums)
    back(d, w, s, x, steps, first)
    collect(d, w, s, gradient)
    return loss / terms


@inner
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


@inner
def surprise(d, outputs, y, mask, scale):
    """Turn the outputs of one step into dLoss/dOutput of the cross-entropy; returns its sum. A NaN
    or an infinite output makes it NaN.

    See `schurkit.engine.base.Worker` for why the entry of the likeliest target is minus the sum of
    the others.
    """
    loss = 0.0
    for b in range(y.shape[0]):
        kept = _F(mask[b])
        row, column = (0, b) if d.few else (b, 0)
        down, along = (1, 0) if d.few else (0, 1)
        top, best = outputs[row, column], 0
        for o in range(y.shape[1]):
            top = max(top, outputs[row + o * down, column + o * along])
            best = o if y[b, o] > y[b, best] else best
        hit, rest, mass, aligned = _F(0), _F(0), _F(0), _F(0)
        for o in range(y.shape[1]):
            value = outputs[row + o * down, column + o * along] - top
            fired = np.exp(value)
            if o == best:
                hit = fired
            else:
                rest += fired
            mass += y[b, o]
            aligned += y[b, o] * value
            outputs[row + o * down, column + o * along] = fired
        if mask[b]:
            loss += np.float64(mass * np.log1p(rest + (hit - _F(1))) - aligned)
        share, others = mass / (rest + hit), _F(0)
        for o in range(y.shape[1]):
            i, j = row + o * down, column + o * along
            if o != best:
                error = outputs[i, j] * share - y[b, o]
                others += error
                outputs[i, j] = error * kept * scale
        outputs[row + best * down, column + best * along] = -others * kept * scale
    return loss


@inner
def back(d, w, s, x, steps, first):
    """Backpropagation through time; the sums over trials and time are added up while a step is in
    the nearest cache.
    """
    trials, width = s.rates.shape[1:]
    size, room = 4 * trials * width, s.errors.shape[2]
    error_trial, error_output = (1, room) if d.few else (room, 1)
    slope = TIMES_RELU_SLOPE if d.relu else TIMES_TANH_SLOPE
    if d.form != PLAIN:
        clear(s.carry)
    zero, W_rec, W_inT, W_out = (
        address(w.zero),
        address(s.W_rec),
        address(s.W_inT),
        address(s.W_out),
    )
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
            add_product(
                d.inputs, width, here, 1, x.shape[1] * d.inputs, trials, this, width, W_inT, width
            )
        if outer:
            add_product(
                d.outputs,
                width,
                error,
                error_output,
                error_trial,
                trials,
                rate,
                width,
                W_out,
                width,
            )
            if d.b_out:
                for b in range(trials):
                    for o in range(d.outputs):
                        s.b_out[0, o] += s.errors[t, o, b] if d.few else s.errors[t, b, o]
        if d.b_rec:
            add_rows(s.delta[t % 2], s.b_rec)


@inner
def leak_back(d, w, s, t):
    """Turn dLoss/dRate (rate form), or its product with the slope (voltage form), into
    dLoss/dPre-activation, and carry the rest on.
    """
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


@inner
def add_rows(matrix, total):
    """total += the sum of the rows of a matrix."""
    for b in range(matrix.shape[0]):
        for j in range(matrix.shape[1]):
            total[0, j] += matrix[b, j]


@inner
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


@inner
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


@compiled
def train(d, w, s, state, x, y, mask, sizes, roots, rates, clip, ends, rules, nuclear, losses):
    """Train one network on as many batches as there are; returns how many steps were done before
    something was not finite.

    state : (5, parameters): parameters, mean and square of Adam, gradient, parameters before the
        last step.
    x, y, mask : batches with a leading steps axis.
    sizes, roots : of each step, as in `schurkit.training.optimise.Adam.step`.
    rates : (2,) 1 − β₁, 1 − β₂.
    clip : largest norm of an array's gradient, or infinity.
    ends : where each array ends in the
    flat parameters, W_in and W_rec first. rules : (arrays, 4) factor of `sizes`, ε, 1 − η decay,
    l1; nuclear : factor of the nuclear norm (`schurkit.engine.base.Rule`). losses : (steps,)
    float64, filled.
    """
    gradient = state[3]
    for step in range(len(x)):
        pack(d, state[0], w)
        losses[step] = gradients(d, w, s, x[step], y[step], mask[step], gradient)
        if nuclear > 0:
            add_polar(w.W_rec, s.polar, nuclear, gradient[ends[0] :])
        finite = np.isfinite(losses[step])
        start = ends[0] * 0  # a plain 0 would have `norm_of` compiled twice
        for array in range(len(ends)):
            end = ends[array]
            if rules[array, 3] > 0:
                add_signs(state[0], gradient, start, end, rules[array, 3])
            norm = norm_of(gradient, start, end)
            finite = finite and np.isfinite(norm)
            if norm > clip:
                factor = clip / norm
                for i in range(start, end):
                    gradient[i] *= factor
            start = end
        if not finite:
            return step
        adam(state, sizes[step], roots[step], rates, ends, rules)
    return len(x)


@inner
def add_signs(values, gradient, start, end, factor):
    """gradient += factor sign(values), from start to end."""
    for i in range(start, end):
        gradient[i] += factor * (_F(values[i] > 0) - _F(values[i] < 0))


@inner
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


@inner
def adam(state, size, root, rates, ends, rules):
    """One step of Adam on flat parameters; the parameters before it are kept. Two loops, each of
    few enough arrays to become vector code.
    """
    parameters, mean, square, gradient, before = state[0], state[1], state[2], state[3], state[4]
    for i in range(len(gradient)):
        g = gradient[i]
        mean[i] += rates[0] * (g - mean[i])
        square[i] += rates[1] * (g * g - square[i])
    start = ends[0] * 0
    for array in range(len(ends)):
        factor, epsilon, shrink = size * rules[array, 0], rules[array, 1], rules[array, 2]
        for i in range(start, ends[array]):
            before[i] = parameters[i]
            parameters[i] = parameters[i] * shrink - factor * mean[i] / (
                np.sqrt(square[i]) * root + epsilon
            )
        start = ends[array]
