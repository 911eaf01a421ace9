"""What a chapter will have to train: the networks, and what they cost.

A notebook names its plan in its metadata, ``{"schurkit": {"plan": "copy_task"}}``; `plans` maps that name to a function from the chapter's
parameters to the studies (`schurkit.training.Study`) it asks for. `--dry-run` adds up what they cost.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from schurkit._checks import InputError
from schurkit.publish.chapters import Chapter, suggestion


@dataclass(frozen=True)
class Cost:
    """What a chapter asks for: networks, how many of them are stored already, and seconds and bytes for the rest."""

    networks: int = 0
    stored: int = 0
    seconds: float = 0.0
    bytes: int = 0

    def __add__(self, other) -> Cost:
        return Cost(self.networks + other.networks, self.stored + other.stored, self.seconds + other.seconds, self.bytes + other.bytes)

    def __str__(self) -> str:
        if self.stored >= self.networks:
            return f"{_count(self.networks)}, all stored"
        stored = f" ({self.stored} stored)" if self.stored else ""
        return f"{_count(self.networks)}{stored}, about {_minutes(self.seconds)} to train, {_size(self.bytes)} on disk"


def copy_task(values: dict) -> list:
    """The copy task: two kinds of networks at the main size, and every construction at every size."""
    from schurkit.tasks import Copy
    from schurkit.training import CONSTRUCTIONS, Study, copy_recipe

    task = Copy(symbols=values["symbols"], channels=values["channels"], replay=values["replay"])
    first = values["first_seed"]
    main = range(first, first + values["networks"])
    grid = range(first, first + values["grid_networks"])
    studies = [Study(task, copy_recipe(values["hidden_size"], kind), tuple(main)) for kind in ("orthogonal", "cayley")]
    return studies + [Study(task, copy_recipe(size, kind), tuple(grid)) for size in values["sizes"] for kind in CONSTRUCTIONS]


def schur_coordinates(values: dict) -> list:
    """Networks of the copy task, shared with the chapter on it."""
    from schurkit.tasks import Copy
    from schurkit.training import Study, copy_recipe

    seeds = range(values["first_seed"], values["first_seed"] + values["networks"])
    task = Copy(symbols=values["symbols"], channels=values["channels"])
    return [Study(task, copy_recipe(values["hidden_size"], "orthogonal"), tuple(seeds))]


def _suite(values: dict, task) -> list:
    """One task of the cross-task suite with the paper's recipe."""
    from schurkit.training import Phase, Recipe, Study

    seeds = range(values["first_seed"], values["first_seed"] + values["networks"])
    return [Study(task, Recipe(hidden_size=values["hidden_size"], phases=(Phase(values["training_steps"], 1e-3),)), tuple(seeds))]


def flip_flop(values: dict) -> list:
    """The flip-flop."""
    from schurkit.tasks import FlipFlop

    return _suite(values, FlipFlop(bits=values["bits"], steps=values["steps"], pulse_probability=values["pulse_probability"]))


def sine(values: dict) -> list:
    """Sine generation."""
    from schurkit.tasks import Sine

    return _suite(values, Sine(steps=values["steps"], slowest=values["slowest"], fastest=values["fastest"]))


def context_integration(values: dict) -> list:
    """Context-dependent integration."""
    from schurkit.tasks import ContextIntegration

    return _suite(values, ContextIntegration(steps=values["steps"], drift=values["drift"], noise=values["noise"]))


def across_tasks(values: dict) -> list:
    """The three tasks as they are, and their variants."""
    from schurkit.tasks import ContextIntegration, FlipFlop, Sine
    from schurkit.training import Phase, Recipe, Study

    first, few = values["first_seed"], values["variant_networks"]
    base = {"hidden_size": values["hidden_size"], "phases": (Phase(values["training_steps"], 1e-3),)}
    tasks = (FlipFlop(), Sine(), ContextIntegration())
    varied = [FlipFlop(pulse_probability=0.05), FlipFlop(pulse_probability=0.3), FlipFlop(steps=50), Sine(slowest=0.01, fastest=0.05)]
    varied += [ContextIntegration(noise=0.5), ContextIntegration(steps=24)]
    studies = [Study(task, Recipe(**base), tuple(range(first, first + values["networks"]))) for task in tasks]
    studies += [Study(task, Recipe(**base), tuple(range(first, first + few))) for task in varied]
    kinds = ({"activation": "relu"}, {"leak": values["leak"]})
    return studies + [Study(task, Recipe(**base, **kind), tuple(range(first, first + few))) for kind in kinds for task in tasks]


def subspace_or_coupling(values: dict) -> list:
    """The three tasks as their own chapters train them."""
    from schurkit.tasks import ContextIntegration, FlipFlop, Sine

    return [study for task in (FlipFlop(), Sine(), ContextIntegration()) for study in _suite(values, task)]


def explore(values: dict) -> list:
    """The networks that readers take apart in the page: those of the chapters on the four tasks."""
    from schurkit.tasks import ContextIntegration, Copy, FlipFlop, Sine
    from schurkit.training import Phase, Recipe, Study, copy_recipe

    seeds = tuple(range(values["first_seed"], values["first_seed"] + values["networks"]))
    recipe = Recipe(hidden_size=64, phases=(Phase(3840, 1e-3),))
    studies = [Study(task, recipe, seeds) for task in (FlipFlop(), Sine(), ContextIntegration())]
    return [*studies, Study(Copy(), copy_recipe(72, "orthogonal"), seeds)]


