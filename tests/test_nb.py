"""What a chapter tells the book: read back as numbers, shown with captions and alternative text,
refused with one clear line.
"""

import base64
import json
import re
from dataclasses import dataclass, replace
from itertools import combinations_with_replacement

import numpy as np
import pandas as pd
import pytest
from helpers import refuses
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output
from matplotlib import pyplot as plt
from matplotlib.figure import Figure
from press.small_book import cases

from schurkit import nb
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
def book(tmp_path, monkeypatch):
    """A book with three claims."""
    (tmp_path / "book").mkdir()
    (tmp_path / "book" / "claims.yml").write_text(CLAIMS)
    monkeypatch.setenv("SCHURKIT_BOOK", str(tmp_path))


@pytest.fixture
def shell(book):
    """A live IPython session whose outputs are caught."""
    InteractiveShell.clear_instance()
    InteractiveShell.instance()
    yield
    InteractiveShell.clear_instance()


def said(call):
    """What a call displays, as the outputs of a notebook."""
    with capture_output() as caught:
        call()
    shown = [{"data": output.data, "metadata": output.metadata} for output in caught.outputs]
    outputs = [{"output_type": "display_data"} | one for one in json.loads(json.dumps(shown))]
    return {"cells": [{"cell_type": "code", "source": "", "outputs": outputs}]}


def markdown(call):
    return outputs(call)[0]["data"]["text/markdown"]


def claimed(*arguments, values=None, **options):
    """A claim as it is read back, from a run with these parameters."""
    notebook = said(lambda: nb.claim(*arguments, **options))
    (told,) = nb.claims(notebook if values is None else run_with(notebook, **values))
    return load_claims()[arguments[0]], told


def run_with(notebook, **values):
    """The notebook as a run with these parameters leaves it."""
    return notebook | {"metadata": {"schurkit": {"run": {"values": values}}}}


def outputs(call):
    return said(call)["cells"][0]["outputs"]


def csv_of(note):
    """The file that the link of an output holds."""
    link = re.search(r"base64,([A-Za-z0-9+/=]*)", note["data"]["text/html"]).group(1)
    return base64.b64decode(link).decode()


def figure():
    drawn = Figure(figsize=(2, 1))
    drawn.subplots().plot([0, 1], [0, 1])
    return drawn


# ------------------------------------------------------------------------------------------- record
@pytest.mark.parametrize(
    "value, back",
    [
        (np.float32(0.5), 0.5),
        (np.int64(7), 7),
        (np.bool_(True), True),
        ("words", "words"),
        (None, None),
        (np.inf, None),
        (np.array([1.0, np.nan]), [1.0, None]),
        (np.array(3), 3),
    ],
)
def test_what_is_recorded_comes_back_as_a_value(shell, tmp_path, value, back):
    notebook = said(lambda: nb.record("key", value))
    (tmp_path / "x.ipynb").write_text(json.dumps(notebook))
    found = nb.records(notebook)
    assert found == {"key": back} == nb.records(tmp_path / "x.ipynb")
    assert type(found["key"]) is type(back)


@pytest.mark.parametrize("content", ["not json", None])
def test_reading_back_names_what_is_no_notebook(tmp_path, content):
    path = tmp_path / "x.ipynb"
    if content:
        path.write_text(content)
    refuses(r"x\.ipynb cannot be read as a notebook", nb.records, path)


# -------------------------------------------------------------------------------------------- claim
def test_a_claim_records_value_interval_and_n_and_no_verdict(shell):
    notebook = said(
        lambda: nb.claim("A1", np.float32(0.75), interval=(np.float64(0.5), 1.0), n=np.int64(12))
    )
    assert nb.claims(notebook) == [{"id": "A1", "value": 0.75, "interval": [0.5, 1.0], "n": 12}]
    assert nb.records(notebook) == {"works": 0.75}
    assert notebook["cells"][0]["outputs"][0]["data"]["text/markdown"] == (
        "**Claim A1.** It works. Ours: 0.75 [0.5, 1], 12 networks; rule: the accuracy is at "
        "least 0.5; paper: 1.0."
    )
    assert not any(word in json.dumps(notebook) for word in (*VERDICTS, OTHER))


