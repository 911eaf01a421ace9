"""Where changes act and what they cost there: known angles, plain loops, and a planted law."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from helpers import random_rnn, random_trials, refuses

from schurkit import RNN, fvu, real_schur, rollout
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
    rnn, trials = RNN(np.eye(3)[:, 2:], W_rec, np.eye(3)[:1]), random_trials(inputs=1, outputs=1)
    rows = angle_rows(real_schur(W_rec, 1.0), rnn, trials, [("RR",), ("CR",)], draws=3)
    # an empty sector has no row
    assert {(row["removed"], row["dimensions"]) for row in rows} == {("CR", 1)}
    rows = [row for row in rows if row["subspace"] != "activity"]
    angles = {(row["side"], row["subspace"]): row["angle"] for row in rows}
    expected = {("driven", "readout"): 0, ("driving", "readout"): 90}
    expected |= {("driven", "input"): 90, ("driving", "input"): 0}
    assert angles == pytest.approx(expected)
    assert all(20 < row["random"] < 90 for row in rows)


def test_mass_over_time_is_the_activity_weighted_mass_of_each_step():
    rnn, trials = random_rnn(1), random_trials()
    form, activity = real_schur(rnn.W_rec[0]), driving_activity(rnn, trials)
    delta = form.sector("CC")
    steps = [activity_weighted_mass(form, delta, step) for step in activity.swapaxes(0, 1)]
    assert mass_over_time(form, delta, activity) == pytest.approx(np.ravel(steps))
    assert np.isnan(mass_over_time(form, form.N, np.zeros((2, 3, 7)))).all()
    message = r"axes \(trials, time, 7\) and hold at least one state; got shape \(2, 7\)"
    refuses(message, mass_over_time, form, form.N, np.zeros((2, 7)))


def test_families_hold_every_coupling_once_and_nothing_that_is_zero():
    form = real_schur(random_rnn(1).W_rec[0])
    families = removal_families(form)
    assert len(families["single"]) == len(form.couplings())
    assert np.allclose(sum(families["single"]), form.N)
    assert all(delta.any() for family in families.values() for delta in family)
    diagonal = removal_families(real_schur(np.diag([0.5, 0.4])))
    assert len(diagonal["single"]) == 1 and not diagonal["block or sector"]


def test_a_table_of_costs_is_what_plain_rollouts_measure():
    rnn, trials, others = random_rnn(2), random_trials(), random_trials(seed=5)
    forms = [real_schur(W) for W in rnn.W_rec]
    table = cost_table(rnn, forms, trials, others, signals=2)
    kinds = {(f, k) for f in FAMILIES for k in ("removal", "permuted")} | {
        ("single", "random pair")
    }
    assert set(zip(table.family, table.kind)) == kinds
    removals = table[table.kind == "removal"]
    row = removals[(removals.network == rnn.labels[1]) & (removals.family == "single")].iloc[3]
    one, form, delta = rnn[1], forms[1], forms[1].coupling(*forms[1].couplings()[3])
    cut, intact = (
        rollout(one.with_W_rec(one.W_rec[0] - form.weights(d)), trials).outputs
        for d in (delta, 0 * delta)
    )
    own = replace(trials, targets=intact[0])
    assert row.delta == pytest.approx(fvu(cut, trials)[0] - fvu(intact, trials)[0], abs=1e-9)
    assert row.output == pytest.approx(fvu(cut, own)[0], abs=1e-9)
    assert row.removed_mass == pytest.approx(form.removed_mass(delta))
    assert table.output[table.kind != "removal"].isna().all()
    assert (table["size of delta"] == table.delta.abs()).all()
    few = {"families": ("single",), "controls": False}
    assert set(cost_table(rnn, forms, trials, others, signals=2, **few).kind) == {"removal"}


def planted(networks=3, couplings=60):
    """Effects that follow activity² exactly; the controls cost ten times as much as the law
    says.
    """
    rng, frames = np.random.default_rng(0), []
    kinds = [(f, kind) for f in FAMILIES for kind in ("removal", CONTROL_KINDS[0])]
    for network in range(networks):
        for family, kind in (*kinds, ("single", CONTROL_KINDS[1])):
            size, activity, readout = rng.uniform(0.1, 1, (3, couplings))
            mass = activity * size
            masses = {"removed_mass": size, "activity_mass": mass, "adjoint_mass": readout * mass}
            row = {"network": network, "sector": "CR", "family": family, "kind": kind}
            effect = mass**2 * (1 if kind == "removal" else 10)
            effects = dict.fromkeys(("delta", "output", "size of delta"), effect)
            frames.append(pd.DataFrame(masses | row | effects))
    return pd.concat(frames, ignore_index=True)


def test_laws_find_a_planted_one_and_how_far_the_controls_lie_above_it():
    found = {(law.family, law.kind, law.effect): law for law in laws(planted())}
    assert len(found) == 2 * 3 + 2 + 1
    law, control = found["single", "removal", "ΔFVU"], found["single", "permuted", "ΔFVU"]
    assert law.scores["activity-weighted mass"].r2.value == pytest.approx(1)
    assert law.scores["Schur mass and sector"].r2.value < 0.9
    assert (law.asked, law.undefined) == (180, 0)
    above = [one.above["activity-weighted mass"] for one in (law, control)]
    assert above == pytest.approx([0, 1], abs=1e-9)


def test_the_factors_of_harm_multiply_and_name_what_was_planted():
    """All large couplings have one size and one readout: only the activity can tell the harmful
    from the harmless.
    """
    activity = np.tile(np.linspace(1, 4, 40), 2)
    masses = {"removed_mass": 1.0, "activity_mass": activity, "adjoint_mass": 3 * activity}
    rows = {"network": np.repeat([0, 1], 40), "size of delta": activity}
    found = harm_factors(pd.DataFrame(rows | masses))
    assert list(found.network) == [0, 1] and (found.couplings == 4).all()
    assert found[["size", "readout"]].to_numpy() == pytest.approx(np.ones((2, 2)))
    assert (found.activity > 3).all() and found.effect.tolist() == pytest.approx(found.activity)
