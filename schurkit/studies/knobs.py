"""The knobs of degeneracy as settings: which task and recipe each level of each knob stands for."""

from __future__ import annotations

from dataclasses import dataclass, replace

from schurkit.checks import InputError, integer, number
from schurkit.training import Phase, Recipe, Study, degeneracy_recipe, degeneracy_tasks

TASKS = ("flip_flop", "delayed_discrimination", "sine_generation", "path_integration")
COMPLEXITY = {
    "flip_flop": "bits",
    "delayed_discrimination": "channels",
    "sine_generation": "channels",
    "path_integration": "dimensions",
}
"""The field that makes each task harder."""
ONE = "delayed_discrimination"
"""The task of delay, auxiliary output and penalties."""
MUP_RATES = {
    "flip_flop": 0.1,
    "delayed_discrimination": 0.06,
    "sine_generation": 0.03,
    "path_integration": 0.06,
}
"""η₀ of the maximal-update parameterisation: ours, found on three seeds at γ = 1 and 64 units."""
MOST_STEPS = {"sine_generation": 10_000}
"""Instead of those of `degeneracy_recipe`: two sines at once take longer than 4,000 steps."""


def mup_recipe(task, width: int, gamma: float, **changes) -> Recipe:
    """`degeneracy_recipe` in the maximal-update parameterisation at richness γ, without biases, as
    arXiv:2410.03972 writes it.

    Its learning rate is γ η₀ with η₀ of `MUP_RATES`; rates of weights follow `Recipe.rule`. The
    start is N(0, 1/N) for W_rec.
    """
    most = _phase(task).steps
    fields = {
        "construction": "mup",
        "gamma": float(gamma),
        "clip_norm": None,
        "biases": False,
        "bias_start": "zero",
    }
    return degeneracy_recipe(
        task, width, phases=(Phase(most, MUP_RATES[task.name]),), **fields | changes
    )


def _phase(task) -> Phase:
    phase = degeneracy_recipe(task).phases[0]
    return replace(phase, steps=MOST_STEPS.get(task.name, phase.steps))


@dataclass(frozen=True)
class Knob:
    """What is turned, and which way the paper says each level of degeneracy then goes (+1 up, −1
    down).

    id : as in book/claims.yml.
    name : for captions.
    dynamics, weights, behaviour : signs of arXiv:2410.03972.
    per_n2 : whether the paper's weight distance is over n² here, as widths differ.
    """

    id: str
    name: str
    dynamics: int
    weights: int
    behaviour: int
    per_n2: bool = False


KNOBS = (
    Knob("D1", "channels or dimensions", -1, 1, -1),
    Knob("D2", "delay", -1, 1, -1),
    Knob("D3", "auxiliary output", -1, 1, -1),
    Knob("D5", "γ (feature learning)", -1, 1, 1),
    Knob("D6", "width at fixed γ", -1, -1, -1, per_n2=True),
    Knob("D7", "nuclear norm", -1, -1, -1),
    Knob("D8", "L1", -1, -1, -1),
)


@dataclass(frozen=True)
class Setting:
    """One level of one knob in one task.

    knob : its id.
    task : name in `TASKS`.
    level : number on the knob's scale.
    study : what to train.
    """

    knob: str
    task: str
    level: float
    study: Study


