"""Predictors of what a removal costs, and the score: their equations by plain loops, and planted
laws.
"""

import numpy as np
import pandas as pd
import pytest
from helpers import orthogonal, random_rnn, random_trials

from schurkit import RNN, InputError, Trials, real_schur, rollout
from schurkit.ablation import removal
from schurkit.ablation.couplings import exact_effects
from schurkit.analyses.activity import activity_weighted_mass, driving_activity, readout_adjoint
from schurkit.analyses.places import CONTROL_KINDS, control_deltas
from schurkit.analyses.prediction import MODELS, compare_models, predictors


# --------------------------------------------------------------------------------------- predictors
def test_predictors_follow_their_equations():
    rnn, trials = random_rnn(1, scale=0.3), random_trials()
    form = real_schur(rnn.W_rec[0])
    deltas = [(), ("CC",), form.coupling(0, 1), form.N, form.T]
    rows = predictors(form, rnn, trials, deltas, signals=2, seed=9)
    assert [row.removed for row in rows] == ["none", "CC", 2, 3, 4] and rows[
        -1
    ].sector == "outside N"
    assert (
        rows[0].sector == "none"
        and rows[0].removed_mass == rows[0].activity_mass == rows[0].adjoint_mass == 0
    )
    present = [name for name in ("RR", "CR", "CC") if form.sector_mask(name).any()]
    assert rows[1].sector == "CC" and rows[3].sector == "+".join(present)
    r, adjoint = driving_activity(rnn, trials), readout_adjoint(rnn, trials, signals=2, seed=9)
    for row, delta in zip(rows[1:], [removal(form, ("CC",)), *deltas[2:]]):
        change = form.Q @ delta @ form.Q.T
        assert row.removed_mass == pytest.approx(np.linalg.norm(delta) / np.linalg.norm(form.T))
        assert row.activity_mass == pytest.approx(float(activity_weighted_mass(form, delta, r)))
        moment = r.reshape(-1, 7).T @ r.reshape(-1, 7)
        assert row.adjoint_mass == pytest.approx(
            np.sqrt(np.trace(adjoint @ change @ moment @ change.T))
        )
    assert [row.removed for row in predictors(form, rnn, trials, deltas, labels="abcde")] == list(
        "abcde"
    )


def test_predictors_do_not_depend_on_the_units_basis():
    """Without an activation that knows the units (relu kept positive), turning all weights turns
    nothing that is measured.
    """
    rng, turn = np.random.default_rng(0), orthogonal(5, 3)
    W_rec, W_in, W_out = (
        0.3 * rng.normal(size=(5, 5)),
        0.05 * rng.normal(size=(5, 2)),
        rng.normal(size=(3, 5)),
    )
    trials = random_trials(outputs=3)

    def rows_of(Q):
        far = np.full(5, 50.0)
        W = Q @ W_rec @ Q.T
        rnn = RNN(Q @ W_in, W, W_out @ Q.T, b_rec=far - W @ far, h0=far, activation="relu")
        form = real_schur(W)
        return (
            form,
            readout_adjoint(rnn, trials),
            predictors(form, rnn, trials, [("RR",), ("CR",), ("CC",), form.N]),
        )

    (_, plain_adjoint, plain), (_, turned_adjoint, turned) = rows_of(np.eye(5)), rows_of(turn)
    assert np.allclose(turned_adjoint, turn @ plain_adjoint @ turn.T, rtol=1e-8)
    assert [row.adjoint_mass > 0 for row in plain] == [row.adjoint_mass > 0 for row in turned]
    for a, b in zip(plain, turned):
        assert a.sector == b.sector and a.removed_mass == pytest.approx(b.removed_mass, rel=1e-8)


def test_the_adjoint_mass_is_of_the_size_of_the_effect():
    """A network that solves its own targets: the mean over random couplings of adjoint_mass² and of
    ΔFVU agree within a factor of three.
    """
    rnn = random_rnn(1, hidden=12, inputs=2, outputs=3, biases=False, scale=0.25, seed=3)
    inputs = np.random.default_rng(0).normal(size=(60, 10, 2))
    trials = Trials(inputs, rollout(rnn, inputs).outputs[0])
    form = real_schur(rnn.W_rec[0])
    rng = np.random.default_rng(1)
    deltas = [0.02 * rng.normal(size=(12, 12)) for _ in range(40)]
    effects = exact_effects(rnn, form, trials, deltas)
    found = np.array([row.adjoint_mass for row in predictors(form, rnn, trials, deltas)]) ** 2
    assert 1 / 3 < np.median(effects / found) < 3


