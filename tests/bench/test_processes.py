"""Contenders in processes of their own: alternation, environments, and what is said of those that
cannot be measured.
"""

import os
import time

import pytest
from bench import stand_ins

from schurkit_press.bench.processes import Contender, Missing, Running, alternate

NAMES = ["OMP_NUM_THREADS", "SCHURKIT_THREADS", "OPENBLAS_NUM_THREADS"]


def test_every_process_has_the_threads_and_the_environment_it_was_given(monkeypatch):
    def variables(**more):
        contender = Contender("x", stand_ins.environment, {"names": NAMES}, **more)
        with Running(contender) as running:
            assert running.lap(1) > 0  # what a package prints is no answer
            return running.facts["variables"]

    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    monkeypatch.delenv("SCHURKIT_THREADS", raising=False)
    assert variables() == [None] * 3 and variables(threads=1) == ["1"] * 3
    monkeypatch.setenv("SCHURKIT_THREADS", "3")
    assert variables() == ["3"] * 3 and os.environ["OMP_NUM_THREADS"] == "7"


def test_several_processes_run_side_by_side_on_processors_of_their_own():
    pair = Contender("pair", stand_ins.environment, {"names": []}, threads=1, processes=2)
    with Running(pair) as running:
        assert running.lap(1) > 0 and len(running.processes) == 2
        if hasattr(os, "sched_getaffinity"):
            assert running.facts["processors"] == sorted(os.sched_getaffinity(0))[:1]
    assert not any(process.is_alive() for process in running.processes)
    pair = Contender("pair", stand_ins.sleeper, {"seconds": 60}, processes=2)
    with pytest.raises(KeyboardInterrupt), Running(pair) as running:
        running._pools[0].submit(time.sleep, 60)
        raise KeyboardInterrupt  # ends what is at work
    assert all(process.exitcode for process in running.processes)


def test_laps_alternate(tmp_path):
    case = {"path": str(tmp_path / "log")}
    contenders = [
        Contender(name, stand_ins.logged, {"name": name, **case}, units=units)
        for name, units in (("A", 2), ("B", 5))
    ]
    measured, missing = alternate(contenders, 3, 0.01)
    assert missing == {} and (tmp_path / "log").read_text() == "A2 B5 A2 B5 A2 B5 "
    assert [(len(measured[name].rates), measured[name].facts["name"]) for name in "AB"] == [
        (3, "A"),
        (3, "B"),
    ]


def test_one_thread_is_timed_by_the_processors_clock():
    rates = []
    for threads in (None, 1):
        contender = Contender("sleeper", stand_ins.sleeper, {"seconds": 0.05}, threads=threads)
        with Running(contender) as running:
            rates.append(running.lap(1))
    assert rates[0] <= 20 < rates[1]  # asleep, it takes no time of the processor


def test_what_is_missing_is_said_and_the_others_are_measured():
    contenders = [
        Contender("fine", stand_ins.sleeper, {"seconds": 0.001}),
        Contender("absent", stand_ins.broken, needs="a_package_that_is_not_there"),
        *(Contender(name, getattr(stand_ins, name)) for name in ("broken", "killed")),
        Contender("late", stand_ins.late, units=1),
    ]
    measured, missing = alternate(contenders, 2, 0.01)
    assert list(measured) == ["fine"] and len(measured["fine"].rates) == 2
    hint = "is not installed; pip install 'schurkit[bench]'"
    assert missing == {
        "absent": f"skipped: a_package_that_is_not_there {hint}",
        "broken": "failed: broken: ZeroDivisionError: division by zero",
        "killed": "failed: killed: its process ended with code 3",
        "late": "failed: late: ValueError: no more",
    }
    with pytest.raises(Missing, match="skipped: nothing_here is not installed"):
        Running(Contender("absent", stand_ins.broken, needs="nothing_here"))
    with pytest.raises(Missing, match="failed: broken: ZeroDivisionError"):
        Running(Contender("broken", stand_ins.broken))
