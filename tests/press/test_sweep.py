"""Sweeps: every run once, the same table wherever it was made, and nothing finished lost."""

import contextlib
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from helpers import refuses
from press import sweep_runs
from press.small_book import cases, cell, network_cells, notebook, write_book

from schurkit.__main__ import main
from schurkit.checks import InputError
from schurkit.store import StoreWarning
from schurkit_press.price import Cost
from schurkit_press.sweep import executors
from schurkit_press.sweep import sweep as module
from schurkit_press.sweep.executors import opened, read_settings
from schurkit_press.sweep.sweep import SweepError, plan_sweep, run_sweep, sweep

TWO_BY_FOUR = {"hidden_size": [8, 12], "seed": range(4)}
OWN = ["status", "problem", "seconds", "key", "version"]
CHAPTER = """import os
from schurkit.nb import record
import numpy as np
record("norm", np.linalg.norm(np.random.default_rng(seed).normal(size=(width, width))) / 3)
record("seed", seed)
record("sizes", [width, 2 * width])
record("undefined", float("nan"))
record("threads", os.environ["SCHURKIT_THREADS"])
if seed == 1 and width == 5:
    raise ValueError("no such network")"""


NO_LIST = "no parameter of the grid has a default and a list beside it, as in (seed=0, seeds=None)."


def slurm_works():
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        listed = subprocess.check_output(["sinfo", "-h", "-o", "%T"], text=True, timeout=10)
        return any(state in listed for state in ("idle", "mix", "alloc"))
    return False


needs_slurm = pytest.mark.skipif(
    not slurm_works(), reason="no SLURM here: 'sinfo' names no node that works"
)
EXECUTORS = ["serial", "process", "dask", pytest.param("slurm", marks=needs_slurm)]


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A working folder without a book, and importable functions for workers that start
    elsewhere.
    """
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SCHURKIT_BOOK", raising=False)
    return tmp_path


def chapter_book(folder, *more):
    parameters = "seed: int = 0  # seed\nwidth: int = 4  # size"
    head = cell("# Small", kind="markdown"), cell(parameters, tags=["parameters"])
    content = notebook(*head, *more, cell(CHAPTER))
    return write_book(folder / "book", {"small": content})


def marks(folder, what=""):
    return sorted(path.name.split("-")[0] for path in Path(folder).glob(f"{what}*-*"))


def numbers(frame):
    """A table but for what differs from one run to the next, to the last bit."""
    return frame.drop(columns=["seconds", "version"]).to_csv(
        index=False, float_format=lambda value: value.hex()
    )


@pytest.fixture
def swept(place):
    """Sweep a function of `sweep_runs` that leaves marks, with records in `place`."""

    def run(function, grid, executor="serial", workers=2, **more):
        named = function.__code__.co_varnames[: function.__code__.co_argcount]
        marked = {"folder": [str(place)]} if "folder" in named else {}
        return sweep(function, grid | marked, executor, workers, folder=place / "records", **more)

    return run


def started(place, function, *argv, **more):
    """`schurkit sweep` of a function of `sweep_runs`, in a process and group of its own."""
    command = ["sweep", f"press.sweep_runs:{function}", *argv]
    paths = os.pathsep.join([*sys.path, str(Path(__file__).parents[1])])
    return subprocess.Popen(
        [sys.executable, "-m", "schurkit", *command],
        cwd=place,
        env=os.environ | {"PYTHONPATH": paths},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        # a job in the background of a shell would ignore it
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


def waited(place, count, what="process*-*", seconds=60):
    """The files in that folder, once there are so many."""
    deadline = time.monotonic() + seconds
    while len(found := list(place.glob(what))) < count and time.monotonic() < deadline:
        time.sleep(0.01)
    return found


def workers_of(place):
    """Processes that left a mark and are still there."""
    ids = {int(name.removeprefix("process")) for name in marks(place, "process")}
    return [one for one in ids if Path(f"/proc/{one}").exists()]


# ----------------------------------------------------------------------------- one table everywhere
@pytest.fixture(scope="module")
def serial_table(tmp_path_factory):
    """Eight small networks trained and ablated one after the other."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SCHURKIT_STORE", str(tmp_path_factory.mktemp("store")))
        return sweep(
            sweep_runs.trained, TWO_BY_FOUR, "serial", folder=tmp_path_factory.mktemp("serial")
        )


