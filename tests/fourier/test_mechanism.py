"""How units add, against networks that are known exactly: a pizza built by hand, a clock and a
table written down, and the rule of reading on courses made up for it.
"""

from dataclasses import replace

import numpy as np
import pytest
from helpers import apart, gauss, messages
from test_fourier import KEYS, P, exact_logits, planted

from schurkit import RNN, fourier
from schurkit.fourier import Course


# --------------------------------------------------------------------------------------- the units
def test_each_unit_has_the_frequency_and_the_phases_it_was_built_with():
    waves = fourier.unit_waves(fourier.tables(planted()))
    assert waves.frequency.tolist() == np.repeat(KEYS, 16).tolist()
    phase = np.exp(2j * np.pi * np.tile(np.arange(16), len(KEYS)) / 16)
    assert np.allclose(waves.second, phase) and np.allclose(waves.first, phase)
    assert np.allclose(waves.readout, phase**2)
    assert waves.resultant == pytest.approx(1, abs=1e-12) and np.abs(waves.gap).max() < 1e-9
    moved = replace(waves, readout=waves.readout * np.exp(0.5j))
    assert moved.resultant == pytest.approx(np.cos(0.5))
    assert replace(waves, readout=-waves.readout).resultant == pytest.approx(-1)


def test_exchanged_readouts_stay_in_their_frequency_and_break_the_law():
    waves = fourier.unit_waves(fourier.tables(planted()))
    other = waves.exchanged(0)
    assert abs(other.resultant) < 0.5
    for k in KEYS:
        mine = waves.frequency == k
        assert np.allclose(np.sort(other.readout[mine]), np.sort(waves.readout[mine]))
    assert not np.array_equal(waves.exchanged(1).readout, other.readout)


def test_nine_products_explain_a_product_and_not_its_bend():
    linear = replace(planted(), activation="tanh", W_in=1e-4 * planted().W_in)
    assert apart(fourier.unit_waves(fourier.tables(linear)).fve, 1) < 1e-6
    table = fourier.tables(planted())
    fve = fourier.unit_waves(table).fve
    h2 = table.h2[:, :, 3].astype(float)
    a = 2 * np.pi * KEYS[0] * np.arange(P) / P
    waves = np.stack([np.ones(P), np.cos(a), np.sin(a)])
    design = np.einsum("xa,yb->abxy", waves, waves).reshape(P * P, 9)
    rest = np.linalg.lstsq(design, h2.ravel(), rcond=None)[1][0]
    assert 0.5 < fve[3] < 0.999 and fve[3] == pytest.approx(1 - rest / h2.size / h2.var())


# --------------------------------------------------------------------- clock, pizza, and a table
def test_what_is_known_of_clock_pizza_and_table():
    p, keys = 59, (3, 7, 20)
    known = fourier.stand_ins(p, keys)
    assert np.allclose(known["clock"], exact_logits(p, dict.fromkeys(keys, 1.0)))
    a, b, c = np.indices((p, p, p)) * np.pi / p
    pizza = sum(np.abs(np.cos(k * (a - b))) * np.cos(2 * k * (a + b - c)) for k in keys)
    assert np.allclose(known["pizza"], pizza)
    fve = {name: fourier.logit_model(logits, keys).fve for name, logits in known.items()}
    expected = {"clock": 1, "pizza": 8 / np.pi**2, "look-up table": 3 / 29}
    assert fve == pytest.approx(expected, abs=1e-3)
    assert [fourier.accuracy(logits) for logits in known.values()] == [1, 1, 1]
    assert fourier.distance_irrelevance(known["pizza"]) < 1e-6
    noise = gauss(p, p, p)
    careless = fourier.distance_irrelevance(known["clock"] + 0.1 * noise)
    assert careless == pytest.approx(1, abs=0.05)
    assert fourier.distance_irrelevance(fourier.logits_table(planted())) < 0.1


def test_the_spectrum_of_pairs_against_fft():
    noise = gauss(7, 7, 2, seed=1)
    shares = fourier.pair_spectrum(noise)
    raw = np.square(np.abs(np.fft.fft2(noise, axes=(0, 1)))).sum(axis=2)
    fold = [[0], [1, 6], [2, 5], [3, 4]]
    oracle = [[raw[np.ix_(i, j)].sum() for j in fold] for i in fold]
    assert np.allclose(shares, oracle / raw.sum())
    by_sum = noise[0][fourier.sums(7)]
    off = ~np.eye(4, dtype=bool)
    assert fourier.pair_spectrum(by_sum)[off].max() < 1e-12


def test_the_constant_of_each_class_is_apart_from_the_waves():
    bias = gauss(P, seed=2)
    bias -= bias.mean()
    logits = exact_logits(P, {3: 2.0}) + bias
    model = fourier.logit_model(logits, [3])
    total = 2.0 + np.square(bias).mean()  # of a wave of amplitude 2, and of the constants
    assert (model.fve, model.constant) == pytest.approx((2 / total, 1 - 2 / total))
    shares = fourier.sum_share(logits)
    assert shares[2] == pytest.approx(2 / total) and shares.sum() == pytest.approx(2 / total)


