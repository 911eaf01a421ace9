"""Sweeps: every run once, the same table wherever it was made, and nothing finished lost."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pandas as pd
import pytest
from press import sweep_runs
from press.small_book import cell, network_cells, notebook, write_book

from schurkit import nb
from schurkit.__main__ import main
from schurkit.checks import InputError
from schurkit_press.records import read_record
from schurkit_press.sweep import executors
from schurkit_press.sweep import sweep as module
from schurkit_press.sweep.executors import opened, read_settings
from schurkit_press.sweep.sweep import SweepError, plan_sweep, run_sweep, sweep, table_of

TWO_BY_FOUR = {"hidden_size": [8, 12], "seed": range(4)}
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


def slurm_works():
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        listed = subprocess.run(
            ["sinfo", "-h", "-o", "%T"], capture_output=True, text=True, timeout=10
        )
        return listed.returncode == 0 and any(
            state in listed.stdout for state in ("idle", "mix", "alloc")
        )
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
def test_every_executor_gives_the_same_numbers(executor, serial_table, place):
    found = sweep(sweep_runs.trained, TWO_BY_FOUR, executor, 2, folder=place / "records")
    assert len(found) == 8 and set(found.status) == {"finished"}
    assert found.score.nunique() == 8 and found.radius.nunique() == 8
    assert numbers(found) == numbers(serial_table)
    # it was trained anew, into the sender's store
    assert len(list(Path(os.environ["SCHURKIT_STORE"]).glob("*.json"))) == 8


def test_the_table_is_tidy(serial_table):
    columns = list(serial_table)
    assert columns[:4] == ["hidden_size", "seed", "score", "converged"] and columns[-5:] == [
        "status",
        "problem",
        "seconds",
        "key",
        "version",
    ]
    assert (
        list(serial_table.seed) == [0, 1, 2, 3] * 2
        and list(serial_table.hidden_size) == [8] * 4 + [12] * 4
    )
    assert serial_table.key.nunique() == 8 and set(serial_table.version.str.split().str[0]) == {
        "0.1.0"
    }


@pytest.mark.parametrize("executor", ["process", "serial"])
def test_a_stack_gives_the_numbers_of_its_networks(executor, serial_table, place):
    found = sweep(
        sweep_runs.trained, TWO_BY_FOUR, executor, 2, stack="seed", folder=place / "records"
    )
    assert numbers(found) == numbers(serial_table)


def test_any_executor_of_the_standard_library_will_do(place):
    with ThreadPoolExecutor(2) as pool:
        found = sweep(
            sweep_runs.stacked,
            {"seed": range(3), "folder": [str(place)]},
            pool,
            folder=place / "records",
        )
        assert list(found.value) == [0, 1, 2]
        assert pool.submit(int, "1").result() == 1  # it is left open


@pytest.mark.parametrize("executor", EXECUTORS[:3])
def test_a_chapter_on_every_executor(executor, place):
    root = chapter_book(place)
    plan = plan_sweep("small", {"width": [4, 5], "seed": [0, 1]}, book=root)
    run_sweep(plan, executor, 2)
    found = table_of(plan)
    assert list(found.status) == ["finished"] * 3 + ["failed"]
    assert found.problem[3].startswith(
        "cell 3 of 3 (import os) failed with ValueError: no such network; what ran is kept in "
        "_build/executed/small-"
    )
    expected = [float(f"{value:.12g}") for value in found.norm[:3]]
    import numpy as np

    assert expected == [
        float(f"{np.linalg.norm(np.random.default_rng(s).normal(size=(w, w))) / 3:.12g}")
        for w, s in ((4, 0), (4, 1), (5, 0))
    ]
    assert (
        list(found.found_seed[:3]) == [0, 1, 0]
        and list(found.sizes[2]) == [5, 10]
        and set(found.threads[:3]) == {"1"}
    )
    assert found.undefined.isna().all()
    assert "JUPYTER_RUNTIME_DIR" not in os.environ and os.environ["SCHURKIT_STORE"] != str(
        root / "runs"
    )


def test_a_chapter_that_was_run_before_is_read(place, monkeypatch):
    root = chapter_book(place)
    grid = {"width": [4], "seed": [2]}
    first = plan_sweep("small", grid, book=root)
    run_sweep(first, "serial")
    shutil.rmtree(first.folder)
    monkeypatch.setattr("schurkit_press.sweep.worker.run_job", None)
    again = plan_sweep("small", grid, book=root)
    assert len(again.due) == 1
    run_sweep(again, "serial")
    assert numbers(table_of(again)) == numbers(table_of(first))
    (notebook,) = (root / "_build" / "executed").glob("*.ipynb")
    assert nb.records(notebook)["norm"] == table_of(again).norm[0]


# ---------------------------------------------------------------------------------------- once each
def test_a_finished_sweep_starts_nothing(place, monkeypatch):
    grid = {"seed": range(3), "folder": [str(place)]}
    first = sweep(sweep_runs.stacked, grid, "serial", folder=place / "records")
    monkeypatch.setattr(module, "opened", None)
    assert numbers(sweep(sweep_runs.stacked, grid, "process", folder=place / "records")) == numbers(
        first
    )
    assert len(marks(place)) == 3


def test_a_wider_grid_runs_what_is_new(place):
    for seeds in (range(2), range(4)):
        found = sweep(
            sweep_runs.stacked,
            {"seed": seeds, "folder": [str(place)]},
            "serial",
            folder=place / "records",
        )
    assert list(found.seed) == [0, 1, 2, 3] and len(marks(place)) == 4


@pytest.mark.parametrize("damage", [b"", b"{", b'{"record": {}, "sha256": ""}', None])
def test_a_damaged_record_is_made_again(damage, place):
    grid = {"seed": [5], "folder": [str(place)]}
    folder = place / "records"
    first = sweep(sweep_runs.stacked, grid, "serial", folder=folder)
    (path,) = folder.glob("*.json")
    path.write_bytes(
        path.read_bytes().replace(b'"value": 5.0', b'"value": 6.0') if damage is None else damage
    )
    assert read_record(folder, path.stem) is None
    assert numbers(sweep(sweep_runs.stacked, grid, "serial", folder=folder)) == numbers(first)
    assert len(marks(place)) == 2


def test_the_key_holds_everything_that_decides_a_result(place, monkeypatch):
    def key():
        return plan_sweep(sweep_runs.stacked, {"seed": [1]}).runs[0]["key"]

    other, another = (
        plan_sweep(sweep_runs.stacked, {"seed": [2]}),
        plan_sweep(sweep_runs.fails, {"seed": [1], "folder": "a"}),
    )
    keys = [key(), other.runs[0]["key"], another.runs[0]["key"]]
    assert key() == keys[0]
    monkeypatch.setattr("schurkit_press.sweep.targets.code_digest", lambda package, texts: "other")
    keys.append(key())
    monkeypatch.setattr("schurkit_press.sweep.targets._versions", lambda: {"numpy": "0"})
    keys.append(key())
    monkeypatch.setattr("schurkit_press.sweep.targets.source_digest", lambda function: "other")
    keys.append(key())
    assert len(set(keys)) == len(keys)


def test_a_worker_with_other_code_does_nothing(place):
    plan = plan_sweep(
        sweep_runs.stacked, {"seed": [1], "folder": [str(place)]}, folder=place / "records"
    )
    plan.fingerprint["numpy"] = "0"
    run_sweep(plan, "process", 1)
    assert list(table_of(plan).problem) == [
        "the worker has another numpy than the sender; install the same versions on both"
    ]
    assert marks(place) == []


def test_a_worker_with_another_source_does_nothing(place):
    plan = plan_sweep(
        sweep_runs.stacked, {"seed": [1], "folder": [str(place)]}, folder=place / "records"
    )
    plan.target.__dict__["source"] = "other"
    run_sweep(plan, "process", 1)
    assert list(table_of(plan).problem) == [
        "the worker finds another source of press.sweep_runs:stacked than the sender"
    ]


# ---------------------------------------------------------------------------------- what goes wrong
def test_a_failed_run_is_listed_and_tried_again_on_request(place):
    grid = {"seed": range(3), "folder": [str(place)]}
    first = sweep(sweep_runs.fails, grid, "serial", folder=place / "records")
    assert (
        list(first.status) == ["finished", "failed", "finished"]
        and first.problem[1] == "ValueError: too few"
    )
    assert first.value.isna().tolist() == [False, True, False]
    (place / "mended").touch()
    assert list(sweep(sweep_runs.fails, grid, "serial", folder=place / "records").status) == list(
        first.status
    )
    again = sweep(sweep_runs.fails, grid, "serial", retry=True, folder=place / "records")
    assert list(again.value) == [0, 1 / 3, 2 / 3] and set(again.problem) == {""}
    assert marks(place) == ["0", "1", "1", "2"]


@pytest.mark.parametrize(
    ("what", "problem"),
    [
        ("list", "TypeError: a function to sweep returns a dict of numbers and words; got list"),
        (
            "array",
            "TypeError: result 'a' must be a number, a text, true or false, or None; got ndarray",
        ),
        (
            "name",
            "TypeError: a result needs a name of letters, digits, '_', '.' or '-' that starts "
            "with a letter; got '1 a'",
        ),
        ("exit", "SystemExit: 3"),
    ],
)
def test_results_that_no_table_can_hold(what, problem, place):
    assert list(
        sweep(
            sweep_runs.returns, {"seed": [0], "what": [what]}, "serial", folder=place / "records"
        ).problem
    ) == [problem]


def test_too_few_results_for_a_stack(place):
    found = sweep(
        sweep_runs.short, {"seed": range(2)}, "serial", stack="seed", folder=place / "records"
    )
    assert set(found.problem) == {
        "given seeds, a function returns a list of 2 dicts, one each; got 1 results"
    }


@pytest.mark.parametrize("executor", ["process", "dask", pytest.param("slurm", marks=needs_slurm)])
def test_a_dead_worker_costs_its_own_run_alone(executor, place, monkeypatch):
    found = sweep(
        sweep_runs.dies,
        {"seed": range(5), "folder": [str(place)], "times": [1]},
        executor,
        2,
        folder=place / "records",
    )
    assert list(found.value) == [seed / 3 for seed in range(5)]
    assert marks(place) == ["0", "1", "1", "2", "3", "4"]


@pytest.mark.parametrize("executor", ["process", "dask", pytest.param("slurm", marks=needs_slurm)])
def test_a_run_that_kills_its_worker_twice_is_given_up(executor, place, monkeypatch):
    grid = {"seed": range(4), "folder": [str(place)], "times": [9]}
    found = sweep(sweep_runs.dies, grid, executor, 2, folder=place / "records")
    assert list(found.status) == ["finished", "failed", "finished", "finished"]
    assert found.problem[1] == "its worker died 2 times (out of memory, or killed)"
    assert marks(place) == ["0", "1", "1", "2", "3"]
    assert [
        run["given"]["seed"]
        for run in plan_sweep(sweep_runs.dies, grid, folder=place / "records", retry=True).due
    ] == [1]


def test_killing_a_dask_worker_loses_nothing(place):
    """From outside, while it works: the run it was doing is done by another."""
    command = [
        sys.executable,
        "-c",
        "from press import sweep_runs\n"
        "from schurkit_press.sweep.sweep import sweep\n"
        "if __name__ == '__main__':\n    "
        f"sweep(sweep_runs.waits, {{'seed': range(8), 'folder': {str(place)!r}}}, 'dask', "
        f"2, folder={str(place / 'records')!r})",
    ]
    process = subprocess.Popen(
        command, env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}, stderr=subprocess.PIPE
    )
    deadline = time.monotonic() + 60
    while len(marks(place, "process-")) < 3 and time.monotonic() < deadline:
        time.sleep(0.02)
    last = max(place.glob("process-*"), key=lambda path: path.stat().st_mtime_ns)
    os.kill(int(last.name.split("-")[2]), signal.SIGKILL)
    assert process.wait(timeout=60) == 0, process.stderr.read()
    process.stderr.close()
    plan = plan_sweep(
        sweep_runs.waits, {"seed": range(8), "folder": str(place)}, folder=place / "records"
    )
    assert plan.due == [] and list(table_of(plan).value) == [seed / 3 for seed in range(8)]
    assert len(marks(place, "process-")) == 9


def test_a_broken_executor_of_the_reader_is_said_in_one_line(place):
    grid = {"seed": [1, 2], "folder": [str(place)], "times": [9]}
    with (
        ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool,
        pytest.raises(SweepError, match="the executor that was given is broken"),
    ):
        sweep(sweep_runs.dies, grid, pool, folder=place / "records")


@pytest.mark.parametrize("executor", ["serial", "process", "dask"])
def test_an_interruption_keeps_what_is_finished_and_ends_the_workers(executor, place):
    grid = ["--grid", "seed=0:40", "--grid", f"folder={place}"]
    command = [
        sys.executable,
        "-m",
        "schurkit",
        "sweep",
        "press.sweep_runs:waits",
        *grid,
        "--workers",
        "2",
        "--executor",
        executor,
    ]
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join([*sys.path, str(Path(__file__).parents[1])])
    }
    process = subprocess.Popen(
        command,
        cwd=place,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    deadline = time.monotonic() + 60
    while len(marks(place, "process-")) < 4 and time.monotonic() < deadline:
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGINT)  # as Ctrl-C does: the whole group
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    kept = len(list((place / "_build").rglob("*.json")))
    assert (
        err
        == f"schurkit: interrupted; {kept} of 40 runs are kept, and the same command goes on "
        "from there\n"
        and kept >= 2
    )
    time.sleep(0.5)
    workers = {int(path.name.split("-")[2]) for path in place.glob("process-*")}
    assert not [one for one in workers if Path(f"/proc/{one}").exists()]


def test_workers_follow_a_sender_that_is_killed(place):
    command = [
        sys.executable,
        "-m",
        "schurkit",
        "sweep",
        "press.sweep_runs:waits",
        "--grid",
        "seed=0:40",
        "--grid",
        f"folder={place}",
    ]
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join([*sys.path, str(Path(__file__).parents[1])])
    }
    process = subprocess.Popen(
        command,
        cwd=place,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    deadline = time.monotonic() + 60
    while len(marks(place, "process-")) < 2 and time.monotonic() < deadline:
        time.sleep(0.02)
    process.kill()
    process.wait()
    workers = {int(path.name.split("-")[2]) for path in place.glob("process-*")}
    while any(Path(f"/proc/{one}").exists() for one in workers) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert workers and not [one for one in workers if Path(f"/proc/{one}").exists()]


# ------------------------------------------------------------------------------------------ workers
def test_workers_compute_with_one_thread_each_and_there_are_as_many_as_asked(place):
    found = sweep(sweep_runs.threads, {"seed": range(6)}, "process", 2, folder=place / "records")
    assert (
        set(found.OMP_NUM_THREADS)
        == set(found.SCHURKIT_THREADS)
        == set(found.NUMBA_NUM_THREADS)
        == {"1"}
    )
    assert found.process.nunique() == 2 and os.getpid() not in set(found.process)
    assert set(found.store) == {os.environ["SCHURKIT_STORE"]}


def test_serial_work_leaves_the_settings_of_this_process_alone(place):
    before, path = dict(os.environ), list(sys.path)
    found = sweep(sweep_runs.threads, {"seed": [0]}, "serial", folder=place / "records")
    assert found.OMP_NUM_THREADS[0] == "1" and found.process[0] == os.getpid()
    assert dict(os.environ) == before and sys.path[: len(path)] == path


def test_a_stack_is_one_call_for_each_setting_of_the_others(place):
    grid = {"seed": range(3), "scale": [1, 2], "folder": [str(place)]}
    assert list(
        sweep(sweep_runs.stacked, grid, "serial", stack="seed", folder=place / "records").value
    ) == [0, 0, 1, 2, 2, 4]
    assert len(marks(place)) == 2


def test_values_arrive_as_the_kinds_say(place):
    grid = {"seed": "0:2", "rate": "1", "flag": "true", "sizes": [[1, 2]], "kind": "y"}
    found = sweep(sweep_runs.told, grid, "serial", folder=place / "records")
    assert (found.rate_type[0], found.flag_type[0], found.n_sizes[0], found.kind_given[0]) == (
        "float",
        "bool",
        2,
        "y",
    )
    assert list(found.found_seed) == [0, 1] and found.nan.isna().all()


# ---------------------------------------------------------------------------------------- arguments
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            (sweep_runs.told, {"sed": [1]}),
            "press.sweep_runs:told has no parameter 'sed'; did you mean 'seed'?",
        ),
        (
            (sweep_runs.told, {"free": [1]}),
            "press.sweep_runs:told has no parameter 'free'; it has seed, rate, flag, word, sizes, "
            "kind.",
        ),
        ((sweep_runs.told, {"kind": ["z"]}), "parameter kind takes one of 'x', 'y'; got 'z'."),
        (
            (sweep_runs.told, {"rate": [1]}),
            "press.sweep_runs:told needs a value of 'seed': add --grid seed=….",
        ),
        (
            (sweep_runs.told, {"seed": [1]}, "dusk"),
            "executor must be one of serial, process, dask, slurm, pbs, lsf, sge, htcondor, "
            "or the address of a dask scheduler such as tcp://10.0.0.1:8786; got 'dusk'.",
        ),
        (
            (sweep_runs.told, {"seed": [1]}, "process", 0),
            "workers must be between 1 and 10000; got 0.",
        ),
        (
            (sweep_runs.plain, {"seed": [1]}),
            "press.sweep_runs:plain declares no parameter that could be swept; annotate them, as "
            "in 'seed: int' "
            "(int, float, bool, str, list[…] of one of them, or Literal of texts).",
        ),
        (
            (sweep_runs.bare, {"seed": [1]}),
            "press.sweep_runs:bare takes *rest: a function to sweep takes named parameters alone.",
        ),
        (
            (lambda seed: {}, {"seed": [1]}),
            "<lambda> is no plain function of a module: "
            "put it into a module of its own (a .py file beside it) and import it, so that workers "
            "find it.",
        ),
        (
            ("no_such_module:f", {"seed": [1]}),
            "there is no module 'no_such_module' on Python's path: "
            "start in the folder of no_such_module.py, or install it.",
        ),
        (("math:f", {"seed": [1]}), "module 'math' has no function 'f'."),
        (
            ("math:f()", {"seed": [1]}),
            "a function to sweep is named 'module:function'; got 'math:f()'.",
        ),
        (
            (3, {"seed": [1]}),
            "sweep takes a chapter's name, 'module:function' or a function; got int.",
        ),
    ],
)
def test_wrong_arguments_are_one_line_before_anything_runs(arguments, message, place, monkeypatch):
    monkeypatch.setattr(module, "run_sweep", None)
    with pytest.raises(InputError) as caught:
        sweep(*arguments)
    assert str(caught.value) == message and list(place.iterdir()) == []


def test_a_function_of_the_notebook_itself_is_refused(monkeypatch):
    def typed(seed: int):
        return {}

    typed.__module__, typed.__qualname__ = "__main__", "typed"
    with pytest.raises(
        InputError,
        match="typed is typed into a notebook or script: put it into a module of its own",
    ):
        plan_sweep(typed, {"seed": [1]})


@pytest.mark.parametrize(
    ("what", "grid", "stack", "takes"),
    [
        (sweep_runs.stacked, {"seed": [1], "scale": [1.0]}, "scale", "it takes lists of seed."),
        (
            sweep_runs.stacked,
            {"scale": [1.0]},
            "seed",
            "no parameter of the grid has a default and a list beside it, as in (seed=0, "
            "seeds=None).",
        ),
        (
            sweep_runs.threads,
            {"seed": [1]},
            "seed",
            "no parameter of the grid has a default and a list beside it, as in (seed=0, "
            "seeds=None).",
        ),
    ],
)
def test_what_cannot_be_stacked(what, grid, stack, takes):
    with pytest.raises(InputError) as caught:
        sweep(what, grid, stack=stack)
    assert (
        str(caught.value)
        == f"press.sweep_runs:{what.__name__} cannot be stacked over {stack!r}: {takes}"
    )


def test_records_need_a_folder(place):
    (place / "file").touch()
    with pytest.raises(InputError, match=r"the records of a sweep need a folder; file is a file."):
        plan_sweep(sweep_runs.stacked, {"seed": [1]}, folder="file")


def test_a_dask_scheduler_that_is_not_there(monkeypatch, tmp_path):
    with pytest.raises(
        InputError,
        match=r"no dask scheduler answers at tcp://127.0.0.1:1 \(Connection refused\); start one "
        r"with 'dask scheduler'.",
    ):
        opened("tcp://127.0.0.1:1", None, tmp_path).__enter__()


@pytest.mark.parametrize("address", ["udp://a:1", "tcp://a", "tcp://:8786", "tcp://a:b"])
def test_what_is_no_address_of_a_scheduler(address, tmp_path):
    with pytest.raises(InputError) as caught:
        opened(address, None, tmp_path).__enter__()
    assert (
        str(caught.value)
        == f"the address of a dask scheduler looks like tcp://10.0.0.1:8786; got {address!r}."
    )


def test_something_else_that_answers_is_no_scheduler(tmp_path, monkeypatch):
    import socket

    monkeypatch.setattr(executors, "SECONDS_TO_ANSWER", 1)
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"tcp://127.0.0.1:{server.getsockname()[1]}"
        with pytest.raises(InputError, match=f"what answers at {address} is no dask scheduler"):
            opened(address, None, tmp_path).__enter__()


def test_a_scheduler_by_its_address(place):
    from distributed import LocalCluster

    with LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=None) as cluster:
        found = sweep(
            sweep_runs.stacked,
            {"seed": range(3), "folder": [str(place)]},
            cluster.scheduler_address,
            folder=place / "records",
        )
    assert list(found.value) == [0, 1, 2]


@pytest.mark.parametrize(
    ("executor", "package", "named"),
    [("dask", "distributed", "distributed"), ("slurm", "dask_jobqueue", "dask-jobqueue")],
)
def test_a_package_that_is_not_installed(executor, package, named, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, package, None)
    monkeypatch.setattr(shutil, "which", lambda name: f"/bin/{name}")
    with pytest.raises(InputError) as caught:
        opened(executor, None, tmp_path).__enter__()
    assert (
        str(caught.value)
        == f"executor {executor!r} needs {named}, which is not installed ({package}): pip "
        "install 'schurkit[cluster]'."
    )


@pytest.mark.parametrize(
    ("executor", "command"),
    [
        ("slurm", "sbatch"),
        ("pbs", "qsub"),
        ("lsf", "bsub"),
        ("sge", "qsub"),
        ("htcondor", "condor_submit"),
    ],
)
def test_a_queueing_system_needs_its_commands(executor, command, monkeypatch, tmp_path):
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(InputError) as caught:
        opened(executor, None, tmp_path).__enter__()
    assert str(caught.value) == (
        f"executor {executor!r} needs the command {command}; run this on a login node of the "
        "cluster."
    )


@pytest.mark.parametrize(
    ("asked", "line"),
    [
        ({"queue": "cpu", "account": "brain", "walltime": "02:00:00"}, "#SBATCH -p cpu"),
        ({"memory": "16GB", "account": "brain"}, "#SBATCH --mem=15G"),
        ({"directive": ["--gres=gpu:1", "--qos=low"]}, "#SBATCH --qos=low"),
        ({"prologue": ["module load python", "source env"]}, "source env"),
        ({}, "export OPENBLAS_NUM_THREADS=1"),
    ],
)
def test_what_is_asked_of_a_cluster_stands_in_its_jobs(asked, line, monkeypatch, tmp_path):
    """A stand-in for sbatch keeps the job's script."""
    sbatch = tmp_path / "sbatch"
    sbatch.write_text(f"#!/bin/sh\ncp $1 {tmp_path}/job.sh\necho Submitted batch job 1\n")
    (tmp_path / "scancel").write_text("#!/bin/sh\n")
    for name in ("sbatch", "scancel"):
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    with opened("slurm", 1, tmp_path, asked) as pool:
        assert pool.slots == 1
    script = (tmp_path / "job.sh").read_text().splitlines()
    assert line in script and any(
        sys.executable in word and "--nthreads 1" in word for word in script
    )


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["queue"], "--cluster takes NAME=VALUE, as in queue=cpu; got 'queue'."),
        (["quue=cpu"], "a cluster's setting must be one of 'queue', 'account', 'walltime', "
                       "'memory', 'interface', 'directive', 'prologue'; got 'quue'."),
    ],
)  # fmt: skip
def test_settings_of_a_cluster_are_read_strictly(texts, message):
    with pytest.raises(InputError) as caught:
        read_settings(texts)
    assert str(caught.value) == message


