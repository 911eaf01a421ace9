"""The counter-based generator: reference vectors, independence of company, distributions."""

import numpy as np
import pytest
from helpers import apart, refuses
from scipy import stats
from scipy.special import ndtri

from schurkit import random


def splitmix64(state):
    """The published generator, in plain Python: next output of a state."""
    mask = (1 << 64) - 1
    while True:
        state = (state + 0x9E3779B97F4A7C15) & mask
        z = state
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & mask
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & mask
        yield z ^ (z >> 31)


def test_reference_vectors():
    """Published ones, and those against which an engine that draws in its own loop is held."""
    published = [6457827717110365317, 3203168211198807973, 9817491932198370423]
    generator = splitmix64(1234567)
    assert [next(generator) for _ in range(3)] == published
    assert random.mix(np.array([1234567], np.uint64)).tolist() == published[:1]
    generator = splitmix64(random.key(7, "W_rec", 3))
    assert random.bits(7, "W_rec", 3, 5).tolist() == [next(generator) for _ in range(5)]
    assert random.stream_number("a") == 0xAF63DC4C8601EC8C  # 64-bit FNV-1a
    assert random.stream_number("foobar") == 0x85944171F73967E8
    assert random.bits(0, 0, 0, 2).tolist() == [0x2130748AAAC80268, 0xCC78FB979CE5090]
    assert random.uniform(0, 0, 0, 2).tolist() == [0.1296456182997474, 0.049920065672091285]
    assert random.normal(0, 0, 0, 2).tolist() == [-1.128067918623576, -1.6456291622588395]


def test_a_draw_does_not_depend_on_its_company():
    alone, together = (random.normal(seeds, "batch", 9, (3, 4)) for seeds in (5, [1, 5, 2]))
    assert np.array_equal(alone, together[1])
    assert np.array_equal(random.normal(5, "batch", 9, 5), random.normal(5, "batch", 9, 12)[:5])


def test_neighbouring_seeds_streams_and_steps_are_uncorrelated():
    keys = [(seed, stream, step) for seed in range(4) for stream in "abc" for step in range(4)]
    off = np.corrcoef([random.normal(*key, 4000) for key in keys])[np.triu_indices(48, 1)]
    assert np.abs(off).max() < 5 / np.sqrt(4000)


def test_inverse_normal_agrees_with_scipy():
    edges = 2.0 ** -np.arange(2, 54)
    u = np.concatenate([np.linspace(1e-6, 1 - 1e-6, 20_001), edges, 1 - edges[:-1]])
    assert apart(random._inverse_normal(u), ndtri(u)) < 1e-14


def test_orthonormal_columns_are_haar():
    """Their traces are nearly standard normal; plain QR without the signs of R is biased."""
    Q = random.orthonormal(range(400), "Q", 0, (10, 10))
    trace = np.trace(Q, axis1=1, axis2=2)
    assert apart(Q @ Q.mT, np.eye(10)) < 1e-12
    assert abs(trace.mean()) < 0.2 and trace.std() == pytest.approx(1, abs=0.12)


def test_intervals_signs_integers_and_permutations():
    u = random.uniform(3, "u", 0, 10_000, -2.0, 3.0)
    assert -2 <= u.min() < -1.99 and 2.99 < u.max() < 3
    signs, k = random.signs(1, "s", 0, 20_000), random.integers(1, "k", 0, 20_000, 7)
    assert set(np.unique(signs)) == {-1.0, 1.0} and abs(signs.mean()) < 0.03
    assert set(np.unique(k)) == set(range(7)) and stats.chisquare(np.bincount(k)).pvalue > 1e-3
    assert sorted(random.permutation(1, "p", 0, 50)) == list(range(50))


def test_the_global_generators_are_left_alone():
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    random.normal(1, "x", 0, 100)
    assert np.array_equal(np.random.get_state()[1], before)  # noqa: NPY002


@pytest.mark.parametrize("seed", [-1, 2**64, 1.5, True, "0"])
def test_bad_seeds_are_refused(seed):
    refuses("seed must be a whole number", random.key, seed, "x")
