"""`schurkit bench`: arguments, messages, what is printed and kept. No test asks how long anything
took.
"""

import json

import pytest

from schurkit.__main__ import main
from schurkit_press.bench import GROUPS, Report, Row, command, contest, gpu, groups
from schurkit_press.bench.contest import Settings, same_work
from schurkit_press.bench.machine import Watch, busy, describe, machine
from schurkit_press.bench.processes import Laps


@pytest.fixture
def one_group(tmp_path, monkeypatch):
    """A stand-in for every group, and the folder where reports are kept."""
    rows = [
        Row("core", "a job", "a peer", 1.0, 2.0, "ms", 2.0, 1.5, 2.5, 1.8),
        Row("core", "another", "absent", note="skipped: not installed"),
    ]

    def stand_in(settings):
        """A stand-in."""
        return rows, [{"axis": "time", "milliseconds": 1.0}] if settings.quick else []

    for name in GROUPS:
        monkeypatch.setitem(GROUPS, name, stand_in)
    monkeypatch.delenv("SCHURKIT_BOOK", raising=False)
    monkeypatch.chdir(tmp_path)
    return rows


def refused(capsys, *argv):
    assert main(["bench", *argv]) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1
    return err.removeprefix("schurkit: ").strip()


def test_a_run_prints_tables_and_keeps_its_numbers(one_group, tmp_path, capsys):
    assert main(["bench", "--only", "core", "--quick", "--json", "mine.json"]) == 0
    out, err = capsys.readouterr()
    assert err == "" and out.index("processors used") < out.index("core: A stand-in.") < out.index(
        "a job"
    )
    assert "1 of 1 targets reached" in out
    (kept,) = (tmp_path / "_build" / "bench").glob("*.json")
    report = Report.read(kept)
    assert report == Report.read(tmp_path / "mine.json")
    assert (
        list(report.rows) == one_group
        and len(report.points) == 1
        and report.settings["groups"] == ["core"]
    )
    assert out.rstrip().endswith("Kept in mine.json")


def test_every_group_runs_unless_some_are_named(one_group, capsys):
    assert main(["bench"]) == 0
    out = capsys.readouterr().out
    assert [name for name in GROUPS if f"\n{name}: A stand-in." in out] == list(GROUPS)


def test_a_report_is_kept_in_the_books_folder(one_group, tmp_path, monkeypatch):
    for name in ("_toc.yml", "_config.yml"):
        (tmp_path / name).write_text("")
    (tmp_path / "below").mkdir()
    monkeypatch.chdir(tmp_path / "below")
    assert main(["bench", "--only", "core"]) == 0
    assert (
        len(list((tmp_path / "_build" / "bench").glob("*.json"))) == 1
        and not (tmp_path / "below" / "_build").exists()
    )


def test_a_failed_contender_is_told_and_changes_the_exit_code(one_group, capsys):
    one_group.append(Row("core", "a third", "a peer", note="failed: a peer: ValueError: no"))
    assert main(["bench", "--only", "core"]) == 1
    assert "    failed: a peer: ValueError: no" in capsys.readouterr().out


def test_two_runs_are_held_against_each_other(one_group, tmp_path, capsys, monkeypatch):
    main(["bench", "--only", "core", "--json", "old.json"])
    capsys.readouterr()
    assert main(["bench", "--only", "core", "--json", "new.json", "--compare", "old.json"]) == 0
    assert "now / before" in capsys.readouterr().out
    monkeypatch.setattr(
        command, "run", lambda *_: pytest.fail("two files are compared without a run")
    )
    assert main(["bench", "--compare", "old.json", "new.json"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("before: commit ") and "1.00×" in out


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--only", "schurr"], "there is no group 'schurr'; did you mean 'schur'?"),
        (["--only", "xyz"], f"there is no group 'xyz'; it takes {', '.join(GROUPS)}."),
        (["--device", "gpu"], "--device must be 'cuda' or 'cpu'; got 'gpu'."),
        (["--json", "nowhere/mine.json"], "--json: nowhere/mine.json is no place for a file."),
        (["--compare", "nowhere.json"], "nowhere.json cannot be read (No such file or directory)."),
        (
            ["--compare", "a", "b", "c"],
            "--compare takes one file, or two to hold against each other; got 3.",
        ),
    ],
)
def test_wrong_arguments_are_one_line_before_anything_runs(argv, message, one_group, capsys):
    assert refused(capsys, *argv) == message


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


def test_how_busy_the_processors_are_is_a_share(monkeypatch):
    ticks = iter([(100, 200), (130, 300), None, None])
    monkeypatch.setattr("schurkit_press.bench.machine._ticks", lambda: next(ticks))
    assert busy(0) == 0.7
    assert busy(0) is None


def test_what_others_take_leaves_out_our_own(monkeypatch):
    ticks, own = iter([(100, 200), (130, 300)]), iter([1.0, 1.4])
    monkeypatch.setattr("schurkit_press.bench.machine._ticks", lambda: next(ticks))
    monkeypatch.setattr("schurkit_press.bench.machine._own_seconds", lambda: next(own))
    monkeypatch.setattr("os.sysconf", lambda name: 100)
    assert Watch().others() == 0.3  # 70 of 100 ticks were busy, 40 of them ours


def test_where_the_system_does_not_say_nothing_is_claimed(monkeypatch):
    monkeypatch.setattr("schurkit_press.bench.machine._ticks", lambda: None)
    assert Watch().others() is None


