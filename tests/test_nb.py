"""What a chapter tells the book: read back as numbers, shown with captions and alternative text,
refused with one clear line.
"""

import base64
import io
import json
import re
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import pytest
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output
from matplotlib.figure import Figure

from schurkit import nb
from schurkit.checks import InputError
from schurkit.claims import Rule, beyond, claim_line, load_claims
from schurkit.intervals import over_networks as interval
from schurkit_press.verdicts import OTHER, VERDICTS, explained, marked, verdict, verdicts

CLAIMS = """
- {id: A1, statement: It works., paper: "1.0", where: Table 1, source: x, key: works,
   quantity: the accuracy, rule: {at least: 0.5}, conditions: {bits: 3}}
- {id: A2, statement: It stays., paper: "0", where: Table 2, source: x, key: same,
   quantity: the change, rule: {difference: {from: 0, within: 0.01}}, conditions: {}}
- {id: A3, statement: It falls., paper: down, where: Table 3, source: x, key: fall,
   quantity: the slope, rule: {sign: negative}, conditions: {}}
"""


@dataclass(frozen=True)
class Row:
    seed: int
    accuracy: float


@pytest.fixture
def shell(tmp_path, monkeypatch):
    """A book with two claims, and a live IPython session whose outputs are caught."""
    (tmp_path / "book").mkdir()
    (tmp_path / "book" / "claims.yml").write_text(CLAIMS)
    monkeypatch.setenv("SCHURKIT_BOOK", str(tmp_path))
    InteractiveShell.clear_instance()
    InteractiveShell.instance()
    yield
    InteractiveShell.clear_instance()


def said(call):
    """What a call displays, as the outputs of a notebook."""
    with capture_output() as caught:
        call()
    outputs = [
        {"output_type": "display_data", "data": output.data, "metadata": output.metadata}
        for output in caught.outputs
    ]
    return {
        "cells": [{"cell_type": "code", "source": "", "outputs": json.loads(json.dumps(outputs))}]
    }


def run_with(notebook, **values):
    """The notebook as a run with these parameters leaves it."""
    return notebook | {"metadata": {"schurkit": {"run": {"values": values}}}}


def outputs(call):
    return said(call)["cells"][0]["outputs"]


def figure():
    drawn = Figure(figsize=(2, 1))
    drawn.subplots().plot([0, 1], [0, 1])
    return drawn


# ------------------------------------------------------------------------------------------- record
@pytest.mark.parametrize(
    ("value", "back"),
    [
        (0.25, 0.25),
        (np.float32(0.5), 0.5),
        (np.int64(7), 7),
        (np.bool_(True), True),
        ("words", "words"),
        (None, None),
        (float("nan"), None),
        (np.inf, None),
        (np.array([1.0, np.nan]), [1.0, None]),
        ([1, 2], [1, 2]),
        (np.array(3), 3),
    ],
)
def test_what_is_recorded_comes_back_as_a_value(shell, value, back):
    found = nb.records(said(lambda: nb.record("key", value)))
    assert found == {"key": back}
    assert type(found["key"]) is type(back)


def test_records_are_read_from_a_file(shell, tmp_path):
    path = tmp_path / "x.ipynb"
    path.write_text(json.dumps(said(lambda: nb.record("key", 1.5))))
    assert nb.records(path) == {"key": 1.5}


def test_a_record_is_what_glue_reads(shell):
    (output,) = outputs(lambda: nb.record("key", np.float64(0.125)))
    assert output["data"] == {"application/papermill.record/text/plain": "0.125"}
    assert output["metadata"]["scrapbook"] == {
        "name": "key",
        "mime_prefix": "application/papermill.record/",
    }


def test_an_undefined_record_still_takes_a_number_format(shell):
    (output,) = outputs(lambda: nb.record("key", None))
    assert format(float(output["data"]["application/papermill.record/text/plain"]), ".3f") == "nan"


