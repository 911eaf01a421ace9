"""check_against: agreement, and for each mistake people make the sentence that names it."""

from dataclasses import replace

import numpy as np
import pytest
from helpers import random_rnn

from schurkit import InputError, Trials, rollout
from schurkit.own import check_against


def network(**kind):
    rnn = random_rnn(1, hidden=10, inputs=3, outputs=2, scale=0.3, **{"activation": "tanh", **kind})
    return replace(rnn, h0=np.zeros_like(rnn.h0))


def trials_of(rnn, steps=12, autonomous=3):
    inputs = np.random.default_rng(1).normal(size=(20, steps, rnn.input_size))
    outputs = rollout(rnn, inputs, autonomous=autonomous).outputs
    return Trials(inputs, np.random.default_rng(2).normal(size=outputs.shape[1:])), outputs


@pytest.mark.parametrize("kind", [{}, {"activation": "relu"}, {"leak": 0.2}, {"leak": 0.2, "form": "voltage"}, {"dtype": np.float32}])
def test_the_network_itself_agrees(kind):
    rnn = network(**kind)
    trials, outputs = trials_of(rnn)
    found = check_against(rnn, trials, outputs)
    assert found.ok and found.hint is None and found.max_deviation < 1e-4 * found.scale
    assert check_against(rnn, trials, outputs[0].astype(np.float32)).ok


@pytest.mark.parametrize(
    ("true", "mistake", "told"),
    [
        ({}, lambda r: replace(r, W_rec=np.swapaxes(r.W_rec, 1, 2)), "W_rec were transposed"),
        ({}, lambda r: replace(r, activation="relu"), "the activation were tanh"),
        ({"activation": "relu"}, lambda r: replace(r, activation="tanh"), "the activation were relu"),
        ({"leak": 0.2}, lambda r: replace(r, leak=1.0), "the leak were 0.2:"),
        ({"leak": 0.37}, lambda r: replace(r, leak=0.5), "the leak were 0.37:"),
        ({"leak": 0.2, "form": "voltage"}, lambda r: replace(r, form="rate"), "the form were voltage:"),
        ({"leak": 0.2}, lambda r: replace(r, form="voltage"), "the form were rate:"),
        ({}, lambda r: replace(r, b_rec=np.zeros_like(r.b_rec)), "a recurrent bias were missing"),
        ({"activation": "relu"}, lambda r: replace(r, b_rec=0.5 * r.b_rec), "a recurrent bias were missing or wrong"),
        ({}, lambda r: replace(r, b_out=np.zeros_like(r.b_out)), "an output bias were missing"),
        ({}, lambda r: replace(r, h0=np.ones_like(r.h0)), "h0 were zero"),
        ({"leak": 0.2}, lambda r: replace(r, leak=1.0, W_rec=np.swapaxes(r.W_rec, 1, 2)), "W_rec were transposed and the leak were 0.2:"),
        ({"leak": 0.1, "form": "voltage"}, lambda r: replace(r, leak=1.0, form="rate"), "the form were voltage and the leak were 0.1:"),
        (
            {"activation": "relu"},
            lambda r: replace(r, activation="tanh", W_rec=np.swapaxes(r.W_rec, 1, 2)),
            "W_rec were transposed and the activation were relu",
        ),
    ],
)
def test_each_mistake_is_named(true, mistake, told):
    rnn = network(**true)
    trials, outputs = trials_of(rnn)
    found = check_against(mistake(rnn), trials, outputs)
    assert not found.ok and found.max_deviation > 1e-3
    assert found.hint.startswith("It looks as if ") and told in found.hint
    assert "\n" not in found.hint and found.hint.count(". ") == 0


def test_a_bias_that_the_code_does_not_use():
    rnn = network()
    trials, outputs = trials_of(replace(rnn, b_rec=np.zeros_like(rnn.b_rec)))
    assert "the recurrent bias b_rec were not used" in check_against(rnn, trials, outputs).hint
    trials, outputs = trials_of(replace(rnn, b_out=np.zeros_like(rnn.b_out)))
    assert "the output bias b_out were not used" in check_against(rnn, trials, outputs).hint