@pytest.mark.parametrize("executor", EXECUTORS[1:])
def test_every_executor_gives_the_same_numbers(executor, serial_table, swept):
    found = swept(sweep_runs.trained, TWO_BY_FOUR, executor)
    assert list(found)[:4] == ["hidden_size", "seed", "score", "converged"]
    assert list(found)[-5:] == OWN and set(found.version.str.split().str[0]) == {"0.1.0"}
    given = [(size, seed) for size in (8, 12) for seed in range(4)]
    assert list(zip(found.hidden_size, found.seed)) == given
    assert found.score.nunique() == found.radius.nunique() == found.key.nunique() == 8
    assert numbers(found) == numbers(serial_table) and set(found.status) == {"finished"}
    # it was trained anew, into the sender's store
    assert len(list(Path(os.environ["SCHURKIT_STORE"]).glob("*.json"))) == 8


def test_a_stack_gives_the_numbers_of_its_networks(serial_table, swept):
    found = swept(sweep_runs.trained, TWO_BY_FOUR, "process", stack="seed")
    assert numbers(found) == numbers(serial_table)


def test_any_executor_of_the_standard_library_will_do(swept):
    with ThreadPoolExecutor(2) as pool:
        assert list(swept(sweep_runs.stacked, {"seed": range(3)}, pool).value) == [0, 1, 2]
        assert pool.submit(int, "1").result() == 1  # it is left open


@pytest.mark.parametrize(
    ("executor", "seeds"), [("serial", [0, 1]), ("process", [0]), ("dask", [0])]
)
def test_a_chapter_on_every_executor_runs_once(executor, seeds, place, monkeypatch):
    root = chapter_book(place)
    plan = plan_sweep("small", {"width": [5], "seed": seeds}, book=root)
    run_sweep(plan, executor, 2)
    found = plan.table()
    if len(seeds) > 1:
        assert list(found.status) == ["finished", "failed"]
        assert found.problem[1].startswith(
            'cell 3 of 3 (raise ValueError("no such network")) failed with ValueError: no such '
            "network; what ran is kept in _build/executed/small-"
        )
    norm = np.linalg.norm(np.random.default_rng(0).normal(size=(5, 5))) / 3
    assert found.norm[0] == pytest.approx(norm, rel=1e-12) and found.threads[0] == "1"
    assert found.found_seed[0] == 0 and found.sizes[0] == [5, 10] and found.undefined.isna().all()
    assert "JUPYTER_RUNTIME_DIR" not in os.environ
    assert os.environ["SCHURKIT_STORE"] != str(root / "runs")
    # without its records, the executed notebook is read
    shutil.rmtree(plan.folder)
    monkeypatch.setattr("schurkit_press.sweep.worker.run_job", None)
    again = plan_sweep("small", {"width": [5], "seed": [0]}, book=root)
    assert len(again.due) == 1
    run_sweep(again, "serial")
    assert again.table().norm[0] == found.norm[0]


# ---------------------------------------------------------------------------------------- once each
def test_what_is_finished_is_not_run_again(swept, place, monkeypatch):
    swept(sweep_runs.stacked, {"seed": range(2)})
    first = swept(sweep_runs.stacked, {"seed": range(4)})
    assert list(first.seed) == [0, 1, 2, 3] and len(marks(place)) == 4
    monkeypatch.setattr(module, "opened", None)
    assert numbers(swept(sweep_runs.stacked, {"seed": range(4)}, "process")) == numbers(first)


def test_a_damaged_record_is_made_again(swept, place):
    first = swept(sweep_runs.stacked, {"seed": [5]})
    (path,) = (place / "records").glob("*.json")
    flipped = path.read_bytes().replace(b'"value":5.0', b'"value":6.0')
    assert flipped != path.read_bytes()
    path.write_bytes(flipped)
    with pytest.warns(StoreWarning, match="is damaged .* set aside and is run again"):
        assert numbers(swept(sweep_runs.stacked, {"seed": [5]})) == numbers(first)
    assert len(marks(place)) == 2


