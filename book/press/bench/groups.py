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
from dataclasses import dataclass

from schurkit.engine import available_threads

from . import gpu as gpu_cases
from .processes import Absent, Contender, Failed, Laps, Running, alternate
from .results import AT_MOST, Row, versus

TRAINERS, OTHERS, DISTANCES = (
    "schurkit_press.bench.trainers:",
    "schurkit_press.bench.others:",
    "schurkit_press.bench.degeneracy:",
)
WORKLOAD = {"hidden": 64, "batch": 64, "time": 48}


@dataclass(frozen=True)
class Settings:
    """How much is spent: repeats of each lap, seconds a lap, and whether the long cases are left
    out; where the group `gpu` computes.
    """

    repeats: int = 5
    seconds: float = 0.5
    quick: bool = False
    device: str = "cuda"


Found = tuple[list[Row], list[dict]]


def _times(laps: Laps, scale: float = 1e3) -> list[float]:
    """Milliseconds a unit of each lap."""
    return [scale / rate for rate in laps.rates]


def _row(
    group, what, peer, ours, other, missing, unit, target, sense="at least", note="", scale=1e3
) -> Row:
    """The row of two contenders, or of what is missing, with why."""
    gone = [missing[name] for name in (ours[0], other[0]) if name in missing]
    if gone:
        return Row(group, what, peer, unit=unit, target=target, sense=sense, note="; ".join(gone))
    return versus(
        group,
        what,
        peer,
        _times(ours[1], scale),
        _times(other[1], scale),
        unit,
        target,
        sense,
        note,
    )


def _same_work(ours: Laps, other: Laps, key: str = "loss") -> str:
    """A note where two contenders that should do the same work did not."""
    a, b = ours.facts.get(key), other.facts.get(key)
    if a is None or b is None or not abs(a - b) <= 0.02 * abs(a):
        return f"not the same work: {key} {a} and {b}"
    return ""


# ----------------------------------------------------------------------------------------- training
def training(settings: Settings) -> Found:
    """Whole trainings of 64 units on all processors against the loops a user would write."""
    cores = available_threads()
    networks = max(4, 2 * cores)
    steps = 400 if settings.quick else 1500
    contenders = [
        Contender("schurkit", TRAINERS + "schurkit_train", {**WORKLOAD, "networks": networks}),
        Contender("torch loop", TRAINERS + "torch_loop", WORKLOAD, needs="torch", extra="torch"),
        Contender(
            "torch, one process a core",
            TRAINERS + "torch_loop",
            {**WORKLOAD, "threads": 1},
            1,
            cores,
            "torch",
            "torch",
        ),
        Contender("JAX jit, one process a core", TRAINERS + "jax_loop", WORKLOAD, 1, cores, "jax"),
        Contender(
            "torch.func.vmap",
            TRAINERS + "torch_vmap",
            {**WORKLOAD, "networks": networks},
            needs="torch",
            extra="torch",
        ),
    ]
    if settings.quick:
        contenders.pop()
    laps, missing = alternate(
        contenders, settings.repeats, settings.seconds, {"schurkit": networks * steps}
    )
    rows = []
    for other, target in zip(contenders[1:], (9, 5.5, 1.9, None)):
        pair = [(name, laps.get(name)) for name in ("schurkit", other.name)]
        note = "" if None in (pair[0][1], pair[1][1]) else _same_work(pair[0][1], pair[1][1])
        what = f"train {networks} networks, {cores} cores"
        rows.append(
            _row("training", what, other.name, *pair, missing, "ms/step", target, note=note)
        )
    return rows, []


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
        case = WORKLOAD | {"hidden": hidden}
        contenders = [
            Contender(
                "numba",
                TRAINERS + "schurkit_fit",
                {**case, "networks": 1, "engine": "numba"},
                1,
                needs="numba",
                extra="fast",
            ),
            Contender(
                "torch loop",
                TRAINERS + "torch_loop",
                {**case, "threads": 1},
                1,
                needs="torch",
                extra="torch",
            ),
            Contender(
                "numpy", TRAINERS + "schurkit_fit", {**case, "networks": 4, "engine": "numpy"}, 1
            ),
        ]
        # So many steps that the start of a training, which the peers do not have in their laps,
        # hardly counts
        scale = 64**2 / hidden**2 * (0.4 if settings.quick else 1)
        steps = {"numba": int(1500 * scale), "numpy": 4 * int(300 * scale)}
        laps, missing = alternate(contenders, settings.repeats, settings.seconds, steps)
        other = ("torch loop", laps.get("torch loop"))
        for engine in ("numba", "numpy"):
            note = _same_work(laps[engine], other[1]) if engine in laps and other[1] else ""
            if halved and engine == "numpy":
                note = "; ".join(filter(None, [note, "OPENBLAS_CORETYPE=Haswell"]))
            what = f"{engine} engine, {hidden} units"
            pair = ((engine, laps.get(engine)), other)
            rows.append(
                _row(
                    "core",
                    what,
                    "torch loop",
                    *pair,
                    missing,
                    "ms/step",
                    targets.get((engine, hidden)),
                    note=note,
                )
            )
    return rows, []


