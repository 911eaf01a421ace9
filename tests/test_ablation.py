"""Ablations and controls on matrices whose couplings were chosen beforehand."""

import numpy as np
import pytest
from helpers import random_rnn, random_trials

from schurkit import RNN, InputError, Trials, ablate, ablation_profile, control_changes, fvu, real_schur, refit_readout, rollout, threshold_sweep
from schurkit.ablation import CONTROLS, SUBSETS, removal


def planted(seed=0, hidden=8):
    """A network with chosen moduli 1, .98, .95, .93 | .5, .4, .3, .2 and Gaussian couplings."""
    rng = np.random.default_rng(seed)
    Q = np.linalg.qr(rng.normal(size=(hidden, hidden)))[0]
    T = np.diag([1.0, 0.98, 0.95, 0.93, 0.5, 0.4, 0.3, 0.2]) + 0.2 * np.triu(rng.normal(size=(hidden, hidden)), 1)
    return RNN(rng.normal(size=(hidden, 2)), Q @ T @ Q.T, rng.normal(size=(1, hidden)), labels=["planted"]), Q, T


def self_trials(rnn, trials=20, steps=6, seed=0):
    """Trials whose targets are what the intact network does: its FVU is zero."""
    inputs = np.random.default_rng(seed).normal(size=(trials, steps, rnn.input_size))
    return Trials(inputs, rollout(rnn, inputs).outputs[0])


def test_each_removal_zeroes_just_its_planted_couplings():
    rnn, Q, T = planted()
    form = real_schur(rnn.W_rec[0])
    assert form.n_leading == 4
    sectors = {"RR": np.s_[:4, :4], "CR": np.s_[:4, 4:], "CC": np.s_[4:, 4:]}
    variants = ablate(rnn, form)
    assert variants.labels == ("none", "RR", "CR", "CC", "RR+CR", "RR+CC", "CR+CC", "RR+CR+CC")
    for subset, variant in zip(SUBSETS, variants):
        expected = T.copy()
        for name in subset:
            block = expected[sectors[name]]
            block[...] = np.diag(np.diag(block)) if name != "CR" else 0
        assert np.abs(variant.W_rec[0] - Q @ expected @ Q.T).max() < 1e-13, subset


def test_removing_nothing_is_exact():
    for dtype in (np.float32, np.float64):
        rnn = random_rnn(1, hidden=9, dtype=dtype)
        assert np.array_equal(ablate(rnn, real_schur(rnn.W_rec[0]), [()]).W_rec, rnn.W_rec)
        rows = ablation_profile(rnn, random_trials(), subsets=[()])
        assert rows[0].delta == 0.0 and rows[0].sensitivity is None and "nothing to remove" in rows[0].undefined


def test_input_and_readout_stay_and_a_delta_T_can_be_given():
    rnn, _, _ = planted()
    form = real_schur(rnn.W_rec[0])
    delta_T = form.coupling(*form.couplings()[3])
    variants = ablate(rnn, form, [delta_T, ("CC",)], labels=["one", "CC"])
    assert variants.labels == ("one", "CC")
    assert np.array_equal(variants.W_in[1], rnn.W_in[0]) and np.array_equal(variants.W_out[1], rnn.W_out[0])
    assert np.linalg.norm(variants.W_rec[0] - rnn.W_rec[0]) == pytest.approx(np.linalg.norm(delta_T))


def test_ablate_refuses():
    rnn, _, _ = planted()
    form = real_schur(rnn.W_rec[0])
    with pytest.raises(InputError, match="one network"):
        ablate(random_rnn(2, hidden=8), form)
    with pytest.raises(InputError, match="another matrix"):
        ablate(planted(1)[0], form)
    with pytest.raises(InputError, match=r"matrix of shape \(8, 8\)"):
        ablate(random_rnn(1), form)
    with pytest.raises(InputError, match="sector must be one of 'RR', 'CR', 'CC'; got 'RC'"):
        ablate(rnn, form, [("RC",)])
    with pytest.raises(InputError, match="got the string 'RR'"):
        removal(form, "RR")
    with pytest.raises(InputError, match="tuple of sector names or ΔT"):
        ablate(rnn, form, [np.zeros((3, 3))])
    with pytest.raises(InputError, match="at least one removal"):
        ablate(rnn, form, [])


