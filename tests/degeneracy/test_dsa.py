"""DSA: axioms, planted copies, nulls, and the compiled search against NumPy's."""

import itertools
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
from helpers import apart, gauss, messages, orthogonal, random_rnn, random_trials

from schurkit.degeneracy import (
    DSA,
    _ascent,
    dsa_distances,
    hidden_trajectories,
    operators_of,
    pif_distances,
)
from schurkit.degeneracy.dsa import SCORES, bases, guided, haar

ENGINES = ["numba", "numpy"]


def operators(networks=4, rank=5, seed=0):
    return gauss(networks, rank, rank, seed=seed)


def dsa(A, *, score="distance", starts=12, engine="auto") -> DSA:
    choice = {"rank": np.shape(A)[1], "delays": 1, "starts": starts, "engine": engine}
    return dsa_distances(np.asarray(A), score=score, **choice)


def conjugated(A, seed=1, turned=False):
    """Every operator in other coordinates; `turned`: by matrices of determinant −1."""
    C = np.stack([orthogonal(A.shape[1], seed + i) for i in range(len(A))])
    C[:, 0] *= np.sign(np.linalg.det(C))[:, None] * (-1 if turned else 1)
    return C @ A @ C.mT


DISTANCES = {score: partial(dsa, score=score) for score in SCORES}
DISTANCES["PIF"] = lambda A: SimpleNamespace(values=pif_distances(A, starts=3).raw)


@pytest.mark.parametrize("name", DISTANCES)
def test_axioms(name):
    A, distances = operators(), DISTANCES[name]
    D = distances(A).values
    assert np.array_equal(D, D.T) and not np.diag(D).any()
    assert (D[np.triu_indices(4, 1)] > 0.1).all()
    # symmetric, and blind to the others in the stack, to the last bit
    assert np.array_equal(distances(A[::-1]).values[::-1, ::-1], D)
    assert distances(A[:2]).values[0, 1] == D[0, 1]


@pytest.mark.parametrize(
    "engine, rank", [*(("numba", rank) for rank in (1, 2, 3, 8, 17)), ("numpy", 3), ("numpy", 8)]
)
@pytest.mark.parametrize("turned", [False, True])
def test_planted_copies_are_found(engine, rank, turned):
    A = operators(3, rank, seed=rank)
    pairs = np.concatenate([A, conjugated(A, turned=turned)])
    for score in SCORES:
        D = dsa(pairs, score=score, starts=8, engine=engine).values
        assert np.abs(np.diag(D[:3, 3:])).max() < 1e-6


def test_known_minima():
    # Symmetric operators: sorted eigenvalues. Skew of rank 2: the only invariant is |b|.
    a, b = np.array([3.0, 1.0, -2.0]), np.array([2.5, 0.0, -1.0])
    turned = dsa(conjugated(np.stack([np.diag(a), np.diag(b)])))
    assert turned.distance[0, 1] == pytest.approx(np.linalg.norm(a - b), abs=1e-6)
    skew = np.array([[0.0, 1.0], [-1.0, 0.0]])
    found = dsa(np.stack([skew, -1.5 * skew]))
    assert found.distance[0, 1] == pytest.approx(0.5 * np.sqrt(2), abs=1e-9)
    assert found.angle[0, 1] < 1e-9


def test_angle_and_distance_are_one_minimum():
    A = operators(5)
    found, norms = dsa(A), np.linalg.norm(A, axis=(1, 2))
    cosine = (norms[:, None] ** 2 + norms**2 - found.distance**2) / (2 * np.outer(norms, norms))
    assert apart(np.cos(found.angle), cosine) < 1e-9
    assert apart(dsa(A / norms[:, None, None]).angle, found.angle) < 1e-6
    assert np.array_equal(dsa(A, score="angle").values, found.angle)


