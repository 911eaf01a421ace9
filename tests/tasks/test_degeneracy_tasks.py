"""Tasks of the study of degeneracy: targets worked out another way, references, batches in compiled
code, complexity.
"""

import numpy as np
import pytest

from schurkit import InputError, Trials, fvu
from schurkit.engine.compiled import batches
from schurkit.tasks import (  # fmt: skip
    ContextIntegration,
    DelayedDiscrimination,
    FlipFlop,
    PathIntegration,
    SineGeneration,
    check_task,
    complexity,
    estimated_complexity,
)

TASKS = [
    DelayedDiscrimination(),
    DelayedDiscrimination(3, 0, 7, True, gap=0.0),
    SineGeneration(),
    SineGeneration(3, 100, 17),
    PathIntegration(),
    PathIntegration(3, 23, speed=3.0, turning=1.0),
]
NAMES = [f"{task.name}-{task.output_size}" for task in TASKS]


def counted(trials):
    return np.broadcast_to(trials.mask, trials.targets.shape[:-1])


@pytest.mark.parametrize("task", TASKS, ids=NAMES)
def test_protocol_sizes_and_independence(task):
    check_task(task)
    many, alone = task.batch([4, 9], 7, 5), task.batch([9], 7, 5)
    assert many.inputs.shape == (2, 5, task.steps, task.input_size) and many.targets.shape == (
        2,
        5,
        task.steps,
        task.output_size,
    )
    assert all(
        np.array_equal(getattr(many, name)[1], getattr(alone, name)[0])
        for name in ("inputs", "targets")
    )
    assert not np.array_equal(many.inputs[0], many.inputs[1]) and not np.array_equal(
        task.batch([9], 8, 5).inputs, alone.inputs
    )
    held_out = task.test_trials(40, seed=9)
    assert held_out.inputs.shape == (40, task.steps, task.input_size)
    assert not np.array_equal(held_out.inputs[:5], alone.inputs[0]) and not np.array_equal(
        held_out.inputs, task.test_trials(40, seed=1).inputs
    )
    assert fvu(held_out.targets[None], held_out)[0] == 0 and task.stop_mse > 0


@pytest.mark.parametrize("task", TASKS, ids=NAMES)
def test_chance_is_the_error_of_the_mean(task):
    trials = task.test_trials(4000, seed=3)
    y = trials.targets[counted(trials)].astype(float)
    assert ((y - y.mean(axis=0)) ** 2).mean() == pytest.approx(task.chance, rel=0.03)


@pytest.mark.parametrize("task", TASKS, ids=NAMES)
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
            assert np.array_equal(
                found.mask[i], np.broadcast_to(own.mask, own.targets.shape[:3])[0]
            )


@pytest.mark.parametrize("task", [FlipFlop(), *TASKS], ids=["flip_flop", *NAMES])
def test_out_of_distribution_is_twice_as_long(task):
    other = task.out_of_distribution()
    if isinstance(task, DelayedDiscrimination):
        assert (other.shortest, other.longest, other.respond) == (
            2 * task.shortest,
            2 * task.longest,
            task.respond,
        )
    else:
        assert other.steps == 2 * task.steps
    assert (
        other.threshold == task.threshold
        and other.input_size == task.input_size
        and type(other) is type(task)
    )


@pytest.mark.parametrize("task", TASKS[:2], ids=NAMES[:2])
def test_discrimination_trial_by_trial(task):
    trials = task.test_trials(500)
    delays = set()
    for x, y, mask in zip(trials.inputs, trials.targets, trials.mask):
        (first, second) = np.flatnonzero(x.any(axis=1))
        assert first == 0
        delays.add(second - 1)
        f1, f2 = x[0] * 10.0, x[second] * 10.0
        assert min(f1.min(), f2.min()) >= 2 - 1e-6 and max(f1.max(), f2.max()) <= 10 + 1e-6
        assert (np.abs(f2 - f1) >= task.gap - 1e-5).all()
        assert np.array_equal(np.flatnonzero(mask), second + np.arange(5))
        expected = (
            np.concatenate([np.sign(f2 - f1), np.abs(f2 - f1) / 10])
            if task.auxiliary
            else np.sign(f2 - f1)
        )
        assert np.abs(y[second:] - expected).max() < 1e-6 and not y[:second].any()
    assert delays == set(range(task.shortest, task.longest + 1))


def test_discrimination_amplitudes_are_uniform_over_pairs_that_far_apart():
    x = DelayedDiscrimination(gap=2.0).test_trials(20_000).inputs
    second = np.array([one[one.any(axis=1).nonzero()[0][1], 0] for one in x])
    apart = np.abs(second - x[:, 0, 0]) * 10 - 2
    assert (second > x[:, 0, 0]).mean() == pytest.approx(0.5, abs=0.02)
    # |x − y| of two uniform numbers on [0, 6]
    assert apart.mean() == pytest.approx(2.0, rel=0.03) and apart.max() < 6.0 + 1e-5


