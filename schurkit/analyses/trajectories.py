"""One network over time: the limit cycle that it settles on at a constant input.

Everything is computed in float64, with the map of states of `schurkit.analyses.dynamics`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from schurkit.checks import integer, number, read_only, real_array
from schurkit.rnn import RNN

from .dynamics import StateMap, by_modulus

_LOCKED = 1e-6
_EXPLAINED = 0.99
_PERIODS = 8


@dataclass(frozen=True, eq=False, repr=False)
class LimitCycle:
    """Where one network goes at a constant input, read as a cycle; made by `limit_cycle`.

    period : in steps, not a whole number in general (1 / rotation number); None where undefined,
        with the reason in `undefined`.
    amplitude : root mean square distance from the mean state, in units of the states.
    states : (recorded steps, hidden) what was recorded after settling.
    explained : share of the variance that the phase t/period explains, 1 − half the mean square
        difference of neighbours in phase over the variance: near 1 for a cycle, less on a torus,
        about 0 in chaos.
    drift : relative change of the amplitude between the two halves of the record.
    converged : drift ≤ tolerance and explained ≥ .99.
    return_steps : whole steps after which the state is nearly back, near 1 … 8 periods;
    return_error : distance then, in amplitudes.
    multipliers : (hidden,) complex, of the product of Jacobians over return_steps, by nonincreasing
        modulus.
    contraction : factor per period by which perturbations shrink, from the multipliers: of the
        largest one if the cycle is locked to the steps (return_error ≤ 1e-6), else of the largest
        but the one nearest to 1, which belongs to the direction along the cycle. The return is then
        not exact, so that this is an approximation, of the order of return_error. None where
        undefined.
    """

    period: float | None
    undefined: str
    amplitude: float
    states: np.ndarray
    explained: float | None = None
    drift: float | None = None
    converged: bool = False
    return_steps: int | None = None
    return_error: float | None = None
    multipliers: np.ndarray | None = None
    contraction: float | None = None

    def __repr__(self) -> str:
        if self.period is None:
            return f"LimitCycle(no period: {self.undefined})"
        return (
            f"LimitCycle(period {self.period:.6g}, amplitude {self.amplitude:.3g}, "
            f"{'converged' if self.converged else 'not converged'})"
        )

    @property
    def points(self) -> np.ndarray | None:
        """(⌈period⌉, hidden) successive states that go round once; None without a period."""
        return None if self.period is None else self.states[: int(np.ceil(self.period - 1e-6))]

    @property
    def phases(self) -> np.ndarray | None:
        """(recorded steps,) phase of each recorded state, in [0, 1); sorting `states` by it draws
        the closed curve. None without a period.
        """
        return None if self.period is None else np.arange(len(self.states)) / self.period % 1.0


def limit_cycle(
    rnn: RNN, x=None, start=None, *, settle: int = 2000, steps: int = 4096, tolerance: float = 1e-3
) -> LimitCycle:
    """The cycle that one network settles on at a constant input: period, amplitude, stability.

    The period is the inverse of the frequency of largest power, summed over units, refined by
    maximising the Hann-windowed Fourier transform (relative error about 1e-7 for tens of recorded
    periods). Where that does not explain the states, because a harmonic is the strongest, it is the
    first of 2 … 6 times as much that does. In discrete time frequencies above ½ fold back, so the
    period is at least 2 steps.

    Parameters
    ----------
    rnn : a stack of one.
    x : (input,), zero when left out.
    start : (hidden,), by default the network's h0.
    settle : steps that are run first and not recorded.
    steps : recorded; at least 64, and periods up to a third of them can be told.
    tolerance : on the relative drift of the amplitude.

    Returns
    -------
    LimitCycle; its period is None if the network came to rest, diverged, or moves more slowly than
    `steps` can tell.

    Raises
    ------
    InputError : more than one network, or shapes or numbers that do not fit.

    Examples
    --------
    >>> rnn = RNN([[0.0], [0.0]], [[0.0, -2.0], [2.0, 0.0]], [[1.0, 0.0]])
    >>> cycle = limit_cycle(rnn, start=[0.5, 0.1])
    >>> round(cycle.period, 6), cycle.return_steps, cycle.converged
    (4.0, 4, True)
    """
    net = StateMap(rnn, x, "limit_cycle", constant=True)
    start = rnn.h0[0] if start is None else real_array(start, "start", ("hidden",))
    state = net.states(np.asarray(start)[None], "start")
    settle, steps = integer(settle, "settle", at_least=0), integer(steps, "steps", at_least=64)
    tolerance = number(tolerance, "tolerance", above=0)
    states = np.empty((steps, net.hidden))
    with np.errstate(over="ignore", invalid="ignore"):
        for t in range(-settle, steps):
            state = net(state)
            if t >= 0:
                states[t] = state[0]
    states = read_only(states)
    if not np.abs(states).max() < 1e100:  # also false for NaN
        return LimitCycle(None, "the network diverged", float("inf"), states)
    centred = states - states.mean(axis=0)
    amplitude = float(np.sqrt(np.square(centred).sum(axis=1).mean()))
    if amplitude <= 1e-7 * (1 + np.linalg.norm(states, axis=1).max()):
        return LimitCycle(None, "the network came to rest", amplitude, states)
    frequency, explained = _fundamental(centred)
    if frequency * steps < 3:
        slow = f"one cycle takes more than a third of the {steps} recorded steps"
        return LimitCycle(None, slow, amplitude, states)
    period, drift = 1 / frequency, _drift(states)
    converged = drift <= tolerance and explained >= _EXPLAINED
    returns = _returns(net, states, amplitude, period)
    return LimitCycle(period, "", amplitude, states, explained, drift, converged, *returns)


def _fundamental(centred):
    """Frequency of the cycle in 1/steps, and the share of the variance that it explains."""
    from scipy.optimize import minimize_scalar

    steps = len(centred)
    windowed = centred * np.hanning(steps + 1)[:steps, None]
    power = np.square(np.abs(np.fft.rfft(windowed, axis=0))).sum(axis=1)
    power[0] = 0.0
    peak, time = int(power.argmax()), np.arange(steps)

    def loss(frequency):
        wave = np.exp(-2j * np.pi * frequency * time)
        return -np.square(np.abs(wave @ windowed)).sum() / power[peak]

    bounds = ((peak - 1) / steps, min((peak + 1) / steps, 0.5))
    # The power is symmetric about ½, so its maximum is looked for on one side only.
    if 2 * peak >= steps - 1 and loss(0.5) <= loss(bounds[0]):
        strongest = 0.5
    else:
        found = minimize_scalar(loss, bounds=bounds, method="bounded", options={"xatol": 1e-13})
        strongest = float(found.x)
    candidates = [
        strongest / divisor for divisor in range(1, 7) if strongest / divisor * steps >= 3
    ]
    shares = [(frequency, _explained(centred, frequency)) for frequency in candidates]
    good = (pair for pair in shares if pair[1] >= _EXPLAINED)
    return next(good, shares[0] if shares else (strongest, 0.0))


def _explained(centred, frequency):
    """Share of the variance that the phase explains: neighbours in phase (not in time) differ by
    the rest.
    """
    by_phase = centred[np.argsort(np.arange(len(centred)) * frequency % 1.0, kind="stable")]
    return float(1 - 0.5 * np.square(np.diff(by_phase, axis=0)).sum() / np.square(centred).sum())


def _drift(states):
    """Relative change of the Hann-weighted amplitude from the first to the second half of the
    record.
    """
    half = len(states) // 2
    weight = np.hanning(half + 2)[1:-1, None] / np.hanning(half + 2).sum()
    first, second = (
        np.sqrt((weight * np.square(part - (weight * part).sum(axis=0))).sum())
        for part in (states[:half], states[-half:])
    )
    return float(abs(second / first - 1)) if first > 0 else float("inf")


def _returns(net, states, amplitude, period):
    """return_steps, return_error, multipliers and contraction of `LimitCycle`."""
    times = np.rint(period * np.arange(1, _PERIODS + 1)).astype(int)
    times = times[times < len(states)]
    errors = np.linalg.norm(states[times] - states[0], axis=1) / amplitude
    locked = errors <= _LOCKED
    best = int(locked.argmax()) if locked.any() else int(errors.argmin())
    product = np.eye(net.hidden)
    for state in states[: times[best]]:
        product = net.jacobian(state[None])[0] @ product
    across = multipliers = by_modulus(np.linalg.eigvals(product))
    if not locked.any():
        across = np.delete(multipliers, np.abs(multipliers - 1).argmin())
    contraction = float(np.abs(across).max() ** (period / times[best])) if len(across) else None
    return int(times[best]), float(errors[best]), read_only(multipliers), contraction
