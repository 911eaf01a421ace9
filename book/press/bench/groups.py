"""What is measured: groups of contenders with the targets that were set before, one function a
group.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace

from schurkit.engine import available_threads

from . import degeneracy, others, trainers
from .contest import FLOOR, Contest, Settings
from .gpu import gpu
from .own import own
from .processes import Absent, Contender, Failed, Running
from .results import AT_MOST, Row
from .sweeps import sweep

WORKLOAD = {"hidden": 64, "batch": 64, "time": 48}
FLOORS = {"target": 2, "sense": AT_MOST}
"""A training step may take twice as long as its matrix products."""


# ----------------------------------------------------------------------------------------- training
def training(settings: Settings) -> list[Row]:
    """Whole trainings of 64 units on all processors against the loops a user would write, and
    against their matrix products alone.
    """
    cores = available_threads()
    networks = max(4, 2 * cores)
    stack = WORKLOAD | {"networks": networks}
    loop = trainers.torch_loop
    peers = [
        Contender("torch loop", loop, WORKLOAD, needs="torch"),
        Contender("torch, one process a core", loop, WORKLOAD, 1, cores, "torch"),
        Contender("JAX jit, one process a core", trainers.jax_loop, WORKLOAD, 1, cores, "jax"),
        Contender("torch.func.vmap", trainers.torch_vmap, stack, needs="torch"),
    ][: 3 if settings.quick else 4]
    contenders = [
        Contender("schurkit", trainers.schurkit_train, stack),
        *peers,
        Contender(FLOOR, others.products, WORKLOAD, 1, cores),
    ]
    steps = networks * (400 if settings.quick else 1500)
    contest = Contest("training", contenders, settings, {"schurkit": steps})
    what = f"train {networks} networks, {cores} cores"
    targets = {"JAX jit, one process a core": 1.9}
    rows = [
        contest.row(what, "schurkit", name, "loss", unit="ms/step", target=targets.get(name))
        for name in (peer.name for peer in peers)
    ]
    return [*rows, contest.row(what, "schurkit", FLOOR, unit="ms/step", **FLOORS)]


def core(settings: Settings) -> list[Row]:
    """The training loop of each engine on one core against nn.RNN on one core, and against its
    matrix products alone.
    """
    rows = []
    halved = os.environ.get("OPENBLAS_CORETYPE", "").lower() == "haswell"
    for hidden in (64,) if settings.quick else (64, 128, 256):
        case, fit = WORKLOAD | {"hidden": hidden}, trainers.schurkit_fit
        contenders = [
            Contender("numba", fit, case | {"networks": 1, "engine": "numba"}, 1, needs="numba"),
            Contender("torch loop", trainers.torch_loop, case, 1, needs="torch"),
            Contender("numpy", fit, case | {"networks": 4, "engine": "numpy"}, 1),
            Contender(FLOOR, others.products, case, 1),
        ]
        # So many steps that the start of a training, which the peers do not have in their laps,
        # hardly counts
        scale = 64**2 / hidden**2 * (0.4 if settings.quick else 1)
        steps = {"numba": int(1500 * scale), "numpy": 4 * int(300 * scale)}
        contest = Contest("core", contenders, settings, steps)
        for engine in ("numba", "numpy"):
            what, unit = f"{engine} engine, {hidden} units", {"unit": "ms/step"}
            note = "OPENBLAS_CORETYPE=Haswell" if halved and engine == "numpy" else ""
            rows.append(contest.row(what, engine, "torch loop", "loss", note=note, **unit))
            if engine == "numba":
                rows.append(contest.row(what, engine, FLOOR, **unit, **FLOORS))
    return rows


# ---------------------------------------------------------------------------------------- ablations
def rollouts(settings: Settings) -> list[Row]:
    """2,000 ablated networks of 64 units, each run over 256 trials of 48 steps, on one core."""
    variants = 400 if settings.quick else 2000
    case = {"hidden": 64, "trials": 256, "time": 48, "variants": variants}
    work = {"hidden": 64, "batch": 256, "time": 48, "passes": 1}
    contenders = [
        Contender("schurkit", others.schurkit_rollouts, case, 1),
        Contender("nn.RNN", others.torch_rollouts, case, 1, needs="torch"),
        Contender(FLOOR, others.products, work, 1),
    ]
    contest = Contest("rollouts", contenders, settings, {"schurkit": variants})
    what, unit = f"{variants:,} ablated networks", {"unit": "ms/rollout"}
    return [
        contest.row(what, "schurkit", "nn.RNN", "check", **unit),
        contest.row(what, "schurkit", FLOOR, **unit),
    ]


def importance(settings: Settings) -> list[Row]:
    """The effects of all single couplings: the estimate against rollouts, in time (on one core) and
    in order.
    """
    tasks = ("flip_flop", "sine", "context_integration")
    cases = [*((task, 64, 3840, 12) for task in tasks), ("flip_flop", 128, 1920, 50)]
    rows = []
    for task, hidden, steps, target in cases[:1] if settings.quick else cases:
        case = {"task": task, "hidden": hidden, "steps": steps, "trials": 256}
        exact, what = others.exact_rollouts, f"all couplings, {task.replace('_', ' ')}"
        contenders = [
            Contender("estimate", others.estimated_effects, case, 1),
            Contender("auto", exact, case, 1),
            Contender("numpy", exact, case | {"engine": "numpy"}, 1),
        ]
        if settings.quick or hidden > 64 or task != "flip_flop":
            del contenders[2]
        spent = replace(settings, repeats=3 if hidden > 64 else settings.repeats, seconds=0.2)
        contest = Contest("importance", contenders, spent, {"auto": 1, "numpy": 1})
        for name in (one.name for one in contenders[1:]):
            note = _ordered(contest.facts(name), steps)
            peer = "exact rollouts" + ("" if name == "auto" else f", {name} engine")
            more = {"peer": peer, "target": target, "note": note}
            rows.append(contest.row(f"{what}, {hidden} units", "estimate", name, **more))
    return rows


def _ordered(facts: dict, steps: int) -> str:
    """How well the estimate orders the couplings, and of which network."""
    return facts and (
        f"{facts['couplings']:,} couplings, Spearman {facts['spearman']:.4f}; trained "
        f"{steps:,} steps, FVU {facts['score']:.3g}"
        f"{'' if facts['converged'] else ' (not converged)'}"
    )


def schur(settings: Settings) -> list[Row]:
    """The ordered Schur form against LAPACK's own, in time (on one core) and backward error."""
    rows = []
    seconds = 0.1 if settings.quick else min(settings.seconds, 0.3)
    for hidden in (64, 256) if settings.quick else (64, 128, 256, 512, 1024):
        for kind in ("near-orthogonal",) if settings.quick else ("random", "near-orthogonal"):
            case, large = {"hidden": hidden, "kind": kind}, hidden >= 512
            contenders = [
                Contender("schurkit", others.ordered_schur, case, 1),
                Contender("scipy.linalg.schur", others.plain_schur, case, 1),
            ]
            names = [one.name for one in contenders]
            spent = replace(settings, repeats=3 if large else settings.repeats, seconds=seconds)
            contest = Contest("schur", contenders, spent, dict.fromkeys(names, 1) if large else {})
            ours, plain = map(contest.facts, names)
            note = (
                ours and plain and f"backward error {ours['error']:.1e}, scipy {plain['error']:.1e}"
            )
            what = f"ordered form, {hidden} units, {kind}"
            rows.append(contest.row(what, *names, target=1.25, sense=AT_MOST, note=note))
    return rows


