"""The book's public address: without one no button and no invented link, with one buttons and an install line; both from one setting."""

import json
import os
import re
import subprocess
import sys
import tomllib

import pytest
import yaml
from publish.small_book import REPOSITORY, cell, notebook, write_book

from schurkit._checks import InputError
from schurkit.publish.build import build, plan_build
from schurkit.publish.chapters import cell_text, chapters, read_chapter
from schurkit.publish.launch import address, setup_cell, setup_of, setup_source, with_launch_buttons, write_setup
from schurkit.publish.stage import staged_config

CONFIG = yaml.safe_load((REPOSITORY / "_config.yml").read_text())
CHAPTERS = chapters(REPOSITORY)
EXAMPLE = "https://github.com/example/book"


def with_address(root, url, branch="main"):
    path = root / "_config.yml"
    text = re.sub(r'repository:\n  url: "[^"]*"\n  branch: \S+', f'repository:\n  url: "{url}"\n  branch: {branch}', path.read_text())
    path.write_text(text)
    assert yaml.safe_load(text)["repository"] == {"url": url, "branch": branch}


# ---------------------------------------------------------------------------------------------------------------- launch buttons
def test_without_an_address_there_are_no_buttons(tmp_path):
    root = write_book(tmp_path / "book", {"plain": notebook(cell("# Plain", kind="markdown"), cell("1"))})
    with_address(root, "")
    config = yaml.safe_load(staged_config(root))
    assert "repository" not in config and not any(config["launch_buttons"].values()) and not config["html"].get("use_repository_button")


@pytest.mark.parametrize(
    ("url", "buttons"),
    [(EXAMPLE, {"binderhub_url", "colab_url", "notebook_interface"}), ("https://gitlab.com/example/book", {"binderhub_url", "notebook_interface"})],
)
def test_with_an_address_there_are_buttons(tmp_path, url, buttons):
    root = write_book(tmp_path / "book", {"plain": notebook(cell("# Plain", kind="markdown"), cell("1"))})
    with_address(root, url, "published")
    config = yaml.safe_load(staged_config(root))
    assert config["repository"] == {"url": url, "branch": "published", "path_to_book": ""} and config["html"]["use_repository_button"]
    assert {name for name, value in config["launch_buttons"].items() if value} == buttons


@pytest.mark.book
@pytest.mark.parametrize("url", ["", EXAMPLE])
def test_the_buttons_of_a_page_lead_to_its_notebook(tmp_path, url):
    root = write_book(tmp_path / "book", {"plain": notebook(cell("# Plain", kind="markdown"), cell("1"))})
    with_address(root, url)
    assert write_setup(root) == ["plain"]
    build(root, plan_build(root), say=lambda line: None)
    page = (root / "_build" / "html" / "notebooks" / "plain.html").read_text()
    found = set(re.findall(r'href="(https://(?:mybinder|colab|github)[^"]+)"', page))
    path = "notebooks/plain.ipynb"
    wanted = {
        f"https://mybinder.org/v2/gh/example/book/main?urlpath=lab/tree/{path}",
        f"https://colab.research.google.com/github/example/book/blob/main/{path}",
        EXAMPLE,
    }
    assert found == (wanted if url else set())
    assert "executablebooks" not in page and not re.search(r'<(?:img|script)[^>]+src="https?:', page)
    assert "find_spec" not in page and "find_spec" in (root / "_build" / "html" / "_sources" / "notebooks" / "plain.ipynb").read_text()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"url": "github.com/a/b"}, "repository.url must be https://HOST/OWNER/NAME without .git, or empty; got 'github.com/a/b'."),
        ({"url": "https://github.com/a/b.git"}, "repository.url must be https://HOST/OWNER/NAME without .git, or empty; got 'https://github.com/a/b.git'."),
        ({"url": "https://github.com/a/b' --evil"}, "repository.url must be"),
        ({"url": ["x"]}, "repository.url must be"),
        ("https:/x", "repository.url must be"),
        ({"url": EXAMPLE, "branch": "a b"}, "repository.branch must be the name of a branch; got 'a b'."),
    ],
)
def test_an_address_that_cannot_be_is_one_clear_line(given, message):
    with pytest.raises(InputError) as caught:
        address({"repository": given})
    assert str(caught.value).startswith(f"_config.yml: {message}") and "\n" not in str(caught.value)


