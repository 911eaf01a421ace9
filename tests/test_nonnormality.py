"""Transient growth: direct SVDs, analytic ranges and dense searches are the oracles; scaling
the invariant.
"""

from functools import partial

import numpy as np
import pytest
from helpers import apart, messages, orthogonal, refuses
from hypothesis import given, settings
from hypothesis import strategies as st
from test_schur import made

from schurkit import henrici, real_schur
from schurkit.analyses.growth import growth_profile, random_couplings, random_modes, return_error
from schurkit.schur.nonnormality import (
    kreiss_constant,
    numerical_radius,
    numerical_range,
    powers,
    pseudospectrum,
)

gaussian = partial(made, "gaussian")


def normal(size, seed=0):
    """A normal matrix that is neither symmetric nor orthogonal."""
    G = gaussian(size, seed)
    return 0.4 * (G - G.T) + 0.3 * np.eye(size)


def triangular(size, seed=0):
    """Eigenvalues below 1 and strong couplings."""
    T = np.diag(np.linspace(0.2, 0.95, size)) + np.triu(gaussian(size, seed + 1), 1) * 2
    return orthogonal(size, seed) @ T @ orthogonal(size, seed).T


KINDS = (
    "gaussian",
    "orthogonal",
    "skew",
    "far from normal",
    "nilpotent",
    "jordan, similar",
    "repeated, similar",
    "zero",
)


def smallest(W, points):
    """The definition: one SVD a point."""
    return np.linalg.svd(points[..., None, None] * np.eye(len(W)) - W, compute_uv=False)[..., -1]


# ------------------------------------------------------------------------------------------- powers
@pytest.mark.parametrize("kind", KINDS)
def test_powers_are_norms_of_powers(kind):
    W = made(kind, 7)
    expected = [np.linalg.norm(np.linalg.matrix_power(W, k), 2) for k in range(13)]
    assert powers(W, 12) == pytest.approx(expected, rel=1e-12, abs=1e-15)


def test_powers_neither_overflow_on_the_way_nor_vanish():
    W = np.array([[0.0, 1e120], [1e-120, 0.0]])  # its square is the identity
    assert powers(W, 4) == pytest.approx([1, 1e120, 1, 1e120, 1])
    assert powers(W * 1e100, 2).tolist() == [1, pytest.approx(1e220), pytest.approx(1e200)]
    assert powers(np.eye(2) * 1e100, 4)[3:].tolist() == [pytest.approx(1e300), np.inf]
    assert powers(np.eye(2) * 1e-100, 4)[3:].tolist() == [pytest.approx(1e-300), 0]


# ------------------------------------------------------------------------------------ pseudospectra
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [1, 3, 8, 30])
def test_pseudospectrum_is_the_smallest_singular_value(kind, size):
    W = made(kind, size)
    for low, high, most in ((-1.6, 1.5, 1.4), (-0.02, 0.92, 0.03)):  # the other among eigenvalues
        re, im = np.linspace(low, high, 9), np.linspace(-most, most / 2, 6)
        found, expected = pseudospectrum(W, re, im), smallest(W, re + 1j * im[:, None])
        assert found == pytest.approx(expected, rel=2e-3, abs=1e-13)  # the residual's tolerance
        # and far better as a rule
        assert np.median(np.abs(found - expected)) <= 1e-4 * np.abs(W).max() + 1e-14


@given(size=st.sampled_from([3, 14, 33]), exponent=st.integers(-300, 300), seed=st.integers(0, 5))
@settings(max_examples=12)
def test_what_is_measured_scales_with_the_matrix(size, exponent, seed):
    W, factor = triangular(size, seed), 2.0**exponent
    re, im = np.linspace(-1.5, 1.5, 5), np.array([0.7, -0.2, 0.2])
    base = pseudospectrum(W, re, im)
    scaled = pseudospectrum(W * factor, re * factor, im * factor)
    assert scaled == pytest.approx(base * factor, rel=1e-9, abs=0)
    assert base[1] == pytest.approx(base[2], rel=0)  # conjugate points
    radius = numerical_radius(W * factor)
    assert radius == pytest.approx(numerical_radius(W) * factor, rel=1e-12, abs=0)
    assert kreiss_constant(W * factor) == pytest.approx(kreiss_constant(W), rel=1e-9)


