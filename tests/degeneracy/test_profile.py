"""Distances between ablation profiles."""

from dataclasses import replace

import numpy as np
import pytest
from helpers import planted, self_trials

from schurkit import RNN, InputError, Profile, ablation_profile
from schurkit.degeneracy import nulls, profile_distances

STACK = RNN.stack([planted(seed)[0] for seed in range(3)])
TRIALS = self_trials(STACK[0])
PROFILE = ablation_profile(STACK, TRIALS, controls=())


@pytest.mark.parametrize("transform", ["signed log", "none"])
def test_by_hand(transform):
    found = profile_distances(PROFILE, transform=transform)
    assert (
        found.subsets == ("RR", "CR", "CC", "RR+CR", "RR+CC", "CR+CC", "RR+CR+CC")
        and found.labels == (0, 1, 2)
        and found.metric == "FVU"
    )
    phi = (
        (lambda x: np.sign(x) * np.log(1 + abs(x))) if transform == "signed log" else (lambda x: x)
    )
    for a in range(3):
        for b in range(3):
            squares = [
                (phi(PROFILE.effect[a, s]) - phi(PROFILE.effect[b, s])) ** 2 for s in range(7)
            ]
            assert found.values[a, b] == pytest.approx(np.sqrt(np.mean(squares)), abs=1e-12)
    assert np.array_equal(found.values, found.values.T) and not np.diag(found.values).any()
    assert found.spread[0] == pytest.approx(np.std(phi(PROFILE.effect[:, 0])))


def test_permuted_copies_are_at_no_distance():
    copies = ablation_profile(
        replace(nulls.permuted_copies(STACK), labels=("a", "b", "c")), TRIALS, controls=()
    )
    found = profile_distances(Profile.stack([PROFILE, copies]), transform="signed log").values
    between = found[np.triu_indices(3, 1)].mean()
    assert np.diag(found[:3, 3:]).max() < 1e-3 * between


def test_an_empty_sector_is_left_out_and_not_an_effect_of_zero():
    mass, effect = PROFILE.removed_mass.copy(), PROFILE.effect.copy()
    mass[0, 0], effect[0, 0] = 0, 0
    found = profile_distances(replace(PROFILE, removed_mass=mass, effect=effect), transform="none")
    rest = np.sqrt(((effect[0, 1:] - effect[1, 1:]) ** 2).mean())
    assert found.values[0, 1] == pytest.approx(rest) and np.isnan(found.effects[0, 0])
    assert (
        found.spread[0] == pytest.approx(effect[1:, 0].std())
        and found.values[1, 2] == profile_distances(PROFILE, transform="none").values[1, 2]
    )


@pytest.mark.parametrize(
    "profile, message",
    [
        (ablation_profile(STACK[0], TRIALS, controls=()), "at least two networks; got 1"),
        (replace(PROFILE, effect=np.full((3, 7), np.inf)), "it diverged"),
        (replace(PROFILE, removed_mass=np.zeros((3, 7))), "no removal in common"),
    ],
)
def test_messages(profile, message):
    with pytest.raises(InputError, match=message):
        profile_distances(profile, transform="none")


def test_the_transform_is_asked_for():
    with pytest.raises(
        InputError, match="transform must be one of 'signed log', 'none'; got 'log'"
    ):
        profile_distances(PROFILE, transform="log")
