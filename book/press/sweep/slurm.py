"""Runs of a sweep as SLURM jobs: one array, submitted through submitit, that writes its records
into the sweep's folder.

Results are read from those records and never from submitit's own files, which are pickles. A job
that has left the queue without a record has died; that needs `squeue` alone, so a cluster without
accounting will do.
"""

from __future__ import annotations

import contextlib
import getpass
import shutil
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor, Future
from pathlib import Path

from schurkit.checks import InputError, integer
from schurkit_press.records import read_record

from .executors import WorkerDied

SETTINGS = {
    "partition": str,
    "account": str,
    "qos": str,
    "constraint": str,
    "minutes": int,
    "mem_gb": int,
    "gpus": int,
}
"""What may be asked of SLURM, besides the number of jobs at a time."""
LONGEST_ARRAY = 1000
SECONDS_TO_APPEAR = 20
"""How long a record may take to be seen on a shared file system after its job has left the queue.
"""


class Slurm(Executor):
    """Job arrays. `slots` is None: all work is submitted at once, and SLURM decides what runs
    when.
    """

    slots = None

    def __init__(self, folder: Path, workers: int | None, settings: Mapping):
        settings = read_settings(settings)
        if shutil.which("sbatch") is None or shutil.which("squeue") is None:
            raise InputError(
                "executor 'slurm' needs the commands sbatch and squeue; run this on a login node "
                "of the cluster."
            )
        try:
            import submitit
        except ImportError as error:
            raise InputError(
                f"executor 'slurm' needs submitit, which is not installed ({error.name}): pip "
                "install 'schurkit[cluster]'."
            ) from None
        self._folder = folder
        self._logs = folder / "slurm"
        self._executor = submitit.AutoExecutor(folder=self._logs / "%j", cluster="slurm")
        asked = {
            f"slurm_{name}": settings[name]
            for name in ("partition", "account", "qos", "constraint", "gpus")
            if name in settings
        }
        asked["slurm_gpus_per_node"] = asked.pop("slurm_gpus", None)
        if "mem_gb" in settings:
            asked["mem_gb"] = settings["mem_gb"]
        self._executor.update_parameters(
            name="schurkit",
            nodes=1,
            tasks_per_node=1,
            cpus_per_task=1,
            timeout_min=settings.get("minutes", 60),
            slurm_array_parallelism=workers or 256,
            slurm_use_srun=False,
            **{key: value for key, value in asked.items() if value is not None},
        )
        self._waiting: dict[str, tuple[Future, dict]] = {}
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._died = False
        self._watcher = threading.Thread(target=self._watch, daemon=True)
        self._watcher.start()

    def submit(self, fn, /, *args):
        return self.submit_many(fn, [args[0]])[0]

    def submit_many(self, fn, works: Sequence[dict]) -> list[Future]:
        """One future a piece of work; they go out in as few arrays as SLURM's usual limit
        allows.
        """
        futures = []
        for first in range(0, len(works), LONGEST_ARRAY):
            part = works[first : first + LONGEST_ARRAY]
            try:
                jobs = self._executor.map_array(fn, part)
            except Exception as error:
                raise InputError(f"sbatch refused the jobs: {_last_line(error)}.") from None
            for job, work in zip(jobs, part):
                future = Future()
                future.set_running_or_notify_cancel()
                with self._lock:
                    self._waiting[job.job_id] = (future, work)
                futures.append(future)
        return futures

    def _watch(self) -> None:
        """Hand out records as they appear, and say which jobs are gone without one."""
        gone: dict[str, float] = {}
        while not self._closed.wait(0.5):
            with self._lock:
                waiting = dict(self._waiting)
            queued = _queued() if waiting else None
            for job, (future, work) in waiting.items():
                found = [read_record(self._folder, run["key"]) for run in work["runs"]]
                if all(found):
                    self._take(job)
                    future.set_result(found)
                elif (
                    queued is not None
                    and job not in queued
                    and time.monotonic() - gone.setdefault(job, time.monotonic())
                    > SECONDS_TO_APPEAR
                ):
                    self._take(job)
                    self._died = True
                    future.set_exception(WorkerDied(self._why(job)))

    def _take(self, job: str) -> None:
        with self._lock:
            self._waiting.pop(job, None)

    def _why(self, job: str) -> str:
        """The last line that a job without a record wrote."""
        for log in self._logs.glob(f"*/{job}_*_log.err"):
            with contextlib.suppress(OSError):
                return f"SLURM job {job}: {_last_line(log.read_text(errors='replace')[-4000:])}"
        return f"SLURM job {job} wrote nothing"

    def close(self) -> None:
        """Cancel what is still queued or running."""
        self._closed.set()
        arrays = sorted({job.split("_")[0] for job in self._waiting})
        if arrays:
            with contextlib.suppress(OSError, subprocess.SubprocessError):
                subprocess.run(["scancel", *arrays], capture_output=True, timeout=30)
        self._watcher.join()
        if not arrays and not self._died:  # otherwise their logs may say why
            shutil.rmtree(self._logs, ignore_errors=True)


def read_settings(given: Mapping) -> dict:
    """What is asked of SLURM, read strictly; InputError for anything else."""
    found = {}
    for name, value in given.items():
        if name not in SETTINGS:
            raise InputError(f"there is no SLURM setting {name!r}; it takes {', '.join(SETTINGS)}.")
        if SETTINGS[name] is int:
            value = (
                int(value)
                if isinstance(value, str) and value.isdecimal() and len(value) < 9
                else value
            )
            value = integer(value, f"SLURM setting {name}", at_least=1)
        elif (
            not isinstance(value, str)
            or not value.replace("-", "").replace("_", "").replace(".", "").isalnum()
        ):
            raise InputError(
                f"SLURM setting {name} takes a word of letters, digits, '-', '_' and '.'; got "
                f"{value!r}."
            )
        found[name] = value
    return found


def _queued() -> set[str] | None:
    """Ids of this user's jobs that wait or run; None if squeue does not answer."""
    try:
        listed = subprocess.run(
            ["squeue", "-h", "-r", "-o", "%i", "-u", getpass.getuser()],
            capture_output=True,
            text=True,
            timeout=30,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    if listed.returncode:
        return None
    return {job.strip() for job in listed.stdout.splitlines()}


def _last_line(error) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[-1] if lines else type(error).__name__)[:300].rstrip(".")
