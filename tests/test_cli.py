"""The command line: what it prints, and its exit codes."""

import subprocess
import sys

import pytest
from helpers import run_python
from press.small_book import cases, cell, notebook, small_chapter, write_book

from schurkit.__main__ import main
from schurkit.checks import InputError
from schurkit_press import cli
from schurkit_press.build import HTML
from schurkit_press.price import Cost
from schurkit_press.run import Outcome


@pytest.fixture
def book(tmp_path, monkeypatch):
    """A small book, and the working folder inside it."""
    root = write_book(
        tmp_path / "book",
        {
            "small": small_chapter(trains=True),
            "plain": notebook(cell("# Plain", kind="markdown"), cell("1")),
        },
        "quick: {purpose: for tests}\nbad: {purpose: x, chapters: {small: {rate: -1}}}\n",
    )
    monkeypatch.setattr(
        "schurkit_press.price.plan_all",
        lambda studies, **_: [Cost(len(study.seeds), 1, 60.0, 5000) for study in studies],
    )
    monkeypatch.delenv("SCHURKIT_BOOK", raising=False)
    monkeypatch.chdir(root)
    return root


def refused(capsys, argv):
    """The one line that a wrong command line gets."""
    assert main(argv.split()) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1 and err.startswith("schurkit: ")
    return err.removeprefix("schurkit: ").strip()


# ------------------------------------------------------------------------------------------ at once
def test_help_names_every_command_and_imports_nothing_heavy():
    heavy = ("torch", "pandas", "matplotlib", "IPython", "papermill")
    code = (
        "import sys; from schurkit.__main__ import main; main(['--help'])\ntry: main(['analyze', "
        "'--help'])\nexcept SystemExit: pass\n"
        f"print([name for name in {heavy} if name in sys.modules])"
    )
    said = run_python(code)
    assert all(f"  {name} " in said for name in cli.COMMANDS) and said.endswith("\n[]")


@pytest.mark.parametrize(
    "argv, start", [([], "usage: schurkit COMMAND"), (["--version"], "schurkit 0.")]
)
def test_no_command_shows_the_overview(argv, start, capsys):
    assert main(argv) == 0
    assert capsys.readouterr().out.startswith(start)


@pytest.mark.parametrize("command", ["list", "build", "run", "sweep", "store", "bench", "check"])
def test_every_command_explains_itself(command, capsys):
    with pytest.raises(SystemExit) as caught:
        main([command, "--help"])
    assert caught.value.code == 0
    assert capsys.readouterr().out.startswith(f"usage: schurkit {command}")


@pytest.mark.parametrize(
    "argv, message",
    cases("""
buld → there is no command 'buld'; did you mean 'build'?
zzz → there is no command 'zzz'; it takes one of analyze, store, list, build, run, sweep, publish,
    bench, check.
build --edtion quick → unrecognized arguments: --edtion quick (see 'schurkit build --help')
build --edit quick → unrecognized arguments: --edit quick (see 'schurkit build --help')
build --jobs 0 → argument --jobs: takes a whole number from 1 on; got '0' (see 'schurkit build
    --help')
run → the following arguments are required: chapter (see 'schurkit run --help')
run small -p seeds → -p takes a name and a value, as in '-p seeds 5'.
run small -p seeds 1 -p seeds 2 → parameter 'seeds' is given twice.
list --book nowhere → there is no book in nowhere (no _toc.yml and _config.yml); run this in a clone
    of the repository, or name it: --book FOLDER.
"""),
)
def test_a_wrong_command_line_is_one_clear_line(argv, message, capsys):
    assert refused(capsys, argv) == message


@pytest.mark.parametrize(
    "argv, message",
    cases("""
list smal → there is no chapter 'smal'; did you mean 'small'?
run small -p seed 3 → small has no parameter 'seed'; did you mean 'seeds'?
run small --out _toc.yml → --out must be a folder; _toc.yml is a file.
run small -p seeds many → parameter seeds takes a whole number; got 'many'.
check → there are no pages in _build/html; build them with 'make book'.
build --edition quik → there is no edition 'quik'; did you mean 'quick'?
run small -p rate -1 → with rate = -1.0: learning_rate must be above 0; got -1.0.
run small --dry-run -p rate -1 → with rate = -1.0: learning_rate must be above 0; got -1.0.
sweep small --grid rate=1,-1 → with rate = -1.0: learning_rate must be above 0; got -1.0.
build --edition bad → with rate = -1.0: learning_rate must be above 0; got -1.0.
build --edition bad --dry-run → with rate = -1.0: learning_rate must be above 0; got -1.0.
"""),
)
def test_what_does_not_suit_the_book_runs_nothing(argv, message, book, capsys):
    assert refused(capsys, argv) == message
    assert not (book / "_build").exists()


