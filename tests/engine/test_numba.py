"""The compiled engine against independent oracles, and what it promises: the same bits whatever
stands beside a network.
"""

import itertools
import os
import subprocess
import sys
import threading
import warnings
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from helpers import random_rnn, random_trials

from schurkit import RNN, InputError, random, rollout
from schurkit.engine import EngineWarning, Spec, base, choose
from schurkit.rnn import ARRAYS
from schurkit.tasks import ContextIntegration, Copy, FlipFlop, Sine
from schurkit.training import Phase, Recipe, train
from schurkit.training.loop import Stopped, fit

numba = pytest.importorskip("numba")
from schurkit.engine.compiled import batches, cache, draws, kernels, tile  # noqa: E402
from schurkit.engine.compiled.network import aligned  # noqa: E402

KINDS = list(itertools.product(["tanh", "relu"], ["rate", "voltage"], [1.0, 0.3, "per unit"]))
TASK = Copy(symbols=2, channels=2, replay=6)


def recipe(steps=50, **changes):
    return Recipe(
        **(
            {"hidden_size": 12, "phases": (Phase(steps, 1e-3),), "batch_size": 16, "clip_norm": 1.0}
            | changes
        )
    )


# ------------------------------------------------------------------------------------------ kernels
MODES = [
    lambda c, e: c,
    lambda c, e: np.tanh(c),
    lambda c, e: np.maximum(c, 0),
    lambda c, e: c * (1 - e**2),
    lambda c, e: c * (e > 0),
]


@numba.njit
def _multiply(A, B, A2, B2, start, C, mode, E):
    kernels.multiply(A, B, A2, B2, start, C, mode, E)


def multiply(A, B, A2, B2, start, mode, E):
    """One call of the compiled product; A, A2 (rows, k) may be transposed views."""
    C = aligned(A.shape[0], B.shape[1])
    _multiply(A, B, A2, B2, start[None], C, mode, E)
    return C


@pytest.mark.parametrize(
    "rows, columns, k, k2",
    [(1, 16, 1, 0), (5, 32, 7, 3), (64, 64, 64, 3), (13, 80, 17, 1), (7, 96, 2, 9), (3, 144, 0, 5)],
)
@pytest.mark.parametrize("mode", range(5))
@pytest.mark.parametrize("transposed", [False, True])
def test_products_equal_numpy(rows, columns, k, k2, mode, transposed):
    rng = np.random.default_rng(rows + columns)
    shapes = (rows, k), (rows, k2), (k, columns), (k2, columns), columns, (rows, columns)
    A, A2, B, B2, start, E = (rng.normal(size=shape).astype(np.float32) for shape in shapes)
    oracle = MODES[mode](start + A2.astype(float) @ B2 + A.astype(float) @ B, E.astype(float))
    A = np.ascontiguousarray(A.T).T if transposed else A
    assert np.abs(multiply(A, B, A2, B2, start, mode, E) - oracle).max() < 2e-6 * (k + k2 + 1)


