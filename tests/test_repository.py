"""The house rules that a machine can hold: pins, directions of imports, clean notebooks, nothing of
one machine.
"""

import ast
import inspect
import re
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from schurkit.claims import load_claims
from schurkit_press.book import Book
from schurkit_press.chapters import chapters, read_chapter, toc_entries
from schurkit_press.imports import read
from schurkit_press.run import code_of

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


def tracked():
    """Every text file that belongs to the repository: tracked, or new and not ignored."""
    listed = subprocess.run(
        ["git", "-C", ROOT, "ls-files", "-co", "--exclude-standard", "-z"],
        capture_output=True,
        text=True,
    )
    if listed.returncode:
        pytest.skip("not a git repository")
    for name in filter(None, listed.stdout.split("\0")):
        path = ROOT / name
        if path.is_file() and b"\0" not in path.read_bytes()[:8000]:
            yield name, path.read_text(encoding="utf-8")


# ----------------------------------------------------------------------------------------- versions
def pins():
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    found = [Requirement(line) for line in lines if line.strip() and line[0] != "#"]
    return {canonicalize_name(pin.name): pin for pin in found}


def requirements():
    extras = PROJECT["optional-dependencies"]
    return [
        Requirement(text) for texts in (PROJECT["dependencies"], *extras.values()) for text in texts
    ]


@pytest.mark.parametrize("requirement", requirements(), ids=str)
def test_every_dependency_has_a_pin_that_suits_it(requirement):
    (version,) = pins()[canonicalize_name(requirement.name)].specifier
    assert version.operator == "=="
    assert requirement.specifier.contains(version.version, prereleases=True)


def test_the_conda_environment_is_the_project():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    *packages, last = environment["dependencies"]
    (python,) = [package for package in packages if package.startswith("python=")]
    assert packages == [python, "pip"]
    assert Requirement(f"python{PROJECT['requires-python']}").specifier.contains(
        python.removeprefix("python=")
    )
    constraint, install = last["pip"]
    assert constraint == "-c constraints.txt" and (ROOT / constraint.split()[1]).is_file()
    extras = re.fullmatch(r"-e \.\[([a-z,]+)\]", install)[1].split(",")
    assert set(extras) <= set(PROJECT["optional-dependencies"])
    installed = f"-c constraints.txt -e '.[{','.join(extras)}]'"
    assert installed in (ROOT / "Makefile").read_text()


def test_the_container_installs_what_a_book_needs():
    """The two commands of the README, in the container and on pull requests."""
    docker, make = ((ROOT / name).read_text() for name in ("Dockerfile", "Makefile"))
    assert re.search(r"\$\(READY\):.*?-e '\.\[book,fast\]'\n", make, re.DOTALL)
    assert "make .venv/.ready" in docker and 'CMD ["make", "book"]' in docker
    pulls = yaml.safe_load((ROOT / ".github" / "workflows" / "pulls.yml").read_text())
    versions = pulls["jobs"]["two-commands"]["strategy"]["matrix"]["python"]
    wanted = Requirement(f"python{PROJECT['requires-python']}").specifier
    assert all(wanted.contains(f"{version}.9") for version in versions)


def test_one_version_everywhere():
    import schurkit

    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["version"] == PROJECT["version"] == schurkit.__version__


def test_the_papers_are_cited_alike():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    bibliography = (ROOT / "book" / "references.bib").read_text()
    papers = [
        (entry["title"], entry["identifiers"][0]["value"].removeprefix("arXiv:"))
        for entry in citation["references"]
    ]
    assert len(papers) == 3
    for title, arxiv in papers:
        assert f"eprint        = {{{arxiv}}}" in bibliography
        assert title in bibliography.replace("{Fourier}", "Fourier")
    claims = load_claims(ROOT / "book" / "claims.yml").values()
    assert all(f"{{{claim.source}," in bibliography for claim in claims)


# ------------------------------------------------------------------------------------------ imports
# The laws of the two houses: lower layers know nothing of higher ones, nothing outside the press
# imports it, no analysis meets tasks or training.
LAYERS = [
    {"checks", "words"},
    {"random", "claims", "rnn", "schur"},
    {"intervals", "metrics", "nb", "engine"},
    {"ablation", "fourier", "tasks"},
    {"analyses", "degeneracy", "views", "store"},
    {"explorer", "own", "training"},
    {"studies"},
]
LAYER = {name: level for level, names in enumerate(LAYERS) for name in names}
ABOVE = {"store", "training", "studies"}  # what may meet tasks
PRESS_CHAPTERS = {"many_seeds", "how_fast", "your_own_network"}  # chapters that are about the press
HOUSES = {"schurkit": ROOT / "schurkit", "schurkit_press": ROOT / "book" / "press"}
MODULES = [
    path
    for path in sorted(HOUSES["schurkit"].rglob("*.py"))
    if path.parent != HOUSES["schurkit"] or path.stem[:2] != "__"
]