@dataclass(frozen=True)
class Design:
    """Which levels of which knobs are trained, and on which tasks. An empty list of levels leaves a
    knob out.

    tasks : for channels or dimensions.
    mup_tasks : for γ and width.
    networks, first_seed : seeds of every setting.
    hidden_size : units.
    bits, channels, dimensions : of the flip-flop, discrimination and sine, path integration.
    delays : longest delay of discrimination, in steps.
    auxiliary : with the auxiliary output too.
    gammas, widths : in the maximal-update parameterisation; width at γ 1.
    nuclear, l1 : penalties on discrimination, beside none.
    """

    tasks: tuple[str, ...] = TASKS
    mup_tasks: tuple[str, ...] = TASKS
    networks: int = 50
    first_seed: int = 0
    hidden_size: int = 64
    bits: tuple[int, ...] = (1, 2, 3, 4)
    channels: tuple[int, ...] = (1, 2, 3)
    dimensions: tuple[int, ...] = (2, 3)
    delays: tuple[int, ...] = (20, 40, 60)
    auxiliary: bool = True
    gammas: tuple[float, ...] = (0.25, 0.5, 1.0, 2.0, 4.0)
    widths: tuple[int, ...] = (32, 64, 128, 256, 512)
    nuclear: tuple[float, ...] = (1e-6, 1e-5, 1e-4, 1e-3)
    l1: tuple[float, ...] = (1e-6, 1e-5, 1e-4, 1e-3)

    def __post_init__(self):
        for name in (
            "tasks",
            "mup_tasks",
            "bits",
            "channels",
            "dimensions",
            "delays",
            "gammas",
            "widths",
            "nuclear",
            "l1",
        ):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        integer(self.networks, "networks", at_least=1)
        integer(self.hidden_size, "hidden_size", at_least=1)
        for name in (*self.tasks, *self.mup_tasks):
            if name not in TASKS:
                raise InputError(f"tasks must be among {', '.join(TASKS)}; got {name!r}.")
        for name in ("nuclear", "l1"):
            for value in getattr(self, name):
                number(value, name, above=0)

    @property
    def settings(self) -> tuple[Setting, ...]:
        """All settings, knob by knob. Knobs share their base: equal studies stand in several
        settings and are trained once.
        """
        return tuple(setting for knob in KNOBS for setting in getattr(self, f"_{knob.id}")())

    @property
    def studies(self) -> tuple[Study, ...]:
        """The different studies among the settings."""
        found = {
            (setting.study.task, setting.study.recipe): setting.study for setting in self.settings
        }
        return tuple(found.values())

    def _study(self, task, recipe) -> Study:
        return Study(task, recipe, tuple(range(self.first_seed, self.first_seed + self.networks)))

    def _plain(self, knob, task, level, fields=(), **changes) -> Setting:
        """A setting with the paper's start, torch's default."""
        changed = replace(degeneracy_tasks()[task], **dict(fields))
        recipe = degeneracy_recipe(changed, self.hidden_size, phases=(_phase(changed),), **changes)
        return Setting(knob, task, float(level), self._study(changed, recipe))

    def _mup(self, knob, task, level, gamma, width) -> Setting:
        return Setting(
            knob,
            task,
            float(level),
            self._study(
                degeneracy_tasks()[task], mup_recipe(degeneracy_tasks()[task], width, gamma)
            ),
        )

    def _D1(self):
        values = {
            "flip_flop": self.bits,
            ONE: self.channels,
            "sine_generation": self.channels,
            "path_integration": self.dimensions,
        }
        return [
            self._plain("D1", task, level, [(COMPLEXITY[task], level)])
            for task in self.tasks
            for level in values[task]
        ]

    def _D2(self):
        return [self._plain("D2", ONE, steps, [("longest", steps)]) for steps in self.delays]

    def _D3(self):
        return (
            [self._plain("D3", ONE, asked, [("auxiliary", asked)]) for asked in (False, True)]
            if self.auxiliary
            else []
        )

    def _D5(self):
        return [
            self._mup("D5", task, gamma, gamma, self.hidden_size)
            for task in self.mup_tasks
            for gamma in self.gammas
        ]

    def _D6(self):
        return [
            self._mup("D6", task, width, 1.0, width)
            for task in self.mup_tasks
            for width in self.widths
        ]

    def _D7(self):
        return self._penalty("D7", "nuclear", self.nuclear)

    def _D8(self):
        return self._penalty("D8", "l1", self.l1)

    def _penalty(self, knob, name, sizes):
        if not sizes:
            return []
        return [self._plain(knob, ONE, 0.0)] + [
            self._plain(knob, ONE, size, **{name: size}) for size in sizes
        ]
