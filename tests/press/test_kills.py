"""A build that is killed at random moments ends in the same numbers, and never does finished work
again.
"""

import os
import random
import signal
import subprocess
import sys

from press.small_book import small_chapter, write_book

from schurkit import nb

TRAIN = """from schurkit import Recipe, tasks, train
from schurkit.nb import claim, record
from schurkit.training import Phase
recipe = Recipe(hidden_size=16, phases=(Phase(120, 1e-3),), batch_size=16)
trained = train(tasks.Copy(2, 2, 4), recipe, range(10))
for seed, score in zip(trained.rnn.labels, trained.scores):
    record(f"score_{seed}", score)
record("mean_accuracy", trained.scores.mean())
record("networks", 10)
record("undefined", None)
claim("S2", 0.5, n=3)
"""


def build(root, seconds=None, command=("build",)):
    """Build in a process group of its own, which is killed after so many seconds; whether it was
    under way.
    """
    process = subprocess.Popen(
        [sys.executable, "-m", "schurkit", *command, "--book", str(root)],
        env=os.environ | {"SCHURKIT_STORE": str(root / "runs")},
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        return process.wait(seconds) < 0
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)  # which is there until it is waited for
        return process.wait() < 0


def executed(root):
    """Every complete chapter."""
    found = (root / "_build" / "executed").glob("[!.]*.ipynb")
    return [path for path in found if not path.name.endswith(".failed.ipynb")]


def finished(root):
    """Every stored network and complete chapter, with when it was written and what it holds."""
    return {
        path: (path.stat().st_mtime_ns, path.read_bytes())
        for path in (*(root / "runs").glob("*.json"), *executed(root))
    }


def test_kills_at_random_moments(tmp_path):
    killed, whole = (
        write_book(tmp_path / name, {"small": small_chapter(record=TRAIN)})
        for name in ("killed", "whole")
    )
    moments, hit, before = random.Random(0), 0, {}
    for kill in range(int(os.environ.get("SCHURKIT_KILLS", "10"))):
        hit += build(killed, moments.uniform(0.5, 5.0))
        after = finished(killed)
        undone = [path.name for path, stamp in before.items() if after.get(path) != stamp]
        assert not undone, f"kill {kill}: finished work lost or done again: {undone}"
        before = after
    assert hit
    assert build(killed) is build(whole, command=("run", "small")) is False
    after = finished(killed)
    assert all(after[path] == stamp for path, stamp in before.items())
    ours, theirs = (executed(root)[0] for root in (killed, whole))
    assert nb.records(ours) == nb.records(theirs) and nb.claims(ours) == nb.claims(theirs)
    assert len(nb.records(ours)) >= 13
    assert not list((killed / "_build" / "executed").glob("*.failed.ipynb"))
