"""Training batches on the device of the torch engine: drawn there where it can be done bit for bit,
else by the task on the host and uploaded.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import torch

from schurkit import random

from .base import EngineWarning, warn_once

MOST_BYTES = 256 * 2**20
"""Batches of a stack that are uploaded at once take no more than this (or hold one step)."""

_FACTORS = (30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)


def signed(number: int) -> int:
    """The int64 with the bits of a 64-bit number: torch multiplies and adds those modulo 2⁶⁴."""
    return (number + 2**63) % 2**64 - 2**63


def _shifted(z, places):
    """z >> places, without the sign that torch shifts in."""
    return (z >> places) & ((1 << (64 - places)) - 1)


def mixed(z: torch.Tensor) -> torch.Tensor:
    """`schurkit.random.mix` on int64 tensors."""
    z = z + signed(random.GAMMA)
    for places, factor in _FACTORS:
        z = (z ^ _shifted(z, places)) * signed(factor)
    return z ^ _shifted(z, 31)


def words(keys: torch.Tensor, count: int) -> torch.Tensor:
    """`schurkit.random.bits` as int64, (networks, count), for the keys of the networks."""
    return mixed(keys[:, None] + torch.arange(count, device=keys.device) * signed(random.GAMMA))


# ------------------------------------------------------------------------------ drawn on the device
def _copy(numbers, keys, inputs, targets, kept):
    """`schurkit.tasks.Copy`: signs in the order (trials, symbols, channels); zeros, then the
    symbols over and over.
    """
    networks, symbols, trials, channels = inputs.shape
    drawn = (
        words(keys, trials * symbols * channels)
        .view(networks, trials, symbols, channels)
        .transpose(1, 2)
    )
    inputs.copy_(drawn < 0).mul_(2).sub_(1)
    targets[:, :symbols].zero_()
    lags = torch.arange(targets.shape[1] - symbols, device=inputs.device) % symbols
    targets[:, symbols:].copy_(inputs.index_select(1, lags))
    kept[:, :symbols].fill_(False)
    kept[:, symbols:].fill_(True)


def _flip_flop(numbers, keys, inputs, targets, kept):
    """`schurkit.tasks.FlipFlop`, numbers = (pulse_probability,): one uniform number an entry, in
    the order (trials, time, bits).

    k 2⁻⁵³ < p is asked as k < ⌈p 2⁵³⌉, which is the same and needs no float64.
    """
    networks, times, trials, bits = inputs.shape
    k = (
        _shifted(words(keys, trials * times * bits), 11)
        .view(networks, trials, times, bits)
        .transpose(1, 2)
    )
    p = float(numbers[0])
    for part, q in ((slice(1), 1.0), (slice(1, None), p)):
        inputs[:, part].copy_(k[:, part] < math.ceil(q * 2.0**53)).sub_(
            2 * (k[:, part] < math.ceil(q / 2 * 2.0**53)).to(inputs.dtype)
        )
    time = torch.arange(times, device=inputs.device)[None, :, None, None]
    last = ((inputs != 0) * time).cummax(dim=1).values  # there is a pulse at time 0
    targets.copy_(torch.gather(inputs, 1, last))
    kept.fill_(True)


GENERATORS: dict[str, tuple[str, Callable]] = {
    "copy": ("copy batch", _copy),
    "flip_flop": ("flip-flop batch", _flip_flop),
}
"""By the name that a task's `compiled_batch` gives (see `schurkit.engine.batches`): the stream, and
what fills the buffers of one step.
"""


class Generated:
    """Batches that are drawn on the device, one step at a time."""

    def __init__(self, name: str, numbers, networks: int, device):
        self.stream, self._fill = GENERATORS[name]
        self.numbers = numbers
        self.keys = torch.zeros(networks, dtype=torch.int64, device=device)
        self.step = torch.zeros(1, dtype=torch.int64, device=device)

    def load(
        self, rows: Sequence[int], seeds: Sequence[int], step: int, batches: None = None
    ) -> None:
        """Go on from this step, with these seeds of the networks in these rows."""
        keys = [
            signed(random.mix(random.mix(int(seed)) ^ random.stream_number(self.stream)))
            for seed in seeds
        ]
        self.keys[list(rows)] = torch.tensor(keys, dtype=torch.int64, device=self.keys.device)
        self.step.fill_(step)

    def fill(self, inputs, targets, kept) -> None:
        """Write the batch of one step, (networks, time, trials, …) each, and go on to the next."""
        self._fill(self.numbers, mixed(self.keys ^ self.step), inputs, targets, kept)
        self.step.add_(1)


# ----------------------------------------------------------------------------------------- uploaded
class Uploaded:
    """Batches of several steps that were drawn on the host and lie on the device; `fill` copies one
    after the other into a step's buffers.
    """

    def __init__(self, shapes, networks: int, steps: int, device, dtype):
        self.held = [
            torch.zeros((steps, networks, *shape), dtype=kind, device=device)
            for shape, kind in zip(shapes, (dtype, dtype, torch.bool))
        ]
        self.at = torch.zeros(1, dtype=torch.int64, device=device)

    def load(self, rows: Sequence[int], seeds: Sequence[int], step: int, batches) -> None:
        """batches : inputs, targets, mask, each (steps, networks of `rows`, trials, time, …)."""
        whole = list(rows) == list(range(self.held[0].shape[1]))
        for held, array in zip(self.held, batches):
            fresh = torch.from_numpy(np.ascontiguousarray(array)).to(held.dtype)
            if (
                held.is_cuda
            ):  # from locked memory the copy goes on while the host does something else
                fresh = fresh.pin_memory().to(held.device, non_blocking=True)
            if whole:
                held[: len(fresh)].copy_(fresh)
            else:
                held[: len(fresh), torch.as_tensor(list(rows), device=held.device)] = fresh
        self.at.zero_()

    def fill(self, inputs, targets, kept) -> None:
        for into, held in zip((inputs, targets, kept), self.held):
            now = held.index_select(0, self.at)[0]
            into.copy_((now if now.ndim == 4 else now[..., None]).transpose(1, 2))
        if len(self.held[0]) > 1:  # a whole training set is the batch of every step
            self.at.add_(1)


class Source:
    """The training batches of a task for the torch engine.

    Parameters
    ----------
    task : follows `schurkit.tasks.base.Task`.
    trials : in a batch; None for the whole training set at each step.
    seed, step : a batch to look at: for its sizes, and to compare with what the device draws.
    device : of the engine.
    """

    def __init__(self, task, trials: int | None, seed: int, step: int, device):
        self.task, self.trials = task, trials
        sample = self.draw([seed], step)
        self.shapes = [array.shape[1:] for array in sample]
        name, numbers = _offered(task) if trials is not None else (None, ())
        self.generator = (
            (name, numbers)
            if name in GENERATORS and self._same(name, numbers, sample, seed, step, device)
            else None
        )

    def draw(self, seeds: Sequence[int], step: int):
        """Inputs, targets and mask (networks, trials, time, …) of one step, as the task draws them
        on the host.
        """
        drawn = self.task.batch(list(seeds), step, self.trials)
        targets = np.asarray(drawn.targets)
        return (
            np.asarray(drawn.inputs),
            targets,
            np.broadcast_to(np.asarray(drawn.mask, bool), targets.shape[:3]),
        )

    def _same(self, name, numbers, sample, seed, step, device) -> bool:
        """Whether the device draws the task's own batch, to the last bit."""
        found = [
            torch.zeros((1, s[1], s[0], *(s[2:] or (1,))), dtype=torch.float32, device=device)
            for s in self.shapes
        ]
        generated = Generated(name, numbers, 1, device)
        generated.load([0], [seed], step)
        generated.fill(*found)
        arrays = [
            array.transpose(1, 2).cpu().numpy().reshape(own.shape)
            for array, own in zip(found, sample)
        ]
        same = all(np.array_equal(array, own) for array, own in zip(arrays, sample))
        if not same:
            name = type(self.task).__name__
            warn_once(
                f"the batch of {name} that {device} draws is not what its batch() draws, which is "
                "used instead.",
                EngineWarning,
            )
        return same

    @property
    def bytes(self) -> int:
        """Size of one batch of one network in float32."""
        inputs, targets, mask = (math.prod(shape) for shape in self.shapes)
        return 4 * (inputs + targets) + mask


def _offered(task):
    """The name of the compiled batch that a task offers, and its numbers; (None, ()) where its
    class overrides `batch` without it.
    """
    for owner in type(task).__mro__:
        if "compiled_batch" in vars(owner):
            try:
                name, numbers = task.compiled_batch()
            except ImportError:  # a function that needs the compiler of another engine
                return None, ()
            return (name, tuple(numbers)) if isinstance(name, str) else (None, ())
        if "batch" in vars(owner):
            break
    return None, ()
