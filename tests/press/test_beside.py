"""The published run stands first: one line that sets a run beside it, and its numbers in the
prose.
"""

import base64
import re
from dataclasses import replace
from itertools import chain

import pytest
from helpers import refuses
from press.small_book import REPOSITORY, a_book, cases

from schurkit_press.beside import (
    PRECISION,
    WHOLE,
    claim_line,
    picture,
    published_numbers,
    section,
    strip,
)
from schurkit_press.chapters import RUN, chapters
from schurkit_press.panels import PANELS, Panel, Removal

VALUES = {"networks": 20, "first_seed": 0, "bits": 3, "threshold": 0.9, "draws": 20, "orders": 10}
VALUES |= {"test_trials": 256, "sizes": [56, 64], "auxiliary": True}
DEVICE = dict.fromkeys(RUN) | {"device": "a chip, 2 cores"}
KEPT = DEVICE | {"edition": "book", "date": "2026-11-28", "seconds": 60.0, "values": VALUES}


def csv(rows):
    return (
        "\n".join(["network,removed,kind,delta", *(",".join(map(str, row)) for row in rows)]) + "\n"
    )


def rows(effects, first=0, removed="CR"):
    return [(first + i, removed, "removal", effect) for i, effect in enumerate(effects)]


TOLD = {"kind": "published", "name": "a-profile", "by": "removed", "value": "delta"}


def book(tmp_path, published, live, values=None, records=None, told=TOLD, claims=()):
    """A book of one chapter with these CSV files of the published and of this run; other values of
    its parameters where given.
    """
    named = [{"data": {}, "metadata": {"schurkit": told}}] if told else []
    place = tmp_path / "book" / "data" / "one"
    place.mkdir(parents=True, exist_ok=True)
    if published is not None:
        (place / "a-profile.csv").write_text(csv(published))
    run = DEVICE | {"values": VALUES | {"networks": 3} | (values or {}), "seconds": 45.2}
    embedded = (
        '<a download="a-profile.csv" '
        f'href="data:text/csv;base64,{base64.b64encode(csv(live).encode()).decode()}">'
    )
    executed = {
        "metadata": {"schurkit": {"run": run}},
        "cells": [{"outputs": [{"data": {"text/html": embedded}}, *named]}],
    }
    return a_book(
        root=tmp_path,
        notebooks={"one": executed},
        published={"one": {"provenance": KEPT, "records": records or {}, "claims": claims}},
    )


def line(*arguments, **more):
    return strip(book(*arguments, **more), "one")


EVEN = [i / 19 for i in range(20)]  # 20 published networks from 0 to 1


def test_values_outside_the_published_range_are_counted_as_such(tmp_path):
    """Two removals of three fresh networks, two values outside; controls, what is undefined and
    what removes nothing do not count.
    """
    published = rows(EVEN) + rows(EVEN, removed="RR") + rows([0.0] * 20, removed="none")
    live = rows([-0.1, 0.5, 1.1], 100) + rows([0.25, 0.5, 0.75], 100, "RR")
    live += rows([0.0] * 3, 100, "none") + [(100, "CR", "permuted", 9.0)]
    live += [(102, "RR", "removal", ""), (102, "CR", "removal", "nan")]
    assert line(tmp_path, published, live) == (
        "**Published**: 20 networks, 2026-11-28. **This copy**: 3 networks, seeds 0 to 2, 45 s on "
        "2 cores. 4 of its 6 values lie within the range of the published networks (fresh "
        "networks: 5.43 in the mean)."
    )


def test_what_fresh_networks_would_give_is_right(tmp_path):
    """Of 40 fresh values, (n − 1)/(n + 1) in the mean: the chance that the last of n + 1 is neither
    the least nor the largest.
    """
    for n, mean in ((2, "13.3"), (5, "26.7"), (20, "36.2")):
        told = line(tmp_path, rows(range(n)), rows([0.5] * 40, first=100))
        assert f"fresh networks: {mean} in the mean" in told


def test_networks_of_published_seeds_are_no_test(tmp_path):
    again = rows([EVEN[0] * (1 - 1e-9), EVEN[19] * (1 + 1e-9)])  # rounded otherwise, at both ends
    again[1] = (19, *again[1][1:])
    assert (
        "2 of its 2 values lie within the range of the published networks (its seeds are among "
        "theirs)." in line(tmp_path, rows(EVEN), again)
    )
    told = line(tmp_path, rows(EVEN), again + rows([2.0], first=100))
    assert (
        "2 of its 3 values lie within" in told
        and "(2.9 in the mean, since 2 are of seeds that are among theirs)" in told
    )


