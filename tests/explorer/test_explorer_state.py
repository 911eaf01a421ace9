"""What the explorer computes, without widgets: the same numbers as ablate, rollout and
ablation_profile.
"""

from dataclasses import replace

import numpy as np
import pytest
from helpers import network, random_rnn, random_trials

from schurkit import InputError, Trials, ablate, ablation_profile, fvu, real_schur, rollout
from schurkit.explorer import Explorer, Setting
from schurkit.metrics import Metric
from schurkit.tasks import Copy

SUBSETS = [("RR",), ("CR",), ("CC",), ("RR", "CC"), ("RR", "CR", "CC")]


@pytest.fixture(scope="module")
def explorer():
    return Explorer(
        random_rnn(networks=3, hidden=9, scale=0.3), random_trials(trials=7), draws=6, seed=4
    )


@pytest.mark.parametrize("threshold", [0.0, 0.3, 0.55, 0.9, 1.0])
def test_the_threshold_moves_the_sectors_as_real_schur_says(explorer, threshold):
    for i, W_rec in enumerate(explorer.rnn.W_rec):
        view = explorer.view(Setting(network=i, threshold=threshold))
        form = real_schur(W_rec, threshold)
        assert view.form.n_leading == form.n_leading and np.array_equal(view.form.T, form.T)
        assert (
            f"R holds {form.n_leading} of 9 units at threshold {threshold:g}" in view.sentences[0]
        )


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("activation", ["tanh", "relu"])
@pytest.mark.parametrize("outputs", [1, 4])
def test_the_numbers_are_those_of_the_profile(activation, outputs, dtype):
    rnn, trials = (
        random_rnn(
            networks=2, hidden=8, outputs=outputs, scale=0.3, activation=activation, dtype=dtype
        ),
        random_trials(outputs=outputs),
    )
    explorer = Explorer(rnn, trials, draws=5, seed=3)
    profile = ablation_profile(rnn, trials, threshold=0.7, draws=5, seed=3)
    for i in range(2):
        for sectors in SUBSETS[1:]:
            k = profile.removed.index("+".join(sectors))
            view = explorer.view(Setting(network=i, threshold=0.7, sectors=sectors))
            assert view.removed_mass == pytest.approx(profile.removed_mass[i, k], rel=1e-12)
            assert view.full == pytest.approx(profile.intact[i], rel=1e-5)
            assert view.delta == pytest.approx(profile.effect[i, k], rel=1e-4, abs=1e-6)
            assert (view.sensitivity is None) == (profile.removed_mass[i, k] < 1e-5)
            assert view.reading == profile["+".join(sectors)].readings[i]
            # an empty sector has no control
            assert list(view.controls) == (["permuted", "matched"] if view.removed_mass else [])
            for kind, drawn in view.controls.items():
                np.testing.assert_allclose(
                    drawn - view.full, profile.controls[kind][i, k], rtol=1e-4, atol=1e-6
                )


def test_outputs_are_those_of_the_ablated_network(explorer):
    setting = Setting(network=1, threshold=0.6, sectors=("CR",), trial=5)
    view = explorer.view(setting)
    one = explorer.rnn[1]
    cut = ablate(one, real_schur(one.W_rec[0], 0.6), [("CR",)])
    np.testing.assert_allclose(view.output, rollout(cut, explorer.trials).outputs[0, 5])
    np.testing.assert_allclose(view.ablated.W_rec, cut.W_rec)
    np.testing.assert_allclose(view.full_output, rollout(one, explorer.trials).outputs[0, 5])
    assert np.array_equal(view.target, explorer.trials.targets[5]) and view.inputs_end == 5
    assert view.value == pytest.approx(
        fvu(rollout(view.ablated, explorer.trials), explorer.trials)[0]
    )


def test_removing_nothing_is_exact(explorer):
    view = explorer.view(Setting(network=2, trial=3))
    assert np.array_equal(view.ablated.W_rec, explorer.rnn[2].W_rec) and np.array_equal(
        view.output, view.full_output
    )
    assert (
        view.delta == 0
        and view.removed_mass == 0
        and view.sensitivity is None
        and not len(view.controls)
        and not view.removed.any()
    )
    assert view.sentences[1] == "Removed: nothing, 0.00% of ‖T‖." and len(view.sentences) == 3


