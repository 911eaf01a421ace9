"""What is measured: groups of contenders with the targets that were set before, one function a
group, which gives the rows of one case after the other; its docstring stands above its table.
"""

import os
from dataclasses import replace
from itertools import chain, islice, product
from statistics import fmean

from schurkit.engine import available_threads
from schurkit.words import plural

from . import others, trainers
from .contest import FLOOR, Contender, Settings, alone, compared
from .results import AT_MOST, Row

WORKLOAD = {"hidden": 64, "batch": 64, "time": 48}
FLOORS = {"target": 2, "sense": AT_MOST}
"""A training step may take twice as long as its matrix products."""


# ----------------------------------------------------------------------------------------- training
def training(settings: Settings):
    """Whole trainings of 64 units on all processors against the loops a user would write, and
    against their matrix products alone.
    """
    cores, case, loop = available_threads(), WORKLOAD, trainers.torch_loop
    networks = max(4, 2 * cores)
    stack, units = case | {"networks": networks}, networks * (400 if settings.quick else 1500)
    contenders = [
        Contender("schurkit", trainers.schurkit_fit, stack | {"stored": True}, units=units),
        Contender("torch loop", loop, case),
        Contender("torch, one process a core", loop, case, 1, cores),
        Contender("JAX jit, one process a core", trainers.jax_loop, case, 1, cores, target=1.9),
        Contender("torch.func.vmap", trainers.torch_vmap, stack),
        Contender(FLOOR, others.products, case, 1, cores, **FLOORS),
    ]
    if settings.quick:
        del contenders[4]
    yield compared(f"train {networks} networks, {cores} cores", contenders, settings)


