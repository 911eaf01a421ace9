"""What an engine is: the one interface behind which rollouts and gradients of a stack are computed."""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

Weights = dict[str, np.ndarray]
"""Arrays of a stack by name: W_in, W_rec, W_out, b_rec, b_out, h0, each with a leading networks axis."""


@dataclass(frozen=True)
class Spec:
    """The part of a network that is not weights: activation, leak, form (see `schurkit.RNN`)."""

    activation: str = "tanh"
    leak: float | np.ndarray = 1.0
    form: str = "rate"

    @classmethod
    def of(cls, rnn) -> Spec:
        return cls(rnn.activation, rnn.leak, rnn.form)


class Worker(Protocol):
    """Computes gradients for one chunk of a stack; keeps its work space between calls, so one worker serves one thread."""

    def gradients(self, weights: Weights, inputs, targets, mask) -> tuple[np.ndarray, Weights]:
        """Mean squared error and its gradients.

        weights : the arrays of the chunk; b_rec, b_out, h0 may be missing (zero, not trained).
        inputs : (networks, trials, time, input); targets : (networks, trials, time', output), time' ≥ time;
        mask : (time'), (trials, time') or (networks, trials, time'), bool, with at least one true value for every network.

        Returns the loss of each network, (networks,), and for every array of `weights` the gradient of the loss of its
        network: mean over trials, unmasked time steps and outputs of the squared error.
        """


class Trainer(Protocol):
    """Takes many steps of Adam a call, drawing the batches itself: what an engine may have besides workers (``engine.trainer(…)``).

    Made from the start, {name: (networks, …)}, which is what is trained, a Spec, and Adam's betas, epsilon and clip_norm (see
    `schurkit.training.Recipe`). Does what `schurkit.training.loop.fit` does with gradients from a worker.
    """

    def source(self, task, trials: int, seed: int, step: int):
        """The batches of a task; `seed` and `step` name one that may be looked at."""

    def steps_a_call(self, source) -> int:
        """How many steps are worth one call."""

    def run(self, networks: Sequence[int], seeds: Sequence[int], source, step: int, count: int, learning_rate: float):
        """Take steps step … step + count − 1 of the networks at these positions, with their seeds.

        Returns their losses (networks, count), and how many steps each did before its loss or a gradient was not finite (networks,).
        """

    def weights(self, network: int) -> Weights:
        """The arrays of one network; those before its last step if they are not finite now."""


class Engine(Protocol):
    """One way to compute rollouts and gradients.

    packages, sources : names of the packages and the modules that results depend on, besides this one; arithmetic : what they
    depend on in the machine, or "".
    """

    name: str
    packages: tuple[str, ...]
    sources: tuple
    arithmetic: str

    def refuses(self, spec: Spec) -> str | None:
        """None if the engine covers the network, else the reason in a few words."""

    def worker(self, spec: Spec) -> Worker: ...

    def rollout(self, weights: Weights, spec: Spec, inputs, autonomous: int, states: bool) -> tuple[np.ndarray, np.ndarray | None]:
        """Outputs (networks, trials, time, output) and, if asked for, states (networks, trials, time, hidden)."""


class EngineWarning(UserWarning):
    """Something that costs speed but no result: a fast route that cannot be taken."""


_said: set[str] = set()


def warn_once(message: str, category: type[Warning]) -> None:
    """Warn the first time that a process has this to say."""
    if message not in _said:
        _said.add(message)
        warnings.warn(message, category, stacklevel=3)


def available_threads() -> int:
    """Number of threads to use: the environment's SCHURKIT_THREADS, else the processors this process may run on."""
    wanted = os.environ.get("SCHURKIT_THREADS", "")
    if wanted.isdigit() and int(wanted) > 0:
        return int(wanted)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1)
