"""Engines against independent oracles: plain loops for rollouts, torch autograd for gradients."""

import itertools

import numpy as np
import pytest
import torch
from helpers import random_rnn, random_trials

from schurkit import RNN, InputError, rollout
from schurkit.engine import Spec, choose
from schurkit.rnn import ARRAYS

KINDS = list(itertools.product(["tanh", "relu"], ["rate", "voltage"], [1.0, 0.3, "per unit"]))
ENGINES = ["numpy", "torch"]


def leak_of(kind, hidden=7):
    return np.linspace(0.2, 1.0, hidden) if kind == "per unit" else kind


def plain_loop(rnn, inputs, autonomous):
    """The equations of design as they are written, one network, one trial, one step at a time."""
    act = np.tanh if rnn.activation == "tanh" else lambda x: np.maximum(x, 0)
    outputs, states = [], []
    for n in range(len(rnn)):
        for x in inputs if inputs.ndim == 3 else inputs[n]:
            h = rnn.h0[n]
            for t in range(len(x) + autonomous):
                drive = rnn.W_in[n] @ x[t] if t < len(x) else 0
                if rnn.form == "rate":
                    h = (1 - rnn.leak) * h + rnn.leak * act(rnn.W_rec[n] @ h + drive + rnn.b_rec[n])
                    y = rnn.W_out[n] @ h + rnn.b_out[n]
                else:
                    h = (1 - rnn.leak) * h + rnn.leak * (
                        rnn.W_rec[n] @ act(h) + drive + rnn.b_rec[n]
                    )
                    y = rnn.W_out[n] @ act(h) + rnn.b_out[n]
                states.append(h)
                outputs.append(y)
    shape = (len(rnn), inputs.shape[-3], inputs.shape[-2] + autonomous, -1)
    return np.reshape(outputs, shape), np.reshape(states, shape)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("activation, form, leak", KINDS)
@pytest.mark.parametrize("shared", [True, False])
def test_rollout_follows_the_equations(engine, activation, form, leak, shared):
    rnn = random_rnn(3, activation=activation, form=form, leak=leak_of(leak))
    inputs = random_trials(None if shared else 3).inputs
    found = rollout(rnn, inputs, autonomous=3, states=True, engine=engine)
    outputs, states = plain_loop(rnn, inputs, 3)
    assert (
        np.abs(found.outputs - outputs).max() < 1e-12
        and np.abs(found.states - states).max() < 1e-12
    )


def test_variants_of_one_network_share_a_drive_and_nothing_else():
    one = random_rnn(1)
    rnn = one.with_W_rec(np.random.default_rng(4).normal(size=(19, 7, 7)) * 0.4)
    trials = random_trials(trials=70)
    together = rollout(rnn, trials)
    assert np.abs(together.outputs - plain_loop(rnn, trials.inputs, 3)[0]).max() < 1e-12
    alone = rollout(rnn[11], trials)
    assert np.abs(together.outputs[11] - alone.outputs[0]).max() < 1e-12


def test_rollout_equals_torch_nn_rnn():
    torch.manual_seed(0)
    module, readout = torch.nn.RNN(3, 16, batch_first=True), torch.nn.Linear(16, 2)
    p = {name: value.detach().numpy() for name, value in module.named_parameters()}
    rnn = RNN(
        p["weight_ih_l0"],
        p["weight_hh_l0"],
        readout.weight.detach().numpy(),
        p["bias_ih_l0"] + p["bias_hh_l0"],
        readout.bias.detach().numpy(),
    )
    inputs = torch.randn(10, 20, 3)
    assert (
        np.abs(
            rollout(rnn, inputs.numpy()).outputs[0] - readout(module(inputs)[0]).detach().numpy()
        ).max()
        < 1e-6
    )


