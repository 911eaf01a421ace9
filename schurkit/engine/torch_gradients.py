"""The loss of a stack and its gradients by backpropagation through time, written by hand on buffers
that stay where they are.

Nothing here waits for the device or asks it for a number, and nothing depends on the numbers met,
so the same calls can be recorded once as a CUDA graph and replayed. Layout: (networks, time,
trials, units), so that a step in time is one batched product over the networks, and the input drive
of all steps, and the weight gradients over all steps, are one product each.
"""

from __future__ import annotations

import numpy as np
import torch

from .base import Spec

_tanh_backward = torch.ops.aten.tanh_backward.grad_input  # d (1 − rate²) in one pass
_relu_backward = torch.ops.aten.threshold_backward.grad_input  # d where rate > 0

Tensors = dict[str, torch.Tensor]


class Gradients:
    """Buffers of a stack for batches of one shape; `inputs`, `targets` and `kept` are written by
    the caller, then it is called.

    Parameters
    ----------
    weights, into : by name (networks, …): where weights are read and gradients are written; b_rec,
        b_out, h0 may be missing.
    spec, loss : as for `schurkit.engine.base.Engine.worker`.
    trials, driven, steps : trials in a batch, time steps with inputs, time steps in all.
    """

    def __init__(
        self,
        weights: Tensors,
        into: Tensors,
        spec: Spec,
        loss: str,
        trials: int,
        driven: int,
        steps: int,
    ):
        W_in, W_out = weights["W_in"], weights["W_out"]
        networks, hidden, channels = W_in.shape
        self.weights, self.into, self.spec, self.loss = weights, into, spec, loss
        self.trials, self.driven, self.steps = trials, driven, steps

        def zeros(time, size, dtype=W_in.dtype):
            return torch.zeros((networks, time, trials, size), dtype=dtype, device=W_in.device)

        self.inputs, self.targets, self.kept = (
            zeros(driven, channels),
            zeros(steps, W_out.shape[1]),
            zeros(steps, 1, torch.bool),
        )
        self.leak = (
            torch.as_tensor(np.array(spec.leak), dtype=W_in.dtype, device=W_in.device)
            .expand(hidden)
            .clone()
        )
        self.rest = 1 - self.leak
        self.plain = spec.form == "rate" and bool((self.leak == 1).all())
        self.rates = zeros(steps + 1, hidden)
        self.states = self.rates if spec.form == "rate" else zeros(steps + 1, hidden)
        # The drive of a step waits where its rate (or what leaks into the state) is written
        self.slots = (
            self.rates[:, 1:] if self.plain or spec.form == "voltage" else zeros(steps, hidden)
        )
        self.delta, self.output = zeros(steps, hidden), zeros(steps, W_out.shape[1])
        self.d_state = zeros(1, hidden)[:, 0]

    @staticmethod
    def bytes(
        networks: int, hidden: int, channels: int, outputs: int, trials: int, steps: int
    ) -> int:
        """What the buffers take at most, in float32, with as much again for what a step makes on
        the way of the size of inputs or outputs.
        """
        return 4 * networks * trials * (steps + 1) * (4 * hidden + 4 * (channels + outputs))

    def __call__(self) -> torch.Tensor:
        """Write the gradients; returns the loss of each network, (networks,)."""
        self._forward()
        losses = self._readout()
        self._backward()
        return losses

    def _activate(self, x, out):
        torch.tanh(x, out=out) if self.spec.activation == "tanh" else torch.clamp_min(x, 0, out=out)

    def _slope(self, d, rate):
        """d φ′ in place, with φ′ written in terms of the rate."""
        _tanh_backward(d, rate, grad_input=d) if self.spec.activation == "tanh" else _relu_backward(
            d, rate, 0, grad_input=d
        )

    def _forward(self):
        w, states, rates, slots = self.weights, self.states, self.rates, self.slots
        if "h0" in w:
            states[:, 0] = w["h0"][:, None]
            if self.spec.form == "voltage":
                self._activate(states[:, 0], rates[:, 0])
        _product(self.inputs, w["W_in"], w.get("b_rec"), slots[:, : self.driven])
        rest = slots[:, self.driven :]
        rest.copy_(w["b_rec"][:, None, None].expand_as(rest)) if "b_rec" in w else rest.zero_()
        W_recT = w["W_rec"].transpose(1, 2)
        for t in range(self.steps):
            slot = slots[:, t]
            slot.baddbmm_(rates[:, t], W_recT)
            if self.spec.form == "rate":
                self._activate(slot, slot)
            if not self.plain:
                torch.lerp(states[:, t], slot, self.leak, out=states[:, t + 1])
            if self.spec.form == "voltage":
                self._activate(states[:, t + 1], slot)

    def _readout(self):
        """The loss; leaves dLoss/dOutput in `output`, of the cross-entropy as
        `schurkit.engine.base.Worker` says.
        """
        output, kept = self.output, self.kept
        _product(self.rates[:, 1:], self.weights["W_out"], self.weights.get("b_out"), output)
        count = kept.sum(dim=(1, 2, 3)).to(output.dtype)
        if self.loss == "mse":
            count = count * output.shape[3]
            output.sub_(self.targets).masked_fill_(~kept, 0)
            losses = output.square().sum(dim=(1, 2, 3)) / count
            output.mul_((2 / count)[:, None, None, None])
            return losses
        best, mass = self.targets.argmax(dim=3, keepdim=True), self.targets.sum(dim=3, keepdim=True)
        terms = (output.sub_(output.amax(dim=3, keepdim=True)) * self.targets).sum(
            dim=3, keepdim=True
        )
        hit = output.exp_().gather(3, best)
        rest = output.scatter_(3, best, 0).sum(dim=3, keepdim=True)
        losses = (mass * torch.log1p(rest + (hit - 1)) - terms).masked_fill_(~kept, 0).sum(
            dim=(1, 2, 3)
        ) / count
        output.mul_(mass / (rest + hit)).sub_(self.targets).scatter_(3, best, 0)
        output.scatter_(3, best, -output.sum(dim=3, keepdim=True))
        output.masked_fill_(~kept, 0).div_(count[:, None, None, None])
        return losses

    def _backward(self):
        w, into, rates, delta, d_state = (
            self.weights,
            self.into,
            self.rates,
            self.delta,
            self.d_state,
        )
        voltage = self.spec.form == "voltage"
        # What comes from the output of a step waits where its delta is written
        torch.bmm(_rows(self.output), w["W_out"], out=_rows(delta))
        d_state.zero_()
        for t in range(self.steps - 1, -1, -1):
            d = delta[:, t]
            if t + 1 < self.steps:
                d.baddbmm_(delta[:, t + 1], w["W_rec"])
            self._one_back(d, rates[:, t + 1] if voltage else self.slots[:, t])
        _gradient(self.output, rates[:, 1:], into["W_out"])
        _gradient(delta, rates[:, :-1], into["W_rec"])
        _gradient(delta[:, : self.driven], self.inputs, into["W_in"])
        for name, source in (("b_out", self.output), ("b_rec", delta)):
            if name in into:
                torch.sum(source, dim=(1, 2), out=into[name])
        if "h0" in into:
            d = torch.bmm(delta[:, 0], w["W_rec"])
            if voltage:
                self._slope(d, rates[:, 0])
            torch.sum(d.add_(d_state), dim=1, out=into["h0"])

    def _one_back(self, d, rate):
        """From dLoss/dRate to dLoss/dPre-activation of one step, in place; what leaks to the step
        before stays in `d_state`.
        """
        if self.plain:
            self._slope(d, rate)
        elif self.spec.form == "rate":
            d.add_(self.d_state)
            torch.mul(d, self.rest, out=self.d_state)
            self._slope(d, rate)
            d.mul_(self.leak)
        else:
            self._slope(d, rate)
            d.add_(self.d_state)
            torch.mul(d, self.rest, out=self.d_state)
            d.mul_(self.leak)


def _rows(array):
    """(networks, time · trials, size) of (networks, time, trials, size), for all slices of time: a
    view, or an error.
    """
    networks, time, trials, size = array.shape
    return array.view(networks, time * trials, size)


def _product(left, matrix, bias, out):
    """out = left matrixᵀ + bias, for all times and trials of each network at once."""
    if bias is None:
        torch.bmm(_rows(left), matrix.transpose(1, 2), out=_rows(out))
    else:
        torch.baddbmm(bias[:, None], _rows(left), matrix.transpose(1, 2), out=_rows(out))


def _gradient(left, right, out):
    """out = Σ over time and trials of left rightᵀ for each network."""
    torch.bmm(_rows(left).transpose(1, 2), _rows(right), out=out)
