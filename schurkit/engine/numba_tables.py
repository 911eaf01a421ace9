"""`schurkit.engine.tables` in compiled code."""

from __future__ import annotations

import numpy as np

from . import _cache, _tables, tables
from .numba_layout import aligned, up

PAIRS_A_BLOCK = 96


class TableWorker(tables.TableWorker):
    """See `schurkit.engine.tables.TableWorker`; float64 is left to it."""

    _tables: _tables.Tables | None = None

    def _one(self, W_in, W_rec, W_out, pairs):
        if W_rec.dtype != np.float32:
            return super()._one(W_in, W_rec, W_out, pairs)
        (hidden, tokens), outputs = W_in.shape, len(W_out)
        s = self._prepared(tokens, hidden, outputs)
        s.X[:, :hidden], s.W_rec[:, :hidden], s.W_out[:, :hidden] = W_in.T, W_rec, W_out
        sizes = hidden, outputs, int(self.relu), int(self.entropy)
        loss = _cache.call(
            _tables.table_gradients, *sizes, pairs.first, pairs.second, pairs.target, s
        )
        return loss, *(
            np.array(part)
            for part in (s.d_X[:, :hidden].T, s.d_W_rec[:, :hidden], s.d_W_out[:, :hidden])
        )

    def _prepared(self, tokens, hidden, outputs) -> _tables.Tables:
        width, columns = up(hidden), up(outputs)
        if self._tables is None or (self._tables.X.shape, self._tables.Y.shape[1]) != (
            (tokens, width),
            columns,
        ):
            shapes = [(tokens, width)] * 6 + [(hidden, width)] * 3 + [(outputs, width)] * 2
            shapes += (
                [(hidden, columns)] + [(PAIRS_A_BLOCK, width)] * 2 + [(PAIRS_A_BLOCK, columns)]
            )
            self._tables = _tables.Tables(
                *(aligned(*shape) for shape in shapes),
                np.zeros(columns, np.int32),
                aligned(max(width, columns)),
            )
        return self._tables
