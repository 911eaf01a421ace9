"""What a chapter will have to train, added up and said in words."""

import json
from dataclasses import dataclass
from types import SimpleNamespace

import pytest
from press.small_book import REPOSITORY, small_chapter

from schurkit import tasks
from schurkit.checks import InputError
from schurkit.training import Phase, Recipe, Study, copy_recipe, degeneracy_recipe
from schurkit_press import plans as module
from schurkit_press.chapters import chapters, read_chapter
from schurkit_press.editions import editions
from schurkit_press.plans import Cost, costs_of, merged, plans, studies_of, train_ahead


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
    monkeypatch.setitem(
        plans,
        "small",
        lambda values: [
            Small(values["start"], size, tuple(range(values["seeds"]))) for size in values["sizes"]
        ],
    )
    monkeypatch.setattr(
        module,
        "_priced",
        lambda studies: [Cost(len(study.seeds), 1, 10.0, 100) for study in studies],
    )
    few, more = (studies_of(chapter, {"seeds": seeds}) for seeds in (2, 3))
    assert [(study.task, study.recipe, study.seeds) for study in few] == [
        ("orthogonal", 2, (0, 1)),
        ("orthogonal", 4, (0, 1)),
    ]
    each, total = costs_of([few, more, []])
    # the few are among the more
    assert each == [Cost(4, 2, 20.0, 200), Cost(6, 2, 20.0, 200), Cost()] and total == Cost(
        6, 2, 20.0, 200
    )


def test_a_network_that_two_studies_ask_for_counts_once():
    studies = merged(
        [Small("a", 1, (0, 1)), Small("b", 1, (0,)), Small("a", 1, (1, 2)), Small("a", 2, (0,))]
    )
    assert [(study.task, study.recipe, study.seeds) for study in studies] == [
        ("a", 1, (0, 1, 2)),
        ("b", 1, (0,)),
        ("a", 2, (0,)),
    ]


def test_the_copy_task_asks_for_what_its_chapter_trains():
    chapter = read_chapter(REPOSITORY / "notebooks" / "copy_task.ipynb")
    assert chapter.plan == "copy_task"
    asked = studies_of(
        chapter, {"networks": 3, "grid_networks": 2, "sizes": [56, 72], "hidden_size": 72}
    )
    # the main networks are among those of size 72
    assert sum(len(study.seeds) for study in asked) == 2 * 3 + 8 * 2 - 2 * 2
    assert {study.recipe.hidden_size for study in asked} == {56, 72}


@pytest.mark.parametrize(
    ("name", "changed"),
    [
        ("delayed_discrimination", {}),
        (
            "delayed_discrimination",
            {
                "networks": 2,
                "hidden_size": 16,
                "shortest": 2,
                "longest": 9,
                "gap": 1.0,
                "training_steps": 70,
            },
        ),
        ("path_integration", {}),
        (
            "path_integration",
            {
                "first_seed": 3,
                "dimensions": 3,
                "steps": 9,
                "speed": 0.5,
                "learning_rate": 0.01,
                "epoch_steps": 7,
            },
        ),
        ("three_levels", {"networks": 5, "hidden_size": 32}),
        ("flip_flop", {}),
        ("sine", {"training_steps": 50}),
        ("context_integration", {"hidden_size": 16}),
    ],
)
def test_chapters_ask_for_what_they_train(name, changed):
    """The cells up to the set-up run here; the task, the recipe and the seeds that they make are
    those of the plan.
    """
    chapter = read_chapter(REPOSITORY / "notebooks" / f"{name}.ipynb")
    code = [cell for cell in chapter.source["cells"] if cell["cell_type"] == "code"]
    there = {}
    at = next(i for i, cell in enumerate(code) if "parameters" in cell["metadata"].get("tags", ()))
    exec("".join(code[at]["source"]), there)
    there.update(changed)
    exec(
        "".join(code[at + 1]["source"]).replace('plt.style.use("schurkit.views.schurkit")', ""),
        there,
    )
    subject = next(
        ("".join(cell["source"]) for cell in code if "subject" in cell["metadata"].get("tags", ())),
        "",
    )
    if "task" not in there and "trained = sk.train(" in subject:
        exec(subject.split("trained = sk.train(")[0], there)
    studies = plans[chapter.plan](
        {parameter.name: there[parameter.name] for parameter in chapter.parameters}
    )
    seeds = tuple(range(there["first_seed"], there["first_seed"] + there["networks"]))
    made = there["tasks"].values() if name == "three_levels" else [there["task"]]
    recipes = [
        degeneracy_recipe(task, there["hidden_size"]) if name == "three_levels" else there["recipe"]
        for task in made
    ]
    assert [(study.task, study.recipe, study.seeds) for study in studies] == [
        (task, recipe, seeds) for task, recipe in zip(made, recipes)
    ]


