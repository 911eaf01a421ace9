"""From torch modules in memory to `RNN`: an nn.RNN and the nn.Linear that reads it out."""

from __future__ import annotations

import numpy as np

from schurkit.checks import InputError
from schurkit.rnn import RNN

from .files import shown
from .load import from_arrays


def from_torch(rnn, readout=None, *, h0=None) -> RNN:
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
    import torch

    if readout is None:
        rnn, readout, own = _layers_of(rnn)
        h0 = own if h0 is None else h0
    _check_layer(rnn)
    if not isinstance(readout, torch.nn.Linear):
        raise InputError(
            f"from_torch needs the readout as an nn.Linear; got {type(readout).__name__}. Pass "
            "others through schurkit.from_arrays."
        )
    arrays = {
        "W_in": rnn.weight_ih_l0,
        "W_rec": rnn.weight_hh_l0,
        "W_out": readout.weight,
        "b_out": readout.bias,
    }
    arrays = {name: _from_tensor(tensor) for name, tensor in arrays.items() if tensor is not None}
    if rnn.bias:
        arrays["b_rec"] = _from_tensor(rnn.bias_ih_l0) + _from_tensor(rnn.bias_hh_l0)
    if h0 is not None:
        arrays["h0"] = np.reshape(_from_tensor(h0) if isinstance(h0, torch.Tensor) else h0, -1)
    return from_arrays(**arrays, activation=rnn.nonlinearity)


def _check_layer(rnn) -> None:
    import torch

    kind = type(rnn).__name__
    if isinstance(rnn, (torch.nn.LSTM, torch.nn.GRU, torch.nn.LSTMCell, torch.nn.GRUCell)):
        raise InputError(
            f"from_torch needs an nn.RNN; got {kind}. A gated network has no single recurrent "
            "matrix to ablate: train an nn.RNN."
        )
    if not isinstance(rnn, torch.nn.RNN):
        inner = (
            [name for name, module in rnn.named_modules() if isinstance(module, torch.nn.RNN)]
            if isinstance(rnn, torch.nn.Module)
            else []
        )
        advice = (
            f" Pass the layer itself: model.{inner[0]}."
            if inner
            else " Pass other cells through schurkit.from_arrays."
        )
        raise InputError(f"from_torch needs an nn.RNN; got {kind}.{advice}")
    if rnn.num_layers != 1:
        raise InputError(
            f"from_torch needs one layer; got {rnn.num_layers}. Train with num_layers=1, or pass "
            "one layer through schurkit.from_arrays."
        )
    if rnn.bidirectional:
        raise InputError(
            "from_torch needs an nn.RNN that runs forward in time; got bidirectional=True. Train "
            "with bidirectional=False."
        )


def _layers_of(model):
    """The one nn.RNN and the one nn.Linear of a module, and its h0 if it has one."""
    import torch

    if not isinstance(model, torch.nn.Module):
        raise InputError(
            "from_torch needs an nn.RNN and its readout, or a module that holds both; got "
            f"{type(model).__name__}."
        )
    found = dict(model.named_modules())
    gated = [
        name
        for name, module in found.items()
        if isinstance(module, (torch.nn.LSTM, torch.nn.GRU, torch.nn.LSTMCell, torch.nn.GRUCell))
    ]
    layers = [name for name, module in found.items() if isinstance(module, torch.nn.RNN)]
    linear = [name for name, module in found.items() if isinstance(module, torch.nn.Linear)]
    if gated and not layers:
        _check_layer(found[gated[0]])
    if "" in layers:
        raise InputError("from_torch needs the readout too: from_torch(layer, readout).")
    for names, kind in ((layers, "nn.RNN"), (linear, "nn.Linear")):
        if len(names) != 1:
            told = f"{len(names)}: {shown(names)}" if names else "none"
            advice = (
                "pass the two that are meant: from_torch(model.rnn, model.readout)"
                if names
                else "pass the arrays to schurkit.from_arrays"
            )
            raise InputError(
                f"from_torch needs a module with one {kind}; {type(model).__name__} holds {told}. "
                f"To go on, {advice}."
            )
    rnn, readout = found[layers[0]], found[linear[0]]
    used = {id(parameter) for layer in (rnn, readout) for parameter in layer.parameters()}
    beside = {
        name: parameter for name, parameter in model.named_parameters() if id(parameter) not in used
    }
    start = [
        name
        for name in beside
        if name.rpartition(".")[2] == "h0" and beside[name].numel() == rnn.hidden_size
    ]
    left = [name for name in beside if name not in start or len(start) > 1]
    if left:
        raise InputError(
            f"{type(model).__name__} holds more than an nn.RNN and its readout: {shown(left)}. If "
            "these take no part, pass the two layers: "
            f"from_torch(model.{layers[0]}, model.{linear[0]})."
        )
    return rnn, readout, beside[start[0]] if start else None


def _from_tensor(tensor) -> np.ndarray:
    tensor = tensor.detach().cpu()
    return np.array((tensor.float() if tensor.element_size() < 4 else tensor).numpy())
