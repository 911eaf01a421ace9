"""Responses to all couplings of one network on the numba engine: `schurkit.engine._responses` over
blocks of trials, on all threads.
"""

from __future__ import annotations

import numpy as np

from . import _cache, _responses
from .base import Spec, Weights
from .numba_layout import Layout, aligned, side_by_side, up

BYTES_A_BLOCK = 2**19
"""Most of the activity and of the adjoints of a block of trials, each: what the second-level cache
holds beside them.
"""
MOST_TRIALS, WHOLE_TILES = 24, 6


def responses(
    weights: Weights, spec: Spec, Q, T, starts, inputs, targets, mask, keys, denominator: float
) -> tuple[np.ndarray, np.ndarray]:
    """Gradient of FVU by T, and the sum over signals and trials of the squared response to each
    coupling between two blocks.

    weights : of a stack of one network. Q, T : (hidden, hidden).
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
    kept = np.ascontiguousarray(mask, np.uint8)
    trials, steps = kept.shape
    first = int(np.argmax(kept.any(axis=0)))
    block = max(1, min(MOST_TRIALS, BYTES_A_BLOCK // (4 * (steps + 1) * up(d.hidden)), trials))
    block = block // WHOLE_TILES * WHOLE_TILES or block
    cuts = range(0, trials, block)
    gradients, curvatures = (
        np.empty((len(cuts), d.hidden, d.hidden)),
        np.empty((len(cuts), len(starts), d.hidden)),
    )
    keys = np.array(keys, np.uint64)
    scale, root = np.float32(2 / denominator), np.float32(1 / np.sqrt(denominator))
    free = []  # work space, handed from thread to thread

    def run(k):
        padded, space, frame = (
            free.pop()
            if free
            else (layout.padded(), layout.space(block, steps), _frame(Q, T, starts, block, steps))
        )
        ends = cuts[k], min(cuts[k] + block, trials)
        _cache.call(
            _responses.responses,
            d,
            padded,
            space,
            frame,
            theta,
            x,
            y,
            kept,
            *ends,
            first,
            keys,
            scale,
            root,
            gradients[k],
            curvatures[k],
        )
        free.append((padded, space, frame))

    side_by_side(run, range(len(cuts)))
    return gradients.sum(axis=0), curvatures.sum(axis=0)[:, starts]


def _frame(Q, T, starts, trials, steps) -> _responses.Frame:
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
        (_responses.PANELS * _responses.PANEL, width + 16),
        (len(starts), width),
        (hidden, width),
    )
    return _responses.Frame(*matrices, ends, pair, *(aligned(*shape) for shape in shapes))
