"""The ledger's markdown: which figure carries a claim, how verdicts are counted, nothing lost for any claim."""

import re

import pytest
from publish.small_book import REPOSITORY

from schurkit import InputError, nb
from schurkit._claims import load_claims
from schurkit.publish import ledger

CLAIMS = REPOSITORY / "book" / "claims.yml"


def executed(*said):
    """An executed notebook that told these things, in order."""
    return {"cells": [{"outputs": [{"metadata": {"schurkit": dict(told)}}]} for told in said], "metadata": {}}


def figure(name, kind="figure"):
    return {"kind": kind, "name": name}


def claim(id, verdict="reproduced", **more):
    return {"kind": "claim", "id": id, "value": 0.6, "interval": [0.5, 0.7], "n": 12, "verdict": verdict, **more}


def test_a_claim_is_carried_by_the_figure_above_unless_it_names_another():
    notebook = executed(claim("S1"), figure("first"), claim("S2"), figure("second", "table"), claim("S3"), claim("S4", figure="first"))
    found = ledger.tests_of({"one": notebook, "two": None})
    assert {id: tests[0]["figure"] for id, tests in found.items()} == {"S1": None, "S2": "first", "S3": "second", "S4": "first"}
    assert found["S2"][0]["chapter"] == "one" and found["S2"][0]["interval"] == [0.5, 0.7]


def test_a_figure_that_is_not_shown_is_refused():
    with pytest.raises(InputError, match=r"one: claim S1 names the figure 'other'; the chapter shows first\."):
        ledger.tests_of({"one": executed(figure("first"), claim("S1", figure="other"))})


def test_the_name_of_a_figure_is_checked_where_it_is_given():
    with pytest.raises(InputError, match="a figure needs a name of lower-case words"):
        nb.claim("S1", 0.0, figure="Not A Name")


def test_verdicts_are_counted_once_a_claim_and_those_without_a_test_are_not_run():
    tests = {"S1": [claim("S1"), claim("S1")], "S2": [claim("S2"), claim("S2", "partly")]}
    assert ledger.counted(dict.fromkeys(["S1", "S2", "S3"]), tests) == {"reproduced": 2, "partly": 1, "not run": 1}


def test_every_claim_has_a_row_and_an_entry_with_both_runs():
    kept = {"one": {"provenance": {"edition": "book"}, "claims": [{**claim("S1", "not reproduced"), "value": -0.25, "interval": [-0.5, -1e-5]}]}}
    text = ledger.ledger_page({"one": executed(figure("first"), claim("S1"))}, {"one": None}, "quick", CLAIMS, kept)
    known = load_claims(CLAIMS)
    rows = [line for line in text.splitlines() if line.startswith("| {ref}")]
    assert len(rows) == len(known) and all(f"(claim-{id.lower()})=" in text for id in known)
    assert "{.ledger-verdict .published .not-reproduced} [−0.25 [−0.5, −1e−05], 12 networks]{.ledger-small}" in rows[0]
    assert "[✓ reproduced]{.ledger-verdict .live .reproduced}" in rows[0] and "{numref}`first`" in rows[0]
    assert rows[1].count("[not run]") == 2
    assert f"**Published runs:** 1 not reproduced, {len(known) - 1} not run." in text
    assert len({re.sub(r"[^|]", "", row.replace("\\|", "")) for row in rows}) == 1  # as many cells in every row
