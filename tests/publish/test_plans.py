"""What a chapter will have to train, added up and said in words."""

import json
from dataclasses import dataclass
from types import SimpleNamespace

import pytest
from publish.small_book import REPOSITORY, small_chapter

from schurkit import tasks
from schurkit._checks import InputError
from schurkit.publish.chapters import chapters, read_chapter
from schurkit.publish.editions import editions
from schurkit.publish.plans import Cost, cost_of, merged, plans, studies_of, train_ahead
from schurkit.training import Phase, Recipe, Study, copy_recipe


@dataclass(frozen=True)
class Small:
    """A study of nothing in particular."""

    task: object
    recipe: object
    seeds: tuple


@pytest.fixture
def chapter(tmp_path):
    content = small_chapter()
    content["metadata"]["schurkit"] = {"plan": "small"}
    (tmp_path / "small.ipynb").write_text(json.dumps(content))
    return read_chapter(tmp_path / "small.ipynb")


def test_costs_add_up_over_studies_with_defaults_and_given_values(chapter, monkeypatch):
    monkeypatch.setitem(plans, "small", lambda values: [Small(values["start"], size, tuple(range(values["seeds"]))) for size in values["sizes"]])
    priced = []

    def price(study):
        priced.append((study.task, study.recipe, study.seeds))
        return Cost(len(study.seeds), 1, 10.0, 100)

    assert cost_of(chapter, {"seeds": 2}, price) == Cost(4, 2, 20.0, 200)
    assert priced == [("orthogonal", 2, (0, 1)), ("orthogonal", 4, (0, 1))]


def test_a_network_that_two_studies_ask_for_counts_once():
    studies = merged([Small("a", 1, (0, 1)), Small("b", 1, (0,)), Small("a", 1, (1, 2)), Small("a", 2, (0,))])
    assert [(study.task, study.recipe, study.seeds) for study in studies] == [("a", 1, (0, 1, 2)), ("b", 1, (0,)), ("a", 2, (0,))]


def test_the_copy_task_asks_for_what_its_chapter_trains():
    chapter = read_chapter(REPOSITORY / "notebooks" / "copy_task.ipynb")
    assert chapter.plan == "copy_task"
    asked = []
    values = {"networks": 3, "grid_networks": 2, "sizes": [56, 72], "hidden_size": 72}
    cost_of(chapter, values, lambda study: asked.append(study) or Cost())
    assert sum(len(study.seeds) for study in asked) == 2 * 3 + 8 * 2 - 2 * 2  # the main networks are among those of size 72
    assert {study.recipe.hidden_size for study in asked} == {56, 72}


@pytest.mark.parametrize("edition", ["quick", "book", "full"])
def test_schur_meets_fourier_shares_the_networks_of_modular_addition(edition):
    """The same task, recipe and seeds in each edition, so that they are trained once."""
    one, other = (read_chapter(REPOSITORY / "notebooks" / f"{name}.ipynb") for name in ("modular_addition", "schur_meets_fourier"))
    given = editions(REPOSITORY, chapters(REPOSITORY))[edition].values
    theirs, (ours, running) = (studies_of(chapter, given.get(chapter.name, {})) for chapter in (one, other))
    assert (ours.task, ours.recipe, ours.seeds) == (theirs[0].task, theirs[0].recipe, theirs[0].seeds)
    assert running.task.name == "running_sum" and running.recipe.batch_size == 512


def test_the_price_of_real_networks_is_estimated_here(chapter, monkeypatch):
    monkeypatch.setitem(plans, "small", lambda values: [Study(tasks.Copy(), copy_recipe(), (0, 1, 2))])
    cost = cost_of(chapter, {})
    assert (cost.networks, cost.stored) == (3, 0)
    assert 0.1 < cost.seconds < 3600 and 3 * 4 * 72 * 88 < cost.bytes < 1e6


def test_a_chapter_without_a_plan_has_no_cost(tmp_path):
    (tmp_path / "small.ipynb").write_text(json.dumps(small_chapter()))
    assert cost_of(read_chapter(tmp_path / "small.ipynb"), {}) is None


def test_an_unknown_plan_is_named_with_the_nearest_one(chapter, monkeypatch):
    monkeypatch.setitem(plans, "smaller", lambda values: [])
    with pytest.raises(InputError, match=r"small names a plan 'small'; did you mean 'smaller'\?"):
        cost_of(chapter, {})


@pytest.mark.parametrize(
    ("cost", "text"),
    [
        (Cost(3, 3, 0.0, 0), "3 networks, all stored"),
        (Cost(1, 0, 12.4, 900), "1 network, about 12 s to train, 900 B on disk"),
        (Cost(20, 8, 600.0, 2_500_000), "20 networks (8 stored), about 10 min to train, 2 MB on disk"),
        (Cost(20, 0, 9000.0, 2_500_000_000), "20 networks, about 2.5 h to train, 2.5 GB on disk"),
    ],
)
def test_a_cost_in_words(cost, text):
    assert str(cost) == text


def test_networks_are_trained_ahead_and_only_once(tmp_path, monkeypatch):
    """Two chapters that share networks: each is told what its own took, and a shared one is trained once."""
    task, recipe = tasks.Copy(2, 2, 4), Recipe(hidden_size=6, phases=(Phase(4, 1e-3),), batch_size=4)
    monkeypatch.setitem(plans, "first", lambda values: [Study(task, recipe, (0, 1))])
    monkeypatch.setitem(plans, "second", lambda values: [Study(task, recipe, (1, 2, 3))])
    jobs = []
    for name in ("first", "second", "third"):
        (tmp_path / f"{name}.ipynb").write_text(json.dumps(small_chapter() | {"metadata": {"schurkit": {"plan": name} if name != "third" else {}}}))
        jobs.append(SimpleNamespace(chapter=read_chapter(tmp_path / f"{name}.ipynb"), values={}))
    found = train_ahead(jobs, tmp_path / "runs")
    assert {name: told["networks"] for name, told in found.items()} == {"first": 2, "second": 3}
    assert all(told["core_seconds"] >= 0 for told in found.values())
    assert len(list((tmp_path / "runs").glob("*.safetensors"))) == 4
    assert train_ahead(jobs[2:], tmp_path / "runs") == {}
