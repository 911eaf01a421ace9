"""Contenders in processes of their own: alternation, environments, and what is said of those that
cannot be measured.
"""

import os
from multiprocessing import active_children

import pytest
from bench import stand_ins

from schurkit_press.bench.contest import Contender, Running, alternate

NAMES = ["OMP_NUM_THREADS", "SCHURKIT_THREADS", "OPENBLAS_NUM_THREADS"]


def test_every_process_has_the_threads_and_the_environment_it_was_given(monkeypatch):
    def variables(*threads):
        contender = Contender("x", stand_ins.environment, {"names": NAMES}, *threads, units=1)
        (run,) = alternate([contender], 1, 0)
        assert run.times[0] > 0  # what a package prints is no answer
        return run.facts["variables"]

    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    monkeypatch.delenv("SCHURKIT_THREADS", raising=False)
    assert variables() == [None] * 3 and variables(1) == ["1"] * 3
    monkeypatch.setenv("SCHURKIT_THREADS", "3")
    assert variables() == ["3"] * 3 and os.environ["OMP_NUM_THREADS"] == "7"


def test_several_processes_run_side_by_side_on_processors_of_their_own(monkeypatch):
    pair = Contender("pair", stand_ins.environment, {"names": []}, 1, 2, units=1)
    (run,) = alternate([pair], 1, 0)
    assert run.times[0] > 0 and not active_children()
    if hasattr(os, "sched_getaffinity"):
        assert run.facts["processors"] == sorted(os.sched_getaffinity(0))[:1]

    def interrupted(run, units):
        for _, pipe in run.workers:
            pipe.send(60)
        assert len(active_children()) == 2
        raise KeyboardInterrupt

    monkeypatch.setattr(Running, "lap", interrupted)
    pair = Contender("pair", stand_ins.sleeper, {"seconds": 1}, processes=2, units=1)
    with pytest.raises(KeyboardInterrupt):
        alternate([pair], 1, 0)
    assert not active_children()  # what was at work has been ended


def test_laps_alternate(tmp_path):
    case = {"path": str(tmp_path / "log")}
    contenders = [
        Contender(name, stand_ins.logged, {"name": name, **case}, units=units)
        for name, units in (("A", 2), ("B", 5))
    ]
    runs = alternate(contenders, 3, 0.01)
    assert (tmp_path / "log").read_text() == "A2 B5 A2 B5 A2 B5 "
    assert [(len(run.times), run.facts["name"]) for run in runs] == [(3, "A"), (3, "B")]


def test_one_thread_is_timed_by_the_processors_clock():
    case = {"seconds": 0.05}
    contenders = [Contender("x", stand_ins.sleeper, case, n, units=1) for n in (None, 1)]
    wall, own = (run.times[0] for run in alternate(contenders, 1, 0))
    assert own < 50 <= wall  # asleep, it takes no time of the processor


def test_what_is_missing_is_said_and_the_others_are_measured():
    fine = Contender("fine", stand_ins.sleeper, {"seconds": 0.001})
    names = ("absent", "broken", "killed", "gone", "late")
    missing = [Contender(name, getattr(stand_ins, name), units=1) for name in names]
    first, *others = alternate([fine, *missing], 2, 0.01)
    assert len(first.times) == 2 and not any(run.times for run in others)
    assert [run.facts["note"] for run in others] == [
        "skipped: jax is not installed; pip install 'schurkit[bench]'",
        "failed: broken: ZeroDivisionError: division by zero",
        "failed: killed: its process ended with code 3",
        "failed: gone: its process ended with code 4",
        "failed: late: ValueError: no more",
    ]
