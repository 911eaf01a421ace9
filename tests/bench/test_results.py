"""Rows, tables, reports and their comparison."""

import json
import math
from dataclasses import replace

import pytest

from schurkit.checks import InputError
from schurkit_press.bench import Report, Row, comparison, table
from schurkit_press.bench.results import AT_MOST, HEADS, cells, versus

MACHINE = {
    "model": "a machine",
    "cores": 2,
    "instructions": "AVX2",
    "commit": "abc",
    "date": "2026-01-01 00:00",
}


def report(value=2.0, ratio=3.0, **machine):
    rows = (
        Row("core", "a job", "a peer", value, 6.0, "ms", ratio, 2.0, 4.0, 2.5),
        Row("memory", "alone", value=1.0, unit="GB"),
    )
    return Report(
        MACHINE | machine,
        {"repeats": 3},
        rows,
        ({"axis": "time", "milliseconds": 1.0},),
        {"seconds": 4.0},
    )


def words(line):
    return " ".join(line.split())


def test_a_row_holds_medians_and_the_median_of_neighbouring_ratios():
    row = versus(
        Row("core", "a job", "a peer", unit="ms", target=4), [1.0, 2.0, 4.0], [8.0, 10.0, 12.0]
    )
    assert (row.value, row.reference, row.ratio, row.low, row.high) == (2.0, 10.0, 5.0, 3.0, 8.0)
    assert row.met
    slow = versus(
        Row("schur", "a job", "a peer", unit="ms", target=0.15, sense=AT_MOST),
        [1.0, 2.0, 4.0],
        [8.0, 10.0, 12.0],
    )
    assert (slow.ratio, slow.low, slow.high, slow.met) == (0.2, 0.125, pytest.approx(1 / 3), False)


@pytest.mark.parametrize(
    ("row", "met"),
    [
        (Row("g", "w", "p", 1.0, 2.0, "ms", 2.0, target=2), True),
        (Row("g", "w", "p", 1.0, 2.0, "ms", 2.0, target=2.1), False),
        (Row("g", "w", value=3.0, unit="GB", target=4, sense=AT_MOST), True),
        (Row("g", "w", value=5.0, unit="GB", target=4, sense=AT_MOST), False),
        (Row("g", "w", "p", 1.0, 2.0, "ms", 2.0), None),
        (Row("g", "w", "p", target=2, note="skipped: it is not there"), None),
    ],
)
def test_a_target_is_judged_where_there_is_a_number(row, met):
    assert row.met is met


def test_a_table_has_a_line_a_row_and_its_note_below():
    rows = [
        Row("g", "long job", "peer", 1.5, 30.0, "ms", 20.0, 18.0, 22.0, 9, note="a note"),
        Row("g", "b", value=2345.0, unit="MB", target=4000, sense=AT_MOST),
        Row("g", "c", "absent", target=3, note="skipped: jax is not installed"),
    ]
    lines = table(rows).splitlines()
    assert len(lines) == 1 + 3 + 2
    assert lines[0].split("  ")[0] == HEADS[0] and all(head in lines[0] for head in HEADS)
    assert words(lines[1]) == "long job peer 1.5 ms 30 ms 20.00× 18.00 – 22.00 ≥ 9× yes"
    assert lines[2] == "    a note"
    assert words(lines[3]) == "b – 2,345 MB – – – ≤ 4000 MB yes"
    assert words(lines[4]) == "c absent – – – – ≥ 3× –"
    assert lines[5] == "    skipped: jax is not installed"
    assert lines[1].index("peer") == lines[0].index("held against")


def test_every_column_has_a_head():
    assert len(cells(Row("g", "w"))) == len(HEADS)


def test_a_report_comes_back_from_its_file(tmp_path):
    kept = report()
    kept.write(tmp_path / "new" / "kept.json")
    assert Report.read(tmp_path / "new" / "kept.json") == kept
    content = json.loads((tmp_path / "new" / "kept.json").read_text())
    assert content["schema"] == 1 and content["machine"]["commit"] == "abc"


def test_undefined_numbers_are_not_written(tmp_path):
    with pytest.raises(ValueError, match="JSON compliant"):
        report(value=math.nan).write(tmp_path / "kept.json")


def test_a_later_version_may_have_said_more_in_a_row(tmp_path):
    report().write(tmp_path / "kept.json")
    content = json.loads((tmp_path / "kept.json").read_text())
    content["rows"][0]["colour"] = "blue"
    (tmp_path / "kept.json").write_text(json.dumps(content))
    assert Report.read(tmp_path / "kept.json") == report()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", r"kept\.json is no report of 'schurkit bench' \(schema 1\)\."),
        ('{"schema": 2}', r"kept\.json is no report of 'schurkit bench' \(schema 1\)\."),
        ("[1]", r"kept\.json is no report of 'schurkit bench' \(schema 1\)\."),
        (
            '{"schema": 1}',
            r"kept\.json is a damaged report of 'schurkit bench' \(KeyError: 'rows'\)\.",
        ),
        (
            '{"schema": 1, "rows": [3], "machine": {}, "settings": {}}',
            r"kept\.json is a damaged report of 'schurkit bench' \(AttributeError.*\)\.",
        ),
        (
            '{"schema": 1, "rows": [{}], "machine": {}, "settings": {}}',
            r"kept\.json is a damaged report of 'schurkit bench' \(TypeError.*\)\.",
        ),
    ],
)
def test_a_file_that_is_no_report(content, message, tmp_path):
    (tmp_path / "kept.json").write_text(content)
    with pytest.raises(InputError, match=message):
        Report.read(tmp_path / "kept.json")


def test_places_that_cannot_be_read_or_written(tmp_path):
    with pytest.raises(
        InputError, match=r"nowhere\.json cannot be read \(No such file or directory\)"
    ):
        Report.read(tmp_path / "nowhere.json")
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"kept\.json cannot be written"):
        report().write(tmp_path / "file" / "kept.json")


def test_two_reports_side_by_side():
    lines = comparison(report(), report(value=1.0, ratio=6.0, commit="def")).splitlines()
    assert lines[0] == "before: commit abc, 2026-01-01 00:00" and lines[1].startswith(
        "now:    commit def"
    )
    assert words(lines[3]) == "a job a peer 2 ms 1 ms 0.50× 3.00× 6.00×"
    assert words(lines[4]) == "alone – 1 GB 1 GB 1.00× – –"
    assert len(lines) == 5


def test_reports_of_different_machines_say_so():
    assert "The machines differ (model, cores): compare the ratios, not the times." in comparison(
        report(), report(model="another", cores=4)
    )


def test_a_quick_run_beside_a_whole_one_says_so():
    quick = replace(report(), settings={"quick": True})
    assert "One run was quick and the other was not" in comparison(report(), quick)
    assert "quick" not in comparison(quick, quick)


def test_reports_with_nothing_in_common():
    assert comparison(Report(MACHINE, {}, ()), report()) == "The two reports have no row in common."
