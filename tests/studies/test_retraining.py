"""Networks that lost couplings for good, trained on; a task in several readings."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from helpers import apart, gauss, messages, orthogonal, random_rnn

from schurkit import ablation_profile, real_schur, train
from schurkit.studies.profiles import REPORTED, readings
from schurkit.studies.retraining import Masked, recovery, retrained
from schurkit.tasks import FlipFlop
from schurkit.training import Phase, Store, Study, suite_recipe

TASK = FlipFlop(bits=1, steps=8)
RECIPE = suite_recipe(8, phases=(Phase(500, 1e-2),), biases=True)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    return train(
        TASK, RECIPE, range(2), store=Store(tmp_path_factory.mktemp("runs")), progress=False
    )


def test_the_gradient_of_T_is_that_of_W_rec_and_nothing_held_moves():
    """W_rec is linear in T: ⟨dL/dW_rec, W_rec⟩ = ⟨dL/dT, T⟩."""
    Q, (T, G) = np.stack([orthogonal(8, seed) for seed in (0, 1)]), gauss(2, 2, 8, 8, seed=1)
    masked = Masked(Q, gauss(2, 8, 8) > 0.5)
    W = masked.weights({"T": T})["W_rec"]
    gradient = masked.pull_back({"T": T}, {"W_rec": G})["T"]
    assert apart(Q.mT @ W @ Q, T * masked.free) < 1e-5 and not masked.free.all()
    assert np.array_equal(gradient != 0, masked.free)
    assert (G * W).sum(axis=(1, 2)) == pytest.approx((gradient * T).sum(axis=(1, 2)), abs=1e-4)


def test_training_on_brings_the_task_back(trained):
    forms = [real_schur(W) for W in trained.rnn.W_rec]
    trials = TASK.test_trials(64, REPORTED)
    masks = [np.triu(np.ones((8, 8), bool), 1) & (form.N != 0) for form in forms]
    how = {"recipe": RECIPE, "learning_rate": 3e-3, "trials": trials}
    values = retrained(trained.rnn, forms, masks, TASK, [0, 5, 200], **how)
    profile = ablation_profile(
        trained.rnn, trials, forms=forms, subsets=[("RR", "CR", "CC")], controls=()
    )
    assert values[:, 0] == pytest.approx(profile.intact + profile.effect[:, 0], abs=1e-4)
    assert (values[:, 2] < 0.5 * values[:, 0]).all()
    none = [np.zeros((8, 8), bool)] * 2
    same = retrained(trained.rnn, forms, none, TASK, [0], **how)
    assert same[:, 0] == pytest.approx(profile.intact, abs=1e-5)
    alone = retrained(trained.rnn[1], forms[1:], masks[1:], TASK, [5], **how)
    assert alone[0, 0] == pytest.approx(values[1, 1], rel=1e-4)  # whoever trains beside it


def test_when_the_task_is_back():
    values = np.array([[1.0, 0.5, 0.19, 0.05], [1.0, 0.9, 0.9, 0.9]])
    assert recovery(values, np.array([0.1, 0.0]), 1).tolist() == [2, -1]
    assert recovery(1 - values, 1 - np.array([0.1, 0.0]), -1).tolist() == [2, -1]


PAIR, FREE = random_rnn(2, 8), np.zeros((2, 8, 8), bool)
FORMS = [real_schur(W) for W in PAIR.W_rec]
asked = partial(retrained, PAIR, recipe=RECIPE)
test_messages = messages(
    (asked, FORMS, FREE[:, :2, :2], TASK, [0], r"held must be booleans of shape \(8, 8\)"),
    (asked, FORMS, 0.0 * FREE, TASK, [0], "held must be booleans"),
    (asked, FORMS, FREE, TASK, [5, 1], "increasing checkpoints"),
    (asked, [], FREE, TASK, [0], "a form and a mask for each of 2"),
)


def test_readings_of_a_task(trained, tmp_path, monkeypatch):
    monkeypatch.setenv("SCHURKIT_STORE", str(tmp_path))
    tasks = {"zero": TASK, "pulse": replace(TASK, start="pulse")}
    tasks["never"] = replace(TASK, threshold=0.0)
    studies = {name: Study(task, RECIPE, (0, 1)) for name, task in tasks.items()}
    rows = readings(studies, {"S7": lambda p: p["CR"].cost, "S7b": lambda p: p["CR"].cost * np.nan})
    assert [row["reading"] for row in rows] == list(tasks)
    profile = ablation_profile(
        trained.rnn, TASK.test_trials(256, REPORTED), subsets=[("CR",)], controls=()
    )
    good = trained.converged
    assert rows[0]["converged"] == f"{good.sum()} of 2" and good.any()
    mean = profile["CR"].cost[good].mean()
    assert float(rows[0]["S7"]) == pytest.approx(mean, rel=0.01)
    assert rows[0]["S7: inequality"] == ("holds" if mean > 0 else "fails")
    assert rows[0]["S7b: inequality"] == "–" == rows[2]["S7"] and rows[2]["converged"] == "0 of 2"
    assert float(rows[0]["FVU"]) == pytest.approx(profile.intact.mean(), abs=1e-4)
