"""check_against and settle: agreement, for each mistake people make the sentence that names it, and
the reading that outputs settle.
"""

from dataclasses import replace

import numpy as np
import pytest
from examined import refused
from helpers import apart, gauss, plain_loop, random_rnn
from scipy.special import expit, softmax

from schurkit import Trials, rollout
from schurkit.own import check_against
from schurkit.own.check import Reading, settle, tolerance_of
from schurkit.own.settle import FIELDS


def network(dtype=np.float64, **kind):
    rnn = random_rnn(1, hidden=10, inputs=3, outputs=2, scale=0.3, dtype=dtype)
    return replace(rnn, **{"h0": np.zeros_like(rnn.h0)} | kind)


def trials_of(rnn, steps=12, autonomous=3, shift=0):
    inputs = gauss(20, steps, rnn.input_size, seed=1)
    outputs = rollout(rnn, inputs, autonomous=autonomous).outputs
    return Trials(inputs, gauss(*outputs.shape[1:])), np.roll(outputs, shift, axis=2)


def hint(rnn, trials, outputs, *told):
    """The hint on outputs that a network does not give, which says this."""
    found = check_against(rnn, trials, outputs)
    assert not found.ok and "\n" not in found.hint and all(words in found.hint for words in told)
    return found.hint


def turned(name="W_rec"):
    return lambda r: replace(r, **{name: np.swapaxes(getattr(r, name), 1, 2)})


def other(**values):
    return lambda r: replace(r, **values)


def times(name, factor):
    return lambda r: replace(r, **{name: factor * getattr(r, name)})


def both(first, second):
    return lambda r: second(first(r))


VOLTAGE = {"leak": 0.2, "form": "voltage"}
INNER = VOLTAGE | {"c": np.linspace(-1, 1, 10)}
START = gauss(1, 10, seed=4)


@pytest.mark.parametrize(
    "kind",
    [
        {},
        {"activation": "relu"},
        {"leak": 0.2},
        VOLTAGE,
        INNER | {"psi": "identity"},
        {"dtype": np.float32},
    ],
)
def test_the_network_itself_agrees(kind):
    rnn = network(**kind)
    trials, outputs = trials_of(rnn)
    found = check_against(rnn, trials, outputs)
    assert found.ok and found.hint is None and found.max_deviation < 1e-4 * found.scale
    assert check_against(rnn, trials, outputs[0].astype(np.float32)).ok
    started = replace(trials, h0=gauss(20, 10, seed=5))
    assert check_against(rnn, started, rollout(rnn, started).outputs).ok


@pytest.mark.parametrize(
    "true, mistake, told",
    [
        ({}, turned(), "W_rec were transposed"),
        *(({"activation": name}, other(activation="identity"), f"the activation were {name}")
          for name in ("tanh", "relu", "sigmoid", "softplus", "retanh")),
        ({"leak": 0.37}, other(leak=0.5), "the leak were 0.37:"),
        ({"leak": 0.2}, other(form="voltage"), "the form were rate:"),
        (VOLTAGE | {"psi": "identity"}, other(psi=None), "what is read out were v:"),
        (INNER | {"b_rec": np.zeros((1, 10))}, lambda r: replace(r, b_rec=r.c, c=None),
         "the bias were inside the nonlinearity:"),
        ({}, times("W_rec", 1 / 1.37), "W_rec were multiplied by 1.37:"),
        ({}, times("b_rec", 0), "a recurrent bias were missing"),
        ({}, times("b_out", 0), "an output bias were missing"),
        ({"b_rec": np.zeros((1, 10))}, other(b_rec=np.ones((1, 10))),
         "the recurrent bias b_rec were not used"),
        ({"b_out": np.zeros((1, 2))}, other(b_out=np.ones((1, 2))),
         "the output bias b_out were not used"),
        ({}, other(h0=np.ones((1, 10))), "h0 were zero"),
        *((kind | {"h0": START}, times("h0", 0),
           "h0, the state before the first step, were missing or wrong")
          for kind in ({}, {"activation": "relu"}, VOLTAGE)),
        ({"leak": 0.2}, both(turned(), other(leak=1.0)),
         "W_rec were transposed and the leak were 0.2:"),
        (VOLTAGE, other(leak=1.0, form="rate"), "the form were voltage and the leak were 0.2:"),
        ({}, both(turned(), times("b_out", 0)),
         "W_rec were transposed and an output bias were missing"),
    ],
)  # fmt: skip
def test_each_mistake_is_named(true, mistake, told):
    rnn = network(**true)
    trials, outputs = trials_of(rnn)
    text = hint(mistake(rnn), trials, outputs, told)
    assert text.startswith("It looks as if ") and text.count(". ") == 0


