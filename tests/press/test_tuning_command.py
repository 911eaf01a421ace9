"""The command that tunes and keeps its table."""

import json

from schurkit.studies.addition import GRID, VARIANTS, read_trials
from schurkit_press import tuning


def test_the_command_tries_the_whole_grid_keeps_the_table_and_goes_on_with_it(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(tuning, "VARIANTS", VARIANTS[:2])
    path, told = tmp_path / "data" / "table.csv", []
    tuning.tune(path, limit=2, hidden_size=4, p=5, say=told.append)
    assert read_trials(path) == told and len(told) == 2 * len(GRID)
    made = json.loads(path.with_suffix(".json").read_text())
    assert (
        made["limit"] == 2
        and made["edition"] == "full"
        and "p=5" in made["task"]
        and made["core_seconds"] >= 0
    )

    monkeypatch.setattr(
        tuning,
        "race",
        lambda *a, known, **k: iter(trial for trial in known if trial.variant == a[1]),
    )
    monkeypatch.setattr(tuning, "VARIANTS", VARIANTS[1:2])
    tuning.tune(path, limit=2, hidden_size=4, p=5, say=lambda trial: None)
    # those of the other kind stay
    assert sorted(map(repr, read_trials(path))) == sorted(map(repr, told))


def test_core_seconds_of_earlier_runs_add_up_where_they_are_told(tmp_path):
    path = tmp_path / "table.csv"
    for content, seconds in (("{", 0), ('{"core_seconds": null}', 0), ('{"core_seconds": 12}', 12)):
        path.with_suffix(".json").write_text(content)
        assert tuning._earlier(path) == seconds
