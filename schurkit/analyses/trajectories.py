"""One network over time: the limit cycle that it settles on at a constant input.

Everything is computed in float64, with the map of states of `schurkit.analyses.dynamics`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from schurkit.checks import integer, number, read_only, real_array
from schurkit.rnn import RNN

from .dynamics import StateMap

_EXPLAINED = 0.99


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
    """

    period: float | None
    undefined: str
    amplitude: float
    states: np.ndarray
    explained: float | None = None
    drift: float | None = None
    converged: bool = False

    def __repr__(self) -> str:
        if self.period is None:
            return f"LimitCycle(no period: {self.undefined})"
        return (
            f"LimitCycle(period {self.period:.6g}, amplitude {self.amplitude:.3g}, "
            f"{'converged' if self.converged else 'not converged'})"
        )


def limit_cycle(
    rnn: RNN, x=None, start=None, *, settle: int = 2000, steps: int = 4096, tolerance: float = 1e-3
) -> LimitCycle:
    """The cycle that one network settles on at a constant input: period, amplitude.

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
    >>> round(cycle.period, 6), cycle.converged
    (4.0, True)
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
    return LimitCycle(period, "", amplitude, states, explained, drift, converged)


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
