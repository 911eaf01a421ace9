"""Engines: rollouts and gradients of stacks of networks behind one interface (`schurkit.engine.base`)."""

from __future__ import annotations

from .._checks import InputError, integer, one_of, real_array
from ..rnn import ARRAYS, RNN, Rollout, Trials
from .base import Engine, Spec, available_threads

__all__ = ["ENGINES", "Engine", "Spec", "available_threads", "choose", "rollout"]

ENGINES = ("numpy", "torch")


def choose(name: str = "auto", spec: Spec | None = None) -> Engine:
    """The engine of that name, or the first that covers the network.

    Parameters
    ----------
    name : "auto", "numpy" (a CPU, nothing to install) or "torch" (autograd; needs torch).
    spec : the kind of network it has to cover.

    Raises
    ------
    InputError : no engine has that name, it cannot be imported here, or it does not cover the network.
    """
    one_of(name, "engine", ("auto", *ENGINES))
    if name in ("auto", "numpy"):
        from .numpy_engine import NumpyEngine

        engine = NumpyEngine()
    else:
        try:
            from .torch_engine import TorchEngine
        except ImportError as error:
            advice = "Install schurkit[torch], or use engine='numpy'."
            raise InputError(f"engine='torch' needs torch, which is not installed ({error}). {advice}") from None
        engine = TorchEngine()
    reason = engine.refuses(spec) if spec is not None else None
    if reason:
        raise InputError(f"engine={name!r} does not cover this network: {reason}.")
    return engine


def rollout(rnn: RNN, inputs, *, autonomous: int | None = None, states: bool = False, dtype=None, engine: str = "auto") -> Rollout:
    """Run a stack of networks over trials (equations in `schurkit.RNN`).

    Parameters
    ----------
    rnn : the stack.
    inputs : (trials, time, input), shared by all networks; (networks, trials, time, input); or `Trials`.
    autonomous : time steps to run on with zero input after the inputs have ended; for `Trials` by default as many as the
        targets ask for, else 0.
    states : also return the hidden states (networks · trials · time · hidden numbers).
    dtype : float32 or float64; by default the networks' own.
    engine : see `schurkit.engine.choose`.

    Returns
    -------
    Rollout with outputs (networks, trials, time, output). A network that diverges gives infinite or NaN outputs, without
    a warning: measures say what they make of it.

    Examples
    --------
    >>> import numpy as np
    >>> rnn = RNN(np.ones((4, 2)), np.eye(4), np.ones((1, 4)))
    >>> rollout(rnn, np.zeros((5, 3, 2)), autonomous=7).outputs.shape
    (1, 5, 10, 1)
    """
    if isinstance(inputs, Trials):
        autonomous = inputs.autonomous if autonomous is None else autonomous
        inputs = inputs.inputs
    autonomous = integer(0 if autonomous is None else autonomous, "autonomous", at_least=0)
    inputs = real_array(inputs, "inputs")
    if inputs.ndim not in (3, 4) or inputs.shape[-1] != rnn.input_size or (inputs.ndim == 4 and inputs.shape[0] != len(rnn)):
        raise InputError(
            f"rollout needs inputs of shape (trials, time, {rnn.input_size}) or ({len(rnn)}, trials, time, {rnn.input_size}); got {inputs.shape}."
        )
    rnn = rnn if dtype is None else rnn.astype(dtype)
    spec = Spec.of(rnn)
    weights = {name: getattr(rnn, name) for name in ARRAYS}
    outputs, kept = choose(engine, spec).rollout(weights, spec, inputs.astype(rnn.dtype, copy=False), autonomous, states)
    return Rollout(outputs, kept, rnn.labels)
