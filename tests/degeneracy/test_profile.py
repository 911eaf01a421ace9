"""Distances between ablation profiles."""

from dataclasses import replace

import numpy as np
import pytest
from helpers import random_rnn, random_trials

from schurkit import InputError, ablation_profile
from schurkit.degeneracy import nulls, profile_distances

RNN, TRIALS = random_rnn(3), random_trials()
ROWS = ablation_profile(RNN, TRIALS, draws=1)


@pytest.mark.parametrize("transform", ["signed log", "none"])
def test_by_hand(transform):
    found = profile_distances(ROWS, transform=transform)
    assert found.subsets == ("RR", "CR", "CC", "RR+CR", "RR+CC", "CR+CC", "RR+CR+CC") and found.labels == (0, 1, 2) and found.metric == "FVU"
    effects = {(row.network, row.removed): np.nan if row.delta is None else row.delta for row in ROWS if row.kind == "removal"}
    empty = [key for key, effect in effects.items() if np.isnan(effect)]
    assert 0 < len(empty) < len(effects), "some sectors have to be empty for this test to say anything"
    phi = (lambda x: np.sign(x) * np.log(1 + abs(x))) if transform == "signed log" else (lambda x: x)
    for a in range(3):
        for b in range(3):
            squares = [(phi(effects[a, s]) - phi(effects[b, s])) ** 2 for s in found.subsets if not {(a, s), (b, s)} & set(empty)]
            assert found.values[a, b] == pytest.approx(np.sqrt(np.mean(squares)), abs=1e-12)
    assert np.array_equal(found.values, found.values.T) and not np.diag(found.values).any()
    there = [phi(effects[a, "RR"]) for a in range(3) if (a, "RR") not in empty]
    assert found.spread[0] == pytest.approx(np.std(there)) if there else np.isnan(found.spread[0])
    assert all(np.isnan(found.effects[a, found.subsets.index(s)]) for a, s in empty if s != "none")


def test_permuted_copies_are_at_no_distance():
    copies = ablation_profile(replace(nulls.permuted_copies(RNN), labels=("a", "b", "c")), TRIALS, draws=1)
    found = profile_distances([*ROWS, *copies], transform="signed log").values
    between = found[np.triu_indices(3, 1)].mean()
    assert np.diag(found[:3, 3:]).max() < 1e-3 * between


@pytest.mark.parametrize(
    "rows, message",
    [
        ([], "at least two networks in one metric; got 0 networks"),
        ([row for row in ROWS if row.network == 0], "got 1 networks"),
        ([*ROWS, *ROWS], "two rows for the removal"),
        ([*ROWS, replace(ROWS[-1], metric="other", kind="removal")], "2 metrics"),
        ([row for row in ROWS if (row.network, row.removed) != (1, "CC")], "network 1 lacks the removal of CC"),
        ([replace(row, delta=None, removed_mass=0.1) for row in ROWS], "it diverged"),
        ([replace(row, delta=None, removed_mass=0.0) for row in ROWS], "share no subset that holds couplings in both"),
    ],
)
def test_messages(rows, message):
    with pytest.raises(InputError, match=message):
        profile_distances(rows, transform="none")


def test_the_transform_is_asked_for():
    with pytest.raises(InputError, match="transform must be one of 'signed log', 'none'; got 'log'"):
        profile_distances(ROWS, transform="log")
