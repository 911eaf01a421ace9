"""`schurkit bench`: arguments, messages, what is printed and kept. No test asks how long anything
took.
"""

import json
import sys

import pytest
from press.small_book import cases

from schurkit.__main__ import main
from schurkit_press.bench import GROUPS, Report, Row, command, contest, groups
from schurkit_press.bench.contest import FLOOR, Contender, Running, Settings, same_work
from schurkit_press.bench.groups import measured
from schurkit_press.bench.machine import Watch, describe, machine

QUICK = Settings(quick=True)


@pytest.fixture
def one_group(tmp_path, monkeypatch):
    """A stand-in for every group, and the folder where reports are kept."""
    rows = [
        Row("a job", "a peer", 1.0, 2.0, "ms", 2.0, 1.5, 2.5, 1.8, group="core"),
        Row("another", "absent", note="skipped: not installed", group="core"),
    ]

    def stand_in(settings):
        """A stand-in."""
        yield rows

    for name in GROUPS:
        monkeypatch.setitem(GROUPS, name, stand_in)
    monkeypatch.delenv("SCHURKIT_BOOK", raising=False)
    (tmp_path / "below").mkdir()
    monkeypatch.chdir(tmp_path / "below")
    return rows


def test_a_run_prints_tables_and_keeps_its_numbers(one_group, tmp_path, capsys):
    for name in ("_toc.yml", "_config.yml"):
        (tmp_path / name).write_text("")  # a book: what is kept lies in its folder
    assert main(["bench", "--only", "core", "--quick", "--json", "mine.json"]) == 0
    out, err = capsys.readouterr()
    places = [out.index(part) for part in ("processors used", "core: A stand-in.", "a job")]
    assert err == "" and places == sorted(places) and "1 of 1 targets reached" in out
    assert out.rstrip().endswith("Kept in mine.json")
    (kept,) = (tmp_path / "_build" / "bench").glob("*.json")
    report = Report.read(kept)
    assert report == Report.read(tmp_path / "below" / "mine.json")
    assert list(report.rows) == one_group and report.settings["groups"] == ["core"]


def test_every_group_runs_and_a_failed_contender_changes_the_exit_code(
    one_group, monkeypatch, capsys
):
    told = machine() | {"busy": 0.9}
    monkeypatch.setattr(command, "machine", lambda: told)
    assert main(["bench"]) == 0
    out = capsys.readouterr().out
    assert "This machine is busy with other work" in out
    assert [name for name in GROUPS if f"\n{name}: A stand-in." in out] == list(GROUPS)
    one_group.append(Row("a third", "a peer", note="failed: a peer: ValueError: no"))
    assert main(["bench", "--only", "core"]) == 1
    assert "    failed: a peer: ValueError: no" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("argv", "message"),
    cases("""
--only schurr → there is no group 'schurr'; did you mean 'schur'?
--only xyz → there is no group 'xyz'; it has GROUPS.
--json nowhere/mine.json → --json: nowhere/mine.json is no place for a file.
"""),
)
def test_wrong_arguments_are_one_line_before_anything_runs(argv, message, one_group, capsys):
    assert main(["bench", *argv.split()]) == 2
    message = message.replace("GROUPS", ", ".join(GROUPS))
    assert capsys.readouterr() == ("", f"schurkit: {message}\n")


# -------------------------------------------------------------------------------------- the machine
def test_what_is_said_of_the_machine(monkeypatch):
    monkeypatch.setenv("OPENBLAS_CORETYPE", "Haswell")
    monkeypatch.delenv("OPENBLAS_L2_SIZE", raising=False)
    facts = machine()
    json.dumps(facts, allow_nan=False)
    text = describe(facts)
    assert "OPENBLAS_CORETYPE=Haswell" in text and "OPENBLAS_L2_SIZE not set" in text
    assert f"{facts['cores']} processors used, {facts['instructions']}" in text
    assert all(f"{name} " in text for name in ("python", "numpy", "scipy", "schurkit"))
    assert "threads" in text and "load average" in text


def test_what_others_take_leaves_out_our_own(monkeypatch):
    clocks = iter([(100, 200, 1.0), (130, 300, 1.4)])
    monkeypatch.setattr("schurkit_press.bench.machine._clocks", lambda: next(clocks, (0, 0, 0)))
    monkeypatch.setattr("os.sysconf", lambda name: 100)
    assert Watch().others() == 0.3  # 70 of 100 ticks were busy, 40 of them ours
    # where the system does not say, nothing is claimed
    assert Watch().others() is None


# ------------------------------------------------------------------------------------------- groups
@pytest.fixture
def given(monkeypatch):
    """``given({name: (times, facts)}, reason)``: what is measured; others miss for a reason."""

    def give(found, reason=""):
        def alternated(contenders, *_):
            runs = [Running(one) for one in contenders]
            for run in runs:
                run.times, run.facts = found.get(run.contender.name, ([], {"note": reason}))
            return runs

        monkeypatch.setattr(contest, "alternate", alternated)

    monkeypatch.delenv("OPENBLAS_CORETYPE", raising=False)
    return give


