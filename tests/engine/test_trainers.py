"""What every engine's trainer promises: the steps of autograd and torch.optim, whatever stands
beside a network.
"""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from helpers import HERE, apart, refuses
from training import small
from training.small import TASK, Overridden, Poisoned

from schurkit.engine import choose
from schurkit.engine.torch import LOSSES, forward
from schurkit.tasks import ContextIntegration, Copy, FlipFlop, ModularAddition, Sine
from schurkit.training import Phase
from schurkit.training.constructions import construction
from schurkit.training.loop import Stopped, fit


@pytest.fixture(params=HERE)
def engine(request):
    return choose(request.param)


recipe = partial(small.recipe, 5)


def by_torch(task, kind, seed, groups=None, scales=None):
    """One network by autograd and torch.optim.AdamW in float64: losses and arrays. Trained are the
    arrays times `scales`, with Adam's options of `groups`.
    """
    form, rule = construction(kind.construction, kind.embedding_size), kind.rule
    start = form.start(kind, task.input_size, task.output_size, [seed])
    scales, rate = scales or dict.fromkeys(start, 1.0), kind.phases[0].learning_rate
    tensors = {
        n: torch.nn.Parameter(torch.tensor(a[0]).double() * scales[n]) for n, a in start.items()
    }
    groups = groups or {
        n: {"lr": rate * rule[n].rate, "eps": rule[n].epsilon, "weight_decay": rule[n].decay}
        for n in start
    }
    groups = [groups[n] | {"params": [p]} for n, p in tensors.items()]
    optimiser, losses = torch.optim.AdamW(groups, betas=rule.betas), []
    for step in range(kind.steps):
        batch = task.batch([seed], step, kind.batch_size)
        x, y = (torch.tensor(array).double() for array in (batch.inputs, batch.targets))
        weights = {name: p[None] / scales[name] for name, p in tensors.items()}
        if "E" in weights:
            weights["W_in"] = weights.pop("W_x") @ weights.pop("E").mT
        outputs, _ = forward(weights, kind.spec, x, batch.autonomous)
        loss = LOSSES[kind.loss](outputs, y, torch.tensor(batch.mask))[0]
        losses.append(loss.item())  # without penalties
        optimiser.zero_grad()
        loss = loss + sum(rule[name].l1 * p.abs().sum() for name, p in tensors.items())
        for name, factor in (("W_rec", kind.nuclear), ("W_in", kind.nuclear_in)):
            loss = loss + factor * torch.linalg.svdvals(weights[name]).sum()
        loss.backward()
        for p in tensors.values():
            # torch's own clipping adds 1e-6 to the norm
            p.grad *= min(1.0, (kind.clip_norm or np.inf) / p.grad.norm().item())
        optimiser.step()
    return losses, {name: p.detach().numpy() / scales[name] for name, p in tensors.items()}


