"""Adam and gradient clipping for stacks: every network is its own problem."""

from __future__ import annotations

import numpy as np

from schurkit.engine.base import Rule

from .constructions import Parameters


def gradient_norms(gradients: Parameters) -> dict[str, np.ndarray]:
    """Euclidean norm of each gradient array of each network, {name: (networks,)}."""
    flat = {name: g.reshape(len(g), -1) for name, g in gradients.items()}
    return {name: np.sqrt(np.einsum("ni,ni->n", g, g)) for name, g in flat.items()}


def clip(gradients: Parameters, norms: dict[str, np.ndarray], most: float) -> None:
    """Scale each gradient array of each network down to norm `most`, in place."""
    for name, g in gradients.items():
        if (norms[name] > most).any():
            g *= (
                np.minimum(1.0, most / np.maximum(norms[name], 1e-30))
                .astype(g.dtype)
                .reshape(-1, *[1] * (g.ndim - 1))
            )


class Adam:
    """Adam in NumPy, array by array; equations and sources in `schurkit.engine.base.Rule`."""

    def __init__(self, parameters: Parameters, rule: Rule):
        self.rule, self.count = rule, 0
        self.mean = {name: np.zeros_like(p) for name, p in parameters.items()}
        self.square = {name: np.zeros_like(p) for name, p in parameters.items()}

    def step(self, parameters: Parameters, gradients: Parameters, learning_rates) -> None:
        """Move `parameters` in place; learning_rates : one number, or one a network."""
        self.count += 1
        (beta1, beta2), (correction, root) = self.rule.betas, self.rule.corrections(self.count)
        rates = np.asarray(learning_rates, float).reshape(-1)
        for name, p in parameters.items():
            rule, g, m, v = self.rule[name], gradients[name], self.mean[name], self.square[name]
            shape = (-1, *[1] * (p.ndim - 1))
            move = g - m
            move *= 1 - beta1
            m += move
            np.multiply(g, g, out=move)
            move -= v
            move *= 1 - beta2
            v += move
            np.sqrt(v, out=move)
            move *= np.float32(root)
            move += rule.epsilon
            np.divide(m, move, out=move)
            move *= (rates * (rule.rate / correction)).astype(p.dtype).reshape(shape)
            if rule.decay:
                p *= (1 - rates * (rule.rate * rule.decay)).astype(p.dtype).reshape(shape)
            p -= move
