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
    networks: int, hidden: int, inputs: int = 1, outputs: int = 1, *, seed: int = 0
) -> RNN:
    """Networks that no task has touched: every weight Unif(±1/√hidden), the start of the paper
    (arXiv:2410.03972) and of torch's nn.RNN.

    Network k is the same whatever stands beside it.
    """
    integer(networks, "networks", at_least=1)
    bound = integer(hidden, "hidden", at_least=1) ** -0.5
    labels = tuple(range(networks))

    def weights(name, *shape):
        stream = f"untrained {name}"
        return np.stack([random.uniform(seed, stream, k, shape, -bound, bound) for k in labels])

    return RNN(
        weights("W_in", hidden, inputs),
        weights("W_rec", hidden, hidden),
        weights("W_out", outputs, hidden),
        labels=labels,
    )


def permuted_copies(rnn: RNN, *, seed: int = 0) -> RNN:
    """The same networks with their units in another, random order: every distance between a network
    and its copy is 0.
    """
    networks, leak = np.arange(len(rnn))[:, None], rnn.leak
    orders = np.stack(
        [random.permutation(seed, "permuted copy", k, rnn.hidden_size) for k in range(len(rnn))]
    )
    if np.ndim(leak):  # a stack shares its leaks
        orders[:], leak = orders[0], leak[orders[0]]
    rows = {
        name: array[networks, orders] for name, array in rnn.arrays.items() if "out" not in name
    }
    columns = {
        name: np.take_along_axis(array, orders[:, None], axis=2)
        for name, array in (("W_rec", rows["W_rec"]), ("W_out", rnn.W_out))
    }
    return replace(rnn, leak=leak, **rows | columns)


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
    size = (states.shape[3],) * 2
    drawn = [random.normal(seed, "rotated copy", k, size) for k in range(len(states))]
    return read_only(np.stack([s @ np.linalg.qr(G)[0] for s, G in zip(states, drawn)]))


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
    for k, state in enumerate(states):
        words = random.bits(seed, "time shuffled", k, state.shape[:2])
        order = np.argsort(words, axis=1, kind="stable")
        state[:] = np.take_along_axis(state, order[..., None], axis=1)
    return read_only(states)


def side_by_side(rnn: RNN, copies: int) -> RNN:
    """Independent copies: networks made of `copies` of the stack's networks that do not know of
    each other, each with its own inputs and outputs.

    Network k holds the stack's networks k, k + 1, … (from the first again after the last), whose
    labels are its own label, a tuple. What harder tasks do to a spread without any change of the
    solutions shows here: compare with networks trained on `copies` channels.

    Raises
    ------
    InputError : more copies than networks.
    """
    integer(copies, "copies", at_least=1, at_most=len(rnn))
    held = (np.arange(len(rnn))[:, None] + np.arange(copies)) % len(rnn)

    def placed(array):
        rows, columns = array.shape[1:]
        blocks = np.zeros((len(rnn), copies, rows, copies, columns), array.dtype)
        for k in range(copies):
            blocks[:, k, :, k] = array[held[:, k]]
        return blocks.reshape(len(rnn), copies * rows, copies * columns)

    arrays = {
        name: placed(array) if array.ndim == 3 else array[held].reshape(len(rnn), -1)
        for name, array in rnn.arrays.items()
    }
    labels = tuple(tuple(rnn.labels[i] for i in some) for some in held)
    leak = np.tile(rnn.leak, copies) if np.ndim(rnn.leak) else rnn.leak
    return replace(rnn, leak=leak, labels=labels, **arrays)