@pytest.mark.parametrize(
    "value, values, words",
    [
        (0.75, {"bits": 3}, "reproduced"),
        (
            0.25,
            {"bits": 1},
            "other conditions (the value itself does not satisfy the rule); bits 1 instead of 3",
        ),
        (
            0.75,
            {},
            "other conditions (the value itself satisfies the rule); bits unknown instead of 3",
        ),
    ],
)
def test_a_run_under_other_conditions_has_no_verdict(shell, value, values, words):
    claim, told = claimed("A1", value, (value - 0.1, value + 0.1), 12, values=values)
    assert explained(claim, told) == words
    assert (verdicts(claim, told)[""] == OTHER) == ("other" in words)


def test_a_claim_about_several_tasks_has_a_verdict_for_each(shell):
    down, wide = np.linspace(-2, -1, 12), np.linspace(-1, 1, 12)
    values = {"flip_flop": down, "sine": down, "context": wide, "path": -down, "delay": down[:3]}
    tasks = {name: interval(each) for name, each in values.items()}
    claim, told = claimed("A3", tasks)
    assert list(told["each"]) == list(tasks) and told["value"] is None
    assert told["each"]["sine"]["n"] == 12
    means = [each.mean() for each in values.values()]
    recorded = nb.records(said(lambda: nb.claim("A3", tasks)))["fall"]
    assert recorded == pytest.approx(means, abs=1e-9)
    words = ["reproduced", "reproduced", "open", "not reproduced", "not tested"]
    assert list(verdicts(claim, told).values()) == words
    assert marked(claim, told) == "↓ ↓ · ↑ –"
    every = "; ".join(f"{name} {word}" for name, word in zip(tasks, [*words[:-1], "–"]))
    assert f"↓ ↓ · ↑ – ({every} (" in explained(claim, told)
    assert "Ours: flip_flop −1.5 [" in claim_line(claim, told)
    # the verdict follows a rule that is changed afterwards
    assert marked(replace(claim, rule=Rule("at least", 1.2)), told) == "✗ ✗ ✗ ✓ –"


@pytest.mark.parametrize(
    "excess, word",
    [
        ({}, "not asked"),
        ({"permuted": (0.1, 0.3, 12)}, "yes (permuted)"),
        ({"permuted": (0.1, 0.3, 12), "full": (-0.3, 0.3, 12)}, "no (full)"),
        ({"permuted": (0.1, 0.3, 3)}, "not asked (too few networks)"),
    ],
)
def test_whether_an_effect_is_beyond_its_control_follows_from_the_recorded_excess(
    shell, excess, word
):
    controls = {name: interval(np.linspace(*ends)) for name, ends in excess.items()}
    claim, told = claimed("A2", 0.0, n=12, beyond=controls)
    assert beyond(told) == word
    assert (f"Beyond its control: {word}." in claim_line(claim, told)) == bool(excess)


@pytest.mark.parametrize(
    "arguments, words",
    [
        (("A1", None, None, 0), "Ours: none, since no network here tests it; rule:"),
        (("A1", -0.25, (-0.5, -1e-5), 12), "Ours: −0.25 [−0.5, −1e−05], 12 networks"),
        (("A2", 0.01, None, 1), "– (the value itself satisfies the rule)"),
        (("A2", 0.25, None, 1), "– (the value itself does not satisfy the rule)"),
        (("A2", 0.25, None, 1), "1 network;"),
        (("A2", 0.5, (float("nan"), 1.0), 20), ""),
        (("A1", interval(np.linspace(0.7, 0.8, 9))), "Ours: 0.75, 9 networks"),
        (("A1", interval(np.linspace(0.7, 0.8, 12))), "Ours: 0.75 [0.7292, 0.7708], 12 networks"),
    ],
)
def test_the_line_of_a_claim(shell, arguments, words):
    """And a verdict never raises."""
    claim, told = claimed(*arguments)
    assert verdicts(claim, told)[""] in (*VERDICTS, OTHER)
    assert words in claim_line(claim, told) + explained(claim, told)


