"""Training that is killed at any moment: nothing finished is lost or trained again, and the end is
the same.
"""

import os
import random
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from schurkit.tasks import Copy
from schurkit.training import Phase, Recipe, Store, train

TASK = Copy(2, 2, 4)
RECIPE = Recipe(hidden_size=24, phases=(Phase(150, 1e-3),), batch_size=32)
SEEDS = list(range(24))
PROGRAM = """
from schurkit.tasks import Copy
from schurkit.training import Phase, Recipe, train
train(Copy(2, 2, 4), Recipe(hidden_size=24, phases=(Phase(150, 1e-3),), batch_size=32), range(24))
"""


def stamps(folder):
    return {path.name: path.stat().st_mtime_ns for path in folder.glob("*.json")}


def start(folder):
    environment = os.environ | {"SCHURKIT_STORE": str(folder), "SCHURKIT_THREADS": "2"}
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


@pytest.mark.parametrize("kills", [12])
def test_kills_at_random_moments(tmp_path, kills):
    moments = random.Random(1)
    folder = tmp_path / "runs"
    for _ in range(kills):
        before = stamps(folder) if folder.is_dir() else {}
        process = start(folder)
        if moments.random() < 0.5:  # anywhere, imports included
            time.sleep(moments.uniform(0.3, 1.6))
        else:  # soon after something was written
            deadline = time.monotonic() + 10
            while (
                process.poll() is None
                and time.monotonic() < deadline
                and (stamps(folder) if folder.is_dir() else {}) == before
            ):
                time.sleep(0.005)
            time.sleep(moments.uniform(0, 0.05))
        process.send_signal(signal.SIGKILL)
        process.wait()
        after = stamps(folder) if folder.is_dir() else {}
        assert all(after.get(name) == stamp for name, stamp in before.items()), (
            "a finished network was written again"
        )
    before = stamps(folder) if folder.is_dir() else {}
    ended = train(TASK, RECIPE, SEEDS, store=Store(folder))
    assert ended.stored.sum() >= len(before)
    assert all(stamps(folder)[name] == stamp for name, stamp in before.items())
    whole = train(TASK, RECIPE, SEEDS, store=Store(tmp_path / "other"))
    assert np.array_equal(ended.rnn.W_rec, whole.rnn.W_rec) and np.array_equal(
        ended.scores, whole.scores
    )


def test_two_writers_fill_one_store(tmp_path):
    folder = tmp_path / "runs"
    writers = [start(folder) for _ in range(2)]
    assert [writer.wait() for writer in writers] == [0, 0]
    ended = train(TASK, RECIPE, SEEDS, store=Store(folder))
    assert ended.stored.all()
    assert np.array_equal(
        ended.rnn.W_rec, train(TASK, RECIPE, SEEDS, store=Store(tmp_path / "other")).rnn.W_rec
    )
    assert Store(folder).leftovers() == []
