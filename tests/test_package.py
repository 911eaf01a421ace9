"""The package without a clone: what a wheel holds, and what the commands say in a folder without a
book.
"""

import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
from helpers import gauss

ROOT = Path(__file__).resolve().parents[1]


HOUSES = ("schurkit", "book/press")


def package_files():
    """Every file of the two packages that belongs to the repository."""
    listed = subprocess.run(
        ["git", "-C", ROOT, "ls-files", "-co", "--exclude-standard", *HOUSES],
        capture_output=True,
        text=True,
    )
    if listed.returncode:
        pytest.skip("not a git repository")
    return {name for name in listed.stdout.splitlines() if (ROOT / name).is_file()}


@pytest.fixture(scope="module")
def distributions(tmp_path_factory):
    """A wheel and a source archive, built from what is needed to build them alone."""
    pytest.importorskip("setuptools", minversion="77")
    folder = tmp_path_factory.mktemp("source")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, folder / name)
    for house in HOUSES:
        shutil.copytree(ROOT / house, folder / house, ignore=shutil.ignore_patterns("__pycache__"))
    code = "from setuptools import build_meta as b; b.build_wheel('dist'); b.build_sdist('dist')"
    subprocess.run([sys.executable, "-c", code], cwd=folder, check=True, capture_output=True)
    (wheel,), (source,) = (folder / "dist").glob("*.whl"), (folder / "dist").glob("*.tar.gz")
    return wheel, source


@pytest.fixture(scope="module")
def elsewhere(distributions, tmp_path_factory):
    """Run a command with the installed wheel, in a folder of its own; what it needs besides comes
    from here.
    """
    wheel, _ = distributions
    site, here = tmp_path_factory.mktemp("site"), tmp_path_factory.mktemp("here")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)  # what pip does with a wheel of plain Python
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith("SCHURKIT_")
    } | {"PYTHONPATH": str(site)}

    def run(*argv):
        return subprocess.run(
            [sys.executable, *argv], cwd=here, env=environment, capture_output=True, text=True
        )

    assert run("-c", "import schurkit; print(schurkit.__file__)").stdout.strip() == str(
        site / "schurkit" / "__init__.py"
    )
    return run, here


def test_wheel_and_source_archive_hold_the_whole_package(distributions):
    wheel, source = distributions
    wanted = package_files()
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    installed = {name.replace("book/press/", "schurkit_press/") for name in wanted}
    assert {n for n in names if n.startswith(("schurkit/", "schurkit_press/"))} == installed
    assert {"schurkit/py.typed", "schurkit_press/one_page.css"} <= installed
    assert any(name.endswith("licenses/LICENSE") for name in names)
    with tarfile.open(source) as archive:
        inside = {name.split("/", 1)[1] for name in archive.getnames() if "/" in name}
    assert wanted | {"LICENSE", "README.md", "pyproject.toml"} <= inside


def test_analyze_store_and_figures_work_in_any_folder(elsewhere):
    run, here = elsewhere
    sizes = {"W_in": (6, 1), "W_rec": (6, 6), "W_out": (1, 6)}
    np.savez(here / "weights.npz", **{name: 0.3 * gauss(*s) for name, s in sizes.items()})
    done = run("-W", "error", "-m", "schurkit", "analyze", "weights.npz", "--json", "out.json")
    assert (done.returncode, done.stderr) == (0, "") and (here / "out.json").is_file()
    assert run("-m", "schurkit", "--version").stdout.startswith("schurkit 0.")
    done = run("-m", "schurkit", "store")  # without a book it is a folder here
    assert done.stdout.startswith("0 networks") and not (here / "runs").exists()
    done = run("-c", "from schurkit.views import plot\nwith plot.style(): pass")
    assert (done.returncode, done.stderr) == (0, "")


COMMANDS = ["list", "run copy_task", "build", "publish", "check", "store export x.zip"]


def test_commands_of_the_book_say_that_there_is_none(elsewhere):
    run, _ = elsewhere
    code = f"from schurkit.__main__ import main; print([main(c.split()) for c in {COMMANDS}])"
    done = run("-c", code)
    assert done.stdout == "[2, 2, 2, 2, 2, 2]\n"
    assert done.stderr == 6 * (
        "schurkit: there is no book here or in a folder above (no _toc.yml and _config.yml); run "
        "this in a clone of the repository, or name it: --book FOLDER.\n"
    )


def test_a_claim_without_the_book_says_so_and_the_chapter_goes_on(elsewhere):
    run, _ = elsewhere
    done = run("-c", "from schurkit import nb; nb.claim('S2', 0.5); print('on')")
    assert done.returncode == 0 and done.stderr == ""
    assert done.stdout.splitlines() == [
        "S2: ours 0.5; the rule is in book/claims.yml of the book, which is not here.",
        "on",
    ]
