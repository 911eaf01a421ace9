"""What the degeneracy study needs of a recipe: stopping by the training loss, falling rates,
penalties, the maximal-update parameterisation.
"""

from dataclasses import replace

import numpy as np
import pytest
import torch

from schurkit import InputError, rollout
from schurkit.engine import choose
from schurkit.engine.polar import polar
from schurkit.tasks import Copy, FlipFlop
from schurkit.training import Phase, Plateau, Recipe, Store, Until, initial, train
from schurkit.training.constructions import construction
from schurkit.training.epochs import Epochs
from schurkit.training.loop import fit

TASK = Copy(symbols=2, channels=2, replay=6)


def recipe(steps=50, **changes):
    return Recipe(
        **(
            {"hidden_size": 12, "phases": (Phase(steps, 3e-3),), "batch_size": 16, "clip_norm": 1.0}
            | changes
        )
    )


def losses_of(kind, seeds, engine):
    """The loss of each step of networks trained one by one."""
    found = {}
    for seed in seeds:
        found[seed] = []
        fit(TASK, kind, [seed], choose(engine), lambda _, loss, seed=seed: found[seed].append(loss))
    return found


# -------------------------------------------------------------------------------------------- until
@pytest.mark.parametrize("engine", ["numba", "numpy"])
def test_networks_stop_by_themselves_once_their_loss_is_low(engine, tmp_path):
    full = recipe(400)
    means = {
        seed: np.reshape(losses, (-1, 25)).mean(axis=1)
        for seed, losses in losses_of(full, (0, 1, 2), engine).items()
    }
    low = means[0][10] * 1.0001  # so that one network gets there early
    kind = replace(full, until=Until(low, patience=2), epoch_steps=25)
    expected = {}
    for seed, curve in means.items():
        runs = [i for i in range(1, len(curve)) if curve[i] < low and curve[i - 1] < low]
        expected[seed] = (25 * (runs[0] + 1), True) if runs else (400, False)
    assert len({steps for steps, _ in expected.values()}) > 1 and any(
        steps < 400 for steps, _ in expected.values()
    )
    for _ in range(2):  # trained, and from the store
        trained = train(TASK, kind, [0, 1, 2], engine=engine, store=Store(tmp_path))
        assert trained.steps.tolist() == [expected[seed][0] for seed in (0, 1, 2)]
        assert (
            trained.reached.tolist() == [expected[seed][1] for seed in (0, 1, 2)]
            and (trained.stopped == -1).all()
        )
    for i, seed in enumerate((0, 1, 2)):
        alone = fit(TASK, recipe(expected[seed][0]), [seed], choose(engine))[0]
        assert np.abs(trained.rnn.W_rec[i] - alone.weights["W_rec"]).max() < 1e-6
        assert (
            trained.losses[i] == pytest.approx(alone.losses, rel=1e-5)
            and trained.loss_steps(i)[-1] == expected[seed][0]
        )


def test_without_until_nothing_is_reached():
    trained = train(TASK, recipe(30), [0])
    assert trained.steps.tolist() == [30] and not trained.reached.any()


def test_a_low_loss_must_last():
    epochs = Epochs(recipe(until=Until(1.0, patience=2), epoch_steps=1), 2)
    done = []
    for losses in ([0.5, 0.5], [2.0, 0.5], [0.5, 3.0], [0.5, 0.5]):
        epochs.add(np.array([0, 1]), np.array(losses))
        done.append(epochs.close(np.array([0, 1]), 1e-3).tolist())
    assert done == [[False, False], [False, True], [False, False], [True, False]]


