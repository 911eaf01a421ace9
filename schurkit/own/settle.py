"""Which reading of a network gives the outputs of the reader's own code?

Activations, forms of the equation, transposed matrices and starts are tried, those that change
least first, each with the leak and the gain of W_rec that fit best: on few trials and steps first,
then on all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import combinations, product

import numpy as np

from schurkit.rnn import ACTIVATIONS, RNN
from schurkit.rnn.activations import ACTIVATE

FIELDS = ("activation", "leak", "form", "W_rec", "W_in", "W_out", "h0", "gain", "trials")
"""What may be read in another way."""
MOST = ("b_rec", "b_out")  # and what may be wrong besides
_TRIALS, _STEPS = 32, 200  # a difference is explained on this many trials and time steps
_FEW = (8, 6)  # and looked for on these
_FIT_STEPS = 15  # of a bias or start: later ones have folded it through the network too often
_FIT_HIDDEN = 256  # units up to which vectors are fitted
_LEAKS = np.geomspace(0.01, 1.0, 10)
_DAMPED = (0.0, 1e-3, 1e-2, 0.1, 1.0)
_EQUATIONS = tuple(product(("rate", "voltage"), (None, "identity"), (False, True)))
FOREIGN = {
    "inputs_outside": "the inputs entered outside the nonlinearity, h ← (1 − leak) h + leak "
    "(φ(W_rec h + b_rec) + W_in x)",
    "read_activated": "the readout read φ(h) instead of h, y = W_out φ(h) + b_out in the rate form",
}
"""Equations that people train and `RNN` has not: an option of `Case.run`, and in words."""
SQUASHES = ("sigmoid", "tanh", "relu", "softmax")
"""What may lie between the readout and the reader's outputs."""


@dataclass(frozen=True, eq=False)
class Change:
    """One thing read in another way: in words, what to do about it, and the stack read so."""

    what: str
    remedy: str = ""
    apply: Callable[[RNN], RNN] = lambda rnn: rnn
    foreign: str = ""


@dataclass(frozen=True, eq=False)
class Case:
    """Trials whose outputs are to be given: inputs and outputs (trials, time, …), starts (trials,
    hidden) or None, what the outputs went through after the readout, and steps before the first.
    """

    inputs: np.ndarray
    outputs: np.ndarray
    h0: np.ndarray | None = None
    squash: str = ""
    skip: int = 0

    @classmethod
    def of(cls, trials, outputs, off) -> Case:
        """Those that are farthest off, (trials), without the late steps of long ones."""
        worst = np.sort(np.argsort(-off, kind="stable")[:_TRIALS])
        h0 = None if trials.h0 is None else trials.h0[worst]
        return cls(trials.inputs[worst, :_STEPS], outputs[worst, :_STEPS], h0)

    def first(self, steps: int, trials: int = _TRIALS) -> Case:
        inputs, outputs = self.inputs[:trials, : steps + self.skip], self.outputs[:trials, :steps]
        h0 = None if self.h0 is None else self.h0[:trials]
        return replace(self, inputs=inputs, outputs=outputs, h0=h0)

    def run(self, rnn: RNN, foreign: str = "", **values) -> np.ndarray:
        """Outputs, (trials, time, output), step by step; for values with an axis of variants before
        (trials, units), of each variant.
        """
        one = {name: np.asarray(array[0]) for name, array in rnn.arrays.items()}
        one |= {"leak": rnn.leak, "gain": 1.0, "c": one.get("c", 0.0)} | values
        decay = one.get("D", 1 - one["leak"])
        drive, voltage = self.inputs @ one["W_in"].T, rnn.form == "voltage"
        state = one["h0"] if self.h0 is None else self.h0
        state, outputs = state + np.zeros((len(drive), 1)), []
        with np.errstate(over="ignore", invalid="ignore"):
            for step in range(self.skip + self.outputs.shape[1]):
                heard = drive[:, step] if step < drive.shape[1] else 0.0
                sent = rnn.activate(state + one["c"]) if voltage else state
                inside = 0.0 if foreign == "inputs_outside" else heard
                total = one["gain"] * (sent @ one["W_rec"].T) + one["b_rec"] + inside
                total = total if voltage else rnn.activate(total)
                state = decay * state + one["leak"] * (total + heard - inside)
                read = rnn.readout(state) if foreign != "read_activated" else rnn.activate(state)
                outputs.append(read @ one["W_out"].T + one["b_out"])
            outputs = np.stack(outputs[self.skip :], axis=-2)
            if self.squash == "softmax":
                outputs = np.exp(outputs - outputs.max(axis=-1, keepdims=True))
                return outputs / outputs.sum(axis=-1, keepdims=True)
            return ACTIVATE[self.squash or "identity"](outputs)

    def off(self, rnn: RNN, foreign: str = "", **values):
        """The largest deviation, of each variant."""
        with np.errstate(invalid="ignore", over="ignore"):
            off = np.abs(self.run(rnn, foreign, **values) - self.outputs).max(axis=(-3, -2, -1))
        return np.nan_to_num(off, nan=np.inf)