@pytest.mark.parametrize("kind", CONTROLS)
@pytest.mark.parametrize("sectors", SUBSETS[1:])
def test_controls_have_the_norm_of_the_removal(kind, sectors):
    rnn, _, _ = planted()
    form = real_schur(rnn.W_rec[0])
    changes = control_changes(form, sectors, kind, draws=5, seed=1)
    norm = np.linalg.norm(removal(form, sectors))
    assert np.linalg.norm(changes, axis=(1, 2)) == pytest.approx(norm, rel=1e-12)
    assert len({round(float(c[0, 0]), 12) for c in changes}) == 5
    assert np.array_equal(changes, control_changes(form, sectors, kind, draws=5, seed=1))
    assert not np.array_equal(changes, control_changes(form, sectors, kind, draws=5, seed=2))


def test_main_control_keeps_the_diagonal_blocks():
    rnn = random_rnn(1, hidden=9)
    form = real_schur(rnn.W_rec[0])
    for change in control_changes(form, ("RR",), "block-upper", draws=3):
        inside = form.Q.T @ change @ form.Q
        assert np.abs(inside[form.N == 0]).max() < 1e-13
        W = rnn.W_rec[0] - change
        assert np.sort_complex(np.linalg.eigvals(W)) == pytest.approx(np.sort_complex(np.linalg.eigvals(rnn.W_rec[0])), abs=1e-9)


def test_permuted_control_keeps_the_entries_of_each_sector():
    rnn, _, _ = planted()
    form = real_schur(rnn.W_rec[0])
    inside = form.Q.T @ control_changes(form, ("CR", "CC"), "permuted", draws=1)[0] @ form.Q
    for name in ("CR", "CC"):
        mask = form.sector_mask(name)
        assert np.sort(inside[mask]) == pytest.approx(np.sort(form.T[mask]), abs=1e-12)
        assert not np.allclose(inside[mask], form.T[mask])


def test_profile_rows_are_what_a_plain_loop_measures():
    rnn = random_rnn(2, hidden=8, biases=True)
    trials = random_trials()
    rows = ablation_profile(rnn, trials, draws=2, controls=("block-upper", "full"), seed=5)
    assert len(rows) == 2 * (8 + 7 * 2 * 2)
    for one in rnn:
        form = real_schur(one.W_rec[0])
        intact = fvu(rollout(one, trials), trials)[0]
        mine = {(r.removed, r.kind, r.draw): r for r in rows if r.network == one.labels[0]}
        for subset in SUBSETS:
            name = "+".join(subset) or "none"
            value = fvu(rollout(ablate(one, form, [subset]), trials), trials)[0]
            row = mine[name, "removal", 0]
            mass = np.linalg.norm(removal(form, subset)) / np.linalg.norm(form.T)
            assert row.value == pytest.approx(value, rel=1e-12)
            assert row.delta is None if subset and mass == 0 else row.delta == pytest.approx(value - intact, abs=1e-12)
            assert row.removed_mass == pytest.approx(mass, rel=1e-12)
            assert row.sensitivity is None if not subset or mass < 1e-5 else row.sensitivity == pytest.approx(row.delta / mass)
        change = control_changes(form, ("CR",), "full", 2, seed=5)[1]
        value = fvu(rollout(one.with_W_rec(one.W_rec[0] - change), trials), trials)[0]
        assert mine["CR", "full", 1].value == pytest.approx(value, rel=1e-12)


def test_order_of_rows_is_subset_then_removal_then_controls():
    rows = ablation_profile(planted()[0], self_trials(planted()[0]), subsets=[("CC",), ("RR",)], draws=2)
    order = [("CC", "removal", 0), ("CC", "block-upper", 0), ("CC", "block-upper", 1), ("RR", "removal", 0)]
    assert [(r.removed, r.kind, r.draw) for r in rows[:4]] == order


def test_profile_in_small_batches_is_the_same(monkeypatch):
    rnn, _, _ = planted()
    trials = self_trials(rnn)
    whole = ablation_profile(rnn, trials, draws=3)
    monkeypatch.setattr("schurkit.ablation._OUTPUT_BYTES", 1)
    assert ablation_profile(rnn, trials, draws=3) == whole


