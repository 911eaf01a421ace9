"""Gradients of one network by backpropagation through time, compiled: see
`schurkit.engine.base.Worker` for what is computed.
"""

from __future__ import annotations

import numpy as np

from ..base import Spec
from ..numpy import NumpyWorker
from .cache import call, compiled, inner
from .kernels import add_product, multiply, multiply_one, times_slope
from .network import LEAKY, PLAIN, VOLTAGE, Layout, advance, begin, matrices, pack, read_out

_F = np.float32


class NumbaWorker(NumpyWorker):
    """Gradients of the loss of one chunk, network by network; see `schurkit.engine.base.Worker`."""

    def __init__(self, spec: Spec, loss: str = "mse"):
        super().__init__(spec, loss)
        self._space = (None,)

    def gradients(self, weights, inputs, targets, mask):
        if not self.spec.compiles(weights):
            return super().gradients(weights, inputs, targets, mask)
        networks, trials, steps = targets.shape[:3]
        layout = Layout(weights, self.spec, self.loss)
        if self._space[0] != (layout.dims, trials, steps):
            self._space = (layout.dims, trials, steps), layout.space(trials, steps)
        theta = layout.flat(weights)
        x, y = (np.require(one, np.float32, "CW") for one in (inputs, targets))  # as in `train`
        mask = np.ascontiguousarray(np.broadcast_to(mask, (networks, trials, steps)), np.uint8)
        flat, losses = np.empty_like(theta), np.empty(networks)
        for i in range(networks):
            arguments = theta[i], x[i], y[i], mask[i], flat[i]
            losses[i] = call(gradients, layout.dims, self._space[1], *arguments)
        found = layout.arrays(flat)
        return losses, {name: found[name] for name in weights}


@compiled
def gradients(d, s, theta, x, y, mask, gradient):
    """Masked loss of one network and its gradient, flat as its parameters `theta`.

    x : (trials, time, input);
    y : (trials, time', output);
    mask : (trials, time'), uint8.
    """
    w = pack(d, theta, s)
    trials, steps = mask.shape
    count, first = 0, steps
    for b in range(trials):
        for t in range(steps):
            if mask[b, t]:
                count += 1
                first = min(first, t)
    forward(d, w, s, x, steps)
    loss = 0.0
    terms = count if d.entropy else count * d.outputs
    scale = _F((1.0 if d.entropy else 2.0) / terms)
    for t in range(first, steps):
        read_out(w, s.rates[t + 1], s.errors[t])
        if d.entropy:
            loss += surprise(s.errors[t], y[:, t], mask[:, t], scale)
        else:
            loss += errors(s.errors[t], y[:, t], mask[:, t], scale)
    back(d, w, s, x, steps, first, gradient)
    return loss / terms


@inner
def forward(d, w, s, x, steps):
    """The rates of all steps from inputs (trials, time, input), into `s.rates`."""
    trials = len(x)
    begin(d, w, s.rates[0, :trials], s.carry[:trials])
    for t in range(steps):
        now, then = s.rates[t, :trials], s.rates[t + 1, :trials]
        fired = s.fired[0 if d.form == PLAIN else t, :trials]
        advance(d, w, now, then, x, t, w.b_rec, fired, s.carry[:trials])


@inner
def errors(outputs, y, mask, scale):
    """Turn the outputs of one step into dLoss/dOutput; returns the sum of squared errors."""
    total = 0.0
    for b in range(y.shape[0]):
        counts = _F(mask[b])
        for o in range(y.shape[1]):
            error = (outputs[b, o] - y[b, o]) * counts
            total += np.float64(error) * np.float64(error)
            outputs[b, o] = error * scale
    return total