def core(settings: Settings):
    """The training loop of each engine on one core against nn.RNN on one core, and against its
    matrix products alone.
    """
    halved = os.environ.get("OPENBLAS_CORETYPE", "").lower() == "haswell"
    beside = {"against": "torch loop", "note": "OPENBLAS_CORETYPE=Haswell" if halved else ""}
    for hidden in (64, 128, 256):
        case, fit = WORKLOAD | {"hidden": hidden}, trainers.schurkit_fit
        numba, numpy = case | {"engine": "numba"}, case | {"engine": "numpy", "networks": 4}
        # So many steps that the start of a training, which the peers do not have in their laps,
        # hardly counts
        units = int(64**2 / hidden**2 * (600 if settings.quick else 1500))
        contenders = [
            Contender("numba", fit, numba, 1, units=units),
            Contender("torch loop", trainers.torch_loop, case, 1),
            Contender(FLOOR, others.products, case, 1, **FLOORS),
            Contender("numpy", fit, numpy, 1, units=4 * (units // 5), **beside),
        ]
        yield compared(f"{{}} engine, {hidden} units", contenders, settings)


def rollouts(settings: Settings):
    """2,000 ablated networks of 64 units, each run over 256 trials of 48 steps, on one core."""
    case = {"hidden": 64, "trials": 256, "time": 48, "variants": 2000}
    work = {"hidden": 64, "batch": 256, "time": 48, "passes": 1}
    contenders = [
        Contender("schurkit", others.schurkit_rollouts, case, 1, units=2000),
        Contender("nn.RNN", others.torch_rollouts, case, 1),
        Contender(FLOOR, others.products, work, 1),
    ]
    yield compared("2,000 ablated networks", contenders, settings, "ms/rollout")


def importance(settings: Settings):
    """The effects of all single couplings: the estimate against rollouts, in time (on one core) and
    in order.
    """
    tasks, effects = ("flip_flop", "sine", "context_integration"), others.effects
    cases = [*((task, 64, 3840, 12) for task in tasks), ("flip_flop", 128, 1920, 50)]
    for task, hidden, steps, target in cases:
        case = {"task": task, "hidden": hidden, "steps": steps}
        contenders = [
            Contender("estimate", effects, case, 1),
            Contender("exact rollouts", effects, case | {"engine": "auto"}, 1, 1, 1, target),
        ]
        if (task, hidden) == ("flip_flop", 64) and not settings.quick:
            by, name = case | {"engine": "numpy"}, "exact rollouts, numpy engine"
            contenders += [Contender(name, effects, by, 1, 1, 1, target)]
        spent = replace(settings, repeats=3) if hidden > 64 else settings
        what = f"all couplings, {task.replace('_', ' ')}, {hidden} units"
        yield compared(what, contenders, spent, "ms", lambda _, exact: exact["note"])


def schur(settings: Settings):
    """The ordered Schur form against LAPACK's own, in time (on one core) and backward error."""

    def errors(ours, plain):
        return f"backward error {ours['error']:.1e}, scipy {plain['error']:.1e}"

    for hidden, kind in product((64, 128, 256, 512, 1024), ("near-orthogonal", "random")):
        large, case = int(hidden >= 512), {"hidden": hidden, "kind": kind}
        plain = case | {"plain": True}
        contenders = [
            Contender("schurkit", others.schur_form, case, 1, 1, large),
            Contender("scipy.linalg.schur", others.schur_form, plain, 1, 1, large, 1.25, AT_MOST),
        ]
        spent = replace(settings, repeats=3) if large else settings
        what = f"ordered form, {hidden} units, {kind}"
        yield compared(what, contenders, spent, "ms", errors)


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

    networks, judged = (6, 3) if settings.quick else (20, 20)
    pairs, ours, theirs = networks * (networks - 1) // 2, others.schurkit_dsa, "dsa-metric"
    for rank, target in ((10, 200), (20, 100), (30, 60)):
        case = {"networks": networks, "rank": rank}
        few, many, by = case | {"starts": 14}, case | {"starts": 200}, case | {"compared": judged}
        contenders = [
            Contender("14 starts", ours, few, 1, units=pairs),
            Contender(theirs, others.dsa_metric, by, 1, units=1, target=target),
            Contender("200 starts", ours, many, 1, units=pairs, against=theirs),
        ]
        spent = replace(settings, repeats=3)
        yield compared(f"DSA, rank {rank}, {{}}", contenders, spent, "ms/pair", angles)


# -------------------------------------------------------------------- what is held against no other
def memory(settings: Settings):
    """Peak memory of training so many networks of 64 units in one call, a fresh process each."""
    for networks, target in ((8, None), (64, None), (256, None), (1000, 4.0)):
        what, case = f"peak memory, {networks:,} networks", WORKLOAD | {"networks": networks}
        yield alone(Contender(what, others.training_memory, case), GB=target)


def start(settings: Settings):
    """What comes before the first number: importing, the first compilation, loading what was
    compiled before.
    """
    imports = Contender("import schurkit, with all public names", others.importing)
    again = Contender("numba engine: compiled before", others.first_training)
    yield chain(*(alone(one, settings.repeats, s=0.5) for one in (imports, again)))
    first = replace(again, name="numba engine: first compilation", case={"compile": True})
    yield alone(first, s=10)


def own(settings: Settings):
    """`schurkit analyze` on one core, a text summary: processor time, also beside that of its
    rollouts as products in float32 alone (the floor), and peak memory.
    """

    def analyze(what, **case):
        return Contender(f"analyze, {what}", others.analysis, case, 1)

    yield alone(analyze("64 units, one control", hidden=64, kinds=("permuted",)), s=0.8)
    for hidden in (256, 512, 1024):
        yield alone(analyze(f"{hidden:,} units", hidden=hidden), floor=1.5)
    for hidden, most in ((1024, 0.4), (2048, 1.0)):
        yield alone(analyze(f"{hidden:,} units, one draw", hidden=hidden, draws=1), GB=most)
    long = analyze("16 units, 10,000 × 500 steps", hidden=16, trials=10_000, steps=500)
    yield alone(long, s=60, GB=1.0)


def sweep(settings: Settings):
    """A sweep of runs that each wait for .1 s; what starting the workers takes is left out."""
    for runs in (100, 1000):
        what = f"a run of a sweep, beside the run itself ({runs:,} runs, two dask workers)"
        yield alone(Contender(what, others.sweep_overhead, {"runs": runs}), ms=20.0)


def gpu(settings: Settings):
    """Whole stacks trained on a GPU against nn.RNN in a loop and torch.func.vmap there; the goal is
    2e5 network-steps a second (256 of 64 units).
    """
    # No lap reads a number from the device but its last loss, so that nobody waits for the host.
    # Batches of the peers lie on the device before the laps begin; ours are drawn on the host as
    # training goes. The peers compute as PyTorch does by default, which lets cuDNN use TF32; ours
    # does not use it.
    device = settings.device
    if reason := why_not(device):
        yield [Row("train stacks on a GPU", note=reason)]
        return
    sizes, threads, work = product((64, 128, 256), (256, 1, 4, 16, 64, 1024, 4096)), None, WORKLOAD
    if device == "cpu":  # tiny: it tries the code and measures nothing
        sizes, threads, work = [(8, 2)], 1, {"batch": 4, "time": 6}
    for hidden, networks in sizes:
        case = work | {"device": device, "hidden": hidden}
        stack = case | {"networks": networks}
        goal = 2e5 if (hidden, networks) == (64, 256) else None
        contenders = [
            Contender("schurkit", trainers.schurkit_stack, stack, threads, target=goal),
            Contender("nn.RNN loop", trainers.torch_loop, case, threads),
            Contender("torch.func.vmap", trainers.torch_vmap, stack, threads),
        ]
        if networks > 256:  # what vmap keeps for its gradients grows beyond many GPUs
            del contenders[2]
        what = f"{plural(networks, 'network')} of {hidden} units"
        yield compared(what, contenders, settings, rated=True)


def why_not(device: str) -> str:
    """Why the group `gpu` cannot be run on that device here, or ""."""
    try:
        import torch
    except ImportError:
        return "skipped: torch is not installed; pip install 'schurkit[torch]'"
    absent = device == "cuda" and not torch.cuda.is_available()
    return "skipped: no CUDA device" if absent else ""


EVERY = (training, core, rollouts, importance, schur, dsa, memory, start, own, sweep, gpu)
GROUPS = {cases.__name__: cases for cases in EVERY}


def measured(name: str, settings: Settings) -> list[Row]:
    """The rows of a group; in a quick run those of its first case alone."""
    rows = chain(*islice(GROUPS[name](settings), 1 if settings.quick else None))
    return [replace(row, group=name) for row in rows]
