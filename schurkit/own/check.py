"""Is the imported network the network? Its outputs beside those of the reader's own code, and what
would explain a difference.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from schurkit.checks import InputError, number, real_array, suited_trials
from schurkit.engine import rollout
from schurkit.rnn import RNN, Trials
from schurkit.words import listed

from .settle import FIELDS, MOST, SQUASHES, Case, Change, Fit, changed, rows, search, vectors

TOLERANCE = 1e-4
_COARSE = ((7, 5e-2), (10, 1e-2))
"""Bits of the mantissa (of bfloat16; of float16 and TF32), the tolerance for outputs of no more."""
_MANY = 64  # different outputs before their bits say how they were computed
_PAIRS_HIDDEN = 64  # units up to which vectors are fitted after another change
_TIME_MAJOR = "the first axis of the trials were time"


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


@dataclass(frozen=True, eq=False)
class Reading:
    """A network and its trials as the reader's outputs settle them.

    rnn, trials, outputs : as they are to be used.
    words : what they decided, a sentence; empty where they decided nothing.
    """

    rnn: RNN
    trials: Trials
    outputs: np.ndarray
    words: str = ""


def check_against(
    rnn: RNN, trials: Trials, outputs: ArrayLike, *, tolerance: float | None = None
) -> Check:
    """Compare a network's outputs with those that the reader's own code gave for the same trials.

    Parameters
    ----------
    rnn : a network or a stack.
    trials : trials of (trials, time, input), shared by all networks; all time steps are compared,
        masked or not.
    outputs : (trials, time, output) of a stack of one, or (networks, trials, time, output).
    tolerance : largest deviation that counts as agreement, relative to the largest reader's output;
        1e-4 when left out, 1e-2 for outputs in the precision of float16 or TF32, 5e-2 in that of
        bfloat16.

    Returns
    -------
    Check. Where the outputs disagree, the hint names a transposed matrix, another activation, leak,
    gain or form, a bias or h0 that is missing or not used, inputs that enter outside the
    nonlinearity, a readout of another state, axes in the order time, trials, a nonlinearity after
    the readout, outputs one step early or late, or several of these at once, if that explains the
    difference.

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
    rnn, outputs, off, scale, tolerance = _compared(rnn, trials, outputs, tolerance)
    worst, goal, hint = int(off.max(axis=1).argmax()), tolerance * scale, None
    if off.max() > goal:
        hint = _explain(rnn[worst], Case.of(trials, outputs[worst], off[worst]), goal)
        if off.max() <= _COARSE[1][1] * scale:
            hint += (
                " It is no larger than what TF32 or float16 leave (in torch: allow_tf32, "
                "autocast): where your code used them, pass --tolerance 1e-2."
            )
    return Check(float(off.max()), scale, tolerance, hint is None, hint)


def _compared(rnn, trials, outputs, tolerance):
    """The network in float64, outputs with a networks axis, the deviations, (networks, trials), the
    largest output, and the tolerance relative to it, all checked.
    """
    outputs = real_array(outputs, "outputs", dtype=np.float64)
    suited_trials(trials, rnn, "the analysis")
    outputs = outputs[None] if outputs.ndim == 3 else outputs
    expected = (len(rnn), *trials.targets.shape)
    if outputs.shape != expected:
        one = f"{expected[1:]} or " if len(rnn) == 1 else ""
        raise InputError(
            f"outputs must have shape {one}{expected} to fit the network and the targets; got "
            f"{outputs.shape}."
        )
    chosen = tolerance_of(outputs) if tolerance is None else tolerance
    tolerance, rnn = number(chosen, "tolerance", above=0), rnn.astype("float64")
    scale = float(np.abs(outputs).max()) or 1.0
    return rnn, outputs, _deviations(rnn, trials, outputs), scale, tolerance


def tolerance_of(outputs) -> float:
    """The deviation that the precision of outputs allows, relative to the largest of them."""
    mantissa = np.frexp(np.unique(outputs))[0]
    for bits, tolerance in _COARSE if len(mantissa) >= _MANY else ():
        scaled = np.ldexp(mantissa, bits + 1)
        if (scaled == np.rint(scaled)).all():
            return tolerance
    return TOLERANCE


def _deviations(rnn: RNN, trials: Trials, outputs) -> np.ndarray:
    """(networks, trials) the largest deviation of each network in each trial."""
    with np.errstate(invalid="ignore", over="ignore"):
        off = [
            np.abs(rollout(one, trials).outputs[0] - o).max(axis=(1, 2))
            for one, o in zip(rnn, outputs)
        ]
    return np.nan_to_num(off, nan=np.inf)


