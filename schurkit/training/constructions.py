"""Starts, and what training may change: each construction maps trained parameters to the weights of
a stack and pulls gradients back.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from schurkit import random
from schurkit.engine.base import Weights

from .recipe import Recipe

Parameters = dict[str, np.ndarray]
"""Trained arrays by name, each with a leading networks axis."""


class Dense:
    """W_rec itself is trained; the constructions that use it differ in the start alone (and "mup"
    in its learning rates).
    """

    def start(
        self, recipe: Recipe, input_size: int, output_size: int, seeds: Sequence[int]
    ) -> Parameters:
        parameters = outer_start(recipe, input_size, output_size, seeds)
        hidden, start = recipe.hidden_size, _STARTS.get(recipe.construction)
        W_rec = start(hidden, seeds) if start else _matrix(recipe, "W_rec", (hidden, hidden), seeds)
        return parameters | {"W_rec": W_rec.astype(np.float32)}

    def weights(self, parameters: Parameters) -> Weights:
        return parameters

    def pull_back(self, parameters: Parameters, gradients: Weights) -> Parameters:
        return gradients


class Cayley:
    """W_rec = O D Oᵀ, O = (I − A)(I + A)⁻¹, A = (U − Uᵀ)/2, D = blockdiag of [[a, −b], [b, a]]:
    normal throughout training.

    Trained: "U" (networks, hidden, hidden), "a" and "b" (networks, hidden/2). At the start U ~
    Unif(±N^-1/2) and the blocks hold the eigenvalues of a Unif(±N^-1/2) matrix: a complex pair
    gives (Re, |Im|); real eigenvalues, in order of size, pair up to blocks with their mean as a and
    with b = 0.

    With G = dL/dW_rec: dL/dD = Oᵀ G O, dL/dO = G O Dᵀ + Gᵀ O D, and since dO = −(I + O) dA (I +
    A)⁻¹, dL/dA = −(I + O)ᵀ (dL/dO) (I + A)⁻ᵀ. Source: arXiv:2606.18457, §3.
    """

    def __init__(self):
        # O and (I + A)⁻¹ of the last call of weights(), which pull_back() needs again
        self._last = None

    def start(self, recipe, input_size, output_size, seeds):
        hidden = recipe.hidden_size
        U = _uniform(seeds, "U", (hidden, hidden), hidden).astype(np.float32)
        spectra = np.linalg.eigvals(_uniform(seeds, "W_rec", (hidden, hidden), hidden))
        pairs = np.array([_paired(spectrum) for spectrum in spectra], np.float32)
        outer = outer_start(recipe, input_size, output_size, seeds)
        return outer | {"U": U, "a": pairs[:, 0], "b": pairs[:, 1]}

    def weights(self, parameters):
        weights = {name: array for name, array in parameters.items() if name not in ("U", "a", "b")}
        O, _ = self._last = _cayley(parameters["U"])
        weights["W_rec"] = _times_blocks(O, parameters["a"], parameters["b"]) @ O.transpose(0, 2, 1)
        return weights

    def pull_back(self, parameters, gradients):
        """Gradients of the trained arrays; `parameters` must be those of the last call of
        `weights`.
        """
        a, b = parameters["a"], parameters["b"]
        O, inverse = self._last
        OT, G = O.transpose(0, 2, 1), gradients["W_rec"]
        on_D = OT @ G @ O
        on_O = _times_blocks(G @ O, a, -b) + _times_blocks(G.transpose(0, 2, 1) @ O, a, b)
        on_A = -(OT + np.eye(O.shape[1], dtype=O.dtype)) @ on_O @ inverse.transpose(0, 2, 1)
        pulled = {name: array for name, array in gradients.items() if name != "W_rec"}
        pulled["U"] = (on_A - on_A.transpose(0, 2, 1)) / 2
        even, odd = np.arange(0, O.shape[1], 2), np.arange(1, O.shape[1], 2)
        pulled["a"] = on_D[:, even, even] + on_D[:, odd, odd]
        pulled["b"] = on_D[:, odd, even] - on_D[:, even, odd]
        return pulled


class Dale(Dense):
    """W_rec = |V| diag(s) with V trained in its place: all that a unit sends has one sign
    throughout training, s_j = −1 for the last ⌈hidden/5⌉ units and +1 for the others.

    With G = dL/dW_rec: dL/dV = G diag(s) sign(V). At the start |V| has half-normal entries, those
    of inhibitory columns larger, so that the two kinds cancel in the mean of a row, and all scaled
    to the spectral radius 1. Source: H. F. Song, G. R. Yang, X.-J. Wang, PLoS Comput. Biol. 12
    (2016) e1004792 (four to one and the balance; their rectified V is |V| here, as in PsychRNN).
    """

    def weights(self, parameters):
        V = parameters["W_rec"]
        return parameters | {"W_rec": np.abs(V) * _signs(V.shape[-1])}

    def pull_back(self, parameters, gradients):
        V = parameters["W_rec"]
        return gradients | {"W_rec": gradients["W_rec"] * np.sign(V) * _signs(V.shape[-1])}


class Embedded:
    """W_in = W_x Eᵀ with "E" (networks, input, embedding) and "W_x" (networks, hidden, embedding)
    trained, the rest as in `inner`.

    With G = dL/dW_in: dL/dW_x = G E, dL/dE = Gᵀ W_x.
    """

    def __init__(self, inner: Dense | Cayley):
        self.inner = inner

    def start(self, recipe, input_size, output_size, seeds):
        size, hidden = recipe.embedding_size, recipe.hidden_size
        parameters = self.inner.start(recipe, input_size, output_size, seeds)
        del parameters["W_in"]
        E = random.normal(seeds, "E", 0, (input_size, size))
        if recipe.construction == "fan_in":
            E /= np.sqrt(input_size)
        return parameters | {
            "E": E.astype(np.float32),
            "W_x": _matrix(recipe, "W_x", (hidden, size), seeds),
        }

    def weights(self, parameters):
        inner = {name: array for name, array in parameters.items() if name not in ("E", "W_x")}
        weights = self.inner.weights(inner)
        return {"W_in": parameters["W_x"] @ parameters["E"].transpose(0, 2, 1), **weights}

    def pull_back(self, parameters, gradients):
        G = gradients["W_in"]
        inner = {name: array for name, array in gradients.items() if name != "W_in"}
        inner = self.inner.pull_back(parameters, inner)
        return inner | {"E": G.transpose(0, 2, 1) @ parameters["W_x"], "W_x": G @ parameters["E"]}


def construction(name: str, embedding_size: int | None = None) -> Dense | Cayley | Embedded:
    """The construction of that name; see `Recipe.construction` and `Recipe.embedding_size`."""
    inner = {"cayley": Cayley, "dale": Dale}.get(name, Dense)()
    return inner if embedding_size is None else Embedded(inner)


def outer_start(recipe, input_size, output_size, seeds):
    """Start of everything but W_rec."""
    hidden = recipe.hidden_size
    parameters = {
        "W_in": _matrix(recipe, "W_in", (hidden, input_size), seeds),
        "W_out": _matrix(recipe, "W_out", (output_size, hidden), seeds),
    }
    for name, size in (("b_rec", hidden), ("b_out", output_size)) if recipe.biases else ():
        start = np.zeros((len(seeds), size))
        if recipe.bias_start == "uniform":
            start = _uniform(seeds, name, size, hidden)
        parameters[name] = start.astype(np.float32)
    return parameters


def _matrix(recipe, name, shape, seeds):
    """Unif(±N^-1/2), or N(0, 1/fan-in), or those of "mup", in float32."""
    mup = recipe.construction == "mup"
    if recipe.construction == "fan_in" or (mup and name == "W_rec"):
        start = random.normal(seeds, name, 0, shape) / np.sqrt(shape[1])
    elif mup:
        start = random.normal(seeds, name, 0, shape) * recipe.multipliers.get(name, 1.0)
    else:
        start = _uniform(seeds, name, shape, recipe.hidden_size)
    return start.astype(np.float32)


def _uniform(seeds, name, shape, hidden):
    """Unif(±N^-1/2)."""
    return random.uniform(seeds, name, 0, shape, -(hidden**-0.5), hidden**-0.5)


def _orthogonal_start(hidden, seeds):
    """Haar-distributed."""
    return random.orthonormal(seeds, "W_rec", 0, (hidden, hidden))


def _normal_start(hidden, seeds):
    """Q D Qᵀ with a, b ~ N(0, variance 1/6)."""
    Q = _orthogonal_start(hidden, seeds)
    ab = random.normal(seeds, "blocks", 0, (2, hidden // 2)) / np.sqrt(6)
    return _times_blocks(Q, ab[:, 0], ab[:, 1]) @ Q.transpose(0, 2, 1)


def _signs(hidden):
    """One a column: the last ⌈hidden/5⌉ units inhibit."""
    return np.where(np.arange(hidden) < hidden - -(-hidden // 5), 1, -1).astype(np.float32)


def _balanced_start(hidden, seeds):
    """One sign a column, see `Dale`."""
    signs = _signs(hidden)
    W = np.abs(random.normal(seeds, "W_rec", 0, (hidden, hidden))) * signs
    W[:, :, signs < 0] *= max(1, (signs > 0).sum()) / (signs < 0).sum()
    return W / np.abs(np.linalg.eigvals(W)).max(axis=1)[:, None, None]


_STARTS = {
    "orthogonal": _orthogonal_start,
    "normal": _normal_start,
    "dale": _balanced_start,
    "balanced": _balanced_start,
}


def _paired(spectrum):
    """(2, hidden/2) numbers a and b from the eigenvalues of one real matrix of even size, by
    decreasing modulus.
    """
    complex_ones = spectrum[spectrum.imag > 0]
    real_ones = np.sort(spectrum[spectrum.imag == 0].real).reshape(-1, 2).mean(axis=1)
    a = np.concatenate([complex_ones.real, real_ones])
    b = np.concatenate([complex_ones.imag, np.zeros(len(real_ones))])
    order = np.argsort(-np.hypot(a, b), kind="stable")
    return a[order], b[order]


def _cayley(U):
    """O = (I − A)(I + A)⁻¹ and (I + A)⁻¹ for A = (U − Uᵀ)/2."""
    eye = np.eye(U.shape[1], dtype=U.dtype)
    A = (U - U.transpose(0, 2, 1)) / 2
    inverse = np.linalg.inv(eye + A)
    return (eye - A) @ inverse, inverse


def _times_blocks(M, a, b):
    """M D for D = blockdiag of [[a, −b], [b, a]]."""
    out = np.empty_like(M)
    even, odd = M[..., 0::2], M[..., 1::2]
    out[..., 0::2] = even * a[:, None] + odd * b[:, None]
    out[..., 1::2] = odd * a[:, None] - even * b[:, None]
    return out