# ---------------------------------------------------------------------------------- Kreiss constant
def dense_search(W, radius):
    """The supremum over a fine grid of circles and angles."""
    depths = np.concatenate([np.logspace(-5, -1, 40), np.linspace(0.1, 6, 60), [50.0]])
    angles = np.linspace(0, np.pi, 121)
    points = radius * (1 + depths[:, None]) * np.exp(1j * angles)
    return (radius * depths[:, None] / smallest(W, points)).max()


def test_kreiss_constant_of_a_jordan_block_in_closed_form():
    """For [[0, c], [0, 0]] the norm of the resolvent depends on |z| = x alone: it is 1/x times the
    larger singular value of [[1, c/x], [0, 1]].
    """
    c, x = 3.0, np.linspace(1.0001, 40, 400_001)
    t = c / x
    resolvent = (t / 2 + np.sqrt(1 + t**2 / 4)) / x
    assert kreiss_constant([[0.0, c], [0.0, 0.0]], radius=1.0) == pytest.approx(
        ((x - 1) * resolvent).max(), rel=1e-6
    )


@pytest.mark.parametrize("size, seed", [(3, 0), (10, 1)])
@pytest.mark.parametrize("build", [gaussian, triangular])
def test_kreiss_constant_against_a_dense_search(build, size, seed):
    W = build(size, seed)
    radius = np.abs(np.linalg.eigvals(W)).max()
    found = kreiss_constant(W)
    assert found >= dense_search(W, radius) * (1 - 1e-6)
    assert found == pytest.approx(kreiss_constant(W, radius * (1 + 1e-13)), rel=1e-6)


@pytest.mark.parametrize("size", [1, 2, 20])
@pytest.mark.parametrize("build", [orthogonal, normal])
def test_normal_matrices_do_not_grow(build, size):
    W = build(size, 3)
    assert kreiss_constant(W) == pytest.approx(1, abs=1e-3)
    assert kreiss_constant(W * 0.5, radius=1) == pytest.approx(1, abs=1e-3)
    assert powers(W / np.abs(np.linalg.eigvals(W)).max(), 30).max() == pytest.approx(1, abs=1e-9)
    assert numerical_radius(W) == pytest.approx(np.abs(np.linalg.eigvals(W)).max(), rel=1e-9)


def test_outside_the_circle_and_defective_on_it():
    assert kreiss_constant([[1.1, 0.0], [0.0, 0.2]], radius=1.0) == np.inf
    # infinite; the search stops short of the circle
    assert kreiss_constant([[1.0, 1.0], [0.0, 1.0]]) > 1e5
    assert kreiss_constant(np.zeros((3, 3)), radius=1.0) == 1


def test_a_needle_beside_a_hill_is_found():
    """Two nearly equal pairs on the circle, at an angle off the even grid, grow tenfold; only
    points very near them show it.
    """
    turn = np.exp(1.2345j)
    pair = np.array([[turn.real, -turn.imag], [turn.imag, turn.real]])
    W = np.zeros((6, 6))
    W[:2, :2], W[2:4, 2:4], W[:2, 2:4] = pair, pair * (1 - 1e-4), 1e-3 * np.eye(2)
    W[4:, 4:] = [[0.9, 1.0], [0.0, 0.85]]
    assert 1.5 < kreiss_constant(W[4:, 4:], radius=1.0) < 5
    assert kreiss_constant(W) == pytest.approx(np.sqrt(101), rel=0.05)


# ---------------------------------------------------------------------------------- numerical range


@pytest.mark.parametrize("angles", [3, 4, 7, 8, 31])
def test_points_lie_farthest_out_in_their_direction(angles):
    W = gaussian(5, 2)
    points, directions = (
        numerical_range(W, angles),
        np.exp(-2j * np.pi * np.arange(angles) / angles),
    )
    top = [np.linalg.eigvalsh((d * W + np.conj(d) * W.T) / 2)[-1] for d in directions]
    assert (directions * points).real == pytest.approx(top, abs=1e-12)


