"""Backward passes from any signal at the outputs, against finite differences of rollouts."""

import numpy as np
import pytest
from helpers import random_rnn, random_trials

from schurkit import RNN, rollout
from schurkit.engine.adjoints import output_adjoints
from schurkit.rnn import ARRAYS

KINDS = [
    {},
    {"activation": "relu"},
    {"leak": 0.4},
    {"form": "voltage", "leak": 0.3},
    {"form": "voltage"},
]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("late", [0, 3])
def test_adjoints_are_the_slopes_of_the_outputs(kind, late):
    rnn, trials = random_rnn(1, **kind), random_trials()
    steps = trials.targets.shape[1]
    signal = np.random.default_rng(2).normal(size=(steps - late, len(trials), rnn.output_size))
    with output_adjoints(rnn, trials.inputs, steps) as network:
        adjoint, driving = network.back(signal).copy(), network.driving.copy()
        assert network.outputs == pytest.approx(
            rollout(rnn, trials).outputs[0].transpose(1, 0, 2), rel=1e-12
        )
        assert np.array_equal(network.back(signal), adjoint)

    def total(name, place, change):
        arrays = {array: getattr(rnn, array).copy() for array in ARRAYS}
        arrays[name][(0, *place)] += change
        return (
            rollout(RNN(**arrays, **kind), trials).outputs[0].transpose(1, 0, 2)[late:] * signal
        ).sum()

    for unit in range(3):
        slope = (total("b_rec", (unit,), 1e-6) - total("b_rec", (unit,), -1e-6)) / 2e-6
        assert adjoint[..., unit].sum() == pytest.approx(slope, rel=1e-6, abs=1e-6)
        slope = (total("W_rec", (unit, 4), 1e-6) - total("W_rec", (unit, 4), -1e-6)) / 2e-6
        assert (adjoint[..., unit] * driving[..., 4]).sum() == pytest.approx(
            slope, rel=1e-6, abs=1e-6
        )


def test_a_network_that_diverges_gives_no_warning():
    rnn = RNN([[1.0]], [[1e200]], [[1.0]], activation="relu")
    with output_adjoints(rnn, np.ones((1, 4, 1)), 4) as network:
        assert not np.isfinite(network.back(np.ones((4, 1, 1)))).all()