def test_the_key_holds_everything_that_decides_a_result(place, monkeypatch):
    def key(function=sweep_runs.stacked, **grid):
        return plan_sweep(function, {"seed": [1]} | grid).runs[0]["key"]

    keys = [key(), key(seed=[2]), key(sweep_runs.fails, folder="a")]
    assert key() == keys[0]
    for name, other in (
        ("run.code_digest", lambda package, texts: "other"),
        ("run.versions", lambda: {"numpy": "0"}),
        ("sweep.worker.inspect.getsourcefile", lambda function: __file__),
    ):
        monkeypatch.setattr(f"schurkit_press.{name}", other)
        keys.append(key())
    assert len(set(keys)) == len(keys)


@pytest.mark.parametrize("what", ["numpy", "source"])
def test_a_worker_with_other_code_does_nothing(what, place):
    grid = {"seed": [1], "folder": [str(place)]}
    plan = plan_sweep(sweep_runs.stacked, grid, folder=place / "records")
    plan.fingerprint[what] = "other"
    run_sweep(plan, "serial")
    assert list(plan.table().problem) == [
        f"for press.sweep_runs:stacked the worker has another {what} than the sender; install the "
        "same versions on both"
    ]
    assert marks(place) == []


# ---------------------------------------------------------------------------------- what goes wrong
@pytest.mark.parametrize(
    ("what", "problem"),
    cases("""
list → TypeError: a function to sweep returns a dict of numbers and words; got list
array → InputError: result 'a' takes a number, text or a flat list of these; got list.
name → TypeError: a result needs a name of letters, digits, '_', '.' or '-' that starts with a
    letter; got '1 a'
exit → SystemExit: 3
"""),
)
def test_results_that_no_table_can_hold(what, problem, swept):
    assert list(swept(sweep_runs.returns, {"seed": [0], "what": [what]}).problem) == [problem]


def test_too_few_results_for_a_stack(swept):
    found = swept(sweep_runs.short, {"seed": range(2)}, stack="seed")
    assert set(found.problem) == {
        "given seeds, a function returns a list of 2 dicts, one each; got 1 results"
    }


@pytest.mark.parametrize("times", [1, 9])
@pytest.mark.parametrize("executor", ["process", "dask", pytest.param("slurm", marks=needs_slurm)])
def test_a_dead_worker_costs_its_own_run_alone(executor, times, swept, place):
    """Which is done again, and given up after the second time."""
    found = swept(sweep_runs.dies, {"seed": range(4), "times": [times]}, executor)
    problem = "its worker died 2 times (out of memory, or killed)" if times > 1 else ""
    assert list(found.problem) == ["", problem, "", ""]
    assert list(found.value.fillna(1 / 3)) == [seed / 3 for seed in range(4)]
    assert marks(place) == ["0", "1", "1", "2", "3"]


def test_a_sweep_that_is_killed_goes_on_and_ends_in_the_undisturbed_table(place):
    """On two workers of dask: the sender or a worker, five times, at random moments."""
    (place / "whole").mkdir()
    grid = {"seed": range(60), "folder": "whole", "pause": [0]}
    whole = sweep(sweep_runs.waits, grid, "serial", folder=place / "one")
    argv = ["--grid", "seed=0:60", "--grid", "pause=0.2", "--grid", f"folder={place}"]
    argv += ["--executor", "dask", "--workers", "2", "--out", "table.csv"]
    moments, process = random.Random(3), started(place, "waits", *argv)
    for kill in range(5):
        waited(place, len(marks(place, "process")) + moments.randint(1, 6))
        time.sleep(moments.uniform(0, 0.2))
        kept = {path: path.stat().st_mtime_ns for path in place.rglob("_build/**/*.json")}
        assert process.poll() is None
        os.kill(process.pid if kill % 2 else workers_of(place)[0], signal.SIGKILL)
        if kill % 2:
            process.communicate()
            process = started(place, "waits", *argv)
        assert all(path.stat().st_mtime_ns == stamp for path, stamp in kept.items())
    err = process.communicate(timeout=120)[1]
    assert (process.returncode, err) == (0, "")
    columns = ["seed", "value", "status", "problem"]
    table = pd.read_csv(place / "table.csv", float_precision="round_trip", keep_default_na=False)
    assert table[columns].equals(whole[columns])
    assert len(marks(place, "process")) <= 60 + 2 * 5  # what was under way, once more


