"""Run chapters: notebooks/X.ipynb → _build/executed/X-<key>.ipynb, once for each key.

The key stands for everything that decides the outcome: the chapter's source, its parameters, the
modules of schurkit that its code really imports (`schurkit_press.imports`), the files of the book
that it reads, the versions of the packages that compute, and the engine. Claims are no part of it:
a verdict is derived where it is shown. An executed notebook appears under its name only when it is
complete; a run that failed leaves X-<key>.failed.ipynb.
"""

from __future__ import annotations

import ast
import hashlib
import json
import os
import platform
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from dataclasses import dataclass
from importlib import metadata
from multiprocessing import get_context
from pathlib import Path

import schurkit
from schurkit.checks import InputError
from schurkit.engine import choose
from schurkit.store import installed

from .chapters import Chapter, cell_text
from .imports import code_digest

HELPER = Path(schurkit.__file__).resolve().parent
CODE = {"schurkit": HELPER, "schurkit_press": Path(__file__).resolve().parent}
"""Where our own code lies, by package."""
EXECUTED = Path("_build/executed")
PACKAGES = ("numpy", "scipy", "pandas", "torch", "numba", "matplotlib")
THREAD_SETTINGS = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
)


@dataclass(frozen=True)
class Job:
    """One chapter with its parameters: where its executed notebook lies or will lie; what was
    trained for it ahead of its run.
    """

    chapter: Chapter
    values: dict
    key: str
    output: Path
    training: dict | None = None

    @property
    def cached(self) -> bool:
        """Whether it was run already."""
        return self.output.is_file()

    @property
    def failed_output(self) -> Path:
        """Where a failed run keeps what it had."""
        return self.output.with_name(f"{self.output.stem}.failed.ipynb")


@dataclass(frozen=True)
class Outcome:
    """How the run of a chapter ended; `problem` is empty when it is complete."""

    name: str
    seconds: float
    problem: str = ""


def job_for(root: Path, chapter: Chapter, values: dict, folder: Path | None = None) -> Job:
    """The job of a chapter with the given parameters (checked; those equal to the default are
    dropped).
    """
    values = chapter.values(values)
    key = cache_key(root, chapter, values)
    folder = root / EXECUTED if folder is None else Path(folder)
    return Job(chapter, values, key, folder / f"{chapter.name}-{key}.ipynb")


def cache_key(root: Path, chapter: Chapter, values: dict) -> str:
    """Sixteen hexadecimal digits that stand for everything that decides the outcome of a
    chapter.
    """
    cells = [
        (cell["cell_type"], cell_text(cell), sorted(cell.get("metadata", {}).get("tags", [])))
        for cell in chapter.source["cells"]
    ]
    code = code_of(chapter)
    parts = {
        "cells": cells,
        "values": values,
        "package": code_digest(CODE, [code]),
        "files": _files_read(root / "book" / "data", chapter.name, code),
        "versions": {**versions(), "python": platform.python_version()},
        "engine": choose().name,
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]


def code_of(chapter: Chapter) -> str:
    """The Python of a chapter: its code cells without lines for IPython; cells that are no Python
    are left out (the run will say so).
    """
    kept = []
    for cell in chapter.source["cells"]:
        if cell["cell_type"] == "code":
            text = "\n".join(
                line
                for line in cell_text(cell).splitlines()
                if not line.lstrip().startswith(("%", "!"))
            )
            with suppress(SyntaxError):
                ast.parse(text)
                kept.append(text)
    return "\n".join(kept)


def versions() -> dict[str, str]:
    """Versions of the installed packages that compute or draw (without importing them)."""
    return installed(PACKAGES)


