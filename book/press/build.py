"""Build the book: run what is not run yet, stage it, render it, and put the complete pages in the
place of the old ones; or print it: all pages as one, by Chromium, with formulas, figures, working
links and an outline.
"""

import math
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from importlib.util import find_spec
from pathlib import Path

from schurkit.checks import InputError
from schurkit.store import checksum, installed, key_of

from .book import BY_ITSELF, Book
from .chapters import named, read_yaml, store_of, toc_entries, write_json
from .kernel import DROPPED
from .plans import train_ahead
from .run import CODE, EXECUTED, Job, job_for, made, run_jobs

HTML = Path("_build/html")
NEXT = Path("_build/next")
STAGE = Path("_build/stage")
WHOLE = Path("_build/whole.json")
STATE = ".inputs"
"""Beside the pages: what they were made from, and that nothing else wrote there since."""
RENDERERS = (
    "jupyter-book",
    "sphinx",
    "myst-nb",
    "myst-parser",
    "sphinx-book-theme",
    "pydata-sphinx-theme",
    "sphinxcontrib-bibtex",
    "docutils",
)


class BuildError(RuntimeError):
    """The book could not be built; the message says where to look."""


def plan_build(root: Path, edition: str = "quick", only: Sequence[str] = ()) -> Book:
    """The book that a build of an edition shows, with the jobs that it takes; nothing is run.

    Parameters
    ----------
    root : the book's folder.
    edition : a name in book/editions.yml.
    only : run these chapters alone; the pages of the others show the run they have, of whatever
        parameters.
    """
    book = Book(root, edition)
    known, values = book.chapters, named(edition, book.editions, "edition")
    chosen = [named(name, known, "chapter").name for name in only] or list(known)
    for name, chapter in known.items():
        if name in chosen:
            job = job_for(root, chapter, values.get(name, {}))
            book.jobs.append(job)
            book.executed[name] = job.output
        else:
            book.executed[name] = _latest(root, name)
    return book


def build(
    book: Book,
    *,
    workers: int = 1,
    force: bool = False,
    report: Callable | None = None,
) -> Path:
    """Build the book and return its first page: train what the chapters ask for, run them, stage
    and render them.

    Parameters
    ----------
    book : from `plan_build`.
    workers : chapters run at a time.
    force : run the chosen chapters again even if they were run before.
    report : where the progress goes, as in `schurkit_press.run.run_jobs`.

    Raises
    ------
    BuildError : a chapter failed, or Jupyter Book found something wrong with a page.
    """
    begun, root = time.monotonic(), book.root
    due = [job for job in book.jobs if force or not job.cached]
    usual = {name: one["provenance"]["seconds"] for name, one in book.published.items()}
    # the longest first: then no core waits for one that began last
    due.sort(key=lambda job: -usual.get(job.chapter.name, math.inf))
    without = book.chapters.keys() - {job.chapter.name for job in due}
    from_nothing = without <= BY_ITSELF and not any(store_of(root).glob("*.json"))
    run_due(root, due, workers, report)
    staged = stage(book)
    state, inputs = root / HTML / STATE, _inputs(staged)
    if state.is_file() and state.read_text() == _state(root, inputs):
        print("The pages are up to date.")
    else:
        render(root, staged, strict=all(book.executed.values()))
        state.write_text(_state(root, inputs))  # of the code that made them
    if from_nothing:
        _keep_whole(book, time.monotonic() - begun, workers, sorted(without))
    if shown := [name for name, path in book.executed.items() if path is None]:
        print(f"Not for publishing: {', '.join(shown)} shown without results.")
    return root / HTML / "index.html"


def run_due(root: Path, due: Sequence[Job], workers: int = 1, report=None) -> None:
    """Train what these chapters ask for, and run them; BuildError where one fails."""
    trained = train_ahead(due, store_of(root))
    due = [job._replace(training=trained.get(job.chapter.name)) for job in due]
    failed = [outcome for outcome in run_jobs(root, due, workers, report) if outcome.problem]
    if failed:
        raise BuildError("\n".join(outcome.problem for outcome in failed))


def _keep_whole(book: Book, seconds: float, workers: int, without: list[str]) -> None:
    """Keep what a build took that had every network to train and every chapter to run, those
    `without` apart; `schurkit publish` takes it to book/data.
    """
    whole = {
        "edition": book.edition,
        "seconds": round(seconds),
        "without": without,
        "keys": [job.key for job in book.jobs if job.chapter.name not in BY_ITSELF],
        **made(book.root, workers),
    }
    write_json(book.root / WHOLE, whole)


