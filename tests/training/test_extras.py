"""What the two other papers need of a recipe: losses, weight decay, starts, embeddings, whole
training sets, checkpoints; oracles in torch.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest
import torch

from schurkit import InputError, random
from schurkit.engine import choose
from schurkit.engine.base import ArrayRule, Rule, Spec
from schurkit.metrics import FVU
from schurkit.rnn import Trials
from schurkit.tasks import Copy
from schurkit.training import Phase, Recipe, Store, TrainingWarning, train
from schurkit.training.constructions import construction
from schurkit.training.loop import fit
from schurkit.training.optimise import Adam
from schurkit.training.train import Study
from schurkit.training.trainers import LoopTrainer, trainer_for
from schurkit_press.price import plan

TASK = Copy(symbols=2, channels=2, replay=6)


def recipe(steps=50, **changes):
    return Recipe(
        **(
            {"hidden_size": 12, "phases": (Phase(steps, 1e-3),), "batch_size": 16, "clip_norm": 1.0}
            | changes
        )
    )


@dataclass(frozen=True)
class Sums:
    """c = a + b mod p: a one-hot at the first step, b at the second, c at the second. `hidden`
    leaves the pairs unsaid.
    """

    p: int = 7
    train_fraction: float = 0.6
    hidden: bool = False
    wrong: bool = False
    name: ClassVar[str] = "sums"
    metric: ClassVar = FVU
    threshold: ClassVar[float] = 0.1
    chance: ClassVar[float] = 1.0

    @property
    def input_size(self):
        return self.p

    @property
    def output_size(self):
        return self.p

    def token_pairs(self, seed):
        if self.hidden:
            return None
        a, b, c = self._pairs(seed)
        return (a, b, (c + 1) % self.p) if self.wrong else (a, b, c)

    def batch(self, seeds, step, trials):
        parts = [self._trials(*self._pairs(seed)) for seed in seeds]
        return Trials(
            *(np.stack([getattr(part, name) for part in parts]) for name in ("inputs", "targets")),
            parts[0].mask,
        )

    def test_trials(self, trials=256, seed=0):
        a, b = np.divmod(np.arange(self.p**2), self.p)
        return self._trials(a, b, (a + b) % self.p)

    def _pairs(self, seed):
        a, b = np.divmod(
            random.permutation(seed, "split", 0, self.p**2)[: int(self.train_fraction * self.p**2)],
            self.p,
        )
        return a, b, (a + b) % self.p

    def _trials(self, a, b, c):
        eye = np.eye(self.p, dtype=np.float32)
        right = eye[c]
        return Trials(
            np.stack([eye[a], eye[b]], 1),
            np.stack([np.zeros_like(right), right], 1),
            np.array([0, 1]),
        )


def classes(networks=2, trials=5, steps=8, inputs=2, outputs=4, hard=False):
    """Inputs, targets that are probabilities, and a mask a network."""
    rng = np.random.default_rng(3)
    targets = rng.dirichlet(np.ones(outputs), (networks, trials, steps))
    if hard:
        targets = np.eye(outputs)[targets.argmax(-1)]
    return (
        rng.normal(size=(networks, trials, steps - 3, inputs)),
        targets,
        rng.random((networks, trials, steps)) > 0.4,
    )


# --------------------------------------------------------------------------------------------- loss
@pytest.mark.parametrize("engine", ["numpy", "torch", "numba"])
@pytest.mark.parametrize(
    "kind", [{}, {"activation": "relu"}, {"form": "voltage", "leak": 0.4}, {"leak": 0.3}]
)
@pytest.mark.parametrize("hard, outputs", [(True, 4), (False, 19)])
def test_cross_entropy_is_torchs(engine, kind, hard, outputs):
    from helpers import random_rnn

    dtype = np.float32 if engine == "numba" else np.float64
    rnn = random_rnn(2, outputs=outputs, dtype=dtype, **kind)
    names = ("W_in", "W_rec", "W_out", "b_rec", "b_out")
    weights = {name: getattr(rnn, name) for name in names}
    x, y, mask = classes(outputs=outputs, hard=hard)
    losses, grads = (
        choose(engine)
        .worker(Spec.of(rnn), "cross_entropy")
        .gradients(weights, x.astype(dtype), y.astype(dtype), mask)
    )
    from schurkit.engine.torch import forward

    for i in range(2):
        tensors = {
            name: torch.tensor(np.array(a[i : i + 1], float), requires_grad=True)
            for name, a in weights.items()
        }
        outputs_, _ = forward(tensors, Spec.of(rnn), torch.tensor(x[i : i + 1]), 3)
        loss = torch.nn.functional.cross_entropy(
            outputs_[0][torch.tensor(mask[i])], torch.tensor(y[i][mask[i]])
        )
        loss.backward()
        tolerance = 2e-5 if engine == "numba" else 1e-10
        assert losses[i] == pytest.approx(loss.item(), rel=tolerance)
        for name in names:
            oracle = tensors[name].grad[0].numpy()
            assert np.abs(grads[name][i] - oracle).max() <= tolerance * np.abs(oracle).max(), name


@pytest.mark.parametrize("engine", ["numpy", "numba", "torch"])
def test_cross_entropy_of_large_outputs_does_not_overflow(engine):
    weights = {
        "W_in": np.ones((1, 1, 1)),
        "W_rec": np.zeros((1, 1, 1)),
        "W_out": np.array([[[1e3], [-1e3]]]),
    }
    weights = {name: array.astype(np.float32) for name, array in weights.items()}
    x, y = np.full((1, 1, 1, 1), 9, np.float32), np.array([[[[0, 1]]]], np.float32)
    losses, grads = (
        choose(engine).worker(Spec(), "cross_entropy").gradients(weights, x, y, np.ones(1, bool))
    )
    assert losses[0] == pytest.approx(2000, rel=1e-6) and grads["W_out"].ravel() == pytest.approx(
        [1, -1], rel=1e-6
    )


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("engine", ["numpy", "numba"])
def test_cross_entropy_of_a_broken_network_is_not_finite(engine, bad):
    W_out = np.array([[[1.0], [bad], [0.0]]], np.float32)
    weights = {
        "W_in": np.ones((1, 1, 1), np.float32),
        "W_rec": np.zeros((1, 1, 1), np.float32),
        "W_out": W_out,
    }
    with np.errstate(all="ignore"):
        losses, _ = (
            choose(engine)
            .worker(Spec(), "cross_entropy")
            .gradients(
                weights,
                np.ones((1, 1, 1, 1), np.float32),
                np.array([[[[0, 0, 1]]]], np.float32),
                np.ones(1, bool),
            )
        )
    assert not np.isfinite(losses[0])


# ---------------------------------------------------------------------------------------- optimiser
def test_weight_decay_is_torchs_adamw():
    rng = np.random.default_rng(0)
    ours = {"W_in": rng.normal(size=(2, 3, 4)), "b_rec": rng.normal(size=(2, 5))}
    theirs = [
        {name: torch.nn.Parameter(torch.tensor(value[i])) for name, value in ours.items()}
        for i in range(2)
    ]
    rates = [3e-3, 1e-2]
    optimisers = []
    for p, rate in zip(theirs, rates):
        groups = [
            {"params": [p["W_in"]], "weight_decay": 2.0, "eps": 1e-3, "lr": 0.5 * rate},
            {"params": [p["b_rec"]]},
        ]
        optimisers.append(torch.optim.AdamW(groups, lr=rate, weight_decay=0, betas=(0.8, 0.98)))
    adam = Adam(ours, Rule((0.8, 0.98), None, arrays={"W_in": ArrayRule(0.5, 1e-3, 2.0)}))
    for _ in range(20):
        gradients = {name: rng.normal(size=value.shape) for name, value in ours.items()}
        for i, (p, optimiser) in enumerate(zip(theirs, optimisers)):
            for name, tensor in p.items():
                tensor.grad = torch.tensor(gradients[name][i])
            optimiser.step()
        adam.step(ours, gradients, rates)
    for i, p in enumerate(theirs):
        for name, tensor in p.items():
            assert np.abs(ours[name][i] - tensor.detach().numpy()).max() < 1e-6


def test_the_recipe_decays_matrices_and_not_biases():
    rule = recipe(weight_decay=0.3, biases=True).rule
    assert [
        rule[name].decay for name in ("W_in", "W_rec", "W_out", "E", "W_x", "b_rec", "b_out")
    ] == [0.3] * 5 + [0, 0]
    assert recipe().rule["W_rec"].decay == 0 and recipe(epsilon=1e-5).rule["b_rec"].epsilon == 1e-5


def test_five_steps_of_all_of_it_equal_torch():
    """Cross-entropy, weight decay and biases that start anywhere: torch's network, backward and
    AdamW, nothing of ours but start and batches.
    """
    task, steps = Sums(), 5
    kind = Recipe(
        hidden_size=12,
        construction="default",
        phases=(Phase(steps, 1e-2),),
        batch_size=None,
        loss="cross_entropy",
        weight_decay=1.0,
        biases=True,
        bias_start="uniform",
        betas=(0.9, 0.98),
        clip_norm=None,
    )
    start = construction("default").start(kind, 7, 7, [4])
    module, readout = (
        torch.nn.RNN(7, 12, batch_first=True).double(),
        torch.nn.Linear(12, 7).double(),
    )
    with torch.no_grad():
        pairs = [("weight_ih_l0", "W_in"), ("weight_hh_l0", "W_rec"), ("bias_ih_l0", "b_rec")]
        for theirs, ours in pairs:
            getattr(module, theirs).copy_(torch.tensor(start[ours][0]))
        module.bias_hh_l0.zero_()
        readout.weight.copy_(torch.tensor(start["W_out"][0]))
        readout.bias.copy_(torch.tensor(start["b_out"][0]))
    matrices = [module.weight_ih_l0, module.weight_hh_l0, readout.weight]
    groups = [
        {"params": matrices, "weight_decay": 1.0},
        {"params": [module.bias_ih_l0, readout.bias], "weight_decay": 0.0},
    ]
    optimiser = torch.optim.AdamW(groups, lr=1e-2, betas=(0.9, 0.98))
    a, b, c = (torch.tensor(array) for array in task.token_pairs(4))
    x = torch.nn.functional.one_hot(torch.stack([a, b], 1), 7).double()
    for _ in range(steps):
        optimiser.zero_grad()
        torch.nn.functional.cross_entropy(readout(module(x)[0][:, -1]), c).backward()
        optimiser.step()
    oracle = {ours: getattr(module, theirs) for theirs, ours in pairs} | {
        "W_out": readout.weight,
        "b_out": readout.bias,
    }
    for engine in ("numba", "numpy", "torch"):
        ours = fit(task, kind, [3, 4], choose(engine))[1].weights
        for name, tensor in oracle.items():
            assert np.abs(ours[name] - tensor.detach().numpy()).max() < 2e-6, (engine, name)


@pytest.mark.parametrize(
    "kind",
    [
        {"weight_decay": 0.5},
        {"loss": "cross_entropy", "batch_size": None, "biases": True, "weight_decay": 1.0},
    ],
)
def test_the_compiled_trainer_does_what_the_loop_does(kind):
    task = Sums(hidden=True) if kind.get("batch_size", 0) is None else TASK
    kind = recipe(30, **kind)
    ours = fit(task, kind, [0, 1], choose("numba"))
    form = construction("orthogonal")
    loop = LoopTrainer(
        form,
        form.start(kind, task.input_size, task.output_size, [0, 1]),
        choose("numpy").worker(kind.spec, kind.loss),
        kind.rule,
    )
    losses, done = loop.run(
        [0, 1], [0, 1], loop.source(task, kind.batch_size, 0, 0), 0, 30, [1e-3, 1e-3]
    )
    assert (done == 30).all()
    for i in range(2):
        assert ours[i].losses == pytest.approx(
            [losses[i, :20].mean(), losses[i, 20:].mean()], rel=1e-4
        )
        assert np.abs(ours[i].weights["W_rec"] - loop.weights(i)["W_rec"]).max() < 1e-5


# ---------------------------------------------------------------------------- starts and embeddings
def test_biases_start_where_the_recipe_says():
    n = 400
    kind = recipe(hidden_size=n, construction="default", biases=True, bias_start="uniform")
    start = construction("default").start(kind, 3, 5, [0, 1])
    assert start["b_rec"].shape == (2, n) and start["b_out"].shape == (2, 5)
    for name in ("b_rec", "b_out", "W_in", "W_out", "W_rec"):
        assert np.abs(start[name]).max() <= n**-0.5
    assert start["b_rec"].std() == pytest.approx(n**-0.5 / 3**0.5, rel=0.1) and not np.array_equal(
        start["b_rec"][0], start["b_rec"][1]
    )
    assert not construction("default").start(recipe(biases=True), 3, 5, [0])["b_rec"].any()


@pytest.mark.parametrize("embedding", [None, 20])
def test_the_fan_in_start(embedding):
    kind = recipe(hidden_size=60, construction="fan_in", embedding_size=embedding)
    start = construction("fan_in", embedding).start(kind, 40, 30, list(range(8)))
    fans = (
        {"W_rec": 60, "W_out": 60, "W_in": 40}
        if embedding is None
        else {"W_rec": 60, "W_out": 60, "E": 40, "W_x": 20}
    )
    assert set(start) == set(fans)
    for name, fan in fans.items():
        assert (
            start[name].std() == pytest.approx(fan**-0.5, rel=0.03)
            and abs(start[name].mean()) < 0.02 * fan**-0.5
        )
    assert start["E"].shape == (8, 40, 20) if embedding else True


@pytest.mark.parametrize("inner", ["orthogonal", "cayley"])
def test_an_embedding_is_pulled_back_as_autograd_does(inner):
    kind = recipe(construction=inner, embedding_size=3)
    form = construction(inner, 3)
    parameters = {name: a.astype(float) for name, a in form.start(kind, 5, 2, [0, 1]).items()}
    weights = form.weights(parameters)
    assert weights["W_in"].shape == (2, 12, 5)
    rng = np.random.default_rng(0)
    gradients = {name: rng.normal(size=a.shape) for name, a in weights.items()}
    pulled = form.pull_back(parameters, gradients)
    assert set(pulled) == set(parameters)
    E, W_x = (torch.tensor(parameters[name], requires_grad=True) for name in ("E", "W_x"))
    ((W_x @ E.transpose(1, 2)) * torch.tensor(gradients["W_in"])).sum().backward()
    assert (
        np.abs(pulled["E"] - E.grad.numpy()).max() < 1e-12
        and np.abs(pulled["W_x"] - W_x.grad.numpy()).max() < 1e-12
    )


def test_an_embedding_is_kept_and_makes_up_the_input_weights():
    store, kind = Store(), recipe(30, embedding_size=4)
    first, second = (train(TASK, kind, [0, 1], store=store) for _ in range(2))
    assert second.stored.all()
    for trained in (first, second):
        E, W_x = trained.factors["E"], trained.factors["W_x"]
        assert E.shape == (2, 2, 4) and W_x.shape == (2, 12, 4)
        assert np.abs(trained.rnn.W_in - W_x @ E.transpose(0, 2, 1)).max() < 1e-6
    assert train(TASK, recipe(30), [0]).factors == {}
    assert np.array_equal(first.factors["E"], second.factors["E"])
    assert first.losses[0][-1] < first.losses[0][0]


# ------------------------------------------------------------------------------------------- tables
@pytest.mark.parametrize("activation", ["relu", "tanh"])
@pytest.mark.parametrize("loss", ["mse", "cross_entropy"])
@pytest.mark.parametrize("engine", ["numba", "numpy", "torch"])
def test_tables_give_the_gradients_of_the_rollout(activation, loss, engine):
    task = Sums(p=31)
    kind = recipe(
        hidden_size=20, construction="fan_in", batch_size=None, activation=activation, loss=loss
    )
    fast = trainer_for(task, kind, choose(engine), [0, 5])
    weights = fast.form.weights(fast.parameters)
    losses, grads = fast.worker.gradients(weights, *fast.source(task, None, 0, 0).draw([0, 5], 0))
    trials = task.batch([0, 5], 0, None)
    exact = {name: a.astype(float) for name, a in weights.items()}
    slow, oracle = (
        choose("torch")
        .worker(kind.spec, loss)
        .gradients(exact, trials.inputs.astype(float), trials.targets.astype(float), trials.mask)
    )
    # the squared error of the rollout counts the one step that the mask leaves
    assert losses == pytest.approx(slow, rel=1e-5)
    for name in ("W_in", "W_rec", "W_out"):
        assert np.abs(grads[name] - oracle[name]).max() < 1e-5 * np.abs(oracle[name]).max(), name


@pytest.mark.parametrize("kind", [{}, {"embedding_size": 9, "weight_decay": 1.0}])
def test_training_by_tables_is_training_by_rollouts(kind):
    kind = recipe(
        25, construction="fan_in", batch_size=None, activation="relu", loss="cross_entropy", **kind
    )
    fast, slow = fit(Sums(), kind, [0, 1], choose()), fit(Sums(hidden=True), kind, [0, 1], choose())
    for a, b in zip(fast, slow):
        assert a.losses == pytest.approx(b.losses, rel=1e-4)
        for name in b.weights | b.factors:
            assert (
                np.abs((a.weights | a.factors)[name] - (b.weights | b.factors)[name]).max() < 2e-4
            ), name


def test_training_by_tables_does_not_depend_on_company_or_threads(monkeypatch, tmp_path):
    kind = recipe(
        25,
        construction="fan_in",
        batch_size=None,
        activation="relu",
        loss="cross_entropy",
        embedding_size=8,
    )
    found = []
    for threads, seeds in (("1", (0, 1, 2)), ("3", (0, 1, 2)), ("2", (2,))):
        monkeypatch.setenv("SCHURKIT_THREADS", threads)
        trained = train(Sums(), kind, seeds, store=Store(tmp_path / threads))
        found.append((trained.rnn.labelled(2).W_in, trained.losses[seeds.index(2)]))
    assert all(np.array_equal(a, b) for other in found[1:] for a, b in zip(other, found[0]))


def test_pairs_that_are_not_the_tasks_batch_are_refused():
    with pytest.raises(InputError, match="token_pairs of task 'sums' are not the training set"):
        fit(Sums(wrong=True), recipe(2, batch_size=None, loss="cross_entropy"), [0], choose())


# -------------------------------------------------------------------------------------- checkpoints
@pytest.mark.parametrize("engine", ["numba", "numpy"])
@pytest.mark.parametrize("embedding", [None, 3])
def test_checkpoints_are_the_weights_after_that_many_steps(engine, embedding):
    kind = recipe(30, checkpoints=(0, 7, 30), embedding_size=embedding)
    store = Store()
    for _ in range(2):
        trained = train(TASK, kind, [0, 2], engine=engine, store=store)
        assert list(trained.checkpoints) == [0, 7, 30]
        for step, checkpoint in trained.checkpoints.items():
            alone = fit(TASK, recipe(step, embedding_size=embedding), [2], choose(engine))[0]
            found = {"W_rec": checkpoint.rnn.W_rec[1], "W_in": checkpoint.rnn.W_in[1]} | {
                n: a[1] for n, a in checkpoint.factors.items()
            }
            assert set(checkpoint.factors) == set(alone.factors) and checkpoint.rnn.labels == (0, 2)
            for name, array in found.items():
                assert np.abs(array - (alone.weights | alone.factors)[name]).max() < 1e-6, (
                    step,
                    name,
                )
        assert np.array_equal(trained.checkpoints[30].rnn.W_rec, trained.rnn.W_rec)
    assert trained.stored.all()


def test_a_network_that_stopped_has_its_last_weights_at_later_checkpoints():
    kind = recipe(
        phases=(Phase(3, 1e-3), Phase(57, 1e38)),
        activation="relu",
        clip_norm=None,
        checkpoints=(0, 60),
    )
    with pytest.warns(TrainingWarning), np.errstate(all="ignore"):
        trained = train(TASK, kind, [0])
    assert trained.stopped[0] > 0 and np.array_equal(
        trained.checkpoints[60].rnn.W_rec, trained.rnn.W_rec
    )
    assert not np.array_equal(trained.checkpoints[0].rnn.W_rec, trained.rnn.W_rec)


def test_a_plan_counts_checkpoints_and_embeddings():
    plain, more = (
        plan(Study(TASK, recipe(5, **kind), (0,))).bytes
        for kind in ({}, {"checkpoints": (1, 2), "embedding_size": 50})
    )
    trained = train(TASK, recipe(5, checkpoints=(1, 2), embedding_size=50), [0])
    size = sum(
        entry.bytes for entry in Store().entries() if entry.record["recipe"]["embedding_size"]
    )
    assert trained.stored.sum() == 0 and plain < more and size < 1.5 * more


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: recipe(loss="hinge"), "loss must be one of"),
        (lambda: recipe(weight_decay=-1), "weight_decay must be at least 0"),
        (
            lambda: recipe(weight_decay=1.0, construction="cayley"),
            "weight_decay is not defined for construction='cayley'",
        ),
        (lambda: recipe(bias_start="uniform"), "bias_start='uniform' needs biases=True"),
        (lambda: recipe(bias_start="normal", biases=True), "bias_start must be one of"),
        (lambda: recipe(embedding_size=0), "embedding_size must be at least 1"),
        (lambda: recipe(betas=(0.9, 1.0)), "betas must be below 1"),
        (
            lambda: recipe(checkpoints=(3, 2)),
            "checkpoints must be different steps in increasing order",
        ),
        (lambda: recipe(checkpoints=(51,)), "checkpoints must be between 0 and 50"),
        (
            lambda: fit(TASK, recipe(2, batch_size=None), [0], choose()),
            "batch_size=None needs a task with a fixed training set, which 'copy'",
        ),
        (
            lambda: fit(TASK, recipe(2, loss="cross_entropy"), [0], choose()),
            "loss='cross_entropy' needs targets that are probabilities",
        ),
    ],
)
def test_messages(make, message):
    with pytest.raises(InputError, match=message):
        make()
