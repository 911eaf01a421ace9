"""A build that is killed at random moments ends in the same numbers, and never does finished work
again.
"""

import contextlib
import hashlib
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
    under way, and what it said.
    """
    process = subprocess.Popen(
        [sys.executable, "-m", "schurkit", *command, "--book", str(root)],
        env=os.environ | {"SCHURKIT_STORE": str(root / "runs")},
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    try:
        return False, process.communicate(timeout=seconds)[1].decode()
    except subprocess.TimeoutExpired:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        return True, process.communicate()[1].decode()


def executed(root):
    """Every complete chapter."""
    found = (root / "_build" / "executed").glob("[!.]*.ipynb")
    return [path for path in found if not path.name.endswith(".failed.ipynb")]


def finished(root):
    """Every stored network and complete chapter, with when it was written and a digest."""
    return {
        path: (path.stat().st_mtime_ns, hashlib.sha256(path.read_bytes()).hexdigest())
        for path in (*(root / "runs").glob("*.json"), *executed(root))
    }


def test_kills_at_random_moments(tmp_path):
    killed, whole = (
        write_book(tmp_path / name, {"small": small_chapter(record=TRAIN)})
        for name in ("killed", "whole")
    )
    moments, hit, before = random.Random(0), 0, {}
    for kill in range(int(os.environ.get("SCHURKIT_KILLS", "10"))):
        hit += build(killed, moments.uniform(0.5, 5.0))[0]
        after = finished(killed)
        undone = [path.name for path, stamp in before.items() if after.get(path) != stamp]
        assert not undone, f"kill {kill}: finished work lost or done again: {undone}"
        before = after
    assert hit
    assert build(killed)[0] is build(whole, command=("run", "small"))[0] is False
    after = finished(killed)
    assert all(after[path] == stamp for path, stamp in before.items())
    ours, theirs = (executed(root)[0] for root in (killed, whole))
    assert nb.records(ours) == nb.records(theirs) and nb.claims(ours) == nb.claims(theirs)
    assert len(nb.records(ours)) >= 13
    assert not list((killed / "_build" / "executed").glob("*.failed.ipynb"))
