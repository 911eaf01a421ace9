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

from .contest import Contest, Found, Settings
from .gpu import gpu
from .own import own
from .processes import Absent, Contender, Failed, Running
from .results import AT_MOST, Row
from .sweeps import sweep

TRAINERS = "schurkit_press.bench.trainers:"
OTHERS = "schurkit_press.bench.others:"
DISTANCES = "schurkit_press.bench.degeneracy:"
WORKLOAD = {"hidden": 64, "batch": 64, "time": 48}


# ----------------------------------------------------------------------------------------- training
def training(settings: Settings) -> Found:
    """Whole trainings of 64 units on all processors against the loops a user would write."""
    cores = available_threads()
    networks = max(4, 2 * cores)
    stack = WORKLOAD | {"networks": networks}
    loop, jax_loop = TRAINERS + "torch_loop", TRAINERS + "jax_loop"
    contenders = [
        Contender("schurkit", TRAINERS + "schurkit_train", stack),
        Contender("torch loop", loop, WORKLOAD, needs="torch"),
        Contender("torch, one process a core", loop, WORKLOAD, 1, cores, "torch"),
        Contender("JAX jit, one process a core", jax_loop, WORKLOAD, 1, cores, "jax"),
    ]
    if not settings.quick:
        vmap = TRAINERS + "torch_vmap"
        contenders.append(Contender("torch.func.vmap", vmap, stack, needs="torch"))
    steps = networks * (400 if settings.quick else 1500)
    contest = Contest("training", contenders, settings, {"schurkit": steps})
    what = f"train {networks} networks, {cores} cores"
    return [
        contest.row(what, "schurkit", other.name, unit="ms/step", target=target, same="loss")
        for other, target in zip(contenders[1:], (9, 5.5, 1.9, None))
    ], []


def core(settings: Settings) -> Found:
    """The training loop of each engine on one core against nn.RNN on one core."""
    rows = []
    halved = os.environ.get("OPENBLAS_CORETYPE", "").lower() == "haswell"
    targets = {
        ("numba", 64): 6,
        ("numba", 128): 3.8,
        ("numba", 256): 2.9,
        ("numpy", 64): 2.3 if halved else 3.5,
    }
    for hidden in (64,) if settings.quick else (64, 128, 256):
        case, fit = WORKLOAD | {"hidden": hidden}, TRAINERS + "schurkit_fit"
        contenders = [
            Contender("numba", fit, case | {"networks": 1, "engine": "numba"}, 1, needs="numba"),
            Contender("torch loop", TRAINERS + "torch_loop", case, 1, needs="torch"),
            Contender("numpy", fit, case | {"networks": 4, "engine": "numpy"}, 1),
        ]
        # So many steps that the start of a training, which the peers do not have in their laps,
        # hardly counts
        scale = 64**2 / hidden**2 * (0.4 if settings.quick else 1)
        steps = {"numba": int(1500 * scale), "numpy": 4 * int(300 * scale)}
        contest = Contest("core", contenders, settings, steps)
        rows += [
            contest.row(
                f"{engine} engine, {hidden} units",
                engine,
                "torch loop",
                unit="ms/step",
                target=targets.get((engine, hidden)),
                same="loss",
                note="OPENBLAS_CORETYPE=Haswell" if halved and engine == "numpy" else "",
            )
            for engine in ("numba", "numpy")
        ]
    return rows, []


# ---------------------------------------------------------------------------------------- ablations
def rollouts(settings: Settings) -> Found:
    """2,000 ablated networks of 64 units, each run over 256 trials of 48 steps, on one core."""
    variants = 400 if settings.quick else 2000
    case = {"hidden": 64, "trials": 256, "time": 48, "variants": variants}
    contenders = [
        Contender("schurkit", OTHERS + "schurkit_rollouts", case, 1),
        Contender("nn.RNN", OTHERS + "torch_rollouts", case, 1, needs="torch"),
    ]
    contest = Contest("rollouts", contenders, settings, {"schurkit": variants})
    what = f"{variants:,} ablated networks"
    row = contest.row(what, "schurkit", "nn.RNN", unit="ms/rollout", target=4.5, same="check")
    return [row], []


