"""Compiled rollouts of one network after the other, in blocks of trials whose states stay in the
nearest cache.
"""

from __future__ import annotations

from ._cache import compiled, inner
from ._kernels import address, product
from ._network import VOLTAGE, advance, begin, pack, read_out
from ._tile import NONE


@compiled
def roll(d, w, s, theta, x, drives, block, first, last, outputs, states):
    """Rollouts number first … last − 1; rollout k is trial block k % blocks of network k // blocks.

    x : (1 or networks, trials, time, input);
    drives : (time, trials, hidden) input drives that all networks share, or of size 0.
    block : trials in a block.
    outputs : (networks, trials, time', output) and states, or of size 0, are filled.
    """
    blocks = -(-x.shape[1] // block)
    network = -1
    for job in range(first, last):
        if job // blocks != network:
            network = job // blocks
            pack(d, theta[network], w)
        start = job % blocks * block
        roll_block(
            d, w, s, x, drives, network, start, min(start + block, x.shape[1]), outputs, states
        )


@inner
def roll_block(d, w, s, x, drives, network, start, stop, outputs, states):
    """The rollout of trials start … stop − 1 of one network."""
    trials, width = stop - start, s.rates.shape[2]
    out = s.errors[0]
    begin(d, w, trials, s.rates, s.carry)
    own = (
        address(x)
        + 4 * ((network if len(x) > 1 else 0) * x.shape[1] + start) * x.shape[2] * d.inputs
    )
    for t in range(outputs.shape[2]):
        inputs, drive, drive_row = 0, address(w.b_rec), 0
        if t < x.shape[2]:
            if len(drives):
                drive, drive_row = address(drives) + 4 * (t * x.shape[1] + start) * width, width
            else:
                inputs = d.inputs
        then = s.rates[(t + 1) % 2]
        advance(
            d,
            w,
            trials,
            s.rates[t % 2],
            then,
            own + 4 * t * d.inputs,
            x.shape[2] * d.inputs,
            inputs,
            drive,
            drive_row,
            s.fired[0],
            s.carry,
        )
        read_out(d, w, trials, then, out)
        for b in range(trials):
            for o in range(d.outputs):
                outputs[network, start + b, t, o] = out[o, b] if d.few else out[b, o]
        if len(states):
            kept = s.carry if d.form == VOLTAGE else then
            for b in range(trials):
                for j in range(d.hidden):
                    states[network, start + b, t, j] = kept[b, j]


@compiled
def share_drives(d, w, theta, x, drives):
    """The input drive of every step, (time, trials, hidden), with the biases, for networks that
    share W_in, b_rec and inputs.
    """
    pack(d, theta, w)
    trials, width = drives.shape[1:]
    for t in range(len(drives)):
        here, there = address(x) + 4 * t * d.inputs, address(drives) + 4 * t * trials * width
        product(
            trials, width, here, x.shape[2] * d.inputs, 1, d.inputs, address(w.W_inT), width, here, 0, 0, 0, here, 0,
            address(w.b_rec), 0, there, width, NONE, here, 0,
        )  # fmt: skip