# ---------------------------------------------------------------------------------------- ablations
def rollouts(settings: Settings) -> Found:
    """2,000 ablated networks of 64 units, each run over 256 trials of 48 steps, on one core."""
    variants = 400 if settings.quick else 2000
    case = {"hidden": 64, "trials": 256, "time": 48, "variants": variants}
    contenders = [
        Contender("schurkit", OTHERS + "schurkit_rollouts", case, 1),
        Contender(
            "torch loop",
            OTHERS + "torch_rollouts",
            {**case, "threads": 1},
            1,
            needs="torch",
            extra="torch",
        ),
    ]
    laps, missing = alternate(
        contenders, settings.repeats, settings.seconds, {"schurkit": variants}
    )
    pair = [(one.name, laps.get(one.name)) for one in contenders]
    note = "" if None in (pair[0][1], pair[1][1]) else _same_work(pair[0][1], pair[1][1], "check")
    what = f"{variants:,} ablated networks"
    return [_row("rollouts", what, "nn.RNN", *pair, missing, "ms/rollout", 4.5, note=note)], []


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
        contenders = [
            Contender("estimate", OTHERS + "estimated_effects", case, 1),
            Contender("auto", OTHERS + "exact_rollouts", case, 1),
        ]
        if hidden == 64 and task == "flip_flop" and not settings.quick:
            contenders.append(
                Contender("numpy", OTHERS + "exact_rollouts", case | {"engine": "numpy"}, 1)
            )
        fixed = {"auto": 1, "numpy": 1}
        laps, missing = alternate(contenders, 3 if hidden > 64 else settings.repeats, 0.2, fixed)
        for other in contenders[1:]:
            rows.append(_effects_row(task, hidden, steps, other.name, laps, missing))
    return rows, []


def _effects_row(task, hidden, steps, engine, laps, missing) -> Row:
    facts = laps[engine].facts if engine in laps else {}
    note = ""
    if facts:
        note = (
            f"{facts['couplings']:,} couplings, Spearman {facts['spearman']:.4f}; trained "
            f"{steps:,} steps, FVU {facts['score']:.3g}"
            f"{'' if facts['converged'] else ' (not converged)'}"
        )
    what = f"all couplings, {task.replace('_', ' ')}, {hidden} units"
    peer = "exact rollouts" + ("" if engine == "auto" else f", {engine} engine")
    pair = (("estimate", laps.get("estimate")), (engine, laps.get(engine)))
    return _row(
        "importance", what, peer, *pair, missing, "ms", {64: 12, 128: 50}[hidden], note=note
    )


