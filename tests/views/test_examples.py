"""A few trials below each other: the drawn numbers and what the alternative text says, on outputs
that are known.
"""

import numpy as np

from schurkit import Trials, views


def test_examples_draw_the_chosen_trials_and_say_how_far_they_are_off():
    targets, mask = np.arange(24.0).reshape(4, 3, 2), np.ones((4, 3), bool)
    mask[2, 0] = False
    trials = Trials(np.zeros((4, 3, 1)), targets, mask)
    outputs = targets + np.arange(4.0)[:, None, None]
    more = {"titles": ("last", "third"), "beside": {"wrong": -targets[..., 0]}}
    view = views.examples(trials, outputs, [3, 2], **more)
    assert "last 3, third 2." in view.alt and view.alt.startswith("2 trials")
    # masked steps are left out
    cells = [(row["trial"], row["step"]) for row in view.data]
    assert cells == [(3, 0), (3, 1), (3, 2), (2, 1), (2, 2)]
    assert view.data[-1] == {"trial": 2, "step": 2, "target": 16.0, "output": 18.0, "wrong": -16.0}
    assert [ax.get_ylabel() for ax in view.figure.axes] == ["last", "third"]