def test_numbers_have_a_minus_sign_on_the_page_and_a_hyphen_in_the_file(shell):
    rows = [{"what": "a-b", "shift": np.float32(-0.5), "n": -2.0}]
    table, note = outputs(lambda: nb.table(rows, "a-table", "Shifts.", {"shift": ".2f"}))
    assert "| a-b | −0.50 | −2 |" in table["data"]["text/markdown"]
    assert csv_of(note) == "what,shift,n\na-b,-0.5,-2.0\n"


# ------------------------------------------------------------------------------- rules and verdicts


RULES = {
    Rule("at least", 0.5): lambda v: v >= 0.5,
    Rule("at most", 0.5): lambda v: v <= 0.5,
    Rule("sign", 1.0): lambda v: v > 0,
    Rule("sign", -1.0): lambda v: v < 0,
    Rule("difference", 1.0, 0.25, "within"): lambda v: abs(v - 1) <= 0.25,
    Rule("difference", 1.0, 0.25, "beyond"): lambda v: abs(v - 1) >= 0.25,
}


ENDS = (-0.1, -1e-9, 0, 1e-9, 0.49, 0.5, 0.51, 0.74, 0.75, 0.76, 1, 1.24, 1.25, 1.26)


@pytest.mark.parametrize("rule", RULES, ids=str)
def test_the_verdict_follows_from_value_interval_and_rule(rule):
    """Against every value of the interval, on the borders and just past them."""
    for low, high in combinations_with_replacement(ENDS, 2):
        inside = [*np.linspace(low, high, 9), *(end for end in ENDS if low <= end <= high)]
        satisfied = {value: RULES[rule](value) for value in inside}
        for value in (low, high):
            word = "partly" if satisfied[value] and rule.kind != "sign" else "open"
            holds_0 = rule.kind == "sign" and low <= 0 <= high
            if len(set(satisfied.values())) == 1 and not holds_0:
                word = "reproduced" if satisfied[value] else "not reproduced"
            assert verdict(rule, value, (low, high), 10) == word, (low, high, value)
            short = (value, (low, high), 9), (value, (low, high), None), (value, None, 20)
            assert {verdict(rule, *one) for one in short} == {"not tested"}
    assert verdict(rule, None, (low, high), 20) == "not tested"


@pytest.mark.parametrize(
    "old, new, message",
    cases("""
{at least: 0.5} → {at least: high} → claim A1: rule must be {at least: number}
{at least: 0.5} → {about: 0.5} → claim A1: rule must be
{at least: 0.5} → {sign: up} → claim A1: rule must be
{at least: 0.5} → {difference: {from: 0, near: 1}} → claim A1: rule must be
{at least: 0.5} → {difference: {from: 0, within: -1}} → claim A1: rule must be
{bits: 3} → 3 → claim A1: conditions must map parameters of the chapter to values; got 3
the accuracy → 3 → claim A1: quantity must be text; got 3
A2 → A1 → lists claim A1 twice
, key: works → → claim A1 must have exactly the fields id, statement
CLAIMS → - 3 → must have exactly the fields
CLAIMS → - [ → is not valid YAML
CLAIMS → {a: 1} → must be a list of claims; got dict
"""),
)
def test_a_malformed_claims_file_is_one_clear_line(tmp_path, old, new, message):
    text = new if old == "CLAIMS" else CLAIMS.replace(old, new, 1)
    (tmp_path / "claims.yml").write_text(text)
    refuses(re.escape(message), load_claims, tmp_path / "claims.yml")


