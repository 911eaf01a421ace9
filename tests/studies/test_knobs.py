"""The settings of the knobs, what is measured in one, and the ends that are compared."""

from dataclasses import replace

import numpy as np
import pytest
from helpers import refuses

from schurkit import rollout
from schurkit.ablation import ablation_profile
from schurkit.claims import load_claims
from schurkit.degeneracy import dsa_distances, operators_of, pif_distances, profile_distances
from schurkit.intervals import Interval
from schurkit.studies import (
    KNOBS,
    SAMPLES,
    TASKS,
    Design,
    Dynamics,
    contrast,
    levels,
    mup_recipe,
    plain_recipe,
    run,
    signs,
)
from schurkit.studies.signs import AS_PAPER, FEW, OPEN, OPPOSITE, UNDEFINED, side
from schurkit.tasks import DelayedDiscrimination, FlipFlop, PathIntegration, SineGeneration
from schurkit.training import Store, degeneracy_recipe, initial

BRIEF = {"kernel_trials": 2, "test_trials": 16}
SMALL = {
    "networks": 3,
    "hidden_size": 12,
    "mup_tasks": ("flip_flop",),
    "gammas": (1.0, 2.0),
    "widths": (12, 16),
    "auxiliary": False,
    "bits": (1, 2),
    "tasks": ("flip_flop",),
    **dict.fromkeys(("delays", "nuclear", "l1"), ()),
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
    rich = mup_recipe(FlipFlop(), 64, 2.0)
    assert rich.until == degeneracy_recipe(FlipFlop()).until and not rich.biases
    assert plain_recipe(DelayedDiscrimination(auxiliary=True), 24).until.each
    rates = [degeneracy_recipe(FlipFlop(), n).phases[0].learning_rate for n in (32, 64, 128)]
    assert rates == [5e-3, 5e-3, 2.5e-3]
    for task in (SineGeneration(), PathIntegration()):
        longer, phases = plain_recipe(task, 24).phases, degeneracy_recipe(task, 24).phases
        assert longer[:-1] == phases[:-1] and longer[-1].steps > phases[-1].steps
    assert 60 <= len(design.settings) <= 75 and len(design.studies) < len(design.settings)
    both = [s for s in Design(delays=(40, 30, 20), delay_sizes=(64, 24)).settings if s.knob == "D2"]
    names = ["delayed_discrimination"] * 3 + ["delayed_discrimination, 24 units"] * 2
    assert [(s.task, s.level) for s in both] == list(zip(names, (40, 30, 20, 20, 40)))
    assert [s.study.recipe.hidden_size for s in both] == [64] * 3 + [24] * 2
    for study in Design(wide_networks=20).studies:
        assert len(study.seeds) == (20 if study.recipe.hidden_size > 128 else 50)


QUICK = Dynamics(rank=4, delays=2, starts=8, trials=8, others=((1, 4), (2, 60)))


# ----------------------------------------------------------------------------------------- settings
def test_signs_are_those_of_the_ledger(results):
    claims, found = load_claims(), signs(results)
    names = "D1 D1b D1c D4 D4b D5 D5b D5c D5d D6 D6b D6c"
    assert [one.claim for one in found] == names.split()
    for one in found:
        assert claims[one.claim].rule.number == one.paper and one.task == "flip_flop"
    assert found[-2].measure == "weights per n2"


# -------------------------------------------------------------------------------------- one setting
def test_a_setting_is_measured_as_its_parts_are(trained):
    rnn, start = trained.rnn, initial(trained.task, trained.recipe, trained.rnn.labels)
    for threshold in (0.9, 0.5):
        found = levels(trained, QUICK, threshold=threshold, kernel_trials=2, test_trials=32)
        trials = trained.task.test_trials(32)
        profile = ablation_profile(rnn, trials, threshold=threshold, controls=())
        expected = profile_distances(profile, transform="signed log")
        assert np.array_equal(found.profile.values, expected.values)
        sizes = np.sqrt(np.nanmean(np.log1p(np.abs(expected.effects)) ** 2, axis=1))
        assert found.row()["profile size"] == pytest.approx(sizes.mean())
    assert trained.reached.all() and found.labels == rnn.labels and found.share == 1
    drive, size = trained.task.test_trials(8, 1), {"rank": 4, "delays": 2}
    for stack, dsa, pif in (
        (rnn, found.dsa[2, 4], found.pif),
        (start, found.dsa_untrained, found.pif_untrained),
    ):
        operators = operators_of(stack, drive, **size)
        again = dsa_distances(operators, score="distance", starts=8, **size)
        assert np.array_equal(dsa.distance, again.distance)
        assert np.array_equal(pif.raw, pif_distances(stack, starts=1).raw)
    trials = replace(trained.task, steps=20).test_trials(32)
    errors = (rollout(rnn, trials).outputs.astype(float) - trials.targets) ** 2
    assert found.losses[:, 0] == pytest.approx(errors.mean(axis=(1, 2, 3)), rel=1e-6)
    excess = found.sample("dynamics").value
    assert excess == pytest.approx(found.row()["dynamics raw"] - found.own[2, 4][0].mean())
    change = np.linalg.norm(rnn.W_rec.astype(float) - start.W_rec, axis=(1, 2))
    assert found.change == pytest.approx(change, rel=1e-5)
    assert (2, 60) in found.lacking and (2, 60) not in found.dsa
    assert found.dsa_sample((2, 60), "distance") is None
    assert set(found.row()) >= set(SAMPLES) - {"dynamics copies"}


def test_networks_that_did_not_get_there_are_left_out(trained):
    some, few = (replace(trained, reached=np.arange(4) % k != 1) for k in (4, 2))
    found = levels(some, QUICK, **BRIEF)
    assert found.labels == (0, 2, 3) and found.share == 0.75
    assert levels(few, QUICK) is None
    refuses(r"measure must be one of 'behaviour', .*; got 'speed'", found.sample, "speed")


# ----------------------------------------------------------------------------------------- a design
@pytest.fixture(scope="module")
def results(tmp_path_factory):
    store = Store(tmp_path_factory.mktemp("runs"))
    design, starts = Design(**SMALL, wide_units=12), {"pif_starts": 3, "wide_pif_starts": 2}
    return run(design, QUICK, store=store, **starts, **BRIEF)


def test_a_design_is_run_and_its_ends_compared(results):
    assert [len(results.settings(knob.id)) for knob in KNOBS] == [2, 0, 0, 2, 2, 0, 0]
    assert len(results.found) == 5 and len(results.rows()) == 6
    (ends,) = results.ends("D6")
    assert (ends.low.level, ends.high.level) == (12, 16)
    found = results.contrast("D6", "weights per n2")
    high, low = (results.of(s) for s in (ends.high, ends.low))
    assert [one.pif.starts for one in (low, high)] == [3, 2] and high.pif_untrained.starts == 2
    ratio = high.pif.per_n2.sum() / low.pif.per_n2.sum()
    assert found.mean == pytest.approx(np.log(ratio)) and found.low is None and found.n == 3
    angle = lambda s: s.dsa_sample((1, 4), "angle", excess=False)  # noqa: E731
    cell = results.contrast("D6", angle, "flip_flop")
    assert cell == contrast([(angle(high), angle(low))])
    assert results.contrast("D2", "weights") is None
    assert results.contrast("D6", "weights", "sine_generation") is None


def test_a_level_that_few_networks_reach_is_no_end(results):
    high = results.settings("D6")[1]
    key = high.study.task, high.study.recipe
    for measured in (None, replace(results.found[key], trained=7)):
        poorer = replace(results, found=results.found | {key: measured})
        assert poorer.ends("D6") == [] and poorer.contrast("D6", "weights") is None
        assert len(poorer.rows()) == 6


def test_messages():
    refuses("tasks must be one of 'flip_flop', .*; got 'copy'", Design, tasks=("copy",))
    refuses("l1", Design, l1=(0.0,))
    refuses("networks", Design, networks=0)


def test_there_is_no_mean_over_tasks(results):
    two = replace(results.design, tasks=("flip_flop", "sine_generation"))
    there = {s: results.of(results.settings("D1")[0]) for s in two.settings}
    both = {(s.study.task, s.study.recipe): found for s, found in there.items()}
    both = replace(results, design=two, found=both)
    refuses("D1 is turned in 2 tasks: name one", both.contrast, "D1", "weights")


def test_which_side_an_interval_is_on():
    for low, high, n, word in (
        (0.1, 0.2, 12, AS_PAPER),
        (-0.2, -0.1, 12, OPPOSITE),
        (-0.1, 0.2, 12, OPEN),
        (None, None, 9, FEW),
        (None, None, 12, UNDEFINED),
    ):
        assert side(Interval(0.15, low, high, n, "jackknife t"), 1) == word
        mirrored = Interval(-0.15, high and -high, low and -low, n, "jackknife t")
        assert side(mirrored, -1) == word


def test_a_sign_survives_beyond_the_smallest_change_and_in_every_setting(results):
    one = next(one for one in signs(results) if one.claim == "D6")
    sure = Interval(-0.2, -0.3, -0.1, 12, "jackknife t")
    found = replace(one, ours=sure, controls={"a": sure}, cells=(4, 0, 4), at_floor=False)
    assert found.survives and found.beyond["a"].low == pytest.approx(0.1 - np.log(1.05))
    assert not replace(found, cells=(3, 0, 4)).survives
    assert not replace(found, controls={"a": replace(sure, high=-0.04)}).survives
    assert replace(found, ours=replace(sure, high=0.1)).survives is None
