"""The check in a browser: a sound book has no finding, and each kind of fault is found."""

import shutil

import pytest

from schurkit.__main__ import main
from schurkit_press import browse as module
from schurkit_press.browse import SHOTS, browse

pytestmark = pytest.mark.book


@pytest.fixture
def few(pages, tmp_path, browser):
    """A book of three of the pages, that a test may damage."""
    root = tmp_path / "book"
    shutil.copytree(pages, root / "_build" / "html")
    for path in (root / "_build" / "html").rglob("*.html"):
        if "_static" not in path.parts and path.name not in (
            "index.html",
            "small.html",
            "ledger.html",
            "introduction.html",
        ):
            path.unlink()
    return root


def damage(root, text, page="book/introduction.html"):
    path = root / "_build" / "html" / page
    path.write_text(path.read_text().replace("</article>", f"{text}</article>", 1))


def test_a_sound_book_has_no_finding_and_a_picture_of_every_page(few, browser):
    assert [str(finding) for finding in browse(few, browser=browser)] == []
    shots = {path.name for path in (few / SHOTS).iterdir()}
    assert {
        f"notebooks-small-{screen}-{scheme}.png"
        for screen in ("desktop", "phone")
        for scheme in ("light", "dark")
    } <= shots
    assert len(shots) == 12


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("<script>console.error('oh')</script>", "console: oh"),
        ("<script>nothing.there()</script>", "script failed: nothing is not defined"),
        (
            "<script>fetch('https://a.example/x').catch(() => 0)</script>",
            "asks for https://a.example/x",
        ),
        ("<img alt='x' src='nowhere.png'>", "picture nowhere.png does not load"),
        ("<div style='width:3000px'>wide</div>", "wider than a desktop"),
        ("<p style='color:#eee;background:#fff'>faint words</p>", "axe: color-contrast (serious)"),
        ("<button></button>", "axe: button-name (critical)"),
        (
            "<div data-explorer>no control</div>",
            "explorer 1 has nothing that the keyboard can reach",
        ),
        (
            "<div data-explorer><button>deaf</button></div>",
            "explorer 1 does not answer to the keyboard",
        ),
    ],
)
def test_each_fault_is_found(few, browser, text, found, monkeypatch):
    monkeypatch.setattr(module, "SCREENS", {"desktop": 1280})
    monkeypatch.setattr(module, "SCHEMES", ("light",))
    damage(few, text)
    findings = browse(few, shots=False, browser=browser)
    assert any(
        finding.is_problem and finding.page == "book/introduction.html" and found in finding.what
        for finding in findings
    ), findings


def test_an_explorer_that_answers_is_none(few, browser, monkeypatch):
    monkeypatch.setattr(module, "SCREENS", {"desktop": 1280})
    damage(
        few,
        "<div data-explorer><input type=range aria-label=x "
        "oninput='this.nextSibling.textContent=this.value'><output>0</output></div>",
    )
    assert browse(few, shots=False, browser=browser) == []


def test_without_a_browser_the_check_says_why_and_passes(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(module, "chromium", lambda: None)
    (finding,) = browse(tmp_path)
    assert str(finding) == "note: browser: no page was opened: Chromium is not installed"


def test_the_command_opens_pages_unless_told_not_to(few, monkeypatch, capsys):
    monkeypatch.setattr("schurkit_press.check.chapters", lambda root: {})
    monkeypatch.setattr("schurkit_press.chapters.book_root", lambda folder: few)
    monkeypatch.setattr(module, "browse", lambda root: [module.Finding("x", "fault")])
    assert main(["check", "--files-only"]) in (0, 1)
    assert "fault" not in capsys.readouterr().out
    assert main(["check", "--book"]) == 1
    assert "problem: x: fault" in capsys.readouterr().out