@pytest.mark.parametrize("key", ["", "1st", "two words", "slash/", None, 3])
def test_a_record_needs_a_plain_key(shell, key):
    with pytest.raises(InputError, match="record needs a key"):
        nb.record(key, 1)


@pytest.mark.parametrize("value", [{"a": 1}, object(), [[1]], np.zeros((2, 2)), 1j])
def test_a_record_takes_plain_values_alone(shell, value):
    with pytest.raises(InputError, match=r"record\('key', …\) takes a number, text or a flat list"):
        nb.record("key", value)


@pytest.mark.parametrize("content", ["not json", None])
def test_reading_back_names_what_is_no_notebook(tmp_path, content):
    path = tmp_path / "x.ipynb"
    if content:
        path.write_text(content)
    with pytest.raises(InputError, match=r"x\.ipynb cannot be read as a notebook"):
        nb.records(path)


# -------------------------------------------------------------------------------------------- claim
def test_a_claim_records_value_interval_and_n_and_no_verdict(shell):
    notebook = said(
        lambda: nb.claim("A1", np.float32(0.75), interval=(np.float64(0.5), 1.0), n=np.int64(12))
    )
    assert nb.claims(notebook) == [{"id": "A1", "value": 0.75, "interval": [0.5, 1.0], "n": 12}]
    assert nb.records(notebook) == {"works": 0.75}
    line = notebook["cells"][0]["outputs"][0]["data"]["text/markdown"]
    assert (
        line
        == "**Claim A1.** It works. Ours: 0.75 [0.5, 1], 12 networks; rule: the accuracy is at "
        "least 0.5; paper: 1.0."
    )
    assert not any(word in json.dumps(notebook) for word in (*VERDICTS, OTHER))


def test_the_verdict_follows_a_rule_that_is_changed_afterwards(shell):
    (told,) = nb.claims(run_with(said(lambda: nb.claim("A1", 0.75, (0.7, 0.8), 12)), bits=3))
    rule = load_claims()["A1"]
    assert claim_line(rule, told, explained(rule, told)).startswith(
        "**Claim A1: reproduced.** It works. Ours: 0.75 [0.7, 0.8], 12 networks;"
    )
    stricter = replace(rule, rule=Rule("at least", 0.9))
    assert claim_line(stricter, told, explained(stricter, told)).startswith(
        "**Claim A1: not reproduced.**"
    )


@pytest.mark.parametrize(
    ("value", "bits", "words"),
    [
        (0.75, 1, "other conditions (the value itself satisfies the rule); bits 1 instead of 3"),
        (
            0.25,
            1,
            "other conditions (the value itself does not satisfy the rule); bits 1 instead of 3",
        ),
        (
            0.75,
            None,
            "other conditions (the value itself satisfies the rule); bits unknown instead of 3",
        ),
        (0.75, 3, "reproduced"),
    ],
)
def test_a_run_under_other_conditions_has_no_verdict(shell, value, bits, words):
    notebook = said(lambda: nb.claim("A1", value, (value - 0.1, value + 0.1), 12))
    (told,) = nb.claims(notebook if bits is None else run_with(notebook, bits=bits))
    assert explained(load_claims()["A1"], told) == words
    assert (verdicts(load_claims()["A1"], told)[""] == OTHER) == (bits != 3)


