"""Running chapters: once for each key, complete or not at all, in an environment of their own."""

import json
import os
import re
import shutil
import sys
from itertools import pairwise
from types import SimpleNamespace

import pytest
from press.small_book import REPOSITORY, cases, cell, notebook, small_chapter, write_book

from schurkit import nb
from schurkit_press import run as module
from schurkit_press.chapters import chapters, read_chapter
from schurkit_press.run import (
    cache_key,
    commit,
    job_for,
    kernel_environment,
    made,
    run_jobs,
    versions,
)

SAY_ENVIRONMENT = """import os, sys
from schurkit.nb import record
for name in ("MPLBACKEND", "PYTHONPATH", "OMP_NUM_THREADS", "SCHURKIT_STORE"):
    record(name, os.environ.get(name, "unset"))
record("here", os.path.basename(os.getcwd()))
record("python", sys.executable)
record("title", title)
record("rate", rate)"""


GIVEN = {"rate": 1e-5, "title": 'quote " \\ back\nline 🐍'}


def chapter_of(folder, content, name="small"):
    path = folder / f"{name}.ipynb"
    path.write_text(json.dumps(content))
    return read_chapter(path)


@pytest.fixture
def quick_book(tmp_path):
    """A small book of these chapters."""
    return lambda **chapters_of: write_book(tmp_path / "book", chapters_of)


@pytest.fixture
def one_job(quick_book):
    """The job of a chapter of one cell, and its book."""

    def job(source="1", **values):
        root = quick_book(small=one_cell(source))
        return root, job_for(root, chapters(root)["small"], values)

    return job


def one_cell(source):
    return notebook(
        cell("# Title", kind="markdown"),
        cell("rate: float = 0.5  # rate\ntitle: str = 'a'  # title", tags=["parameters"]),
        cell(source),
    )


# ------------------------------------------------------------------------------------------ the key
def test_the_key_stays_when_nothing_that_counts_has_changed(tmp_path):
    content = small_chapter()
    key = cache_key(tmp_path, chapter_of(tmp_path, content), {})
    content["metadata"]["anything"] = 1
    content["cells"][1]["execution_count"] = 7
    content["cells"][1]["source"] = content["cells"][1]["source"].splitlines(keepends=True)
    assert re.fullmatch("[0-9a-f]{16}", key)
    assert cache_key(tmp_path, chapter_of(tmp_path, content), {}) == key


def test_the_key_changes_with_everything_that_counts(quick_book, tmp_path, monkeypatch):
    root = quick_book(small=small_chapter())
    chapter = chapters(root)["small"]
    keys = [
        cache_key(root, chapter, {}),
        cache_key(root, chapter, {"seeds": 4}),
        cache_key(root, chapter_of(tmp_path, small_chapter(table="1")), {}),
    ]
    for name, other in {
        "choose": lambda: SimpleNamespace(name="other"),
        "versions": lambda: {"numpy": "0"},
        "code_digest": lambda package, texts: "other",
    }.items():
        monkeypatch.setattr(module, name, other)
        keys.append(cache_key(root, chapter, {}))
    assert len(set(keys)) == len(keys)