def test_a_broken_executor_of_the_reader_is_said_in_one_line(swept):
    with (
        ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool,
        pytest.raises(SweepError, match="the executor that was given is broken"),
    ):
        swept(sweep_runs.dies, {"seed": [1, 2], "times": [9]}, pool)


@pytest.mark.parametrize("executor", ["serial", "process", "dask"])
def test_an_interruption_keeps_what_is_finished_and_ends_the_workers(executor, place):
    argv = ["--grid", "seed=0:40", "--grid", f"folder={place}"]
    process = started(place, "waits", *argv, "--workers", "2", "--executor", executor)
    waited(place, 4)
    os.killpg(process.pid, signal.SIGINT)  # as Ctrl-C does: the whole group
    err = process.communicate(timeout=60)[1]
    kept = len(list((place / "_build").rglob("*.json")))
    assert (process.returncode, err) == (
        130,
        f"schurkit: interrupted; {kept} of 40 runs are kept, and the same command goes on from "
        "there\n",
    )
    time.sleep(0.5)
    assert kept >= 2 and workers_of(place) == []


def test_workers_follow_a_sender_that_is_killed(place):
    process = started(place, "waits", "--grid", "seed=0:40", "--grid", f"folder={place}")
    assert len(waited(place, 2)) >= 2
    process.kill()
    process.communicate()
    deadline = time.monotonic() + 60
    while workers_of(place) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert workers_of(place) == []


# ------------------------------------------------------------------------------------------ workers
@pytest.mark.parametrize("executor", ["process", "dask"])
def test_workers_have_one_thread_each_are_as_many_as_asked_and_leave_no_word(executor, place):
    """None of semaphores either, after a good sweep."""
    argv = ["--grid", "seed=0:6", "--workers", "2", "--executor", executor, "--out", "t.csv"]
    process = started(place, "threads", *argv)
    assert process.communicate(timeout=60)[1] == "" and process.returncode == 0
    found = pd.read_csv(place / "t.csv")
    threads = found[["OMP_NUM_THREADS", "SCHURKIT_THREADS", "NUMBA_NUM_THREADS"]]
    assert (threads == 1).all(axis=None) and set(found.store) == {os.environ["SCHURKIT_STORE"]}
    assert found.process.nunique() == 2 and process.pid not in set(found.process)


def test_serial_work_leaves_the_settings_of_this_process_alone(swept):
    before, path = dict(os.environ), list(sys.path)
    found = swept(sweep_runs.threads, {"seed": [0]})
    assert found.OMP_NUM_THREADS[0] == "1" and found.process[0] == os.getpid()
    assert dict(os.environ) == before and sys.path[: len(path)] == path


def test_a_stack_is_one_call_for_each_setting_of_the_others(swept, place):
    grid = {"seed": range(3), "scale": [1, 2]}
    assert list(swept(sweep_runs.stacked, grid, stack="seed").value) == [0, 0, 1, 2, 2, 4]
    assert len(marks(place)) == 2