def test_a_claim_about_several_tasks_has_a_verdict_for_each(shell):
    down, up, wide = np.linspace(-2, -1, 12), np.linspace(1, 2, 12), np.linspace(-1, 1, 12)
    tasks = {
        "flip_flop": interval(down),
        "sine": interval(down),
        "context": interval(wide),
        "path": interval(up),
        "delay": interval(down[:3]),
    }
    notebook = said(lambda: nb.claim("A3", tasks))
    (told,), claim = nb.claims(notebook), load_claims()["A3"]
    assert (
        list(told["each"]) == list(tasks)
        and told["value"] is None
        and told["each"]["sine"]["n"] == 12
    )
    assert nb.records(notebook)["fall"] == pytest.approx(
        [-1.5, -1.5, 0.0, 1.5, told["each"]["delay"]["value"]], abs=1e-9
    )
    assert list(verdicts(claim, told).values()) == [
        "reproduced",
        "reproduced",
        "open",
        "not reproduced",
        "not tested",
    ]
    assert marked(claim, told) == "↓ ↓ · ↑ –"
    assert (
        "↓ ↓ · ↑ – (flip_flop reproduced; sine reproduced; context open; path not reproduced; "
        "delay not tested (" in explained(claim, told)
    )
    assert "Ours: flip_flop −1.5 [" in claim_line(claim, told)
    threshold = replace(claim, rule=Rule("at least", 1.2))
    assert marked(threshold, told) == "✗ ✗ ✗ ✓ –"


@pytest.mark.parametrize(
    ("excess", "word"),
    [
        ({}, "not asked"),
        ({"permuted": np.linspace(0.1, 0.3, 12)}, "yes (permuted)"),
        ({"permuted": np.linspace(0.1, 0.3, 12), "full": np.linspace(-0.3, 0.3, 12)}, "no (full)"),
        ({"permuted": np.linspace(0.1, 0.3, 3)}, "not asked (too few networks)"),
    ],
)
def test_whether_an_effect_is_beyond_its_control_follows_from_the_recorded_excess(
    shell, excess, word
):
    (told,) = nb.claims(
        said(
            lambda: nb.claim(
                "A2", 0.0, n=12, beyond={name: interval(values) for name, values in excess.items()}
            )
        )
    )
    assert beyond(told) == word
    assert (f"Beyond its control: {word}." in claim_line(load_claims()["A2"], told)) == bool(excess)


def test_a_claim_without_any_network_says_that_none_tests_it(shell):
    notebook = said(lambda: nb.claim("A1", None, None, 0))
    line = notebook["cells"][0]["outputs"][0]["data"]["text/markdown"]
    assert (
        "Ours: none, since no network here tests it; rule:" in line
        and nb.claims(notebook)[0]["n"] == 0
    )


def test_negative_numbers_have_a_minus_sign_on_the_page_and_a_hyphen_in_the_file(shell):
    line = said(lambda: nb.claim("A1", -0.25, (-0.5, -1e-5), 12))["cells"][0]["outputs"][0]["data"][
        "text/markdown"
    ]
    assert "Ours: −0.25 [−0.5, −1e−05], 12 networks" in line
    table, note = outputs(
        lambda: nb.table(
            [{"what": "a-b", "shift": np.float32(-0.5), "n": -2.0}],
            "a-table",
            "Shifts.",
            {"shift": ".2f"},
        )
    )
    assert "| a-b | −0.50 | −2 |" in table["data"]["text/markdown"]
    csv = re.search(r"base64,([A-Za-z0-9+/=]*)", note["data"]["text/html"]).group(1)
    assert base64.b64decode(csv).decode() == "what,shift,n\na-b,-0.5,-2.0\n"


@pytest.mark.parametrize("n", [3, 12, 25])
def test_an_interval_brings_its_numbers_along(shell, n):
    values = np.linspace(0.7, 0.8, n)
    (told,) = nb.claims(said(lambda: nb.claim("A1", interval(values))))
    assert (told["n"], told["interval"] is None) == (n, n < 10)
    assert told["value"] == pytest.approx(0.75)


@pytest.mark.parametrize(("value", "words"), [(0.01, "satisfies"), (0.25, "does not satisfy")])
def test_few_networks_say_so_with_the_side_the_value_is_on(shell, value, words):
    (told,) = nb.claims(said(lambda: nb.claim("A2", value, n=1)))
    claim = load_claims()["A2"]
    line = claim_line(claim, told, explained(claim, told))
    assert f"not tested (the value itself {words} the rule)" in line and "1 network;" in line


