"""Procrustes and CKA: known shapes, other formulas, invariances."""

import numpy as np
import pytest
from helpers import gauss, orthogonal, refuses
from scipy.linalg import orthogonal_procrustes

from schurkit.degeneracy import shape_distances

STATES = gauss(5, 4, 9, 3) * [3.0, 1.0, 0.3]


def test_shapes_against_other_formulas():
    found = shape_distances(STATES)
    both = STATES[:2].reshape(2, -1, 3)
    both = both - both.mean(axis=1, keepdims=True)
    x, y = both / np.linalg.norm(both, axis=(1, 2), keepdims=True)
    turn, _ = orthogonal_procrustes(y, x)
    assert found.procrustes[0, 1] == pytest.approx(np.linalg.norm(x - y @ turn))
    K, L = x @ x.T, y @ y.T
    alignment = (K * L).sum() / np.linalg.norm(K) / np.linalg.norm(L)
    assert found.cka[0, 1] == pytest.approx(np.arccos(alignment))


def test_shapes_are_metrics_blind_to_turns_shifts_and_sizes():
    turn = orthogonal(7)[:3]
    moved = [*STATES, 5 * STATES[0] @ turn + 2]
    found = shape_distances(moved)
    for D in (found.procrustes, found.cka):
        assert D[0, 5] < 1e-7 < D[0, 1:5].min()
        assert (D[:, :, None] <= D[:, None, :] + D[None] + 1e-7).all()


def test_messages():
    refuses("must have run the same trials", shape_distances, [STATES[0], STATES[1][:2]])
    refuses("between two or more networks", shape_distances, STATES[:1])
    refuses("never moves", shape_distances, 0 * STATES)