def build_command(edition: str, chapters: Sequence[str] = ()) -> str:
    """The command that runs those chapters of an edition, or all of it."""
    only = f" --only {' '.join(chapters)}" if chapters else ""
    return f"schurkit build --edition {edition}{only}"


def render(root: Path, staged: Path, strict: bool = True) -> None:
    """Render the staged book; the pages that are there stay until the new ones are complete.

    `strict` makes every warning an error. A book with chapters that were never run has numbers
    missing from its prose, so it is not held to that.
    """
    target = root / NEXT
    options = ("--keep-going", *(("-W", "-n") if strict else ()))
    done, pages = jupyter_book(staged, target, "html", *options)
    text = done.stdout + done.stderr
    log = root / "_build" / "jupyter-book.log"
    log.write_text(text, encoding="utf-8")
    if done.returncode != 0 or not (pages / "index.html").is_file():
        raise BuildError(
            f"Jupyter Book found problems:\n{_problems(text, staged)}\nThe whole log: "
            f"{os.path.relpath(log)}"
        )
    if (root / HTML).exists():
        os.replace(root / HTML, target / "old")
    os.replace(pages, root / HTML)
    shutil.rmtree(target, ignore_errors=True)


def jupyter_book(
    staged: Path, target: Path, builder: str, *options: str
) -> tuple[subprocess.CompletedProcess, Path]:
    """Render the staged book into a fresh folder; how that ended, and where the pages are."""
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    program = [sys.executable, "-c", "from jupyter_book.cli.main import main; main()"]
    folders = [str(staged), "--path-output", str(target)]
    done = subprocess.run(
        [*program, "build", *folders, "--builder", builder, "--all", "-q", *options],
        capture_output=True,
        text=True,
        env={name: value for name, value in os.environ.items() if name not in DROPPED},
    )
    return done, target / "_build" / builder


def _problems(log: str, staged: Path) -> str:
    """The warnings and errors of a log, with paths as in the repository."""
    lines = [line.replace(f"{staged}{os.sep}", "").strip() for line in log.splitlines()]
    told = re.compile("WARNING|ERROR|CRITICAL|Error:|error:")
    found = dict.fromkeys([line for line in lines if told.search(line)][:20])
    return "\n".join(found) or "\n".join(filter(None, lines[-8:]))


def _latest(root: Path, name: str) -> Path | None:
    """The most recent complete run of a chapter, whatever its parameters."""
    runs = (root / EXECUTED).glob(f"{name}-????????????????.ipynb")
    return max(runs, key=lambda path: path.stat().st_mtime, default=None)


def _inputs(staged: Path) -> list[tuple[str, str]]:
    """Digests of the staged files, of what makes pages of them, and of the package that the
    reference is made from.
    """
    return [
        (path.relative_to(folder).as_posix(), checksum(path.read_bytes()))
        for folder in (staged, *CODE.values())
        for path in _files(folder)
        if "__pycache__" not in path.parts
    ]


def _state(root: Path, inputs: list[tuple[str, str]]) -> str:
    """Digest of everything that decides the pages, with the renderers; and of names, sizes and
    times of the pages, since another program that writes there makes them stale.
    """
    pages = [
        (path.relative_to(root).as_posix(), path.stat().st_size, path.stat().st_mtime_ns)
        for path in _files(root / HTML)
        if path.name != STATE
    ]
    return key_of({"inputs": inputs, "pages": pages, "renderers": installed(RENDERERS)})


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def stage(book: Book) -> Path:
    """Write the staged book and return its folder."""
    import yaml

    root, target = book.root, book.root / STAGE
    shutil.rmtree(target, ignore_errors=True)
    hidden = shutil.ignore_patterns(".*", "__pycache__", "press")
    shutil.copytree(root / "book", target / "book", ignore=hidden)
    shutil.copy(root / "_toc.yml", target / "_toc.yml")
    config = read_yaml(root / "_config.yml")
    shown = {name: bool(path) for name, path in book.executed.items()}
    told = {"book": str(root), "edition": book.edition, "executed": shown}
    config["sphinx"]["config"]["schurkit_staged"] = told
    (target / "_config.yml").write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")
    runs = {book.chapters[name].path: path for name, path in book.executed.items()}
    for entry in toc_entries(root):
        files = (root / f"{entry}.{kind}" for kind in ("md", "rst", "ipynb"))
        for file in filter(Path.is_file, files):
            place = target / file.relative_to(root)
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(runs.get(file) or file, place)
    return target


# -------------------------------------------------------------------------------- the book as a PDF
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
    staged = root / STAGE
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