def test_no_setting_at_all_is_no_address():
    assert address({}) == ("", "main") and with_launch_buttons({"title": "x"}) == {"title": "x"}


def test_the_address_is_the_same_wherever_it_stands():
    citation = yaml.safe_load((REPOSITORY / "CITATION.cff").read_text())
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    assert {citation.get("repository-code", ""), project.get("urls", {}).get("Repository", address(CONFIG)[0])} == {address(CONFIG)[0]}


# ---------------------------------------------------------------------------------------------------------------- the first cell of a chapter
@pytest.mark.parametrize("name", CHAPTERS)
def test_every_chapter_begins_with_the_same_cell(name):
    cell = setup_of(CHAPTERS[name])
    hint = "run 'python -m schurkit.publish.launch'"
    assert cell is not None, hint
    source = setup_source(*address(CONFIG))
    assert cell_text(cell) == source, hint
    assert cell == setup_cell(source)
    sources = [cell_text(cell) for cell in CHAPTERS[name].source["cells"]]
    assert sources.count(source) == 1, "the cell stands there twice"


def test_the_cell_is_silent_where_schurkit_is_installed():
    done = subprocess.run([sys.executable, "-c", setup_source("")], capture_output=True, text=True, cwd=REPOSITORY)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_the_cell_loads_nothing():
    code = f"{setup_source('')}\nimport sys; print([name for name in ('numpy', 'matplotlib') if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=REPOSITORY).stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("url", "line"),
    [
        ("", '%pip install "schurkit[notebook,fast] @ file:///path/to/a/clone/or/wheel"'),
        (EXAMPLE, f'%pip install "schurkit[notebook,fast] @ git+{EXAMPLE}@main"'),
    ],
)
def test_elsewhere_it_says_the_one_line_to_run(url, line, tmp_path):
    done = subprocess.run([sys.executable, "-S", "-I", "-c", setup_source(url)], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == f"ImportError: This chapter needs schurkit. Run this in a cell, then this one again:  {line}"
    requirement = re.search(r'"(.+)"', line)[1]
    from packaging.requirements import Requirement

    assert Requirement(requirement).extras <= set(tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]["optional-dependencies"])


def test_the_cell_is_written_once_and_follows_the_address(tmp_path):
    chapter = notebook(cell("# Plain", kind="markdown"), cell("n: int = 1  # how many", ["parameters"]), cell("n"))
    root = write_book(tmp_path / "book", {"plain": chapter})
    path = root / "notebooks" / "plain.ipynb"
    assert write_setup(root) == ["plain"] and write_setup(root) == []
    first = read_chapter(path)
    assert [c.get("id") for c in first.source["cells"]].index("setup") == 1 and [p.name for p in first.parameters] == ["n"]
    with_address(root, EXAMPLE)
    assert write_setup(root) == ["plain"]
    second = read_chapter(path).source["cells"]
    assert EXAMPLE in cell_text(second[1]) and second[2:] == first.source["cells"][2:] and len(second) == len(first.source["cells"])
    with_address(root, "")
    write_setup(root)
    assert json.loads(path.read_text()) == first.source


def test_the_command_says_what_is_wrong(tmp_path):
    root = write_book(tmp_path / "book", {"plain": notebook(cell("# Plain", kind="markdown"), cell("1"))})
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    for url, code in (("", 0), ("nowhere", 1)):
        with_address(root, url)
        done = subprocess.run([sys.executable, "-m", "schurkit.publish.launch"], capture_output=True, text=True, cwd=root, env=environment)
        assert done.returncode == code and (done.stdout == "plain: setup cell written\n" if not code else "launch: _config.yml" in done.stderr)


# ---------------------------------------------------------------------------------------------------------------- Binder
def test_binder_installs_the_project_with_its_pins():
    environment = yaml.safe_load((REPOSITORY / ".binder" / "environment.yml").read_text())
    whole = yaml.safe_load((REPOSITORY / "environment.yml").read_text())
    assert environment["dependencies"] == whole["dependencies"][:2] and environment["channels"] == whole["channels"]
    script = REPOSITORY / ".binder" / "postBuild"
    assert os.access(script, os.X_OK) and script.read_text().startswith("#!/bin/bash\n")
    subprocess.run(["bash", "-n", script], check=True)
    (extras,) = re.findall(r"-c constraints\.txt -e '\.\[([a-z,]+)\]'", script.read_text())
    assert set(extras.split(",")) <= set(tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]["optional-dependencies"])