@pytest.mark.parametrize(
    "engine, dtype, tolerance", [("numpy", np.float64, 1e-10), ("numba", np.float32, 1e-5)]
)
@pytest.mark.parametrize("activation, form, leak", KINDS)
@pytest.mark.parametrize("biases", [True, False])
@pytest.mark.parametrize("mask", ["time", "trials", "networks"])
def test_gradients_equal_autograd(engine, dtype, tolerance, activation, form, leak, biases, mask):
    """The backward pass of `schurkit.engine.base.Worker` in each language, by one oracle."""
    pytest.importorskip(engine)
    for hidden, outputs in ((7, 4), (18, 19)):
        rnn = random_rnn(
            2,
            hidden=hidden,
            outputs=outputs,
            activation=activation,
            form=form,
            leak=leak_of(leak, hidden),
            biases=biases,
            scale=hidden**-0.5,
        )
        trials = random_trials(2, 5, outputs=outputs)
        rng = np.random.default_rng(2)
        counts = {
            "time": np.arange(8) > 2,
            "trials": rng.random((5, 8)) > 0.5,
            "networks": rng.random((2, 5, 8)) > 0.5,
        }[mask]
        names = ARRAYS if biases else ARRAYS[:3]
        weights = {name: getattr(rnn, name).astype(dtype) for name in names}
        data = [array.astype(dtype) for array in (trials.inputs, trials.targets)]
        spec = Spec.of(rnn)
        loss, grads = choose(engine).worker(spec).gradients(weights, *data, counts)
        exact = {name: array.astype(float) for name, array in weights.items()}
        data = [array.astype(float) for array in data]
        oracle_loss, oracle = choose("torch").worker(spec).gradients(exact, *data, counts)
        assert np.allclose(loss, oracle_loss, rtol=tolerance / 10) and list(grads) == list(weights)
        for name in weights:
            error = np.abs(grads[name] - oracle[name]).max()
            assert grads[name].shape == weights[name].shape
            assert error <= tolerance * np.abs(oracle[name]).max(), name


def test_gradients_are_slopes_of_the_loss():
    """An oracle without autograd: central differences."""
    rnn = random_rnn(1, biases=False)
    trials = random_trials(1)
    weights = {name: getattr(rnn, name).copy() for name in ARRAYS[:3]}
    worker = choose("numpy").worker(Spec())
    kept = np.ones(8, bool)
    _, grads = worker.gradients(weights, trials.inputs, trials.targets, kept)
    gradient = grads["W_rec"][0, 2, 3]
    ends = []
    for sign in (1, -1):
        moved = weights["W_rec"].copy()
        moved[0, 2, 3] += sign * 1e-6
        ends.append(
            worker.gradients(weights | {"W_rec": moved}, trials.inputs, trials.targets, kept)[0][0]
        )
    assert (ends[0] - ends[1]) / 2e-6 == pytest.approx(gradient, rel=1e-6)


def test_torch_engine_takes_any_loss():
    from schurkit.engine.torch import TorchEngine

    rnn, trials = random_rnn(2), random_trials(2)
    weights = {name: getattr(rnn, name) for name in ARRAYS}
    engine = TorchEngine(loss=lambda y, target, mask: (y - target).abs().mean(dim=(1, 2, 3)))
    losses, grads = engine.worker(Spec()).gradients(
        weights, trials.inputs, trials.targets, trials.mask
    )
    assert losses == pytest.approx(
        np.abs(rollout(rnn, trials).outputs - trials.targets).mean(axis=(1, 2, 3))
    )
    assert all(g.shape == weights[name].shape for name, g in grads.items())


def test_a_diverging_network_does_not_warn_or_touch_the_others():
    rnn = random_rnn(1, activation="relu", dtype=np.float32)
    stack = rnn.with_W_rec(np.stack([rnn.W_rec[0], np.full((7, 7), 1e30, np.float32)]))
    trials = random_trials()
    found = rollout(stack, trials)
    assert not np.isfinite(found.outputs[1]).all()
    assert np.abs(found.outputs[0] - rollout(rnn, trials).outputs[0]).max() < 1e-5


def test_threads_do_not_change_a_bit(monkeypatch):
    rnn = random_rnn(20, dtype=np.float32)
    trials = random_trials(trials=130)
    results = []
    for threads in ("1", "3"):
        monkeypatch.setenv("SCHURKIT_THREADS", threads)
        results.append(rollout(rnn, trials).outputs)
    assert np.array_equal(*results)


def test_messages():
    rnn = random_rnn(2)
    with pytest.raises(InputError, match=r"rollout needs inputs of shape \(trials, time, 2\)"):
        rollout(rnn, np.zeros((4, 5, 3)))
    with pytest.raises(InputError, match="autonomous must be at least 0"):
        rollout(rnn, np.zeros((4, 5, 2)), autonomous=-1)
    with pytest.raises(InputError, match="engine must be one of"):
        rollout(rnn, np.zeros((4, 5, 2)), engine="fortran")


def test_a_missing_torch_is_said(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.delitem(sys.modules, "schurkit.engine.torch", raising=False)
    with pytest.raises(InputError, match=r"needs torch, which is not installed.*schurkit\[torch\]"):
        choose("torch")
