"""Predictors of what a removal costs, and the score: their equations by plain loops, and planted
laws.
"""

import numpy as np
import pandas as pd
import pytest
from helpers import messages, random_rnn, random_trials, self_trials

from schurkit import RNN, real_schur
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
    assert [row.removed for row in rows] == ["none", "CC", 2, 3, 4]
    present = [name for name in ("RR", "CR", "CC") if form.sector_mask(name).any()]
    sectors = [rows[i].sector for i in (0, 1, 3, 4)]
    assert sectors == ["none", "CC", "+".join(present), "outside N"]
    r, adjoint = driving_activity(rnn, trials), readout_adjoint(rnn, trials, signals=2, seed=9)
    moment = r.reshape(-1, 7).T @ r.reshape(-1, 7)
    for row, delta in zip(rows, [0 * form.T, removal(form, ("CC",)), *deltas[2:]]):
        change = form.Q @ delta @ form.Q.T
        assert row.removed_mass == pytest.approx(np.linalg.norm(delta) / np.linalg.norm(form.T))
        assert row.activity_mass == pytest.approx(float(activity_weighted_mass(form, delta, r)))
        squared = np.trace(adjoint @ change @ moment @ change.T)
        assert row.adjoint_mass == pytest.approx(np.sqrt(squared))


# ----------------------------------------------------------------------------------------- controls
@pytest.mark.parametrize("kind", CONTROL_KINDS)
def test_controls_keep_the_norm_and_stay_in_n(kind):
    form = real_schur(random_rnn(1, hidden=9, scale=0.4).W_rec[0])
    deltas = [*(form.coupling(i, j) for i, j in form.couplings()), ("CR",), ("RR", "CC"), ()]
    found, again, other = (np.array(control_deltas(form, deltas, kind, seed=s)) for s in (3, 3, 4))
    originals = np.array([removal(form, d) if isinstance(d, tuple) else d for d in deltas])
    norms = [np.linalg.norm(changes, axis=(1, 2)) for changes in (found, originals)]
    assert np.allclose(*norms, rtol=1e-12) and not found[-1].any()
    assert not found[:, form.N == 0].any() and ((found != 0) != (originals != 0)).any()
    assert np.array_equal(found, again) and not np.array_equal(found, other)
    for name in ("RR", "CC") if kind == "permuted" else ():
        mask = form.sector_mask(name)
        assert np.array_equal(*(np.sort(changes[-2][mask]) for changes in (found, originals)))
    alike = control_deltas(form, [form.N] * 200, kind)
    assert len({change.tobytes() for change in alike}) > len(form.couplings()), "draws of their own"
    empty = control_deltas(real_schur([[0.5]]), [()], kind)
    assert [change.any() for change in empty] == [False]


def test_a_random_pair_lies_in_one_pair_of_blocks_and_all_pairs_occur():
    form = real_schur(random_rnn(1, hidden=5, scale=0.4, seed=2).W_rec[0])
    changes = control_deltas(form, [form.coupling(0, 1)] * 200, "random pair")
    places = {
        tuple(np.flatnonzero([c[form.coupling(i, j) != 0].any() for i, j in form.couplings()]))
        for c in changes
    }
    assert places == {(k,) for k in range(len(form.couplings()))}


# ---------------------------------------------------------------------------------------- the score
def score_of(rows, predictors, effects, **options):
    """The score of one model by itself."""
    return compare_models(rows, effects, models={"it": predictors}, **options)["it"]


def planted(networks, *, noise=0.0, seed=0):
    """Rows whose effect is 3 · mass^1.7 · 10^noise, times 10 in sector CC."""
    rng, n = np.random.default_rng(seed), 12 * networks
    rows = {"network": np.repeat(np.arange(networks), 12), "other": 10 ** rng.normal(size=n)}
    rows |= {"mass": 10 ** rng.uniform(-2, 0, n), "sector": rng.choice(["RR", "CR", "CC"], n)}
    size = 3 * rows["mass"] ** 1.7 * np.where(rows["sector"] == "CC", 10, 1)
    return pd.DataFrame(rows), size * 10 ** (noise * rng.normal(size=n))