# ------------------------------------------------------------------------------------------ plateau
@pytest.mark.parametrize("rate", [0.1, 3e-8])
def test_rates_fall_as_torchs_do(rate):
    rng = np.random.default_rng(0)
    losses = np.exp(-np.arange(120) / 30)[:, None] * rng.uniform(0.8, 1.2, (120, 3)) + 0.3
    losses[40:60, 1] = losses[40, 1] * (1 - 5e-5 * np.arange(20))  # better, but not by enough
    ours = Epochs(recipe(plateau=Plateau(0.4, 3), epoch_steps=2), 3)
    parameter = [torch.nn.Parameter(torch.zeros(1)) for _ in range(3)]
    optimisers = [torch.optim.SGD([p], lr=rate) for p in parameter]
    theirs = [
        torch.optim.lr_scheduler.ReduceLROnPlateau(o, factor=0.4, patience=3) for o in optimisers
    ]
    alive = np.arange(3)
    for row in losses:
        for part in (0.5, 1.5):
            ours.add(alive, row * part)
        ours.close(alive, rate)
        for scheduler, loss in zip(theirs, row):
            scheduler.step(loss)
        assert rate * ours.scale == pytest.approx(
            [o.param_groups[0]["lr"] for o in optimisers], rel=1e-12
        )
    assert len(set(ours.scale)) > 1 or rate < 1e-6
    assert (ours.scale < 1).all()


@pytest.mark.parametrize("engine", ["numba", "numpy"])
def test_training_follows_the_falling_rate(engine):
    plateau = {"plateau": Plateau(0.1, 0), "epoch_steps": 20}
    seen = set()
    # at a rate far too large there are epochs that are no better than the best before
    for rate in (3e-3, 3.0):
        plain = recipe(200, phases=(Phase(200, rate),))
        kinds = (plain, replace(plain, **plateau))
        a, b = (fit(TASK, kind, [0], choose(engine))[0].losses for kind in kinds)
        worse = a[1:] >= np.minimum.accumulate(a)[:-1] * (1 - 1e-4)
        first = 1 + int(worse.argmax()) if worse.any() else len(a) - 1
        assert b[: first + 1] == pytest.approx(a[: first + 1], rel=1e-3)
        if falls := first + 1 < len(a):
            assert abs(b[first + 1] / a[first + 1] - 1) > 0.02
        seen.add(falls)
    assert seen == {True, False}


# ---------------------------------------------------------------------------------------- penalties
def test_the_polar_factor_is_that_of_the_svd():
    rng = np.random.default_rng(0)
    U, _, Vt = np.linalg.svd(rng.normal(size=(3, 24, 24)))
    S = np.stack([np.linspace(0.3, 3, 24), 1e-6 * np.logspace(-1, 1, 24), np.logspace(-2.6, 0, 24)])
    W = (U * S[:, None]) @ Vt
    assert (1.5e-3 * (S**4).sum(axis=1, keepdims=True) ** 0.25 < S).all()
    assert np.abs(polar(W) - U @ Vt).max() < 1e-7
    assert np.abs(polar(W.astype(np.float32)) - U @ Vt).max() < 2e-3
    assert not polar(np.zeros((1, 4, 4))).any()


def test_the_polar_factor_of_small_singular_values_is_smooth_and_bounded():
    S = np.array([1.0, 1e-3, 1e-4, 1e-5, 0.0])
    found = np.diag(polar(np.diag(S)[None])[0])
    assert (
        found[:2] == pytest.approx([1, 1], abs=1e-4)
        and (np.diff(found) < 0).all()
        and found[-1] == 0
    )


@pytest.mark.parametrize("engine", ["numba", "numpy", "torch"])
@pytest.mark.parametrize(
    "penalty",
    [
        {"l1": 0.01},
        {"nuclear": 0.1},
        {"l1": 0.002, "nuclear": 0.02, "clip_norm": 0.1, "construction": "cayley"},
    ],
)
def test_five_steps_with_penalties_equal_torch_autograd(engine, penalty):
    """A penalised loss of torch's own, with torch's Adam; the construction, where there is one, by
    autograd too.
    """
    kind = recipe(5, **({"clip_norm": None} | penalty))
    form = construction(kind.construction)
    start = form.start(kind, 2, 2, [4])
    tensors = {
        name: torch.tensor(a[0], dtype=torch.float64, requires_grad=True)
        for name, a in start.items()
    }
    optimiser = torch.optim.Adam(list(tensors.values()), lr=3e-3)
    for step in range(5):
        batch = TASK.batch([4], step, 16)
        x, y = (
            torch.tensor(array[0], dtype=torch.float64) for array in (batch.inputs, batch.targets)
        )
        W_rec = tensors["W_rec"] if "W_rec" in tensors else cayley(tensors)
        h, outputs = torch.zeros(16, 12, dtype=torch.float64), []
        for t in range(8):
            h = torch.tanh(h @ W_rec.T + (x[:, t] @ tensors["W_in"].T if t < 2 else 0))
            outputs.append(h @ tensors["W_out"].T)
        loss = ((torch.stack(outputs, 1) - y)[:, 2:] ** 2).mean()
        loss = loss + kind.l1 * W_rec.abs().sum() + kind.nuclear * torch.linalg.svdvals(W_rec).sum()
        optimiser.zero_grad()
        loss.backward()
        for tensor in tensors.values() if kind.clip_norm else ():
            torch.nn.utils.clip_grad_norm_([tensor], kind.clip_norm)
        optimiser.step()
    ours = fit(TASK, kind, [3, 4], choose(engine))[1].weights
    W_rec = tensors["W_rec"] if "W_rec" in tensors else cayley(tensors)
    for name, tensor in (("W_rec", W_rec), ("W_in", tensors["W_in"]), ("W_out", tensors["W_out"])):
        assert np.abs(ours[name] - tensor.detach().numpy()).max() < 2e-5, name


