"""Rows, tables and reports."""

import json
import math

import pytest
from helpers import refuses
from press.small_book import REPOSITORY

from schurkit_press.bench import Report, Row
from schurkit_press.bench.results import AT_MOST, table

MACHINE = {"model": "a machine", "cores": 2, "commit": "abc", "date": "2026-01-01 00:00"}


def report(value=2.0):
    rows = (
        Row("a job", "a peer", value, 6.0, "ms", 3.0, 2.0, 4.0, 2.5, floor=1.5, group="core"),
        Row("alone", value=1.0, unit="GB"),
    )
    return Report(MACHINE, {"repeats": 3}, rows, {"seconds": 4.0})


def test_a_target_is_reached_or_not():
    for ratio, met in ((2.0, True), (1.9, False), (None, None)):
        assert Row("w", "p", ratio=ratio, target=2).met is met
    assert Row("w", "p", ratio=2.0).met is None
    for value, met in ((3.0, True), (5.0, False)):
        assert Row("w", value=value, unit="GB", target=4, sense=AT_MOST).met is met


def test_a_table_has_a_line_a_row_with_its_note_below():
    rows = [*report().rows, Row("c", "absent", target=3, note="skipped: no jax")]
    lines = table(rows).splitlines()
    words = [" ".join(line.split()) for line in lines]
    assert words == [
        "job held against ours other ratio from – to target reached × floor",
        "a job a peer 2 ms 6 ms 3.00× 2.00 – 4.00 ≥ 2.5× yes 1.50",
        "alone – 1 GB – – – – – –",
        "c absent – – – – ≥ 3× – –",
        "skipped: no jax",
    ]
    assert lines[1].index("a peer") == lines[0].index("held against")


def test_a_report_comes_back_from_its_file(tmp_path):
    path = tmp_path / "new" / "kept.json"
    report().write(path)
    assert Report.read(path) == report()
    content = json.loads(path.read_text())
    content["rows"][0]["colour"] = "blue"  # a later version may say more
    path.write_text(json.dumps(content))
    assert Report.read(path) == report()
    with pytest.raises(ValueError, match="JSON compliant"):
        report(value=math.nan).write(path)


def test_the_published_report_can_be_read():
    published = Report.read(REPOSITORY / "book" / "data" / "bench.json")
    assert {"training", "core", "rollouts", "schur", "dsa", "memory", "start"} <= {
        row.group for row in published.rows
    }


@pytest.mark.parametrize(
    "content",
    ["{", '{"schema": 2}', "[1]", '{"schema": 1}', '{"schema": 1, "rows": [3]}']
    + ['{"schema": 1, "rows": [{}], "machine": {}, "settings": {}}'],
)
def test_a_file_that_is_no_report(content, tmp_path):
    (tmp_path / "kept.json").write_text(content)
    refuses(
        r"kept\.json is no report of 'schurkit bench' \(schema 1",
        Report.read,
        tmp_path / "kept.json",
    )


def test_places_that_cannot_be_read_or_written(tmp_path):
    refuses(r"nowhere\.json is no report .* FileNotFound", Report.read, tmp_path / "nowhere.json")
    (tmp_path / "file").write_text("")
    refuses(r"kept\.json cannot be written", report().write, tmp_path / "file" / "kept.json")