class Shifting(Copy):
    """Trials whose length and mask change from step to step, with a mask a network."""

    def batch(self, seeds, step, trials):
        drawn = replace(TASK, replay=4 + step // 3 % 2).batch(seeds, step, trials)
        shape = trials, drawn.targets.shape[-2]
        masks = [np.random.default_rng([seed, step]).random(shape) > 0.3 for seed in seeds]
        return replace(drawn, mask=np.stack(masks))


@pytest.mark.parametrize(
    "task, changes",
    [
        (TASK, {"epsilon": 1e-50}),
        (TASK, {"biases": True, "bias_start": "uniform", "weight_decay": 0.1, "l1": 1e-2}),
        (Sine(steps=9), {"biases": True, "clip_norm": None}),
        (TASK, {"l1": 0.002, "nuclear": 0.1, "nuclear_in": 0.1, "clip_norm": 0.1}),
        (ContextIntegration(8), {"leak": 0.4, "activation": "relu", "clip_norm": 0.1}),
        (FlipFlop(2, 11), {"form": "voltage", "leak": 0.3, "betas": (0.8, 0.98)}),
        (FlipFlop(2, 11), {"form": "voltage", "activation": "relu", "biases": True}),
        (ModularAddition(5), {"batch_size": None, "loss": "cross_entropy", "biases": True}),
        (TASK, {"embedding_size": 3, "weight_decay": 0.1}),
        (Shifting(2, 2, 6), {}),
        (Overridden(2, 2, 6), {}),
    ],
)
def test_five_steps_equal_autograd_and_torch_optim(engine, task, changes):
    kind = recipe(**changes)
    for seed, ours in zip((0, 3), fit(task, kind, [0, 3], engine)):
        losses, oracle = by_torch(task, kind, seed)
        assert ours.losses == pytest.approx([np.mean(losses)], rel=1e-5)
        for name, expected in oracle.items():
            array = (ours.weights | ours.factors)[name]
            assert array.dtype == np.float32 and apart(array, expected) < 1e-5, name


def test_mup_is_adam_on_the_papers_variables(engine):
    """h' = J φ(h)/N + U x, f = W_ro φ(h)/(γN), Adam at γη₀ on J, U, W_ro with ε/N², ε/N, ε/(γN):
    as the paper writes it.
    """
    N, gamma, epsilon, decay = 12, 2.5, 1e-3, 0.5
    fields = {"construction": "mup", "form": "voltage", "biases": True, "bias_start": "uniform"}
    fields |= {"gamma": gamma, "epsilon": epsilon, "weight_decay": decay, "clip_norm": None}
    kind = recipe(0.01, **fields)
    scales = {"W_rec": N, "W_out": gamma * N, "W_in": 1, "b_rec": 1, "b_out": gamma}
    least = {"W_rec": N**2, "W_out": gamma * N, "W_in": N, "b_rec": N, "b_out": gamma}
    options = {
        name: {"lr": gamma * 0.01, "eps": epsilon / size, "weight_decay": decay * (name[0] == "W")}
        for name, size in least.items()
    }
    _, oracle = by_torch(TASK, kind, 4, options, scales)
    ours = fit(TASK, kind, [4], engine)[0].weights
    for name, expected in oracle.items():
        assert apart(ours[name], expected) < 1e-5 * max(1, np.abs(expected).max()), name


@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
def test_signs_stay_where_dales_law_holds(engine, weight_decay):
    """At a rate so high that most entries meet zero on their way, and some cross it."""
    fields = {"construction": "dale", "weight_decay": weight_decay, "checkpoints": (0, 40)}
    kind = small.recipe(40, 0.1, **fields)
    found, free = (
        fit(TASK, replace(kind, construction=name), [0, 3], engine) for name in ("dale", "balanced")
    )
    signs = np.array([1.0] * 9 + [-1.0] * 3)
    for ours, other in zip(found, free):
        crossed = ours.checkpoints[40]["W_rec"] * signs < 0
        assert (ours.weights["W_rec"] * signs >= 0).all() and crossed.any()
        assert (other.weights["W_rec"] * signs < 0).any()


@pytest.mark.parametrize(
    "changes", [{"nuclear": 1e-3, "construction": "cayley"}, {"construction": "dale"}]
)
def test_what_trainers_leave_to_workers(engine, changes):
    kind = small.recipe(20, **changes)
    a, b = (fit(TASK, kind, [1], e)[0].weights for e in (engine, choose("numpy")))
    assert apart(a["W_rec"], b["W_rec"]) < 1e-5


def test_losses_ticks_and_phases_are_those_of_the_loop(engine):
    phases = Phase(33, 3e-3, {"replay": 4}), Phase(0, 1e-3), Phase(12, 1e-3)
    kind = recipe(hidden_size=8, phases=phases)
    seen = ([], [])
    ours, theirs = (
        fit(TASK, kind, [0, 1], e, lambda networks, loss, at=at: at.append((networks, loss)))
        for e, at in zip((engine, choose("numpy")), seen)
    )
    assert [n for n, _ in seen[0]] == [2] * 45
    assert [loss for _, loss in seen[0]] == pytest.approx([loss for _, loss in seen[1]], rel=1e-4)
    for a, b in zip(ours, theirs):
        assert len(a.losses) == 3 and a.losses == pytest.approx(b.losses, rel=1e-4)
        assert a.stopped == -1


def test_a_tick_stops_training(engine):
    calls = []
    with pytest.raises(Stopped):
        fit(TASK, small.recipe(10_000), [0], engine, lambda *_: calls.append(1) or len(calls) == 3)
    assert len(calls) == 3


class Started(Copy):
    def batch(self, seeds, step, trials):
        drawn = super().batch(seeds, step, trials)
        return replace(drawn, h0=np.ones((len(seeds), trials, 12)))


def test_starts_in_a_batch_are_refused(engine):
    refuses(
        r"task 'copy' have starts \(h0\), which training does not",
        fit,
        Started(2, 2, 6),
        recipe(),
        [0],
        engine,
    )


@pytest.mark.parametrize("company", [[0, 1, 2, 3], [1, 2]])
def test_a_network_that_is_not_finite_stops_alone(engine, company):
    kind = small.recipe(30)
    with np.errstate(all="ignore"):
        fitted = dict(zip(company, fit(Poisoned(2, 2, 6), kind, company, engine)))
    stops = {seed: one.stopped for seed, one in fitted.items()}
    assert stops == {seed: 5 if seed == 1 else -1 for seed in company}
    [alone], [five] = fit(TASK, kind, [2], engine), fit(TASK, recipe(), [1], engine)
    assert apart(fitted[2].weights["W_rec"], alone.weights["W_rec"]) < 1e-5
    assert apart(fitted[1].weights["W_rec"], five.weights["W_rec"]) < 1e-6
    assert len(fitted[1].losses) == 1 and np.isfinite(fitted[1].losses).all()


def test_a_step_to_infinity_leaves_the_weights_before_it(engine):
    kind = small.recipe(40, 1e38, activation="relu", clip_norm=None)
    with np.errstate(all="ignore"):
        ours, theirs = (fit(TASK, kind, [0, 1], e) for e in (engine, choose("numpy")))
    for a, b in zip(ours, theirs):
        assert a.stopped == b.stopped > 0 and len(a.losses) == len(b.losses)
        assert all(np.isfinite(array).all() for array in a.weights.values())
