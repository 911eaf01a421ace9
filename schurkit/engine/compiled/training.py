"""Training in compiled code: many steps of many networks a call, from batches drawn in compiled
code where the task offers that.
"""

from __future__ import annotations

import numpy as np

from schurkit.rnn import ARRAYS

from ..base import Rule, Spec, Weights, side_by_side
from .batches import Batch, Source
from .cache import call, compiled, inner
from .gradients import gradients
from .kernels import add_polar
from .network import Layout, aligned, matrices

_F = np.float32

MEMORY_A_SLICE = 8 * 2**20
"""Bytes of batches that are drawn at once for one network."""
OPERATIONS_A_SLICE = 1e9
"""Multiply-adds of one network in one compiled call, some 5 to 10 ms: long beside the call, short
beside a user's patience.
"""


class NumbaTrainer:
    """See `schurkit.engine.base.Trainer`."""

    def __init__(self, parameters: Weights, spec: Spec, rule: Rule, loss: str = "mse"):
        spec.check_trainable(parameters)
        self.rule, self.layout = rule, Layout(parameters, spec, loss)
        start = self.layout.flat(parameters)
        self.state = aligned(len(start), 5, start.shape[1])
        self.state[:, 0] = self.state[:, 4] = start
        self.nuclear = np.float32(rule.nuclear.get("W_rec", 0))
        self._free = []  # work space, handed from thread to thread

    def source(self, task, trials, seed, step):
        return Source(task, trials, seed, step)

    def steps_a_call(self, source):
        d, (_, trials, steps) = self.layout.dims, source.sample.mask.shape
        operations = 3 * trials * steps * d.hidden * (d.hidden + d.inputs + d.outputs)
        wanted = min(max(OPERATIONS_A_SLICE / operations, 20), 1000)
        return max(1, int(min(wanted, MEMORY_A_SLICE / source.sample.bytes)))

    def run(self, networks, seeds, source, step, count, learning_rates):
        counts = range(step + 1, step + count + 1)
        corrections, roots = (np.array(each) for each in zip(*map(self.rule.corrections, counts)))
        losses, done = np.full((len(networks), count), np.nan), np.zeros(len(networks), np.int64)

        def one(i):
            with np.errstate(over="ignore"):  # an absurd learning rate shows in the loss
                sizes = (learning_rates[i] / corrections).astype(np.float32)
            batches = source, seeds[i], step
            moves = sizes, roots.astype(np.float32), *self._rules(learning_rates[i])
            done[i] = self._train(self.state[networks[i]], batches, moves, losses[i])

        side_by_side(one, range(len(networks)))
        return losses, done

    def _rules(self, rate):
        """What `train` asks for besides the steps' own: rates, clip, ends, rules, nuclear."""
        rule = self.rule
        arrays = [rule[name] for name in ARRAYS]
        tiny = np.finfo(np.float32).tiny  # 0 / 0 in the padding would be the end
        rows = [(r.rate, max(r.epsilon, tiny), 1 - rate * r.rate * r.decay, r.l1) for r in arrays]
        clip = np.float32(np.inf if rule.clip_norm is None else rule.clip_norm)
        rates = np.array([1 - beta for beta in rule.betas], np.float32)
        return rates, clip, self.layout.ends, np.array(rows, np.float32), self.nuclear

    def _train(self, state, batches, moves, losses):
        """Steps of one network; returns how many it did."""
        (source, seed, step), (sizes, roots, *rules) = batches, moves
        held = self._free.pop() if self._free else {}
        if source.fill is not None and not source.sample.fits(held.get("room"), len(sizes)):
            held["room"] = Batch.empty(source.sample, len(sizes))
        at = 0
        for batch in source.draw(seed, step, len(sizes), held.get("room")):
            shape, end = batch.mask.shape[1:], at + len(batch.mask)
            if held.get("shape") != shape:
                held |= {"shape": shape, "space": self.layout.space(*shape, self.nuclear > 0)}
            arguments = self.layout.dims, held["space"], state, *batch
            at += call(train, *arguments, sizes[at:end], roots[at:end], *rules, losses[at:end])
            if at < end:
                break
        self._free.append(held)
        return at

    def weights(self, network):
        flat = self.state[network, 0]
        flat = flat if np.isfinite(flat).all() else self.state[network, 4]
        return {name: array[0].copy() for name, array in self.layout.arrays(flat[None]).items()}


@compiled
def train(d, s, state, x, y, mask, sizes, roots, rates, clip, ends, rules, nuclear, losses):
    """Train one network on as many batches as there are; returns how many steps were done before
    something was not finite.

    state : (5, parameters): parameters, mean and square of Adam, gradient, parameters before the
        last step.
    x, y, mask : batches with a leading steps axis.
    sizes, roots : of each step, see `adam`.
    rates : (2,) 1 − β₁, 1 − β₂.
    clip : largest norm of an array's gradient, or infinity.
    ends : where each array ends in the flat parameters.
    rules : (arrays, 4) factor of `sizes`, ε, 1 − η decay, l1;
    nuclear : factor of the nuclear norm (`schurkit.engine.base.Rule`).
    losses : (steps,) float64, filled.
    """
    gradient = state[3]
    for step in range(len(x)):
        losses[step] = gradients(d, s, state[0], x[step], y[step], mask[step], gradient)
        if nuclear > 0:
            add_polar(matrices(d, state[0])[1], s.polar, nuclear, matrices(d, gradient)[1])
        finite = np.isfinite(losses[step])
        start = ends[0] * 0  # a plain 0 would have `norm_of` compiled twice
        for array in range(len(ends)):
            end = ends[array]
            if rules[array, 3] > 0:
                for i in range(start, end):
                    gradient[i] += rules[array, 3] * np.sign(state[0, i])
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
    """One step of Adam on flat parameters (`schurkit.engine.base.Rule`), those before it are kept.
    Two loops, each of few enough arrays to become vector code.

    size : learning rate / (1 − β₁ᵏ) at step k;
    root : (1 − β₂ᵏ)^−½.
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
