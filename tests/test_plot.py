"""Views: what is drawn stands inside its axes, and labels keep apart."""

import matplotlib
import numpy as np
import pytest

matplotlib.use("Agg")
from matplotlib import pyplot as plt

from schurkit.views import plot


@pytest.fixture
def ax():
    figure, ax = plt.subplots()
    yield ax
    plt.close(figure)


@pytest.mark.parametrize(
    "ends, ticks",
    [
        ((1e-5, -8e-6, 3e-3), [0, 1e-5, 1e-4, 1e-3]),
        ((1e-3, -1e-3, 1e-3), [-1e-3, 0, 1e-3]),
        ((1e-5, -0.03, 1.2), [-1e-2, -1e-4, 0, 1e-4, 1e-2, 1]),
        ((1e-5, 0, 0), [0]),
    ],
)
def test_ticks_of_a_symmetric_log_axis(ends, ticks):
    assert plot.decades(*ends) == ticks


@pytest.mark.parametrize("most", [3, 5, 7])
def test_ticks_are_thinned_and_stay_inside(most):
    for low, high in ((-3.0, 700.0), (-1e-9, 1e8), (-1e4, 0.0)):
        found = plot.decades(1e-6, low, high, most)
        assert len(found) <= most and 0 in found and found == sorted(set(found))
        assert min(found) >= low and max(found) <= high


@pytest.mark.parametrize("highest", [0.5, 3e-4, 40.0])
def test_the_topmost_dot_of_a_symmetric_log_axis_is_not_cut(ax, highest):
    plot.dots([[1e-4, highest]], ["a"], ax)
    plot.symlog(ax, 1e-3)
    top = ax.transData.transform((0, highest))[1]
    assert ax.bbox.y1 - top >= 6, "a dot is 4 points high"


def test_a_legend_names_the_first_column_that_holds_dots(ax):
    plot.dots([[], [1.0], [2.0]], ["a", "b", "c"], ax, label="control")
    assert ax.get_legend_handles_labels()[1] == ["control"]


def test_empty_sectors_are_counted_and_left_out(ax):
    values = [[1.0, np.nan, 3.0, np.nan], [np.nan] * 4, [1.0, 2.0, 3.0, 4.0]]
    for offset in (-0.1, 0.1):
        plot.dots(values, ["RR", "CR", "CC"], ax, offset=offset)
    counts = [(text.get_position()[0], text.get_text()) for text in ax.texts]
    assert counts == [(0, "∅ 2"), (1, "∅ 4")]
    drawn = [line.get_ydata().tolist() for line in ax.lines if line.get_marker() == "o"]
    assert drawn == [[1.0, 3.0], [1.0, 2.0, 3.0, 4.0]] * 2
    means = {line.get_ydata()[0] for line in ax.lines if line.get_marker() != "o"}
    assert means == {2.0, 2.5}


def test_the_axis_of_losses_has_whole_decades(ax):
    plot.loss_curves([[0, 1, 2]], [np.array([0.9, 0.3, 0.013])], ax, chance=0.94)
    low, high = ax.get_ylim()
    assert low == pytest.approx(0.01) and high > 0.94
    assert not any(label.get_text() for label in ax.yaxis.get_minorticklabels())


def test_dots_without_an_offset_stand_beside_each_other(ax):
    plot.dots([[1.0, 2.0, 3.0]], ["a"], ax, offset=0)
    places = ax.lines[0].get_xdata()
    assert len(np.unique(places)) == 3 and np.abs(places).max() < 0.1
