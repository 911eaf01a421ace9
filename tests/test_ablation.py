"""Removals and their controls on matrices whose couplings were chosen beforehand."""

from dataclasses import replace

import numpy as np
import pytest
from helpers import apart, gauss, planted, random_rnn, random_trials, refuses, self_trials

from schurkit import (
    ablate,
    control_changes,
    fvu,
    measure,
    real_schur,
    refit_readout,
    rollout,
)
from schurkit.ablation import CONTROLS, SUBSETS, matched_share, removal, switched

NETWORK, Q, T = planted()
FORM = real_schur(NETWORK.W_rec[0])


def inside(form, change):
    """A change of W_rec in Schur coordinates."""
    return form.Q.T @ change @ form.Q


def test_each_removal_zeroes_just_its_planted_couplings():
    sectors = {"RR": np.s_[:4, :4], "CR": np.s_[:4, 4:], "CC": np.s_[4:, 4:]}
    variants = ablate(NETWORK, FORM)
    assert FORM.n_leading == 4
    assert variants.labels == ("none", "RR", "CR", "CC", "RR+CR", "RR+CC", "CR+CC", "RR+CR+CC")
    for subset, variant in zip(SUBSETS, variants):
        expected = T.copy()
        for name in subset:
            block = expected[sectors[name]]
            block[...] = np.diag(np.diag(block)) if name != "CR" else 0
        assert apart(variant.W_rec[0], Q @ expected @ Q.T) < 1e-13, subset


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_removing_nothing_is_exact(dtype):
    rnn, trials = random_rnn(1, hidden=9, dtype=dtype), random_trials()
    assert np.array_equal(ablate(rnn, real_schur(rnn.W_rec[0]), [()]).W_rec, rnn.W_rec)
    intact, untouched = measure(rnn, [np.zeros((9, 9))] * 2, trials)
    assert intact == untouched == pytest.approx(fvu(rollout(rnn, trials), trials)[0], rel=1e-6)


def test_ablate_refuses():
    for one, removals, message in (
        (random_rnn(2, hidden=8), SUBSETS, "one network"),
        (planted(1)[0], SUBSETS, "another matrix"),
        (random_rnn(1), SUBSETS, r"matrix of shape \(8, 8\)"),
        (NETWORK, [("RC",)], "sector must be one of 'RR', 'CR', 'CC'; got 'RC'"),
        (NETWORK, ["RR"], "got the string 'RR'"),
        (NETWORK, [np.zeros((3, 3))], "delta_T must have the shape of T"),
        (NETWORK, [], "at least one removal"),
    ):
        refuses(message, ablate, one, FORM, removals)


@pytest.mark.parametrize("kind", CONTROLS)
@pytest.mark.parametrize("sectors", SUBSETS[1:])
def test_controls_have_the_norm_of_the_removal(kind, sectors):
    changes, again, other = (control_changes(FORM, sectors, kind, 5, seed) for seed in (1, 1, 2))
    norm = np.linalg.norm(removal(FORM, sectors))
    assert np.linalg.norm(changes, axis=(1, 2)) == pytest.approx(norm, rel=1e-12)
    assert len({round(float(c[0, 0]), 12) for c in changes}) == 5
    assert np.array_equal(changes, again) and not np.array_equal(changes, other)
    assert np.array_equal(control_changes(FORM, sectors, kind, [3, 0], 1), changes[[3, 0]])


def test_controls_of_other_removals_are_other_draws():
    one, other = (control_changes(FORM, (name,), "full", 1).ravel() for name in ("RR", "CC"))
    assert np.corrcoef(one, other)[0, 1] < 0.5


def test_block_upper_control_keeps_the_diagonal_blocks_and_fills_every_sector():
    rnn = random_rnn(1, hidden=9, seed=3)
    form = real_schur(rnn.W_rec[0], 0.8)
    for change in control_changes(form, ("RR",), "block-upper", draws=3):
        found = inside(form, change)
        assert np.abs(found[form.N == 0]).max() < 1e-13
        assert all(np.abs(found[form.sector_mask(n)]).max() > 0.01 for n in ("RR", "CR", "CC"))
        before, after = map(np.linalg.eigvals, (rnn.W_rec[0], rnn.W_rec[0] - change))
        assert np.sort_complex(after) == pytest.approx(np.sort_complex(before), abs=1e-9)


def test_permuted_control_keeps_the_entries_of_each_sector():
    (change,) = control_changes(FORM, ("CR", "CC"), "permuted", draws=1)
    for name in ("CR", "CC"):
        mask = FORM.sector_mask(name)
        entries = inside(FORM, change)[mask]
        assert np.sort(entries) == pytest.approx(np.sort(FORM.T[mask]), abs=1e-12)
        assert not np.allclose(entries, FORM.T[mask])


