"""Profiles and what they are read as, on networks whose answer is known."""

from dataclasses import replace

import numpy as np
import pytest
from helpers import planted, random_rnn, random_trials, self_trials

from schurkit import (
    RNN,
    InputError,
    Profile,
    Trials,
    ablate,
    ablation_profile,
    control_changes,
    fvu,
    real_schur,
    rollout,
    threshold_sweep,
)
from schurkit.ablation import (
    SUBSETS,
    costliest,
    curves,
    dose_sweep,
    drawn_changes,
    farther,
    least_worst,
    order_sweep,
    removal,
)
from schurkit.metrics import FVU, REPLAY_ACCURACY, fvu_over_time


def made(cost, permuted, matched, mass=0.3, to_lose=1.0, metric=FVU):
    """A profile of one removal with chosen costs: cost (networks,), controls (networks, draws)."""
    cost, sign = np.atleast_1d(np.asarray(cost, float)), metric.worse
    n = len(cost)
    controls = {
        "permuted": sign * np.reshape(permuted, (n, 1, -1)),
        "matched": sign * np.reshape(matched, (n, 1, -1)),
    }
    intact = np.full(n, metric.chance - sign * to_lose)
    masses = np.broadcast_to(np.reshape(mass, (-1, 1)), (n, 1))
    return Profile(
        tuple(range(n)),
        ("CR",),
        metric,
        metric.chance,
        intact,
        sign * cost[:, None],
        controls,
        masses,
        np.full(n, 4),
        np.ones(n),
    )


def test_a_profile_is_what_a_plain_loop_measures():
    rnn, trials = random_rnn(2, hidden=8, biases=True), random_trials()
    profile = ablation_profile(
        rnn, trials, draws=2, controls=("permuted", "matched", "block-upper", "full"), seed=5
    )
    assert profile.networks == rnn.labels and profile.removed == (
        "RR",
        "CR",
        "CC",
        "RR+CR",
        "RR+CC",
        "CR+CC",
        "RR+CR+CC",
    )
    for i, one in enumerate(rnn):
        form = real_schur(one.W_rec[0])
        intact = fvu(rollout(one, trials), trials)[0]
        assert (
            profile.intact[i] == pytest.approx(intact)
            and profile.n_leading[i] == form.n_leading
            and profile.radius[i] == form.radius
        )
        for k, subset in enumerate(SUBSETS[1:]):
            value = fvu(rollout(ablate(one, form, [subset]), trials), trials)[0]
            assert profile.effect[i, k] == pytest.approx(value - intact, abs=1e-6)
            assert profile.removed_mass[i, k] == pytest.approx(
                np.linalg.norm(removal(form, subset)) / np.linalg.norm(form.T), rel=1e-12
            )
        for kind, effects in profile.controls.items():
            change = control_changes(form, ("CR",), kind, 2, seed=5)[1]
            value = fvu(
                rollout(one.with_W_rec((one.W_rec[0] - change).astype(one.dtype)), trials), trials
            )[0]
            assert effects[i, 1, 1] == pytest.approx(value - intact, abs=1e-6)


def test_rows_hold_the_same_numbers():
    rnn = RNN.stack([planted(seed)[0] for seed in range(2)])
    profile = ablation_profile(rnn, self_trials(rnn[0]), draws=2)
    frame = profile.frame()
    assert (
        len(frame) == 2 * (1 + 7 * (1 + 2 * 2))
        and frame.iloc[0].removed == "none"
        and frame.iloc[0].delta == 0
    )
    one = frame[(frame.network == 1) & (frame.removed == "CC")]
    assert (
        one[one.kind == "removal"].delta.item() == profile.effect[1, 2]
        and one[one.kind == "matched"].delta.tolist() == profile.controls["matched"][1, 2].tolist()
    )
    assert one.value.to_numpy() - one.delta.to_numpy() == pytest.approx(profile.intact[1])
    assert one.sensitivity.iloc[0] == pytest.approx(
        profile.effect[1, 2] / profile.removed_mass[1, 2]
    )
    assert one.reading.iloc[0] == profile["CC"].readings[1] and set(frame.n_leading) == set(
        profile.n_leading
    )
    means = profile.frame(draws=False)
    assert len(means) == 2 * (1 + 7 * (1 + 2))
    mine = means[(means.removed == "CC") & (means.kind == "permuted")].delta
    assert mine.tolist() == pytest.approx(profile.controls["permuted"][:, 2].mean(axis=1))