def cayley(tensors):
    A = (tensors["U"] - tensors["U"].T) / 2
    eye, pair, J = (
        torch.eye(len(A)).double(),
        torch.eye(2).double(),
        torch.tensor([[0.0, -1.0], [1.0, 0.0]]).double(),
    )
    O = (eye - A) @ torch.linalg.inv(eye + A)
    return (
        O @ torch.block_diag(*(a * pair + b * J for a, b in zip(tensors["a"], tensors["b"]))) @ O.T
    )


def test_penalties_do_what_they_are_for():
    plain, sparse, low = (
        fit(TASK, recipe(300, **kind), [0], choose())[0]
        for kind in ({}, {"l1": 5e-3}, {"nuclear": 1e-2})
    )
    S = [np.linalg.svd(one.weights["W_rec"], compute_uv=False) for one in (plain, sparse, low)]
    assert (
        np.abs(sparse.weights["W_rec"]).sum() < 0.8 * np.abs(plain.weights["W_rec"]).sum()
        and S[2].sum() < 0.8 * S[0].sum()
    )
    # recorded losses are without the penalty, 0.1 and more here
    assert low.losses[-1] < 0.8 * TASK.chance


# ------------------------------------------------------------------- maximal-update parameterisatio
def mup(N, gamma=1.0, steps=5, rate=0.01, **changes):
    fields = {
        "construction": "mup",
        "gamma": gamma,
        "form": "voltage",
        "clip_norm": None,
        "phases": (Phase(steps, rate),),
        "batch_size": 16,
    }
    return Recipe(hidden_size=N, **(fields | changes))


@pytest.mark.parametrize("engine", ["numba", "numpy"])
def test_mup_is_adam_on_the_papers_variables(engine):
    """h' = J φ(h)/N + U x, f = W_ro φ(h)/(γN), Adam at γη₀ on J, U, W_ro with ε/N², ε/N, ε/(γN): in
    torch, as the paper writes it.
    """
    N, gamma, steps, epsilon, decay = 12, 2.5, 6, 1e-3, 0.5
    kind = mup(
        N, gamma, steps, epsilon=epsilon, biases=True, bias_start="uniform", weight_decay=decay
    )
    start = {
        name: torch.tensor(a[0], dtype=torch.float64)
        for name, a in construction("mup").start(kind, 2, 2, [4]).items()
    }
    scales = {"W_rec": N, "W_out": gamma * N, "W_in": 1, "b_rec": 1, "b_out": gamma}
    tensors = {name: (start[name] * scale).requires_grad_() for name, scale in scales.items()}
    own = {
        "W_rec": epsilon / N**2,
        "W_out": epsilon / (gamma * N),
        "W_in": epsilon / N,
        "b_rec": epsilon / N,
        "b_out": epsilon / gamma,
    }
    groups = [
        {"params": [t], "eps": own[name], "weight_decay": decay if name[0] == "W" else 0.0}
        for name, t in tensors.items()
    ]
    optimiser = torch.optim.AdamW(groups, lr=gamma * 0.01)
    for step in range(steps):
        batch = TASK.batch([4], step, 16)
        x, y = (
            torch.tensor(array[0], dtype=torch.float64) for array in (batch.inputs, batch.targets)
        )
        h, outputs = torch.zeros(16, N, dtype=torch.float64), []
        for t in range(8):
            h = (
                torch.tanh(h) @ tensors["W_rec"].T / N
                + tensors["b_rec"]
                + (x[:, t] @ tensors["W_in"].T if t < 2 else 0)
            )
            outputs.append(
                torch.tanh(h) @ tensors["W_out"].T / (gamma * N) + tensors["b_out"] / gamma
            )
        optimiser.zero_grad()
        ((torch.stack(outputs, 1) - y)[:, 2:] ** 2).mean().backward()
        optimiser.step()
    ours = fit(TASK, kind, [4], choose(engine))[0].weights
    for name, tensor in tensors.items():
        theirs = tensor.detach().numpy() / scales[name]
        assert np.abs(ours[name] - theirs).max() < 1e-5 * max(1, np.abs(theirs).max()), name