def test_matched_control_has_the_singular_values_of_the_removal_and_another_place():
    form = real_schur(random_rnn(1, hidden=20).W_rec[0], 0.8)
    wanted = np.linalg.svd(removal(form, ("CR",)), compute_uv=False)
    borders = set()
    for change in control_changes(form, ("CR",), "matched", draws=8):
        delta_T = inside(form, change)
        assert np.linalg.svd(delta_T, compute_uv=False) == pytest.approx(wanted, abs=1e-12)
        assert np.abs(np.where(form._strictly_upper, 0, delta_T)).max() < 1e-13  # B stays
        borders.add(int((np.abs(delta_T).max(axis=1) > 1e-12).sum()))
    assert len(borders) > 1 == matched_share(form, ("CR",))


def test_a_matched_control_without_room_keeps_the_largest_singular_values_at_equal_norm():
    """All blocks in R: RR has rank 10 or more, and no border has room for it."""
    form = real_schur(random_rnn(1, hidden=12).W_rec[0], 0.0)
    values = np.linalg.svd(removal(form, ("RR",)), compute_uv=False)
    (change,) = control_changes(form, ("RR",), "matched", draws=1)
    left, share = np.linalg.svd(change, compute_uv=False), matched_share(form, ("RR",))
    rank = int((left > 1e-12).sum())
    assert rank <= 6 and np.linalg.norm(left) == pytest.approx(np.linalg.norm(values))
    assert left[:rank] * share == pytest.approx(values[:rank]) and share < 1
    assert share == pytest.approx(np.linalg.norm(values[:rank]) / np.linalg.norm(values))


def test_measure_in_small_batches_is_the_same_and_draws_as_it_goes(monkeypatch):
    rnn, trials, held = NETWORK, self_trials(NETWORK), []
    changes = [-change for change in control_changes(FORM, ("CC",), "full", draws=7)]
    whole = measure(rnn, changes, trials)
    monkeypatch.setattr("schurkit.ablation.rollouts.OUTPUT_BYTES", 3 * rnn.W_rec.nbytes)

    def drawn():
        for k, change in enumerate(changes):
            yield change
            held.append(k)

    one_by_one = (fvu(rollout(rnn.with_W_rec(rnn.W_rec + c), trials), trials)[0] for c in changes)
    assert whole == pytest.approx([*one_by_one], rel=1e-12)
    monkeypatch.setattr(
        "schurkit.ablation.variants.Variants.value",
        lambda self, metric, W_rec: len(held),
    )
    assert measure(rnn, drawn(), trials).tolist() == [2, 2, 2, 5, 5, 5, 7]
    for one, some, message in (
        (random_rnn(2), random_trials(), "measure needs one network"),
        (rnn, random_trials(1), "trials that all networks share"),
    ):
        refuses(message, measure, one, changes, some)


@pytest.mark.parametrize("form", ["rate", "voltage"])
def test_refit_readout_recovers_a_planted_readout(form):
    rnn = random_rnn(1, hidden=6, outputs=3, form=form)
    lame = replace(rnn, W_out=0 * rnn.W_out)
    found = refit_readout(lame, self_trials(rnn, 60, 9))
    assert found.W_out == pytest.approx(rnn.W_out, abs=1e-6)
    refuses("share", refit_readout, rnn, random_trials(1))


@pytest.mark.parametrize(
    "kind",
    [{}, {"activation": "relu", "leak": 0.4}, {"form": "voltage", "leak": np.linspace(0.2, 1, 7)}],
)
def test_a_change_holds_when_it_is_said_to(kind):
    """Throughout: that network. Never: the intact one. In between: until then the intact one."""
    rnn, trials = random_rnn(1, scale=0.3, **kind), random_trials()
    change = -gauss(7, 7) * 0.1
    changed, intact = (rollout(rnn.with_W_rec(rnn.W_rec + c), trials).outputs for c in (change, 0))
    for when, wanted in ((True, changed), (False, intact)):
        assert switched(rnn, change, [when] * 8, trials) == pytest.approx(wanted, abs=1e-10)
    late = switched(rnn, change, np.arange(8) >= 4, trials)
    assert late[:, :, :4] == pytest.approx(intact[:, :, :4], abs=1e-10)
    assert not np.allclose(late[:, :, 4:], intact[:, :, 4:])
    one = np.zeros((6, 8), bool)
    one[2, 3] = True
    off = np.abs(switched(rnn, change, one, trials) - intact).max(axis=(0, 2, 3))
    assert np.flatnonzero(off > 1e-9).tolist() == [2]
    refuses("when must have shape", switched, rnn, change, [True] * 3, trials)
