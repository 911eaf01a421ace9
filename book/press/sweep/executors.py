"""Where the runs of a sweep are done: executors as `concurrent.futures` has them, with the number
of runs that they take at once in `slots`.

"serial" this process · "process" spawned processes of this machine · "dask" a local cluster, or the
address of a scheduler · "slurm" a job array.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import (
    BrokenExecutor,
    Executor,
    Future,
    ProcessPoolExecutor,
    ThreadPoolExecutor,
)
from multiprocessing import get_context, parent_process
from pathlib import Path
from urllib.parse import urlsplit

from schurkit.checks import InputError, integer
from schurkit_press.run import cores

from .worker import THREADS

NAMES = ("serial", "process", "dask", "slurm")
SECONDS_TO_ANSWER = 8
"""How long a dask scheduler may take to answer."""


class WorkerDied(BrokenExecutor):
    """The process or job that did a piece of work ended without a result."""


def died(error: BaseException) -> bool:
    """Whether an error says that a worker died, in the words of whichever executor."""
    return isinstance(error, BrokenExecutor) or type(error).__name__ == "KilledWorker"


@contextlib.contextmanager
def opened(
    executor: str | Executor, workers: int | None, folder: Path, slurm: Mapping | None = None
) -> Iterator[Executor]:
    """The executor of that name, closed in the end; one that is given is used as it is and stays
    open.

    Raises
    ------
    InputError : an unknown name, a package that is not installed, a scheduler that does not answer,
        or settings that do not suit.
    """
    check_executor(executor, workers, slurm)
    if isinstance(executor, Executor):
        yield executor
        return
    count = workers or cores()
    if "://" in executor or executor == "dask":
        made = _dask(count, None if executor == "dask" else executor)
    elif executor == "slurm":
        from .slurm import Slurm

        made = contextlib.closing(Slurm(folder, workers, slurm or {}))
    else:
        made = contextlib.closing(Serial() if executor == "serial" else Processes(count))
    with made as pool:
        yield pool


def check_executor(executor, workers: int | None = None, slurm: Mapping | None = None) -> None:
    """Raise InputError for what `opened` would not take, as far as that can be said without
    starting anything.
    """
    if workers is not None:
        integer(workers, "workers", at_least=1, at_most=10_000)
    if slurm and executor != "slurm":
        raise InputError("settings of SLURM go with executor 'slurm' alone.")
    if isinstance(executor, Executor) or (isinstance(executor, str) and "://" in executor):
        return
    if executor not in NAMES:
        known = (
            "serial, process, dask, slurm, or the address of a dask scheduler such as "
            "tcp://10.0.0.1:8786"
        )
        raise InputError(f"executor must be one of {known}; got {executor!r}.")


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

    def close(self) -> None:
        """Nothing to close."""


class Processes(Executor):
    """Spawned processes, each a pool of its own: one that dies costs the run it was doing, and the
    next run gets a fresh one.
    """

    def __init__(self, workers: int):
        self.slots = workers
        self._threads = ThreadPoolExecutor(workers)
        self._mine = threading.local()
        self._ids: dict[ProcessPoolExecutor, int] = {}
        self._closed = False

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
            return pool.submit(fn, *args).result()
        except BrokenExecutor:
            self._mine.pool = None
            self._ids.pop(pool, None)
            pool.shutdown(wait=False)
            raise

    def close(self) -> None:
        """End every process, whatever it is doing."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        for pool, process in list(self._ids.items()):
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGTERM)
            pool.shutdown(wait=False, cancel_futures=True)
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
    """First thing in a worker of a cluster on this machine: deaf to Ctrl-C, since its sender ends
    it.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)


class _Dask(Executor):
    """The executor of a dask client, which knows how many threads its workers have."""

    def __init__(self, client):
        self._client = client
        self._pool = client.get_executor(pure=False, retries=0)

    @property
    def slots(self) -> int:
        return max(1, sum(self._client.nthreads().values()))

    def submit(self, fn, /, *args):
        return self._pool.submit(fn, *args)


@contextlib.contextmanager
def _dask(workers: int, address: str | None) -> Iterator[Executor]:
    try:
        import dask
        from distributed import Client, LocalCluster
    except ImportError as error:
        raise InputError(
            f"executor 'dask' needs dask.distributed, which is not installed ({error.name}): pip "
            "install 'schurkit[cluster]'."
        ) from None
    if address is not None:
        _answers(address)
        with contextlib.closing(_connected(Client, address)) as client:
            yield _Dask(client)
        return
    # Each run is counted by the sweep itself: dask reports a dead worker at once, and gives none
    # more runs than it has threads
    settings = {
        "distributed.scheduler.allowed-failures": 0,
        "distributed.scheduler.worker-saturation": 1.0,
        "distributed.worker.preload": [__name__],
    }
    with dask.config.set(settings):
        cluster = LocalCluster(
            n_workers=workers, threads_per_worker=1, dashboard_address=None, silence_logs=60
        )
        with cluster, Client(cluster, set_as_default=False) as client:
            yield _Dask(client)


def _answers(address: str) -> None:
    """Raise InputError unless something listens at that address (a client alone would try on, and
    warn when the program ends).
    """
    parts = urlsplit(address)
    try:
        port = parts.port
    except ValueError:
        port = None
    if parts.scheme not in ("tcp", "tls") or not parts.hostname or not port:
        raise InputError(
            f"the address of a dask scheduler looks like tcp://10.0.0.1:8786; got {address!r}."
        )
    try:
        socket.create_connection((parts.hostname, port), timeout=SECONDS_TO_ANSWER).close()
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
