"""What one network does as a dynamical system: its map, the linearised map, and fixed points;
`schurkit.analyses.trajectories` follows it over time.

A network at a constant input x is a map F of its state (h in the rate form, v in the voltage
form), `schurkit.RNN.step`, with the derivative `schurkit.RNN.jacobian`::

    rate:     DF = diag(1 − a) + diag(a φ′) W_rec
    voltage:  DF = diag(D) + diag(a) W_rec diag(φ′)

Everything is computed in float64. The derivative of relu at 0 is taken as 0, as in the engines.
Sources: D. Sussillo and O. Barak, Neural Computation 25 (2013) 626 (fixed and slow points as minima
of the speed q) · J. Fan and Y. Yuan, Computing 74 (2005) 23 (Levenberg–Marquardt with damping ∝
‖F(h) − h‖ stays quadratic where fixed points are not isolated).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from schurkit import random
from schurkit.checks import InputError, integer, number, one_network, read_only, real_array
from schurkit.engine import rollout
from schurkit.rnn import RNN, Trials


class StateMap:
    """One network at given inputs as a map of states, in float64."""

    def __init__(self, rnn: RNN, x, function: str, *, constant: bool = False):
        one_network(rnn, function)
        x = np.zeros(rnn.input_size) if x is None else real_array(x, "x", dtype=np.float64)
        if x.ndim not in (1, 2) or x.shape[-1] != rnn.input_size:
            raise InputError(
                f"{function} needs x of shape ({rnn.input_size},) or (points, {rnn.input_size}); "
                f"got {x.shape}."
            )
        if constant and x.ndim != 1:
            raise InputError(
                f"{function} needs one constant x of shape ({rnn.input_size},); got {x.shape}."
            )
        self.x, self.rnn, self.hidden = x, rnn.astype("float64"), rnn.hidden_size
        self.drive = self.rnn.drive(np.atleast_2d(x)[None])

    def __call__(self, states):
        return self.rnn.step(states[None], self.drive)[0]

    def jacobian(self, states):
        return self.rnn.jacobian(states[None], self.drive)[0]

    def states(self, states, name: str):
        states = real_array(states, name, ("points", "hidden"), dtype=np.float64)
        if states.shape[1] != self.hidden:
            raise InputError(f"{name} must have shape (points, {self.hidden}); got {states.shape}.")
        if self.x.ndim == 2 and len(self.x) != len(states):
            raise InputError(
                f"x must be one input, or one for each of the {len(states)} states; got "
                f"{len(self.x)}."
            )
        return states


def jacobian(rnn: RNN, states, x=None) -> np.ndarray:
    """DF at given states, (points, hidden, hidden), float64; entry (i, j) is ∂F_i/∂state_j
    (equations in the module's text).

    Parameters
    ----------
    rnn : a stack of one.
    states : (points, hidden), h (rate form) or v (voltage form).
    x : (input,), the same for all, or (points, input); zero when left out.

    Raises
    ------
    InputError : more than one network, or shapes that do not fit.

    Examples
    --------
    >>> rnn = RNN([[1.0]], [[2.0]], [[1.0]], activation="relu", leak=0.5)
    >>> jacobian(rnn, [[1.0], [-1.0]]).tolist()
    [[[1.5]], [[0.5]]]
    """
    net = StateMap(rnn, x, "jacobian")
    return net.jacobian(net.states(states, "states"))


# ------------------------------------------------------------------------------------ fixed points
@dataclass(frozen=True, eq=False, repr=False)
class FixedPoints:
    """Fixed (and, if asked for, slow) points of one network at one input; made by `fixed_points`.

    points : (points, hidden), those that most starts reached first.
    speeds : (points,) q = ½‖F(h) − h‖².
    fixed : (points,) booleans, q ≤ tolerance; false for slow points.
    eigenvalues : (points, hidden) complex, of DF, by nonincreasing modulus.
    stable : (points,) booleans, largest modulus < 1.
    starts : (points,) how many starts ended there.
    ended : (all starts,) index of the point where each start ended, −1 for none.
    """

    points: np.ndarray
    speeds: np.ndarray
    fixed: np.ndarray
    eigenvalues: np.ndarray
    stable: np.ndarray
    starts: np.ndarray
    ended: np.ndarray

    def __len__(self) -> int:
        return len(self.points)

    def __repr__(self) -> str:
        slow = f", {int((~self.fixed).sum())} of them slow" if not self.fixed.all() else ""
        return (
            f"FixedPoints({len(self)} points, {int(self.stable.sum())} stable{slow}; "
            f"{len(self.ended)} starts, {self.not_converged} not converged)"
        )

    @property
    def not_converged(self) -> int:
        """Number of starts that ended at no point that is kept."""
        return int((self.ended < 0).sum())


def visited_states(rnn: RNN, trials: Trials, count: int = 256, seed: int = 0) -> np.ndarray:
    """Random states that a network visits on trials, (count, hidden), float64, without repetition:
    starts for `fixed_points`.

    Parameters
    ----------
    rnn : a stack of one.
    trials : shared trials; every time step may be drawn.
    count : at most trials · time.
    seed : of the draw.
    """
    one_network(rnn, "visited_states")
    states = rollout(rnn, trials, states=True, dtype="float64").states[0]
    states = states.reshape(-1, rnn.hidden_size)
    count = integer(count, "count", at_least=1, at_most=len(states))
    return states[np.sort(random.permutation(seed, "visited states", 0, len(states))[:count])]


def fixed_points(
    rnn: RNN,
    x=None,
    starts=None,
    *,
    tolerance: float = 1e-20,
    merge: float = 1e-3,
    slow_speed: float | None = None,
    max_iterations: int = 200,
) -> FixedPoints:
    """Fixed points F(h) = h of one network at a constant input, from many starts at once.

    Levenberg–Marquardt on q = ½‖F(h) − h‖² with damping proportional to ‖F(h) − h‖, all starts in
    one batch; starts that end in a minimum of q other than 0 try again by Newton's method. Unstable
    points are found as well as stable ones, and a start need not end where the network would go; on
    a line attractor (DF has the eigenvalue 1) each start ends at a nearby point of the line.

    Parameters
    ----------
    rnn : a stack of one.
    x : (input,), zero when left out.
    starts : (starts, hidden), best states that the network visits (`visited_states`). Points that
        no start leads to are not found.
    tolerance : largest speed q of a fixed point, in squared units of the states.
    merge : ends closer than merge × (root mean square norm of the starts; 1 if that is 0) are one
        point, the end of the first such start. A continuum of fixed points is thus sampled at that
        distance or coarser.
    slow_speed : also keep ends with q up to this, as slow points; none when left out.
    max_iterations : of each of the two solvers. The first gives a start up when q has not fallen by
        1 % in 20 iterations.

    Returns
    -------
    FixedPoints, possibly without any point.

    Raises
    ------
    InputError : more than one network, no starts, or shapes that do not fit.

    Examples
    --------
    >>> rnn = RNN([[0.0]], [[2.0]], [[1.0]])
    >>> found = fixed_points(rnn, starts=[[-1.0], [0.1], [0.9], [1.0]])
    >>> found
    FixedPoints(3 points, 2 stable; 4 starts, 0 not converged)
    >>> found.points[0].round(4).tolist(), found.starts.tolist()
    ([0.9575], [2, 1, 1])

    Source: see the module's text.
    """
    if starts is None:
        raise InputError(
            "fixed_points needs starts of shape (starts, hidden), e.g. visited_states(rnn, trials)."
        )
    net = StateMap(rnn, x, "fixed_points", constant=True)
    starts = net.states(starts, "starts")
    if not len(starts):
        raise InputError("fixed_points needs at least one start; got none.")
    largest = number(tolerance, "tolerance", above=0)
    if slow_speed is not None:
        largest = number(slow_speed, "slow_speed", at_least=tolerance)
    size = float(np.sqrt(np.square(starts).sum(axis=1).mean())) or 1.0
    distance = number(merge, "merge", at_least=0) * size
    most = integer(max_iterations, "max_iterations", at_least=1)
    with np.errstate(over="ignore", invalid="ignore"):
        ends, speeds = _solve(net, starts, tolerance, most)
    first, ended = _distinct(ends, speeds <= largest, distance)
    points, speeds = ends[first], speeds[first]
    eigenvalues = by_modulus(np.linalg.eigvals(net.jacobian(points)))
    stable = (np.abs(eigenvalues) < 1).all(axis=1)
    counts = np.bincount(ended[ended >= 0], minlength=len(first))
    arrays = points, speeds, speeds <= tolerance, eigenvalues, stable, counts, ended
    return FixedPoints(*map(read_only, arrays))


def by_modulus(eigenvalues) -> np.ndarray:
    """Complex eigenvalues (…, hidden) by nonincreasing modulus."""
    values = np.asarray(eigenvalues, dtype=complex)
    order = np.argsort(-np.abs(values), axis=-1, kind="stable")
    return np.take_along_axis(values, order, axis=-1)


def _speeds(residuals):
    """q = ½‖F(h) − h‖² of each point."""
    return 0.5 * np.square(residuals).sum(axis=1)


def _solve(net, starts, tolerance, max_iterations):
    """Where each start ends, and q there: Levenberg–Marquardt, then for those given up on Newton's
    method from the start, downhill or not.
    """
    ends, speeds = _descend(net, starts, tolerance, max_iterations)
    stuck = np.flatnonzero(speeds > tolerance)
    points, reach = starts[stuck], 1 + np.linalg.norm(starts, axis=1).max()
    for _ in range(max_iterations if stuck.size else 0):
        residuals = net(points) - points
        now = _speeds(residuals)
        done = now <= tolerance
        ends[stuck[done]], speeds[stuck[done]] = points[done], now[done]
        points, residuals, stuck = points[~done], residuals[~done], stuck[~done]
        if not stuck.size:
            break
        move = _step_towards(net, points, residuals, np.zeros(len(points)))[0]
        length = np.maximum(np.linalg.norm(move, axis=1), 1e-300)
        points = points + move * np.minimum(1.0, reach / length)[:, None]
    return ends, speeds


def _step_towards(net, points, residuals, damping):
    """The damped Gauss–Newton step of each point, and q that the linearised map promises
    after it.
    """
    A = net.jacobian(points)
    np.einsum("nii->ni", A)[...] -= 1.0
    gram = A.transpose(0, 2, 1) @ A
    diagonal = np.einsum("nii->ni", gram)
    # The floor keeps the matrix regular where DF has the eigenvalue 1 and the residual is almost
    # gone.
    diagonal[...] += (damping + 1e-14 * (1 + diagonal.sum(axis=1)))[:, None]
    move = np.linalg.solve(gram, -(A.transpose(0, 2, 1) @ residuals[..., None]))
    return move[..., 0], _speeds(residuals + (A @ move)[..., 0])


def _descend(net, starts, tolerance, max_iterations):
    """Where Levenberg–Marquardt on q ends from each start, and q there."""
    points, residuals = starts.copy(), net(starts) - starts
    speeds = _speeds(residuals)
    damping, mark = np.full(len(starts), 1e-2), speeds.copy()
    active = speeds > tolerance
    for iteration in range(1, max_iterations + 1):
        run = np.flatnonzero(active)
        if not run.size:
            break
        damped = damping[run] * np.sqrt(2 * speeds[run])
        move, promised = _step_towards(net, points[run], residuals[run], damped)
        moved = points[run] + move
        new = net(moved) - moved
        fall, promised = speeds[run] - _speeds(new), speeds[run] - promised
        ratio = np.divide(fall, promised, out=np.zeros_like(promised), where=promised > 0)
        better = ratio > 1e-4
        went = run[better]
        points[went], residuals[went] = moved[better], new[better]
        speeds[went] = _speeds(new[better])
        factor = np.select([ratio > 0.75, ratio < 0.25], [0.2, 4.0], 1.0)
        damping[run] = np.clip(damping[run] * factor, 1e-10, 1e10)
        active[run] = speeds[run] > tolerance
        if iteration % 20 == 0:
            active &= speeds < 0.99 * mark
            mark = speeds.copy()
    return points, speeds


def _distinct(ends, kept, distance):
    """Index of the start that stands for each point (most starts first), and the point at which
    each start ended (−1 for none).
    """
    first, ended = [], np.full(len(ends), -1)
    for i in np.flatnonzero(kept):
        gaps = np.linalg.norm(ends[first] - ends[i], axis=1) if first else np.empty(0)
        nearest = int(gaps.argmin()) if first else 0
        if not first or gaps[nearest] > distance:
            nearest = len(first)
            first.append(i)
        ended[i] = nearest
    order = np.argsort(-np.bincount(ended[ended >= 0], minlength=len(first)), kind="stable")
    place = np.append(np.argsort(order), -1)
    return np.array(first, dtype=int)[order], place[ended]
