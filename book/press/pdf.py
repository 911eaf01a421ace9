"""The book as one PDF: all pages as one, printed by Chromium, with formulas, figures, working links
and an outline.
"""

import os
import shutil
from contextlib import ExitStack
from importlib.util import find_spec
from pathlib import Path

from schurkit.checks import InputError

from .build import BuildError, jupyter_book

PDF = Path("_build/schurkit.pdf")
_SINGLE = Path("_build/single")
_FORMULAS = "() => window.MathJax?.startup?.promise?.then(() => true) ?? true"
_ASSETS = Path(__file__).parent
_FOOTER = (
    '<div style="font: 8px sans-serif; text-align: center; width: 100%"><span '
    'class="pageNumber"></span></div>'
)


def chromium() -> str | None:
    """The Chromium of this machine."""
    names = ("chromium", "chromium-browser", "google-chrome")
    return next(filter(None, map(shutil.which, names)), None)


def print_book(root: Path, browser=None) -> Path:
    """Print the staged book to _build/schurkit.pdf and return that file; build the book first.

    Parameters
    ----------
    root : the book's folder.
    browser : of playwright, to use instead of one of its own.

    Raises
    ------
    InputError : nothing was built yet, or there is no Chromium or playwright.
    BuildError : the pages could not be made into one.
    """
    staged = root / "_build" / "stage"
    if not (staged / "_toc.yml").is_file():
        raise InputError("there is no book to print; build it with 'make book'.")
    missing = "" if chromium() else "Chromium is not installed"
    if find_spec("playwright") is None:
        missing = "playwright is not installed (pip install -c constraints.txt -e '.[test]')"
    if missing:
        raise InputError(f"a PDF cannot be printed here: {missing}.")
    page_file = _one_page(root, staged)
    begun = root / PDF.with_suffix(".part")
    with ExitStack() as stack:
        if browser is None:
            from playwright.sync_api import sync_playwright

            chrome = stack.enter_context(sync_playwright()).chromium
            browser = chrome.launch(executable_path=chromium())
            stack.callback(browser.close)
        context = browser.new_context(offline=True, color_scheme="light")
        stack.callback(context.close)
        page, failed = context.new_page(), []
        page.on("requestfailed", lambda request: failed.append(request.url.rsplit("/", 1)[-1]))
        page.goto(page_file.resolve().as_uri(), wait_until="load")
        page.evaluate(_FORMULAS)
        if failed:
            raise BuildError(
                f"pictures or styles of the page are missing: {', '.join(sorted(set(failed))[:5])}."
            )
        page.evaluate((_ASSETS / "print.js").read_text(encoding="utf-8"))
        page.add_style_tag(path=str(_ASSETS / "print.css"))
        page.pdf(
            path=str(begun),
            format="A4",
            print_background=True,
            tagged=True,
            outline=True,
            prefer_css_page_size=True,
            display_header_footer=True,
            header_template="<i></i>",
            footer_template=_FOOTER,
        )
    os.replace(begun, root / PDF)
    return root / PDF


def _one_page(root: Path, staged: Path) -> Path:
    done, made = jupyter_book(staged, root / _SINGLE, "singlehtml")
    pages = [path for path in made.rglob("*.html") if "_static" not in path.parts]
    if done.returncode or not pages:
        last = [line for line in (done.stdout + done.stderr).splitlines() if line.strip()][-3:]
        raise BuildError("the pages could not be made into one:\n" + "\n".join(last))
    # Its addresses are those of a page at the top, but it lies where the first page of the book
    # does; pages in folders wrote some by hand
    whole = max(pages, key=lambda path: path.stat().st_size).read_text(encoding="utf-8")
    page = made / "all.html"
    page.write_text(whole.replace('"../_static/', '"_static/'), encoding="utf-8")
    return page
