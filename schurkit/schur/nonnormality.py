"""How far a recurrent matrix can grow before it decays: powers, pseudospectra, the Kreiss constant
and the numerical range.

Eigenvalues say what happens in the end; these measures say what can happen before. All of them are
properties of the linear step h_t = W_rec h_{t−1}, they do not change under an orthogonal change of
coordinates, and for a normal matrix the eigenvalues give them all.

Why own code: of the packages on PyPI, pseudopy (last version 1.2.5) computes pseudospectra; it
brings a plotting layer and shapely, stops on some matrices with repeated eigenvalues, and offers
neither a Kreiss constant nor a numerical range. The algorithms are a page each.

Sources: L. N. Trefethen and M. Embree, *Spectra and Pseudospectra*, Princeton University Press
(2005) · C. R. Johnson, SIAM J. Numer. Anal. 15 (1978) (numerical range) · S. H. Lui, SIAM J. Sci.
Comput. 18 (1997), and G. Golub and W. Kahan, SIAM J. Numer. Anal. 2 (1965) (smallest singular
values by Lanczos bidiagonalisation of the inverse of the triangular Schur factor).
"""

from __future__ import annotations

import numpy as np
import scipy.linalg
from threadpoolctl import threadpool_limits

from schurkit import random
from schurkit.checks import InputError, integer, number, real_array

from .blocks import scaled_down
from .matrix import checked_W_rec

TOLERANCE = 1e-3
"""Largest residual at which a smallest singular value counts as found, relative to it: it is then
off by about the square of that.
"""
_DIRECT = 12  # units up to which a dense SVD a point is as fast
_BATCH = 512  # points at a time, so that the vectors stay in the cache
_MOST_STEPS = 40  # of Lanczos; what has not settled by then gets a dense SVD
# the circle nearest to the boundary that the Kreiss search looks at, in units of the radius
_NARROW = 1e-6


# The products here are small: threads cost more than they bring, and on a busy machine far more.
_in_one_thread = threadpool_limits.wrap(limits=1, user_api="blas")


@_in_one_thread
def powers(W_rec, steps: int) -> np.ndarray:
    """‖W_rec^k‖_2 for k = 0 … steps: the largest growth of any state over k linear steps.

    Parameters
    ----------
    W_rec : (hidden, hidden) recurrent weights of one network.
    steps : the largest power.

    Returns
    -------
    (steps + 1,); infinite where the norm is beyond the float64 range.

    Examples
    --------
    >>> powers([[0.5, 1.0], [0.0, 0.5]], 2).round(3)
    array([1.   , 1.207, 1.059])

    Source: Trefethen and Embree (2005), §14.
    """
    W_scaled, exponent = checked_W_rec(W_rec, "powers")[:2]
    steps = integer(steps, "steps", at_least=0)
    found, power, shift = np.empty(steps + 1), np.eye(len(W_scaled)), 0
    for k in range(steps + 1):
        with np.errstate(over="ignore", under="ignore"):
            found[k] = np.ldexp(np.linalg.norm(power, 2), shift)
        # a power of two aside, so that no product overflows or vanishes
        power, more = scaled_down(W_scaled @ power)
        shift += exponent + more
    return found


# ----------------------------------------------------------------------------------- pseudospectra
@_in_one_thread
def pseudospectrum(W_rec, re, im) -> np.ndarray:
    """σ_min(z I − W_rec) on the grid z = re + i im: z is an eigenvalue of W_rec + E for some
    complex ‖E‖_2 ≤ ε exactly where σ_min ≤ ε.

    Parameters
    ----------
    W_rec : (hidden, hidden) recurrent weights of one network.
    re, im : (columns,) and (rows,) real and imaginary parts of the grid.

    Returns
    -------
    (rows, columns), found by Lanczos bidiagonalisation to a relative residual of 1e-3: too large by
    about 1e-6 of itself, by up to about 1e-3 where the singular values crowd; below 1e-16 ‖W_rec‖
    it is rounding. Its contours at ε are the boundaries of the ε-pseudospectra.

    Examples
    --------
    >>> pseudospectrum([[0.0, 1.0], [-1.0, 0.0]], re=[0.0], im=[0.0, 1.5]).round(6)
    array([[1. ],
           [0.5]])

    Source: Trefethen and Embree (2005), §2 and §39; Lui (1997).
    """
    W_scaled, exponent = checked_W_rec(W_rec, "pseudospectrum")[:2]
    re, im = (
        real_array(part, name, ("points",), dtype=np.float64)
        for part, name in ((re, "re"), (im, "im"))
    )
    # W_rec is real: z and its conjugate share their value
    rows, back = np.unique(np.abs(im), return_inverse=True)
    points = re[None, :] + 1j * rows[:, None]
    least = _smallest_singular_values(_triangle(W_scaled), (points * 2.0**-exponent).ravel())
    return np.ldexp(least, exponent).reshape(points.shape)[back]


