"""Adam and gradient clipping for stacks: every network is its own problem."""

from __future__ import annotations

import numpy as np

from .constructions import Parameters


def gradient_norms(gradients: Parameters) -> dict[str, np.ndarray]:
    """Euclidean norm of each gradient array of each network, {name: (networks,)}."""
    flat = {name: g.reshape(len(g), -1) for name, g in gradients.items()}
    return {name: np.sqrt(np.einsum("ni,ni->n", g, g)) for name, g in flat.items()}


def clip(gradients: Parameters, norms: dict[str, np.ndarray], most: float) -> None:
    """Scale each gradient array of each network down to norm `most`, in place."""
    for name, g in gradients.items():
        if (norms[name] > most).any():
            g *= np.minimum(1.0, most / np.maximum(norms[name], 1e-30)).astype(g.dtype).reshape(-1, *[1] * (g.ndim - 1))


class Adam:
    """Adam with bias correction (D. P. Kingma, J. Ba, arXiv:1412.6980, algorithm 1; ε outside the root, as in torch)."""

    def __init__(self, parameters: Parameters, betas: tuple[float, float], epsilon: float):
        self.betas, self.epsilon, self.count = betas, epsilon, 0
        self.mean = {name: np.zeros_like(p) for name, p in parameters.items()}
        self.square = {name: np.zeros_like(p) for name, p in parameters.items()}

    def step(self, parameters: Parameters, gradients: Parameters, learning_rate: float) -> None:
        """Move `parameters` in place."""
        self.count += 1
        beta1, beta2 = self.betas
        size = learning_rate / (1 - beta1**self.count)
        root = (1 - beta2**self.count) ** -0.5
        for name, p in parameters.items():
            g, m, v = gradients[name], self.mean[name], self.square[name]
            m += (1 - beta1) * (g - m)
            v += (1 - beta2) * (g * g - v)
            p -= size * m / (np.sqrt(v) * root + self.epsilon)

    def keep(self, alive: np.ndarray) -> None:
        """Drop the networks that are not `alive`, (networks,) bool."""
        for moments in (self.mean, self.square):
            for name in moments:
                moments[name] = moments[name][alive]
