"""The networks that each chapter trains: one function a chapter, from its parameters to studies
(`schurkit.training.Study`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from schurkit.checks import integer
from schurkit.fourier import check_count
from schurkit.studies import Design, addition
from schurkit.tasks import (
    ContextIntegration,
    Copy,
    DelayedDiscrimination,
    FlipFlop,
    ModularAddition,
    PathIntegration,
    RunningSum,
    Sine,
)
from schurkit.training import (
    CONSTRUCTIONS,
    Phase,
    Recipe,
    Study,
    addition_recipe,
    copy_recipe,
    degeneracy_recipe,
    degeneracy_tasks,
)

MOST = 10_000
"""Networks of one kind that a chapter may ask for: above it, a slip of the pen is more likely than
a plan.
"""

SUITE = (FlipFlop(), Sine(), ContextIntegration())
"""The first paper's other tasks."""

plans: dict[str, Callable[[dict], Iterable]] = {}
"""By the name that a notebook gives in its metadata, ``{"schurkit": {"plan": "copy_task"}}``."""


def planned(plan: Callable[[dict], Iterable]) -> Callable[[dict], Iterable]:
    """Enter a function into `plans` under its own name."""
    plans[plan.__name__] = plan
    return plan


def _seeds(values: dict, networks: str = "networks") -> tuple[int, ...]:
    """first_seed, first_seed + 1, …, as many as the parameter of that name says."""
    first = integer(values["first_seed"], "first_seed", at_least=0, at_most=2**63)
    return tuple(
        range(first, first + integer(values[networks], networks, at_least=1, at_most=MOST))
    )


def _only(values: dict, *names: str) -> dict:
    return {name: values[name] for name in names}


@planned
def copy_task(values: dict) -> list:
    """The copy task: two kinds of networks at the main size, and every construction at every
    size.
    """
    task = Copy(**_only(values, "symbols", "channels", "replay"))
    main, grid = _seeds(values), _seeds(values, "grid_networks")
    size = values["hidden_size"]
    wanted = [(size, kind, main) for kind in ("orthogonal", "cayley")]
    wanted += [(size, kind, grid) for size in values["sizes"] for kind in CONSTRUCTIONS]
    return [Study(task, copy_recipe(size, kind), seeds) for size, kind, seeds in wanted]


@planned
def schur_coordinates(values: dict) -> list:
    """Networks of the copy task, shared with the chapter on it."""
    task = Copy(**_only(values, "symbols", "channels"))
    return [Study(task, copy_recipe(values["hidden_size"], "orthogonal"), _seeds(values))]


def _paper(task, hidden_size: int, steps: int, seeds: tuple, **changes) -> Study:
    """By the recipe of the first paper's other tasks, with gradients clipped at 1, which the paper
    does not mention.
    """
    phases = (Phase(steps, 1e-3),)
    return Study(
        task, Recipe(hidden_size=hidden_size, phases=phases, clip_norm=1.0, **changes), seeds
    )


def _suite(values: dict, *tasks) -> list:
    """Tasks of the first paper, by its recipe."""
    size, steps = values["hidden_size"], values["training_steps"]
    return [_paper(task, size, steps, _seeds(values)) for task in tasks]


@planned
def flip_flop(values: dict) -> list:
    """The flip-flop."""
    return _suite(values, FlipFlop(**_only(values, "bits", "steps", "pulse_probability")))


@planned
def sine(values: dict) -> list:
    """Sine generation."""
    return _suite(values, Sine(**_only(values, "steps", "slowest", "fastest")))


@planned
def context_integration(values: dict) -> list:
    """Context-dependent integration."""
    return _suite(values, ContextIntegration(**_only(values, "steps", "drift", "noise")))


@planned
def across_tasks(values: dict) -> list:
    """The three tasks as they are, and their variants."""
    varied = (
        FlipFlop(pulse_probability=0.05),
        FlipFlop(pulse_probability=0.3),
        FlipFlop(steps=50),
        Sine(slowest=0.01, fastest=0.05),
        ContextIntegration(noise=0.5),
        ContextIntegration(steps=24),
    )
    size = values["hidden_size"], values["training_steps"], _seeds(values, "variant_networks")
    kinds = ({"activation": "relu"}, {"leak": values["leak"]})
    return [
        *_suite(values, *SUITE),
        *(_paper(task, *size) for task in varied),
        *(_paper(task, *size, **kind) for kind in kinds for task in SUITE),
    ]


