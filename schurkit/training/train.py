"""train: task + recipe + seeds → a stack of trained networks, from the store where it holds
them.
"""

from __future__ import annotations

import threading
import time
import warnings
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from schurkit.checks import InputError, integer
from schurkit.engine import choose, rollout
from schurkit.engine.numpy import one_blas_thread
from schurkit.store import Store, record_of
from schurkit.tasks.base import Task, check_task

from .loop import fit, network_of
from .recipe import Recipe
from .trained import Trained, gathered, packed
from .trainers import uses_tables


class TrainingWarning(UserWarning):
    """A network stopped before the end of its schedule."""


def train(
    task: Task,
    recipe: Recipe,
    seeds: Sequence[int],
    *,
    engine: str = "auto",
    store: Store | None = None,
    progress: bool | None = None,
) -> Trained:
    """Train one network a seed, or fetch it from the store.

    Parameters
    ----------
    task : follows `schurkit.tasks.base.Task`.
    recipe : how to train.
    seeds : whole numbers, each once. A network depends on its own seed, task, recipe and engine
        alone.
    engine : see `schurkit.engine.choose`. On a GPU as many networks are trained side by side as
        half of its free memory holds.
    store : where trained networks are kept; by default `Store()`.
    progress : show a bar with loss and time left; by default where there is a terminal.

    Returns
    -------
    Trained, networks in the order of `seeds`.

    Warns
    -----
    TrainingWarning : a network's loss was no longer finite; it stopped there and the others went
        on.

    Raises
    ------
    InputError : no seeds, a repeated seed, an object that is no task or recipe.

    Examples
    --------
    >>> import tempfile
    >>> from schurkit.tasks import Copy
    >>> from schurkit.training import Phase
    >>> recipe = Recipe(hidden_size=12, phases=(Phase(40, 1e-3),))
    >>> trained = train(Copy(2, 2, replay=4), recipe, seeds=[0, 1], store=Store(tempfile.mkdtemp()))
    >>> trained.rnn.labels
    (0, 1)
    """
    return train_all(
        [Study(task, recipe, tuple(seeds))], engine=engine, store=store, progress=progress
    )[0]


@dataclass(frozen=True, eq=False)
class Study:
    """Networks of one task and recipe, one a seed."""

    task: object
    recipe: Recipe
    seeds: tuple[int, ...]

    def __post_init__(self):
        check_task(self.task)
        if not isinstance(self.recipe, Recipe):
            raise InputError(f"recipe must be a schurkit.Recipe; got {type(self.recipe).__name__}.")
        seeds = tuple(integer(seed, "seed", at_least=0) for seed in self.seeds)
        if not seeds or len(set(seeds)) != len(seeds):
            raise InputError(
                f"seeds must be one or more different whole numbers; got {list(seeds)}."
            )
        object.__setattr__(self, "seeds", seeds)


def train_all(
    studies: Sequence[Study],
    *,
    engine: str = "auto",
    store: Store | None = None,
    progress: bool | None = None,
) -> list[Trained]:
    """`train` for several studies at once, so that few seeds of many recipes still keep all
    processors busy.

    Parameters
    ----------
    studies : each a task, a recipe and its seeds.
    engine, store, progress : as for `train`.

    Returns
    -------
    list of `Trained`, one a study.
    """
    store = Store() if store is None else store
    runs = [_Run(study, choose(engine), store) for study in studies]
    if any(run.missing for run in runs):
        _train_missing([run for run in runs if run.missing], progress)
    return [run.trained() for run in runs]


