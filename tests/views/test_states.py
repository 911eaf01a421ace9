"""States in a plane: what stands beside points, and paths above the others."""

import numpy as np

from schurkit import views


def test_points_have_their_names_and_ways_are_drawn_in_the_same_plane():
    paths = np.random.default_rng(0).normal(size=(5, 6, 3)) * [3, 2, 0]
    rest = np.array([[3.0, 0, 0], [-3, 1, 0]])
    view = views.states(paths, points={"at rest": rest}, labels=["+", "−"], ways={"open": rest})
    texts, ax = (
        {text.get_text(): text.xy for text in view.figure.axes[0].texts},
        view.figure.axes[0],
    )
    drawn = np.array(next(line for line in ax.lines if line.get_label() == "open").get_data()).T
    assert np.allclose([texts["+"], texts["−"]], drawn)
    assert np.isclose(np.linalg.norm(drawn[0] - drawn[1]), 37**0.5)
    rows = [row for row in view.data if row["what"] == "open"]
    assert [row["step"] for row in rows] == [0, 1] and np.allclose(rows[0]["PC 1"], drawn[0, 0])
