"""Gradients where a network has all but solved its task, against autograd in float64: there
differences of nearly equal numbers show.
"""

import importlib.util

import numpy as np
import pytest
import torch

from schurkit.engine import Spec, choose, tables
from schurkit.engine.torch import forward

PAIRS, HIDDEN, NAMES = 25, 60, ("W_in", "W_rec", "W_out")
numba = pytest.mark.skipif(
    importlib.util.find_spec("numba") is None, reason="numba is not installed"
)
DENSE = ["numpy", pytest.param("numba", marks=numba), "torch"]


def solved(loss, outputs, activation, soft=False, margin=15.0):
    """Float32 weights whose outputs at `PAIRS` pairs of tokens are the targets plus noise (mean
    squared error), or far ahead at the target; the tokens, and what is asked for after the second,
    (pairs, output)."""
    rng = np.random.default_rng(7)
    first, second = np.divmod(rng.permutation(outputs**2)[:PAIRS], outputs)
    target = rng.integers(outputs, size=PAIRS)
    one_hot = np.eye(outputs)[target]
    W_in, W_rec = (
        rng.normal(size=(HIDDEN, size), scale=scale).astype(np.float32)
        for size, scale in ((outputs, 1.0), (HIDDEN, 0.3))
    )
    act = np.tanh if activation == "tanh" else lambda x: np.maximum(x, 0)
    states = act(act(W_in.T[first].astype(float)) @ W_rec.T + W_in.T[second])
    noise = rng.normal(size=one_hot.shape)
    # a common constant, as training leaves one
    wanted = one_hot + 1e-3 * noise if loss == "mse" else margin * one_hot + 0.5 * noise - 20
    W_out = np.linalg.lstsq(states, wanted, rcond=None)[0].T.astype(np.float32)
    targets = one_hot if not soft else one_hot * (1 - 1e-5) + (1 - one_hot) * 1e-5 / (outputs - 1)
    return (
        {"W_in": W_in[None], "W_rec": W_rec[None], "W_out": W_out[None]},
        (first, second, target),
        targets.astype(np.float32),
    )


def trials_of(tokens, targets):
    """Inputs, targets and mask with a networks axis."""
    eye = np.eye(targets.shape[1], dtype=np.float32)
    inputs = np.stack([eye[tokens[0]], eye[tokens[1]]], axis=1)
    return (
        inputs[None],
        np.stack([np.zeros_like(targets), targets], axis=1)[None],
        np.array([False, True]),
    )


def by_autograd(weights, spec, loss, inputs, targets):
    """Loss and gradients in float64 with torch's own losses."""
    tensors = {
        name: torch.tensor(array.astype(float), requires_grad=True)
        for name, array in weights.items()
    }
    outputs = forward(tensors, spec, torch.tensor(inputs.astype(float)))[0][0, :, 1]
    wanted = torch.tensor(targets[0, :, 1].astype(float))
    found = (
        torch.nn.functional.mse_loss(outputs, wanted)
        if loss == "mse"
        else torch.nn.functional.cross_entropy(outputs, wanted)
    )
    found.backward()
    return found.item(), {name: tensor.grad.numpy() for name, tensor in tensors.items()}


def check(found, oracle, loss):
    """Every gradient within 1e-3; dLoss/dOutput of each pair adds up to 0, which shows in Σ_o
    dLoss/dW_out, as the states are independent.
    """
    (value,), gradients = found
    assert 3e-7 < oracle[0] < 3e-5 or loss == "soft"
    assert value == pytest.approx(oracle[0], rel=1e-3)
    errors = {
        name: np.linalg.norm(gradients[name] - oracle[1][name]) / np.linalg.norm(oracle[1][name])
        for name in NAMES
    }
    assert max(errors.values()) < 1e-3, errors
    if loss != "mse":
        sums = np.linalg.norm(gradients["W_out"][0].sum(axis=0)) / np.linalg.norm(
            gradients["W_out"]
        )
        assert sums < 1e-5, sums


@pytest.mark.parametrize("engine", [*DENSE, "tables"])
@pytest.mark.parametrize("activation", ["relu", "tanh"])
@pytest.mark.parametrize("outputs", [7, 19])
@pytest.mark.parametrize("loss", ["cross_entropy", "soft", "mse"])
def test_gradients_at_a_solved_network(engine, activation, outputs, loss):
    kind = "mse" if loss == "mse" else "cross_entropy"
    soft = loss == "soft" and engine != "tables"
    weights, tokens, targets = solved(kind, outputs, activation, soft=soft)
    trials, spec = trials_of(tokens, targets), Spec(activation)
    if engine == "tables":
        pairs = [tables.TokenPairs.of(*tokens, outputs)]
        found = tables.TableWorker(activation, kind).gradients(weights, pairs)
    else:
        found = choose(engine).worker(spec, kind).gradients(weights, *trials)
    check(found, by_autograd(weights, spec, kind, *trials[:2]), loss)