def test_a_chapter_outside_any_book_finds_the_claims_beside_the_package(tmp_path, monkeypatch):
    monkeypatch.delenv("SCHURKIT_BOOK", raising=False)
    monkeypatch.chdir(tmp_path)
    assert "S1" in load_claims()


# --------------------------------------------------------------------------------------------- show
def test_a_figure_carries_caption_name_and_alternative_text(shell):
    words = "a-figure", "What is\nshown.", "A line\nthat rises."
    first, note = outputs(lambda: nb.show(figure(), *words))
    assert first["metadata"]["mystnb"] == {
        "image": {"alt": "A line that rises."},
        "figure": {"name": "a-figure", "caption": "What is shown."},
    }
    assert first["data"]["image/svg+xml"].lstrip().startswith("<?xml")
    assert "schurkit-live" in note["data"]["text/html"] and "href" not in note["data"]["text/html"]
    again, _ = outputs(lambda: nb.show(figure(), *words))
    assert again["data"] == first["data"]


def test_the_numbers_behind_a_figure_are_a_csv_file_in_its_link(shell):
    rows = [Row(0, 0.5), Row(1, 1.0)]
    for data in (rows, pd.DataFrame(rows), [vars(row) for row in rows]):
        _, note = outputs(lambda data=data: nb.show(figure(), "a-figure", "Caption.", "Alt.", data))
        html = note["data"]["text/html"]
        assert csv_of(note) == "seed,accuracy\n0,0.5\n1,1.0\n"
        assert 'download="a-figure.csv"' in html and "2 rows" in html


def test_a_large_drawing_is_sent_as_a_picture_and_a_shown_figure_is_closed(shell, monkeypatch):
    monkeypatch.setattr(nb, "SVG_LIMIT", 100)
    drawn = plt.figure()
    first, _ = outputs(lambda: nb.show(drawn, "a-figure", "Caption.", "Alt."))
    assert base64.b64decode(first["data"]["image/png"]).startswith(b"\x89PNG")
    assert not plt.fignum_exists(drawn.number)


# -------------------------------------------------------------------------------------------- table
def test_a_table_is_markdown_for_the_page_and_html_for_a_session(shell):
    rows = [
        {"removed": "RR|CR", "accuracy": 0.5, "n": 3},
        {"removed": "<b>&", "accuracy": float("nan"), "n": 4},
    ]
    # backticks in a caption must not end the directive's opening line
    caption, formats = "All\n`removals`.", {"accuracy": ".2f"}
    first, note = outputs(lambda: nb.table(rows, "a-table", caption, formats))
    assert first["data"]["text/markdown"].splitlines() == [
        ":::{table} All `removals`.",
        ":name: a-table",
        "",
        "| removed | accuracy | n |",
        "|:---|---:|---:|",
        "| RR\\|CR | 0.50 | 3 |",
        "| <b>& | – | 4 |",
        ":::",
    ]
    assert '<td style="text-align:right">0.50</td>' in first["data"]["text/html"]
    assert "&lt;b&gt;&amp;" in first["data"]["text/html"]
    assert 'download="a-table.csv"' in note["data"]["text/html"]


@pytest.mark.parametrize(
    "first, second, side",
    cases("""
0.12 [0.10, 0.14] → – → ---:
−0.37 → +0.71 → ---:
1,200 → 3e-05 → ---:
3 of 4 → 2 → :---
– → – → :---
D1 → D5 → :---
"""),
)
def test_numbers_that_came_as_text_stand_on_the_right_too(shell, first, second, side):
    rows = [{"x": first}, {"x": second}]
    assert markdown(lambda: nb.table(rows, "a-table", "Caption.")).splitlines()[4] == f"|{side}|"


def test_a_zero_by_rounding_has_no_sign(shell):
    for value, spec, shown in (
        (-0.001, ".2f", "0.00"),
        (0.001, "+.2f", "0.00"),
        (-0.01, ".2f", "−0.01"),
    ):
        rows, formats = [{"x": value}], {"x": spec}
        text = markdown(lambda rows=rows, how=formats: nb.table(rows, "a-table", "Caption.", how))
        assert text.splitlines()[5] == f"| {shown} |"


