"""Races of recipes, their table, and the eight kinds of networks: the winner is that of trials
which nobody cut short.
"""

import json
from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest

from schurkit import InputError, fourier
from schurkit.studies import addition
from schurkit.studies.addition import (
    VARIANTS,
    Trial,
    Variant,
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
from schurkit.training import Phase, Recipe, Store, addition_recipe, train

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
    scores = [
        steps_to_threshold(hard, at(1e-2, 1), 3, 70, accuracy, every=every)
        for every in (10, 35, 100)
    ]
    whole = train(hard, at(1e-2, 70), [3], store=Store(tmp_path))
    assert scores == [(-1, pytest.approx(whole.scores[0], abs=1e-6))] * 3


def test_a_trial_ends_at_the_first_look_above_the_threshold():
    seen = []
    values = iter([0.1, 0.3, 0.4, 0.9])
    assert steps_to_threshold(
        TASK, at(1e-2, 1), 0, 100, lambda rnn: seen.append(rnn) or next(values), every=15
    ) == (45, 0.4)
    assert len(seen) == 3
    assert steps_to_threshold(TASK, at(1e-2, 1), 0, 20, lambda rnn: 0.0, every=15) == (-1, 0.0)


def test_a_trial_whose_loss_is_not_finite_ends_there():
    looks = []
    step, _ = steps_to_threshold(
        TASK, at(1e30, 1), 0, 2000, lambda rnn: looks.append(1) or 0.0, every=10
    )
    assert step == -1 and len(looks) < 20


def test_a_trial_needs_one_phase_and_some_steps():
    with pytest.raises(InputError, match="one phase; got 2"):
        steps_to_threshold(
            TASK,
            replace(RECIPE, phases=(Phase(1, 1e-3), Phase(1, 1e-3)), checkpoints=()),
            0,
            10,
            accuracy,
        )
    for wrong in ({"limit": 0}, {"limit": 10, "every": 0}):
        with pytest.raises(InputError, match=list(wrong)[-1]):
            steps_to_threshold(TASK, RECIPE, 0, measure=accuracy, **wrong)


# ------------------------------------------------------------------------------------------- a race
GRID = ((1.0, 1.0), (2.0, 1.0), (3.0, 1.0), (4.0, 1.0))


def raced(monkeypatch, needs, limit=100, known=(), grid=GRID):
    """A race in which the trial of each rate needs so many steps; also says how far each was let
    go.
    """
    went = []

    def fake(task, recipe, seed, most, measure):
        need = needs[recipe.phases[0].learning_rate]
        went.append(most)
        return (need, 1.0) if need <= most else (-1, most / need)

    monkeypatch.setattr(addition, "steps_to_threshold", fake)
    return list(race(TASK, "kind", RECIPE, grid, 0, limit, accuracy, known=known)), went


@pytest.mark.parametrize(
    "needs", [(80, 50, 60, 20), (20, 50, 60, 80), (500, 90, 900, 70), (200, 150, 600, 170)]
)
def test_a_race_has_the_winner_of_whole_trials_in_any_order(monkeypatch, needs):
    by_rate = dict(zip((1.0, 2.0, 3.0, 4.0), needs))
    for order in (GRID, GRID[::-1]):
        trials, _ = raced(monkeypatch, by_rate, grid=order)
        assert best(trials).learning_rate == min(by_rate, key=by_rate.get)


def test_nobody_runs_further_than_the_best_before(monkeypatch):
    _, went = raced(monkeypatch, {1.0: 80, 2.0: 500, 3.0: 30, 4.0: 40})
    assert went == [100, 80, 80, 30]


def test_a_race_that_was_stopped_goes_on_where_it_was(monkeypatch):
    needs = {1.0: 80, 2.0: 500, 3.0: 30, 4.0: 40}
    trials, _ = raced(monkeypatch, needs)
    again, went = raced(monkeypatch, needs, known=trials[:2])
    assert again == trials and went == [80, 30]
    # not far enough: made again
    assert raced(monkeypatch, needs, limit=200, known=[replace(trials[1], limit=10)])[1] == [
        200,
        80,
        80,
        30,
    ]
    assert raced(monkeypatch, needs, known=[replace(trial, seed=5) for trial in trials])[1] == [
        100,
        80,
        80,
        30,
    ]


def test_where_none_gets_there_the_highest_score_wins():
    lost = Trial("kind", 1.0, 1.0, 0, 100, -1, 0.2)
    assert (
        best(
            [lost, replace(lost, learning_rate=2.0, score=0.6), replace(lost, score=float("nan"))]
        ).score
        == 0.6
    )
    assert best([replace(lost, score=0.9), replace(lost, reached=100, score=0.5)]).score == 0.5
    assert best([replace(lost, score=float("nan"))]).reached == -1
    with pytest.raises(InputError, match="at least one trial"):
        best([])


def test_the_table_comes_back_as_it_was_written(tmp_path):
    trials = [
        Trial("a, b", 3e-3, 0.3, 7, 100, -1, 0.1234567),
        Trial("c", 1e-2, 3.0, 7, 100, 50, 0.995),
    ]
    write_trials(trials, tmp_path / "new" / "table.csv")
    assert read_trials(tmp_path / "new" / "table.csv") == trials
    assert [file.name for file in (tmp_path / "new").iterdir()] == ["table.csv"]


@pytest.mark.parametrize(
    "text",
    [
        "variant\nx\n",
        "variant,learning_rate,weight_decay,seed,limit,reached,score\nx,1,1,a,1,1,1\n",
    ],
)
def test_another_table_is_one_clear_line(tmp_path, text):
    (tmp_path / "table.csv").write_text(text)
    with pytest.raises(InputError, match=r"table\.csv cannot be read as a table of tuning trials"):
        read_trials(tmp_path / "table.csv")
    with pytest.raises(InputError, match=r"none\.csv cannot be read"):
        read_trials(tmp_path / "none.csv")


# ---------------------------------------------------------------------------------- the eight kinds
def test_the_kinds_are_a_full_factorial_and_have_their_own_recipes():
    assert len(set(VARIANTS)) == len({variant.name for variant in VARIANTS}) == 8
    assert len({repr(recipe_of(variant, 10, hidden_size=4)) for variant in VARIANTS}) == 8
    a, b = addition.PAIR
    assert (
        sum(getattr(a, field) != getattr(b, field) for field in ("embedding", "loss", "activation"))
        == 1
    )


@pytest.mark.parametrize("variant", VARIANTS, ids=lambda variant: variant.name)
def test_a_recipe_differs_from_that_of_the_chapter_in_its_three_choices_alone(variant):
    recipe = recipe_of(variant, 50, 1e-2, 0.3, hidden_size=6)
    assert recipe.loss == variant.loss and recipe.activation == variant.activation
    assert recipe.embedding_size == (6 if variant.embedding else None) and recipe.phases == (
        Phase(50, 1e-2),
    )
    back = replace(
        recipe, loss="cross_entropy", activation="relu", embedding_size=6, phases=(Phase(50, 3e-3),)
    )
    assert back == addition_recipe(50, 0.3, 6)


def test_the_input_tables_of_all_kinds_start_with_the_same_spread():
    from schurkit.training import initial

    task = ModularAddition(p=53)
    spread = [
        initial(task, recipe_of(variant, 1, hidden_size=64), range(4)).W_in.std()
        for variant in VARIANTS
    ]
    assert max(abs(a - b) for a, b in combinations(spread, 2)) < 0.05 * spread[0]


def table(tmp_path):
    """Every kind wins at its own point of the grid and its own step; an earlier trial beside the
    grid does not count.
    """
    path, trials = tmp_path / "table.csv", []
    for i, variant in enumerate(VARIANTS):
        for j, (rate, decay) in enumerate(addition.GRID):
            won = j == i % len(addition.GRID)
            trials.append(
                Trial(
                    variant.name,
                    rate,
                    decay,
                    addition.TUNING_SEED,
                    100,
                    40 + i if won else -1,
                    0.99 if won else 0.5,
                )
            )
        trials.append(Trial(variant.name, 1.0, 1.0, addition.TUNING_SEED, 100, 10, 1.0))
    write_trials(trials, path)
    return path


def test_each_kind_gets_its_own_best_trial_of_the_grid(tmp_path):
    chosen = tuned(table(tmp_path))
    assert list(chosen) == list(VARIANTS) and [trial.reached for trial in chosen.values()] == list(
        range(40, 48)
    )
    found = studies(
        (0, 1),
        variants=VARIANTS[:3],
        clean_up=2.5,
        most_steps=104,
        p=11,
        hidden_size=6,
        chosen=chosen,
    )
    assert [study.recipe.steps for study in found.values()] == [100, 102, 104] and list(
        found
    ) == list(VARIANTS[:3])
    assert [
        (study.recipe.phases[0].learning_rate, study.recipe.weight_decay)
        for study in found.values()
    ] == list(addition.GRID[:3])
    assert all(study.seeds == (0, 1) for study in found.values())


def test_a_kind_without_trials_is_named(tmp_path):
    path = table(tmp_path)
    trials = read_trials(path)
    write_trials([trial for trial in trials if "MSE, tanh" not in trial.variant][1:], path)
    with pytest.raises(
        InputError,
        match=r"has no trial of embedding, MSE, tanh; direct, MSE, tanh; run python -m "
        r"schurkit_press\.tuning",
    ):
        tuned(path)


def test_points_that_were_not_tried_are_counted(tmp_path):
    trials = read_trials(table(tmp_path))
    assert addition.untried(trials) == {}
    first = [trial for trial in trials if trial.variant == VARIANTS[0].name]
    assert addition.untried([trial for trial in trials if trial not in first[1:3]]) == {
        VARIANTS[0]: 2
    }


def test_a_kind_that_never_got_there_trains_for_all_the_steps():
    there = Trial("kind", 1.0, 1.0, 0, 3000, 400, 0.99)
    assert (
        steps_of(there, 3, 3000),
        steps_of(there, 3, 1000),
        steps_of(replace(there, reached=-1), 3, 3000),
    ) == (1200, 1000, 3000)
    for wrong in ((0.5, 100), (3, 0)):
        with pytest.raises(InputError, match=r"clean_up|most_steps"):
            steps_of(there, *wrong)


def test_what_tuning_used_is_no_result(tmp_path):
    chosen = tuned(table(tmp_path))
    for wrong in (
        {"seeds": (0, addition.TUNING_SEED)},
        {"seeds": (0,), "split_seed": addition.TUNING_SPLIT},
    ):
        with pytest.raises(InputError, match="are those of tuning"):
            studies(chosen=chosen, **wrong)


def test_the_table_of_the_book_is_found_and_its_absence_told(tmp_path, monkeypatch):
    (tmp_path / "book").mkdir()
    (tmp_path / "book" / "claims.yml").write_text("[]")
    monkeypatch.setenv("SCHURKIT_BOOK", str(tmp_path))
    assert (
        tuning_file()
        == tuning_file(tmp_path)
        == tmp_path / "book" / "data" / "tuning" / "recipe_or_network.csv"
    )
    with pytest.raises(InputError, match=r"recipe_or_network\.csv cannot be read"):
        tuned()
    from schurkit.claims import NoClaimsError

    def none():
        raise NoClaimsError("no")

    monkeypatch.setattr(addition, "claims_file", none)
    with pytest.raises(InputError, match="which is not here; run the chapter inside it"):
        tuning_file()


def test_the_table_says_how_it_was_made(tmp_path):
    path = table(tmp_path)
    with pytest.raises(InputError, match=r"table\.json cannot be read"):
        provenance(path)
    made = {
        "command": "do this",
        "edition": "full",
        "date": "2026-01-02",
        "core_seconds": 12,
        "device": "a machine",
        "commit": None,
    }
    path.with_suffix(".json").write_text(json.dumps(made))
    assert (
        provenance(path)
        == "table.csv: do this (edition full), 2026-01-02, 12 core-seconds on a machine, commit "
        "unknown."
    )


def test_the_committed_table_is_one_of_races():
    """Every kind has trials, no point twice, on the tuning seed alone; none was cut shorter than
    the winner.
    """
    from pathlib import Path

    path = tuning_file(Path(__file__).resolve().parents[2])
    trials = read_trials(path)
    for variant in VARIANTS:
        mine = [trial for trial in trials if trial.variant == variant.name]
        points = [(trial.learning_rate, trial.weight_decay) for trial in mine]
        assert set(points) & set(addition.GRID) and len(set(points)) == len(points)
        winner = best(on_grid(trials, variant))
        # what was tried beside the grid did not win
        assert all(trial.reached < 0 or trial.reached >= winner.reached for trial in mine)
        assert all(
            trial.limit >= (winner.reached if winner.reached > 0 else addition.TUNING_LIMIT)
            for trial in mine
        )
        assert all(np.isfinite(trial.score) for trial in mine)
    assert {trial.seed for trial in trials} == {addition.TUNING_SEED}
    assert provenance(path).startswith(
        "recipe_or_network.csv: python -m schurkit.publish.tuning (edition full)"  # its name then
    )


def test_names_say_the_three_choices():
    assert Variant(True, "cross_entropy", "relu").name == "embedding, cross-entropy, relu"
    assert Variant(False, "mse", "tanh").name == "direct, MSE, tanh"
    assert isinstance(recipe_of(VARIANTS[0], 10), Recipe)