def importance(settings: Settings) -> Found:
    """The effects of all single couplings: the estimate against rollouts, in time (on one core) and
    in order.
    """
    cases = [
        ("flip_flop", 64, 3840),
        ("sine", 64, 3840),
        ("context_integration", 64, 3840),
        ("flip_flop", 128, 1920),
    ]
    rows = []
    for task, hidden, steps in cases[:1] if settings.quick else cases:
        case = {"task": task, "hidden": hidden, "steps": steps, "trials": 256}
        exact = OTHERS + "exact_rollouts"
        contenders = [
            Contender("estimate", OTHERS + "estimated_effects", case, 1),
            Contender("auto", exact, case, 1),
        ]
        if hidden == 64 and task == "flip_flop" and not settings.quick:
            contenders.append(Contender("numpy", exact, case | {"engine": "numpy"}, 1))
        spent = replace(settings, repeats=3 if hidden > 64 else settings.repeats, seconds=0.2)
        contest = Contest("importance", contenders, spent, {"auto": 1, "numpy": 1})
        rows += [
            contest.row(
                f"all couplings, {task.replace('_', ' ')}, {hidden} units",
                "estimate",
                other.name,
                peer="exact rollouts" + ("" if other.name == "auto" else f", {other.name} engine"),
                target={64: 12, 128: 50}[hidden],
                note=_ordered(contest.facts(other.name), steps),
            )
            for other in contenders[1:]
        ]
    return rows, []


def _ordered(facts: dict, steps: int) -> str:
    """How well the estimate orders the couplings, and of which network."""
    return facts and (
        f"{facts['couplings']:,} couplings, Spearman {facts['spearman']:.4f}; trained "
        f"{steps:,} steps, FVU {facts['score']:.3g}"
        f"{'' if facts['converged'] else ' (not converged)'}"
    )


def schur(settings: Settings) -> Found:
    """The ordered Schur form against LAPACK's own, in time (on one core) and backward error."""
    rows = []
    seconds = 0.1 if settings.quick else min(settings.seconds, 0.3)
    for hidden in (64, 256) if settings.quick else (64, 128, 256, 512, 1024):
        for kind in ("near-orthogonal",) if settings.quick else ("random", "near-orthogonal"):
            case, large = {"hidden": hidden, "kind": kind}, hidden >= 512
            contenders = [
                Contender("schurkit", OTHERS + "ordered_schur", case, 1),
                Contender("scipy.linalg.schur", OTHERS + "plain_schur", case, 1),
            ]
            fixed = {one.name: 1 for one in contenders} if large else None
            spent = replace(settings, repeats=3 if large else settings.repeats, seconds=seconds)
            contest = Contest("schur", contenders, spent, fixed)
            what = f"ordered form, {hidden} units, {kind}"
            row = contest.row(what, *(one.name for one in contenders), target=1.25, sense=AT_MOST)
            ours, plain = (contest.facts(one.name) for one in contenders)
            if ours and plain:
                row = row.noted(f"backward error {ours['error']:.1e}, scipy {plain['error']:.1e}")
                if not ours["compiled"]:
                    row = row.noted(row.note, "blocks swapped by LAPACK: numba is not there")
            rows.append(row)
    return rows, []


# ---------------------------------------------------------------------------------------- distances
def dsa(settings: Settings) -> Found:
    """DSA distances of all pairs of trained networks, on one core, on the same operators: time,
    mean angle, planted copies.
    """
    networks, compared = (6, 3) if settings.quick else (20, 20)
    pairs, rows = networks * (networks - 1) // 2, []
    for rank, target in ((10, 200),) if settings.quick else ((10, 200), (20, 100), (30, 60)):
        case = {"networks": networks, "rank": rank}
        ours, peer = DISTANCES + "schurkit_dsa", DISTANCES + "dsa_metric"
        contenders = [
            Contender("14 starts", ours, case | {"starts": 14}, 1),
            Contender("200 starts", ours, case | {"starts": 200}, 1),
            Contender("dsa-metric", peer, case | {"compared": compared}, 1, needs="DSA"),
        ]
        fixed = {"14 starts": pairs, "200 starts": pairs, "dsa-metric": 1}
        contest = Contest("dsa", contenders, replace(settings, repeats=3), fixed)
        rows += [
            contest.row(
                f"DSA, rank {rank}, {name}",
                name,
                "dsa-metric",
                unit="ms/pair",
                target=least,
                note=_angles(contest.facts(name), contest.facts("dsa-metric"), networks),
            )
            for name, least in (("14 starts", target), ("200 starts", None))
        ]
    return rows, []


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