def test_single_couplings_are_removed_exactly(explorer):
    form = explorer.form(0, 0.6)
    listed = explorer.couplings(0, 0.6, most=100)
    norms = {pair: np.linalg.norm(form.coupling(*pair)) for pair in form.couplings()}
    assert [c.norm for c in listed] == pytest.approx(
        sorted((n for n in norms.values() if n > 0), reverse=True)
    )
    pairs = tuple((c.driven, c.driver) for c in listed[:2])
    assert all(
        form.sector_mask(c.sector)[form.blocks[c.driven].start, form.blocks[c.driver].start]
        for c in listed
    )
    view = explorer.view(Setting(threshold=0.6, couplings=pairs))
    delta_T = sum(form.coupling(*pair) for pair in pairs)
    np.testing.assert_allclose(
        view.ablated.W_rec[0], explorer.rnn.W_rec[0] - form.Q @ delta_T @ form.Q.T, atol=1e-14
    )
    assert view.removed_mass == pytest.approx(np.hypot(listed[0].share, listed[1].share))
    assert "Removed: 2 single couplings" in view.sentences[1] and [
        len(drawn) for drawn in view.controls.values()
    ] == [6, 6]


def test_a_coupling_inside_a_removed_sector_counts_once(explorer):
    first = explorer.couplings(0, 0.6)[0]
    alone = explorer.view(Setting(threshold=0.6, sectors=(first.sector,)))
    both = explorer.view(
        Setting(threshold=0.6, sectors=(first.sector,), couplings=((first.driven, first.driver),))
    )
    assert both.removed_mass == alone.removed_mass and both.value == alone.value
    assert all(
        np.array_equal(both.controls[kind], alone.controls[kind])
        for kind in ("permuted", "matched")
    )


def test_controls_are_computed_once_a_setting(explorer, monkeypatch):
    setting = Setting(threshold=0.61, sectors=("RR", "CR"))
    explorer.view(setting)
    monkeypatch.setattr(Explorer, "_run", lambda *_: pytest.fail("computed again"))
    for trial in range(7):
        explorer.view(replace(setting, trial=trial))


def test_memory_is_bounded():
    explorer = Explorer(
        random_rnn(networks=1, hidden=4, scale=0.3), random_trials(trials=2), draws=1
    )
    for k in range(60):
        explorer.view(Setting(threshold=k / 60, sectors=("RR",), couplings=((0, 1 + k % 2),)))
    assert len(explorer._kept) <= 32


def test_replay_accuracy_of_the_copy_task():
    task = Copy(3, 2, 6)
    explorer = Explorer(
        random_rnn(networks=1, hidden=6, inputs=2, outputs=2, biases=False),
        task.test_trials(12),
        metric=task.metric,
        draws=3,
    )
    view = explorer.view(Setting(sectors=("CC",), threshold=0.9))
    assert view.metric == "replay accuracy" and 0 <= view.full <= 1
    assert view.counted.tolist() == [False] * 3 + [True] * 6
    assert view.value == pytest.approx(
        task.metric.measure(rollout(view.ablated, explorer.trials).outputs, explorer.trials)[0]
    )
    wanted = int((view.controls["permuted"] < view.value).sum())  # higher is better: worse is below
    assert f"{wanted} of them are worse than the removal" in view.sentences[3]


def test_worse_is_above_where_lower_is_better(explorer):
    view = explorer.view(Setting(threshold=0.6, sectors=("RR", "CR")))
    assert (
        f"{int((view.controls['matched'] > view.value).sum())} of them are worse"
        in view.sentences[4]
    )
    assert view.sentences[5].startswith(f"It reads {view.reading}: ")


