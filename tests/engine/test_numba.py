"""The compiled engine against independent oracles, and what it promises: the same bits whatever
stands beside a network.
"""

import sys
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from helpers import apart, gauss, random_rnn, random_trials, refuses, run_python
from training.small import TASK, recipe

from schurkit import RNN, rollout
from schurkit.engine import EngineWarning, Spec, base, choose
from schurkit.tasks import Copy, Sine
from schurkit.training.loop import fit

numba = pytest.importorskip("numba")
from schurkit.engine.compiled import cache, tile  # noqa: E402

# ------------------------------------------------------------------------------------------ kernels


def activated(x, activation):
    """act(x), one trial an entry, as the compiled tiles compute it."""
    x = np.asarray(x, np.float32)
    rnn = RNN(*np.float32([[[1]], [[0]], [[1]]]), activation=activation)
    with np.errstate(all="ignore"):
        found = choose("numba").rollout(rnn.arrays, Spec.of(rnn), x[:, None, None], 0, True)
    return found[1].ravel()


def test_tanh_is_accurate_odd_and_bounded():
    x = np.concatenate(
        [
            np.linspace(0, 12, 300_001),
            np.geomspace(1e-38, 1, 100_000),
            gauss(100_000) ** 2,
            [1e4, 3e38],
        ]
    ).astype(np.float32)
    found, exact = activated(x, "tanh"), np.tanh(x.astype(float))
    assert (np.abs(found - exact) / np.spacing(exact.astype(np.float32))).max() < 2.3
    assert found.max() == 1.0 and np.array_equal(activated(-x, "tanh"), -found)


def test_infinite_and_undefined_numbers_stay_what_they_are():
    x = [np.inf, -np.inf, np.nan, 0.0, -0.0]
    assert np.array_equal(activated(x, "tanh"), [1, -1, np.nan, 0, 0], equal_nan=True)
    assert np.array_equal(activated(x, "relu"), [np.inf, 0, np.nan, 0, 0], equal_nan=True)


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


def test_rollouts_of_odd_sizes():
    for hidden, inputs, outputs, trials, steps, kind in (
        (1, 1, 1, 1, 1, {}),
        (2, 9, 17, 5, 3, {"leak": 0.3}),
        (33, 2, 20, 67, 5, {"form": "voltage", "leak": np.linspace(0.2, 1, 33)}),
        (65, 12, 1, 130, 4, {}),
        (64, 3, 9, 64, 2, {"activation": "relu"}),
        (16, 0, 3, 2, 4, {"form": "voltage"}),
    ):
        rnn = random_rnn(4, hidden, inputs, outputs, scale=hidden**-0.5, dtype=np.float32, **kind)
        x = gauss(trials, steps, inputs, seed=1).astype(np.float32)
        a, b = (
            rollout(rnn, x, autonomous=2, engine="numba").outputs,
            rollout(rnn, x, autonomous=2, engine="numpy", dtype=np.float64).outputs,
        )
        assert apart(a, b) < 5e-6 * np.abs(b).max(), hidden


@pytest.mark.parametrize("inputs", [3, 12])
def test_a_rollout_does_not_depend_on_its_company(inputs, monkeypatch):
    one = random_rnn(1, 20, inputs, 3, scale=0.2, dtype=np.float32)
    stack = one.with_W_rec((gauss(19, 20, 20, seed=4) * 0.2).astype(np.float32))
    x = random_trials(None, 70, inputs=inputs).inputs
    found = []
    for threads in ("1", "2", "5"):
        monkeypatch.setenv("SCHURKIT_THREADS", threads)
        found.append(rollout(stack, x, engine="numba").outputs)
    others = RNN.stack([stack[3], random_rnn(1, 20, inputs, 3, seed=9, dtype=np.float32)])
    assert np.array_equal(found[0], found[1]) and np.array_equal(found[0], found[2])
    assert np.array_equal(rollout(stack[3], x, engine="numba").outputs[0], found[0][3])
    assert np.array_equal(rollout(others, x, engine="numba").outputs[0], found[0][3])


