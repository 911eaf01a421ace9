"""The figure of signs: what it draws and says, on signs that are known."""

from types import SimpleNamespace as Some

import numpy as np

from schurkit import views
from schurkit.intervals import Interval


def sign(claim, level, value, ends, side, paper=-1, at_floor=False):
    ours, knob = Interval(value, *ends, 12, "jackknife t"), Some(id=claim[:2], name="channels")
    names = {"claim": claim, "level": level, "task": "sine", "paper": paper, "side": side}
    return Some(knob=knob, ours=ours, at_floor=at_floor, **names)


def test_a_row_a_task_and_a_panel_a_level():
    found = [
        sign("D1", "dynamics", -0.5, (-0.7, -0.3), "as the paper", at_floor=True),
        sign("D1c", "behaviour", 0.2, (-0.1, 0.5), "open"),
        sign("D2", "dynamics", float("nan"), (None, None), "undefined, at the floor"),
    ]
    view = views.signs(found, {"sine": "Sine"})
    assert "D1 Sine −0.50 [−0.70, −0.30], as the paper" in view.alt and "D2 Sine –" in view.alt
    assert [row["claim"] for row in view.data] == ["D1", "D1c", "D2"]
    dynamics, weights, behaviour = view.figure.axes
    assert [label.get_text() for label in dynamics.get_yticklabels()] == ["Sine  D1", "Sine  D2"]
    drawn = [line.get_xdata() for line in dynamics.lines]
    assert any(np.array_equal(x, [-0.7, -0.3]) for x in drawn)
    assert any(np.ravel(x).tolist() == [-0.5] for x in drawn)
    assert len(weights.lines) == 1 < len(behaviour.lines)  # no value: the line at 0 alone
    low, high = dynamics.get_xlim()
    assert low < -0.7 and high == -low
