"""One row a network: what `network_profile` returns is what the pieces give by themselves."""

import numpy as np
import pytest

from schurkit import ablation_profile, real_schur, train
from schurkit.studies.profiles import REPORTED, network_profile
from schurkit.tasks import Copy
from schurkit.training import suite_recipe

SMALL = {
    "task": "copy",
    "task_fields": '{"symbols": 2, "channels": 2, "replay": 4}',
    "training_steps": 40,
    "draws": 3,
    "test_trials": 32,
}


def test_it_is_training_and_ablation():
    found, task = profile_of(5, threshold=0.99), Copy(2, 2, replay=4)
    trained = train(task, suite_recipe(12, 40), [5])
    kinds = ("permuted", "matched", "block-upper")
    options = {"metric": task.metric, "threshold": 0.99, "controls": kinds, "draws": 3}
    profile = ablation_profile(trained.rnn, task.test_trials(32, REPORTED), **options)
    assert found["score"] == trained.scores[0] and found["converged"] is bool(trained.converged[0])
    assert found["n_leading"] == real_schur(trained.rnn.W_rec[0], 0.99).n_leading
    for removed in ("RR", "CR", "CC", "RR+CR+CC"):
        k, short = profile.removed.index(removed), "all" if "+" in removed else removed
        assert found[f"delta_{short}"] == profile.effect[0, k]
        assert found[f"reads_{short}"] == profile[removed].readings[0]
        for kind, drawn in profile.controls.items():
            assert found[f"{kind}_{short}"] == drawn[0, k].mean() and drawn.shape == (1, 7, 3)


def test_a_stack_gives_each_seed_its_own_numbers():
    together = network_profile(seeds=[3, 1], hidden_size=12, **SMALL)
    for one, seed in zip(together, (3, 1), strict=True):
        alone = profile_of(seed)
        words = {name: value for name, value in alone.items() if isinstance(value, str)}
        numbers = {name: value for name, value in alone.items() if name not in words}
        assert one.keys() == alone.keys() and words == {name: one[name] for name in words}
        mine = {name: one[name] for name in numbers}
        assert mine == pytest.approx(numbers, rel=1e-4, abs=1e-6, nan_ok=True)
    assert together[0]["radius"] != together[1]["radius"]


def test_an_empty_sector_is_undefined():
    found = profile_of(threshold=1.0)
    assert found["n_leading"] <= 2  # one block: there is nothing inside R
    assert np.isnan([found["delta_RR"], found["matched_RR"]]).all() and found["reads_RR"] == "∅"
    assert np.isfinite(found["delta_CC"])


def test_a_profile_is_measured_on_256_trials_unless_said_otherwise():
    small = {name: value for name, value in SMALL.items() if name != "test_trials"}
    default, more, less = (
        network_profile(5, hidden_size=12, **small | changes)
        for changes in ({}, {"test_trials": 256}, {"test_trials": 64})
    )
    assert default == more != less


def profile_of(seed=0, **changes):
    return network_profile(seed, hidden_size=12, **SMALL | changes)
