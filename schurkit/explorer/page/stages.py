"""A network of one of the book's tasks that is cut while it runs."""

from __future__ import annotations

import numpy as np

from schurkit.checks import InputError
from schurkit.engine import rollout
from schurkit.rnn import RNN, Trials
from schurkit.schur import real_schur

from . import _stills
from ._html import Page, pack, page, small


def wheel(rnn: RNN, trials: Trials, *, threshold: float = 0.9) -> Page:
    """A network that copies, cut while it plays: what is on the wheel, R, and waits in the
    vestibule, C, is drawn as the signs that it will be read as.

    Seat k of the wheel shows W_out Q_R T_RRᵏ of the part of the state in R: what a linear network
    would say k steps later. The vestibule shows what CR adds to the last seat in the next step. The
    network itself runs with its tanh.

    Parameters
    ----------
    rnn : one network, tanh, leak 1, without biases.
    trials : of `schurkit.tasks.Copy`: signs, then autonomous replay; at least 64 to measure on.
    threshold : of R.

    Raises
    ------
    InputError : another kind of network or trials.
    """
    _check("wheel", "the copy task", rnn, trials, trials.inputs.shape[-1])
    if trials.inputs.ndim != 3 or not np.isin(trials.inputs, (-1, 1)).all():
        raise InputError("wheel needs inputs of −1 and 1, shared by all networks.")
    form = real_schur(rnn.W_rec[0], threshold)
    n, seats = form.n_leading, [rnn.W_out[0].astype(np.float64) @ form.Q[:, : form.n_leading]]
    for _ in range(trials.inputs.shape[1] - 1):
        seats.append(seats[-1] @ form.T[:n, :n])
    data = _data(rnn, form, trials, np.concatenate(seats))
    return page("wheel", ("stage",), data, *_stills.wheel_still(rnn, form, trials))


def latches(rnn: RNN, trials: Trials, *, threshold: float = 0.9) -> Page:
    """A flip-flop, cut while it runs, at all steps, in the step after a pulse alone, or in all
    others: how its latches stand in R, and what CR adds to them in the next step.

    What R holds is read by the line that fits the targets best, by least squares, to the part of
    the whole network's states in R, over the trials given.

    Parameters
    ----------
    rnn : one network, tanh, leak 1, without biases.
    trials : of `schurkit.tasks.FlipFlop`, of at most 8 bits; at least 64 to measure on.
    threshold : of R.

    Raises
    ------
    InputError : another kind of network or trials.
    """
    _check("latches", "a flip-flop of at most 8 bits", rnn, trials, trials.inputs.shape[-1])
    known = trials.inputs.shape == trials.targets.shape and trials.inputs.shape[-1] <= 8
    if known:
        at = np.arange(trials.inputs.shape[1])[:, None]
        last = np.maximum.accumulate(np.where(trials.inputs != 0, at, 0), axis=1)
        known = np.array_equal(np.take_along_axis(trials.inputs, last, axis=1), trials.targets)
    if not known or not np.isin(trials.inputs, (-1, 0, 1)).all():
        raise InputError(
            "latches needs trials of a flip-flop of at most 8 bits: pulses of −1 and 1, the sign "
            "of the last one as target."
        )
    form = real_schur(rnn.W_rec[0], threshold)
    pulse = (trials.inputs != 0).any(axis=2)
    after = np.pad(pulse, ((0, 0), (1, 0)))[:, :-1]
    still = _stills.latches_still(rnn, form, trials, after)
    data = _data(rnn, form, trials, _fitted(rnn, form, trials))
    return page("latches", ("stage", "held"), data, *still)


def integral(rnn: RNN, trials: Trials, *, threshold: float = 0.9) -> Page:
    """A network that integrates in context, cut while it runs: its sum as R holds it, read as in
    `latches`, what CR adds to it in the next step, and which sectors can go.

    Parameters
    ----------
    rnn : one network, tanh, leak 1, without biases.
    trials : of `schurkit.tasks.ContextIntegration`; at least 64 to measure on.
    threshold : of R.

    Raises
    ------
    InputError : another kind of network or trials.
    """
    task = "context-dependent integration"
    _check("integral", task, rnn, trials, 1)
    known = trials.inputs.shape[2:] == (4,) and trials.inputs.shape[:2] == trials.targets.shape[:2]
    if known:
        cue = trials.inputs[:, :1, 2:].argmax(axis=2)[..., None]
        cued = np.take_along_axis(trials.inputs, cue, axis=2).astype(np.float64)
        sums = cued.cumsum(axis=1)
        # what the sum is divided by, a step: the task has one number for all trials
        share = (sums * trials.targets).sum(axis=0) / np.maximum((sums**2).sum(axis=0), 1e-12)
        known = np.all(share > 0) and np.allclose(sums * share, trials.targets, atol=1e-4)
    if not known:
        raise InputError(
            f"integral needs trials of {task}: two streams, a one-hot context, and the running "
            "sum of the stream that it names, over a number a step, as target."
        )
    form = real_schur(rnn.W_rec[0], threshold)
    data = _data(rnn, form, trials, _fitted(rnn, form, trials)) | {"scale": pack(1 / share)}
    still = _stills.integral_still(rnn, form, trials)
    return page("integral", ("stage", "held"), data, *still)


def _check(name, task, rnn, trials, outputs) -> None:
    plain = len(rnn) == 1 and rnn.activation == "tanh" and np.all(rnn.leak == 1.0)
    biased = rnn.b_rec.any() or rnn.b_out.any() or rnn.h0.any() or rnn.D is not None
    if not plain or biased or rnn.form != "rate" or outputs != trials.targets.shape[-1]:
        raise InputError(
            f"{name} needs one tanh network with leak 1 and no biases, and trials of {task}; "
            f"got {rnn!r} and targets of shape {trials.targets.shape}."
        )
    small(rnn)


def _fitted(rnn, form, trials) -> np.ndarray:
    """(outputs, units of R) what reads the targets best from the states in R."""
    states = rollout(rnn.astype("float64"), trials, states=True).states[0]
    in_R = (states @ form.Q[:, : form.n_leading]).reshape(-1, form.n_leading)
    return np.linalg.lstsq(in_R, trials.targets.reshape(len(in_R), -1), rcond=None)[0].T


def _data(rnn, form, trials, seats) -> dict:
    """The network, its trials, and what reads R: the last rows of `seats`, one an output, also read
    what CR adds in the next step.
    """
    n, outputs = form.n_leading, trials.targets.shape[-1]
    arrays = {
        "W_in": rnn.W_in[0],
        "W_rec": rnn.W_rec[0],
        "W_out": rnn.W_out[0],
        "Q": form.Q,
        "T": form.T,
        "seats": (seats @ form.Q[:, :n].T).astype(np.float32),
        "vestibule": (seats[-outputs:] @ form.T[:n, n:] @ form.Q[:, n:].T).astype(np.float32),
        "inputs": trials.inputs,
    }
    return {name: pack(array) for name, array in arrays.items()} | {
        "heard": trials.inputs.shape[1],
        "channels": trials.inputs.shape[2],
        "count": len(trials),
        "steps": trials.targets.shape[1],
        "leading": n,
        "blockOf": [k for k, block in enumerate(form.blocks) for _ in range(block.size)],
    }
