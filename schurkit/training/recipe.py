"""How networks are trained: a frozen value that becomes part of the store's key."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace

from .._checks import InputError, integer, number, one_of
from ..engine.base import Spec
from ..rnn import ACTIVATIONS, FORMS

CONSTRUCTIONS = ("default", "orthogonal", "normal", "cayley")


@dataclass(frozen=True)
class Phase:
    """A stretch of training.

    steps : number of Adam steps.
    learning_rate : of Adam, constant over the phase.
    task : changes of the task's fields during the phase, e.g. ``{"replay": 16}``.
    """

    steps: int
    learning_rate: float
    task: tuple[tuple[str, float], ...] | dict = ()

    def __post_init__(self):
        integer(self.steps, "steps", at_least=0)
        number(self.learning_rate, "learning_rate", above=0)
        object.__setattr__(self, "task", tuple(sorted(dict(self.task).items())))


@dataclass(frozen=True)
class Recipe:
    """Start, parameterisation and optimiser.

    Parameters
    ----------
    hidden_size : number of units N.
    construction : start of W_rec and what training may change in it (arXiv:2606.18457, §3):
        "default" dense, Unif(±N^-1/2), unconstrained; "orthogonal" dense, random orthogonal, unconstrained;
        "normal" dense, Q D Qᵀ with 2×2 blocks [[a, −b], [b, a]], a, b ~ N(0, 1/6), unconstrained;
        "cayley" O(A) D O(A)ᵀ with O(A) = (I − A)(I + A)⁻¹, A skew and D of tied blocks [[a, −b], [b, a]] both trained: W_rec
        stays normal. "normal" and "cayley" need an even N.
    phases : the schedule, one `Phase` after the other; Adam's moments run on across phases.
    batch_size : trials a step.
    clip_norm : each gradient array of each network is scaled down to at most this Euclidean norm; None leaves it alone.
    biases : train b_rec and b_out, starting at zero; False keeps them zero.
    activation, leak, form : see `schurkit.RNN`; one leak for all units.
    betas, epsilon : of Adam.

    W_in and W_out start at Unif(±N^-1/2), h0 is zero and not trained. Everything runs in float32.
    """

    hidden_size: int = 64
    construction: str = "orthogonal"
    phases: tuple[Phase, ...] = field(default=(Phase(3840, 1e-3),))
    batch_size: int = 64
    clip_norm: float | None = 1.0
    biases: bool = False
    activation: str = "tanh"
    leak: float = 1.0
    form: str = "rate"
    betas: tuple[float, float] = (0.9, 0.999)
    epsilon: float = 1e-8

    def __post_init__(self):
        integer(self.hidden_size, "hidden_size", at_least=1)
        integer(self.batch_size, "batch_size", at_least=1)
        one_of(self.construction, "construction", CONSTRUCTIONS)
        one_of(self.activation, "activation", ACTIVATIONS)
        one_of(self.form, "form", FORMS)
        number(self.leak, "leak", above=0, at_most=1)
        number(self.epsilon, "epsilon", above=0)
        if self.clip_norm is not None:
            number(self.clip_norm, "clip_norm", above=0)
        if self.construction in ("normal", "cayley") and self.hidden_size % 2:
            raise InputError(f"construction={self.construction!r} needs an even hidden_size (2×2 blocks); got {self.hidden_size}.")
        phases = tuple(self.phases)
        if not phases or not all(isinstance(p, Phase) for p in phases):
            raise InputError("phases must be one or more schurkit.training.Phase.")
        object.__setattr__(self, "phases", phases)

    @property
    def spec(self) -> Spec:
        return Spec(self.activation, self.leak, self.form)

    @property
    def steps(self) -> int:
        return sum(phase.steps for phase in self.phases)

    def schedule(self, task):
        """Pairs of (task of the phase, phase): the task with the phase's changes applied."""
        for phase in self.phases:
            changes = dict(phase.task)
            unknown = set(changes) - set(task.__dataclass_fields__)
            if unknown:
                raise InputError(f"phase changes {', '.join(sorted(unknown))}, which the task {task.name!r} does not have.")
            yield replace(task, **changes), phase

    def record(self) -> dict:
        """Plain values of every field, for the store's key."""
        return asdict(self)


def copy_recipe(hidden_size: int = 72, construction: str = "orthogonal", **changes) -> Recipe:
    """The copy task's schedule of replay horizons: 16 lags for 3,000 steps at 1e-3, 32 for 1,500 at 5e-4, 64 for 800 at 3e-4.

    It reaches replay accuracy 1.000 over 128 lags at N = 72 with an orthogonal start. The paper states no horizon, rate
    or number of steps: the schedule is ours.
    """
    phases = (Phase(3000, 1e-3, {"replay": 16}), Phase(1500, 5e-4, {"replay": 32}), Phase(800, 3e-4, {"replay": 64}))
    return Recipe(hidden_size=hidden_size, construction=construction, phases=phases, **changes)
