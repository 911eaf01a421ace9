"""The torch engine's trainer against autograd and torch.optim, and what it says of devices; the
parts that are about CUDA alone are skipped on a machine without a GPU.
"""

import itertools
import sys
from dataclasses import dataclass, field

import numpy as np
import pytest
import torch
from helpers import random_rnn, random_trials

from schurkit import InputError, Trials, rollout
from schurkit.engine import Spec, choose
from schurkit.engine import torch as engine_of_torch
from schurkit.engine.base import ArrayRule, Rule
from schurkit.engine.torch import LOSSES, TorchEngine, TorchTrainer, TorchWorker, forward
from schurkit.rnn import ARRAYS
from schurkit.store import record_of
from schurkit.tasks import ContextIntegration, Copy, FlipFlop, ModularAddition
from schurkit.training import Phase, Recipe, Store, train
from schurkit.training.constructions import Dense
from schurkit.training.loop import fit
from schurkit.training.train import Study
from schurkit_press import price
from schurkit_press.price import plan

KINDS = list(itertools.product(["tanh", "relu"], ["rate", "voltage"], [1.0, 0.3, "per unit"]))
CPU = torch.device("cpu")
TASK = Copy(symbols=2, channels=2, replay=6)
needs_cuda = pytest.mark.skipif(
    not torch.cuda.is_available(), reason="torch finds no CUDA device here"
)


def recipe(steps=30, **changes):
    return Recipe(
        **(
            {"hidden_size": 12, "phases": (Phase(steps, 1e-2),), "batch_size": 16, "clip_norm": 1.0}
            | changes
        )
    )


@dataclass
class Noise:
    """A task of random numbers, in a batch of any shape."""

    mask: str = "time"
    loss: str = "mse"
    drawn: list = field(default_factory=list)
    input_size, output_size, name = 2, 4, "noise"

    def batch(self, seeds, step, trials):
        rows = [self.one(seed, step, trials) for seed in seeds]
        return Trials(
            *(
                np.stack(parts) if i < 2 or self.mask == "networks" else parts[0]
                for i, parts in enumerate(zip(*rows))
            )
        )

    def one(self, seed, step, trials):
        rng = np.random.default_rng([seed, step])
        inputs, targets = rng.normal(size=(trials, 5, 2)), rng.normal(size=(trials, 8, 4))
        if self.loss == "cross_entropy":
            targets = np.exp(targets) / np.exp(targets).sum(axis=-1, keepdims=True)
        shared = np.random.default_rng(step)
        mask = {
            "time": np.arange(8) > 2,
            "trials": shared.random((trials, 8)) > 0.5,
            "networks": rng.random((trials, 8)) > 0.5,
        }[self.mask]
        return inputs, targets, mask


RULE = Rule(
    (0.8, 0.98),
    0.3,
    ArrayRule(),
    {
        "W_rec": ArrayRule(0.5, 1e-6, 0.2, 0.01),
        "W_out": ArrayRule(2.0, 1e-3),
        "b_rec": ArrayRule(decay=0.5),
    },
)


def by_torch(weights, spec, rule, task, seed, rate, steps, trials):
    """One network by autograd and torch.optim.AdamW: losses and arrays."""
    tensors = {name: torch.nn.Parameter(torch.tensor(array)) for name, array in weights.items()}
    groups = [
        {
            "params": [p],
            "lr": rate * rule[n].rate,
            "eps": rule[n].epsilon,
            "weight_decay": rule[n].decay,
        }
        for n, p in tensors.items()
    ]
    optimiser = torch.optim.AdamW(groups, betas=rule.betas)
    losses = []
    for step in range(steps):
        x, y, mask = (
            torch.tensor(a)
            for a in (lambda b: (b.inputs, b.targets, b.mask))(task.batch([seed], step, trials))
        )
        outputs, _ = forward(
            {name: p[None] for name, p in tensors.items()}, spec, x, y.shape[2] - x.shape[2]
        )
        loss = LOSSES[task.loss](outputs, y, mask)[0]
        optimiser.zero_grad()
        (loss + sum(rule[name].l1 * p.abs().sum() for name, p in tensors.items())).backward()
        for p in tensors.values():
            # torch's own clipping adds 1e-6 to the norm
            p.grad *= min(1.0, rule.clip_norm / p.grad.norm().item())
        optimiser.step()
        losses.append(loss.item())
    return losses, {name: p.detach().numpy() for name, p in tensors.items()}


