"""Profiles and what they are read as, on networks whose answer is known."""

from dataclasses import replace

import numpy as np
import pytest
from helpers import apart, gauss, random_rnn, random_trials, refuses, self_trials, stack_of

from schurkit import (
    RNN,
    InputError,
    Profile,
    ablate,
    ablation_profile,
    control_changes,
    fvu,
    measure,
    real_schur,
    rollout,
    threshold_sweep,
)
from schurkit.ablation import (
    CONTROLS,
    SUBSETS,
    costliest,
    curves,
    dose_sweep,
    farther,
    least_worst,
    order_sweep,
    removal,
)
from schurkit.metrics import FVU, REPLAY_ACCURACY, fvu_over_time


def profile_of(costs, controls=(), mass=0.3, to_lose=1.0, metric=FVU, removed=("RR", "CR", "CC")):
    """A profile with chosen costs (networks, removed) and controls (networks, removed, draws);
    NaN: the sector is empty.
    """
    costs, sign = np.array(costs, float), 1 if metric.better == "lower" else -1
    n, empty = len(costs), np.isnan(costs)
    masses = np.where(empty, 0, mass)
    sizes = np.full(n, metric.chance - sign * to_lose), np.where(empty, 0, sign * costs)
    drawn = {kind: sign * np.asarray(draws, float) for kind, draws in controls}
    return Profile(
        tuple(range(n)), removed, metric, metric.chance, *sizes, drawn, masses, *[np.ones(n)] * 2
    )


def read_as(cost, permuted, matched, **more):
    """CR alone: costs (networks), controls (networks, draws)."""
    cost = np.reshape(cost, (-1, 1))
    controls = [
        (kind, np.reshape(draws, (len(cost), 1, -1)))
        for kind, draws in (("permuted", permuted), ("matched", matched))
    ]
    return profile_of(cost, controls, removed=("CR",), **more)


def test_a_profile_and_its_rows_are_what_a_plain_loop_measures():
    """Also that R of a leaky network is cut as the form says."""
    rnn, trials = random_rnn(2, hidden=8, seed=4, leak=0.7), random_trials()
    profile = ablation_profile(rnn, trials, threshold=0.7, draws=2, controls=CONTROLS, seed=5)
    rows, means = (
        profile.frame(draws).set_index(["network", "removed"]) for draws in (True, False)
    )
    assert profile.networks == rnn.labels and len(rows) == 2 * (1 + 7 * (1 + 4 * 2))
    assert len(means) == 2 * (1 + 7 * (1 + 4)) and (rows.loc[(0, "none"), "delta"] == 0).all()
    for i, one in enumerate(rnn):
        form = real_schur(one.W_rec[0], 0.7, leak=0.7)
        sizes = profile.n_leading[i], profile.radius[i]
        assert sizes == (form.n_leading, form.radius) and rows.loc[i].n_leading.eq(sizes[0]).all()

        def value(W_rec, one=one):
            return fvu(rollout(one.with_W_rec(W_rec), trials), trials)[0]

        intact = value(one.W_rec)
        assert profile.intact[i] == pytest.approx(intact)
        for k, subset in enumerate(SUBSETS[1:]):
            name = "+".join(subset)
            row = rows.loc[(i, name)].query("kind == 'removal'").iloc[0]
            effect = value(ablate(one, form, [subset]).W_rec) - intact
            mass = np.linalg.norm(removal(form, subset)) / np.linalg.norm(form.T)
            numbers = profile.effect[i, k], row.delta, row.value - intact, row.sensitivity * mass
            assert numbers == pytest.approx([effect] * 4, abs=1e-9) and profile.removed[k] == name
            assert profile.removed_mass[i, k] == pytest.approx(mass, rel=1e-12) == row.removed_mass
            assert row.reading == profile[name].readings[i]
            for kind, drawn in profile.controls.items():
                changes = control_changes(form, subset, kind, 2, seed=5)
                wanted = [value(one.W_rec - change) - intact for change in changes]
                assert drawn[i, k] == pytest.approx(wanted, abs=2e-6)
                at = rows.loc[(i, name)].query("kind == @kind").delta
                mean = means.loc[(i, name)].query("kind == @kind").delta.item()
                assert at.tolist() == drawn[i, k].tolist() and mean == pytest.approx(at.mean())


