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


plans: dict[str, Callable[[dict], Iterable]] = {"copy_task": copy_task}


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
    if chapter.plan not in plans:
        raise InputError(f"{chapter.name} names a plan {chapter.plan!r}{suggestion(chapter.plan, plans)}")
    price = _price if price is None else price
    everything = {**{parameter.name: parameter.default for parameter in chapter.parameters}, **values}
    total = Cost()
    for study in merged(plans[chapter.plan](everything)):
        total += price(study)
    return total


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