@pytest.mark.parametrize("engine", ENGINES)
def test_the_last_bits_do_not_choose_the_minimum(engine):
    """They differ between processors."""
    A = operators(6, 8)
    angle = dsa(A, engine=engine).angle
    for seed in range(2):
        noise = gauss(*A.shape, seed=seed)
        assert np.abs(dsa(A * (1 + 1e-15 * noise), engine=engine).angle - angle).max() < 1e-5


def test_wasserstein_by_all_matchings_and_what_it_cannot_see():
    A = operators(3, 4)
    D = dsa(A, score="wasserstein").values
    for i, j in itertools.combinations(range(3), 2):
        a, b = np.linalg.eigvals(A[[i, j]])
        matchings = [np.abs(a - b[list(p)]).mean() for p in itertools.permutations(range(4))]
        assert D[i, j] == pytest.approx(min(matchings))
    plain = np.diag([0.9, 0.6, 0.3])
    pair = np.stack([plain, plain + np.triu(np.full((3, 3), 5.0), 1)])
    blind = dsa(pair, score="wasserstein")
    assert blind.values.max() < 1e-12 and blind.angle is blind.distance is blind.resolution is None
    assert dsa(pair, score="angle").values[0, 1] > 0.5


@pytest.mark.parametrize("rank", [3, 10])
def test_the_compiled_search_is_numpys(rank):
    ours, oracle = (dsa(operators(4, rank), engine=engine, starts=24).angle for engine in ENGINES)
    assert apart(ours, oracle) < 2e-3 and np.median(np.abs(ours - oracle)) < 1e-8


def test_starts_are_orthogonal_of_both_determinants():
    A, B = operators(3, 6), operators(3, 6, seed=9)
    first, drawn = guided(A, B, bases(A), bases(B)), haar(6, 6, 0)
    for C in (first, drawn):
        assert apart(C @ C.mT, np.eye(6)) < 1e-12
    dets = np.linalg.det(first)
    assert np.abs(dets[:, :4] + dets[:, 4:]).max() < 1e-9
    assert np.linalg.det(drawn).round().tolist() == [1, 1, -1, -1, 1, 1]
    assert np.array_equal(haar(2, 6, 0), drawn[:2]) and not np.array_equal(haar(2, 6, 1), drawn[:2])


def test_trajectories_or_operators():
    rnn, trials = random_rnn(3), random_trials(trials=9, steps=12)
    choice = {"score": "distance", "rank": 4, "delays": 2, "starts": 8, "seed": 3}
    own, states = operators_of(rnn, trials, rank=4, delays=2), hidden_trajectories(rnn, trials)
    expected = dsa_distances(own, **choice)
    for given in (own.values, states, list(states)):
        assert np.array_equal(dsa_distances(given, **choice).values, expected.values)
    assert expected.labels == rnn.labels


test_messages = messages(
    (
        lambda: dsa(operators(), score="angular"),
        "score must be one of 'distance', 'angle', 'wasserstein'; got 'angular'",
    ),
    (
        lambda: dsa_distances(operators(), score="angle", rank=4, delays=1, starts=8),
        "operators have rank 5 and 1 delays; asked for were rank 4 and 1",
    ),
    (dsa, operators(1), "at least two networks; got 1"),
    (dsa, operators()[0], r"must have axes \(networks, trials, time, units\)"),
)


def test_the_resolution_is_what_all_but_one_in_twenty_searches_reach(monkeypatch):
    heights, solve = [], _ascent.solve

    def watched(*arguments):
        C, found = solve(*arguments)
        heights.append(found)
        return C, found

    monkeypatch.setattr(_ascent, "solve", watched)
    found = dsa(operators(8, 6), starts=20, engine="numpy")
    halves = np.array(heights).T
    gaps = np.abs(np.subtract(*(2 * np.arcsin(np.sqrt((2 - 2 * halves).clip(0)) / 2))))
    assert found.resolution == pytest.approx(np.quantile(gaps, 0.95), abs=1e-9)
    assert np.quantile(gaps, 0.95) > np.quantile(gaps, 0.5) + 1e-6
    assert dsa(operators(3, 6), starts=15).resolution is None
