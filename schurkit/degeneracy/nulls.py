"""Networks and trajectories whose distances are known beforehand: what every distance is read
against.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from schurkit import random
from schurkit.checks import InputError, integer, read_only, real_array
from schurkit.rnn import RNN

_AXES = ("networks", "trials", "time", "units")


def untrained(
    networks: int, hidden: int, inputs: int = 1, outputs: int = 1, *, seed: int = 0, first: int = 0
) -> RNN:
    """Networks that no task has touched: every weight Unif(±1/√hidden), the start of the paper
    (arXiv:2410.03972) and of torch's nn.RNN.

    first : number of the first network; network k is the same whatever stands beside it.
    """
    for name, given in (("networks", networks), ("hidden", hidden)):
        integer(given, name, at_least=1)
    bound = hidden**-0.5
    shapes = {"W_in": (hidden, inputs), "W_rec": (hidden, hidden), "W_out": (outputs, hidden)}
    arrays = {
        name: np.stack(
            [
                random.uniform(seed, f"untrained {name}", first + k, shape, -bound, bound)
                for k in range(networks)
            ]
        )
        for name, shape in shapes.items()
    }
    return RNN(**arrays, labels=tuple(range(first, first + networks)))


def permuted_copies(rnn: RNN, *, seed: int = 0) -> RNN:
    """The same networks with their units in another, random order: every distance between a network
    and its copy is 0.
    """
    arrays = {name: getattr(rnn, name).copy() for name in ("W_in", "W_rec", "W_out", "b_rec", "h0")}
    orders = [
        random.permutation(seed, "permuted copy", k, rnn.hidden_size) for k in range(len(rnn))
    ]
    if np.ndim(rnn.leak) and len({order.tobytes() for order in orders}) > 1:
        orders = [orders[0]] * len(rnn)  # a stack shares its leaks
    for k, order in enumerate(orders):
        arrays["W_in"][k], arrays["W_out"][k] = rnn.W_in[k][order], rnn.W_out[k][:, order]
        arrays["W_rec"][k] = rnn.W_rec[k][np.ix_(order, order)]
        arrays["b_rec"][k], arrays["h0"][k] = rnn.b_rec[k][order], rnn.h0[k][order]
    leak = rnn.leak[orders[0]] if np.ndim(rnn.leak) else rnn.leak
    return replace(rnn, **arrays, leak=leak)


def shuffled_weights(rnn: RNN, *, seed: int = 0) -> RNN:
    """The same entries of each W_rec in random places: norms and weight distributions are kept,
    what was learnt is not.
    """
    entries = [
        W.ravel()[random.permutation(seed, "shuffled weights", k, W.size)].reshape(W.shape)
        for k, W in enumerate(rnn.W_rec)
    ]
    return rnn.with_W_rec(np.stack(entries))


def rotated_copies(trajectories, *, seed: int = 0) -> np.ndarray:
    """The same trajectories in randomly rotated coordinates, (networks, trials, time, units),
    float64: DSA between them and the originals is 0.
    """
    states = real_array(trajectories, "trajectories", _AXES, dtype=np.float64)
    turns = [
        np.linalg.qr(random.normal(seed, "rotated copy", k, (states.shape[3],) * 2))[0]
        for k in range(len(states))
    ]
    return read_only(np.stack([state @ turn for state, turn in zip(states, turns)]))


def split_halves(trajectories) -> tuple[np.ndarray, np.ndarray]:
    """Even and odd trials of the same networks: how far apart one network is from itself, from half
    of the data each.

    The halves saw different trials of one distribution, so this holds the noise of the operators'
    fit; compare it with distances between networks that were fitted to one half as well.
    """
    states = real_array(trajectories, "trajectories", _AXES)
    if states.shape[1] < 2:
        raise InputError(f"split_halves needs at least two trials; got {states.shape[1]}.")
    even = states.shape[1] // 2 * 2
    return states[:, 0:even:2], states[:, 1:even:2]


def time_shuffled(trajectories, *, seed: int = 0) -> np.ndarray:
    """The same states of each trial in random order in time, another order for each network and
    trial: the distribution stays, the dynamics go.
    """
    states = real_array(trajectories, "trajectories", _AXES).copy()
    networks, trials, time = states.shape[:3]
    for k in range(networks):
        order = np.argsort(
            random.bits(seed, "time shuffled", k, (trials, time)), axis=1, kind="stable"
        )
        states[k] = np.take_along_axis(states[k], order[..., None], axis=1)
    return read_only(states)
