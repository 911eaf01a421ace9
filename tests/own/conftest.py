"""Every test of one's own networks works in an empty folder of its own, as a reader who types."""

import shlex
from pathlib import Path

import pytest

from schurkit.__main__ import main


@pytest.fixture(autouse=True)
def _folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def analyze(capsys):
    """`schurkit analyze` as it is typed: gives the exit code, what it says, and what it complains
    about.
    """

    def typed(words):
        return main(["analyze", *shlex.split(words)]), *capsys.readouterr()

    return typed


def contents():
    return {path: path.is_file() and path.read_bytes() for path in Path().iterdir()}


@pytest.fixture
def complaint(analyze):
    """The one line on a command that is wrong; it says these words, and changes no file."""

    def refused(command, words="", expected=2):
        before = contents()
        code, out, err = analyze(command)
        assert (code, out, err.count("\n")) == (expected, "", 1), (code, out, err)
        assert words.lower() in err.lower(), err
        assert contents() == before
        return err

    return refused
