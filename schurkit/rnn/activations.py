"""The activations φ and their slopes."""

from __future__ import annotations

import numpy as np

ACTIVATIONS = ("tanh", "relu", "sigmoid", "softplus", "retanh", "identity")


def activate(name: str, x, out=None) -> np.ndarray:
    """φ(x), elementwise, of one of `ACTIVATIONS`; retanh is max(tanh x, 0)."""
    if name == "relu":
        return np.maximum(x, 0, out=out)
    if name == "softplus":
        return np.logaddexp(x, 0, out=out)
    if name == "sigmoid":
        from scipy.special import expit

        return expit(x, out=out)
    if name == "identity":
        return np.positive(x, out=out)
    out = np.tanh(x, out=out)
    return np.maximum(out, 0, out=out) if name == "retanh" else out


def slope(name: str, value, out=None) -> np.ndarray:
    """φ′(x), written in terms of `value` = φ(x); 0 at the corner of relu and retanh."""
    if name == "relu":
        return np.greater(value, 0, out=out)
    if name == "softplus":
        return np.negative(np.expm1(-value), out=out)
    if name == "sigmoid":
        return np.multiply(value, 1 - value, out=out)
    if name == "identity":
        return np.power(value, 0, out=out)
    out = np.subtract(1, np.multiply(value, value, out=out), out=out)
    return np.multiply(out, value > 0, out=out) if name == "retanh" else out
