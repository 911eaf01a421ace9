"""Limit cycles of networks whose period and amplitude are known beforehand."""

import numpy as np
import pytest
from helpers import apart, gauss, network, random_rnn, refuses
from scipy.linalg import block_diag
from scipy.optimize import brentq
from test_schur import pair

from schurkit.analyses.trajectories import limit_cycle


def rotation(angle, gain=1.0):
    return pair(gain, -angle)


def about_five(turn):
    """relu far above its kink is linear: an exact `turn` about (5, 5, …)."""
    return network(
        turn, activation="relu", b_rec=(np.eye(len(turn)) - turn) @ np.full(len(turn), 5)
    )


def test_a_quarter_turn_with_gain_is_a_cycle_of_four_steps():
    """h* = tanh(g h*): states (±h*, ±h*)."""
    g = 1.7
    star = brentq(lambda h: np.tanh(g * h) - h, 0.1, 1)
    cycle = limit_cycle(network(rotation(np.pi / 2, g)), start=[0.3, 0.2])
    assert cycle.period == pytest.approx(4, abs=1e-7) and cycle.converged
    assert np.allclose(np.abs(cycle.states), star)
    assert cycle.amplitude == pytest.approx(np.sqrt(2) * star)
    assert repr(cycle) == f"LimitCycle(period 4, amplitude {cycle.amplitude:.3g}, converged)"


@pytest.mark.parametrize("period", [2.5, 7.3, 20.0, 61.803])
def test_the_period_need_not_be_a_whole_number(period):
    cycle = limit_cycle(about_five(rotation(2 * np.pi / period)), start=[6.0, 5.0])
    assert cycle.period == pytest.approx(period, rel=1e-6)
    assert cycle.amplitude == pytest.approx(1, rel=0.02)
    assert cycle.explained > 0.999 and cycle.converged
    angle = 2 * np.pi * np.arange(len(cycle.states)) / cycle.period
    expected = [5, 5] + np.stack([np.cos(angle), np.sin(angle)], axis=1) @ rotation(
        np.arctan2(*(cycle.states[0] - 5)[::-1])
    ).T
    assert apart(cycle.states, expected) < 0.01


@pytest.mark.parametrize("form, leak", [("voltage", 1.0), ("rate", 0.2)])
def test_the_period_is_the_inverse_rotation_number(form, leak):
    rnn = network(rotation(0.7, 1.3 if leak == 1 else 3.0), form=form, leak=leak)
    cycle = limit_cycle(rnn, start=[0.3, 0.2])
    state, angles = np.array([[0.3, 0.2]]), []
    for t in range(12000):
        state = rnn.step(state[None], rnn.drive(np.zeros((1, 1, rnn.input_size))))[0]
        if t >= 2000:
            angles.append(np.arctan2(state[0, 1], state[0, 0]))
    angles = np.unwrap(angles)
    assert cycle.period == pytest.approx(2 * np.pi * 9999 / abs(angles[-1] - angles[0]), rel=2e-4)
    assert cycle.converged and cycle.explained > 0.99


def test_a_strong_second_harmonic_does_not_halve_the_period():
    """A shift register over 6 units replays a fixed pattern, relu and linear; the pattern is a
    large period 3 wave plus a small period 6 one.
    """
    shift = np.roll(np.eye(6), 1, axis=0)
    time_ = np.arange(6)
    for small, period in ((0.3, 6), (0, 3)):
        pattern = 3 + np.cos(2 * np.pi * time_ / 3) + small * np.cos(2 * np.pi * time_ / 6)
        cycle = limit_cycle(network(shift, activation="relu"), start=pattern)
        assert cycle.period == pytest.approx(period, rel=1e-6)


def test_what_is_no_cycle_is_not_called_one():
    for gain, why in ((0.5, "the network came to rest"), (2.0, "the network diverged")):
        rnn = network([[gain]], activation="relu")
        assert limit_cycle(rnn, start=[1.0]).undefined == why
    slow, fading = (
        limit_cycle(about_five(turn), start=[6.0, 5.0])
        for turn in (rotation(2e-3), rotation(0.5, 0.9995))
    )
    assert slow.period is None
    assert "more than a third of the 4096 recorded steps" in slow.undefined
    assert repr(slow).startswith("LimitCycle(no period: one cycle takes more than a third")
    assert fading.period == pytest.approx(2 * np.pi / 0.5, rel=1e-4)
    assert not fading.converged and fading.drift > 0.1
    chaos = limit_cycle(network(gauss(100, 100) * 3 / 10), start=gauss(100, seed=1))
    assert not chaos.converged and (chaos.period is None or chaos.explained < 0.9)


def test_an_input_drives_the_cycle():
    gated = network([[-2.0]], W_in=[[10.0]])
    assert limit_cycle(gated, [0.0], [0.3]).period == pytest.approx(2)
    assert limit_cycle(gated, [1.0], [0.3]).undefined == "the network came to rest"


def test_a_torus_is_not_called_a_cycle():
    """Two rotations whose periods share no multiple."""
    turn = block_diag(*(rotation(2 * np.pi / period) for period in (7.3, 7.3 * np.sqrt(5))))
    cycle = limit_cycle(about_five(turn), start=[6.0, 5.0, 5.8, 5.0])
    assert not cycle.converged and cycle.explained < 0.9


def test_limit_cycle_messages():
    rnn = random_rnn(1)
    refuses(
        r"limit_cycle needs one constant x of shape \(2,\); got \(4, 2\).",
        limit_cycle,
        rnn,
        np.zeros((4, 2)),
    )
    refuses(r"steps must be at least 64; got 10.", limit_cycle, rnn, steps=10)
    refuses(
        r"start must have shape \(points, 7\); got \(1, 3\)", limit_cycle, rnn, start=np.zeros(3)
    )
    refuses("limit_cycle needs one network", limit_cycle, random_rnn(2))