def test_equal_removals_share_their_runs_and_their_draws(monkeypatch):
    """R of one block: RR is empty, so RR+CR is CR, and all is CR+CC."""
    W_rec = np.diag([1.0, 0.5, 0.4, 0.3]) + np.triu(np.ones((4, 4)), 1) * [0, 0.2, 0.3, 0.4]
    rnn, run = RNN(np.ones((4, 2)), W_rec, np.ones((1, 4))), []
    monkeypatch.setattr(
        "schurkit.ablation.profile.measure",
        lambda one, changes, *a, **k: measure(one, (run.append(c) or c for c in changes), *a, **k),
    )
    profile = ablation_profile(rnn, self_trials(rnn), draws=3)
    assert len(run) == 1 + 3 * (1 + 2 * 3) + 2  # CR, CC and both; two draws again in float64
    for one, other in (("CR", "RR+CR"), ("CC", "RR+CC"), ("CR+CC", "RR+CR+CC")):
        assert profile[one].cost == profile[other].cost != 0
        for kind, costs in profile[one].controls.items():
            assert np.array_equal(costs, profile[other].controls[kind]) and costs.std() > 0
    assert np.isnan(profile["RR"].controls["matched"]).all() and profile["RR"].cost == 0
    rows = profile.frame().query("removed == 'RR'")
    assert rows.kind.tolist() == ["removal"] and rows.delta.isna().all()


@pytest.mark.parametrize("gain, dtype", [(1.0, "float32"), (3.0, "float64")])
def test_controls_are_run_in_float32_where_that_is_as_good(gain, dtype):
    """Rounding grows in a chaotic network until float32 is another trajectory."""
    rnn = random_rnn(1, hidden=60, scale=gain / np.sqrt(60))
    trials = self_trials(rnn, steps=60)
    profile = ablation_profile(rnn, trials, subsets=[("CR",), ("CC",)], draws=2)
    assert profile.controls_dtype == (dtype,)
    form = real_schur(rnn.W_rec[0])
    changes = [-change for change in control_changes(form, ("CC",), "matched", 2)]
    exact, single = (measure(rnn, changes, trials, dtype=name) for name in ("float64", "float32"))
    wanted = (exact if dtype == "float64" else single) - profile.intact
    near = 1e-12 if dtype == "float64" else 1e-6
    assert profile.controls["matched"][0, 1] == pytest.approx(wanted, abs=near)
    assert (apart(exact, single) < 1e-6) == (dtype == "float32") and (exact != single).all()


def test_progress_is_told_where_it_is_asked_for(capsys):
    for progress in (None, True):
        ablation_profile(random_rnn(1), random_trials(), draws=1, progress=progress)
        assert ("ablations: " in capsys.readouterr().err) == bool(progress)


def test_a_draw_that_is_the_removal_to_rounding_is_on_no_side():
    cost, others = np.array([-0.1]), np.full((1, 20), 0.3)
    tied = np.where(np.arange(20) == 3, cost[0] + 2e-8, others)
    assert read_as(cost, others, others)["CR"].below("permuted").all()
    assert not read_as(cost, tied, others)["CR"].below("permuted").any()
    assert not read_as(-cost, -tied, others)["CR"].beyond("permuted").any()


LOW, HIGH = np.full(20, 0.1), np.full(20, 0.5)


@pytest.mark.parametrize(
    "cost, permuted, matched, mass, reading",
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
        (-0.5, LOW, LOW, 0.3, "harmless"),
    ],
)
@pytest.mark.parametrize("metric, to_lose", [(FVU, 1.0), (REPLAY_ACCURACY, 0.5)])
def test_readings_at_their_borders(cost, permuted, matched, mass, reading, metric, to_lose):
    """What there is to lose sets the unit of the costs."""
    costs = (to_lose * np.asarray(some) for some in (cost, permuted, matched))
    profile = read_as(*costs, mass=mass, to_lose=to_lose, metric=metric)
    assert profile["CR"].readings == (reading,)


def test_without_the_deciding_controls_or_a_chance_level_less_is_said():
    one = ablation_profile(random_rnn(1), random_trials(), controls=("full",), draws=1)["RR+CR+CC"]
    assert set(one.readings) <= {"harmless", "undefined"}
    assert replace(read_as(0.001, HIGH, HIGH), chance=None)["CR"].readings == ("milder",)
    nothing_felt = read_as(0.0, 0 * LOW, 0 * LOW)
    assert nothing_felt["CR"].readings == ("harmless",)
    assert replace(nothing_felt, chance=None)["CR"].readings == ("undefined",)
    undefined = replace(read_as(0.3, LOW, LOW), effect=np.full((1, 1), np.nan))
    assert undefined["CR"].readings == ("undefined",)


