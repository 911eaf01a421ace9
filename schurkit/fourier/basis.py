"""The real Fourier basis on Z_p, and how a table over residues shares its energy among the
frequencies.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from schurkit.checks import InputError, integer, number, read_only, real_array

KEY_SHARE = 0.01
"""Share of the energy of a table from which a frequency counts as a key; see `key_frequencies`."""


def fourier_basis(p: int) -> np.ndarray:
    """Real orthonormal Fourier basis of functions on Z_p: 1/√p, then √(2/p) cos(2πka/p) and √(2/p)
    sin(2πka/p) for k = 1 … (p − 1)/2.

    Parameters
    ----------
    p : odd modulus, at least 3.

    Returns
    -------
    (p, p) float64, read-only, one function a row: row 0 the constant, rows 2k − 1 and 2k the cosine
    and sine of frequency k.

    Examples
    --------
    >>> F = fourier_basis(7)
    >>> bool(abs(F @ F.T - np.eye(7)).max() < 1e-14)
    True
    """
    return _basis(_odd(p))


@lru_cache(maxsize=8)
def _basis(p: int) -> np.ndarray:
    k, a = np.arange(1, (p + 1) // 2), np.arange(p)
    # Reduced first, so that the angles are exact for any k and a
    angle = 2 * np.pi * ((k[:, None] * a) % p) / p
    rows = np.sqrt(2 / p) * np.stack([np.cos(angle), np.sin(angle)], axis=1).reshape(p - 1, p)
    return read_only(np.concatenate([np.full((1, p), p**-0.5), rows]))


def frequency_rows(p: int, frequencies) -> np.ndarray:
    """(2 · frequencies, p) the cosines and sines of the given frequencies, as rows of
    `fourier_basis`.
    """
    frequencies = check_frequencies(frequencies, p)
    return fourier_basis(p)[np.stack([2 * frequencies - 1, 2 * frequencies], axis=1).ravel()]


def frequency_energies(table) -> np.ndarray:
    """Share of the energy of a table over residues that each frequency holds.

    e_k = (‖c_kᵀM‖² + ‖s_kᵀM‖²) / Σ_{j ≥ 1}(same), c_k and s_k the cosine and sine of
    `fourier_basis`; the constant is left out.

    Parameters
    ----------
    table : (p, columns) or (networks, p, columns), p odd: a value for each residue. Say which
        table: W_in, φ(W_in) and W_out differ.

    Returns
    -------
    ((p − 1)/2,) or (networks, (p − 1)/2), for k = 1 …; they sum to 1.

    Raises
    ------
    InputError : p even, or a table that is the same for all residues, which has no frequencies.

    Source: N. Nanda et al., arXiv:2301.05217, §4.1.
    """
    table = real_array(table, "table")
    if table.ndim not in (2, 3):
        raise InputError(
            f"table must have axes (p, columns) or (networks, p, columns); got shape {table.shape}."
        )
    parts = energies(table.astype(np.float64))
    total = parts.sum(axis=-1, keepdims=True)
    scale = np.square(table.astype(np.float64)).sum(axis=(-2, -1))[..., None]
    if not (total > 1e-24 * scale).all() or not (scale > 0).all():
        raise InputError(
            "frequency energies are undefined: the table is the same for all residues."
        )
    return parts / total


def energies(table: np.ndarray) -> np.ndarray:
    """‖c_kᵀM‖² + ‖s_kᵀM‖² of tables (…, p, columns), (…, (p − 1)/2)."""
    squares = np.square(fourier_basis(table.shape[-2])[1:] @ table).sum(axis=-1)
    return squares.reshape(*squares.shape[:-1], -1, 2).sum(axis=-1)


def key_frequencies(table, threshold: float = KEY_SHARE) -> np.ndarray:
    """Frequencies that hold at least `threshold` of a table's energy (by `frequency_energies`), the
    strongest first.

    Parameters
    ----------
    table : (p, columns), e.g. the input table of a network. (W_out also holds second harmonics 2k
        mod p, which are no keys.)
    threshold : share of the energy a frequency needs. Equal shares at p = 113 would be 1/56 = .018
        each, so an untrained table has most frequencies as keys: the count says how sparse a table
        is, and what is left out holds little.

    Returns
    -------
    (keys,) whole numbers from 1 to (p − 1)/2; empty if no frequency reaches the threshold.
    """
    shares = frequency_energies(real_array(table, "table", ("p", "columns")))
    order = np.argsort(-shares, kind="stable")
    return order[shares[order] >= number(threshold, "threshold", above=0, at_most=1)] + 1


def frequencies_needed(shares, level: float = 0.95) -> np.ndarray | int:
    """How many of the strongest frequencies hold at least a given share of the energy: the least n
    with Σ of the n largest shares ≥ level.

    Parameters
    ----------
    shares : (frequencies,) or (networks, frequencies), from `frequency_energies`.
    level : share to reach, in (0, 1].

    Returns
    -------
    A whole number, or (networks,) of them.

    Examples
    --------
    >>> frequencies_needed([0.5, 0.1, 0.4], 0.9), frequencies_needed([0.5, 0.1, 0.4], 0.95)
    (2, 3)
    """
    shares = real_array(shares, "shares", dtype=np.float64)
    level = number(level, "level", above=0, at_most=1)
    if (
        shares.ndim not in (1, 2)
        or not shares.size
        or (shares < 0).any()
        or np.abs(shares.sum(axis=-1) - 1).max() > 1e-6
    ):
        raise InputError(
            "shares must be nonnegative and sum to 1 over (frequencies,) or (networks, "
            f"frequencies); got shape {shares.shape}."
        )
    held = np.cumsum(np.sort(shares, axis=-1)[..., ::-1], axis=-1)
    needed = (held >= level - 1e-12).argmax(axis=-1) + 1  # the last sum is 1 but for rounding
    return int(needed) if shares.ndim == 1 else needed


def unit_purity(table) -> float:
    """How far units belong to single frequencies: the share of a table's energy that lies in each
    unit's own strongest frequency.

    Σ_units max_k e_k(unit) / Σ_units Σ_k e_k(unit), so that units count by their energy. A random
    rotation of the units keeps the frequencies of the table and mixes them within units: the
    control to compare with.

    Parameters
    ----------
    table : (p, units), e.g. the input table of a network.

    Returns
    -------
    float, 1 if every unit holds one frequency alone.
    """
    table = real_array(table, "table", ("p", "units"), dtype=np.float64)
    frequency_energies(table)  # refuses a table without frequencies
    by_unit = energies(table.T[:, :, None])
    return float(by_unit.max(axis=1).sum() / by_unit.sum())


def gini(values) -> float:
    """Gini coefficient of nonnegative values, Σ_i (2i − n − 1) x_i / (n Σ x) for x_1 ≤ … ≤ x_n: 0
    for equal values, 1 − 1/n for a single one.

    Examples
    --------
    >>> gini([1, 1, 1]), gini([0, 0, 0, 1])
    (0.0, 0.75)
    """
    values = np.sort(real_array(values, "values", ("frequencies",), dtype=np.float64))
    n, total = len(values), values.sum()
    if n == 0 or values[0] < 0 or not total > 0:
        raise InputError("gini needs nonnegative values that are not all zero.")
    return float(((2 * np.arange(1, n + 1) - n - 1) * values).sum() / (n * total))


def check_frequencies(frequencies, p: int) -> np.ndarray:
    """Whole numbers from 1 to (p − 1)/2, each once, as an array."""
    found = np.asarray(frequencies)
    found = found.astype(np.int64) if found.size == 0 else found
    highest = (_odd(p) - 1) // 2
    if found.ndim != 1 or found.dtype.kind not in "iu" or len(set(found.tolist())) != len(found):
        raise InputError(
            f"frequencies must be different whole numbers from 1 to {highest}; got {frequencies!r}."
        )
    if found.size and not 1 <= found.min() <= found.max() <= highest:
        raise InputError(
            f"frequencies must lie between 1 and {highest} for p = {p}; got {found.tolist()}."
        )
    return found


def check_count(count, name: str, p: int) -> int:
    """A number of frequencies, from 1 to the (p − 1)/2 that there are; `name` is what a refusal
    calls it.
    """
    highest = (_odd(p) - 1) // 2
    if integer(count, name, at_least=1) > highest:
        raise InputError(
            f"{name} = {count} is more than there are frequencies: p = {p} has {highest}. Take a "
            "larger p, or fewer."
        )
    return int(count)


def _odd(p) -> int:
    if integer(p, "p", at_least=3) % 2 == 0:
        raise InputError(
            f"the Fourier basis here needs an odd p; got {p}. Take an odd modulus (a prime, if "
            "frequencies are to be alike)."
        )
    return int(p)
