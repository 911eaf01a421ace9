"""A few trials below each other: the drawn numbers and what the alternative text says, on outputs
that are known.
"""

import numpy as np

from schurkit import Trials, views


def test_examples_draw_the_chosen_trials_and_say_how_far_they_are_off():
    targets = np.arange(24.0).reshape(4, 3, 2)
    mask = np.ones((4, 3), bool)
    mask[2, 0] = False
    trials = Trials(np.zeros((4, 3, 1)), targets, mask)
    outputs = targets + np.array([0.0, 1.0, 2.0, 3.0])[:, None, None]
    view = views.examples(
        trials, outputs, [3, 2], titles=("last", "third"), beside={"wrong": -targets[..., 0]}
    )
    assert "last 3, third 2." in view.alt and view.alt.startswith("2 trials")
    # masked steps are left out
    assert [(row["trial"], row["step"]) for row in view.data] == [
        (3, 0),
        (3, 1),
        (3, 2),
        (2, 1),
        (2, 2),
    ]
    assert view.data[-1] == {"trial": 2, "step": 2, "target": 16.0, "output": 18.0, "wrong": -16.0}
    assert [ax.get_ylabel() for ax in view.figure.axes] == ["last", "third"]