def test_rows_of_an_empty_sector_have_no_effect():
    """Without couplings nothing can be removed, and the intact network is still a row with an
    effect of 0.
    """
    rnn = RNN(np.ones((3, 2)), np.diag([0.9, 0.5, 0.4]), np.ones((1, 3)))
    frame = ablation_profile(rnn, self_trials(rnn), draws=2).frame().set_index("removed")
    assert (
        frame.delta["none"] == 0
        and frame.delta.drop("none").isna().all()
        and (frame.kind == "removal").all()
    )


def test_a_removal_that_is_itself_a_draw_is_beyond_in_one_of_twenty_one():
    """The sector's entries put in random order are one more draw of the permuted control."""
    rng, beyond, networks = np.random.default_rng(0), 0, 400
    rnn, _, _ = planted()
    form, trials = real_schur(rnn.W_rec[0]), self_trials(rnn, trials=6, steps=4)
    changes = list(drawn_changes(form, ("CC",), "permuted", 420))
    from schurkit import measure

    cost = measure(rnn, (-form.weights(change) for change in changes), trials)
    for _ in range(networks):
        drawn = cost[rng.permutation(420)[:21]]
        beyond += made(drawn[0], drawn[1:], drawn[1:])["CR"].beyond("permuted")[0]
    assert abs(beyond / networks - 1 / 21) < 3 * np.sqrt(1 / 21 * 20 / 21 / networks)


LOW, HIGH = np.full(20, 0.1), np.full(20, 0.5)


@pytest.mark.parametrize(
    ("cost", "permuted", "matched", "mass", "reading"),
    [
        (0.009, HIGH, HIGH, 0.3, "harmless"),
        (0.011, HIGH, HIGH, 0.3, "milder"),
        (0.3, LOW, LOW, 0.3, "specific"),
        (0.3, HIGH, LOW, 0.3, "located"),
        (0.3, [*LOW[1:], 0.3], LOW, 0.3, "located"),
        (0.3, LOW, HIGH, 0.3, "unspecific"),
        (0.3, HIGH, HIGH, 0.3, "milder"),
        (0.3, HIGH, [*HIGH[1:], 0.3], 0.3, "unspecific"),
        (0.3, LOW, LOW, 0.0, "∅"),
        (0.009, LOW, LOW, 0.0099, "nearly ∅"),
        (np.inf, LOW, LOW, 0.3, "specific"),
        (np.nan, LOW, LOW, 0.3, "–"),
        (-0.5, LOW, LOW, 0.3, "harmless"),
    ],
)
@pytest.mark.parametrize("metric", [FVU, REPLAY_ACCURACY])
def test_readings_at_their_borders(cost, permuted, matched, mass, reading, metric):
    to_lose = 1.0 if metric is FVU else 0.5
    scale = to_lose  # what there is to lose sets the unit of the costs
    profile = made(
        scale * cost,
        scale * np.asarray(permuted),
        scale * np.asarray(matched),
        mass,
        to_lose,
        metric,
    )
    assert profile["CR"].readings == (reading,)


def test_without_the_deciding_controls_or_a_chance_level_less_is_said():
    trials, rnn = random_trials(), random_rnn(1)
    assert set(ablation_profile(rnn, trials, controls=("full",), draws=1)["RR+CR+CC"].readings) <= {
        "harmless",
        "–",
    }
    unknown = replace(made(0.001, HIGH, HIGH), chance=None)
    assert unknown["CR"].readings == ("milder",)