def test_sines_hertz_by_hertz():
    task = SineGeneration(channels=2, frequencies=30)
    trials = task.test_trials(200)
    assert (trials.inputs == trials.inputs[:, :1]).all()
    f = 1 + 29 * trials.inputs[:, 0].astype(float)
    assert np.abs(f - f.round()).max() < 1e-5 and set(np.unique(f.round())) == set(range(1, 31))
    t = 0.01 * np.arange(1, 101)
    assert np.abs(np.sin(2 * np.pi * f[:, None] * t[:, None]) - trials.targets).max() < 1e-4


@pytest.mark.parametrize("task", TASKS[4:], ids=NAMES[4:])
def test_paths_are_the_sum_of_the_inputs_and_stay_inside(task):
    trials, d = task.test_trials(300), task.dimensions
    x, y = trials.inputs.astype(float), trials.targets.astype(float)
    assert (
        np.abs(np.linalg.norm(x[..., :d], axis=-1) - 1).max() < 1e-6 and not x[:, 1:, d + 1 :].any()
    )
    moves = x[..., :d] * x[..., d, None] * task.speed
    assert np.abs(x[:, 0, d + 1 :][:, None] * 5 + np.cumsum(moves, axis=1) - y).max() < 1e-4
    assert np.abs(y).max() <= 5 and x[..., d].min() >= 0 and x[..., d].max() <= 1
    turned = (x[:, 1:, :d] * x[:, :-1, :d]).sum(axis=-1)
    assert 0.3 < turned.mean() < 0.99  # headings wander, they do not jump


def test_complexity_in_closed_form_and_estimated():
    for task in (
        FlipFlop(bits=2),
        FlipFlop(bits=2, start="pulse"),
        FlipFlop(bits=4, steps=100, pulse_probability=0.3, start="pulse"),
    ):
        exact, found = complexity(task), estimated_complexity(task.test_trials(4000))
        assert exact.method == "closed form"
        if task.start == "pulse":
            demand = pytest.approx(task.bits * (1 - task.pulse_probability), rel=0.05)
            assert exact.output_entropy == task.bits and exact.memory_demand == demand
        assert (found.output_entropy, found.memory_demand) == pytest.approx(
            (exact.output_entropy, exact.memory_demand), rel=0.01
        )


def test_complexity_of_what_is_known():
    coins = np.random.default_rng(0).choice([-1.0, 1.0], size=(2000, 4, 2))
    copied, random_inputs = (
        estimated_complexity(Trials(coins, coins)),
        estimated_complexity(Trials(coins, coins[::-1].copy())),
    )
    assert copied.output_entropy == pytest.approx(
        2, abs=1e-2
    ) and copied.memory_demand == pytest.approx(0, abs=1e-9)
    assert random_inputs.memory_demand == pytest.approx(2, abs=1e-2)
    uniform = np.random.default_rng(1).uniform(size=(20_000, 1, 1))
    assert estimated_complexity(
        Trials(np.zeros_like(uniform), uniform), bins=8
    ).output_entropy == pytest.approx(3, abs=0.01)
    # autonomous steps: the input is zero there
    held = estimated_complexity(Trials(np.zeros((2000, 2, 1)), coins[:, :4, :1]))
    assert held.memory_demand == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize(
    "easier, harder",
    [
        (DelayedDiscrimination(), DelayedDiscrimination(2)),
        (DelayedDiscrimination(), DelayedDiscrimination(auxiliary=True)),
        (SineGeneration(), SineGeneration(2)),
        (PathIntegration(), PathIntegration(3)),
        (FlipFlop(2), FlipFlop(3)),
    ],
)
def test_harder_tasks_ask_for_more(easier, harder):
    a, b = (complexity(task, trials=1000) for task in (easier, harder))
    assert b.output_entropy > a.output_entropy + 0.5 and b.memory_demand > a.memory_demand + 0.5


def test_integration_is_estimated():
    assert complexity(ContextIntegration(), trials=500).method.startswith(
        "estimated from 500 trials in 16 bins"
    )


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: DelayedDiscrimination(channels=0), "channels must be at least 1"),
        (lambda: DelayedDiscrimination(shortest=21), "longest must be at least 21"),
        (
            lambda: DelayedDiscrimination(gap=8.0),
            "gap must be below largest − smallest = 8; got 8.0",
        ),
        (lambda: DelayedDiscrimination(largest=1.0), "largest must be above 2.0"),
        (lambda: DelayedDiscrimination(auxiliary=1), "auxiliary must be True or False; got 1"),
        (lambda: SineGeneration(frequencies=1), "frequencies must be at least 2"),
        (lambda: SineGeneration(dt=0.02), "fastest · dt must be at most 1/2"),
        (lambda: SineGeneration(fastest=0.5), "fastest must be at least 1.0"),
        (lambda: PathIntegration(dimensions=4), "dimensions must be between 2 and 3"),
        (lambda: PathIntegration(speed=6.0), "speed must be at most 5.0"),
        (lambda: PathIntegration(turning=-1.0), "turning must be at least 0"),
        (lambda: complexity(PathIntegration(), bins=1), "bins must be at least 2"),
    ],
)
def test_messages(make, message):
    with pytest.raises(InputError, match=message):
        make()
