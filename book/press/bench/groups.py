"""What is measured: groups of contenders with the targets that were set before, one function a
group.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import wraps
from statistics import fmean, median

from schurkit.engine import available_threads

from . import degeneracy, others, trainers
from .contest import FLOOR, Contest, Settings
from .gpu import gpu
from .own import own
from .processes import Contender, Missing, facts_of
from .results import AT_MOST, Row
from .sweeps import sweep

WORKLOAD = {"hidden": 64, "batch": 64, "time": 48}
FLOORS = {FLOOR: {"target": 2, "sense": AT_MOST}}
"""A training step may take twice as long as its matrix products."""
GROUPS: dict[str, Callable[[Settings], list[Row]]] = {}


def group(rows: Callable[[Settings], Iterable[Row]]) -> Callable[[Settings], list[Row]]:
    """A group of that function's name; its docstring stands above its table."""

    @wraps(rows)
    def measured(settings):
        return list(rows(settings))

    GROUPS[rows.__name__] = measured
    return measured


# ----------------------------------------------------------------------------------------- training
@group
def training(settings: Settings):
    """Whole trainings of 64 units on all processors against the loops a user would write, and
    against their matrix products alone.
    """
    cores = available_threads()
    networks = max(4, 2 * cores)
    stack, steps = WORKLOAD | {"networks": networks}, 400 if settings.quick else 1500
    loop, jax = trainers.torch_loop, "JAX jit, one process a core"
    contenders = [
        Contender("schurkit", trainers.schurkit_train, stack, units=networks * steps),
        Contender("torch loop", loop, WORKLOAD, needs="torch"),
        Contender("torch, one process a core", loop, WORKLOAD, 1, cores, "torch"),
        Contender(jax, trainers.jax_loop, WORKLOAD, 1, cores, "jax"),
        Contender("torch.func.vmap", trainers.torch_vmap, stack, needs="torch"),
        Contender(FLOOR, others.products, WORKLOAD, 1, cores),
    ]
    if settings.quick:
        del contenders[4]
    contest = Contest("training", contenders, settings, "loss")
    targets = {jax: {"target": 1.9}} | FLOORS
    return contest.rows(f"train {networks} networks, {cores} cores", **targets)


@group
def core(settings: Settings):
    """The training loop of each engine on one core against nn.RNN on one core, and against its
    matrix products alone.
    """
    halved = os.environ.get("OPENBLAS_CORETYPE", "").lower() == "haswell"
    note = "OPENBLAS_CORETYPE=Haswell" if halved else ""
    for hidden in (64,) if settings.quick else (64, 128, 256):
        case, fit = WORKLOAD | {"hidden": hidden}, trainers.schurkit_fit
        one, four = ({"networks": n, "engine": e} for n, e in ((1, "numba"), (4, "numpy")))
        # So many steps that the start of a training, which the peers do not have in their laps,
        # hardly counts
        scale = 64**2 / hidden**2 * (0.4 if settings.quick else 1)
        contenders = [
            Contender("numba", fit, case | one, 1, needs="numba", units=int(1500 * scale)),
            Contender("torch loop", trainers.torch_loop, case, 1, needs="torch"),
            Contender(FLOOR, others.products, case, 1),
            Contender("numpy", fit, case | four, 1, units=4 * int(300 * scale)),
        ]
        contest = Contest("core", contenders, settings, "loss")
        first, floor, _ = contest.rows(f"numba engine, {hidden} units", **FLOORS)
        yield from (first, floor)
        yield contest.row(f"numpy engine, {hidden} units", "numpy", "torch loop", note=note)


# ---------------------------------------------------------------------------------------- ablations
@group
def rollouts(settings: Settings):
    """2,000 ablated networks of 64 units, each run over 256 trials of 48 steps, on one core."""
    variants = 400 if settings.quick else 2000
    case = {"hidden": 64, "trials": 256, "time": 48, "variants": variants}
    work = {"hidden": 64, "batch": 256, "time": 48, "passes": 1}
    contenders = [
        Contender("schurkit", others.schurkit_rollouts, case, 1, units=variants),
        Contender("nn.RNN", others.torch_rollouts, case, 1, needs="torch"),
        Contender(FLOOR, others.products, work, 1),
    ]
    contest = Contest("rollouts", contenders, settings, "check", "ms/rollout")
    return contest.rows(f"{variants:,} ablated networks")


@group
def importance(settings: Settings):
    """The effects of all single couplings: the estimate against rollouts, in time (on one core) and
    in order.
    """
    tasks = ("flip_flop", "sine", "context_integration")
    cases = [*((task, 64, 3840, 12) for task in tasks), ("flip_flop", 128, 1920, 50)]
    for task, hidden, steps, target in cases[:1] if settings.quick else cases:
        case = {"task": task, "hidden": hidden, "steps": steps, "trials": 256}
        exact, what = others.exact_rollouts, f"all couplings, {task.replace('_', ' ')}"
        contenders = [
            Contender("estimate", others.estimated_effects, case, 1),
            Contender("auto", exact, case, 1, units=1),
            Contender("numpy", exact, case | {"engine": "numpy"}, 1, units=1),
        ]
        if settings.quick or hidden > 64 or task != "flip_flop":
            del contenders[2]
        spent = replace(settings, repeats=3 if hidden > 64 else settings.repeats, seconds=0.2)
        contest = Contest("importance", contenders, spent, unit="ms")
        for other, engine in zip(contest.names[1:], ("", ", numpy engine")):
            note = _ordered(contest.facts(other), steps)
            more = {"peer": f"exact rollouts{engine}", "target": target, "note": note}
            yield contest.row(f"{what}, {hidden} units", "estimate", other, **more)


