"""How networks are trained: a frozen value that becomes part of the store's key."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace

from schurkit.checks import InputError, boolean, integer, number, one_of
from schurkit.engine.base import LOSSES, TRAINABLE, ArrayRule, Rule, Spec
from schurkit.rnn import FORMS

CONSTRUCTIONS = ("default", "orthogonal", "normal", "cayley")
"""Those that arXiv:2606.18457 compares."""
OTHER_CONSTRUCTIONS = ("fan_in", "mup", "dale", "balanced")
BIAS_STARTS = ("zero", "uniform")
MATRICES = ("W_in", "W_rec", "W_out", "E", "W_x")
"""Trained arrays that weight decay shrinks."""


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
class Until:
    """When a network has learned enough: its training loss, the mean over an epoch, is below `loss`
    for `patience` epochs in a row.

    each : and so is the mean squared error of every output by itself, on fresh trials (a mean over
        outputs can be low while one of them is not learned).
    """

    loss: float
    patience: int = 3
    each: bool = False

    def __post_init__(self):
        number(self.loss, "until.loss", above=0)
        integer(self.patience, "until.patience", at_least=1)
        boolean(self.each, "until.each")


@dataclass(frozen=True)
class Plateau:
    """When a network's learning rate falls: by `factor` after more than `patience` epochs in which
    its mean training loss did not come below (1 − 1e-4) times the best so far. As
    torch.optim.lr_scheduler.ReduceLROnPlateau with its other settings left alone.
    """

    factor: float = 0.5
    patience: int = 40

    def __post_init__(self):
        if not number(self.factor, "plateau.factor", above=0) < 1:
            raise InputError(f"plateau.factor must be below 1; got {self.factor}.")
        integer(self.patience, "plateau.patience", at_least=0)


@dataclass(frozen=True)
class Recipe:
    """Start, parameterisation and optimiser.

    Parameters
    ----------
    hidden_size : number of units N.
    construction : start of W_rec and what training may change in it (arXiv:2606.18457, §3):
        "default" dense, Unif(±N^-1/2), unconstrained; "orthogonal" dense, random orthogonal,
        unconstrained; "normal" dense, Q D Qᵀ with 2×2 blocks [[a, −b], [b, a]], a, b ~ N(0, 1/6),
        unconstrained; "cayley" O(A) D O(A)ᵀ with O(A) = (I − A)(I + A)⁻¹, A skew and D of tied
        blocks [[a, −b], [b, a]] both trained: W_rec stays normal; "fan_in" dense, N(0, 1/N),
        unconstrained, W_in and W_out also N(0, 1/fan-in); "mup" see `gamma`; "dale" keeps Dale's
        law, one sign a column of W_rec, a fifth of them inhibitory, balanced at the start;
        "balanced" has that start and is unconstrained. "normal" and "cayley" need an even N.
    phases : the schedule, one `Phase` after the other; Adam's moments run on across phases.
    batch_size : trials a step; None for all trials of the task's training set at each step, where
        it has a fixed one.
    clip_norm : the gradient of each array of each network is scaled down to at most this Euclidean
        norm; None, the default, leaves it alone.
    biases : train b_rec and b_out; False keeps them zero.
    activation, leak, form : see `schurkit.RNN`; one leak for all units.
    betas, epsilon : of Adam.
    loss : "mse", the mean squared error; or "cross_entropy", −Σ_o target_o log softmax(output)_o
        for targets that are probabilities (or one-hot). Either is a mean over trials and unmasked
        time steps.
    weight_decay : decoupled, as in torch.optim.AdamW: W ← (1 − learning rate · weight_decay) W
        before each step, for the trained matrices W_in, W_rec, W_out (E and W_x in place of W_in
        where there is an embedding) and not for biases.
    bias_start : "zero", or "uniform": Unif(±N^-1/2). torch.nn.RNN has two such vectors, b_ih and
        b_hh; here their place is taken by one.
    embedding_size : None, or m: W_in = W_x Eᵀ with E (input, m) and W_x (hidden, m) trained in its
        place. E starts at N(0, 1) as in torch.nn.Embedding (with "fan_in" at N(0, 1/inputs)) and
        W_x as W_in would (with "fan_in" at N(0, 1/m)).
    gamma : with construction="mup", the richness γ of the maximal-update parameterisation for Adam
        (arXiv:2410.03972)::

            h_{t+1} = (1 − leak) h_t + leak (J φ(h_t)/N + U x_t),    f = W_ro φ(h)/(γ N),
            learning rate γ η₀

        with J, U, W_ro trained, J ~ N(0, variance N), U and W_ro ~ N(0, 1), η₀ the phase's learning
        rate. The network's weights are W_rec = J/N, W_in = U, W_out = W_ro/(γN), and Adam on J is
        Adam on W_rec at 1/N of the rate (see `rule`). So that ε stays as small beside the gradients
        at every width it is ε/N² for J, ε/N for U and ε/(γN) for W_ro. b_rec goes with U; b_out
        moves by η₀, as f does. Needs the voltage form, or leak 1 (where both forms are the same
        network), and clip_norm=None, since norms of gradients depend on N.
    until : see `Until`; None trains to the end of the phases. A network that is there stops,
        whatever the others of its stack do.
    plateau : see `Plateau`; None leaves the learning rates to the phases.
    epoch_steps : steps of an epoch, for `until` and `plateau`; counted from the first step of
        training on.
    l1, nuclear : penalties λ Σ|W_rec| and λ ‖W_rec‖_* (the sum of singular values) added to the
        loss, on the recurrent matrix alone. The gradient of the latter is U Vᵀ of W_rec = U S Vᵀ
        (`schurkit.engine.polar.polar`). Clipped with the rest; not part of recorded losses.
    nuclear_in : the penalty λ ‖W_in‖_* in place of the weight decay of W_in, which has no embedding
        then.
    checkpoints : numbers of steps after which the weights are kept, see `Trained.checkpoints`; 0 is
        the start.

    W_in and W_out start at Unif(±N^-1/2) unless said otherwise, h0 is zero and not trained. So
    ``construction="default", biases=True, bias_start="uniform"`` starts as torch.nn.RNN and its
    readout do. Everything runs in float32.
    """

    hidden_size: int = 64
    construction: str = "orthogonal"
    phases: tuple[Phase, ...] = field(default=(Phase(3840, 1e-3),))
    batch_size: int | None = 64
    clip_norm: float | None = None
    biases: bool = False
    activation: str = "tanh"
    leak: float = 1.0
    form: str = "rate"
    betas: tuple[float, float] = (0.9, 0.999)
    epsilon: float = 1e-8
    loss: str = "mse"
    weight_decay: float = 0.0
    bias_start: str = "zero"
    embedding_size: int | None = None
    gamma: float = 1.0
    until: Until | None = None
    plateau: Plateau | None = None
    epoch_steps: int = 128
    l1: float = 0.0
    nuclear: float = 0.0
    nuclear_in: float = 0.0
    checkpoints: tuple[int, ...] = ()

    def __post_init__(self):
        integer(self.hidden_size, "hidden_size", at_least=1)
        if self.batch_size is not None:
            integer(self.batch_size, "batch_size", at_least=1)
        one_of(self.construction, "construction", CONSTRUCTIONS + OTHER_CONSTRUCTIONS)
        one_of(self.activation, "activation", TRAINABLE)
        one_of(self.form, "form", FORMS)
        number(self.leak, "leak", above=0, at_most=1)
        number(self.epsilon, "epsilon", above=0)
        if self.clip_norm is not None:
            number(self.clip_norm, "clip_norm", above=0)
        if self.construction in ("normal", "cayley") and self.hidden_size % 2:
            raise InputError(
                f"construction={self.construction!r} needs an even hidden_size (2×2 blocks); got "
                f"{self.hidden_size}."
            )
        phases = tuple(self.phases)
        if not phases or not all(isinstance(p, Phase) for p in phases):
            raise InputError("phases must be one or more schurkit.training.Phase.")
        object.__setattr__(self, "phases", phases)
        self._check_extras()

    def _check_extras(self):
        one_of(self.loss, "loss", LOSSES)
        number(self.weight_decay, "weight_decay", at_least=0)
        one_of(self.bias_start, "bias_start", BIAS_STARTS)
        for beta in self.betas:
            if not number(beta, "betas", at_least=0) < 1:
                raise InputError(f"betas must be below 1; got {self.betas}.")
        if self.bias_start != "zero" and not self.biases:
            raise InputError(
                "bias_start='uniform' needs biases=True; without them there is nothing to start."
            )
        if self.weight_decay and self.construction == "cayley":
            raise InputError(
                "weight_decay is not defined for construction='cayley': W_rec is not trained "
                "itself there."
            )
        if self.embedding_size is not None:
            integer(self.embedding_size, "embedding_size", at_least=1)
        integer(self.epoch_steps, "epoch_steps", at_least=1)
        for name in ("l1", "nuclear", "nuclear_in"):
            number(getattr(self, name), name, at_least=0)
        if self.nuclear_in and self.embedding_size is not None:
            raise InputError(
                "nuclear_in is for input weights without an embedding; take embedding_size=None."
            )
        for name, kind in (("until", Until), ("plateau", Plateau)):
            if not isinstance(getattr(self, name), (kind, type(None))):
                raise InputError(
                    f"{name} must be None or a schurkit.training.{kind.__name__}; got "
                    f"{getattr(self, name)!r}."
                )
        self._check_mup()
        checkpoints = tuple(
            integer(step, "checkpoints", at_least=0, at_most=self.steps)
            for step in self.checkpoints
        )
        if sorted(set(checkpoints)) != list(checkpoints):
            raise InputError(
                f"checkpoints must be different steps in increasing order; got {checkpoints}."
            )
        object.__setattr__(self, "checkpoints", checkpoints)

    def _check_mup(self):
        number(self.gamma, "gamma", above=0)
        if self.construction != "mup":
            if self.gamma != 1:
                raise InputError(
                    f"gamma belongs to construction='mup'; got gamma={self.gamma} with "
                    f"construction={self.construction!r}."
                )
            return
        if self.form != "voltage" and self.leak != 1:
            raise InputError(
                "construction='mup' is defined for form='voltage', or for leak=1; got form='rate' "
                "with a leak."
            )
        if self.clip_norm is not None:
            raise InputError(
                "construction='mup' needs clip_norm=None: the norm of a gradient depends on "
                "hidden_size."
            )

    @property
    def multipliers(self) -> dict[str, float]:
        """What the trained arrays of "mup" are multiplied by to give the weights: 1/N for W_rec,
        1/(γN) for W_out; empty otherwise.

        The factors by which gradients with respect to weights become those with respect to what is
        trained.
        """
        N = self.hidden_size
        return {"W_rec": 1 / N, "W_out": 1 / (self.gamma * N)} if self.construction == "mup" else {}

    @property
    def rule(self) -> Rule:
        """How gradients move the trained arrays.

        Adam on c·W, at rate η and with ε, is Adam on W at rate η/c with ε c. For "mup" that gives
        W_rec (c = N) the rate γη₀/N and ε/N, W_out (c = γN) η₀/N and ε; W_in and b_rec γη₀ and ε/N.
        """
        mup, N, arrays = self.construction == "mup", self.hidden_size, {}
        gamma = self.gamma if mup else 1.0
        scales = self.multipliers | {"b_out": 1 / gamma}
        for name in (*MATRICES, "b_rec", "b_out"):
            rate = gamma * scales.get(name, 1.0)
            epsilon = self.epsilon / N if mup and name not in ("W_out", "b_out") else self.epsilon
            decays = name in MATRICES and not (name == "W_in" and self.nuclear_in)
            decay = self.weight_decay * (gamma / rate) if decays else 0.0
            arrays[name] = ArrayRule(rate, epsilon, decay, self.l1 if name == "W_rec" else 0.0)
        nuclear = {"W_rec": self.nuclear, "W_in": self.nuclear_in}
        return Rule(
            tuple(self.betas),
            self.clip_norm,
            ArrayRule(epsilon=self.epsilon),
            arrays,
            {name: factor for name, factor in nuclear.items() if factor},
        )

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
                raise InputError(
                    f"phase changes {', '.join(sorted(unknown))}, which the task {task.name!r} "
                    "does not have."
                )
            yield replace(task, **changes), phase

    def record(self) -> dict:
        """Plain values of every field, for the store's key. A later field is left out at its
        default, so that older networks keep theirs.
        """
        return {
            name: value for name, value in asdict(self).items() if name != "nuclear_in" or value
        }