@given(size=st.integers(1, 9), seed=st.integers(0, 50))
@settings(max_examples=40)
def test_the_numerical_radius_lies_where_it_must(size, seed):
    W = gaussian(size, seed)
    found = numerical_radius(W)
    assert np.abs(np.linalg.eigvals(W)).max() <= found * (1 + 1e-9)
    assert np.abs(numerical_range(W, 720)).max() == pytest.approx(found, rel=2e-4)


# ----------------------------------------------------------------------------------------- messages
FUNCTIONS = {
    "powers": lambda W: powers(W, 3),
    "pseudospectrum": lambda W: pseudospectrum(W, [0.0], [0.0]),
    "kreiss_constant": kreiss_constant,
    "numerical_range": numerical_range,
    "numerical_radius": numerical_radius,
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_messages_about_the_matrix(name):
    """All of them are those of `real_schur`, with this function's name."""
    refuses(
        rf"{name} needs W_rec .*got \(4, 3\). Did you pass W_in", FUNCTIONS[name], np.ones((4, 3))
    )


NILPOTENT = [[0.0, 1.0], [0.0, 0.0]]
test_messages_about_the_rest = messages(
    (powers, NILPOTENT, -1, "steps must be at least 0; got -1"),
    (pseudospectrum, NILPOTENT, NILPOTENT, [0.0], r"re must have axes \(points\)"),
    (lambda: kreiss_constant(NILPOTENT, radius=0), "radius must be above 0; got 0"),
    (kreiss_constant, NILPOTENT, "needs a radius: all eigenvalues are 0"),
    (numerical_range, NILPOTENT, 2, "angles must be at least 3; got 2"),
)


# ------------------------------------------------------------------------- the same blocks and norm
@pytest.mark.parametrize("make", [random_couplings, random_modes])
def test_random_matrices_have_the_blocks_and_the_coupling_norm(make):
    form = real_schur(gaussian(9, 5))
    T = make(form, seed=2, draw=1)
    assert apart(np.where(form._strictly_upper, 0, T), form.B) < 1e-12
    assert np.linalg.norm(T - form.B) == pytest.approx(form.norm_N, rel=1e-9)
    assert henrici(T) == pytest.approx(form.henrici, rel=1e-9)
    assert not np.array_equal(T, make(form, seed=2, draw=2))
    assert np.array_equal(make(real_schur(np.eye(3)), 0), np.eye(3))


def test_random_modes_are_a_change_of_basis_and_random_couplings_are_not():
    turns = np.kron(np.eye(4), [[0.0, -1.0], [1.0, 0.0]])  # four pairs that turn alike: T⁴ = I
    form = real_schur(orthogonal(8) @ turns @ orthogonal(8).T)
    assert return_error(form, form.T, 4) == pytest.approx(0, abs=1e-12)
    coupled = form.B + np.triu(np.ones((8, 8)), 2)
    assert return_error(form, coupled, 4) > 1
    skewed = np.eye(8) + np.triu(gaussian(8, 1), 2)
    assert return_error(form, skewed @ form.B @ np.linalg.inv(skewed), 4) == pytest.approx(
        0, abs=1e-9
    )


def test_the_growth_profile_is_that_of_the_powers():
    form = real_schur(np.array([[1.0, 0.0, 3.0], [0.0, 0.95, 0.0], [0.0, 0.0, 0.1]]))
    profile = growth_profile([form], 30, controls=("permuted",), draws=2, seeds=[0], labels=["a"])
    grown = np.log10(powers(form.T, 30).max())
    # without CR nothing is coupled: growth 1
    assert profile.intact == pytest.approx(grown) and profile["CR"].cost == pytest.approx(-grown)
    assert not profile["RR"].held.any() and np.isnan(profile["RR"].controls["permuted"]).all()
    assert np.isfinite(profile["CR"].controls["permuted"]).all() and profile.networks == ("a",)
