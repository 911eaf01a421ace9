"""The published site: versions side by side, and workflows that run nothing unpinned."""

import re
import subprocess

import pytest
import yaml
from press.small_book import REPOSITORY

WORKFLOWS = sorted((REPOSITORY / ".github" / "workflows").glob("*.yml"))


def site(*arguments):
    return subprocess.run(
        [REPOSITORY / ".ci" / "site", *map(str, arguments)], capture_output=True, text=True
    )


@pytest.fixture
def html(tmp_path):
    (tmp_path / "html" / "_static").mkdir(parents=True)
    (tmp_path / "html" / "index.html").write_text("first")
    return tmp_path / "html"


def test_versions_stand_side_by_side_and_latest_is_the_last(html, tmp_path):
    target = tmp_path / "site"
    assert site(html, target, "v1.0.0").returncode == 0
    (html / "index.html").write_text("second")
    (target / "latest" / "stale.html").write_text("x")
    assert site(html, target, "1.1.0").returncode == 0
    read = {path.parent.name: path.read_text() for path in target.glob("*/index.html")}
    assert read == {"1.0.0": "first", "1.1.0": "second", "latest": "second"}
    assert not (target / "latest" / "stale.html").exists() and (target / ".nojekyll").exists()
    assert 'url=latest/"' in (target / "index.html").read_text()


@pytest.mark.parametrize("version", ["", "..", "1/../..", "latest", "-rf"])
def test_what_is_no_version_is_refused(html, tmp_path, version):
    done = site(html, tmp_path / "site", version)
    assert (
        done.returncode == 2
        and done.stderr == f"a version looks like 1.2.0; got {version}\n"
        and not (tmp_path / "site").exists()
    )


def test_without_pages_nothing_is_put_there(tmp_path):
    done = site(tmp_path, tmp_path / "site", "1.0.0")
    assert (
        done.returncode == 2
        and "build them first" in done.stderr
        and not (tmp_path / "site").exists()
    )


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_a_workflow_is_pinned_and_says_what_it_may(path):
    workflow = yaml.safe_load(path.read_text())
    assert workflow["permissions"] and all(
        job["timeout-minutes"] for job in workflow["jobs"].values()
    )
    used = [
        step["uses"] for job in workflow["jobs"].values() for step in job["steps"] if "uses" in step
    ]
    assert used and all(re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}", action) for action in used)
    assert not any("latest" in str(job["runs-on"]) for job in workflow["jobs"].values())


def test_a_tag_publishes_and_every_week_everything_runs_again():
    # YAML reads the key "on" as true
    on = {path.stem: yaml.safe_load(path.read_text())[True] for path in WORKFLOWS}
    assert on["publish"] == {"push": {"tags": ["v*"]}} and "schedule" in on["weekly"]