def activated(x, mode):
    x = np.asarray(x, np.float32)
    padded = aligned(-(-x.size // 16) * 16)
    padded[: x.size] = x
    nothing = np.zeros((1, 0), np.float32), np.zeros((0, padded.size), np.float32)
    return multiply(*nothing, *nothing, padded, mode, padded[None])[0, : x.size]


def test_tanh_is_accurate_odd_and_bounded():
    rng = np.random.default_rng(0)
    x = np.concatenate(
        [
            np.linspace(0, 12, 300_001),
            np.geomspace(1e-38, 1, 100_000),
            rng.normal(size=100_000) ** 2,
            [1e4, 3e38],
        ]
    ).astype(np.float32)
    found, exact = activated(x, 1), np.tanh(x.astype(float))
    assert (np.abs(found - exact) / np.spacing(exact.astype(np.float32))).max() < 2.3
    assert found.max() == 1.0 and np.array_equal(activated(-x, 1), -found)


def test_infinite_and_undefined_numbers_stay_what_they_are():
    x = [np.inf, -np.inf, np.nan, 0.0, -0.0]
    assert np.array_equal(activated(x, 1), [1, -1, np.nan, 0, 0], equal_nan=True)
    assert np.array_equal(activated(x, 2), [np.inf, 0, np.nan, 0, 0], equal_nan=True)


@pytest.mark.parametrize(
    "features, machine, lanes, fused",
    [
        ("+avx2,+avx512f,+fma", "x86_64", 16, True),
        ("+avx,+avx2,+fma", "x86_64", 8, True),
        ("+sse2,-avx2,-fma", "x86_64", 4, False),
        ("+neon", "aarch64", 4, True),
        ("", "arm64", 4, True),
        ("", "riscv64", 4, False),
    ],
)
def test_tiles_suit_the_processor(features, machine, lanes, fused):
    shape = tile.shape_for(features, machine)
    assert (shape.lanes, shape.fused) == (lanes, fused)
    registers = {16: 32, 8: 16, 4: 32 if fused else 16}[lanes]
    for groups, (tall, low) in enumerate(shape.rows, start=1):
        vectors = 16 * groups // lanes
        assert low <= tall and tall * vectors + vectors + 1 <= registers


# --------------------------------------------------------------------------- rollouts and gradients
@pytest.mark.parametrize("activation, form, leak", KINDS)
@pytest.mark.parametrize("shared", [True, False])
def test_rollouts_equal_the_numpy_engine_in_float64(activation, form, leak, shared):
    for hidden, trials, outputs in ((7, 6, 4), (33, 67, 20)):
        leaks = np.linspace(0.2, 1.0, hidden) if leak == "per unit" else leak
        rnn = random_rnn(
            3,
            hidden=hidden,
            outputs=outputs,
            activation=activation,
            form=form,
            leak=leaks,
            scale=hidden**-0.5,
            dtype=np.float32,
        )
        inputs = random_trials(None if shared else 3, trials=trials).inputs.astype(np.float32)
        found = rollout(rnn, inputs, autonomous=3, states=True, engine="numba")
        oracle = rollout(rnn, inputs, autonomous=3, states=True, engine="numpy", dtype=np.float64)
        for name in ("outputs", "states"):
            a, b = getattr(found, name), getattr(oracle, name)
            assert a.dtype == np.float32 and np.abs(a - b).max() < 3e-6 * np.abs(b).max(), (
                name,
                hidden,
            )
        assert rollout(rnn, inputs, engine="numba").states is None


def test_rollouts_of_odd_sizes():
    for hidden, inputs, outputs, trials, steps in (
        (1, 1, 1, 1, 1),
        (2, 9, 17, 5, 3),
        (65, 12, 1, 130, 4),
        (64, 3, 9, 64, 2),
        (16, 0, 3, 2, 4),
    ):
        rnn = random_rnn(4, hidden, inputs, outputs, scale=hidden**-0.5, dtype=np.float32)
        x = np.random.default_rng(1).normal(size=(trials, steps, inputs)).astype(np.float32)
        a, b = (
            rollout(rnn, x, autonomous=2, engine="numba").outputs,
            rollout(rnn, x, autonomous=2, engine="numpy", dtype=np.float64).outputs,
        )
        assert np.abs(a - b).max() < 5e-6 * np.abs(b).max(), hidden


@pytest.mark.parametrize("inputs", [3, 12])
def test_a_rollout_does_not_depend_on_its_company(inputs, monkeypatch):
    one = random_rnn(1, 20, inputs, 3, scale=0.2, dtype=np.float32)
    stack = one.with_W_rec(
        (np.random.default_rng(4).normal(size=(19, 20, 20)) * 0.2).astype(np.float32)
    )
    x = random_trials(None, 70, inputs=inputs).inputs
    found = []
    for threads in ("1", "2", "5"):
        monkeypatch.setenv("SCHURKIT_THREADS", threads)
        found.append(rollout(stack, x, engine="numba").outputs)
    others = RNN.stack([stack[3], random_rnn(1, 20, inputs, 3, seed=9, dtype=np.float32)])
    assert np.array_equal(found[0], found[1]) and np.array_equal(found[0], found[2])
    assert np.array_equal(rollout(stack[3], x, engine="numba").outputs[0], found[0][3])
    assert np.array_equal(rollout(others, x, engine="numba").outputs[0], found[0][3])


def test_a_diverging_network_leaves_the_others_alone():
    rnn = random_rnn(1, activation="relu", dtype=np.float32)
    stack = rnn.with_W_rec(np.stack([rnn.W_rec[0], np.full((7, 7), 1e30, np.float32)]))
    found = rollout(stack, random_trials(), engine="numba").outputs
    assert not np.isfinite(found[1]).all() and np.array_equal(
        found[0], rollout(rnn, random_trials(), engine="numba").outputs[0]
    )


def test_float64_is_left_to_numpy():
    rnn, trials = random_rnn(2), random_trials(2)
    assert np.array_equal(
        rollout(rnn, trials, engine="numba").outputs, rollout(rnn, trials, engine="numpy").outputs
    )
    assert (
        choose(dtype=np.float64).name == "numpy"
        and choose(dtype=np.dtype(np.float32)).name == "numba"
    )
    weights = {name: getattr(rnn, name) for name in ARRAYS}
    (_, a), (_, b) = (
        choose(e).worker(Spec()).gradients(weights, trials.inputs, trials.targets, trials.mask)
        for e in ("numba", "numpy")
    )
    assert all(np.array_equal(a[name], b[name]) for name in weights)


# -------------------------------------------------------------------------------- draws and batches
def test_draws_are_those_of_the_generator():
    @numba.njit
    def draw(seed, stream, step, count):
        key = draws.key(seed, stream, step)
        u, z = np.empty(count), np.empty(count)
        s, k = np.empty(count), np.empty(count, np.int64)
        for i in range(count):
            u[i], z[i], s[i], k[i] = (
                draws.uniform(key, i),
                draws.normal(key, i),
                draws.sign(key, i),
                draws.integer(key, i, 7),
            )
        return u, z, s, k

    for seed, stream, step in ((0, 0, 0), (7, "W_rec", 3), (2**64 - 1, "x", 10**6)):
        found = draw(
            np.uint64(seed), np.uint64(random.stream_number(stream)), np.int64(step), 50_000
        )
        shape = seed, stream, step, 50_000
        assert all(
            map(
                np.array_equal,
                found,
                (
                    random.uniform(*shape),
                    random.normal(*shape),
                    random.signs(*shape),
                    random.integers(*shape, 7),
                ),
            )
        )


@pytest.mark.parametrize(
    "task",
    [
        Copy(3, 2, 7),
        Copy(),
        FlipFlop(),
        FlipFlop(2, 11, 0.3, start="pulse"),
        ContextIntegration(),
        ContextIntegration(9, 0.0, 2.0),
        ContextIntegration(9, 0.3, 0.5, coherences=6, target="mean"),
        ContextIntegration(9, coherences=2, target="sum"),
    ],
)
def test_compiled_batches_are_the_tasks_own(task):
    source = batches.Source(task, 13, 5, 2)
    assert source.fill is not None
    room = batches.Batch(
        *(np.full((4, *array.shape[1:]), 77).astype(array.dtype) for array in source.sample)
    )
    for seed, step in ((0, 0), (2**64 - 1, 12345)):
        (found,) = source.draw(seed, step, 3, room)
        for i in range(3):
            own = task.batch([seed], step + i, 13)
            assert np.array_equal(found.inputs[i], own.inputs[0]) and np.array_equal(
                found.targets[i], own.targets[0]
            )
            assert np.array_equal(found.mask[i], np.broadcast_to(own.mask, found.mask[i].shape))


def fill_wrong(seed, first, numbers, inputs, targets, mask):
    for array in (inputs, targets):
        array[:] = numbers[0]
    mask[:] = 1


def fill_uncompilable(seed, first, numbers, inputs, targets, mask):
    inputs.no_such_method()


@dataclass(frozen=True)
class Wrong(Copy):
    def batch(self, seeds, step, trials):
        return super().batch(seeds, step, trials)

    def compiled_batch(self):
        return fill_wrong, (0.5,)


class Uncompilable(Wrong):
    def compiled_batch(self):
        return fill_uncompilable, ()


@pytest.mark.parametrize(
    "task, message",
    [(Wrong(2, 2, 6), "is not what its batch"), (Uncompilable(2, 2, 6), "cannot be compiled")],
)
def test_a_compiled_batch_that_cannot_be_trusted_is_not_used(task, message, monkeypatch):
    monkeypatch.setattr(base, "_said", set())
    with pytest.warns(EngineWarning, match=message):
        ours = fit(task, recipe(30), [0], choose("numba"))[0]
    with warnings.catch_warnings():  # said once
        warnings.simplefilter("error")
        fit(task, recipe(1), [0], choose("numba"))
    assert np.array_equal(
        ours.weights["W_rec"], fit(TASK, recipe(30), [0], choose("numba"))[0].weights["W_rec"]
    )


class Overridden(Copy):
    def batch(self, seeds, step, trials):
        return super().batch([seed + 1 for seed in seeds], step, trials)


def test_a_subclass_with_its_own_batch_is_served_by_it():
    assert batches.Source(Overridden(2, 2, 6), 4, 0, 0).fill is None
    assert batches.Source(Sine(), 4, 0, 0).fill is None


# ----------------------------------------------------------------------------------------- training
@pytest.mark.parametrize("form", ["orthogonal", "cayley"])
@pytest.mark.parametrize(
    "task", [TASK, Sine(steps=9), ContextIntegration(steps=8)], ids=lambda task: task.name
)
@pytest.mark.parametrize(
    "kind",
    [
        {},
        {"biases": True, "clip_norm": None},
        {"leak": 0.4, "activation": "relu"},
        {"form": "voltage", "leak": 0.3},
    ],
)
def test_five_steps_equal_torch_autograd_and_adam(form, task, kind):
    kind = recipe(5, construction=form, **kind)
    ours, theirs = (fit(task, kind, [0, 3], choose(engine)) for engine in ("numba", "torch"))
    for a, b in zip(ours, theirs):
        assert a.losses == pytest.approx(b.losses, rel=1e-5)
        for name in b.weights:
            assert np.abs(a.weights[name] - b.weights[name]).max() < 1e-5, name


def test_five_steps_equal_torch_alone():
    """The same without any of our code but the start and the batches: torch's network, backward and
    Adam.
    """
    ours = fit(TASK, recipe(5), [4], choose("numba"))[0]
    from schurkit.training.constructions import construction

    start = construction("orthogonal").start(recipe(5), 2, 2, [4])
    W_in, W_rec, W_out = (
        torch.tensor(start[name][0], dtype=torch.float64, requires_grad=True)
        for name in ("W_in", "W_rec", "W_out")
    )
    optimiser = torch.optim.Adam([W_in, W_rec, W_out], lr=1e-3)
    for step in range(5):
        batch = TASK.batch([4], step, 16)
        x, y = (
            torch.tensor(array[0], dtype=torch.float64) for array in (batch.inputs, batch.targets)
        )
        h, outputs = torch.zeros(16, 12, dtype=torch.float64), []
        for t in range(8):
            h = torch.tanh(h @ W_rec.T + (x[:, t] @ W_in.T if t < 2 else 0))
            outputs.append(h @ W_out.T)
        loss = ((torch.stack(outputs, 1) - y)[:, 2:] ** 2).mean()
        optimiser.zero_grad()
        loss.backward()
        for tensor in (W_in, W_rec, W_out):
            torch.nn.utils.clip_grad_norm_([tensor], 1.0)
        optimiser.step()
    for name, tensor in (("W_in", W_in), ("W_rec", W_rec), ("W_out", W_out)):
        assert np.abs(ours.weights[name] - tensor.detach().numpy()).max() < 1e-6, name


@pytest.mark.parametrize("form", ["orthogonal", "cayley"])
@pytest.mark.parametrize("task", [TASK, Sine(steps=9)], ids=lambda task: task.name)
def test_the_same_seed_gives_the_same_bits(form, task, monkeypatch):
    kind = recipe(45, construction=form)
    found = []
    for threads, seeds in (("1", range(8)), ("2", range(8)), ("3", (2, 5, 7)), ("2", (5,))):
        monkeypatch.setenv("SCHURKIT_THREADS", threads)
        fitted = dict(zip(seeds, fit(task, kind, list(seeds), choose("numba"))))
        found.append(
            {name: array for name, array in fitted[5].weights.items()}
            | {"losses": fitted[5].losses}
        )
    for other in found[1:]:
        exact = form != "cayley"  # NumPy's products of a stack may round as they please
        assert all(
            np.array_equal(other[k], found[0][k])
            if exact
            else np.allclose(other[k], found[0][k], atol=1e-5)
            for k in found[0]
        )


def test_train_gives_the_bits_of_fit(monkeypatch):
    studies = fit(TASK, recipe(25), [0, 1, 2], choose("numba"))
    for threads in ("1", "4"):
        monkeypatch.setenv("SCHURKIT_THREADS", threads)
        trained = train(TASK, recipe(25), [0, 1, 2], engine="numba")
        assert not trained.stored.any() or threads == "4"
        assert all(
            np.array_equal(trained.rnn.W_rec[i], one.weights["W_rec"])
            for i, one in enumerate(studies)
        )


def test_losses_ticks_and_phases_are_those_of_the_loop():
    kind = recipe(
        hidden_size=8, phases=(Phase(33, 3e-3, {"replay": 4}), Phase(0, 1e-3), Phase(12, 1e-3))
    )
    seen = {"numba": [], "numpy": []}
    fitted = {
        e: fit(
            TASK,
            kind,
            [0, 1],
            choose(e),
            lambda networks, loss, e=e: seen[e].append((networks, loss)),
        )
        for e in seen
    }
    assert [n for n, _ in seen["numba"]] == [2] * 45
    assert [loss for _, loss in seen["numba"]] == pytest.approx(
        [loss for _, loss in seen["numpy"]], rel=1e-4
    )
    for a, b in zip(fitted["numba"], fitted["numpy"]):
        assert (
            len(a.losses) == 3 and a.losses == pytest.approx(b.losses, rel=1e-4) and a.stopped == -1
        )


def test_a_tick_stops_training():
    calls = []
    with pytest.raises(Stopped):
        fit(
            TASK,
            recipe(10_000),
            [0],
            choose("numba"),
            lambda *_: calls.append(1) or len(calls) == 3,
        )
    assert len(calls) == 3


def test_a_network_that_is_not_finite_stops_as_in_the_loop():
    kind = recipe(60, phases=(Phase(60, 1e38),), activation="relu", clip_norm=None)
    with np.errstate(all="ignore"):
        ours, theirs = (fit(TASK, kind, [0, 1], choose(engine)) for engine in ("numba", "numpy"))
    for a, b in zip(ours, theirs):
        assert a.stopped == b.stopped > 0 and len(a.losses) == len(b.losses)
        assert all(np.isfinite(array).all() for array in a.weights.values())


class Shifting(Copy):
    """Trials whose length and mask change from step to step."""

    def batch(self, seeds, step, trials):
        from dataclasses import replace

        batch = Copy.batch(replace(TASK, replay=4 + step // 3 % 2), seeds, step, trials)
        mask = (
            np.random.default_rng(step).random((len(seeds), trials, batch.targets.shape[-2])) > 0.3
        )
        return type(batch)(batch.inputs, batch.targets, mask)


def test_batches_may_change_their_shape_and_mask():
    ours, theirs = (
        fit(Shifting(2, 2, 6), recipe(14), [1], choose(engine))[0] for engine in ("numba", "torch")
    )
    assert np.abs(ours.weights["W_rec"] - theirs.weights["W_rec"]).max() < 1e-5


def test_several_callers_at_once():
    kinds = [
        (recipe(30), 3),
        (recipe(30, hidden_size=20), 4),
        (recipe(30, leak=0.5), 5),
        (recipe(30, biases=True), 6),
    ]
    alone = [fit(TASK, kind, [seed], choose("numba"))[0].weights for kind, seed in kinds]
    together = [None] * 4

    def work(i):
        together[i] = fit(TASK, kinds[i][0], [kinds[i][1]], choose("numba"))[0].weights

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(np.array_equal(a[name], b[name]) for a, b in zip(alone, together) for name in a)


# --------------------------------------------------------------------- choosing, importing, caching
def test_the_store_tells_engines_apart():
    from schurkit.store import record_of

    records = {
        engine: record_of(TASK, recipe(1), 0, choose(engine))
        for engine in ("numba", "numpy", "torch")
    }
    assert set(records["numba"]["versions"]) == {"numpy", "numba", "llvmlite", "arithmetic"}
    assert all(record["engine"] == engine for engine, record in records.items())


def test_auto_takes_numba_where_it_can_be_used(monkeypatch):
    import schurkit.engine as engines

    monkeypatch.setattr(base, "_said", set())
    assert choose().name == "numba"
    monkeypatch.setattr(engines.importlib.util, "find_spec", lambda name: None)
    assert choose().name == "numpy"
    monkeypatch.undo()
    monkeypatch.setitem(sys.modules, "schurkit.engine.compiled.rollouts", None)
    with pytest.warns(
        EngineWarning, match="the numpy engine is used instead of the faster numba engine"
    ):
        assert choose().name == "numpy"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert choose().name == "numpy"
    with pytest.raises(
        InputError, match=r"needs numba, which cannot be used here.*schurkit\[fast\]"
    ):
        choose("numba")


def run_python(code, tmp_path, **environment):
    """Run code in a fresh interpreter with a cache of compiled code of its own; returns its
    output.
    """
    settings = {"NUMBA_CACHE_DIR": str(tmp_path / "cache"), "SCHURKIT_THREADS": "1"} | environment
    done = subprocess.run(
        [sys.executable, "-c", code], env=os.environ | settings, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_importing_does_not_import_numba(tmp_path):
    assert (
        run_python(
            "import schurkit, schurkit.training, sys; print('numba' in sys.modules)", tmp_path
        )
        == "False"
    )


BITS = """
import hashlib
from schurkit.engine import choose, rollout
from schurkit.rnn import RNN
from schurkit.tasks import FlipFlop
from schurkit.training import Phase, Recipe
from schurkit.training.loop import fit
engine = choose("numba")
kind = Recipe(hidden_size=24, phases=(Phase(6, 1e-3),), batch_size=10)
weights = fit(FlipFlop(), kind, [3], engine)[0].weights
rnn = RNN(**weights)
outputs = rollout(rnn, FlipFlop().test_trials(20), engine="numba").outputs
digest = hashlib.sha256(weights["W_rec"].tobytes() + outputs.tobytes()).hexdigest()
print(digest, engine.arithmetic, sep=";")
"""
NARROW = {
    "NUMBA_CPU_NAME": "haswell",
    "NUMBA_CPU_FEATURES": "+avx,+avx2,+fma,+bmi,+bmi2,+popcnt,+sse4.2,+f16c",
}


@pytest.fixture(scope="module")
def compiled_once(tmp_path_factory):
    """What a first process finds, and the folder where it leaves its compiled code."""
    folder = tmp_path_factory.mktemp("compiled")
    return run_python(BITS, folder).split(";"), folder


@pytest.mark.skipif(tile.SHAPE.lanes != 16, reason="needs a processor with vectors of 16 floats")
def test_the_width_of_the_vectors_changes_no_bit(compiled_once, tmp_path):
    assert compiled_once[0] == run_python(BITS, tmp_path, **NARROW).split(";")


def test_the_first_compilation_is_kept(compiled_once):
    first, folder = compiled_once

    def kept():
        return {
            path: path.stat().st_mtime_ns for path in (folder / "cache").glob("numba-*/*/*.nbc")
        }

    before = kept()
    assert len(before) > 10
    assert run_python(BITS, folder).split(";") == first
    assert kept() == before  # nothing was compiled again


def test_processes_that_start_at_once_share_a_cache(tmp_path):
    settings = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path / "cache"), "SCHURKIT_THREADS": "1"}
    started = [
        subprocess.Popen(
            [sys.executable, "-c", BITS], env=settings, stdout=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    found = {process.communicate()[0].split(";")[0] for process in started}
    assert len(found) == 1 and all(process.returncode == 0 for process in started) and found != {""}


def test_a_cache_that_cannot_be_used_costs_time_alone(tmp_path, monkeypatch):
    blocked = tmp_path / "file"
    blocked.write_text("")
    monkeypatch.setattr(cache.numba.config, "CACHE_DIR", str(blocked))
    assert cache.folder() is None
    monkeypatch.setattr(cache, "_FOLDER", None)
    made = cache.compiled(lambda x: x + 1)
    assert made(1) == 2


def test_a_damaged_cache_is_compiled_again(monkeypatch):
    calls = []

    def broken(x):
        calls.append(x)
        if len(calls) == 1:
            raise EOFError
        return x

    made = []
    monkeypatch.setattr(cache, "_made", made)
    assert cache.call(broken, 3) == 3 and calls == [3, 3]