def test_mup_starts_at_the_papers_variances():
    N = 200
    start = initial(FlipFlop(), mup(N, 2.0), range(4))
    assert (start.W_rec * N).std() == pytest.approx(N**0.5, rel=0.03) and (
        start.W_out * 2 * N
    ).std() == pytest.approx(1, rel=0.05)
    assert start.W_in.std() == pytest.approx(1, rel=0.05)


def moves(N, steps, seeds, **changes):
    """RMS change over training of the hidden states, per unit, and of the outputs, for the same
    inputs.
    """
    task = FlipFlop(2, 16, 0.3)
    kind = mup(N, steps=steps, **changes)
    before, after = initial(task, kind, seeds), train(task, kind, seeds).rnn
    a, b = (rollout(rnn, task.test_trials(64), states=True) for rnn in (before, after))
    return [
        float(np.sqrt(((q - p) ** 2).mean()))
        for p, q in ((a.states, b.states), (a.outputs, b.outputs))
    ]


@pytest.mark.parametrize("steps, widths", [(1, (64, 128, 256, 512)), (100, (64, 256))])
def test_mup_moves_states_and_outputs_alike_at_every_width(steps, widths):
    found = np.array([moves(N, steps, (0, 1, 2, 3)) for N in widths])
    assert (found.max(axis=0) / found.min(axis=0) < 1.3).all(), found
    plain = [
        moves(N, steps, (0, 1), construction="default", form="rate", gamma=1.0)
        for N in widths[:: len(widths) - 1]
    ]
    # what it is for: without it the output moves further the wider the network
    assert plain[1][1] / plain[0][1] > 1.4 or steps > 1


def test_initial_is_where_training_starts():
    kind = recipe(5, checkpoints=(0,), embedding_size=3, biases=True, bias_start="uniform")
    start, trained = initial(TASK, kind, (3, 1)), train(TASK, kind, (3, 1))
    for name in ("W_in", "W_rec", "W_out", "b_rec", "b_out"):
        assert np.array_equal(getattr(start, name), getattr(trained.checkpoints[0].rnn, name)), name
    assert start.labels == (3, 1)


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: Until(0), "until.loss must be above 0"),
        (lambda: Until(0.1, 0), "until.patience must be at least 1"),
        (lambda: Plateau(1.0), "plateau.factor must be below 1"),
        (lambda: Plateau(0.5, -1), "plateau.patience must be at least 0"),
        (lambda: recipe(until=0.1), "until must be None or a schurkit.training.Until; got 0.1"),
        (lambda: recipe(plateau={}), "plateau must be None or a schurkit.training.Plateau"),
        (lambda: recipe(epoch_steps=0), "epoch_steps must be at least 1"),
        (lambda: recipe(l1=-1), "l1 must be at least 0"),
        (lambda: recipe(nuclear=float("nan")), "nuclear must be a finite number"),
        (lambda: recipe(gamma=2.0), "gamma belongs to construction='mup'"),
        (lambda: mup(8, gamma=0), "gamma must be above 0"),
        (
            lambda: mup(8, form="rate", leak=0.5),
            "construction='mup' is defined for form='voltage', or for leak=1",
        ),
        (lambda: mup(8, clip_norm=1.0), "construction='mup' needs clip_norm=None"),
    ],
)
def test_messages(make, message):
    with pytest.raises(InputError, match=message):
        make()
