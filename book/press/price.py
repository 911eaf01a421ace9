"""What training would take: networks that are stored already, seconds and bytes for the rest, told
within about a second whatever is asked for.

Steps are timed here, those of the longest trainings first, until the time for it is used up.
Whatever was not timed, or is too large to be tried out, is priced by its multiplications at the
rate of the timed training that is nearest to it in size.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import chain
from math import log
from timeit import repeat
from typing import NamedTuple

import numpy as np

from schurkit.engine import choose
from schurkit.engine.numpy import one_blas_thread
from schurkit.store import Store, record_of
from schurkit.tasks import FlipFlop
from schurkit.training.loop import fit
from schurkit.training.recipe import Recipe
from schurkit.training.train import Study, networks_a_chunk
from schurkit.words import duration, plural

TIMED = 0.8
"""Seconds for timing steps."""
LARGEST = 4.5e8
"""Multiplications of a step that is tried out: about a tenth of a second."""


class Cost(NamedTuple):
    """What a chapter asks for: networks, how many of them are stored already, and seconds and bytes
    for the rest.
    """

    networks: int = 0
    stored: int = 0
    seconds: float = 0.0
    bytes: int = 0

    def __add__(self, other) -> Cost:
        return Cost(*map(sum, zip(self, other)))

    def __str__(self) -> str:
        networks = plural(self.networks, "network")
        if self.stored >= self.networks:
            return f"{networks}, all stored"
        stored = f" ({self.stored} stored)" if self.stored else ""
        return (
            f"{networks}{stored}, about {duration(self.seconds)} to train, "
            f"{_size(self.bytes)} on disk"
        )


def _size(count: int) -> str:
    for unit in ("B", "kB", "MB"):
        if count < 1000:
            return f"{count:.0f} {unit}"
        count /= 1000
    return f"{count:.1f} GB"


def plan(study: Study, **more) -> Cost:
    """Estimate what training a study would take, by timing a few steps of each phase here."""
    return plan_all([study], **more)[0]


def plan_all(
    studies: Sequence[Study], *, engine: str = "auto", store: Store | None = None
) -> list[Cost]:
    """`plan` for several studies, all within the same second."""
    chosen, store = choose(engine), Store() if store is None else store
    names = {path.stem.rpartition("-")[0] for path in store.folder.glob("*.json")}
    missing = [_missing(study, chosen, store, names) for study in studies]
    steps = [_steps(study, seeds) for study, seeds in zip(studies, missing)]
    rate = _rates([*chain(*steps)], chosen)
    found = []
    for study, seeds, mine in zip(studies, missing, steps):
        threads = min(chosen.workers_at_once, max(len(seeds), 1))
        # a fifth is added for what is not a step
        each = 1.2 * sum(step.times * step.work * rate(step.work) for step in mine)
        stored, size = len(study.seeds) - len(seeds), len(seeds) * _bytes(study)
        found.append(Cost(len(study.seeds), stored, each * len(seeds) / threads, size))
    return found


def _missing(study: Study, engine, store: Store, names: set[str]) -> list[int]:
    """The seeds that the store does not hold. Only those that a file there names are looked for, so
    it costs no more than the store is large.
    """
    record = record_of(study.task, study.recipe, study.seeds[0], engine)
    start = store.name(record).rpartition("-seed")[0]
    return [
        seed
        for seed in study.seeds
        if f"{start}-seed{seed}" not in names or not store.holds(record | {"seed": seed})
    ]


def _bytes(study: Study) -> int:
    task, recipe = study.task, study.recipe
    parameters = recipe.hidden_size * (recipe.hidden_size + task.input_size + task.output_size)
    parameters += (recipe.embedding_size or 0) * (recipe.hidden_size + task.input_size)
    return 4 * parameters * (1 + len(recipe.checkpoints)) + 4096


class _Step(NamedTuple):
    """A step of one phase: the study with that phase and the seeds to train alone,
    multiplications a network, how many such steps there are.
    """

    study: Study
    work: float
    times: int


def _steps(study: Study, seeds: list[int]) -> list[_Step]:
    """One a phase; none where nothing is to be trained."""
    if not seeds:
        return []
    found = []
    for (task, *_), phase in zip(study.recipe.schedule(study.task), study.recipe.phases):
        recipe = replace(study.recipe, checkpoints=(), until=None, phases=(phase,))
        due = replace(study, recipe=recipe, seeds=seeds)
        found.append(_Step(due, _work(task, recipe), phase.steps))
    return found


def _work(task, recipe: Recipe) -> float:
    """Multiplications of one step forwards, nearly: from the sizes alone, so that nothing large is
    made.
    """
    trials, steps = (
        recipe.batch_size or getattr(task, "train_size", None),
        getattr(task, "steps", None),
    )
    if trials is None or steps is None:
        trials, steps = task.batch([0], 0, recipe.batch_size).targets.shape[1:3]
    size, reads = recipe.hidden_size, task.output_size
    if recipe.batch_size is None and hasattr(task, "token_pairs"):
        return trials * size * reads + size**3
    return trials * steps * size * (size + task.input_size + reads) + size**3


def _rates(steps: list[_Step], engine) -> Callable[[float], float]:
    """Seconds a multiplication, by the work of a step: those of the nearest step that there was
    time for, those first of which all networks have most to multiply; of a plain training where
    that is none.
    """
    found, end = {}, time.monotonic() + TIMED
    with one_blas_thread(), np.errstate(over="ignore", invalid="ignore"):
        for step in sorted(steps, key=lambda step: -step.work * step.times * len(step.study.seeds)):
            if step.work <= LARGEST and step.work not in found and time.monotonic() < end:
                found[step.work] = _lap(step, engine) / step.work
        if steps and not found:
            (step,) = _steps(Study(FlipFlop(), Recipe(), (0,)), [0])
            found[step.work] = _lap(step, engine) / step.work
    return lambda work: found[min(found, key=lambda timed: abs(log(timed) - log(work)))]


def _lap(step: _Step, engine) -> float:
    """Seconds of a step a network: more steps less two of them, which leaves out the start and a
    first compilation.
    """
    study, (phase,) = step.study, step.study.recipe.phases
    whole = engine.networks_a_chunk is None  # a stack takes hardly longer than a network
    seeds = study.seeds[: networks_a_chunk(study, engine) if whole else 1]

    def took(count):
        recipe = replace(study.recipe, phases=(replace(phase, steps=count),))
        return min(repeat(lambda: fit(study.task, recipe, seeds, engine), number=1, repeat=2))

    more = int(min(20, max(1, 1e8 / step.work)))
    few, many = took(2), took(2 + more)
    lap = (many - few) / more
    # steps too short to tell from the clock's noise
    return (lap if lap > 0 else many / (2 + more)) / len(seeds)