def test_costs_excesses_and_gaps_leave_empty_sectors_out():
    rng = np.random.default_rng(0)
    profile = made(
        rng.uniform(0.4, 0.6, 12), rng.uniform(0.1, 0.3, (12, 20)), rng.uniform(0.1, 0.3, (12, 20))
    )
    mass, effect = profile.removed_mass.copy(), profile.effect.copy()
    mass[:2], effect[:2] = 0, 0
    profile = replace(profile, removed_mass=mass, effect=effect)
    one = profile["CR"]
    assert (
        one.mean.n == 10
        and one.mean.value == pytest.approx(effect[2:].mean())
        and one.excess("matched").low > 0
    )
    assert one.share_beyond("permuted").value == 1 and one.counts == {"specific": 10, "∅": 2}
    assert (
        made(0.3, LOW, LOW, 0.0)["CR"].mean is None
        and made(0.3, LOW, LOW, 0.0)["CR"].share_beyond("matched") is None
    )
    text = repr(profile)
    assert (
        "specific 10, ∅ 2" in text
        and "10/10" in text
        and len(text.splitlines()) <= 8
        and "<table" in profile._repr_html_()
    )


def test_the_least_gap_is_that_of_the_order_asked_for():
    rnn = RNN.stack([planted(seed)[0] for seed in range(3)])
    profile = ablation_profile(rnn, self_trials(rnn[0]), controls=())
    costs = np.array([profile[name].cost for name in ("CR", "CC", "RR")])
    wanted = np.minimum(costs[0] - costs[1], costs[1] - costs[2]).mean()
    assert profile.least_gap("CR", "CC", "RR").value == pytest.approx(wanted)
    with pytest.raises(InputError, match="at least two removals"):
        profile.least_gap("CR")
    with pytest.raises(InputError, match="removal must be one of"):
        profile["RC"]


def test_a_normal_network_has_undefined_sensitivities_and_nothing_to_read():
    rng = np.random.default_rng(0)
    Q = np.linalg.qr(rng.normal(size=(6, 6)))[0]
    rnn = RNN(rng.normal(size=(6, 2)), Q, rng.normal(size=(1, 6)))
    profile = ablation_profile(rnn, self_trials(rnn), draws=2)
    assert profile.frame().sensitivity.isna().all() and set(profile["RR"].readings) <= {
        "∅",
        "nearly ∅",
    }


def test_a_diverged_network_has_no_effect():
    W_rec = np.array([[0.5, -3.0, 0.0], [0.0, 0.4, 2.0], [0.0, 0.0, 0.3]])
    rnn = RNN(np.ones((3, 1)), W_rec * 1e30, np.ones((1, 3)), activation="relu")
    trials = Trials(np.ones((4, 40, 1)), np.random.default_rng(0).normal(size=(4, 40, 1)))
    profile = ablation_profile(rnn, trials, draws=2)
    assert (
        profile.intact[0] == np.inf
        and np.isnan(profile.effect).all()
        and "nan" not in repr(profile)
    )
    assert all(one.mean is None for one in profile)


def test_a_profile_refuses():
    rnn, _, _ = planted()
    with pytest.raises(InputError, match="control must be one of"):
        ablation_profile(rnn, self_trials(rnn), controls=("random",))
    with pytest.raises(InputError, match="one Schur form a network"):
        ablation_profile(rnn, self_trials(rnn), forms=[])
    with pytest.raises(InputError, match="draws must be at least 1"):
        ablation_profile(rnn, self_trials(rnn), draws=0)
    with pytest.raises(InputError, match="the same removals"):
        Profile.stack(
            [
                ablation_profile(rnn, self_trials(rnn), controls=()),
                ablation_profile(rnn, self_trials(rnn), draws=1),
            ]
        )


def test_threshold_sweep_is_the_profile_at_each_threshold():
    rnn, trials = random_rnn(2, hidden=9), random_trials()
    found = threshold_sweep(rnn, trials, [0.3, 0.9, 1.0])
    assert list(found) == [0.3, 0.9, 1.0]
    for level, profile in found.items():
        same = ablation_profile(
            rnn,
            trials,
            threshold=level,
            subsets=[("RR",), ("CR",), ("CC",), ("RR", "CR", "CC")],
            controls=(),
        )
        assert (
            np.array_equal(profile.effect, same.effect)
            and np.array_equal(profile.n_leading, same.n_leading)
            and profile.removed == same.removed
        )


