"""The torch engine, on a CPU or a GPU: autograd through a plain loop over time for any loss, which
is the oracle of the others, and a trainer (`schurkit.engine.torch_training`) that keeps whole
stacks on the device."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from . import torch_device, torch_training
from .base import Rule, Spec, Weights
from .torch_device import device_named, full_precision, memory_errors
from .torch_training import TorchTrainer

MEMORY_ON_A_CPU = 2**30
"""Bytes of states and outputs that a rollout on a CPU holds at once, besides those it gives back.
"""


def forward(
    weights: dict[str, torch.Tensor], spec: Spec, inputs: torch.Tensor, autonomous: int = 0
):
    """The equations of `schurkit.RNN` in torch, differentiable.

    weights : tensors by name, each (networks, …); b_rec, b_out, h0 may be missing.
    inputs : (trials, time, input) or (networks, trials, time, input).

    Returns outputs (networks, trials, time, output) and states (networks, trials, time, hidden).
    """
    act = torch.tanh if spec.activation == "tanh" else torch.relu
    W_rec = weights["W_rec"]
    networks, hidden = W_rec.shape[:2]
    leak = torch.as_tensor(np.array(spec.leak), dtype=W_rec.dtype, device=W_rec.device)
    if inputs.ndim == 3:
        inputs = inputs.expand(networks, *inputs.shape)
    drive = inputs @ weights["W_in"].transpose(1, 2)[:, None]
    bias = weights["b_rec"][:, None] if "b_rec" in weights else 0.0
    state = (
        weights["h0"][:, None].expand(-1, inputs.shape[1], -1)
        if "h0" in weights
        else W_rec.new_zeros(networks, inputs.shape[1], hidden)
    )
    states = []
    for t in range(inputs.shape[2] + autonomous):
        rate = state if spec.form == "rate" else act(state)
        pre = rate @ W_rec.transpose(1, 2) + bias
        if t < inputs.shape[2]:
            pre = pre + drive[:, :, t]
        state = (1 - leak) * state + leak * (act(pre) if spec.form == "rate" else pre)
        states.append(state)
    states = torch.stack(states, dim=2)
    rates = states if spec.form == "rate" else act(states)
    outputs = rates @ weights["W_out"].transpose(1, 2)[:, None]
    if "b_out" in weights:
        outputs = outputs + weights["b_out"][:, None, None]
    return outputs, states


def mean_squared_error(outputs, targets, mask):
    """Per network, the mean over trials, unmasked time steps and outputs of the squared error."""
    kept = mask.expand(outputs.shape[:3])[..., None]
    error = torch.where(kept, outputs - targets, 0.0)
    return (error**2).sum(dim=(1, 2, 3)) / (kept.sum(dim=(1, 2, 3)) * outputs.shape[3])


def cross_entropy(outputs, targets, mask):
    """Per network, the mean over trials and unmasked time steps of −Σ_o targets_o log
    softmax(outputs)_o.

    Written in outputs less that of the likeliest target, so that autograd too makes its entry minus
    the sum of the others (see `schurkit.engine.base.Worker`).
    """
    kept = mask.expand(outputs.shape[:3])
    best = targets.expand_as(outputs).argmax(dim=3, keepdim=True)
    ahead = (outputs - outputs.gather(3, best)).scatter(3, best, 0)
    top = ahead.detach().amax(dim=3, keepdim=True)
    rest = torch.exp(ahead - top).scatter(3, best, 0).sum(dim=3, keepdim=True)
    logs = top + torch.log1p(rest + torch.expm1(-top))
    terms = (targets * (logs - ahead)).sum(dim=3)
    return torch.where(kept, terms, 0.0).sum(dim=(1, 2)) / kept.sum(dim=(1, 2))


_LOSSES = {"mse": mean_squared_error, "cross_entropy": cross_entropy}


class TorchEngine:
    """See `schurkit.engine.base.Engine`.

    The same networks in the same stack on the same kind of GPU should give the same bits, as no
    operation used here adds up in an order left to chance; stacks of another size, other devices
    and other engines agree to rounding. Products are in full float32 on all of them.

    Parameters
    ----------
    device : where to compute, "cpu", "cuda" or "cuda:1".
    loss : (outputs, targets, mask) → one loss a network, in torch; by default the one that a worker
        is asked for.
    """

    name = "torch"
    packages = ("numpy", "torch")

    def __init__(self, device: str = "cpu", loss: Callable | None = None):
        self.device = device_named(device)
        self.loss = loss

    @property
    def arithmetic(self) -> str:
        return torch_device.arithmetic(self.device)

    def worker(self, spec: Spec, loss: str = "mse") -> TorchWorker:
        return TorchWorker(self, spec, self.loss or _LOSSES[loss])

    def trainer(
        self, parameters: Weights, spec: Spec, rule: Rule, loss: str = "mse"
    ) -> TorchTrainer | None:
        """None with a loss of one's own or a nuclear norm, which are left to workers."""
        if self.loss is not None or rule.nuclear:
            return None
        return TorchTrainer(parameters, spec, rule, loss, self.device)

    def tensor(self, array) -> torch.Tensor:
        return torch.as_tensor(np.array(array), device=self.device)

    @property
    def on_gpu(self) -> bool:
        return self.device.type == "cuda"

    def most_networks(
        self, hidden: int, channels: int, outputs: int, trials: int, steps: int
    ) -> int:
        """How many networks of that size to train side by side: as many as half of the GPU's free
        memory holds.
        """
        return torch_training.most_networks(
            torch_device.memory(self.device, MEMORY_ON_A_CPU),
            hidden,
            channels,
            outputs,
            trials,
            steps,
        )

    @torch.no_grad()
    def rollout(self, weights: Weights, spec: Spec, inputs, autonomous: int, states: bool):
        """So many networks at a time as there is memory for."""
        networks, hidden = weights["W_rec"].shape[:2]
        trials, steps = inputs.shape[-3], inputs.shape[-2] + autonomous
        numbers = (
            trials * steps * (4 * hidden + 2 * inputs.shape[-1] + 2 * weights["W_out"].shape[1])
        )
        size = weights["W_rec"].dtype.itemsize * max(1, numbers)
        most = max(1, torch_device.memory(self.device, MEMORY_ON_A_CPU) // size)
        outputs, kept = [], []
        with (
            full_precision(),
            memory_errors(self.device, "a rollout", "Use fewer trials at once, or the CPU."),
        ):
            for first in range(0, networks, most):
                part = slice(first, first + most)
                tensors = {name: self.tensor(array[part]) for name, array in weights.items()}
                found, held = forward(
                    tensors,
                    spec,
                    self.tensor(inputs if inputs.ndim == 3 else inputs[part]),
                    autonomous,
                )
                outputs.append(found.cpu().numpy())
                kept.append(held.cpu().numpy() if states else None)
        return _joined(outputs), _joined(kept) if states else None


def _joined(parts):
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


class TorchWorker:
    """Gradients by autograd; see `schurkit.engine.base.Worker`."""

    def __init__(self, engine: TorchEngine, spec: Spec, loss: Callable):
        self.engine, self.spec, self.loss = engine, spec, loss

    def gradients(self, weights: Weights, inputs, targets, mask):
        advice = "Use fewer networks or trials at once, or the CPU."
        with full_precision(), memory_errors(self.engine.device, "gradients", advice):
            return self._gradients(weights, inputs, targets, mask)

    def _gradients(self, weights, inputs, targets, mask):
        tensors = {
            name: self.engine.tensor(array).requires_grad_() for name, array in weights.items()
        }
        dtype = tensors["W_rec"].dtype
        x, y = (self.engine.tensor(a).to(dtype) for a in (inputs, targets))
        outputs, _ = forward(tensors, self.spec, x, y.shape[-2] - x.shape[-2])
        losses = self.loss(outputs, y, self.engine.tensor(mask))
        grads = torch.autograd.grad(losses.sum(), list(tensors.values()))
        return losses.detach().cpu().numpy(), {
            name: g.cpu().numpy() for name, g in zip(tensors, grads)
        }
