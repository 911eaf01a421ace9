"""Delay embedding and reduced-rank DMD, against the full Hankel matrix and maps whose operator is
known.
"""

import numpy as np
import pytest
from helpers import apart, gauss, messages, random_rnn, random_trials, refuses
from numpy.lib.stride_tricks import sliding_window_view

from schurkit.degeneracy import Operators, delay_operators, hidden_trajectories, operators_of


def paths(networks=2, trials=7, time=15, units=4, seed=0):
    return gauss(networks, trials, time, units, seed=seed)


def oracle(h, rank, delays):
    """DMD as it is defined: singular value decomposition of the Hankel matrix, least squares over
    the transitions.
    """
    z = sliding_window_view(h, delays, axis=1)  # (trials, time, units, delays)
    left = np.linalg.svd(z.reshape(-1, delays * h.shape[2]), full_matrices=False)[0][:, :rank]
    left = left.reshape(*z.shape[:2], rank)
    before, after = left[:, :-1].reshape(-1, rank), left[:, 1:].reshape(-1, rank)
    return np.linalg.lstsq(before, after, rcond=None)[0].T


@pytest.mark.parametrize(
    "rank, delays, dense", [(4, 1, 99), (3, 1, 99), (5, 3, 99), (8, 4, 99), (5, 3, 9)]
)
def test_operators_are_those_of_the_full_decomposition(rank, delays, dense, monkeypatch):
    monkeypatch.setattr("schurkit.degeneracy.operators._DENSE", dense)
    h = paths()
    for size in (1, 1e-6, 1e6):
        found = delay_operators(size * h, rank=rank, delays=delays).values
        for A, one in zip(found, h):
            B = oracle(one, rank, delays)
            # singular vectors are known up to a sign
            signs = np.sign((A * B)[0]) * np.sign((A * B)[0, 0])
            assert apart(A, signs[:, None] * B * signs) < 1e-7


RNNS, TRIALS = random_rnn(3), random_trials(trials=9, steps=12)


def made(trials=TRIALS, rank=4, rnn=RNNS):
    return operators_of(rnn, trials, rank=rank, delays=2)


def test_stacks_that_the_same_inputs_drove_are_joined():
    other = made(rnn=random_rnn(2, hidden=9, seed=4))
    assert len(Operators.join([made(), other])) == 5 and len(other.inputs) == 64


test_messages_of_stacks = messages(
    (
        lambda: Operators.join([made(), made(random_trials(trials=9, steps=12, seed=5))]),
        "not driven by the same inputs",
    ),
    (lambda: Operators.join([made(), made(rank=3)]), "equal rank; got 4, 3"),
    (Operators.join, [], "at least one stack"),
    (Operators, np.zeros((2, 3, 3)), 1, ("a",), "each of the 2 networks; got 1"),
    (hidden_trajectories, RNNS, random_trials(3), "differ between networks"),
    (
        hidden_trajectories,
        random_rnn(1, scale=1e200, activation="relu"),
        TRIALS,
        "network 0 diverged",
    ),
)


@pytest.mark.parametrize(
    "given, rank, delays, message",
    [
        (paths()[0], 2, 1, r"axes \(networks, trials, time, units\)"),
        ([], 2, 1, "at least one network"),
        ([paths()[0], paths(time=9)[0]], 2, 1, "must have run the same trials"),
        (paths(), 5, 1, "rank 5 is more than the 4 dimensions"),
        (paths(trials=1), 4, 13, "too short for 13 delays and rank 4"),
        (paths() * [1, 1, 0, 0], 3, 1, "network 0 hold above rounding: 2"),
        (paths() * np.nan, 1, 1, "must be finite"),
    ],
)
def test_messages(given, rank, delays, message):
    refuses(message, delay_operators, given, rank=rank, delays=delays)
