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
}


def test_it_is_training_and_ablation_and_each_seed_has_its_own_row():
    rows = network_profile(seeds=[5, 1], hidden_size=12, threshold=0.99, test_trials=32, **SMALL)
    task, kinds = Copy(2, 2, replay=4), ("permuted", "matched", "block-upper")
    trained = train(task, suite_recipe(12, 40), [5, 1])
    options = {"metric": task.metric, "threshold": 0.99, "controls": kinds, "draws": 3}
    profile = ablation_profile(trained.rnn, task.test_trials(32, REPORTED), **options)
    for i, found in enumerate(rows):
        assert found["score"] == trained.scores[i]
        assert found["converged"] is bool(trained.converged[i])
        assert found["n_leading"] == real_schur(trained.rnn.W_rec[i], 0.99).n_leading
        for removed in ("RR", "CR", "CC", "RR+CR+CC"):
            k, short = profile.removed.index(removed), "all" if "+" in removed else removed
            assert found[f"reads_{short}"] == profile[removed].readings[i]
            drawn = {kind: draws[i, k].mean() for kind, draws in profile.controls.items()}
            for kind, value in ({"delta": profile.effect[i, k]} | drawn).items():
                assert found[f"{kind}_{short}"] == pytest.approx(value, rel=1e-12, nan_ok=True)
    assert rows[0]["radius"] != rows[1]["radius"]
    assert all(draws.shape == (2, 7, 3) for draws in profile.controls.values())


def test_an_empty_sector_is_undefined():
    found = network_profile(0, hidden_size=12, threshold=1.0, test_trials=32, **SMALL)
    assert found["n_leading"] <= 2  # one block: there is nothing inside R
    assert np.isnan([found["delta_RR"], found["matched_RR"]]).all() and found["reads_RR"] == "∅"
    assert np.isfinite(found["delta_CC"])


def test_a_profile_is_measured_on_256_trials_unless_said_otherwise():
    default, more, less = (
        network_profile(5, hidden_size=12, **SMALL | changes)
        for changes in ({}, {"test_trials": 256}, {"test_trials": 64})
    )
    assert default == more != less
