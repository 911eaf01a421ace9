"""The built pages in a browser: console, network, accessibility, width, keyboard, and a picture of
every page to look at.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from itertools import product
from pathlib import Path

from .build import HTML
from .check import Finding

SHOTS = Path("_build/shots")
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
SCREENS = {"desktop": 1280, "phone": 390}
SCHEMES = ("light", "dark")
TALLEST = 12000  # pixels of a picture; Chromium repeats what is taller than its largest texture
_SERIOUS = ("serious", "critical")
_ACTIVE = "a[href], button, input, select, textarea, [tabindex='0']"
_KEYS = {
    "range": "ArrowRight",
    "number": "ArrowUp",
    "radio": "ArrowRight",
    "checkbox": "Space",
    "select": "ArrowDown",
    "other": "Enter",
}
_KIND = "e => e.matches('select') ? 'select' : e.matches('input') ? e.type : 'other'"
_EXPLORER = "[data-explorer], .ske"
_STATE = """e => e.innerText + [...e.querySelectorAll('*')].map(
  x => [...x.attributes].map(a => a.name + a.value).join() + (x.value ?? '') + x.checked).join()"""
_BROKEN = (
    "() => [...document.images].filter(i => i.complete && !i.naturalWidth).map(i => "
    "i.getAttribute('src'))"
)
_TOO_WIDE = "() => document.documentElement.scrollWidth > document.documentElement.clientWidth"


def missing() -> str | None:
    """Why pages cannot be looked at here, or None."""
    try:
        import axe_playwright_python
        import playwright  # noqa: F401
    except ImportError as error:
        return f"{error.name} is not installed (pip install -c constraints.txt -e '.[test]')"
    if not (Path(axe_playwright_python.__file__).parent / "axe.min.js").is_file():
        return "axe-playwright-python holds no axe.min.js"
    return None if chromium() else "Chromium is not installed"


def chromium() -> str | None:
    """The Chromium of this machine."""
    return next(
        filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
    )


@contextmanager
def opened_browser() -> Iterator:
    """A browser of its own, closed at the end."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=list(FLAGS))
        try:
            yield browser
        finally:
            browser.close()


def browse(root: Path, shots: bool = True, browser=None) -> list[Finding]:
    """Open every page at desktop and phone width, in light and dark, without network; findings,
    problems first.

    Parameters
    ----------
    root : the book's folder; _build/html holds its pages.
    shots : also keep a picture of every page in _build/shots.
    browser : of playwright, to use instead of one of its own.
    """
    reason = missing()
    if reason:
        return [Finding("browser", f"no page was opened: {reason}", is_problem=False)]
    html = root / HTML
    pages = {
        path.relative_to(html).as_posix(): path
        for path in sorted(html.rglob("*.html"))
        if "_static" not in path.relative_to(html).parts and not _forwards(path)
    }
    shutil.rmtree(root / SHOTS, ignore_errors=True)
    found: dict[tuple[str, str], Finding] = {}
    with nullcontext(browser) if browser else opened_browser() as used:
        for screen, scheme in product(SCREENS, SCHEMES):
            size = {"width": SCREENS[screen], "height": 900}
            context = used.new_context(viewport=size, color_scheme=scheme, offline=True)
            for name, path in pages.items():
                picture = f"{name.removesuffix('.html').replace('/', '-')}-{screen}-{scheme}.png"
                shot = root / SHOTS / picture if shots else None
                for what in _look(context, path, screen, scheme, shot):
                    found.setdefault((name, what), Finding(name, what))
            context.close()
    return list(found.values())


def _forwards(path: Path) -> bool:
    """Whether a page only sends its reader to another one."""
    return 'http-equiv="refresh"' in path.read_text(encoding="utf-8")[:1000].lower()


def _look(context, path: Path, screen: str, scheme: str, shot: Path | None) -> Iterator[str]:
    """Everything wrong with one page on one screen."""
    page = context.new_page()
    said: list[str] = []

    def hear(message):
        if message.type == "error":
            said.append(f"console: {message.text[:160]}")

    def notice(request):
        if request.url.startswith(("http:", "https:", "ws")):
            said.append(f"asks for {request.url[:120]}")

    page.on("console", hear)
    page.on("pageerror", lambda error: said.append(f"script failed: {str(error)[:160]}"))
    page.on("request", notice)
    page.goto(path.resolve().as_uri(), wait_until="load")
    page.wait_for_timeout(150)  # formulas and widgets draw themselves after loading
    if shot is not None:
        shot.parent.mkdir(parents=True, exist_ok=True)
        tall = min(page.evaluate("document.documentElement.scrollHeight"), TALLEST)
        clip = {"x": 0, "y": 0, "width": SCREENS[screen], "height": tall}
        page.screenshot(path=str(shot), full_page=True, clip=clip)
    yield from (f"picture {source} does not load" for source in page.evaluate(_BROKEN))
    if page.evaluate(_TOO_WIDE):
        yield f"wider than a {screen}"
    if screen == "desktop":
        yield from accessibility(page, colours_only=scheme != SCHEMES[0])
        yield from keyboard(page) if scheme == SCHEMES[0] else ()
    yield from said
    page.close()


def accessibility(page, colours_only: bool = False) -> Iterator[str]:
    """Serious and critical violations that axe-core finds on a page; `colours_only` for a second
    look at the page in other colours.
    """
    from axe_playwright_python.sync_playwright import Axe

    # Without "preload" the rules fetch every style sheet again, which a page opened from a file may
    # not do
    options = {"resultTypes": ["violations"], "preload": False}
    if colours_only:
        options["runOnly"] = ["color-contrast"]
    for violation in Axe().run(page, options=options).response["violations"]:
        if violation["impact"] in _SERIOUS:
            places = [" ".join(map(str, node["target"])) for node in violation["nodes"]]
            yield (
                f"axe: {violation['id']} ({violation['impact']}): {violation['help']}; "
                f"{len(places)} × such as {places[0][:100]}"
            )


def keyboard(page) -> Iterator[str]:
    """Explorers that the keyboard cannot reach or that do not answer to it: each element of a page
    that `_EXPLORER` selects.
    """
    for number, explorer in enumerate(page.query_selector_all(_EXPLORER), start=1):
        controls = [
            control
            for control in explorer.query_selector_all(_ACTIVE)
            if control.is_visible() and control.is_enabled()
        ]
        if not controls:
            yield f"explorer {number} has nothing that the keyboard can reach"
            continue
        before = explorer.evaluate(_STATE)
        for control in controls[:8]:
            # an earlier key had the explorer draw its controls anew
            if not control.evaluate("e => e.isConnected"):
                continue
            control.focus()
            if not control.evaluate("e => e === document.activeElement"):
                yield f"explorer {number}: a control does not take the focus"
                break
            page.keyboard.press(_KEYS.get(control.evaluate(_KIND), "Enter"))
        if explorer.evaluate(_STATE) == before:
            yield f"explorer {number} does not answer to the keyboard"
