"""What an engine is: the one interface behind which rollouts and gradients of a stack are
computed.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from schurkit.checks import InputError

Weights = dict[str, np.ndarray]
"""Arrays of a stack by name: W_in, W_rec, W_out, b_rec, b_out, h0, D, c, each with a leading
networks axis; h0 may be (networks, trials, hidden) in rollouts.
"""


def weights_of(rnn, trials=None) -> Weights:
    """The arrays of a stack, with the starts of trials in place of its h0 where they have some."""
    own = {} if trials is None or trials.h0 is None else {"h0": trials.starts(rnn)}
    return rnn.arrays | own


TRAINABLE = ("tanh", "relu")
"""Activations of networks that can be trained, and that compiled code knows."""


@dataclass(frozen=True)
class Spec:
    """The part of a network that is not weights: activation, leak, form, ψ (see `schurkit.RNN`)."""

    activation: str = "tanh"
    leak: float | np.ndarray = 1.0
    form: str = "rate"
    psi: str | None = None

    @classmethod
    def of(cls, rnn) -> Spec:
        return cls(rnn.activation, rnn.leak, rnn.form, rnn.psi)

    def classic(self, weights: Weights) -> bool:
        """Whether this is an equation that can be trained, and that compiled code knows: tanh or
        relu, ψ = φ, no D and no c.
        """
        known = self.activation in TRAINABLE and self.psi in (None, self.activation)
        return known and not {"D", "c"} & set(weights)

    def compiles(self, weights: Weights) -> bool:
        """Whether compiled code computes this: the classic equation in float32, each network with
        one start.
        """
        single = weights["W_rec"].dtype == np.float32
        return single and self.classic(weights) and np.ndim(weights.get("h0", 0)) < 3

    def check_trainable(self, weights: Weights) -> None:
        """Raise InputError where the equation is not `classic`."""
        if not self.classic(weights):
            raise InputError(
                f"gradients need activation {' or '.join(map(repr, TRAINABLE))}, psi left out and "
                f"no D or c; got activation {self.activation!r}, psi {self.psi!r} and the arrays "
                f"{', '.join(weights)}. Such a network can be run and analysed, not trained."
            )


LOSSES = ("mse", "cross_entropy")


@dataclass(frozen=True)
class ArrayRule:
    """How one trained array is moved: factor of the learning rate, Adam's ε, decoupled weight
    decay, factor of an L1 penalty.
    """

    rate: float = 1.0
    epsilon: float = 1e-8
    decay: float = 0.0
    l1: float = 0.0


@dataclass(frozen=True)
class Rule:
    """How gradients move trained arrays. With η = ``rule[name].rate`` × learning rate, for every
    array p of every network::

        g ← g + l1 sign(p) + nuclear U Vᵀ
        g ← g min(1, clip_norm / ‖g‖)
        p ← (1 − η decay) p
        p ← p − η m̂ / (√v̂ + epsilon)

    with Adam's moments m, v of g and their bias corrected (D. P. Kingma, J. Ba, arXiv:1412.6980,
    algorithm 1; ε outside the root, as in torch) and decoupled weight decay (I. Loshchilov, F.
    Hutter, arXiv:1711.05101, as torch.optim.AdamW).

    betas, clip_norm : shared by all arrays; clip_norm None leaves g alone.
    default : for every array that `arrays` does not name.
    nuclear : by name of a weight matrix, the factor of its nuclear norm (`schurkit.engine.polar`).
    """

    betas: tuple[float, float] = (0.9, 0.999)
    clip_norm: float | None = None
    default: ArrayRule = ArrayRule()
    arrays: dict[str, ArrayRule] = field(default_factory=dict)
    nuclear: dict[str, float] = field(default_factory=dict)

    def __getitem__(self, name: str) -> ArrayRule:
        return self.arrays.get(name, self.default)

    def corrections(self, step: int) -> tuple[float, float]:
        """1 − β₁ᵏ and (1 − β₂ᵏ)^−½ of step k = 1, 2, …, which correct the bias of m and √v."""
        return 1 - self.betas[0] ** step, (1 - self.betas[1] ** step) ** -0.5


class Worker(Protocol):
    """Computes gradients for one chunk of a stack; keeps its work space between calls, so one
    worker serves one thread.
    """

    def gradients(self, weights: Weights, inputs, targets, mask) -> tuple[np.ndarray, Weights]:
        """The loss and its gradients.

        weights : the arrays of the chunk; b_rec, b_out, h0 may be missing (zero, not trained).
        inputs : (networks, trials, time, input);
        targets : (networks, trials, time', output), time' ≥ time;
        mask : (time'), (trials, time') or (networks, trials, time'), bool, with at least one true
            value for every network.

        Returns the loss of each network, (networks,), and for every array of `weights` the gradient
        of the loss of its network. "mse": mean over trials, unmasked time steps and outputs of the
        squared error. "cross_entropy": mean over trials and unmasked time steps of −Σ_o targets_o
        log softmax(outputs)_o.

        The derivative of the latter by output o is softmax_o Σ targets − targets_o. In a solved
        trial that is 1 − 10⁻⁶ less 1 for the target: one or two digits of float32 are left, an
        error that leans one way and that Adam makes as large as the gradient. As derivatives add up
        to 0 over outputs, the entry of the likeliest target is taken as minus the sum of the
        others: differences of numbers up to 1/2 and, of one-hot targets, no differences at all. For
        the same reason log Σ exp(outputs) is log1p of what is there besides its largest term.

        Backwards through time, from ε_t = dLoss/dy_t (0 where masked), with D = 1 − leak, the rate
        r_t that W_rec and W_out read, the pre-activation p_t = W_rec r_{t−1} + W_in x_t + b_rec,
        and δ_t = dLoss/dp_t::

            g_t = W_outᵀ ε_t + W_recᵀ δ_{t+1}
            rate:     d_t = g_t + D d_{t+1},            δ_t = leak φ′(p_t) d_t
            voltage:  d_t = φ′(v_t) g_t + D d_{t+1},    δ_t = leak d_t

        The gradients of W_rec, W_in, W_out, b_rec and b_out are Σ δ_t r_{t−1}ᵀ, Σ δ_t x_tᵀ, Σ ε_t
        r_tᵀ, Σ δ_t and Σ ε_t over trials and time, that of h0 is Σ d_0 over trials (ε_0 = 0). φ′ is
        written in terms of φ. The torch engine leaves all this to autograd, the oracle of the
        others.
        """


class Trainer(Protocol):
    """Takes steps of Adam, drawing the batches itself: faster than
    `schurkit.training.trainers.LoopTrainer`, which serves every engine and every construction, and
    does the same.

    Made from the start, {name: (networks, …)}, which is what is trained, a `Spec`, a `Rule`, and
    one of `LOSSES`. Who calls it (`schurkit.training.loop.fit`) decides when to stop, the learning
    rates and what is kept, so a trainer knows nothing of schedules.
    """

    def source(self, task, trials: int | None, seed: int, step: int):
        """The batches of a task (`trials` None: its whole training set at each step); `seed` and
        `step` name one that may be looked at.
        """

    def steps_a_call(self, source) -> int:
        """How many steps are worth one call."""

    def run(
        self,
        networks: Sequence[int],
        seeds: Sequence[int],
        source,
        step: int,
        count: int,
        learning_rates: Sequence[float],
    ):
        """Take steps step … step + count − 1 of the networks at these positions, with their seeds
        and learning rates.

        A network that was left out of one call is left out of all that follow. Returns losses
        without penalties (networks, count), and how many steps each network did before its loss or
        a gradient was not finite (networks,).
        """

    def weights(self, network: int) -> Weights:
        """The trained arrays of one network, copied; those before its last step if they are not
        finite now.
        """


class Engine(Protocol):
    """One way to compute rollouts and gradients.

    packages : names of the packages that results depend on;
    arithmetic : what they depend on in the machine, or "". The state of its own code is a
        whole number under its name in `schurkit.store.TRAINING`.
    workers_at_once : how many threads may call it side by side, each with a chunk of a stack.
    networks_a_chunk : how many networks to train in one chunk; None where memory alone bounds it
        (`most_networks`) and a stack takes hardly longer than a network.
    responses : computes what `schurkit.engine.compiled.responses` describes; None where that is
        left to NumPy.
    """

    name: str
    packages: tuple[str, ...]
    arithmetic: str
    workers_at_once: int
    networks_a_chunk: int | None
    responses: Callable | None

    def worker(self, spec: Spec, loss: str = "mse") -> Worker: ...

    def trainer(
        self, parameters: Weights, spec: Spec, rule: Rule, loss: str = "mse"
    ) -> Trainer | None:
        """None for what it has none for."""

    def rollout(
        self, weights: Weights, spec: Spec, inputs, autonomous: int, states: bool
    ) -> tuple[np.ndarray, np.ndarray | None]:
        """Outputs (networks, trials, time, output) and, if asked for, states (networks, trials,
        time, hidden).
        """


class EngineWarning(UserWarning):
    """Something that costs speed but no result: a fast route that cannot be taken."""


_said: set[str] = set()


def warn_once(message: str, category: type[Warning]) -> None:
    """Warn the first time that a process has this to say."""
    if message not in _said:
        _said.add(message)
        warnings.warn(message, category, stacklevel=3)


def available_threads() -> int:
    """Number of threads to use: the environment's SCHURKIT_THREADS, else the processors this
    process may run on.
    """
    wanted = os.environ.get("SCHURKIT_THREADS", "")
    if wanted.isdigit() and int(wanted) > 0:
        return int(wanted)
    return (
        len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1)
    )


def side_by_side(run, jobs) -> list:
    """run(job) of every job, on as many threads as there are to use."""
    threads = min(available_threads(), len(jobs))
    if threads < 2:
        return list(map(run, jobs))
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(run, jobs))