def test_a_planted_law_is_recovered():
    rows, effects = planted(6)
    score = score_of(rows, ["mass", "sector"], effects)
    assert (score.rows, score.n_undefined, score.r2.n) == (72, 0, 6)
    assert score.r2.mean == pytest.approx(1)
    logs = {"mass": 1.7, "offset": np.log10(3) + 1 / 3}
    logs |= {"sector RR": -1 / 3, "sector CR": -1 / 3, "sector CC": 2 / 3}
    assert score.coefficients == pytest.approx(logs)
    alone = score_of(rows, ["mass"], effects).r2.mean
    assert 0.3 < alone < 0.95
    frame = rows.assign(effect=effects)
    assert score_of(frame, ["mass", "sector"], "effect").r2.mean == pytest.approx(1)
    scaled = rows.assign(mass=1e6 * rows["mass"])
    assert score_of(scaled, ["mass"], 1e-9 * effects).r2.mean == pytest.approx(alone)


def test_noise_scores_nothing_and_the_score_is_that_of_a_plain_loop():
    rows, effects = planted(25, noise=0.4, seed=1)
    assert -0.2 < score_of(rows, ["other"], effects).r2.mean < 0.02
    x, y, groups = np.log10(rows["mass"]), np.log10(effects), rows.network
    errors = spread = 0.0
    for network in range(25):
        held = groups == network
        line = np.polyfit(x[~held], y[~held], 1)
        errors += np.square(y[held] - np.polyval(line, x[held])).sum()
        spread += np.square(y[held] - y[~held].mean()).sum()
    r2 = score_of(rows, ["mass"], effects).r2
    assert r2.mean == pytest.approx(1 - errors / spread)
    assert r2.low < r2.mean < r2.high < r2.low + 0.5


def test_undefined_values_are_counted():
    rows, effects = planted(4)
    rows = rows.to_dict("records")
    rows += [{**rows[0], "network": "lost", "mass": m} for m in (0.0, 0.1, 0.1, 0.1, None)]
    score = score_of(rows, ["mass"], np.append(effects, [1.0, 0.0, -1e-3, np.inf, 1.0]))
    assert (score.n_undefined, score.rows) == (5, 48)
    assert score.r2.mean == score_of(rows[:48], ["mass"], effects).r2.mean
    missing = score_of(rows[:48], ["mass"], [None, *effects[1:]])
    assert missing.n_undefined == 1


def test_models_are_compared_on_the_same_rows():
    rows, effects = [], []
    for seed in range(4):
        rnn = random_rnn(1, hidden=8, outputs=3, biases=False, scale=0.3, seed=seed, labels=[seed])
        trials, form = self_trials(rnn, 20, 8), real_schur(rnn.W_rec[0])
        couplings = [form.coupling(i, j) for i, j in form.couplings()]
        rows += predictors(form, rnn, trials, [(), *couplings])
        effects += exact_effects(rnn, form, trials, [0 * form.T, *couplings]).tolist()
    scores = compare_models(rows, effects)
    assert list(scores) == list(MODELS) and len({score.rows for score in scores.values()}) == 1
    for score in scores.values():
        assert score.n_undefined == 4 and score.r2.n == 4
    adjoint = scores["readout-relevant adjoint"]
    assert adjoint.r2.mean > 0.8 > scores["Schur mass and sector"].r2.mean
    assert adjoint.coefficients["adjoint_mass"] == pytest.approx(2, abs=0.4)