class _Run:
    """One study on its way: what the store held, and what is still missing."""

    def __init__(self, study, engine, store):
        self.study, self.engine, self.store = study, engine, store
        record = record_of(study.task, study.recipe, study.seeds[0], engine)
        self.records = {seed: record | {"seed": seed} for seed in study.seeds}
        there = {seed: store.read(record) for seed, record in self.records.items()}
        self.results = {seed: (*kept, True) for seed, kept in there.items() if kept is not None}
        self.missing = [seed for seed in study.seeds if seed not in self.results]

    def trained(self):
        return gathered(self.study, *zip(*(self.results[seed] for seed in self.study.seeds)))

    def work(self, chunk):
        recipe = self.study.recipe
        return len(chunk) * recipe.steps * recipe.hidden_size**2

    def keep(self, seed, fitted, seconds):
        arrays, losses = packed(fitted), fitted.losses
        found = {
            "score": _score(self.study.task, self.study.recipe, arrays, self.engine.name),
            "stopped": fitted.stopped,
            "seconds": seconds,
            "final_loss": float(losses[-1]) if len(losses) else None,
            "steps": fitted.steps,
            "reached": fitted.reached,
        }
        self.store.write(self.records[seed], arrays, found)
        self.results[seed] = (arrays, found, False)
        if fitted.stopped >= 0:
            warnings.warn(
                f"seed {seed} stopped at step {fitted.stopped}: its loss was no longer finite. "
                "Its last finite weights are kept and it counts as not converged.",
                TrainingWarning,
                stacklevel=5,
            )


def networks_a_chunk(study: Study, engine) -> int:
    """One where a network is computed by itself, else several whose products are done at once: on a
    GPU as many as it has memory for.
    """
    task, recipe = study.task, study.recipe
    if uses_tables(task, recipe):
        return 1
    if engine.networks_a_chunk is not None:
        return engine.networks_a_chunk
    shapes = [
        one.batch([study.seeds[0]], 0, recipe.batch_size).targets.shape[1:3]
        for one, _ in recipe.schedule(task)
    ]
    trials, steps = max(shapes, key=lambda shape: shape[0] * shape[1])
    return engine.most_networks(
        recipe.hidden_size, task.input_size, task.output_size, trials, steps
    )


def _score(task, recipe, arrays, engine):
    rnn = network_of(recipe, {name: array[None] for name, array in arrays.items()})
    trials = task.test_trials()
    value = float(task.metric.measure(rollout(rnn, trials, engine=engine).outputs, trials)[0])
    return value if np.isfinite(value) else float(np.finfo(float).max)


def _chunks(seeds, threads, most):
    """Even chunks of at most `most` networks, at least one a thread where there are enough
    networks.
    """
    count = max(-(-len(seeds) // most), min(threads, len(seeds)))
    count = min(len(seeds), -(-count // threads) * threads) if len(seeds) > threads else count
    bounds = np.linspace(0, len(seeds), count + 1).round().astype(int)
    return [seeds[a:b] for a, b in pairwise(bounds)]


def _train_missing(runs, progress):
    """Chunks side by side in threads (NumPy leaves the interpreter lock); each network is kept as
    soon as its chunk is done.
    """
    from tqdm import tqdm

    threads = min(run.engine.workers_at_once for run in runs)
    halt, lock = threading.Event(), threading.Lock()
    jobs = [
        (run, chunk)
        for run in runs
        for chunk in _chunks(run.missing, threads, networks_a_chunk(run.study, run.engine))
    ]
    jobs.sort(key=lambda job: -job[0].work(job[1]))  # the longest first
    steps = sum(len(chunk) * run.study.recipe.steps for run, chunk in jobs)
    bar = tqdm(
        total=steps,
        desc=f"train {runs[0].study.task.name}",
        unit="step",
        disable=None if progress is None else not progress,  # None: where there is no terminal
        leave=False,
    )
    with bar:

        def tick(networks, loss):
            if not bar.disable:
                with lock:
                    bar.set_postfix_str(f"loss {loss:.3g}", refresh=False)
                    bar.update(networks)
            return halt.is_set()

        def work(job):
            run, chunk = job
            start = time.perf_counter()
            with np.errstate(over="ignore", invalid="ignore"):
                fitted = fit(run.study.task, run.study.recipe, chunk, run.engine, tick)
            return run, chunk, fitted, (time.perf_counter() - start) / len(chunk)

        with one_blas_thread(), ThreadPoolExecutor(threads) as pool:
            pending = {pool.submit(work, job) for job in jobs}
            try:
                while pending:
                    done, pending = wait(pending, return_when=FIRST_COMPLETED)
                    # keep what is finished before raising
                    for future in sorted(done, key=lambda future: future.exception() is not None):
                        run, chunk, fitted, seconds = future.result()
                        for seed, one in zip(chunk, fitted):
                            run.keep(seed, one, seconds)
            except BaseException:
                halt.set()
                for future in pending:
                    future.cancel()
                raise
