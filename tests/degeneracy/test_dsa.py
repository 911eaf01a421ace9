"""DSA: axioms, planted copies, nulls, and the compiled search against NumPy's."""

import itertools

import numpy as np
import pytest
from helpers import orthogonal, random_rnn, random_trials

from schurkit import InputError
from schurkit.degeneracy import (
    DSA,
    _ascent,
    delay_operators,
    dsa_distances,
    hidden_trajectories,
    nulls,
    operators_of,
)
from schurkit.degeneracy.dsa import SCORES, bases, guided, haar

ENGINES = ["numba", "numpy"]


def operators(networks=4, rank=5, seed=0):
    return np.random.default_rng(seed).normal(size=(networks, rank, rank))


def dsa(A, *, score="distance", starts=12, seed=0, engine="auto", delays=1) -> DSA:
    return dsa_distances(
        np.asarray(A),
        score=score,
        rank=np.shape(A)[1],
        delays=delays,
        starts=starts,
        seed=seed,
        engine=engine,
    )


def conjugated(A, seed=1, turned=False):
    """Every operator in other coordinates; `turned`: by matrices of determinant −1."""
    C = [orthogonal(A.shape[1], seed + i) for i in range(len(A))]
    for c in C:
        c[0] *= np.sign(np.linalg.det(c)) * (-1 if turned else 1)
    return np.stack([c @ a @ c.T for c, a in zip(C, A)])


@pytest.mark.parametrize("score", SCORES)
def test_axioms(score):
    A = operators()
    found = dsa(A, score=score)
    D = found.values
    assert (
        np.array_equal(D, D.T) and not np.diag(D).any() and (D[np.triu_indices(4, 1)] > 0.1).all()
    )
    backwards = dsa(A[::-1], score=score)
    # symmetric, and blind to the others in the stack, to the last bit
    assert np.array_equal(backwards.values[::-1, ::-1], D)
    assert dsa(A[:2], score=score).values[0, 1] == D[0, 1]
    assert dsa(np.stack([A[0], A[0]]), score=score).values.max() < 1e-10
    assert not D.flags.writeable
    assert (found.rank, found.delays, found.starts, found.seed, found.score) == (5, 1, 12, 0, score)


@pytest.mark.parametrize(
    "engine, rank", [*(("numba", rank) for rank in (1, 2, 3, 8, 17)), ("numpy", 3), ("numpy", 8)]
)
@pytest.mark.parametrize("turned", [False, True])
def test_planted_copies_are_found(engine, rank, turned):
    A = operators(3, rank, seed=rank)
    for score in SCORES:
        D = dsa(
            np.concatenate([A, conjugated(A, turned=turned)]), score=score, starts=8, engine=engine
        ).values
        assert np.abs(np.diag(D[:3, 3:])).max() < 1e-6


@pytest.mark.parametrize("kind", ["symmetric", "skew", "orthogonal", "nilpotent", "zero"])
def test_special_operators_and_their_copies(kind):
    A = operators(1, 6)
    A = {
        "symmetric": A + A.mT,
        "skew": A - A.mT,
        "orthogonal": orthogonal(6)[None],
        "nilpotent": np.triu(A, 1),
        "zero": 0 * A,
    }[kind]
    found = dsa(np.concatenate([A, conjugated(A)]), starts=40)
    assert found.distance[0, 1] < 1e-5


def test_known_minima():
    # Symmetric operators: sorted eigenvalues. Skew of rank 2: the only invariant is |b|.
    a, b = np.array([3.0, 1.0, -2.0]), np.array([2.5, 0.0, -1.0])
    turned = conjugated(np.stack([np.diag(a), np.diag(b)]))
    assert dsa(turned).distance[0, 1] == pytest.approx(np.linalg.norm(a - b), abs=1e-6)
    skew = np.array([[0.0, 1.0], [-1.0, 0.0]])
    assert dsa(np.stack([skew, -1.5 * skew])).distance[0, 1] == pytest.approx(
        0.5 * np.sqrt(2), abs=1e-9
    )
    assert dsa(np.stack([skew, -1.5 * skew])).angle[0, 1] < 1e-9


