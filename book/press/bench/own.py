"""What `schurkit analyze` takes for a reader's own network, beside the floor of its rollouts: each
case in a process of its own.
"""

from __future__ import annotations

import contextlib
import io
import os
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from schurkit import random
from schurkit_press.chapters import read_json

from .contest import Settings
from .others import peak_memory, products, weights
from .processes import Contender, facts_of
from .results import AT_MOST, Row

BOTH = ("permuted", "matched")


def own(settings: Settings):
    """`schurkit analyze` on one core, a text summary: processor time, also beside that of its
    rollouts as products in float32 alone (the floor), and peak memory.
    """
    yield from _rows("64 units, one control", 64, kinds=BOTH[:1], seconds=0.8)
    if settings.quick:
        return
    for hidden in (256, 512, 1024):
        yield from _rows(f"{hidden:,} units", hidden, ratio=1.5)
    for hidden, peak in ((1024, 0.4), (2048, 1.0)):
        yield from _rows(f"{hidden:,} units, one draw", hidden, draws=1, peak=peak)
    long = {"hidden": 16, "trials": 10_000, "steps": 500}
    yield from _rows("16 units, 10,000 × 500 steps", **long, seconds=60, peak=1.0)


def _rows(what, hidden, trials=256, steps=50, draws=20, kinds=BOTH, **targets):
    """A row for each target: processor "seconds", their "ratio" to the floor, "peak" in GB."""
    with tempfile.TemporaryDirectory() as folder:
        write_case(Path(folder), hidden, trials, steps)
        case = {"folder": folder, "draws": draws, "kinds": kinds}
        facts, note = facts_of(Contender("own", analysis, case, 1))
    if facts:
        note = f"{facts['variants']} networks, peak {facts['peak']:.2f} GB"
    for name, target in targets.items():
        kind, unit = ("peak", "GB") if name == "peak" else ("seconds", "s")
        row = Row("own", f"analyze, {what}", "", facts.get(kind), unit=unit, target=target)
        if name == "ratio" and facts:
            beside = {"peer": "floor", "reference": facts["floor"]}
            row = replace(row, **beside, ratio=facts["seconds"] / facts["floor"])
        yield replace(row, sense=AT_MOST, note=note)


def write_case(folder: Path, hidden: int, trials: int, steps: int) -> None:
    """A random network, and trials whose targets are noise."""
    np.savez(folder / "weights.npz", **weights(hidden), activation="tanh", leak=1.0)
    noise = {name: random.normal(0, name, 0, (trials, steps, 3)) for name in ("inputs", "targets")}
    np.savez(folder / "trials.npz", **{name: some.astype("f4") for name, some in noise.items()})


def analysis(folder: str, draws: int, kinds: list[str]):
    """`schurkit analyze` of the case in a folder; facts: how many networks were run, user
    seconds and peak memory (GB) of the process till then, and the floor of those networks in
    seconds.
    """
    from schurkit.__main__ import main

    network, trials, out = (f"{folder}/{name}" for name in ("weights.npz", "trials.npz", "r.json"))
    asked = [word for kind in kinds for word in ("--control", kind)]
    asked += ["--trials", trials, "--draws", str(draws), "--json", out]
    with contextlib.redirect_stdout(io.StringIO()):
        if main(["analyze", network, *asked]):
            raise RuntimeError("schurkit analyze failed.")
    facts = {"seconds": os.times().user, "peak": peak_memory()}
    (network,) = read_json(Path(out))["networks"]
    held = sum(network["norms"][sector] > 0 for sector in ("RR", "CR", "CC"))
    facts["variants"] = (2**held - 1) * (1 + len(kinds) * draws)
    with np.load(trials) as arrays:
        trials_steps = np.prod(arrays["targets"].shape[:2])
    steps = facts["variants"] * trials_steps / 256
    return None, facts | {"floor": steps * product_seconds(network["hidden_size"])}


def product_seconds(hidden: int) -> float:
    """Seconds of a step of 256 trials: a product (256, hidden) by (hidden, hidden) in float32, the
    best of five laps.
    """
    lap, count, laps = products(hidden, 256, 1, 1)[0], 1 + int(5e9 / (512 * hidden**2)), []
    for _ in range(5):
        start = time.process_time()
        lap(count)
        laps.append((time.process_time() - start) / count)
    return min(laps)
