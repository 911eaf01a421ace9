"""How far apart the hidden trajectories of two networks lie as shapes, in closed form: nothing is
fitted or searched, so a network is at distance 0 from itself.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass

import numpy as np

from schurkit.checks import InputError

from .dsa import of_pairs
from .operators import same_trials


@dataclass(frozen=True, eq=False)
class Shapes:
    """Distances between the trajectories of all pairs of networks; both are metrics.

    procrustes : (networks, networks) min over orthogonal Q of ‖X − Y Q‖_F, of trajectories centred
        and scaled to unit norm; 0 to √2.
    cka : (networks, networks) arc cosine of linear CKA, 0 to π/2.
    labels : one name a network.
    """

    procrustes: np.ndarray
    cka: np.ndarray
    labels: tuple[Hashable, ...]


def shape_distances(trajectories, labels=None) -> Shapes:
    """Procrustes distance and CKA of all pairs. Unlike DSA they compare states at equal times, not
    rules of motion, and weigh directions by their variance.

    Parameters
    ----------
    trajectories : (networks, trials, time, units), or a sequence of (trials, time, units) whose
        units may differ, of networks driven by the same inputs.
    labels : one name a network.

    Raises
    ------
    InputError : other trials or times, or a trajectory that never moves.

    Source: A. Williams, E. Kunz, S. Kornblith, S. Linderman, NeurIPS 2021 (both as metrics);
    S. Kornblith et al., ICML 2019 (CKA).
    """
    X = same_trials(trajectories)
    if len(X) < 2:
        raise InputError("shapes are compared between two or more networks.")
    X = [one.reshape(-1, one.shape[2]).astype(np.float64) for one in X]
    X = [one - one.mean(axis=0) for one in X]
    if not all(np.linalg.norm(one) for one in X):
        raise InputError("a trajectory that never moves has no shape.")
    X = [one / np.linalg.norm(one) for one in X]
    own = [np.linalg.norm(one.T @ one) for one in X]

    def distances(i, j):
        crossed = np.linalg.svd(X[i].T @ X[j], compute_uv=False)
        alike = (crossed**2).sum() / own[i] / own[j]
        return np.sqrt(max(0.0, 2 - 2 * crossed.sum())), np.arccos(min(1.0, alike))

    labels = tuple(range(len(X))) if labels is None else tuple(labels)
    return Shapes(*of_pairs(np.stack(np.triu_indices(len(X), 1), axis=1), distances), labels)
