"""The ledger's markdown: which figure carries a claim, how verdicts are counted, nothing lost for
any claim.
"""

import json
import re
from dataclasses import replace

from helpers import refuses
from press.small_book import REPOSITORY, a_book

from schurkit.claims import Rule, load_claims
from schurkit_press import ledger
from schurkit_press.chapters import cell_text, chapters
from schurkit_press.pages import for_the_page

CLAIMS = REPOSITORY / "book" / "claims.yml"


VALUES = dict(load_claims(CLAIMS)["S2"].conditions)


def executed(*said, values=VALUES):
    """An executed notebook that told these things, in order, run under the conditions of the copy
    task's rules.
    """
    cells = [{"outputs": [{"metadata": {"schurkit": dict(told)}}]} for told in said]
    return {"cells": cells, "metadata": {"schurkit": {"run": {"values": values}}}}


def figure(name, kind="figure"):
    return {"kind": kind, "name": name}


def claim(id, **more):
    return {"kind": "claim", "id": id, "value": 0.6, "interval": [0.5, 0.7], "n": 12} | more


def published(*claims):
    """What a chapter published in the book edition."""
    run = {"chapter": "one", "edition": "book", "values": VALUES}
    return {"one": {"provenance": run, "claims": [told | run for told in claims]}}


def test_a_claim_is_carried_by_the_figure_above_unless_it_names_another():
    first, second, named = figure("first"), figure("second", "table"), claim("S4", figure="first")
    notebook = executed(claim("S1"), first, claim("S2"), second, claim("S3"), named)
    found = ledger.tests_of({"one": notebook, "two": None})
    figures = [tests[0]["figure"] for tests in found.values()]
    assert list(found) == ["S1", "S2", "S3", "S4"]
    assert figures == [None, "first", "second", "first"]
    assert found["S2"][0]["chapter"] == "one" and found["S2"][0]["interval"] == [0.5, 0.7]


def test_a_figure_that_is_not_shown_is_refused():
    refuses(
        r"one: claim S1 names the figure 'other'; the chapter shows first\.",
        ledger.tests_of,
        {"one": executed(figure("first"), claim("S1", figure="other"))},
    )


def test_verdicts_are_counted_once_a_claim_and_those_without_a_test_are_not_run():
    """S1: within .01 of 0; S2: at most .75."""
    every = load_claims(CLAIMS)
    known = {id: replace(every[id], conditions={}) for id in ("S1", "S2", "S3")}
    tests = {
        "S1": [claim("S1"), claim("S1")],
        "S2": [claim("S2"), claim("S2", interval=[0.5, 0.8])],
    }
    counts = dict.fromkeys(("not reproduced", "reproduced", "partly", "not run"), 1)
    assert ledger.counted(known, tests) == counts


def entry(text, id):
    return text.partition(f"(claim-{id.lower()})=")[2].partition("(claim-")[0]


def test_every_claim_has_a_square_and_an_entry_with_both_runs():
    kept = published(claim("S1", value=-0.25, interval=[-0.5, -0.02]))
    notebook = executed(figure("first"), claim("S1", value=0, interval=[0, 0]))
    book = a_book(notebooks={"one": notebook}, published=kept)
    text, known = ledger.ledger_page(book), load_claims(CLAIMS)
    assert all(f"(claim-{id.lower()})=" in text for id in known)
    for named, place in ((True, "#claim-"), (False, "ledger.html#claim-")):
        squares = " ".join(ledger.strips(book, named).values())
        ids = re.findall(f'href="{place}([^"]*)"', squares)
        wanted = [id.lower() for id in known]
        assert ids == wanted or (named and sorted(ids) == sorted(wanted))
        assert squares.count("square not-reproduced") == 1 and known["S1"].statement in squares
    assert "dynamics" in {level for _, level in ledger.strips(book, named=True)}
    told = entry(text, "S1")
    assert "[✗ not reproduced]{.ledger-verdict .not-reproduced} **Removing" in told
    assert "- Published: −0.25 [−0.5, −0.02], 12 networks: not reproduced\n" in told
    assert "- Here: 0 [0, 0], 12 networks: reproduced\n" in told and "{numref}`first`" in told
    assert "no chapter of this edition tests it" in entry(text, "S2")
    assert f"**Published runs:** 1 not reproduced, {len(known) - 1} not run." in text