# ---------------------------------------------------------------------------------------- arguments
@pytest.mark.parametrize(
    ("given", "message"),
    cases("""
told sed=1 → press.sweep_runs:told has no parameter 'sed'; did you mean 'seed'?
told free=1 → press.sweep_runs:told has no parameter 'free'; it has seed, rate, flag, word, sizes,
    kind.
told kind=z → parameter kind takes one of 'x', 'y'; got 'z'.
told rate=1 → press.sweep_runs:told needs a value of 'seed': add --grid seed=….
told seed=1 dusk → executor must be one of serial, process, dask, slurm, pbs, lsf, sge, htcondor,
    or the address of a dask scheduler such as tcp://10.0.0.1:8786; got 'dusk'.
plain seed=1 → press.sweep_runs:plain declares no parameter that could be swept; annotate them, as
    in 'seed: int' (int, float, bool, str, list[…] of one of them, or Literal of texts).
bare seed=1 → press.sweep_runs:bare takes *rest: a function to sweep takes named parameters alone.
no_such_module:f seed=1 → there is no module 'no_such_module' on Python's path: start in the folder
    of no_such_module.py, or install it.
math:f seed=1 → module 'math' has no function 'f'.
math:f() seed=1 → a function to sweep is named 'module:function'; got 'math:f()'.
"""),
)
def test_wrong_arguments_are_one_line_before_anything_runs(given, message, place, monkeypatch):
    monkeypatch.setattr(module, "run_sweep", None)
    what, grid, *executor = given.split()
    name = what if ":" in what else f"press.sweep_runs:{what}"
    refuses(f"^{re.escape(message)}$", sweep, name, [grid], *executor)
    assert list(place.iterdir()) == []


def test_what_is_neither_chapter_nor_function_of_a_module(place):
    def typed(seed: int):
        return {}

    typed.__module__, typed.__qualname__ = "__main__", "typed"
    own = "put it into a module of its own"
    for what, workers, said in (
        (typed, 1, f"typed is typed into a notebook or script: {own}"),
        (lambda seed: {}, 1, f"<lambda> is no plain function of a module: {own}"),
        (3, 1, "sweep takes a chapter's name, 'module:function' or a function; got int."),
        (sweep_runs.told, 0, "workers must be between 1 and 10000; got 0."),
    ):
        refuses(said, sweep, what, {"seed": [1]}, "process", workers)
    (place / "file").touch()
    said, grid = "the records of a sweep need a folder; file is a file.", {"seed": [1]}
    refuses(said, sweep, sweep_runs.stacked, grid, folder="file")


@pytest.mark.parametrize(
    ("what", "grid", "stack", "takes"),
    cases(f"""
stacked → seed=1 scale=1 → scale → it takes lists of seed.
stacked → scale=1 → seed → {NO_LIST}
threads → seed=1 → seed → {NO_LIST}
"""),
)
def test_what_cannot_be_stacked(what, grid, stack, takes):
    said = f"press.sweep_runs:{what} cannot be stacked over {stack!r}: {takes}"
    refuses(f"^{re.escape(said)}$", sweep, f"press.sweep_runs:{what}", grid.split(), stack=stack)


def refusal(*given):
    """What `opened` says to these arguments."""
    with pytest.raises(InputError) as caught:
        opened(*given).__enter__()
    return str(caught.value)


def test_what_is_no_scheduler(tmp_path, monkeypatch):
    assert refusal("tcp://127.0.0.1:1", None, tmp_path) == (
        "no dask scheduler answers at tcp://127.0.0.1:1 (Connection refused); start one with "
        "'dask scheduler'."
    )
    for address in ("udp://a:1", "tcp://a", "tcp://:8786", "tcp://a:b"):
        assert refusal(address, None, tmp_path) == (
            f"the address of a dask scheduler looks like tcp://10.0.0.1:8786; got {address!r}."
        )
    monkeypatch.setattr(executors, "SECONDS_TO_ANSWER", 1)
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"tcp://127.0.0.1:{server.getsockname()[1]}"
        said = refusal(address, None, tmp_path)
    assert said.startswith(f"what answers at {address} is no dask scheduler")


def test_a_scheduler_by_its_address(swept):
    from distributed import LocalCluster

    with LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=None) as cluster:
        found = swept(sweep_runs.stacked, {"seed": range(3)}, cluster.scheduler_address)
    assert list(found.value) == [0, 1, 2]