@pytest.mark.parametrize(
    ("value", "interval"),
    [(float("nan"), None), (None, None), (0.2, (0.1, 0.3)), (0.5, (float("nan"), 1.0))],
)
def test_a_verdict_never_raises(shell, value, interval):
    (told,) = nb.claims(said(lambda: nb.claim("A2", value, interval=interval, n=20)))
    claim = load_claims()["A2"]
    assert verdicts(claim, told)[""] in VERDICTS
    assert claim_line(claim, told, explained(claim, told))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("B7", 1.0), r"there is no claim 'B7' in book/claims.yml; it lists A1, A2, A3"),
        (("A1", "high"), r"claim\('A1', …\) takes a number; got str"),
        (("A1", True), r"claim\('A1', …\) takes a number; got bool"),
        (("A1", 1.0, 3), r"claim A1: interval must be \(low, high\); got 3"),
        (("A1", 1.0, (2.0, 1.0)), r"low ≤ high; got \(2.0, 1.0\)"),
        (("A1", 1.0, ("a", "b")), r"claim A1: interval takes a number; got str"),
        (("A1", 1.0, None, 2.5), r"claim A1: n must be a whole number of networks; got 2.5"),
        (("A1", 1.0, None, -1), r"claim A1: n must be a whole number of networks; got -1"),
        (("A1", 1.0, None, True), r"claim A1: n must be a whole number of networks; got True"),
        (("A1", {}), r"claim A1: several tasks take one Interval each"),
        (("A1", {"sine": 1.0}, (0, 1)), r"claim A1: several tasks take one Interval each"),
        (("A1", {1: 1.0}), r"claim A1: tasks and controls need names; got 1"),
        (("A1", {"sine": "high"}), r"claim\('A1', …\) takes a number; got str"),
    ],
)
def test_a_malformed_claim_is_one_clear_line(shell, arguments, message):
    with pytest.raises(InputError, match=message) as caught:
        nb.claim(*arguments)
    assert "\n" not in str(caught.value)


# ------------------------------------------------------------------------------- rules and verdicts
AT_LEAST, AT_MOST, UP, DOWN = (
    Rule("at least", 0.5),
    Rule("at most", 0.5),
    Rule("sign", 1.0),
    Rule("sign", -1.0),
)
WITHIN, BEYOND = (Rule("difference", 1.0, 0.25, side) for side in ("within", "beyond"))
BORDERS = [  # rule, interval, value, verdict: on the border and just past it
    (AT_LEAST, (0.5, 0.9), 0.7, "reproduced"),
    (AT_LEAST, (0.49, 0.9), 0.7, "partly"),
    (AT_LEAST, (0.49, 0.9), 0.5, "partly"),
    (AT_LEAST, (0.1, 0.5), 0.49, "open"),
    (AT_LEAST, (0.1, 0.49), 0.3, "not reproduced"),
    (AT_MOST, (0.1, 0.5), 0.3, "reproduced"),
    (AT_MOST, (0.1, 0.51), 0.5, "partly"),
    (AT_MOST, (0.5, 0.9), 0.51, "open"),
    (AT_MOST, (0.51, 0.9), 0.7, "not reproduced"),
    (UP, (1e-9, 0.2), 0.1, "reproduced"),
    (UP, (0.0, 0.2), 0.1, "open"),
    (UP, (-0.1, 0.3), 0.1, "open"),
    (UP, (-0.3, 0.1), -0.1, "open"),
    (UP, (-0.2, 0.0), -0.1, "not reproduced"),
    (DOWN, (-0.2, -1e-9), -0.1, "reproduced"),
    (DOWN, (-0.2, 0.0), -0.1, "open"),
    (DOWN, (-0.1, 0.3), 0.1, "open"),
    (DOWN, (0.0, 0.2), 0.1, "not reproduced"),
    (WITHIN, (0.75, 1.25), 1.0, "reproduced"),
    (WITHIN, (0.74, 1.25), 1.0, "partly"),
    (WITHIN, (1.0, 1.5), 1.25, "partly"),
    (WITHIN, (1.25, 1.5), 1.26, "open"),
    (WITHIN, (0.5, 1.5), 1.3, "open"),
    (WITHIN, (1.26, 1.5), 1.3, "not reproduced"),
    (WITHIN, (0.5, 0.74), 0.6, "not reproduced"),
    (BEYOND, (1.25, 1.5), 1.3, "reproduced"),
    (BEYOND, (0.5, 0.75), 0.6, "reproduced"),
    (BEYOND, (1.24, 1.5), 1.25, "partly"),
    (BEYOND, (0.5, 1.5), 1.3, "partly"),
    (BEYOND, (0.5, 1.5), 1.0, "open"),
    (BEYOND, (0.75, 1.24), 0.76, "open"),
    (BEYOND, (0.76, 1.24), 1.0, "not reproduced"),
]


