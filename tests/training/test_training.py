"""Training: constructions, clipping, Adam and the loop against torch; independence; what stops and
what warns.
"""

import numpy as np
import pytest
import torch

from schurkit import InputError, henrici, random
from schurkit.engine import choose
from schurkit.engine.base import Rule
from schurkit.tasks import Copy, FlipFlop
from schurkit.training import (
    CONSTRUCTIONS,
    Phase,
    Recipe,
    Store,
    Study,
    TrainingWarning,
    copy_recipe,
    train,
    train_all,
)
from schurkit.training.constructions import construction
from schurkit.training.loop import fit
from schurkit.training.optimise import Adam, clip, gradient_norms
from schurkit_press import price
from schurkit_press.price import plan, plan_all

TASK = Copy(symbols=2, channels=2, replay=6)


def recipe(steps=50, **changes):
    return Recipe(
        **(
            {"hidden_size": 12, "phases": (Phase(steps, 1e-3),), "batch_size": 16, "clip_norm": 1.0}
            | changes
        )
    )


def test_starts_are_what_the_paper_says():
    seeds, n = [0, 1, 2], 40
    weights = {
        c: construction(c).start(recipe(hidden_size=n, construction=c), 3, 5, seeds)
        for c in ("default", "orthogonal", "normal")
    }
    W = weights["default"]["W_rec"]
    assert (
        W.min() >= -(n**-0.5)
        and W.max() <= n**-0.5
        and W.std() == pytest.approx(n**-0.5 / np.sqrt(3), rel=0.03)
    )
    Q = weights["orthogonal"]["W_rec"].astype(float)
    assert np.abs(Q @ Q.transpose(0, 2, 1) - np.eye(n)).max() < 1e-6
    N = weights["normal"]["W_rec"].astype(float)
    assert max(henrici(W, relative=True) for W in N) < 1e-6
    eigenvalues = np.linalg.eigvals(N)
    assert (eigenvalues.real**2).mean() == pytest.approx(1 / 6, rel=0.3)
    assert weights["default"]["W_in"].shape == (3, n, 3) and weights["default"]["W_out"].shape == (
        3,
        5,
        n,
    )


def test_the_orthogonal_start_is_haar():
    """Traces of Haar orthogonal matrices are nearly standard normal; plain QR without sign
    correction is biased.
    """
    Q = (
        construction("orthogonal")
        .start(recipe(hidden_size=10), 1, 1, list(range(400)))["W_rec"]
        .astype(float)
    )
    trace = np.trace(Q, axis1=1, axis2=2)
    assert abs(trace.mean()) < 0.2 and trace.std() == pytest.approx(1, abs=0.12)


def test_cayley_start_has_the_spectrum_of_a_uniform_matrix():
    n = 12
    form = construction("cayley")
    start = form.start(recipe(hidden_size=n, construction="cayley"), 2, 2, [3])
    W = form.weights(start)["W_rec"][0].astype(float)
    assert henrici(W, relative=True) < 1e-6
    original = np.linalg.eigvals(random.uniform(3, "W_rec", 0, (n, n), -(n**-0.5), n**-0.5))
    ours = np.linalg.eigvals(W)
    assert np.sort_complex(ours[ours.imag > 1e-4]) == pytest.approx(
        np.sort_complex(original[original.imag > 0]), abs=1e-5
    )
    assert np.trace(W) == pytest.approx(original.sum().real, abs=1e-5)


