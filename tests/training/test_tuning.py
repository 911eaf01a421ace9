"""Races of recipes, their table, and the eight kinds of networks: the winner is that of trials
which nobody cut short.
"""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from helpers import messages, refuses

from schurkit import fourier
from schurkit.claims import NoClaimsError
from schurkit.studies import addition
from schurkit.studies.addition import (
    VARIANTS,
    Trial,
    best,
    on_grid,
    provenance,
    race,
    read_trials,
    recipe_of,
    steps_of,
    steps_to_threshold,
    studies,
    tuned,
    tuning_file,
    write_trials,
)
from schurkit.tasks import ModularAddition
from schurkit.training import Phase, Store, addition_recipe, train

TASK = ModularAddition(p=7, train_fraction=0.6, threshold=0.4)
RECIPE = addition_recipe(1, hidden_size=12, checkpoints=1)


def accuracy(rnn):
    return fourier.accuracy(fourier.logits_table(rnn), TASK.held_out_tuples)


def at(rate, steps):
    return replace(RECIPE, phases=(Phase(steps, rate),), weight_decay=1.0, checkpoints=())


# ---------------------------------------------------------------------------------------- one trial
def test_a_trial_is_the_training_that_train_does(tmp_path):
    """Looking at it does not change it: the score after 70 steps is that of a network trained for
    70 steps, whatever was looked at before.
    """
    hard = replace(TASK, threshold=1.0)
    whole = train(hard, at(1e-2, 70), [3], store=Store(tmp_path))
    for every in (10, 35, 100):
        trial = steps_to_threshold(hard, at(1e-2, 1), 3, 70, accuracy, every=every)
        assert trial == (-1, pytest.approx(whole.scores[0], abs=1e-6))


def test_a_trial_ends_at_the_first_look_above_the_threshold():
    def trial(*scores, limit=100):
        values = iter(scores)
        return steps_to_threshold(TASK, at(1e-2, 1), 0, limit, lambda rnn: next(values), every=15)

    assert trial(0.1, 0.3, 0.4) == (45, 0.4)
    assert trial(0.0, 0.0, limit=20) == (-1, 0.0)


def test_a_trial_whose_loss_is_not_finite_ends_there():
    looks = []
    step, _ = steps_to_threshold(
        TASK, at(1e30, 1), 0, 2000, lambda rnn: looks.append(1) or 0.0, every=10
    )
    assert step == -1 and len(looks) < 20


THERE = Trial("kind", 1.0, 1.0, 0, 3000, 400, 0.99)


test_messages = messages(
    (
        steps_to_threshold,
        TASK,
        replace(RECIPE, phases=2 * RECIPE.phases),
        0,
        10,
        accuracy,
        "one phase; got 2",
    ),
    (best, [], "at least one trial"),
    (steps_of, THERE, 0.5, 100, "clean_up"),
    (steps_of, THERE, 3, 0, "most_steps"),
)


# ------------------------------------------------------------------------------------------- a race
GRID = ((1.0, 1.0), (2.0, 1.0), (3.0, 1.0), (4.0, 1.0))


def raced(monkeypatch, needs, limit=100, known=(), grid=GRID):
    """A race in which the trial of each rate needs so many steps; also says how far each was let
    go.
    """
    went = []

    def fake(task, recipe, seed, most, measure):
        need = needs[int(recipe.phases[0].learning_rate) - 1]
        went.append(most)
        return (need, 1.0) if need <= most else (-1, most / need)

    monkeypatch.setattr(addition, "steps_to_threshold", fake)
    return list(race(TASK, "kind", RECIPE, grid, 0, limit, accuracy, known=known)), went


@pytest.mark.parametrize(
    "needs", [(80, 50, 60, 20), (20, 50, 60, 80), (500, 90, 900, 70), (200, 150, 600, 170)]
)
def test_a_race_has_the_winner_of_whole_trials_in_any_order(monkeypatch, needs):
    for order in (GRID, GRID[::-1]):
        trials, _ = raced(monkeypatch, needs, grid=order)
        assert best(trials).learning_rate == 1 + np.argmin(needs)


def test_a_race_that_was_stopped_goes_on_where_it_was(monkeypatch):
    needs = (80, 500, 30, 40)
    trials, went = raced(monkeypatch, needs)
    assert went == [100, 80, 80, 30]  # nobody runs further than the best before
    again, went = raced(monkeypatch, needs, known=trials[:2])
    assert again == trials and went == [80, 30]
    short, others = [replace(trials[1], limit=10)], [replace(trial, seed=5) for trial in trials]
    assert raced(monkeypatch, needs, limit=200, known=short)[1] == [200, 80, 80, 30]
    assert raced(monkeypatch, needs, known=others)[1] == [100, 80, 80, 30]


def test_where_none_gets_there_the_highest_score_wins_and_all_steps_are_trained():
    lost = replace(THERE, reached=-1, score=0.2)
    assert [steps_of(one, 3, 1500) for one in (THERE, lost)] == [1200, 1500]
    unknown, higher = replace(lost, score=float("nan")), replace(lost, score=0.6)
    assert best([lost, higher, unknown]) == higher and best([unknown]) is unknown
    assert best([replace(lost, score=0.9), replace(THERE, score=0.5)]).score == 0.5


def test_the_table_comes_back_as_it_was_written(tmp_path):
    trials = [replace(THERE, variant="a, b", reached=-1, score=0.1234567), THERE]
    write_trials(trials, tmp_path / "new" / "table.csv")
    assert read_trials(tmp_path / "new" / "table.csv") == trials
    assert [file.name for file in (tmp_path / "new").iterdir()] == ["table.csv"]


