"""Responses of the outputs to each coupling between two blocks, compiled: backward passes
contracted as they go, in blocks of trials on all threads.

For the adjoint δ_t and the driving activity r_t of one trial in Schur coordinates, the response to
removing the coupling of blocks I and J is Σ_t δ_t[I]ᵀ T_IJ r_t[J]. A few rows of Σ_t δ_t r_tᵀ are
computed in one panel, multiplied by T, summed inside each pair of blocks and squared before the
panel leaves the nearest cache; nothing below the diagonal is computed and nothing of size trials ·
hidden² is stored.
"""

from __future__ import annotations

from collections import namedtuple

import numpy as np

from ..base import Spec, Weights, side_by_side
from . import draws
from .cache import call, compiled, inner
from .gradients import back_step, errors, forward
from .kernels import add_product, multiply_one
from .network import Layout, aligned, pack, put, read_out, up

BYTES_A_BLOCK = 2**19
"""Most of the activity and of the adjoints of a block of trials, each: what the second-level cache
holds beside them.
"""
MOST_TRIALS, WHOLE_TILES = 24, 6
PANEL, PANELS = 12, 3
"""Rows of a panel, a multiple of the rows of the tall tiles, and how many panels are squared
together.
"""


class Frame(namedtuple("Frame", "Q T starts pair driving rotated panel sums gradient")):
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


def responses(
    weights: Weights, spec: Spec, Q, T, starts, inputs, targets, mask, keys, denominator: float
) -> tuple[np.ndarray, np.ndarray]:
    """Gradient of FVU by T, and the sum over signals and trials of the squared response to each
    coupling between two blocks.

    weights : of a stack of one network.
    Q, T : (hidden, hidden).
    starts : first row of each block.
    inputs : (trials, time, input);
    targets : (trials, time', output);
    mask : (trials, time').
    keys : of the random signs, one a signal.
    denominator : of FVU.

    Returns (hidden, hidden) and (blocks, blocks), float64; the second is meaningful above the
    diagonal.
    """
    layout = Layout(weights, spec)
    theta, d = layout.flat(weights)[0], layout.dims
    x, y = np.ascontiguousarray(inputs, np.float32), np.ascontiguousarray(targets, np.float32)
    mask = np.ascontiguousarray(mask, np.uint8)
    trials, steps = mask.shape
    block = max(1, min(MOST_TRIALS, BYTES_A_BLOCK // (4 * (steps + 1) * up(d.hidden)), trials))
    block = block // WHOLE_TILES * WHOLE_TILES or block
    cuts = range(0, trials, block)
    gradients = np.empty((len(cuts), d.hidden, d.hidden))
    curvatures = np.empty((len(cuts), len(starts), d.hidden))
    scales = np.float32(2 / denominator), np.float32(1 / np.sqrt(denominator))
    common = int(np.argmax(mask.any(axis=0))), np.array(keys, np.uint64), *scales
    free = []  # work space, handed from thread to thread

    def run(k):
        if free:
            space = free.pop()
        else:
            frame = _frame(Q, T, starts, block, steps)
            space = layout.space(block, steps), frame
        part, index = slice(cuts[k], cuts[k] + block), (cuts[k], trials)
        arguments = theta, x[part], y[part], mask[part], index, *common
        call(contracted, d, *space, *arguments, gradients[k], curvatures[k])
        free.append(space)

    side_by_side(run, range(len(cuts)))
    return gradients.sum(axis=0), curvatures.sum(axis=0)[:, starts]


def _frame(Q, T, starts, trials, steps):
    hidden, width = len(T), up(len(T))
    matrices = aligned(hidden, width), aligned(hidden, width)
    for padded, matrix in zip(matrices, (Q, T)):
        padded[:, :hidden] = matrix
    ends = np.array([*starts, hidden], np.int64)
    pair = aligned(width)
    pair[ends[:-1][np.diff(ends) == 2]] = 1
    shapes = (
        (trials, steps, width),
        (trials, steps, width),
        (PANELS * PANEL, width + 16),
        (len(starts), width),
        (hidden, width),
    )
    return Frame(*matrices, ends, pair, *(aligned(*shape) for shape in shapes))


@compiled
def contracted(d, s, f, theta, x, y, mask, index, first, keys, scale, root, gradient, curvature):
    """Gradient and squared responses of some trials of one network.

    x : (trials, time, input);
    y : (trials, time', output);
    mask : (trials, time'), uint8.
    index : number of the first of these trials, and how many there are in all.
    first : the first step that counts.
    keys : (signals,) of the random signs.
    scale : 2 / D;
    root : 1 / √D.
    gradient : (hidden, hidden) dFVU/dT, filled.
    curvature : (blocks, hidden) the sum over signals and trials of the squared responses, read in
        the first column of each block, filled.
    """
    w = pack(d, theta, s)
    trials, steps = mask.shape
    forward(d, w, s, x, steps)
    for t in range(steps):
        multiply_one(s.rates[t, :trials], f.Q, w.zero, f.driving[:trials, t])
    for t in range(first, steps):
        out = s.errors[t, :trials]
        read_out(w, s.rates[t + 1, :trials], out)
        errors(out, y[:, t], mask[:, t], scale)
    adjoints(d, w, s, f, trials, steps, first)
    f.gradient[:] = 0
    for b in range(trials):
        add_product(f.rotated[b].T, f.driving[b], f.gradient)
    put(f.gradient, gradient)
    f.sums[:] = 0
    for key in keys:
        for t in range(first, steps):
            place = ((t - first) * index[1] + index[0]) * d.outputs
            signals(s.errors[t, :trials], mask[:, t], key, place, d.outputs, root)
        adjoints(d, w, s, f, trials, steps, first)
        for b in range(trials):
            contract(w, f, f.driving[b], f.rotated[b])
    put(f.sums, curvature)


@inner
def signals(out, mask, key, index, outputs, root):
    """Random signs at the outputs of one step, `root` in size, zero where masked; `index` counts
    the draws.
    """
    for b in range(len(mask)):
        for o in range(outputs):
            sign = draws.sign(key, index + b * outputs + o)
            out[b, o] = sign * root if mask[b] else np.float32(0)


@inner
def adjoints(d, w, s, f, trials, steps, first):
    """Backpropagate `s.errors` and leave dLoss/dPre-activation of each step in `f.rotated`, in
    Schur coordinates.
    """
    s.carry[:] = 0
    for t in range(steps - 1, -1, -1):
        this = back_step(d, w, s, trials, t, steps, first)
        multiply_one(this, f.Q, w.zero, f.rotated[:trials, t])


@inner
def contract(w, f, driving, rotated):
    """Add the squared responses of one trial, driving and rotated (time, hidden), to `f.sums`."""
    width, blocks = f.T.shape[1], len(f.starts) - 1
    block = 0
    while block < blocks:
        begun, top, used = block, f.starts[block], 0
        while block < blocks and used + PANEL <= len(f.panel):
            first, block = block, panel_end(f.starts, block)
            start, end = f.starts[first], f.starts[block]
            left = start // 16 * 16
            panel = f.panel[start - top : end - top, left:width]
            multiply_one(rotated.T[start:end], driving[:, left:], w.zero, panel)
            used = end - top
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
