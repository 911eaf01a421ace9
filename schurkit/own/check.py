"""Is the imported network the network? Its outputs beside those of the reader's own code, and what
would explain a difference.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from schurkit.checks import InputError, number, real_array
from schurkit.engine import rollout
from schurkit.rnn import ACTIVATIONS, FORMS, RNN, Trials

TOLERANCE = 1e-4
_TRIALS, _STEPS = 32, 200  # a difference is explained on this many trials and time steps
_FIT_STEPS = 15  # of a bias or start: later ones have folded it through the network too often
_FIT_HIDDEN = 256  # units up to which vectors are fitted
_FIT_HIDDEN_PAIRS = 64  # and up to which they are after another change
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
        _largest(_run(one, trials.inputs, outputs.shape[2]), own) for one, own in zip(rnn, outputs)
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
    """Outputs of one network, (trials, time, output)."""
    return rollout(rnn, inputs, autonomous=steps - inputs.shape[-2]).outputs[0]


def _largest(ours, own) -> float:
    with np.errstate(invalid="ignore", over="ignore"):
        off = np.abs(ours - own).max()
    return float(off) if np.isfinite(off) else np.inf


# ------------------------------------------------------------------------------------ explanations
@dataclass(frozen=True, eq=False)
class _Change:
    """One field of a network that may be wrong: in words, what to do about it, and the network with
    another value there.
    """

    field: str
    what: str
    remedy: str
    rnn: RNN

    @classmethod
    def of(cls, rnn: RNN, field: str, value, what: str, remedy: str) -> _Change:
        return cls(field, what, remedy, replace(rnn, **{field: value}))


@dataclass(frozen=True, eq=False)
class _Case:
    """The trials on which a difference is explained."""

    inputs: np.ndarray
    outputs: np.ndarray

    @classmethod
    def of(cls, rnn: RNN, inputs, outputs) -> _Case:
        """Those that deviate most, without the late steps of long ones."""
        with np.errstate(invalid="ignore", over="ignore"):
            off = np.abs(_run(rnn, inputs, outputs.shape[1]) - outputs).max(axis=(1, 2))
        worst = np.argsort(-np.nan_to_num(off, nan=np.inf), kind="stable")[:_TRIALS]
        worst.sort()
        return cls(inputs[worst, :_STEPS], outputs[worst, :_STEPS])

    @property
    def steps(self) -> int:
        return self.outputs.shape[1]

    def first(self, steps: int) -> _Case:
        return _Case(self.inputs[:, :steps], self.outputs[:, :steps])

    def late(self) -> _Case:
        """For outputs that show the state before each step."""
        return _Case(self.inputs[:, : self.steps - 1], self.outputs[:, 1:])

    def run(self, rnn: RNN) -> np.ndarray:
        return _run(rnn, self.inputs, self.steps)

    def off(self, rnn: RNN) -> float:
        """The largest deviation."""
        return _largest(self.run(rnn), self.outputs)


def _explain(rnn: RNN, inputs, outputs, goal: float) -> str:
    """What brings the outputs within the goal, simple things first; else what helps most."""
    case, flips = _Case.of(rnn, inputs, outputs), list(_flips(rnn))
    start = case.off(rnn)
    tried = _search(case, _singles(case, rnn, flips), goal)
    if tried[-1][0] <= goal:
        return _sentence(*tried[-1], start)
    if told := _shifted(case, rnn, goal) or _other_equation(case, rnn, flips, start, goal):
        return told
    tried += _search(case, _pairs(case, rnn, flips), goal)
    if tried[-1][0] <= goal:
        return _sentence(*tried[-1], start)
    if case.steps >= 3:
        late = case.late()
        off, changes = _search(late, _singles(late, rnn, flips, vectors=()), goal)[-1]
        if off <= goal:
            also = " and your outputs came one time step late"
            return _sentence(off, changes, start, also) + _DROP
    # a second change has to bring three times as much as the first alone
    off, changes = min(tried, key=lambda one: one[0] * 3 ** (len(one[1]) - 1))
    if off < 0.1 * start:
        told = _sentence(off, changes, start)
        return told.replace("It looks as if", "Closer, but not equal, if", 1)
    return (
        "No transposed matrix, other activation, leak or form, missing bias or h0, inputs outside "
        "the nonlinearity, readout of another state, or step early or late explains it: check "
        "noise, the order of the inputs, masks on the weights, and what lies between the inputs, "
        "the recurrent layer and the outputs."
    )


def _search(case: _Case, candidates, goal: float) -> list[tuple[float, tuple[_Change, ...]]]:
    """The largest deviation with each of the candidates, up to the first that reaches the goal."""
    tried = []
    for changes in candidates:
        tried.append((case.off(changes[-1].rnn), changes))
        if tried[-1][0] <= goal:
            break
    return tried


def _sentence(off: float, changes, start: float, also: str = "") -> str:
    what = " and ".join(change.what for change in changes)
    remedy = " and ".join(change.remedy for change in changes)
    return (
        f"It looks as if {what}{also}: the largest deviation would be {off:.2g} instead of "
        f"{start:.2g}; try {remedy}."
    )


def _shifted(case: _Case, rnn: RNN, goal: float) -> str | None:
    if case.steps < 3:
        return None
    ours, outputs = case.run(rnn), case.outputs
    late = _largest(ours[:, :-1], outputs[:, 1:]) <= goal
    if not late and _largest(ours[:, 1:], outputs[:, :-1]) > goal:
        return None
    return (
        f"It looks as if your outputs came one time step {'late' if late else 'early'}: the state "
        f"after each step is read out here; shift them by one.{_DROP if late else ''}"
    )


# ---------------------------------------------------------------- one or two choices made otherwise
def _singles(case: _Case, rnn: RNN, flips, vectors=("b_rec", "h0")) -> Iterator[tuple[_Change]]:
    yield from ((change,) for change in flips)
    yield from ((change,) for change in _fits(case, rnn, vectors))


def _pairs(case: _Case, rnn: RNN, flips) -> Iterator[tuple[_Change, _Change]]:
    fields = [flip.field for flip in flips]
    for k, first in enumerate(flips):
        later = (second for second in _flips(first.rnn) if second.field in fields[k + 1 :])
        yield from ((first, second) for second in later)
    vectors = ("b_rec",) if rnn.hidden_size <= _FIT_HIDDEN_PAIRS else ()
    for first in flips:
        yield from ((first, second) for second in _fits(case, first.rnn, vectors))


def _flips(rnn: RNN) -> Iterator[_Change]:
    """The network with one choice made otherwise."""
    for name in ("W_rec", "W_in", "W_out"):
        weights = getattr(rnn, name)
        if weights.shape[1] == weights.shape[2]:
            remedy = f"--transpose {name}, or going without it where it was given"
            turned = np.swapaxes(weights, 1, 2)
            yield _Change.of(rnn, name, turned, f"{name} were transposed", remedy)
    for field, options in (("activation", ACTIVATIONS), ("form", FORMS)):
        for other in options:
            if other != getattr(rnn, field):
                what, remedy = f"the {field} were {other}", f"--{field} {other}"
                yield _Change.of(rnn, field, other, what, remedy)
    for name, what in (
        ("b_rec", "the recurrent bias b_rec were not used"),
        ("b_out", "the output bias b_out were not used"),
        ("h0", "h0 were zero"),
    ):
        vector = getattr(rnn, name)
        if vector.any():
            yield _Change.of(rnn, name, np.zeros_like(vector), what, f"leaving {name} out")


def _fits(case: _Case, rnn: RNN, vectors: tuple[str, ...]) -> Iterator[_Change]:
    """The network with a constant added to its outputs, with another leak, or with another b_rec or
    h0 if `vectors` names them: each a small fit.
    """
    with np.errstate(invalid="ignore", over="ignore"):
        constant = (case.outputs - case.run(rnn)).mean(axis=(0, 1))
    if np.isfinite(constant).all():
        numbers = ", ".join(f"{value:.4g}" for value in constant[:4])
        remedy = f"adding {numbers}{', …' if len(constant) > 4 else ''} to b_out"
        what = "an output bias were missing"
        yield _Change.of(rnn, "b_out", rnn.b_out + constant, what, remedy)
    if np.ndim(rnn.leak) == 0 and (leak := _fit_leak(case, rnn)) is not None:
        yield _Change.of(rnn, "leak", leak, f"the leak were {leak:.6g}", f"--leak {leak:.6g}")
    words = {"b_rec": "a recurrent bias", "h0": "h0, the state before the first step,"}
    for name in vectors if rnn.hidden_size <= _FIT_HIDDEN else ():
        if (fitted := _fit_vector(case.first(_FIT_STEPS), rnn, name)) is not None:
            size = float(np.linalg.norm(fitted - getattr(rnn, name)))
            remedy = f"another {name} (the one that fits differs by {size:.3g} in norm)"
            what = f"{words[name]} were missing or wrong"
            yield _Change.of(rnn, name, fitted[None], what, remedy)


def _fit_leak(case: _Case, rnn: RNN) -> float | None:
    """The leak that fits best, to three digits where those do as well; None where the present one
    does.
    """
    from scipy.optimize import minimize_scalar

    def off(leak):
        return case.off(replace(rnn, leak=min(float(leak), 1.0)))

    grid = np.geomspace(0.01, 1.0, 24)
    deviations = [off(leak) for leak in grid]
    at = int(np.argmin(deviations))
    if not np.isfinite(deviations[at]):
        return None
    ends = (grid[max(at - 1, 0)], grid[min(at + 1, len(grid) - 1)])
    fitted = float(minimize_scalar(off, bounds=ends, method="bounded").x)
    near = [float(f"{fitted:.{digits}g}") for digits in (1, 2, 3, 4)] + [fitted]
    deviations = [off(leak) for leak in near]
    bound = 2 * min(deviations) + 1e-9
    best = next(leak for leak, deviation in zip(near, deviations) if deviation <= bound)
    return None if abs(best - rnn.leak) < 1e-6 else min(best, 1.0)


def _fit_vector(case: _Case, rnn: RNN, name: str) -> np.ndarray | None:
    """The b_rec or h0 that fits best; all derivatives are one rollout of a stack."""
    from scipy.optimize import least_squares

    step, start = 1e-6, getattr(rnn, name)[0]
    if case.outputs.size < 2 * len(start):
        return None
    stack = rnn.with_W_rec(np.repeat(rnn.W_rec, len(start), axis=0))

    def off(vector):
        return (case.run(replace(rnn, **{name: vector[None]})) - case.outputs).ravel()

    def slopes(vector):
        nudged = replace(stack, **{name: vector + step * np.eye(len(vector))})
        outputs = rollout(nudged, case.inputs, autonomous=case.steps - case.inputs.shape[1]).outputs
        return ((outputs - case.outputs).reshape(len(vector), -1) - off(vector)).T / step

    try:
        with np.errstate(invalid="ignore", over="ignore"):
            return least_squares(off, start, slopes, max_nfev=40).x
    except (ValueError, np.linalg.LinAlgError):  # it diverges
        return None


# ---------------------------------------------------- equations that people train and RNN has not
OTHER_EQUATIONS = {
    "inputs_outside": "the inputs entered outside the nonlinearity, h ← (1 − leak) h + leak "
    "(φ(W_rec h + b_rec) + W_in x)",
    "voltage": "the readout read voltages, v ← (1 − leak) v + leak (W_rec φ(v) + W_in x + b_rec) "
    "and y = W_out v + b_out",
    "read_activated": "the readout read φ(h) instead of h, y = W_out φ(h) + b_out in the rate form",
}
"""What makes each of them another one, an option of `_simulate`, and the equation in words."""


def _simulate(
    case: _Case, rnn: RNN, *, voltage=False, inputs_outside=False, read_activated=False
) -> np.ndarray:
    """One network of float64, step by step; inputs are zero after they have ended."""
    drive = case.inputs @ rnn.W_in[0].T
    state = np.broadcast_to(rnn.h0[0], (len(drive), rnn.hidden_size))
    outputs = []
    with np.errstate(over="ignore", invalid="ignore"):
        for step in range(case.steps):
            heard = drive[:, step] if step < drive.shape[1] else 0.0
            sent = rnn.activate(state) if voltage else state
            total = sent @ rnn.W_rec[0].T + rnn.b_rec[0] + (0.0 if inputs_outside else heard)
            new = total if voltage else rnn.activate(total)
            new = new + heard if inputs_outside else new
            state = (1 - rnn.leak) * state + rnn.leak * new
            read = rnn.activate(state) if read_activated else state
            outputs.append(read @ rnn.W_out[0].T + rnn.b_out[0])
    return np.stack(outputs, axis=1)


def _other_equation(case: _Case, network: RNN, flips, start, goal: float) -> str | None:
    """An equation that RNN does not cover, with the network or one of its variants."""
    for rnn in (network, *(flip.rnn for flip in flips)):
        for option, words in OTHER_EQUATIONS.items():
            # the first steps are enough to see that it is another one
            for part in (case.first(_FIT_STEPS), case):
                off = _largest(_simulate(part, rnn, **{option: True}), part.outputs)
                if off > goal:
                    break
            else:
                also = " (once one of the matrices, biases or the activation is changed)"
                return (
                    f"It looks as if {words}{'' if rnn is network else also}: the largest "
                    f"deviation would be {off:.2g} instead of {start:.2g}; there is no such form "
                    "here, so that results would not be about your network."
                )
    return None
