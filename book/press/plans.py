"""What a chapter will have to train: the networks, and what they cost.

A notebook names its plan in its metadata, ``{"schurkit": {"plan": "copy_task"}}``;
`schurkit_press.chapter_plans` has a function of that name from the chapter's parameters to the
studies (`schurkit.training.Study`) it asks for. `--dry-run` adds up what they cost.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from schurkit.checks import InputError

from .chapter_plans import plans
from .chapters import Chapter, suggestion

MOST_VALUES = 50
"""Values of a list among a chapter's parameters: more are a slip of the pen."""


@dataclass(frozen=True)
class Cost:
    """What a chapter asks for: networks, how many of them are stored already, and seconds and bytes
    for the rest.
    """

    networks: int = 0
    stored: int = 0
    seconds: float = 0.0
    bytes: int = 0

    def __add__(self, other) -> Cost:
        return Cost(
            self.networks + other.networks,
            self.stored + other.stored,
            self.seconds + other.seconds,
            self.bytes + other.bytes,
        )

    def __str__(self) -> str:
        if self.stored >= self.networks:
            return f"{_count(self.networks)}, all stored"
        stored = f" ({self.stored} stored)" if self.stored else ""
        return (
            f"{_count(self.networks)}{stored}, about {_minutes(self.seconds)} to train, "
            f"{_size(self.bytes)} on disk"
        )


def costs_of(asked: Sequence[Sequence]) -> tuple[list[Cost], Cost]:
    """What each of several lists of studies takes, and all of them together: a network that two of
    them ask for is trained once.
    """
    together = merged(study for studies in asked for study in studies)
    found = iter(_priced([*(study for studies in asked for study in studies), *together]))
    each = [sum((next(found) for _ in studies), Cost()) for studies in asked]
    return each, sum(found, Cost())


def studies_of(chapter: Chapter, values: dict) -> list:
    """The studies a chapter with these parameters asks for, none of them twice; empty for a chapter
    without a plan.

    Raises
    ------
    InputError : a value that the task, the recipe or the number of networks cannot have; the
        message names the parameter.
    """
    if chapter.plan is None:
        return []
    if chapter.plan not in plans:
        raise InputError(
            f"{chapter.name} names a plan {chapter.plan!r}{suggestion(chapter.plan, plans)}"
        )
    for name, value in values.items():
        if isinstance(value, list) and len(value) > MOST_VALUES:
            raise InputError(f"{name} must have at most {MOST_VALUES} values; got {len(value):,}.")
    plan, defaults = (
        plans[chapter.plan],
        {parameter.name: parameter.default for parameter in chapter.parameters},
    )
    try:
        return merged(plan({**defaults, **values}))
    except InputError as error:
        blamed = [
            name for name in values if _stands(plan, {**defaults, **values, name: defaults[name]})
        ] or list(values)
        told = ", ".join(f"{name} = {values[name]!r}" for name in blamed)
        raise InputError(
            str(error)
            if not blamed or str(error).startswith(f"{blamed[0]} ")
            else f"with {told}: {error}"
        ) from None


def _stands(plan, values: dict) -> bool:
    try:
        plan(values)
    except InputError:
        return False
    return True


def train_ahead(jobs: Iterable, folder) -> dict[str, dict]:
    """Train the networks of several chapters in one go, so that all processors are busy and shared
    networks are trained once.

    Parameters
    ----------
    jobs : the chapters with their parameters (`schurkit_press.run.Job`).
    folder : of the store.

    Returns
    -------
    dict : for each chapter with a plan, its number of networks and the core-seconds that training
        all of them took, now or earlier.
    """
    from schurkit.training import Store, train_all

    wanted = {job.chapter.name: studies_of(job.chapter, job.values) for job in jobs}
    studies = merged(study for studies in wanted.values() for study in studies)
    if not studies:
        return {}
    seconds = {}
    for study, result in zip(studies, train_all(studies, store=Store(folder))):
        seconds.update(
            {
                (repr(study.task), repr(study.recipe), seed): float(s)
                for seed, s in zip(study.seeds, result.seconds)
            }
        )
    found = {}
    for name, mine in wanted.items():
        spent = [
            seconds[repr(study.task), repr(study.recipe), seed]
            for study in mine
            for seed in study.seeds
        ]
        if spent:
            found[name] = {"networks": len(spent), "core_seconds": round(sum(spent), 1)}
    return found


def merged(studies: Iterable) -> list:
    """The studies with those of equal task and recipe put together: a network that two of them ask
    for is trained once.
    """
    found: dict = {}
    for study in studies:
        _, seeds = found.setdefault((study.task, study.recipe), (study, {}))
        seeds.update(dict.fromkeys(study.seeds))
    return [
        study if len(seeds) == len(study.seeds) else replace(study, seeds=tuple(seeds))
        for study, seeds in found.values()
    ]


def _priced(studies: list) -> list[Cost]:
    from .price import plan_all

    return [Cost(one.networks, one.stored, one.seconds, one.bytes) for one in plan_all(studies)]


def _count(networks: int) -> str:
    return f"{networks:,} network" + ("" if networks == 1 else "s")


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
