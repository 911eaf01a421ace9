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
from schurkit.training import Phase, Recipe, Store, Until, degeneracy_recipe, initial, train

SMALL = {
    "networks": 3,
    "hidden_size": 12,
    "tasks": (),
    "mup_tasks": (),
    "delays": (),
    "auxiliary": False,
    "nuclear": (),
    "l1": (),
}
QUICK = Dynamics(rank=4, delays=2, starts=8, trials=8, others=((1, 4), (2, 60)))


def easy(**changes):
    """Half a minute's training in a second: a loose threshold."""
    fields = {
        "hidden_size": 12,
        "phases": (Phase(400, 1e-2),),
        "batch_size": 16,
        "until": Until(0.5, 1),
        "epoch_steps": 10,
    }
    return Recipe(**fields | changes)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    return train(
        FlipFlop(bits=1, steps=10), easy(), range(4), store=Store(tmp_path_factory.mktemp("runs"))
    )


# ----------------------------------------------------------------------------------------- settings
def test_each_knob_turns_one_thing():
    design = Design()
    for knob in KNOBS:
        for task in TASKS:
            mine = [s for s in design.settings if (s.knob, s.task) == (knob.id, task)]
            changed = set()
            for one in mine[1:]:
                for kind in ("task", "recipe"):
                    a, b = vars(getattr(mine[0].study, kind)), vars(getattr(one.study, kind))
                    changed |= {name for name in a if a[name] != b[name]}
            assert len(changed) == (1 if mine else 0), (knob.id, task, changed)
            assert [s.level for s in mine] == sorted({s.level for s in mine})


def test_the_full_design_is_of_the_papers_size():
    design = Design()
    assert design.networks == 50 and 60 <= len(design.settings) <= 75
    assert len(design.studies) < len(design.settings)  # knobs share their base
    assert all(len(study.seeds) == 50 for study in design.studies)


def test_signs_are_those_of_the_ledger():
    claims = load_claims()
    for knob in KNOBS:
        for suffix, (level, (_, sign)) in zip(("", "b", "c"), paper_measures(knob).items()):
            rule = claims[knob.id + suffix]
            assert rule.key == f"knobs_{knob.id}_{level}" and rule.rule.number == sign
    assert (
        paper_measures(next(knob for knob in KNOBS if knob.id == "D6"))["weights"][0]
        == "weights per n2"
    )


def test_richness_scales_rates_and_nothing_else():
    task = FlipFlop()
    low, high = (mup_recipe(task, 64, gamma) for gamma in (0.5, 2.0))
    assert (
        replace(low, gamma=2.0) == high
        and high.rule.arrays["W_rec"].rate == 4 * low.rule.arrays["W_rec"].rate
    )
    assert high.until == degeneracy_recipe(task).until and not high.biases


# -------------------------------------------------------------------------------------- one setting
def test_a_setting_is_measured_as_its_parts_are(trained):
    found = levels(trained, QUICK, probes=4, test_trials=32)
    rnn, start = trained.rnn, initial(trained.task, trained.recipe, trained.rnn.labels)
    assert trained.reached.all() and found.labels == rnn.labels and found.share == 1
    drive = trained.task.test_trials(8, 1)
    for stack, held in ((rnn, found.dsa), (start, found.dsa_untrained)):
        again = dsa_distances(
            operators_of(stack, drive, rank=4, delays=2),
            score="distance",
            rank=4,
            delays=2,
            starts=8,
        )
        assert np.array_equal(held[2, 4].distance, again.distance)
    assert np.array_equal(found.pif.raw, pif_distances(rnn, starts=1).raw) and np.array_equal(
        found.pif_untrained.raw, pif_distances(start, starts=1).raw
    )
    trials = replace(trained.task, steps=20).test_trials(32)
    errors = [
        ((rollout(one, trials).outputs[0].astype(float) - trials.targets) ** 2).mean()
        for one in rnn
    ]
    assert found.losses == pytest.approx(errors, rel=1e-6)
    change = [np.linalg.norm(a.astype(float) - b) for a, b in zip(rnn.W_rec, start.W_rec)]
    assert found.change == pytest.approx(change, rel=1e-5) and found.row()[
        "change"
    ] == pytest.approx(np.mean(change))
    for threshold in (0.9, 0.5):
        profile = ablation_profile(
            rnn, trained.task.test_trials(32), threshold=threshold, controls=()
        )
        expected = profile_distances(profile, transform="signed log")
        again = levels(trained, QUICK, threshold=threshold, probes=4, test_trials=32)
        assert np.array_equal(again.profile.values, expected.values)
        sizes = np.sqrt(np.nanmean(np.log1p(np.abs(expected.effects)) ** 2, axis=1))
        assert again.row()["profile size"] == pytest.approx(sizes.mean())
    assert (
        (2, 60) in found.lacking
        and (2, 60) not in found.dsa
        and found.dsa_sample((2, 60), "distance") is None
    )
    assert set(found.row()) >= set(SAMPLES)


def test_networks_that_did_not_get_there_are_left_out(trained):
    some = replace(trained, reached=np.array([True, False, True, True]))
    found = levels(some, QUICK, profile=False, probes=4, test_trials=16)
    assert found.labels == (0, 2, 3) and found.share == 0.75 and found.sample("profile") is None
    assert levels(replace(trained, reached=np.array([True, False, True, False])), QUICK) is None


def test_a_measure_nobody_knows(trained):
    with pytest.raises(InputError, match=r"measure must be one of 'behaviour', .*; got 'speed'"):
        levels(trained, QUICK, profile=False, probes=4, test_trials=16).sample("speed")


# ----------------------------------------------------------------------------------------- a design
@pytest.fixture(scope="module")
def results(tmp_path_factory):
    design = Design(
        **SMALL | {"mup_tasks": ("flip_flop",), "gammas": (1.0, 2.0), "widths": (12, 16)}
    )
    return run(
        design,
        QUICK,
        store=Store(tmp_path_factory.mktemp("runs")),
        profile=False,
        probes=4,
        test_trials=16,
    )


def test_a_design_is_run_and_its_ends_compared(results):
    assert [len(results.settings(knob.id)) for knob in KNOBS] == [0, 0, 0, 2, 2, 0, 0] and len(
        results.found
    ) == 3
    (ends,) = results.ends("D6")
    assert (ends.low.level, ends.high.level) == (12, 16)
    found = results.contrast("D6", "weights per n2")
    high, low = (results.of(s).pif.per_n2.sum() / 6 for s in (ends.high, ends.low))
    assert found.mean == pytest.approx(np.log(high / low)) and found.low is None and found.n == 3
    cell = results.contrast("D6", lambda s: s.dsa_sample((1, 4), "angle"), "flip_flop")
    expected = contrast(
        [tuple(results.of(s).dsa_sample((1, 4), "angle") for s in (ends.high, ends.low))]
    )
    assert cell == expected
    assert (
        results.contrast("D1", "weights") is None
        and results.contrast("D6", "weights", "sine_generation") is None
    )
    assert len(results.rows()) == 4


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
