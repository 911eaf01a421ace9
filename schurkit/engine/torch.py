"""The torch engine, on a CPU or a GPU: autograd through a plain loop over time, for any loss. It is
the oracle of the other engines.

Weights and moments of a stack stay on the device while it is trained, and the host reads losses
once a call; batches are drawn on the host by the counter-based generator. The same networks in the
same stack on the same kind of GPU should give the same bits, as no operation used here adds up in
an order left to chance; stacks of another size, other devices and other engines agree to rounding.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable

import numpy as np
import torch

from schurkit.checks import InputError

from .base import Rule, Spec, Weights
from .device import device_named, full_precision, memory, wanted_device
from .numpy import NETWORKS_A_CHUNK
from .stack import Batches, Stack

COMPILE = "SCHURKIT_COMPILE"
STEPS_A_CALL = 20
"""Long beside what it costs to wait for a GPU, short beside a user's patience."""

Tensors = dict[str, torch.Tensor]


# ---------------------------------------------------------------------------------------- equations
ACTIVATIONS: dict[str, Callable] = {
    "tanh": torch.tanh,
    "relu": torch.relu,
    "sigmoid": torch.sigmoid,
    "softplus": lambda x: torch.logaddexp(x, torch.zeros_like(x)),
    "retanh": lambda x: torch.relu(torch.tanh(x)),
    "identity": lambda x: x,
}


def forward(weights: Tensors, spec: Spec, inputs: torch.Tensor, autonomous: int = 0):
    """The equations of `schurkit.RNN` in torch, differentiable.

    weights : tensors by name, each (networks, …); all but W_in, W_rec and W_out may be missing.
    inputs : (trials, time, input) or (networks, trials, time, input).

    Returns outputs (networks, trials, time, output) and states (networks, trials, time, hidden).
    """
    act, psi = ACTIVATIONS[spec.activation], ACTIVATIONS[spec.psi or spec.activation]
    W_rec, voltage = weights["W_rec"], spec.form == "voltage"
    networks, hidden = W_rec.shape[:2]
    leak = torch.as_tensor(np.array(spec.leak), dtype=W_rec.dtype, device=W_rec.device)
    if inputs.ndim == 3:
        inputs = inputs.expand(networks, *inputs.shape)
    drive = inputs @ weights["W_in"].transpose(1, 2)[:, None]
    bias = weights["b_rec"][:, None] if "b_rec" in weights else 0.0
    c = weights["c"][:, None] if "c" in weights else 0.0
    decay = weights["D"][:, None] if "D" in weights else 1 - leak
    state = W_rec.new_zeros(networks, inputs.shape[1], hidden)
    if "h0" in weights:
        start = weights["h0"]
        state = (start if start.ndim == 3 else start[:, None]).expand_as(state)
    states = []
    for t in range(inputs.shape[2] + autonomous):
        rate = act(state + c) if voltage else state
        pre = rate @ W_rec.transpose(1, 2) + bias
        if t < inputs.shape[2]:
            pre = pre + drive[:, :, t]
        state = decay * state + leak * (pre if voltage else act(pre))
        states.append(state)
    states = torch.stack(states, dim=2)
    outputs = (psi(states) if voltage else states) @ weights["W_out"].transpose(1, 2)[:, None]
    if "b_out" in weights:
        outputs = outputs + weights["b_out"][:, None, None]
    return outputs, states


def mean_squared_error(outputs, targets, mask):
    """Per network, the mean over trials, unmasked time steps and outputs of the squared error."""
    counts = mask.expand(outputs.shape[:3])[..., None]
    error = torch.where(counts, outputs - targets, 0.0)
    return (error**2).sum(dim=(1, 2, 3)) / (counts.sum(dim=(1, 2, 3)) * outputs.shape[3])


def cross_entropy(outputs, targets, mask):
    """Per network, the mean over trials and unmasked time steps of −Σ_o targets_o log
    softmax(outputs)_o.

    Written in outputs less that of the likeliest target, so that autograd too makes its entry minus
    the sum of the others (see `schurkit.engine.base.Worker`).
    """
    counts = mask.expand(outputs.shape[:3])
    best = targets.expand_as(outputs).argmax(dim=3, keepdim=True)
    ahead = (outputs - outputs.gather(3, best)).scatter(3, best, 0)
    top = ahead.detach().amax(dim=3, keepdim=True)
    rest = torch.exp(ahead - top).scatter(3, best, 0).sum(dim=3, keepdim=True)
    logs = top + torch.log1p(rest + torch.expm1(-top))
    terms = (targets * (logs - ahead)).sum(dim=3)
    return torch.where(counts, terms, 0.0).sum(dim=(1, 2)) / counts.sum(dim=(1, 2))