@_in_one_thread
def kreiss_constant(W_rec, radius: float | None = None) -> float:
    """Kreiss constant of W_rec / radius in discrete time, K = sup over |z| > radius of (|z| −
    radius) ‖(z I − W_rec)⁻¹‖_2; a lower bound.

    K ≤ sup_k ‖W_rec^k‖ / radius^k ≤ e · hidden · K (Kreiss matrix theorem), and K = 1 for normal
    matrices. The supremum is searched for: on circles whose distance from `radius` grows in equal
    ratios from 1e-6 to 100 radii, at even angles and at those of the eigenvalues, then by zooming
    in on the best points. A peak that is missed makes the value too low, never too high.

    Parameters
    ----------
    W_rec : (hidden, hidden) recurrent weights of one network.
    radius : the circle whose outside is searched, above 0. By default the spectral radius, so that
        trained networks whose radius is slightly above 1 can be compared: growth is then measured
        relative to the slowest decay. 1 gives the constant of the plain definition.

    Returns
    -------
    float ≥ 1; infinite if an eigenvalue lies outside the circle. Where a defective eigenvalue lies
    on it, the constant is infinite too, and the search returns the large value that it met at a
    distance of 1e-6 radii; above about 1e6 only the size of the result means something.

    Raises
    ------
    InputError : the radius is not above 0, or not given for a matrix whose eigenvalues are all
        zero.

    Examples
    --------
    >>> normal, shear = [[0.0, -2.0], [2.0, 0.0]], [[0.0, 3.0], [0.0, 0.0]]
    >>> round(kreiss_constant(normal), 6), round(kreiss_constant(shear, radius=1.0), 3)
    (1.0, 1.083)

    Source: Trefethen and Embree (2005), §14 and §18.
    """
    W_scaled, exponent = checked_W_rec(W_rec, "kreiss_constant")[:2]
    T = _triangle(W_scaled)
    largest = float(np.abs(T.diagonal()).max())
    if radius is None:
        if largest == 0:
            raise InputError(
                "kreiss_constant needs a radius: all eigenvalues are 0, so the spectral radius "
                "cannot scale this W_rec. Pass radius=1."
            )
        radius = largest
    else:
        radius = float(np.ldexp(number(radius, "radius", above=0), -exponent))
        if largest > radius * (1 + 1e-12):
            return float("inf")

    # σ_min is known to this; adding it keeps the result a lower bound
    rounding = np.finfo(float).eps * len(T) * np.linalg.norm(T)

    def value(depth, angle, find):
        points = radius * (1 + 10.0**depth) * np.exp(1j * angle)
        return radius * 10.0**depth / (find(T, points.ravel()).reshape(points.shape) + rounding)

    def roughly(T, points):  # never below σ_min, so never too much growth
        return _smallest_singular_values(T, points, tolerance=1e-2)

    depths = np.linspace(np.log10(_NARROW), 2, 17)
    angles = np.unique(np.concatenate([np.linspace(0, np.pi, 49), np.abs(np.angle(T.diagonal()))]))
    depth, angle = (part.ravel() for part in np.meshgrid(depths, angles, indexing="ij"))
    found = value(depth, angle, roughly)
    best = np.argsort(-found, kind="stable")[:6]
    pick, at = np.arange(len(best)), np.array([depth[best], angle[best]])
    wide = np.pi / 96 * np.minimum(1.0, 10.0 ** at[0])
    step = np.array([np.full(len(best), (depths[1] - depths[0]) / 2), wide])
    sides = [(0, 0), *((d, a) for d in (-1, 0, 1) for a in (-1, 0, 1) if d or a)]
    # each round looks at the eight neighbours of each point, and halves the step where none is
    # better
    for _ in range(20):
        near = at[..., None] + np.einsum("ip,si->ips", step, sides)
        near[0] = np.maximum(near[0], np.log10(_NARROW))
        top = value(*near, roughly).argmax(axis=1)
        at, step = near[:, pick, top], np.where(top == 0, step / 2, step)
    # towards |z| = ∞ the value tends to 1
    return max(1.0, float(value(*at, _by_svd).max()))


