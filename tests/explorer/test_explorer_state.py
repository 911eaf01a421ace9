"""What the explorer computes, without widgets: the same numbers as ablate, rollout and
ablation_profile.
"""

import itertools
from dataclasses import replace

import numpy as np
import pytest
from helpers import gauss, messages, network, random_rnn, random_trials

from schurkit import Trials, ablate, ablation_profile, real_schur, rollout
from schurkit.explorer import Explorer, Setting
from schurkit.tasks import Copy

EXPLORER = Explorer(
    random_rnn(networks=3, hidden=9, scale=0.3), random_trials(trials=7), draws=6, seed=4
)


@pytest.mark.parametrize(
    "kind", [{"activation": "tanh"}, {"activation": "relu"}, {"leak": 0.3}], ids=str
)
@pytest.mark.parametrize("outputs, dtype", [(1, np.float32), (4, np.float64)])
def test_the_numbers_are_those_of_the_profile(kind, outputs, dtype):
    rnn = random_rnn(2, hidden=8, outputs=outputs, scale=0.3, dtype=dtype, **kind)
    trials, settings = random_trials(outputs=outputs), {"draws": 5, "seed": 3}
    explorer = Explorer(rnn, trials, **settings)
    profile = ablation_profile(rnn, trials, threshold=0.7, **settings)
    for i, (k, removed) in itertools.product(range(2), enumerate(profile.removed)):
        view = explorer.view(Setting(i, 0.7, tuple(removed.split("+"))))
        mass = profile.removed_mass[i, k]
        assert view.form.n_leading == profile.n_leading[i]
        assert view.removed_mass == pytest.approx(mass, rel=1e-12)
        assert view.full == pytest.approx(profile.intact[i], rel=1e-5)
        assert view.delta == pytest.approx(profile.effect[i, k], rel=1e-4, abs=1e-6)
        assert (view.sensitivity is None) == (mass < 1e-5)
        assert view.reading == profile[removed].readings[i]
        # an empty sector has no control
        assert list(view.controls) == (["permuted", "matched"] if view.removed_mass else [])
        for name, drawn in view.controls.items():
            expected = profile.controls[name][i, k]
            np.testing.assert_allclose(drawn - view.full, expected, rtol=1e-4, atol=1e-6)


def test_outputs_are_those_of_the_ablated_network():
    view = EXPLORER.view(Setting(network=1, threshold=0.6, sectors=("CR",), trial=5))
    one, trials = EXPLORER.rnn[1], EXPLORER.trials
    form = real_schur(one.W_rec[0], 0.6)
    cut = ablate(one, form, [("CR",)])
    for drawn, rnn in ((view.output, cut), (view.full_output, one)):
        np.testing.assert_allclose(drawn, rollout(rnn, trials).outputs[0, 5])
    assert f"R holds {form.n_leading} of 9 units at threshold 0.6" in view.sentences[0]


def test_removing_nothing_is_exact():
    view = EXPLORER.view(Setting(network=2, trial=3))
    assert np.array_equal(view.ablated.W_rec, EXPLORER.rnn[2].W_rec)
    assert np.array_equal(view.output, view.full_output)
    assert (view.delta, view.removed_mass, view.sensitivity, view.controls) == (0, 0, None, {})
    assert not view.removed.any() and len(view.sentences) == 3
    assert view.sentences[1] == "Removed: nothing, 0.00% of ‖T‖."


def test_single_couplings_are_removed_exactly():
    form, listed = EXPLORER.form(0, 0.6), EXPLORER.couplings(0, 0.6, most=100)
    norms = sorted(
        (np.linalg.norm(form.coupling(*pair)) for pair in form.couplings()), reverse=True
    )
    assert [c.norm for c in listed] == pytest.approx([norm for norm in norms if norm > 0])
    assert all(form.sector_of(c.driven, c.driver) == c.sector for c in listed)
    pairs = tuple((c.driven, c.driver) for c in listed[:2])
    view = EXPLORER.view(Setting(threshold=0.6, couplings=pairs))
    expected = EXPLORER.rnn.W_rec[0] - form.weights(sum(form.coupling(*pair) for pair in pairs))
    np.testing.assert_allclose(view.ablated.W_rec[0], expected, atol=1e-14)
    assert view.removed_mass == pytest.approx(np.hypot(listed[0].share, listed[1].share))
    assert "Removed: 2 single couplings" in view.sentences[1]
    assert [len(drawn) for drawn in view.controls.values()] == [6, 6]


def test_a_coupling_inside_a_removed_sector_counts_once():
    first = EXPLORER.couplings(0, 0.6)[0]
    alone = Setting(threshold=0.6, sectors=(first.sector,))
    both = replace(alone, couplings=((first.driven, first.driver),))
    alone, both = EXPLORER.view(alone), EXPLORER.view(both)
    assert both.removed_mass == alone.removed_mass and both.value == alone.value
    for kind, drawn in alone.controls.items():
        assert np.array_equal(both.controls[kind], drawn)