def test_threshold_sweep_runs_equal_cuts_once(monkeypatch):
    rnn, _, _ = planted()
    calls, real = [], ablation_profile
    monkeypatch.setattr(
        "schurkit.ablation.sweeps.ablation_profile",
        lambda *a, **k: calls.append(1) or real(*a, **k),
    )
    assert (
        len(threshold_sweep(rnn, self_trials(rnn), [0.6, 0.7, 0.8, 0.9])) == 4 and len(calls) == 1
    )


def test_orders_move_what_depends_on_them_and_leave_CR_alone():
    rnn = RNN.stack([planted(seed)[0] for seed in range(2)])
    trials, forms = self_trials(rnn[0]), [real_schur(W) for W in rnn.W_rec]
    table = order_sweep(rnn, trials, 3, forms=forms, tie=0.1)
    assert table.loc["CR", "spread, largest"] < 1e-8 < table.loc[
        "RR", "spread, largest"
    ] and table.n.tolist() == [2, 2, 2]
    assert table.loc["CC", "by modulus"] == pytest.approx(
        ablation_profile(rnn, trials, controls=())["CC"].cost.mean()
    )
    assert order_sweep(rnn, trials, 3, forms=forms, tie=0.0)["spread, largest"].max() < 1e-8


def test_curves_are_those_of_the_ablated_networks():
    rnn = RNN.stack([planted(seed)[0] for seed in range(2)])
    trials, forms = self_trials(rnn[0]), [real_schur(W) for W in rnn.W_rec]
    found = curves(rnn, trials, fvu_over_time, forms=forms)
    assert list(found) == ["none", "RR", "CR", "CC"] and not found["none"][0].any()
    alone = fvu_over_time(rollout(ablate(rnn[1], forms[1], [("CC",)]), trials).outputs, trials)
    assert found["CC"][1] == pytest.approx(alone[0])


# ------------------------------------------------------------------------------- groups of networks
def shared(costs):
    """A profile of RR, CR and CC with chosen costs, (networks, 3); NaN: the sector is empty."""
    costs = np.array(costs, float)
    empty = np.isnan(costs)
    n = len(costs)
    return Profile(
        tuple(range(n)),
        ("RR", "CR", "CC"),
        FVU,
        1.0,
        np.zeros(n),
        np.where(empty, 0, costs),
        {},
        np.where(empty, 0, 0.3),
        np.ones(n),
        np.ones(n),
    )


def test_costs_and_the_costliest_leave_empty_sectors_out():
    profile = shared([[np.nan, 1, 3], [2, 1, 0], [np.nan, 2, 1], [0.1, 0.2, 5]])
    assert np.isnan(profile.costs[0, 0]) and profile.costs[3].tolist() == [0.1, 0.2, 5]
    assert costliest(profile) == {"CC": 2, "RR": 1, "CR": 1}


def test_networks_lie_farther_from_another_group_by_known_distances():
    """Shares, not sizes: (0, 2, 0) is (0, 1, 0); an empty sector is compared over the others; a
    gain costs nothing.
    """
    one, two = shared([[0, 1, 0], [-1, 2, 0], [np.nan, 5, 0]]), shared([[0, 0, 1], [0, 0, 9]])
    assert farther(one, [two]) == pytest.approx(np.sqrt(2)) and farther(
        one, [one]
    ) == pytest.approx(0)
    assert farther(shared([[0, 1, 0], [0, 0, 1]]), [two]) == pytest.approx([0, -np.sqrt(2)])
    assert len(farther(shared([[0, 1, 0]]), [two])) == 0
    with pytest.raises(InputError, match="same removals"):
        farther(one, [made([1.0], [0.0], [0.0])])