# ---------------------------------------------------------------------------- memory, growth, start
def memory(settings: Settings) -> Found:
    """Peak memory of training so many networks of 64 units in one call, a fresh process each."""
    rows = []
    for networks in (64,) if settings.quick else (8, 64, 256, 1000):
        case = WORKLOAD | {"networks": networks}
        row = Row(
            "memory",
            f"peak memory, {networks:,} networks",
            unit="GB",
            target=4.0 if networks == 1000 else None,
            sense=AT_MOST,
        )
        try:
            with Running(Contender(f"{networks}", OTHERS + "training_memory", case)) as running:
                row = replace(row, value=running.lap(20).value / 1e9)
                rows.append(row.noted(f"{running.facts['idle'] / 1e9:.2f} GB after importing"))
        except (Absent, Failed) as reason:
            rows.append(row.noted(f"failed: {reason}"))
    return rows, []


def growth(settings: Settings) -> Found:
    """Own times over hidden size, time, batch, networks and couplings; the rows are those of the
    axes' ends.
    """
    case = {"seconds": 0.05 if settings.quick else 0.6, "laps": 3, "quick": settings.quick}
    try:
        with Running(Contender("growth", "schurkit_press.bench.growth:growth", case)) as running:
            points = running.facts["points"]
    except Failed as reason:
        return [Row("growth", "growth curves", note=f"failed: {reason}")], []
    rows = []
    for axis in dict.fromkeys(point["axis"] for point in points if point["axis"] != "corner"):
        curve = [point for point in points if point["axis"] == axis]
        unit = "rollout" if axis == "couplings" else "step"
        rows.append(
            Row(
                "growth",
                f"{unit} over {axis}, at {curve[-1][axis]}",
                value=curve[-1]["milliseconds"],
                unit=f"ms/{unit}",
                note=", ".join(f"{point[axis]}: {point['milliseconds']:.3g}" for point in curve),
            )
        )
    return rows, points


_IMPORT = """
import time
start = time.perf_counter()
from schurkit import *
print(time.perf_counter() - start)
"""
_FIRST = """
import time
from schurkit_press.bench.trainers import task_and_recipe, fit, choose
start = time.perf_counter()
fit(*task_and_recipe(64, 64, 48, 2), [0], choose("numba"))
print(time.perf_counter() - start)
"""


def start(settings: Settings) -> Found:
    """What comes before the first number: importing, the first compilation, loading what was
    compiled before.
    """

    def row(what, target, **more):
        return Row("start", what, unit="s", target=target, sense=AT_MOST, **more)

    imports = statistics.median(_seconds_of(_IMPORT) for _ in range(settings.repeats))
    rows = [row("import schurkit, with all public names", 0.5, value=imports)]
    with tempfile.TemporaryDirectory() as folder:
        kept = {} if settings.quick else {"NUMBA_CACHE_DIR": folder}
        repeats = 1 if settings.quick else settings.repeats
        first = "numba engine: first compilation"
        try:
            seconds = _seconds_of(_FIRST, kept)
            again = statistics.median(_seconds_of(_FIRST, kept) for _ in range(repeats))
        except Failed as reason:
            return [*rows, row(first, 10, note=f"skipped: {reason}")], []
    if not settings.quick:
        rows.append(row(first, 10, value=seconds))
    note = "with importing numba"
    return [*rows, row("numba engine: compiled before", 0.5, value=again, note=note)], []


def _seconds_of(code: str, environment: dict | None = None) -> float:
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env={**os.environ, **(environment or {})},
    )
    if done.returncode:
        raise Failed((done.stderr.strip().splitlines() or ["no reason given"])[-1])
    return float(done.stdout)


GROUPS: dict[str, Callable[[Settings], Found]] = {
    group.__name__: group
    for group in (
        *(training, core, rollouts, importance, schur, dsa, memory, growth, start),
        *(own, sweep, gpu),
    )
}