# ---------------------------------------------------------------------------------------- distances
def dsa(settings: Settings) -> list[Row]:
    """DSA distances of all pairs of trained networks, on one core, on the same operators: time,
    mean angle, planted copies.
    """
    networks, compared = (6, 3) if settings.quick else (20, 20)
    pairs, rows = networks * (networks - 1) // 2, []
    for rank, target in ((10, 200),) if settings.quick else ((10, 200), (20, 100), (30, 60)):
        case = {"networks": networks, "rank": rank}
        ours = degeneracy.schurkit_dsa
        contenders = [
            Contender("14 starts", ours, case | {"starts": 14}, 1),
            Contender("200 starts", ours, case | {"starts": 200}, 1),
            Contender(
                "dsa-metric", degeneracy.dsa_metric, case | {"compared": compared}, 1, needs="DSA"
            ),
        ]
        fixed = {"14 starts": pairs, "200 starts": pairs, "dsa-metric": 1}
        contest = Contest("dsa", contenders, replace(settings, repeats=3), fixed)
        theirs = contest.facts("dsa-metric")
        for name, least in (("14 starts", target), ("200 starts", None)):
            note = _angles(contest.facts(name), theirs, networks)
            more = {"unit": "ms/pair", "target": least, "note": note}
            rows.append(contest.row(f"DSA, rank {rank}, {name}", name, "dsa-metric", **more))
    return rows