def test_work_that_differs_is_told():
    ours = {"loss": 0.7}
    assert same_work(ours, {"loss": 0.701}) == ""
    assert same_work(ours, {"loss": 0.9}) == "not the same work: loss 0.7 and 0.9"
    for other in ({"loss": float("nan")}, {}):
        assert same_work(other, ours).startswith("not the same work")


def test_a_row_holds_medians_and_the_median_of_neighbouring_ratios(given):
    given({"ours": ([1, 2, 4], {}), "other": ([8, 10, 12], {}), "slow": ([8, 10, 12], {})})
    least = Contender("other", None, target=4)
    most = Contender("slow", None, target=0.15, sense="at most")
    row, slow = contest.compared("a job", [Contender("ours", None), least, most], Settings())
    assert (row.value, row.reference, row.ratio, row.low, row.high) == (2, 10, 5, 3, 8) and row.met
    assert (slow.ratio, slow.low, slow.high, slow.met) == (0.2, 0.125, pytest.approx(1 / 3), False)


def test_targets_are_against_the_floor_and_jax_and_what_is_missing_says_why(given):
    reason, same = "skipped: jax is not installed; pip install 'schurkit[bench]'", {"loss": 0.5}
    loop, floor = ([2.0, 2.5], same), ([0.25, 0.25], {})
    given({"schurkit": ([0.5, 0.5], same), "torch loop": loop, FLOOR: floor}, reason)
    rows = {row.peer: row for row in measured("training", QUICK)}
    one_each = ["torch, one process a core", "JAX jit, one process a core"]
    assert list(rows) == ["torch loop", *one_each, FLOOR]
    first = rows["torch loop"]
    assert (first.ratio, first.value, first.target, first.floor) == (4.5, 0.5, None, 2.0)
    jax = rows["JAX jit, one process a core"]
    assert (jax.ratio, jax.note, jax.target, jax.met) == (None, reason, 1.9, None)
    assert (rows[FLOOR].ratio, rows[FLOOR].target, rows[FLOOR].met) == (2.0, 2, True)


def test_a_missing_engine_says_so_too(given, monkeypatch):
    same = {"loss": 1.0}
    given({"torch loop": ([3.0], same), "numpy": ([1.0], same)}, "skipped: no numba")
    numba, _, numpy = measured("core", QUICK)
    assert (numba.note, numba.ratio, numpy.ratio, numpy.note) == ("skipped: no numba", None, 3, "")
    assert [row.what.split()[0] for row in (numba, numpy)] == ["numba", "numpy"]
    monkeypatch.setenv("OPENBLAS_CORETYPE", "Haswell")
    assert measured("core", QUICK)[2].note == "OPENBLAS_CORETYPE=Haswell"


def test_groups_that_measure_for_real(monkeypatch):
    pytest.importorskip("torch")
    monkeypatch.setattr(groups, "WORKLOAD", {"hidden": 8, "batch": 4, "time": 6})
    (row,) = measured("memory", QUICK)
    assert 0.02 < row.value < 4 and row.note.endswith("GB after importing")
    short = Settings(1, 0.01, True, "cpu")
    (row,) = measured("schur", short)
    assert row.ratio > 0 and "backward error" in row.note and row.group == "schur"
    rows = measured("gpu", short)
    assert {row.what for row in rows} == {"2 networks of 8 units"}
    assert all(row.value > 0 and row.target is None for row in rows)
    # and everyone's losses agree
    notes = ["CPU, batches drawn on the host", "", ""]
    peers = ["", "nn.RNN loop", "torch.func.vmap"]
    assert [(row.peer, row.note) for row in rows] == list(zip(peers, notes))


# ----------------------------------------------------------------------------------------- on a GPU
def test_without_a_gpu_its_group_is_one_line(tmp_path, monkeypatch, capsys):
    torch = pytest.importorskip("torch")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(contest, "alternate", lambda *_: pytest.fail("nothing is measured"))
    monkeypatch.chdir(tmp_path)
    assert main(["bench", "--only", "gpu", "--quick"]) == 0
    out = capsys.readouterr().out
    assert "    skipped: no CUDA device\n" in out and "0 of 0 targets reached" in out
    monkeypatch.setitem(sys.modules, "torch", None)
    (row,) = measured("gpu", Settings())
    assert row.note == "skipped: torch is not installed; pip install 'schurkit[torch]'"


def test_the_sizes_and_the_goal_on_a_gpu(given, monkeypatch):
    facts, peers = {"loss": 1.0, "note": "Some GPU, 2.00 GB"}, ("nn.RNN loop", "torch.func.vmap")
    given({"schurkit": ([1 / 256], facts)} | dict.fromkeys(peers, ([1.0], facts)))
    monkeypatch.setattr(groups, "why_not", lambda device: "")
    rows = measured("gpu", Settings())
    assert {"1 network of 128 units", "4,096 networks of 256 units"} <= {row.what for row in rows}
    assert [sum(row.peer == name for row in rows) for name in ("", *peers)] == [21, 21, 15]
    (goal,) = (row for row in rows if row.target is not None)
    assert (goal.what, goal.value, goal.target) == ("256 networks of 64 units", 256e3, 2e5)
    assert goal.met and goal.note == "Some GPU, 2.00 GB" and rows[1].ratio == 256
    given({}, "failed: no memory")
    assert {row.note for row in measured("gpu", QUICK)} == {"failed: no memory"}