@pytest.mark.parametrize("activation, form, leak", KINDS)
@pytest.mark.parametrize("names", [ARRAYS[:3], ARRAYS])
@pytest.mark.parametrize(
    "mask, loss",
    [
        ("time", "mse"),
        ("trials", "cross_entropy"),
        ("networks", "mse"),
        ("networks", "cross_entropy"),
    ],
)
def test_five_steps_equal_autograd_and_torch_optim(activation, form, leak, names, mask, loss):
    rnn = random_rnn(
        3,
        activation=activation,
        form=form,
        leak=np.linspace(0.2, 1.0, 7) if leak == "per unit" else leak,
    )
    start, task, rates = (
        {name: getattr(rnn, name) for name in names},
        Noise(mask, loss),
        [1e-2, 3e-3, 0.0],
    )
    trainer = TorchEngine().trainer(start, Spec.of(rnn), RULE, loss)
    losses, done = trainer.run([0, 1, 2], [4, 7, 9], trainer.source(task, 6, 4, 0), 0, 5, rates)
    assert done.tolist() == [5, 5, 5]
    for i, (seed, rate) in enumerate(zip((4, 7, 9), rates)):
        oracle_losses, oracle = by_torch(
            {name: array[i] for name, array in start.items()},
            Spec.of(rnn),
            RULE,
            task,
            seed,
            rate,
            5,
            6,
        )
        assert losses[i] == pytest.approx(oracle_losses, rel=1e-9)
        for name, array in trainer.weights(i).items():
            assert array.dtype == np.float64 and np.abs(array - oracle[name]).max() < 1e-8, name
    assert np.array_equal(trainer.weights(2)["W_rec"], start["W_rec"][2]) and not np.array_equal(
        trainer.weights(0)["W_rec"], start["W_rec"][0]
    )


@pytest.mark.parametrize(
    "task, changes",
    [
        (TASK, {"biases": True, "bias_start": "uniform", "weight_decay": 0.1, "l1": 1e-3}),
        (FlipFlop(2, 11), {"leak": 0.3, "form": "voltage", "activation": "relu"}),
        (
            ContextIntegration(9),
            {"construction": "mup", "form": "voltage", "leak": 0.5, "clip_norm": None},
        ),
        (ModularAddition(5), {"batch_size": None, "loss": "cross_entropy", "biases": True}),
        (
            TASK,
            {"phases": (Phase(13, 1e-2), Phase(24, 3e-3, {"replay": 9})), "checkpoints": (0, 17)},
        ),
    ],
)
def test_training_equals_the_numpy_engine(task, changes):
    kind = recipe(**changes)
    ours, theirs = (fit(task, kind, [0, 3, 8], choose(engine)) for engine in ("torch", "numpy"))
    for a, b in zip(ours, theirs):
        assert (
            a.losses == pytest.approx(b.losses, rel=1e-5)
            and a.checkpoints.keys() == b.checkpoints.keys()
        )
        for name in a.weights:
            assert (
                a.weights[name].dtype == np.float32
                and np.abs(a.weights[name] - b.weights[name]).max() < 1e-5
            ), name


def test_what_the_trainer_leaves_to_workers():
    start = {name: getattr(random_rnn(1), name) for name in ARRAYS[:3]}
    assert TorchEngine().trainer(start, Spec(), Rule(nuclear=1e-3)) is None
    for kind in (recipe(20, nuclear=1e-3), recipe(20, construction="cayley")):
        a, b = (
            fit(TASK, kind, [1], choose(engine))[0].weights["W_rec"]
            for engine in ("torch", "numpy")
        )
        assert np.abs(a - b).max() < 1e-5