@pytest.mark.parametrize(
    "error, code, line",
    [
        (KeyboardInterrupt(), 130, "schurkit: interrupted\n"),
        (InputError("no."), 2, "schurkit: no.\n"),
    ],
)
def test_exit_codes(monkeypatch, capsys, error, code, line):
    def raises(arguments):
        raise error

    monkeypatch.setitem(cli.COMMANDS, "check", ("", lambda: (lambda parser: None, raises)))
    assert main(["check"]) == code
    assert capsys.readouterr().err == line


def test_any_other_error_is_shown_in_full(monkeypatch):
    monkeypatch.setitem(
        cli.COMMANDS, "check", ("", lambda: (lambda parser: None, lambda arguments: 1 / 0))
    )
    with pytest.raises(ZeroDivisionError):
        main(["check"])


def test_a_pipe_that_is_closed_early_is_no_error():
    command = f"{sys.executable} -m schurkit --help | true; exit ${{PIPESTATUS[0]}}"
    command = f"unset PYTHONUNBUFFERED; {command}"  # else nothing is left to write at the end
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True)
    assert done.returncode == 0 and done.stderr == ""


# --------------------------------------------------------------------------------------------- list
def test_list_shows_chapters_with_their_parameters(book, capsys):
    assert main(["list"]) == 0
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert lines[:2] == ["small: Does a small book stand?", "seeds: int = 3 how many networks"]
    names = [line.split(":")[0] for line in lines[1:7]]
    assert names == ["seeds", "rate", "plot", "sizes", "start", "title"]
    assert lines[-2:] == ["", "plain: Plain"]
    assert main(["list", "plain"]) == 0
    assert capsys.readouterr().out == "plain: Plain\n"


# ---------------------------------------------------------------------------------------------- run
def test_run_prints_what_the_chapter_said(book, capsys, tmp_path):
    command = ["run", "small", "-p", "seeds", "2", "-p", "title", "-x"]
    command += ["--out", str(tmp_path / "out"), "--html"]
    assert main(command) == 0
    out, err = capsys.readouterr()
    lines = out.splitlines()
    assert lines[:3] == ["mean_accuracy = 0.5", "networks = 2", "undefined = None"]
    assert lines[5] == "claim S2: 0.61 [0.6, 0.62], 12 networks: reproduced"
    page, made = sorted((tmp_path / "out").iterdir())
    assert made.name.startswith("small-") and lines[-2].endswith(made.name)
    text = page.read_text()
    assert "The mean accuracy is\n0.500 over 2 networks (undefined)." in text
    assert "{" not in text.split("</style>")[1].split("<details")[0] and "(small-prose)" not in text
    assert err.startswith("  small: ") and err.count("\n") == 1
    assert main(command) == 0
    assert capsys.readouterr().err == ""  # it was run already


def test_dry_run_says_what_it_takes_and_runs_nothing(book, capsys):
    assert main(["run", "small", "-p", "seeds", "9", "--dry-run"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "small (seeds = 9): to run: 9 networks (1 stored), about 60 s to train, 5 kB on disk",
        "1 of 1 chapters to run: 9 networks (1 stored), about 60 s to train, 5 kB on disk",
    ]
    assert not (book / "_build").exists()


# ---------------------------------------------------------------------------------- build and check
def test_build_and_check_and_what_a_dry_build_says_of_it(book, capsys, monkeypatch):
    def render(root, *_, **__):
        (root / HTML).mkdir()
        (root / HTML / "index.html").touch()

    monkeypatch.setattr("schurkit_press.build.render", render)
    assert main(["build", "--only", "plain"]) == 0
    assert "Not for publishing: small shown without results." in capsys.readouterr().out
    assert main(["check"]) == 0 and capsys.readouterr().out == "0 problems\n"
    assert main(["build", "--dry-run"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "small: to run: 3 networks (1 stored), about 60 s to train, 5 kB on disk",
        "plain: run already",
        "1 of 2 chapters to run: 3 networks (1 stored), about 60 s to train, 5 kB on disk",
    ]
    assert main(["build", "--dry-run", "--force", "--only", "plain"]) == 0
    assert capsys.readouterr().out.splitlines() == ["plain: to run", "1 of 1 chapters to run"]


@pytest.mark.parametrize("command", ["build --only plain", "run plain"])
def test_a_command_that_fails_says_which_chapter(book, capsys, monkeypatch, command):
    failed = [Outcome("plain", 0.0, "plain: cell 2 of 2 (1 / 0) failed")]
    for room in ("build", "run"):
        monkeypatch.setattr(f"schurkit_press.{room}.run_jobs", lambda *_, **how: failed)
    assert main(command.split()) == 1
    assert capsys.readouterr() == ("", "schurkit: plain: cell 2 of 2 (1 / 0) failed\n")