def test_predictors_messages():
    rnn, trials = random_rnn(1), random_trials()
    form = real_schur(rnn.W_rec[0])
    with pytest.raises(
        InputError, match=r"expected at least one removal, ΔT or a tuple of sector names; got none."
    ):
        predictors(form, rnn, trials, [])
    with pytest.raises(InputError, match=r"labels must name each of the 1 removals; got 2."):
        predictors(form, rnn, trials, [("CC",)], labels=["a", "b"])
    with pytest.raises(InputError, match="the Schur form is of another matrix"):
        predictors(form, random_rnn(1, seed=8), trials, [("CC",)])
    silent = RNN(np.zeros((2, 2)), np.diag([0.9, 0.5]), np.ones((4, 2)))
    with pytest.raises(InputError, match="T Qᵀ r is zero on these trials"):
        predictors(real_schur(silent.W_rec[0]), silent, trials, [("CC",)])


# ----------------------------------------------------------------------------------------- controls
@pytest.mark.parametrize("kind", CONTROL_KINDS)
def test_controls_keep_the_norm_and_stay_in_n(kind):
    form = real_schur(random_rnn(1, hidden=9, scale=0.4).W_rec[0])
    deltas = [*(form.coupling(i, j) for i, j in form.couplings()), ("CR",), ("RR", "CC"), ()]
    found = control_deltas(form, deltas, kind, seed=3)
    originals = [removal(form, d) if isinstance(d, tuple) else d for d in deltas]
    assert len(found) == len(deltas) and not found[-1].any()
    assert np.allclose(
        [np.linalg.norm(c) for c in found], [np.linalg.norm(d) for d in originals], rtol=1e-12
    )
    inside = form.N != 0
    assert not any(c[~inside].any() for c in found)
    assert any(not np.array_equal(c != 0, d != 0) for c, d in zip(found, originals))
    again, other = (
        control_deltas(form, deltas, kind, seed=3),
        control_deltas(form, deltas, kind, seed=4),
    )
    assert all(np.array_equal(a, b) for a, b in zip(found, again)) and not all(
        np.array_equal(a, b) for a, b in zip(found, other)
    )


def test_permuted_keeps_the_entries_of_each_sector():
    form = real_schur(random_rnn(1, hidden=9, scale=0.4).W_rec[0])
    [change] = control_deltas(form, [("RR", "CC")], "permuted")
    for name in ("RR", "CR", "CC"):
        mask = form.sector_mask(name)
        before = removal(form, ("RR", "CC"))[mask]
        assert np.array_equal(np.sort(change[mask]), np.sort(before))


def test_a_random_pair_lies_in_one_pair_of_blocks_and_all_pairs_occur():
    form = real_schur(random_rnn(1, hidden=5, scale=0.4, seed=2).W_rec[0])
    changes = control_deltas(form, [form.coupling(0, 1)] * 200, "random pair")
    places = {
        tuple(np.flatnonzero([c[form.coupling(i, j) != 0].any() for i, j in form.couplings()]))
        for c in changes
    }
    assert places == {(k,) for k in range(len(form.couplings()))}


def test_a_form_without_couplings_has_no_controls():
    form = real_schur([[0.5]])
    assert [not c.any() for kind in CONTROL_KINDS for c in control_deltas(form, [()], kind)] == [
        True,
        True,
    ]


def test_control_messages():
    form = real_schur(np.diag([0.9, 0.5]))
    with pytest.raises(InputError, match="kind must be"):
        control_deltas(form, [("CC",)], "shuffled")
    with pytest.raises(InputError, match="delta_T must have the shape of T"):
        control_deltas(form, [np.eye(3)], "permuted")


# ---------------------------------------------------------------------------------------- the score
def score_of(rows, predictors, effects, **options):
    """The score of one model by itself."""
    return compare_models(rows, effects, models={"it": predictors}, **options)["it"]


def planted(networks, a_network=12, *, noise=0.0, seed=0, slope=1.7):
    """Rows whose effect is 3 · mass^slope · 10^noise, times 10 in sector CC."""
    rng = np.random.default_rng(seed)
    rows, effects = [], []
    for network in range(networks):
        for _ in range(a_network):
            mass, sector = 10 ** rng.uniform(-2, 0), str(rng.choice(["RR", "CR", "CC"]))
            row = {"network": network, "mass": mass, "sector": sector, "other": 10 ** rng.normal()}
            rows.append(row)
            effects.append(
                3 * mass**slope * (10 if sector == "CC" else 1) * 10 ** (noise * rng.normal())
            )
    return rows, np.array(effects)


