"""Small builders shared by the tests."""

import math
import os
import subprocess
import sys
from importlib.util import find_spec

import numpy as np
import pytest

from schurkit import RNN, InputError, Trials, real_schur, rollout
from schurkit.engine import ENGINES


def gauss(*shape, seed=0):
    """Gaussian numbers of that shape."""
    return np.random.default_rng(seed).normal(size=shape)


def apart(one, other):
    """The largest difference of two arrays."""
    return np.abs(np.asarray(one) - other).max()


def between(points):
    """Distances between networks that are points, (networks, dimensions)."""
    return np.linalg.norm(points[:, None] - points, axis=2)


def random_rnn(
    networks=3,
    hidden=7,
    inputs=2,
    outputs=4,
    *,
    seed=0,
    biases=True,
    scale=0.5,
    dtype=np.float64,
    **kind,
):
    """A stack of networks with Gaussian weights."""
    rng = np.random.default_rng(seed)
    extra = {}
    if biases:
        extra = {
            name: rng.normal(size=(networks, size)) * 0.5
            for name, size in (("b_rec", hidden), ("b_out", outputs), ("h0", hidden))
        }
    arrays = {
        "W_in": rng.normal(size=(networks, hidden, inputs)),
        "W_rec": rng.normal(size=(networks, hidden, hidden)) * scale,
        "W_out": rng.normal(size=(networks, outputs, hidden)),
        **extra,
    }
    return RNN(**{name: a.astype(dtype) for name, a in arrays.items()}, **kind)


def random_trials(
    networks=None, trials=6, steps=5, autonomous=3, inputs=2, outputs=4, *, seed=1, mask=None
):
    """Gaussian inputs and targets."""
    rng = np.random.default_rng(seed)
    lead = () if networks is None else (networks,)
    return Trials(
        rng.normal(size=(*lead, trials, steps, inputs)),
        rng.normal(size=(*lead, trials, steps + autonomous, outputs)),
        mask,
    )


def network(W_rec, *, W_in=None, **kind):
    """A network with given recurrent weights; one input that drives nothing unless W_in is
    given.
    """
    W_rec = np.array(W_rec, dtype=float)
    return RNN(
        np.zeros((len(W_rec), 1)) if W_in is None else W_in, W_rec, np.ones((1, len(W_rec))), **kind
    )


def orthogonal(size, seed=0):
    """An orthogonal matrix."""
    return np.linalg.qr(gauss(size, size, seed=seed))[0]


def planted(seed=0, hidden=8):
    """A network with chosen moduli 1, .98, .95, .93 | .5, .4, .3, .2 and Gaussian couplings."""
    rng = np.random.default_rng(seed)
    Q = np.linalg.qr(rng.normal(size=(hidden, hidden)))[0]
    T = np.diag([1.0, 0.98, 0.95, 0.93, 0.5, 0.4, 0.3, 0.2]) + 0.2 * np.triu(
        rng.normal(size=(hidden, hidden)), 1
    )
    return (
        RNN(rng.normal(size=(hidden, 2)), Q @ T @ Q.T, rng.normal(size=(1, hidden)), labels=[seed]),
        Q,
        T,
    )


def self_trials(rnn, trials=20, steps=6, seed=0):
    """Trials whose targets are what the intact network does: its FVU is zero."""
    inputs = gauss(trials, steps, rnn.input_size, seed=seed)
    return Trials(inputs, rollout(rnn, inputs).outputs[0])


def stack_of(networks):
    """Planted networks, trials that the first does without fault, and the Schur forms."""
    rnn = RNN.stack([planted(seed)[0] for seed in range(networks)])
    return rnn, self_trials(rnn[0]), [real_schur(W) for W in rnn.W_rec]


HERE = [engine for engine in ENGINES if find_spec(engine)]
SCALARS = {
    "tanh": math.tanh,
    "relu": lambda x: max(x, 0.0),
    "sigmoid": lambda x: 1 / (1 + math.exp(-x)),
    "softplus": lambda x: math.log(1 + math.exp(x)),
    "retanh": lambda x: max(math.tanh(x), 0.0),
    "identity": float,
}


def plain_loop(rnn, trials):
    """The equations of design as they are written, one network, one trial, one step at a time."""

    def act(name, x):
        return np.array([SCALARS[name](number) for number in x])

    outputs, states, steps = [], [], trials.targets.shape[-2]
    lead = len(rnn), len(trials)
    inputs = np.broadcast_to(trials.inputs, (*lead, *trials.inputs.shape[-2:]))
    starts = rnn.h0[:, None] if trials.h0 is None else trials.h0
    starts = np.broadcast_to(starts, (*lead, rnn.hidden_size))
    for n, (W_rec, bias) in enumerate(zip(rnn.W_rec, rnn.b_rec)):
        c = 0 if rnn.c is None else rnn.c[n]
        D = 1 - rnn.leak if rnn.D is None else rnn.D[n]
        for x, h in zip(inputs[n], starts[n]):
            for t in range(steps):
                drive = bias + (rnn.W_in[n] @ x[t] if t < len(x) else 0)
                if rnn.form == "rate":
                    h = (1 - rnn.leak) * h + rnn.leak * act(rnn.activation, W_rec @ h + drive)
                    r = h
                else:
                    h = D * h + rnn.leak * (W_rec @ act(rnn.activation, h + c) + drive)
                    r = act(rnn.psi or rnn.activation, h)
                states.append(h)
                outputs.append(rnn.W_out[n] @ r + rnn.b_out[n])
    shape = (*lead, steps, -1)
    return np.reshape(outputs, shape), np.reshape(states, shape)


def run_python(code, **environment):
    """What code prints in a fresh interpreter."""
    settings = os.environ | environment
    done = subprocess.run(
        [sys.executable, "-c", code], env=settings, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def refuses(message, call, *given, **how):
    """A call raises InputError with that message, in one line."""
    with pytest.raises(InputError, match=message) as caught:
        call(*given, **how)
    assert "\n" not in str(caught.value)


def messages(*cases):
    """A test of calls that raise InputError: (call, arguments …, message) each, the message in one
    line.
    """

    @pytest.mark.parametrize("case", cases)
    def test(case):
        call, *given, message = case
        refuses(message, call, *given)

    return test


def bounds(table):
    """A test of values that are refused in a line that begins with their names: {callable: {name:
    value}}.
    """
    cases = [(call, *field) for call, fields in table.items() for field in fields.items()]

    @pytest.mark.parametrize("call, name, value", cases)
    def test(call, name, value):
        refuses(f"^{name} must be ", call, **{name: value})

    return test
