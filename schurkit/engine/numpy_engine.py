"""The default engine on a CPU: rollouts and hand-written backpropagation through time for stacks,
in NumPy.

Time is the outer axis of every buffer, so that one step of a whole chunk is one batched matrix
product and one call of ``tanh`` in place; the input drive of all steps, and the weight gradients
over all steps, are one product each.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache

import numpy as np
from threadpoolctl import ThreadpoolController

from . import tables
from .base import Spec, Weights, available_threads

NETWORKS_A_CHUNK = 8
TRIALS_A_BLOCK = 64


@lru_cache(maxsize=1)
def _controller() -> ThreadpoolController:
    return ThreadpoolController()


def one_blas_thread():
    """Context in which each call of BLAS uses one thread: chunks run side by side instead."""
    return _controller().limit(limits=1, user_api="blas")


class NumpyEngine:
    """See `schurkit.engine.base.Engine`; covers both forms, both activations, any leak, biases and
    starts.
    """

    name = "numpy"
    packages = ("numpy",)
    arithmetic = ""

    def worker(self, spec: Spec, loss: str = "mse") -> NumpyWorker:
        return NumpyWorker(spec, loss)

    def table_worker(self, activation: str, loss: str) -> tables.TableWorker:
        return tables.TableWorker(activation, loss)

    def rollout(self, weights: Weights, spec: Spec, inputs, autonomous: int, states: bool):
        networks, hidden = weights["W_rec"].shape[:2]
        trials, steps = inputs.shape[-3], inputs.shape[-2] + autonomous
        dtype = weights["W_rec"].dtype
        outputs = np.empty((networks, trials, steps, weights["W_out"].shape[1]), dtype)
        kept = np.empty((networks, trials, steps, hidden), dtype) if states else None
        drives = _shared_drives(weights, inputs)
        jobs = [
            (slice(n, n + NETWORKS_A_CHUNK), slice(t, t + TRIALS_A_BLOCK))
            for t in range(0, trials, TRIALS_A_BLOCK)
            for n in range(0, networks, NETWORKS_A_CHUNK)
        ]

        def run(job):
            _roll_block(weights, spec, inputs, drives, job, outputs, kept)

        threads = min(available_threads(), len(jobs))
        with one_blas_thread(), np.errstate(over="ignore", invalid="ignore"):
            if threads < 2:
                list(map(run, jobs))
            else:
                with ThreadPoolExecutor(threads) as pool:
                    list(pool.map(_quietly(run), jobs))
        return outputs, kept


def _quietly(function):
    """NumPy's error state belongs to a thread: a diverging network must not warn from inside the
    pool.
    """

    def call(job):
        with np.errstate(over="ignore", invalid="ignore"):
            return function(job)

    return call


def _shared_drives(weights: Weights, inputs):
    """The input drive (time, trials, hidden) where all networks share inputs, W_in and b_rec
    (variants of one network).
    """
    W_in, b_rec = weights["W_in"], weights["b_rec"]
    if inputs.ndim != 3 or not ((W_in == W_in[:1]).all() and (b_rec == b_rec[:1]).all()):
        return None
    return inputs.transpose(1, 0, 2) @ W_in[0].T + b_rec[0]


def _roll_block(weights, spec, inputs, drives, job, outputs, kept):
    nets, block = job
    W_recT = np.ascontiguousarray(weights["W_rec"][nets].transpose(0, 2, 1))
    W_outT = np.ascontiguousarray(weights["W_out"][nets].transpose(0, 2, 1))
    bias, b_out = weights["b_rec"][nets, None], weights["b_out"][nets, None]
    if drives is not None:
        drive = drives[:, block]
    else:
        own = inputs[nets, block] if inputs.ndim == 4 else inputs[None, block]
        drive = np.moveaxis(own @ weights["W_in"][nets].transpose(0, 2, 1)[:, None], 2, 0) + bias
    networks, hidden = W_recT.shape[:2]
    trials = outputs[nets, block].shape[1]
    state = np.repeat(weights["h0"][nets, None], trials, axis=1)
    rate = state if spec.form == "rate" else _activate(state, spec.activation, np.empty_like(state))
    pre = np.empty((networks, trials, hidden), state.dtype)
    alpha = np.asarray(spec.leak, state.dtype)
    has_bias = bool(bias.any())
    for t in range(outputs.shape[2]):
        np.matmul(rate, W_recT, out=pre)
        if t < len(drive):
            pre += drive[t]
        elif has_bias:
            pre += bias
        if spec.form == "voltage":
            state = state + alpha * (pre - state)
            _activate(state, spec.activation, rate)
        elif alpha.ndim == 0 and alpha == 1:
            _activate(pre, spec.activation, state)
        else:
            _activate(pre, spec.activation, pre)
            state += alpha * (pre - state)
        np.add(rate @ W_outT, b_out, out=outputs[nets, block, t])
        if kept is not None:
            kept[nets, block, t] = state


def _activate(x, activation: str, out):
    return np.tanh(x, out=out) if activation == "tanh" else np.maximum(x, 0, out=out)


class NumpyWorker:
    """Gradients of the loss of one chunk; see `schurkit.engine.base.Worker`."""

    def __init__(self, spec: Spec, loss: str = "mse"):
        self.spec, self.loss = spec, loss
        self._space: dict[tuple, np.ndarray] = {}

    def _buffer(self, name: str, shape: tuple[int, ...], dtype) -> np.ndarray:
        found = self._space.get((name, shape, dtype))
        if found is None:
            found = self._space[(name, shape, dtype)] = np.empty(shape, dtype)
        return found

    def gradients(self, weights: Weights, inputs, targets, mask):
        dtype = weights["W_rec"].dtype
        spec, alpha = self.spec, np.asarray(self.spec.leak, dtype)
        steps = targets.shape[2]
        x = np.ascontiguousarray(inputs.transpose(0, 2, 1, 3), dtype)
        states, rates = self._forward(weights, x, steps, alpha)
        first, loss, d_out = self._readout_error(weights, rates, targets, mask)
        grads = {"W_out": _over_time(d_out, rates[:, first + 1 :])}
        if "b_out" in weights:
            grads["b_out"] = d_out.sum(axis=(1, 2))
        delta = self._backward(weights, states, rates, d_out, first, alpha, grads)
        grads["W_rec"] = _over_time(delta, rates[:, :-1])
        grads["W_in"] = _over_time(delta[:, : x.shape[1]], x)
        if "b_rec" in weights:
            grads["b_rec"] = delta.sum(axis=(1, 2))
        if spec.form == "rate" and "h0" in weights:
            grads["h0"] = grads.pop("start").sum(axis=1)
        elif "h0" in weights:
            grads["h0"] = (
                grads.pop("start") + grads.pop("start_rate") * _slope(rates[:, 0], spec.activation)
            ).sum(axis=1)
        return loss, {name: grads[name] for name in weights}

    def _forward(self, weights, x, steps, alpha):
        """States and rates at times 0 … steps, (networks, steps + 1, trials, hidden); in the rate
        form they are one array.
        """
        spec, dtype = self.spec, weights["W_rec"].dtype
        networks, hidden = weights["W_rec"].shape[:2]
        trials = x.shape[2]
        shape = (networks, steps + 1, trials, hidden)
        rates = self._buffer("rates", shape, dtype)
        states = rates if spec.form == "rate" else self._buffer("states", shape, dtype)
        states[:, 0] = weights["h0"][:, None] if "h0" in weights else 0
        if spec.form == "voltage":
            _activate(states[:, 0], spec.activation, rates[:, 0])
        W_recT = np.ascontiguousarray(weights["W_rec"].transpose(0, 2, 1))
        plain = spec.form == "rate" and alpha.ndim == 0 and alpha == 1
        # The drive of a step waits where its rate (or what leaks into the state) is written: fewer
        # bytes between memory and processor.
        slots = (
            rates[:, 1:]
            if plain or spec.form == "voltage"
            else self._buffer("fired", (networks, steps, trials, hidden), dtype)
        )
        driven = x.shape[1]
        np.matmul(
            x.reshape(networks, -1, x.shape[3]),
            weights["W_in"].transpose(0, 2, 1),
            out=_rows(slots[:, :driven]),
        )
        bias = weights["b_rec"][:, None] if "b_rec" in weights else None
        pre = self._buffer("pre", (networks, trials, hidden), dtype)
        for t in range(steps):
            np.matmul(rates[:, t], W_recT, out=pre)
            if t < driven:
                pre += slots[:, t]
            if bias is not None:
                pre += bias
            if plain:
                _activate(pre, spec.activation, slots[:, t])
            elif spec.form == "rate":
                fired = _activate(pre, spec.activation, slots[:, t])
                states[:, t + 1] = states[:, t] + alpha * (fired - states[:, t])
            else:
                states[:, t + 1] = states[:, t] + alpha * (pre - states[:, t])
                _activate(states[:, t + 1], spec.activation, rates[:, t + 1])
        return states, rates

    def _readout_error(self, weights, rates, targets, mask):
        """The first step that counts, the loss of each network, and dLoss/dOutput from that step
        on, (networks, time, trials, output).
        """
        dtype = rates.dtype
        counts = mask if mask.ndim == 1 else mask.any(axis=tuple(range(mask.ndim - 1)))
        first = int(np.argmax(counts))
        networks, steps_1, trials, _ = rates.shape
        y = _rows(rates[:, first + 1 :]) @ weights["W_out"].transpose(0, 2, 1)
        error = y.reshape(networks, -1, trials, y.shape[-1])
        if "b_out" in weights:
            error += weights["b_out"][:, None, None]
        wanted = targets.transpose(0, 2, 1, 3)[:, first:].astype(dtype, copy=False)
        if self.loss == "cross_entropy":
            kept = np.broadcast_to(mask, (networks, trials, mask.shape[-1])).transpose(0, 2, 1)[
                :, first:
            ]
            return first, _cross_entropy(error, wanted, kept), error
        error -= wanted
        if mask.all():
            count = np.full(networks, (steps_1 - 1) * trials * y.shape[-1])
        else:
            kept = np.broadcast_to(mask, (networks, trials, mask.shape[-1])).transpose(0, 2, 1)[
                :, first:
            ]
            error *= kept[..., None]
            count = kept.sum(axis=(1, 2)) * error.shape[-1]
        flat = error.reshape(networks, -1)
        loss = np.einsum("ni,ni->n", flat, flat) / count
        error *= (2.0 / count)[:, None, None, None].astype(dtype)
        return first, loss, error

    def _backward(self, weights, states, rates, d_out, first, alpha, grads):
        """dLoss/dPre-activation at each step, (networks, steps, trials, hidden); leaves what
        reaches the start in `grads`.
        """
        spec, W_rec = self.spec, weights["W_rec"]
        networks, steps_1, trials, hidden = rates.shape
        delta = self._buffer("delta", (networks, steps_1 - 1, trials, hidden), rates.dtype)
        # What comes from the output of a step waits where its delta is written.
        np.matmul(
            d_out.reshape(networks, -1, d_out.shape[3]),
            weights["W_out"],
            out=_rows(delta[:, first:]),
        )
        d_rate, d_state, space = (
            self._buffer(name, (networks, trials, hidden), rates.dtype)
            for name in ("d_rate", "d_state", "slope")
        )
        d_rate[:] = d_state[:] = 0
        plain = spec.form == "rate" and alpha.ndim == 0 and alpha == 1
        fired = (
            None
            if plain or spec.form == "voltage"
            else self._buffer("fired", delta.shape, rates.dtype)
        )
        for t in range(steps_1 - 2, -1, -1):
            d = delta[:, t]
            if t >= first:
                d_rate += d
            if plain:
                _times_slope(d_rate, rates[:, t + 1], spec.activation, d, space)
            elif spec.form == "rate":
                d_rate += d_state
                _times_slope(d_rate, fired[:, t], spec.activation, d, space)
                d *= alpha
                np.multiply(d_rate, 1 - alpha, out=d_state)
            else:
                _times_slope(d_rate, rates[:, t + 1], spec.activation, d, space)
                d += d_state
                np.multiply(d, 1 - alpha, out=d_state)
                d *= alpha
            np.matmul(d, W_rec, out=d_rate)
        if spec.form == "rate":
            grads["start"] = d_rate + d_state
        else:
            grads["start"], grads["start_rate"] = d_state, d_rate
        return delta


def _rows(array):
    """(networks, time · trials, …) of (networks, time, trials, …): a view, for all slices of
    time.
    """
    networks, time, trials, size = array.shape
    return array.reshape(networks, time * trials, size)


def _cross_entropy(logits, targets, kept):
    """Loss of each network; `logits`, (networks, time, trials, output) and contiguous, becomes its
    gradient.

    See `schurkit.engine.base.Worker` for why the entry of the likeliest target is minus the sum of
    the others.
    """
    count, flat = kept.sum(axis=(1, 2)), logits.reshape(-1, logits.shape[-1])
    best = np.arange(len(flat)), targets.argmax(axis=-1).ravel()
    logits -= logits.max(axis=-1, keepdims=True)
    terms = np.einsum("...o,...o->...", logits, targets)
    np.exp(logits, out=logits)
    hit = flat[best].reshape(terms.shape)
    flat[best] = 0
    rest, mass = logits.sum(axis=-1), targets.sum(axis=-1)
    terms = np.where(kept, mass * np.log1p(rest + (hit - 1)) - terms, 0)
    logits *= (mass / (rest + hit))[..., None]
    logits -= targets
    flat[best] = 0
    flat[best] = -flat.sum(axis=-1)
    logits *= (kept / count[:, None, None])[..., None].astype(logits.dtype)
    return terms.sum(axis=(1, 2), dtype=np.float64) / count


def _over_time(left, right):
    """Σ over time and trials of left rightᵀ for each network: one matrix product."""
    return np.matmul(_rows(left).transpose(0, 2, 1), _rows(right))


def _slope(rate, activation: str):
    return 1 - rate * rate if activation == "tanh" else (rate > 0).astype(rate.dtype)


def _times_slope(d, rate, activation: str, out, space):
    """out = d φ′, with φ′ written in terms of the rate φ; `space` is overwritten."""
    if activation == "tanh":
        np.multiply(rate, rate, out=space)
        np.subtract(1, space, out=space)
        np.multiply(space, d, out=out)
    else:
        np.multiply(d, rate > 0, out=out)
    return out