def test_costs_excesses_and_gaps_leave_empty_sectors_out():
    rng = np.random.default_rng(0)
    costs, *drawn = rng.uniform(0.4, 0.6, 12), *rng.uniform(0.1, 0.3, (2, 12, 20))
    costs[:2] = np.nan
    profile = read_as(costs, *drawn)
    one, text = profile["CR"], repr(profile)
    assert one.mean.n == 10 and one.mean.value == pytest.approx(costs[2:].mean())
    assert one.excess("matched").value == pytest.approx((costs - drawn[1].mean(axis=1))[2:].mean())
    assert one.share_beyond("permuted").value == 1 and one.counts == {"specific": 10, "∅": 2}
    empty = read_as(np.nan, LOW, LOW)["CR"]
    assert empty.mean is empty.excess("matched") is empty.share_beyond("matched") is None
    assert "specific 10, ∅ 2" in text and "10/10" in text and len(text.splitlines()) <= 8
    assert "<table" in profile._repr_html_()


def test_the_least_gap_is_that_of_the_order_asked_for():
    costs = gauss(3, 3)
    profile = profile_of(costs)
    wanted = np.minimum(costs[:, 1] - costs[:, 2], costs[:, 2] - costs[:, 0]).mean()
    assert profile.least_gap("CR", "CC", "RR").value == pytest.approx(wanted)
    assert profile_of([[np.nan, 1, 2]]).least_gap("CR", "RR") is None
    refuses("at least two removals", profile.least_gap, "CR")
    with pytest.raises(InputError, match="removal must be one of"):
        profile["RC"]


def test_a_diverged_network_has_no_effect():
    W_rec = np.array([[0.5, -3.0, 0.0], [0.0, 0.4, 2.0], [0.0, 0.0, 0.3]])
    rnn = RNN(np.ones((3, 2)), W_rec * 1e30, np.ones((4, 3)), activation="relu")
    profile = ablation_profile(rnn, random_trials(), draws=2)
    assert profile.intact[0] == np.inf and np.isnan(profile.effect).all()
    assert "nan" not in repr(profile) and all(one.mean is None for one in profile)


def test_a_profile_refuses():
    rnn, trials, _ = stack_of(1)
    for asked, message in (
        ({"controls": ("random",)}, "control must be one of"),
        ({"forms": []}, "one Schur form a network"),
        ({"draws": 0}, "draws must be at least 1"),
        ({"subsets": [("RC",)]}, "sector must be one of"),
    ):
        refuses(message, ablation_profile, rnn, trials, **asked)
    refuses("the same removals", Profile.stack, [profile_of([[1, 2, 3]]), read_as(1, LOW, LOW)])


def test_threshold_sweep_is_the_profile_at_each_threshold_and_runs_equal_cuts_once(monkeypatch):
    rnn, trials = random_rnn(2, hidden=9), random_trials()
    asked, calls = {"subsets": [*SUBSETS[1:4], SUBSETS[-1]], "controls": ()}, []
    monkeypatch.setattr(
        "schurkit.ablation.sweeps.ablation_profile",
        lambda *a, **k: calls.append(1) or ablation_profile(*a, **k),
    )
    sweep = threshold_sweep(rnn, trials, [0.3, 0.9, 0.9 + 1e-9, 1.0])
    assert list(sweep) == [0.3, 0.9, 0.9 + 1e-9, 1.0]
    cuts = ({one.n_leading[i] for one in sweep.values()} for i in range(2))
    assert len(calls) == sum(map(len, cuts)) < 8
    for level, profile in sweep.items():
        same = ablation_profile(rnn, trials, threshold=level, **asked)
        assert np.array_equal(profile.effect, same.effect) and profile.removed == same.removed
        assert np.array_equal(profile.n_leading, same.n_leading)


def test_orders_move_what_depends_on_them_and_leave_CR_alone():
    rnn, trials, forms = stack_of(2)
    table = order_sweep(rnn, trials, 3, forms=forms, tie=0.1)
    largest = table["spread, largest"]
    assert largest["CR"] < 1e-8 < largest["RR"] and table.n.tolist() == [2, 2, 2]
    cost = ablation_profile(rnn, trials, controls=())["CC"].cost.mean()
    assert table.loc["CC", "by modulus"] == pytest.approx(cost)
    assert order_sweep(rnn, trials, 3, forms=forms, tie=0.0)["spread, largest"].max() < 1e-8