@dataclass(frozen=True, eq=False)
class Fit:
    """A reading: the largest deviation left, its network, and what was changed for it."""

    off: float
    rnn: RNN
    changes: tuple[Change, ...] = ()

    @classmethod
    def of(cls, case: Case, rnn: RNN, changes=(), numbers: dict | None = None) -> Fit:
        """Of a network with these changes, after those of leak and gain."""
        more = _with_numbers(numbers or {})
        fit = cls(0.0, changed(rnn, more), (*changes, *more))
        return replace(fit, off=float(case.off(fit.rnn, fit.foreign)))

    @property
    def foreign(self) -> str:
        return "".join(change.foreign for change in self.changes)

    def rank(self) -> float:
        """A second change has to bring three times as much as the first alone."""
        return self.off * 3.0 ** len(self.changes)

    def sentence(self, before: float, lead: str = "It looks as if") -> str:
        """What explains a difference, and what to do."""
        what = " and ".join(change.what for change in self.changes)
        remedy = " and ".join(change.remedy for change in self.changes if change.remedy)
        numbers = f"the largest deviation would be {self.off:.2g} instead of {before:.2g}"
        advice = f"try {remedy}"
        if self.foreign:
            advice = "there is no such form here, so that results would not be about your network"
        return f"{lead} {what}: {numbers}; {advice}."


def changed(rnn: RNN, changes: Iterable[Change]) -> RNN:
    """A stack with these changes."""
    for change in changes:
        rnn = change.apply(rnn)
    return rnn


# ----------------------------------------------------------------------- what can be read otherwise
def rows(rnn: RNN, fields: Iterable[str], foreign: bool = False) -> list[list[Change]]:
    """Choices of which each is made once: the other values of each."""
    turn = "--transpose {0}, or going without it where it was given"
    found = [
        [_put(name, f"{name} were transposed", turn.format(name), lambda W: np.swapaxes(W, 1, 2))]
        for name in ("W_rec", "W_in", "W_out")
        if name in fields and getattr(rnn, name).shape[1] == getattr(rnn, name).shape[2]
    ]
    if "activation" in fields:
        found.append(
            [
                _put("activation", f"the activation were {name}", f"--activation {name}", name)
                for name in ACTIVATIONS
                if name != rnn.activation
            ]
        )
    found.append(_equations(rnn, "form" in fields))
    if foreign and rnn.D is None:
        rate = partial(_in_form, form="rate")
        found[-1] += [Change(words, "", rate, name) for name, words in FOREIGN.items()]
    for name, what in (
        ("h0", "h0 were zero"),
        ("b_rec", "the recurrent bias b_rec were not used"),
        ("b_out", "the output bias b_out were not used"),
    ):
        if name in fields and getattr(rnn, name).any():
            found.append([_put(name, what, f"leaving {name} out", np.zeros_like)])
    return [row for row in found if row]


def _put(name: str, what: str, remedy: str, value) -> Change:
    """Another value of one field of a network, or what a function makes of the present one."""
    make = value if callable(value) else lambda present: value
    return Change(what, remedy, lambda r: replace(r, **{name: make(getattr(r, name))}))