def test_a_busy_machine_is_warned_of(one_group, monkeypatch, capsys):
    told = machine() | {"busy": 0.9}
    monkeypatch.setattr(command, "machine", lambda: told)
    main(["bench", "--only", "core"])
    assert "This machine is busy with other work" in capsys.readouterr().out


# ------------------------------------------------------------------------------------------- groups
def laps(*rates, **facts):
    return Laps(rates, (None,) * len(rates), facts)


def test_work_that_differs_is_told():
    assert same_work(laps(1.0, loss=0.70), laps(1.0, loss=0.701)) == ""
    assert (
        same_work(laps(1.0, loss=0.7), laps(1.0, loss=0.9)) == "not the same work: loss 0.7 and 0.9"
    )
    assert same_work(laps(1.0, loss=float("nan")), laps(1.0, loss=0.9)).startswith(
        "not the same work"
    )
    assert same_work(laps(1.0), laps(1.0, loss=0.9)).startswith("not the same work")


def test_a_missing_peer_leaves_its_row_with_the_reason(monkeypatch):
    measured = {
        "schurkit": laps(2000.0, 2000.0, loss=0.5),
        "torch loop": laps(500.0, 400.0, loss=0.5),
    }
    reason = "skipped: jax is not installed; pip install 'schurkit[bench]'"

    def alternated(contenders, *_):
        names = [one.name for one in contenders]
        return {name: measured[name] for name in names if name in measured}, {
            name: reason for name in names if name not in measured
        }

    monkeypatch.setattr(contest, "alternate", alternated)
    rows, _ = groups.training(Settings(quick=True))
    assert [row.peer for row in rows] == [
        "torch loop",
        "torch, one process a core",
        "JAX jit, one process a core",
    ]
    assert (rows[0].ratio, rows[0].value, rows[0].target, rows[0].note) == (4.5, 0.5, 9, "")
    assert rows[2].ratio is None and rows[2].note == reason and rows[2].met is None


def test_a_missing_engine_says_so_too(monkeypatch):
    def alternated(contenders, *_):
        return {"torch loop": laps(1.0, loss=1.0), "numpy": laps(3.0, loss=1.0)}, {
            "numba": "skipped: numba is not installed"
        }

    monkeypatch.setattr(contest, "alternate", alternated)
    monkeypatch.delenv("OPENBLAS_CORETYPE", raising=False)
    numba, numpy = groups.core(Settings(quick=True))[0]
    assert (numba.note, numba.ratio) == ("skipped: numba is not installed", None)
    assert (numpy.ratio, numpy.target) == (3.0, 3.5)
    monkeypatch.setenv("OPENBLAS_CORETYPE", "Haswell")
    assert groups.core(Settings(quick=True))[0][1].target == 2.3


# ----------------------------------------------------------------------------------------- on a GPU
def test_without_a_gpu_its_group_is_one_line(tmp_path, monkeypatch, capsys):
    torch = pytest.importorskip("torch")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(contest, "alternate", lambda *_: pytest.fail("nothing is measured"))
    monkeypatch.chdir(tmp_path)
    assert main(["bench", "--only", "gpu", "--quick"]) == 0
    out = capsys.readouterr().out
    assert "    skipped: no CUDA device\n" in out and "0 of 0 targets reached" in out
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert (
        groups.gpu(Settings())[0][0].note
        == "skipped: torch is not installed; pip install 'schurkit[torch]'"
    )


def test_its_code_can_be_tried_on_a_cpu(tmp_path, monkeypatch, capsys):
    pytest.importorskip("torch")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(command, "Settings", lambda *_: Settings(1, 0.01, True))
    assert (
        main(["bench", "--only", "gpu", "--quick", "--device", "cpu", "--json", "mine.json"]) == 0
    )
    rows = Report.read(tmp_path / "mine.json").rows
    assert {row.what for row in rows} == {"2 networks of 8 units"} and [
        row.peer for row in rows
    ] == ["", "nn.RNN loop", "torch.func.vmap"]
    assert all(row.value > 0 and row.target is None for row in rows)
    # and everyone's losses agree
    assert {row.note for row in rows} == {
        "CPU, batches drawn on the host",
        "",
    }


def test_the_sizes_and_the_goal_on_a_gpu(monkeypatch):
    asked = []

    def alternated(contenders, *_):
        asked.append(
            (contenders[0].case["hidden"], contenders[0].case["networks"], len(contenders))
        )
        facts = {
            "loss": 1.0,
            "device": "Some GPU",
            "memory": 2_000_000_000,
        }
        return {
            one.name: Laps((3e5,) if i == 0 else (1e3,), (None,), facts)
            for i, one in enumerate(contenders)
        }, {}

    monkeypatch.setattr(contest, "alternate", alternated)
    monkeypatch.setattr(gpu, "why_not", lambda device: "")
    rows = groups.gpu(Settings())[0]
    assert asked == [
        (hidden, n, 2 if n > 256 else 3)
        for hidden in (64, 128, 256)
        for n in (1, 4, 16, 64, 256, 1024, 4096)
    ]
    (judged,) = (row for row in rows if row.target is not None)
    assert (judged.what, judged.value, judged.target, judged.met) == (
        "256 networks of 64 units",
        3e5,
        2e5,
        True,
    )
    assert judged.note == "Some GPU, 2.00 GB, batches drawn on the host"
    assert next(row for row in rows if row.peer == "nn.RNN loop").ratio == pytest.approx(300)
    monkeypatch.setattr(
        contest,
        "alternate",
        lambda contenders, *_: ({}, {one.name: "failed: no memory" for one in contenders}),
    )
    assert [row.note for row in groups.gpu(Settings(quick=True))[0]] == ["failed: no memory"] * 2