# ------------------------------------------------------------------------ one network beside others
@dataclass(frozen=True)
class Poisoned(Copy):
    def batch(self, seeds, step, trials):
        drawn = super().batch(seeds, step, trials)
        targets = drawn.targets.copy()
        if step >= 5:
            targets[[seed == 1 for seed in seeds]] = 1e30
        return Trials(drawn.inputs, targets, drawn.mask)


@pytest.mark.parametrize("company", [[0, 1, 2, 3], [1, 2]])
def test_a_network_that_is_not_finite_stops_alone(company):
    fitted = dict(zip(company, fit(Poisoned(2, 2, 6), recipe(), company, choose("torch"))))
    assert {seed: one.stopped for seed, one in fitted.items()} == {
        seed: 5 if seed == 1 else -1 for seed in company
    }
    alone, five = (
        fit(TASK, recipe(), [2], choose("torch"))[0],
        fit(TASK, recipe(5), [1], choose("torch"))[0],
    )
    assert np.abs(fitted[2].weights["W_rec"] - alone.weights["W_rec"]).max() < 1e-5
    assert np.abs(fitted[1].weights["W_rec"] - five.weights["W_rec"]).max() < 1e-6
    assert len(fitted[1].losses) == 1 and np.isfinite(fitted[1].losses).all()


def test_a_step_to_infinity_leaves_the_weights_before_it():
    kind = recipe(phases=(Phase(40, 1e38),), activation="relu", clip_norm=None)
    with np.errstate(over="ignore", invalid="ignore"):
        ours, theirs = (fit(TASK, kind, [0, 1], choose(engine)) for engine in ("torch", "numpy"))
    for a, b in zip(ours, theirs):
        assert a.stopped == b.stopped > 0 and all(
            np.isfinite(array).all() for array in a.weights.values()
        )


def trained(calls, networks=range(6), task=TASK):
    """A trainer after these calls, each (networks, steps)."""
    kind, seeds = recipe(), list(networks)
    trainer = TorchEngine().trainer(Dense().start(kind, 2, 2, seeds), kind.spec, kind.rule, "mse")
    source, step, found = trainer.source(task, 16, 0, 0), 0, []
    for going, count in calls:
        losses, done = trainer.run(
            going, [seeds[i] for i in going], source, step, count, np.full(len(going), 1e-2)
        )
        assert (done == count).all()
        found.append(losses)
        step += count
    return trainer, found


def test_calls_may_end_anywhere():
    everyone = list(range(6))
    whole, losses = trained([(everyone, 50)])  # more than a call asks for
    parts, pieces = trained([(everyone, 5), (everyone, 1), (everyone, 44)])
    assert np.array_equal(losses[0], np.hstack(pieces)) and losses[0].dtype == float
    assert all(
        np.array_equal(whole.weights(i)[name], parts.weights(i)[name])
        for i in everyone
        for name in ("W_in", "W_rec", "W_out")
    )


def test_networks_that_leave_keep_what_they_had():
    everyone = list(range(6))
    (after_ten, _), (after_fifteen, _) = (trained([(everyone, steps)]) for steps in (10, 15))
    whole, losses = trained([(everyone, 30)])
    left, pieces = trained([(everyone, 10), ([0, 1, 3, 4, 5], 5), ([4, 1], 15)])
    assert len(left.stack.values["W_rec"]) == 2 and left.stack.rows == [4, 1]
    assert np.array_equal(left.weights(2)["W_rec"], after_ten.weights(2)["W_rec"])
    for i in (0, 3, 5):
        assert np.array_equal(left.weights(i)["W_rec"], after_fifteen.weights(i)["W_rec"])
    for row, i in enumerate((4, 1)):
        assert np.abs(left.weights(i)["W_rec"] - whole.weights(i)["W_rec"]).max() < 1e-5
        assert pieces[2][row] == pytest.approx(losses[0][i, 15:], rel=1e-4)


