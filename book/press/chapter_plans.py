"""The networks that each chapter trains: one function a chapter, from its parameters to studies
(`schurkit.training.Study`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from schurkit.checks import integer

MOST = 10_000
"""Networks of one kind that a chapter may ask for: above it, a slip of the pen is more likely than
a plan.
"""

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


@planned
def copy_task(values: dict) -> list:
    """The copy task: two kinds of networks at the main size, and every construction at every
    size.
    """
    from schurkit.tasks import Copy
    from schurkit.training import CONSTRUCTIONS, Study, copy_recipe

    task = Copy(symbols=values["symbols"], channels=values["channels"], replay=values["replay"])
    main, grid = _seeds(values), _seeds(values, "grid_networks")
    studies = [
        Study(task, copy_recipe(values["hidden_size"], kind), main)
        for kind in ("orthogonal", "cayley")
    ]
    return studies + [
        Study(task, copy_recipe(size, kind), grid)
        for size in values["sizes"]
        for kind in CONSTRUCTIONS
    ]


@planned
def schur_coordinates(values: dict) -> list:
    """Networks of the copy task, shared with the chapter on it."""
    from schurkit.tasks import Copy
    from schurkit.training import Study, copy_recipe

    task = Copy(symbols=values["symbols"], channels=values["channels"])
    return [Study(task, copy_recipe(values["hidden_size"], "orthogonal"), _seeds(values))]


def _paper(hidden_size: int, steps: int, **changes):
    """The recipe of the first paper's other tasks, with gradients clipped at 1, which the paper
    does not mention.
    """
    from schurkit.training import Phase, Recipe

    return Recipe(hidden_size=hidden_size, phases=(Phase(steps, 1e-3),), clip_norm=1.0, **changes)


def _suite(values: dict, task) -> list:
    """One task of the first paper, by its recipe."""
    from schurkit.training import Study

    return [Study(task, _paper(values["hidden_size"], values["training_steps"]), _seeds(values))]


@planned
def flip_flop(values: dict) -> list:
    """The flip-flop."""
    from schurkit.tasks import FlipFlop

    return _suite(
        values,
        FlipFlop(
            bits=values["bits"],
            steps=values["steps"],
            pulse_probability=values["pulse_probability"],
        ),
    )


@planned
def sine(values: dict) -> list:
    """Sine generation."""
    from schurkit.tasks import Sine

    return _suite(
        values, Sine(steps=values["steps"], slowest=values["slowest"], fastest=values["fastest"])
    )


@planned
def context_integration(values: dict) -> list:
    """Context-dependent integration."""
    from schurkit.tasks import ContextIntegration

    return _suite(
        values,
        ContextIntegration(steps=values["steps"], drift=values["drift"], noise=values["noise"]),
    )


@planned
def across_tasks(values: dict) -> list:
    """The three tasks as they are, and their variants."""
    from schurkit.tasks import ContextIntegration, FlipFlop, Sine
    from schurkit.training import Study

    seeds, few = _seeds(values), _seeds(values, "variant_networks")
    size = values["hidden_size"], values["training_steps"]
    tasks = (FlipFlop(), Sine(), ContextIntegration())
    varied = [
        FlipFlop(pulse_probability=0.05),
        FlipFlop(pulse_probability=0.3),
        FlipFlop(steps=50),
        Sine(slowest=0.01, fastest=0.05),
    ]
    varied += [ContextIntegration(noise=0.5), ContextIntegration(steps=24)]
    studies = [Study(task, _paper(*size), seeds) for task in tasks]
    studies += [Study(task, _paper(*size), few) for task in varied]
    kinds = ({"activation": "relu"}, {"leak": values["leak"]})
    return studies + [Study(task, _paper(*size, **kind), few) for kind in kinds for task in tasks]


@planned
def subspace_or_coupling(values: dict) -> list:
    """The three tasks as their own chapters train them."""
    from schurkit.tasks import ContextIntegration, FlipFlop, Sine

    return [
        study
        for task in (FlipFlop(), Sine(), ContextIntegration())
        for study in _suite(values, task)
    ]


@planned
def explore(values: dict) -> list:
    """The networks that readers take apart in the page: those of the chapters on the four tasks."""
    from schurkit.tasks import ContextIntegration, Copy, FlipFlop, Sine
    from schurkit.training import Study, copy_recipe

    seeds = _seeds(values)
    studies = [
        Study(task, _paper(64, 3840), seeds) for task in (FlipFlop(), Sine(), ContextIntegration())
    ]
    return [*studies, Study(Copy(), copy_recipe(72, "orthogonal"), seeds)]


def _until(values: dict, task) -> list:
    """A task of the study of degeneracy: networks that stop at the paper's threshold."""
    from schurkit.training import Phase, Study, degeneracy_recipe

    phases = (Phase(values["training_steps"], values["learning_rate"]),)
    recipe = degeneracy_recipe(
        task,
        values["hidden_size"],
        phases=phases,
        batch_size=values["batch_size"],
        epoch_steps=values["epoch_steps"],
    )
    return [Study(task, recipe, _seeds(values))]


