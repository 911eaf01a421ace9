"""Where changes act and what they cost there: known angles, plain loops, and a planted law."""

import numpy as np
import pandas as pd
import pytest
from helpers import random_rnn, random_trials

from schurkit import RNN, InputError, Trials, fvu, real_schur, rollout
from schurkit.analyses.activity import activity_weighted_mass, driving_activity, mass_over_time
from schurkit.analyses.places import (
    CONTROL_KINDS,
    FAMILIES,
    cost_table,
    harm_factors,
    laws,
    removal_families,
)
from schurkit.analyses.subspace import angle_rows


def test_angles_of_a_change_between_two_units():
    """One coupling, from unit 2 to unit 0: what it drives is the readout itself, and what drives it
    is at a right angle to it.
    """
    W_rec = np.array([[0.9, 0.0, 0.4], [0.0, 0.8, 0.0], [0.0, 0.0, 0.7]])
    rnn = RNN(np.eye(3)[:, 2:], W_rec, np.eye(3)[:1])
    rows = angle_rows(
        real_schur(W_rec, 1.0), rnn, random_trials(inputs=1, outputs=1), [("RR",), ("CR",)], draws=3
    )
    # an empty sector has no row
    assert {row.removed for row in rows} == {"CR"} and {row.dimensions for row in rows} == {1}
    angle = {(row.side, row.subspace): row.angle for row in rows}
    assert angle["driven", "readout"] == pytest.approx(0) and angle[
        "driving", "readout"
    ] == pytest.approx(90)
    assert angle["driven", "input"] == pytest.approx(90) and angle[
        "driving", "input"
    ] == pytest.approx(0)
    assert all(20 < row.random < 90 for row in rows if row.subspace != "activity")


def test_mass_over_time_is_the_activity_weighted_mass_of_each_step():
    rnn, trials = random_rnn(1), random_trials()
    form, activity = real_schur(rnn.W_rec[0]), driving_activity(rnn, trials)
    found = mass_over_time(form, form.sector("CC"), activity)
    assert found == pytest.approx(
        [
            float(activity_weighted_mass(form, form.sector("CC"), activity[:, t]))
            for t in range(activity.shape[1])
        ]
    )
    assert np.isnan(mass_over_time(form, form.N, np.zeros((2, 3, 7)))).all()
    with pytest.raises(
        InputError, match=r"activity must have axes \(trials, time, 7\); got shape \(2, 7\)"
    ):
        mass_over_time(form, form.N, np.zeros((2, 7)))


def test_families_hold_every_coupling_once_and_nothing_that_is_zero():
    form = real_schur(random_rnn(1).W_rec[0])
    families = removal_families(form)
    assert np.allclose(sum(families["single"]), form.N) and len(families["single"]) == len(
        form.couplings()
    )
    assert all(delta.any() for family in families.values() for delta in family)
    single = real_schur(np.diag([0.5, 0.4]))
    assert (
        len(removal_families(single)["single"]) == 1
        and not removal_families(single)["block or sector"]
    )


def test_a_table_of_costs_is_what_plain_rollouts_measure():
    rnn, trials, others = random_rnn(2), random_trials(), random_trials(seed=5)
    forms = [real_schur(W) for W in rnn.W_rec]
    table = cost_table(rnn, forms, trials, others, signals=2)
    assert set(zip(table.family, table.kind)) == {
        (f, k) for f in FAMILIES for k in ("removal", "permuted")
    } | {("single", "random pair")}
    mine = table[
        (table.network == rnn.labels[1]) & (table.kind == "removal") & (table.family == "single")
    ]
    one, form = rnn[1], forms[1]
    delta = form.coupling(*form.couplings()[3])
    cut = rollout(one.with_W_rec(one.W_rec[0] - form.weights(delta)), trials)
    assert mine.delta.iloc[3] == pytest.approx(
        fvu(cut, trials)[0] - fvu(rollout(one, trials), trials)[0], abs=1e-9
    )
    own = Trials(trials.inputs, rollout(one, trials).outputs[0])
    assert mine.output.iloc[3] == pytest.approx(fvu(cut, own)[0], abs=1e-9)
    assert mine.removed_mass.iloc[3] == pytest.approx(form.removed_mass(delta))
    assert (
        table.output[table.kind != "removal"].isna().all()
        and (table["size of delta"] == table.delta.abs()).all()
    )
    short = cost_table(rnn, forms, trials, others, signals=2, families=("single",), controls=False)
    assert set(short.kind) == {"removal"} and len(short) == sum(
        len(form.couplings()) for form in forms
    )


def planted(networks=3, couplings=60):
    """Effects that follow activity² exactly; the controls cost ten times as much as the law
    says.
    """
    rng, rows = np.random.default_rng(0), []
    for network in range(networks):
        for family in FAMILIES:
            for kind in ("removal", *(CONTROL_KINDS if family == "single" else CONTROL_KINDS[:1])):
                size, activity, readout = rng.uniform(0.1, 1, (3, couplings))
                masses = {
                    "removed_mass": size,
                    "activity_mass": activity * size,
                    "adjoint_mass": readout * activity * size,
                }
                effect = (activity * size) ** 2 * (1 if kind == "removal" else 10)
                told = {
                    "network": network,
                    "sector": "CR",
                    "family": family,
                    "kind": kind,
                    "delta": effect,
                    "output": effect,
                }
                rows.append(pd.DataFrame({**masses, **told, "size of delta": effect}))
    return pd.concat(rows, ignore_index=True)


def test_laws_find_a_planted_one_and_how_far_the_controls_lie_above_it():
    found = {(law.family, law.kind, law.effect): law for law in laws(planted())}
    assert len(found) == 2 * 3 + 2 + 1
    law = found["single", "removal", "ΔFVU"]
    assert (
        law.scores["activity-weighted mass"].r2.value == pytest.approx(1)
        and law.scores["Schur mass and sector"].r2.value < 0.9
    )
    assert (
        law.asked == 180
        and law.undefined == 0
        and law.above["activity-weighted mass"] == pytest.approx(0, abs=1e-9)
    )
    assert found["single", "permuted", "ΔFVU"].above["activity-weighted mass"] == pytest.approx(1)


def test_the_factors_of_harm_multiply_and_name_what_was_planted():
    """All large couplings have one size and one readout: only the activity can tell the harmful
    from the harmless.
    """
    count, rows = 40, []
    for network in range(2):
        activity = np.linspace(1, 4, count)
        rows.append(
            pd.DataFrame(
                {
                    "network": network,
                    "removed_mass": 1.0,
                    "activity_mass": activity,
                    "adjoint_mass": 3 * activity,
                }
            )
        )
    table = pd.concat(rows, ignore_index=True)
    found = harm_factors(table.assign(**{"size of delta": table.activity_mass}))
    assert list(found.network) == [0, 1] and (found.couplings == 4).all()
    assert (
        found["size"].tolist() == [1, 1]
        and found.readout.tolist() == pytest.approx([1, 1])
        and (found.activity > 3).all()
    )
    assert found.effect.tolist() == pytest.approx(found.activity.tolist())