def schur(settings: Settings) -> Found:
    """The ordered Schur form against LAPACK's own, in time (on one core) and backward error."""
    rows = []
    for hidden in (64, 256) if settings.quick else (64, 128, 256, 512, 1024):
        for kind in ("near-orthogonal",) if settings.quick else ("random", "near-orthogonal"):
            case = {"hidden": hidden, "kind": kind}
            contenders = [
                Contender("schurkit", OTHERS + "ordered_schur", case, 1),
                Contender("scipy", OTHERS + "plain_schur", case, 1),
            ]
            repeats = 3 if hidden >= 512 else settings.repeats
            seconds = 0.1 if settings.quick else min(settings.seconds, 0.3)
            laps, missing = alternate(
                contenders, repeats, seconds, {"schurkit": 1, "scipy": 1} if hidden >= 512 else None
            )
            pair = [(one.name, laps.get(one.name)) for one in contenders]
            note = (
                ""
                if missing
                else f"backward error {pair[0][1].facts['error']:.1e}, scipy "
                f"{pair[1][1].facts['error']:.1e}"
            )
            what = f"ordered form, {hidden} units, {kind}"
            rows.append(
                _row("schur", what, "scipy.linalg.schur", *pair, missing, "ms", 1.25, AT_MOST, note)
            )
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
        contenders = [
            Contender("14 starts", DISTANCES + "schurkit_dsa", case | {"starts": 14}, 1),
            Contender("200 starts", DISTANCES + "schurkit_dsa", case | {"starts": 200}, 1),
            Contender(
                "dsa-metric",
                DISTANCES + "dsa_metric",
                case | {"compared": compared, "threads": 1},
                1,
                needs="DSA",
            ),
        ]
        laps, missing = alternate(
            contenders,
            3,
            settings.seconds,
            {"14 starts": pairs, "200 starts": pairs, "dsa-metric": 1},
        )
        other = ("dsa-metric", laps.get("dsa-metric"))
        for one, least in zip(contenders[:2], (target, None)):
            note = _angles(laps[one.name], other[1], networks) if one.name in laps else ""
            what, ours = f"DSA, rank {rank}, {one.name}", (one.name, laps.get(one.name))
            rows.append(
                _row("dsa", what, "dsa-metric", ours, other, missing, "ms/pair", least, note=note)
            )
    return rows, []


def _angles(ours: Laps, other: Laps | None, networks: int) -> str:
    """What was found, on the pairs that both did."""
    found = f"planted copies found {ours.facts['planted']}/{networks}"
    if other is None:
        return found
    theirs = other.facts["angles"]
    pairs = list(zip(ours.facts["angles"], theirs))
    means = [statistics.mean(column) for column in zip(*pairs)]
    return (
        f"mean angle {means[0]:.4f}, theirs {means[1]:.4f} ({len(pairs)} pairs; worst pair "
        f"{max(a - b for a, b in pairs):+.4f}); {found}"
    )


