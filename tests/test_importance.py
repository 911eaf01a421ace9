"""Estimated and exact effects of removing couplings, against torch and against rollouts."""

import numpy as np
import pytest
import torch
from helpers import random_rnn, random_trials
from scipy.stats import spearmanr

from schurkit import RNN, InputError, Trials, ablate, fvu, real_schur, rollout
from schurkit.ablation.couplings import coupling_estimates, coupling_map, exact_effects, importance

KINDS = [{}, {"activation": "relu"}, {"leak": 0.4}, {"form": "voltage", "leak": 0.3}]


def small(**kind):
    rnn = random_rnn(1, hidden=7, outputs=2, scale=0.35, **kind)
    trials = random_trials(outputs=2, trials=40, mask=np.arange(8) > 1)
    return rnn, real_schur(rnn.W_rec[0], leak=rnn.leak), trials


@pytest.mark.parametrize("kind", KINDS)
def test_first_order_is_the_slope_of_fvu(kind):
    rnn, form, trials = small(**kind)
    found = importance(rnn, form, trials, signals=1)
    for i, j in form.couplings()[::3]:
        delta = 1e-5 * form.coupling(i, j)
        slope = (
            exact_effects(rnn, form, trials, [delta])[0]
            - exact_effects(rnn, form, trials, [-delta])[0]
        ) / 2
        assert found.effect(delta)[0] == pytest.approx(slope, rel=1e-4, abs=1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_gauss_newton_is_the_squared_change_of_the_outputs(kind):
    """With targets equal to the outputs the residual is zero and FVU is its Gauss-Newton term, to
    second order.
    """
    rnn, form, trials = small(**kind)
    trials = Trials(trials.inputs, rollout(rnn, trials).outputs[0], trials.mask)
    found = importance(rnn, form, trials, signals=400)
    rng = np.random.default_rng(0)
    for _ in range(3):
        delta = 1e-4 * np.triu(rng.normal(size=form.T.shape)) * (form.N != 0)
        assert sum(found.effect(delta)) == pytest.approx(
            exact_effects(rnn, form, trials, [delta])[0], rel=0.15
        )


def test_block_estimates_are_those_of_importance():
    rnn, form, trials = small()
    first, second = coupling_estimates(rnn, form, trials, signals=3, seed=4)
    found = importance(rnn, form, trials, signals=3, seed=4)
    assert any(block.size == 2 for block in form.blocks)
    for i, j in form.couplings():
        assert (first[i, j], second[i, j]) == pytest.approx(
            found.effect(form.coupling(i, j)), rel=1e-6, abs=1e-14
        )
    assert not np.tril(first).any() and not np.tril(second).any()


@pytest.mark.parametrize("kind", [*KINDS, {"activation": "relu", "form": "voltage", "leak": 0.5}])
@pytest.mark.parametrize(
    "hidden, outputs, trials", [(7, 2, 40), (33, 3, 30), (50, 19, 25), (16, 1, 1)]
)
def test_compiled_estimates_equal_those_of_numpy(kind, hidden, outputs, trials):
    pytest.importorskip("numba")
    rnn = random_rnn(
        1, hidden=hidden, outputs=outputs, scale=0.9 / hidden**0.5, dtype=np.float32, **kind
    )
    form = real_schur(rnn.W_rec[0], leak=rnn.leak)
    mask = np.random.default_rng(0).random((trials, 8)) < 0.7
    mask[:, 0], mask[:, -1] = False, True
    trials = random_trials(outputs=outputs, trials=trials, mask=mask)
    slow, fast = (
        coupling_estimates(rnn, form, trials, signals=3, seed=4, engine=engine)
        for engine in ("numpy", "numba")
    )
    for a, b in zip(slow, fast):
        assert np.abs(a).max() > 0
        assert b == pytest.approx(a, rel=1e-4, abs=2e-6 * np.abs(a).max())


def test_compiled_estimates_do_not_depend_on_the_threads(monkeypatch):
    pytest.importorskip("numba")
    rnn = random_rnn(1, hidden=20, outputs=2, scale=0.2, dtype=np.float32)
    form, trials = real_schur(rnn.W_rec[0]), random_trials(outputs=2, trials=100)
    found = []
    for threads in ("1", "3"):
        monkeypatch.setenv("SCHURKIT_THREADS", threads)
        found.append(coupling_estimates(rnn, form, trials, engine="numba"))
    assert np.array_equal(*found) and np.array_equal(
        found[0], coupling_estimates(rnn, form, trials, engine="auto")
    )


def test_networks_in_float64_are_estimated_in_float64():
    rnn, form, trials = small()
    assert np.array_equal(
        *(coupling_estimates(rnn, form, trials, engine=engine) for engine in ("numpy", "numba"))
    )


def test_exact_effects_equal_a_plain_loop_over_nn_rnn():
    rng = np.random.default_rng(0)
    hidden = 12
    W = [
        rng.normal(size=s).astype(np.float32) * k
        for s, k in (((hidden, 3), 0.5), ((hidden, hidden), 0.3), ((2, hidden), 0.5))
    ]
    rnn, form = RNN(*W), real_schur(W[1])
    inputs = rng.normal(size=(30, 10, 3)).astype(np.float32)
    trials = Trials(inputs, rng.normal(size=(30, 10, 2)).astype(np.float32))
    module = torch.nn.RNN(3, hidden, bias=False, batch_first=True)
    module.weight_ih_l0.data = torch.tensor(W[0])

    def plain(W_rec):
        module.weight_hh_l0.data = torch.tensor(W_rec.astype(np.float32))
        with torch.no_grad():
            y = module(torch.tensor(inputs))[0].numpy() @ W[2].T
        return ((y - trials.targets) ** 2).sum() / (
            (trials.targets - trials.targets.mean(axis=(0, 1))) ** 2
        ).sum()

    found = exact_effects(rnn, form, trials)
    for effect, (i, j) in zip(found, form.couplings()):
        assert effect == pytest.approx(
            plain(W[1] - form.weights(form.coupling(i, j))) - plain(W[1]), abs=1e-5
        )


def test_map_lists_every_coupling_with_its_sector():
    rnn, form, trials = small()
    rows = coupling_map(rnn, trials, signals=2)
    assert [(r.driven, r.driver) for r in rows] == form.couplings()
    for sector in ("RR", "CR", "CC"):
        total = sum(r.norm**2 for r in rows if r.sector == sector)
        assert total == pytest.approx(form.norms()[sector] ** 2, rel=1e-12)
    row = rows[4]
    variant = ablate(rnn, form, [form.coupling(row.driven, row.driver)])
    assert row.exact == pytest.approx(
        fvu(rollout(variant, trials), trials)[0] - fvu(rollout(rnn, trials), trials)[0], rel=1e-9
    )
    assert all(r.exact is None for r in coupling_map(rnn, trials, exact=False, signals=1))
    assert row.estimate == row.first_order + row.gauss_newton


def test_estimates_rank_the_couplings_of_a_trained_network():
    from schurkit.tasks import FlipFlop
    from schurkit.training import Phase, Recipe, train

    task = FlipFlop(bits=1, steps=10)
    trained = train(task, Recipe(hidden_size=16, phases=(Phase(500, 3e-3),)), [0])
    rows = coupling_map(trained.rnn, task.test_trials(128))
    assert spearmanr([r.exact for r in rows], [r.estimate for r in rows])[0] > 0.97


def test_batches_do_not_change_effects(monkeypatch):
    rnn, form, trials = small()
    whole = exact_effects(rnn, form, trials)
    monkeypatch.setattr("schurkit.ablation.rollouts.OUTPUT_BYTES", 1)
    assert exact_effects(rnn, form, trials) == pytest.approx(whole, rel=1e-9, abs=1e-12)


def test_messages():
    rnn, form, trials = small()
    with pytest.raises(InputError, match="share"):
        importance(rnn, form, random_trials(1, outputs=2))
    with pytest.raises(
        InputError, match="trials of 2 inputs and 2 outputs, as the network; got 2 and 3"
    ):
        coupling_estimates(rnn, form, random_trials(outputs=3))
    with pytest.raises(InputError, match="targets do not vary"):
        importance(rnn, form, Trials(trials.inputs, np.zeros((40, 8, 2))))
    with pytest.raises(InputError, match="signals must be at least 1"):
        importance(rnn, form, trials, signals=0)
    with pytest.raises(InputError, match=r"delta_T must have shape \(7, 7\)"):
        importance(rnn, form, trials, signals=1).effect(np.zeros((2, 2)))
    with pytest.raises(InputError, match="one Schur form a network"):
        coupling_map(rnn, trials, forms=[])