def test_no_rotation_on_a_fine_grid_is_better():
    A = operators(2, 2)
    best = np.inf
    for t, flip in itertools.product(np.linspace(0, 2 * np.pi, 20_001), (1, -1)):
        C = np.array([[np.cos(t), -np.sin(t)], [flip * np.sin(t), flip * np.cos(t)]])
        best = min(best, np.linalg.norm(A[0] - C @ A[1] @ C.T))
    found = dsa(A, starts=8).distance[0, 1]
    assert best - 1e-6 < found <= best + 1e-9


def test_angle_and_distance_are_one_minimum():
    found = dsa(operators(5))
    unit = operators(5) / np.linalg.norm(operators(5), axis=(1, 2), keepdims=True)
    norms = np.linalg.norm(operators(5), axis=(1, 2))
    i, j = np.triu_indices(5, 1)
    cosine = (norms[i] ** 2 + norms[j] ** 2 - found.distance[i, j] ** 2) / (2 * norms[i] * norms[j])
    assert np.abs(np.cos(found.angle[i, j]) - cosine).max() < 1e-9
    assert np.abs(dsa(unit).angle - found.angle).max() < 1e-6
    assert np.array_equal(dsa(operators(5), score="angle").values, found.angle)


@pytest.mark.parametrize("engine", ENGINES)
def test_the_last_bits_do_not_choose_the_minimum(engine):
    """They differ between processors."""
    A = operators(6, 8)
    angle = dsa(A, engine=engine).angle
    for seed in range(2):
        noise = np.random.default_rng(seed).normal(size=A.shape)
        assert np.abs(dsa(A * (1 + 1e-15 * noise), engine=engine).angle - angle).max() < 1e-5


def test_wasserstein_by_all_matchings_and_what_it_cannot_see():
    A = operators(3, 4)
    D = dsa(A, score="wasserstein").values
    for i, j in itertools.combinations(range(3), 2):
        a, b = np.linalg.eigvals(A[i]), np.linalg.eigvals(A[j])
        assert D[i, j] == pytest.approx(
            min(np.abs(a - b[list(p)]).mean() for p in itertools.permutations(range(4)))
        )
    plain, coupled = (
        np.diag([0.9, 0.6, 0.3]),
        np.diag([0.9, 0.6, 0.3]) + np.triu(np.full((3, 3), 5.0), 1),
    )
    pair = np.stack([plain, coupled])
    blind = dsa(pair, score="wasserstein")
    assert blind.values.max() < 1e-12 and blind.angle is blind.distance is blind.resolution is None
    assert dsa(pair, score="angle").values[0, 1] > 0.5


@pytest.mark.parametrize("rank", [3, 10])
def test_the_compiled_search_is_numpys(rank):
    A = operators(4, rank)
    ours, oracle = (dsa(A, engine=engine, starts=24) for engine in ENGINES)
    assert np.abs(ours.angle - oracle.angle).max() < 2e-3
    assert np.median(np.abs(ours.angle - oracle.angle)) < 1e-8


def test_the_slope_is_the_derivative():
    rng = np.random.default_rng(0)
    A, B, C, W = (*operators(2), orthogonal(5), rng.normal(size=(5, 5)))
    W = W - W.T
    value, G = _ascent._slope(A, B, C[None])
    step = 1e-6
    assert value[0] == pytest.approx((A * (C @ B @ C.T)).sum())
    exact = [_ascent._slope(A, B, (_cayley(s * W) @ C)[None])[0][0] for s in (step, -step)]
    assert (exact[0] - exact[1]) / (2 * step) == pytest.approx((G[0] * W).sum(), rel=1e-6)


def _cayley(X):
    return np.linalg.solve(np.eye(len(X)) - X / 2, np.eye(len(X)) + X / 2)


def test_starts_are_orthogonal_of_both_determinants():
    A, B = operators(3, 6), operators(3, 6, seed=9)
    first = guided(A, B, bases(A), bases(B))
    drawn = haar(6, 6, 0)
    for C in (first, drawn):
        assert np.abs(C @ np.swapaxes(C, -1, -2) - np.eye(6)).max() < 1e-12
    dets = np.linalg.det(first)
    assert np.abs(dets[:, :4] + dets[:, 4:]).max() < 1e-9
    assert np.linalg.det(drawn).round().tolist() == [1, 1, -1, -1, 1, 1]
    assert np.array_equal(haar(2, 6, 0), drawn[:2]) and not np.array_equal(haar(2, 6, 1), drawn[:2])