def _angles(ours: dict, other: dict, networks: int) -> str:
    """The angles of the pairs that both did, and the planted copies found."""
    if not ours or not other:
        return ""
    pairs = list(zip(ours["angles"], other["angles"]))
    means = [statistics.mean(column) for column in zip(*pairs)]
    return (
        f"mean angle {means[0]:.4f}, theirs {means[1]:.4f} ({len(pairs)} pairs; worst pair "
        f"{max(a - b for a, b in pairs):+.4f}); planted copies found {ours['planted']}/{networks}"
    )


# ------------------------------------------------------------------------------------ memory, start
def memory(settings: Settings) -> list[Row]:
    """Peak memory of training so many networks of 64 units in one call, a fresh process each."""
    rows = []
    for networks in (64,) if settings.quick else (8, 64, 256, 1000):
        case, what = WORKLOAD | {"networks": networks}, f"peak memory, {networks:,} networks"
        target = 4.0 if networks == 1000 else None
        row = Row("memory", what, unit="GB", target=target, sense=AT_MOST)
        try:
            with Running(Contender(f"{networks}", others.training_memory, case)) as running:
                note = f"{running.facts['idle'] / 1e9:.2f} GB after importing"
                rows.append(replace(row, value=running.lap(20)[1] / 1e9, note=note))
        except (Absent, Failed) as reason:
            rows.append(row.noted(f"failed: {reason}"))
    return rows


_TIMED = "import time\n{}\nstart = time.perf_counter()\n{}\nprint(time.perf_counter() - start)"
_IMPORT = _TIMED.format("", "from schurkit import *")
_FIRST = _TIMED.format(
    "from schurkit_press.bench.trainers import task_and_recipe, fit, choose",
    "fit(*task_and_recipe(64, 64, 48, 2), [0], choose('numba'))",
)


def start(settings: Settings) -> list[Row]:
    """What comes before the first number: importing, the first compilation, loading what was
    compiled before.
    """

    def row(what, target, value=None, note=""):
        return Row("start", what, "", value, unit="s", target=target, sense=AT_MOST, note=note)

    imports = statistics.median(_seconds_of(_IMPORT) for _ in range(settings.repeats))
    rows = [row("import schurkit, with all public names", 0.5, imports)]
    first = "numba engine: first compilation"
    with tempfile.TemporaryDirectory() as folder:
        kept = {} if settings.quick else {"NUMBA_CACHE_DIR": folder}
        repeats = 1 if settings.quick else settings.repeats
        try:
            seconds = _seconds_of(_FIRST, kept)
            again = statistics.median(_seconds_of(_FIRST, kept) for _ in range(repeats))
        except Failed as reason:
            return [*rows, row(first, 10, note=f"skipped: {reason}")]
    rows += [] if settings.quick else [row(first, 10, seconds)]
    return [*rows, row("numba engine: compiled before", 0.5, again, "with importing numba")]


def _seconds_of(code: str, environment: dict | None = None) -> float:
    command, given = [sys.executable, "-c", code], {**os.environ, **(environment or {})}
    done = subprocess.run(command, capture_output=True, text=True, env=given)
    if done.returncode:
        raise Failed((done.stderr.strip().splitlines() or ["no reason given"])[-1])
    return float(done.stdout)


GROUPS: dict[str, Callable[[Settings], list[Row]]] = {
    group.__name__: group
    for group in (
        *(training, core, rollouts, importance, schur, dsa, memory, start),
        *(own, sweep, gpu),
    )
}
