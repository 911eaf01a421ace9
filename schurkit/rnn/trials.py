"""Inputs and targets of a task, and what a rollout returns."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from schurkit.checks import InputError, read_only, real_array

from .network import RNN


@dataclass(frozen=True, eq=False)
class Trials:
    """Inputs and targets of a task.

    Parameters
    ----------
    inputs : (trials, time, input), shared by all networks, or (networks, trials, time, input).
    targets : (trials, time, output) or (networks, trials, time, output). Where targets run on after
        the inputs have ended, the network runs **autonomously**: its input is zero there.
    mask : which time steps count: (time), (trials, time) or (networks, trials, time), or which
        cells, in the shape of the targets; zeros and ones; all when left out.
    h0 : where each trial starts, (trials, hidden), or (networks, trials, hidden) where the inputs
        have a networks axis, too; rollouts take it in place of the network's.

    Raises
    ------
    InputError : shapes that disagree, values that are not finite, or a mask that leaves nothing.
    """

    inputs: np.ndarray
    targets: np.ndarray
    mask: np.ndarray | None = None
    h0: np.ndarray | None = None

    def __post_init__(self):
        inputs, targets = (real_array(getattr(self, name), name) for name in ("inputs", "targets"))
        for name, array in (("inputs", inputs), ("targets", targets)):
            if array.ndim not in (3, 4):
                axes = f"trials, time, {name[:-1]}"
                raise InputError(
                    f"{name} must have axes ({axes}) or (networks, {axes}); got shape "
                    f"{array.shape}."
                )
            if array.shape[-3] == 0:
                raise InputError(f"{name} must hold at least one trial; got shape {array.shape}.")
        if inputs.ndim != targets.ndim or inputs.shape[:-2] != targets.shape[:-2]:
            raise InputError(
                f"inputs and targets must hold the same trials; got shapes {inputs.shape} and "
                f"{targets.shape}."
            )
        if inputs.shape[-2] > targets.shape[-2] or targets.shape[-2] == 0:
            raise InputError(
                f"targets must cover every input step; got {targets.shape[-2]} target steps and "
                f"{inputs.shape[-2]} input steps."
            )
        mask = np.ones(targets.shape[-2]) if self.mask is None else real_array(self.mask, "mask")
        shapes = (*(targets.shape[-2 - k : -1] for k in range(targets.ndim - 1)), targets.shape)
        if mask.shape not in shapes:
            raise InputError(
                f"mask must have shape {' or '.join(map(str, dict.fromkeys(shapes)))}; got "
                f"{mask.shape}."
            )
        if not np.isin(mask, (0, 1)).all():
            raise InputError("mask must hold zeros and ones only.")
        if not mask.any():
            raise InputError("mask leaves no time step to measure.")
        if self.h0 is not None:
            h0 = real_array(self.h0, "h0")
            if h0.ndim != targets.ndim - 1 or h0.shape[:-1] != targets.shape[:-2]:
                sizes = ", ".join(map(str, targets.shape[:-2]))
                raise InputError(
                    f"h0 must hold a start for each trial, shape ({sizes}, hidden); got {h0.shape}."
                )
            object.__setattr__(self, "h0", read_only(h0))
        object.__setattr__(self, "inputs", read_only(inputs))
        object.__setattr__(self, "targets", read_only(targets))
        object.__setattr__(self, "mask", read_only(mask.astype(bool)))

    def __len__(self) -> int:
        """Number of trials."""
        return self.targets.shape[-3]

    @cached_property
    def counted_cells(self) -> np.ndarray:
        """Which cells count, the mask in the shape of the targets."""
        by_step = self.mask.ndim < self.targets.ndim
        mask = self.mask[..., None] if by_step else self.mask
        return read_only(np.broadcast_to(mask, self.targets.shape))

    @cached_property
    def counted(self) -> np.ndarray:
        """Which steps count, (trials, time) or (networks, trials, time): those of which some output
        does.
        """
        return read_only(self.counted_cells.any(axis=-1))

    @cached_property
    def mean_target(self) -> np.ndarray:
        """Mean target of each output over counted steps, (output) or (networks, output), float64; 0
        of an output that never counts.
        """
        cells = self.counted_cells
        total = (self.targets.astype(np.float64) * cells).sum(axis=(-3, -2))
        return read_only(total / np.maximum(cells.sum(axis=(-3, -2)), 1))

    @cached_property
    def total_variance(self) -> np.ndarray:
        """Σ‖y − ȳ‖² over counted steps, what FVU divides by: a number, or (networks,); 0 where the
        targets do not vary.
        """
        counted = self.counted_cells
        deviations = (self.targets - self.mean_target[..., None, None, :]) * counted
        low = np.min(self.targets, axis=(-3, -2), where=counted, initial=np.inf)
        high = np.max(self.targets, axis=(-3, -2), where=counted, initial=-np.inf)
        # a rounded mean is no variance
        return np.where((low < high).any(axis=-1), (deviations**2).sum(axis=(-3, -2, -1)), 0.0)

    def starts(self, rnn: RNN) -> np.ndarray:
        """Where each network of a stack starts each trial, (networks, trials, hidden), in its
        dtype.

        Raises
        ------
        InputError : `h0` is of other networks.
        """
        shape = (len(rnn), len(self), rnn.hidden_size)
        own = rnn.h0[:, None] if self.h0 is None else self.h0.astype(rnn.dtype, copy=False)
        try:
            return np.broadcast_to(own, shape)
        except ValueError:
            raise InputError(
                f"h0 of the trials must have shape {shape[1:]} or {shape} to fit the "
                f"network{'s' * (len(rnn) > 1)}; got {self.h0.shape}."
            ) from None

    @property
    def autonomous(self) -> int:
        """Number of steps that run on after the inputs have ended."""
        return self.targets.shape[-2] - self.inputs.shape[-2]

    @property
    def networks(self) -> int | None:
        """Number of networks that have trials of their own; None when the trials are shared."""
        return self.targets.shape[0] if self.targets.ndim == 4 else None


@dataclass(frozen=True, eq=False)
class Rollout:
    """What a stack of networks did.

    outputs : (networks, trials, time, output)
    states : (networks, trials, time, units) h (rate form) or v (voltage form) after each step; None
        unless asked for.
    labels : the networks' labels.
    """

    outputs: np.ndarray
    states: np.ndarray | None
    labels: tuple[Hashable, ...]