def test_curves_are_those_of_the_ablated_networks():
    rnn, trials, forms = stack_of(2)
    lines = curves(rnn, trials, fvu_over_time, forms=forms)
    assert list(lines) == ["none", "RR", "CR", "CC"] and not lines["none"][0].any()
    alone = fvu_over_time(rollout(ablate(rnn[1], forms[1], [("CC",)]), trials).outputs, trials)
    assert lines["CC"][1] == pytest.approx(alone[0])


# ------------------------------------------------------------------------------- groups of networks
def test_costs_and_the_costliest_leave_empty_sectors_out():
    profile = profile_of([[np.nan, 1, 3], [2, 1, 0], [np.nan, 2, 1], [0.1, 0.2, 5]])
    assert np.isnan(profile.costs[0, 0]) and profile.costs[3].tolist() == [0.1, 0.2, 5]
    assert costliest(profile) == {"CC": 2, "RR": 1, "CR": 1}


def test_networks_lie_farther_from_another_group_by_known_distances():
    """Shares, not sizes: (0, 2, 0) is (0, 1, 0); an empty sector is compared over the others; a
    gain costs nothing.
    """
    one, two = (
        profile_of(costs)
        for costs in ([[0, 1, 0], [-1, 2, 0], [np.nan, 5, 0]], [[0, 0, 1], [0, 0, 9]])
    )
    assert farther(one, [two]) == pytest.approx(np.sqrt(2))
    assert farther(one, [one]) == pytest.approx(0)
    assert farther(profile_of(np.eye(3)[1:]), [two]) == pytest.approx([0, -np.sqrt(2)])
    assert len(farther(profile_of([[0, 1, 0]]), [two])) == 0
    refuses("same removals", farther, one, [read_as(1.0, 0.0, 0.0)])


def test_the_least_worst_case_is_over_networks_that_hold_the_sector():
    few = {"a": [[np.nan, 4, 2]] * 2, "b": [[0.5, 1, 3], [np.nan, 1, 3]]}
    many = {"a": [[1, 2, 3]] * 12, "b": [[0, 4, 0]] * 12}
    few, many = ({name: profile_of(c) for name, c in some.items()} for some in (few, many))
    worst = least_worst(few)
    assert (worst.value, worst.n, worst.low) == (0.5, 1, None)
    worst = least_worst(many, resamples=50)
    assert (worst.value, worst.low, worst.high, worst.n) == (1, 1, 1, 12)
    assert least_worst({"a": profile_of([[np.nan] * 3])}) is None


def test_a_dose_of_one_is_the_profile_and_a_dose_of_none_the_whole_network():
    rnn, trials = random_rnn(2, hidden=8), random_trials()
    forms = [real_schur(W) for W in rnn.W_rec]
    asked = {"forms": forms, "subsets": [("CR",), ("CC",)], "draws": 3, "seed": 5}
    profile = ablation_profile(rnn, trials, **asked)
    rows = dose_sweep(rnn, trials, (0, -1, 1), **asked)
    at = rows.set_index(["network", "removed", "kind", "dose"]).sort_index()
    assert len(at) == 2 * 2 * 3 * 3
    for i, k in np.ndindex(2, 2):
        name, intact = profile.removed[k], profile.intact[i]
        drawn = profile.controls["matched"][i, k].mean()
        for kind, effect in (("removal", profile.effect[i, k]), ("matched", drawn)):
            values = at.value[i, name, kind]
            assert values[[0, 1]].tolist() == pytest.approx([intact, intact + effect], abs=1e-6)
        doubled = at.loc[i, name, "removal", -1]
        (value,) = measure(rnn[i], [forms[i].weights(forms[i].sector(name))], trials)
        assert doubled.value == pytest.approx(value, abs=1e-5)
        assert doubled.removed_mass == pytest.approx(profile.removed_mass[i, k], rel=1e-12)


@pytest.mark.parametrize("mass, defined", [(5e-6, False), (2e-5, True)])
def test_a_sensitivity_needs_a_removed_mass_of_1e_5(mass, defined):
    W_rec = np.diag([0.9, 0.5])
    W_rec[0, 1] = mass * np.linalg.norm(W_rec)
    rnn = RNN(np.eye(2), W_rec, np.eye(2))
    profile = ablation_profile(rnn, self_trials(rnn), subsets=[("CR",)], controls=())
    assert profile.removed_mass[0, 0] == pytest.approx(mass, rel=1e-6)
    assert np.isfinite(profile.frame().sensitivity.iloc[-1]) == defined
