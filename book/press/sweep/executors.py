"""Where the runs of a sweep are done: executors as `concurrent.futures` has them, with the number
of runs that they take at once in `slots`.

"serial" this process · "process" spawned processes of this machine · "dask" a local cluster, or the
address of a scheduler · "slurm", "pbs", "lsf", "sge", "htcondor" workers of dask in jobs of that
queueing system, which take runs one after another.
"""

import contextlib
import logging
import os
import re
import shutil
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import (
    BrokenExecutor,
    Executor,
    Future,
    ProcessPoolExecutor,
    ThreadPoolExecutor,
)
from functools import partial
from importlib import import_module
from inspect import signature
from multiprocessing import get_context, parent_process
from pathlib import Path
from queue import SimpleQueue

from schurkit.checks import InputError, integer, one_of
from schurkit_press.run import cores

from .worker import THREADS

QUEUES = {
    "slurm": "SLURMCluster",
    "pbs": "PBSCluster",
    "lsf": "LSFCluster",
    "sge": "SGECluster",
    "htcondor": "HTCondorCluster",
}
"""Queueing systems, with their classes in `dask_jobqueue`."""
NAMES = ("serial", "process", "dask", *QUEUES)
SETTINGS = {
    "queue": "queue or partition",
    "account": "account or project",
    "walltime": "of a job, HH:MM:SS (01:00:00)",
    "memory": "of a job (4GB)",
    "interface": "network interface that jobs and this machine share, e.g. ib0",
    "directive": "a line for the queueing system as it is, e.g. --gres=gpu:1; may be repeated",
    "prologue": "a line of shell before the worker starts; may be repeated",
}
"""What may be asked of a cluster."""
SEVERAL = ("directive", "prologue")
JOBS = 16
"""Jobs asked of a cluster where nobody says how many."""
SECONDS_TO_ANSWER = 8
"""How long a dask scheduler may take to answer."""
SECONDS_TO_REFILL = 30
"""How often jobs that are gone are asked for again."""
DEATHS = 2
"""A run that has killed its worker so often is given up."""


def opened(
    executor: str | Executor, workers: int | None, folder: Path, cluster: Mapping | None = None
) -> contextlib.AbstractContextManager[Executor]:
    """A context of the executor of that name, closed in the end; one that is given is used as it is
    and stays open.

    Raises
    ------
    InputError : a package that is not installed, a scheduler that does not answer, or settings that
        do not suit. `check_executor` has looked at the rest.
    """
    if isinstance(executor, Executor):
        return contextlib.nullcontext(executor)
    if executor in QUEUES:
        return _jobs(executor, workers or JOBS, cluster or {}, folder)
    if executor == "serial":
        return contextlib.nullcontext(Serial())
    if executor == "process":
        return contextlib.closing(Processes(workers or cores()))
    return _dask(workers or cores(), None if executor == "dask" else executor)


def check_executor(executor, workers: int | None = None, cluster: Mapping | None = None) -> None:
    """Raise InputError for what `opened` would not take, as far as that can be said without
    starting anything.
    """
    if workers is not None:
        integer(workers, "workers", at_least=1, at_most=10_000)
    for name, value in (cluster or {}).items():
        one_of(name, "a cluster's setting", SETTINGS)
        texts = value if name in SEVERAL and not isinstance(value, str) else [value]
        if not all(isinstance(text, str) and text.isprintable() and text.strip() for text in texts):
            raise InputError(f"the cluster's {name} takes one line of text; got {value!r}.")
    if cluster and executor not in QUEUES:
        raise InputError(f"settings of a cluster go with executors {', '.join(QUEUES)} alone.")
    if not (isinstance(executor, Executor) or executor in NAMES or "://" in str(executor)):
        raise InputError(
            f"executor must be one of {', '.join(NAMES)}, or the address of a dask scheduler such "
            f"as tcp://10.0.0.1:8786; got {executor!r}."
        )


def read_settings(texts: Sequence[str]) -> dict[str, str | list[str]]:
    """Settings of a cluster from texts NAME=VALUE."""
    found: dict[str, str | list[str]] = {}
    for text in texts:
        name, sign, value = text.partition("=")
        if not sign:
            raise InputError(f"--cluster takes NAME=VALUE, as in queue=cpu; got {text!r}.")
        if name in SEVERAL:
            found.setdefault(name, []).append(value)
        else:
            found[name] = value
    return found