def test_a_network_that_diverges_is_said_to():
    rnn = network(np.diag([3.0, 2.0]) + np.diag([1.0], 1), W_in=np.ones((2, 1)), activation="relu")
    trials = Trials(np.ones((2, 1, 1)), np.random.default_rng(0).normal(size=(2, 800, 1)))
    view = Explorer(rnn, trials, draws=2).view(Setting(sectors=("RR",), threshold=0.0))
    assert view.full == np.inf and view.delta is None and view.sensitivity is None
    assert (
        "infinite (diverged) → infinite (diverged)." in view.sentences[2]
        and "infinite (diverged) [infinite" in view.sentences[3]
    )


def test_a_sector_without_couplings_is_said_to_be_empty():
    explorer = Explorer(network(np.diag([0.9, 0.5, 0.1])), random_trials(inputs=1, outputs=1))
    assert (
        explorer.view(Setting(sectors=("CC",))).sentences[-1]
        == "There is no coupling in what was chosen: nothing was removed."
    )
    assert explorer.couplings(0, 0.9) == []


def test_no_draws_no_control():
    explorer = Explorer(random_rnn(hidden=5), random_trials(), draws=0)
    assert explorer.view(Setting(sectors=("RR",), threshold=0.0)).sentences[-1] == "No control."


def test_leaky_networks_are_ordered_by_their_step_matrix():
    rnn = random_rnn(networks=1, hidden=6, leak=0.3)
    assert (
        Explorer(rnn, random_trials()).view(Setting()).form.n_leading
        == real_schur(rnn.W_rec[0], leak=0.3).n_leading
    )


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        (Setting(network=3), "network must be between 0 and 2; got 3"),
        (Setting(trial=7), "trial must be between 0 and 6; got 7"),
        (Setting(threshold=1.2), "threshold must be between 0 and 1; got 1.2"),
        (Setting(sectors=("RC",)), "sector must be one of 'RR', 'CR', 'CC'; got 'RC'"),
        (Setting(couplings=((2, 1),)), "block i driven from block j; got"),
        (Setting(couplings=((0, 99),)), "block j must be between 0 and"),
    ],
)
def test_a_wrong_setting_is_one_clear_line(explorer, setting, message):
    with pytest.raises(InputError, match=message.replace("(", r"\(")):
        explorer.view(setting)


def constant():
    return Trials(np.zeros((2, 3, 2)), np.ones((2, 3, 4)))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"rnn": np.eye(3)},
            "explore needs networks as schurkit.RNN; got ndarray. Use from_torch, from_arrays or "
            "load_rnn.",
        ),
        (
            {"trials": np.zeros(3)},
            "explore needs trials as schurkit.Trials; got ndarray. Use Trials(inputs, targets) or "
            "load_trials.",
        ),
        (
            {"trials": random_trials(networks=3)},
            "explore needs trials that all networks share; got trials with a networks axis.",
        ),
        (
            {"trials": random_trials(inputs=1)},
            "explore needs trials of 2 input(s) and 4 output(s), as the networks; got 1 and 4.",
        ),
        ({"metric": "r2"}, "metric must be one of 'fvu', 'replay_accuracy', 'accuracy'; got 'r2'."),
        ({"draws": -1}, "draws must be at least 0; got -1."),
        ({"seed": 0.5}, "seed must be a whole number; got 0.5."),
        ({"trials": constant()}, "FVU is undefined: the unmasked targets do not vary."),
    ],
)
def test_what_cannot_be_explored_is_said_at_once(arguments, message):
    given = {"rnn": random_rnn(), "trials": random_trials()} | arguments
    with pytest.raises(InputError) as caught:
        Explorer(given.pop("rnn"), given.pop("trials"), **given)
    assert str(caught.value) == message


def test_a_metric_of_ones_own(explorer):
    largest = Metric(
        "largest output", lambda outputs, trials: np.abs(outputs).max(axis=(1, 2, 3)), "lower"
    )
    view = Explorer(explorer.rnn, explorer.trials, metric=largest, draws=0).view(Setting())
    assert view.full == np.abs(rollout(explorer.rnn[0], explorer.trials).outputs).max()
