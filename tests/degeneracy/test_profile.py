"""Distances between ablation profiles."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from helpers import messages, stack_of

from schurkit import ablation_profile
from schurkit.degeneracy import profile_distances

STACK, TRIALS, _ = stack_of(3)
PROFILE = ablation_profile(STACK, TRIALS, controls=())


@pytest.mark.parametrize(
    "transform, phi",
    [("signed log", lambda x: np.sign(x) * np.log(1 + abs(x))), ("none", lambda x: x)],
)
def test_by_hand(transform, phi):
    found = profile_distances(PROFILE, transform=transform)
    assert found.subsets == ("RR", "CR", "CC", "RR+CR", "RR+CC", "CR+CC", "RR+CR+CC")
    assert found.labels == (0, 1, 2) and found.metric == "FVU"
    effects = phi(PROFILE.effect)
    expected = np.sqrt(((effects[:, None] - effects) ** 2).mean(axis=2))
    assert found.values == pytest.approx(expected, abs=1e-12)
    assert found.spread == pytest.approx(effects.std(axis=0))


def test_an_empty_sector_is_left_out_and_not_an_effect_of_zero():
    mass, effect = PROFILE.removed_mass.copy(), PROFILE.effect.copy()
    mass[0, 0], effect[0, 0] = 0, 0
    found = plain(replace(PROFILE, removed_mass=mass, effect=effect))
    rest = np.sqrt(((effect[0, 1:] - effect[1, 1:]) ** 2).mean())
    assert found.values[0, 1] == pytest.approx(rest) and np.isnan(found.effects[0, 0])
    assert found.spread[0] == pytest.approx(effect[1:, 0].std())
    whole = plain(PROFILE)
    assert found.values[1, 2] == whole.values[1, 2]


plain = partial(profile_distances, transform="none")
test_messages = messages(
    (plain, ablation_profile(STACK[0], TRIALS, controls=()), "at least two networks; got 1"),
    (plain, replace(PROFILE, effect=np.full((3, 7), np.inf)), "it diverged"),
    (plain, replace(PROFILE, removed_mass=np.zeros((3, 7))), "no removal in common"),
    (
        lambda: plain(PROFILE, transform="log"),
        "transform must be one of 'signed log', 'none'; got 'log'",
    ),
)