@pytest.mark.parametrize("name", ["W_in", "W_out"])
def test_square_inputs_and_outputs_may_be_transposed_too(name):
    rnn = replace(random_rnn(1, hidden=6, inputs=6, outputs=6, scale=0.3), h0=np.zeros((1, 6)))
    trials, outputs = trials_of(rnn)
    hint(turned(name)(rnn), trials, outputs, f"{name} were transposed")


def test_axes_in_the_order_time_trials():
    trials, outputs = trials_of(network(), autonomous=0)
    swapped = Trials(*(array.swapaxes(0, 1) for array in (trials.inputs, trials.targets)))
    told = "the first axis of the trials were time", "--time-major"
    hint(network(), swapped, outputs.swapaxes(1, 2), *told)


def test_outputs_one_step_early():
    trials, outputs = trials_of(network(), shift=-1)
    hint(network(), trials, outputs, "one time step early")


def outside(rnn, trials):
    """The rate form with inputs outside the nonlinearity."""
    h, outputs = rnn.h0, []
    for t in range(trials.targets.shape[1]):
        drive = trials.inputs[:, t] @ rnn.W_in[0].T if t < trials.inputs.shape[1] else 0
        new = np.tanh(h @ rnn.W_rec[0].T + rnn.b_rec) + drive
        h = (1 - rnn.leak) * h + rnn.leak * new
        outputs.append(h @ rnn.W_out[0].T + rnn.b_out)
    return np.stack(outputs, axis=1)


def activated(rnn, trials):
    """The rate form with φ(h) read out."""
    return np.tanh(rollout(rnn, trials, states=True).states[0]) @ rnn.W_out[0].T + rnn.b_out


def squashed(through):
    return lambda rnn, trials: through(rollout(rnn, trials).outputs)


NO_FORM, SAVE = "there is no such form here", "saving what comes before it"


@pytest.mark.parametrize("mistake", [other(), turned()])
@pytest.mark.parametrize(
    "equation, told, advice",
    [
        (outside, "the inputs entered outside the nonlinearity", NO_FORM),
        (activated, "the readout read φ(h) instead of h", NO_FORM),
        (squashed(expit), "your outputs went through a sigmoid after the readout", SAVE),
        (squashed(np.tanh), "went through a tanh", SAVE),
        (squashed(lambda y: np.maximum(y, 0)), "went through a relu", SAVE),
        (squashed(lambda y: softmax(y, axis=-1)), "went through a softmax", SAVE),
    ],
)
def test_equations_that_are_not_covered_are_recognised(equation, told, advice, mistake):
    rnn = network(leak=0.3)
    trials, _ = trials_of(rnn)
    text = hint(mistake(rnn), trials, equation(rnn, trials), told, advice)
    assert text.startswith("It looks as if ")


@pytest.mark.parametrize(
    "form, psi, inner",
    [
        ("rate", None, False),
        *(("voltage", psi, inner) for psi in (None, "identity") for inner in (False, True)),
    ],
)
def test_every_form_is_settled_from_every_other(form, psi, inner):
    """The outputs are those of the equation written out, the network is read as rate, tanh; the
    leak, the gain and a transposed matrix are found on the way.
    """
    rnn = network(leak=0.3)
    bias = {"c": rnn.b_rec, "b_rec": 0 * rnn.b_rec} if inner else {}
    trials, _ = trials_of(rnn)
    (own,) = plain_loop(replace(rnn, form=form, psi=psi, **bias), trials)[0]
    wrong = times("W_rec", 1 / 1.37)(turned()(replace(rnn, leak=1.0)))
    read_as = settle(Reading(wrong, trials, own))
    found = read_as.rnn
    assert apart(rollout(found, trials).outputs[0], own) < 1e-9
    assert (found.form, found.psi, found.c is not None) == (form, psi, inner)
    assert np.allclose(found.W_rec, rnn.W_rec) and found.leak == 0.3
    for told in ("W_rec is transposed", "the leak is 0.3", "W_rec is multiplied by 1.37"):
        assert told in read_as.words


def test_what_was_said_is_not_settled():
    rnn = network(leak=0.3)
    trials, outputs = trials_of(rnn)
    said = replace(rnn, leak=0.5)
    fields = [name for name in FIELDS if name != "leak"]
    assert settle(Reading(said, trials, outputs), fields=fields).rnn is said
    assert settle(Reading(said, trials, outputs)).rnn.leak == 0.3