def test_controls_are_computed_once_a_setting(monkeypatch):
    setting = Setting(threshold=0.61, sectors=("RR", "CR"))
    EXPLORER.view(setting)
    monkeypatch.setattr("schurkit.explorer.state.rollout", lambda *_: pytest.fail("again"))
    for trial in range(7):
        EXPLORER.view(replace(setting, trial=trial))


def test_memory_is_bounded():
    explorer = Explorer(random_rnn(1, hidden=4), random_trials(trials=2), draws=1)
    for k in range(60):
        explorer.view(Setting(threshold=k / 60, sectors=("RR",), couplings=((0, 1 + k % 2),)))
    assert explorer._controls.cache_info().currsize <= 32


def test_replay_accuracy_of_the_copy_task():
    task = Copy(3, 2, 6)
    rnn = random_rnn(1, hidden=6, inputs=2, outputs=2, biases=False)
    explorer = Explorer(rnn, task.test_trials(12), metric=task.metric, draws=3)
    view = explorer.view(Setting(sectors=("CC",), threshold=0.9))
    assert view.metric == "replay accuracy" and 0 <= view.full <= 1
    assert view.counted.tolist() == [False] * 3 + [True] * 6
    outputs = rollout(view.ablated, explorer.trials).outputs
    assert view.value == task.metric.measure(outputs, explorer.trials)[0]
    wanted = int((view.controls["permuted"] < view.value).sum())  # higher is better: worse is below
    assert f"{wanted} of them are worse than the removal" in view.sentences[3]


def test_what_the_sentences_say():
    view = EXPLORER.view(Setting(threshold=0.6, sectors=("RR", "CR")))
    worse = int((view.controls["matched"] > view.value).sum())  # lower is better: worse is above
    assert f"{worse} of them are worse" in view.sentences[4]
    assert view.sentences[5].startswith(f"It reads {view.reading}: ")
    bare = Explorer(network(np.diag([0.9, 0.5, 0.1])), random_trials(inputs=1, outputs=1))
    empty = bare.view(Setting(sectors=("CC",))).sentences[-1]
    assert empty == "There is no coupling in what was chosen: nothing was removed."
    assert bare.couplings(0, 0.9) == []
    alone = Explorer(random_rnn(hidden=5), random_trials(), draws=0)
    assert alone.view(Setting(sectors=("RR",), threshold=0.0)).sentences[-1] == "No control."


def test_a_network_that_diverges_is_said_to():
    rnn = network(np.diag([3.0, 2.0]) + np.diag([1.0], 1), W_in=np.ones((2, 1)), activation="relu")
    trials = Trials(np.ones((2, 1, 1)), gauss(2, 800, 1))
    view = Explorer(rnn, trials, draws=2).view(Setting(sectors=("RR",), threshold=0.0))
    assert (view.full, view.delta, view.sensitivity) == (np.inf, None, None)
    assert "infinite (diverged) → infinite (diverged)." in view.sentences[2]
    assert "infinite (diverged) [infinite" in view.sentences[3]


RNNS, TRIALS = random_rnn(), random_trials()
test_a_wrong_setting_or_subject_is_one_clear_line = messages(
    (EXPLORER.view, Setting(network=3), "network must be between 0 and 2; got 3"),
    (EXPLORER.view, Setting(trial=7), "trial must be between 0 and 6; got 7"),
    (EXPLORER.view, Setting(threshold=1.2), "threshold must be between 0 and 1; got 1.2"),
    (
        EXPLORER.view,
        Setting(sectors=("RC",)),
        "sector must be one of 'RR', 'CR', 'CC'; got 'RC'",
    ),
    (EXPLORER.view, Setting(couplings=((2, 1),)), "block i driven from block j; got"),
    (EXPLORER.view, Setting(couplings=((0, 99),)), "block j must be between 0 and"),
    (
        Explorer,
        np.eye(3),
        TRIALS,
        "^explore needs networks as schurkit.RNN; got ndarray. Use from_torch, from_arrays or "
        "load_rnn.$",
    ),
    (
        Explorer,
        RNNS,
        np.zeros(3),
        r"^explore needs trials as schurkit.Trials; got ndarray. Use Trials\(inputs, targets\) or "
        "load_trials.$",
    ),
    (
        Explorer,
        RNNS,
        random_trials(networks=3),
        "^explore needs trials that all networks share; got trials with a networks axis.$",
    ),
    (
        Explorer,
        RNNS,
        random_trials(inputs=1),
        r"^explore needs trials of 2 input\(s\) and 4 output\(s\), as the networks; got 1 and 4.$",
    ),
    (
        lambda: Explorer(RNNS, TRIALS, metric="r2"),
        "^metric must be one of 'fvu', 'replay_accuracy', 'accuracy'; got 'r2'.$",
    ),
    (lambda: Explorer(RNNS, TRIALS, draws=-1), "^draws must be at least 0; got -1.$"),
    (lambda: Explorer(RNNS, TRIALS, seed=0.5), "^seed must be a whole number; got 0.5.$"),
    (
        Explorer,
        RNNS,
        Trials(np.zeros((2, 3, 2)), np.ones((2, 3, 4))),
        "^FVU is undefined: the unmasked targets do not vary.$",
    ),
)