@pytest.fixture(scope="module")
def after(tmp_path_factory):
    """The chapters of the book that run again after one replacement in a file of our code (of a
    copy of it).
    """
    place, known = tmp_path_factory.mktemp("code"), chapters(REPOSITORY)
    copies = {"schurkit": place / "schurkit", "schurkit_press": place / "book" / "press"}

    def keys():
        return {name: cache_key(REPOSITORY, chapter, {}) for name, chapter in known.items()}

    for name, copy in copies.items():
        shutil.copytree(module.CODE[name], copy, ignore=shutil.ignore_patterns("__pycache__"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "CODE", copies)
        before = keys()

        def run_again(file, old, new):
            text = (place / file).read_text()
            assert old in text
            (place / file).write_text(text.replace(old, new, 1))
            found = {name for name, key in keys().items() if before[name] != key}
            (place / file).write_text(text)
            return found

        yield run_again


def test_another_word_in_a_docstring_runs_no_chapter(after):
    for file, old, new in (
        ("schurkit/random.py", '"""', '"""Another word. '),
        ("schurkit/metrics.py", '    """', '    """Another word. '),
        ("schurkit/engine/numpy.py", "import numpy as np\n", "import numpy as np  # a comment\n"),
    ):
        assert after(file, old, new) == set()


def test_growth_curves_are_those_of_one_chapter(after):
    assert after("book/press/bench/growth.py", '"batch": 64', '"batch": 65') == {"how_fast"}


@pytest.mark.parametrize(
    ("file", "among", "not_among"),
    cases("""
schurkit/random.py → flip_flop three_levels →
schurkit/engine/numpy.py → flip_flop copy_task how_fast →
schurkit/analyses/trajectories.py → sine → flip_flop copy_task knobs
schurkit/degeneracy/dsa.py → knobs three_levels → sine copy_task modular_addition
schurkit/fourier/schur.py → schur_meets_fourier → sine modular_addition
schurkit/own/check.py → your_own_network → explore how_fast
book/press/ledger.py → → many_seeds flip_flop how_fast
book/press/sweep/sweep.py → many_seeds → flip_flop how_fast
"""),
)
def test_a_chapter_follows_the_functions_that_it_uses(after, file, among, not_among):
    found = after(file, "\n    return ", "\n    return 0 or ")
    assert {*among.split()} <= found and not {*not_among.split()} & found


def test_a_file_of_numbers_counts_for_the_chapter_that_reads_it(quick_book):
    """One that its code names, and its own table of tuning; the rules of claims do not."""
    root = quick_book(small=small_chapter(table='open("../book/data/bench.json")'))
    keys = [cache_key(root, chapters(root)["small"], {})]
    files = {"bench.json": 1, "whole.json": 0, "small/small.csv": 0, "tuning/a.csv": 0}
    files |= {"../claims.yml": 0}
    for name in [*files, "tuning/small.csv"]:
        path = root / "book" / "data" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("numbers")
        keys.append(cache_key(root, chapters(root)["small"], {}))
    assert [old != new for old, new in pairwise(keys)] == [*files.values(), 1]


# -------------------------------------------------------------------------------------------- a run
@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """A chapter run with parameters of its own, in a shell that sets what must not reach it."""
    root = write_book(tmp_path_factory.mktemp("ran") / "book", {"small": one_cell(SAY_ENVIRONMENT)})
    job = job_for(root, chapters(root)["small"], GIVEN | {"rate": "1e-05"})
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MPLBACKEND", "agg")
        patch.setenv("PYTHONPATH", str(root))
        patch.delenv("SCHURKIT_STORE", raising=False)
        (outcome,) = run_jobs(root, [job])
    return root, job, outcome


def test_a_chapter_runs_in_an_environment_of_its_own_with_its_parameters(ran):
    root, job, outcome = ran
    assert outcome.problem == "" and job.cached
    assert [path.name for path in job.output.parent.iterdir()] == [job.output.name]
    assert nb.records(job.output) == GIVEN | {
        "PYTHONPATH": "unset",
        "here": "notebooks",
        "MPLBACKEND": "module://matplotlib_inline.backend_inline",
        "OMP_NUM_THREADS": str(module.cores()),
        "SCHURKIT_STORE": str(root / "runs"),
        "python": sys.executable,
    }


def test_the_notebook_says_how_it_was_run_and_nothing_of_this_machine(ran):
    root, job, _ = ran
    content = json.loads(job.output.read_text())["metadata"]
    run = content["schurkit"]["run"]
    assert (run["key"], run["changed"]) == (job.key, GIVEN)
    assert run["device"] == made(root, module.cores())["device"]
    assert run["versions"]["numpy"] == versions()["numpy"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", run["date"])
    assert "papermill" not in content and str(root) not in json.dumps(content)


def test_defaults_are_not_passed_and_values_choose_no_place(one_job):
    root, job = one_job(rate=0.5, title="../../etc/passwd")
    assert job.values == {"title": "../../etc/passwd"}
    assert job.output.parent == root / "_build" / "executed"
    assert re.fullmatch(r"small-[0-9a-f]{16}\.ipynb", job.output.name)


def test_a_failed_cell_is_named_and_the_others_go_on(quick_book):
    sources = {
        "bad": "x = 1\nraise ValueError('too few\\nnetworks')",
        "good": "1",
        "dead": "import os; os._exit(3)",
    }
    root = quick_book(**{name: one_cell(source) for name, source in sources.items()})
    jobs, told = [job_for(root, one, {"rate": "0.25"}) for one in chapters(root).values()], []
    jobs[1].output.parent.mkdir(parents=True)
    jobs[1].failed_output.write_text("{}")  # of an earlier run
    outcomes = run_jobs(root, jobs, workers=2, report=lambda *said: told.append(said))
    bad, good, dead = (outcome.problem for outcome in outcomes)
    kept = os.path.relpath(jobs[0].failed_output, root)
    where = (
        "bad: cell 3 of 3 (raise ValueError('too few\\nnetworks')) failed with ValueError: too few"
    )
    assert bad == f"{where}; what ran is kept in {kept}" and jobs[0].failed_output.is_file()
    assert good == "" and not jobs[1].failed_output.exists()
    assert dead.startswith("dead: DeadKernelError: Kernel died")
    assert [job.cached for job in jobs] == [False, True, False]
    each = sorted((name, outcome is None) for name, outcome in told)
    assert each == [(name, begun) for name in sorted(sources) for begun in (False, True)]
    assert not list(jobs[0].output.parent.glob(".*"))


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_a_full_disk_or_an_interruption_leaves_nothing(error, one_job, monkeypatch):
    root, job = one_job()

    def stopped(source, begun, *more):
        begun.write_text('{"cells": [')
        raise error

    monkeypatch.setattr(module, "execute", stopped)
    monkeypatch.setattr(os, "environ", dict(os.environ))
    if isinstance(error, OSError):
        problem = module.run_job(root, job, 1).problem
        assert problem.endswith("OSError: [Errno 28] No space left on device")
    else:
        with pytest.raises(KeyboardInterrupt):
            module.run_job(root, job, 1)
    assert list(job.output.parent.iterdir()) == []


# ---------------------------------------------------------------------------------------- around it
def test_threads_are_shared_and_a_store_of_the_readers_is_kept(tmp_path, monkeypatch):
    given = {"SCHURKIT_STORE": "elsewhere", "HOME": "home", "PYTHONSTARTUP": "x"}
    monkeypatch.setattr(os, "environ", given | {"PYTHONWARNINGS": "error"})
    environment = kernel_environment(tmp_path, 3)
    threads = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "SCHURKIT_THREADS")
    assert {environment[name] for name in threads} == {"3"}
    assert environment["SCHURKIT_STORE"] == "elsewhere" and environment["HOME"] == "home"
    assert not {"PYTHONSTARTUP", "PYTHONWARNINGS", "PYTHONPATH"} & set(environment)
    (kernel,) = (tmp_path / "_build" / "jupyter").rglob("kernel.json")
    assert json.loads(kernel.read_text())["argv"][0] == sys.executable


def test_a_changed_file_shows_in_the_commit(tmp_path):
    assert commit(tmp_path) is None
    assert os.system(f"git init -q {tmp_path}") == 0 and commit(tmp_path) is None
    git = f"git -C {tmp_path} -c user.name=a -c user.email=a@b.c"
    assert os.system(f"{git} commit -q --allow-empty -m x") == 0
    clean = commit(tmp_path)
    (tmp_path / "new").write_text("")
    assert re.fullmatch("[0-9a-f]{12}", clean) and commit(tmp_path) == clean + "+"
