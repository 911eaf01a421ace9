"""Removals and their controls on matrices whose couplings were chosen beforehand."""

import numpy as np
import pytest
from helpers import planted, random_rnn, random_trials, self_trials

from schurkit import (
    RNN,
    InputError,
    Trials,
    ablate,
    control_changes,
    fvu,
    measure,
    real_schur,
    refit_readout,
    rollout,
)
from schurkit.ablation import CONTROLS, SUBSETS, matched_share, removal, switched


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
        intact, untouched = measure(rnn, [np.zeros((9, 9))] * 2, random_trials())
        assert intact == untouched == fvu(rollout(rnn, random_trials()), random_trials())[0]


def test_input_and_readout_stay_and_a_delta_T_can_be_given():
    rnn, _, _ = planted()
    form = real_schur(rnn.W_rec[0])
    delta_T = form.coupling(*form.couplings()[3])
    variants = ablate(rnn, form, [delta_T, ("CC",)], labels=["one", "CC"])
    assert variants.labels == ("one", "CC")
    assert np.array_equal(variants.W_in[1], rnn.W_in[0]) and np.array_equal(
        variants.W_out[1], rnn.W_out[0]
    )
    assert np.linalg.norm(variants.W_rec[0] - rnn.W_rec[0]) == pytest.approx(
        np.linalg.norm(delta_T)
    )


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
        assert np.sort_complex(np.linalg.eigvals(W)) == pytest.approx(
            np.sort_complex(np.linalg.eigvals(rnn.W_rec[0])), abs=1e-9
        )


def test_permuted_control_keeps_the_entries_of_each_sector():
    rnn, _, _ = planted()
    form = real_schur(rnn.W_rec[0])
    inside = form.Q.T @ control_changes(form, ("CR", "CC"), "permuted", draws=1)[0] @ form.Q
    for name in ("CR", "CC"):
        mask = form.sector_mask(name)
        assert np.sort(inside[mask]) == pytest.approx(np.sort(form.T[mask]), abs=1e-12)
        assert not np.allclose(inside[mask], form.T[mask])


def test_matched_control_has_the_singular_values_of_the_removal_and_another_place():
    rnn = random_rnn(1, hidden=20)
    form = real_schur(rnn.W_rec[0], 0.8)
    wanted = np.linalg.svd(removal(form, ("CR",)), compute_uv=False)
    assert matched_share(form, ("CR",)) == 1
    borders = set()
    for change in control_changes(form, ("CR",), "matched", draws=8):
        inside = form.Q.T @ change @ form.Q
        assert np.linalg.svd(inside, compute_uv=False) == pytest.approx(wanted, abs=1e-12)
        assert np.abs(np.where(form._strictly_upper, 0, inside)).max() < 1e-13  # B stays
        borders.add(int((np.abs(inside).max(axis=1) > 1e-12).sum()))
    assert len(borders) > 1


def test_a_matched_control_without_room_keeps_the_largest_singular_values_at_equal_norm():
    # all blocks in R: RR has rank 10 or more, no border room for it
    form = real_schur(random_rnn(1, hidden=12).W_rec[0], 0.0)
    values = np.linalg.svd(removal(form, ("RR",)), compute_uv=False)
    change = control_changes(form, ("RR",), "matched", draws=1)[0]
    found = np.linalg.svd(change, compute_uv=False)
    rank = int((found > 1e-12).sum())
    assert rank <= 6 and np.linalg.norm(found) == pytest.approx(np.linalg.norm(values))
    assert found[:rank] * matched_share(form, ("RR",)) == pytest.approx(values[:rank])
    assert matched_share(form, ("RR",)) == pytest.approx(
        np.linalg.norm(values[:rank]) / np.linalg.norm(values)
    )
    assert matched_share(form, ("RR",)) < 1


