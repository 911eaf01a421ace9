"""Training: constructions, clipping, Adam and the loop against torch; independence; what stops and
what warns.
"""

import sys
from dataclasses import replace

import numpy as np
import pytest
from helpers import apart, gauss, messages
from training.small import TASK, recipe

from schurkit import henrici, random
from schurkit.tasks import Copy, FlipFlop
from schurkit.training import (
    CONSTRUCTIONS,
    Phase,
    Recipe,
    Store,
    Study,
    copy_recipe,
    train,
    train_all,
)
from schurkit.training.constructions import construction
from schurkit.training.loop import fit
from schurkit_press import price
from schurkit_press.price import plan, plan_all


def test_starts_are_what_the_paper_says():
    seeds, n = [0, 1, 2], 40
    default, Q, N = (
        construction(c).start(recipe(hidden_size=n, construction=c), 3, 5, seeds)["W_rec"]
        for c in ("default", "orthogonal", "normal")
    )
    assert not construction("default").start(recipe(biases=True), 3, 5, [0])["b_rec"].any()
    assert np.abs(default).max() <= n**-0.5
    assert default.std() == pytest.approx((3 * n) ** -0.5, rel=0.03)
    assert apart(Q @ Q.transpose(0, 2, 1), np.eye(n)) < 1e-5
    assert max(henrici(W, relative=True) for W in N.astype(float)) < 1e-6
    assert (np.linalg.eigvals(N).real ** 2).mean() == pytest.approx(1 / 6, rel=0.3)


def test_cayley_start_has_the_spectrum_of_a_uniform_matrix():
    n = 12
    form = construction("cayley")
    start = form.start(recipe(hidden_size=n, construction="cayley"), 2, 2, [3])
    W = form.weights(start)["W_rec"][0].astype(float)
    assert (np.diff(np.hypot(start["a"], start["b"])) <= 0).all()
    assert henrici(W, relative=True) < 1e-6
    original = np.linalg.eigvals(random.uniform(3, "W_rec", 0, (n, n), -(n**-0.5), n**-0.5))
    above, expected = (z[z.imag > 1e-4] for z in (np.linalg.eigvals(W), original))
    assert np.sort_complex(above) == pytest.approx(np.sort_complex(expected), abs=1e-5)
    assert np.trace(W) == pytest.approx(original.sum().real, abs=1e-5)