def test_a_named_index_becomes_a_column(shell):
    frame = pd.DataFrame({"accuracy": [0.123456]}, index=pd.Index(["CC"], name="removed"))
    assert "| CC | 0.1235 |" in markdown(lambda: nb.table(frame, "a-table", "Caption."))


ROWS, NAME, WORDS = [Row(0, 1.0)], "a-table", "Caption."


FIGURE = (Figure(), "a-figure", "Caption.", "Alt.")


@pytest.mark.parametrize(
    "call, arguments, message",
    [
        *((nb.record, (key, 1), "record needs a key") for key in ("1st", "a b", 3)),
        *(
            (nb.record, ("key", value), r"record\('key', …\) takes a number, text or a flat list")
            for value in ({"a": 1}, np.zeros((2, 2)), 1j)
        ),
        (nb.claim, ("B7", 1.0), r"there is no claim 'B7' in book/claims.yml; it lists A1, A2, A3"),
        (nb.claim, ("A1", True), r"claim\('A1', …\) takes a number; got bool"),
        (nb.claim, ("A1", 1.0, 3), r"claim A1: interval must be \(low, high\); got 3"),
        (nb.claim, ("A1", 1.0, (2.0, 1.0)), r"low ≤ high; got \(2.0, 1.0\)"),
        (nb.claim, ("A1", 1.0, ("a", "b")), r"claim A1: interval takes a number; got str"),
        (nb.claim, ("A1", 1.0, None, 2.5), "A1: n must be a whole number; got 2.5"),
        (nb.claim, ("A1", {}), r"claim A1: several tasks take one Interval each"),
        (
            nb.claim,
            ("A1", {"sine": 1.0}, (0, 1)),
            r"claim A1: several tasks take one Interval each",
        ),
        (nb.claim, ("A1", {1: 1.0}), r"claim A1: tasks and controls need names; got 1"),
        (
            nb.show,
            (FIGURE[0], "A Figure", *FIGURE[2:]),
            "a figure needs a name of lower-case words",
        ),
        (nb.show, (*FIGURE[:2], " ", "Alt."), "figure a-figure needs a caption"),
        (nb.show, (*FIGURE[:3], ""), "figure a-figure needs an alternative text"),
        (
            nb.show,
            (*FIGURE, []),
            "figure a-figure needs a DataFrame or a non-empty list of dataclass",
        ),
        (nb.show, (*FIGURE, ROWS), r"a-figure: the numbers behind it take .* MB as CSV"),
        (nb.show, (FIGURE[0].subplots(), *FIGURE[1:]), r"got .*Axes.* Use ax.figure"),
        (nb.table, (ROWS, "Name", WORDS), "a table needs a name"),
        (nb.table, (ROWS, NAME, ""), "table a-table needs a caption"),
        (
            nb.table,
            (ROWS, NAME, WORDS, {"loss": ".2f"}),
            "has no column 'loss'; it has seed, accuracy",
        ),
        (nb.table, (ROWS, NAME, WORDS, {"accuracy": ".2q"}), "'.2q' does not suit the value 1.0"),
        (nb.table, ([Row], NAME, WORDS), "table a-table needs a DataFrame"),
    ],
)
def test_what_is_malformed_is_one_clear_line(book, monkeypatch, call, arguments, message):
    monkeypatch.setattr(nb, "CSV_LIMIT", 10)
    refuses(message, call, *arguments)


def test_outside_a_session_only_the_text_is_printed(capsys, monkeypatch):
    InteractiveShell.clear_instance()
    nb.show(figure(), "a-figure", "Caption.", "Alt.")
    nb.record("key", 1)
    assert capsys.readouterr().out == "Figure a-figure: Alt.\nCaption.\n"
