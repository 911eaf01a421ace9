"""The default engine on a CPU: rollouts and hand-written backpropagation through time for stacks,
in NumPy.

Time is the outer axis of every buffer, so that one step of a whole chunk is one batched matrix
product and one call of ``tanh`` in place; the input drive of all steps, and the weight gradients
over all steps, are one product each.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from threadpoolctl import ThreadpoolController

from schurkit.rnn.activations import ACTIVATE, SLOPE

from .base import Spec, Weights, available_threads, side_by_side

NETWORKS_A_CHUNK = 8
TRIALS_A_BLOCK = 64


@lru_cache(maxsize=1)
def _controller():
    return ThreadpoolController()


def one_blas_thread():
    """Context in which each call of BLAS uses one thread: chunks run side by side instead."""
    return _controller().limit(limits=1, user_api="blas")


class NumpyEngine:
    """See `schurkit.engine.base.Engine`; covers the whole equation of `schurkit.RNN`."""

    name = "numpy"
    packages = ("numpy",)
    arithmetic = ""
    networks_a_chunk = NETWORKS_A_CHUNK
    responses = None

    @property
    def workers_at_once(self) -> int:
        return available_threads()

    def worker(self, spec, loss="mse"):
        return NumpyWorker(spec, loss)

    def trainer(self, parameters, spec, rule, loss="mse"):
        return None

    def rollout(self, weights, spec, inputs, autonomous, states):
        networks, hidden = weights["W_rec"].shape[:2]
        trials, steps = inputs.shape[-3], inputs.shape[-2] + autonomous
        dtype = weights["W_rec"].dtype
        outputs = np.empty((networks, trials, steps, weights["W_out"].shape[1]), dtype)
        activity = np.empty((networks, trials, steps, hidden), dtype) if states else None
        drives = _shared_drives(weights, inputs)
        jobs = [
            (slice(n, n + NETWORKS_A_CHUNK), slice(t, t + TRIALS_A_BLOCK))
            for t in range(0, trials, TRIALS_A_BLOCK)
            for n in range(0, networks, NETWORKS_A_CHUNK)
        ]

        def run(job):  # NumPy's error state belongs to a thread: a diverging network must not warn
            with np.errstate(over="ignore", invalid="ignore"):
                _roll_block(weights, spec, inputs, drives, job, outputs, activity)

        with one_blas_thread():
            side_by_side(run, jobs)
        return outputs, activity


def _shared_drives(weights, inputs):
    """The input drive (time, trials, hidden) where all networks share inputs, W_in and b_rec
    (variants of one network).
    """
    W_in, b_rec = weights["W_in"], weights["b_rec"]
    if inputs.ndim != 3 or not ((W_in == W_in[:1]).all() and (b_rec == b_rec[:1]).all()):
        return None
    return inputs.transpose(1, 0, 2) @ W_in[0].T + b_rec[0]


def _roll_block(weights, spec, inputs, drives, job, outputs, activity):
    nets, block = job
    W_recT = np.ascontiguousarray(weights["W_rec"][nets].transpose(0, 2, 1))
    W_outT = np.ascontiguousarray(weights["W_out"][nets].transpose(0, 2, 1))
    bias, b_out = weights["b_rec"][nets, None], weights["b_out"][nets, None]
    if drives is not None:
        drive = drives[:, block]
    else:
        own = inputs[nets, block] if inputs.ndim == 4 else inputs[None, block]
        drive = np.moveaxis(own @ weights["W_in"][nets].transpose(0, 2, 1)[:, None], 2, 0) + bias
    equation = _Equation(weights, spec, nets)
    h0, trials = weights["h0"][nets], outputs[nets, block].shape[1]
    state = np.repeat(h0[:, None], trials, axis=1) if h0.ndim == 2 else h0[:, block].copy()
    rate = np.empty_like(state) if equation.voltage else state
    if equation.voltage:
        equation.rate(state, rate)
    pre = np.empty_like(state)
    has_bias = bool(bias.any())
    for t in range(outputs.shape[2]):
        np.matmul(rate, W_recT, out=pre)
        if t < len(drive):
            pre += drive[t]
        elif has_bias:
            pre += bias
        equation.advance(pre, state, pre, state, rate)
        np.add(equation.readout(state, rate) @ W_outT, b_out, out=outputs[nets, block, t])
        if activity is not None:
            activity[nets, block, t] = state


class _Equation:
    """How networks of a stack take a step: `schurkit.RNN.step`, in place and in their dtype.

    plain : whether a step is the activation and no more.
    reads_rate : whether W_out multiplies what W_rec does.
    """

    def __init__(self, weights, spec, nets=slice(None)):
        psi = spec.psi or spec.activation
        self.activate, self.slope = ACTIVATE[spec.activation], SLOPE[spec.activation]
        self.psi, self.psi_slope = ACTIVATE[psi], SLOPE[psi]
        self.leak = np.asarray(spec.leak, weights["W_rec"].dtype)
        self.D, self.c = (weights[n][nets, None] if n in weights else None for n in ("D", "c"))
        self.decay = 1 - self.leak if self.D is None else self.D
        self.voltage = spec.form == "voltage"
        self.plain = not self.voltage and self.leak.ndim == 0 and self.leak == 1
        self.reads_rate = not self.voltage or (self.c is None and psi == spec.activation)

    def rate(self, state, out):
        """What W_rec multiplies, of voltages."""
        self.activate(state if self.c is None else np.add(state, self.c, out), out)

    def readout(self, state, rate):
        """What W_out multiplies."""
        return rate if self.reads_rate else self.psi(state)

    def advance(self, pre, state, fired, then, rate):
        """From a pre-activation and the state before it to the state `then` and its rate, which are
        one array in the rate form; `fired` is where φ(pre) may be left.
        """
        if self.plain:
            self.activate(pre, rate)
            return
        leaks = pre if self.voltage else self.activate(pre, fired)
        if self.D is None:
            np.add(state, self.leak * (leaks - state), then)
        else:
            np.add(self.D * state, self.leak * leaks, then)
        if self.voltage:
            self.rate(then, rate)


def _steps(*arrays):
    """The time steps of each array (networks, time, …), side by side."""
    return list(zip(*(array.swapaxes(0, 1) for array in arrays)))


class Space(dict):
    """Work space that is kept: called with a name, a shape and a dtype."""

    def __call__(self, *key) -> np.ndarray:
        return self[key]

    def __missing__(self, key):
        self[key] = np.empty(*key[1:])
        return self[key]


class NumpyWorker:
    """Gradients of the loss of one chunk; see `schurkit.engine.base.Worker`. Takes any dtype."""

    def __init__(self, spec: Spec, loss: str = "mse"):
        self.spec, self.loss, self._buffer = spec, loss, Space()

    def gradients(self, weights, inputs, targets, mask):
        self.spec.check_trainable(weights)
        dtype = weights["W_rec"].dtype
        x = np.ascontiguousarray(inputs.transpose(0, 2, 1, 3), dtype)
        rates, _ = self.forward(weights, x, targets.shape[2])
        first, loss, d_out = self._readout_error(weights, rates, targets, mask)
        delta, d_start = self.backward(weights, rates, rates, d_out, first)
        grads = {
            "W_in": _over_time(delta[:, : x.shape[1]], x),
            "W_rec": _over_time(delta, rates[:, :-1]),
            "W_out": _over_time(d_out, rates[:, first + 1 :]),
            "h0": d_start.sum(axis=1),
        }
        for name, d in (("b_rec", delta), ("b_out", d_out)):
            if name in weights:
                grads[name] = d.sum(axis=(1, 2))
        return loss, {name: grads[name] for name in weights}

    def forward(self, weights: Weights, x, steps: int):
        """What W_rec and what W_out multiplies at times 0 … steps, (networks, steps + 1, trials,
        hidden), from inputs (networks, time, trials, input); one array where ψ(v) is φ(v + c).
        """
        equation, dtype = _Equation(weights, self.spec), weights["W_rec"].dtype
        networks, hidden = weights["W_rec"].shape[:2]
        driven, trials = x.shape[1:3]
        shape = (networks, steps + 1, trials, hidden)
        rates = self._buffer("rates", shape, dtype)
        states = self._buffer("states", shape, dtype) if equation.voltage else rates
        h0 = weights.get("h0", np.zeros((networks, hidden)))
        states[:, 0] = h0[:, None] if h0.ndim == 2 else h0
        if equation.voltage:
            equation.rate(states[:, 0], rates[:, 0])
        W_recT = np.ascontiguousarray(weights["W_rec"].transpose(0, 2, 1))
        # The drive of a step waits where its rate (or what leaks into the state) is written: fewer
        # bytes between memory and processor.
        slots = self._slots(rates, equation)
        drive = _rows(slots[:, :driven])
        np.matmul(_rows(x), weights["W_in"].transpose(0, 2, 1), out=drive)
        bias = weights["b_rec"][:, None] if "b_rec" in weights else None
        pre = self._buffer("pre", (networks, trials, hidden), dtype)
        times = _steps(rates[:, :-1], states[:, :-1], slots, states[:, 1:], rates[:, 1:])
        for t, (rate, state, slot, then, after) in enumerate(times):
            np.matmul(rate, W_recT, pre)
            if t < driven:
                pre += slot
            if bias is not None:
                pre += bias
            equation.advance(pre, state, slot, then, after)
        return rates, equation.readout(states, rates)

    def _slots(self, rates, equation):
        """φ at each step, (networks, steps, trials, hidden), from which the slope is computed."""
        networks, steps_1, *rest = rates.shape
        if equation.plain or equation.voltage:
            return rates[:, 1:]
        return self._buffer("fired", (networks, steps_1 - 1, *rest), rates.dtype)

    def _readout_error(self, weights, rates, targets, mask):
        """The first step that counts, the loss of each network, and dLoss/dOutput from that step
        on, (networks, time, trials, output).
        """
        networks, _, trials, _ = rates.shape
        counts = mask if mask.ndim == 1 else mask.any(axis=tuple(range(mask.ndim - 1)))
        first = int(np.argmax(counts))
        y = _rows(rates[:, first + 1 :]) @ weights["W_out"].transpose(0, 2, 1)
        error = y.reshape(networks, -1, trials, y.shape[-1])
        if "b_out" in weights:
            error += weights["b_out"][:, None, None]
        wanted = targets.transpose(0, 2, 1, 3)[:, first:].astype(rates.dtype, copy=False)
        counts = np.broadcast_to(mask, (networks, trials, mask.shape[-1]))
        counts = counts.transpose(0, 2, 1)[:, first:]
        if self.loss == "cross_entropy":
            return first, _cross_entropy(error, wanted, counts), error
        error -= wanted
        if not mask.all():
            error *= counts[..., None]
        terms = counts.sum(axis=(1, 2)) * error.shape[-1]
        flat = error.reshape(networks, -1)
        loss = np.einsum("ni,ni->n", flat, flat) / terms
        error *= (2.0 / terms)[:, None, None, None].astype(rates.dtype)
        return first, loss, error

    def backward(self, weights: Weights, rates, reads, d_out, first: int):
        """dLoss/dPre-activation at each step, (networks, steps, trials, hidden), and dLoss/dh0 of
        each trial, from dLoss/dOutput of the steps from `first` on; equations in
        `schurkit.engine.base.Worker`.
        """
        equation, W_rec = _Equation(weights, self.spec), weights["W_rec"]
        networks, steps_1, trials, hidden = rates.shape
        delta = self._buffer("delta", (networks, steps_1 - 1, trials, hidden), rates.dtype)
        # What comes from the output of a step waits where its delta is written.
        np.matmul(_rows(d_out), weights["W_out"], out=_rows(delta[:, first:]))
        d_rate, d_state, space = (
            self._buffer(name, (networks, trials, hidden), rates.dtype)
            for name in ("d_rate", "d_state", "slope")
        )
        d_rate[:] = d_state[:] = 0
        one, leaky = reads is rates, not (equation.plain or equation.voltage)
        if not one:
            delta[:, :first] = 0
            delta[:, first:] *= equation.psi_slope(reads[:, first + 1 :])
        times = list(enumerate(_steps(delta, self._slots(rates, equation))))
        for t, (d, slot) in reversed(times):
            if one and t >= first:
                d_rate += d
            if leaky:
                d_rate += d_state
                np.multiply(d_rate, equation.decay, d_state)
            equation.slope(slot, space)
            if one:
                np.multiply(space, d_rate, d)
            else:
                d += np.multiply(space, d_rate, space)
            if equation.voltage:
                d += d_state
                np.multiply(d, equation.decay, d_state)
            if not equation.plain:
                d *= equation.leak
            np.matmul(d, W_rec, d_rate)
        if equation.voltage:
            d_rate *= equation.slope(rates[:, 0], space)
        return delta, d_rate + d_state


def _rows(array):
    """(networks, time · trials, …) of (networks, time, trials, …): a view, for all slices of
    time.
    """
    networks, time, trials, size = array.shape
    return array.reshape(networks, time * trials, size)


def _cross_entropy(logits, targets, counts):
    """Loss of each network; `logits`, (networks, time, trials, output) and contiguous, becomes its
    gradient.
    """
    terms_a_network, flat = counts.sum(axis=(1, 2)), logits.reshape(-1, logits.shape[-1])
    best = np.arange(len(flat)), targets.argmax(axis=-1).ravel()
    logits -= logits.max(axis=-1, keepdims=True)
    terms = np.einsum("...o,...o->...", logits, targets)
    np.exp(logits, out=logits)
    hit = flat[best].reshape(terms.shape)
    flat[best] = 0
    rest, mass = logits.sum(axis=-1), targets.sum(axis=-1)
    terms = np.where(counts, mass * np.log1p(rest + (hit - 1)) - terms, 0)
    logits *= (mass / (rest + hit))[..., None]
    logits -= targets
    flat[best] = 0
    flat[best] = -flat.sum(axis=-1)
    logits *= (counts / terms_a_network[:, None, None])[..., None].astype(logits.dtype)
    return terms.sum(axis=(1, 2), dtype=np.float64) / terms_a_network


def _over_time(left, right):
    """Σ over time and trials of left rightᵀ for each network: one matrix product."""
    return np.matmul(_rows(left).transpose(0, 2, 1), _rows(right))
