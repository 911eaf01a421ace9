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

_GAMMA = random.GAMMA
_A, _B, _C, _D, _E, _F = random._A, random._B, random._C, random._D, random._E, random._F
mix, _ratio, _log = inner(random.mix), inner(random._ratio), inner(random._log)


@inner
def key(seed, stream, step):
    """`random.key` of three unsigned 64-bit numbers."""
    return mix(mix(mix(seed) ^ stream) ^ np.uint64(step))


@inner
def word(key, index):
    """Draw number `index` of a key: 64 random bits."""
    return mix(key + np.uint64(index) * _GAMMA)


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
    r = math.sqrt(-_log(*math.frexp(u if q < 0 else 1.0 - u)))
    value = _ratio(_E, _F, r - 5.0) if r > 5.0 else _ratio(_C, _D, r - 1.6)
    return -value if q < 0 else value
