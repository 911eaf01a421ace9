"""The activations φ, and their slopes φ′ written in terms of φ; all elementwise, f(x, out=None)."""

import numpy as np


def _sigmoid(x, out=None):
    from scipy.special import expit

    return expit(x, out=out)


def _retanh(x, out=None):
    return np.maximum(np.tanh(x, out=out), 0, out=out)


def _tanh_slope(value, out=None):
    return np.subtract(1, np.multiply(value, value, out=out), out=out)


ACTIVATE = {
    "tanh": np.tanh,
    "relu": lambda x, out=None: np.maximum(x, 0, out=out),
    "sigmoid": _sigmoid,
    "softplus": lambda x, out=None: np.logaddexp(x, 0, out=out),
    "retanh": _retanh,
    "identity": np.positive,
}
"""φ by name; retanh is max(tanh x, 0)."""

SLOPE = {
    "tanh": _tanh_slope,
    "relu": lambda value, out=None: np.greater(value, 0, out=out),
    "sigmoid": lambda value, out=None: np.multiply(value, 1 - value, out=out),
    "softplus": lambda value, out=None: np.negative(np.expm1(-value), out=out),
    "retanh": lambda value, out=None: np.multiply(_tanh_slope(value), value > 0, out=out),
    "identity": lambda value, out=None: np.power(value, 0, out=out),
}
"""φ′ of values φ(x); 0 at the corner of relu and retanh."""

ACTIVATIONS = tuple(ACTIVATE)
