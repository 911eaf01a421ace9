"""What the degeneracy study needs of a recipe: stopping by the training loss, falling rates,
penalties, the maximal-update parameterisation.
"""

from dataclasses import replace

import numpy as np
import pytest
import torch
from helpers import apart, gauss, messages
from training.small import TASK, recipe

from schurkit import rollout
from schurkit.engine import choose
from schurkit.engine.polar import polar
from schurkit.tasks import FlipFlop
from schurkit.training import Plateau, Store, Until, initial, train
from schurkit.training.epochs import Epochs
from schurkit.training.loop import fit


# -------------------------------------------------------------------------------------------- until
@pytest.mark.parametrize("engine", ["numba", "numpy", "torch"])
def test_networks_stop_by_themselves_once_their_loss_is_low(engine, tmp_path):
    seeds = (0, 1, 2)
    full = recipe(160, 1e-2)
    losses = {seed: [] for seed in seeds}
    for seed, told in losses.items():
        fit(TASK, full, [seed], choose(engine), lambda _, loss, told=told: told.append(loss))
    means = {seed: np.reshape(losses[seed], (-1, 10)).mean(axis=1) for seed in seeds}
    low = means[0][8] * 1.0001  # so that one network gets there early
    kind = replace(full, until=Until(low, patience=2), epoch_steps=10)
    steps = []
    for curve in means.values():
        runs = [i for i in range(1, len(curve)) if curve[i] < low and curve[i - 1] < low]
        steps.append(10 * (runs[0] + 1) if runs else 160)
    assert len(set(steps)) > 1 and min(steps) < 160
    for _ in range(2):  # trained, and from the store
        trained = train(TASK, kind, seeds, engine=engine, store=Store(tmp_path))
        assert trained.steps.tolist() == steps and (trained.stopped == -1).all()
        assert trained.reached.tolist() == [count < 160 for count in steps]
    for i, seed in enumerate(seeds):
        alone = fit(TASK, recipe(steps[i], 1e-2), [seed], choose(engine))[0]
        assert apart(trained.rnn.W_rec[i], alone.weights["W_rec"]) < 1e-6
        assert trained.losses[i] == pytest.approx(alone.losses, rel=1e-5)
        assert trained.loss_steps(i)[-1] == steps[i]


def test_a_low_loss_must_last():
    epochs = Epochs(recipe(until=Until(1.0, patience=2), epoch_steps=1), 2)
    done = []
    for losses in ([0.5, 0.5], [2.0, 0.5], [0.5, 3.0], [0.5, 0.5]):
        epochs.add(np.array([0, 1]), np.array(losses))
        done.append(epochs.close(np.array([0, 1]), 1e-3).tolist())
    assert done == [[False, False], [False, True], [False, False], [True, False]]


def test_every_output_must_be_learned():
    epochs = Epochs(recipe(until=Until(1.0, patience=1, each=True), epoch_steps=1), 2)
    epochs.add(np.array([0, 1]), np.array([0.5, 0.5]))
    errors = {0: np.array([0.1, 0.9]), 1: np.array([0.0, 1.1])}.get
    assert epochs.close(np.array([1, 0]), 1e-3, errors).tolist() == [False, True]


@pytest.mark.parametrize("engine", ["numba", "numpy"])
def test_outputs_are_judged_on_trials_that_follow(engine, tmp_path):
    task = FlipFlop(bits=2, steps=8)
    until = Until(0.15, patience=1, each=True)
    kind = recipe(600, 1e-2, until=until, epoch_steps=20, batch_size=32)
    trained = train(task, kind, (0, 1), engine=engine, store=Store(tmp_path), progress=False)
    assert trained.reached.all()
    for net, seed, step in zip(trained.rnn, (0, 1), trained.steps):
        trials = task.batch([seed], int(step), 256)
        errors = ((rollout(net, trials).outputs - trials.targets) ** 2).mean(axis=(0, 1, 2))
        assert (errors < 0.15).all()