def test_cayley_gradients_equal_autograd():
    rng = np.random.default_rng(0)
    n = 8
    parameters = {
        "U": rng.normal(size=(2, n, n)) * 0.3,
        "a": rng.normal(size=(2, n // 2)),
        "b": rng.normal(size=(2, n // 2)),
    }
    G = rng.normal(size=(2, n, n))
    form = construction("cayley")
    W = form.weights(parameters)["W_rec"]
    pulled = form.pull_back(parameters, {"W_rec": G})
    tensors = {name: torch.tensor(value, requires_grad=True) for name, value in parameters.items()}
    A = (tensors["U"] - tensors["U"].transpose(1, 2)) / 2
    eye, pair, J = (
        torch.eye(n).double(),
        torch.eye(2).double(),
        torch.tensor([[0.0, -1.0], [1.0, 0.0]]).double(),
    )
    O = (eye - A) @ torch.linalg.inv(eye + A)
    D = torch.stack(
        [
            torch.block_diag(*(a * pair + b * J for a, b in zip(tensors["a"][i], tensors["b"][i])))
            for i in range(2)
        ]
    )
    oracle = O @ D @ O.transpose(1, 2)
    assert np.abs(W - oracle.detach().numpy()).max() < 1e-12
    (oracle * torch.tensor(G)).sum().backward()
    for name, tensor in tensors.items():
        assert (
            np.abs(pulled[name] - tensor.grad.numpy()).max()
            < 1e-10 * np.abs(tensor.grad.numpy()).max()
        ), name


def test_cayley_stays_normal_under_training():
    form = construction("cayley")
    fitted = fit(TASK, recipe(200, construction="cayley"), [0], choose("numpy"))[0]
    start = form.weights(form.start(recipe(construction="cayley"), 2, 2, [0]))["W_rec"][0]
    assert np.linalg.norm(fitted.weights["W_rec"] - start) > 0.1
    assert henrici(fitted.weights["W_rec"].astype(float), relative=True) < 1e-6


def test_adam_and_clipping_follow_torch():
    rng = np.random.default_rng(0)
    ours = {"a": rng.normal(size=(2, 3, 4)), "b": rng.normal(size=(2, 5))}
    theirs = [
        {name: torch.nn.Parameter(torch.tensor(value[i])) for name, value in ours.items()}
        for i in range(2)
    ]
    optimisers = [torch.optim.Adam(list(p.values()), lr=3e-3) for p in theirs]
    adam = Adam(ours, Rule())
    for _ in range(20):
        gradients = {name: rng.normal(size=value.shape) for name, value in ours.items()}
        for i, (p, optimiser) in enumerate(zip(theirs, optimisers)):
            for name, tensor in p.items():
                tensor.grad = torch.tensor(gradients[name][i])
                torch.nn.utils.clip_grad_norm_([tensor], 1.0)
            optimiser.step()
        clip(gradients, gradient_norms(gradients), 1.0)
        adam.step(ours, gradients, 3e-3)
    for i, p in enumerate(theirs):
        for name, tensor in p.items():
            assert np.abs(ours[name][i] - tensor.detach().numpy()).max() < 1e-6


def test_five_steps_equal_torch_autograd_and_adam(monkeypatch):
    kind = recipe(5, biases=True, clip_norm=None)
    autograd = choose("torch")
    monkeypatch.setattr(autograd, "trainer", lambda *_: None, raising=False)
    ours, theirs = (fit(TASK, kind, [0, 1], engine) for engine in (choose("numpy"), autograd))
    for a, b in zip(ours, theirs):
        for name in a.weights:
            assert np.abs(a.weights[name] - b.weights[name]).max() < 1e-5, name


@pytest.mark.parametrize("form", CONSTRUCTIONS)
def test_a_network_does_not_depend_on_its_company(form):
    kind = recipe(50, construction=form)
    together = fit(TASK, kind, list(range(8)), choose("numpy"))
    alone = fit(TASK, kind, [5], choose("numpy"))[0]
    starts = [construction(form).start(kind, 2, 2, seeds) for seeds in (list(range(8)), [5])]
    for name in starts[0]:
        assert np.array_equal(starts[0][name][5], starts[1][name][0]), name
    for name in alone.weights:
        assert np.abs(alone.weights[name] - together[5].weights[name]).max() < 1e-5, name


def test_training_learns_and_counts_converged_networks():
    task = Copy(symbols=2, channels=2, replay=16, threshold=0.99)
    kind = recipe(
        600,
        hidden_size=16,
        phases=(Phase(400, 3e-3, {"replay": 4}), Phase(200, 1e-3, {"replay": 8})),
    )
    trained = train(task, kind, [0, 1, 2])
    assert trained.losses[0][-1] < 0.2 * trained.losses[0][0] and trained.losses[0][
        0
    ] == pytest.approx(task.chance, rel=0.3)
    assert trained.converged.all() and trained.rnn.labels == (0, 1, 2)
    assert "3 of 3 networks converged (replay accuracy ≥ 0.99" in trained.summary
    assert (
        trained.loss_steps(0)[-1] == 600
        and len(trained.loss_steps(0)) == len(trained.losses[0]) == 30
    )
    barely = train(task, recipe(2, hidden_size=16), [0])
    assert not barely.converged.any() and len(barely.losses[0]) == 1
    assert trained.told == "3 networks" and trained.shown.labels == (0, 1, 2)
    assert barely.told == "1 network, which did not converge" and barely.summary.startswith(
        "0 of 1 network converged"
    )
    assert (
        barely.shown.labels == (0,)
        and train(task, recipe(2, hidden_size=16), [0, 1]).told
        == "2 networks, none of which converged"
    )


def test_the_loss_curve_is_the_mean_of_each_window():
    losses = []
    fitted = fit(
        TASK, recipe(30), [0], choose("numpy"), lambda networks, loss: losses.append(loss)
    )[0]
    assert fitted.losses == pytest.approx([np.mean(losses[:20]), np.mean(losses[20:])])


def test_a_network_that_is_not_finite_stops_and_leaves_the_others_alone(monkeypatch):
    from schurkit.tasks import copy

    class Poisoned(copy.Copy):
        def batch(self, seeds, step, trials):
            batch = super().batch(seeds, step, trials)
            targets = batch.targets.copy()
            if step >= 5:
                targets[[seed == 1 for seed in seeds]] = 1e30
            return copy.Trials(batch.inputs, targets, batch.mask)

    task = Poisoned(2, 2, 6)
    with pytest.warns(
        TrainingWarning, match="seed 1 stopped at step 5: its loss was no longer finite"
    ):
        trained = train(task, recipe(40), [0, 1, 2])
    assert trained.stopped.tolist() == [-1, 5, -1] and not trained.converged[1]
    assert np.isfinite(trained.rnn.W_rec).all()
    healthy = fit(TASK, recipe(40), [2], choose())[0]
    assert np.abs(trained.rnn.W_rec[2] - healthy.weights["W_rec"]).max() < 1e-6
    before = fit(TASK, recipe(40, phases=(Phase(5, 1e-3),)), [1], choose())[0]
    assert np.abs(trained.rnn.W_rec[1] - before.weights["W_rec"]).max() < 1e-6


def test_all_networks_may_stop():
    with pytest.warns(TrainingWarning):
        trained = train(
            TASK, recipe(60, phases=(Phase(60, 1e38),), activation="relu", clip_norm=None), [0, 1]
        )
    assert (trained.stopped > 0).all()


def test_the_store_gives_back_the_same_networks():
    store = Store()
    first, second = (train(TASK, recipe(20), [0, 1, 2], store=store) for _ in range(2))
    assert not first.stored.any() and second.stored.all()
    assert np.array_equal(first.rnn.W_rec, second.rnn.W_rec) and np.array_equal(
        first.scores, second.scores
    )
    mixed = train(TASK, recipe(20), [2, 7], store=store)
    assert mixed.stored.tolist() == [True, False] and mixed.rnn.labels == (2, 7)


def test_several_studies_at_once_are_the_studies_one_by_one():
    studies = [
        Study(TASK, recipe(20), (0, 1)),
        Study(TASK, recipe(20, construction="cayley"), (3,)),
    ]
    together = train_all(studies)
    for study, result in zip(studies, together):
        alone = train(study.task, study.recipe, study.seeds)
        assert (
            alone.stored.all()
            and np.array_equal(alone.rnn.W_rec, result.rnn.W_rec)
            and result.rnn.labels == study.seeds
        )
    assert not together[0].stored.any()


def test_plan_counts_networks_and_estimates():
    store = Store()
    train(TASK, recipe(20), [0], store=store)
    what = plan(Study(TASK, recipe(20), [0, 1, 2]), store=store)
    assert (what.networks, what.stored) == (3, 1) and 0 < what.seconds < 30 and what.bytes > 0
    assert plan(Study(TASK, recipe(20), [0]), store=store).seconds == 0


def test_a_plan_makes_nothing_as_large_as_what_it_prices(monkeypatch):
    """Networks that would not fit into any memory have a price, and only stored seeds are looked
    for.
    """
    huge = plan(Study(FlipFlop(steps=10**9), Recipe(hidden_size=10**6), [0]))
    assert huge.bytes == 4 * 10**6 * (10**6 + 6) + 4096 and huge.seconds > 1e9
    store, looked = Store(), []
    train(TASK, recipe(20), [3, 7], store=store)
    holds = store.holds
    monkeypatch.setattr(
        store, "holds", lambda record: looked.append(record["seed"]) or holds(record)
    )
    assert plan(Study(TASK, recipe(20), range(5, 5000)), store=store).stored == 1 and sorted(
        looked
    ) == [3, 7]


@pytest.mark.parametrize("timed", [0.0, 10.0])
def test_prices_follow_the_work(monkeypatch, timed):
    """At a nanosecond a multiplication, whether steps are timed or there is no time for it and a
    plain training sets the rate.
    """
    monkeypatch.setattr(price, "TIMED", timed)
    monkeypatch.setattr(price, "_lap", lambda step, engine: 1e-9 * step.work)
    monkeypatch.setenv("SCHURKIT_THREADS", "2")
    two = recipe(phases=(Phase(500, 1e-3), Phase(100, 1e-4, {"replay": 12})))
    found = plan_all(
        [Study(TASK, two, [0, 1, 2]), Study(TASK, two, [2, 3]), Study(TASK, recipe(1), [0])]
    )
    work = [16 * steps * 12 * (12 + 2 + 2) + 12**3 for steps in (8, 14)]
    network = 1.2e-9 * (500 * work[0] + 100 * work[1])
    assert [one.seconds for one in found] == pytest.approx(
        [1.5 * network, network, 1.2e-9 * work[0]]
    )


def test_interrupting_keeps_what_is_finished(monkeypatch):
    import sys

    module = sys.modules["schurkit.training.train"]
    monkeypatch.setenv("SCHURKIT_THREADS", "1")
    monkeypatch.setattr(module, "networks_a_chunk", lambda study, engine: 1)
    calls = []

    def fit_twice(*arguments):
        calls.append(1)
        if len(calls) > 2:
            raise KeyboardInterrupt
        return fit(*arguments)

    store = Store()
    with monkeypatch.context() as patch:
        patch.setattr(module, "fit", fit_twice)
        with pytest.raises(KeyboardInterrupt):
            train(TASK, recipe(20), [0, 1, 2, 3], store=store)
    assert train(TASK, recipe(20), [0, 1, 2, 3], store=store).stored.sum() == 2


def test_the_paper_schedule():
    kind = copy_recipe(72)
    assert [(p.steps, p.learning_rate, dict(p.task)) for p in kind.phases] == [
        (3000, 1e-3, {"replay": 16}),
        (1500, 5e-4, {"replay": 32}),
        (800, 3e-4, {"replay": 64}),
    ]
    assert [task.replay for task, _ in kind.schedule(Copy())] == [16, 32, 64]


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: Recipe(construction="sparse"), "construction must be one of"),
        (lambda: Recipe(hidden_size=7, construction="cayley"), "needs an even hidden_size"),
        (lambda: Recipe(phases=()), "phases must be one or more"),
        (lambda: Recipe(leak=0), "leak must be above 0"),
        (lambda: Recipe(clip_norm=0.0), "clip_norm must be above 0"),
        (lambda: Phase(10, 0.0), "learning_rate must be above 0"),
        (lambda: Phase(-1, 1e-3), "steps must be at least 0"),
        (
            lambda: list(Recipe(phases=(Phase(1, 1e-3, {"lags": 3}),)).schedule(TASK)),
            "phase changes lags, which the task 'copy' does not have",
        ),
        (lambda: train(TASK, recipe(1), []), "seeds must be one or more different"),
        (lambda: train(TASK, recipe(1), [1, 1]), "seeds must be one or more different"),
        (lambda: train(TASK, recipe(1), [0.5]), "seed must be a whole number"),
        (
            lambda: train(TASK, {"hidden_size": 3}, [0]),
            "recipe must be a schurkit.Recipe; got dict",
        ),
        (lambda: train(object(), recipe(1), [0]), "a task needs"),
    ],
)
def test_messages(make, message):
    with pytest.raises(InputError, match=message):
        make()


def test_cayley_networks_start_with_blocks_of_falling_modulus():
    weights = construction("cayley").start(recipe(construction="cayley"), 2, 2, [0, 1, 2])
    moduli = np.hypot(weights["a"], weights["b"])
    assert (np.diff(moduli, axis=1) <= 1e-12).all() and (np.ptp(moduli, axis=1) > 0.1).all()