def test_a_run_with_other_parameters_stands_on_its_own(tmp_path):
    values = {"bits": 2, "threshold": 0.8, "sizes": [64, 72]}
    words = "bits 2 instead of 3, threshold 0.8 instead of 0.9, sizes [64, 72] instead of [56, 64]"
    other = book(tmp_path, rows(EVEN), rows([0.5]), values, {"delta": 0.5})
    assert strip(other, "one").endswith(
        f"cores. Other parameters than the published run's ({words}): this page stands on its own "
        "run."
    )
    assert published_numbers(other, "one")["outputs"] == []


@pytest.mark.parametrize(
    "values",
    [
        {"first_seed": 7, "draws": 3, "orders": 1, "test_trials": 16, "new": 1},
        {"sizes": [64], "auxiliary": False},
    ],
)
def test_other_seeds_fewer_networks_and_draws_are_the_same_question(tmp_path, values):
    records = {"delta": 0.5, "word": "two", "gone": None}
    # it names no table: the first of its removals
    same = book(tmp_path, rows(EVEN), rows([0.5]), values, records, told=None)
    assert "1 of its 1 value lies within" in strip(same, "one")
    outputs = published_numbers(same, "one")["outputs"]
    names = [output["metadata"]["scrapbook"]["name"] for output in outputs]
    assert names == [f"published.{name}" for name in records]
    assert [*chain(*(output["data"].values() for output in outputs))] == ["0.5", "'two'", "nan"]


def test_numbers_of_both_runs_stand_side_by_side(tmp_path):
    one = book(tmp_path, None, rows([0.5]), records={"many": 12769, "few": -3, "part": -1.23456})
    one.notebooks["one"]["cells"] += [
        {"outputs": [{"metadata": {"schurkit": {"kind": "record", "key": key, "value": value}}}]}
        for key, value in {"many": True, "few": "none"}.items()
    ]
    made = {"command": "make book", "changed": {"tasks": ["sine", "copy"], "name": "x"}}
    kept = one.published["one"]
    kept["provenance"] = kept["provenance"] | made
    text = section(one, "one", [], "", kept)
    assert "`make book` (tasks = [sine, copy], name = x), 2026-11-28, 60 s" in text
    for key, words in {"many": "12,769", "few": "−3", "part": "−1.235"}.items():
        assert f"| `{key}` | {words} | – |" in text


def test_without_a_published_run_or_its_values_the_strip_says_so(tmp_path):
    one = book(tmp_path, None, rows([0.5]))
    assert strip(one, "one").endswith("45 s on 2 cores. ")
    one.published = {}
    assert strip(one, "one").endswith(
        "No run of this chapter is published: this page stands on its own run."
    )
    assert published_numbers(one, "one")["outputs"] == []
    one.notebooks["one"] = None
    assert strip(one, "one").startswith("This copy did not run the chapter.")
    wrong = book(tmp_path, None, rows([0.5]), told=TOLD | {"name": "a-profil"})
    refuses(
        r"one: nb\.published names 'a-profil'; the chapter shows no such numbers, it has "
        r"a-profile\.csv",
        strip,
        wrong,
        "one",
    )


@pytest.mark.parametrize(
    ("bits", "first", "then"),
    cases("""
3 → **reproduced** → 0.6 [0.5, 0.7], 20 networks; here 0.9, 3 networks (**disagrees**).
2 → **– (the value itself does not satisfy the rule)** → 0.9, 3 networks.
"""),
)
def test_a_claim_is_one_line_that_the_published_run_carries(tmp_path, bits, first, then):
    kept = {"id": "S2", "value": 0.6, "interval": [0.5, 0.7], "n": 20}
    here = kept | {"value": 0.9, "interval": None, "n": 3}
    one = book(tmp_path, rows(EVEN), rows([0.5]), {"bits": int(bits)}, claims=[kept])
    claim = replace(one.claims["S2"], conditions={})
    told = claim_line(one, "one", claim, here)
    assert told.startswith(f"{first} {claim.statement}") and told.endswith(f" {then}")


def test_the_networks_of_this_copy_are_hollow_on_the_published_axes(tmp_path, monkeypatch):
    panel = Panel("A task", "a-profile", "A task", sign=-1)
    monkeypatch.setitem(PANELS, "one", panel)
    monkeypatch.setattr(Panel, "rows", lambda *_: [Removal("CR", [0.1, 1], masses=[0.5, 0.5])])
    given = tmp_path, rows([-0.1, -1]), rows([-0.01, -0.1])
    drawn = picture(book(*given), "one")
    places = re.findall(r'<circle class="here" cx="([0-9.]+)"', drawn)
    assert places == [f"{panel.place(cost):.1f}" for cost in (0.01, 0.1)]
    assert "without CR 0.55, in this copy 0.055" in drawn and drawn.count("<circle") == 4
    assert picture(book(*given, {"bits": 2}), "one") == picture(book(*given), "two") == ""


def test_what_counts_as_precision_are_parameters_of_chapters():
    assert {
        parameter.name
        for chapter in chapters(REPOSITORY).values()
        for parameter in chapter.parameters
    } >= PRECISION | WHOLE
