"""Backward passes from any signal at the outputs, against finite differences of rollouts."""

from dataclasses import replace

import numpy as np
import pytest
from helpers import random_rnn, random_trials

from schurkit import RNN, Trials, rollout
from schurkit.engine.adjoints import output_adjoints

D, C = np.linspace(-0.5, 0.9, 7), np.linspace(-1, 1, 7)
KINDS = [
    {},
    {"activation": "relu"},
    {"activation": "softplus", "leak": 0.4},
    {"form": "voltage", "leak": np.linspace(0.2, 1, 7)},
    {"form": "voltage", "activation": "retanh", "leak": 0.4, "c": C},
    {"form": "voltage", "activation": "relu", "D": D, "psi": "identity"},
    {"form": "voltage", "activation": "sigmoid", "D": D, "c": C, "psi": "tanh"},
]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("late", [0, 3])
def test_adjoints_are_the_slopes_of_the_outputs(kind, late):
    rnn, trials = random_rnn(1, **kind), random_trials()
    rng = np.random.default_rng(2)
    if late:
        trials = replace(trials, h0=rng.normal(size=(6, 7)))
    signal = rng.normal(size=(8 - late, 6, 4))
    with output_adjoints(rnn, trials) as network:
        adjoint, driving = network.back(signal).copy(), network.driving.copy()
        outputs = np.moveaxis(rollout(rnn, trials).outputs[0], 0, 1)
        assert network.outputs == pytest.approx(outputs, rel=1e-12)
        assert np.array_equal(network.back(signal), adjoint)

    def slope(name, place):
        ends = []
        for change in (1e-6, -1e-6):
            moved = np.array(rnn.arrays[name])
            moved[(0, *place)] += change
            outputs = rollout(replace(rnn, **{name: moved}), trials).outputs[0]
            ends.append((np.moveaxis(outputs, 0, 1)[late:] * signal).sum())
        return pytest.approx((ends[0] - ends[1]) / 2e-6, rel=1e-6, abs=1e-6)

    for unit in range(3):
        assert adjoint[..., unit].sum() == slope("b_rec", (unit,))
        assert (adjoint[..., unit] * driving[..., 4]).sum() == slope("W_rec", (unit, 4))


def test_a_network_that_diverges_gives_no_warning():
    rnn = RNN([[1.0]], [[1e200]], [[1.0]], activation="relu")
    with output_adjoints(rnn, Trials(np.ones((1, 4, 1)), np.ones((1, 4, 1)))) as network:
        assert not np.isfinite(network.back(np.ones((4, 1, 1)))).all()