def test_a_claim_about_several_tasks_has_a_narrow_square_for_each():
    each = {"sine": claim("S1", interval=[0, 0]), "copy": claim("S1")}
    squares = ledger.strips(a_book(published=published(claim("S1", each=each))))["drager2026", ""]
    assert squares.count("square reproduced narrow") == squares.count("narrow") - 1 == 1
    assert "sine: reproduced" in squares and "copy: not reproduced" in squares


def test_a_run_under_other_conditions_says_which_and_gives_no_verdict():
    """The flip-flop with one bit, 24 units and threshold .96: more than ten networks, an interval
    above 0, and yet not the claim's question.
    """
    others = {"bits": 1, "hidden_size": 24, "threshold": 0.96}
    values = load_claims(CLAIMS)["S7"].conditions | others
    notebooks = {"one": executed(claim("S7"), values=values)}
    text = ledger.ledger_page(a_book(notebooks=notebooks))
    word = "other conditions (the value itself satisfies the rule); bits 1 instead of 3, hidden"
    assert f"12 networks: {word}_size 24 instead of 64, threshold 0.96 instead of 0.9" in text
    counts = ledger.counted(load_claims(CLAIMS), ledger.tests_of(notebooks))
    assert counts["other conditions"] == 1


def test_a_claim_says_whether_it_is_beyond_its_control():
    excess = {"value": 0.2, "interval": [0.1, 0.3], "n": 12}
    kept = published(claim("S2", beyond={"permuted": excess}), claim("S1"))
    text = ledger.ledger_page(a_book(published=kept))
    assert "; beyond its control: yes (permuted)" in entry(text, "S2")
    assert "control" not in entry(text, "S1")


def test_the_conditions_of_every_claim_are_parameters_of_the_chapter_that_tests_it():
    found = chapters(REPOSITORY)
    code = {
        name: "".join(map(cell_text, chapter.source["cells"])) for name, chapter in found.items()
    }
    for id, told in load_claims(CLAIMS).items():
        tested = rf'nb\.claim\(\s*"{id}"'  # those of the knobs by a name that is computed
        (name,) = [name for name, text in code.items() if re.search(tested, text)] or ["knobs"]
        defaults = {parameter.name: parameter.default for parameter in found[name].parameters}
        assert told.conditions and set(told.conditions) <= set(defaults), id
        differ = {what for what, wanted in told.conditions.items() if defaults[what] != wanted}
        # the quick edition of modular addition has an easier split
        assert differ <= {"train_fraction"}, id


def test_no_verdict_is_stored_with_the_published_runs():
    recorded = {"id", "value", "interval", "n", "figure", "each", "beyond"}
    for path in (REPOSITORY / "book" / "data").rglob("results.json"):
        claims = json.loads(path.read_text(encoding="utf-8"))["claims"]
        assert all({*told} <= recorded for told in claims), path


def test_the_page_of_a_chapter_has_the_verdict_of_the_rule_as_it_is_now(tmp_path):
    notebook = executed(claim("S2"), claim("S1", value=0, interval=[0, 0]))
    for cell in notebook["cells"]:
        cell["outputs"][0]["data"] = {"text/markdown": "as it was run"}
    known = load_claims(CLAIMS)
    for number, word in ((0.75, "reproduced"), (0.4, "not reproduced")):
        rule = replace(known["S2"], rule=Rule("at most", number))
        book = a_book(notebooks={"one": notebook}, claims=known | {"S2": rule})
        cells = for_the_page(book, "one", "data", tmp_path)["cells"]
        lines = [cell["outputs"][0]["data"]["text/markdown"] for cell in cells]
        assert [line.split("**")[1] for line in lines] == [word, "reproduced"]
