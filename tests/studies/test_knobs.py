"""The settings of the knobs, what is measured in one, and the ends that are compared."""

from dataclasses import replace

import numpy as np
import pytest

from schurkit import InputError, rollout
from schurkit.ablation import ablation_profile
from schurkit.claims import load_claims
from schurkit.degeneracy import dsa_distances, operators_of, pif_distances, profile_distances
from schurkit.studies import (
    KNOBS,
    SAMPLES,
    TASKS,
    Design,
    Dynamics,
    contrast,
    levels,
    mup_recipe,
    paper_measures,
    run,
)
from schurkit.tasks import FlipFlop
from schurkit.training import Store, degeneracy_recipe, initial

BRIEF = {"probes": 4, "test_trials": 16}
SMALL = {
    "networks": 3,
    "hidden_size": 12,
    "mup_tasks": ("flip_flop",),
    "gammas": (1.0, 2.0),
    "widths": (12, 16),
    "auxiliary": False,
    **dict.fromkeys(("tasks", "delays", "nuclear", "l1"), ()),
}


def test_each_knob_turns_one_thing_and_the_design_is_of_the_papers_size():
    design = Design()
    for knob in KNOBS:
        for task in TASKS:
            mine = [s for s in design.settings if (s.knob, s.task) == (knob.id, task)]
            sides = [vars(s.study.task) | vars(s.study.recipe) for s in mine]
            changed = {name for one in sides for name in one if one[name] != sides[0][name]}
            assert len(changed) == (1 if mine else 0), (knob.id, task, changed)
            assert [s.level for s in mine] == sorted({s.level for s in mine})
    assert 60 <= len(design.settings) <= 75 and len(design.studies) < len(design.settings)
    assert all(len(study.seeds) == 50 == design.networks for study in design.studies)


QUICK = Dynamics(rank=4, delays=2, starts=8, trials=8, others=((1, 4), (2, 60)))


# ----------------------------------------------------------------------------------------- settings


def test_signs_are_those_of_the_ledger():
    claims, measures = load_claims(), {knob.id: paper_measures(knob) for knob in KNOBS}
    for knob, levels_of in measures.items():
        for suffix, (level, (_, sign)) in zip(("", "b", "c"), levels_of.items()):
            rule = claims[knob + suffix]
            assert rule.key == f"knobs_{knob}_{level}" and rule.rule.number == sign
    assert measures["D6"]["weights"][0] == "weights per n2"


def test_richness_scales_rates_and_nothing_else():
    low, high = (mup_recipe(FlipFlop(), 64, gamma) for gamma in (0.5, 2.0))
    rates = [recipe.rule.arrays["W_rec"].rate for recipe in (low, high)]
    assert replace(low, gamma=2.0) == high and rates[1] == 4 * rates[0]
    assert high.until == degeneracy_recipe(FlipFlop()).until and not high.biases


# -------------------------------------------------------------------------------------- one setting
def test_a_setting_is_measured_as_its_parts_are(trained):
    rnn, start = trained.rnn, initial(trained.task, trained.recipe, trained.rnn.labels)
    for threshold in (0.9, 0.5):
        found = levels(trained, QUICK, threshold=threshold, probes=4, test_trials=32)
        trials = trained.task.test_trials(32)
        profile = ablation_profile(rnn, trials, threshold=threshold, controls=())
        expected = profile_distances(profile, transform="signed log")
        assert np.array_equal(found.profile.values, expected.values)
        sizes = np.sqrt(np.nanmean(np.log1p(np.abs(expected.effects)) ** 2, axis=1))
        assert found.row()["profile size"] == pytest.approx(sizes.mean())
    assert trained.reached.all() and found.labels == rnn.labels and found.share == 1
    drive, size = trained.task.test_trials(8, 1), {"rank": 4, "delays": 2}
    for stack, dsa, pif in (
        (rnn, found.dsa, found.pif),
        (start, found.dsa_untrained, found.pif_untrained),
    ):
        operators = operators_of(stack, drive, **size)
        again = dsa_distances(operators, score="distance", starts=8, **size)
        assert np.array_equal(dsa[2, 4].distance, again.distance)
        assert np.array_equal(pif.raw, pif_distances(stack, starts=1).raw)
    trials = replace(trained.task, steps=20).test_trials(32)
    errors = (rollout(rnn, trials).outputs.astype(float) - trials.targets) ** 2
    assert found.losses == pytest.approx(errors.mean(axis=(1, 2, 3)), rel=1e-6)
    change = np.linalg.norm(rnn.W_rec.astype(float) - start.W_rec, axis=(1, 2))
    assert found.change == pytest.approx(change, rel=1e-5)
    assert found.row()["change"] == pytest.approx(change.mean())
    assert (2, 60) in found.lacking and (2, 60) not in found.dsa
    assert found.dsa_sample((2, 60), "distance") is None
    assert set(found.row()) >= set(SAMPLES)


def test_networks_that_did_not_get_there_are_left_out(trained):
    some, few = (replace(trained, reached=np.arange(4) % k != 1) for k in (4, 2))
    found = levels(some, QUICK, profile=False, **BRIEF)
    assert found.labels == (0, 2, 3) and found.share == 0.75 and found.sample("profile") is None
    assert levels(few, QUICK) is None
    with pytest.raises(InputError, match=r"measure must be one of 'behaviour', .*; got 'speed'"):
        found.sample("speed")


# ----------------------------------------------------------------------------------------- a design
@pytest.fixture(scope="module")
def results(tmp_path_factory):
    store = Store(tmp_path_factory.mktemp("runs"))
    return run(Design(**SMALL), QUICK, store=store, profile=False, **BRIEF)


def test_a_design_is_run_and_its_ends_compared(results):
    assert [len(results.settings(knob.id)) for knob in KNOBS] == [0, 0, 0, 2, 2, 0, 0]
    assert len(results.found) == 3 and len(results.rows()) == 4
    (ends,) = results.ends("D6")
    assert (ends.low.level, ends.high.level) == (12, 16)
    found = results.contrast("D6", "weights per n2")
    high, low = (results.of(s) for s in (ends.high, ends.low))
    ratio = high.pif.per_n2.sum() / low.pif.per_n2.sum()
    assert found.mean == pytest.approx(np.log(ratio)) and found.low is None and found.n == 3
    angle = lambda s: s.dsa_sample((1, 4), "angle")  # noqa: E731
    cell = results.contrast("D6", angle, "flip_flop")
    assert cell == contrast([(angle(high), angle(low))])
    for absent in (("D1", "weights"), ("D6", "weights", "sine_generation")):
        assert results.contrast(*absent) is None


def test_a_level_that_few_networks_reach_is_no_end(results):
    high = results.settings("D6")[1]
    key = high.study.task, high.study.recipe
    for measured in (None, replace(results.found[key], trained=7)):
        poorer = replace(results, found=results.found | {key: measured})
        assert poorer.ends("D6") == [] and poorer.contrast("D6", "weights") is None
        assert len(poorer.rows()) == 4


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"tasks": ("copy",)}, "tasks must be one of 'flip_flop', .*; got 'copy'"),
        ({"l1": (0.0,)}, "l1"),
        ({"networks": 0}, "networks"),
    ],
)
def test_messages(changes, message):
    with pytest.raises(InputError, match=message):
        Design(**changes)


BRIEF = {"probes": 4, "test_trials": 16}
