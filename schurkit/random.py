"""The counter-based generator: every draw is a pure function of (seed, stream, step, index).

A network's start and batches depend on its own seed alone, never on how many networks stand beside
it, in what order they are trained, or on which engine runs. The construction uses only 64-bit
integer arithmetic and IEEE additions, multiplications, divisions and square roots in a fixed order,
so that a compiled engine which does not fuse multiply and add draws the same bits inside its own
loop:

- ``key = mix(mix(mix(seed) ^ stream) ^ step)`` with ``mix`` one step of splitmix64 (state + γ, then
  the finaliser);
- draw number ``index`` is the splitmix64 output for the state ``key + (index + 1) γ``;
- uniform: the top 53 bits times 2⁻⁵³, in [0, 1);
- normal: the inverse normal distribution function of (top 52 bits + ½) 2⁻⁵².

Sources: G. L. Steele, D. Lea, C. H. Flood, *Fast splittable pseudorandom number generators*, OOPSLA
2014 (splitmix64); M. J. Wichura, *Algorithm AS 241*, Applied Statistics 37 (1988) 477 (the inverse
normal distribution function).
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import numpy as np

from .checks import InputError

GAMMA = np.uint64(0x9E3779B97F4A7C15)
_FACTORS = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_SHIFTS = np.uint64(30), np.uint64(27), np.uint64(31)
_MASK = (1 << 64) - 1


def mix(state):
    """One step of splitmix64 on unsigned 64-bit numbers: add γ, then the finaliser."""
    z = state + GAMMA
    z = (z ^ (z >> _SHIFTS[0])) * _FACTORS[0]
    z = (z ^ (z >> _SHIFTS[1])) * _FACTORS[1]
    return z ^ (z >> _SHIFTS[2])


def stream_number(stream: str | int) -> int:
    """The 64-bit number of a stream: an integer as it is, a name by 64-bit FNV-1a."""
    if isinstance(stream, str):
        number = 0xCBF29CE484222325
        for byte in stream.encode():
            number = ((number ^ byte) * 0x100000001B3) & _MASK
        return number
    return int(stream) & _MASK


def key(seed: int, stream: str | int, step: int = 0) -> int:
    """The 64-bit state from which the draws of (seed, stream, step) are counted.

    Parameters
    ----------
    seed : whole number, 0 ≤ seed < 2⁶⁴.
    stream : name or number of the purpose ("W_rec", "batch", …), so that purposes never share
        draws.
    step : training step or draw number, 0 ≤ step < 2⁶⁴.
    """
    return int(_keys([seed], stream, step)[0])


def _keys(seeds, stream, step):
    for seed in seeds:
        whole = isinstance(seed, (int, np.integer)) and not isinstance(seed, bool)
        if not whole or not 0 <= seed <= _MASK:
            raise InputError(f"seed must be a whole number from 0 to 2**64 - 1; got {seed!r}.")
    stream, step = np.array([stream_number(stream), int(step) & _MASK], np.uint64)
    return mix(mix(mix(np.array(seeds, np.uint64)) ^ stream) ^ step)


def bits(
    seed: int | Sequence[int], stream: str | int, step: int, shape: int | tuple[int, ...]
) -> np.ndarray:
    """Draw 64-bit words.

    Parameters
    ----------
    seed : one seed, or a sequence of seeds (one a network): the result then has a leading networks
        axis.
    stream, step : see `key`.
    shape : shape of the draws of one seed; the draw index runs over it in C order.

    Returns
    -------
    uint64 array of shape `shape`, or (networks, *shape).
    """
    shape = (shape,) if isinstance(shape, (int, np.integer)) else tuple(shape)
    seeds = [seed] if np.ndim(seed) == 0 else list(seed)
    z = mix(_keys(seeds, stream, step)[:, None] + np.arange(prod(shape), dtype=np.uint64) * GAMMA)
    return z.reshape(shape if np.ndim(seed) == 0 else (len(seeds), *shape))


def uniform(seed, stream, step, shape, low: float = 0.0, high: float = 1.0) -> np.ndarray:
    """Draw float64 numbers uniform on [low, high); parameters as `bits`."""
    u = (bits(seed, stream, step, shape) >> np.uint64(11)).astype(np.float64) * 2.0**-53
    return u if (low, high) == (0.0, 1.0) else low + (high - low) * u


def signs(seed, stream, step, shape) -> np.ndarray:
    """Draw −1.0 or +1.0 with equal probability (the top bit of each word); parameters as `bits`."""
    return np.where(bits(seed, stream, step, shape) >> np.uint64(63), 1.0, -1.0)


def integers(seed, stream, step, shape, high: int) -> np.ndarray:
    """Draw int64 numbers uniform on 0 … high − 1 (high ≤ 2³², bias below 2⁻²¹ high); parameters as
    `bits`.
    """
    return np.minimum((uniform(seed, stream, step, shape) * high).astype(np.int64), high - 1)


def permutation(seed: int, stream, step, size: int) -> np.ndarray:
    """A random permutation of 0 … size − 1: the order of `size` words, which tie with probability
    2⁻⁶⁴.
    """
    return np.argsort(bits(seed, stream, step, size))


def normal(seed, stream, step, shape) -> np.ndarray:
    """Draw standard normal float64 numbers, accurate to about 1e-15; parameters as `bits`."""
    words = bits(seed, stream, step, shape)
    drawn, flat = np.empty(words.size), words.ravel()
    for start in range(0, words.size, 16384):  # what stays in the processor's caches
        part = slice(start, start + 16384)
        u = (flat[part] >> np.uint64(12)).astype(np.float64)
        u += 0.5
        u *= 2.0**-52
        drawn[part] = _inverse_normal(u)
    return drawn.reshape(words.shape)


_A = (
    3.3871328727963666080e0,
    1.3314166789178437745e2,
    1.9715909503065514427e3,
    1.3731693765509461125e4,
    4.5921953931549871457e4,
    6.7265770927008700853e4,
    3.3430575583588128105e4,
    2.5090809287301226727e3,
)
_B = (
    1.0,
    4.2313330701600911252e1,
    6.8718700749205790830e2,
    5.3941960214247511077e3,
    2.1213794301586595867e4,
    3.9307895800092710610e4,
    2.8729085735721942674e4,
    5.2264952788528545610e3,
)
_C = (
    1.42343711074968357734e0,
    4.63033784615654529590e0,
    5.76949722146069140550e0,
    3.64784832476320460504e0,
    1.27045825245236838258e0,
    2.41780725177450611770e-1,
    2.27238449892691845833e-2,
    7.74545014278341407640e-4,
)
_D = (
    1.0,
    2.05319162663775882187e0,
    1.67638483018380384940e0,
    6.89767334985100004550e-1,
    1.48103976427480074590e-1,
    1.51986665636164571966e-2,
    5.47593808499534494600e-4,
    1.05075007164441684324e-9,
)
_E = (
    6.65790464350110377720e0,
    5.46378491116411436990e0,
    1.78482653991729133580e0,
    2.96560571828504891230e-1,
    2.65321895265761230930e-2,
    1.24266094738807843860e-3,
    2.71155556874348757815e-5,
    2.01033439929228813265e-7,
)
_F = (
    1.0,
    5.99832206555887937690e-1,
    1.36929880922735805310e-1,
    1.48753612908506148525e-2,
    7.86869131145613259100e-4,
    1.84631831751005468180e-5,
    1.42151175831644588870e-7,
    2.04426310338993978564e-15,
)


def orthonormal(seed, stream: str, step, shape) -> np.ndarray:
    """Orthonormal columns in random directions (Haar): QR of Gaussian numbers, with the signs of
    R's diagonal moved into Q.
    """
    Q, R = np.linalg.qr(normal(seed, stream, step, shape))
    return Q * np.where(np.diagonal(R, axis1=-2, axis2=-1) < 0, -1.0, 1.0)[..., None, :]


def _ratio(numerator, denominator, x):
    """In place on arrays; compiled code calls it with numbers."""
    top, bottom = x * numerator[7], x * denominator[7]
    for i in range(6, 0, -1):
        top += numerator[i]
        top *= x
        bottom += denominator[i]
        bottom *= x
    top += numerator[0]
    bottom += denominator[0]
    return top / bottom


def _inverse_normal(u: np.ndarray) -> np.ndarray:
    """Algorithm AS 241 (PPND16) with its own logarithm, so that the bits do not depend on a maths
    library.
    """
    q = u - 0.5
    x = _ratio(_A, _B, 0.180625 - q * q)
    x *= q
    tails = np.flatnonzero(np.abs(q) > 0.425)
    if len(tails):
        u, q = u[tails], q[tails]
        r = np.sqrt(-_log(*np.frexp(np.where(q < 0, u, 1.0 - u))))
        value, far = _ratio(_C, _D, r - 1.6), r > 5.0
        if far.any():
            value[far] = _ratio(_E, _F, r[far] - 5.0)
        x[tails] = np.copysign(value, q)
    return x


def _log(mantissa, exponent):
    """Natural logarithm of mantissa · 2^exponent: exponent · ln 2 + 2 artanh(s), s = (m − 1)/(m +
    1), m in [√½, √2).
    """
    low = mantissa < 0.7071067811865476
    mantissa = mantissa * (1.0 + low)
    s = (mantissa - 1.0) / (mantissa + 1.0)
    s2 = s * s
    series = 1.0 / 21.0
    for k in range(19, 0, -2):
        series = series * s2 + 1.0 / k
    return (exponent - low) * 0.6931471805599453 + 2.0 * s * series
