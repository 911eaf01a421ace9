"""The knobs of degeneracy: which task and recipe each level of each knob stands for, and what was
measured there; `signs` says which way it goes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, replace
from itertools import product
from time import perf_counter

from schurkit.checks import InputError, integer, number, one_of
from schurkit.degeneracy.spread import Sample, contrast
from schurkit.intervals import Interval
from schurkit.training import (
    Recipe,
    Store,
    Study,
    degeneracy_recipe,
    degeneracy_tasks,
    train_all,
)

from .measured import Dynamics, Levels, levels_in_store, reached
from .samples import SAMPLES

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
    "delayed_discrimination": 0.015,
    "sine_generation": 0.03,
    "path_integration": 0.3,
}
"""η₀ of the maximal-update parameterisation: ours, found on three seeds at γ = 1 and 64 units."""
LAST_STEPS = {"sine_generation": 10_000, "path_integration": 12_000}
"""Of the last phase, instead of those of `degeneracy_recipe`: two sines at once take longer than
4,000 steps, and 4 of 46 networks that find their way in 3D longer than 6,000 at the lowest rate.
"""
MUP_LEAKS = {"path_integration": 0.1}
"""The time constant of the parameterisation, where it is not 1 (arXiv:2410.03972, B.4)."""
EPOCH = 5
"""Steps of an epoch, where the learning rate does not hang on epochs. Fast networks go on learning
while an epoch ends: with epochs of 20 steps the flip-flop at γ = 2 stops at half its threshold.
"""
LEAST_SHARE = 0.5
"""A level at which fewer of the networks reach the training threshold is not a knob's highest one.
"""


def mup_recipe(task, width: int, gamma: float, **changes) -> Recipe:
    """`degeneracy_recipe` in the maximal-update parameterisation at richness γ, without biases, as
    arXiv:2410.03972 writes it.

    Its learning rate is γ η₀ with η₀ of `MUP_RATES`; rates of weights follow `Recipe.rule`. The
    start is N(0, 1/N) for W_rec.
    """
    plain, leak = plain_recipe(task, width), MUP_LEAKS.get(task.name, 1.0)
    scale = MUP_RATES[task.name] / plain.phases[0].learning_rate
    fields = {
        "phases": tuple(replace(p, learning_rate=scale * p.learning_rate) for p in plain.phases),
        "leak": leak,
        "form": "rate" if leak == 1 else "voltage",
        "construction": "mup",
        "gamma": float(gamma),
        "clip_norm": None,
        "biases": False,
        "bias_start": "zero",
    }
    return plain_recipe(task, width, **fields | changes)


def plain_recipe(task, width: int, **changes) -> Recipe:
    """`degeneracy_recipe`, with epochs of `EPOCH` steps where it has no plateau, every output by
    itself below the threshold in discrimination, whose outputs can be of two kinds, and the steps
    of `LAST_STEPS`.
    """
    recipe = degeneracy_recipe(task, width, **changes)
    if recipe.plateau is None:
        recipe = replace(recipe, epoch_steps=EPOCH)
    if task.name == ONE and recipe.until:
        recipe = replace(recipe, until=replace(recipe.until, each=True))
    if "phases" not in changes and task.name in LAST_STEPS:
        last = replace(recipe.phases[-1], steps=LAST_STEPS[task.name])
        recipe = replace(recipe, phases=(*recipe.phases[:-1], last))
    return recipe


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
class KnobSetting:
    """One setting: a level of a knob in one task.

    knob : its id.
    task : name in `TASKS`, with its units where `Design.delay_sizes` asks for others.
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
    wide_networks, wide_units : seeds of settings above so many units; 0 for as many.
    hidden_size : units.
    bits, channels, dimensions : of the flip-flop, discrimination and sine, path integration.
    delays : longest delay of discrimination, in steps.
    delay_sizes : units at which the shortest and the longest of them are compared too.
    auxiliary : with the auxiliary output too.
    gammas, widths : in the maximal-update parameterisation; width at γ 1.
    nuclear, l1 : penalties on discrimination, beside none.
    """

    tasks: tuple[str, ...] = TASKS
    mup_tasks: tuple[str, ...] = TASKS
    networks: int = 50
    wide_networks: int = 0
    wide_units: int = 128
    first_seed: int = 0
    hidden_size: int = 64
    bits: tuple[int, ...] = (1, 2, 3, 4)
    channels: tuple[int, ...] = (1, 2, 3)
    dimensions: tuple[int, ...] = (2, 3)
    delays: tuple[int, ...] = (20, 40, 60)
    delay_sizes: tuple[int, ...] = ()
    auxiliary: bool = True
    gammas: tuple[float, ...] = (0.25, 0.5, 1.0, 2.0, 4.0)
    widths: tuple[int, ...] = (32, 64, 128, 256, 512)
    nuclear: tuple[float, ...] = (1e-6, 1e-5, 1e-4, 1e-3)
    l1: tuple[float, ...] = (1e-6, 1e-5, 1e-4, 1e-3)

    def __post_init__(self):
        for field in fields(self):
            if field.type.startswith("tuple"):
                object.__setattr__(self, field.name, tuple(getattr(self, field.name)))
        integer(self.networks, "networks", at_least=1)
        integer(self.wide_networks, "wide_networks", at_least=0)
        integer(self.wide_units, "wide_units", at_least=1)
        integer(self.hidden_size, "hidden_size", at_least=1)
        for units in self.delay_sizes:
            integer(units, "delay_sizes", at_least=1)
        for name in (*self.tasks, *self.mup_tasks):
            one_of(name, "tasks", TASKS)
        for name in ("nuclear", "l1"):
            for value in getattr(self, name):
                number(value, name, above=0)

    @property
    def settings(self) -> tuple[KnobSetting, ...]:
        """All settings, knob by knob. Knobs share their base: equal studies stand in several
        settings and are trained once.
        """
        return tuple(self._settings())

    def _settings(self) -> Iterator[KnobSetting]:
        for task in self.tasks:
            for level in getattr(self, COMPLEXITY[task]):
                yield self._plain("D1", task, level, {COMPLEXITY[task]: level})
        for steps in self.delays:
            yield self._plain("D2", ONE, steps, {"longest": steps})
        ends = sorted({min(self.delays), max(self.delays)}) if self.delays else ()
        for units, steps in product(sorted({*self.delay_sizes} - {self.hidden_size}), ends):
            yield self._plain("D2", ONE, steps, {"longest": steps}, units)
        for on in (False, True) if self.auxiliary else ():
            yield self._plain("D3", ONE, on, {"auxiliary": on})
        for task, gamma in product(self.mup_tasks, self.gammas):
            yield self._mup("D5", task, gamma, gamma, self.hidden_size)
        for task, width in product(self.mup_tasks, self.widths):
            yield self._mup("D6", task, width, 1.0, width)
        for knob, penalty in (("D7", "nuclear"), ("D8", "l1")):
            sizes = getattr(self, penalty)
            for size in (0.0, *sizes) if sizes else ():
                yield self._plain(knob, ONE, size, **({penalty: size} if size else {}))

    @property
    def studies(self) -> tuple[Study, ...]:
        """The different studies among the settings."""
        studies = (setting.study for setting in self.settings)
        return tuple({(study.task, study.recipe): study for study in studies}.values())

    def _plain(self, knob, task, level, fields=None, units=None, **changes) -> KnobSetting:
        """A setting with the paper's start, torch's default."""
        changed = replace(degeneracy_tasks()[task], **fields or {})
        recipe = plain_recipe(changed, units or self.hidden_size, **changes)
        name = task if recipe.hidden_size == self.hidden_size else f"{task}, {units} units"
        return self._setting(knob, name, level, changed, recipe)

    def _mup(self, knob, task, level, gamma, width) -> KnobSetting:
        plain = degeneracy_tasks()[task]
        return self._setting(knob, task, level, plain, mup_recipe(plain, width, gamma))

    def _setting(self, knob, name, level, task, recipe) -> KnobSetting:
        wide = self.wide_networks if recipe.hidden_size > self.wide_units else 0
        seeds = range(self.first_seed, self.first_seed + (wide or self.networks))
        return KnobSetting(knob, name, float(level), Study(task, recipe, tuple(seeds)))


# ------------------------------------------------------------------------------ what a design found
@dataclass(frozen=True)
class Ends:
    """The lowest and the highest level of a knob in one task that enter the comparison."""

    task: str
    low: KnobSetting
    high: KnobSetting


@dataclass(frozen=True, eq=False)
class Results:
    """A design with what was measured: study (task, recipe) → `Levels`, None where fewer than three
    networks reached the threshold.
    """

    design: Design
    found: dict[tuple, Levels | None]
    seconds: float

    def of(self, setting: KnobSetting) -> Levels | None:
        """What was measured in a setting."""
        return self.found[setting.study.task, setting.study.recipe]

    def settings(self, knob: str) -> list[KnobSetting]:
        """The settings of a knob, by task and level."""
        return [setting for setting in self.design.settings if setting.knob == knob]

    def ends(self, knob: str) -> list[Ends]:
        """For each task, the lowest level and the highest one at which at least half of the
        networks reached the threshold.

        A task with one such level only is left out.
        """
        ends = []
        for task in dict.fromkeys(setting.task for setting in self.settings(knob)):
            mine = sorted((s for s in self.settings(knob) if s.task == task), key=lambda s: s.level)
            good = [s for s in mine if (found := self.of(s)) and found.share >= LEAST_SHARE]
            if len(good) > 1 and good[0].level == mine[0].level:
                ends.append(Ends(task, good[0], good[-1]))
        return ends

    def contrast(
        self, knob: str, measure: str | Callable[[Levels], Sample | None], task: str | None = None
    ) -> Interval | None:
        """Log ratio of a measure between the ends of a knob in one task; None where nothing can be
        compared.

        measure : one of `schurkit.studies.SAMPLES`, or a function from `Levels` to a sample.
        task : may be left out where the knob is turned in one task. There is no mean over tasks:
            they can go opposite ways.
        """
        read = SAMPLES[measure] if isinstance(measure, str) else measure
        ends = [one for one in self.ends(knob) if task in (None, one.task)]
        if len(ends) > 1:
            raise InputError(f"{knob} is turned in {len(ends)} tasks: name one.")
        if not ends:
            return None
        high, low = read(self.of(ends[0].high)), read(self.of(ends[0].low))
        return None if high is None or low is None else contrast([(high, low)])

    def rows(self) -> list[dict]:
        """Plain scalars of every setting, for tables; settings with too few networks say so."""
        none = {"networks": None, "share": None}
        return [
            {"knob": s.knob, "task": s.task, "level": s.level, **(found.row() if found else none)}
            for s in self.design.settings
            for found in [self.of(s)]
        ]


def run(
    design: Design,
    dynamics: Dynamics | None = None,
    *,
    store: Store | None = None,
    pif_starts: int = 1,
    wide_pif_starts: int = 0,
    **options,
) -> Results:
    """Train every study of a design and measure it once, or fetch from the store what was trained
    or measured before.

    store : as for training.
    pif_starts, wide_pif_starts : of the matching of units, up to ``design.wide_units`` and above;
        0 for as many.
    options : go to `levels`.
    """
    dynamics = dynamics or Dynamics()
    trained = train_all(list(design.studies), store=store)
    by_study = {(one.task, one.recipe): one for one in trained}
    begun = perf_counter()
    found = {}
    for key, one in by_study.items():
        wide = wide_pif_starts if one.rnn.hidden_size > design.wide_units else 0
        asked = options | _nulls(one, by_study) | {"pif_starts": wide or pif_starts}
        found[key] = levels_in_store(one, dynamics, store=store, **asked)
    return Results(design, found, perf_counter() - begun)


def _nulls(trained, by_study) -> dict:
    """Of one study: the base task as a probe, where the inputs are its own, and the networks of one
    channel that stand side by side.
    """
    task, field = trained.task, COMPLEXITY.get(trained.task.name)
    base = degeneracy_tasks().get(task.name)
    same = base is not None and base.input_size == task.input_size
    more = {"probe": base} if same and base != task else {}
    if field in ("bits", "channels") and getattr(task, field) > 1:
        one = replace(task, **{field: 1})
        there = by_study.get((one, plain_recipe(one, trained.recipe.hidden_size)))
        alone = trained.recipe == plain_recipe(task, trained.recipe.hidden_size)
        copied = reached(there)[0] if there and alone else None
        if copied is not None and len(copied) > 2 * getattr(task, field):
            more["copied"] = copied
    return more