@pytest.mark.parametrize(("rule", "interval", "value", "word"), BORDERS)
def test_the_verdict_follows_from_value_interval_and_rule(rule, interval, value, word):
    assert verdict(rule, value, interval, 10) == word
    assert verdict(rule, value, interval, 9) == "not tested"


@pytest.mark.parametrize(
    ("value", "interval", "n"),
    [(None, (1, 2), 20), (1, None, 20), (1, (1, 1), 9), (1, (1, 1), None)],
)
def test_without_ten_networks_and_an_interval_nothing_is_tested(value, interval, n):
    assert verdict(AT_MOST, value, interval, n) == "not tested"


def test_the_book_lists_its_claims_with_rules():
    known = load_claims()
    assert {"S1", "S2", "S3", "S4", "S5"} <= set(known)
    assert str(known["S1"].rule) == "lies within 0.01 of 0"
    assert str(known["S2"].rule) == "is at most 0.75"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{a: 1}", "must be a list of claims; got dict"),
        ("- [", "is not valid YAML"),
        ("- {id: A1}", "claim A1 must have exactly the fields id, statement"),
        ("- 3", "claim . must have exactly the fields"),
        (CLAIMS + CLAIMS, "lists claim A1 twice"),
        (
            CLAIMS.replace("{bits: 3}", "3"),
            "claim A1: conditions must map parameters of the chapter to values; got 3",
        ),
        (CLAIMS.replace("the accuracy", "3"), "claim A1: quantity must be text; got 3"),
        (
            CLAIMS.replace("{at least: 0.5}", "{at least: high}"),
            "claim A1: rule must be {at least: number}",
        ),
        (CLAIMS.replace("{at least: 0.5}", "{about: 0.5}"), "claim A1: rule must be"),
        (CLAIMS.replace("{at least: 0.5}", "{sign: up}"), "claim A1: rule must be"),
        (
            CLAIMS.replace("{at least: 0.5}", "{difference: {from: 0, near: 1}}"),
            "claim A1: rule must be",
        ),
        (
            CLAIMS.replace("{at least: 0.5}", "{difference: {from: 0, within: -1}}"),
            "claim A1: rule must be",
        ),
    ],
)
def test_a_malformed_claims_file_is_one_clear_line(tmp_path, text, message):
    path = tmp_path / "claims.yml"
    path.write_text(text)
    with pytest.raises(InputError, match=message) as caught:
        load_claims(path)
    assert "\n" not in str(caught.value)


def test_a_chapter_outside_any_book_finds_the_claims_beside_the_package(tmp_path, monkeypatch):
    monkeypatch.delenv("SCHURKIT_BOOK", raising=False)
    monkeypatch.chdir(tmp_path)
    assert "S1" in load_claims()


