"""A build that is killed at random moments ends in the same numbers, and never does finished work
again.
"""

import os

from press.kills import executed, kill_often, numbers, start, stored
from press.small_book import small_chapter, write_book

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


def finish(root, store):
    process = start(root, store)
    error = process.communicate()[1].decode()
    assert process.returncode == 0, error


def test_kills_at_random_moments(tmp_path):
    kills = int(os.environ.get("SCHURKIT_KILLS", "10"))
    chapter = small_chapter(record=TRAIN)
    killed, whole = (
        write_book(tmp_path / name, {"small": chapter}) for name in ("killed", "whole")
    )
    stores = tmp_path / "store-killed", tmp_path / "store-whole"
    assert kill_often(killed, stores[0], kills, 0.5, 5.0) > 0
    before = stored(stores[0]), executed(killed)
    finish(killed, stores[0])
    finish(whole, stores[1])
    assert all(stored(stores[0])[name] == stamp for name, stamp in before[0].items())
    assert all(executed(killed)[name] == stamp for name, stamp in before[1].items())
    ours, theirs = (next(iter(numbers(root).values())) for root in (killed, whole))
    assert ours == theirs and len(ours["records"]) >= 13
    assert not [
        p.name
        for p in (killed / "_build" / "executed").iterdir()
        if p.name.endswith(".failed.ipynb")
    ]
