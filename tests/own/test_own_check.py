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


@pytest.mark.parametrize(
    "kind",
    [
        {},
        {"activation": "relu"},
        {"leak": 0.2},
        {"leak": 0.2, "form": "voltage"},
        {"dtype": np.float32},
    ],
)
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
        (
            {"activation": "relu"},
            lambda r: replace(r, activation="tanh"),
            "the activation were relu",
        ),
        ({"leak": 0.2}, lambda r: replace(r, leak=1.0), "the leak were 0.2:"),
        ({"leak": 0.37}, lambda r: replace(r, leak=0.5), "the leak were 0.37:"),
        (
            {"leak": 0.2, "form": "voltage"},
            lambda r: replace(r, form="rate"),
            "the form were voltage:",
        ),
        ({"leak": 0.2}, lambda r: replace(r, form="voltage"), "the form were rate:"),
        ({}, lambda r: replace(r, b_rec=np.zeros_like(r.b_rec)), "a recurrent bias were missing"),
        (
            {"activation": "relu"},
            lambda r: replace(r, b_rec=0.5 * r.b_rec),
            "a recurrent bias were missing or wrong",
        ),
        ({}, lambda r: replace(r, b_out=np.zeros_like(r.b_out)), "an output bias were missing"),
        ({}, lambda r: replace(r, h0=np.ones_like(r.h0)), "h0 were zero"),
        (
            {"leak": 0.2},
            lambda r: replace(r, leak=1.0, W_rec=np.swapaxes(r.W_rec, 1, 2)),
            "W_rec were transposed and the leak were 0.2:",
        ),
        (
            {"leak": 0.1, "form": "voltage"},
            lambda r: replace(r, leak=1.0, form="rate"),
            "the form were voltage and the leak were 0.1:",
        ),
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


@pytest.mark.parametrize(
    ("shift", "told"), [(1, "one time step late"), (-1, "one time step early")]
)
def test_outputs_one_step_off(shift, told):
    rnn = network()
    trials, outputs = trials_of(rnn)
    assert told in check_against(rnn, trials, np.roll(outputs, shift, axis=2)).hint


@pytest.mark.parametrize("kind", [{}, {"activation": "relu"}, {"leak": 0.2, "form": "voltage"}])
def test_a_start_that_was_left_out(kind):
    rnn = network(**kind)
    started = replace(rnn, h0=np.random.default_rng(4).normal(size=rnn.h0.shape))
    trials, outputs = trials_of(started)
    assert (
        "h0, the state before the first step, were missing or wrong"
        in check_against(rnn, trials, outputs).hint
    )


def written_out(rnn, inputs, steps, step, read):
    """One network, one trial and one time step at a time, in the equations that a test names."""
    phi = np.tanh if rnn.activation == "tanh" else lambda x: np.maximum(x, 0)
    outputs = np.zeros((len(inputs), steps, rnn.output_size))
    for trial, x in enumerate(inputs):
        state = rnn.h0[0].copy()
        for t in range(steps):
            drive = rnn.W_in[0] @ x[t] if t < len(x) else np.zeros(rnn.hidden_size)
            state = (1 - rnn.leak) * state + rnn.leak * step(
                rnn.W_rec[0], state, drive, rnn.b_rec[0], phi
            )
            outputs[trial, t] = rnn.W_out[0] @ read(state, phi) + rnn.b_out[0]
    return outputs


RATE = lambda W, h, drive, b, phi: phi(W @ h + drive + b)  # noqa: E731
OUTSIDE = lambda W, h, drive, b, phi: phi(W @ h + b) + drive  # noqa: E731
VOLTAGE = lambda W, v, drive, b, phi: W @ phi(v) + drive + b  # noqa: E731
STATE, ACTIVATED = lambda h, phi: h, lambda h, phi: phi(h)


@pytest.mark.parametrize(
    "mistake", [lambda r: r, lambda r: replace(r, W_rec=np.swapaxes(r.W_rec, 1, 2))]
)
@pytest.mark.parametrize(
    ("step", "read", "told"),
    [
        (OUTSIDE, STATE, "the inputs entered outside the nonlinearity"),
        (VOLTAGE, STATE, "the readout read voltages"),
        (RATE, ACTIVATED, "the readout read φ(h) instead of h"),
    ],
)
def test_equations_that_are_not_covered_are_recognised(step, read, told, mistake):
    rnn = network(leak=0.3)
    trials, _ = trials_of(rnn)
    hint = check_against(
        mistake(rnn), trials, written_out(rnn, trials.inputs, trials.targets.shape[1], step, read)
    ).hint
    assert (
        hint.startswith("It looks as if ") and told in hint and "there is no such form here" in hint
    )
    assert ("is changed" in hint) == (mistake(rnn).W_rec[0, 0, 1] != rnn.W_rec[0, 0, 1])


def test_equations_that_are_covered_agree_with_their_writing_out():
    for form, step, read in (("rate", RATE, STATE), ("voltage", VOLTAGE, ACTIVATED)):
        rnn = network(leak=0.3, form=form)
        trials, _ = trials_of(rnn)
        found = check_against(
            rnn, trials, written_out(rnn, trials.inputs, trials.targets.shape[1], step, read)
        )
        assert found.ok and found.max_deviation < 1e-12 * found.scale


@pytest.mark.parametrize(
    ("mistake", "told"),
    [
        ({"leak": 1.0}, "the leak were 0.2 and your outputs came one time step late"),
        ({"form": "rate"}, "the form were voltage and your outputs came one time step late"),
    ],
)
def test_one_step_late_and_something_else(mistake, told):
    rnn = network(leak=0.2, form="voltage")
    trials, outputs = trials_of(rnn, autonomous=0)
    # the readout of the state before the first step
    first = np.broadcast_to(rnn.b_out[0], outputs[:, :, :1].shape)
    late = np.concatenate([first, outputs[:, :, :-1]], axis=2)
    assert "one time step late" in check_against(rnn, trials, late).hint
    hint = check_against(replace(rnn, **mistake), trials, late).hint
    assert told in hint and hint.endswith(
        "drop the first output and target of each trial, and the last input."
    )


def test_what_nothing_explains():
    rnn = network()
    trials, outputs = trials_of(rnn)
    noise = np.random.default_rng(0).normal(size=outputs.shape)
    found = check_against(rnn, trials, noise)
    assert not found.ok and found.hint.startswith("No transposed matrix")
    near = check_against(
        replace(rnn, W_rec=np.swapaxes(rnn.W_rec, 1, 2)), trials, outputs + 0.005 * noise
    )
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
