"""`schurkit.random` for compiled code: the same words, uniform and normal numbers, bit for bit.

Draws are counted: ``word(key(seed, stream, step), index)`` is entry `index` of ``random.bits(seed,
stream, step, …)``. A stream's number is ``random.stream_number(name)``, worked out once outside of
compiled code.
"""

from __future__ import annotations

import math

import numpy as np

from schurkit import random

from .cache import inner

_GAMMA = np.uint64(random.GAMMA)
_FIRST, _SECOND = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_ONE = np.uint64(1)
_A, _B, _C, _D, _E, _F = random._A, random._B, random._C, random._D, random._E, random._F


@inner
def _mixed(state):
    z = (state ^ (state >> np.uint64(30))) * _FIRST
    z = (z ^ (z >> np.uint64(27))) * _SECOND
    return z ^ (z >> np.uint64(31))


@inner
def key(seed, stream, step):
    """`random.key` of three unsigned 64-bit numbers."""
    return _mixed((_mixed((_mixed(seed + _GAMMA) ^ stream) + _GAMMA) ^ np.uint64(step)) + _GAMMA)


@inner
def word(key, index):
    """Draw number `index` of a key: 64 random bits."""
    return _mixed(key + (np.uint64(index) + _ONE) * _GAMMA)


@inner
def sign(key, index):
    """−1 or +1, as `random.signs`."""
    return np.float32(1.0) if word(key, index) >> np.uint64(63) else np.float32(-1.0)


@inner
def uniform(key, index):
    """A float64 number in [0, 1), as `random.uniform`."""
    return np.float64(word(key, index) >> np.uint64(11)) * 2.0**-53


@inner
def integer(key, index, high):
    """A whole number from 0 to high − 1, as `random.integers`."""
    return min(np.int64(uniform(key, index) * high), np.int64(high - 1))


@inner
def normal(key, index):
    """A standard normal float64 number, as `random.normal`."""
    u = (np.float64(word(key, index) >> np.uint64(12)) + 0.5) * 2.0**-52
    q = u - 0.5
    if abs(q) <= 0.425:
        return q * _ratio(_A, _B, 0.180625 - q * q)
    r = math.sqrt(-_log(u if q < 0 else 1.0 - u))
    value = _ratio(_E, _F, r - 5.0) if r > 5.0 else _ratio(_C, _D, r - 1.6)
    return -value if q < 0 else value


@inner
def _ratio(numerator, denominator, x):
    top, bottom = numerator[7], denominator[7]
    for i in range(6, -1, -1):
        top = top * x + numerator[i]
        bottom = bottom * x + denominator[i]
    return top / bottom


@inner
def _log(x):
    mantissa, exponent = math.frexp(x)
    if mantissa < 0.7071067811865476:
        mantissa *= 2.0
        exponent -= 1
    s = (mantissa - 1.0) / (mantissa + 1.0)
    s2 = s * s
    series = 1.0 / 21.0
    for k in range(19, 0, -2):
        series = series * s2 + 1.0 / k
    return exponent * 0.6931471805599453 + 2.0 * s * series
