"""Training that is killed at any moment: nothing finished is lost or trained again, and the end is
the same.
"""

import os
import random
import subprocess
import sys
import time

import numpy as np
import pytest

from schurkit.tasks import Copy
from schurkit.training import Phase, Recipe, Store, train

TASK = Copy(2, 2, 4)
RECIPE = Recipe(hidden_size=24, phases=(Phase(150, 1e-3),), batch_size=32)
PROGRAM = """
from schurkit.tasks import Copy
from schurkit.training import Phase, Recipe, train
train(Copy(2, 2, 4), Recipe(hidden_size=24, phases=(Phase(150, 1e-3),), batch_size=32), range(24))
"""


def stamps(folder):
    return {path.name: path.stat().st_mtime_ns for path in folder.glob("*.json")}


def start(folder):
    environment = os.environ | {"SCHURKIT_STORE": str(folder), "SCHURKIT_THREADS": "2"}
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    return subprocess.Popen([sys.executable, "-c", PROGRAM], env=environment, **quiet)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """What training gives that nobody disturbs."""
    return train(TASK, RECIPE, range(24), store=Store(tmp_path_factory.mktemp("whole")))


def test_kills_at_random_moments(tmp_path, whole):
    moments, folder = random.Random(1), tmp_path / "runs"
    before = {}
    for _ in range(12):
        process = start(folder)
        if moments.random() < 0.5:  # anywhere, imports included
            time.sleep(moments.uniform(0.3, 1.6))
        else:  # soon after something was written
            deadline = time.monotonic() + 10
            while process.poll() is None and time.monotonic() < deadline:
                if stamps(folder) != before:
                    break
                time.sleep(0.005)
            time.sleep(moments.uniform(0, 0.05))
        process.kill()
        process.wait()
        after = stamps(folder)
        assert after.items() >= before.items(), "a finished network was lost or written again"
        before = after
    ended = train(TASK, RECIPE, range(24), store=Store(folder))
    assert ended.stored.sum() >= len(before) and stamps(folder).items() >= before.items()
    assert np.array_equal(ended.rnn.W_rec, whole.rnn.W_rec)
    assert np.array_equal(ended.scores, whole.scores)


def test_two_writers_fill_one_store(tmp_path, whole):
    writers = [start(tmp_path / "runs") for _ in range(2)]
    assert [writer.wait() for writer in writers] == [0, 0]
    store = Store(tmp_path / "runs")
    ended = train(TASK, RECIPE, range(24), store=store)
    assert ended.stored.all() and np.array_equal(ended.rnn.W_rec, whole.rnn.W_rec)
    assert store.leftovers() == []
