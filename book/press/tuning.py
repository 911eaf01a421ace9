"""Tune the networks of a chapter and keep the table in book/data/tuning/: ``python -m
schurkit_press.tuning``.

The table belongs to the edition `full`: other editions read which learning rate and weight decay it
chose. Trials already in the table are not made again, so a run that was stopped goes on where it
was.
"""

import sys
import time
from argparse import ArgumentParser
from contextlib import suppress
from functools import partial
from pathlib import Path

from schurkit import fourier
from schurkit.checks import InputError
from schurkit.studies.addition import (
    FRACTION,
    GRID,
    TUNING_LIMIT,
    TUNING_SEED,
    TUNING_SPLIT,
    VARIANTS,
    race,
    read_trials,
    recipe_of,
    tuning_file,
    write_trials,
)
from schurkit.tasks import ModularAddition

from .chapters import book_root, read_json, write_json
from .run import made, versions

COMMAND = "python -m schurkit_press.tuning"


def tune(
    path: Path, *, limit: int = TUNING_LIMIT, hidden_size: int = 128, p: int = 113, say=print
) -> None:
    """Race every variant over the grid and keep the table after each trial, with how it was made
    beside it.

    Parameters
    ----------
    path : of the CSV file.
    limit : the most steps of a trial.
    hidden_size, p : of the networks.
    say : told each trial.
    """
    task = ModularAddition(p=p, train_fraction=FRACTION, split_seed=TUNING_SPLIT)
    known = read_trials(path) if path.is_file() else []
    how = {
        "command": COMMAND,
        "edition": "full",
        "task": repr(task),
        "hidden_size": hidden_size,
        "limit": limit,
        "seed": TUNING_SEED,
        "versions": versions(),
        **made(book_root(), 1),
    }
    about, trials, earlier = path.with_suffix(".json"), [], 0
    with suppress(OSError, ValueError, KeyError, TypeError):  # not there, or damaged
        earlier = float(read_json(about)["core_seconds"])
    begun = time.process_time() - earlier

    def measure(rnn):
        return fourier.accuracy(fourier.logits_table(rnn), task.held_out_tuples)

    for variant in VARIANTS:
        recipe = recipe_of(variant, limit, hidden_size=hidden_size)
        start = task, variant.name, recipe, GRID, TUNING_SEED, limit, measure
        for trial in race(*start, known=known):
            trials.append(trial)
            say(trial)
            tried = {new.point for new in trials}
            write_trials([*trials, *(old for old in known if old.point not in tried)], path)
            how["core_seconds"] = round(time.process_time() - begun)
            write_json(about, how)


if __name__ == "__main__":
    ArgumentParser(COMMAND, description=__doc__).parse_args()
    try:
        tune(tuning_file(book_root()), say=partial(print, flush=True))
    except InputError as problem:
        print(f"tuning: {problem}", file=sys.stderr)
        sys.exit(2)
