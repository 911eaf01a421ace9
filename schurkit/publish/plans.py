"""What a chapter will have to train: the networks, and what they cost.

A notebook names its plan in its metadata, ``{"schurkit": {"plan": "copy_task"}}``; `plans` maps that name to a function from the chapter's
parameters to the studies it asks for. `--dry-run` adds up what they cost.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from schurkit._checks import InputError
from schurkit.publish.chapters import Chapter, suggestion


@dataclass(frozen=True, eq=False)
class Study:
    """Networks of one task and recipe, one a seed."""

    task: object
    recipe: object
    seeds: tuple[int, ...]


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


plans: dict[str, Callable[[dict], Iterable[Study]]] = {}


def cost_of(chapter: Chapter, values: dict, price: Callable[[Study], object] | None = None) -> Cost | None:
    """What a chapter with these parameters has to train; None for a chapter without a plan.

    Parameters
    ----------
    chapter : the chapter; its plan, if it has one, must be in `plans`.
    values : the parameters that differ from the defaults.
    price : from a study to an object with networks, stored, seconds and bytes; by default `schurkit.training.price`.
    """
    if chapter.plan is None:
        return None
    if chapter.plan not in plans:
        raise InputError(f"{chapter.name} names a plan {chapter.plan!r}{suggestion(chapter.plan, plans)}")
    if price is None:
        from schurkit.training import price
    everything = {**{parameter.name: parameter.default for parameter in chapter.parameters}, **values}
    total = Cost()
    for study in plans[chapter.plan](everything):
        total += price(study)
    return total


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
