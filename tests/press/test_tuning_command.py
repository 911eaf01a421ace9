"""The command that tunes and keeps its table."""

import json
from functools import partial

from schurkit.studies.addition import GRID, VARIANTS, read_trials
from schurkit_press import tuning


def test_the_command_tries_the_whole_grid_keeps_the_table_and_goes_on_with_it(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(tuning, "VARIANTS", VARIANTS[:2])
    path, told = tmp_path / "data" / "table.csv", []
    tune = partial(tuning.tune, path, limit=2, hidden_size=4, p=5)
    tune(say=told.append)
    assert read_trials(path) == told and len(told) == 2 * len(GRID)
    about = path.with_suffix(".json")
    made = json.loads(about.read_text())
    assert made["limit"] == 2 and made["edition"] == "full" and "p=5" in made["task"]
    about.write_text(json.dumps(made | {"core_seconds": 1000}))

    def again(task, variant, *more, known):
        yield from (trial for trial in known if trial.variant == variant)

    monkeypatch.setattr(tuning, "race", again)
    monkeypatch.setattr(tuning, "VARIANTS", VARIANTS[1:2])
    tune(say=repr)
    # those of the other kind stay
    assert sorted(map(repr, read_trials(path))) == sorted(map(repr, told))
    assert json.loads(about.read_text())["core_seconds"] >= 1000