def test_a_package_or_command_that_is_not_there(monkeypatch, tmp_path):
    commands = dict(zip(executors.QUEUES, ("sbatch", "qsub", "bsub", "qsub", "condor_submit")))
    monkeypatch.setattr(shutil, "which", lambda name: None)
    for executor, command in commands.items():
        assert refusal(executor, None, tmp_path) == (
            f"executor {executor!r} needs the command {command}; run this on a login node of the "
            "cluster."
        )
    monkeypatch.setattr(shutil, "which", lambda name: f"/bin/{name}")
    for executor, package in (("dask", "distributed"), ("slurm", "dask_jobqueue")):
        monkeypatch.setitem(sys.modules, package, None)
        assert refusal(executor, None, tmp_path) == (
            f"executor {executor!r} needs {package.replace('_', '-')}, which is not installed "
            f"({package}): pip install 'schurkit[cluster]'."
        )


def test_what_is_asked_of_a_cluster_stands_in_its_jobs(monkeypatch, tmp_path):
    """A stand-in for sbatch keeps the job's script."""
    (tmp_path / "sbatch").write_text(
        f"#!/bin/sh\ncp $1 {tmp_path}/job.sh\necho Submitted batch job 1\n"
    )
    (tmp_path / "scancel").write_text("#!/bin/sh\n")
    for name in ("sbatch", "scancel"):
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    asked = ["queue=cpu", "account=brain", "walltime=02:00:00", "memory=16GB"]
    asked += ["directive=--gres=gpu:1", "directive=--qos=low", "prologue=module load python"]
    with opened("slurm", 1, tmp_path, read_settings(asked)) as pool:
        assert pool.slots == 1
    script = (tmp_path / "job.sh").read_text().splitlines()
    wanted = """#SBATCH -p cpu
#SBATCH -A brain
#SBATCH -t 02:00:00
#SBATCH --mem=15G
#SBATCH --gres=gpu:1
#SBATCH --qos=low
export OPENBLAS_NUM_THREADS=1
module load python"""
    assert set(wanted.splitlines()) <= set(script)
    assert any(sys.executable in line and "--nthreads 1" in line for line in script)


def test_settings_of_a_cluster_are_read_strictly():
    texts = ["queue=gpu", "directive=--gres=gpu:1", "directive=-A x", "prologue=module load a"]
    found = {"queue": "gpu", "directive": ["--gres=gpu:1", "-A x"], "prologue": ["module load a"]}
    assert read_settings(texts) == found
    refuses("--cluster takes NAME=VALUE, as in queue=cpu; got 'q'", read_settings, ["q"])
    said = r"setting must be one of 'queue', .* got 'quue'"
    refuses(said, executors.check_executor, "slurm", None, read_settings(["quue=cpu"]))


@needs_slurm
def test_a_cluster_says_why_it_refuses(swept, capfd):
    refuses(
        r"^sbatch refused the jobs: .*Invalid partition",
        swept,
        sweep_runs.stacked,
        {"seed": [1]},
        "slurm",
        cluster={"queue": "nowhere"},
    )
    assert "Traceback" not in capfd.readouterr().err


# -------------------------------------------------------------------------------------- the command
@pytest.fixture
def command(place, monkeypatch, capsys):
    """Run `schurkit sweep` of a function that leaves marks; returns exit code, output and error
    output.
    """

    def run(*argv, what="press.sweep_runs:fails", grid=("--grid", "seed=0:3")):
        code = main(
            ["sweep", what, *grid, "--grid", f"folder={place}", "--executor", "serial", *argv]
        )
        return code, *capsys.readouterr()

    return run


def test_the_command_from_end_to_end(command, place):
    """A failed run is listed, and tried again on request alone."""
    head = "press.sweep_runs:fails: 3 seed × 1 folder = 3 runs, "
    failed = f"schurkit: seed = 1, folder = {str(place)!r}: ValueError: too few\n"
    for before in ("3 to run", "2 finished before, 1 failed before, 0 to run"):
        code, out, err = command("--out", "table.csv")
        ended = "3 runs: 2 finished, 1 failed", "The table is in table.csv"
        assert code == 1 and out.splitlines() == [head + before, *ended]
        assert err == f"{failed}schurkit: run them again with --retry.\n"
        assert list(pd.read_csv("table.csv").value.isna()) == [False, True, False]
        (place / "mended").touch()
    code, out, err = command("--out", "table.csv", "--retry")
    assert (code, err) == (0, "")
    assert out.startswith(f"{head}2 finished before, 1 failed before, 1 to run\n")
    table = pd.read_csv("table.csv", float_precision="round_trip")
    assert list(table) == ["seed", "folder", "value", *OWN] and table.problem.isna().all()
    assert list(table.value) == [0, 1 / 3, 2 / 3] and list(table.status) == ["finished"] * 3
    assert marks(place) == ["0", "1", "1", "2"]
    code, out, err = command()
    assert code == 0 and "0 to run" in out and out.endswith("\n3 runs: 3 finished, 0 failed\n")


