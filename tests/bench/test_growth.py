"""Growth curves, the law fitted to them, and the time of a study: on times that are made up, never
on a clock's.
"""

import numpy as np
import pytest

from schurkit.words import duration
from schurkit_press.bench import Law, growth, seconds_a_rollout, study, training_points

TRUE = (0.01, 2e-6, 3e-6, 2e-7, 2e-8)


def cost(hidden, time, batch):
    a, b, c, d, e = TRUE
    return a + b * hidden**2 + batch * time * (c + d * hidden + e * hidden**2)


@pytest.fixture
def points(monkeypatch):
    """``points(noise)``: those of the law `TRUE`, off by up to that in the logarithm."""
    wobble = np.random.default_rng(0)

    def made(noise=0.0):
        def seconds(hidden_size, time, batch, networks, **_):
            return cost(hidden_size, time, batch) * np.exp(noise * wobble.uniform(-1, 1)) / 1e3

        monkeypatch.setattr(growth, "seconds_a_step", seconds)
        return training_points()

    return made


def test_a_law_recovers_the_times_it_was_made_from(points):
    law = Law.fit(points())
    assert law.factor == pytest.approx(1, abs=1e-6)
    for setting in ((64, 48, 64), (100, 20, 32), (512, 200, 64)):
        assert law.milliseconds(*setting) == pytest.approx(cost(*setting), rel=1e-4)


def test_the_stated_factor_covers_the_points(points):
    noisy = points(0.2)
    law = Law.fit(noisy)
    assert 1.02 < law.factor < 2 and (Law.fit(points(0.5)).coefficients >= 0).all()
    single = noisy[noisy.networks == 1]
    ratio = law.milliseconds(single.hidden_size, single.time, single.batch) / single.milliseconds
    assert ratio.between(1 / law.factor * (1 - 1e-9), law.factor * (1 + 1e-9)).all()


def test_a_size_that_does_not_vary_leaves_no_point_at_its_end(points):
    flat = points().query("time == 48")
    flat.loc[flat.hidden_size == 32, "milliseconds"] *= 2
    law, one = Law.fit(flat), flat[flat.hidden_size == 32]
    missed = one.milliseconds / law.milliseconds(one.hidden_size, one.time, one.batch)
    assert 1.1 < float(missed.iloc[0]) < law.factor * 0.999


def test_real_points_are_positive():
    assert growth.seconds_a_step(4, 3, 2, seconds=0.01) > 0
    assert seconds_a_rollout(2) > 0


@pytest.mark.parametrize(
    ("networks", "cores", "efficiency", "seconds"),
    [(1, 8, 0.5, 2.0), (3, 2, 1.0, 4.0), (100, 2, 0.8, 125.0)],
)
def test_the_time_of_a_study(networks, cores, efficiency, seconds):
    assert study(2.0, networks, 1000, cores, efficiency=efficiency) == pytest.approx(seconds)


def test_durations_as_a_reader_says_them():
    seconds = (0.123, 9.87, 42.4, 95, 720, 9000, 90000, 450000)
    words = ["0.12 s", "9.9 s", "42 s", "1.6 min", "12 min", "2.5 h", "25 h", "5.2 days"]
    assert list(map(duration, seconds)) == words