def test_a_normal_network_has_undefined_sensitivities_not_noise():
    rng = np.random.default_rng(0)
    Q = np.linalg.qr(rng.normal(size=(6, 6)))[0]
    rnn = RNN(rng.normal(size=(6, 2)), Q, rng.normal(size=(1, 6)))
    rows = ablation_profile(rnn, self_trials(rnn), controls=())
    assert all(r.sensitivity is None and r.undefined for r in rows)
    assert any("rounding noise" in r.undefined or "holds no coupling" in r.undefined for r in rows)


def test_an_empty_sector_has_no_effect_rather_than_an_effect_of_0():
    rnn = RNN(np.ones((4, 1)), np.diag([0.9, 0.5, 0.4, 0.3]) + np.diag([0.2] * 3, 1), np.ones((1, 4)))  # one unit in R: RR holds nothing
    rows = ablation_profile(rnn, self_trials(rnn), draws=2)
    assert {row.n_leading for row in rows} == {1}
    for row in rows:
        assert (row.delta is None) == (row.removed == "RR") and (row.removed_mass == 0) == (row.removed in ("RR", "none"))
    assert all(row.undefined == "nothing to remove: the sector holds no coupling" for row in rows if row.removed == "RR")


def test_a_diverged_network_has_no_effect_but_a_reason():
    W_rec = np.array([[0.5, -3.0, 0.0], [0.0, 0.4, 2.0], [0.0, 0.0, 0.3]])
    rnn = RNN(np.ones((3, 1)), W_rec * 1e30, np.ones((1, 3)), activation="relu")
    trials = Trials(np.ones((4, 40, 1)), np.random.default_rng(0).normal(size=(4, 40, 1)))
    rows = ablation_profile(rnn, trials, controls=())
    assert all(row.value == np.inf for row in rows)
    assert all(row.delta is None and row.sensitivity is None and row.undefined == "the unablated network diverged" for row in rows)


def test_profile_refuses():
    rnn, _, _ = planted()
    with pytest.raises(InputError, match="control must be one of"):
        ablation_profile(rnn, self_trials(rnn), controls=("random",))
    with pytest.raises(InputError, match="one Schur form a network"):
        ablation_profile(rnn, self_trials(rnn), forms=[])


@pytest.mark.parametrize("form", ["rate", "voltage"])
def test_refit_readout_recovers_a_planted_readout(form):
    rnn = random_rnn(2, hidden=6, inputs=2, outputs=3, form=form)
    trials = Trials(np.random.default_rng(0).normal(size=(60, 9, 2)), np.zeros((60, 9, 3)))
    for i in range(2):
        planted_trials = Trials(trials.inputs, rollout(rnn[i], trials).outputs[0])
        damaged = RNN(rnn.W_in[i], rnn.W_rec[i], rnn.W_out[i] * 0, rnn.b_rec[i], rnn.b_out[i], rnn.h0[i], form=form)
        assert np.abs(refit_readout(damaged, planted_trials).W_out[0] - rnn.W_out[i]).max() < 1e-6


def test_threshold_sweep_is_the_profile_at_each_threshold():
    rnn = random_rnn(2, hidden=9)
    trials = random_trials()
    found = threshold_sweep(rnn, trials, [0.3, 0.9, 1.0])
    for level in (0.3, 0.9, 1.0):
        mine = [row for at, row in found if at == level]
        assert mine == ablation_profile(rnn, trials, threshold=level, subsets=[("RR",), ("CR",), ("CC",), ("RR", "CR", "CC")], controls=())


def test_threshold_sweep_runs_equal_cuts_once(monkeypatch):
    rnn, _, _ = planted()
    calls = []
    real = ablation_profile
    monkeypatch.setattr("schurkit.ablation.ablation_profile", lambda *a, **k: calls.append(1) or real(*a, **k))
    assert len(threshold_sweep(rnn, self_trials(rnn), [0.6, 0.7, 0.8, 0.9])) == 16 and len(calls) == 1


def test_refit_needs_shared_trials():
    with pytest.raises(InputError, match="share"):
        refit_readout(random_rnn(2), random_trials(2))
