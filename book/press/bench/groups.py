"""What is measured: groups of contenders with the targets that were set before, one function a
group, which gives the rows of one case after the other.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import wraps
from itertools import chain, islice, product
from statistics import fmean

from schurkit.engine import available_threads
from schurkit.words import plural

from . import facts, others, trainers
from .contest import FLOOR, Contest, Settings, alone
from .processes import Contender
from .results import AT_MOST, Row

WORKLOAD = {"hidden": 64, "batch": 64, "time": 48}
FLOORS = {"target": 2, "sense": AT_MOST}
"""A training step may take twice as long as its matrix products."""
GROUPS: dict[str, Callable[[Settings], list[Row]]] = {}


def group(cases: Callable[[Settings], Iterable]) -> Callable[[Settings], list[Row]]:
    """A group of that function's name, whose docstring stands above its table; in a quick run its
    first case alone.
    """
    name = cases.__name__

    @wraps(cases)
    def measured(settings):
        rows = chain(*islice(cases(settings), 1 if settings.quick else None))
        return [replace(row, group=name) for row in rows]

    GROUPS[name] = measured
    return measured


# ----------------------------------------------------------------------------------------- training
@group
def training(settings: Settings):
    """Whole trainings of 64 units on all processors against the loops a user would write, and
    against their matrix products alone.
    """
    cores, case, loop = available_threads(), WORKLOAD, trainers.torch_loop
    networks = max(4, 2 * cores)
    stack, units = case | {"networks": networks}, networks * (400 if settings.quick else 1500)
    contenders = [
        Contender("schurkit", trainers.schurkit_fit, stack | {"stored": True}, units=units),
        Contender("torch loop", loop, case, needs="torch"),
        Contender("torch, one process a core", loop, case, 1, cores, "torch"),
        Contender("JAX jit, one process a core", trainers.jax_loop, case, 1, cores, "jax", 0, 1.9),
        Contender("torch.func.vmap", trainers.torch_vmap, stack, needs="torch"),
        Contender(FLOOR, others.products, case, 1, cores, **FLOORS),
    ]
    if settings.quick:
        del contenders[4]
    yield Contest(contenders, settings).rows(f"train {networks} networks, {cores} cores")


@group
def core(settings: Settings):
    """The training loop of each engine on one core against nn.RNN on one core, and against its
    matrix products alone.
    """
    halved = os.environ.get("OPENBLAS_CORETYPE", "").lower() == "haswell"
    note = "OPENBLAS_CORETYPE=Haswell" if halved else ""
    for hidden in (64, 128, 256):
        case, fit = WORKLOAD | {"hidden": hidden}, trainers.schurkit_fit
        numba, numpy = case | {"engine": "numba"}, case | {"engine": "numpy", "networks": 4}
        # So many steps that the start of a training, which the peers do not have in their laps,
        # hardly counts
        units = int(64**2 / hidden**2 * (600 if settings.quick else 1500))
        contenders = [
            Contender("numba", fit, numba, 1, needs="numba", units=units),
            Contender("torch loop", trainers.torch_loop, case, 1, needs="torch"),
            Contender(FLOOR, others.products, case, 1, **FLOORS),
            Contender("numpy", fit, numpy, 1, units=4 * (units // 5)),
        ]
        contest, what = Contest(contenders, settings), f"engine, {hidden} units"
        yield [
            contest.row(f"numba {what}", "numba", "torch loop"),
            contest.row(f"numba {what}", "numba", FLOOR),
            contest.row(f"numpy {what}", "numpy", "torch loop", note=note),
        ]


@group
def rollouts(settings: Settings):
    """2,000 ablated networks of 64 units, each run over 256 trials of 48 steps, on one core."""
    case = {"hidden": 64, "trials": 256, "time": 48, "variants": 2000}
    work = {"hidden": 64, "batch": 256, "time": 48, "passes": 1}
    contenders = [
        Contender("schurkit", others.schurkit_rollouts, case, 1, units=2000),
        Contender("nn.RNN", others.torch_rollouts, case, 1, needs="torch"),
        Contender(FLOOR, others.products, work, 1),
    ]
    yield Contest(contenders, settings, "ms/rollout").rows("2,000 ablated networks")


@group
def importance(settings: Settings):
    """The effects of all single couplings: the estimate against rollouts, in time (on one core) and
    in order.
    """
    tasks = ("flip_flop", "sine", "context_integration")
    cases = [*((task, 64, 3840, 12) for task in tasks), ("flip_flop", 128, 1920, 50)]
    for case in cases:
        task, hidden, _, target = case
        given = dict(zip(("task", "hidden", "steps"), case)) | {"trials": 256}
        engines = {"exact rollouts": "auto", "exact rollouts, numpy engine": "numpy"}
        if settings.quick or case != cases[0]:
            del engines["exact rollouts, numpy engine"]
        contenders = [Contender("estimate", others.effects, given, 1)]
        for name, engine in engines.items():
            by = given | {"engine": engine}
            contenders += [Contender(name, others.effects, by, 1, units=1, target=target)]
        spent = replace(settings, repeats=3 if hidden > 64 else settings.repeats, seconds=0.2)
        contest = Contest(contenders, spent, "ms", lambda _, exact: exact["note"])
        yield contest.rows(f"all couplings, {task.replace('_', ' ')}, {hidden} units")


@group
def schur(settings: Settings):
    """The ordered Schur form against LAPACK's own, in time (on one core) and backward error."""

    def errors(ours, plain):
        return f"backward error {ours['error']:.1e}, scipy {plain['error']:.1e}"

    for hidden, kind in product((64, 128, 256, 512, 1024), ("near-orthogonal", "random")):
        large, case = hidden >= 512, {"hidden": hidden, "kind": kind}
        alike, bound = {"threads": 1, "units": int(large)}, {"target": 1.25, "sense": AT_MOST}
        contenders = [
            Contender("schurkit", others.ordered_schur, case, **alike),
            Contender("scipy.linalg.schur", others.plain_schur, case, **alike, **bound),
        ]
        repeats = 3 if large else settings.repeats
        spent = replace(settings, repeats=repeats, seconds=min(settings.seconds, 0.3))
        what = f"ordered form, {hidden} units, {kind}"
        yield Contest(contenders, spent, "ms", errors).rows(what)


