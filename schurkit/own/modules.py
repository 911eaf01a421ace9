"""From what other libraries hold in memory: a torch module to `RNN`, an environment of NeuroGym to
`Trials`. Neither library is imported before it is met.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from schurkit.checks import InputError, integer
from schurkit.rnn import RNN, Trials

from .contents import shown
from .load import from_arrays
from .torch_files import as_numpy


def from_torch(rnn: object, readout: object = None, *, h0: ArrayLike | None = None) -> RNN:
    """A network from an ``nn.RNN`` and the ``nn.Linear`` that reads it out; both biases of the
    ``nn.RNN`` are summed.

    Parameters
    ----------
    rnn : torch.nn.RNN with one layer in one direction, tanh or relu, either batch order, on any
        device; or, without `readout`, a module that holds exactly one such layer, one nn.Linear and
        no other parameters (but `h0`, hidden numbers).
    readout : torch.nn.Linear from hidden to output.
    h0 : (hidden) state before the first step; zero when left out.

    What a module does between its layers cannot be seen from here (a relu before the readout,
    dropout in training): compare the outputs, with `check_against`.

    Raises
    ------
    InputError : another kind of module (LSTM, GRU, …), several layers, bidirectional, sizes that
        disagree, or more than one layer that could be meant.

    Examples
    --------
    >>> import torch
    >>> layer, readout = torch.nn.RNN(2, 4, nonlinearity="relu"), torch.nn.Linear(4, 1)
    >>> from_torch(layer, readout)
    RNN(1 × 2 → 4 → 1, relu, rate, leak=1, float32)
    >>> from_torch(torch.nn.ModuleDict({"rnn": layer, "readout": readout}))
    RNN(1 × 2 → 4 → 1, relu, rate, leak=1, float32)
    """
    from torch import nn

    if readout is None:
        rnn, readout, own = _layers_of(rnn)
        h0 = own if h0 is None else h0
    if not isinstance(rnn, nn.RNN) or rnn.num_layers > 1 or rnn.bidirectional:
        raise InputError(_why_no_layer(rnn))
    if not isinstance(readout, nn.Linear):
        raise InputError(
            f"from_torch needs the readout as an nn.Linear; got {type(readout).__name__}. Pass "
            "others through schurkit.from_arrays."
        )
    arrays = {"W_in": rnn.weight_ih_l0, "W_rec": rnn.weight_hh_l0, "W_out": readout.weight}
    arrays = {name: as_numpy(tensor) for name, tensor in arrays.items()}
    if rnn.bias:
        arrays["b_rec"] = as_numpy(rnn.bias_ih_l0) + as_numpy(rnn.bias_hh_l0)
    if readout.bias is not None:
        arrays["b_out"] = as_numpy(readout.bias)
    if h0 is not None:
        arrays["h0"] = np.ravel(as_numpy(h0) if hasattr(h0, "detach") else h0)
    return from_arrays(**arrays, activation=rnn.nonlinearity)


def _why_no_layer(rnn) -> str:
    from torch import nn

    what, advice = type(rnn).__name__, "schurkit.from_module takes one square matrix of any module"
    if isinstance(rnn, nn.RNN):
        what += f" of {rnn.num_layers} layers{', bidirectional' if rnn.bidirectional else ''}"
    elif isinstance(rnn, nn.Module):
        for name, module in rnn.named_modules():
            advice = f"pass the layer, model.{name}" if isinstance(module, nn.RNN) else advice
    return (
        f"from_torch needs an nn.RNN of one layer in one direction; got {what}. To go on, {advice}."
    )


def _layers_of(model):
    """The one nn.RNN and the one nn.Linear of a module, and its h0 if it has one."""
    from torch import nn

    kind = type(model).__name__
    modules = dict(model.named_modules()) if isinstance(model, nn.Module) else {}
    if isinstance(model, nn.RNN):
        raise InputError("from_torch needs the readout too: from_torch(layer, readout).")
    layers, linear = (
        [name for name, module in modules.items() if isinstance(module, one)]
        for one in (nn.RNN, nn.Linear)
    )
    if len(layers) != 1 or len(linear) != 1:
        raise InputError(
            "from_torch needs a module with one nn.RNN and one nn.Linear; "
            f"{kind} holds {len(layers)} and {len(linear)}: {shown([*layers, *linear])}. To go on, "
            "pass the two that are meant, from_torch(model.rnn, model.readout); "
            "schurkit.from_module takes one square matrix of any module."
        )
    rnn, readout = modules[layers[0]], modules[linear[0]]
    used = {*rnn.parameters(), *readout.parameters()}
    beside = {name: own for name, own in model.named_parameters() if own not in used}
    if not beside:
        return rnn, readout, None
    (name, start), *more = beside.items()
    if more or name.rpartition(".")[2] != "h0" or start.numel() != rnn.hidden_size:
        raise InputError(
            f"{kind} holds more than an nn.RNN and its readout: {shown(beside)}. If these take no "
            f"part, pass the two layers: from_torch(model.{layers[0]}, model.{linear[0]})."
        )
    return rnn, readout, start


# ---------------------------------------------------------------------------------------- NeuroGym
def from_neurogym(
    env: object, trials: int = 100, *, seed: int = 0, periods: str | Sequence[str] | None = None
) -> Trials:
    """Trials of a NeuroGym environment, each drawn afresh: its observations as inputs, its ground
    truth as targets.

    Parameters
    ----------
    env : neurogym environment with ground truth, bare or wrapped
        (``neurogym.make("PerceptualDecisionMaking-v0", dt=20)``); a copy of it is asked.
    trials : how many to draw.
    seed : of the environment's own generator.
    periods : names of the periods that count, such as "decision"; the mask is 0 elsewhere. All when
        left out.

    Returns
    -------
    Trials : inputs (trials, time, observation); targets (trials, time, output): one-hot where the
        actions are classes, the numbers themselves where they are a box; short trials are padded
        with zeros that the mask leaves out. One-hot targets are on the scale of a network that was
        trained with squared error. For one that was trained with cross-entropy, take its own
        outputs for targets: ``Trials(t.inputs, outputs, t.mask)``.

    Raises
    ------
    InputError : not such an environment, no ground truth, an unknown period, or a period that no
        trial holds.
    """
    trials, seed = integer(trials, "trials", at_least=1), integer(seed, "seed", at_least=0)
    periods = [periods] if isinstance(periods, str) else periods
    task = getattr(env, "unwrapped", None)
    if not all(hasattr(task, name) for name in ("new_trial", "seed", "action_space", "start_ind")):
        raise InputError(
            f"from_neurogym needs an environment of neurogym with trials; got {type(env).__name__}."
        )
    env = copy.deepcopy(env)
    task = env.unwrapped
    while not hasattr(type(env), "new_trial"):  # a wrapper that does not change trials
        env = env.env
    task.seed(seed)
    drawn = []
    for _ in range(trials):
        env.new_trial()
        drawn.append(_trial(task, periods))
    steps = max(len(inputs) for inputs, *_ in drawn)
    arrays = [np.zeros((trials, steps, *one.shape[1:]), one.dtype) for one in drawn[0]]
    for k, trial in enumerate(drawn):
        for array, values in zip(arrays, trial):
            array[k, : len(values)] = values
    if not arrays[2].any():
        raise InputError(f"no trial holds a time step of {shown(list(periods))}.")
    return Trials(*arrays)


def _trial(task, periods) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Inputs, targets and mask of the trial that a task stands at."""
    kind, inputs, truth = type(task).__name__, getattr(task, "ob", None), getattr(task, "gt", None)
    if truth is None or inputs is None:
        raise InputError(
            f"{kind} gives no ground truth: from_neurogym needs a task for supervised learning."
        )
    if np.ndim(inputs) != 2:
        raise InputError(
            f"the observations of {kind} must have axes (time, observation); got shape "
            f"{np.shape(inputs)}."
        )
    classes, truth = getattr(task.action_space, "n", None), np.asarray(truth)
    if classes is None:
        targets = truth.reshape(len(truth), -1).astype(np.float64)
    else:
        targets = np.eye(int(classes))[truth.astype(int)]
    mask = np.full(len(inputs), periods is None)
    for name in periods or ():
        if name not in task.start_ind:
            raise InputError(
                f"{kind} has no period {shown([str(name)])}; it has {shown(list(task.start_ind))}."
            )
        mask[task.start_ind[name] : task.end_ind[name]] = True
    return np.array(inputs, np.float64), targets, mask
