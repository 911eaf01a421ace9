"""`schurkit analyze --html`: the reader's notebook is filled in, run by papermill in a kernel of
its own, and written as one page.
"""

from __future__ import annotations

import json
import os
import site
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

from schurkit.checks import InputError
from schurkit.own import command, report
from schurkit.own.command import add_analyze_arguments

from .one_page import one_page
from .run import HELPER

__all__ = ["PageError", "add_analyze_arguments", "analyze_command", "make_page", "run_here"]
NEEDED = ("papermill", "nbformat", "ipykernel", "matplotlib", "markdown_it")


class PageError(RuntimeError):
    """The notebook behind the page failed for a reason that is not the reader's input."""


def analyze_command(arguments) -> int:
    """Run `schurkit analyze`, with the page if it is asked for."""
    try:
        return command.analyze_command(arguments, make_page=make_page)
    except PageError as error:
        print(f"schurkit: {error}", file=sys.stderr)
        return 1


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
    from papermill import execute_notebook
    from papermill.exceptions import PapermillExecutionError
    from traitlets.config import Config

    with tempfile.TemporaryDirectory(prefix="sk-") as runtime:
        environment = _environment(Path(runtime))
        transport = {}
        if (
            os.name == "posix" and len(runtime) < 40
        ):  # sockets as files: ports, picked before they are bound, collide
            transport = {
                "config": Config({"KernelManager": {"transport": "ipc", "ip": f"{runtime}/kernel"}})
            }
        before = dict(os.environ)
        os.environ.clear()
        os.environ.update(environment)
        try:
            done = execute_notebook(
                nbformat.reads(json.dumps(notebook), as_version=4), None, kernel_name="python3", language="python", progress_bar=False,
                cwd=os.getcwd(), shutdown_kernel="immediate", start_timeout=180, **transport,
            )  # fmt: skip
        except PapermillExecutionError as error:
            lines = [line.strip() for line in str(error.evalue).splitlines() if line.strip()] or [
                "no message"
            ]
            if error.ename == "InputError":
                raise InputError(lines[0]) from None
            raise PageError(
                f"the page was not written: its notebook failed with {error.ename}: "
                f"{lines[0][:300]}"
            ) from None
        except Exception as error:  # a kernel that died or did not start
            raise PageError(
                f"the page was not written: {type(error).__name__}: "
                f"{(str(error).splitlines() or ['no message'])[0][:300]}"
            ) from None
        finally:
            os.environ.clear()
            os.environ.update(before)
    return json.loads(nbformat.writes(done))


def _environment(runtime: Path) -> dict:
    """Environment of the kernel: this Python and this schurkit, and nothing of the reader's
    start-up files.
    """
    kernel = runtime / "kernels" / "python3" / "kernel.json"
    kernel.parent.mkdir(parents=True)
    words = [
        sys.executable,
        "-m",
        "ipykernel_launcher",
        "--log-level=ERROR",
        "--IPKernelApp.ignore_cwd=True",
        "-f",
        "{connection_file}",
    ]
    kernel.write_text(
        json.dumps({"argv": words, "display_name": "Python 3", "language": "python"}),
        encoding="utf-8",
    )
    dropped = ("MPLBACKEND", "PYTHONPATH", "PYTHONSTARTUP", "PYTHONWARNINGS")
    kept = {name: value for name, value in os.environ.items() if name not in dropped}
    kept.update(
        JUPYTER_PATH=str(runtime),
        IPYTHONDIR=str(runtime / "ipython"),
        JUPYTER_RUNTIME_DIR=str(runtime),
        PYDEVD_DISABLE_FILE_VALIDATION="1",
    )
    home = HELPER.parent
    if str(home) not in (*site.getsitepackages(), site.getusersitepackages()):
        # A clone: the kernel shall not find another schurkit. ipykernel drops the first entry if it
        # is the working folder, so another stands there.
        kept["PYTHONPATH"] = os.pathsep.join([str(runtime / "none"), str(home)])
    kept["PYTHONSAFEPATH"] = "1"
    return kept
