"""Gradients where a network has all but solved its task, against autograd in float64: there
differences of nearly equal numbers show.
"""

import numpy as np
import pytest
import torch
from helpers import HERE

from schurkit.engine import Spec, choose, tables
from schurkit.engine.torch import forward

PAIRS, HIDDEN = 25, 60


def solved(loss, outputs, activation, soft=False, margin=15.0):
    """Float32 weights whose outputs at `PAIRS` pairs of tokens are the targets plus noise (mean
    squared error), or far ahead at the target; the tokens and their target; inputs, targets and
    mask with a networks axis.
    """
    rng, eye = np.random.default_rng(7), np.eye(outputs, dtype=np.float32)
    first, second = np.divmod(rng.permutation(outputs**2)[:PAIRS], outputs)
    target = rng.integers(outputs, size=PAIRS)
    W_in, W_rec = (
        rng.normal(size=(HIDDEN, size), scale=scale).astype(np.float32)
        for size, scale in ((outputs, 1.0), (HIDDEN, 0.3))
    )
    act = np.tanh if activation == "tanh" else lambda x: np.maximum(x, 0)
    states = act(act(W_in.T[first].astype(float)) @ W_rec.T + W_in.T[second])
    noise = rng.normal(size=(PAIRS, outputs))
    # a common constant, as training leaves one
    wanted = eye[target] + 1e-3 * noise
    if loss != "mse":
        wanted = margin * eye[target] + 0.5 * noise - 20
    W_out = np.linalg.lstsq(states, wanted, rcond=None)[0].T.astype(np.float32)
    targets = np.where(eye[target], 1 - 1e-5, 1e-5 / (outputs - 1)) if soft else eye[target]
    targets = np.stack([0 * targets, targets], axis=1)[None].astype(np.float32)
    weights = {"W_in": W_in[None], "W_rec": W_rec[None], "W_out": W_out[None]}
    inputs = np.stack([eye[first], eye[second]], axis=1)[None]
    return weights, (first, second, target), (inputs, targets, np.array([False, True]))


def by_autograd(weights, spec, loss, inputs, targets):
    """Loss and gradients in float64 with torch's own losses."""
    inputs, targets = (torch.tensor(array.astype(float)) for array in (inputs, targets))
    tensors = {
        name: torch.tensor(array.astype(float), requires_grad=True)
        for name, array in weights.items()
    }
    outputs = forward(tensors, spec, inputs)[0][0, :, 1]
    named = {"mse": "mse_loss", "cross_entropy": "cross_entropy"}
    found = getattr(torch.nn.functional, named[loss])(outputs, targets[0, :, 1])
    found.backward()
    return found.item(), {name: tensor.grad.numpy() for name, tensor in tensors.items()}


def check(found, oracle, loss):
    """Every gradient within 1e-3; dLoss/dOutput of each pair adds up to 0, which shows in Σ_o
    dLoss/dW_out, as the states are independent.
    """
    (value,), gradients = found
    assert 3e-7 < oracle[0] < 3e-5 or loss == "soft"
    assert value == pytest.approx(oracle[0], rel=1e-3)
    size = np.linalg.norm
    for name, expected in oracle[1].items():
        assert size(gradients[name] - expected) < 1e-3 * size(expected), name
    W_out = gradients["W_out"]
    assert loss == "mse" or size(W_out[0].sum(axis=0)) < 1e-5 * size(W_out)


@pytest.mark.parametrize("engine", [*HERE, "tables"])
@pytest.mark.parametrize("activation", ["relu", "tanh"])
@pytest.mark.parametrize("outputs", [7, 19])
@pytest.mark.parametrize("loss", ["cross_entropy", "soft", "mse", "vanished"])
def test_gradients_at_a_solved_network(engine, activation, outputs, loss):
    kind = "mse" if loss == "mse" else "cross_entropy"
    soft = loss == "soft" and engine != "tables"
    margin = 200.0 if loss == "vanished" else 15.0  # where exponentials vanish nothing is left
    weights, tokens, trials = solved(kind, outputs, activation, soft, margin)
    spec = Spec(activation)
    if engine == "tables":
        pairs = [tables.TokenPairs.of(*tokens, outputs)]
        found = tables.TableWorker(activation, kind).gradients(weights, pairs)
    else:
        found = choose(engine).worker(spec, kind).gradients(weights, *trials)
    if loss == "vanished":
        assert 0 <= found[0][0] < 1e-30 > max(np.abs(G).max() for G in found[1].values())
    else:
        check(found, by_autograd(weights, spec, kind, *trials[:2]), loss)
