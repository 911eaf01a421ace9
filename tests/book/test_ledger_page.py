"""The ledger as a reader uses it: filters by mouse and keyboard, the page without scripts."""

import pytest

from schurkit.claims import load_claims

pytestmark = pytest.mark.book
ENTRIES = "section:has(> .ledger-small)"


def visible(page):
    return page.eval_on_selector_all(
        ENTRIES,
        "all => all.filter(one => one.offsetParent).map(one => one.querySelector('h2'))"
        ".map(head => head.firstChild.data)",
    )


def test_filters_narrow_the_table_and_say_how_many_are_left(opened):
    page, _ = opened("book/ledger")
    count = page.locator(".ledger-count")
    everything = visible(page)
    assert (
        everything == list(load_claims())
        and count.inner_text() == f"{len(everything)} of {len(everything)} claims"
    )
    assert count.get_attribute("aria-live") == "polite"
    page.select_option("select[name=verdict]", label="–")
    assert visible(page) == ["S1"] and count.inner_text() == f"1 of {len(everything)} claims"
    assert page.locator("section#s1").is_visible() and not page.locator("section#s2").is_visible()
    page.select_option("select[name=paper]", index=2)
    assert visible(page) == [] and count.inner_text().startswith("0 of ")
    page.click("button:has-text('Show all')")
    page.wait_for_function(
        f"document.querySelectorAll('{ENTRIES}:not([hidden])').length === {len(everything)}"
    )


def test_filters_work_by_keyboard_alone(opened):
    page, _ = opened("book/ledger")
    page.focus("input[name=words]")
    page.keyboard.type("cayley")
    assert visible(page) == ["S4", "S4b"]
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.name") == "paper"
    page.keyboard.press("ArrowDown")
    assert visible(page) == ["S4", "S4b"]


def test_a_claim_leads_to_the_figure_that_carries_it(opened):
    page, _ = opened("book/ledger")
    page.click(f"{ENTRIES} >> nth=0 >> a:has-text('Table')")
    page.wait_for_url("**/notebooks/small.html#small-table")
    page.wait_for_selector("#small-table", state="visible")


def test_a_link_to_a_hidden_claim_shows_it(opened):
    page, _ = opened("book/ledger")
    page.fill("input[name=words]", "cayley")
    assert not page.locator("section#s10").is_visible()
    page.evaluate("location.hash = 'claim-s10'")
    page.wait_for_selector("section#s10", state="visible")


def test_a_square_leads_to_its_entry(opened):
    page, _ = opened("book/ledger")
    page.click("a.square >> nth=3")
    assert page.evaluate("document.querySelector(':target').closest('section').id") == "s3"


def test_without_scripts_every_entry_stands(opened):
    page, _ = opened("book/ledger", java_script_enabled=False)
    assert page.locator(ENTRIES).count() == len(load_claims())
    assert page.locator(".ledger-filters").count() == 0