# --------------------------------------------------------------------------------------------- show
def test_a_figure_carries_caption_name_and_alternative_text(shell):
    first, note = outputs(
        lambda: nb.show(figure(), "a-figure", "What is\nshown.", "A line\nthat rises.")
    )
    assert first["metadata"]["mystnb"] == {
        "image": {"alt": "A line that rises."},
        "figure": {"name": "a-figure", "caption": "What is shown."},
    }
    assert first["data"]["image/svg+xml"].lstrip().startswith("<?xml")
    assert "schurkit-live" in note["data"]["text/html"] and "href" not in note["data"]["text/html"]


@pytest.mark.parametrize(
    "data",
    [[Row(0, 0.5), Row(1, 1.0)], [{"seed": 0, "accuracy": 0.5}, {"seed": 1, "accuracy": 1.0}]],
)
def test_the_numbers_behind_a_figure_are_a_csv_file_in_its_link(shell, data):
    _, note = outputs(lambda: nb.show(figure(), "a-figure", "Caption.", "Alt.", data))
    link = note["data"]["text/html"].split('href="data:text/csv;base64,')[1].split('"')[0]
    back = pd.read_csv(io.BytesIO(base64.b64decode(link)))
    assert back.to_dict("list") == {"seed": [0, 1], "accuracy": [0.5, 1.0]}
    assert (
        'download="a-figure.csv"' in note["data"]["text/html"]
        and "2 rows" in note["data"]["text/html"]
    )


def test_drawing_a_figure_twice_gives_the_same_bytes(shell):
    drawn = figure()
    assert nb.picture(drawn) == nb.picture(drawn)


def test_a_large_drawing_is_sent_as_a_picture(shell, monkeypatch):
    monkeypatch.setattr(nb, "SVG_LIMIT", 100)
    first, _ = outputs(lambda: nb.show(figure(), "a-figure", "Caption.", "Alt."))
    assert base64.b64decode(first["data"]["image/png"]).startswith(b"\x89PNG")


def test_a_shown_figure_is_closed(shell):
    import matplotlib.pyplot as plt

    drawn = plt.figure()
    outputs(lambda: nb.show(drawn, "a-figure", "Caption.", "Alt."))
    assert not plt.fignum_exists(drawn.number)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("A Figure", "Caption.", "Alt."), "a figure needs a name of lower-case words"),
        (("a-figure", " ", "Alt."), "figure a-figure needs a caption"),
        (("a-figure", "Caption.", ""), "figure a-figure needs an alternative text"),
        (
            ("a-figure", "Caption.", "Alt.", []),
            "figure a-figure needs a DataFrame or a non-empty list of dataclass rows",
        ),
        (
            ("a-figure", "Caption.", "Alt.", [1, 2]),
            "figure a-figure needs a DataFrame or a non-empty list of dataclass rows",
        ),
    ],
)
def test_a_figure_without_its_words_is_refused(shell, arguments, message):
    with pytest.raises(InputError, match=message):
        nb.show(figure(), *arguments)


def test_axes_are_not_a_figure(shell):
    with pytest.raises(
        InputError, match=r"show needs a matplotlib figure; got .*Axes.* Use ax.figure"
    ):
        nb.show(figure().axes[0], "a-figure", "Caption.", "Alt.")


def test_numbers_that_are_too_many_for_a_page_are_refused(shell, monkeypatch):
    monkeypatch.setattr(nb, "CSV_LIMIT", 10)
    with pytest.raises(InputError, match=r"a-figure: the numbers behind it take .* MB as CSV"):
        nb.show(figure(), "a-figure", "Caption.", "Alt.", [Row(0, 0.5)])


# -------------------------------------------------------------------------------------------- table
def test_a_table_is_markdown_for_the_page_and_html_for_a_session(shell):
    rows = [
        {"removed": "RR|CR", "accuracy": 0.5, "n": 3},
        {"removed": "CC", "accuracy": float("nan"), "n": 4},
    ]
    first, note = outputs(lambda: nb.table(rows, "a-table", "All\nremovals.", {"accuracy": ".2f"}))
    assert first["data"]["text/markdown"].splitlines() == [
        ":::{table} All removals.",
        ":name: a-table",
        "",
        "| removed | accuracy | n |",
        "|:---|---:|---:|",
        "| RR\\|CR | 0.50 | 3 |",
        "| CC | – | 4 |",
        ":::",
    ]
    assert '<td style="text-align:right">0.50</td>' in first["data"]["text/html"]
    assert 'download="a-table.csv"' in note["data"]["text/html"]