def test_a_planted_law_is_recovered():
    rows, effects = planted(6)
    score = score_of(rows, ["mass", "sector"], effects)
    assert (
        score.r2.mean == pytest.approx(1)
        and score.rows == 72
        and score.n_undefined == 0
        and score.r2.n == 6
    )
    assert score.coefficients["mass"] == pytest.approx(1.7)
    shifts = [score.coefficients[f"sector {name}"] for name in ("RR", "CR", "CC")]
    assert np.allclose(shifts, [-1 / 3, -1 / 3, 2 / 3]) and score.coefficients[
        "offset"
    ] == pytest.approx(np.log10(3) + 1 / 3)
    assert 0.3 < score_of(rows, ["mass"], effects).r2.mean < 0.95
    frame = pd.DataFrame(rows).assign(effect=effects)
    assert score_of(frame, ["mass", "sector"], "effect").r2.mean == pytest.approx(1)
    scaled = score_of(
        [{**row, "mass": 1e6 * row["mass"]} for row in rows], ["mass"], 1e-9 * effects
    )
    assert scaled.r2.mean == pytest.approx(score_of(rows, ["mass"], effects).r2.mean)


def test_noise_scores_nothing_and_the_score_is_that_of_a_plain_loop():
    rows, effects = planted(25, noise=0.4, seed=1)
    assert -0.2 < score_of(rows, ["other"], effects).r2.mean < 0.02
    errors = spread = 0.0
    y, x, group = (
        np.log10(effects),
        np.log10([r["mass"] for r in rows]),
        np.array([r["network"] for r in rows]),
    )
    for network in range(25):
        train = group != network
        slope, offset = np.polyfit(x[train], y[train], 1)
        errors += ((y[~train] - slope * x[~train] - offset) ** 2).sum()
        spread += ((y[~train] - y[train].mean()) ** 2).sum()
    score = score_of(rows, ["mass"], effects)
    assert score.r2.mean == pytest.approx(1 - errors / spread)
    assert (
        score.r2.how == "percentile bootstrap"
        and score.r2.low < score.r2.mean < score.r2.high
        and score.r2.high - score.r2.low < 0.5
    )
    assert (
        score.r2.low
        == score_of(rows, ["mass"], effects).r2.low
        != score_of(rows, ["mass"], effects, seed=1).r2.low
    )


def test_the_interval_follows_the_number_of_networks_and_covers():
    def score(networks, seed=2):
        rows, effects = planted(networks, noise=0.7, seed=seed)
        return score_of(rows, ["mass"], effects).r2

    assert (
        score(9).low is None
        and score(9).how == "none"
        and score(10).how == "t"
        and score(20).how == "percentile bootstrap"
    )
    small, large = score(19), score(20)
    assert 0.5 < (small.high - small.low) / (large.high - large.low) < 2
    truth = score(1500).mean
    assert (
        np.mean([r.low <= truth <= r.high for r in (score(24, seed) for seed in range(100, 140))])
        > 0.75
    )


def test_undefined_values_are_counted_with_their_reasons():
    rows, effects = planted(4)
    rows += [{**rows[0], "network": "lost", "mass": m} for m in (0.0, 0.1, 0.1, 0.1, None)]
    effects = np.append(effects, [1.0, 0.0, -1e-3, np.inf, 1.0])
    score = score_of(rows, ["mass"], effects)
    reasons = {
        "mass is zero": 1,
        "the effect is zero": 1,
        "the effect is negative": 1,
        "the effect is not finite": 1,
        "mass is not finite": 1,
    }
    assert (
        score.undefined == reasons
        and score.n_undefined == 5
        and score.rows == 48
        and score.networks_left_out == ("lost",)
    )
    assert score.r2.mean == score_of(rows[:48], ["mass"], effects[:48]).r2.mean
    missing = score_of(rows[:48], ["mass"], [None, *effects[1:48]])
    assert missing.undefined == {"the effect is not finite": 1}


def test_models_are_compared_on_the_same_rows():
    rng = np.random.default_rng(0)
    networks = [
        random_rnn(1, hidden=8, inputs=2, outputs=3, biases=False, scale=0.3, seed=s)
        for s in range(4)
    ]
    inputs = rng.normal(size=(20, 8, 2))
    rows, effects = [], []
    for i, rnn in enumerate(networks):
        rnn = RNN(rnn.W_in, rnn.W_rec, rnn.W_out, labels=[f"seed {i}"])
        trials, form = Trials(inputs, rollout(rnn, inputs).outputs[0]), real_schur(rnn.W_rec[0])
        deltas = [(), *(form.coupling(i, j) for i, j in form.couplings())]
        rows += predictors(form, rnn, trials, deltas)
        effects += exact_effects(rnn, form, trials, [0 * form.T, *deltas[1:]]).tolist()
    scores = compare_models(rows, effects)
    assert list(scores) == list(MODELS) and len({score.rows for score in scores.values()}) == 1
    assert all(
        score.undefined == {"the effect is zero": 4} and score.r2.n == 4
        for score in scores.values()
    )
    assert (
        scores["readout-relevant adjoint"].r2.mean > 0.8 > scores["Schur mass and sector"].r2.mean
    )
    assert scores["readout-relevant adjoint"].coefficients["adjoint_mass"] == pytest.approx(
        2, abs=0.4
    )