def test_square_inputs_and_outputs_may_be_transposed_too():
    rnn = replace(random_rnn(1, hidden=6, inputs=6, outputs=6, scale=0.3), h0=np.zeros((1, 6)))
    trials, outputs = trials_of(rnn)
    for name in ("W_in", "W_out"):
        turned = replace(rnn, **{name: np.swapaxes(getattr(rnn, name), 1, 2)})
        assert f"{name} were transposed" in check_against(turned, trials, outputs).hint


@pytest.mark.parametrize(("shift", "told"), [(1, "one time step late"), (-1, "one time step early")])
def test_outputs_one_step_off(shift, told):
    rnn = network()
    trials, outputs = trials_of(rnn)
    assert told in check_against(rnn, trials, np.roll(outputs, shift, axis=2)).hint


def test_what_nothing_explains():
    rnn = network()
    trials, outputs = trials_of(rnn)
    noise = np.random.default_rng(0).normal(size=outputs.shape)
    found = check_against(rnn, trials, noise)
    assert not found.ok and found.hint.startswith("No transposed matrix")
    near = check_against(replace(rnn, W_rec=np.swapaxes(rnn.W_rec, 1, 2)), trials, outputs + 0.005 * noise)
    assert near.hint.startswith("Closer, but not equal, if W_rec were transposed")


def test_a_network_that_diverges():
    rnn = replace(network(activation="relu"), W_rec=1e200 * np.eye(10)[None])
    trials, outputs = trials_of(network())
    found = check_against(rnn, trials, outputs)
    assert found.max_deviation == np.inf and not found.ok and found.hint


def test_the_worst_network_of_a_stack_counts():
    rnn = random_rnn(3, hidden=5, inputs=2, outputs=1)
    trials, outputs = trials_of(rnn)
    trials = Trials(trials.inputs, outputs[0])
    assert check_against(rnn, trials, outputs).ok
    W_rec = rnn.W_rec.copy()
    W_rec[1] = W_rec[1].T
    found = check_against(rnn.with_W_rec(W_rec), trials, outputs)
    assert not found.ok and "W_rec were transposed" in found.hint


def test_tolerance_is_relative_to_the_largest_output():
    rnn = network()
    trials, outputs = trials_of(rnn)
    off = outputs + 1e-3 * np.abs(outputs).max()
    assert not check_against(rnn, trials, off).ok
    found = check_against(rnn, trials, off, tolerance=2e-3)
    assert found.ok and found.tolerance == 2e-3
    zero = replace(rnn, W_out=0 * rnn.W_out, b_out=0 * rnn.b_out)
    assert check_against(zero, trials, np.zeros_like(outputs)).scale == 1.0


def test_shapes_that_disagree():
    rnn = random_rnn(2, inputs=3, outputs=2)
    trials, outputs = trials_of(rnn)
    for wrong in (outputs[0], outputs[:, :-1], outputs[..., :1], np.full_like(outputs, np.nan)):
        with pytest.raises(InputError, match="outputs must"):
            check_against(rnn, trials, wrong)
    with pytest.raises(InputError, match="input size 3, and the trials have input size 2"):
        check_against(rnn, Trials(trials.inputs[..., :2], trials.targets), outputs)
    with pytest.raises(InputError, match="output size 2, and the trials have output size 1"):
        check_against(rnn, Trials(trials.inputs, trials.targets[..., :1]), outputs)
    own = Trials(np.stack([trials.inputs] * 2), np.stack([trials.targets] * 2))
    with pytest.raises(InputError, match="shared by all networks"):
        check_against(rnn, own, outputs)
    with pytest.raises(InputError, match="tolerance must be above 0"):
        check_against(rnn, trials, outputs, tolerance=0)
