"""A notebook in a kernel of its own: this Python and this schurkit, whatever the shell that started
us or the reader's start-up files have set.
"""

import json
import os
import sys
import tempfile
from collections.abc import Mapping
from contextlib import contextmanager
from pathlib import Path
from threading import RLock

from .chapters import write_json

DROPPED = ("MPLBACKEND", "PYTHONPATH", "PYTHONSTARTUP", "PYTHONWARNINGS")
"""MPLBACKEND would drop every figure, PYTHONPATH could bring in another schurkit."""


def environment_of(state: Path, *options: str, **more: str) -> dict:
    """The environment of this process as kernels shall see it.

    Parameters
    ----------
    state : folder for what Jupyter keeps: a kernel "python3" of the user could be another Python,
        and IPYTHONDIR holds start-up files.
    options : of the kernel's command.
    more : variables that are set whatever the shell says.
    """
    kernel = state / "kernels" / "python3" / "kernel.json"
    command = [sys.executable, "-m", "ipykernel_launcher", "--log-level=ERROR", *options]
    argv = [*command, "-f", "{connection_file}"]
    # whole at once: others may be reading it
    write_json(kernel, {"argv": argv, "display_name": "Python 3", "language": "python"})
    kept = {name: value for name, value in os.environ.items() if name not in DROPPED}
    kept.update(JUPYTER_PATH=str(state), IPYTHONDIR=str(state / "ipython"))
    return kept | {"PYDEVD_DISABLE_FILE_VALIDATION": "1"} | more


_ONE_AT_A_TIME = RLock()


@contextmanager
def in_environment(environment: Mapping[str, str]):
    """That environment for this process inside a `with`, and its own again afterwards; threads take
    turns, since they have one environment.
    """
    from unittest import mock  # which loads asyncio

    with _ONE_AT_A_TIME, mock.patch.dict(os.environ, environment, clear=True):
        yield


def execute(
    source: dict,
    output: Path | None,
    folder: Path,
    environment: Mapping[str, str],
    values: dict | None = None,
    bar: bool = False,
):
    """The executed notebook; papermill's error where a cell fails.

    Its kernel is reached through files: network ports, picked before they are bound, collide when
    kernels start at once.

    Parameters
    ----------
    source : the notebook.
    output : where it is written while it runs.
    folder, environment : in which it runs; this process has that environment meanwhile.
    values : of its parameters.
    bar : a terminal shows how many cells are done.
    """
    import nbformat
    from papermill import execute_notebook
    from traitlets.config import Config

    # a short path: those of sockets are limited to about 100 characters
    with in_environment(environment), tempfile.TemporaryDirectory(prefix="sk-") as runtime:
        os.environ["JUPYTER_RUNTIME_DIR"] = runtime
        transport = {}
        if os.name == "posix" and len(runtime) < 40:
            manager = {"transport": "ipc", "ip": f"{runtime}/kernel"}
            transport = {"config": Config({"KernelManager": manager})}
        return execute_notebook(
            nbformat.reads(json.dumps(source), as_version=4),
            output and str(output),
            parameters=values,
            kernel_name="python3",
            language="python",
            progress_bar={"leave": False, "disable": None} if bar else False,
            cwd=str(folder),
            shutdown_kernel="immediate",
            start_timeout=180,
            **transport,
        )


def first_line(text) -> str:
    """The first line that says something of an error, cut at 300 characters."""
    lines = map(str.strip, str(text).splitlines())
    return next(filter(None, lines), "no message")[:300]
