"""Give Jupyter Book the pages that the press makes: chapters as they were run, with the published
run beside them, and what is computed for ledger, status and introduction.

`make book` stages the runs of an edition and says so in `schurkit_staged`. A plain `jupyter-book
build .` runs what the quick edition has not run yet, as `make book` does.
"""

import shutil
from pathlib import Path

from sphinx.errors import ExtensionError
from sphinx.util.logging import getLogger

from schurkit_press.book import Book
from schurkit_press.build import BuildError, plan_build, run_due
from schurkit_press.pages import page
from schurkit_press.run import cores

logger = getLogger(__name__)


def setup(app):
    """Runs before anything is read, pages as they are read, files beside them at the end."""
    book, shelf = None, Path(app.doctreedir) / "schurkit"

    def report(name, outcome):
        if outcome is not None and not outcome.problem:
            logger.info(f"{name} was run in {outcome.seconds:.0f} s")

    def begin(app, config):
        nonlocal book
        shutil.rmtree(shelf, ignore_errors=True)
        source = Path(app.srcdir)
        if staged := config.schurkit_staged:
            book = Book(Path(staged["book"]), staged["edition"])
            for name, was_run in staged["executed"].items():
                path = source / book.chapters[name].path.relative_to(book.root)
                book.executed[name] = path if was_run else None
            return
        book = plan_build(source)
        try:
            run_due(source, [job for job in book.jobs if not job.cached], cores(), report)
        except BuildError as error:
            raise ExtensionError(str(error)) from None

    def read(app, docname, source):
        source[0] = page(book, docname, source[0], shelf)

    def finish(app, problem):
        if problem is None and shelf.is_dir():
            shutil.copytree(shelf, app.outdir, dirs_exist_ok=True)

    app.add_config_value("schurkit_staged", {}, "env")
    app.connect("config-inited", begin)
    # what a page shows depends on more than its own file
    app.connect("env-get-outdated", lambda app, env, added, *_: env.found_docs - added)
    app.connect("source-read", read)
    app.connect("build-finished", finish)
    return {"version": "1", "parallel_read_safe": False, "parallel_write_safe": True}
