"""Networks made by hand, of which it is known which couplings their input and readout need."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from schurkit import random
from schurkit.engine import rollout
from schurkit.rnn import RNN, Trials


@dataclass(frozen=True, eq=False)
class Planted:
    """A network with trials whose targets are its own outputs, so that its FVU is 0.

    needed : the sectors that this input and this readout cannot do without.
    unused : those that hold couplings through which nothing reaches the output.
    """

    network: RNN
    trials: Trials
    needed: tuple[str, ...]
    unused: tuple[str, ...]


def planted(amplitude: float = 0.05, seed: int = 0) -> dict[str, Planted]:
    """The planted networks by name, all with tanh units driven so gently that they run linearly.

    shift register, normal : a ring of 4 seats of 3 units (moduli 1) that turns by one seat a step;
        the input sits down in the first seat, the readout looks at it. Nothing to remove.
    shift register, nonnormal : the same outputs. Three units of modulus .2 beside the ring
        take the input and hand it on through CR a step later; what W_in of the normal one does at
        once is done by W_in, CR and W_out together.
    chain : the input passes down eight units of modulus 0 and is read at the end: all of it within
        C, beside one unit of modulus .9 that stands in R and is not read.
    rank one, driven beside its mode : W_rec = m nᵀ; the readout sees m, the input enters along the
        part of n that is orthogonal to m, and reaches m through CR alone.
    rank one, driven along its mode : the same W_rec and readout, the input enters along m.

    Parameters
    ----------
    amplitude : size of the states.
    seed : of the orthogonal bases in which they are written, and of the inputs.
    """
    steps = 16
    pulse = random.signs(seed, "planted inputs", 0, (64, 4, 3)).astype(float)
    noise = random.normal(seed, "planted noise", 0, (64, steps, 1))
    ring = np.kron(np.roll(np.eye(4), 1, axis=0), np.eye(3))
    seat, wait = np.eye(12)[:, :3], np.eye(3)
    T = np.block([[ring, seat], [np.zeros((3, 12)), 0.2 * wait]])
    # r(t) of the normal ring is r + S c of this one, with ring S − .2 S = −seat: the readout and
    # the input take the difference up, see schurkit.ablation.gauge
    S = np.linalg.solve(ring - 0.2 * np.eye(12), -seat)
    twin = T, np.vstack([seat + S, wait]), np.hstack([seat.T, -seat.T @ S])
    chain = np.diag([0.0, *[1.0] * 7], 1)
    chain[0, 0] = 0.9
    n = random.normal(seed, "planted direction", 0, (11,))
    size = np.linalg.norm(n)
    one, m, beside = np.zeros((12, 12)), np.eye(12)[:, :1], np.append(0.0, n / size)[:, None]
    one[0, 0], one[0, 1:] = 0.9, 0.6 * n / size
    cases = {
        "shift register, normal": ((ring, seat, seat.T), pulse, (), ()),
        "shift register, nonnormal": (twin, pulse, ("CR",), ()),
        "chain": ((chain, np.eye(9)[:, 8:], np.eye(9)[1:2]), noise, ("CC",), ()),
        "rank one, driven beside its mode": ((one, beside, m.T), noise, ("CR",), ()),
        "rank one, driven along its mode": ((one, m, m.T), noise, (), ("CR",)),
    }
    return {
        name: Planted(*_hidden(weights, inputs, steps, amplitude, seed), *sectors)
        for name, (weights, inputs, *sectors) in cases.items()
    }


def _hidden(weights, inputs, steps, amplitude, seed) -> tuple[RNN, Trials]:
    """In a random orthogonal basis, so that nothing can be read off the units."""
    T, W_in, W_out = weights
    Q = np.linalg.qr(random.normal(seed, "planted basis", 0, T.shape))[0]
    rnn = RNN(amplitude * Q @ W_in, Q @ T @ Q.T, W_out @ Q.T / amplitude)
    drive = Trials(inputs, np.zeros((len(inputs), steps, len(W_out))))
    return rnn, Trials(inputs, rollout(rnn, drive).outputs[0].astype(float))
