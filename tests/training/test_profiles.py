"""One row a network: what `network_profile` returns is what the pieces give by themselves."""

import math

import pytest

from schurkit import InputError, Recipe, ablation_profile, real_schur, train
from schurkit.studies.profiles import network_profile
from schurkit.tasks import Copy
from schurkit.training import Phase

SMALL = {
    "task": "copy",
    "task_fields": '{"symbols": 2, "channels": 2, "replay": 4}',
    "training_steps": 40,
    "draws": 3,
    "test_trials": 32,
}


def test_it_is_training_and_ablation():
    found = network_profile(5, hidden_size=12, threshold=0.99, **SMALL)
    task = Copy(2, 2, replay=4)
    trained = train(task, Recipe(hidden_size=12, phases=(Phase(40, 1e-3),)), [5])
    kinds = ("permuted", "matched", "block-upper")
    profile = ablation_profile(
        trained.rnn,
        task.test_trials(32),
        metric=task.metric,
        threshold=0.99,
        controls=kinds,
        draws=3,
    )
    assert found["score"] == trained.scores[0] and found["converged"] is bool(trained.converged[0])
    assert found["n_leading"] == real_schur(trained.rnn.W_rec[0], 0.99).n_leading
    for short, removed in (("RR", "RR"), ("CR", "CR"), ("CC", "CC"), ("all", "RR+CR+CC")):
        k = profile.removed.index(removed)
        assert (
            found[f"delta_{short}"] == profile.effect[0, k]
            and found[f"reads_{short}"] == profile[removed].readings[0]
        )
        for kind in kinds:
            assert found[f"{kind}_{short}"] == profile.controls[kind][
                0, k
            ].mean() and profile.controls[kind].shape == (1, 7, 3)


def test_a_stack_gives_each_seed_its_own_numbers():
    alone = [network_profile(seed, hidden_size=12, **SMALL) for seed in (3, 1)]
    for one, other in zip(
        network_profile(seeds=[3, 1], hidden_size=12, **SMALL), alone, strict=True
    ):
        words = {name for name, value in other.items() if isinstance(value, str)}
        assert {name: one[name] for name in words} == {
            name: other[name] for name in words
        } and one.keys() == other.keys()
        numbers = {name: value for name, value in other.items() if name not in words}
        assert {name: one[name] for name in numbers} == pytest.approx(
            numbers, rel=1e-4, abs=1e-6, nan_ok=True
        )
    assert alone[0]["radius"] != alone[1]["radius"]


def test_an_empty_sector_is_undefined():
    found = network_profile(0, hidden_size=12, threshold=1.0, **SMALL)
    assert found["n_leading"] <= 2  # one block: there is nothing inside R
    assert (
        math.isnan(found["delta_RR"])
        and math.isnan(found["matched_RR"])
        and found["reads_RR"] == "∅"
    )
    assert math.isfinite(found["delta_CC"])


def test_an_unknown_task_is_refused():
    with pytest.raises(InputError, match="a task is one of"):
        network_profile(0, task="nap")


def test_a_profile_is_measured_on_256_trials_unless_said_otherwise():
    small = {name: value for name, value in SMALL.items() if name != "test_trials"}
    default = network_profile(5, hidden_size=12, **small)
    assert default == network_profile(5, hidden_size=12, test_trials=256, **small)
    assert default != network_profile(5, hidden_size=12, test_trials=64, **small)