@pytest.mark.parametrize(
    ("name", "changed", "message"),
    [
        ("modular_addition", {"p": 114}, "needs an odd p; got 114"),
        (
            "modular_addition",
            {"p": 5},
            "the least number of key frequencies = 3 is more than there are frequencies",
        ),
        ("recipe_or_network", {"p": 58}, "needs an odd p; got 58"),
        (
            "recipe_or_network",
            {"sparse_at_most": 57},
            "sparse_at_most = 57 is more than there are frequencies: p = 113 has 56",
        ),
        ("schur_meets_fourier", {"running_p": 58}, "p must be odd"),
    ],
)
def test_the_chapters_on_addition_refuse_before_they_train(name, changed, message):
    """The plan does, which runs first, and so do the cells up to the set-up."""
    chapter = read_chapter(REPOSITORY / "notebooks" / f"{name}.ipynb")
    with pytest.raises(InputError, match=message):
        studies_of(chapter, changed)
    at = next(
        i
        for i, cell in enumerate(chapter.source["cells"])
        if "parameters" in cell["metadata"].get("tags", ())
    )
    parameters, set_up = ("".join(cell["source"]) for cell in chapter.source["cells"][at : at + 2])
    there: dict = {}
    exec(parameters, there)
    there.update(changed)
    with pytest.raises(InputError, match=message):
        exec(set_up.replace('plt.style.use("schurkit.views.schurkit")', ""), there)


def asked_by(name, values):
    """The studies of a chapter of the book with these parameters, as (task, recipe, seeds)."""
    chapter = read_chapter(REPOSITORY / "notebooks" / f"{name}.ipynb")
    assert chapter.plan == name
    return [
        (study.task, study.recipe, study.seeds)
        for study in studies_of(chapter, chapter.values(values))
    ]


def test_the_knobs_share_their_base():
    asked = asked_by(
        "knobs",
        {
            "networks": 2,
            "mup_tasks": ["flip_flop"],
            "gammas": [1.0, 2.0],
            "widths": [32, 64],
            "l1": [1e-4],
            "delays": [20, 30],
        },
    )
    recipes = [recipe for _, recipe, _ in asked]
    # γ = 1 at 64 units is one of the widths
    assert sum(recipe.construction == "mup" for recipe in recipes) == 3
    # no penalty is the shortest delay
    assert sum(recipe.l1 > 0 for recipe in recipes) == 1 and len(asked) == 2 + 2 + 1 + 3
    assert all(seeds == (0, 1) for *_, seeds in asked)


def test_the_profile_chapter_trains_what_the_chapter_across_tasks_does():
    mine, theirs = (
        asked_by(name, {"networks": 3}) for name in ("is_the_profile_degenerate", "across_tasks")
    )
    assert sum(study in theirs for study in mine) == 3
    assert {len(seeds) for task, recipe, seeds in mine if recipe.construction == "mup"} == {4}


@pytest.mark.parametrize(
    ("name", "changed", "message"),
    [
        (
            "flip_flop",
            {"networks": 100_000_000},
            "networks must be between 1 and 10000; got 100000000.",
        ),
        (
            "copy_task",
            {"networks": 4, "grid_networks": 0},
            "grid_networks must be between 1 and 10000; got 0.",
        ),
        (
            "knobs",
            {"networks": 10**9, "bits": [2]},
            "networks must be between 1 and 10000; got 1000000000.",
        ),
        (
            "is_the_profile_degenerate",
            {"knob_networks": 10**9},
            "knob_networks must be between 1 and 10000; got 1000000000.",
        ),
        (
            "sine",
            {"first_seed": -1},
            "first_seed must be between 0 and 9223372036854775808; got -1.",
        ),
        (
            "copy_task",
            {"sizes": list(range(2, 104, 2))},
            "sizes must have at most 50 values; got 51.",
        ),
        (
            "flip_flop",
            {"networks": 4, "training_steps": -1},
            "with training_steps = -1: steps must be at least 0; got -1.",
        ),
        ("schur_meets_fourier", {"p": 7, "running_p": 1}, "with running_p = 1: p must be at least"),
        ("sine", {"slowest": 0.2, "steps": 9}, "slowest must be at most fastest; got 0.2 and 0.1."),
        ("flip_flop", {"bits": 0, "hidden_size": 0}, "bits must be at least 1; got 0."),
    ],
)
def test_what_no_network_can_have_is_refused_by_the_name_of_the_parameter(name, changed, message):
    with pytest.raises(InputError) as error:
        asked_by(name, changed)
    assert str(error.value).startswith(message)


