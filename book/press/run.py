"""Run chapters: notebooks/X.ipynb → _build/executed/X-<key>.ipynb, once for each key.

The key stands for everything that decides the outcome: the chapter's source, its parameters, the
modules of schurkit that its code really imports (`schurkit_press.imports`), the files of the book
that it reads, the versions of the packages that compute, and the engine. Claims are no part of it:
a verdict is derived where it is shown. An executed notebook appears under its name only when it is
complete; a run that failed leaves X-<key>.failed.ipynb.
"""

import ast
import json
import os
import platform
import re
import subprocess
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from importlib import metadata
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

import schurkit
from schurkit.engine import choose
from schurkit.store import checksum, installed, key_of

from .chapters import Chapter, cell_text, read_json, write_json
from .imports import code_digest
from .kernel import environment_of, execute, first_line

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


class Job(NamedTuple):
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


class Outcome(NamedTuple):
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
    code = code_of(chapter)
    parts = {
        "values": values,
        "files": _files_read(root / "book" / "data", chapter.name, code),
        "engine": choose().name,
    }
    return key_of(parts | fingerprint(cells_of(chapter), code))[:16]


def fingerprint(source: str, code: str) -> dict[str, str]:
    """What besides parameters decides a result: its source, the code of ours that its Python
    imports, and the packages that compute.
    """
    return {
        "source": checksum(source),
        "schurkit": code_digest(CODE, [code]),
        "python": platform.python_version(),
        "machine": platform.machine(),
        **versions(),
    }


def cells_of(chapter: Chapter) -> str:
    """What counts of the cells of a chapter: kind, text and tags."""
    return json.dumps(
        [
            (cell["cell_type"], cell_text(cell), sorted(cell.get("metadata", {}).get("tags", [])))
            for cell in chapter.source["cells"]
        ]
    )


def code_of(chapter: Chapter) -> str:
    """The Python of a chapter: its code cells without lines for IPython; cells that are no Python
    are left out (the run will say so).
    """
    code = []
    for cell in chapter.source["cells"]:
        if cell["cell_type"] == "code":
            text = re.sub(r"(?m)^\s*[%!].*$", "", cell_text(cell))
            with suppress(SyntaxError):
                ast.parse(text)
                code.append(text)
    return "\n".join(code)


def versions() -> dict[str, str]:
    """Versions of the installed packages that compute or draw (without importing them)."""
    return installed(PACKAGES)