def _equations(rnn: RNN, any_form: bool) -> list[Change]:
    """The other forms, with the bias inside φ or outside and the readout of φ(v) or of v."""
    inside, changes = rnn.c is not None, []
    for form, psi, inner in _EQUATIONS:
        biased = inside or rnn.b_rec.any()
        if (form == "rate" and (psi or inner or rnn.D is not None)) or (inner and not biased):
            continue
        said = []
        if form != rnn.form:
            said.append((f"the form were {form}", f"--form {form}"))
        if form == "voltage" and psi != rnn.psi:
            said.append((f"what is read out were {'v' if psi else 'φ(v)'}", f"psi={psi!r}"))
        if form == "voltage" and inner != inside:
            place = "inside" if inner else "outside"
            remedy = "c for b_rec" if inner else "b_rec for c"
            said.append((f"the bias were {place} the nonlinearity", remedy))
        if said and (any_form or form == rnn.form):
            apply = partial(_in_form, form=form, psi=psi, inner=inner)
            changes.append(Change(*map(" and ".join, zip(*said)), apply))
    return changes


def _in_form(rnn: RNN, form: str, psi: str | None = None, inner: bool = False) -> RNN:
    bias = rnn.b_rec if rnn.c is None else rnn.b_rec + rnn.c
    place = {"c": bias, "b_rec": np.zeros_like(bias)} if inner else {"c": None, "b_rec": bias}
    return replace(rnn, form=form, psi=psi, **place)