def test_a_level_that_was_never_fitted_gets_the_mean_of_the_others():
    rows = [
        {"network": n, "sector": s, "mass": m}
        for n in range(2)
        for s in ("RR", "CC")
        for m in (0.1, 1.0)
    ]
    effects = [row["mass"] * (100 if row["sector"] == "CC" else 1) for row in rows]
    extra = [{"network": 2, "sector": "new", "mass": 0.5}]
    exact = score_of(rows + extra, ["mass", "sector"], [*effects, 0.5 * 10])
    assert exact.r2.mean == pytest.approx(1)


def test_score_messages():
    rows, effects = planted(3)
    with pytest.raises(InputError, match=r"the rows have no column 'size'."):
        score_of(rows, ["size"], effects)
    with pytest.raises(InputError, match=r"the rows have no column 'size'."):
        score_of(pd.DataFrame(rows), ["size"], effects)
    with pytest.raises(
        InputError, match=r"the effect must have one value for each of the 36 rows; got 35."
    ):
        score_of(rows, ["mass"], effects[1:])
    with pytest.raises(
        InputError, match=r"needs defined rows of at least two networks; got 1 \(of 12 rows\)."
    ):
        score_of(rows[:12], ["mass"], effects[:12])
    with pytest.raises(InputError, match=r"R² is undefined: the effects do not vary."):
        score_of(rows, ["mass"], np.ones(36))
    with pytest.raises(
        InputError, match=r"predictors must be a sequence of column names, .*; got 'mass'."
    ):
        score_of(rows, "mass", effects)
    with pytest.raises(InputError, match=r"the effect must hold numbers."):
        score_of(rows, ["mass"], "sector")
    with pytest.raises(InputError, match=r"sector must hold numbers, or text only."):
        score_of([*rows[1:], {**rows[0], "sector": None}], ["sector"], effects)
    with pytest.raises(InputError, match="level must be above 0"):
        score_of(rows, ["mass"], effects, level=0)


def test_a_law_fitted_to_some_rows_is_scored_on_the_others():
    rows, effects = planted(5)
    shifted = [{**row, "mass": 2 * row["mass"]} for row in rows]
    fit_on = np.arange(2 * len(rows)) < len(rows)
    same = score_of(
        rows + shifted, ["mass", "sector"], np.append(effects, 2**1.7 * effects), fit_on=fit_on
    )
    assert (
        same.r2.mean == pytest.approx(1)
        and same.rows == len(rows)
        and same.coefficients["mass"] == pytest.approx(1.7)
    )
    assert np.isnan(same.predicted[fit_on]).all() and np.allclose(
        same.predicted[~fit_on], np.log10(2**1.7 * effects)
    )
    broken = score_of(
        rows + shifted, ["mass", "sector"], np.append(effects, effects[::-1]), fit_on=fit_on
    )
    assert broken.r2.mean < 0
    y, ours = np.log10(effects[::-1]), np.array([row["network"] for row in rows])
    errors, spread = 0.0, 0.0
    for network in range(5):
        held = ours == network
        errors += np.square(y[held] - broken.predicted[~fit_on][held]).sum()
        spread += np.square(y[held] - np.log10(effects[~held]).mean()).sum()
    assert broken.r2.mean == pytest.approx(1 - errors / spread)
    with pytest.raises(
        InputError,
        match=r"fit_on must hold one boolean for each of the 60 rows; got shape \(3,\), bool.",
    ):
        score_of(rows, ["mass"], effects, fit_on=[True] * 3)
    with pytest.raises(
        InputError, match=r"defined rows of at least two networks; got 1 \(of 60 rows\)."
    ):
        score_of(rows, ["mass"], effects, fit_on=np.arange(60) < 12)


def test_the_difference_of_two_models_has_an_interval_of_its_own():
    rows, effects = planted(24, noise=0.3)
    scores = compare_models(
        rows, effects, models={"both": ["mass", "sector"], "one": ["mass"], "noise": ["other"]}
    )
    found = scores["both"].ahead_of(scores["one"])
    assert (
        found.mean == pytest.approx(scores["both"].r2.mean - scores["one"].r2.mean)
        and found.n == 24
    )
    assert 0 < found.low < found.mean < found.high < scores["both"].r2.high - scores["one"].r2.low
    assert scores["one"].ahead_of(scores["both"]).mean == pytest.approx(-found.mean)
    each = scores["one"].by_network
    assert list(each) == list(range(24)) and scores["one"].r2.mean == pytest.approx(
        sum(each[k] * scores["one"].spreads[k] for k in each) / sum(scores["one"].spreads.values())
    )
    with pytest.raises(InputError, match="ahead_of compares models on the same rows"):
        scores["one"].ahead_of(score_of(rows[:-1], ["mass"], effects[:-1]))