def run_jobs(
    root: Path,
    jobs: Sequence[Job],
    workers: int = 1,
    report: Callable | None = None,
) -> list[Outcome]:
    """Run those jobs, each in a kernel of its own, at most `workers` at a time.

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
    workers = max(1, min(workers, len(jobs)))
    outcomes: dict[str, Outcome] = {}
    bar = len(jobs) == 1
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        waiting = {}
        for job in jobs:
            threads = max(1, cores() // workers)
            waiting[pool.submit(run_job, root, job, threads, bar)] = job.chapter.name
            report(job.chapter.name, None)
        try:
            for future in as_completed(waiting):
                name = waiting[future]
                try:
                    outcomes[name] = future.result()
                except BrokenProcessPool:
                    problem = "its process ended without a word (out of memory, or killed)."
                    outcomes[name] = Outcome(name, 0.0, f"{name}: {problem}")
                report(name, outcomes[name])
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return [outcomes[job.chapter.name] for job in jobs]


# ------------------------------------------------------------------------------------ in the worker
def run_job(root: Path, job: Job, threads: int, bar: bool = False) -> Outcome:
    """Run one chapter and put the result under its name. `bar`: a terminal shows how many of its
    cells are done.
    """
    from papermill.exceptions import PapermillExecutionError

    folder, name, problem = job.output.parent, job.chapter.name, ""
    folder.mkdir(parents=True, exist_ok=True)
    begun = folder / f".{job.output.stem}.{os.getpid()}.ipynb"
    start = time.monotonic()
    try:
        environment = kernel_environment(root, threads)
        execute(job.chapter.source, begun, job.chapter.path.parent, environment, job.values, bar)
        _finish(job, begun, time.monotonic() - start, threads)
        job.failed_output.unlink(missing_ok=True)
    # a dead kernel, a full disk: whatever it was, the others go on and the message says it
    except Exception as error:
        cell = isinstance(error, PapermillExecutionError)
        told = _where(job, error) if cell else f"{type(error).__name__}: {first_line(error)}"
        problem = f"{name}: {told}{_kept(job, begun, root)}"
    finally:
        begun.unlink(missing_ok=True)
    return Outcome(name, time.monotonic() - start, problem)


def kernel_environment(root: Path, threads: int) -> dict:
    """The environment a chapter runs in, whatever the shell it was started from has set."""
    return {
        "SCHURKIT_STORE": str(root / "runs"),
        "SCHURKIT_THREADS": str(threads),
    } | environment_of(
        root / "_build" / "jupyter",
        SCHURKIT_BOOK=str(root),
        **dict.fromkeys(THREAD_SETTINGS, str(threads)),
    )


def _finish(job: Job, begun: Path, seconds: float, threads: int) -> None:
    """Write the notebook under its name, with what ran where and without the paths of this
    machine.
    """
    notebook = read_json(begun)
    for part in (notebook, *notebook["cells"]):
        part["metadata"].pop("papermill", None)
    notebook["metadata"].setdefault("schurkit", {})["run"] = {
        "chapter": job.chapter.name,
        "key": job.key,
        "values": job.chapter.defaults | job.values,
        "changed": job.values,
        "seconds": round(seconds, 1),
        "training": job.training,
        "versions": {
            "python": platform.python_version(),
            "schurkit": metadata.version("schurkit"),
            **versions(),
        },
        **made(job.chapter.path.parent, threads),
    }
    write_json(job.output, notebook)


def _kept(job: Job, begun: Path, root: Path) -> str:
    with suppress(OSError, ValueError):  # on a full disk it is cut short, and not kept
        read_json(begun)
        os.replace(begun, job.failed_output)
        return f"; what ran is kept in {os.path.relpath(job.failed_output, root)}"
    return ""


def _where(job: Job, error) -> str:
    """'cell 7 of 21 ("accuracy = …") failed with ValueError: …', counted as in the chapter's own
    notebook, by the line of it that failed.
    """
    cells = [cell_text(cell).strip() for cell in job.chapter.source["cells"]]
    source = str(error.source).strip()
    raised = re.sub(r"\x1b\[[0-9;]*m", "", "\n".join(error.traceback or ()))
    arrow = re.search(r"^-+> *\d+ +(\S.*)$", raised, re.MULTILINE)
    line = arrow[1].strip() if arrow else source.partition("\n")[0]
    place = f"cell {cells.index(source) + 1} of {len(cells)}" if source in cells else "a cell"
    return f"{place} ({line[:60]}) failed with {error.ename}: {first_line(error.evalue)}"


def _files_read(data: Path, chapter: str, code: str) -> dict[str, str]:
    """Digests of the files in book/data that a chapter reads: those that its code names, and those
    that bear its name, as its table of tuning does.

    What is published of the chapter itself lies in a folder of its name and is not among them.
    """
    named = set(re.findall(r"""[^"'/\s]+(?=["'])""", code))
    return {
        path.relative_to(data).as_posix(): checksum(path.read_bytes())
        for path in sorted(data.rglob("*.*"))
        if (path.stem == chapter or path.name in named)
        and path.is_file()
        and path.parent.name != chapter
    }


def made(folder: Path, threads: int) -> dict:
    """From what, where and when something is computed; `folder`: in the repository."""
    date = time.strftime("%Y-%m-%d", time.gmtime())
    device = f"{processor()}, {threads} of {cores()} cores"
    return {"commit": commit(folder), "device": device, "date": date}


def commit(folder: Path) -> str | None:
    """The commit of the repository, with '+' when files differ from it; None outside a
    repository.
    """
    asked = ["git", "-C", str(folder), "status", "--porcelain=v2", "--branch"]
    try:
        done = subprocess.run(asked, capture_output=True, text=True, check=True, timeout=20)
    except (OSError, subprocess.SubprocessError):
        return None
    # "# branch.oid 0123…", other lines that begin with #, then a line a file that differs
    first, *others = done.stdout.splitlines()
    if first.endswith("(initial)"):  # nothing is committed yet
        return None
    return first.split()[-1][:12] + "+" * any(line[0] != "#" for line in others)


def processor(fact: str = "model name") -> str:
    """What the system tells about its first processor; its model even where it tells nothing."""
    fallback = (platform.processor() or platform.machine()) if fact == "model name" else ""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return fallback
    found = (line.split(":", 1)[1].strip() for line in lines if line.startswith(fact))
    return next(found, fallback) or fallback


def cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