@group
def dsa(settings: Settings):
    """DSA distances of all pairs of trained networks, on one core, on the same operators: time,
    mean angle, planted copies.
    """

    def angles(ours, other):
        pairs = list(zip(ours["angles"], other["angles"]))
        mine, theirs = map(fmean, zip(*pairs))
        return (
            f"mean angle {mine:.4f}, theirs {theirs:.4f} ({len(pairs)} pairs; worst pair "
            f"{max(a - b for a, b in pairs):+.4f}); planted copies found {ours['planted']}"
        )

    networks, compared = (6, 3) if settings.quick else (20, 20)
    pairs, ours = networks * (networks - 1) // 2, others.schurkit_dsa
    for rank, target in ((10, 200), (20, 100), (30, 60)):
        case = {"networks": networks, "rank": rank}
        other = case | {"compared": compared}
        contenders = [
            Contender("14 starts", ours, case | {"starts": 14}, 1, units=pairs),
            Contender("200 starts", ours, case | {"starts": 200}, 1, units=pairs),
            Contender("dsa-metric", others.dsa_metric, other, 1, needs="DSA", units=1),
        ]
        contest = Contest(contenders, replace(settings, repeats=3), "ms/pair", angles)
        yield [
            contest.row(f"DSA, rank {rank}, {name}", name, "dsa-metric", target=least)
            for name, least in (("14 starts", target), ("200 starts", None))
        ]


# -------------------------------------------------------------------- what is held against no other
@group
def memory(settings: Settings):
    """Peak memory of training so many networks of 64 units in one call, a fresh process each."""
    for networks, target in ((8, None), (64, None), (256, None), (1000, 4.0)):
        what, case = f"peak memory, {networks:,} networks", WORKLOAD | {"networks": networks}
        yield alone(Contender(what, facts.training_memory, case), peak=target)