@planned
def delayed_discrimination(values: dict) -> list:
    """Delayed discrimination."""
    from schurkit.tasks import DelayedDiscrimination

    return _until(
        values,
        DelayedDiscrimination(
            shortest=values["shortest"], longest=values["longest"], gap=values["gap"]
        ),
    )


@planned
def path_integration(values: dict) -> list:
    """Path integration."""
    from schurkit.tasks import PathIntegration

    return _until(
        values,
        PathIntegration(
            dimensions=values["dimensions"], steps=values["steps"], speed=values["speed"]
        ),
    )


@planned
def three_levels(values: dict) -> list:
    """Two tasks of the study of degeneracy, at their own settings."""
    from schurkit.training import Study, degeneracy_recipe, degeneracy_tasks

    seeds = _seeds(values)
    tasks = degeneracy_tasks()
    return [
        Study(tasks[name], degeneracy_recipe(tasks[name], values["hidden_size"]), seeds)
        for name in ("flip_flop", "delayed_discrimination")
    ]


@planned
def knobs(values: dict) -> list:
    """Every setting of every knob of degeneracy."""
    from schurkit.studies import Design

    _seeds(values)  # says what is wrong with them before there are any
    return list(Design(**{name: values[name] for name in Design.__dataclass_fields__}).studies)


@planned
def is_the_profile_degenerate(values: dict) -> list:
    """The three tasks as the chapter across tasks trains them, and one task over widths and γ."""
    from schurkit.studies import Design
    from schurkit.tasks import ContextIntegration, FlipFlop, Sine

    same = {
        "training_steps": values["training_steps"],
        "hidden_size": values["hidden_size"],
        "first_seed": values["first_seed"],
    }
    studies = [
        study
        for task in (FlipFlop(), Sine(), ContextIntegration())
        for study in _suite(same | {"networks": values["networks"]}, task)
    ]
    empty = dict.fromkeys(("tasks", "delays", "nuclear", "l1"), ()) | {
        "auxiliary": False,
        "mup_tasks": ("flip_flop",),
    }
    given = {name: values[name] for name in ("gammas", "widths", "first_seed")} | {
        "networks": len(_seeds(values, "knob_networks"))
    }
    return studies + list(Design(**empty | given).studies)


@planned
def modular_addition(values: dict) -> list:
    """Networks that add modulo p, and one on fewer training pairs whose course is shown."""
    from schurkit.fourier import check_count
    from schurkit.tasks import ModularAddition
    from schurkit.training import Study, addition_recipe

    check_count(3, "the least number of key frequencies", values["p"])
    seeds = _seeds(values)
    shared = {"p": values["p"], "split_seed": values["split_seed"]}
    recipe = addition_recipe(
        values["training_steps"], values["weight_decay"], values["hidden_size"]
    )
    studies = [
        Study(ModularAddition(train_fraction=values["train_fraction"], **shared), recipe, seeds)
    ]
    if values["slow_fraction"]:
        slow = addition_recipe(
            values["slow_steps"], values["slow_decay"], values["hidden_size"], checkpoints=48
        )
        studies.append(
            Study(
                ModularAddition(train_fraction=values["slow_fraction"], **shared), slow, seeds[:1]
            )
        )
    return studies


@planned
def recipe_or_network(values: dict) -> list:
    """Networks that add modulo p by eight recipes, or two of them, as tuned."""
    from schurkit.fourier import check_count
    from schurkit.studies import addition

    check_count(values["sparse_at_most"], "sparse_at_most", values["p"])
    variants = addition.VARIANTS if values["every_variant"] else addition.PAIR
    names = ("clean_up", "most_steps", "split_seed", "p", "hidden_size")
    return list(
        addition.studies(
            _seeds(values), variants=variants, **{name: values[name] for name in names}
        ).values()
    )


@planned
def schur_meets_fourier(values: dict) -> list:
    """The networks of the chapter on modular addition, and networks that report running sums."""
    from schurkit.tasks import RunningSum
    from schurkit.training import Study, addition_recipe

    task = RunningSum(
        p=values["running_p"], operands=values["operands"], split_seed=values["split_seed"]
    )
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
    from schurkit.tasks import FlipFlop
    from schurkit.training import Study

    seeds = _seeds(values)
    return [
        Study(FlipFlop(bits=2, steps=20), _paper(size, values["training_steps"]), seeds)
        for size in values["sizes"]
    ]
