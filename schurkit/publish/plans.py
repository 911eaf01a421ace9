"""What a chapter will have to train: the networks, and what they cost.

A notebook names its plan in its metadata, ``{"schurkit": {"plan": "copy_task"}}``; `schurkit.publish.chapter_plans` has a function of that name
from the chapter's parameters to the studies (`schurkit.training.Study`) it asks for. `--dry-run` adds up what they cost.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from schurkit._checks import InputError
from schurkit.publish.chapter_plans import plans
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