def test_a_change_of_a_leaky_network_takes_the_couplings_from_its_step_matrix():
    rnn = random_rnn(1, hidden=7, leak=np.linspace(0.2, 1, 7))
    form = real_schur(rnn.W_rec[0], leak=rnn.leak)
    W = ablate(rnn, form, [("RR", "CR", "CC")]).W_rec[0].astype(float)
    step = np.diag(1 - rnn.leak) + rnn.leak[:, None] * W
    assert form.Q.T @ step @ form.Q == pytest.approx(form.B, abs=1e-6)


def test_measure_in_small_batches_is_the_same_and_draws_as_it_goes(monkeypatch):
    rnn, _, _ = planted()
    trials, form = self_trials(rnn), real_schur(rnn.W_rec[0])
    changes = [-change for change in control_changes(form, ("CC",), "full", draws=7)]
    whole = measure(rnn, changes, trials)
    monkeypatch.setattr("schurkit.ablation.rollouts.OUTPUT_BYTES", 3 * trials.targets.nbytes)
    held = []

    def drawn():
        for change in changes:
            held.append(len(held))
            yield change

    assert np.array_equal(measure(rnn, drawn(), trials), whole) and len(held) == 7
    plain = [
        fvu(rollout(rnn.with_W_rec(rnn.W_rec[0] + change), trials), trials)[0] for change in changes
    ]
    assert whole == pytest.approx(plain, rel=1e-12)
    with pytest.raises(InputError, match="measure needs one network"):
        measure(random_rnn(2), changes, trials)
    with pytest.raises(InputError, match="trials that all networks share"):
        measure(rnn, changes, random_trials(1))


@pytest.mark.parametrize("form", ["rate", "voltage"])
def test_refit_readout_recovers_a_planted_readout(form):
    rnn = random_rnn(2, hidden=6, inputs=2, outputs=3, form=form)
    trials = Trials(np.random.default_rng(0).normal(size=(60, 9, 2)), np.zeros((60, 9, 3)))
    for i in range(2):
        planted_trials = Trials(trials.inputs, rollout(rnn[i], trials).outputs[0])
        damaged = RNN(
            rnn.W_in[i],
            rnn.W_rec[i],
            rnn.W_out[i] * 0,
            rnn.b_rec[i],
            rnn.b_out[i],
            rnn.h0[i],
            form=form,
        )
        assert np.abs(refit_readout(damaged, planted_trials).W_out[0] - rnn.W_out[i]).max() < 1e-6


def test_refit_needs_shared_trials():
    with pytest.raises(InputError, match="share"):
        refit_readout(random_rnn(2), random_trials(2))


@pytest.mark.parametrize(
    "kind",
    [{}, {"activation": "relu", "leak": 0.4}, {"form": "voltage", "leak": np.linspace(0.2, 1, 7)}],
)
def test_a_change_that_holds_throughout_is_that_network_and_one_that_never_holds_is_the_intact_one(
    kind,
):
    rnn, trials = random_rnn(1, scale=0.3, **kind), random_trials()
    change = -np.random.default_rng(0).normal(size=(7, 7)) * 0.1
    for when, W in ((True, rnn.W_rec[0] + change), (False, rnn.W_rec[0])):
        wanted = rollout(rnn.with_W_rec(W), trials).outputs
        assert switched(rnn, change, [when] * 8, trials) == pytest.approx(wanted, abs=1e-10)
    late = switched(rnn, change, np.arange(8) >= 4, trials)
    assert late[:, :, :4] == pytest.approx(
        rollout(rnn, trials).outputs[:, :, :4], abs=1e-10
    ) and not np.allclose(late[:, :, 4:], wanted[:, :, 4:])
    one = np.zeros((6, 8), bool)
    one[2, 3] = True
    only = switched(rnn, change, one, trials)
    assert np.array_equal(np.flatnonzero(np.abs(only - wanted).max(axis=(0, 2, 3)) > 1e-9), [2])
    with pytest.raises(InputError, match="when must have shape"):
        switched(rnn, change, [True] * 3, trials)