# ------------------------------------------------------------------------------------- this machine
class Serial(Executor):
    """Does what it is given at once, in this process."""

    slots = 1

    def submit(self, fn, /, *args):
        future = Future()
        try:
            future.set_result(fn(*args))
        except Exception as error:
            future.set_exception(error)
        return future


class Processes(Executor):
    """Spawned processes, each a pool of its own: one that dies costs the run it was doing, and the
    next run gets a fresh one. (With joblib or one `ProcessPoolExecutor` of several processes, one
    that dies takes nearly all other results along.)
    """

    def __init__(self, workers: int):
        self.slots = workers
        self._threads = ThreadPoolExecutor(workers)
        self._mine = threading.local()
        self._ids: dict[ProcessPoolExecutor, int] = {}
        self._busy: set[ProcessPoolExecutor] = set()

    def submit(self, fn, /, *args):
        return self._threads.submit(self._send, fn, args)

    def _send(self, fn, args):
        pool = getattr(self._mine, "pool", None)
        try:
            if pool is None:
                pool = self._mine.pool = ProcessPoolExecutor(
                    1, mp_context=get_context("spawn"), initializer=_begin
                )
                self._ids[pool] = pool.submit(os.getpid).result()
            self._busy.add(pool)
            return pool.submit(fn, *args).result()
        except BrokenExecutor:
            self._mine.pool = None
            self._ids.pop(pool, None)
            pool.shutdown(wait=False)
            raise
        finally:
            self._busy.discard(pool)

    def close(self) -> None:
        """End every process: idle ones by themselves, which gives their semaphores back, and busy
        ones at once.
        """
        self._threads.shutdown(wait=False, cancel_futures=True)
        for pool, process in list(self._ids.items()):
            if pool in self._busy:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process, signal.SIGTERM)
            pool.shutdown(wait=pool not in self._busy, cancel_futures=True)
        self._threads.shutdown(wait=True)


def _begin() -> None:
    """First thing in a spawned process: one thread, deaf to Ctrl-C (its sender ends it), and gone
    when its sender is.
    """
    os.environ.update(THREADS)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sender = parent_process()

    def follow():
        sender.join()
        os._exit(1)

    threading.Thread(target=follow, daemon=True).start()


