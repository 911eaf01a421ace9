"""What the torch engine does with calls, devices and memory; what is about CUDA alone is skipped on
a machine without a GPU.
"""

import sys
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from helpers import apart, random_rnn, random_trials, refuses
from training import small
from training.small import TASK

from schurkit import rollout
from schurkit.engine import choose, device
from schurkit.engine import torch as engine_of_torch
from schurkit.engine.torch import TorchEngine, TorchTrainer, forward
from schurkit.store import record_of
from schurkit.tasks import ContextIntegration, FlipFlop, ModularAddition
from schurkit.training import Store, train
from schurkit.training.loop import fit
from schurkit.training.train import Study
from schurkit_press import price
from schurkit_press.price import plan

CPU = torch.device("cpu")
needs_cuda = pytest.mark.skipif(
    not torch.cuda.is_available(), reason="torch finds no CUDA device here"
)


recipe = partial(small.recipe, rate=1e-2)


# ------------------------------------------------------------------------ one network beside others


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
        assert apart(a.weights["W_rec"], b.weights["W_rec"]) < 1e-5


# ------------------------------------------------------------------------------------------ devices
def test_the_device_is_the_environments(monkeypatch):
    assert device.wanted_device() == "cpu" and choose("torch").device == CPU
    monkeypatch.setenv("SCHURKIT_DEVICE", "gpu")
    refuses(
        r"SCHURKIT_DEVICE must be 'cpu', 'cuda' or 'cuda:' and a number; got 'gpu'\.$",
        choose,
        "torch",
    )
    # they do not ask
    assert {choose(name).name for name in ("auto", "numpy")} <= {"numba", "numpy"}


def test_a_device_that_is_not_there_is_told_in_one_line(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setenv("SCHURKIT_DEVICE", "cuda")
    message = r"SCHURKIT_DEVICE=cuda, but torch \S+ finds no CUDA device here\. Unset SCHURKIT_DEV"
    refuses(message, train, TASK, recipe(1), [0], engine="torch")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    named = device.device_named
    assert named("cuda") == torch.device("cuda", 0) and named("cuda:1").index == 1
    message = r"SCHURKIT_DEVICE=cuda:2, but there are 2 here: 'cuda:0' to 'cuda:1'\."
    refuses(message, named, "cuda:2")


def test_memory_that_is_not_there_is_told_in_one_line(monkeypatch):
    def full(*_):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 1.00 GiB.\nGPU 0 has")

    monkeypatch.setattr(TorchTrainer, "_step", full)
    message = r"no memory left for training 2 networks side by side \(CUDA out of memory\)\. Train"
    refuses(message, fit, TASK, recipe(), [0, 1], choose("torch"))
    monkeypatch.setattr(engine_of_torch, "forward", full)
    message = r"no memory left for a rollout .* or the CPU\."
    refuses(message, rollout, random_rnn(), random_trials(), engine="torch")
    message, kind = r"no memory left for gradients .* or the CPU\.", recipe(construction="cayley")
    refuses(message, fit, TASK, kind, [0], choose("torch"))


def test_the_store_tells_kinds_of_device_apart(monkeypatch):
    engine = choose("torch")
    here = record_of(TASK, recipe(), 0, engine)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "Some GPU")
    engine.device = torch.device("cuda", 0)
    there = record_of(TASK, recipe(), 0, engine)
    kinds = [record["versions"]["arithmetic"] for record in (here, there)]
    assert kinds == ["", f"Some GPU, CUDA {torch.version.cuda}"]
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
    with pytest.raises(ZeroDivisionError), device.full_precision():
        1 / 0  # noqa: B018
    assert precisions() == before


# ------------------------------------------------------------------------------------------- memory
@pytest.mark.parametrize("shared", [True, False])
def test_rollouts_in_pieces_are_rollouts(shared, monkeypatch):
    rnn, trials = random_rnn(5), random_trials(None if shared else 5)
    whole = rollout(rnn, trials, states=True, engine="torch")
    monkeypatch.setattr(device, "MEMORY_ON_A_CPU", 1)
    pieces = rollout(rnn, trials, states=True, engine="torch")
    for name in ("outputs", "states"):
        assert apart(getattr(whole, name), getattr(pieces, name)) < 1e-12


def test_as_many_networks_as_there_is_memory_for(monkeypatch):
    size = {"hidden": 12, "channels": 2, "outputs": 2, "trials": 16, "steps": 8}
    engine = TorchEngine()
    monkeypatch.setattr(device, "MEMORY_ON_A_CPU", 10**9)
    most = engine.most_networks(**size)
    assert most > engine.most_networks(**size | {"hidden": 24}) > 1
    monkeypatch.setattr(device, "MEMORY_ON_A_CPU", 10**8)
    assert most / 11 < engine.most_networks(**size) < most / 9
    monkeypatch.setattr(device, "MEMORY_ON_A_CPU", 0)
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
def test_a_gpu_trains_as_a_cpu_and_twice_to_the_same_bits(task):
    kind = recipe(60)
    if isinstance(task, ModularAddition):
        kind = replace(kind, batch_size=None, loss="cross_entropy")
    ours, again, theirs = (
        fit(task, kind, [0, 1, 2], TorchEngine(device)) for device in ("cuda", "cuda", "cpu")
    )
    for a, b, c in zip(ours, again, theirs):
        assert np.array_equal(a.weights["W_rec"], b.weights["W_rec"])
        assert apart(a.weights["W_rec"], c.weights["W_rec"]) < 1e-4
        assert a.losses == pytest.approx(c.losses, rel=1e-3)


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
