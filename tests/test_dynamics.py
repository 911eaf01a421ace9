"""Fixed points and the map of networks whose dynamics are known beforehand."""

import itertools

import numpy as np
import pytest
from helpers import apart, gauss, messages, network, random_rnn, random_trials
from scipy.optimize import brentq

from schurkit import rollout
from schurkit.analyses.dynamics import fixed_points, jacobian, visited_states

ONE, TWO = np.zeros((1, 7)), random_rnn(2)


# ------------------------------------------------------------------------------------------ the map
def test_the_jacobian_at_one_input_or_at_one_for_each_state():
    """`RNN.jacobian` has its test beside the engines."""
    rnn, states, x = random_rnn(1), gauss(5, 7), gauss(5, 2, seed=1)
    for given, every in ((x, x), (x[0], np.repeat(x[:1], 5, axis=0))):
        slopes = rnn.jacobian(states[None], rnn.drive(every[None]))[0]
        assert jacobian(rnn, states, given) == pytest.approx(slopes, abs=1e-13)


test_messages = messages(
    (lambda: jacobian(TWO, ONE), r"jacobian needs one network .*; got 2. Take rnn\[i\]."),
    (
        lambda: jacobian(TWO[0], ONE, np.zeros(3)),
        r"jacobian needs x of shape \(2,\) or \(points, 2\); got \(3,\).",
    ),
    (
        lambda: jacobian(TWO[0], ONE[:, 1:]),
        r"states must have shape \(points, 7\); got \(1, 6\)",
    ),
    (
        lambda: jacobian(TWO[0], np.zeros((4, 7)), np.zeros((3, 2))),
        "x must be one input, or one for each of the 4 states; got 3.",
    ),
    (
        lambda: fixed_points(TWO[0], [0.0, 0.0]),
        r"needs starts of shape \(starts, hidden\), e.g. visited_states\(rnn, trials\).",
    ),
    (
        lambda: fixed_points(TWO[0], np.zeros((4, 2)), ONE),
        r"needs one constant x of shape \(2,\); got \(4, 2\).",
    ),
    (lambda: fixed_points(TWO[0], None, ONE[:0]), "needs at least one start; got none."),
    (
        lambda: fixed_points(TWO[0], None, ONE, slow_speed=0.0),
        "slow_speed must be at least 1e-20; got 0",
    ),
    (lambda: fixed_points(TWO[0], None, ONE, tolerance=0), "tolerance must be above 0"),
    (
        lambda: visited_states(TWO[0], random_trials(), 49),
        "count must be between 1 and 48; got 49.",
    ),
    (lambda: visited_states(TWO, random_trials()), "visited_states needs one network"),
)


# ------------------------------------------------------------------------------------- fixed points
@pytest.mark.parametrize("form, leak", itertools.product(["rate", "voltage"], [1.0, 0.2]))
def test_two_units_have_their_nine_known_fixed_points(form, leak):
    """W = a I: each unit sits at 0 or ±h* with h* = tanh(a h*); stable only where no unit sits at
    0.
    """
    a = 1.8
    star = brentq(lambda h: np.tanh(a * h) - h, 0.1, 1)
    star = star if form == "rate" else a * star  # v = a φ(v)
    starts = np.random.default_rng(0).uniform(-1.2, 1.2, size=(300, 2)) * (star / 0.9)
    found = fixed_points(network(a * np.eye(2), form=form, leak=leak), starts=starts)
    expected = set(itertools.product((-1, 0, 1), repeat=2))
    places = np.rint(found.points / star)
    assert set(map(tuple, places)) == expected and len(found) == 9
    assert apart(found.points / star, places) < 1e-8
    assert (found.stable == places.all(axis=1)).all()
    assert found.starts.sum() == 300 and found.not_converged == 0 and found.fixed.all()
    assert (np.diff(found.starts) <= 0).all()
    origin = np.abs(found.points).max(axis=1).argmin()
    assert np.allclose(found.eigenvalues[origin], 1 - leak + leak * a)


def test_an_input_moves_the_fixed_point():
    rnn = network([[0.5]], W_in=[[1.0]], b_rec=[0.25], activation="relu")
    found = fixed_points(rnn, [0.75], [[0.0], [5.0]])
    assert found.points == pytest.approx(2, abs=1e-9) and found.starts.tolist() == [2]
    assert found.eigenvalues[0, 0] == 0.5 and found.ended.tolist() == [0, 0]
    below = fixed_points(rnn, [-3.0], [[0.0], [5.0]])
    assert below.points.tolist() == [[0.0]] and below.eigenvalues[0, 0] == 0