def test_another_table_is_one_clear_line(tmp_path):
    wrong = tmp_path / "table.csv"
    fields = "variant,learning_rate,weight_decay,seed,limit,reached,score"
    for text in ("variant\nx\n", fields + "\nx,1,1,a,1,1,1\n"):
        wrong.write_text(text)
        refuses(r"table\.csv cannot be read as a table of tuning trials", read_trials, wrong)
    refuses(r"none\.csv cannot be read", read_trials, tmp_path / "none.csv")


# ---------------------------------------------------------------------------------- the eight kinds
def test_the_kinds_are_a_full_factorial():
    assert len(set(VARIANTS)) == len({variant.name for variant in VARIANTS}) == 8
    fields = "embedding", "loss", "activation"
    assert sum(len({getattr(one, name) for one in addition.PAIR}) - 1 for name in fields) == 1
    assert VARIANTS[0].name == "embedding, cross-entropy, relu"


@pytest.mark.parametrize("variant", VARIANTS, ids=lambda variant: variant.name)
def test_a_recipe_differs_from_that_of_the_chapter_in_its_three_choices_alone(variant):
    chapter = addition_recipe(50, 0.3, 6)
    choices = {"embedding_size": 6 if variant.embedding else None, "phases": (Phase(50, 1e-2),)}
    expected = replace(chapter, loss=variant.loss, activation=variant.activation, **choices)
    assert recipe_of(variant, 50, 1e-2, 0.3, hidden_size=6) == expected


def table(tmp_path):
    """Every kind wins at its own point of the grid and its own step; an earlier trial beside the
    grid does not count.
    """
    trials = []
    for i, variant in enumerate(VARIANTS):
        mine = replace(THERE, variant=variant.name, seed=addition.TUNING_SEED, limit=100)
        trials.append(replace(mine, reached=10, score=1.0))
        for j, (rate, decay) in enumerate(addition.GRID):
            steps = 40 + i if j == i % len(addition.GRID) else -1
            one = replace(mine, learning_rate=rate, weight_decay=decay, reached=steps)
            trials.append(one if steps > 0 else replace(one, score=0.5))
    write_trials(trials, tmp_path / "table.csv")
    return tmp_path / "table.csv"


def test_each_kind_gets_its_own_best_trial_of_the_grid(tmp_path):
    chosen = tuned(table(tmp_path))
    assert list(chosen) == list(VARIANTS)
    assert [trial.reached for trial in chosen.values()] == list(range(40, 48))
    sizes = {"clean_up": 2.5, "most_steps": 104, "p": 11, "hidden_size": 6}
    found = studies((0, 1), variants=VARIANTS[:3], chosen=chosen, **sizes)
    assert list(found) == list(VARIANTS[:3])
    for study, steps, (rate, decay) in zip(found.values(), (100, 102, 104), addition.GRID):
        assert study.recipe.phases == (Phase(steps, rate),) and study.seeds == (0, 1)
        assert study.recipe.weight_decay == decay
    for split, seeds in ((0, (0, addition.TUNING_SEED)), (addition.TUNING_SPLIT, (0,))):
        refuses("are those of tuning", studies, seeds, chosen=chosen, split_seed=split)


def test_kinds_without_a_trial_are_named(tmp_path):
    path = table(tmp_path)
    trials = read_trials(path)
    write_trials([trial for trial in trials if "MSE, tanh" not in trial.variant], path)
    message = r"no trial of embedding, MSE, tanh; direct, MSE, tanh; run python -m schurkit_press"
    refuses(message, tuned, path)


def test_the_table_of_the_book_is_found_and_its_absence_told(tmp_path, monkeypatch):
    (tmp_path / "book").mkdir()
    (tmp_path / "book" / "claims.yml").write_text("[]")
    monkeypatch.setenv("SCHURKIT_BOOK", str(tmp_path))
    expected = tmp_path / "book" / "data" / "tuning" / "recipe_or_network.csv"
    assert tuning_file() == tuning_file(tmp_path) == expected
    refuses(r"recipe_or_network\.csv cannot be read", tuned)

    def none():
        raise NoClaimsError("no")

    monkeypatch.setattr(addition, "claims_file", none)
    refuses("which is not here; run the chapter inside it", tuning_file)


def test_the_table_says_how_it_was_made(tmp_path):
    path = table(tmp_path)
    refuses(r"table\.json cannot be read", provenance, path)
    made = {"command": "do this", "edition": "full", "date": "2026-01-02", "core_seconds": 12}
    path.with_suffix(".json").write_text(json.dumps(made | {"device": "a box", "commit": None}))
    expected = "do this (edition full), 2026-01-02, 12 core-seconds on a box, commit unknown."
    assert provenance(path) == f"table.csv: {expected}"


def test_the_committed_table_is_one_of_races():
    """Every kind has trials, no point twice, on the tuning seed alone; none was cut shorter than
    the winner, and what was tried beside the grid did not win.
    """
    path = tuning_file(Path(__file__).resolve().parents[2])
    trials = read_trials(path)
    assert {trial.seed for trial in trials} == {addition.TUNING_SEED}
    for variant in VARIANTS:
        mine = [trial for trial in trials if trial.variant == variant.name]
        assert len({(trial.learning_rate, trial.weight_decay) for trial in mine}) == len(mine)
        winner = best(on_grid(trials, variant)).reached
        for trial in mine:
            assert trial.reached < 0 or trial.reached >= winner
            assert trial.limit >= (winner if winner > 0 else addition.TUNING_LIMIT)
    assert provenance(path).startswith("recipe_or_network.csv: python -m schurkit_press.tuning")
