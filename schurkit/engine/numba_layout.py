"""How the numba engine lays out networks and work space, and how it uses threads."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np

from . import _network
from .base import Spec, Weights, available_threads

NAMES = ("W_in", "W_rec", "W_out", "b_rec", "b_out", "h0")


def aligned(*shape: int) -> np.ndarray:
    """Zeros in float32 that begin at a multiple of 64 bytes, so that no vector of a padded row
    straddles two cache lines.
    """
    size = int(np.prod(shape))
    memory = np.zeros(size + 16, np.float32)
    start = -memory.ctypes.data % 64 // 4
    return memory[start : start + size].reshape(shape)


def up(size: int) -> int:
    return -(-size // 16) * 16


class Layout:
    """How the arrays of a network lie in one flat row of parameters."""

    def __init__(self, weights: Weights, spec: Spec, loss: str = "mse"):
        self.names = [name for name in NAMES if name in weights]
        self.shapes = {name: weights[name].shape[1:] for name in self.names}
        self.ends = np.cumsum([int(np.prod(self.shapes[name])) for name in self.names]).astype(
            np.int64
        )
        hidden, inputs = self.shapes["W_in"]
        self.leak = np.asarray(spec.leak, np.float32)
        form = (
            _network.VOLTAGE
            if spec.form == "voltage"
            else _network.LEAKY
            if (self.leak != 1).any()
            else _network.PLAIN
        )
        there = [int(name in weights) for name in NAMES[3:]]
        outputs, groups = self.shapes["W_out"][0], up(hidden) // 16
        few = outputs * (groups + 3) < groups * up(
            outputs
        )  # vector operations of one way and the other
        self.dims = _network.Dims(
            hidden,
            inputs,
            outputs,
            *there,
            form,
            int(spec.activation == "relu"),
            int(few),
            int(loss == "cross_entropy"),
        )

    def flat(self, weights: Weights) -> np.ndarray:
        """(networks, parameters) in float32."""
        networks = len(weights["W_rec"])
        parts = [np.asarray(weights[name], np.float32).reshape(networks, -1) for name in self.names]
        return np.ascontiguousarray(np.concatenate(parts, axis=1))

    def arrays(self, flat: np.ndarray) -> Weights:
        """Views of the arrays in (networks, parameters)."""
        starts = [0, *self.ends[:-1]]
        return {
            name: flat[:, a:b].reshape(len(flat), *self.shapes[name])
            for name, a, b in zip(self.names, starts, self.ends)
        }

    def padded(self) -> _network.Padded:
        d = self.dims
        width, columns = up(d.hidden), up(d.outputs)
        leak = aligned(width)
        leak[: d.hidden] = self.leak
        matrices = [
            (d.hidden, width),
            (d.hidden, width),
            (d.inputs, width),
            (d.hidden, columns),
            (d.outputs, width),
        ]
        rows = [(width,), (columns,), (width,)]
        return _network.Padded(
            *(aligned(*shape) for shape in matrices + rows), leak, aligned(width)
        )

    def space(self, trials: int, steps: int | None = None, nuclear: bool = False) -> _network.Space:
        """Work space for gradients over `steps` steps (with the nuclear norm's, or without), or for
        a rollout.
        """
        d = self.dims
        width, columns = up(d.hidden), up(d.outputs)
        back = steps is not None
        fired = (steps if back else 1, trials, width) if d.form != _network.PLAIN else (1, 1, 1)
        sums = (
            [(d.hidden, width), (d.inputs, width), (d.outputs, width), (1, width), (1, columns)]
            if back
            else [(1, 1)] * 5
        )
        return _network.Space(
            aligned(steps + 1 if back else 2, trials, width),
            aligned(*fired),
            aligned(
                steps if back else 1, *((d.outputs, up(trials)) if d.few else (trials, columns))
            ),
            aligned(*(2, trials, width) if back else (1, 1, 1)),
            aligned(trials, width),
            *(aligned(*shape) for shape in sums),
            aligned(*(4, d.hidden, width) if nuclear else (1, 1, 1)),
        )


def side_by_side(run, jobs) -> None:
    """Call run(job) for every job on as many threads as there are to use."""
    threads = min(available_threads(), len(jobs))
    if threads < 2:
        list(map(run, jobs))
    else:
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(run, jobs))
