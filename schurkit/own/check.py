"""Is the imported network the network? Its outputs beside those of the reader's own code, and what
would explain a difference.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from schurkit.checks import InputError, number, real_array
from schurkit.rnn import RNN, Trials

from .variants import VARIANTS

TOLERANCE = 1e-4
_TRIALS, _STEPS = 32, 200  # a difference is explained on this many trials and time steps
# biases are fitted on the first steps, where they have not been folded through the network too
# often
_FIT_STEPS = 15
_FIT_HIDDEN, _FIT_HIDDEN_PAIRS = (
    256,
    64,
)  # units up to which vectors are fitted, alone and after another change
_DROP = " That is, drop the first output and target of each trial, and the last input."


@dataclass(frozen=True)
class Check:
    """What `check_against` found.

    max_deviation : largest |output − reader's output|; infinite where the network diverged.
    scale : largest |reader's output| (1 if all are 0).
    tolerance : of max_deviation / scale.
    ok : whether they agree.
    hint : one sentence on what explains the difference; None when they agree.
    """

    max_deviation: float
    scale: float
    tolerance: float
    ok: bool
    hint: str | None


def check_against(rnn: RNN, trials: Trials, outputs, *, tolerance: float = TOLERANCE) -> Check:
    """Compare a network's outputs with those that the reader's own code gave for the same trials.

    Parameters
    ----------
    rnn : a network or a stack.
    trials : trials of (trials, time, input), shared by all networks; all time steps are compared,
        masked or not.
    outputs : (trials, time, output) of a stack of one, or (networks, trials, time, output).
    tolerance : largest deviation that counts as agreement, relative to the largest reader's output.

    Returns
    -------
    Check. Where the outputs disagree, the hint names a transposed matrix, another activation, leak
    or form, a bias or h0 that is missing or not used, inputs that enter outside the nonlinearity, a
    readout of voltages where rates are read here or the other way round, outputs one step early or
    late, or two of these at once, if that explains the difference.

    Raises
    ------
    InputError : shapes that disagree, or outputs that are not finite real numbers.

    Examples
    --------
    >>> import numpy as np
    >>> from schurkit import RNN, Trials, rollout
    >>> rnn = RNN(np.ones((3, 1)), np.triu(np.ones((3, 3))) / 3, np.eye(1, 3))
    >>> inputs = np.random.default_rng(0).normal(size=(4, 6, 1))
    >>> outputs = rollout(rnn, inputs).outputs
    >>> trials = Trials(inputs, outputs[0])
    >>> check_against(rnn, trials, outputs).ok
    True
    >>> check_against(rnn.with_W_rec(rnn.W_rec[0].T), trials, outputs).hint.partition(":")[0]
    'It looks as if W_rec were transposed'
    """
    tolerance = number(tolerance, "tolerance", above=0)
    outputs = real_array(outputs, "outputs", dtype=np.float64)
    check_fit(rnn, trials)
    outputs = outputs[None] if outputs.ndim == 3 else outputs
    expected = (len(rnn), *trials.targets.shape)
    if outputs.shape != expected:
        one = f"{expected[1:]} or " if len(rnn) == 1 else ""
        raise InputError(
            f"outputs must have shape {one}{expected} to fit the network and the targets; got "
            f"{outputs.shape}."
        )
    rnn = rnn.astype("float64")
    off = [
        _largest(_run(one, trials.inputs, outputs.shape[2])[0], own)
        for one, own in zip(rnn, outputs)
    ]
    scale = float(np.abs(outputs).max()) or 1.0
    worst = int(np.argmax(off))
    ok = bool(off[worst] <= tolerance * scale)
    hint = None if ok else _explain(rnn[worst], trials.inputs, outputs[worst], tolerance * scale)
    return Check(float(off[worst]), scale, tolerance, ok, hint)


def check_fit(rnn: RNN, trials: Trials) -> None:
    """Raise InputError unless the trials are shared by all networks and have the network's inputs
    and outputs.
    """
    if trials.networks is not None:
        raise InputError(
            "trials must be shared by all networks, with axes (trials, time, …); got trials with "
            "a networks axis."
        )
    for word, size, width in (
        ("input", rnn.input_size, trials.inputs.shape[-1]),
        ("output", rnn.output_size, trials.targets.shape[-1]),
    ):
        if size != width:
            raise InputError(
                f"the network has {word} size {size}, and the trials have {word} size {width}: "
                "they do not belong together."
            )


def _run(rnn: RNN, inputs, steps: int) -> np.ndarray:
    from schurkit.engine import rollout

    return rollout(rnn, inputs, autonomous=steps - inputs.shape[-2]).outputs


def _largest(ours, own) -> float:
    with np.errstate(invalid="ignore", over="ignore"):
        off = np.abs(ours - own).max()
    return float(off) if np.isfinite(off) else np.inf


# ------------------------------------------------------------------------------------ explanations
@dataclass(frozen=True, eq=False)
class _Change:
    """One thing that may be wrong: its kind, in words, what to do about it, and the network without
    it.
    """

    kind: str
    what: str
    remedy: str
    rnn: RNN


class _Case:
    """The trials on which a difference is explained: those that deviate most, without the late
    steps of long ones.
    """

    def __init__(self, rnn: RNN, inputs, outputs):
        steps = outputs.shape[1]
        with np.errstate(invalid="ignore", over="ignore"):
            off = np.nan_to_num(
                np.abs(_run(rnn, inputs, steps)[0] - outputs).max(axis=(1, 2)), nan=np.inf
            )
        worst = np.sort(np.argsort(-off, kind="stable")[:_TRIALS])
        self.outputs = outputs[worst, :_STEPS]
        self.inputs = inputs[worst, :_STEPS]
        self.steps = self.outputs.shape[1]

    def run(self, rnn: RNN, steps: int | None = None) -> np.ndarray:
        steps = self.steps if steps is None else min(steps, self.steps)
        return _run(rnn, self.inputs[:, :steps], steps)

    def off(self, rnn: RNN) -> float:
        return _largest(self.run(rnn)[0], self.outputs)

    def late(self) -> _Case:
        """The same trials for outputs that show the state before each step: the first output and
        the last input are dropped.
        """
        late = object.__new__(_Case)
        late.inputs, late.outputs = self.inputs[:, : self.steps - 1], self.outputs[:, 1:]
        late.steps = self.steps - 1
        return late


def _explain(rnn: RNN, inputs, outputs, goal: float) -> str:
    """What brings the outputs within the goal: one change, another equation, a shift, two changes,
    a change and a shift; else what helps most.
    """
    case = _Case(rnn, inputs, outputs)
    start, best = case.off(rnn), None
    flips = list(_flips(rnn))
    for count in (1, 2):
        found, best = _search(case, rnn, flips, count, start, goal, best)
        if found:
            return _sentence(found, start, case.off(found[-1].rnn))
        if count == 1 and (
            told := _shifted(case, rnn, goal)
            or _other_equation(case, (rnn, *(flip.rnn for flip in flips)), start, goal)
        ):
            return told
    if case.steps >= 3:
        late = case.late()
        found, _ = _search(late, rnn, flips, 1, start, goal, None, vectors=False)
        if found:
            told = _sentence(found, start, late.off(found[-1].rnn))
            return (
                told.replace(
                    ": the largest", " and your outputs came one time step late: the largest", 1
                )
                + _DROP
            )
    if best is not None:
        return _sentence(best[0], start, best[1]).replace(
            "It looks as if", "Closer, but not equal, if", 1
        )
    return (
        "No transposed matrix, other activation, leak or form, missing bias or h0, inputs outside "
        "the nonlinearity, readout of another state, "
        "or step early or late explains it: check noise, the order of the inputs, masks on the "
        "weights, "
        "and what lies between the inputs, the recurrent layer and the outputs."
    )


def _search(
    case: _Case, rnn: RNN, flips, count: int, start: float, goal: float, best, vectors: bool = True
):
    """The first changes that reach the goal, or None; and the best so far of those that help
    much.
    """
    for changes in _candidates(case, rnn, flips, count, vectors):
        off = case.off(changes[-1].rnn)
        if off <= goal:
            return changes, best
        if off < 0.1 * start and (best is None or off < 0.3 * best[1]):
            best = (changes, off)
    return None, best


def _other_equation(case: _Case, networks, start: float, goal: float) -> str | None:
    """An equation that RNN does not cover, with the network as given or with one choice made
    otherwise.
    """
    short = min(_FIT_STEPS, case.steps)
    for rnn in networks:
        for variant in VARIANTS:
            if _largest(variant.run(rnn, case.inputs, short), case.outputs[:, :short]) > goal:
                continue  # the first steps are enough to see that it is another one
            off = _largest(variant.run(rnn, case.inputs, case.steps), case.outputs)
            if off <= goal:
                also = (
                    " (once one of the matrices, biases or the activation is changed)"
                    if rnn is not networks[0]
                    else ""
                )
                return (
                    f"It looks as if {variant.what}{also}: the largest deviation would be "
                    f"{off:.2g} instead of {start:.2g}; "
                    "there is no such form here, so that results would not be about your network."
                )
    return None


def _candidates(
    case: _Case, rnn: RNN, flips: list[_Change], count: int, vectors: bool
) -> Iterator[tuple[_Change, ...]]:
    if count == 1:
        yield from ((change,) for change in flips)
        yield from ((change,) for change in _fits(case, rnn, ("b_rec", "h0") if vectors else ()))
        return
    for first in flips:
        later = [flip.kind for flip in flips[flips.index(first) + 1 :]]
        yield from ((first, second) for second in _flips(first.rnn) if second.kind in later)
    for first in flips:
        yield from (
            (first, second)
            for second in _fits(
                case, first.rnn, ("b_rec",) if rnn.hidden_size <= _FIT_HIDDEN_PAIRS else ()
            )
        )


def _flips(rnn: RNN) -> Iterator[_Change]:
    """The network with one choice made otherwise."""
    for name in ("W_rec", "W_in", "W_out"):
        weights = getattr(rnn, name)
        if weights.shape[1] == weights.shape[2]:
            yield _Change(
                name,
                f"{name} were transposed",
                f"--transpose {name}, or going without it where it was given",
                replace(rnn, **{name: np.swapaxes(weights, 1, 2)}),
            )
    other = "relu" if rnn.activation == "tanh" else "tanh"
    yield _Change(
        "activation",
        f"the activation were {other}",
        f"--activation {other}",
        replace(rnn, activation=other),
    )
    for name, what in (("b_rec", "recurrent"), ("b_out", "output")):
        if getattr(rnn, name).any():
            yield _Change(
                name,
                f"the {what} bias {name} were not used",
                f"leaving {name} out",
                replace(rnn, **{name: np.zeros_like(getattr(rnn, name))}),
            )
    if rnn.h0.any():
        yield _Change(
            "h0", "h0 were zero", "leaving h0 out", replace(rnn, h0=np.zeros_like(rnn.h0))
        )
    other = "voltage" if rnn.form == "rate" else "rate"
    yield _Change("form", f"the form were {other}", f"--form {other}", replace(rnn, form=other))


def _fits(case: _Case, rnn: RNN, vectors: tuple[str, ...]) -> Iterator[_Change]:
    """The network with a constant added to its outputs, with another leak, or with another b_rec or
    h0 if `vectors` names them: each a small fit.
    """
    with np.errstate(invalid="ignore", over="ignore"):
        constant = (case.outputs - case.run(rnn)[0]).mean(axis=(0, 1))
    if np.isfinite(constant).all():
        yield _Change(
            "b_out",
            "an output bias were missing",
            f"adding {_numbers(constant)} to b_out",
            replace(rnn, b_out=rnn.b_out + constant),
        )
    if np.ndim(rnn.leak) == 0 and (leak := _fit_leak(case, rnn)) is not None:
        yield _Change(
            "leak", f"the leak were {leak:.6g}", f"--leak {leak:.6g}", replace(rnn, leak=leak)
        )
    what = {"b_rec": "a recurrent bias", "h0": "h0, the state before the first step,"}
    for name in vectors:
        if rnn.hidden_size <= _FIT_HIDDEN and (fitted := _fit_vector(case, rnn, name)) is not None:
            size = float(np.linalg.norm(fitted - getattr(rnn, name)))
            remedy = f"another {name} (the one that fits differs by {size:.3g} in norm)"
            yield _Change(
                name, f"{what[name]} were missing or wrong", remedy, replace(rnn, **{name: fitted})
            )


def _numbers(values) -> str:
    return ", ".join(f"{value:.4g}" for value in values[:4]) + (", …" if len(values) > 4 else "")


def _error(case: _Case, rnn: RNN, steps: int | None = None) -> float:
    """Root mean squared difference, infinite for a network that diverges."""
    with np.errstate(invalid="ignore", over="ignore"):
        ours = case.run(rnn, steps)[0]
        error = np.sqrt(np.mean((ours - case.outputs[:, : ours.shape[1]]) ** 2))
    return float(error) if np.isfinite(error) else np.inf


def _fit_leak(case: _Case, rnn: RNN) -> float | None:
    """The leak that fits best, to three digits where those do as well; None where the present one
    does.
    """
    from scipy.optimize import minimize_scalar

    grid = np.geomspace(0.01, 1.0, 24)
    errors = [_error(case, replace(rnn, leak=float(leak))) for leak in grid]
    at = int(np.argmin(errors))
    if not np.isfinite(errors[at]):
        return None
    ends = (grid[max(at - 1, 0)], grid[min(at + 1, len(grid) - 1)])
    fitted = float(
        minimize_scalar(
            lambda leak: _error(case, replace(rnn, leak=float(leak))), bounds=ends, method="bounded"
        ).x
    )
    near = [float(f"{fitted:.{digits}g}") for digits in (1, 2, 3, 4)] + [fitted]
    errors = [_error(case, replace(rnn, leak=min(leak, 1.0))) for leak in near]
    best = next(leak for leak, error in zip(near, errors) if error <= 2 * min(errors) + 1e-9)
    return None if abs(best - rnn.leak) < 1e-6 else min(best, 1.0)


def _fit_vector(case: _Case, rnn: RNN, name: str) -> np.ndarray | None:
    """The b_rec or h0 that fits the first steps best, by Levenberg-Marquardt; all derivatives are
    one rollout of a stack.
    """
    hidden, step = rnn.hidden_size, 1e-6
    steps = min(_FIT_STEPS, case.steps)
    goal = case.outputs[:, :steps].ravel()
    if goal.size < 2 * hidden:
        return None
    error, damping = _error(case, rnn, steps), 1e-3
    repeated = np.broadcast_to(rnn.W_rec, (hidden, hidden, hidden))
    for _ in range(12):
        ours = case.run(rnn, steps).ravel()
        if not np.isfinite(ours).all():
            return None
        nudged = replace(
            rnn.with_W_rec(repeated), **{name: getattr(rnn, name) + step * np.eye(hidden)}
        )
        slopes = (case.run(nudged, steps).reshape(hidden, -1) - ours) / step
        if not np.isfinite(slopes).all():
            return None
        square, pull = slopes @ slopes.T, slopes @ (goal - ours)
        for _ in range(6):
            scale = damping * (np.trace(square) / hidden + 1e-30)
            moved = replace(
                rnn,
                **{
                    name: getattr(rnn, name)
                    + np.linalg.solve(square + scale * np.eye(hidden), pull)
                },
            )
            if (new := _error(case, moved, steps)) < error:
                break
            damping *= 10
        else:
            break
        gained, rnn, error, damping = error / max(new, 1e-300), moved, new, damping / 30
        if gained < 1.05 or error < 1e-12:
            break
    return getattr(rnn, name)


def _shifted(case: _Case, rnn: RNN, goal: float) -> str | None:
    if case.steps < 3:
        return None
    ours = case.run(rnn)[0]
    for word, off in (
        ("late", _largest(ours[:, :-1], case.outputs[:, 1:])),
        ("early", _largest(ours[:, 1:], case.outputs[:, :-1])),
    ):
        if off <= goal:
            told = (
                f"It looks as if your outputs came one time step {word}: the state after each "
                "step is read out here; shift them by one."
            )
            return told + (_DROP if word == "late" else "")
    return None


def _sentence(changes, start: float, off: float) -> str:
    what = " and ".join(change.what for change in changes)
    remedy = " and ".join(change.remedy for change in changes)
    return (
        f"It looks as if {what}: the largest deviation would be {off:.2g} instead of {start:.2g}; "
        f"try {remedy}."
    )