# ---------------------------------------------------------------------------- memory, growth, start
def memory(settings: Settings) -> Found:
    """Peak memory of training so many networks of 64 units in one call, a fresh process each."""
    rows = []
    for networks in (64,) if settings.quick else (8, 64, 256, 1000):
        contender = Contender(
            f"{networks}", OTHERS + "training_memory", {**WORKLOAD, "networks": networks}
        )
        what, target = f"peak memory, {networks:,} networks", 4.0 if networks == 1000 else None
        try:
            with Running(contender) as running:
                peak, idle = running.lap(20).value, running.facts["idle"]
            rows.append(
                Row(
                    "memory",
                    what,
                    value=peak / 1e9,
                    unit="GB",
                    target=target,
                    sense=AT_MOST,
                    note=f"{idle / 1e9:.2f} GB after importing",
                )
            )
        except (Absent, Failed) as reason:
            rows.append(
                Row(
                    "memory",
                    what,
                    unit="GB",
                    target=target,
                    sense=AT_MOST,
                    note=f"failed: {reason}",
                )
            )
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
        what, unit = ("rollout", "ms/rollout") if axis == "couplings" else ("step", "ms/step")
        values = ", ".join(f"{point[axis]}: {point['milliseconds']:.3g}" for point in curve)
        rows.append(
            Row(
                "growth",
                f"{what} over {axis}, at {curve[-1][axis]}",
                value=curve[-1]["milliseconds"],
                unit=unit,
                note=values,
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
    imports = [_seconds_of(_IMPORT) for _ in range(settings.repeats)]
    rows = [
        Row(
            "start",
            "import schurkit, with all public names",
            value=statistics.median(imports),
            unit="s",
            target=0.5,
            sense=AT_MOST,
        )
    ]
    first, cached = "numba engine: first compilation", "numba engine: compiled before"
    with tempfile.TemporaryDirectory() as folder:
        kept = {} if settings.quick else {"NUMBA_CACHE_DIR": folder}
        try:
            seconds = _seconds_of(_FIRST, kept)
            again = [
                _seconds_of(_FIRST, kept) for _ in range(1 if settings.quick else settings.repeats)
            ]
        except Failed as reason:
            return [
                *rows,
                Row("start", first, unit="s", target=10, sense=AT_MOST, note=f"skipped: {reason}"),
            ], []
    if not settings.quick:
        rows.append(Row("start", first, value=seconds, unit="s", target=10, sense=AT_MOST))
    note = "with importing numba"
    return [
        *rows,
        Row(
            "start",
            cached,
            value=statistics.median(again),
            unit="s",
            target=0.5,
            sense=AT_MOST,
            note=note,
        ),
    ], []


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


# ----------------------------------------------------------------------------------------- on a GPU
def gpu(settings: Settings) -> Found:
    """Whole stacks trained on a GPU against nn.RNN in a loop and torch.func.vmap there; the goal is
    2e5 network-steps a second (256 of 64 units).
    """
    device = settings.device
    reason = gpu_cases.why_not(device)
    if reason:
        return [Row("gpu", "train stacks on a GPU", note=reason)], []
    rows = []
    for case, stacks in gpu_cases.cases(device, settings.quick):
        for networks in stacks:
            rows += _gpu_rows(case | {"device": device}, networks, settings)
    return rows, []


def _gpu_rows(case, networks, settings) -> list[Row]:
    ours, loop, mapped = "schurkit", "nn.RNN loop", "torch.func.vmap"
    threads = 1 if case["device"] == "cpu" else None
    makers = {
        ours: ("stack", {"networks": networks}),
        loop: ("nn_rnn", {}),
        mapped: ("mapped", {"networks": networks}),
    }
    if networks > gpu_cases.MOST_MAPPED:
        del makers[mapped]
    contenders = [
        Contender(name, gpu_cases.GPU + maker, case | more, threads)
        for name, (maker, more) in makers.items()
    ]
    laps, missing = alternate(contenders, settings.repeats, settings.seconds)
    what = f"{networks:,} network{'s' if networks > 1 else ''} of {case['hidden']} units"
    if ours in missing:
        return [Row("gpu", what, note=missing[ours])]
    facts = laps[ours].facts
    goal = (
        gpu_cases.GOAL if (case["device"], case["hidden"], networks) == ("cuda", 64, 256) else None
    )
    used = "" if facts["memory"] is None else f", {facts['memory'] / 1e9:.2f} GB"
    note = f"{facts['device']}{used}, batches drawn on the host"
    rows = [
        Row(
            "gpu",
            what,
            value=statistics.median(laps[ours].rates),
            unit="steps/s",
            target=goal,
            note=note,
        )
    ]
    for name in list(makers)[1:]:
        told = _same_work(laps[ours], laps[name]) if name in laps else ""
        rows.append(
            _row(
                "gpu",
                what,
                name,
                (ours, laps[ours]),
                (name, laps.get(name)),
                missing,
                "ms/step",
                None,
                note=told,
            )
        )
    return rows


GROUPS: dict[str, Callable[[Settings], Found]] = {
    group.__name__: group
    for group in (training, core, rollouts, importance, schur, dsa, memory, growth, start, gpu)
}