# ------------------------------------------------------------------------------------------ plateau
@pytest.mark.parametrize("rate", [0.1, 3e-8])
def test_rates_fall_as_torchs_do(rate):
    rng, alive = np.random.default_rng(0), np.arange(3)
    losses = np.exp(-np.arange(120) / 30)[:, None] * rng.uniform(0.8, 1.2, (120, 3)) + 0.3
    losses[40:60, 1] = losses[40, 1] * (1 - 5e-5 * np.arange(20))  # better, but not by enough
    ours = Epochs(recipe(plateau=Plateau(0.4, 3), epoch_steps=2), 3)
    optimisers = [torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=rate) for _ in alive]
    falling = torch.optim.lr_scheduler.ReduceLROnPlateau
    theirs = [falling(optimiser, factor=0.4, patience=3) for optimiser in optimisers]
    for row in losses:
        for part in (0.5, 1.5):
            ours.add(alive, row * part)
        ours.close(alive, rate)
        for scheduler, loss in zip(theirs, row):
            scheduler.step(loss)
        rates = [optimiser.param_groups[0]["lr"] for optimiser in optimisers]
        assert rate * ours.scale == pytest.approx(rates, rel=1e-12)
    assert (ours.scale < 1).all() and (len(set(ours.scale)) > 1 or rate < 1e-6)


# ---------------------------------------------------------------------------------------- penalties
def test_the_polar_factor_is_that_of_the_svd():
    U, _, Vt = np.linalg.svd(gauss(3, 24, 24))
    S = np.stack([np.linspace(0.3, 3, 24), 1e-6 * np.logspace(-1, 1, 24), np.logspace(-2.6, 0, 24)])
    W = (U * S[:, None]) @ Vt
    assert apart(polar(W), U @ Vt) < 1e-7
    assert apart(polar(W.astype(np.float32)), U @ Vt) < 2e-3
    assert not polar(np.zeros((1, 4, 4))).any()
    small = np.array([1.0, 1e-3, 1e-4, 1e-5, 0.0])  # smooth and bounded
    found = np.diag(polar(np.diag(small)[None])[0])
    assert found[:2] == pytest.approx([1, 1], abs=1e-4) and found[-1] == 0
    assert (np.diff(found) < 0).all()


# ------------------------------------------------------------------- maximal-update parameterisatio
def mup(N, gamma=1.0, **changes):
    fields = {"construction": "mup", "gamma": gamma, "form": "voltage", "clip_norm": None}
    return recipe(hidden_size=N, **fields | changes)


def test_mup_starts_at_the_papers_variances():
    N = 200
    start = initial(FlipFlop(), mup(N, 2.0), range(4))
    for scaled, expected in ((start.W_rec * N, N**0.5), (start.W_out * 2 * N, 1), (start.W_in, 1)):
        assert scaled.std() == pytest.approx(expected, rel=0.05)


def test_a_nuclear_norm_of_input_weights_takes_the_place_of_their_decay():
    """And networks without one keep the key they had in the store."""
    kind, without = recipe(nuclear_in=0.1, weight_decay=0.5), recipe(weight_decay=0.5)
    decays = [[one.rule[name].decay for name in ("W_in", "W_rec")] for one in (kind, without)]
    assert decays == [[0, 0.5], [0.5, 0.5]]
    assert kind.record() == without.record() | {"nuclear_in": 0.1}
    assert "nuclear_in" not in without.record()


def test_initial_is_where_training_starts():
    kind = recipe(5, checkpoints=(0,), embedding_size=3, biases=True, bias_start="uniform")
    start, trained = initial(TASK, kind, (3, 1)), train(TASK, kind, (3, 1))
    for name in ("W_in", "W_rec", "W_out", "b_rec", "b_out"):
        assert np.array_equal(getattr(start, name), getattr(trained.checkpoints[0].rnn, name)), name
    assert start.labels == (3, 1)


test_messages = messages(
    (Until, 0, "until.loss must be above 0"),
    (Until, 0.1, 0, "until.patience must be at least 1"),
    (lambda: Until(0.1, each=1), "until.each must be"),
    (Plateau, 1.0, "plateau.factor must be below 1"),
    (Plateau, 0.5, -1, "plateau.patience must be at least 0"),
    (lambda: recipe(nuclear_in=0.1, embedding_size=3), "nuclear_in is for input weights"),
    (lambda: recipe(gamma=2.0), "gamma belongs to construction='mup'"),
    (lambda: mup(8, gamma=0), "gamma must be above 0"),
    (
        lambda: mup(8, form="rate", leak=0.5),
        "construction='mup' is defined for form='voltage', or for leak=1",
    ),
    (lambda: mup(8, clip_norm=1.0), "construction='mup' needs clip_norm=None"),
)
