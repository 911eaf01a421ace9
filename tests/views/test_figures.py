"""Figures that several chapters share: what they draw and say, on numbers that are known."""

from types import SimpleNamespace as Some

import numpy as np
import pandas as pd
from helpers import gauss, random_rnn

from schurkit import RNN, Trials, coupling_map, fourier, real_schur, views
from schurkit.intervals import Interval

P = 13


def adder():
    return random_rnn(1, 14, P, P, scale=0.4, activation="relu", seed=2)


def wave_adder():
    """Nearly linear units, each a wave of frequency 3."""
    a, phase = 6 * np.pi * np.arange(P)[:, None] / P, np.arange(4) * np.pi / 4
    return RNN(1e-3 * np.cos(a + phase).T, np.eye(4), np.cos(a + 2 * phase), activation="tanh")


def test_a_unit_and_all_units():
    table = fourier.tables(adder())
    waves = fourier.unit_waves(table)
    loudest = int(waves.weight.argmax())
    view = views.unit(table)
    k, share = waves.frequency[loudest], f"{waves.fve[loudest]:.3g} of it."
    assert waves.fve[loudest] < 0.8 and view.alt.endswith(share)
    assert view.alt.startswith(f"Unit {loudest}: what it hears, holds and says, in the order of")
    assert f"frequency {k}. Nine products" in view.alt
    of_waves = views.unit(fourier.tables(wave_adder())).alt
    assert "two waves of frequency 3 go in, a bump" in of_waves and "explain 1 of it" in of_waves
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


def test_points_have_their_names_and_ways_are_drawn_in_the_same_plane():
    paths = gauss(5, 6, 3) * [3, 2, 0]
    rest = np.array([[3.0, 0, 0], [-3, 1, 0]])
    view = views.states(paths, points={"at rest": rest}, labels=["+", "−"], ways={"open": rest})
    (ax,) = view.figure.axes
    texts = {text.get_text(): text.xy for text in ax.texts}
    (drawn,) = (line.get_xydata() for line in ax.lines if line.get_label() == "open")
    assert np.allclose([texts["+"], texts["−"]], drawn)
    assert np.isclose(np.linalg.norm(drawn[0] - drawn[1]), 37**0.5)
    rows = [row for row in view.data if row["what"] == "open"]
    assert [row["step"] for row in rows] == [0, 1] and np.allclose(rows[0]["PC 1"], drawn[0, 0])


def test_a_network_without_couplings_has_an_empty_map():
    turning = RNN(np.ones((2, 1)), [[0.0, 0.9], [-0.9, 0.0]], np.ones((1, 2)))
    for rnn, count in ((turning, 0), (turning.with_W_rec(np.diag([0.9, 0.2])[None] + 0.1), 1)):
        form = real_schur(rnn.W_rec[0])
        rows = coupling_map(rnn, Trials(gauss(5, 4, 1), gauss(5, 4, 1, seed=1)), forms=[form])
        view = views.couplings(rows, form, 0)
        assert len(view.data) == len(rows) == count and f"of {count} coupling" in view.alt
        assert ("largest effect" in view.alt) == bool(count)
