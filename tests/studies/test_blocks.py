"""Rows on waves and blocks: a planted multiplier is recognised, removals have the norm they say."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from helpers import gauss, random_rnn
from test_schur_fourier import KEYS, P, multiplier, planted

import schurkit as sk
from schurkit.fourier import schur as sf
from schurkit.studies import blocks
from schurkit.views import waves

SIZE = 24


def test_a_frequency_without_a_plane_is_no_key():
    _, table, _ = planted()
    one = random_rnn(networks=1, hidden=SIZE, inputs=P, outputs=P, activation="relu")
    one = replace(one, W_in=table.T[None].astype(one.dtype))
    found = blocks.keys_with_planes(one, {"read": table, "state": table}, 0.01)
    assert sorted(found) == KEYS
    assert not len(blocks.keys_with_planes(one, {"read": table, "state": 0 * table}, 0.01))


def test_planted_planes_are_held_by_the_schur_vectors_alone():
    W, table, _ = planted()
    rows = list(blocks.overlaps(sk.real_schur(W), KEYS, {"read": table}, 2, 1))
    share = {name: [r["share"] for r in rows if r["coordinates"] == name] for name in sf.FAMILIES}
    assert share["Schur"] == pytest.approx([1, 1]) and max(share["random"]) < 0.6
    assert all(row["best"] == pytest.approx(1) for row in rows if row["coordinates"] == "Schur")


def test_the_law_of_a_multiplier_goes_with_other_units():
    one, read, state, slopes = multiplier()
    tables = {"read": read, "state": state}
    rows = pd.DataFrame(list(blocks.turning(one, slopes, [3], tables, 0)))
    law = waves.resultants(rows.assign(networks="mine", network=0)).set_index("turned").resultant
    assert law["keys"] == pytest.approx(1) and law["numbers shuffled"] < 0.9
    assert set(rows.turned) == {"keys", "numbers shuffled"}  # it holds no other frequency


def test_blocks_of_a_planted_rotation():
    W, table, _ = planted(angles=(4 * np.pi / P, 10 * np.pi / P))
    tables = dict.fromkeys(sf.PLACES, table)
    one = random_rnn(networks=1, hidden=SIZE).with_W_rec(W[None].astype(np.float32))
    found = blocks.blocks_of(one, np.ones((P, SIZE)), np.array(KEYS), tables)
    assert found["written on read"] == found["state on readout"] == pytest.approx(1)
    assert found["read plane invariant"] == found["the same, gated"] > 0.9
    assert found["angle to keys"] < 1e-5 < 0.1 < found["angle to others"]


def test_removals_have_the_norm_they_say():
    form = sk.real_schur(gauss(SIZE, SIZE))
    cases, size = list(blocks.removals(form, [0.5], 2, 0)), np.linalg.norm(form.W_rec)
    assert {name for name, *_ in cases} == {"intact", "RR", "CR", "CC", *blocks.REMOVED}
    for name, _, mass, whole, change in cases:
        assert np.linalg.norm(change) == pytest.approx(mass * size, abs=1e-6), name
        assert not whole or mass == form.removed_mass(form.N)
    (every,) = (c for name, _, _, whole, c in cases if whole and name == "all couplings")
    assert every == pytest.approx(form.weights(form.N))
    diagonal = sk.real_schur(np.diag(np.arange(1.0, 5)))
    assert [case[0] for case in blocks.removals(diagonal, [], 2, 0)] == ["intact"]


def test_effects_are_named_and_selectivity_of_none_is_undefined():
    one = random_rnn(networks=1, hidden=12, inputs=P, outputs=P, activation="relu")
    found = blocks.effects(one, sk.real_schur(one.W_rec[0]), np.array(KEYS), 3, 0)
    couplings = ("coupling", "coupling, other order", "coupling, range alone", "random coupling")
    shapes = dict.fromkeys(couplings, (3, 2))
    shapes |= {"one frequency": (2, 2), "singular component": (4, 2)}
    assert {name: e.shape for name, e in found.items()} == shapes
    assert np.isnan(blocks.mean_selectivity(np.empty((0, 2))))
    assert blocks.mean_selectivity(np.array([[0.0, -2.0], [3.0, 0.0]])) == 1