class Uneven(Copy):
    """Batches whose length changes with the step."""

    def batch(self, seeds, step, trials):
        return Copy(2, 2, 4 + step // 3 % 2).batch(seeds, step, trials)


def test_batches_may_change_their_shape():
    task, kind = Uneven(2, 2, 6), recipe(14)
    a, b = (fit(task, kind, [0, 1], choose(engine))[1] for engine in ("torch", "numpy"))
    assert np.abs(a.weights["W_rec"] - b.weights["W_rec"]).max() < 1e-5


class Overridden(Copy):
    def batch(self, seeds, step, trials):
        return super().batch([seed + 1 for seed in seeds], step, trials)


def test_batches_are_the_tasks_own():
    """Also of a class whose `compiled_batch` is that of another."""
    shifted, plain = (
        fit(task, recipe(), [seed], choose("torch"))[0]
        for task, seed in ((Overridden(2, 2, 6), 0), (TASK, 1))
    )
    assert not np.array_equal(shifted.weights["W_rec"], plain.weights["W_rec"])
    theirs = fit(Overridden(2, 2, 6), recipe(), [0], choose("numpy"))[0]
    assert np.abs(shifted.weights["W_rec"] - theirs.weights["W_rec"]).max() < 1e-5


def test_a_whole_training_set_is_uploaded_once(monkeypatch):
    uploads, upload = [], TorchWorker.upload
    monkeypatch.setattr(
        TorchWorker, "upload", lambda *arguments: uploads.append(1) or upload(*arguments)
    )
    kind = recipe(60, batch_size=None, loss="cross_entropy", biases=True)
    fit(ModularAddition(5), kind, [0, 1], choose("torch"))
    assert len(uploads) == 1


def test_the_loop_can_be_compiled(monkeypatch):
    """Traced as a whole; the real compiler is left out, as it takes long and may not be there."""
    asked, compile = [], torch.compile

    def traced(function):
        asked.append(function)
        return compile(function, backend="eager", fullgraph=True)

    monkeypatch.setattr(engine_of_torch.torch, "compile", traced)
    plain = fit(TASK, recipe(3), [0, 1], choose("torch"))
    assert not asked
    monkeypatch.setenv("SCHURKIT_COMPILE", "1")
    engine = choose("torch")
    fast = fit(TASK, recipe(3), [0, 1], engine)
    assert asked == [forward] and engine.arithmetic == "compiled"
    for a, b in zip(plain, fast):
        assert np.abs(a.weights["W_rec"] - b.weights["W_rec"]).max() < 1e-5


# ------------------------------------------------------------------------------------------ devices
def test_the_device_is_the_environments(monkeypatch):
    assert engine_of_torch.wanted_device() == "cpu" and choose("torch").device == CPU
    monkeypatch.setenv("SCHURKIT_DEVICE", "gpu")
    with pytest.raises(
        InputError,
        match=r"SCHURKIT_DEVICE must be 'cpu', 'cuda' or 'cuda:' and a number; got 'gpu'\.$",
    ):
        choose("torch")
    # they do not ask
    assert {choose(name).name for name in ("auto", "numpy")} <= {
        "numba",
        "numpy",
    }


def test_a_device_that_is_not_there_is_told_in_one_line(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setenv("SCHURKIT_DEVICE", "cuda")
    with pytest.raises(
        InputError,
        match=r"SCHURKIT_DEVICE=cuda, but torch \S+ finds no CUDA device here\. Unset "
        r"SCHURKIT_DEVICE",
    ) as told:
        train(TASK, recipe(1), [0], engine="torch")
    assert "\n" not in str(told.value)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert (
        engine_of_torch.device_named("cuda") == torch.device("cuda", 0)
        and engine_of_torch.device_named("cuda:1").index == 1
    )
    with pytest.raises(
        InputError, match=r"SCHURKIT_DEVICE=cuda:2, but there are 2 here: 'cuda:0' to 'cuda:1'\."
    ):
        engine_of_torch.device_named("cuda:2")


def test_memory_that_is_not_there_is_told_in_one_line(monkeypatch):
    def full(*_):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 1.00 GiB.\nGPU 0 has")

    monkeypatch.setattr(TorchTrainer, "_step", full)
    with pytest.raises(
        InputError,
        match=r"no memory left for training 2 networks side by side \(CUDA out of memory\)\. Train "
        r"fewer",
    ) as told:
        fit(TASK, recipe(), [0, 1], choose("torch"))
    assert "\n" not in str(told.value)
    monkeypatch.setattr(engine_of_torch, "forward", full)
    with pytest.raises(InputError, match=r"no memory left for a rollout .* or the CPU\."):
        rollout(random_rnn(), random_trials(), engine="torch")
    with pytest.raises(InputError, match=r"no memory left for gradients .* or the CPU\."):
        fit(TASK, recipe(construction="cayley"), [0], choose("torch"))


def test_the_store_tells_kinds_of_device_apart(monkeypatch):
    engine = choose("torch")
    here = record_of(TASK, recipe(), 0, engine)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "Some GPU")
    engine.device = torch.device("cuda", 0)
    there = record_of(TASK, recipe(), 0, engine)
    assert (
        here["versions"]["arithmetic"] == ""
        and there["versions"]["arithmetic"] == f"Some GPU, CUDA {torch.version.cuda}"
    )
    assert Store().name(here) != Store().name(there)


def precisions():
    return torch.get_float32_matmul_precision(), torch.backends.cuda.matmul.allow_tf32


@pytest.fixture
def own_precision():
    before = torch.get_float32_matmul_precision()
    yield
    torch.set_float32_matmul_precision(before)


@pytest.mark.parametrize("wanted", ["highest", "high", "medium"])
def test_precision_is_full_inside_and_the_processes_own_outside(wanted, own_precision, monkeypatch):
    torch.set_float32_matmul_precision(wanted)
    before, inside = precisions(), []

    def watched(self, *arguments):
        inside.append(getattr(torch.backends.cuda.matmul, "fp32_precision", None) or precisions())
        return step(self, *arguments)

    step = TorchTrainer._step
    monkeypatch.setattr(TorchTrainer, "_step", watched)
    fit(TASK, recipe(2), [0], choose("torch"))
    assert inside == ["ieee"] * 2 or inside == [("highest", False)] * 2
    rollout(random_rnn(), random_trials(), engine="torch")
    assert precisions() == before
    with pytest.raises(ZeroDivisionError), engine_of_torch.full_precision():
        1 / 0  # noqa: B018
    assert precisions() == before


# ------------------------------------------------------------------------------------------- memory
@pytest.mark.parametrize("shared", [True, False])
def test_rollouts_in_pieces_are_rollouts(shared, monkeypatch):
    rnn, trials = random_rnn(5), random_trials(None if shared else 5)
    whole = rollout(rnn, trials, states=True, engine="torch")
    monkeypatch.setattr(engine_of_torch, "MEMORY_ON_A_CPU", 1)
    pieces = rollout(rnn, trials, states=True, engine="torch")
    assert (
        np.abs(whole.outputs - pieces.outputs).max() < 1e-12
        and np.abs(whole.states - pieces.states).max() < 1e-12
    )


def test_as_many_networks_as_there_is_memory_for(monkeypatch):
    size = {"hidden": 12, "channels": 2, "outputs": 2, "trials": 16, "steps": 8}
    engine = TorchEngine()
    monkeypatch.setattr(engine_of_torch, "MEMORY_ON_A_CPU", 10**9)
    most = engine.most_networks(**size)
    assert most > engine.most_networks(**size | {"hidden": 24}) > 1
    monkeypatch.setattr(engine_of_torch, "MEMORY_ON_A_CPU", 10**8)
    assert most / 11 < engine.most_networks(**size) < most / 9
    monkeypatch.setattr(engine_of_torch, "MEMORY_ON_A_CPU", 0)
    assert engine.most_networks(**size) == 1


def test_a_gpu_takes_whole_stacks(monkeypatch):
    """With an engine that calls itself a GPU: one chunk as large as memory allows, and an estimate
    from networks side by side.
    """
    chunks = []
    monkeypatch.setattr(TorchEngine, "networks_a_chunk", None)
    for module in (sys.modules["schurkit.training.train"], price):
        monkeypatch.setattr(
            module,
            "fit",
            lambda task, kind, seeds, *rest: (
                chunks.append(len(seeds)) or fit(task, kind, seeds, *rest)
            ),
        )
    train(TASK, recipe(3), range(20), engine="torch")
    assert chunks == [20]
    chunks.clear()
    monkeypatch.setattr(TorchEngine, "most_networks", lambda *_: 8)
    assert plan(Study(TASK, recipe(3), range(100, 120)), engine="torch").seconds > 0
    assert set(chunks) == {8}
    chunks.clear()
    train(TASK, recipe(3), range(100, 120), engine="torch")
    assert sum(chunks) == 20 and max(chunks) <= 8


# ----------------------------------------------------------------------------------- on a GPU alone
@needs_cuda
@pytest.mark.parametrize("task", [TASK, FlipFlop(2, 11), ContextIntegration(9), ModularAddition(5)])
def test_a_gpu_trains_as_a_cpu(task):
    kind = recipe(
        60,
        **(
            {"batch_size": None, "loss": "cross_entropy"}
            if isinstance(task, ModularAddition)
            else {}
        ),
    )
    torch.set_float32_matmul_precision("high")
    try:
        ours, theirs = (
            fit(task, kind, [0, 1, 2], TorchEngine(device)) for device in ("cuda", "cpu")
        )
        assert (
            torch.get_float32_matmul_precision() == "high" and torch.backends.cuda.matmul.allow_tf32
        )
    finally:
        torch.set_float32_matmul_precision("highest")
    for a, b in zip(ours, theirs):
        assert np.abs(
            a.weights["W_rec"] - b.weights["W_rec"]
        ).max() < 1e-4 and a.losses == pytest.approx(b.losses, rel=1e-3)


@needs_cuda
def test_the_same_stack_on_a_gpu_gives_the_same_bits():
    once, again = (fit(TASK, recipe(60), [0, 1, 2], TorchEngine("cuda")) for _ in range(2))
    for a, b in zip(once, again):
        assert np.array_equal(a.weights["W_rec"], b.weights["W_rec"])


@needs_cuda
def test_a_diverging_network_stops_alone_on_a_gpu():
    fitted = fit(Poisoned(2, 2, 6), recipe(), [0, 1, 2, 3], TorchEngine("cuda"))
    assert [one.stopped for one in fitted] == [-1, 5, -1, -1] and all(
        np.isfinite(one.weights["W_rec"]).all() for one in fitted
    )


@needs_cuda
def test_memory_on_a_gpu_is_within_what_was_planned(monkeypatch):
    networks, size = 64, {"hidden": 64, "channels": 3, "outputs": 3, "trials": 64, "steps": 48}
    engine = TorchEngine("cuda")
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_reserved()
    fit(
        FlipFlop(steps=48),
        recipe(10, hidden_size=64, batch_size=64),
        range(networks),
        engine,
    )
    used = torch.cuda.max_memory_reserved() - before
    monkeypatch.setattr(engine_of_torch, "memory", lambda device: used)
    assert engine.most_networks(**size) <= networks


@needs_cuda
def test_rollouts_on_a_gpu():
    rnn, trials = random_rnn(5, dtype=np.float32), random_trials()
    weights = {name: getattr(rnn, name) for name in ARRAYS}
    inputs = trials.inputs.astype(np.float32)
    found, oracle = (
        TorchEngine(device).rollout(weights, Spec.of(rnn), inputs, 3, True)
        for device in ("cuda", "cpu")
    )
    assert all(np.abs(a - b).max() < 1e-5 for a, b in zip(found, oracle))
