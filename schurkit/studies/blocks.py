"""Waves and Schur blocks of one network, side by side: overlaps of planes, the turns of waves, what
single couplings and whole sectors do; rows for tables and figures.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from schurkit import random
from schurkit.ablation import control_changes
from schurkit.ablation.rivals import rival_change
from schurkit.checks import InputError
from schurkit.fourier import key_frequencies, schur, without_input_frequencies
from schurkit.rnn import RNN
from schurkit.schur import SECTORS, SchurForm, real_schur

REMOVED = (
    "all couplings",
    "smallest singular values",
    "singular values, random order",
    "random block-upper",
    "all of W_rec, by a factor",
)
"""What `removals` takes away, beside the sectors."""
TURNED = ("keys", "numbers shuffled", "other frequencies")
MASSES = (0.2, 0.4, 0.6, 0.7, 0.8)


def keys_with_planes(rnn: RNN, tables: dict[str, np.ndarray], share: float) -> np.ndarray:
    """The key frequencies of W_in that have a plane in each of some tables, the strongest first.

    share : see `schurkit.fourier.key_frequencies`.
    """
    keys = key_frequencies(rnn.W_in[0].T, share)
    return keys[[all(has_plane(table, k) for table in tables.values()) for k in keys]]


def has_plane(table, frequency: int) -> bool:
    """Whether a table (p, hidden) holds two directions of a frequency."""
    try:
        return len(schur.frequency_planes(table, [frequency])) == 1
    except InputError:
        return False


def overlaps(form: SchurForm, keys, tables, draws: int, seed: int) -> Iterator[dict]:
    """How much of the keys' planes lies in 2K leading coordinates ("share"), and overlaps the one
    plane that suits best ("best"): a row a place, family of `schurkit.fourier.schur.coordinates`
    and draw; means over keys.
    """
    leading = min(2 * len(keys), form.hidden_size) - 1
    planes = {place: schur.frequency_planes(table, keys) for place, table in tables.items()}
    for draw in range(draws):
        for family, (Q, sizes) in schur.coordinates(form, seed, draw).items():
            columns = schur.column_planes(Q, sizes)
            for place, mine in planes.items():
                share = schur.leading_share(mine, Q)[:, leading].mean()
                row = {"place": place, "coordinates": family, "draw": draw, "share": share}
                yield row | {"best": schur.best_overlap(mine, columns).mean()}


def turning(rnn: RNN, slopes, keys, tables, seed: int) -> Iterator[dict]:
    """`schurkit.fourier.schur.turns` of the keys, with the units that a number opens and with those
    of another number (control), and of up to five other frequencies: a row a frequency and number,
    angles in radians from 0 to 2π.
    """
    p = len(slopes)
    others = np.setdiff1d(np.arange(1, (p + 1) // 2), keys)
    others = [k for k in others if all(has_plane(tables[at], k) for at in ("read", "state"))][:5]
    mixed = slopes[random.permutation(seed, "numbers shuffled", 0, p)]
    for who, D, those in zip(TURNED, (slopes, mixed, slopes), (keys, keys, others)):
        found = schur.turns(rnn, D, tables["read"], tables["state"], those)
        for k, row in zip(those, found):
            for b, z in enumerate(row):
                wanted = 2 * np.pi * (k * b % p) / p
                angle = (wanted + np.angle(z)) % (2 * np.pi)
                names = "turned", "frequency", "number", "wanted", "angle", "size"
                yield dict(zip(names, (who, int(k), b, wanted, angle, abs(z))))


def blocks_of(rnn: RNN, slopes, keys, tables) -> dict[str, float]:
    """What rotation blocks of the keys would show in W_rec of one network: invariance of the planes
    that it reads, its own and with mean slopes ("gated"); overlaps of the planes of one frequency;
    distances in radians of the angles w of keys and of others to the nearest of the 2K leading
    eigenvalues of diag(slopes) W_rec.
    """
    W_rec = rnn.W_rec[0].astype(np.float64)
    gated = slopes.mean(axis=0)[:, None] * W_rec
    at = {place: schur.frequency_planes(table, keys) for place, table in tables.items()}
    gaps = schur.angle_gaps(real_schur(gated).eigenvalues[: 2 * len(keys)], len(slopes))
    others = np.delete(gaps, keys - 1)
    found = {
        "read plane invariant": schur.invariance(W_rec, at["read"]).mean(),
        "the same, gated": schur.invariance(gated, at["read"]).mean(),
    }
    for one, other in (("written", "read"), ("state", "readout")):
        inner = np.einsum("khi,khj->kij", at[one], at[other])
        found[f"{one} on {other}"] = np.square(inner).sum(axis=(1, 2)).mean() / 2
    found["angle to keys"] = gaps[keys - 1].mean()
    return found | {"angle to others": others.mean() if len(others) else np.nan}


def effects(rnn: RNN, form: SchurForm, keys, count: int, seed: int) -> dict[str, np.ndarray]:
    """Relative effects of single removals on the amplitudes of the keys, (removals, keys) by name;
    see `schurkit.fourier.schur.relative_effects`.

    Couplings, the `count` strongest, with their controls: in another order of nearly tied blocks,
    those of equal norm with the same range alone, in random coordinates; single singular
    components; and frequencies taken out of the input.
    """
    U, s, Vt = np.linalg.svd(form.W_rec)
    strongest = schur.strongest_couplings(form, count)
    order = form.with_threshold(0).random_order(seed, tie=0.05)
    O = schur.haar(form.hidden_size, seed, 7)
    within = real_schur(form.W_rec @ O)
    same = [within.weights(delta) for delta in schur.strongest_couplings(within, count)]
    sizes = [np.linalg.norm(delta) for delta in strongest]
    components = range(min(2 * len(keys), len(s)))
    changes = {
        "singular component": [s[i] * np.outer(U[:, i], Vt[i]) for i in components],
        "coupling": [form.weights(delta) for delta in strongest],
        "coupling, other order": [
            order.weights(delta) for delta in schur.strongest_couplings(order, count)
        ],
        "coupling, range alone": [
            delta * (size / np.linalg.norm(delta)) for delta, size in zip(same, sizes)
        ],
        "random coupling": [O @ delta @ O.T for delta in strongest],
    }
    alone = [schur.amplitudes(without_input_frequencies(rnn, [k]), keys) for k in keys]
    by_input = {"one frequency": np.array(alone) / schur.amplitudes(rnn, keys) - 1}
    return by_input | {
        name: schur.relative_effects(rnn, those, keys) for name, those in changes.items()
    }


def mean_selectivity(found) -> float:
    """Mean `schurkit.fourier.schur.selectivity` of effects (removals, keys), each key in units of
    its own typical effect; NaN without any effect.
    """
    scale = np.sqrt(np.square(found).mean(axis=0)) if len(found) else np.ones(found.shape[1])
    values = schur.selectivity(found / np.where(scale > 0, scale, 1))
    return float(np.nanmean(values)) if np.isfinite(values).any() else np.nan


def removals(form: SchurForm, thresholds, draws: int, seed: int) -> Iterator[tuple]:
    """(name, threshold, mass, all, change) of everything that is taken out of one W_rec: nothing;
    the sectors at each threshold; all couplings by a factor, up to all of them (`all`), and beside
    them, at the same norm, `REMOVED`.
    """
    N, whole = form.weights(form.N), form.removed_mass(form.N)
    yield "intact", np.nan, 0.0, False, np.zeros_like(N)
    for cut in map(form.with_threshold, thresholds):
        for name in SECTORS:
            delta = cut.sector(name)
            yield name, cut.threshold, cut.removed_mass(delta), False, cut.weights(delta)
    if not whole:
        return
    upper = control_changes(form, SECTORS, "block-upper", draws, seed)
    for mass in (*(m for m in MASSES if m < whole), whole):
        at, W = (np.nan, mass, mass == whole), form.W_rec
        yield "all couplings", *at, mass / whole * N
        yield "smallest singular values", *at, rival_change(W, mass, "svd")
        yield "all of W_rec, by a factor", *at, mass * W
        for draw in range(draws):
            yield "singular values, random order", *at, schur.singular_change(W, mass, seed, draw)
            yield "random block-upper", *at, mass / whole * upper[draw]