def test_stable_means_modulus_not_real_part():
    for W_rec in ([[-1.5]], [[0.0, -1.2], [1.2, 0.0]], [[0.0, -0.9], [0.9, 0.0]]):
        found = fixed_points(network(W_rec), starts=0.1 * np.ones((1, len(W_rec))))
        values = np.linalg.eigvals(W_rec)
        assert found.points == pytest.approx(0, abs=1e-9)
        assert found.stable.tolist() == [abs(values[0]) < 1]
        assert np.sort_complex(found.eigenvalues[0]) == pytest.approx(np.sort_complex(values))


@pytest.mark.parametrize("form", ["rate", "voltage"])
def test_a_line_attractor_does_not_blow_up(form):
    """In the positive quadrant relu is linear: W has the eigenvalue exactly 1 along (1, 1), and ½
    across.
    """
    rnn = network([[0.75, 0.25], [0.25, 0.75]], activation="relu", form=form)
    starts = np.random.default_rng(0).uniform(1, 3, size=(100, 2))
    found = fixed_points(rnn, starts=starts, merge=0.05)
    assert found.not_converged == 0 and found.fixed.all()
    assert apart(*found.points.T) < 1e-8
    # each stays within the span of the starts
    assert found.points.min() > 1 - 1e-9 and found.points.max() < 3 + 1e-9
    assert np.abs(found.points[found.ended].mean(axis=1) - starts.mean(axis=1)).max() < 0.2
    assert not found.stable[np.abs(found.eigenvalues[:, 0]) >= 1].any()


def test_ends_are_merged_at_the_stated_distance():
    rnn = network(1.8 * np.eye(1))
    starts = np.linspace(-1, 1, 50)[:, None]
    few, all_in_one = fixed_points(rnn, starts=starts), fixed_points(rnn, starts=starts, merge=10.0)
    assert len(few) == 3 and len(all_in_one) == 1 and all_in_one.starts.tolist() == [50]
    again = fixed_points(rnn, starts=starts[::-1])
    assert apart(np.sort(few.points, axis=0), np.sort(again.points, axis=0)) < 1e-9


def test_slow_points_are_kept_only_on_request():
    """A unit just past its saddle-node bifurcation: no fixed point, a minimum of q = ½ (relu(h) + ε
    − h)² = ½ ε² on the way.
    """
    rnn = network([[1.0]], activation="relu", b_rec=[1e-3])
    starts = [[0.5], [1.0], [1.0001]]
    none = fixed_points(rnn, starts=starts)
    assert (len(none), none.not_converged) == (0, 3)
    slow = fixed_points(rnn, starts=starts, slow_speed=1e-6)
    assert not slow.fixed.any() and np.allclose(slow.speeds, 5e-7) and slow.not_converged == 0
    assert (
        repr(slow) == "FixedPoints(2 points, 0 stable, 2 of them slow; 3 starts, 0 not converged)"
    )
    assert len(fixed_points(rnn, starts=starts, slow_speed=1e-7)) == 0


def test_a_network_without_reachable_fixed_points_says_so():
    # h = 2 h + 1 only at −1, where relu is not linear
    rnn = network([[2.0]], activation="relu", b_rec=[1.0])
    found = fixed_points(rnn, starts=[[0.5], [3.0], [1e100]])
    assert (found.not_converged, found.points.shape) == (3, (0, 1))
    assert found.ended.tolist() == [-1, -1, -1]


def test_found_points_are_fixed():
    W = gauss(32, 32, seed=5) * 2.5 / np.sqrt(32)
    rnn = network(W, W_in=gauss(32, 2), b_rec=0.1 * gauss(32, seed=1), leak=0.5)
    x = np.array([0.4, -0.2])
    found = fixed_points(rnn, x, np.tanh(gauss(64, 32)))
    assert len(found) > 3
    after = rnn.step(found.points[None], rnn.drive(x[None, None]))[0]
    assert apart(after, found.points) < 2e-10 and (found.speeds <= 1e-20).all()
    expected = np.linalg.eigvals(jacobian(rnn, found.points, x))
    assert np.allclose(np.sort(np.abs(expected), axis=1)[:, ::-1], np.abs(found.eigenvalues))


def test_visited_states_are_visited():
    rnn = random_rnn(1, dtype=np.float32)
    trials = random_trials()
    every = rollout(rnn, trials, states=True, dtype="float64").states[0].reshape(-1, 7)
    drawn = visited_states(rnn, trials, 20, seed=3)
    assert drawn.shape == (20, 7) and len(np.unique(drawn, axis=0)) == 20
    assert all((every == state).all(axis=1).any() for state in drawn)
    assert not np.array_equal(drawn, visited_states(rnn, trials, 20, seed=4))