def test_other_readings_axes_and_stacks_are_settled():
    rnn = network(leak=0.3)
    trials, outputs = trials_of(rnn, autonomous=0)
    wide, ten = random_rnn(1, 10, 3, 5), times("W_out", 10)(rnn)
    came = Reading(times("W_out", 3)(rnn), trials, rollout(ten, trials).outputs)
    found = settle(came, readings=[("wide", wide), ("over N", ten)])
    assert found.words.startswith("over N (") and np.array_equal(found.rnn.W_out, ten.W_out)
    wide, narrow = Reading(wide, trials, outputs), rnn.astype("float32")
    assert settle(wide, readings=[("two", narrow)], tolerance=1).rnn.dtype == np.float64
    swapped = Trials(*(array.swapaxes(0, 1) for array in (trials.inputs, trials.targets)))
    found = settle(Reading(replace(rnn, leak=1.0), swapped, outputs.swapaxes(1, 2)))
    assert found.rnn.leak == 0.3 and np.array_equal(found.trials.inputs, trials.inputs)
    assert "the first axis of the trials is time" in found.words
    stack = random_rnn(3, 6, 3, 2, leak=0.4)
    trials, outputs = trials_of(stack)
    assert np.allclose(settle(Reading(turned()(stack), trials, outputs)).rnn.W_rec, stack.W_rec)


@pytest.mark.parametrize(
    "mistake, told",
    [
        (other(), ""),
        (other(leak=1.0), "the leak were 0.2"),
        (other(form="rate"), "the form were voltage"),
    ],
)
def test_one_step_late_and_something_else(mistake, told):
    rnn = network(**VOLTAGE)
    trials, outputs = trials_of(rnn, autonomous=0, shift=1)
    outputs[:, :, 0] = rnn.b_out[0]  # the readout of the state before the first step
    text = hint(mistake(rnn), trials, outputs, told, "your outputs came one time step late")
    assert "dropping the first output and target of each trial, and the last input" in text


def test_what_nothing_explains():
    trials, outputs = trials_of(network())
    noise = gauss(*outputs.shape)
    hint(network(), trials, noise, "No transposed matrix")
    near = "Closer, but not equal, if W_rec were transposed"
    hint(turned()(network()), trials, outputs + 0.05 * noise, near)
    small = outputs + 1e-4 * noise * np.abs(outputs).max()
    told = "no larger than what TF32 or float16 leave", "--tolerance 1e-2"
    hint(network(), trials, small, *told)


def test_the_worst_network_of_a_stack_counts_even_where_one_diverges():
    rnn = random_rnn(3, hidden=5, inputs=2, outputs=1)
    trials, outputs = trials_of(rnn)
    assert check_against(rnn, trials, outputs).ok
    W_rec = rnn.W_rec.copy()
    W_rec[1] = W_rec[1].T
    hint(rnn.with_W_rec(W_rec), trials, outputs, "W_rec were transposed")
    W_rec[1] = 1e200 * np.eye(5)
    found = check_against(replace(rnn.with_W_rec(W_rec), activation="relu"), trials, outputs)
    assert found.max_deviation == np.inf and not found.ok and found.hint


def test_tolerance_is_relative_to_the_largest_output():
    rnn = network()
    trials, outputs = trials_of(rnn)
    off = outputs + 1e-3 * np.abs(outputs).max()
    assert not check_against(rnn, trials, off).ok
    found = check_against(rnn, trials, off, tolerance=2e-3)
    assert found.ok and found.tolerance == 2e-3
    zero = replace(rnn, W_out=0 * rnn.W_out, b_out=0 * rnn.b_out)
    assert check_against(zero, trials, np.zeros_like(outputs)).scale == 1.0


@pytest.mark.parametrize("bits, tolerance", [(7, 5e-2), (10, 1e-2), (11, 1e-4)])
def test_tolerance_follows_the_precision_of_the_outputs(bits, tolerance):
    """bfloat16 keeps 7 bits of the mantissa, float16 and TF32 10, whatever they are saved in."""
    trials, outputs = trials_of(network())
    mantissa, exponent = np.frexp(outputs)
    rounded = np.ldexp(np.rint(np.ldexp(mantissa, bits + 1)), exponent - bits - 1)
    assert tolerance_of(rounded) == tolerance
    if tolerance > 1e-4:
        found = check_against(network(), trials, rounded)
        assert found.ok and found.tolerance == tolerance
    assert tolerance_of(np.rint(outputs)) == 1e-4  # too few numbers to say so


def test_shapes_that_disagree():
    rnn = random_rnn(2, inputs=3, outputs=2)
    trials, outputs = trials_of(rnn)
    own = Trials(np.stack([trials.inputs] * 2), np.stack([trials.targets] * 2))
    for given, wrong, words in (
        *((trials, wrong, "outputs must") for wrong in
          (outputs[0], outputs[:, :-1], outputs[..., :1], np.full_like(outputs, np.nan))),
        (Trials(trials.inputs[..., :2], trials.targets), outputs, "trials of 3 input(s) and 2"),
        (Trials(trials.inputs, trials.targets[..., :1]), outputs, "as the networks; got 3 and 1"),
        (own, outputs, "trials that all networks share"),
    ):  # fmt: skip
        refused(lambda ask=(given, wrong): check_against(rnn, *ask), words)
    refused(lambda: check_against(rnn, trials, outputs, tolerance=0), "tolerance must be above 0")