# ----------------------------------------------------------------------------------------- settling
def settle(
    came: Reading,
    *,
    fields: Iterable[str] = FIELDS,
    readings: Iterable[tuple[str, RNN]] = (),
    tolerance: float | None = None,
) -> Reading:
    """The reading of a network that gives the reader's outputs, where there is one; else as it
    came.

    Parameters
    ----------
    came : the network, its trials, and the reader's outputs.
    fields : what nobody said, of `FIELDS`: it may be read in another way.
    readings : other networks that the file may hold, each with words for it.
    tolerance : as in `check_against`.
    """
    fields, trials = tuple(fields), came.trials
    sizes = trials.inputs.shape[-1], trials.targets.shape[-1]
    bases = [(came.rnn, ())]
    bases += [(one, (Change(words),)) for words, one in (readings if len(came.rnn) == 1 else ())]
    fitting = [base for base in bases if (base[0].input_size, base[0].output_size) == sizes]
    (first, words), *others = fitting or bases
    told = "".join(change.what for change in words)
    came = replace(came, rnn=first.astype("float64"), words=told)
    rnn, own, off, scale, tolerance = _compared(first, trials, came.outputs, tolerance)
    goal = tolerance * scale
    if off.max() <= goal or not (fields or others):
        return came
    worst = int(off.max(axis=1).argmax())
    ways = [(trials, own, off[worst], ())]
    if trials.h0 is None and not trials.autonomous and "trials" in fields:
        turned = _time_major(trials)
        ways += [(turned, own.swapaxes(1, 2), np.zeros(len(turned)), (Change(_TIME_MAJOR),))]
    for trials, own, far, turned in ways:
        case = Case.of(trials, own[worst], far)
        fit = search(case, [(rnn[worst], words), *others], goal, fields)
        network = fit.rnn if len(rnn) == 1 else changed(rnn, fit.changes)
        if fit.off <= goal and (left := _deviations(network, trials, own).max()) <= goal:
            what = listed([change.what for change in (*fit.changes, *turned)])
            numbers = f"largest deviation {left:.2g} instead of {off.max():.2g}"
            return Reading(network, trials, own, f"{what.replace(' were ', ' is ')} ({numbers})")
    return came


def _time_major(trials: Trials) -> Trials:
    """The trials whose first axis was time."""
    arrays = trials.inputs, trials.targets, trials.counted_cells
    return Trials(*(array.swapaxes(0, 1) for array in arrays))


# ------------------------------------------------------------------------------------- explanations
def _explain(rnn: RNN, case: Case, goal: float) -> str:
    """What brings the outputs within the goal, simple things first; else what helps most."""
    before, fits = float(case.off(rnn)), []
    for fit in _fits(rnn, case, goal):
        if fit.off <= goal:
            return fit.sentence(before)
        fits.append(fit)
    fit = min(fits, key=Fit.rank)
    if fit.off < 0.1 * before:
        return fit.sentence(before, lead="Closer, but not equal, if")
    return (
        "No transposed matrix, other activation, leak, gain or form, missing bias or h0, inputs "
        "outside the nonlinearity, readout of another state, nonlinearity after it, or step early "
        "or late explains it: check noise, the order of the inputs, masks on the weights, and what "
        "lies between the inputs, the recurrent layer and the outputs."
    )


def _fits(rnn: RNN, case: Case, goal: float) -> Iterator[Fit]:
    """Other readings of the network; other biases and starts, alone and after one other change; the
    outputs taken as something else, with one other change.
    """
    fields, few = (*FIELDS, *MOST), rnn.hidden_size <= _PAIRS_HIDDEN
    yield search(case, [(rnn, ())], goal, fields, levels=2, foreign=True)
    for changes in ((), *((change,) for row in rows(rnn, fields) for change in row)):
        names = ("b_rec", "h0") if not changes else ("b_rec",) if few else ()
        network = changed(rnn, changes)
        for change in vectors(case, network, names):
            yield Fit.of(case, change.apply(network), (*changes, change))
    for other, change in _otherwise(case):
        fit = search(other, [(rnn, ())], goal, fields, levels=1)
        yield replace(fit, changes=(*fit.changes, change))


def _otherwise(case: Case) -> Iterator[tuple[Case, Change]]:
    """The same outputs taken as something else, and what that is in words."""
    inputs, outputs = case.inputs, case.outputs
    if (last := outputs.shape[1] - 1) >= 2:
        drop = "dropping the first output and target of each trial, and the last input"
        late = replace(case, inputs=inputs[:, :last], outputs=outputs[:, 1:])
        yield late, Change("your outputs came one time step late", drop)
        early = replace(case, outputs=outputs[:, :-1], skip=1)
        yield early, Change("your outputs came one time step early", "shifting them by one")
    if case.h0 is None and inputs.shape[:2] == outputs.shape[:2]:
        turned = {"inputs": inputs.swapaxes(0, 1), "outputs": outputs.swapaxes(0, 1)}
        yield replace(case, **turned), Change(_TIME_MAJOR, "--time-major")
    for name in SQUASHES:
        words = f"your outputs went through a {name} after the readout"
        yield replace(case, squash=name), Change(words, "saving what comes before it")