@pytest.mark.parametrize("edition", ["quick", "book", "full"])
def test_schur_meets_fourier_shares_the_networks_of_modular_addition(edition):
    """The same task, recipe and seeds in each edition, so that they are trained once."""
    one, other = (
        read_chapter(REPOSITORY / "notebooks" / f"{name}.ipynb")
        for name in ("modular_addition", "schur_meets_fourier")
    )
    given = editions(REPOSITORY, chapters(REPOSITORY))[edition].values
    theirs, (ours, running) = (
        studies_of(chapter, given.get(chapter.name, {})) for chapter in (one, other)
    )
    assert (ours.task, ours.recipe, ours.seeds) == (
        theirs[0].task,
        theirs[0].recipe,
        theirs[0].seeds,
    )
    assert running.task.name == "running_sum" and running.recipe.batch_size == 512


def test_the_price_of_real_networks_is_estimated_here(chapter, monkeypatch):
    monkeypatch.setitem(
        plans, "small", lambda values: [Study(tasks.Copy(), copy_recipe(), (0, 1, 2))]
    )
    (cost,), _ = costs_of([studies_of(chapter, {})])
    assert (cost.networks, cost.stored) == (3, 0)
    assert 0.1 < cost.seconds < 3600 and 3 * 4 * 72 * 88 < cost.bytes < 1e6


def test_a_chapter_without_a_plan_asks_for_nothing(tmp_path):
    (tmp_path / "small.ipynb").write_text(json.dumps(small_chapter()))
    assert studies_of(read_chapter(tmp_path / "small.ipynb"), {}) == []


def test_an_unknown_plan_is_named_with_the_nearest_one(chapter, monkeypatch):
    monkeypatch.setitem(plans, "smaller", lambda values: [])
    with pytest.raises(InputError, match=r"small names a plan 'small'; did you mean 'smaller'\?"):
        studies_of(chapter, {})


@pytest.mark.parametrize(
    ("cost", "text"),
    [
        (Cost(3, 3, 0.0, 0), "3 networks, all stored"),
        (Cost(1, 0, 12.4, 900), "1 network, about 12 s to train, 900 B on disk"),
        (
            Cost(20, 8, 600.0, 2_500_000),
            "20 networks (8 stored), about 10 min to train, 2 MB on disk",
        ),
        (Cost(20, 0, 9000.0, 2_500_000_000), "20 networks, about 2.5 h to train, 2.5 GB on disk"),
    ],
)
def test_a_cost_in_words(cost, text):
    assert str(cost) == text


def test_networks_are_trained_ahead_and_only_once(tmp_path, monkeypatch):
    """Two chapters that share networks: each is told what its own took, and a shared one is trained
    once.
    """
    task, recipe = (
        tasks.Copy(2, 2, 4),
        Recipe(hidden_size=6, phases=(Phase(4, 1e-3),), batch_size=4),
    )
    monkeypatch.setitem(plans, "first", lambda values: [Study(task, recipe, (0, 1))])
    monkeypatch.setitem(plans, "second", lambda values: [Study(task, recipe, (1, 2, 3))])
    jobs = []
    for name in ("first", "second", "third"):
        (tmp_path / f"{name}.ipynb").write_text(
            json.dumps(
                small_chapter()
                | {"metadata": {"schurkit": {"plan": name} if name != "third" else {}}}
            )
        )
        jobs.append(SimpleNamespace(chapter=read_chapter(tmp_path / f"{name}.ipynb"), values={}))
    found = train_ahead(jobs, tmp_path / "runs")
    assert {name: told["networks"] for name, told in found.items()} == {"first": 2, "second": 3}
    assert all(told["core_seconds"] >= 0 for told in found.values())
    assert len(list((tmp_path / "runs").glob("*.safetensors"))) == 4
    assert train_ahead(jobs[2:], tmp_path / "runs") == {}


def test_the_recipes_ask_for_what_their_chapter_trains(tmp_path, monkeypatch):
    from schurkit.studies import addition

    chosen = {
        variant: addition.Trial(variant.name, 1e-2, 1.0, 1000, 100, 40, 0.99)
        for variant in addition.VARIANTS
    }
    monkeypatch.setattr(addition, "tuned", lambda: chosen)
    chapter = read_chapter(REPOSITORY / "notebooks" / "recipe_or_network.ipynb")
    assert chapter.plan == "recipe_or_network"
    asked = {
        every: studies_of(chapter, {"networks": 3, "every_variant": every, "clean_up": 2.0})
        for every in (False, True)
    }
    assert [len(found) for found in asked.values()] == [2, 8]
    assert all(
        study.seeds == (0, 1, 2) and study.recipe.steps == 80
        for found in asked.values()
        for study in found
    )
    assert [repr(study.recipe) for study in asked[False]] == [
        repr(asked[True][i].recipe) for i in (0, 2)
    ]