def run_jobs(
    root: Path,
    jobs: Sequence[Job],
    workers: int = 1,
    report: Callable[[str, Outcome | None], None] | None = None,
) -> list[Outcome]:
    """Run those jobs, each in a process of its own, at most `workers` at a time.

    Parameters
    ----------
    root : the book's folder.
    jobs : what to run, whether or not it was run before.
    workers : number of chapters at a time; they share the processor's cores.
    report : called with the chapter's name when it is handed out (outcome None) and when it is
        done.

    Returns
    -------
    One outcome a job, in their order.
    """
    report = report or (lambda name, outcome: None)
    threads = max(1, cores() // max(1, min(workers, len(jobs))))
    outcomes: dict[str, Outcome] = {}
    with ProcessPoolExecutor(
        max(1, min(workers, len(jobs) or 1)), mp_context=get_context("spawn"), max_tasks_per_child=1
    ) as pool:
        waiting = {}
        for job in jobs:
            waiting[pool.submit(_run, root, job, threads, dict(os.environ))] = job
            report(job.chapter.name, None)
        try:
            for future in as_completed(waiting):
                name = waiting[future].chapter.name
                try:
                    outcomes[name] = future.result()
                except BrokenProcessPool:
                    outcomes[name] = Outcome(
                        name,
                        0.0,
                        f"{name}: its process ended without a word (out of memory, or killed).",
                    )
                report(name, outcomes[name])
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return [outcomes[job.chapter.name] for job in jobs]


# ------------------------------------------------------------------------------------ in the worker
def _run(root: Path, job: Job, threads: int, environment: dict) -> Outcome:
    """Run one chapter in this process (a fresh one) and put the result under its name."""
    from papermill.exceptions import PapermillExecutionError

    os.environ.clear()
    os.environ.update(kernel_environment(root, threads, environment))
    folder = job.output.parent
    folder.mkdir(parents=True, exist_ok=True)
    begun = folder / f".{job.output.stem}.{os.getpid()}.ipynb"
    start = time.monotonic()
    try:
        _execute(job, begun, root)
        _finish(job, begun, time.monotonic() - start, threads)
    except PapermillExecutionError as error:
        return _failed(job, begun, start, _where(job, error), root)
    # a dead kernel, a full disk: whatever it was, the others go on and the message says it
    except Exception as error:
        return _failed(job, begun, start, f"{type(error).__name__}: {_first_line(error)}", root)
    finally:
        begun.unlink(missing_ok=True)
    job.failed_output.unlink(missing_ok=True)
    return Outcome(job.chapter.name, time.monotonic() - start)


def kernel_environment(root: Path, threads: int, environment: dict) -> dict:
    """The environment a chapter runs in, whatever the shell it was started from has set.

    MPLBACKEND would drop every figure, PYTHONPATH could bring in another schurkit, IPYTHONDIR the
    reader's start-up files, and a kernel "python3" of the user another Python.
    """
    kept = {
        name: value
        for name, value in environment.items()
        if name not in ("MPLBACKEND", "PYTHONPATH", "PYTHONSTARTUP", "PYTHONWARNINGS")
    }
    state = root / "_build" / "jupyter"
    kernel = state / "kernels" / "python3" / "kernel.json"
    command = [
        sys.executable,
        "-m",
        "ipykernel_launcher",
        "--log-level=ERROR",
        "-f",
        "{connection_file}",
    ]
    text = json.dumps({"argv": command, "display_name": "Python 3", "language": "python"})
    if not kernel.is_file() or kernel.read_text() != text:
        kernel.parent.mkdir(parents=True, exist_ok=True)
        partial = kernel.with_name(f"kernel.{os.getpid()}.tmp")
        partial.write_text(text)
        os.replace(partial, kernel)
    kept.update({name: str(threads) for name in THREAD_SETTINGS})
    kept.update(
        JUPYTER_PATH=str(state),
        IPYTHONDIR=str(state / "ipython"),
        SCHURKIT_BOOK=str(root),
        PYDEVD_DISABLE_FILE_VALIDATION="1",
    )
    kept.setdefault("SCHURKIT_STORE", str(root / "runs"))
    kept.setdefault("SCHURKIT_THREADS", str(threads))
    return kept


def _execute(job: Job, begun: Path, root: Path) -> None:
    """Run the notebook in a kernel that is reached through files: network ports, picked before they
    are bound, collide when kernels start at once.
    """
    import nbformat
    from papermill import execute_notebook
    from traitlets.config import Config

    notebook = nbformat.reads(json.dumps(job.chapter.source), as_version=4)
    with tempfile.TemporaryDirectory(
        prefix="sk-"
    ) as runtime:  # a short path: those of sockets are limited to about 100 characters
        transport = {}
        if os.name == "posix" and len(runtime) < 40:
            os.environ["JUPYTER_RUNTIME_DIR"] = runtime
            transport = {
                "config": Config({"KernelManager": {"transport": "ipc", "ip": f"{runtime}/kernel"}})
            }
        execute_notebook(
            notebook, str(begun), parameters=job.values, kernel_name="python3", language="python", progress_bar=False,
            cwd=str(job.chapter.path.parent), shutdown_kernel="immediate", start_timeout=180, **transport,
        )  # fmt: skip


def _finish(job: Job, begun: Path, seconds: float, threads: int) -> None:
    """Write what ran where into the notebook, drop the paths of this machine, and give it its
    name.
    """
    notebook = json.loads(begun.read_text(encoding="utf-8"))
    notebook["metadata"].pop("papermill", None)
    for cell in notebook["cells"]:
        cell["metadata"].pop("papermill", None)
    told = notebook["metadata"].setdefault("schurkit", {})
    told["run"] = {
        "chapter": job.chapter.name,
        "key": job.key,
        "values": {
            parameter.name: job.values.get(parameter.name, parameter.default)
            for parameter in job.chapter.parameters
        },
        "changed": job.values,
        "seconds": round(seconds, 1),
        "training": job.training,
        "versions": {
            "python": platform.python_version(),
            "schurkit": metadata.version("schurkit"),
            **versions(),
        },
        "commit": commit(job.chapter.path.parent),
        "device": device(threads),
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
    }
    begun.write_text(json.dumps(notebook, ensure_ascii=False, indent=1), encoding="utf-8")
    os.replace(begun, job.output)


def _failed(job: Job, begun: Path, start: float, problem: str, root: Path) -> Outcome:
    kept = ""
    if begun.is_file():
        os.replace(begun, job.failed_output)
        kept = f"; what ran is kept in {os.path.relpath(job.failed_output, root)}"
    return Outcome(
        job.chapter.name, time.monotonic() - start, f"{job.chapter.name}: {problem}{kept}"
    )


def _where(job: Job, error) -> str:
    """'cell 7 of 21 ("accuracy = …") failed with ValueError: …', counted as in the chapter's own
    notebook.
    """
    cells = [cell_text(cell) for cell in job.chapter.source["cells"]]
    number = next(
        (index for index, text in enumerate(cells, 1) if text.strip() == str(error.source).strip()),
        None,
    )
    first = next((line.strip() for line in str(error.source).splitlines() if line.strip()), "")
    place = f"cell {number} of {len(cells)}" if number else "a cell"
    return f"{place} ({first[:60]}) failed with {error.ename}: {_first_line(error.evalue)}"


def _first_line(text) -> str:
    lines = [line.strip() for line in str(text).splitlines() if line.strip()]
    return (lines[0] if lines else "no message")[:300]


def _files_read(data: Path, chapter: str, code: str) -> dict[str, str]:
    """Digests of the files in book/data that a chapter reads: those that its code names, and those
    that bear its name, as its table of tuning does.

    What is published of the chapter itself lies in a folder of its name and is not among them.
    """
    named = set(re.findall(r"""[^"'/\s]+(?=["'])""", code))
    found = [path for path in data.rglob("*.*") if path.stem == chapter or path.name in named]
    read = {
        path.relative_to(data): path
        for path in found
        if path.is_file() and path.parent.name != chapter
    }
    return {
        place.as_posix(): hashlib.sha256(read[place].read_bytes()).hexdigest()
        for place in sorted(read)
    }


def commit(folder: Path) -> str | None:
    """The commit of the repository, with '+' when files differ from it; None outside a
    repository.
    """
    try:
        git = ["git", "-C", str(folder)]
        name = subprocess.run(
            [*git, "rev-parse", "--short=12", "HEAD"],
            capture_output=True,
            text=True,
            check=True,
            timeout=20,
        ).stdout.strip()
        changed = subprocess.run(
            [*git, "status", "--porcelain"], capture_output=True, text=True, check=True, timeout=20
        ).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return None
    return name + ("+" if changed else "")


def device(threads: int) -> str:
    """The processor a chapter ran on, as the status page names it."""
    model = platform.processor() or platform.machine()
    try:
        names = [
            line.split(":", 1)[1].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ]
        model = names[0] if names else model
    except OSError:
        pass
    return f"{model}, {threads} of {cores()} cores"


def cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def check_folder(folder: Path) -> Path:
    """`folder` if executed notebooks can be written there, else InputError."""
    if folder.exists() and not folder.is_dir():
        raise InputError(f"--out must be a folder; {folder} is a file.")
    return folder