@pytest.mark.parametrize("name", ["cayley", "dale"])
def test_gradients_of_constructions_are_slopes(name):
    n, form = 8, construction(name)
    sizes = {"U": (2, n, n), "a": (2, n // 2), "b": (2, n // 2)}
    sizes = sizes if name == "cayley" else {"W_rec": (2, n, n)}  # of both signs
    p, d = ({key: gauss(*sizes[key], seed=seed) for key in sizes} for seed in (0, 1))
    G = gauss(2, n, n, seed=2)
    ends = [form.weights({k: p[k] + s * d[k] for k in p})["W_rec"] for s in (1e-6, -1e-6)]
    slope = ((ends[0] - ends[1]) * G).sum(axis=(1, 2)) / 2e-6
    form.weights(p)
    pulled = form.pull_back(p, {"W_in": G, "W_rec": G})
    every = sum((pulled[key] * d[key]).reshape(2, -1).sum(axis=1) for key in p)
    assert every == pytest.approx(slope, rel=1e-6) and pulled["W_in"] is G


def test_a_start_by_dales_law_is_balanced():
    kind, seeds = recipe(hidden_size=64, construction="dale"), list(range(20))
    start = construction("dale").start(kind, 3, 5, seeds)["W_rec"].astype(float)
    assert (np.sign(start[:, 0]) == [1] * 51 + [-1] * 13).all()
    assert (np.sign(start) == np.sign(start[:, :1])).all()
    assert np.abs(np.linalg.eigvals(start)).max(axis=1) == pytest.approx(np.ones(20), rel=1e-6)
    assert abs(start.sum(axis=2).mean()) < 0.03 * np.abs(start).sum(axis=2).mean()
    free = construction("balanced").start(replace(kind, construction="balanced"), 3, 5, seeds)
    assert np.array_equal(free["W_rec"], start.astype(np.float32))


@pytest.mark.parametrize("form", (*CONSTRUCTIONS, "dale"))
def test_a_start_does_not_depend_on_its_company(form):
    """Nor does training, see the trainers."""
    kind = recipe(construction=form)
    many, alone = (construction(form).start(kind, 2, 2, seeds) for seeds in ([1, 5, 2], [5]))
    for name, array in alone.items():
        assert np.array_equal(many[name][1], array[0]), name


def test_training_learns_and_counts_converged_networks():
    task = Copy(symbols=2, channels=2, replay=16, threshold=0.99)
    phases = (Phase(400, 3e-3, {"replay": 4}), Phase(200, 1e-3, {"replay": 8}))
    trained = train(task, recipe(hidden_size=16, phases=phases), [0, 1, 2])
    losses, steps = trained.losses[0], trained.loss_steps(0)
    assert losses[-1] < 0.2 * losses[0] and losses[0] == pytest.approx(task.chance, rel=0.3)
    assert steps[-1] == 600 and len(steps) == len(losses) == 30
    assert trained.converged.all() and not trained.reached.any()
    assert "3 of 3 networks converged (replay accuracy ≥ 0.99" in trained.summary
    assert trained.told == "3 networks" and trained.shown.labels == (0, 1, 2)
    barely = train(task, recipe(2, hidden_size=16), [0, 1])
    assert not barely.converged.any() and len(barely.losses[0]) == 1
    assert barely.told == "2 networks, none of which converged"
    one = train(task, recipe(2, hidden_size=16), [0])
    assert one.told == "1 network, which did not converge" and one.shown.labels == (0,)
    assert one.summary.startswith("0 of 1 network converged")


def test_several_studies_at_once_are_the_studies_one_by_one():
    kinds = ({}, (0, 1)), ({"construction": "cayley"}, (3,))
    studies = [Study(TASK, recipe(20, **changes), seeds) for changes, seeds in kinds]
    together = train_all(studies)
    assert not together[0].stored.any()
    for study, result in zip(studies, together):
        alone = train(study.task, study.recipe, study.seeds)
        assert alone.stored.all() and result.rnn.labels == study.seeds
        assert np.array_equal(alone.rnn.W_rec, result.rnn.W_rec)


def test_a_plan_makes_nothing_as_large_as_what_it_prices(monkeypatch):
    """Networks that would not fit into any memory have a price, and only stored seeds are looked
    for.
    """
    huge = plan(Study(FlipFlop(steps=10**9), Recipe(hidden_size=10**6), [0]))
    assert huge.bytes == 4 * 10**6 * (10**6 + 6) + 4096 and huge.seconds > 1e9
    store, looked = Store(), []
    train(TASK, recipe(20), [3, 7], store=store)
    holds = store.holds
    monkeypatch.setattr(store, "holds", lambda r: looked.append(r["seed"]) or holds(r))
    assert plan(Study(TASK, recipe(20), range(5, 5000)), store=store).stored == 1
    assert looked == [7]
    assert plan(Study(TASK, recipe(20), [3]), store=store).seconds == 0


@pytest.mark.parametrize("timed", [0.0, 10.0])
def test_prices_follow_the_work(monkeypatch, timed):
    """At a nanosecond a multiplication, whether steps are timed or there is no time for it and a
    plain training sets the rate.
    """
    monkeypatch.setattr(price, "TIMED", timed)
    monkeypatch.setattr(price, "_lap", lambda step, engine: 1e-9 * step.work)
    monkeypatch.setenv("SCHURKIT_THREADS", "2")
    two = recipe(phases=(Phase(500, 1e-3), Phase(100, 1e-4, {"replay": 12})))
    studies = [(two, [0, 1, 2]), (two, [2, 3]), (recipe(1), [0])]
    plans = plan_all([Study(TASK, kind, seeds) for kind, seeds in studies])
    work = [16 * steps * 12 * (12 + 2 + 2) + 12**3 for steps in (8, 14)]
    network = 1.2e-9 * (500 * work[0] + 100 * work[1])
    expected = [1.5 * network, network, 1.2e-9 * work[0]]
    assert [one.seconds for one in plans] == pytest.approx(expected)


def test_interrupting_keeps_what_is_finished(monkeypatch):
    module = sys.modules["schurkit.training.train"]
    monkeypatch.setenv("SCHURKIT_THREADS", "1")
    monkeypatch.setattr(module, "networks_a_chunk", lambda study, engine: 1)
    left = [fit, fit]

    def fit_twice(*arguments):
        if not left:
            raise KeyboardInterrupt
        return left.pop()(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(module, "fit", fit_twice)
        with pytest.raises(KeyboardInterrupt):
            train(TASK, recipe(20), [0, 1, 2, 3])
    assert train(TASK, recipe(20), [0, 1, 2, 3]).stored.sum() == 2


def test_the_paper_schedule():
    kind = copy_recipe(72)
    assert [(p.steps, p.learning_rate, dict(p.task)) for p in kind.phases] == [
        (3000, 1e-3, {"replay": 16}),
        (1500, 5e-4, {"replay": 32}),
        (800, 3e-4, {"replay": 64}),
    ]


test_messages = messages(
    (lambda: Recipe(hidden_size=7, construction="cayley"), "needs an even hidden_size"),
    (
        lambda: list(Recipe(phases=(Phase(1, 1e-3, {"lags": 3}),)).schedule(TASK)),
        "phase changes lags, which the task 'copy' does not have",
    ),
    (lambda: train(TASK, recipe(1), []), "seeds must be one or more different"),
    (lambda: train(TASK, recipe(1), [1, 1]), "seeds must be one or more different"),
    (lambda: train(TASK, recipe(1), [0.5]), "seed must be a whole number"),
    (train, TASK, {"hidden_size": 3}, [0], "recipe must be a schurkit.Recipe; got dict"),
    (lambda: train(object(), recipe(1), [0]), "a task needs"),
)