def test_a_level_that_was_never_fitted_gets_the_mean_of_the_others():
    places = [(n, s) for n in range(2) for s in ("RR", "CC")] + [(2, "new")]
    rows = [{"network": n, "sector": s, "mass": m} for n, s in places for m in (0.1, 1.0)]
    factor = {"RR": 1, "CC": 100, "new": 10}
    effects = [row["mass"] * factor[row["sector"]] for row in rows]
    assert score_of(rows, ["mass", "sector"], effects).r2.mean == pytest.approx(1)


def test_a_law_fitted_to_some_rows_is_scored_on_the_others():
    rows, effects = planted(5)
    both = pd.concat([rows, rows.assign(mass=2 * rows["mass"])])
    fit_on = np.arange(len(both)) < len(rows)

    same, broken = (
        score_of(both, ["mass", "sector"], np.append(effects, others), fit_on=fit_on)
        for others in (2**1.7 * effects, effects[::-1])
    )
    assert broken.r2.mean < 0 and broken.coefficients == same.coefficients
    assert same.r2.mean == pytest.approx(1) and same.rows == len(rows)
    assert same.coefficients["mass"] == pytest.approx(1.7)
    assert np.isnan(same.predicted[fit_on]).all()
    assert np.allclose(same.predicted[~fit_on], np.log10(2**1.7 * effects))


def test_the_difference_of_two_models_has_an_interval_of_its_own():
    rows, effects = planted(24, noise=0.3)
    models = {"both": ["mass", "sector"], "one": ["mass"]}
    both, one = compare_models(rows, effects, models=models).values()
    found = both.ahead_of(one)
    assert found.mean == pytest.approx(both.r2.mean - one.r2.mean) and found.n == 24
    assert 0 < found.low < found.mean < found.high < both.r2.high - one.r2.low
    assert one.ahead_of(both).mean == pytest.approx(-found.mean)
    weighted = sum(one.by_network[k] * one.spreads[k] for k in range(24))
    assert one.r2.mean == pytest.approx(weighted / sum(one.spreads.values()))


RNN_OF, TRIALS, LAW = random_rnn(1), random_trials(), planted(5)


FORM, DIAGONAL = real_schur(RNN_OF.W_rec[0]), real_schur(np.diag([0.9, 0.5]))


SILENT = RNN(np.zeros((2, 2)), np.diag([0.9, 0.5]), np.ones((4, 2)))


def few(*, mass=("mass",), rows=LAW[0], effects=LAW[1], **options):
    return lambda: score_of(rows, mass, effects, **options)


test_messages = messages(
    (
        predictors,
        FORM,
        RNN_OF,
        TRIALS,
        [],
        r"at least one removal, ΔT or a tuple of sector names; got none\.",
    ),
    (
        predictors,
        FORM,
        random_rnn(1, seed=8),
        TRIALS,
        [("CC",)],
        "the Schur form is of another matrix",
    ),
    (
        predictors,
        DIAGONAL,
        SILENT,
        TRIALS,
        [("CC",)],
        "T Qᵀ r is zero on this activity",
    ),
    (control_deltas, DIAGONAL, [("CC",)], "shuffled", "kind must be"),
    (few(mass=["size"]), r"the rows have no column 'size'\."),
    (few(effects=LAW[1][1:]), r"one value for each of the 60 rows; got 59\."),
    (
        few(rows=LAW[0][:12], effects=LAW[1][:12]),
        r"needs defined rows of at least two networks; got 1 \(of 12 rows\)\.",
    ),
    (few(effects=np.ones(60)), r"R² is undefined: the effects do not vary\."),
    (few(mass="mass"), r"predictors must be a sequence of column names, .*; got 'mass'\."),
    (
        few(mass=["sector"], rows=LAW[0].assign(sector=[None, *LAW[0].sector[1:]])),
        r"sector must hold numbers, or text only\.",
    ),
    (few(fit_on=[True] * 3), r"one boolean for each of the 60 rows; got shape \(3,\), bool\."),
    (
        lambda: few()().ahead_of(few(rows=LAW[0][1:], effects=LAW[1][1:])()),
        "ahead_of compares models on the same rows",
    ),
)
