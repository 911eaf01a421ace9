"""Training by torch with everything on the device: a whole stack takes each step together, on a GPU
as the replay of one CUDA graph.

Weights, moments and batches stay on the device for the whole training; the host reads losses once a
call. The step is the same code on a CPU, where it runs call by call, which is how it is tested. A
network's row is computed by products over the stack, and libraries may choose another order of sums
for another size of the stack: networks of different stacks agree to rounding, as they do in the
NumPy engine. On a GPU none of this has been run or measured yet.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch

from . import torch_device
from .base import Rule, Spec, Weights
from .torch_batches import MOST_BYTES, Generated, Source, Uploaded
from .torch_device import full_precision, memory_errors
from .torch_gradients import Gradients

STEPS_A_CALL = {"cpu": 20, "cuda": 100}
"""Long beside what a call costs, short beside a user's patience."""
EAGER_STEPS = 3
"""Steps of a stack that a GPU does call by call, on a stream of their own, before one is recorded:
libraries set themselves up in them.
"""
MOST_PROGRAMS = 4
"""Shapes of batches for which buffers (and a graph) are held at once."""
ALIGNED = 32
"""Arrays begin at multiples of so many numbers, 128 bytes in float32."""


class Layout:
    """How the arrays of a network lie in one row of numbers."""

    def __init__(self, parameters: Weights):
        self.shapes = {name: array.shape[1:] for name, array in parameters.items()}
        self.slices, at = {}, 0
        for name, shape in self.shapes.items():
            self.slices[name] = slice(at, at + math.prod(shape))
            at += -(-math.prod(shape) // ALIGNED) * ALIGNED
        self.total = at

    def views(self, flat: torch.Tensor) -> dict[str, torch.Tensor]:
        """The arrays in (networks, total), by name."""
        return {
            name: flat[:, part].view(len(flat), *self.shapes[name])
            for name, part in self.slices.items()
        }

    def row(self, value, otherwise: float, dtype, device) -> torch.Tensor:
        """(total,): value(name) where that array lies, `otherwise` in the gaps."""
        found = torch.full((self.total,), float(otherwise), dtype=dtype, device=device)
        for name, part in self.slices.items():
            found[part] = value(name)
        return found


class Stack:
    """The state of the networks that are still trained, and the rule that moves them; all of it on
    the device.

    values, mean, square, previous, gradient : (networks, numbers of a network).
    alive, done : (networks,), whether a network takes steps
    and how many it took. at : the step's place in `sizes`, `roots` and `losses`, which hold `steps`
    of them.
    """

    def __init__(self, layout: Layout, state: Sequence[torch.Tensor], rule: Rule, steps: int):
        self.layout, self.rule = layout, rule
        self.values, self.mean, self.square, self.previous = state
        networks, like = (
            len(self.values),
            {"dtype": self.values.dtype, "device": self.values.device},
        )
        self.gradient = torch.zeros_like(self.values)
        self.alive = torch.zeros(networks, dtype=torch.bool, device=like["device"])
        self.done = torch.zeros(networks, dtype=torch.int64, device=like["device"])
        self.at = torch.zeros(1, dtype=torch.int64, device=like["device"])
        self.losses, self.sizes = (
            torch.zeros(steps, networks, **like),
            torch.zeros(steps, networks, **like),
        )
        self.roots, self.learning_rates = (
            torch.zeros(steps, **like),
            torch.zeros(networks, 1, **like),
        )
        self.rate = layout.row(lambda name: rule[name].rate, 1, **like)
        self.epsilon = layout.row(lambda name: rule[name].epsilon, 1, **like)
        self.l1 = self._if_any("l1", lambda r: r.l1, like)
        self.decay = self._if_any("decay", lambda r: r.rate * r.decay, like)
        order = {name: i for i, name in enumerate(layout.slices)}
        self.which = layout.row(order.get, 0, torch.int64, like["device"])

    def _if_any(self, name, value, like):
        rule = self.rule
        return (
            self.layout.row(lambda n: value(rule[n]), 0, **like)
            if any(getattr(rule[n], name) for n in self.layout.slices)
            else None
        )

    def prepare(self, rows: Sequence[int], step: int, count: int, learning_rates) -> None:
        """Before steps step … step + count − 1 of the networks in these rows; the others rest."""
        rates = np.zeros(len(self.values))
        rates[list(rows)] = learning_rates
        beta1, beta2 = self.rule.betas
        steps = range(step + 1, step + count + 1)
        corrections = np.array([1 - beta1**k for k in steps])
        roots = np.array([(1 - beta2**k) ** -0.5 for k in steps])
        with np.errstate(over="ignore"):  # an absurd learning rate shows in the loss
            sizes = torch.from_numpy(rates / corrections[:, None])
        alive = torch.zeros(len(rates), dtype=torch.bool)
        alive[list(rows)] = True
        self.sizes[:count].copy_(sizes)
        self.roots[:count].copy_(torch.from_numpy(roots))
        self.learning_rates.copy_(torch.from_numpy(rates)[:, None])
        self.alive.copy_(alive)
        self.done.zero_()
        self.at.zero_()

    def move(self, losses: torch.Tensor) -> None:
        """One step of Adam from `gradient`, see `schurkit.engine.base.Rule`; a network whose loss
        or gradient is not finite rests from here on.
        """
        P, G, M, V = self.values, self.gradient, self.mean, self.square
        self.losses.index_copy_(0, self.at, losses.masked_fill(~self.alive, math.nan)[None])
        if self.l1 is not None:
            G.addcmul_(P.sign(), self.l1)
        norms = torch.stack(
            [torch.linalg.vector_norm(G[:, part], dim=1) for part in self.layout.slices.values()],
            dim=1,
        )
        self.alive.logical_and_(losses.isfinite()).logical_and_(norms.isfinite().all(dim=1))
        self.done.add_(self.alive)
        if self.rule.clip_norm is not None:
            factors = norms.clamp_min(1e-30).reciprocal_().mul_(self.rule.clip_norm).clamp_max_(1)
            G.mul_(factors.index_select(1, self.which))
        M.lerp_(G, 1 - self.rule.betas[0])
        V.lerp_(G.square(), 1 - self.rule.betas[1])
        move = V.sqrt().mul_(self.roots.index_select(0, self.at)).add_(self.epsilon)
        torch.div(M, move, out=move)
        move.mul_(self.rate).mul_(self.sizes.index_select(0, self.at)[0][:, None])
        moved = (
            P - move if self.decay is None else P * (1 - self.learning_rates * self.decay) - move
        )
        goes = self.alive[:, None]
        self.previous.copy_(torch.where(goes, P, self.previous))
        P.copy_(torch.where(goes, moved, P))
        self.at.add_(1)


def most_networks(
    memory: int, hidden: int, channels: int, outputs: int, trials: int, steps: int
) -> int:
    """How many networks of that size so many bytes hold, with all that belongs to their training;
    at least 1.
    """
    numbers = hidden * (hidden + channels + outputs + 2) + outputs + 6 * ALIGNED
    a_batch = 4 * trials * steps * (channels + outputs + 1)
    # Five arrays of the state and as many again while a step moves them; buffers; batches on their
    # way in or drawn in 64-bit integers
    a_network = (
        4 * 12 * numbers
        + Gradients.bytes(1, hidden, channels, outputs, trials, steps)
        + 8 * a_batch
    )
    return max(1, (memory - 2 * MOST_BYTES) // a_network)


class Program:
    """One step of a stack on batches of one shape: draws or takes the batch, computes, moves."""

    def __init__(
        self, stack: Stack, spec: Spec, loss: str, shapes, generator: tuple | None, room: int
    ):
        weights, into = (stack.layout.views(flat) for flat in (stack.values, stack.gradient))
        networks, dtype, device = len(stack.values), stack.values.dtype, stack.values.device
        self.gradients = Gradients(weights, into, spec, loss, *shapes[0][:2], shapes[1][1])
        if generator is not None:
            self.batches = Generated(*generator, networks, device)
        else:
            self.batches = Uploaded(shapes, networks, room, device, dtype)
        self.stack = stack
        self._eager, self._replay = EAGER_STEPS, None
        self.recorded = device.type == "cuda"

    def step(self) -> None:
        g = self.gradients
        self.batches.fill(g.inputs, g.targets, g.kept)
        self.stack.move(g())

    def run(self, count: int) -> None:
        """Take so many steps; on a GPU this returns before they are done."""
        if not self.recorded:
            for _ in range(count):
                self.step()
            return
        device = self.stack.values.device
        eager = min(count, self._eager)
        if eager:
            torch_device.on_a_side_stream(self.step, eager, device)
            self._eager -= eager
        if count > eager and self._replay is None:
            self._replay = torch_device.recorded(self.step, device)
        for _ in range(count - eager):
            self._replay()


class TorchTrainer:
    """See `schurkit.engine.base.Trainer`. Computes in the type of the start, float32 in
    `schurkit.train`.

    Networks that left are dropped from the stack when half of it is gone, and only rest until then.
    """

    def __init__(
        self, parameters: Weights, spec: Spec, rule: Rule, loss: str, device: torch.device
    ):
        self.spec, self.rule, self.loss, self.device = spec, rule, loss, device
        self.layout = Layout(parameters)
        self.rows = list(range(len(parameters["W_rec"])))  # the network in each row of the stack
        self.ahead = device.type == "cuda"
        self._gone: dict[int, Weights] = {}
        self._drawn: tuple = (None, None)
        with torch.no_grad(), self._telling():
            values = torch.zeros(
                len(self.rows),
                self.layout.total,
                dtype=getattr(torch, str(parameters["W_rec"].dtype)),
                device=device,
            )
            for name, view in self.layout.views(values).items():
                view.copy_(torch.from_numpy(np.array(parameters[name])))
            self._hold([values, torch.zeros_like(values), torch.zeros_like(values), values.clone()])

    def _telling(self):
        advice = "Train fewer networks at once, or smaller batches, or on the CPU."
        return memory_errors(
            self.device, f"training {len(self.rows)} networks side by side", advice
        )

    def _hold(self, state) -> None:
        self.stack = Stack(self.layout, state, self.rule, STEPS_A_CALL[self.device.type])
        self._programs: dict[tuple, Program] = {}
        self._uploaded = None  # whose whole training sets lie on the device

    def source(self, task, trials: int | None, seed: int, step: int) -> Source:
        with torch.no_grad():
            return Source(task, trials, seed, step, self.device)

    def steps_a_call(self, source: Source) -> int:
        most = STEPS_A_CALL[self.device.type]
        uploaded = source.generator is None and source.trials is not None
        return (
            max(1, min(most, MOST_BYTES // (source.bytes * len(self.rows)))) if uploaded else most
        )

    @torch.no_grad()
    def run(
        self,
        networks: Sequence[int],
        seeds: Sequence[int],
        source: Source,
        step: int,
        count: int,
        learning_rates: Sequence[float],
    ):
        with full_precision(), self._telling():
            self._keep(list(networks))
            rows = [self.rows.index(network) for network in networks]
            losses, done = np.full((len(rows), count), np.nan), np.zeros(len(rows), np.int64)
            going, at = np.arange(len(rows)), 0  # positions in `networks`
            while at < count and len(going):
                their = [[values[p] for p in going] for values in (rows, seeds, learning_rates)]
                found, finished = self._piece(*their, source, step + at, count - at)
                losses[going, at : at + len(found)] = found.T
                done[going] += finished
                going = going[finished == len(found)]
                at += len(found)
        return losses, done

    def _piece(self, rows, seeds, rates, source, step, most):
        """Steps that fit in one upload, of equal shapes: losses (steps, networks), and how many
        steps each network did.
        """
        most = min(most, self.steps_a_call(source))
        batches, count, shapes = self._batches(source, seeds, step, most)
        program = self._program(source, shapes)
        if batches is not None or source.generator is not None:
            program.batches.load(rows, seeds, step, batches)
        self.stack.prepare(rows, step, count, rates)
        program.run(count)
        if (
            self.ahead and source.generator is None and source.trials is not None
        ):  # while the device works
            self._drawn = (
                (source, seeds, step + count, most),
                self._draw(source, seeds, step + count, most),
            )
        return self.stack.losses[:count].cpu().numpy()[:, rows].astype(
            float
        ), self.stack.done.cpu().numpy()[rows]

    def _batches(self, source, seeds, step, most):
        """What the host has to upload, for how many steps, and its shapes."""
        if source.generator is not None:
            return None, most, source.shapes
        if source.trials is None:
            return self._whole_set(source, seeds), most, source.shapes
        key = source, seeds, step, most
        drawn = self._drawn[1] if self._drawn[0] == key else self._draw(source, seeds, step, most)
        self._drawn = (None, None)
        return drawn[0], drawn[1], [array.shape[2:] for array in drawn[0]]

    def _whole_set(self, source, seeds):
        """The training sets of these networks, (1, networks, …); None where they lie on the device
        already.
        """
        key = source, seeds
        if self._uploaded == key:
            return None
        self._uploaded = key
        return [array[None].copy() for array in source.draw(seeds, 0)]

    @staticmethod
    def _draw(source, seeds, step, most):
        """Batches of steps with equal shapes, (steps, networks, …) each, and how many."""
        drawn = [source.draw(seeds, step)]
        for i in range(1, most):
            one = source.draw(seeds, step + i)
            if [array.shape for array in one] != [array.shape for array in drawn[0]]:
                break
            drawn.append(one)
        return [np.stack(arrays) for arrays in zip(*drawn)], len(drawn)

    def _program(self, source, shapes) -> Program:
        room = 1 if source.trials is None else self.steps_a_call(source)
        key = source.generator, source.trials is None, tuple(shapes), room
        if key not in self._programs:
            while len(self._programs) >= MOST_PROGRAMS:
                self._programs.pop(next(iter(self._programs)))
            self._programs[key] = Program(
                self.stack, self.spec, self.loss, shapes, source.generator, room
            )
        return self._programs[key]

    def _keep(self, networks) -> None:
        """Drop the networks that left, once they are half of the stack."""
        if 2 * len(networks) > len(self.rows):
            return
        for row, network in enumerate(self.rows):
            if network not in networks:
                self._gone[network] = self._row(row)
        rows = torch.tensor([self.rows.index(network) for network in networks], device=self.device)
        s = self.stack
        state = [flat.index_select(0, rows) for flat in (s.values, s.mean, s.square, s.previous)]
        self.rows = list(networks)
        self._hold(state)

    def _row(self, row) -> Weights:
        flats = [flat[row : row + 1].cpu() for flat in (self.stack.values, self.stack.previous)]
        now = flats[0] if bool(flats[0].isfinite().all()) else flats[1]
        return {name: view[0].numpy().copy() for name, view in self.layout.views(now).items()}

    def weights(self, network: int) -> Weights:
        return self._gone[network] if network in self._gone else self._row(self.rows.index(network))
