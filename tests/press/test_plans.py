"""What a chapter will have to train, added up and said in words."""

import ast
import json
import re
from dataclasses import replace
from types import SimpleNamespace

import pytest
from helpers import refuses
from press.small_book import REPOSITORY, cases, cell, network_cells, notebook, small_chapter

from schurkit.studies import profiles
from schurkit.tasks import Copy
from schurkit.training import Phase, Recipe, Study, copy_recipe
from schurkit_press.book import Book
from schurkit_press.chapters import chapters, read_chapter
from schurkit_press.plans import costs_of, merged, studies_of, train_ahead
from schurkit_press.price import Cost
from schurkit_press.run import code_of

CHAPTERS = {name: one for name, one in chapters(REPOSITORY).items() if one.networks}
TASKS = Copy(2, 2, 4), Copy(2, 2, 5)
RECIPES = Recipe(hidden_size=6), Recipe(hidden_size=8)


def chapter_of(folder, *cells, name="small"):
    (folder / f"{name}.ipynb").write_text(json.dumps(notebook(*cells)))
    return read_chapter(folder / f"{name}.ipynb")


def asked_by(name, values):
    """The studies of a chapter of the book with these parameters, as (task, recipe, seeds)."""
    studies = studies_of(CHAPTERS[name], CHAPTERS[name].values(values))
    return [(study.task, study.recipe, study.seeds) for study in studies]


# ---------------------------------------------------------------------------- the cell of networks
def test_the_cell_sees_parameters_and_the_imports_it_uses(tmp_path):
    content = small_chapter(trains=True)
    content["cells"].insert(1, cell("import no_such_module\nx = 1 / 0"))
    chapter = chapter_of(tmp_path, *content["cells"])
    (study,) = studies_of(chapter, {"seeds": 2, "rate": 0.5})
    assert study.seeds == (0, 1) and study.recipe.phases == (Phase(2, 0.5),)
    assert study.task == Copy(2, 2, 4) and len(studies_of(chapter, {})[0].seeds) == 3
    assert studies_of(chapter_of(tmp_path, *small_chapter()["cells"]), {}) == []


@pytest.mark.parametrize(
    ("code", "message"),
    cases("""
studies = [nobody] → small: its cell tagged 'networks' may use its parameters and imports alone; it
    failed with NameError: name 'nobody' is not defined
studies = [ → it failed with SyntaxError: '[' was never closed
other = [] → must bind 'studies', a list of schurkit.training.Study; got NoneType.
studies = [1] → must bind 'studies', a list of schurkit.training.Study; got list.
"""),
)
def test_a_cell_of_networks_that_says_nothing(code, message, tmp_path):
    refuses(re.escape(message), studies_of, chapter_of(tmp_path, cell(code, ["networks"])), {})


@pytest.mark.parametrize("name", sorted({*CHAPTERS} - {"knobs", "many_seeds", "your_own_task"}))
def test_a_chapter_trains_the_networks_of_its_cell_alone(name):
    """Every call of a trainer takes what that cell bound, and all of it is taken."""
    tree = ast.parse(CHAPTERS[name].networks)
    stored = (node for node in ast.walk(tree) if isinstance(getattr(node, "ctx", 0), ast.Store))
    bound = {getattr(node, "id", None) for node in stored}
    nodes = ast.walk(ast.parse(code_of(CHAPTERS[name])))
    calls = [(ast.unparse(node.func), node) for node in nodes if isinstance(node, ast.Call)]
    trained = [call.args for what, call in calls if what == "train_all"]
    assert trained and not [what for what, _ in calls if what in ("sk.train", "train")]
    for (argument,) in trained:
        names = {node.id for node in ast.walk(argument) if isinstance(node, ast.Name)}
        assert names - {"len", "list"} <= bound


def test_the_function_of_many_seeds_trains_the_networks_of_its_chapter(monkeypatch):
    class Trained(Exception):
        pass

    def train(*asked, **_):
        raise Trained(*asked)

    monkeypatch.setattr(profiles, "train", train)
    planned = asked_by("many_seeds", {"sizes": [16], "networks": 2, "training_steps": 7})
    with pytest.raises(Trained) as caught:
        profiles.network_profile(
            seeds=[0, 1], task_fields='{"bits": 2, "steps": 20}', hidden_size=16, training_steps=7
        )
    assert [(*caught.value.args[:2], tuple(caught.value.args[2]))] == planned


def test_the_chapters_on_tasks_share_their_networks():
    one, theirs = (asked_by(name, {"networks": 3}) for name in ("sine", "across_tasks"))
    assert len(one) == 1 and one[0] in theirs
    assert len(asked_by("sine", {"networks": 3, "reading_networks": 2})) == 6
    mine = asked_by("is_the_profile_degenerate", {"networks": 3})
    assert {len(seeds) for task, recipe, seeds in mine if recipe.construction == "mup"} == {3}
    assert asked_by("flip_flop", {"networks": 3})[0] in mine


