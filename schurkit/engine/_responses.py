"""Compiled responses of the outputs to each coupling between two blocks: backward passes contracted
as they go, in blocks of trials.

For the adjoint δ_t and the driving activity r_t of one trial in Schur coordinates, the response to
removing the coupling of blocks I and J is Σ_t δ_t[I]ᵀ T_IJ r_t[J]. A few rows of Σ_t δ_t r_tᵀ are
computed in one panel, multiplied by T, summed inside each pair of blocks and squared before the
panel leaves the nearest cache; nothing below the diagonal is computed and nothing of size trials ·
hidden² is stored.

No other compiled code calls this, so it is not among the parts that name the folder of the compiled
code: numba itself notices a change of this file.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from . import _draws as draws
from ._cache import compiled, inner
from ._kernels import add_product, address, product
from ._network import LEAKY, PLAIN, advance, begin, clear, pack, read_out
from ._tile import NONE, TIMES_RELU_SLOPE, TIMES_TANH_SLOPE
from ._training import errors, leak_back

PANEL, PANELS = 12, 3
"""Rows of a panel, a multiple of the rows of the tall tiles, and how many panels are squared
together.
"""


class Frame(NamedTuple):
    """Schur coordinates and the work space of one thread; rows are padded to multiples of 16 with
    zeros.

    Q, T : (hidden, width).
    starts : first row of each block, then hidden.
    pair : (width,) 1 in the first column of a 2x2 block, else 0.
    driving, rotated : (trials, time, width) activity and adjoints in Schur coordinates.
    panel : (PANELS · PANEL, width + 16).
    sums : (blocks, width).
    gradient : (hidden, width).
    """

    Q: np.ndarray
    T: np.ndarray
    starts: np.ndarray
    pair: np.ndarray
    driving: np.ndarray
    rotated: np.ndarray
    panel: np.ndarray
    sums: np.ndarray
    gradient: np.ndarray


@compiled
def responses(
    d, w, s, f, theta, x, y, mask, start, stop, first, keys, scale, root, gradient, curvature
):
    """Gradient and squared responses of the trials start … stop − 1 of one network.

    x : (trials, time, input);
    y : (trials, time', output);
    mask : (trials, time'), uint8.
    first : the first step that counts.
    keys : (signals,) of the random signs.
    scale : 2 / D;
    root : 1 / √D.
    gradient : (hidden, hidden) dFVU/dT and curvature : (blocks, hidden) the sum
    over signals and trials of the squared responses, read in the first column of each block:
    float64, filled.
    """
    pack(d, theta, w)
    trials, steps = stop - start, mask.shape[1]
    width = f.T.shape[1]
    begin(d, w, trials, s.rates, s.carry)
    for t in range(steps):
        inputs = d.inputs if t < x.shape[1] else 0
        here, fired = (
            address(x) + 4 * (start * x.shape[1] + t) * d.inputs,
            s.fired[0 if d.form == PLAIN else t],
        )
        advance(
            d,
            w,
            trials,
            s.rates[t],
            s.rates[t + 1],
            here,
            x.shape[1] * d.inputs,
            inputs,
            address(w.b_rec),
            np.int64(0),
            fired,
            s.carry,
        )
        rotate(w, f, trials, address(s.rates[t]), d.hidden, address(f.driving[0, t]), steps)
    for t in range(first, steps):
        read_out(d, w, trials, s.rates[t + 1], s.errors[t])
        errors(d, s.errors[t], y[start:stop, t], mask[start:stop, t], scale)
    adjoints(d, w, s, f, trials, steps, first)
    clear(f.gradient)
    add_product(
        d.hidden,
        width,
        address(f.rotated),
        1,
        width,
        trials * steps,
        address(f.driving),
        width,
        address(f.gradient),
        width,
    )
    for i in range(d.hidden):
        for j in range(d.hidden):
            gradient[i, j] = f.gradient[i, j]
    clear(f.sums)
    for key in keys:
        for t in range(first, steps):
            signals(
                d,
                s.errors[t],
                mask[start:stop, t],
                key,
                ((t - first) * len(mask) + start) * d.outputs,
                root,
            )
        adjoints(d, w, s, f, trials, steps, first)
        for b in range(trials):
            contract(w, f, address(f.driving[b]), address(f.rotated[b]), steps)
    for i in range(curvature.shape[0]):
        for j in range(d.hidden):
            curvature[i, j] = f.sums[i, j]


@inner
def signals(d, out, mask, key, index, root):
    """Random signs at the outputs of one step, `root` in size, zero where masked; `index` counts
    the draws.
    """
    for b in range(len(mask)):
        for o in range(d.outputs):
            row, column = (o, b) if d.few else (b, o)
            out[row, column] = (
                draws.sign(key, index + b * d.outputs + o) * root if mask[b] else np.float32(0)
            )


@inner
def rotate(w, f, trials, rows, hidden, there, steps):
    """rows Q for one step, (trials, hidden), into `there`, where trials lie `steps` rows apart."""
    width = f.T.shape[1]
    product(
        trials, width, rows, width, 1, hidden, address(f.Q), width, rows, 0, 0, 0, rows, 0,
        address(w.zero), 0, there, steps * width, NONE, rows, 0,
    )  # fmt: skip


@inner
def adjoints(d, w, s, f, trials, steps, first):
    """Backpropagate `s.errors` and leave dLoss/dPre-activation of each step in `f.rotated`, in
    Schur coordinates.
    """
    width, room = s.rates.shape[2], s.errors.shape[2]
    size = 4 * s.delta.shape[1] * width
    error_trial, error_output = (1, room) if d.few else (room, 1)
    slope = TIMES_RELU_SLOPE if d.relu else TIMES_TANH_SLOPE
    leaky = d.form == LEAKY
    if d.form != PLAIN:
        clear(s.carry)
    zero = address(w.zero)
    for t in range(steps - 1, -1, -1):
        this, after = address(s.delta) + t % 2 * size, address(s.delta) + (t + 1) % 2 * size
        inner, outer = d.hidden if t < steps - 1 else 0, d.outputs if t >= first else 0
        product(
            trials, width, after, width, 1, inner, address(w.W_rec), width, address(s.errors[t]), error_trial, error_output, outer,
            address(w.W_out), width, address(s.carry) if leaky else zero, width if leaky else 0, this, width, NONE if leaky else slope,
            address(s.rates[t + 1]), width,
        )  # fmt: skip
        if d.form != PLAIN:
            leak_back(d, w, s, t)
        rotate(w, f, trials, this, d.hidden, address(f.rotated[0, t]), steps)


@inner
def contract(w, f, driving, rotated, steps):
    """Add the squared responses of one trial to `f.sums`; driving, rotated : addresses of (time,
    width).
    """
    width, blocks = f.T.shape[1], len(f.starts) - 1
    block = 0
    while block < blocks:
        begun, top, used = block, f.starts[block], 0
        while block < blocks and used + PANEL <= len(f.panel):
            first, block = block, panel_end(f.starts, block)
            left = f.starts[first] // 16 * 16
            panel = address(f.panel[f.starts[first] - top]) + 4 * left
            product(
                f.starts[block] - f.starts[first], width - left, rotated + 4 * f.starts[first], 1, width, steps, driving + 4 * left, width,
                rotated, 0, 0, 0, rotated, 0, address(w.zero), 0, panel, width + 16, NONE, panel, 0,
            )  # fmt: skip
            used = f.starts[block] - top
        # Two passes, because the second reads one column on: from a number just stored that would
        # wait for the store to be done.
        for i in range(begun, block):
            row, left = f.starts[i], f.starts[i] // 16 * 16
            products(f.panel[row - top, left:], f.T[row, left:], width - left)
            if f.starts[i + 1] - row == 2:
                add_products(
                    f.panel[row + 1 - top, left:],
                    f.T[row + 1, left:],
                    f.panel[row - top, left:],
                    width - left,
                )
        for i in range(begun, block):
            left = f.starts[i] // 16 * 16
            here = f.panel[f.starts[i] - top]
            add_squares(
                here[left:width], here[left + 1 :], f.pair[left:], f.sums[i, left:], width - left
            )


@inner
def panel_end(starts, block):
    """The block behind as many blocks from this one on as have at most `PANEL` rows."""
    end = block + 1
    while end < len(starts) - 1 and starts[end + 1] - starts[block] <= PANEL:
        end += 1
    return end


# Loops that count from 0 over numbers side by side become vector code.
@inner
def products(a, b, count):
    for j in range(count):
        a[j] *= b[j]


@inner
def add_products(a, b, out, count):
    for j in range(count):
        out[j] += a[j] * b[j]


@inner
def add_squares(here, following, pair, sums, count):
    """sums += (here + the following column of the same block)²."""
    for j in range(count):
        response = here[j] + pair[j] * following[j]
        sums[j] += response * response