# --------------------------------------------------------------------------------------------- dask
def dask_setup(worker) -> None:
    """First thing in a worker on this machine: deaf to Ctrl-C, since its sender ends it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


class _Dask(Executor):
    """The executor of a dask client.

    least : runs to hand out although fewer workers are there: more are on their way.
    refill : asks for workers that are missing; called now and then.
    """

    def __init__(self, client, least: int = 1, refill: Callable | None = None):
        self._client, self._least, self._refill = client, least, refill
        self._pool = client.get_executor(pure=False, retries=0)
        self._asked = time.monotonic()

    @property
    def slots(self) -> int:
        return max(self._least, sum(self._client.nthreads().values()))

    def submit(self, fn, /, *args):
        if self._refill and time.monotonic() - self._asked > SECONDS_TO_REFILL:
            self._asked = time.monotonic()
            self._refill()
        return self._pool.submit(fn, *args)


def _needs(executor: str, module: str):
    """dask, and a module of the extra `cluster`."""
    try:
        return import_module("dask"), import_module(module)
    except ImportError as error:
        raise InputError(
            f"executor {executor!r} needs {module.replace('_', '-')}, which is not installed "
            f"({error.name}): pip install 'schurkit[cluster]'."
        ) from None


OF_DASK = {
    "distributed.scheduler.allowed-failures": 0,
    "distributed.scheduler.worker-saturation": 1.0,
}
"""That a worker died is told at once, since the sender sends no more runs than there are workers
and so hits no other run when it sends one again; no worker holds more runs than it has threads.
"""


@contextlib.contextmanager
def _dask(workers: int, address: str | None) -> Iterator[Executor]:
    dask, distributed = _needs("dask", "distributed")
    if address is not None:
        _answers(address)
        with contextlib.closing(_connected(distributed.Client, address)) as client:
            yield _Dask(client)
        return
    with dask.config.set(OF_DASK | {"distributed.worker.preload": [__name__]}):
        cluster = distributed.LocalCluster(
            n_workers=workers, threads_per_worker=1, dashboard_address=None, silence_logs=60
        )
        with cluster, distributed.Client(cluster, set_as_default=False) as client:
            yield _Dask(client)


@contextlib.contextmanager
def _jobs(name: str, jobs: int, asked: Mapping, folder: Path) -> Iterator[Executor]:
    """Workers in jobs of a queueing system, by dask-jobqueue; their logs lie in the sweep's
    folder.
    """
    dask, jobqueue = _needs(name, "dask_jobqueue")
    from distributed import Client, Status

    kind = getattr(jobqueue, QUEUES[name])
    command = kind.job_cls.submit_command.split()[0]
    if shutil.which(command) is None:
        raise InputError(
            f"executor {name!r} needs the command {command}; run this on a login node of the "
            "cluster."
        )
    given = (asked.get(name, ()) for name in SEVERAL)
    directives, prologue = ([one] if isinstance(one, str) else list(one) for one in given)
    options = {
        "cores": 1,
        "processes": 1,
        "memory": asked.get("memory", "4GB"),
        "python": sys.executable,
        "job_name": "schurkit",
        "log_directory": str(folder / "jobs"),
        "job_extra_directives": directives,
        "job_script_prologue": [
            *(f"export {name}={value}" for name, value in THREADS.items()),
            *prologue,
        ],
        "scheduler_options": {"dashboard": False},
        "silence_logs": 60,
    }
    takes = signature(kind.job_cls.__init__).parameters
    for setting in ("queue", "account", "walltime"):
        if setting in asked:
            word = "project" if setting == "account" and "account" not in takes else setting
            if word not in takes:
                raise InputError(f"executor {name!r} has no {setting}; say it as a directive.")
            options[word] = asked[setting]
    options |= {"disk": "4GB"} if "disk" in takes else {}
    options |= {"interface": asked["interface"]} if "interface" in asked else {}
    answers: SimpleQueue = SimpleQueue()

    async def start(job):  # as the class does, and says how it went
        try:
            await kind.job_cls.start(job)
        except Exception as error:
            job.status = Status.failed  # so that the cluster can be closed
            answers.put(error)
            raise
        answers.put(None)

    watched = type(kind.job_cls.__name__, (kind.job_cls,), {"start": start})
    with dask.config.set(OF_DASK), _quiet(), kind(job_cls=watched, **options) as cluster:
        cluster.scale(jobs=jobs)
        if problem := answers.get():  # of the first job: what is refused is said at once
            lines = [line.strip() for line in str(problem).splitlines() if line.strip()]
            raise InputError(f"{command} refused the jobs: {lines[-1].rstrip('.')}.")
        with Client(cluster, set_as_default=False) as client:
            yield _Dask(client, jobs, partial(cluster.scale, jobs=jobs))


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without the tracebacks that the event loop logs of a refusal, which is said in one line."""
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)


def _answers(address: str) -> None:
    """Raise InputError unless something listens at that address (a client alone would try on, and
    warn when the program ends).
    """
    parts = re.fullmatch(r"t(?:cp|ls)://\[?([^]/]+)\]?:(\d{1,5})", address)
    if parts is None:
        raise InputError(
            f"the address of a dask scheduler looks like tcp://10.0.0.1:8786; got {address!r}."
        )
    try:
        socket.create_connection((parts[1], int(parts[2])), timeout=SECONDS_TO_ANSWER).close()
    except OSError as error:
        raise InputError(
            f"no dask scheduler answers at {address} ({error.strerror or error}); start one with "
            "'dask scheduler'."
        ) from None


def _connected(Client, address: str):
    """A client of that address. It is made in a thread: it would wait for ever for a peer that
    takes the connection and says nothing.
    """
    client, problem = Client.__new__(Client), ["no answer"]

    def connect():
        try:
            client.__init__(address, timeout=SECONDS_TO_ANSWER, set_as_default=False)
            problem.clear()
        except Exception as error:
            problem[0] = type(error).__name__

    thread = threading.Thread(target=connect, daemon=True)
    thread.start()
    thread.join(SECONDS_TO_ANSWER + 2)
    if problem:
        client.status = "closed"  # else it complains when the program ends
        raise InputError(
            f"what answers at {address} is no dask scheduler ({problem[0]}); start one with 'dask "
            "scheduler'."
        )
    return client