# --------------------------------------------------------------------------------- numerical range
@_in_one_thread
def numerical_range(W_rec, angles: int = 180) -> np.ndarray:
    """Points on the boundary of the numerical range, all xᴴ W_rec x with ‖x‖ = 1: convex, and it
    contains the eigenvalues.

    For each direction θ the top eigenvector x of the Hermitian part of exp(−iθ) W_rec gives the
    point xᴴ W_rec x that lies farthest out. For a normal matrix the range is the convex hull of the
    eigenvalues; where it reaches beyond modulus 1, one step can grow.

    Parameters
    ----------
    W_rec : (hidden, hidden) recurrent weights of one network.
    angles : number of directions θ, even in [0, 2π), at least 3.

    Returns
    -------
    (angles,) complex, counter-clockwise; their polygon lies inside the range.

    Examples
    --------
    >>> numerical_range([[0.0, 2.0], [0.0, 0.0]], angles=4).round(6) + 0.0  # a disk of radius 1
    array([ 1.+0.j,  0.+1.j, -1.+0.j,  0.-1.j])

    Source: C. R. Johnson, SIAM J. Numer. Anal. 15 (1978) 595.
    """
    W_scaled, exponent = checked_W_rec(W_rec, "numerical_range")[:2]
    count = integer(angles, "angles", at_least=3)
    _, vectors = np.linalg.eigh(
        _hermitian_parts(W_scaled, 2 * np.pi * np.arange(count // 2 + 1) / count)
    )
    farthest = vectors[:, :, -1]
    points = np.einsum("ai,ij,aj->a", farthest.conj(), W_scaled, farthest, optimize=True)
    # W_rec is real: the range is symmetric about the real axis
    rest = points[1 : (count + 1) // 2][::-1].conj()
    return np.concatenate([points, rest]) * 2.0**exponent


@_in_one_thread
def numerical_radius(W_rec) -> float:
    """The largest modulus in the numerical range: at least the spectral radius (equal for normal
    matrices), and between ‖W_rec‖_2 / 2 and ‖W_rec‖_2.

    The largest eigenvalue of the Hermitian parts over all directions, on a grid of 181 directions
    and then about the best three: a lower bound, off by less than 4e-5 of itself even if the
    refinement missed the highest peak.

    Parameters
    ----------
    W_rec : (hidden, hidden) recurrent weights of one network.

    Examples
    --------
    >>> round(numerical_radius([[0.0, 2.0], [0.0, 0.0]]), 9)
    1.0

    Source: R. A. Horn and C. R. Johnson, *Topics in Matrix Analysis*, Cambridge University Press
    (1991), ch. 1.
    """
    from scipy.optimize import minimize_scalar  # slow to import

    W_scaled, exponent = checked_W_rec(W_rec, "numerical_radius")[:2]
    angles = np.pi * np.arange(181) / 180
    reach = np.linalg.eigvalsh(_hermitian_parts(W_scaled, angles))[:, -1]
    step, best = angles[1], reach.max()

    def short(angle):
        return -np.linalg.eigvalsh(_hermitian_parts(W_scaled, np.array([angle])))[0, -1]

    for angle in angles[np.argsort(-reach, kind="stable")[:3]]:
        near = (angle - step, angle + step)
        best = max(best, -minimize_scalar(short, bounds=near, method="bounded").fun)
    return float(np.ldexp(best, exponent))


def _hermitian_parts(W_scaled, angles):
    """Hermitian part of exp(−iθ) W for each direction; its largest eigenvalue is how far the
    numerical range reaches in that direction.
    """
    turned = np.exp(-1j * angles)[:, None, None] * W_scaled
    return (turned + turned.conj().swapaxes(1, 2)) / 2


# ------------------------------------------------------------------------ smallest singular values
def _smallest_singular_values(T, points, tolerance=TOLERANCE):
    """σ_min(z I − T) of an upper triangular T for each of the points."""
    if len(T) <= _DIRECT:
        return _by_svd(T, points)
    return np.concatenate(
        [
            _by_lanczos(T, points[start : start + _BATCH], tolerance)
            for start in range(0, len(points), _BATCH)
        ]
        or [np.empty(0)]
    )


def _by_svd(T, points):
    return np.linalg.svd(points[:, None, None] * np.eye(len(T)) - T, compute_uv=False)[:, -1]


def _by_lanczos(T, points, tolerance):
    """1 / σ_max of A = (z I − T)⁻¹ by Golub-Kahan bidiagonalisation of A, all points at once; a
    point leaves when its residual is small.

    A V = U B with B upper bidiagonal (alpha on the diagonal, beta above it). For a singular triple
    (θ, p, q) of B some singular value of A lies within beta_k |p_k| of θ, and none of B exceeds
    those of A: what is found is never below σ_min. Where A overflows (a point on an eigenvalue) or
    singular values crowd too much to settle, a dense SVD decides.
    """
    size, least = len(T), np.full(len(points), np.nan)
    alive = np.arange(len(points))
    gaps = points - T.diagonal()[:, None]
    start = random.normal(0, "pseudospectrum", 0, size) + 1j * random.normal(
        0, "pseudospectrum", 1, size
    )
    V = np.broadcast_to((start / np.linalg.norm(start))[None, :, None], (1, size, len(points)))
    alphas, betas = np.empty((0, len(points))), np.empty((0, len(points)))
    u = np.zeros((size, len(points)))
    with np.errstate(all="ignore"):
        for step in range(1, min(size, _MOST_STEPS) + 1):
            u = _solve(T, gaps, V[-1]) - (betas[-1] * u if len(betas) else 0)
            alpha = _norms(u)
            u = u / alpha
            w = _solve_adjoint(T, gaps, u) - alpha * V[-1]
            w = w - np.einsum("kiz,kz->iz", V, np.einsum("kiz,iz->kz", V.conj(), w))
            beta = _norms(w)
            V = np.concatenate([V, (w / beta)[None]])
            alphas, betas = np.vstack([alphas, alpha]), np.vstack([betas, beta])
            if step % 4 and step != size:
                continue
            B = np.zeros((len(alive), step, step))
            diagonal = np.arange(step)
            B[:, diagonal, diagonal] = alphas.T
            B[:, diagonal[:-1], diagonal[1:]] = betas[:-1].T
            usable = np.isfinite(B).all(axis=(1, 2))
            left, sizes, _ = np.linalg.svd(np.where(usable[:, None, None], B, 0.0))
            settled = usable & (betas[-1] * np.abs(left[:, -1, 0]) <= tolerance * sizes[:, 0])
            least[alive[settled]] = 1 / sizes[settled, 0]
            stay = usable & ~settled
            if not stay.any():
                break
            parts = alive, gaps, u, V, alphas, betas
            alive, gaps, u, V, alphas, betas = (part[..., stay] for part in parts)
    missing = np.isnan(least)
    least[missing] = _by_svd(T, points[missing])
    return least


def _norms(vectors):
    return np.sqrt((vectors.real**2 + vectors.imag**2).sum(axis=0))


def _solve(T, gaps, right):
    """x with (z I − T) x = right for each point (last axis), row by row from the last; `gaps` holds
    z − T_ii. Rows go in groups for the products.
    """
    x = np.array(right, dtype=complex)
    for end in range(len(T), 0, -8):
        start = max(end - 8, 0)
        x[start:end] += T[start:end, end:] @ x[end:]
        for i in range(end - 1, start - 1, -1):
            x[i] /= gaps[i]
            x[start:i] += T[start:i, i, None] * x[i]
    return x


def _solve_adjoint(T, gaps, right):
    """y with (z I − T)ᴴ y = right, as `_solve`."""
    # with rows and columns from the last to the first it is upper triangular again
    turned = np.ascontiguousarray(T.conj().T[::-1, ::-1])
    return _solve(turned, gaps.conj()[::-1], right[::-1])[::-1]


# ------------------------------------------------------------------------------------------ checks
def _triangle(W_scaled):
    """The complex triangular Schur factor, unitarily similar to W_scaled."""
    T, _ = scipy.linalg.schur(W_scaled, output="complex", check_finite=False)
    return T
