"""Tune the networks of a chapter and keep the table in book/data/tuning/: ``python -m
schurkit_press.tuning``.

The table belongs to the edition `full`: other editions read which learning rate and weight decay it
chose. Trials already in the table are not made again, so a run that was stopped goes on where it
was.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
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

from .chapters import book_root, read_json
from .run import commit, device, versions

COMMAND = "python -m schurkit_press.tuning"


def held_out_accuracy(task, rnn) -> float:
    """Accuracy of one network on the held-out pairs."""
    return fourier.accuracy(fourier.logits_table(rnn), task.held_out_tuples)


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
    made = {
        "command": COMMAND,
        "edition": "full",
        "task": repr(task),
        "hidden_size": hidden_size,
        "limit": limit,
        "seed": TUNING_SEED,
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "commit": commit(book_root()),
        "device": device(1),
        "versions": versions(),
    }
    begun, trials = time.process_time() - _earlier(path), []
    measure = partial(held_out_accuracy, task)
    for variant in VARIANTS:
        recipe = recipe_of(variant, limit, hidden_size=hidden_size)
        start = task, variant.name, recipe, GRID, TUNING_SEED, limit, measure
        for trial in race(*start, known=known):
            trials.append(trial)
            say(trial)
            tried = {new.point for new in trials}
            write_trials([*trials, *(old for old in known if old.point not in tried)], path)
            made["core_seconds"] = round(time.process_time() - begun)
            path.with_suffix(".json").write_text(f"{json.dumps(made, indent=1)}\n")


def _earlier(path: Path) -> float:
    """Core-seconds that earlier runs of the same table took, 0 where none is told."""
    with suppress(OSError, ValueError, KeyError, TypeError):
        return float(read_json(path.with_suffix(".json"))["core_seconds"])
    return 0.0


def main(arguments: list[str] | None = None) -> None:
    """Run the command."""
    about = __doc__.splitlines()[0].split(":")[0] + "."
    parser = argparse.ArgumentParser(prog=COMMAND, description=about)
    most = "the most steps of a trial (default: %(default)s)"
    parser.add_argument("--limit", type=int, default=TUNING_LIMIT, help=most)
    out = "CSV file to write (default: the one in book/data/tuning)"
    parser.add_argument("--out", type=Path, help=out)
    given = parser.parse_args(arguments)
    path = given.out or tuning_file(book_root())
    tune(path, limit=given.limit, say=partial(print, flush=True))


if __name__ == "__main__":
    try:
        main()
    except InputError as problem:
        print(f"tuning: {problem}", file=sys.stderr)
        sys.exit(2)