LOSSES = {"mse": mean_squared_error, "cross_entropy": cross_entropy}


# ------------------------------------------------------------------------------------------- engine
class TorchEngine:
    """See `schurkit.engine.base.Engine`. Products are in full float32 on all devices.

    Parameters
    ----------
    device : where to compute, "cpu", "cuda" or "cuda:1"; by default as the environment's
        SCHURKIT_DEVICE says, else "cpu".
    loss : (outputs, targets, mask) → one loss a network, in torch; by default the one that a worker
        is asked for.
    compile : whether `torch.compile` fuses the loop over time, once for each shape of a batch; by
        default whether the environment's SCHURKIT_COMPILE is 1.
    """

    name = "torch"
    packages = ("numpy", "torch")
    workers_at_once = 1
    responses = None

    def __init__(
        self, device: str | None = None, loss: Callable | None = None, compile: bool | None = None
    ):
        self.device, self.loss = device_named(device or wanted_device()), loss
        self.compile = os.environ.get(COMPILE) == "1" if compile is None else compile
        self.forward = torch.compile(forward) if self.compile else forward

    @property
    def arithmetic(self) -> str:
        """What results depend on in the machine: the kind of GPU and its CUDA, and the compiler."""
        parts = ["compiled"] if self.compile else []
        if self.device.type == "cuda":
            parts = [torch.cuda.get_device_name(self.device), f"CUDA {torch.version.cuda}", *parts]
        return ", ".join(parts)

    @property
    def networks_a_chunk(self) -> int | None:
        return NETWORKS_A_CHUNK if self.device.type == "cpu" else None

    def most_networks(
        self, hidden: int, channels: int, outputs: int, trials: int, steps: int
    ) -> int:
        """How many networks of that size to train side by side: as many as half of the GPU's free
        memory holds, with what autograd keeps of each step; at least 1.
        """
        state = 14 * (hidden * (hidden + channels + outputs + 2) + outputs)
        activity = trials * (steps + 1) * (10 * hidden + 4 * channels + 8 * outputs)
        return max(1, memory(self.device) // (4 * (state + activity)))

    def worker(self, spec, loss="mse"):
        return TorchWorker(self, spec, self.loss or LOSSES[loss])

    def trainer(self, parameters, spec, rule, loss="mse"):
        """None with a nuclear norm, which is left to workers."""
        return None if rule.nuclear else TorchTrainer(self.worker(spec, loss), parameters, rule)

    def tensor(self, array, dtype=None) -> torch.Tensor:
        return torch.as_tensor(np.array(array), dtype=dtype, device=self.device)

    @contextlib.contextmanager
    def computing(self, what: str, advice: str):
        """In full precision; a GPU without memory for `what` is told in one line."""
        try:
            with full_precision():
                yield
        except torch.OutOfMemoryError as error:
            reason = str(error).split(". ")[0]
            raise InputError(
                f"{self.device} has no memory left for {what} ({reason}). {advice}"
            ) from None

    @torch.no_grad()
    def rollout(self, weights, spec, inputs, autonomous, states):
        """So many networks at a time as there is memory for."""
        networks, hidden = weights["W_rec"].shape[:2]
        trials, steps = inputs.shape[-3], inputs.shape[-2] + autonomous
        channels = inputs.shape[-1] + weights["W_out"].shape[1]
        numbers = trials * steps * (4 * hidden + 2 * channels)
        size = weights["W_rec"].dtype.itemsize * max(1, numbers)
        most = max(1, memory(self.device) // size)
        parts = []
        with self.computing("a rollout", "Use fewer trials at once, or the CPU."):
            for first in range(0, networks, most):
                part = slice(first, first + most)
                tensors = {name: self.tensor(array[part]) for name, array in weights.items()}
                own = self.tensor(inputs if inputs.ndim == 3 else inputs[part])
                both = self.forward(tensors, spec, own, autonomous)
                parts.append([array.cpu().numpy() for array in both[: 1 + states]])
        joined = [np.concatenate(arrays) for arrays in zip(*parts)]
        return joined[0], joined[1] if states else None


class TorchWorker:
    """Gradients by autograd; see `schurkit.engine.base.Worker`."""

    def __init__(self, engine: TorchEngine, spec: Spec, loss: Callable):
        self.engine, self.spec, self.loss = engine, spec, loss

    def gradients(self, weights, inputs, targets, mask):
        self.spec.check_trainable(weights)
        advice = "Use fewer networks or trials at once, or the CPU."
        with self.engine.computing("gradients", advice):
            tensors = {name: self.engine.tensor(array) for name, array in weights.items()}
            batch = self.upload((inputs, targets, mask), tensors["W_rec"].dtype)
            losses, gradients = self.on_device(tensors, *batch)
            return losses.cpu().numpy(), {name: g.cpu().numpy() for name, g in gradients.items()}

    def upload(self, batch, dtype):
        """Inputs, targets and mask as tensors."""
        return [self.engine.tensor(array, kind) for array, kind in zip(batch, (dtype, dtype, None))]

    def on_device(self, weights: Tensors, inputs, targets, mask) -> tuple[torch.Tensor, Tensors]:
        """`gradients` of tensors."""
        with torch.enable_grad():
            weights = {name: array.detach().requires_grad_() for name, array in weights.items()}
            autonomous = targets.shape[-2] - inputs.shape[-2]
            outputs, _ = self.engine.forward(weights, self.spec, inputs, autonomous)
            losses = self.loss(outputs, targets, mask)
            gradients = torch.autograd.grad(losses.sum(), list(weights.values()))
        return losses.detach(), dict(zip(weights, gradients))


class TorchTrainer:
    """See `schurkit.engine.base.Trainer`; computes in the type of the start, float32 in
    `schurkit.train`. All networks of the stack take each step together; those whose loss or
    gradient is not finite rest until the call ends.
    """

    def __init__(self, worker: TorchWorker, parameters: Weights, rule: Rule):
        worker.spec.check_trainable(parameters)
        self.worker, self.rule = worker, rule
        self._uploaded = (None, None)
        with self._computing(len(parameters["W_rec"])):
            values = {n: worker.engine.tensor(array) for n, array in parameters.items()}
            self.mean, self.square = (
                {name: torch.zeros_like(p) for name, p in values.items()} for _ in range(2)
            )
            self.stack = Stack(values, dict(values), self.mean, self.square)

    def _computing(self, networks):
        advice = "Train fewer networks at once, or smaller batches, or on the CPU."
        what = f"training {networks} networks side by side"
        return self.worker.engine.computing(what, advice)

    def source(self, task, trials, seed, step):
        return Batches(task, trials)

    def steps_a_call(self, source):
        return STEPS_A_CALL

    @torch.no_grad()
    def run(self, networks, seeds, source, step, count, learning_rates):
        with self._computing(len(networks)):
            self.stack.keep(networks)
            rates = self.worker.engine.tensor(learning_rates, torch.float64)
            goes = torch.ones_like(rates, dtype=torch.bool)
            losses, going = [], []
            for k in range(step, step + count):
                loss, goes = self._step(self._batch(source.draw(seeds, k)), k + 1, rates, goes)
                losses.append(loss)
                going.append(goes)
            losses, going = torch.stack(losses, dim=1), torch.stack(going, dim=1)
            return losses.cpu().numpy().astype(float), going.sum(dim=1).cpu().numpy()

    def _batch(self, drawn):
        """On the device; a whole training set lies there already."""
        if self._uploaded[0] is not drawn:
            self._uploaded = drawn, self.worker.upload(drawn, self.mean["W_rec"].dtype)
        return self._uploaded[1]

    def _step(self, batch, step, rates, goes):
        """Step number 1, 2, … of `schurkit.engine.base.Rule` for the networks that go; returns
        losses, and who went.
        """
        rule, P, previous = self.rule, self.stack.values, self.stack.previous
        losses, G = self.worker.on_device(P, *batch)
        G = {name: g + rule[name].l1 * P[name].sign() for name, g in G.items()}
        norms = {name: torch.linalg.vector_norm(g.flatten(1), dim=1) for name, g in G.items()}
        finite = torch.stack([losses, *norms.values()]).isfinite().all(dim=0)
        goes = goes & finite
        correction, root = rule.corrections(step)
        for name, p in P.items():
            own, g, m, v = rule[name], G[name], self.mean[name], self.square[name]
            if rule.clip_norm is not None:
                factors = (rule.clip_norm / norms[name].clamp_min(1e-30)).clamp_max(1)
                g = g * _each(factors, p)
            m.lerp_(g, 1 - rule.betas[0])
            v.lerp_(g * g, 1 - rule.betas[1])
            move = m / (v.sqrt() * root + own.epsilon) * _each(rates * (own.rate / correction), p)
            moved = p * _each(1 - rates * (own.rate * own.decay), p) - move
            moves = goes.view(-1, *[1] * (p.ndim - 1))
            previous[name] = torch.where(moves, p, previous[name])
            P[name] = torch.where(moves, moved, p)
        return losses, goes

    def weights(self, network):
        return self.stack.weights(network)


def _each(numbers, array):
    """One number a network, as factors of the numbers of `array`, (networks, …)."""
    return numbers.to(array.dtype).view(-1, *[1] * (array.ndim - 1))
