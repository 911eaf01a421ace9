"""The torch engine: autograd through a plain loop over time, any loss, on a CPU or a GPU. General, and the oracle of the others."""

from __future__ import annotations

import sys
from collections.abc import Callable

import numpy as np
import torch

from .base import Spec, Weights


def forward(weights: dict[str, torch.Tensor], spec: Spec, inputs: torch.Tensor, autonomous: int = 0):
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
    state = weights["h0"][:, None].expand(-1, inputs.shape[1], -1) if "h0" in weights else W_rec.new_zeros(networks, inputs.shape[1], hidden)
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
    """Per network, the mean over trials and unmasked time steps of −Σ_o targets_o log softmax(outputs)_o."""
    kept = mask.expand(outputs.shape[:3])
    terms = -(targets * torch.log_softmax(outputs, dim=3)).sum(dim=3)
    return torch.where(kept, terms, 0.0).sum(dim=(1, 2)) / kept.sum(dim=(1, 2))


_LOSSES = {"mse": mean_squared_error, "cross_entropy": cross_entropy}


class TorchEngine:
    """See `schurkit.engine.base.Engine`.

    Parameters
    ----------
    device : where to compute, e.g. "cpu" or "cuda".
    loss : (outputs, targets, mask) → one loss a network, in torch; by default the one that a worker is asked for.
    """

    name = "torch"
    packages = ("numpy", "torch")
    sources = (sys.modules[__name__],)
    arithmetic = ""

    def __init__(self, device: str = "cpu", loss: Callable | None = None):
        self.device = torch.device(device)
        self.loss = loss

    def refuses(self, spec: Spec) -> str | None:
        return None

    def worker(self, spec: Spec, loss: str = "mse") -> TorchWorker:
        return TorchWorker(self, spec, self.loss or _LOSSES[loss])

    def tensor(self, array) -> torch.Tensor:
        return torch.as_tensor(np.array(array), device=self.device)

    @torch.no_grad()
    def rollout(self, weights: Weights, spec: Spec, inputs, autonomous: int, states: bool):
        tensors = {name: self.tensor(array) for name, array in weights.items()}
        outputs, kept = forward(tensors, spec, self.tensor(inputs), autonomous)
        return outputs.cpu().numpy(), kept.cpu().numpy() if states else None


class TorchWorker:
    """Gradients by autograd; see `schurkit.engine.base.Worker`."""

    def __init__(self, engine: TorchEngine, spec: Spec, loss: Callable):
        self.engine, self.spec, self.loss = engine, spec, loss

    def gradients(self, weights: Weights, inputs, targets, mask):
        tensors = {name: self.engine.tensor(array).requires_grad_() for name, array in weights.items()}
        dtype = tensors["W_rec"].dtype
        x, y = (self.engine.tensor(a).to(dtype) for a in (inputs, targets))
        outputs, _ = forward(tensors, self.spec, x, y.shape[-2] - x.shape[-2])
        losses = self.loss(outputs, y, self.engine.tensor(mask))
        grads = torch.autograd.grad(losses.sum(), list(tensors.values()))
        return losses.detach().cpu().numpy(), {name: g.cpu().numpy() for name, g in zip(tensors, grads)}