@inner
def surprise(outputs, y, mask, scale):
    """Turn the outputs of one step into dLoss/dOutput of the cross-entropy; returns its sum. A NaN
    or an infinite output makes it NaN.
    """
    loss = 0.0
    for b in range(y.shape[0]):
        counts = _F(mask[b])
        top, best = outputs[b, 0], 0
        for o in range(y.shape[1]):
            top = max(top, outputs[b, o])
            best = o if y[b, o] > y[b, best] else best
        hit, rest, mass, aligned = _F(0), _F(0), _F(0), _F(0)
        for o in range(y.shape[1]):
            value = outputs[b, o] - top
            fired = np.exp(value)
            if o == best:
                hit = fired
            else:
                rest += fired
            mass += y[b, o]
            aligned += y[b, o] * value
            outputs[b, o] = fired
        if mask[b]:
            loss += np.float64(mass * np.log1p(rest + (hit - _F(1))) - aligned)
        share, others = mass / (rest + hit), _F(0)
        for o in range(y.shape[1]):
            if o != best:
                error = outputs[b, o] * share - y[b, o]
                others += error
                outputs[b, o] = error * counts * scale
        outputs[b, best] = -others * counts * scale
    return loss


@inner
def back(d, w, s, x, steps, first, gradient):
    """All steps back, into the flat gradient; the sums over trials and time are added up while a
    step is in the nearest cache.
    """
    trials = len(x)
    s.carry[:] = 0
    gradient[:] = 0
    W_inT, W_rec, W_out, b_rec, b_out, h0 = matrices(d, gradient)
    for t in range(steps - 1, -1, -1):
        this = back_step(d, w, s, trials, t, steps, first)
        if t > 0 or d.h0:
            add_product(this.T, s.rates[t], W_rec)
        if t < x.shape[1]:
            add_product(x[:, t].T, this, W_inT)
        if t >= first:
            add_product(s.errors[t].T, s.rates[t + 1], W_out)
            if d.b_out:
                add_rows(s.errors[t], b_out)
        if d.b_rec:
            add_rows(this, b_rec)
    if d.h0:
        start_gradient(d, w, s, h0)


@inner
def back_step(d, w, s, trials, t, steps, first):
    """One step back: dLoss/dPre-activation of step t, (trials, hidden), from that of step t + 1 and
    `s.errors`, which hold from step `first` on. Step `steps` − 1 is the last; `s.carry` begins with
    zeros.
    """
    this, after = s.delta[t % 2, :trials], s.delta[(t + 1) % 2, :trials]
    W_rec = w.W_rec[: d.hidden if t < steps - 1 else 0]
    W_out = w.W_out[: d.outputs if t >= first else 0]
    leaky = d.form == LEAKY
    start = s.carry[:trials] if leaky else w.zero
    multiply(after, W_rec, s.errors[t, :trials], W_out, start, this)
    if not leaky:
        times_slope(d.relu, s.rates[t + 1, :trials], this)
    if d.form != PLAIN:
        leak_back(d, w, this, s.fired[t], s.carry)
    return this


@inner
def leak_back(d, w, delta, fired, carry):
    """Turn dLoss/dRate (rate form), or its product with the slope (voltage form), into
    dLoss/dPre-activation, and carry the rest on.
    """
    for b in range(delta.shape[0]):
        for j in range(delta.shape[1]):
            value = delta[b, j] if d.form == LEAKY else delta[b, j] + carry[b, j]
            delta[b, j] = value * w.leak[j]
            carry[b, j] = value * (_F(1) - w.leak[j])
    if d.form == LEAKY:
        times_slope(d.relu, fired, delta)


@inner
def add_rows(matrix, total):
    """total += the sum of the rows of a matrix."""
    for b in range(matrix.shape[0]):
        for j in range(matrix.shape[1]):
            total[0, j] += matrix[b, j]


@inner
def start_gradient(d, w, s, gradient):
    """dLoss/dh0 from dLoss/dPre-activation of the first step."""
    this, there = s.delta[0], s.delta[1]
    multiply_one(this, w.W_rec, w.zero, there)
    if d.form == VOLTAGE:
        times_slope(d.relu, s.rates[0], there)
    for sums in (there, s.carry):
        add_rows(sums, gradient)