@group
def start(settings: Settings):
    """What comes before the first number: importing, the first compilation, loading what was
    compiled before.
    """
    imports = Contender("import schurkit, with all public names", facts.importing)
    again = Contender("numba engine: compiled before", facts.first_training, needs="numba")
    yield chain(*(alone(one, settings.repeats, seconds=0.5) for one in (imports, again)))
    first = replace(again, name="numba engine: first compilation", case={"compile": True})
    yield alone(first, seconds=10)


@group
def own(settings: Settings):
    """`schurkit analyze` on one core, a text summary: processor time, also beside that of its
    rollouts as products in float32 alone (the floor), and peak memory.
    """
    usual = {"trials": 256, "steps": 50, "draws": 20, "kinds": ("permuted", "matched")}
    cases = {
        "64 units, one control": ({"hidden": 64, "kinds": ("permuted",)}, {"seconds": 0.8}),
        "256 units": ({"hidden": 256}, {"ratio": 1.5}),
        "512 units": ({"hidden": 512}, {"ratio": 1.5}),
        "1,024 units": ({"hidden": 1024}, {"ratio": 1.5}),
        "1,024 units, one draw": ({"hidden": 1024, "draws": 1}, {"peak": 0.4}),
        "2,048 units, one draw": ({"hidden": 2048, "draws": 1}, {"peak": 1.0}),
        "16 units, 10,000 × 500 steps": (
            {"hidden": 16, "trials": 10_000, "steps": 500},
            {"seconds": 60, "peak": 1.0},
        ),
    }
    for what, (case, targets) in cases.items():
        yield alone(Contender(f"analyze, {what}", facts.analysis, usual | case, 1), **targets)


@group
def sweep(settings: Settings):
    """A sweep of runs that each wait for .1 s; what starting the workers takes is left out."""
    for runs in (100, 1000):
        what = f"a run of a sweep, beside the run itself ({runs:,} runs, two dask workers)"
        asked = Contender(what, facts.sweep_overhead, {"runs": runs}, needs="distributed")
        yield alone(asked, overhead=20.0)


@group
def gpu(settings: Settings):
    """Whole stacks trained on a GPU against nn.RNN in a loop and torch.func.vmap there; the goal is
    2e5 network-steps a second (256 of 64 units).
    """
    # No lap reads a number from the device but its last loss, so that nobody waits for the host.
    # Batches of the peers lie on the device before the laps begin; ours are drawn on the host as
    # training goes. The peers compute as PyTorch does by default, which lets cuDNN use TF32; ours
    # does not use it.
    device, what = settings.device, "train stacks on a GPU"
    if reason := why_not(device):
        yield [Row("gpu", what, note=reason)]
        return
    sizes, threads, work = product((64, 128, 256), (256, 1, 4, 16, 64, 1024, 4096)), None, {}
    if device == "cpu":  # tiny: it tries the code and measures nothing
        sizes, threads, work = [(8, 2)], 1, {"batch": 4, "time": 6}
    for hidden, networks in sizes:
        case = WORKLOAD | {"device": device, "hidden": hidden} | work
        stack = case | {"networks": networks}
        contenders = [
            Contender("schurkit", trainers.schurkit_stack, stack, threads),
            Contender("nn.RNN loop", trainers.torch_loop, case, threads),
        ]
        if networks <= 256:  # what it keeps for its gradients grows beyond many GPUs
            contenders += [Contender("torch.func.vmap", trainers.torch_vmap, stack, threads)]
        contest = Contest(contenders, settings)
        what = f"{plural(networks, 'network')} of {hidden} units"
        rate = contest.rate(what, target=2e5 if (hidden, networks) == (64, 256) else None)
        yield [rate, *(contest.rows(what) if rate.value else ())]


def why_not(device: str) -> str:
    """Why the group `gpu` cannot be run on that device here, or ""."""
    try:
        import torch
    except ImportError:
        return "skipped: torch is not installed; pip install 'schurkit[torch]'"
    absent = device == "cuda" and not torch.cuda.is_available()
    return "skipped: no CUDA device" if absent else ""