# -------------------------------------------------------------------------------- gauge and rank
def test_a_centred_readout_says_the_same():
    shifted = replace(planted(), W_out=planted().W_out + np.arange(1.0, 81.0))
    centred = fourier.centred_readout(shifted)
    assert np.abs(centred.W_out.mean(axis=1)).max() < 1e-12
    losses = [fourier.cross_entropy(fourier.logits_table(one)) for one in (planted(), centred)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-9)
    ranks = [fourier.spectral_share(one.W_out[0], 10) for one in (planted(), centred, shifted)]
    assert ranks[0] == pytest.approx(ranks[1]) and ranks[2] < ranks[0] - 1e-6


def test_the_least_rank_is_enough_and_less_is_not():
    two = planted(7, (1, 3))
    for which in (("W_in", "W_rec", "W_out"), "W_out"):
        rank = fourier.least_rank(two, 0.99, which)
        shares = [
            fourier.accuracy(fourier.logits_table(fourier.truncate_rank(two, r, which)))
            for r in range(rank + 1)
        ]
        assert shares[-1] >= 0.99 > max(shares[:-1]) and 2 < rank <= 16


def test_a_score_stands_in_for_the_table_of_pairs():
    asked = planted(), KEYS[:3]
    rows = fourier.frequency_ablation_curve(*asked, draws=1)
    score = lambda one: fourier.accuracy(fourier.logits_table(one))  # noqa: E731
    assert fourier.frequency_ablation_curve(*asked, draws=1, score=score) == rows


# --------------------------------------------------------------------------- when it may be read
STEPS = np.arange(0, 3001, 100)


def made_up(solved=1000, moving=1600, changing=1600, steps=STEPS):
    """Solved from one step on, M1 moving .02 a step until another, a key lost at a third."""
    unseen = np.where(solved <= steps, 1.0, 0.1)
    fve = 0.9 - 0.02 * np.maximum(moving - steps, 0) / 100
    keys = tuple(frozenset({1, 2} if step < changing else {1}) for step in steps)
    return Course(steps, unseen, unseen, fve, keys)


@pytest.mark.parametrize(
    "course, solved, settled",
    [
        (made_up(), 1000, 2200),
        (made_up(moving=0, changing=0), 1000, 2000),
        (made_up(solved=500, moving=0, changing=0), 500, 1000),
        (made_up(solved=200, moving=0, changing=0), 200, 600),
        (made_up(changing=2000), 1000, 2600),
        (made_up(moving=2000, changing=0), 1000, 2600),
        (made_up(moving=2900), 1000, None),
        (made_up(solved=1600), 1600, None),
        (made_up(solved=9000), None, None),
        (made_up(moving=0, changing=0, steps=STEPS[::6]), 1200, None),  # nothing to look back on
    ],
)
def test_the_rule_of_reading(course, solved, settled):
    assert (course.solved, course.settled) == (solved, settled)


def test_a_course_measures_the_networks_that_it_is_given():
    pairs = np.argwhere(np.ones((P, P)))
    pairs = np.random.default_rng(0).permutation(pairs)
    seen, unseen = pairs[::2], pairs[1::2]
    good, bad = planted(), replace(planted(), W_out=-planted().W_out)
    course = fourier.course({0: bad, 600: good, 1300: good}, seen, unseen)
    assert course.unseen.tolist() == [0, 1, 1] and course.seen.tolist() == [0, 1, 1]
    assert course.keys == (frozenset(KEYS),) * 3 and course.solved == 600
    fve = fourier.logit_model(fourier.logits_table(good), KEYS).fve
    assert np.isnan(course.fve[0]) and course.fve[1:] == pytest.approx([fve, fve])
    rows = fourier.progress({0: bad, 600: good}, seen, unseen, KEYS, (1, 2, 4))
    assert rows["keys alone"].tolist() == [0, 1] and rows["random alone"].max() < 0.2
    assert rows["unseen"].tolist() == [0, 1] and rows["step"].tolist() == [0, 600]
    assert rows["excluded loss"][1] > fourier.cross_entropy(fourier.logits_table(good), seen)
    assert rows["norm"] == pytest.approx(fourier.weight_norm(good)[0])


SILENT = RNN(np.zeros((2, 5)), np.eye(2), np.zeros((5, 2)), activation="relu")


test_messages = messages(
    (lambda: fourier.unit_waves(fourier.tables(SILENT)), "no unit carries a wave"),
    (fourier.distance_irrelevance, np.zeros((5, 5, 5)), "always the same"),
    (fourier.least_rank, SILENT, "the whole network has accuracy 0.2, below level"),
    (
        lambda: fourier.frequency_ablation_curve(planted(), KEYS, "hidden", score=len),
        "where, beside a score, must be one of 'input'",
    ),
)