@pytest.mark.parametrize(
    ("name", "given", "message"),
    cases("""
copy_task → networks=4 grid_networks=0 → grid_networks must keep 1 ≤ grid_networks ≤ 10000; got
    grid_networks = 0.
knobs → networks=1000000000 bits=2 → networks must keep 1 ≤ networks ≤ 10000; got networks = 1000
delayed_discrimination → networks=4 shortest=30 → with shortest = 30: longest must be at least 30
schur_meets_fourier → p=7 running_p=1 → with running_p = 1: p must be at least
sine → slowest=0.7 steps=9 → slowest must keep slowest ≤ fastest ≤ 3.14; got slowest = 0.7, f
copy_task → sizes=MANY → sizes must have 1 to 50 values; got 51.
path_integration → heading=angle → heading must be one of 'angles', 'vector'; got 'angle'.
path_integration → networks=1 training_steps=-1 → training_steps must keep 1 ≤ training_steps
delayed_discrimination → shortest=21 → with shortest = 21: longest must be at least 21; got 20.
modular_addition → p=114 → with p = 114: the Fourier basis here needs an odd p; got 114
modular_addition → p=5 → with p = 5: the least number of key frequencies = 3 is more than there are
recipe_or_network → p=58 → with p = 58: the Fourier basis here needs an odd p; got 58
recipe_or_network → sparse_at_most=57 → sparse_at_most = 57 is more than there are frequencies
schur_meets_fourier → running_p=58 → with running_p = 58: p must be odd
"""),
)
def test_what_no_network_can_have_is_refused_by_the_name_of_the_parameter(name, given, message):
    values = given.replace("MANY", "2" + 50 * ",2").split()
    refuses(f"^{re.escape(message)}", asked_by, name, dict(one.split("=") for one in values))


def test_schur_meets_fourier_shares_the_networks_of_modular_addition():
    """The same task, recipe and seeds in each edition, so that they are trained once."""
    for edition in Book(REPOSITORY).editions.values():
        theirs, (ours, running) = (
            asked_by(name, edition.get(name, {}))
            for name in ("modular_addition", "schur_meets_fourier")
        )
        assert ours == theirs[0]
        assert running[0].name == "running_sum" and running[1].batch_size == 512


# ---------------------------------------------------------------------------------------- the cost
def test_a_network_that_two_studies_ask_for_counts_once(monkeypatch):
    (a, b), (one, other) = TASKS, RECIPES
    asked = [(a, one, (0, 1)), (b, one, (0,)), (a, one, (1, 2)), (a, other, (0,))]
    first, second, _, last = asked = [Study(*each) for each in asked]
    assert repr(merged(asked)) == repr([replace(first, seeds=(0, 1, 2)), second, last])
    monkeypatch.setattr(
        "schurkit_press.price.plan_all",
        lambda studies, **_: [Cost(len(s.seeds), 1, 10.0, 100) for s in studies],
    )
    *each, total = costs_of([asked[:1], asked[1:3], []], None)
    assert each == [Cost(2, 1, 10.0, 100), Cost(3, 2, 20.0, 200), Cost()]
    assert total == Cost(4, 2, 20.0, 200)


def test_the_price_of_real_networks_is_estimated_here():
    cost, _ = costs_of([[Study(Copy(), copy_recipe(), (0, 1, 2))]], None)
    assert (cost.networks, cost.stored) == (3, 0)
    assert 0.1 < cost.seconds < 3600 and 3 * 4 * 72 * 88 < cost.bytes < 1e6


@pytest.mark.parametrize(
    ("cost", "text"),
    cases("""
3 3 0 0 → 3 networks, all stored
1 0 12.4 900 → 1 network, about 12 s to train, 900 B on disk
20 8 600 2500000 → 20 networks (8 stored), about 10 min to train, 2 MB on disk
20 0 9000 2500000000 → 20 networks, about 2.5 h to train, 2.5 GB on disk
"""),
)
def test_a_cost_in_words(cost, text):
    assert str(Cost(*map(json.loads, cost.split()))) == text


def test_networks_are_trained_ahead_and_only_once(tmp_path):
    """Two chapters that share networks: each is told what its own took, and a shared one is trained
    once.
    """
    cells = {"first": network_cells("(0, 1)"), "second": network_cells("(1, 2, 3)"), "third": ()}
    jobs = [
        SimpleNamespace(chapter=chapter_of(tmp_path, *parts, name=name), values={})
        for name, parts in cells.items()
    ]
    found = train_ahead(jobs, tmp_path / "runs")
    assert {name: told["networks"] for name, told in found.items()} == {"first": 2, "second": 3}
    assert all(told["core_seconds"] >= 0 for told in found.values())
    assert len(list((tmp_path / "runs").glob("*.safetensors"))) == 4
    assert train_ahead(jobs[2:], tmp_path / "runs") == {}