def test_settings_of_a_cluster():
    texts = ["queue=gpu", "directive=--gres=gpu:1", "directive=-A x", "prologue=module load a"]
    found = {"queue": "gpu", "directive": ["--gres=gpu:1", "-A x"], "prologue": ["module load a"]}
    assert read_settings(texts) == found


@needs_slurm
def test_a_cluster_says_why_it_refuses(place, capfd):
    with pytest.raises(InputError, match=r"^sbatch refused the jobs: .*Invalid partition"):
        sweep(
            sweep_runs.stacked,
            {"seed": [1], "folder": [str(place)]},
            "slurm",
            folder=place / "records",
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
    code, out, err = command("--out", "table.csv")
    assert code == 1
    head = "press.sweep_runs:fails: 3 seed × 1 folder = 3 runs, "
    assert out.splitlines() == [
        f"{head}3 to run",
        "3 runs: 2 finished, 1 failed",
        "The table is in table.csv",
    ]
    assert (
        err == f"schurkit: seed = 1, folder = {str(place)!r}: ValueError: too few\nschurkit: run "
        "them again with --retry.\n"
    )
    (place / "mended").touch()
    code, out, err = command("--out", "table.csv", "--retry")
    assert (code, err) == (0, "") and out.splitlines()[
        0
    ] == f"{head}2 finished before, 1 failed before, 1 to run"
    table = pd.read_csv("table.csv", float_precision="round_trip")
    assert list(table) == [
        "seed",
        "folder",
        "value",
        "status",
        "problem",
        "seconds",
        "key",
        "version",
    ]
    assert list(table.value) == [0, 1 / 3, 2 / 3] and list(table.status) == ["finished"] * 3
    code, out, err = command()
    assert (
        code == 0 and "0 to run" in out and out.splitlines()[-1] == "3 runs: 3 finished, 0 failed"
    )


def test_a_dry_run_runs_nothing(command, place):
    code, out, _ = command("--dry-run")
    assert code == 0 and out.splitlines()[1:] == [
        f"  seed = {seed}, folder = {str(place)!r}" for seed in range(3)
    ]
    assert list(place.iterdir()) == []


def test_a_long_dry_run_is_cut_short(command):
    assert (
        command("--dry-run", grid=("--grid", "seed=0:1030"))[1].splitlines()[-1]
        == "  … and 1,010 more"
    )


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
    [
        (["--out", "no/where.csv"], "--out: there is no folder no."),
        (["--out", "."], "--out must be a file; . is a folder."),
        (
            ["--workers", "0"],
            "argument --workers: takes a whole number from 1 to 10,000; got '0' (see 'schurkit "
            "sweep --help')",
        ),
        (
            ["--workers", "two"],
            "argument --workers: takes a whole number from 1 to 10,000; got 'two' (see 'schurkit "
            "sweep --help')",
        ),
        (
            ["--slurm", "partition=cpu"],
            "--slurm is --cluster now: queue=… for partition=…, walltime=HH:MM:SS for minutes=…, "
            "memory=…GB for mem_gb=…, and directive=--… for the rest.",
        ),
        (
            ["--cluster", "queue=cpu"],
            "settings of a cluster go with executors slurm, pbs, lsf, sge, htcondor alone.",
        ),
        (
            ["--executor", "slurm", "--cluster", "queue=a\nb"],
            "the cluster's queue takes one line of text; got 'a\\nb'.",
        ),
        (
            ["--grid", "seed=4"],
            "parameter 'seed' is given twice; list its values in one, as in seed=1,2.",
        ),
    ],
)
def test_a_wrong_command_line_is_one_line(argv, message, command, place):
    assert command(*argv) == (2, "", f"schurkit: {message}\n")
    assert marks(place) == []


def test_a_chapter_by_its_name_with_what_it_will_train(place, monkeypatch, capsys):
    from schurkit_press import plans

    root = chapter_book(place, *network_cells("(0, seed)"))
    monkeypatch.setattr(
        plans,
        "_priced",
        lambda studies: [plans.Cost(len(study.seeds), 0, 60.0, 5000) for study in studies],
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
