"""`schurkit analyze --html`: the reader's notebook is filled in, run by papermill in a kernel of
its own, and written as one page.
"""

import json
import os
import site
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

from schurkit.checks import InputError
from schurkit.own import command, report
from schurkit.own.command import add_analyze_arguments as add_analyze_arguments

from .cli import complain
from .kernel import environment_of, execute, first_line
from .one_page import one_page
from .run import HELPER

NEEDED = ("papermill", "nbformat", "ipykernel", "matplotlib", "markdown_it")


class PageError(RuntimeError):
    """The notebook behind the page failed for a reason that is not the reader's input."""


def analyze_command(arguments) -> int:
    """Run `schurkit analyze`, with the page if it is asked for."""
    try:
        return command.analyze_command(arguments, make_page=make_page)
    except PageError as error:
        return complain(error)


def make_page(notebook: dict, title: str) -> tuple[dict, str, str]:
    """Run a filled template in a fresh kernel; its report, its summary and its page.

    Raises
    ------
    InputError : the packages of the book are missing, or a cell refused the reader's input, in its
        own words.
    PageError : a cell failed otherwise.
    """
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        raise InputError(
            f"--html runs a notebook and needs {', '.join(missing).replace('_', '-')}: install "
            "schurkit[book]."
        )
    done = run_here(notebook)
    return *report.report_in(done), one_page(done, title)


def run_here(notebook: dict) -> dict:
    """Execute a notebook in the working folder, whose files are read as data: none of them can be
    imported in place of a package.
    """
    import nbformat
    from papermill.exceptions import PapermillExecutionError

    try:
        with TemporaryDirectory() as state:
            done = execute(notebook, None, Path.cwd(), _environment(Path(state)))
        return json.loads(nbformat.writes(done))
    except PapermillExecutionError as error:
        problem = first_line(error.evalue)
        if error.ename == "InputError":
            raise InputError(problem) from None
        problem = f"its notebook failed with {error.ename}: {problem}"
    except Exception as error:  # a kernel that died or did not start
        problem = f"{type(error).__name__}: {first_line(error)}"
    raise PageError(f"the page was not written: {problem}")


def _environment(state: Path) -> dict:
    kept = environment_of(state, "--IPKernelApp.ignore_cwd=True", PYTHONSAFEPATH="1")
    home = HELPER.parent
    if str(home) not in (*site.getsitepackages(), site.getusersitepackages()):
        # A clone: the kernel shall not find another schurkit. ipykernel drops the first entry if it
        # is the working folder, so another stands there.
        kept["PYTHONPATH"] = os.pathsep.join([str(state / "none"), str(home)])
    return kept