@pytest.mark.parametrize(
    ("cells", "side"),
    [
        (["0.12 [0.10, 0.14]", "–"], "---:"),
        (["−0.37", "+0.71"], "---:"),
        (["1,200", "3e-05"], "---:"),
        (["3 of 4", "2"], ":---"),
        (["–", "–"], ":---"),
        (["D1", "D5"], ":---"),
    ],
)
def test_numbers_that_came_as_text_stand_on_the_right_too(shell, cells, side):
    first, _ = outputs(lambda: nb.table([{"x": cell} for cell in cells], "a-table", "Caption."))
    assert first["data"]["text/markdown"].splitlines()[4] == f"|{side}|"


@pytest.mark.parametrize(
    ("value", "spec", "shown"),
    [(-0.001, ".2f", "0.00"), (0.001, "+.2f", "0.00"), (-0.01, ".2f", "−0.01"), (-0.2, ".0f", "0")],
)
def test_a_zero_by_rounding_has_no_sign(shell, value, spec, shown):
    first, _ = outputs(lambda: nb.table([{"x": value}], "a-table", "Caption.", {"x": spec}))
    assert first["data"]["text/markdown"].splitlines()[5] == f"| {shown} |"


def test_a_named_index_becomes_a_column(shell):
    frame = pd.DataFrame({"accuracy": [0.123456]}, index=pd.Index(["CC"], name="removed"))
    first, _ = outputs(lambda: nb.table(frame, "a-table", "Caption."))
    assert "| CC | 0.1235 |" in first["data"]["text/markdown"]


def test_markup_in_cells_is_shown_as_it_is(shell):
    first, _ = outputs(lambda: nb.table([{"a": "<b>&"}], "a-table", "Caption."))
    assert "&lt;b&gt;&amp;" in first["data"]["text/html"]


@pytest.mark.parametrize(
    ("rows", "name", "caption", "formats", "message"),
    [
        ([Row(0, 1.0)], "Name", "Caption.", None, "a table needs a name"),
        ([Row(0, 1.0)], "a-table", "", None, "table a-table needs a caption"),
        (
            [Row(0, 1.0)],
            "a-table",
            "Caption.",
            {"loss": ".2f"},
            "table a-table has no column 'loss'; it has seed, accuracy",
        ),
        (
            [Row(0, 1.0)],
            "a-table",
            "Caption.",
            {"accuracy": ".2q"},
            "format '.2q' does not suit the value 1.0",
        ),
        ("rows", "a-table", "Caption.", None, "table a-table needs a DataFrame"),
        ([Row], "a-table", "Caption.", None, "table a-table needs a DataFrame"),
    ],
)
def test_a_malformed_table_is_refused(shell, rows, name, caption, formats, message):
    with pytest.raises(InputError, match=message):
        nb.table(rows, name, caption, formats)


def test_outside_a_session_only_the_text_is_printed(capsys, monkeypatch):
    InteractiveShell.clear_instance()
    nb.show(figure(), "a-figure", "Caption.", "Alt.")
    nb.record("key", 1)
    assert capsys.readouterr().out == "Figure a-figure: Alt.\nCaption.\n"


def test_a_caption_may_hold_code(shell):
    """Backticks in a caption must not end the directive's opening line."""
    notebook = said(lambda: nb.table([{"a": 1}], "code-table", "What `schurkit bench` says."))
    text = notebook["cells"][0]["outputs"][0]["data"]["text/markdown"]
    assert text.startswith(
        ":::{table} What `schurkit bench` says.\n:name: code-table\n"
    ) and text.endswith(":::")
