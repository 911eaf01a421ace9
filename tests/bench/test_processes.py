"""Contenders in processes of their own: alternation, environments, and what is said of those that
cannot be measured.
"""

import os

import pytest

from schurkit_press.bench.processes import Absent, Contender, Failed, Running, alternate

HERE = "bench.stand_ins:"


@pytest.fixture(autouse=True)
def stand_ins_can_be_imported(monkeypatch):
    tests = os.path.dirname(os.path.dirname(__file__))
    monkeypatch.setenv(
        "PYTHONPATH", os.pathsep.join(filter(None, [tests, os.environ.get("PYTHONPATH")]))
    )


def test_a_contender_is_made_once_and_then_does_what_it_is_asked():
    with Running(Contender("counter", HERE + "counter", {"start": 5})) as running:
        assert running.facts["start"] == 5
        assert [running.lap(3).value, running.lap(4).value] == [8, 12]
        assert running.lap(1).rate > 0


def test_what_a_package_prints_is_no_answer():
    with Running(Contender("talker", HERE + "talker")) as running:
        assert running.lap(1).value == 1


def test_every_process_has_the_threads_and_the_environment_it_was_given(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    monkeypatch.delenv("SCHURKIT_THREADS", raising=False)
    asked = {"names": ["OMP_NUM_THREADS", "SCHURKIT_THREADS", "OPENBLAS_NUM_THREADS"]}
    found = []
    for contender in (
        Contender("default", HERE + "environment", asked),
        Contender("one", HERE + "environment", asked, threads=1),
    ):
        with Running(contender) as running:
            found.append(running.facts["found"])
    assert found == [[None] * 3, ["1"] * 3]
    monkeypatch.setenv("SCHURKIT_THREADS", "3")
    with Running(Contender("limited", HERE + "environment", asked)) as running:
        assert running.facts["found"] == ["3"] * 3


def test_several_processes_run_side_by_side_on_processors_of_their_own():
    with Running(Contender("pair", HERE + "place", threads=1, processes=2)) as running:
        assert running.lap(1).rate > 0
        assert len(running._processes) == 2
        if hasattr(os, "sched_getaffinity"):
            assert running.facts["processors"] == sorted(os.sched_getaffinity(0))[:1]


def test_laps_alternate(tmp_path):
    log = tmp_path / "log"
    contenders = [
        Contender(name, HERE + "logged", {"name": name, "path": str(log)}) for name in ("A", "B")
    ]
    found, missing = alternate(contenders, 3, 0.01, {"A": 2, "B": 5})
    assert missing == {} and log.read_text() == "A2 B5 A2 B5 A2 B5 "
    assert [len(found[name].rates) for name in ("A", "B")] == [3, 3] and found["B"].values == (
        5,
        5,
        5,
    )


def test_the_length_of_a_lap_follows_the_speed():
    found, _ = alternate([Contender("sleeper", HERE + "sleeper", {"seconds": 0.01})], 2, 0.1)
    assert all(4 <= units <= 20 for units in found["sleeper"].values)


def test_one_thread_is_timed_by_the_processors_clock():
    rates = []
    for threads in (None, 1):
        with Running(
            Contender("sleeper", HERE + "sleeper", {"seconds": 0.05}, threads=threads)
        ) as running:
            rates.append(running.lap(1).rate)
    assert rates[0] <= 20 < rates[1]  # asleep, it takes no time of the processor


def test_what_is_missing_is_said_and_the_others_are_measured():
    contenders = [
        Contender("fine", HERE + "counter", {"start": 0}),
        Contender("absent", HERE + "counter", {"start": 0}, needs="a_package_that_is_not_there"),
        Contender("broken", HERE + "broken"),
        Contender("killed", HERE + "killed"),
        Contender("late", HERE + "late"),
    ]
    found, missing = alternate(contenders, 2, 0.01, {"late": 1})
    assert list(found) == ["fine"]
    assert (
        missing["absent"]
        == "skipped: a_package_that_is_not_there is not installed; pip install 'schurkit[bench]'"
    )
    assert missing["broken"] == "failed: broken: ZeroDivisionError: division by zero"
    assert missing["killed"] == "failed: killed: last words"
    assert missing["late"] == "failed: late: ValueError: no more"


def test_one_contender_alone_raises_its_reason():
    with pytest.raises(Absent, match="nothing_here is not installed"):
        Running(Contender("absent", HERE + "counter", needs="nothing_here"))
    with pytest.raises(Failed, match="broken: ZeroDivisionError"):
        Running(Contender("broken", HERE + "broken"))