# ------------------------------------------------------------------------------ leak, gain, vectors
def _least(run: Callable, outputs: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Levenberg-Marquardt: the point, (numbers), whose outputs lie nearest, or where it gets hardly
    nearer; ``run(points)`` gives the outputs of several.
    """

    def nearest(points) -> tuple[float, np.ndarray]:
        with np.errstate(over="ignore", invalid="ignore"):
            off = ((run(points) - outputs) ** 2).sum(axis=(1, 2, 3))
        best = int(np.argmin(np.nan_to_num(off, nan=np.inf)))
        return off[best], points[best]

    off, at = nearest(at)
    before = np.inf
    while np.isfinite(off) and off <= 0.7 * before:
        sizes = 1e-6 * np.maximum(np.abs(at), 1e-2)
        near = run(np.array([at, *(at - np.diag(sizes))])).reshape(1 + len(at), -1)
        if not np.isfinite(near).all():
            break
        slopes = (near[0] - near[1:]) / sizes[:, None]
        U, sizes, V = np.linalg.svd(slopes.T, full_matrices=False)
        if not sizes.max() > 0:
            break
        left, share = U.T @ (outputs.ravel() - near[0]) / sizes.max(), sizes / sizes.max()
        steps = [(share / (share**2 + mu**2 + 1e-24) * left) @ V for mu in _DAMPED]
        new = nearest(at + np.array(steps))
        if not new[0] < off:
            break
        before, (off, at) = off, new
    return at


def _numbers(case: Case, rnn: RNN, foreign: str, names, start: dict | None = None) -> dict:
    """The leak and the gain of W_rec that fit best, from the best of many leaks or from where it is
    told.
    """
    if not names:
        return {}
    most = np.array([1.0 if name == "leak" else np.inf for name in names])

    def run(points):
        columns = dict(zip(names, np.clip(points, 1e-4, most).T))
        values = {name: column.reshape(-1, 1, 1) for name, column in columns.items()}
        return case.run(rnn, foreign, **values)

    leaks = np.append(_LEAKS, np.mean(rnn.leak)) if "leak" in names else [1.0]
    starts = [start] if start else [{"leak": x, "gain": 1.0} for x in leaks]
    points = np.array([[one[name] for name in names] for one in starts])
    at = np.clip(_least(run, case.outputs, points), 1e-4, most)
    return dict(zip(names, map(float, at)))


def _rounded(case: Case, rnn: RNN, foreign: str, numbers: dict, goal: float) -> dict:
    """Of the numbers those that differ from the present ones where these do not do as well, in as
    few digits as do.
    """
    present = {"gain": 1.0, "leak": float(np.mean(rnn.leak))}
    if case.off(rnn, foreign, **numbers) > goal:
        numbers = _numbers(case, rnn, foreign, tuple(numbers), numbers)
    for name in sorted(numbers):
        digits = (float(f"{numbers[name]:.{count}g}") for count in (1, 2, 3, 4, 5))
        near = np.array([present[name], *digits, numbers[name]])
        off = case.off(rnn, foreign, **numbers | {name: near.reshape(-1, 1, 1)})
        numbers = numbers | {name: float(near[np.argmax(off <= 2 * off.min() + 1e-9)])}
    return {n: value for n, value in numbers.items() if abs(value - present[n]) > 1e-6}


def _with_numbers(numbers: dict) -> list[Change]:
    told = {name: f"{value:.6g}" for name, value in numbers.items()}
    changes = []
    if "leak" in told:
        words = f"the leak were {told['leak']}", f"--leak {told['leak']}"
        changes.append(_put("leak", *words, numbers["leak"]))
    if "gain" in told:
        words = f"W_rec were multiplied by {told['gain']}", f"saving {told['gain']} × W_rec"
        changes.append(_put("W_rec", *words, lambda W: numbers["gain"] * W))
    return changes


def vectors(case: Case, rnn: RNN, names: Iterable[str]) -> Iterator[Change]:
    """A constant added to the outputs, and another b_rec or h0: each a small fit."""
    with np.errstate(invalid="ignore", over="ignore"):
        constant = (case.outputs - case.run(rnn)).mean(axis=(0, 1))
    if np.isfinite(constant).all():
        digits = ", ".join(f"{value:.4g}" for value in constant[:4])
        remedy = f"adding {digits}{', …' if len(constant) > 4 else ''} to b_out"
        yield _put("b_out", "an output bias were missing", remedy, lambda b: b + constant)
    words = {"b_rec": "a recurrent bias", "h0": "h0, the state before the first step,"}
    for name in names if rnn.hidden_size <= _FIT_HIDDEN else ():
        present, few = getattr(rnn, name), case.first(_FIT_STEPS)
        if few.outputs.size < 2 * present.size or (name == "h0" and case.h0 is not None):
            continue
        few = few.first(_FIT_STEPS, max(-(-4 * present.size // few.outputs[0].size), 16))
        run = lambda points: few.run(rnn, **{name: points[:, None]})  # noqa: B023, E731
        fitted = _least(run, few.outputs, present)[None]
        size = float(np.linalg.norm(fitted - present))
        remedy = f"another {name} (the one that fits differs by {size:.3g} in norm)"
        yield _put(name, f"{words[name]} were missing or wrong", remedy, fitted)


# --------------------------------------------------------------------------------------- the search
def search(
    case: Case,
    bases: Sequence[tuple[RNN, tuple[Change, ...]]],
    goal: float,
    fields: Iterable[str],
    *,
    levels: int = 9,
    foreign: bool = False,
) -> Fit:
    """The first reading whose largest deviation is within the goal, those with fewer changes first;
    without one the nearest of all. `bases` are the networks to begin with and what they are.
    """
    few = case.first(_FEW[1], _FEW[0])
    few_goal = goal * min(1.0, np.abs(few.outputs).max() / (np.abs(case.outputs).max() or 1.0))
    bases = [(base.astype("float64"), words) for base, words in bases]
    choices = [rows(base, fields, foreign) for base, _ in bases]
    near: list[Fit] = []
    for level in range(min(levels, max(map(len, choices))) + 1):
        for (base, words), own in zip(bases, choices):
            for changes in (one for some in combinations(own, level) for one in product(*some)):
                network, told = changed(base, changes), (*words, *changes)
                one_leak = np.ndim(base.leak) == 0 and base.D is None
                names = ["leak"] * (one_leak and "leak" in fields) + ["gain"] * ("gain" in fields)
                about = network, "".join(change.foreign for change in told)
                numbers = _numbers(few, *about, names)
                fit = Fit.of(few, network, told, numbers)
                if fit.off <= few_goal:
                    fit = Fit.of(case, network, told, _rounded(case, *about, numbers, goal))
                    if fit.off <= goal:
                        return fit
                else:
                    near.append(fit)
    near.sort(key=Fit.rank)
    return min((Fit.of(case, fit.rnn, fit.changes) for fit in near[:5]), key=Fit.rank)