def test_the_least_worst_case_is_over_networks_that_hold_the_sector():
    few = {"a": shared([[np.nan, 4, 2]] * 2), "b": shared([[0.5, 1, 3], [np.nan, 1, 3]])}
    found = least_worst(few)
    assert (found.value, found.n, found.low) == (0.5, 1, None)
    many = {"a": shared([[1, 2, 3]] * 12), "b": shared([[0, 4, 0]] * 12)}
    found = least_worst(many, resamples=50)
    assert (found.value, found.low, found.high, found.n) == (1, 1, 1, 12)
    assert least_worst({"a": shared([[np.nan] * 3])}) is None


def test_a_dose_of_one_is_the_profile_and_a_dose_of_none_the_whole_network():
    rnn, trials = random_rnn(2, hidden=8, biases=True), random_trials()
    forms = [real_schur(W) for W in rnn.W_rec]
    asked = {"forms": forms, "subsets": [("CR",), ("CC",)], "draws": 3, "seed": 5}
    profile, rows = (
        ablation_profile(rnn, trials, **asked),
        dose_sweep(rnn, trials, (0, -1, 1), **asked),
    )
    at = {(row.network, row.removed, row.kind, row.dose): row for row in rows.itertuples()}
    assert len(at) == len(rows) == 2 * 2 * 3 * 3
    for i, label in enumerate(rnn.labels):
        for k, name in enumerate(profile.removed):
            for kind in ("removal", "matched"):
                assert at[label, name, kind, 0].value == pytest.approx(profile.intact[i], abs=1e-12)
            assert at[label, name, "removal", 1].value == pytest.approx(
                profile.intact[i] + profile.effect[i, k], abs=1e-9
            )
            drawn = profile.controls["matched"][i, k].mean()
            assert at[label, name, "matched", 1].value == pytest.approx(
                profile.intact[i] + drawn, abs=1e-6
            )
            doubled = rnn.W_rec[i] + forms[i].weights(forms[i].sector(name))
            value = fvu(rollout(rnn[i].with_W_rec(doubled[None]), trials), trials)[0]
            assert at[label, name, "removal", -1].value == pytest.approx(value, abs=1e-5)
            assert at[label, name, "removal", -1].removed_mass == pytest.approx(
                profile.removed_mass[i, k], rel=1e-12
            )


def test_an_empty_sector_has_no_dose():
    rnn = RNN([[1.0], [0.0]], np.diag([0.9, 0.5]), [[1.0, 0.0]])
    assert len(dose_sweep(rnn, self_trials(rnn), (0, 1), forms=[real_schur(rnn.W_rec[0])])) == 0


def test_a_block_upper_change_fills_every_sector_whatever_is_removed():
    form = real_schur(random_rnn(hidden=9, seed=3).W_rec[0], 0.8)
    (change,) = drawn_changes(form, ("RR",), "block-upper", 1, 0)
    assert all(change[form.sector_mask(name)].any() for name in ("RR", "CR", "CC"))


def test_a_profile_cuts_leaky_networks_as_the_form_does():
    rnn = replace(random_rnn(hidden=12, seed=2), leak=0.1)
    profile = ablation_profile(rnn, self_trials(rnn), controls=())
    leaky, whole = (real_schur(rnn.W_rec[0], leak=leak).n_leading for leak in (0.1, 1.0))
    assert profile.n_leading[0] == leaky != whole


@pytest.mark.parametrize(("mass", "defined"), [(5e-6, False), (2e-5, True)])
def test_a_sensitivity_needs_a_removed_mass_of_1e_5(mass, defined):
    W_rec = np.diag([0.9, 0.5])
    W_rec[0, 1] = mass * np.linalg.norm(W_rec)
    rnn = RNN(np.eye(2), W_rec, np.eye(2))
    profile = ablation_profile(rnn, self_trials(rnn), subsets=[("CR",)], controls=())
    assert profile.removed_mass[0, 0] == pytest.approx(mass, rel=1e-6)
    assert np.isfinite(profile.frame().sensitivity.iloc[-1]) == defined