def test_more_starts_are_not_worse_and_the_resolution_is_stated():
    A = operators(4, 9)
    few, many = dsa(A, starts=9), dsa(A, starts=120)
    assert many.angle.mean() <= few.angle.mean() and (many.angle - few.angle).max() < 0.01
    assert few.resolution is None and 0 <= many.resolution < 0.1
    assert np.array_equal(dsa(A, starts=120).angle, many.angle)
    assert dsa(A, starts=1).angle.max() < np.pi


def test_networks_their_copies_and_shuffled_time():
    """Positive controls within 1e-3 of the distance between networks; time-shuffled trajectories
    far away.
    """
    rnn, trials = random_rnn(5, hidden=12, scale=0.35), random_trials(trials=40, steps=30)
    choice = {"score": "angle", "rank": 8, "delays": 3, "starts": 16}
    own = operators_of(rnn, trials, rank=8, delays=3)
    between = dsa_distances(own, **choice).angle[np.triu_indices(5, 1)]
    copies = operators_of(nulls.permuted_copies(rnn), trials, rank=8, delays=3)
    states = np.stack([*own.values, *copies.values])
    assert (
        np.abs(np.diag(dsa_distances(states, **choice).angle[:5, 5:])).max() < 1e-3 * between.mean()
    )
    h = hidden_trajectories(rnn, trials)
    rotated = delay_operators(nulls.rotated_copies(h), rank=8, delays=3)
    assert (
        np.abs(
            np.diag(dsa_distances(np.stack([*own.values, *rotated.values]), **choice).angle[:5, 5:])
        ).max()
        < 1e-3 * between.mean()
    )
    shuffled = delay_operators(nulls.time_shuffled(h), rank=8, delays=3)
    assert (
        np.diag(
            dsa_distances(np.stack([*own.values, *shuffled.values]), **choice).angle[:5, 5:]
        ).min()
        > between.mean() / 2
    )


def test_trajectories_or_operators():
    rnn, trials = random_rnn(3), random_trials(trials=9, steps=12)
    choice = {"score": "distance", "rank": 4, "delays": 2, "starts": 8, "seed": 3}
    own = operators_of(rnn, trials, rank=4, delays=2)
    states = hidden_trajectories(rnn, trials)
    for given in (own, own.values, states, list(states)):
        assert np.array_equal(
            dsa_distances(given, **choice).values, dsa_distances(own, **choice).values
        )
    assert dsa_distances(own, **choice).labels == rnn.labels


@pytest.mark.parametrize(
    "change, message",
    [
        (
            {"score": "angular"},
            "score must be one of 'distance', 'angle', 'wasserstein'; got 'angular'",
        ),
        ({"rank": 4}, "operators have rank 5 and 1 delays; asked for were rank 4 and 1"),
        ({"starts": 0}, "starts must be at least 1"),
        ({"engine": "torch"}, "engine must be one of"),
        ({"what": operators(1)}, "at least two networks; got 1"),
        ({"what": operators()[0]}, r"must have axes \(networks, trials, time, units\)"),
    ],
)
def test_messages(change, message):
    with pytest.raises(InputError, match=message):
        dsa_distances(
            **{"what": operators(), "score": "angle", "rank": 5, "delays": 1, "starts": 8} | change
        )


def test_no_default_for_what_sets_the_scale():
    for lacking in ("score", "rank", "delays", "starts"):
        given = {"score": "angle", "rank": 5, "delays": 1, "starts": 8}
        del given[lacking]
        with pytest.raises(TypeError, match=lacking):
            dsa_distances(operators(), **given)


def test_the_resolution_is_what_all_but_one_in_twenty_searches_reach(monkeypatch):
    heights = []

    def solve(*arguments):
        C, found = true(*arguments)
        heights.append(found)
        return C, found

    true = _ascent.solve
    monkeypatch.setattr(_ascent, "solve", solve)
    found = dsa(operators(8, 6), starts=20, engine="numpy")
    halves = np.concatenate(heights)
    first, second = (2 * np.arcsin(np.sqrt((2 - 2 * half).clip(0)) / 2) for half in halves.T)
    gaps = np.abs(first - second)
    assert found.resolution == pytest.approx(np.quantile(gaps, 0.95), abs=1e-9)
    assert np.quantile(gaps, 0.95) > np.quantile(gaps, 0.5) + 1e-6