def _ordered(facts: dict, steps: int) -> str:
    """How well the estimate orders the couplings, and of which network."""
    return facts and (
        f"{facts['couplings']:,} couplings, Spearman {facts['spearman']:.4f}; trained "
        f"{steps:,} steps, FVU {facts['score']:.3g}"
        f"{'' if facts['converged'] else ' (not converged)'}"
    )


@group
def schur(settings: Settings):
    """The ordered Schur form against LAPACK's own, in time (on one core) and backward error."""
    seconds = 0.1 if settings.quick else min(settings.seconds, 0.3)
    for hidden in (64, 256) if settings.quick else (64, 128, 256, 512, 1024):
        for kind in ("near-orthogonal",) if settings.quick else ("random", "near-orthogonal"):
            case, large = {"hidden": hidden, "kind": kind}, hidden >= 512
            makers = {"schurkit": others.ordered_schur, "scipy.linalg.schur": others.plain_schur}
            contenders = [Contender(*maker, case, 1, units=int(large)) for maker in makers.items()]
            spent = replace(settings, repeats=3 if large else settings.repeats, seconds=seconds)
            contest = Contest("schur", contenders, spent, unit="ms")
            ours, plain = map(contest.facts, makers)
            note = (
                ours and plain and f"backward error {ours['error']:.1e}, scipy {plain['error']:.1e}"
            )
            more = {"target": 1.25, "sense": AT_MOST, "note": note}
            yield contest.row(f"ordered form, {hidden} units, {kind}", *makers, **more)


# ---------------------------------------------------------------------------------------- distances
@group
def dsa(settings: Settings):
    """DSA distances of all pairs of trained networks, on one core, on the same operators: time,
    mean angle, planted copies.
    """
    networks, compared = (6, 3) if settings.quick else (20, 20)
    pairs, ours = networks * (networks - 1) // 2, degeneracy.schurkit_dsa
    for rank, target in ((10, 200),) if settings.quick else ((10, 200), (20, 100), (30, 60)):
        case = {"networks": networks, "rank": rank}
        other = case | {"compared": compared}
        contenders = [
            Contender("14 starts", ours, case | {"starts": 14}, 1, units=pairs),
            Contender("200 starts", ours, case | {"starts": 200}, 1, units=pairs),
            Contender("dsa-metric", degeneracy.dsa_metric, other, 1, needs="DSA", units=1),
        ]
        contest = Contest("dsa", contenders, replace(settings, repeats=3), unit="ms/pair")
        theirs = contest.facts("dsa-metric")
        for name, least in (("14 starts", target), ("200 starts", None)):
            more = {"target": least, "note": _angles(contest.facts(name), theirs, networks)}
            yield contest.row(f"DSA, rank {rank}, {name}", name, "dsa-metric", **more)


def _angles(ours: dict, other: dict, networks: int) -> str:
    """The angles of the pairs that both did, and the planted copies found."""
    if not ours or not other:
        return ""
    pairs = list(zip(ours["angles"], other["angles"]))
    mine, theirs = map(fmean, zip(*pairs))
    return (
        f"mean angle {mine:.4f}, theirs {theirs:.4f} ({len(pairs)} pairs; worst pair "
        f"{max(a - b for a, b in pairs):+.4f}); planted copies found {ours['planted']}/{networks}"
    )


# ------------------------------------------------------------------------------------ memory, start
@group
def memory(settings: Settings):
    """Peak memory of training so many networks of 64 units in one call, a fresh process each."""
    for networks in (64,) if settings.quick else (8, 64, 256, 1000):
        case = WORKLOAD | {"networks": networks}
        facts, note = facts_of(Contender(f"{networks}", others.training_memory, case))
        if facts:
            note = f"{facts['idle']:.2f} GB after importing"
        yield Row(
            "memory",
            f"peak memory, {networks:,} networks",
            value=facts.get("peak"),
            unit="GB",
            target=4.0 if networks == 1000 else None,
            sense=AT_MOST,
            note=note,
        )


_TIMED = "import time\n{}\nstart = time.perf_counter()\n{}\nprint(time.perf_counter() - start)"
_IMPORT = _TIMED.format("", "from schurkit import *")
_FIRST = _TIMED.format(
    "from schurkit_press.bench.trainers import task_and_recipe, fit, choose",
    "fit(*task_and_recipe(64, 64, 48, 2), [0], choose('numba'))",
)


@group
def start(settings: Settings):
    """What comes before the first number: importing, the first compilation, loading what was
    compiled before.
    """

    def row(what, target, value=None, note=""):
        return Row("start", what, "", value, unit="s", target=target, sense=AT_MOST, note=note)

    imports = median(_seconds_of(_IMPORT) for _ in range(settings.repeats))
    yield row("import schurkit, with all public names", 0.5, imports)
    first = "numba engine: first compilation"
    with tempfile.TemporaryDirectory() as folder:
        kept = {} if settings.quick else {"NUMBA_CACHE_DIR": folder}
        repeats = 1 if settings.quick else settings.repeats
        try:
            seconds = _seconds_of(_FIRST, kept)
            again = median(_seconds_of(_FIRST, kept) for _ in range(repeats))
        except Missing as reason:
            yield row(first, 10, note=f"skipped: {reason}")
            return
    if not settings.quick:
        yield row(first, 10, seconds)
    yield row("numba engine: compiled before", 0.5, again, "with importing numba")


def _seconds_of(code: str, environment: dict | None = None) -> float:
    command, given = [sys.executable, "-c", code], os.environ | (environment or {})
    done = subprocess.run(command, capture_output=True, text=True, env=given)
    if done.returncode:
        raise Missing((done.stderr.strip().splitlines() or ["no reason given"])[-1])
    return float(done.stdout)


own, sweep, gpu = map(group, (own, sweep, gpu))