def part(path):
    """The layer's name of a module: its first name below schurkit."""
    return path.relative_to(HOUSES["schurkit"]).with_suffix("").parts[0]


def imported(text, here=""):
    """Dotted names of our modules that a source imports; `here`: its own, where it is one."""
    for _, base, name in read(text, here.rpartition(".")[0]).imported:
        full = base if "." in base or name is None else f"{base}.{name}"
        if full.split(".")[0] in HOUSES:
            yield full


def imports_of(path):
    """Rooms of the helper that a module of it imports, and "" for the press where it does."""
    inside = path.relative_to(HOUSES["schurkit"].parent).with_suffix("")
    found = (name.split(".") for name in imported(path.read_text(), ".".join(inside.parts)))
    return {names[1] if names[0] == "schurkit" else "" for names in found if len(names) > 1} & {
        *LAYER,
        "",
    }


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_point_one_way(path):
    here, found = part(path), imports_of(path)
    assert here in LAYER, f"give {here} its place in LAYERS"
    assert "" not in found, "the helper knows nothing of the press"
    upward = {name for name in found if LAYER[name] > LAYER[here]}
    assert not upward, f"{here} imports {', '.join(sorted(upward))} from above"
    if here not in ABOVE | {"tasks"}:
        assert not found & {"tasks", "training", "studies"}, "no analysis meets tasks or training"


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_a_chapter_imports_the_helper_alone(path):
    found = {name.split(".")[0] for name in imported(code_of(read_chapter(path)))}
    assert "schurkit" in found and (path.stem in PRESS_CHAPTERS or found == {"schurkit"})


def test_the_reader_of_imports_sees_every_form():
    source = """import schurkit_press.run, numpy
from schurkit.training import train
from schurkit import tasks, rnn
from .base import Engine
from .. import random
def f():
    from ..words import plural"""
    found = "schurkit_press.run schurkit.training schurkit.tasks schurkit.rnn schurkit.engine.base "
    found += "schurkit.random schurkit.words"
    assert {*found.split()} <= {*imported(source, "schurkit.engine.numpy")}


# ---------------------------------------------------------------------------------------- notebooks
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_a_notebook_is_clean_and_has_commented_parameters_and_a_title(path):
    chapter = read_chapter(path)
    code = [cell for cell in chapter.source["cells"] if cell["cell_type"] == "code"]
    assert not any(cell["outputs"] or cell["execution_count"] for cell in code), (
        "clear its outputs before committing"
    )
    assert chapter.parameters and all(parameter.help for parameter in chapter.parameters)
    assert chapter.title != chapter.name


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_a_chapter_asks_functions_for_what_they_have(path):
    """Also in lines that a small run does not reach."""
    nodes, known = list(ast.walk(ast.parse(code_of(read_chapter(path))))), {}
    for node in nodes:
        if isinstance(node, ast.Import | ast.ImportFrom) and "schurkit" in ast.unparse(node):
            exec(ast.unparse(node), known)
    for call in (node for node in nodes if isinstance(node, ast.Call)):
        name = ast.unparse(call.func)
        given = {one.arg: None for one in call.keywords if one.arg}
        if given and re.fullmatch(r"[\w.]+", name) and name.split(".")[0] in known:
            inspect.signature(eval(name, known)).bind_partial(**given)


def test_every_notebook_and_page_is_in_the_book_and_editions_suit_them():
    assert {path.stem for path in NOTEBOOKS} == set(chapters(ROOT))
    pages = (path.relative_to(ROOT).with_suffix("") for path in (ROOT / "book").glob("*.md"))
    assert {page.as_posix() for page in pages} <= set(toc_entries(ROOT))
    assert {"quick", "book", "full"} <= set(Book(ROOT).editions)


# --------------------------------------------------------------------------- nothing of one machine
# in brackets, so that they are not in this file
HOSTS = r"(py[p]i|pythonhoste[d]|py[t]orch|npm[j]s|anacond[a]|deb\.[d]ebian)\.org"
PLACES = "/[w]ork/|/[r]oot/|/[h]ome/|/[U]sers/"


def test_no_file_is_large_or_names_a_registry_or_a_place_on_one_machine():
    files = list(tracked())
    found = {name: re.search(f"{HOSTS}|{PLACES}", text) for name, text in files}
    assert {name: word[0] for name, word in found.items() if word} == {}
    assert [n for n, text in files if len(text) > 400_000 and "/mathjax/" not in f"/{n}"] == []