def test_a_dry_run_runs_nothing(command, place):
    code, out, _ = command("--dry-run")
    runs = [f"  seed = {seed}, folder = {str(place)!r}" for seed in range(3)]
    assert code == 0 and out.splitlines()[1:] == runs and list(place.iterdir()) == []
    out = command("--dry-run", grid=("--grid", "seed=0:1030"))[1]
    assert out.splitlines()[-1] == "  … and 1,010 more"


@pytest.mark.parametrize(
    "content",
    [
        "",
        "a,b\n1,2\n",
        "seed,folder,value,status,problem,seconds,key,version\n7,FOLDER,1,finished,,0,x,y\n",
        "\0\n",
    ],
)
def test_a_file_that_is_no_table_of_this_sweep_is_left_alone(content, command, place):
    file = place / "mine.csv"
    file.write_text(content.replace("FOLDER", str(place)))
    before = file.read_text()
    code, out, err = command("--out", str(file))
    assert (code, out) == (2, "") and file.read_text() == before
    assert (
        err == f"schurkit: --out: {file} is there and is no table of this sweep, so it is left "
        "alone; name another file.\n"
    )
    assert marks(place) == []


def test_a_table_of_a_narrower_grid_is_replaced(command, place):
    command("--out", "t.csv", grid=("--grid", "seed=0,2"))
    assert command("--out", "t.csv", grid=("--grid", "seed=0,2:5"))[0] == 0
    assert list(pd.read_csv("t.csv").seed) == [0, 2, 3, 4]


@pytest.mark.parametrize(
    ("argv", "message"),
    cases("""
--out no/where.csv → --out: there is no folder no.
--out . → --out must be a file; . is a folder.
--workers 0 → argument --workers: takes a whole number from 1 on; got '0' (see 'schurkit
    sweep --help')
--workers two → argument --workers: takes a whole number from 1 on; got 'two' (see 'schurkit
    sweep --help')
--slurm partition=cpu → --slurm is --cluster now: queue=… for partition=…, walltime=HH:MM:SS for
    minutes=…, memory=…GB for mem_gb=…, and directive=--… for the rest.
--cluster queue=cpu → settings of a cluster go with executors slurm, pbs, lsf, sge, htcondor alone.
--executor slurm --cluster queue=a\tb → the cluster's queue takes one line of text; got 'a\\tb'.
--grid seed=4 → parameter 'seed' is given twice; list its values in one, as in seed=1,2.
"""),
)
def test_a_wrong_command_line_is_one_line(argv, message, command, place):
    assert command(*argv.split(" ")) == (2, "", f"schurkit: {message}\n")
    assert marks(place) == []


def test_a_chapter_by_its_name_with_what_it_will_train(place, monkeypatch, capsys):
    root = chapter_book(place, *network_cells("(0, seed)"))
    monkeypatch.setattr(
        "schurkit_press.price.plan_all",
        lambda studies, **_: [Cost(len(study.seeds), 0, 60.0, 5000) for study in studies],
    )
    assert main(["sweep", "small", "--grid", "seed=1:3", "--book", str(root), "--dry-run"]) == 0
    # seed 0 once
    assert (
        capsys.readouterr().out.splitlines()[-1]
        == "All together: 3 networks, about 60 s to train, 5 kB on disk"
    )
    assert main(["sweep", "small", "--grid", "seed=0:501", "--book", str(root), "--dry-run"]) == 2
    assert (
        "a dry run adds up at most 500 runs of a chapter; got 501. Take a part of seed."
        in capsys.readouterr().err
    )