@planned
def subspace_or_coupling(values: dict) -> list:
    """The three tasks as their own chapters train them."""
    return _suite(values, *SUITE)


@planned
def explore(values: dict) -> list:
    """The networks that readers take apart in the page: those of the chapters on the four tasks."""
    seeds = _seeds(values)
    copy = Study(Copy(), copy_recipe(72, "orthogonal"), seeds)
    return [*(_paper(task, 64, 3840, seeds) for task in SUITE), copy]


def _until(values: dict, task) -> list:
    """A task of the study of degeneracy: networks that stop at the paper's threshold."""
    phases = (Phase(values["training_steps"], values["learning_rate"]),)
    given = _only(values, "hidden_size", "batch_size", "epoch_steps")
    return [Study(task, degeneracy_recipe(task, phases=phases, **given), _seeds(values))]


@planned
def delayed_discrimination(values: dict) -> list:
    """Delayed discrimination."""
    return _until(values, DelayedDiscrimination(**_only(values, "shortest", "longest", "gap")))


@planned
def path_integration(values: dict) -> list:
    """Path integration."""
    return _until(values, PathIntegration(**_only(values, "dimensions", "steps", "speed")))


@planned
def three_levels(values: dict) -> list:
    """Two tasks of the study of degeneracy, at their own settings."""
    tasks, seeds = degeneracy_tasks(), _seeds(values)
    return [
        Study(tasks[name], degeneracy_recipe(tasks[name], values["hidden_size"]), seeds)
        for name in ("flip_flop", "delayed_discrimination")
    ]


@planned
def knobs(values: dict) -> list:
    """Every setting of every knob of degeneracy."""
    _seeds(values)  # says what is wrong with them before there are any
    return list(Design(**_only(values, *Design.__dataclass_fields__)).studies)


@planned
def is_the_profile_degenerate(values: dict) -> list:
    """The three tasks as the chapter across tasks trains them, and one task over widths and γ."""
    design = Design(
        tasks=(),
        delays=(),
        nuclear=(),
        l1=(),
        auxiliary=False,
        mup_tasks=("flip_flop",),
        networks=len(_seeds(values, "knob_networks")),
        **_only(values, "gammas", "widths", "first_seed"),
    )
    return [*_suite(values, *SUITE), *design.studies]


@planned
def modular_addition(values: dict) -> list:
    """Networks that add modulo p, and one on fewer training pairs whose course is shown."""
    check_count(3, "the least number of key frequencies", values["p"])
    seeds, size = _seeds(values), values["hidden_size"]

    def study(fraction, seeds, *recipe, **changes):
        task = ModularAddition(train_fraction=fraction, **_only(values, "p", "split_seed"))
        return Study(task, addition_recipe(*recipe, size, **changes), seeds)

    studies = [
        study(values["train_fraction"], seeds, values["training_steps"], values["weight_decay"])
    ]
    if values["slow_fraction"]:
        slow = values["slow_steps"], values["slow_decay"]
        studies.append(study(values["slow_fraction"], seeds[:1], *slow, checkpoints=48))
    return studies


@planned
def recipe_or_network(values: dict) -> list:
    """Networks that add modulo p by eight recipes, or two of them, as tuned."""
    check_count(values["sparse_at_most"], "sparse_at_most", values["p"])
    variants = addition.VARIANTS if values["every_variant"] else addition.PAIR
    given = _only(values, "clean_up", "most_steps", "split_seed", "p", "hidden_size")
    return list(addition.studies(_seeds(values), variants=variants, **given).values())


@planned
def schur_meets_fourier(values: dict) -> list:
    """The networks of the chapter on modular addition, and networks that report running sums."""
    task = RunningSum(p=values["running_p"], **_only(values, "operands", "split_seed"))
    recipe = addition_recipe(
        values["running_steps"],
        values["running_decay"],
        values["hidden_size"],
        checkpoints=2,
        batch_size=512,
    )
    return [
        *modular_addition({**values, "slow_fraction": 0}),
        Study(task, recipe, _seeds(values, "running_networks")),
    ]


@planned
def many_seeds(values: dict) -> list:
    """A small flip-flop at several sizes; what the chapter times is trained while it runs."""
    task, steps, seeds = FlipFlop(bits=2, steps=20), values["training_steps"], _seeds(values)
    return [_paper(task, size, steps, seeds) for size in values["sizes"]]
