"""The book as one PDF: all pages as one, printed by Chromium, with formulas, figures, working links
and an outline.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path

from schurkit.checks import InputError

from .browse import missing, opened_browser
from .build import BuildError

PDF = Path("_build/schurkit.pdf")
_SINGLE = Path("_build/single")
_FORMULAS = "() => window.MathJax?.startup?.promise?.then(() => true) ?? true"
# Files beside the pages are not in a PDF: what led to them stays as words. Filters and buttons
# answer to nobody there.
_FOR_PAPER = """() => {
  document.querySelectorAll('a[download], a[href*="_static/"]').forEach(link => link.replaceWith(...link.childNodes));
  // All pages are one: a link to another page is a link to its part, and what leads to no part becomes words
  document.querySelectorAll('a[href]').forEach(link => {
    const address = link.getAttribute('href');
    if (/^[a-z]+:/i.test(address)) return;
    const part = address.includes('#') ? decodeURIComponent(address.slice(address.indexOf('#') + 1)) : '';
    if (part && document.getElementById(part)) link.setAttribute('href', '#' + part);
    else link.replaceWith(...link.childNodes);
  });
  document.querySelectorAll('form, .bd-sidebar-primary, .bd-sidebar-secondary, .bd-header, .bd-header-article, .bd-footer, .prev-next-footer, '
    + 'button, pst-scroll-pixel-helper, #pst-back-to-top').forEach(part => part.remove());
  document.querySelectorAll('details.hide').forEach(part => part.remove());  // code that the pages fold away
  document.querySelectorAll('details.sd-dropdown').forEach(part => { part.open = true; });
}"""
_STYLE = """
@page { margin: 18mm 16mm; }
html { font-size: 12px; }
.bd-main .bd-content .bd-article-container { max-width: none !important; }
span[id^="document-"] + section, h1 + section { break-before: page; }
h1, h2, h3, h4, caption, .schurkit-figure { break-after: avoid; }
figure, tr, .admonition { break-inside: avoid; }
/* Boxes that scroll or flex move to the next page as a whole; long code and long tables are to be cut instead. */
.pst-scrollable-table-container, div.cell_output, div.highlight, pre { overflow: visible !important; }
div.cell_input, div.cell_input div, div.cell_input pre, details.sd-dropdown { break-inside: auto !important; display: block !important; }
details.sd-dropdown table, .schurkit-ledger table, .schurkit-wide table { break-inside: auto !important; }
pre { white-space: pre-wrap !important; }
p, li { orphans: 3; widows: 3; }
div.text_html:has(> .schurkit-note) { break-before: avoid; }
aside.margin, div.margin { float: none !important; margin: 0.5rem 0 1rem !important; width: auto !important; }
details.sd-dropdown { border: none; box-shadow: none !important; }
details.sd-dropdown .pst-scrollable-table-container { columns: 2; }
details.sd-dropdown table { font-size: 0.75em; }
details.sd-dropdown :is(th, td) { padding: 0.05rem 0.4rem !important; }
.schurkit-front { grid-template-columns: repeat(3, 1fr); }
"""
_FOOTER = (
    '<div style="font: 8px sans-serif; text-align: center; width: 100%"><span '
    'class="pageNumber"></span></div>'
)


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
    if missing():
        raise InputError(f"a PDF cannot be printed here: {missing()}.")
    page_file = _one_page(root, staged)
    begun = root / PDF.with_suffix(".part")
    with nullcontext(browser) if browser else opened_browser() as used:
        context = used.new_context(offline=True, color_scheme="light")
        page, failed = context.new_page(), []
        page.on("requestfailed", lambda request: failed.append(request.url.rsplit("/", 1)[-1]))
        page.goto(page_file.resolve().as_uri(), wait_until="load")
        page.evaluate(_FORMULAS)
        if failed:
            context.close()
            raise BuildError(
                f"pictures or styles of the page are missing: {', '.join(sorted(set(failed))[:5])}."
            )
        page.evaluate(_FOR_PAPER)
        page.add_style_tag(content=_STYLE)
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
        context.close()
    os.replace(begun, root / PDF)
    return root / PDF


def _one_page(root: Path, staged: Path) -> Path:
    target = root / _SINGLE
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    jupyter_book = [sys.executable, "-c", "from jupyter_book.cli.main import main; main()"]
    command = [
        *jupyter_book,
        "build",
        str(staged),
        "--path-output",
        str(target),
        "--builder",
        "singlehtml",
        "--all",
        "-q",
    ]
    environment = {
        name: value
        for name, value in os.environ.items()
        if name not in ("PYTHONWARNINGS", "PYTHONPATH")
    }
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    made = target / "_build" / "singlehtml"
    found = sorted(
        (path for path in made.rglob("*.html") if "_static" not in path.parts),
        key=lambda path: -path.stat().st_size,
    )
    if done.returncode or not found:
        last = [line for line in (done.stdout + done.stderr).splitlines() if line.strip()][-3:]
        raise BuildError("the pages could not be made into one:\n" + "\n".join(last))
    # Its addresses are those of a page at the top, but it lies where the first page of the book
    # does; pages in folders wrote some by hand
    page = made / "all.html"
    page.write_text(
        found[0].read_text(encoding="utf-8").replace('"../_static/', '"_static/'), encoding="utf-8"
    )
    return page
