"""What the figures of addition say is what the numbers are."""

import numpy as np
import pandas as pd
from helpers import random_rnn

from schurkit import fourier, views

P = 13


def adder():
    return random_rnn(1, 14, P, P, scale=0.4, activation="relu", seed=2)


def test_a_unit_and_all_units():
    table = fourier.tables(adder())
    waves = fourier.unit_waves(table)
    loudest = int(waves.weight.argmax())
    view = views.unit(table)
    assert view.alt.startswith(f"Unit {loudest}: two waves of frequency {waves.frequency[loudest]}")
    assert [row["X"] for row in view.data] == table.X[:, loudest].tolist()
    view = views.units(table, [2, 5])
    assert f"{waves.resultant:.4f}".replace("-", "−") in view.alt
    named = [row["frequency"] for row in view.data]
    assert named == sorted(named) and len(named) == (waves.weight > 1e-3 * waves.weight.max()).sum()
    blocks = view.figure.axes[0].images[0].get_array()
    assert blocks.shape == (2, len(named))


def test_spectra():
    table = fourier.tables(adder())
    shares = fourier.pair_spectrum(table.logits - table.logits.mean(axis=2, keepdims=True))
    view = views.pairs(table, [5, 2])
    assert view.alt.startswith(
        f"Points on the diagonal at 2 and 5 hold {shares[2, 2] + shares[5, 5]:.3g}"
    )
    one = np.array([[0.9, 0.1, 0.0], [0.6, 0.4, 0.0]])
    view = views.frequencies({"trained": one, "before": one[::-1]}, ["a", "b"], 0.01)
    assert view.alt == "Frequencies that hold 95 %: trained 2; before 2." and len(view.data) == 4


def test_courses_and_removals():
    pairs = np.random.default_rng(0).permutation(np.argwhere(np.ones((P, P))))
    sets = pairs[:60], pairs[60:]
    course = fourier.progress({0: adder(), 40: adder()}, *sets, (1, 2), (3, 4))
    view = views.progress([course], [{"memorised": 40, "clean": None}])
    assert view.alt == "seed 0: memorised at step 40 and clean at step –." and len(view.data) == 2
    rows = [vars(row) for row in fourier.frequency_ablation_curve(adder(), [2, 3, 5], draws=2)]
    view = views.removals(pd.DataFrame(rows).assign(keys=3))
    whole = fourier.accuracy(fourier.logits_table(adder()))
    assert view.alt.endswith(f"3 {whole:.3g}.") and view.data["count"].sum() == len(rows)
