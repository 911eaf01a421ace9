"""Engines against independent oracles: plain loops for rollouts, torch autograd for gradients."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
from helpers import HERE, SCALARS, apart, gauss, plain_loop, random_rnn, random_trials, refuses
from scipy.special import softmax

from schurkit import rollout
from schurkit.engine import Spec, choose
from schurkit.engine.base import Rule
from schurkit.rnn import ARRAYS


def equations(activation):
    """Every case of the equation with that activation, each with one start and with one a trial,
    on shared trials and on trials of each network.
    """
    rng = np.random.default_rng(3)
    kinds = [{"leak": leak} for leak in (1.0, 0.3, np.linspace(0.2, 1, 7))]
    shapes = None, (7,), (2, 7)
    kinds += [
        {"form": "voltage", "psi": psi, **kind}
        | {n: rng.uniform(-1, 1, shape) for n, shape in (("D", D), ("c", c)) if shape}
        for kind, D, c, psi in itertools.product(
            kinds, shapes, shapes, (None, "identity", "softplus")
        )
    ]
    for k, kind in enumerate(kinds):
        own = None if k % 2 else 2
        trials = random_trials(own, trials=3, steps=3, autonomous=2)
        rnn = random_rnn(2, activation=activation, **kind)
        yield rnn, trials
        yield rnn, replace(trials, h0=rng.normal(size=(*trials.inputs.shape[:-2], 7)))


@pytest.mark.parametrize("activation", SCALARS)
def test_rollouts_steps_and_derivatives_follow_the_equation(activation):
    """Of every engine, `RNN.step` and `RNN.outputs` against the plain loop; `RNN.jacobian` against
    differences.
    """
    for rnn, trials in equations(activation):
        outputs, states = plain_loop(rnn, trials)
        for engine in HERE:
            dtype, tolerance = (np.float32, 2e-5) if engine == "numba" else (np.float64, 1e-12)
            found = rollout(rnn, trials, states=True, engine=engine, dtype=dtype)
            for ours, theirs in ((found.outputs, outputs), (found.states, states)):
                assert apart(ours, theirs) < tolerance * np.abs(theirs).max(), (engine, rnn)
        before = np.concatenate([trials.starts(rnn)[:, :, None], states[:, :, :-1]], axis=2)[
            :, :, 1
        ]
        drive = rnn.drive(np.broadcast_to(trials.inputs, (2, *trials.inputs.shape[-3:]))[:, :, 1])
        assert np.allclose(rnn.step(before, drive), states[:, :, 1], atol=1e-12), rnn
        assert np.allclose(rnn.outputs(states[:, :, 1]), outputs[:, :, 1], atol=1e-12), rnn
        move = 1e-6 * np.eye(7)[:, None, None]
        ends = [rnn.step(before + sign * move, drive) for sign in (1, -1)]
        slopes = np.moveaxis((ends[0] - ends[1]) / 2e-6, 0, -1)
        assert np.allclose(rnn.jacobian(before, drive), slopes, atol=1e-7), rnn


def gradients(engine, dtype, rnn, kind, trials, counts):
    """Of the weights that are not all zero."""
    weights = {n: rnn.arrays[n].astype(dtype) for n in ARRAYS if rnn.arrays[n].any()}
    data = (a.astype(np.float32).astype(dtype) for a in (trials.inputs, trials.targets))
    return choose(engine).worker(Spec.of(rnn), kind).gradients(weights, *data, counts)


@pytest.mark.parametrize(
    "activation, form, leak",
    itertools.product(["tanh", "relu"], ["rate", "voltage"], [1.0, 0.3, "per unit"]),
)
@pytest.mark.parametrize(
    "mask, kind",
    [("time", "mse"), ("trials", "mse"), ("networks", "mse"), ("trials", "cross_entropy")],
)
def test_gradients_equal_autograd(activation, form, leak, mask, kind):
    """The backward pass of `schurkit.engine.base.Worker` in each language, by one oracle."""
    for hidden, outputs in ((7, 4), (18, 19)):
        rnn = random_rnn(
            2,
            hidden=hidden,
            outputs=outputs,
            activation=activation,
            form=form,
            leak=np.linspace(0.2, 1.0, hidden) if leak == "per unit" else leak,
            biases=(hidden == 7) == (form == "rate"),
            scale=hidden**-0.5,
            dtype=np.float32,
        )
        trials = random_trials(2, 5, outputs=outputs)
        if kind == "cross_entropy":
            trials = replace(trials, targets=softmax(trials.targets, axis=-1))
        counts = {
            "time": np.arange(8) > 2,
            "trials": gauss(5, 8) > 0,
            "networks": gauss(2, 5, 8) > 0,
        }[mask]

        oracle_loss, oracle = gradients("torch", np.float64, rnn, kind, trials, counts)
        for engine in {*HERE} - {"torch"}:
            dtype, tolerance = (np.float32, 1e-5) if engine == "numba" else (np.float64, 1e-10)
            loss, grads = gradients(engine, dtype, rnn, kind, trials, counts)
            assert np.allclose(loss, oracle_loss, rtol=tolerance / 10)
            assert list(grads) == list(oracle)
            for name, expected in oracle.items():
                assert grads[name].shape == expected.shape
                error = apart(grads[name], expected)
                assert error <= tolerance * np.abs(expected).max(), (engine, name)


@pytest.mark.parametrize("engine", HERE)
@pytest.mark.parametrize(
    "kind", [{"activation": "sigmoid"}, *({"form": "voltage", n: np.ones(7)} for n in "Dc")]
)
def test_gradients_of_other_equations_are_refused_in_one_line(engine, kind):
    rnn, trials = random_rnn(2, **kind), random_trials(2)
    data, worker = (rnn.arrays, trials.inputs, trials.targets), choose(engine).worker(Spec.of(rnn))
    message = "gradients need activation 'tanh' or 'relu'"
    refuses(message, worker.gradients, *data, trials.mask)
    trainer = choose("numba" if engine == "numpy" else engine).trainer
    refuses("not trained", trainer, rnn.arrays, Spec.of(rnn), Rule())


def test_torch_engine_takes_any_loss():
    from schurkit.engine.torch import TorchEngine

    rnn, trials = random_rnn(2), random_trials(2)
    engine = TorchEngine(loss=lambda y, target, mask: (y - target).abs().mean(dim=(1, 2, 3)))
    data = rnn.arrays, trials.inputs, trials.targets, trials.mask
    losses, grads = engine.worker(Spec()).gradients(*data)
    errors = np.abs(rollout(rnn, trials).outputs - trials.targets)
    assert losses == pytest.approx(errors.mean(axis=(1, 2, 3)))
    assert all(g.shape == rnn.arrays[name].shape for name, g in grads.items())


def test_a_diverging_network_does_not_warn_or_touch_the_others():
    rnn = random_rnn(1, activation="relu", dtype=np.float32)
    stack = rnn.with_W_rec(np.stack([rnn.W_rec[0], np.full((7, 7), 1e30, np.float32)]))
    trials = random_trials()
    found = rollout(stack, trials)
    assert not np.isfinite(found.outputs[1]).all()
    assert apart(found.outputs[0], rollout(rnn, trials).outputs[0]) < 1e-5


def test_threads_do_not_change_a_bit(monkeypatch):
    rnn = random_rnn(20, dtype=np.float32)
    trials = random_trials(trials=130)
    results = []
    for threads in ("1", "3"):
        monkeypatch.setenv("SCHURKIT_THREADS", threads)
        results.append(rollout(rnn, trials, engine="numpy").outputs)
    assert np.array_equal(*results)


def test_messages():
    rnn = random_rnn(2)
    refuses(r"rollout needs inputs of shape \(trials, time, 2\)", rollout, rnn, np.zeros((4, 5, 3)))
    refuses("autonomous must be at least 0", rollout, rnn, np.zeros((4, 5, 2)), autonomous=-1)
    refuses("engine must be one of", rollout, rnn, np.zeros((4, 5, 2)), engine="fortran")


def test_a_missing_torch_is_said(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.delitem(sys.modules, "schurkit.engine.torch", raising=False)
    refuses(r"needs torch, which cannot be used here.*schurkit\[torch\]", choose, "torch")