def modular_addition(values: dict) -> list:
    """Networks that add modulo p, and one on fewer training pairs whose course is shown."""
    from schurkit.tasks import ModularAddition
    from schurkit.training import Study, addition_recipe

    seeds = tuple(range(values["first_seed"], values["first_seed"] + values["networks"]))
    shared = {"p": values["p"], "split_seed": values["split_seed"]}
    recipe = addition_recipe(values["training_steps"], values["weight_decay"], values["hidden_size"])
    studies = [Study(ModularAddition(train_fraction=values["train_fraction"], **shared), recipe, seeds)]
    if values["slow_fraction"]:
        slow = addition_recipe(values["slow_steps"], values["slow_decay"], values["hidden_size"], checkpoints=48)
        studies.append(Study(ModularAddition(train_fraction=values["slow_fraction"], **shared), slow, seeds[:1]))
    return studies


def many_seeds(values: dict) -> list:
    """A small flip-flop at several sizes; what the chapter times is trained while it runs."""
    from schurkit.tasks import FlipFlop
    from schurkit.training import Phase, Recipe, Study

    seeds = tuple(range(values["first_seed"], values["first_seed"] + values["networks"]))
    recipes = [Recipe(hidden_size=size, phases=(Phase(values["training_steps"], 1e-3),)) for size in values["sizes"]]
    return [Study(FlipFlop(bits=2, steps=20), recipe, seeds) for recipe in recipes]


plans: dict[str, Callable[[dict], Iterable]] = {
    plan.__name__: plan
    for plan in (
        schur_coordinates,
        copy_task,
        flip_flop,
        sine,
        context_integration,
        across_tasks,
        subspace_or_coupling,
        explore,
        modular_addition,
        many_seeds,
    )
}


def cost_of(chapter: Chapter, values: dict, price: Callable[[object], object] | None = None) -> Cost | None:
    """What a chapter with these parameters has to train; None for a chapter without a plan.

    Parameters
    ----------
    chapter : the chapter; its plan, if it has one, must be in `plans`.
    values : the parameters that differ from the defaults.
    price : from a study to an object with networks, stored, seconds and bytes; by default what `schurkit.training.plan` estimates.
    """
    if chapter.plan is None:
        return None
    price = _price if price is None else price
    total = Cost()
    for study in studies_of(chapter, values):
        total += price(study)
    return total


def cost_of_all(chapter: Chapter, runs: Iterable[dict]) -> Cost:
    """What several runs of a chapter have to train together: a network that two of them ask for is trained once."""
    total = Cost()
    for study in merged(study for values in runs for study in studies_of(chapter, values)):
        total += _price(study)
    return total


def studies_of(chapter: Chapter, values: dict) -> list:
    """The studies a chapter with these parameters asks for, none of them twice; empty for a chapter without a plan."""
    if chapter.plan is None:
        return []
    if chapter.plan not in plans:
        raise InputError(f"{chapter.name} names a plan {chapter.plan!r}{suggestion(chapter.plan, plans)}")
    return merged(plans[chapter.plan]({**{parameter.name: parameter.default for parameter in chapter.parameters}, **values}))


def train_ahead(jobs: Iterable, folder) -> dict[str, dict]:
    """Train the networks of several chapters in one go, so that all processors are busy and shared networks are trained once.

    Parameters
    ----------
    jobs : the chapters with their parameters (`schurkit.publish.run.Job`). folder : of the store.

    Returns
    -------
    dict : for each chapter with a plan, its number of networks and the core-seconds that training all of them took, now or earlier.
    """
    from schurkit.training import Store, train_all

    wanted = {job.chapter.name: studies_of(job.chapter, job.values) for job in jobs}
    studies = merged(study for studies in wanted.values() for study in studies)
    if not studies:
        return {}
    seconds = {}
    for study, result in zip(studies, train_all(studies, store=Store(folder))):
        seconds.update({(repr(study.task), repr(study.recipe), seed): float(s) for seed, s in zip(study.seeds, result.seconds)})
    found = {}
    for name, mine in wanted.items():
        spent = [seconds[repr(study.task), repr(study.recipe), seed] for study in mine for seed in study.seeds]
        if spent:
            found[name] = {"networks": len(spent), "core_seconds": round(sum(spent), 1)}
    return found


def merged(studies: Iterable) -> list:
    """The studies with those of equal task and recipe put together: a network that two of them ask for is trained once."""
    found: list = []
    for study in studies:
        same = next((index for index, other in enumerate(found) if (other.task, other.recipe) == (study.task, study.recipe)), None)
        if same is None:
            found.append(study)
        else:
            found[same] = replace(study, seeds=tuple(dict.fromkeys((*found[same].seeds, *study.seeds))))
    return found


def _price(study):
    from schurkit.training import plan

    return plan(study)


def _count(networks: int) -> str:
    return f"{networks} network" + ("" if networks == 1 else "s")


def _minutes(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _size(count: int) -> str:
    for unit in ("B", "kB", "MB"):
        if count < 1000:
            return f"{count:.0f} {unit}"
        count /= 1000
    return f"{count:.1f} GB"
