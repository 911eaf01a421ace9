"""Engines: rollouts and gradients of stacks of networks behind one interface
(`schurkit.engine.base`).
"""

from __future__ import annotations

import importlib.util

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from schurkit.checks import InputError, integer, one_of, real_array
from schurkit.rnn import RNN, Rollout, Trials

from .base import Engine, EngineWarning, Spec, available_threads, warn_once, weights_of

__all__ = ["ENGINES", "Engine", "EngineWarning", "Spec", "available_threads", "choose", "rollout"]

ENGINES = ("numba", "numpy", "torch")
EXTRAS = {"numba": "fast", "torch": "torch"}
"""What of this distribution to install for them."""


def choose(name: str = "auto", *, dtype=None) -> Engine:
    """The engine of that name, or the fastest that is there.

    Parameters
    ----------
    name : "numba" (a CPU, compiled, float32), "numpy" (a CPU, nothing to install), "torch"
        (autograd; a GPU where the environment's SCHURKIT_DEVICE says "cuda" or "cuda:1", through
        `torch.compile` where SCHURKIT_COMPILE is 1) or "auto": numba where it is installed, else
        numpy, whatever SCHURKIT_DEVICE says.
    dtype : of the network; "auto" leaves float64 to numpy.

    Raises
    ------
    InputError : no engine has that name, or it cannot be imported here; engine="torch" and there is
        no device as SCHURKIT_DEVICE names one.
    """
    one_of(name, "engine", ("auto", *ENGINES))
    if name == "auto":
        name = "numba" if dtype != np.float64 and _numba_works() else "numpy"
    return _engine(name)


def _engine(name):
    try:
        if name == "numba":
            from .compiled.rollouts import NumbaEngine as kind
        elif name == "torch":
            from .torch import TorchEngine as kind
        else:
            from .numpy import NumpyEngine as kind
    except Exception as error:  # not installed, or unable to compile for this processor
        raise InputError(
            f"engine={name!r} needs {name}, which cannot be used here ({type(error).__name__}: "
            f"{error}). Install schurkit[{EXTRAS[name]}], or use engine='numpy'."
        ) from None
    return kind()


def _numba_works():
    """Whether the numba engine can be used; says so once if numba is there and it cannot."""
    if importlib.util.find_spec("numba") is None:
        return False
    try:
        _engine("numba")
    except InputError as error:
        warn_once(
            f"the numpy engine is used instead of the faster numba engine: {error}", EngineWarning
        )
        return False
    return True


def rollout(
    rnn: RNN,
    inputs: ArrayLike,
    *,
    autonomous: int | None = None,
    states: bool = False,
    dtype: DTypeLike = None,
    engine: str = "auto",
) -> Rollout:
    """Run a stack of networks over trials (equations in `schurkit.RNN`).

    Parameters
    ----------
    rnn : the stack.
    inputs : (trials, time, input), shared by all networks; (networks, trials, time, input); or
        `Trials`, whose h0 is where the networks start.
    autonomous : time steps to run on with zero input after the inputs have ended; for `Trials` by
        default as many as the targets ask for, else 0.
    states : also return the hidden states (networks · trials · time · hidden numbers).
    dtype : float32 or float64; by default the networks' own.
    engine : see `schurkit.engine.choose`.

    Returns
    -------
    Rollout with outputs (networks, trials, time, output). A network that diverges gives infinite or
    NaN outputs, without a warning: measures say what they make of it.

    Examples
    --------
    >>> import numpy as np
    >>> rnn = RNN(np.ones((4, 2)), np.eye(4), np.ones((1, 4)))
    >>> rollout(rnn, np.zeros((5, 3, 2)), autonomous=7).outputs.shape
    (1, 5, 10, 1)
    """
    trials = inputs if isinstance(inputs, Trials) else None
    if trials is not None:
        autonomous = trials.autonomous if autonomous is None else autonomous
        inputs = trials.inputs
    autonomous = integer(0 if autonomous is None else autonomous, "autonomous", at_least=0)
    inputs = real_array(inputs, "inputs")
    if (
        inputs.ndim not in (3, 4)
        or inputs.shape[-1] != rnn.input_size
        or (inputs.ndim == 4 and inputs.shape[0] != len(rnn))
    ):
        raise InputError(
            f"rollout needs inputs of shape (trials, time, {rnn.input_size}) or ({len(rnn)}, "
            f"trials, time, {rnn.input_size}); got {inputs.shape}."
        )
    rnn = rnn if dtype is None else rnn.astype(dtype)
    spec = Spec.of(rnn)
    outputs, activity = choose(engine, dtype=rnn.dtype).rollout(
        weights_of(rnn, trials), spec, inputs.astype(rnn.dtype, copy=False), autonomous, states
    )
    return Rollout(outputs, activity, rnn.labels)