def test_float64_is_left_to_numpy():
    rnn, trials = random_rnn(2), random_trials(2)
    both = (rollout(rnn, trials, engine=engine).outputs for engine in ("numba", "numpy"))
    assert np.array_equal(*both)
    chosen = [choose(dtype=dtype).name for dtype in (np.float64, np.dtype(np.float32))]
    assert chosen == ["numpy", "numba"]


# -------------------------------------------------------------------------------- draws and batches


def fill_wrong(seed, first, numbers, inputs, targets, mask):
    for array in (inputs, targets):
        array[:] = numbers[0]
    mask[:] = 1


def fill_uncompilable(seed, first, numbers, inputs, targets, mask):
    inputs.no_such_method()


class Wrong(Copy):
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


# ----------------------------------------------------------------------------------------- training


@pytest.mark.parametrize("form", ["orthogonal", "cayley"])
@pytest.mark.parametrize("task", [TASK, Sine(steps=9)], ids=lambda task: task.name)
def test_the_same_seed_gives_the_same_bits(form, task, monkeypatch):
    kind = recipe(45, construction=form)
    found = []
    for threads, seeds in (("1", range(8)), ("2", range(8)), ("3", (2, 5, 7)), ("2", (5,))):
        monkeypatch.setenv("SCHURKIT_THREADS", threads)
        fitted = dict(zip(seeds, fit(task, kind, list(seeds), choose("numba"))))
        found.append(fitted[5].weights | {"losses": fitted[5].losses})
    # NumPy's products of a stack may round as they please
    limit = 1e-5 if form == "cayley" else 0
    for other in found[1:]:
        assert all(apart(other[key], array) <= limit for key, array in found[0].items())


def test_several_callers_at_once():
    kinds = {}, {"hidden_size": 20}, {"leak": 0.5}, {"biases": True}

    def work(kind):
        return fit(TASK, recipe(30, **kind), [3], choose("numba"))[0].weights

    alone = [*map(work, kinds)]
    with ThreadPoolExecutor(4) as pool:
        together = [*pool.map(work, kinds)]
    assert all(np.array_equal(a[name], b[name]) for a, b in zip(alone, together) for name in a)


# --------------------------------------------------------------------- choosing, importing, caching
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
    refuses(r"needs numba, which cannot be used here.*schurkit\[fast\]", choose, "numba")


DRAW = """
import hashlib
import numpy as np
from schurkit.engine.compiled import batches, kernels
from schurkit.tasks import FlipFlop
source = batches.Source(FlipFlop(), 13, 5, 2)
room = batches.Batch(*(np.zeros((4, *a.shape[1:]), a.dtype) for a in source.sample))
(found,) = source.draw(3, 0, 4, room)
print(hashlib.sha256(b"".join(array.tobytes() for array in found)).hexdigest())
"""
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
outputs = rollout(RNN(**weights), FlipFlop().test_trials(20), engine="numba").outputs
digest = hashlib.sha256(weights["W_rec"].tobytes() + outputs.tobytes()).hexdigest()
print(digest, engine.arithmetic, sep=";")
"""
NARROW = {
    "NUMBA_CPU_NAME": "haswell",
    "NUMBA_CPU_FEATURES": "+avx,+avx2,+fma,+bmi,+bmi2,+popcnt,+sse4.2,+f16c",
}


@pytest.mark.skipif(tile.SHAPE.lanes != 16, reason="needs a processor with vectors of 16 floats")
def test_the_width_of_the_vectors_changes_no_bit(capsys, monkeypatch):
    """Beside this process; the code for narrow vectors is kept from one run to the next."""
    monkeypatch.setenv("SCHURKIT_THREADS", "1")
    exec(BITS, {})
    assert run_python(BITS, SCHURKIT_THREADS="1", **NARROW) == capsys.readouterr().out.strip()


def test_processes_that_start_at_once_find_the_same_and_the_compilation_is_kept(tmp_path):
    def digest():
        return run_python(DRAW, NUMBA_CACHE_DIR=str(tmp_path))

    def kept():
        return {path: path.stat().st_mtime_ns for path in tmp_path.glob("numba-*/*/*.nbc")}

    with ThreadPoolExecutor() as pool:
        (first,) = {one.result() for one in [pool.submit(digest) for _ in range(2)]}
    before = kept()
    assert before and digest() == first and kept() == before  # nothing was compiled again


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
